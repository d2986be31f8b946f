"""FSList beside list: the contract's rows 1 to 10 and 38 to 45.

Each test names the row or the promise (P) it is about.
"""

from __future__ import annotations

import array
import collections.abc
import contextlib
import copy
import datetime
import decimal
import enum
import gc
import operator
import os
import random
import struct
import sys
import threading
import time
import uuid
import weakref
from collections.abc import Iterator
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
    rule,
)

from conftest import in_child, outcome, same, values

CLOSED = "I/O operation on closed file."
HUGE = sys.maxsize


def agree(ours: Any, model: Any, call: Any) -> None:
    """`call` comes to the same on both: value and type, or exception."""
    mine, theirs = outcome(lambda: call(ours)), outcome(lambda: call(model))
    if mine[0] == "value" and mine[1] is ours:
        mine = ("value", "itself")
    if theirs[0] == "value" and theirs[1] is model:
        theirs = ("value", "itself")
    assert same(mine, theirs), (mine, theirs)


def alike(ours: Any, model: list[Any]) -> None:
    """Both hold the same, whichever way they are read."""
    assert len(ours) == len(model)
    assert same(list(ours), model)
    assert same(ours[:], model)
    assert same(list(reversed(ours)), model[::-1])


@pytest.fixture
def fslist() -> Iterator[Any]:
    """Makes temporal lists with given items, closed after the test."""
    made: list[Any] = []

    def make(items: Any = (), **options: Any) -> Any:
        l = kist.FSList(**options)
        made.append(l)
        l.extend(items)
        return l

    yield make
    for l in made:
        l.close()


# --- the type ------------------------------------------------------------


def test_is_a_mutable_sequence(fslist):
    """P6: a MutableSequence, with every public name that list has."""
    l = fslist()
    assert isinstance(l, collections.abc.MutableSequence)
    assert issubclass(kist.FSList, collections.abc.MutableSequence)
    for name in dir(list):
        if name not in ("__init_subclass__", "__subclasshook__"):
            assert hasattr(l, name), name


def test_not_hashable(fslist):
    """Row 38."""
    with pytest.raises(TypeError, match=r"unhashable type: '.*FSList'"):
        hash(fslist())


def test_class_getitem():
    """FSList[int] is an alias, as list[int] is."""
    alias = kist.FSList[int]
    assert alias.__origin__ is kist.FSList and alias.__args__ == (int,)


def test_weakref(fslist):
    """Row 45: unlike list."""
    l = kist.FSList()
    seen: list[int] = []
    ref = weakref.ref(l, lambda _: seen.append(1))
    assert ref() is l
    del l
    gc.collect()
    assert ref() is None and seen == [1]


def test_subclass(fslist):
    """Row 44: overrides are not consulted by what C does itself."""

    class Loud(kist.FSList):
        def __getitem__(self, i):
            return "loud"

        def append(self, value):
            raise AssertionError("consulted")

    l = Loud()
    l.extend([1, 2])
    l += [3]
    l.insert(0, 0)
    assert l[0] == "loud"
    assert list(l) == [0, 1, 2, 3] and l.pop() == 3
    l.tag = "has a __dict__"
    assert l.tag
    l.close()


def test_len_bool_unpack_star(fslist):
    """Row 42."""
    l = fslist()
    assert not l and len(l) == 0
    l.extend([1, 2, 3])
    assert l and len(l) == 3
    a, *b = l
    assert a == 1 and b == [2, 3]
    assert [*l] == [1, 2, 3] and max(*l) == 3
    assert operator.length_hint(l) == 3


def test_match(fslist):
    """Row 42: the match statement takes it for a sequence."""
    match fslist([1, "two", [3]]):
        case [1, str(two), [three]]:
            assert two == "two" and three == 3
        case _:
            pytest.fail("no sequence")
    match fslist([1, 2, 3]):
        case [first, *_, last]:
            assert (first, last) == (1, 3)
    match fslist():
        case {}:
            pytest.fail("taken for a mapping")
        case []:
            pass


# --- index (row 1) -------------------------------------------------------


@pytest.mark.parametrize("key", [0, 4, -1, -5, 5, -6, HUGE, -HUGE - 1])
def test_index(fslist, key):
    """Row 1: from the end; IndexError out of range."""
    agree(fslist(range(5)), list(range(5)), lambda l: l[key])
    ours, model = fslist(range(5)), list(range(5))
    agree(ours, model, lambda l: operator.setitem(l, key, "x"))
    alike(ours, model)
    agree(ours, model, lambda l: operator.delitem(l, key))
    alike(ours, model)


@pytest.mark.parametrize("key", ["0", 0.0, None, (1, 2), 2**70, -(2**70)])
def test_index_of_wrong_type(fslist, key):
    """Row 1: the builtin's TypeError and IndexError, word for word."""
    ours, model = fslist(range(5)), list(range(5))
    agree(ours, model, lambda l: l[key])
    agree(ours, model, lambda l: operator.setitem(l, key, 1))
    agree(ours, model, lambda l: operator.delitem(l, key))
    alike(ours, model)


def test_index_by_dunder_index(fslist):
    """Row 1: anything with __index__; True is 1."""

    class Two:
        def __index__(self):
            return 2

    ours, model = fslist("abcd"), list("abcd")
    for key in (Two(), True, False):
        agree(ours, model, lambda l, k=key: l[k])
    agree(ours, model, lambda l: l[Two() :])
    agree(ours, model, lambda l: l.pop(Two()))
    agree(ours, model, lambda l: l.insert(Two(), "x"))
    alike(ours, model)


# --- slices (row 2) ------------------------------------------------------

BOUNDS = [None, 0, 1, 3, 9, 10, 11, -1, -3, -10, -11, HUGE, -HUGE, 2**80]
STEPS = [None, 1, 2, 3, 7, 100, -1, -2, -3, -100, HUGE, -HUGE, 0]


def slices() -> Iterator[slice]:
    for start in BOUNDS:
        for stop in BOUNDS:
            for step in STEPS:
                yield slice(start, stop, step)


def test_slice_get(fslist):
    """Row 2: every slice of ten items; the result is a builtin list."""
    ours, model = fslist(range(10)), list(range(10))
    for s in slices():
        agree(ours, model, lambda l, s=s: l[s])
    assert type(ours[2:5]) is list


def test_slice_of_many(fslist):
    """Row 2, P45: runs longer than what is read in one call."""
    n = 3000
    for klass in (None, int):
        ours, model = fslist(range(n), klass=klass), list(range(n))
        rng = random.Random(1)
        for _ in range(300):
            s = slice(
                rng.randrange(-n, n),
                rng.randrange(-n, n),
                rng.choice([1, 1, -1, 2, -2, 7, 16, 17, -17, 129, 500]),
            )
            agree(ours, model, lambda l, s=s: l[s])
        ours.insert(1500, 1), model.insert(1500, 1)  # now it is a tree
        agree(ours, model, lambda l: l[::-1])
        agree(ours, model, lambda l: l[::3])


