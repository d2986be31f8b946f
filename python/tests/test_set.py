"""FSSet beside set: the contract's rows 27 to 37 and 38 to 45.

Each test names the row or the promise (P) it is about.
"""

from __future__ import annotations

import collections.abc
import copy
import enum
import gc
import math
import operator
import os
import struct
import weakref
from functools import partial
from typing import Any

import kist
import pytest

from conftest import fingerprint, outcome, same

CHANGED = "Set changed size during iteration"


def agree(ours: Any, model: Any, call: Any) -> None:
    """`call` comes to the same on both: value and type, or exception."""
    mine, theirs = outcome(lambda: call(ours)), outcome(lambda: call(model))
    assert same(mine, theirs), (mine, theirs)


def alike(ours: Any, model: set[Any]) -> None:
    """The set holds the model's members, exact to type and bits."""
    assert sorted(map(fingerprint, ours)) == sorted(map(fingerprint, model))


# --- the type ------------------------------------------------------------


def test_is_a_mutable_set(fsset):
    """P6: a MutableSet, with every public name that set has."""
    s = fsset()
    assert isinstance(s, collections.abc.MutableSet)
    assert issubclass(kist.FSSet, collections.abc.MutableSet)
    for name in dir(set):
        if name not in ("__init_subclass__", "__subclasshook__"):
            assert hasattr(s, name), name


def test_numbers_are_one_member(fsset):
    """Rows 27 and 28: 1, 1.0 and True are one; the first is kept."""
    for group in (
        [1, 1.0, True, 1 + 0j],
        [0, 0.0, -0.0, False, -0j],
        [2**53, float(2**53)],
        [2**70, float(2**70)],
        [-1, -1.0, complex(-1)],
    ):
        for first in group:
            s, model = fsset([first]), {first}
            for other in group:
                s.add(other)
                assert other in s
            assert len(s) == 1
            alike(s, model)
            s.remove(group[-1])
            assert len(s) == 0 and first not in s
    s = fsset([1, 1.5, 2**70 + 1])
    assert 1.5 in s and 1.25 not in s
    assert float(2**70) not in s and 2**70 + 1 in s


def test_numbers_in_tuples_are_normalised(fsset):
    """Row 27: the rule reaches into tuples and frozensets."""
    s = fsset([(1, "a"), frozenset({0.0})])
    assert (True, "a") in s and (1.0, "a") in s
    assert frozenset({False}) in s and frozenset({-0.0}) in s
    s.add((1.0, "a"))
    alike(s, {(1, "a"), frozenset({0.0})})


def test_nan_by_its_bits(base):
    """Row 29: a NaN is the member with the same bits."""
    other = struct.unpack("<d", b"\x01\x00\x00\x00\x00\x00\xf8\xff")[0]
    with kist.FSSet(base) as s:
        s.update([math.nan, float("nan"), math.nan])
        assert len(s) == 1 and float("nan") in s and other not in s
        s.add(other)
        assert len(s) == 2
    with kist.FSSet(base) as s:
        assert math.nan in s and other in s
        s.remove(float("nan"))
        assert math.nan not in s and len(s) == 1


@pytest.mark.parametrize("v", [[], {}, [[]], ([],), ({},), bytearray(b"x")])
def test_unhashable_member(fsset, v):
    """Row 30: TypeError with set's words from every call."""
    s, model = fsset([1]), {1}
    for call in (
        lambda m: m.add(v),
        lambda m: m.discard(v),
        lambda m: m.remove(v),
        lambda m: v in m,
        lambda m: m.update([v]),
        lambda m: m.union([v]),
        lambda m: m.difference([v]),
        lambda m: m.difference_update([v]),
        lambda m: m.intersection([v]),
        lambda m: m.intersection_update([v]),
        lambda m: m.symmetric_difference([v]),
        lambda m: m.symmetric_difference_update([v]),
        lambda m: m.isdisjoint([v]),
        lambda m: m.issuperset([v]),
        lambda m: m.issubset([v]),
    ):
        agree(s, model, call)
    alike(s, {1})


