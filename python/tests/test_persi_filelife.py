"""FileDirDict over its life: threads, forks, memory, durability."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import kist
import pytest
from kist.persidict.file_dir_dict import (
    FileDirDict,
)

from persifile import make


@pytest.fixture
def d(tmp_path: Path) -> FileDirDict[Any]:
    return make(tmp_path / "d")


# --- durability, threads ------------------------------------------------------


@pytest.mark.parametrize("durability", ["sync", "group", "none"])
def test_durabilities(tmp_path, durability):
    d = make(tmp_path, durability=durability)

    def work(n: int) -> None:
        for i in range(20):
            d[f"t{n}", f"k{i}"] = (n, i)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(d) == 80
    assert d.get_subdict("t3")["k5"] == (3, 5)


def test_an_iterator_that_is_inside_itself(d):
    class Again:
        def __reduce__(self) -> Any:
            return again, ()

    global again

    def again() -> Any:
        return next(scan)

    again.__module__ = __name__
    d["a"] = Again()
    scan = d.values()
    with pytest.raises(kist.CorruptError, match="already executing"):
        next(scan)


def test_iterators_keep_what_they_need(tmp_path):
    d = make(tmp_path)
    d.put_many({f"k{i}": i for i in range(100)})
    scan = d.items()
    keys = iter(d)
    next(scan), next(keys)
    del d
    assert len(list(scan)) == 99
    assert len(list(keys)) == 99


def test_a_child_of_fork_goes_on(d):
    d["a"] = 1
    pid = os.fork()
    if pid == 0:
        try:
            d["b"] = d["a"] + 1
            os._exit(0 if d["b"] == 2 else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert d["b"] == 2


def test_memory_is_given_back(tmp_path):
    """Goal: no call keeps memory, also where it fails."""
    import tracemalloc

    d = make(tmp_path, durability="none")
    d["a"] = {"x": 1}
    Path(d._place("a")).with_name("bad").write_bytes(b"")

    def all_calls() -> None:
        d["a"]
        d["b"] = [1, 2]
        d.get("zz")
        "a" in d
        list(d.items_and_timestamps())
        d.get_many(["a", "zz"])
        d.put_many({"c": 1})
        d.pop("c")
        d.etag("a")
        d.newest_values()
        d.transform_item("b", transformer=lambda v: v)
        d.get_with_etag("a")
        d.get_subdict("p")
        d.foreign_files()
        for call in (lambda: d["zz"], lambda: d["a b"]):
            try:
                call()
            except (KeyError, ValueError):
                pass

    def grown() -> int:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(400):
            all_calls()
        return tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    # The interpreter keeps up to 2000 tuples for later; then it is even.
    least = min(grown() for _ in range(8))
    tracemalloc.stop()
    # No object of 28 bytes, the least there is, is left by each round.
    assert least < 400 * 28


@pytest.mark.parametrize(
    "call",
    [
        "d['a'] = 2",
        "del d['a']",
        "d.put_many({'a': 2})",
        "d.transform_item('a', transformer=lambda v: 3)",
        "d.setdefault('b', 3)",
    ],
)
def test_control_c_while_another_holds_the_lock(d, call):
    """Goal: nothing is done, and it does not take until the lock is given up.

    Method: the lock is the directory's flock, held here; the child is sent
    SIGINT when it has been at it for a second.
    """
    program = """
        import sys
        from kist.persidict.file_dir_dict import FileDirDict
        d = FileDirDict(base_dir=sys.argv[1])
        print("go", flush=True)
        try:
            exec(sys.argv[2])
        except KeyboardInterrupt:
            sys.exit(7)
    """
    d["a"] = 1
    fd = os.open(d.base_dir, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), d.base_dir, call],
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"go\n"
        time.sleep(1)
        assert child.poll() is None
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=20) == 7
        assert time.monotonic() - began < 5
    os.close(fd)
    assert dict(d.items()) == {("a",): 1}
    d["a"] = 2
    assert [n for n in os.listdir(d.base_dir) if "tmp" in n] == []


def test_init_again(tmp_path):
    """Another directory, while iterators and subdicts use the first one."""
    d = make(tmp_path / "a")
    d.put_many({f"k{i}": i for i in range(100)})
    d["p", "x"] = 1
    sub = d.get_subdict("p")
    scan = iter(d)
    next(scan)
    for name in ("b", "c"):
        FileDirDict.__init__(d, base_dir=str(tmp_path / name))
        assert len(d) == 0
    d["n"] = 5
    assert d["n"] == 5
    assert len(list(scan)) == 100
    assert sub["x"] == 1
    assert len(make(tmp_path / "a")) == 101
    with pytest.raises(ValueError):
        FileDirDict.__init__(d, durability="?")
    assert d["n"] == 5


def test_no_memory_is_lost_in_c(tmp_path):
    """Goal: the process does not grow, whatever comes of the calls."""
    program = """
        import os, resource, sys
        from pathlib import Path
        from kist.persidict.file_dir_dict import FileDirDict
        d = FileDirDict(base_dir=sys.argv[1], durability="none")
        big = "x" * 100_000
        d["bad"] = 1
        Path(d._place("bad")).write_bytes(b"nonsense" * 10_000)
        def once():
            d["a"] = big
            d["a"]
            d.get_with_etag("a")
            d.transform_item("a", transformer=lambda v: v)
            d.put_many({"b": big, ("c", "d"): big})
            d.get_many(["a", "b", "nope"])
            d.pop("b")
            next(d.get_subdict("c").items())
            next(d.keys())
            d.get_subdict("c").newest_values(1)
            d.foreign_files()
            d.get_subdict("c")["d"]
            for call in (
                lambda: d["bad"],
                lambda: d.get_many(["a", "bad"]),
                lambda: d.pop("bad"),
                lambda: d.put_many([("a", big), ("b", lambda: 1)]),
            ):
                try:
                    call()
                except Exception:
                    pass
            FileDirDict(base_dir=sys.argv[1])
        def size():
            return int(Path("/proc/self/statm").read_text().split()[1])
        for _ in range(40):
            once()
        before = size()
        for _ in range(200):
            once()
        print((size() - before) * resource.getpagesize())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 4_000_000
