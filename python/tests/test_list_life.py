"""FSList closed, read-only, as a buffer, under threads and processes."""

from __future__ import annotations

import array
import contextlib
import gc
import operator
import os
import struct
import sys
import threading
import time
from typing import Any

import kist
import pytest

from conftest import alike, in_child, outcome

CLOSED = "I/O operation on closed file."


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
