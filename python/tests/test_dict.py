"""FSDict beside dict: the contract's rows 11 to 26 and 38 to 45.

Each test names the row or the promise (P) it is about.
"""

from __future__ import annotations

import collections.abc
import copy
import os
import random
from functools import partial
from typing import Any

import kist
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from conftest import in_child, outcome, same, texts, values


def agree(ours: Any, model: Any, call: Any) -> None:
    """`call` comes to the same on both: value and type, or exception."""
    mine, theirs = outcome(lambda: call(ours)), outcome(lambda: call(model))
    assert same(mine, theirs), (mine, theirs)


# --- P6 to P10 -----------------------------------------------------------


def test_is_a_mutable_mapping(fsdict):
    """P6: a MutableMapping, with every public name that dict has."""
    d = fsdict()
    assert isinstance(d, collections.abc.MutableMapping)
    assert issubclass(kist.FSDict, collections.abc.MutableMapping)
    for name in dir(dict):
        if name not in ("__init_subclass__", "__subclasshook__"):
            assert hasattr(d, name), name


def test_exceptions_and_arguments(fsdict):
    """P7, row 19: KeyError.args is (key,), as dict's."""
    d, model = fsdict({"a": 1}), {"a": 1}
    for call in (
        lambda m: m["x"],
        lambda m: m.__delitem__("x"),
        lambda m: m.pop("x"),
        lambda m: m.pop("x", 5),
        lambda m: m.pop("a"),
        lambda m: m["é\ud800"],
        lambda m: m.popitem(),
        lambda m: m.get("x"),
        lambda m: m.get("x", 3),
    ):
        agree(d, model, call)


def test_argument_errors_have_the_builtins_type(fsdict):
    """P7: wrong numbers and kinds of arguments are TypeError."""
    d = fsdict({"a": 1})
    for call in (
        lambda m: m.get(),
        lambda m: m.get("a", 1, 2),
        lambda m: m.pop(),
        lambda m: m.pop("a", 1, 2),
        lambda m: m.setdefault(),
        lambda m: m.update([1], [2]),
        lambda m: m.update(5),
        lambda m: m.keys(1),
        lambda m: m.clear(1),
        lambda m: m.popitem(1),
        lambda m: m.fromkeys(),
        lambda m: m.fromkeys(5),
        lambda m: m.get(key="a"),
    ):
        mine = outcome(partial(call, d))
        theirs = outcome(partial(call, {"a": 1}))
        assert mine[:2] == theirs[:2] == ("error", TypeError)
    assert dict(d) == {"a": 1}


@pytest.mark.parametrize("key", [5, 1.5, None, True, b"a", ("a",), object()])
def test_key_that_is_no_str(fsdict, key):
    """P8, rows 20 and 21: TypeError on write, absent on read."""
    d = fsdict({"a": 1})
    with pytest.raises(TypeError):
        d[key] = 1
    with pytest.raises(TypeError):
        d.setdefault(key, 1)
    with pytest.raises(TypeError):
        d.update({key: 1})
    with pytest.raises(TypeError):
        d.update([("b", 2), (key, 1)])
    assert key not in d
    assert d.get(key) is None
    assert d.get(key, 7) == 7
    assert d.pop(key, 8) == 8
    for call in (d.__getitem__, d.__delitem__, d.pop):
        with pytest.raises(KeyError) as caught:
            call(key)
        assert caught.value.args[0] is key
    assert "a" in d and d["a"] == 1


@pytest.mark.parametrize("key", [[], {}, set(), [[]]])
def test_unhashable_key(fsdict, key):
    """Row 21: an unhashable key is TypeError wherever it is looked up."""
    d = fsdict({"a": 1})
    for call in (
        lambda: key in d,
        lambda: d[key],
        lambda: d.get(key),
        lambda: d.get(key, 1),
        lambda: d.pop(key),
        lambda: d.pop(key, 1),
        lambda: d.__delitem__(key),
        lambda: d.setdefault(key),
        lambda: d.__setitem__(key, 1),
    ):
        with pytest.raises(TypeError):
            call()
    assert dict(d) == {"a": 1}


