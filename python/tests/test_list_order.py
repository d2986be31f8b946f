"""sort, reverse and search of FSList beside list: rows 5 and 6."""

from __future__ import annotations

import datetime
import decimal
import operator
import random
import sys
import uuid

import kist
import pytest

from conftest import agree, alike, outcome

HUGE = sys.maxsize


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