class Colour(enum.Enum):
    RED = 1


class Name(str):
    pass


class Angry:
    """Hashable, but not to be compared."""

    def __hash__(self):
        return 1

    def __eq__(self, other):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "v",
    [object(), int, Colour.RED, len, (1, object()), range(3), Angry()],
    ids=str,
)
def test_unstorable_member(fsset, v):
    """Row 31: add is TypeError, in is False, discard nothing, remove
    KeyError."""
    s = fsset([1, "a"])
    with pytest.raises(TypeError):
        s.add(v)
    assert v not in s
    s.discard(v)
    with pytest.raises(KeyError) as caught:
        s.remove(v)
    assert caught.value.args[0] is v
    with pytest.raises(TypeError):
        s.update([2, v])
    alike(s, {1, "a"})


def test_unstorable_members_in_algebra(fsset):
    """Rows 31 and 33: results are builtin sets, so they may hold anything."""
    o = object()
    s, model, other = fsset([1, 2]), {1, 2}, {1, o}
    for name in ("or_", "and_", "sub", "xor"):
        operate = getattr(operator, name)
        assert operate(s, other) == operate(model, other)
        assert operate(other, s) == operate(other, model)
    s -= other
    assert s == {2}
    s &= {2, o}
    assert s == {2}
    for update in (operator.ior, operator.ixor):
        with pytest.raises(TypeError):
            update(s, {3, o})
        assert s == {2}
    assert not s.isdisjoint([o, 2]) and s.isdisjoint([o])
    assert not s.issuperset([o]) and s.issubset([o, 2])
    assert s < {o, 2} and not s > {o}


def test_hash_that_raises(fsset):
    """Row 31: what a member's own __hash__ raises passes through."""

    class Sour:
        def __hash__(self):
            raise LookupError("sour")

    s = fsset([1])
    for call in (s.add, s.discard, s.remove, s.__contains__):
        with pytest.raises(LookupError):
            call(Sour())


def test_sets_as_members(fsset):
    """Row 36: frozensets and tuples are members; a set is looked up as
    one."""
    s = fsset([frozenset({1, 2}), (1, (2, frozenset({"x"})))])
    assert {1, 2} in s and frozenset({2, 1}) in s
    assert fsset([2, 1]) in s and {1} not in s
    assert (1, (2, frozenset({"x"}))) in s
    with pytest.raises(TypeError):
        s.add({1, 2})
    with pytest.raises(TypeError):
        s.add(fsset())
    s.discard({1})
    s.discard({1, 2})
    assert len(s) == 1
    absent = {7}
    with pytest.raises(KeyError) as caught:
        s.remove(absent)
    assert caught.value.args[0] is absent
    s.add(frozenset({1, 2}))
    s.remove(fsset([1, 2]))
    assert {1, 2} not in s
    with pytest.raises(TypeError):
        (1, {2}) in s
    for m in s:
        assert type(m) is tuple


# --- single members --------------------------------------------------------


def test_single_members(fsset):
    """P7, row 37: add, discard, remove, pop, clear and what they raise."""
    s, model = fsset(), set()
    for call in (
        lambda m: m.pop(),
        lambda m: m.remove("x"),
        lambda m: m.discard("x"),
        lambda m: m.add("x"),
        lambda m: m.add("x"),
        lambda m: len(m),
        lambda m: "x" in m,
        lambda m: "y" in m,
        lambda m: m.remove((1,)),
        lambda m: m.pop(),
        lambda m: m.add(None),
        lambda m: None in m,
        lambda m: m.clear(),
        lambda m: m.pop(),
    ):
        agree(s, model, call)


