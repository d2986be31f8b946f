"""LocalDict: its tree, its copies, its order, and many threads at once.

Sections 1.8 and 4 (W15, W20) of the contract.
"""

from __future__ import annotations

import copy
import gc
import itertools
import random
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kist.persidict import (
    ANY_ETAG,
    DELETE_CURRENT,
    ITEM_NOT_AVAILABLE,
    KEEP_CURRENT,
    LocalDict,
    MutationPolicyError,
    NonEmptySafeStrTuple,
    SafeStrTuple,
)

# --- copies ------------------------------------------------------------------


def shape(value: Any) -> Any:
    """A value with its containers numbered: shows which are the same one."""
    numbers: dict[int, int] = {}

    def walk(item: Any) -> Any:
        if not isinstance(item, (list, dict, set, frozenset, tuple)):
            return type(item).__name__, repr(item)
        if not isinstance(item, (tuple, frozenset)):
            if id(item) in numbers:
                return "again", numbers[id(item)]
            numbers[id(item)] = len(numbers)
        name = type(item).__name__
        if isinstance(item, dict):
            return name, [(walk(k), walk(v)) for k, v in item.items()]
        if isinstance(item, (set, frozenset)):
            return name, sorted(map(repr, item))
        return name, [walk(part) for part in item]

    return walk(value)


def containers(value: Any, found: dict[int, Any]) -> dict[int, Any]:
    """All that could be changed in a value, by id."""
    if id(value) in found:
        return found
    if isinstance(value, (list, dict, set)):
        found[id(value)] = value
    if isinstance(value, dict):
        for part in value.values():
            containers(part, found)
    elif isinstance(value, (list, tuple)):
        for part in value:
            containers(part, found)
    return found


def assert_copied(value: Any) -> None:
    """In and out of a LocalDict, a value is as copy.deepcopy() makes it."""
    store: LocalDict[Any] = LocalDict()
    before = shape(value)
    store["k"] = value
    out = store["k"]
    assert shape(out) == shape(copy.deepcopy(value)) == before
    inside, again = containers(value, {}), store["k"]
    assert not inside.keys() & containers(out, {}).keys()
    assert not containers(again, {}).keys() & containers(out, {}).keys()
    assert shape(value) == before and shape(again) == before


atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
)


def nest(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(parts, max_size=4),
        st.tuples(parts, parts),
        st.dictionaries(atoms.filter(lambda a: a == a), parts, max_size=4),
        # The same container in several places.
        parts.map(lambda p: [p, {"again": p}, (p, p)]),
        st.sets(st.integers(), max_size=3),
        st.frozensets(st.text(max_size=2), max_size=3),
    )


@given(st.recursive(atoms, nest, max_leaves=20))
def test_a_copy_is_a_deep_copy(value):
    """W15: the copies made in C are those of copy.deepcopy(), as graphs."""
    assert_copied(value)


class Thing:
    """What only copy.deepcopy() knows how to copy."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def __repr__(self) -> str:
        return f"Thing({self.part!r})"


def test_what_contains_itself():
    """Cycles: through lists and dicts, and through a tuple."""
    ring: list[Any] = [1]
    ring.append(ring)
    assert_copied(ring)
    knot: dict[str, Any] = {}
    knot["list"] = [knot, ring]
    assert_copied(knot)
    inner: list[Any] = []
    turn = (inner, 5)
    inner.append(turn)
    store: LocalDict[Any] = LocalDict()
    store["k"] = turn
    out = store["k"]
    assert out[0][0] is out and out is not turn and out[0] is not inner


def test_what_is_left_to_deepcopy():
    """Objects, subclasses, and sets of them; shared parts stay shared."""
    shared = [1]
    store: LocalDict[Any] = LocalDict()
    store["k"] = {"thing": Thing(shared), "shared": shared}
    out = store["k"]
    assert out["thing"].part is out["shared"] and out["shared"] is not shared
    assert_copied([OrderedDict(a=[1]), {(1, (2,)): [3]}, {(1, 2)}])
    assert type(store["k"]["thing"]) is Thing

    class NoCopy:
        def __deepcopy__(self, memo: Any) -> Any:
            raise LookupError("not to be copied")

    with pytest.raises(LookupError):
        store["x"] = [1, [NoCopy()]]
    assert "x" not in store


def test_a_value_too_deep():
    """Nesting beyond the stack is a RecursionError, and nothing is kept."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    store: LocalDict[Any] = LocalDict()
    with pytest.raises(RecursionError):
        store["k"] = deep
    assert not store
    while deep:  # a deep list is taken apart by hand
        deep = deep.pop()