def test_contract_example():
    """P45, P49: the contract's own lines."""
    l = kist.FSList(klass="int32")
    for i in range(1000):
        l.append(i)
    assert len(l[100:200]) == 100 and l[100:200] == list(range(100, 200))
    l.close()
    l = kist.FSList(klass="int64")
    l.extend([100, 200, 300])
    assert l.pop(1) == 200
    assert l[1] == 300
    l.close()


@pytest.mark.parametrize("size", [0, 1, 2, 5, 12])
def test_slice_set(fslist, size):
    """Row 2: any size at step 1, ValueError on another size else."""
    new = [f"n{i}" for i in range(size)]
    rng = random.Random(size)
    ours = fslist()
    for s in rng.sample(list(slices()), 500):
        model = list(range(10))
        ours.clear()
        ours.extend(model)
        agree(ours, model, lambda l, s=s: operator.setitem(l, s, new))
        alike(ours, model)


def test_slice_del(fslist):
    """Row 2."""
    rng = random.Random(2)
    ours = fslist()
    for s in rng.sample(list(slices()), 600):
        model = list(range(10))
        ours.clear()
        ours.extend(model)
        agree(ours, model, lambda l, s=s: operator.delitem(l, s))
        alike(ours, model)


@pytest.mark.parametrize("klass", [None, int])
def test_slice_changes_of_many(fslist, klass):
    """Row 2: those that are made by moving rather than one by one."""
    n = 2000
    fill = list(range(-1500, 0))
    for s, new in [
        (slice(None, None, 2), None),
        (slice(None, None, -2), None),
        (slice(1, None, 3), None),
        (slice(None, None, 100), None),
        (slice(300, 1700), None),
        (slice(500, 500), fill),
        (slice(500, 600), fill),
        (slice(500, 1900), fill),
        (slice(0, 0), fill),
        (slice(n, n), fill),
        (slice(None), fill),
        (slice(1990, None), fill),
        (slice(None, None, 2), fill[:1000]),
        (slice(None, None, -2), fill[:1000]),
    ]:
        ours, model = fslist(range(n), klass=klass), list(range(n))
        for l in (ours, model):
            if new is None:
                del l[s]
            else:
                l[s] = new
        alike(ours, model)
        ours.close()


def test_slice_set_refusals(fslist):
    """Row 2: the builtin's words; nothing is written."""
    ours, model = fslist(range(10)), list(range(10))
    for s in (slice(0, 3), slice(0, 9, 2), slice(3, 0)):
        agree(ours, model, lambda l, s=s: operator.setitem(l, s, 5))
        agree(ours, model, lambda l, s=s: operator.setitem(l, s, None))
    agree(ours, model, lambda l: operator.setitem(l, slice(0, 9, 2), [1]))
    agree(ours, model, lambda l: operator.setitem(l, slice(0, 1, 0), [1]))
    alike(ours, model)

    def gives_up():
        yield 1
        raise KeyError("x")

    agree(ours, model, lambda l: operator.setitem(l, slice(2, 4), gives_up()))
    alike(ours, model)
    with pytest.raises(TypeError):
        ours[2:4] = [1, object()]
    alike(ours, model)


def test_slice_whose_index_changes_the_list(fslist):
    """Row 2: a slice is fitted to the list as it is then."""

    class Evil:
        def __init__(self, l, i):
            self.l, self.i = l, i

        def __index__(self):
            del self.l[5:]
            return self.i

    for call in (
        lambda l: l[Evil(l, 2) : 9],
        lambda l: operator.delitem(l, slice(Evil(l, 2), 9)),
        lambda l: operator.setitem(l, slice(Evil(l, 2), 9), [7, 7]),
        lambda l: operator.setitem(l, slice(0, 4, 1), Shrinking(l)),
    ):
        ours, model = fslist(range(10)), list(range(10))
        agree(ours, model, call)
        assert len(ours) <= 10 and all(type(v) is int for v in ours)


class Shrinking:
    """An iterable that shortens the list it is assigned to."""

    def __init__(self, l):
        self.l = l

    def __iter__(self):
        del self.l[1:]
        return iter([8, 9])


# --- self as its own argument (row 3) ------------------------------------


def test_own_items(fslist):
    """Row 3: a snapshot is taken first."""
    for call in (
        lambda l: l.extend(l),
        lambda l: operator.iadd(l, l),
        lambda l: operator.setitem(l, slice(1, 3), l),
        lambda l: operator.setitem(l, slice(None, None, -1), l),
        lambda l: operator.setitem(l, slice(None), l),
        lambda l: operator.setitem(l, slice(2, 2), reversed(l)),
    ):
        ours, model = fslist(range(5)), list(range(5))
        agree(ours, model, call)
        alike(ours, model)


def test_other_fslist_as_argument(fslist):
    """Row 3: also by way of a second handle on the same path (row 65)."""
    a = fslist([1, 2])
    b = fslist(["x"])
    a.extend(b)
    a[1:1] = b
    assert a[:] == [1, "x", 2, "x"]


# --- iterators (row 4) ---------------------------------------------------


def test_iterating_while_changing(fslist):
    """Row 4: live, by index, no error."""

    def walk(l):
        seen = []
        for i, v in enumerate(l):
            seen.append(v)
            if i == 1:
                del l[0]
            if i == 3:
                l.append("late")
            if i == 4:
                l[5] = "set"
            if i == 5:
                l.insert(0, "shifted")
            if len(seen) > 50:
                break
        return seen

    ours, model = fslist(range(10)), list(range(10))
    agree(ours, model, walk)
    alike(ours, model)


def test_exhausted_stays_exhausted(fslist):
    """Row 4."""
    ours, model = fslist([1, 2]), [1, 2]

    def run(l):
        it, back = iter(l), reversed(l)
        seen = [list(it), list(back)]
        l.append(3)
        return seen + [list(it), list(back), next(it, "end")]

    agree(ours, model, run)


def test_reversed_while_changing(fslist):
    """Rows 4 and 5."""

    def run(l, cut):
        it = reversed(l)
        seen = [next(it)]
        del l[cut:]
        seen += list(it)
        l.extend("abc")
        return seen + list(it)

    for cut in range(6):
        ours, model = fslist(range(5)), list(range(5))
        agree(ours, model, lambda l, c=cut: run(l, c))


