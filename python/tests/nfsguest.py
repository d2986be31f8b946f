"""What test_nfs_box.py runs inside nfsbox: two clients of a real NFS server.

NFS_A and NFS_B are the two clients' mounts of one directory; `nfsctl` stops
and starts the server.  Prints a line for each check, then "N passed, M failed".
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from kist.nfsdict import NfsDict

A = Path(os.environ["NFS_A"])
B = Path(os.environ["NFS_B"])
SERVER = Path(os.environ["NFS_SERVER"])
LONG = os.environ.get("SOAK") == "1"


def times(short: int, long: int) -> int:
    return long if LONG else short


def open_dict(base: Path, name: str, lazy: bool = False) -> NfsDict:
    return NfsDict(name, base, lazy=lazy, allow_shared=True)


def tick() -> None:
    """Version 3 tells of a change by the server's clock alone."""
    if os.environ.get("NFS_TICK"):
        time.sleep(0.05)


# --- children ----------------------------------------------------------------


def write_for_ever(base: str, name: str, who: str) -> None:
    """Puts keys, and one key again and again, and tells each on stdout."""
    d = open_dict(Path(base), name)
    i = 0
    while True:
        d[f"{who}-{i}"] = i
        d[f"{who}-last"] = i
        os.write(1, f"{i}\n".encode())
        i += 1


@contextlib.contextmanager
def writer(base: Path, name: str, who: str) -> Iterator[Callable[[], int]]:
    """A child that writes; calling it kills it and tells how far it was."""
    child = subprocess.Popen(
        [sys.executable, __file__, "write", str(base), name, who],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    first = child.stdout.readline()
    assert first == b"0\n", first

    def end() -> int:
        assert child.poll() is None, f"the writer ended: {child.returncode}"
        child.send_signal(signal.SIGKILL)
        assert child.stdout is not None
        lines = child.stdout.read().split(b"\n")[:-1]
        child.wait()
        return int(lines[-1]) if lines else 0

    try:
        yield end
    finally:
        child.kill()
        child.wait()


# --- checks ------------------------------------------------------------------


def check_names() -> None:
    """N3: a name that was asked for before it existed is found at once."""
    a, b = open_dict(A, "names"), open_dict(B, "names")
    for i in range(times(15, 200)):
        key = f"k{i}"
        assert b.get(key) is None
        tick()
        a[key] = i
        assert b[key] == i, key
        assert a.get(f"absent{i}") is None
    assert set(open_dict(B, "names", True)) == set(a)
    b.sync()
    assert dict(b.items()) == dict(a.items())


def check_replaced() -> None:
    """N2: the value that another client has just put is the one read."""
    a = open_dict(A, "replaced")
    a["k"] = "first"
    for i in range(times(15, 200)):
        b = open_dict(B, "replaced", lazy=True)
        a["k"] = i
        assert b["k"] == i, (i, b["k"])


def check_deleted() -> None:
    a, b = open_dict(A, "deleted"), open_dict(B, "deleted")
    for i in range(times(10, 100)):
        a["k"] = i
        assert b["k"] == i
        tick()
        del a["k"]
        b.sync()
        assert "k" not in b and b.get("k") is None
        tick()
        b["k"] = i  # and back
        assert a["k"] == i
        del b["k"]
        a.sync()
        assert list(a) == []


def check_readers() -> None:
    """N4: no KeyError, no ESTALE, nothing older than was seen before, while
    another client replaces what is read."""
    a = open_dict(A, "readers")
    a["w-last"] = -1
    with writer(A, "readers", "w") as end:
        seen = -1
        until = time.monotonic() + times(4, 60)
        while time.monotonic() < until:
            value = open_dict(B, "readers", lazy=True)["w-last"]
            assert value >= seen, (value, seen)
            seen = value
        last = end()
    assert seen >= 0
    b = open_dict(B, "readers")
    missing = [i for i in range(last + 1) if b.get(f"w-{i}") != i]
    assert not missing, missing


def check_silly_names() -> None:
    """N5: .nfsXXXX of files that are open are nobody's."""
    a, b = open_dict(A, "silly"), open_dict(B, "silly")
    a.update({f"k{i}": i for i in range(5)})
    b.sync()
    with contextlib.ExitStack() as held:
        for path in list((B / "silly").glob("??/*.pkl")):
            held.enter_context(open(path, "rb"))
        b.clear()
        silly = list((B / "silly").glob("??/.nfs*"))
        assert len(silly) == 5, "no silly rename happened"
        assert dict(open_dict(B, "silly").items()) == {}
        b["k1"] = 7
        assert open_dict(A, "silly")["k1"] == 7
    assert set(open_dict(A, "silly")) == {"k1"}


def check_two_writers() -> None:
    """Two machines put and are killed, or close: every key is there."""
    for turn in range(times(2, 20)):
        name = f"two{turn}"
        with writer(A, name, "a") as end_a, writer(B, name, "b") as end_b:
            time.sleep(times(1, 3))
            done = {"a": end_a(), "b": end_b()}
        for base in (A, B):
            d = open_dict(base, name)
            for who, last in done.items():
                for i in range(last + 1):
                    assert d[f"{who}-{i}"] == i
                    assert f"{who}-{i}" in d
    one, two = open_dict(A, "closing"), open_dict(B, "closing")
    one["a"] = 1
    two["b"] = 2
    two.close()
    assert not (A / "closing" / "_index.pkl").exists()
    one.close()
    data = (SERVER / "closing" / "_index.pkl").read_bytes()
    assert sorted(pickle.loads(data)) == ["a", "b"]


def check_restart() -> None:
    """N11: the server goes away and comes back in the middle of puts: they
    wait, and none that was told is lost."""
    with writer(A, "restart", "a") as end:
        for _ in range(times(1, 5)):
            time.sleep(1)
            subprocess.run(["nfsctl", "stop"], check=True)
            time.sleep(2)
            subprocess.run(["nfsctl", "start"], check=True)
            reader = open_dict(B, "restart")
            assert reader["a-0"] == 0
            time.sleep(1)
        last = end()
    assert last > 0
    b = open_dict(B, "restart")
    for i in range(last + 1):
        assert b[f"a-{i}"] == i and f"a-{i}" in b
    files = list((SERVER / "restart").glob("??/*.pkl"))
    assert len(files) >= last + 2


def check_full_server() -> None:
    """N8: what a full server did not take is not told to be there."""
    a = open_dict(A, "full")
    a["small"] = 1
    block = os.urandom(1 << 20)
    kept = []
    try:
        for i in range(10_000):
            a[f"k{i}"] = block
            kept.append(f"k{i}")
    except OSError as error:
        assert error.errno in (28, 122), error
    else:
        raise AssertionError("the server was never full")
    b = open_dict(B, "full", lazy=True)
    for key in (*kept, "small"):
        assert b[key] == (block if key != "small" else 1)
    assert f"k{len(kept)}" not in b and b.get(f"k{len(kept)}") is None
    for key in kept:
        del a[key]


CHECKS = [
    check_names,
    check_replaced,
    check_deleted,
    check_silly_names,
    check_readers,
    check_two_writers,
    check_restart,
    check_full_server,
]


def main() -> int:
    failed = 0
    for check in CHECKS:
        began = time.monotonic()
        try:
            check()
            word = "ok"
        except Exception:
            failed += 1
            word = "FAIL"
            traceback.print_exc(file=sys.stdout)
        took = time.monotonic() - began
        print(f"{word} {check.__name__} {took:.1f} s", flush=True)
    print(f"{len(CHECKS) - failed} passed, {failed} failed", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write_for_ever(*sys.argv[2:5])
    sys.exit(main())