def test_argument_errors(fsset):
    """P7: wrong numbers and kinds of arguments are TypeError."""
    s = fsset([1])
    for call in (
        lambda m: m.add(),
        lambda m: m.add(1, 2),
        lambda m: m.pop(1),
        lambda m: m.clear(1),
        lambda m: m.issubset(),
        lambda m: m.issubset([], []),
        lambda m: m.issuperset(5),
        lambda m: m.isdisjoint(None),
        lambda m: m.symmetric_difference([], []),
        lambda m: m.symmetric_difference_update([], []),
        lambda m: m.update(5),
        lambda m: m.union(None),
        lambda m: m.difference(123),
        lambda m: m.difference_update(123),
        lambda m: m.intersection([], 1),
        lambda m: m.copy(1),
        lambda m: m[0],
        lambda m: m + m,
    ):
        mine, theirs = outcome(partial(call, s)), outcome(partial(call, {1}))
        assert mine[:2] == theirs[:2] == ("error", TypeError)
    assert s == {1}


def test_pop_empties(fsset):
    """Row 37: every member once, then KeyError."""
    s = fsset(range(1000))
    assert {s.pop() for _ in range(1000)} == set(range(1000))
    assert not s
    with pytest.raises(KeyError) as caught:
        s.pop()
    assert caught.value.args == ("pop from an empty set",)


# --- algebra ---------------------------------------------------------------

OTHERS: list[Any] = [
    set(),
    {1},
    {1, 2, 3},
    {3, 4, 5.0},
    {1, 2, 3, 4, 5, 6},
    frozenset({True, "a"}),
    {"a": 1, 1: 2}.keys(),
    {"a": 1}.items(),
]
ITERABLES: list[Any] = [
    [],
    [1, 1, 9],
    (2.0, True),
    "aab",
    {"a": 1, 2: 3},
    range(9),
]
START = [1, 2, 3, "a"]


@pytest.mark.parametrize("other", OTHERS, ids=repr)
@pytest.mark.parametrize("name", ["or_", "and_", "sub", "xor"])
def test_operators(fsset, name, other):
    """Rows 32 to 34: with sets on either side, giving a builtin set."""
    operate = getattr(operator, name)
    s, model = fsset(START), set(START)
    for call in (lambda m: operate(m, other), lambda m: operate(other, m)):
        mine, theirs = call(s), call(model)
        assert type(mine) is type(theirs) and mine == theirs
    mine = operate(s, fsset(other))
    assert type(mine) is set and mine == operate(model, set(other))


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_comparisons(fsset, other):
    """Row 32, P6: all six, on either side, with ours too."""
    s, model = fsset(START), set(START)
    if isinstance(other, (set, frozenset)):
        for name in ("eq", "ne", "lt", "le", "gt", "ge"):
            compare = getattr(operator, name)
            assert compare(s, other) is compare(model, other)
            assert compare(other, s) is compare(other, model)
            assert compare(s, fsset(other)) is compare(model, other)
    ours = fsset(other)
    assert ours == set(other) and set(other) == ours
    assert ours <= ours and ours >= ours and not ours < ours


def test_comparison_with_other_kinds(fsset):
    """Rows 32 and 43: unequal to what is no set, TypeError for order."""
    s = fsset(["a"])
    for other in (["a"], ("a",), "a", None, 5, {"a": 1}):
        assert s != other and other != s
        assert not s == other and not other == s
        for name in ("lt", "le", "gt", "ge"):
            with pytest.raises(TypeError):
                getattr(operator, name)(s, other)
            with pytest.raises(TypeError):
                getattr(operator, name)(other, s)


@pytest.mark.parametrize("other", [*ITERABLES, None, 5], ids=repr)
@pytest.mark.parametrize(
    "name", ["or_", "and_", "sub", "xor", "ior", "iand", "isub", "ixor"]
)
def test_operators_need_sets(fsset, name, other):
    """Row 32: an iterable that is no set is TypeError on either side."""
    operate = getattr(operator, name)
    s = fsset(START)
    with pytest.raises(TypeError):
        operate(s, other)
    with pytest.raises(TypeError):
        operate(other, s)
    alike(s, set(START))


METHODS = ["union", "intersection", "difference", "symmetric_difference"]


