"""Several processes and threads, and the death of some of them.

The contract's rows 67 to 71, P50 and batches (issue 3, point 4).  Each test
names the row or the promise (P) it is about.
"""

from __future__ import annotations

import gc
import glob
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import kist
import pytest

from conftest import in_child, run_python

CLOSED = "I/O operation on closed file."


def files(prefix: str) -> list[str]:
    """What there is of a collection at `prefix`."""
    return sorted(glob.glob(glob.escape(prefix) + "*"))


# --- fork ------------------------------------------------------------------------------


def test_fork(base):
    """Row 67: the child's calls are ValueError, the parent's work on."""
    d = kist.FSDict(base)
    s = kist.FSSet()
    d["k"] = 1
    s.add(1)
    it = iter(d)

    def work():
        for call in (
            lambda: d["k"],
            lambda: d.__setitem__("k", 2),
            lambda: len(d),
            lambda: 1 in s,
            lambda: s.add(2),
            lambda: next(it),
        ):
            try:
                call()
            except ValueError:
                continue
            raise AssertionError("a forked handle was used")
        d.close()
        s.close()

    assert in_child(work) == 0
    assert d["k"] == 1 and s == {1} and next(it) == "k"
    assert files(s.path)
    d.close()
    s.close()


def test_fork_and_reopen(base):
    """Row 67: a child that opens the path itself reads and writes."""
    d = kist.FSDict(base)
    d["k"] = 1

    def work():
        with kist.FSDict(base) as mine:
            assert mine["k"] == 1
            mine["child"] = 2

    assert in_child(work) == 0
    assert d["child"] == 2
    d.close()


def test_forked_child_leaves_temporal_files(base):
    """Row 67: only the process that made them removes them."""
    s = kist.FSSet()
    s.add(1)

    def work():
        nonlocal s
        s.close()
        del s
        gc.collect()

    assert in_child(work) == 0
    assert files(s.path) and s == {1}
    s.close()


def test_multiprocessing_by_reference(base):
    """Rows 41 and 68: a persistent one goes to another process by path."""
    context = multiprocessing.get_context("spawn")
    with kist.FSDict(base) as d, context.Pool(2) as pool:
        d["start"] = 1
        for answer in pool.starmap(_use, [(d, str(i)) for i in range(6)]):
            assert answer == 1
        assert {k for k in d if k != "start"} == {str(i) for i in range(6)}


def _use(d: Any, key: str) -> Any:
    d[key] = os.getpid()
    start = d["start"]
    d.close()
    return start


# --- sudden ends ----------------------------------------------------------


def test_unclean_shutdown(base):
    """Row 71: nothing that was complete is lost, and metrics say so."""

    def work():
        d = kist.FSDict(base)
        for i in range(1000):
            d[str(i)] = i
        return d

    assert in_child(work, kill=True) == -9
    with kist.FSDict(base) as d:
        assert dict(d) == {str(i): i for i in range(1000)}
        assert d.metrics["clean_shutdown"] is False


def test_torn_tail(base):
    """Row 71: a torn last record is absent, all before it are there."""
    with kist.FSDict(base) as d:
        d.update({str(i): "x" * 30 for i in range(100)})
        end = d.metrics["data_bytes"]
    size = os.path.getsize(base + ".kist")
    os.unlink(base + ".kistx")
    with open(base + ".kist", "r+b") as f:
        f.truncate(end)
        f.seek(end)
        f.write(b"\x40\0\0\0half a record")
        f.truncate(size)
    with kist.FSDict(base) as d:
        assert len(d) == 100
        assert d.metrics["torn_bytes_cut"] > 0


# --- other processes ----------------------------------------------------------------------------


def test_writes_of_others_are_seen(base):
    """Row 68, C13: at the next operation, in both directions."""
    with kist.FSDict(base) as d:
        d["mine"] = 1
        code = """
            import sys, kist
            with kist.FSDict(sys.argv[1]) as d:
                assert d["mine"] == 1
                d["yours"] = 2
                del d["mine"]
            """
        ran = run_python(code, base)
        assert ran.returncode == 0, ran.stderr
        assert dict(d) == {"yours": 2}
        d["mine"] = 3
        assert list(d) == ["yours", "mine"]