def test_an_atom_and_a_tuple_of_atoms_are_not_copied():
    """As copy.deepcopy() has it: what cannot change is the same object."""
    store: LocalDict[Any] = LocalDict()
    for value in ("text" * 9, 10**30, (1, ("a", b"b")), int, len, 1j):
        store["k"] = value
        assert store["k"] is value


def test_iteration_copies_no_values_for_keys():
    """W15: keys(), bool() and `in` leave values alone."""

    class Counted:
        copies = 0

        def __deepcopy__(self, memo: Any) -> Any:
            Counted.copies += 1
            return self

    store: LocalDict[Any] = LocalDict()
    store["a"] = Counted()
    store["b", "c"] = Counted()
    assert Counted.copies == 2
    assert list(store.keys()) == list(store) == [("a",), ("b", "c")]
    assert bool(store) and "a" in store and len(store) == 2
    assert list(store.keys_and_timestamps())[0][0] == "a"
    assert store.etag("a") == "1" and store.random_key() in store
    assert Counted.copies == 2
    assert len(list(store.values())) == 2 and Counted.copies == 4


# --- the tree ----------------------------------------------------------------


def test_order_and_shape():
    """1.8: a node's own items as inserted, then its children, each whole."""
    store: LocalDict[int] = LocalDict()
    for number, key in enumerate(["b", ("x", "q"), "a", ("x", "p"), "x"]):
        store[key] = number
    store["y", "z", "t"] = 9
    store["b"] = 7  # an overwrite keeps the place
    assert list(store.items()) == [
        (("b",), 7),
        (("a",), 2),
        (("x",), 4),
        (("x", "q"), 1),
        (("x", "p"), 3),
        (("y", "z", "t"), 9),
    ]
    assert all(type(key) is SafeStrTuple for key in store)


def test_a_subdict_is_a_part():
    """1.8: shared both ways, also one that was empty when it was asked for."""
    store: LocalDict[int] = LocalDict()
    below = store.get_subdict(("x", "y"))
    assert not below and len(store) == 0
    below["a"] = 1
    store["x", "y", "b"] = 2
    assert dict(below.items()) == {"a": 1, "b": 2} or list(below.items()) == [
        (("a",), 1),
        (("b",), 2),
    ]
    assert store["x", "y", "a"] == 1 and below["b"] == 2
    assert store.etag(("x", "y", "b")) == below.etag("b") == "2"
    assert store.get_subdict(()) == store
    del below["a"]
    assert ("x", "y", "a") not in store
    assert set(store.subdicts()) == {"x"}
    with pytest.raises(ValueError, match="non-empty"):
        store.get_subdict("")


def test_formats_are_apart():
    """1.8: one backend, a namespace for each format, one counter."""
    store: LocalDict[Any] = LocalDict()
    other: LocalDict[Any] = LocalDict(
        backend=store.get_params()["backend"], serialization_format="json"
    )
    store["a"] = 1
    other["a"] = 2
    assert store["a"] == 1 and other["a"] == 2
    assert [store.etag("a"), other.etag("a")] == ["1", "2"]
    other.clear()
    assert not other and store["a"] == 1
    shared = copy.copy(store)
    shared["b"] = 3
    assert store["b"] == 3 and shared == store