@pytest.mark.parametrize("other", [*OTHERS, *ITERABLES], ids=repr)
@pytest.mark.parametrize("name", METHODS)
def test_methods_take_iterables(fsset, name, other):
    """Rows 32 and 33: any iterable, giving a builtin set."""
    s, model = fsset(START), set(START)
    for argument in (other, iter(list(other)), fsset(other)):
        mine = getattr(s, name)(argument)
        assert type(mine) is set and mine == getattr(model, name)(other)
    alike(s, model)


@pytest.mark.parametrize("other", [*OTHERS, *ITERABLES], ids=repr)
@pytest.mark.parametrize("name", ["isdisjoint", "issubset", "issuperset"])
def test_questions_take_iterables(fsset, name, other):
    """Row 32: any iterable, giving a bool."""
    s, model = fsset(START), set(START)
    for argument in (other, iter(list(other)), fsset(other)):
        assert getattr(s, name)(argument) is getattr(model, name)(other)


@pytest.mark.parametrize("name", METHODS[:3])
def test_methods_take_several(fsset, name):
    """Row 32: none, one or several arguments."""
    s, model = fsset(START), set(START)
    for others in ([], [[1]], [[1], "a", {2}], [[9], range(4)]):
        mine = getattr(s, name)(*others)
        assert type(mine) is set and mine == getattr(model, name)(*others)
        assert mine is not s


UPDATES = [
    "update",
    "intersection_update",
    "difference_update",
    "symmetric_difference_update",
]


@pytest.mark.parametrize("other", [*OTHERS, *ITERABLES], ids=repr)
@pytest.mark.parametrize("name", UPDATES)
def test_updates_take_iterables(fsset, name, other):
    """Rows 32 and 34: in place, any iterable, None as the answer."""
    model = set(START)
    getattr(model, name)(other)
    for argument in (other, iter(list(other)), fsset(other)):
        s = fsset(START)
        assert getattr(s, name)(argument) is None
        assert s == model and len(s) == len(model)


@pytest.mark.parametrize("name", UPDATES[:3])
def test_updates_take_several(fsset, name):
    """Row 32: none, one or several arguments."""
    for others in ([], [[1]], [[1], "a", {2}], [[9], range(4)]):
        s, model = fsset(START), set(START)
        getattr(s, name)(*others)
        getattr(model, name)(*others)
        assert s == model


@pytest.mark.parametrize("other", OTHERS[:6], ids=repr)
@pytest.mark.parametrize("name", ["ior", "iand", "isub", "ixor"])
def test_in_place_operators(fsset, name, other):
    """Row 34: the object stays the same one."""
    operate = getattr(operator, name)
    for argument in (other, fsset(other)):
        s, model = fsset(START), set(START)
        assert operate(s, argument) is s
        assert s == operate(model, other)


def test_with_itself(fsset):
    """Row 34: a set is its own argument."""
    s = fsset(START)
    assert s | s == s and s & s == s and s - s == set() and s ^ s == set()
    assert s.issubset(s) and s.issuperset(s) and not s.isdisjoint(s)
    s |= s
    s &= s
    s.update(s, s)
    s.intersection_update(s, s)
    assert s == set(START)
    t = fsset(START)
    t -= t
    assert len(t) == 0
    s ^= s
    assert len(s) == 0
    s.update(START)
    s.difference_update([1], s)
    assert len(s) == 0
    s.update(START)
    s.symmetric_difference_update(s)
    assert len(s) == 0


def test_which_of_equals_is_kept(fsset):
    """Row 27: the member that is there stays, as in set."""
    s, other = fsset([1]), {True}
    alike(s | other, {1})
    s |= other
    s.update([1.0])
    alike(s, {1})


# --- several as one ----------------------------------------------------------


def test_update_is_all_or_nothing(fsset):
    """Row 69: what fails leaves nothing of itself."""

    def source():
        yield 8
        yield 9
        raise LookupError("mine")

    s = fsset(START)
    for call in (
        lambda: s.update(source()),
        lambda: s.update([7], source()),
        lambda: s.update([7, object()]),
        lambda: s.difference_update([1], source()),
        lambda: s.intersection_update([1], source()),
        lambda: s.symmetric_difference_update(source()),
    ):
        with pytest.raises((LookupError, TypeError)):
            call()
        alike(s, set(START))