def test_str_subclass_key(fsdict):
    """Row 22: a str subclass is the same key and comes back as str."""

    class Name(str):
        pass

    d = fsdict()
    d[Name("a")] = 1
    assert d["a"] == 1 and d[Name("a")] == 1 and Name("a") in d
    (key,) = d
    assert type(key) is str
    d["a"] = 2
    assert len(d) == 1 and d.pop(Name("a")) == 2


@pytest.mark.parametrize(
    "key",
    [
        "",
        "\0",
        "a\0b",
        "\U0001f9f0" * 9,
        "é" * 50_000,
        "\ud800",
        "\udfff\ud800",
    ],
    ids=["empty", "nul", "nul2", "astral", "100kB", "lone", "lone2"],
)
def test_awkward_keys(base, key):
    """Rows 23 and 55: any str is a key, and the same key after a reopen."""
    with kist.FSDict(base) as d:
        d[key] = key
        d[key + "x"] = 1
        assert d[key] == key and key in d
        with pytest.raises(KeyError) as caught:
            d[key + "y"]
        assert caught.value.args == (key + "y",)
    with kist.FSDict(base) as d:
        assert list(d.items()) == [(key, key), (key + "x", 1)]
        del d[key]
        assert list(d) == [key + "x"]


# --- order ---------------------------------------------------------------


def test_order(base):
    """Row 11: overwriting keeps the place, delete and insert goes last."""
    with kist.FSDict(base) as d:
        for k in "abcdef":
            d[k] = k
        d["b"] = "B" * 100
        del d["c"]
        d["c"] = 1
        assert list(d) == list("abdefc")
        assert d.pop("a") == "a"
        d["a"] = 2
    expected = [
        ("b", "B" * 100),
        ("d", "d"),
        ("e", "e"),
        ("f", "f"),
        ("c", 1),
        ("a", 2),
    ]
    with kist.FSDict(base) as d:
        assert list(d.items()) == expected
        d.compact()
        assert list(d.items()) == expected
        assert list(reversed(d.items())) == expected[::-1]
    os.unlink(base + ".kistx")
    with kist.FSDict(base) as d:
        assert list(d.items()) == expected


def test_popitem_is_lifo(fsdict):
    """Row 13: last in, first out; KeyError with dict's words if empty."""
    d, model = fsdict(a=1, b=2, c=3), {"a": 1, "b": 2, "c": 3}
    for _ in range(5):
        agree(d, model, lambda m: m.popitem())


def test_many_deletes_leave_the_order(fsdict):
    """Rows 11 and 12: holes are never seen, however many there are."""
    d, model = fsdict(), {}
    rng = random.Random(7)
    for i in range(3000):
        k = f"k{rng.randrange(400)}"
        if rng.random() < 0.5:
            d[k] = model[k] = i
        else:
            assert d.pop(k, None) == model.pop(k, None)
    assert list(d.items()) == list(model.items())
    assert list(reversed(d)) == list(reversed(model))


# --- views ---------------------------------------------------------------


def test_views_are_live(fsdict):
    """Row 14: views show what is there now."""
    d = fsdict(a=1)
    keys, vals, items = d.keys(), d.values(), d.items()
    d["b"] = 2
    assert list(keys) == ["a", "b"]
    assert list(vals) == [1, 2]
    assert list(items) == [("a", 1), ("b", 2)]
    assert (len(keys), len(vals), len(items)) == (2, 2, 2)
    assert list(reversed(keys)) == ["b", "a"]
    assert list(reversed(vals)) == [2, 1]
    assert list(reversed(items)) == [("b", 2), ("a", 1)]
    assert "a" in keys and "x" not in keys and 5 not in keys
    assert 2 in vals and 9 not in vals
    assert ("a", 1) in items and ("a", 2) not in items
    assert ("x", 1) not in items and "a" not in items and 5 not in items