def test_pruning_takes_only_what_nobody_has():
    """1.8: emptied nodes go; a sub-dict that is held goes on being a part."""
    store: LocalDict[int] = LocalDict(prune_interval=1)
    held = store.get_subdict("held")
    for name in ("held", "gone"):
        store[name, "a"] = 1
    del store["held", "a"]
    del store["gone", "a"]
    backend = store.get_params()["backend"]
    assert set(backend.__getstate__()["subdicts"]) == {"held"}
    held["b"] = 2
    assert store["held", "b"] == 2
    del held
    del store["held", "b"]
    store["x"] = 1
    del store["x"]
    assert backend.__getstate__()["subdicts"] == {}


@pytest.mark.parametrize(
    ("given_as", "kept"),
    [(None, None), (0, None), (-1, None), ("x", 64), (3.7, 3), (5, 5)],
)
def test_prune_interval(given_as, kept):
    """1.8: what is no positive number is none, or the default."""
    store: LocalDict[int] = LocalDict(prune_interval=given_as)
    assert store.get_params()["prune_interval"] == kept


def test_a_backend_is_one():
    """Anything else than another LocalDict's backend is refused at once."""
    with pytest.raises(TypeError, match="backend must be that of another"):
        LocalDict(backend="text")  # type: ignore[arg-type]
    empty: Any = {}
    assert len(LocalDict(backend=empty)) == 0


def test_not_initialised():
    """A subclass that forgot __init__ gets an error, not a crash."""

    class Lazy(LocalDict[int]):
        def __init__(self) -> None:
            pass

    store = Lazy()
    for use in (
        lambda: store["a"],
        lambda: store.__setitem__("a", 1),
        lambda: store.__delitem__("a"),
        lambda: "a" in store,
        lambda: len(store),
        lambda: bool(store),
        lambda: list(store),
        lambda: store.clear(),
        lambda: store.etag("a"),
        lambda: store.get_subdict("a"),
        lambda: store.get_item_if(
            "a", condition=ANY_ETAG, expected_etag=ITEM_NOT_AVAILABLE
        ),
    ):
        with pytest.raises((RuntimeError, AttributeError)):
            use()


def test_classes_can_be_patched():
    """1.1: a method put into the class, or the instance, is what is used."""

    class Mine(LocalDict[int]):
        pass

    store = Mine()
    store["a"] = 1
    Mine.__contains__ = lambda self, key: True  # type: ignore[method-assign]
    assert "nothing" in store
    Mine.__getitem__ = lambda self, key: 42  # type: ignore[method-assign]
    assert store["a"] == 42
    del Mine.__getitem__
    assert store["a"] == 1
    asked = []
    store.set_item_if = (  # type: ignore[method-assign]
        lambda key, **options: (
            asked.append(key) or LocalDict.set_item_if(store, key, **options)
        )
    )
    store.transform_item("a", transformer=lambda value: value + 1)
    assert asked == ["a"] and store["a"] == 2
    # pop and discard_if do not go through __contains__.
    Mine.__contains__ = lambda self, key: False  # type: ignore[method-assign]
    assert store.pop("a") == 2 and len(store) == 0


def test_errors_carry_the_key():
    """1.2: KeyError with the coerced key; a bad key is no KeyError."""
    store: LocalDict[int] = LocalDict()
    for use in (
        lambda: store["a", "b"],
        lambda: store.__delitem__(("a", "b")),
        lambda: store.etag(("a", "b")),
        lambda: store.timestamp(("a", "b")),
        lambda: store.pop(("a", "b")),
    ):
        with pytest.raises(KeyError) as caught:
            use()
        assert type(caught.value.args[0]) is NonEmptySafeStrTuple
        assert caught.value.args[0] == ("a", "b")
    for bad, error in (("a/b", ValueError), (1, TypeError), ((), ValueError)):
        for use_it in (
            lambda bad=bad: bad in store,
            lambda bad=bad: store.get(bad),
            lambda bad=bad: store.discard(bad),
            lambda bad=bad: store.__setitem__(bad, KEEP_CURRENT),
            lambda bad=bad: store.__setitem__(bad, 1),
            lambda bad=bad: store.setdefault(bad, 1),
            lambda bad=bad: store.pop(bad, None),
        ):
            with pytest.raises(error):
                use_it()