def test_update_from_what_changes_it(fsset):
    """Rows 3 and 35: a source that reads or writes the set itself."""
    s = fsset([1, 2, 3])

    def source():
        for v in (10, 20, 30):
            s.add(v + 1)
            assert v + 1 in s
            yield v

    s.update(source())
    assert s == {1, 2, 3, 10, 20, 30, 11, 21, 31}
    with pytest.raises(RuntimeError):
        s.update(v + 100 for v in s if s.add(v + 1000) is None)


def test_order_is_insertion(base):
    """Row 35: stable while unchanged, and over a reopen."""
    model = list(range(300, 0, -7))
    with kist.FSSet(base) as s:
        s.update(model)
        s.discard(model[3])
        s.add(model[3])
        order = list(s)
        assert order == list(s)
        assert sorted(order) == sorted(model)
    with kist.FSSet(base) as s:
        assert list(s) == order


# --- iteration ---------------------------------------------------------------


def test_change_while_iterating(fsset):
    """P6: RuntimeError with set's words once the size changed."""
    s = fsset(range(10))
    it = iter(s)
    next(it)
    s.add(5)
    s.discard(99)
    next(it)
    s.add(100)
    for _ in range(2):
        with pytest.raises(RuntimeError) as caught:
            next(it)
        assert caught.value.args == (CHANGED,)
    with pytest.raises(RuntimeError):
        for v in s:
            s.discard(v)


def test_iterator_manners(fsset):
    """P6: an iterator is its own, ends for good, and has a hint."""
    s = fsset([1, 2])
    it = iter(s)
    assert iter(it) is it
    assert operator.length_hint(it) == 2
    next(it)
    assert operator.length_hint(it) == 1
    next(it)
    assert next(it, "end") == "end"
    s.add(3)
    assert next(it, "end") == "end"
    assert operator.length_hint(it) == 0


# --- rows 38 to 45 -------------------------------------------------------------


def test_hash(fsset):
    """Row 38: hash() is TypeError."""
    with pytest.raises(TypeError, match="unhashable type: .*FSSet'"):
        hash(fsset())


def test_repr(fsset):
    """Row 39: the full contents, and the builtin's shape inside."""
    assert repr(fsset()) == "FSSet()"
    assert repr(fsset(["é"])) == "FSSet({'é'})"
    text = repr(fsset(range(5000)))
    assert "4999" in text and "..." not in text
    assert eval(text, {"FSSet": set}) == set(range(5000))

    class Mine(kist.FSSet):
        pass

    with Mine() as s:
        assert repr(s) == "Mine()"


def test_copies(fsset):
    """Row 40: copies are builtin sets that go their own way."""
    s = fsset([1, (2,)])
    for made in (s.copy(), copy.copy(s), copy.deepcopy(s), set(s)):
        assert type(made) is set and made == {1, (2,)}
        made.add(3)
    assert s == {1, (2,)}


def test_language_support(fsset):
    """Row 42: bool, len, unpacking; a set is no sequence or mapping."""
    s = fsset([1])
    assert s and not fsset() and len(s) == 1 and [*s] == [1]
    (only,) = s
    match s:
        case [*_]:
            pytest.fail("a set is no sequence")
        case {}:
            pytest.fail("a set is no mapping")
        case kist.FSSet():
            pass
    assert sorted(fsset([3, 1, 2])) == [1, 2, 3] and max(s) == 1
    assert frozenset(s) == {1} and sum(s) == 1


def test_subclass(base):
    """Row 44: subclasses live; C internals ask no override."""

    class Mine(kist.FSSet):
        def __contains__(self, v):
            return True

        def add(self, v):
            raise AssertionError

    with Mine(base) as s:
        s.update([1])
        s.note = "has a __dict__"
        assert 5 in s and s == {1} and s - {1} == set()
        assert s.isdisjoint([5])


def test_class_getitem():
    """FSSet[int] is a generic alias, as set's."""
    alias = kist.FSSet[int]
    assert alias.__origin__ is kist.FSSet and alias.__args__ == (int,)