def test_views_are_views(fsdict):
    """Row 14: mapping, ABCs, hash, copies, repr."""
    d = fsdict(a=1, b=[2])
    model = {"a": 1, "b": [2]}
    for name, abc in (
        ("keys", collections.abc.KeysView),
        ("values", collections.abc.ValuesView),
        ("items", collections.abc.ItemsView),
    ):
        view, builtin = getattr(d, name)(), getattr(model, name)()
        assert isinstance(view, abc)
        assert dict(view.mapping) == model
        assert repr(view).endswith(repr(builtin).partition("_")[2])
        if name == "values":
            assert view != getattr(d, name)() and hash(view) is not None
        else:
            with pytest.raises(TypeError):
                hash(view)
        with pytest.raises(TypeError):
            copy.copy(view)
        with pytest.raises(TypeError):
            copy.deepcopy(view)


SETTISH: list[Any] = [
    set(),
    {"a"},
    {"a", "x"},
    {"a", "b", "c"},
    frozenset({"b", 5}),
    {"a": 0, "z": 0}.keys(),
    ["a", "a", "q"],
    "abc",
]


@pytest.mark.parametrize("other", SETTISH, ids=repr)
def test_keys_are_a_set(fsdict, other):
    """Row 14: set algebra of keys gives builtin sets."""
    d, model = fsdict(a=1, b=2, c=3), {"a": 1, "b": 2, "c": 3}
    for call in (
        lambda m: m.keys() & other,
        lambda m: m.keys() | other,
        lambda m: m.keys() - other,
        lambda m: m.keys() ^ other,
        lambda m: m.keys().isdisjoint(other),
        lambda m: m.keys() == other,
        lambda m: m.keys() != other,
        lambda m: other == m.keys(),
    ):
        agree(d, model, call)
    if not isinstance(other, (list, str)):
        for call in (
            lambda m: m.keys() < other,
            lambda m: m.keys() <= other,
            lambda m: m.keys() > other,
            lambda m: m.keys() >= other,
            lambda m: other - m.keys(),
            lambda m: other & m.keys(),
            lambda m: other | m.keys(),
            lambda m: other ^ m.keys(),
            lambda m: other <= m.keys(),
        ):
            agree(d, model, call)


def test_items_are_a_set(fsdict):
    """Row 14: set algebra of items, unhashable values included."""
    d, model = fsdict(a=1, b=2), {"a": 1, "b": 2}
    other = {("a", 1), ("b", 3)}
    for call in (
        lambda m: m.items() & other,
        lambda m: m.items() | other,
        lambda m: m.items() - other,
        lambda m: m.items() ^ other,
        lambda m: m.items() == {("a", 1), ("b", 2)},
        lambda m: m.items() >= {("a", 1.0)},
        lambda m: m.items().isdisjoint(other),
        lambda m: other - m.items(),
    ):
        agree(d, model, call)
    assert d.items() == model.items() and model.items() == d.items()
    assert d.keys() == model.keys() and model.keys() == d.keys()
    d["c"] = []
    with pytest.raises(TypeError):
        d.items() | set()


# --- iteration -----------------------------------------------------------


@pytest.mark.parametrize("what", ["keys", "values", "items"])
@pytest.mark.parametrize("back", [False, True])
def test_change_while_iterating(fsdict, what, back):
    """Row 15: RuntimeError once the size changed, overwriting is allowed."""

    def begin(d):
        view = getattr(d, what)()
        return reversed(view) if back else iter(view)

    d = fsdict({str(i): i for i in range(10)})
    it = begin(d)
    next(it)
    for i in range(10):
        d[str(i)] = "other"
    assert len(list(it)) == 9

    it = begin(d)
    next(it)
    d["new"] = 1
    with pytest.raises(RuntimeError) as caught:
        next(it)
    assert caught.value.args == ("dictionary changed size during iteration",)
    with pytest.raises((RuntimeError, StopIteration)):
        next(it)

    it = begin(d)
    next(it)
    del d["new"]
    d["new"] = 2
    with pytest.raises(RuntimeError):
        next(it)


def test_iterator_manners(fsdict):
    """Row 15: an iterator is its own, ends for good, and has a hint."""
    d = fsdict(a=1, b=2)
    it = iter(d)
    assert iter(it) is it
    assert it.__length_hint__() == 2
    next(it)
    assert it.__length_hint__() == 1
    assert list(it) == ["b"]
    assert it.__length_hint__() == 0
    assert list(it) == []
    d["c"] = 3
    assert list(it) == []
    assert next(it, "end") == "end"