def test_four_processes_count(base):
    """Row 69: with c.lock(), read-modify-write loses nothing."""
    with kist.FSDict(base, klass=int) as d:
        d["n"] = 0
    code = """
        import sys, kist
        with kist.FSDict(sys.argv[1]) as d:
            for _ in range(300):
                with d.lock():
                    d["n"] += 1
        """
    env = dict(
        os.environ, PYTHONPATH=os.path.dirname(os.path.dirname(kist.__file__))
    )
    import textwrap

    running = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), base], env=env
        )
        for _ in range(4)
    ]
    assert [p.wait(120) for p in running] == [0] * 4
    with kist.FSDict(base) as d:
        assert d["n"] == 1200


def test_single_methods_are_atomic(base):
    """Row 69: of several poppers each item goes to exactly one."""
    with kist.FSSet(base) as s:
        s.update(range(2000))
    code = """
        import sys, kist
        with kist.FSSet(sys.argv[1]) as s:
            got = []
            while True:
                try:
                    got.append(s.pop())
                except KeyError:
                    break
        print(*got)
        """
    import textwrap

    env = dict(
        os.environ, PYTHONPATH=os.path.dirname(os.path.dirname(kist.__file__))
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), base],
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    got: list[int] = []
    for p in running:
        out, _ = p.communicate(timeout=120)
        assert p.returncode == 0
        got += map(int, out.split())
    assert sorted(got) == list(range(2000))


# --- batches ----------------------------------------------------------------------------------------


def test_batch(base):
    """Issue 3, point 4: over several collections, all or nothing."""
    with kist.open(base) as k:
        d, s, x = k.dict("d"), k.set("s"), k.list("l")
        with k.batch():
            d["a"] = 1
            s.add("a")
            x.append("a")
            assert d == {"a": 1} and s == {"a"} and x == ["a"]
        with pytest.raises(ZeroDivisionError), k.batch():
            d["b"] = 2
            s.clear()
            s.update(["x", "y"])
            x.extend([1, 2, 3])
            del d["a"]
            1 / 0
        assert d == {"a": 1} and s == {"a"} and x == ["a"]
    with kist.open(base) as k:
        assert k.dict("d") == {"a": 1} and k.set("s") == {"a"}
        assert k.list("l") == ["a"]


def test_batch_of_one_collection(base):
    """Issue 3: a collection has a batch of its kist, too."""
    with kist.FSDict(base) as d:
        with d.batch():
            d["a"] = 1
            d.update(b=2)
        with pytest.raises(KeyError), d.batch():
            d["c"] = 3
            d["missing"]
        assert d == {"a": 1, "b": 2}


def test_batch_in_a_batch(base):
    """Issue 3: one at a time in a thread."""
    with kist.open(base) as k:
        d = k.dict("d")
        with k.batch():
            d["a"] = 1
            with pytest.raises(kist.BusyError), k.batch():
                pass
            d["b"] = 2
        assert d == {"a": 1, "b": 2}


def test_methods_inside_a_batch(base):
    """Issue 3: update and its kin join the batch that is open."""
    with kist.open(base) as k:
        d, s = k.dict("d"), k.set("s")
        with pytest.raises(LookupError), k.batch():
            d.update(a=1, b=2)
            s.update([1, 2, 3])
            s ^= {3, 4}
            s.intersection_update([1, 4])
            assert s == {1, 4} and d == {"a": 1, "b": 2}
            with pytest.raises(TypeError):
                s.update([7, object()])
            raise LookupError
        assert not d and not s


def test_killed_in_a_batch(base):
    """Issue 3: kill -9 in the middle leaves nothing of it."""
    with kist.open(base) as k:
        k.dict("d")["a"] = 1
        k.set("s").add("a")

    def work():
        k = kist.open(base)
        d, s = k.dict("d"), k.set("s")
        d["before"] = 1
        with k.batch():
            d.update({str(i): i for i in range(5000)})
            s.clear()
            s.update(range(5000))
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(work) == -9
    with kist.open(base) as k:
        assert k.dict("d") == {"a": 1, "before": 1}
        assert k.set("s") == {"a"}