def test_arguments_by_name():
    """Methods take their arguments by name, as those of the peer do."""
    store: LocalDict[Any] = LocalDict()
    store["a"] = 1
    assert store.get(key="a") == 1
    assert store.get(key="b", default=2) == 2 == store.get("b", default=2)
    assert store.etag(key="a") == "1" and store.timestamp(key="a") > 0
    assert store.setdefault(key="a", default=3) == 1
    assert store.discard(key="a") is True
    with pytest.raises(TypeError, match="unexpected keyword"):
        store.get("a", fallback=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing"):
        store.etag()  # type: ignore[call-arg]


def test_timestamps_and_ages():
    """1.4: oldest and newest; max_n by place or by name."""
    store: LocalDict[int] = LocalDict()
    before = time.time()
    for number in range(5):
        store[f"k{number}"] = number
        time.sleep(0.002)
    store["k0"] = 10
    assert before <= store.timestamp("k1") <= time.time()
    order = [("k1",), ("k2",), ("k3",), ("k4",), ("k0",)]
    assert store.oldest_keys() == store.oldest_keys(max_n=9) == order
    assert store.oldest_keys(2) == order[:2]
    assert store.newest_keys(2) == order[:2:-1]
    assert store.newest_values(max_n=2) == [10, 4]
    assert store.oldest_values(1) == [1]
    assert store.oldest_keys(0) == store.newest_keys(-3) == []


def test_append_only():
    """1.4, 1.6: no overwrite, no deletion, whatever the way."""
    store: LocalDict[Any] = LocalDict(append_only=True)
    store["a"] = 1
    for change in (
        lambda: store.__setitem__("a", 2),
        lambda: store.__setitem__("a", DELETE_CURRENT),
        lambda: store.__setitem__("none", DELETE_CURRENT),
        lambda: store.__delitem__("a"),
        lambda: store.__delitem__("none"),
        lambda: store.discard("a"),
        lambda: store.discard(""),
        lambda: store.pop("a"),
        lambda: store.pop("none", 1),
        lambda: store.popitem(),
        lambda: store.clear(),
        lambda: store.transform_item("a", transformer=lambda v: 2),
    ):
        with pytest.raises(MutationPolicyError, match="append-only"):
            change()
    assert list(store.items()) == [(("a",), 1)] and store.append_only
    store["a"] = KEEP_CURRENT
    assert store.setdefault("a", 5) == 1 and store.setdefault("b", 5) == 5


def test_base_class():
    """1.4: checked when written, and when read."""
    store: LocalDict[Any] = LocalDict(base_class_for_values=int)
    with pytest.raises(TypeError, match="^Value must be an instance of int$"):
        store["a"] = "text"
    store["a"] = True
    other: LocalDict[Any] = LocalDict(
        backend=store.get_params()["backend"], base_class_for_values=str
    )
    with pytest.raises(TypeError, match="of str, but it is bool instead"):
        other["a"]
    with pytest.raises(TypeError, match="of str, but it is bool instead"):
        list(other.values())
    assert list(other) == ["a"]


# --- a random history against a plain dict ----------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_against_a_dict(seed):
    """A random history of everything, against a dict of tuples."""
    rng = random.Random(seed)
    store: LocalDict[Any] = LocalDict(prune_interval=rng.choice([None, 1, 5]))
    model: dict[tuple[str, ...], Any] = {}
    keys = [("a",), ("b",), ("a", "b"), ("a", "b", "c"), ("d", "e"), ("d",)]
    for _ in range(1500):
        key = rng.choice(keys)
        step = rng.randrange(8)
        value = {"n": [rng.random()]}
        if step < 3:
            store[key] = value
            model[key] = value
        elif step == 3:
            assert store.pop(key, None) == model.pop(key, None)
        elif step == 4:
            assert store.discard(key) is (model.pop(key, None) is not None)
        elif step == 5:
            assert store.setdefault(key, 7) == model.setdefault(key, 7)
        elif step == 6 and model:
            name, item = store.popitem()
            assert model.pop(name.strings) == item
        elif rng.random() < 0.02:
            store.clear()
            model.clear()
        assert len(store) == len(model) and bool(store) is bool(model)
        assert (key in store) is (key in model)
        assert store.get(key) == model.get(key)
        assert {k.strings: v for k, v in store.items()} == model
    assert store == model
    sub = {k[1:]: v for k, v in model.items() if k[0] == "a" and k[1:]}
    assert {k.strings: v for k, v in store.get_subdict("a").items()} == sub


def test_a_random_key_in_a_tree():
    """1.4: each as likely as any other, whatever its depth and format."""
    store: LocalDict[int] = LocalDict()
    other: LocalDict[int] = LocalDict(
        backend=store.get_params()["backend"], serialization_format="json"
    )
    keys = [("a",), ("b",), ("x", "y", "a"), ("x", "y", "b"), ("z", "a")]
    for number, key in enumerate(keys):
        store[key] = number
        other["other", *key] = 1
    store["gone", "a"] = 1
    del store["gone", "a"]
    assert [store._nth(n) for n in range(5)] == list(store) == keys
    assert store._nth(5) is None is store._nth(-1)
    found = [store.random_key() for _ in range(1000)]
    assert all(type(key) is SafeStrTuple for key in found)
    assert min(found.count(key) for key in keys) > 140
    store.clear()
    assert store.random_key() is None and len(other) == 5


def test_changed_while_iterated():
    """An iterator leaves out what was deleted, and does not fail."""
    store: LocalDict[int] = LocalDict()
    for number in range(100):
        store[f"k{number}"] = number
        store["x", f"k{number}"] = number
    seen = []
    for key, value in store.items():
        seen.append(value)
        store.discard(key)
        store.discard(f"k{value + 1}")
    assert seen[:50] == list(range(0, 100, 2))
    assert len(seen) == 50 + 100 and not store


def test_keys_of_very_many_components():
    """A limit that is said, where the C stack would be another."""
    store: LocalDict[int] = LocalDict(prune_interval=1)
    store[("a",) * 1001] = 1
    assert len(store) == 1 and bool(store) and len(list(store)) == 1
    with pytest.raises(ValueError, match="at most 1001 components"):
        store[("a",) * 1002] = 1
    below = store
    with pytest.raises(ValueError, match="at most 1001 components"):
        for _ in range(1002):
            below = below.get_subdict("b")
    assert ("a",) * 3000 not in store
    store.discard(("a",) * 1001)
    store.clear()
    assert not store


def test_code_that_uses_the_iterator():
    """What runs while a value is copied may not step the same iterator."""

    class Greedy:
        def __deepcopy__(self, memo: Any) -> Any:
            if hasattr(self, "iterator"):
                with pytest.raises(ValueError, match="already executing"):
                    list(self.iterator)
            return self

    greedy = Greedy()
    store: LocalDict[Any] = LocalDict()
    store["a"] = greedy
    greedy.iterator = iter(store.values())  # type: ignore[attr-defined]
    iterator = greedy.iterator  # type: ignore[attr-defined]
    del store
    assert next(iterator) is greedy
    assert list(iterator) == []


def test_labels_are_checked_in_c_too():
    """A subclass with other checks cannot make the iterator go astray."""

    class Lenient(LocalDict[int]):
        def _process_generic_iter_args(self, result_type: Any) -> None:
            pass

    store = Lenient()
    store["a"] = 1
    for bad, error in (
        (set(), ValueError),
        ({"x"}, ValueError),
        ([], TypeError),
    ):
        with pytest.raises(error, match="result_type"):
            store._generic_iter(bad)  # type: ignore[arg-type]


def test_the_base_alone():
    """kist._core works before kist.persidict was imported."""
    code = (
        "from kist._core import LocalBase\n"
        "base = LocalBase()\n"
        "base._open(None, 'pkl', False, None, 0)\n"
        "base['a'] = {1, 2}\n"
        "assert base['a'] == {1, 2}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- threads (W20) -----------------------------------------------------------


@pytest.fixture
def often():
    """Threads take turns as often as the interpreter can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def run_threads(count: int, work: Any) -> None:
    """Runs work(number) in threads at once; raises what any of them did."""
    failures: list[BaseException] = []
    start = threading.Barrier(count)

    def body(number: int) -> None:
        try:
            start.wait()
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=body, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_no_etag_is_given_twice(often):
    """W20: every write, of every thread, has an etag of its own."""
    store: LocalDict[Any] = LocalDict()
    below = store.get_subdict("x")
    etags: list[list[Any]] = [[] for _ in range(4)]

    def work(number: int) -> None:
        mine = below if number % 2 else store
        for turn in range(800):
            result = mine.set_item_if(
                f"k{turn % 3}",
                value={"by": [number]},
                condition=ANY_ETAG,
                expected_etag=ITEM_NOT_AVAILABLE,
            )
            etags[number].append(result.resulting_etag)

    run_threads(4, work)
    every = list(itertools.chain(*etags))
    assert len(every) == len(set(every)) == 3200
    assert max(map(int, every)) == 3200


def test_no_update_is_lost(often):
    """W20: transform_item() of many threads counts exactly."""
    store: LocalDict[int] = LocalDict()

    def work(number: int) -> None:
        for _ in range(150):
            store.transform_item(
                ("n", "m"),
                transformer=lambda v: 1 if v is ITEM_NOT_AVAILABLE else v + 1,
                n_retries=None,
            )

    real, time.sleep = time.sleep, lambda seconds: real(0)
    try:
        run_threads(4, work)
    finally:
        time.sleep = real
    assert store["n", "m"] == 600


def test_one_creates(often):
    """W20: of all who create an item, one does; also in a new node."""
    store: LocalDict[int] = LocalDict(append_only=True)
    won: list[list[str]] = [[] for _ in range(4)]

    def work(number: int) -> None:
        for turn in range(400):
            key = (f"node{turn % 7}", f"k{turn}")
            try:
                store[key] = number
                won[number].append(key[1])
            except MutationPolicyError:
                pass

    run_threads(4, work)
    assert sorted(itertools.chain(*won)) == sorted(
        f"k{turn}" for turn in range(400)
    )
    assert (
        all(key[-1] in won[value] for key, value in store.items())
        and len(store) == 400
    )


def test_everything_at_once(often):
    """W20: pruning, iterating and writing side by side; nothing breaks."""
    store: LocalDict[Any] = LocalDict(prune_interval=1)

    def work(number: int) -> None:
        rng = random.Random(number)
        for _ in range(300):
            key = (f"n{rng.randrange(3)}", f"m{rng.randrange(3)}", "leaf")
            if number == 0:
                for k, v in store.items():
                    assert len(k) == 3 and v["n"] == [v["n"][0]]
            elif rng.random() < 0.5:
                store[key] = {"n": [number]}
                store.get(key)
            else:
                store.discard(key)

    run_threads(4, work)
    store.clear()
    assert not store and list(store) == []


def test_nothing_is_left_behind():
    """A LocalDict, and a cycle through one, are collected."""

    class Holder:
        def __deepcopy__(self, memo: Any) -> Any:
            return self

    gc.collect()
    holder = Holder()
    store: LocalDict[Any] = LocalDict()
    store["a", "b"] = holder
    holder.store = store  # type: ignore[attr-defined]
    import weakref

    watch = weakref.ref(holder)
    del store, holder
    gc.collect()
    assert watch() is None