# --- operators and constructors --------------------------------------------


def test_or(fsdict):
    """Row 16: | takes dicts only and gives a dict, |= any pairs, in place."""
    d = fsdict(a=1, b=2)
    for result, expected in (
        (d | {"b": 3, 5: 6}, {"a": 1, "b": 3, 5: 6}),
        ({"b": 3, "x": 1} | d, {"b": 2, "x": 1, "a": 1}),
        (d | fsdict(b=4, c=5), {"a": 1, "b": 4, "c": 5}),
    ):
        assert type(result) is dict
        assert list(result.items()) == list(expected.items())
    for wrong in ([("a", 1)], None, 5, "ab", {"a"}):
        with pytest.raises(TypeError):
            d | wrong
        with pytest.raises(TypeError):
            wrong | d
    before = d
    d |= [("c", 3)]
    d |= {"d": 4}
    d |= fsdict(e=5)
    assert d is before
    assert dict(d) == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    with pytest.raises(TypeError):
        d |= None
    builtin = {"a": 0}
    builtin |= d
    assert builtin == dict(d)


def test_fromkeys():
    """Rows 17 and 24: a new temporal FSDict; None is a value."""
    with kist.FSDict.fromkeys(["b", "a", "b"]) as d:
        assert type(d) is kist.FSDict
        assert list(d.items()) == [("b", None), ("a", None)]
        with d.fromkeys("xy", [1]) as e:
            assert dict(e) == {"x": [1], "y": [1]}
        assert dict(d) == {"b": None, "a": None}
    with pytest.raises(TypeError):
        kist.FSDict.fromkeys([1])


def test_update_forms(fsdict):
    """Row 18: every form of update, and what a bad pair raises."""

    class HasKeys:
        def keys(self):
            return ["p", "q"]

        def __getitem__(self, key):
            return key * 2

    d, model = fsdict(), {}
    for m in (d, model):
        m.update({"a": 1})
        m.update([("b", 2), ["c", 3], "de"])
        m.update(e=5, a=6)
        m.update({"f": 7}, g=8)
        m.update(HasKeys())
        m.update(fsdict(z=26))
        m.update(x for x in [("h", 9)])
        m.update()
    assert list(d.items()) == list(model.items())
    for bad in (["abc"], [("a",)], [("k", 1, 2)], [5], 5, None, [("a", 1), 7]):
        mine = outcome(lambda bad=bad: fsdict().update(bad))
        theirs = outcome(lambda bad=bad: {}.update(bad))
        assert mine[:2] == theirs[:2]
        if mine[1] is ValueError or bad == [5]:
            assert mine == theirs
    d.update(d)
    assert list(d.items()) == list(model.items())


def test_update_is_all_or_nothing(fsdict):
    """Row 69: an update that fails leaves nothing of itself."""

    def pairs():
        yield "a", 10
        yield "b", 20
        raise LookupError("mine")

    d = fsdict(a=1)
    with pytest.raises(LookupError):
        d.update(pairs())
    assert dict(d) == {"a": 1}
    with pytest.raises(TypeError):
        d.update({"a": 5, "b": object()})
    assert dict(d) == {"a": 1}
    with pytest.raises(TypeError):
        d.update([("a", 5)], b=object())
    assert dict(d) == {"a": 1}


def test_setdefault(fsdict):
    """Rows 24 and 25: None is stored; what comes back is a copy."""
    d = fsdict()
    assert d.setdefault("n") is None
    assert "n" in d and d["n"] is None
    assert d.setdefault("a", 5) == 5
    assert d.setdefault("a", 6) == 5
    d.setdefault("l", []).append(1)
    assert d["l"] == []
    d["l"] = [1]
    d["l"].append(2)
    assert d["l"] == [1]