def test_killed_at_any_time(base):
    """Row 70: what update() has returned for is there; the one that was
    going on is there whole or not at all."""
    code = """
        import sys, kist
        with kist.FSDict(sys.argv[1]) as d, kist.FSSet(sys.argv[1] + "s") as s:
            for i in range(100000):
                s.update((i, j) for j in range(20))
                d.update({f"{i}-{j}": i for j in range(20)})
                print(i, flush=True)
        """
    import textwrap

    env = dict(
        os.environ, PYTHONPATH=os.path.dirname(os.path.dirname(kist.__file__))
    )
    for round_ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), base],
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        for _ in range(3 + round_ * 7):
            child.stdout.readline()
        child.kill()
        said = [int(line) for line in child.stdout.read().split()]
        child.wait()
        with kist.FSDict(base) as d, kist.FSSet(base + "s") as s:
            for c in (d, s):
                assert len(c) % 20 == 0
                assert len(c) // 20 >= (said[-1] + 1 if said else 3)
                c.clear()


# --- threads ------------------------------------------------------------------------------------------


def test_threads(base):
    """P50: eight threads on one object; all writes are there."""
    errors: list[BaseException] = []
    with kist.FSDict(base) as d, kist.FSSet(base + "s") as s:

        def work(n: int) -> None:
            try:
                for i in range(500):
                    d[f"{n}-{i}"] = i
                    s.add((n, i))
                    assert d[f"{n}-{i}"] == i and (n, i) in s
                    if i % 50 == 0:
                        d.update({f"{n}-u": i})
                        s.update([(n, "u")])
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not errors
        assert len(d) == len(s) == 8 * 501


def test_close_under_other_threads(base):
    """HOUSE: a close that comes in between is ValueError, never a crash."""
    for _ in range(5):
        d = kist.FSDict(base, durability="sync")
        ready = threading.Barrier(5)
        seen: list[Any] = []

        def work(
            n: int, d: Any = d, ready: Any = ready, seen: Any = seen
        ) -> None:
            ready.wait()
            try:
                for i in range(10_000):
                    d[str(n)] = i
                    d.get(str(i))
            except ValueError as error:
                seen.append(error.args)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        ready.wait()
        time.sleep(0.02)
        d.close()
        for t in threads:
            t.join()
        assert set(seen) == {(CLOSED,)} and len(seen) == 4


def test_batch_keeps_other_threads_out(base):
    """Issue 3: others see nothing before the commit and wait to write."""
    with kist.open(base) as k:
        d = k.dict("d")
        order: list[Any] = []
        inside = threading.Event()

        def other() -> None:
            inside.wait()
            order.append(("read", d.get("a")))
            d["b"] = 1
            order.append("wrote")

        t = threading.Thread(target=other)
        t.start()
        with k.batch():
            d["a"] = 1
            inside.set()
            time.sleep(0.2)
            order.append("commit")
        t.join()
        assert order == [("read", None), "commit", "wrote"]
        assert d == {"a": 1, "b": 1}


def test_large_updates_in_threads(base):
    """P50: updates that let the GIL go, beside readers and a close."""
    with kist.FSSet(base) as s, kist.FSDict(base + "d") as d:
        stop = threading.Event()
        errors: list[BaseException] = []

        def look() -> None:
            try:
                while not stop.is_set():
                    assert len(s) <= 48_000 and len(d) <= 48_000
                    assert (9, 9) not in s and "9" not in d
            except BaseException as error:
                errors.append(error)

        def work(n: int) -> None:
            try:
                s.update((n, str(i)) for i in range(12_000))
                d.update((f"{n}-{i}", i) for i in range(12_000))
            except BaseException as error:
                errors.append(error)

        reader = threading.Thread(target=look)
        writers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for t in (reader, *writers):
            t.start()
        for t in writers:
            t.join()
        stop.set()
        reader.join()
        assert not errors
        assert len(s) == len(d) == 48_000


def test_close_under_a_large_update(base):
    """Row 74: what is closed meanwhile is there whole or not at all."""
    for round_ in range(6):
        s = kist.FSSet(base)
        size = len(s)
        seen: list[Any] = []

        def work(s: Any = s, seen: Any = seen, n: int = round_) -> None:
            try:
                s.update((n, i) for i in range(30_000))
                seen.append(30_000)
            except ValueError as error:
                assert error.args == (CLOSED,)
                seen.append(0)

        t = threading.Thread(target=work)
        t.start()
        time.sleep(0.01 * round_)
        s.close()
        t.join()
        with kist.FSSet(base) as again:
            assert len(again) in (size, size + 30_000)
            if seen == [30_000]:
                assert len(again) == size + 30_000