def test_length_hint_and_state(fslist):
    """Row 4: as the builtin's iterators have it."""

    def run(l):
        it, back = iter(l), reversed(l)
        seen = [operator.length_hint(it), operator.length_hint(back)]
        next(it), next(back)
        seen += [operator.length_hint(it), operator.length_hint(back)]
        it.__setstate__(3), back.__setstate__(1)
        seen += [list(it), list(back), operator.length_hint(it)]
        it.__setstate__(0)
        return [*seen, list(it)]

    agree(fslist(range(5)), list(range(5)), run)


def test_iterator_keeps_the_list(fslist):
    """An iterator holds what it iterates over."""
    l = kist.FSList()
    l.extend([1, 2, 3])
    it = iter(l)
    del l
    gc.collect()
    assert list(it) == [1, 2, 3]


# --- order (row 5) -------------------------------------------------------


@pytest.mark.parametrize(
    "items",
    [
        [],
        [3, 1, 2],
        ["b", "a", "c", "a"],
        [1.5, -0.0, 0.0, 2, True],
        [(1, "b"), (1, "a"), (0,)],
        [b"b", b"a"],
        [[2], [1, 5], []],
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("key", [None, repr, lambda v: 0])
def test_sort(fslist, items, reverse, key):
    """Row 5: in place, stable."""
    ours, model = fslist(items), list(items)
    agree(ours, model, lambda l: l.sort(key=key, reverse=reverse))
    alike(ours, model)


def test_sort_of_many(fslist):
    """Row 5: stable, in both directions, also typed."""
    rng = random.Random(5)
    for klass, items in (
        (None, [(rng.randrange(20), i) for i in range(3000)]),
        (int, [rng.randrange(-(2**63), 2**63) for i in range(3000)]),
        (float, [rng.gauss(0, 1e9) for i in range(3000)]),
        (str, [str(rng.randrange(500)) for i in range(3000)]),
    ):
        ours, model = fslist(items, klass=klass), list(items)
        for call in (
            lambda l: l.sort(),
            lambda l: l.sort(reverse=True),
            lambda l: l.sort(key=lambda v: str(v)[:3]),
            lambda l: l.sort(key=lambda v: str(v)[-2:], reverse=True),
        ):
            agree(ours, model, call)
            alike(ours, model)


def test_sort_that_fails(fslist):
    """Row 5: on any exception the old order stays."""
    items = [3, "x", 1, 2]
    ours = fslist(items)
    with pytest.raises(TypeError, match="not supported between"):
        ours.sort()
    alike(ours, items)
    with pytest.raises(ZeroDivisionError):
        ours.sort(key=lambda v: 1 / (v != 1))
    alike(ours, items)
    for arguments in ((1,), (None,), (None, True)):
        agree(ours, items, lambda l, a=arguments: l.sort(*a))
    with pytest.raises(TypeError, match="unexpected keyword argument 'cmp'"):
        ours.sort(cmp=None)
    alike(ours, items)


@pytest.mark.parametrize(
    "change",
    [
        lambda l: l.append(9),
        lambda l: l.pop(),
        lambda l: l.clear(),
        lambda l: l.reverse(),
        lambda l: operator.setitem(l, 0, "other"),
    ],
)
def test_sort_notices_changes(fslist, change):
    """Row 5: ValueError if changed while sorting."""
    ours = fslist([3, 1, 2, 5])
    done = []

    def key(v):
        if not done:
            done.append(1)
            change(ours)
        return v

    with pytest.raises(ValueError, match="list modified during sort"):
        ours.sort(key=key)


def test_sort_notices_another_handle(base):
    """Row 5 and 65: whoever changes it."""
    with kist.FSList(base) as a, kist.FSList(base) as b:
        a.extend([2, 1])
        with pytest.raises(ValueError, match="list modified during sort"):
            a.sort(key=lambda v: b.append(v) or v)
        assert a[:] == [2, 1, 2, 1]


def test_reverse(fslist):
    """Row 5."""
    for n in (0, 1, 2, 5, 1000):
        ours, model = fslist(range(n)), list(range(n))
        agree(ours, model, lambda l: l.reverse())
        alike(ours, model)
        ours.append("x"), model.append("x")
        alike(ours, model)


# --- finding (row 6) -----------------------------------------------------

TWINS = [
    1,
    1.0,
    True,
    1 + 0j,
    decimal.Decimal(1),
    0,
    -0.0,
    False,
    "1",
    b"1",
    None,
    (1,),
    [1],
    {1},
    frozenset({1}),
    {"a": 1},
    2**53,
    float(2**53),
    2**53 + 1,
    2**70,
    float(2**70),
    10**400,
    float("inf"),
    "",
    "é",
    "\ud800",
    datetime.date(2024, 1, 1),
    datetime.datetime(2024, 1, 1),
    datetime.timedelta(1),
    uuid.UUID(int=1),
]


def test_find(fslist):
    """Row 6: equality of every kind of value with every other."""
    ours, model = fslist(TWINS), list(TWINS)
    for v in [*TWINS, 7, "absent", object(), [1, 2], float("nan")]:
        agree(ours, model, lambda l, v=v: v in l)
        agree(ours, model, lambda l, v=v: l.count(v))
        agree(ours, model, lambda l, v=v: l.index(v))
        for bounds in ((1,), (2, 9), (-5,), (-20, -2), (-HUGE, HUGE), (9, 2)):
            agree(ours, model, lambda l, v=v, b=bounds: l.index(v, *b))
    for v in TWINS:
        agree(ours, model, lambda l, v=v: l.remove(v))
        alike(ours, model)


@pytest.mark.parametrize("klass", [int, float, str, bool, bytes, "int32"])
def test_find_in_typed(fslist, klass):
    """Row 6: typed lists are asked for what they cannot hold too."""
    items = {
        int: [1, 0, 5, 2**53],
        float: [1.0, -0.0, 5.5, 2.0**53],
        str: ["1", "", "é"],
        bool: [True, False],
        bytes: [b"1", b""],
        "int32": [1, 0, 5],
    }[klass]
    ours, model = fslist(items, klass=klass), list(items)
    for v in TWINS:
        agree(ours, model, lambda l, v=v: v in l)
        agree(ours, model, lambda l, v=v: l.count(v))
        agree(ours, model, lambda l, v=v: l.index(v))


def test_find_in_json(fslist):
    """Row 6: what is kept as JSON compares as what it is."""
    ours, model = fslist(klass=dict), [{"a": 1}, {"b": [1, 2]}]
    ours.extend(model)
    assert {"b": [1, 2]} in ours and {"b": [2]} not in ours
    assert ours.index({"b": [1, 2]}) == 1 and ours.count({"a": 1.0}) == 1
    assert "a" not in ours and 1 not in ours
    ours.remove({"a": 1})
    assert ours[:] == model[1:]


def test_find_in_long_list(fslist):
    """Row 6: beyond what is read in one call."""
    ours, model = fslist(range(1000)), list(range(1000))
    for v in (0, 127, 128, 129, 999, 1000, 500.0, "x", decimal.Decimal(300)):
        agree(ours, model, lambda l, v=v: v in l)
        agree(ours, model, lambda l, v=v: l.index(v))
        agree(ours, model, lambda l, v=v: l.count(v))
        agree(ours, model, lambda l, v=v: l.index(v, 100, 400))
        agree(ours, model, lambda l, v=v: l.remove(v))
    alike(ours, model)


def test_find_by_foreign_eq(fslist):
    """Row 6: in order, exceptions propagate, stops at the first hit."""

    class Needle:
        def __init__(self, stop):
            self.seen = []
            self.stop = stop

        def __eq__(self, other):
            self.seen.append(other)
            if other == "boom":
                raise LookupError("boom")
            return other == self.stop

        __hash__ = None

    def run(l, name, stop):
        needle = Needle(stop)
        try:
            answer = getattr(l, name)(needle)
        except (LookupError, ValueError) as error:
            answer = type(error)
        return [answer, needle.seen]

    for name in ("__contains__", "index", "count", "remove"):
        for stop in (2, 3, "absent"):
            items = [1, 2, "a", 2, "boom", 3]
            ours, model = fslist(items), list(items)
            agree(ours, model, lambda l, n=name, s=stop: run(l, n, s))
            alike(ours, model)


@pytest.mark.parametrize("answer", [False, True])
@pytest.mark.parametrize("name", ["__contains__", "index", "count", "remove"])
def test_find_survives_eq_that_changes(fslist, name, answer):
    """Row 6: survives an __eq__ that mutates."""

    class Evil:
        def __init__(self, l):
            self.l = l

        def __eq__(self, other):
            del self.l[:]
            return answer

        __hash__ = None

    ours, model = fslist(range(10)), list(range(10))
    mine = outcome(lambda: getattr(ours, name)(Evil(ours)))
    theirs = outcome(lambda: getattr(model, name)(Evil(model)))
    assert mine[:2] == theirs[:2]
    alike(ours, model)


def test_nan_is_found_by_equality_only(fslist):
    """Row 6 where it cannot be kept: the identity of a NaN is not stored."""
    nan = float("nan")
    ours = fslist([nan, 1])
    assert nan not in ours and ours.count(nan) == 0
    with pytest.raises(ValueError):
        ours.index(nan)


def test_index_arguments(fslist):
    """Row 6: the builtin's complaints."""
    ours, model = fslist([1, 2]), [1, 2]
    agree(ours, model, lambda l: l.index())
    agree(ours, model, lambda l: l.index(1, 0, 1, 2))
    agree(ours, model, lambda l: l.index(1, "a"))
    agree(ours, model, lambda l: l.index(1, None))
    agree(ours, model, lambda l: l.index(1, 0, 1.5))
    agree(ours, model, lambda l: l.index(1, -(2**80), 2**80))


# --- operators (row 7) ---------------------------------------------------


def test_plus(fslist):
    """Row 7: list and ours on either side; the result is a builtin list."""
    a, b = fslist([1, 2]), fslist(["x"])
    for result, wanted in (
        (a + b, [1, 2, "x"]),
        (a + [3], [1, 2, 3]),
        ([0] + a, [0, 1, 2]),
        (a + a, [1, 2, 1, 2]),
        (operator.concat(a, [3]), [1, 2, 3]),
    ):
        assert type(result) is list and result == wanted
    for other in ((3,), "x", None, {3}, range(2), 5):
        with pytest.raises(TypeError):
            a + other
        with pytest.raises(TypeError):
            other + a
    agree(a, [1, 2], lambda l: l + (3,))
    assert a[:] == [1, 2]


def test_plus_of_subclass(fslist):
    """Row 7: a subclass of list is a list."""

    class Sub(list):
        pass

    assert fslist([1]) + Sub([2]) == [1, 2]
    assert Sub([2]) + fslist([1]) == [2, 1]


def test_inplace_plus(fslist):
    """Row 7: any iterable, the same object."""
    for other in ([3], (3,), "ab", {3}, range(2), iter([1]), {"k": 1}, b"a"):
        ours, model = fslist([1]), [1]
        before = ours
        again = copy.copy(other) if hasattr(other, "__next__") else other
        ours += other
        model += again if not hasattr(other, "__next__") else iter([1])
        assert ours is before
        alike(ours, model)
    agree(ours, model, lambda l: operator.iadd(l, 5))
    agree(ours, model, lambda l: operator.iadd(l, None))


def test_builtin_inplace_plus(fslist):
    """Row 7: a builtin list += ours has the right items."""
    l = [0]
    l += fslist([1, 2])
    assert l == [0, 1, 2] and type(l) is list


@pytest.mark.parametrize("times", [-1, 0, 1, 2, 3, True])
def test_times(fslist, times):
    """Row 7."""
    for items in ([], [1], [1, "a", (2,)]):
        ours, model = fslist(items), list(items)
        agree(ours, model, lambda l: l * times)
        agree(ours, model, lambda l: times * l)
        before = ours
        ours *= times
        model *= times
        assert ours is before
        alike(ours, model)


def test_times_refusals(fslist):
    """Row 7: MemoryError before anything is written."""
    ours, model = fslist([1, 2]), [1, 2]
    for call in (
        lambda l: l * HUGE,
        lambda l: operator.imul(l, HUGE),
        lambda l: l * 1.5,
        lambda l: operator.imul(l, 1.5),
        lambda l: l * l,
        lambda l: l * "a",
        lambda l: l * 2**80,
    ):
        mine, theirs = (
            outcome(partial(call, ours)),
            outcome(partial(call, model)),
        )
        assert mine[:2] == theirs[:2], (mine, theirs)
    alike(ours, model)


# --- comparison (row 8) --------------------------------------------------


def test_compare(fslist):
    """Row 8: with list and ours, on either side."""
    operators = [
        operator.eq,
        operator.ne,
        operator.lt,
        operator.le,
        operator.gt,
        operator.ge,
    ]
    lists: list[list[Any]] = [
        [],
        [1],
        [1, 2],
        [1.0, 2],
        [2],
        [1, "a"],
        [1, 2, 3],
        ["a"],
        [[1], [2]],
        [None],
    ]
    pairs = [(a, fslist(a)) for a in lists]
    for a, x in pairs:
        for b, y in [(c, z) for c, z in pairs if z is not x] + [(a, x)]:
            for op in operators:
                wanted = outcome(partial(op, a, b))
                assert outcome(partial(op, x, y)) == wanted
                assert outcome(partial(op, x, b)) == wanted
                # Reflected, so the words of a TypeError are turned round.
                assert outcome(partial(op, a, y))[:2] == wanted[:2]


@pytest.mark.parametrize("other", [(1, 2), {1, 2}, "ab", None, 5, {}])
def test_compare_with_others(fslist, other):
    """Rows 8 and 43: never equal, TypeError for an order."""
    l = fslist([1, 2])
    assert (l == other) is False and (other == l) is False
    assert (l != other) is True
    for op in (operator.lt, operator.ge):
        with pytest.raises(TypeError, match="not supported between"):
            op(l, other)


def test_kinds_are_never_equal():
    """Row 43: [] != {} != set()."""
    with kist.FSList() as l, kist.FSDict() as d, kist.FSSet() as s:
        assert l != d and l != s and d != l and s != l
        assert l == [] and l != {} and l != set()


def test_equal_to_itself_with_eq_that_changes(fslist):
    """Row 8: live, as list's comparison is."""

    class Evil:
        def __init__(self, l):
            self.l = l

        def __eq__(self, other):
            self.l.clear()
            return True

        __hash__ = None

    ours = fslist([1, 2, 3])
    assert (ours == [Evil(ours), 2, 3]) is False
    assert len(ours) == 0


# --- insert, pop, extend (rows 9 and 10) ---------------------------------


@pytest.mark.parametrize(
    "where", [0, 1, 5, 6, -1, -5, -6, HUGE, -HUGE - 1, 2**70, -(2**70), "a"]
)
def test_insert(fslist, where):
    """Row 9: clamps; OverflowError over ssize_t."""
    ours, model = fslist(range(5)), list(range(5))
    agree(ours, model, lambda l: l.insert(where, "x"))
    alike(ours, model)
    agree(ours, model, lambda l: l.insert(where))


def test_pop(fslist):
    """P15 and row 1: words of the builtin."""
    ours, model = fslist(range(9)), list(range(9))
    for args in [(), (-1,), (0,), (3,), (-3,), (99,), (-99,), ("a",), (1, 2)]:
        agree(ours, model, lambda l, a=args: l.pop(*a))
        alike(ours, model)
    ours.clear(), model.clear()
    for args in [(), (0,), (-1,)]:
        agree(ours, model, lambda l, a=args: l.pop(*a))
    agree(ours, model, lambda l: l.pop(2**70))


def test_pop_gives_back_every_value(fslist):
    """What pop hands out outlives the record it was."""
    for items in (["x" * 100_000], [b"y" * 5000], [[1, [2]]], [{"a": 1}]):
        ours = fslist([*items, 0, *items])
        assert same(ours.pop(), items[0])
        assert same(ours.pop(0), items[0])
        assert ours[:] == [0]


def test_extend_keeps_what_was_consumed(fslist):
    """Row 10: a generator that raises."""

    def gives(n):
        yield from range(n)
        raise KeyError("enough")

    for n in (0, 1, 5, 4096, 10_000):
        ours, model = fslist(["a"]), ["a"]
        agree(ours, model, lambda l, n=n: l.extend(gives(n)))
        alike(ours, model)


def test_extend_all_or_nothing(fslist):
    """P28: a list with a value that cannot be kept writes nothing."""
    ours = fslist([1])
    for items in ([2, 3, object()], (2, object()), {2: 1, object(): 2}):
        with pytest.raises(TypeError):
            ours.extend(items)
        with pytest.raises(TypeError):
            ours[:] = items
    assert ours[:] == [1]
    typed = fslist([1.5], klass=float)
    with pytest.raises(TypeError, match="Expected float for float, got str"):
        typed.extend([2.5, "x"])
    with pytest.raises(TypeError, match="Expected float for float, got int"):
        typed.append(1)
    assert typed[:] == [1.5]


def test_extend_from_everything(fslist):
    """Row 10: the iterables that list.extend takes."""
    ours, model = fslist(), []
    for make in (
        lambda: [1],
        lambda: (2,),
        lambda: "ab",
        lambda: b"ab",
        lambda: {"k": 1},
        lambda: {"k": 1}.values(),
        lambda: range(3),
        lambda: (i for i in range(3)),
        lambda: map(str, range(3)),
        lambda: array.array("q", [7, 8]),
        lambda: memoryview(b"xy"),
        list,
        lambda: iter([]),
    ):
        ours.extend(make())
        model.extend(make())
    alike(ours, model)
    for bad in (5, None, object):
        agree(ours, model, lambda l, b=bad: l.extend(b))


def test_extend_by_a_million(fslist):
    """P13: so many that the GIL is let go; in order, none lost."""
    n = (1 << 20) + 7
    l = fslist(klass=int)
    l.extend(list(range(n)))
    assert len(l) == n and l[-1] == n - 1 and l[1 << 20] == 1 << 20
    assert l[: 1 << 20 : 4099] == list(range(0, 1 << 20, 4099))


def test_stop_iteration_with_a_next_that_lies(fslist):
    """Row 10: length hints are not believed."""

    class Lies:
        def __iter__(self):
            return self

        def __next__(self):
            raise StopIteration

        def __length_hint__(self):
            return HUGE

    l = fslist([1])
    l.extend(Lies())
    assert l[:] == [1]


# --- copies and text (rows 39 to 41) -------------------------------------


def test_copies_are_builtin(fslist):
    """Row 40: independent, equal, builtin."""
    l = fslist([1, [2], "x"])
    for made in (l.copy(), copy.copy(l), copy.deepcopy(l), l[:], list(l)):
        assert type(made) is list and made == l
        made[1].append(9)
        made.append(9)
    assert l[:] == [1, [2], "x"]


def test_repr(fslist):
    """Row 39: the full contents, around them the type."""
    l = fslist([1, "a", [2]])
    assert repr(l) == "FSList([1, 'a', [2]])" == str(l)
    long = fslist(range(5000))
    assert repr(long) == f"FSList({list(range(5000))!r})"
    assert repr(fslist()) == "FSList([])"


def test_changing_a_copy_changes_nothing(fslist):
    """Row 25, for lists: what is read is a decoded copy."""
    l = fslist([[1]])
    l[0].append(2)
    assert l[0] == [1]


# --- closed (P10, rows 74, 75) -------------------------------------------


def test_closed():
    """P10 and row 75: every operation, and iterators made before."""
    l = kist.FSList()
    l.extend([1, 2])
    it, back = iter(l), reversed(l)
    l.close()
    for call in (
        lambda: l[0],
        lambda: l[-1],
        lambda: l[:],
        lambda: len(l),
        lambda: bool(l),
        lambda: iter(l),
        lambda: reversed(l),
        lambda: 1 in l,
        lambda: [1] in l,
        lambda: l == [],
        lambda: l + [],
        lambda: [] + l,
        lambda: l * 2,
        lambda: l.append(1),
        lambda: l.extend([]),
        lambda: l.extend([1]),
        lambda: l.extend(iter([1])),
        lambda: l.insert(0, 1),
        lambda: l.insert(-1, 1),
        lambda: l.pop(),
        lambda: l.pop(0),
        lambda: l.remove(1),
        lambda: l.index(1),
        lambda: l.count(1),
        lambda: l.sort(),
        lambda: l.reverse(),
        lambda: l.clear(),
        lambda: l.copy(),
        lambda: operator.setitem(l, 0, 1),
        lambda: operator.setitem(l, slice(0), []),
        lambda: operator.delitem(l, 0),
        lambda: operator.delitem(l, slice(0)),
        lambda: operator.imul(l, 2),
        lambda: operator.imul(l, 0),
        lambda: operator.iadd(l, [1]),
        lambda: memoryview(l),
        lambda: next(it),
        lambda: next(back),
        lambda: operator.length_hint(it),
    ):
        with pytest.raises(ValueError) as caught:
            call()
        assert str(caught.value) == CLOSED
    assert "closed" in repr(l)


def test_closed_in_the_middle(fslist):
    """P10: by the value, the key or the __eq__ that a method calls."""

    def closing(l):
        yield 1
        l.close()

    class Closes:
        def __init__(self, l):
            self.l = l

        def __eq__(self, other):
            self.l.close()
            return False

        def __index__(self):
            self.l.close()
            return 0

        def __call__(self, v):
            self.l.close()
            return v

        __hash__ = None

    for call in (
        lambda l: l.extend(closing(l)),
        lambda l: operator.setitem(l, slice(0, 1), closing(l)),
        lambda l: Closes(l) in l,
        lambda l: l.remove(Closes(l)),
        lambda l: l.sort(key=Closes(l)),
        lambda l: l[Closes(l)],
        lambda l: l.pop(Closes(l)),
        lambda l: l.insert(Closes(l), 1),
    ):
        l = kist.FSList()
        l.extend([1, 2])
        with pytest.raises(ValueError) as caught:
            call(l)
        assert str(caught.value) == CLOSED


def test_read_only(base):
    """Row 72: reads work, changes are refused."""
    with kist.FSList(base) as l:
        l.extend([1, 2])
    with kist.FSList(base, read_only=True) as l:
        assert l[:] == [1, 2] and l[-1] == 2 and 2 in l
        for call in (
            lambda: l.append(1),
            lambda: l.extend([1]),
            lambda: l.pop(),
            lambda: l.pop(0),
            lambda: l.clear(),
            lambda: l.sort(),
            lambda: l.reverse(),
            lambda: l.remove(1),
            lambda: l.insert(0, 1),
            lambda: operator.setitem(l, 0, 1),
            lambda: operator.setitem(l, slice(0), [1]),
            lambda: operator.delitem(l, 0),
            lambda: operator.imul(l, 2),
        ):
            with pytest.raises((ValueError, OSError)):
                call()
        assert l[:] == [1, 2]


# --- buffers (issue 3, point 4) ------------------------------------------


@pytest.mark.parametrize(
    ("klass", "items", "format"),
    [
        (int, [1, -(2**63), 2**63 - 1], "q"),
        (float, [1.5, -0.0, float("inf")], "d"),
        ("int32", [1, -(2**31), 2**31 - 1], "i"),
        (bool, [True, False, True], "?"),
    ],
)
def test_buffer(fslist, klass, items, format):
    """A typed list of numbers is a one-dimensional buffer, read-only."""
    l = fslist(items, klass=klass)
    with memoryview(l) as view:
        assert view.format == format and view.readonly and view.ndim == 1
        assert view.shape == (3,) and view.tolist() == items
        assert view[1:].tolist() == items[1:]
    assert memoryview(fslist(klass=klass)).tolist() == []


def test_buffer_outlives_changes(fslist):
    """The buffer is pinned: neither changes nor close take it away."""
    l = fslist(range(5000), klass=int)
    view = memoryview(l)
    l.clear()
    l.extend(range(9))
    assert view.tolist() == list(range(5000))
    l.close()
    del l
    gc.collect()
    assert view[4999] == 4999


def test_buffer_is_the_memory_of_the_list(fslist):
    """Issue 3, point 4: nothing is copied; what is set later is seen."""
    n = 100_000  # short ones may be copied
    l = fslist(range(n), klass=int)
    view = memoryview(l)
    l[3000] = -1
    l[n // 2] = -1
    l.append(7)
    assert view[n // 2] == -1 and len(view) == n
    assert view[3000] in (3000, -1)
    l.insert(0, 1)
    l[n // 2] = -2
    assert view[n // 2] == -1 and view.tolist()[:10] == list(range(10))
    assert memoryview(l).tolist() == l[:]
    l.reverse()
    assert memoryview(l).tolist() == l[:]


def test_buffer_refused(fslist):
    """Lists of other things have none; nobody may write into one."""
    for klass in (None, str, bytes, "int128", dict):
        with pytest.raises(BufferError):
            memoryview(fslist(klass=klass))
    l = fslist([1], klass=int)
    with pytest.raises((BufferError, TypeError)):
        struct.pack_into("q", l, 0, 5)
    with pytest.raises(TypeError):
        memoryview(l)[0] = 5
    assert l[:] == [1]


def test_numpy(fslist):
    """numpy.asarray(l) and back: l.extend(array), l[a:b] = array."""
    np = pytest.importorskip("numpy")
    l = fslist(range(3000), klass=int)
    a = np.asarray(l)
    assert a.dtype == np.int64 and a.sum() == sum(range(3000))
    assert not a.flags.writeable
    l.extend(a * 2)
    l[0:2] = np.array([-1, -2], dtype=np.int32)
    l.extend(np.arange(10)[::-3])
    assert l[:2] == [-1, -2] and l[-4:] == [9, 6, 3, 0]
    assert l[3000:6000] == list(range(0, 6000, 2))
    f = fslist(klass=float)
    f.extend(np.linspace(0, 1, 5))
    f.extend(np.array([0.5], dtype=np.float32))
    assert f[:] == [0.0, 0.25, 0.5, 0.75, 1.0, 0.5]
    assert np.asarray(f).dtype == np.float64
    b = fslist([True, False], klass=bool)
    assert np.asarray(b).dtype == np.bool_
    i = fslist([1, -1], klass="int32")
    assert np.asarray(i).tolist() == [1, -1]
    assert np.asarray(i).dtype == np.int32


def test_arrays_that_do_not_fit(fslist):
    """Rows 50 and 52: OverflowError and TypeError, nothing written."""
    narrow = fslist([1], klass="int32")
    with pytest.raises(OverflowError):
        narrow.extend(array.array("q", [5, 2**31]))
    wide = fslist([1], klass=int)
    with pytest.raises(OverflowError):
        wide.extend(array.array("Q", [5, 2**63]))
    with pytest.raises(TypeError, match="Expected int for int64, got float"):
        wide.extend(array.array("d", [1.0]))
    real = fslist([1.5], klass=float)
    with pytest.raises(TypeError, match="Expected float for float, got int"):
        real.extend(array.array("q", [1]))
    assert narrow[:] == [1] and wide[:] == [1] and real[:] == [1.5]
    wide.extend(array.array("B", [255]))
    wide.extend(array.array("h", [-5]))
    wide.extend(b"\x01\x02")
    assert wide[:] == [1, 255, -5, 1, 2]


# --- values --------------------------------------------------------------


def test_enum_members(fslist):
    """Row 54: base value in a typed list, TypeError in another."""

    class Colour(enum.IntEnum):
        RED = 3

    typed = fslist(klass=int)
    typed.append(Colour.RED)
    assert same(typed[:], [3])
    with pytest.raises(TypeError):
        fslist().append(Colour.RED)


@given(st.lists(values, max_size=6))
def test_any_values(items):
    """Row 46: heterogeneous values, exact to type and bits."""
    with kist.FSList() as l:
        l.extend(items)
        alike(l, items)
        for v in items:
            l.append(v)
        l[0:0] = items
        alike(l, items * 3)


# --- two handles, other processes (rows 65, 68, 69) ----------------------


def test_second_handle(base):
    """Row 65: both see all writes."""
    with kist.FSList(base) as a, kist.FSList(base) as b:
        a.append(1)
        b.extend([2, 3])
        assert a[:] == b[:] == [1, 2, 3]
        it = iter(a)
        assert next(it) == 1
        b[1] = "new"
        assert next(it) == "new"


def test_other_process(base):
    """Row 68: seen at the next operation."""

    def child():
        with kist.FSList(base) as c:
            c.append("child")
            c.insert(0, "first")

    with kist.FSList(base) as l:
        l.append("parent")
        assert in_child(child) == 0
        assert l[:] == ["first", "parent", "child"]


def test_pop_is_one_step(base):
    """Row 69: of several poppers each gets another item."""
    n = 2000
    with kist.FSList(base) as l:
        l.extend(range(n))

    def pop_all(mine):
        with kist.FSList(base) as l, kist.FSList(mine) as out:
            while True:
                try:
                    out.append(l.pop() if n % 2 else l.pop(0))
                    out.append(l.pop())
                except IndexError:
                    return

    children = []
    for i in range(3):
        pid = os.fork()
        if pid == 0:
            try:
                pop_all(f"{base}-{i}")
                os._exit(0)
            except BaseException:
                os._exit(1)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    seen: list[int] = []
    for i in range(3):
        with kist.FSList(f"{base}-{i}") as out:
            seen += out
    assert sorted(seen) == list(range(n))


def test_killed_in_the_middle(base):
    """Rows 70, 71: what returned is there after kill -9; order too."""

    def child():
        l = kist.FSList(base)
        l.extend(range(10))
        l.insert(3, "in")
        del l[::4]
        l.reverse()
        l[1:2] = ["a", "b"]

    model: list[Any] = list(range(10))
    model.insert(3, "in")
    del model[::4]
    model.reverse()
    model[1:2] = ["a", "b"]
    assert in_child(child, kill=True) == -9
    for _ in range(2):
        with kist.FSList(base) as l:
            alike(l, model)
        os.unlink(base + ".kistx")  # the index is only a cache


# --- threads (P50) -------------------------------------------------------


def run_threads(works: list[Any]) -> list[BaseException]:
    """Runs them at once; what they raised."""
    raised: list[BaseException] = []
    start = threading.Barrier(len(works))

    def guarded(work):
        start.wait()
        try:
            work()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(w,)) for w in works]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
        assert not t.is_alive()
    return raised


def test_threads(base):
    """P50: eight threads, one list: nothing lost, nothing twice."""
    n = 400
    taken: list[Any] = []
    with kist.FSList(base) as l, kist.FSList(base) as other:

        def gives(k):
            for i in range(n):
                (l if i % 2 else other).append((k, i))
                if i % 7 == 0:
                    with contextlib.suppress(IndexError):
                        l.insert(0, l.pop())

        def takes():
            while len(taken) < 4 * n:
                try:
                    taken.append(l.pop(0))
                    taken.append(other.pop())
                except IndexError:
                    time.sleep(0)

        def reads():
            while len(taken) < 4 * n:
                assert all(type(v) is tuple for v in l)
                assert all(type(v) is tuple for v in reversed(l[::2]))
                time.sleep(0)

        works = [lambda k=k: gives(k) for k in range(4)]
        assert run_threads([*works, takes, takes, reads, reads]) == []
        assert sorted(taken) == [(k, i) for k in range(4) for i in range(n)]


def test_close_under_threads():
    """P10: closed while others are inside: ValueError, no more than that."""
    for _ in range(20):
        l = kist.FSList()
        l.extend(range(100))

        def work(l=l):
            while True:
                l.append(1)
                l.pop(0)
                sum(l)
                l.sort()
                l[1:5] = [2, 3]

        def closes(l=l):
            time.sleep(0.002)
            l.close()

        raised = run_threads([work, work, work, closes])
        assert [type(e) for e in raised] == [ValueError] * 3
        assert {str(e) for e in raised} <= {
            CLOSED,
            "list modified during sort",
        }


# --- memory --------------------------------------------------------------


def test_nothing_leaks(fslist):
    """Reference counts stay where they were over many operations."""
    l = fslist(range(100))
    token = "a token that nobody else has" * 2

    def work():
        l[:] = range(100)
        l.append(token)
        l[3] = token
        l[5:7] = [token, token]
        l.insert(4, token)
        assert token in l and l.index(token) == 3
        l.sort(key=lambda v: 0)
        l.remove(token)
        l.pop(), l.pop(0), l[1:50:3], l[::-1], l.copy(), l + [token]
        del l[90:]
        list(l), list(reversed(l)), l == [token], repr(l)
        for bad in (lambda: l.append(object()), lambda: l.index(object())):
            outcome(bad)
        l.clear()

    for _ in range(20):
        work()
    gc.collect()
    before = sys.getrefcount(token), len(gc.get_objects())
    blocks = sys.getallocatedblocks()
    for _ in range(300):
        work()
    gc.collect()
    assert sys.getrefcount(token) == before[0]
    assert abs(len(gc.get_objects()) - before[1]) < 50
    assert abs(sys.getallocatedblocks() - blocks) < 300


# --- everything at random ------------------------------------------------

POOL: list[Any] = [
    0, 1, True, 1.0, -1, 2, "a", "b", "", None, (1,), [1], b"a",
    2**70, 0.5, decimal.Decimal(2), {"k": 1}, frozenset({1}),
]  # fmt: skip


def random_step(rng: random.Random) -> Any:
    """One operation, as a function of a list."""
    n = rng.randrange(-30, 30)
    m = rng.randrange(-30, 30)
    step = rng.choice([1, 1, 1, 2, 3, -1, -2, -5])
    v = rng.choice(POOL)
    some = [rng.choice(POOL) for _ in range(rng.randrange(6))]
    return rng.choice(
        [
            lambda l: l.append(v),
            lambda l: l.extend(some),
            lambda l: l.extend(iter(some)),
            lambda l: l.insert(n, v),
            lambda l: l.pop(),
            lambda l: l.pop(n),
            lambda l: l.remove(v),
            lambda l: l.index(v),
            lambda l: l.index(v, n, m),
            lambda l: l.count(v),
            lambda l: v in l,
            lambda l: l[n],
            lambda l: l[n:m:step],
            lambda l: operator.setitem(l, n, v),
            lambda l: operator.delitem(l, n),
            lambda l: operator.setitem(l, slice(n, m), some),
            lambda l: operator.setitem(l, slice(n, m, step), some),
            lambda l: operator.delitem(l, slice(n, m, step)),
            lambda l: l.reverse(),
            lambda l: l.sort(key=repr),
            lambda l: l.sort(key=repr, reverse=True),
            lambda l: l.sort(),
            lambda l: l.extend(l[:3]),
            lambda l: l == some,
            lambda l: l[:3] < some,
            lambda l: l + some,
            lambda l: some + l,
            lambda l: l * 2,
            lambda l: (
                operator.imul(l, rng.choice([0, 1, 2]))
                if len(l) < 40 and rng.random() < 0.2
                else None
            ),
            lambda l: l.clear() if rng.random() < 0.1 else None,
            lambda l: len(l),
        ]
    )


def test_random_operations(base):
    """Rows 1 to 10: thousands of operations beside list, with reopens."""
    seed = int(os.environ.get("KIST_SEED", random.randrange(2**32)))
    print(f"KIST_SEED={seed}")
    rng = random.Random(seed)
    model: list[Any] = []
    l = kist.FSList(base)
    for i in range(4000):
        call = random_step(rng)
        before = rng.getstate()
        mine = outcome(partial(call, l))
        after = rng.getstate()
        rng.setstate(before)
        model_before = list(model)
        theirs = outcome(partial(call, model))
        rng.setstate(after)
        if mine[0] == "value" and mine[1] is l:
            mine, theirs = ("value", 0), (theirs[0], 0)
        assert same(mine, theirs), (seed, i, mine, theirs)
        if theirs[0] == "error":
            model[:] = model_before  # row 5: a failed sort keeps the order
        assert same(l[:], model), (seed, i)
        del model[200:], l[200:]
        if rng.random() < 0.01:
            l.close()
            l = kist.FSList(base)
        if rng.random() < 0.003:
            l.compact()
    alike(l, model)
    l.close()


class Twin(RuleBasedStateMachine):
    """An FSList and a list that are given the same."""

    items = st.sampled_from(POOL) | st.integers(-5, 5) | st.text(max_size=3)
    where = st.integers(-12, 12)
    bound = st.none() | st.integers(-12, 12)
    steps = st.sampled_from([None, 1, 2, 3, -1, -2])

    @initialize()
    def begin(self):
        directory = os.environ.get("TMPDIR", "/tmp")
        name = f"kist-twin-{os.getpid()}-{uuid.uuid4().hex}"
        self.path = os.path.join(directory, name)
        self.ours = kist.FSList(self.path)
        self.model: list[Any] = []

    def teardown(self):
        if hasattr(self, "ours"):
            self.ours.destroy()

    def both(self, call):
        agree(self.ours, self.model, call)

    @rule(v=items)
    def append(self, v):
        self.both(lambda l: l.append(v))

    @rule(vs=st.lists(items, max_size=5), lazy=st.booleans())
    def extend(self, vs, lazy):
        self.both(lambda l: l.extend(iter(vs) if lazy else vs))

    @rule(i=where, v=items)
    def insert(self, i, v):
        self.both(lambda l: l.insert(i, v))

    @rule(i=where)
    def pop(self, i):
        self.both(lambda l: l.pop(i))

    @rule()
    def pop_last(self):
        self.both(lambda l: l.pop())

    @rule(v=items)
    def find(self, v):
        self.both(lambda l: v in l)
        self.both(lambda l: l.count(v))
        self.both(lambda l: l.index(v))
        self.both(lambda l: l.remove(v))

    @rule(i=where, v=items)
    def set_item(self, i, v):
        self.both(lambda l: operator.setitem(l, i, v))

    @rule(i=where)
    def del_item(self, i):
        self.both(lambda l: l[i])
        self.both(lambda l: operator.delitem(l, i))

    @rule(a=bound, b=bound, c=steps)
    def get_slice(self, a, b, c):
        self.both(lambda l: l[a:b:c])

    @rule(a=bound, b=bound, c=steps, vs=st.lists(items, max_size=5))
    def set_slice(self, a, b, c, vs):
        self.both(lambda l: operator.setitem(l, slice(a, b, c), vs))

    @rule(a=bound, b=bound, c=steps)
    def del_slice(self, a, b, c):
        self.both(lambda l: operator.delitem(l, slice(a, b, c)))

    @rule(reverse=st.booleans(), key=st.sampled_from([None, repr]))
    def sort(self, reverse, key):
        before = list(self.model)
        mine = outcome(lambda: self.ours.sort(key=key, reverse=reverse))
        theirs = outcome(lambda: self.model.sort(key=key, reverse=reverse))
        assert mine[:2] == theirs[:2]
        if theirs[0] == "error":
            self.model = before  # row 5: ours keeps the old order

    @rule()
    def reverse(self):
        self.both(lambda l: l.reverse())

    @rule(times=st.integers(-1, 2))
    def multiply(self, times):
        if len(self.model) < 20:
            self.both(lambda l: operator.imul(l, times))

    @rule(vs=st.lists(items, max_size=3))
    def compare(self, vs):
        for op in (operator.eq, operator.ne, operator.lt, operator.ge):
            self.both(lambda l, op=op: op(l, vs))
        self.both(lambda l: l + vs)
        self.both(lambda l: vs + l)

    @rule()
    def reopen(self):
        self.ours.close()
        self.ours = kist.FSList(self.path)

    @rule()
    def compact(self):
        self.ours.compact()

    @invariant()
    def same_items(self):
        if hasattr(self, "ours"):
            assert same(self.ours[:], self.model)


TestTwin = Twin.TestCase
TestTwin.settings = settings(max_examples=40, stateful_step_count=40)