def test_get_many(fsdict):
    """`get_many` looks keys up at once, absent ones give the default."""
    d = fsdict({str(i): i for i in range(500)})
    keys = [str(i) for i in range(-50, 550, 3)]
    assert d.get_many(keys) == [d.get(k) for k in keys]
    assert d.get_many(iter(keys), -1) == [d.get(k, -1) for k in keys]
    assert d.get_many([]) == []
    assert d.get_many(["1", "\ud800"]) == [1, None]


# --- rows 38 to 45 ---------------------------------------------------------


def test_comparison(fsdict):
    """Row 43 and P6: == with dicts on either side, order apart."""
    d = fsdict(a=1, b=[2])
    assert d == {"b": [2], "a": 1} and {"b": [2], "a": 1.0} == d
    assert d == fsdict(b=[2], a=1) and not (d != {"a": 1, "b": [2]})
    assert d != {"a": 1} and d != {"a": 1, "b": 2} and {"a": 1} != d
    assert d != {"a": 1, "c": [2]}
    assert d != [("a", 1)] and d != "ab" and d != None
    assert fsdict() != [] and fsdict() != set() and fsdict() == {}
    for wrong in (
        lambda: d < {},
        lambda: d >= fsdict(),
        lambda: {} < d,
    ):
        with pytest.raises(TypeError):
            wrong()

    class Never:
        __hash__ = None

        def __eq__(self, other):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        d == {"a": Never(), "b": 2}


def test_hash(fsdict):
    """Row 38: hash() is TypeError, in the builtin's words."""
    with pytest.raises(TypeError, match="unhashable type: .*FSDict'"):
        hash(fsdict())


def test_repr(fsdict):
    """Row 39: the full contents."""
    d = fsdict(a=1, b=["é"])
    inner = repr(d).removeprefix("FSDict(").removesuffix(")")
    assert inner == "{'a': 1, 'b': ['é']}"
    big = fsdict({str(i): i for i in range(5000)})
    assert "'4999': 4999" in repr(big) and "..." not in repr(big)


def test_copies(fsdict):
    """Row 40: copies are builtin dicts that go their own way."""
    d = fsdict(a=[1])
    for made in (d.copy(), copy.copy(d), copy.deepcopy(d), dict(d)):
        assert type(made) is dict and made == {"a": [1]}
        made["b"] = 2
    assert dict(d) == {"a": [1]}


def test_language_support(fsdict):
    """Row 42: bool, len, unpacking, match, ** and %."""
    d = fsdict(a=1, b=2)
    assert d and not fsdict() and len(d) == 2
    assert {**d, "c": 3} == {"a": 1, "b": 2, "c": 3}
    assert (lambda **kw: kw)(**d) == {"a": 1, "b": 2}
    assert "%(a)s-%(b)s" % d == "1-2"
    assert [*d] == ["a", "b"]
    match d:
        case {"a": 1, **rest}:
            assert rest == {"b": 2}
        case _:
            pytest.fail("no match")
    assert "{a}".format_map(d) == "1"
    assert sorted(d, key=d.get) == ["a", "b"]


def test_subclass(base):
    """Rows 26 and 44: subclasses live; C internals ask no override."""

    class Mine(kist.FSDict):
        extra = 1

        def __getitem__(self, key):
            return "mine"

        def __missing__(self, key):
            return "missing"

    with Mine(base) as d:
        d["a"] = 1
        d.note = "has a __dict__"
        assert d["a"] == "mine" and d.get("a") == 1
        assert list(d.items()) == [("a", 1)] and d.pop("a") == 1
        assert d.get("zz") is None


def test_class_getitem():
    """FSDict[str, int] is a generic alias, as dict's."""
    alias = kist.FSDict[str, int]
    assert alias.__origin__ is kist.FSDict
    assert alias.__args__ == (str, int)


def test_notebook_faces(fsdict):
    """`_repr_html_` escapes, completions are the keys."""
    d = fsdict({"<b>": "<script>", "k": 1})
    html = d._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert d._ipython_key_completions_() == ["<b>", "k"]


