"""FSList beside list: the contract's rows 1, 3, 4, 7 to 10 and 38 to 41.

Each test names the row or the promise (P) it is about.  Slices are in
test_list_slice.py, sort and search in test_list_order.py, what concerns
files, buffers and threads in test_list_life.py, random runs in
test_list_model.py.
"""

from __future__ import annotations

import array
import collections.abc
import copy
import enum
import gc
import operator
import sys
import weakref
from functools import partial
from typing import Any

import kist
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import agree, alike, outcome, same, values

HUGE = sys.maxsize


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


@pytest.mark.parametrize("count", [10, 100])
def test_iterating_while_changing(fslist, count):
    """Row 4: live, by index, no error; long lists are scanned."""

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
            if i == 40:
                l.reverse()
            if i == 45:
                del l[50:]
            if len(seen) > 150:
                break
        return seen

    ours, model = fslist(range(count)), list(range(count))
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


@pytest.mark.parametrize("count", [5, 80])
def test_length_hint_and_state(fslist, count):
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

    agree(fslist(range(count)), list(range(count)), run)


@pytest.mark.parametrize("klass", [None, int])
def test_iterating_over_what_was_closed(tmp_path, klass):
    """An iterator in the middle of a long list that is closed, and opened
    again elsewhere, neither fails hard nor gives what it must not."""
    l = kist.FSList(tmp_path / "a", klass=klass)
    l.extend(range(100))
    it, other = iter(l), iter(l)
    assert [next(it), next(it), next(other)] == [0, 1, 0]
    l.close()
    with pytest.raises(ValueError, match="closed"):
        next(it)
    l.__init__(tmp_path / "b", klass=klass)
    l.extend(range(1000, 1100))
    assert [next(it), next(it), next(other)] == [1002, 1003, 1001]
    l.close()


def test_iterating_and_compacting(tmp_path):
    """An iterator goes on, also from another place."""
    l = kist.FSList(tmp_path / "l")
    l.extend([[i] for i in range(40)])
    it = iter(l)
    assert [next(it)[0] for _ in range(20)] == list(range(20))
    it.__setstate__(5)
    l.compact()
    assert [x[0] for x in it] == list(range(5, 40))
    l.close()


def test_iterator_keeps_the_list(fslist):
    """An iterator holds what it iterates over."""
    l = kist.FSList()
    l.extend([1, 2, 3])
    it = iter(l)
    del l
    gc.collect()
    assert list(it) == [1, 2, 3]


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