def test_many_members(base):
    """P20, P21: 50 000 members, half removed, found again on reopen."""
    with kist.FSSet(base) as s:
        s.update(range(50_000))
        s.difference_update(range(0, 50_000, 2))
        for v in range(1, 10_000, 2):
            s.remove(v)
        assert len(s) == 20_000
    with kist.FSSet(base) as s:
        assert s == set(range(10_001, 50_000, 2))
        assert 10_001 in s and 10_000 not in s


# --- typed sets -------------------------------------------------------------------


def test_typed_set(base):
    """P27, P28, rows 31, 51, 52: a klass refuses the rest, nothing is
    written."""
    with kist.FSSet(base, klass=int) as s:
        s.update([1, 2**40])
        for v, text in (
            ("a", "Expected int for int64, got str"),
            (True, "Expected int for int64, got bool"),
            (1.0, "Expected int for int64, got float"),
            (None, "Expected int for int64, got NoneType"),
        ):
            with pytest.raises(TypeError) as caught:
                s.add(v)
            assert caught.value.args == (text,)
            with pytest.raises(TypeError):
                s.update([5, v])
        with pytest.raises(OverflowError):
            s.add(2**63)
        assert "a" not in s and 1.0 in s and True in s and 2**63 not in s
        s.discard("a")
        assert s == {1, 2**40}
        s ^= {1, 3}
        assert s == {2**40, 3}


# --- edges of the type ----------------------------------------------------------


def test_never_opened():
    """P10: an object that __init__ never saw is a closed one."""
    s = kist.FSSet.__new__(kist.FSSet)
    for call in (
        lambda: s.add(1),
        lambda: 1 in s,
        lambda: len(s),
        lambda: iter(s),
        lambda: s | {1},
        lambda: s == {1},
        lambda: s.update([1]),
        lambda: s.pop(),
    ):
        with pytest.raises(ValueError):
            call()
    assert "closed" in repr(s)
    s.close()


def test_lookup_by_a_subclass(fsset):
    """Rows 31 and 54: what equals a member is found, and cannot be added."""

    class Size(enum.IntEnum):
        BIG = 3

    s = fsset([3, "a"])
    assert Size.BIG in s and Name("a") in s
    for v in (Size.BIG, Name("a")):
        with pytest.raises(TypeError):
            s.add(v)
    s.discard(Size.BIG)
    s.remove(Name("a"))
    assert len(s) == 0


def test_in_place_with_views_of_dicts(fsset, fsdict):
    """Row 34: `|=` with d.keys() keeps the object, where Python's own rule
    would put a builtin set in its place."""
    s = before = fsset(["x"])
    s |= {"a": 1}.keys()
    s |= fsdict(b=1).keys()
    s |= {"k": 1}.items()
    assert s is before and s == {"x", "a", "b", ("k", 1)}
    s &= {"a": 1, "x": 2}.keys()
    s -= fsdict(x=1).keys()
    s ^= {"c": 1}.keys()
    assert s is before and s == {"a", "c"}


def test_cycle_through_a_subclass():
    """Row 45: a set that refers to itself by an attribute is collected."""

    class Mine(kist.FSSet):
        pass

    s = Mine()
    s.add(1)
    s.me, s.it, s.path_then = s, iter(s), s.path
    path, ref = s.path, weakref.ref(s)
    del s
    gc.collect()
    assert ref() is None and not os.path.exists(path + ".kist")


def test_scan(fsset):
    """P43: what the predicate is true for, lazily, in the set's order."""
    s = fsset(range(10))
    seen: list[int] = []
    it = s.scan(lambda v: seen.append(v) or v % 3 == 0)
    assert next(it) == 0 and seen == [0]
    assert list(it) == [3, 6, 9]
    with pytest.raises(ZeroDivisionError):
        next(s.scan(lambda v: 1 // v))
    it = s.scan(bool)
    next(it)
    s.add(99)
    with pytest.raises(RuntimeError):
        next(it)