def test_no_item_is_lost_in_growth(base):
    """P18, P20: 20 000 keys set, half deleted, all found after reopen."""
    model = {f"key-{i}": i * i for i in range(20_000)}
    with kist.FSDict(base) as d:
        for k, v in model.items():
            d[k] = v
        for i in range(0, 20_000, 2):
            del d[f"key-{i}"], model[f"key-{i}"]
        assert len(d) == len(model)
    with kist.FSDict(base) as d:
        assert dict(d) == model
        assert list(d) == list(model)


# --- any mapping -----------------------------------------------------------


@given(st.dictionaries(texts, values, max_size=8))
def test_any_items(items):
    """Rows 23, 46, 55: whatever goes in comes out, in order."""
    with kist.FSDict() as d:
        d.update(items)
        assert same(dict(d), items)
        assert same(list(d.values()), list(items.values()))
        assert (d == items) is (dict(d) == items)


class DictMachine(RuleBasedStateMachine):
    """FSDict and dict given the same life; reopen, compact, kill between."""

    keys = st.sampled_from(["", "a", "b", "c", "\0", "\ud800", "é"]) | texts
    kinds = values

    def __init__(self):
        super().__init__()
        import tempfile

        self.dir = tempfile.TemporaryDirectory(prefix="kist-machine-")
        self.path = os.path.join(self.dir.name, "d")
        self.model: dict[str, Any] = {}
        self.d = kist.FSDict(self.path)

    def teardown(self):
        self.d.close()
        self.dir.cleanup()

    @initialize(items=st.dictionaries(texts, values, max_size=5))
    def begin(self, items):
        self.d.update(items)
        self.model.update(items)

    @rule(k=keys, v=values)
    def put(self, k, v):
        self.d[k] = self.model[k] = v

    @rule(k=keys)
    def read(self, k):
        for call in (
            lambda m: m[k],
            lambda m: m.get(k, 0),
            lambda m: k in m,
            lambda m: len(m),
        ):
            agree(self.d, self.model, call)

    @rule(k=keys)
    def delete(self, k):
        agree(self.d, self.model, lambda m: m.__delitem__(k))

    @rule(k=keys, default=st.booleans())
    def pop(self, k, default):
        agree(
            self.d, self.model, lambda m: m.pop(k, 1) if default else m.pop(k)
        )

    @rule(k=keys, v=values)
    def setdefault(self, k, v):
        agree(self.d, self.model, lambda m: m.setdefault(k, v))

    @rule()
    def popitem(self):
        agree(self.d, self.model, lambda m: m.popitem())

    @rule(items=st.lists(st.tuples(keys, values), max_size=5))
    def update(self, items):
        agree(self.d, self.model, lambda m: m.update(items))

    @rule(items=st.lists(st.tuples(keys, values), max_size=5))
    def update_that_fails(self, items):
        with pytest.raises(TypeError):
            self.d.update([*items, ("last", object())])

    @rule(k=keys)
    def put_that_fails(self, k):
        with pytest.raises(TypeError):
            self.d[k] = [object()]

    @precondition(lambda self: len(self.model) > 6)
    @rule()
    def clear(self):
        self.d.clear()
        self.model.clear()

    @rule()
    def reopen(self):
        self.d.close()
        self.d = kist.FSDict(self.path)

    @rule()
    def rebuild(self):
        self.d.close()
        os.unlink(self.path + ".kistx")
        self.d = kist.FSDict(self.path)

    @rule()
    def compact(self):
        self.d.compact()

    @rule(items=st.lists(st.tuples(keys, values), max_size=4))
    def killed_child(self, items):
        """What a child set is there after SIGKILL, its batch is not."""

        def work():
            with kist.open(self.path) as k:
                d = k.dict("")
                for key, value in items:
                    d[key] = value
                batch = k.batch()
                batch.__enter__()
                d["in the batch"] = 1
                d.clear()
                os.kill(os.getpid(), 9)

        assert in_child(work) == -9
        self.model.update(items)

    @invariant()
    def contents(self):
        assert same(list(self.d.items()), list(self.model.items()))
        assert list(reversed(self.d)) == list(reversed(self.model))
        assert list(self.d.keys()) == list(self.model)
        assert len(self.d) == len(self.model)


TestDictMachine = DictMachine.TestCase
TestDictMachine.settings = settings(max_examples=25, stateful_step_count=25)
