"""FSList's slices beside list's: the contract's row 2."""

from __future__ import annotations

import operator
import random
import sys
from collections.abc import Iterator

import kist
import pytest

from conftest import agree, alike

HUGE = sys.maxsize


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
