"""open(): modes, preallocate, locks and who waits for them.

Sections 1.6 and 1.10 of contracts/dmemfs.md, and rows 1, 2, 14, 18 of its
section 3.
"""

from __future__ import annotations

import io
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kist import (
    MemoryFileHandle,
    MemoryFileSystem,
    MFSNodeLimitExceededError,
    MFSQuotaExceededError,
)

WRITING = ("wb", "ab", "r+b")


@pytest.fixture
def fs() -> MemoryFileSystem:
    return MemoryFileSystem(default_lock_timeout=0)


def put(fs: MemoryFileSystem, path: str, data: bytes = b"x") -> None:
    with fs.open(path, "wb") as file:
        file.write(data)


def later(call: Callable[[], Any]) -> Callable[[], Any]:
    """Runs `call` in a thread; what is answered waits for it to end."""
    came: list[Any] = []

    def run() -> None:
        try:
            came.append(call())
        except BaseException as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def join() -> Any:
        thread.join(30)
        assert not thread.is_alive()
        return came[0]

    join.thread = thread  # type: ignore[attr-defined]
    return join


# --- modes -------------------------------------------------------------------


def test_the_modes_of_a_missing_file(fs: MemoryFileSystem):
    """1.6: wb, ab and xb make it, rb and r+b do not."""
    for mode in ("rb", "r+b"):
        with pytest.raises(FileNotFoundError) as caught:
            fs.open("/f", mode)
        assert caught.value.args == ("No such file: '/f'",)
        assert caught.value.errno is None
    for mode in ("wb", "ab", "xb"):
        with fs.open(mode, mode) as file:
            assert file.tell() == 0
        assert fs.get_size(mode) == 0


def test_the_modes_of_a_file(fs: MemoryFileSystem):
    """1.6: what is kept, and where the cursor is."""
    for mode, kept, at in (
        ("rb", b"abc", 0),
        ("ab", b"abc", 3),
        ("r+b", b"abc", 0),
        ("wb", b"", 0),
    ):
        put(fs, "/f", b"abc")
        with fs.open("/f", mode) as file:
            assert file.tell() == at
        assert fs.export_tree() == {"/f": kept}
    with pytest.raises(FileExistsError) as caught:
        fs.open("/f", "xb")
    assert caught.value.args == ("File exists: '/f'",)


@pytest.mark.parametrize(
    ("mode", "reads", "writes"),
    [("rb", True, False), ("wb", False, True), ("ab", False, True),
     ("r+b", True, True), ("xb", False, True)],
)  # fmt: skip
def test_modes_say_what_they_do(fs, mode: str, reads: bool, writes: bool):
    """1.6, 1.7: readable, writable, and UnsupportedOperation otherwise."""
    if mode != "xb":
        put(fs, "/f", b"abc")
    with fs.open("/f", mode) as file:
        assert file.readable() is reads
        assert file.writable() is writes
        assert file.seekable() is True
        assert file._mode == mode
        if not reads:
            for call in (
                file.read,
                file.readall,
                file.readline,
                lambda: file.readinto(bytearray(1)),
                lambda: next(file),
            ):
                with pytest.raises(
                    io.UnsupportedOperation,
                    match=f"not readable in mode '{mode}'".replace("+", r"\+"),
                ):
                    call()
        if not writes:
            for call in (
                lambda: file.write(b"x"),
                lambda: file.write("x"),
                lambda: file.writelines([b"x"]),
                file.truncate,
                lambda: file.truncate(1),
            ):
                with pytest.raises(
                    io.UnsupportedOperation, match="not writable in mode 'rb'"
                ):
                    call()


@pytest.mark.parametrize("mode", ["br", "w+b", "r", "", "rb ", None, 5, b"rb"])
def test_other_modes_are_refused_first(fs: MemoryFileSystem, mode: Any):
    """1.6: with ValueError, before the path is looked at."""
    with pytest.raises(ValueError, match="Invalid mode"):
        fs.open(5, mode)


def test_directories_are_not_opened(fs: MemoryFileSystem):
    """1.6: IsADirectoryError in every mode."""
    fs.mkdir("/d")
    for mode in ("rb", "wb", "ab", "r+b", "xb"):
        for path in ("/d", "/"):
            with pytest.raises(IsADirectoryError):
                fs.open(path, mode)


def test_a_file_needs_its_directory(fs: MemoryFileSystem):
    """1.6: also where the parent is a file."""
    put(fs, "/f")
    for path, parent in (("/q/a", "/q"), ("/f/a", "/f"), ("x/./y", "/x")):
        for mode in ("wb", "ab", "xb"):
            with pytest.raises(FileNotFoundError) as caught:
                fs.open(path, mode)
            assert caught.value.args == (
                f"Parent directory does not exist: '{parent}'",
            )


def test_the_node_limit_counts_files():
    """1.6: a file that may not be is not made."""
    fs = MemoryFileSystem(max_nodes=2)
    put(fs, "/a")
    with pytest.raises(MFSNodeLimitExceededError):
        fs.open("/b", "wb")
    put(fs, "/a", b"again")
    assert fs.listdir("/") == ["a"]


def test_wb_empties_only_what_it_has(fs: MemoryFileSystem):
    """1.6: after the lock is held, not before."""
    put(fs, "/f", b"abc")
    with fs.open("/f"):
        with pytest.raises(BlockingIOError):
            fs.open("/f", "wb")
        assert fs.get_size("/f") == 3
    fs.open("/f", "wb").close()
    assert fs.stats()["used_bytes"] == 0


def test_append_always_appends(fs: MemoryFileSystem):
    """1.6: each write goes to the end, wherever the cursor was."""
    put(fs, "/f", b"abc")
    with fs.open("/f", "ab") as file:
        file.seek(0)
        assert file.tell() == 0
        file.write(b"d")
        assert file.tell() == 4
        file.seek(1)
        file.write(b"")
        assert file.tell() == 4
    assert fs.export_tree() == {"/f": b"abcd"}


# --- preallocate -------------------------------------------------------------


def test_preallocate_appends_zeros(fs: MemoryFileSystem):
    """1.6: the cursor stays, modified_at too; the generation counts."""
    with fs.open("/f", "wb", 10) as file:
        assert file.tell() == 0
        assert fs.stat("/f")["generation"] == 1
        file.write(b"ab")
    assert fs.export_tree() == {"/f": b"ab" + bytes(8)}
    with fs.open("/f", "ab", preallocate=12) as file:
        assert file.tell() == 10
    assert fs.get_size("/f") == 12
    before = fs.stat("/f")
    fs.open("/f", "r+b", preallocate=12).close()
    fs.open("/f", "r+b", preallocate=-5).close()
    fs.open("/f", "rb", preallocate=12).close()
    assert fs.stat("/f") == before
    stat = MemoryFileSystem()
    stat.open("/f", "wb", 1000).close()
    assert stat.stats()["used_bytes"] >= 1000


def test_preallocate_that_does_not_fit():
    """1.6: the file is there, empty, and nobody has it."""
    fs = MemoryFileSystem(1000, default_lock_timeout=0)
    for mode in ("xb", "wb", "ab"):
        for size in (1001, 1 << 50, (1 << 63) - 1):
            with pytest.raises(MFSQuotaExceededError):
                fs.open(mode, mode, size)
            assert fs.get_size(mode) == 0
            if mode == "xb":
                fs.remove(mode)
    with pytest.raises(OverflowError):
        fs.open("/f", "wb", 1 << 63)
    for wrong in ("5", 1.0, None):
        with pytest.raises(TypeError):
            fs.open("/f", "wb", wrong)
    assert not fs.exists("/f")
    assert fs.stats()["used_bytes"] == 0


def test_readers_do_not_preallocate(fs: MemoryFileSystem):
    """Row 14: rb has the file with others."""
    put(fs, "/f")
    with pytest.raises(io.UnsupportedOperation, match="not writable"):
        fs.open("/f", "rb", 100)
    assert fs.get_size("/f") == 1
    put(fs, "/f")


# --- locks -------------------------------------------------------------------


def test_readers_share_and_writers_exclude(fs: MemoryFileSystem):
    """1.10: from open to close, and in one thread, too."""
    put(fs, "/f")
    with fs.open("/f") as one, fs.open("/f") as two:
        assert one.read() == two.read()
        for mode in WRITING:
            with pytest.raises(BlockingIOError) as caught:
                fs.open("/f", mode)
            assert caught.value.args == (
                "Could not acquire write lock within timeout.",
            )
            assert caught.value.errno is None
    for mode in WRITING:
        with fs.open("/f", mode):
            for other in ("rb", *WRITING):
                with pytest.raises(BlockingIOError):
                    fs.open("/f", other)
            with pytest.raises(BlockingIOError) as caught:
                fs.open("/f", "rb", 0, 0.01)
            assert caught.value.args == (
                "Could not acquire read lock within timeout.",
            )
    put(fs, "/g")


def test_timeouts(fs: MemoryFileSystem):
    """1.6: None is the default of the file system, below 0 is 0."""
    slow = MemoryFileSystem(default_lock_timeout=0.2)
    put(slow, "/f")
    with slow.open("/f"):
        for timeout, least, most in (
            (None, 0.2, 2), (0, 0, 0.1), (0.0, 0, 0.1), (-1, 0, 0.1),
            (0.1, 0.1, 1), (True, 1, 3),
        ):  # fmt: skip
            begin = time.monotonic()
            with pytest.raises(BlockingIOError):
                slow.open("/f", "wb", lock_timeout=timeout)
            assert least <= time.monotonic() - begin < most
        with pytest.raises(TypeError):
            slow.open("/f", "wb", lock_timeout="1")
        with pytest.raises(ValueError):
            slow.open("/f", "wb", lock_timeout=float("nan"))


@pytest.mark.parametrize("timeout", [None, 20, float("inf")])
def test_who_waits_gets_it(timeout: Any):
    """1.10: another thread's close lets the waiting one in."""
    fs = MemoryFileSystem(default_lock_timeout=None)
    put(fs, "/f", b"abc")
    file = fs.open("/f", "ab")

    def read() -> bytes:
        with fs.open("/f", "rb", lock_timeout=timeout) as mine:
            return mine.read()

    got = later(read)
    time.sleep(0.05)
    file.write(b"def")
    file.close()
    assert got() == b"abcdef"


def test_a_wait_stops_nothing_else(fs: MemoryFileSystem):
    """Row 1: who waits for a file holds up nobody."""
    put(fs, "/f")
    put(fs, "/g")
    file = fs.open("/f", "ab")
    waiting = later(lambda: fs.open("/f", "wb", lock_timeout=20).close())
    time.sleep(0.05)
    begin = time.monotonic()
    assert fs.exists("/f") and fs.stat("/g")["size"] == 1
    with fs.open("/g", "wb", lock_timeout=0) as other:
        other.write(b"12")
    fs.mkdir("/d")
    fs.rename("/g", "/d/g")
    with pytest.raises(BlockingIOError):
        fs.remove("/f")
    assert time.monotonic() - begin < 1
    file.close()
    assert waiting() is None


def test_first_come_first_served():
    """Row 18: readers that come later do not pass a writer."""
    fs = MemoryFileSystem()
    put(fs, "/f")
    order: list[str] = []
    first = fs.open("/f")

    def use(mode: str, name: str) -> None:
        with fs.open("/f", mode):
            order.append(name)
            time.sleep(0.01)

    joins = []
    for mode, name in (("ab", "w1"), ("rb", "r1"), ("ab", "w2")):
        joins.append(later(lambda m=mode, n=name: use(m, n)))
        time.sleep(0.05)
    assert order == []
    first.close()
    for join in joins:
        assert join() is None
    assert order == ["w1", "r1", "w2"]


def test_a_handle_may_be_closed_elsewhere(fs: MemoryFileSystem):
    """1.6: a lock is the handle's, not the thread's."""
    file = fs.open("/f", "wb")
    assert later(file.close)() is None
    assert file.closed
    fs.open("/f", "wb").close()


def test_a_wait_can_be_interrupted():
    """Ctrl-C is heard while open() and copy() wait."""
    fs = MemoryFileSystem(default_lock_timeout=None)
    put(fs, "/f")

    class Interrupt(Exception):
        pass

    def handler(*_: object) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with fs.open("/f", "ab"):
            for call in (
                lambda: fs.open("/f"),
                lambda: fs.copy("/f", "/g"),
                lambda: fs.copy_tree("/", "/d"),
                lambda: fs.export_tree(),
                lambda: fs.export_as_bytesio("/f"),
                lambda: next(fs.iter_export_tree()),
                lambda: fs.view("/f"),
            ):
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                begin = time.monotonic()
                with pytest.raises(Interrupt):
                    call()
                assert time.monotonic() - begin < 5
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    fs.open("/f", "wb").close()
    assert fs.listdir("/") == ["f"]


def test_every_call_has_a_timeout():
    """Row 2: what reads other files waits default_lock_timeout, or less."""
    fs = MemoryFileSystem(default_lock_timeout=0.05)
    put(fs, "/f")
    put(fs, "/free")
    exports = fs.iter_export_tree()
    with fs.open("/f", "ab"):
        for call in (
            lambda **k: fs.copy("/f", "/g", **k),
            lambda **k: fs.copy_tree("/", "/d", **k),
            lambda **k: fs.export_tree(**k),
            lambda **k: fs.export_as_bytesio("/f", **k),
            lambda **k: next(fs.iter_export_tree(**k)),
            lambda **k: fs.view("/f", **k),
        ):
            for options, least, most in (
                ({}, 0.05, 2), ({"lock_timeout": 0}, 0, 0.05),
                ({"lock_timeout": 0.1}, 0.1, 2),
            ):  # fmt: skip
                begin = time.monotonic()
                with pytest.raises(BlockingIOError) as caught:
                    call(**options)
                assert least <= time.monotonic() - begin < most
                assert caught.value.args == (
                    "Could not acquire read lock within timeout.",
                )
        with pytest.raises(BlockingIOError):
            next(exports)
    assert list(exports) == [("/f", b"x"), ("/free", b"x")]
    assert fs.listdir("/") == ["f", "free"]


# --- threads -----------------------------------------------------------------


def test_many_threads_on_their_own_files(fs: MemoryFileSystem):
    """Threads do not meet where their files do not."""

    def work(name: str) -> int:
        for i in range(300):
            with fs.open(f"/{name}{i % 7}", "wb") as file:
                file.write(bytes([i % 256]) * (i * 40))
            with fs.open(f"/{name}{i % 7}") as file:
                assert file.read() == bytes([i % 256]) * (i * 40)
            fs.listdir("/")
        return 1

    joins = [later(lambda n=n: work(n)) for n in "abcdefgh"]
    assert [join() for join in joins] == [1] * 8
    assert fs.stats()["file_count"] == 56


def test_many_threads_on_one_file():
    """1.10: writers one after the other, no byte lost."""
    fs = MemoryFileSystem()
    put(fs, "/f", b"")

    def work(byte: int) -> int:
        for _ in range(100):
            with fs.open("/f", "ab") as file:
                file.write(bytes([byte]) * 5000)
        return 1

    joins = [later(lambda n=n: work(n)) for n in range(6)]
    assert [join() for join in joins] == [1] * 6
    data = fs.export_tree()["/f"]
    assert len(data) == 6 * 100 * 5000
    for at in range(0, len(data), 5000):
        assert len(set(data[at : at + 5000])) == 1


@pytest.mark.parametrize("size", [10, 5000, 300000])
def test_many_threads_on_one_handle(size: int):
    """Row 15: each write is whole, and the quota is exact."""
    fs = MemoryFileSystem(1 << 30)
    with fs.open("/f", "wb") as file:

        def work(byte: int) -> int:
            for i in range(20):
                data = bytes([byte]) * size
                file.write(bytearray(data) if i % 2 else data)
                assert file.tell() > 0
            return 1

        joins = [later(lambda n=n: work(n)) for n in range(5)]
        assert [join() for join in joins] == [1] * 5
    data = fs.export_tree()["/f"]
    assert len(data) == 100 * size
    for at in range(0, len(data), size):
        assert len(set(data[at : at + size])) == 1
    assert fs.stats()["chunk_count"] == 100
    fs.remove("/f")
    assert fs.stats()["used_bytes"] == 0


def test_closing_under_a_call():
    """Row 16: the others' calls end well or say that it is closed."""
    fs = MemoryFileSystem(1 << 30, default_lock_timeout=20)
    big = bytearray(4 << 20)
    for _ in range(30):
        file = fs.open("/f", "wb")

        def write(file: MemoryFileHandle = file) -> int:
            try:
                return file.write(big)
            except ValueError:
                return -1

        joins = [later(write) for _ in range(2)]
        joins += [later(file.close) for _ in range(2)]
        for join in joins:
            assert join() in (None, -1, len(big))
        assert file.closed
        with fs.open("/f", lock_timeout=0) as again:
            assert len(again.read()) in (0, len(big), 2 * len(big))


def test_big_calls_let_others_work():
    """Big reads and writes are without the GIL, which nobody asks for."""
    fs = MemoryFileSystem(1 << 30)
    interval = sys.getswitchinterval()
    ticks = 0
    stop = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not stop.is_set():
            ticks += 1
            time.sleep(0)

    sys.setswitchinterval(60)
    ticker = later(count)
    data = bytearray(64 << 20)
    with fs.open("/f", "wb") as file:
        before = ticks
        file.write(data)
        in_write = ticks - before
    with fs.open("/f") as file:
        before = ticks
        file.readinto(data)
        in_read = ticks - before
    with fs.open("/g", "wb") as file:
        before = ticks
        file.write(bytes(5000))
        file.write(b"small")
        fs.listdir("/")
        in_small = ticks - before
    stop.set()
    sys.setswitchinterval(interval)
    ticker()
    assert in_write > 0 and in_read > 0
    assert in_small == 0


# --- waiting without a thread ------------------------------------------------


def test_open_later_opens_at_once(fs: MemoryFileSystem):
    """What nobody has is opened, and wake() never called."""
    woken: list[int] = []
    put(fs, "/f", b"abc")
    file = fs._open_later("/f", "rb", 0, lambda: woken.append(1))
    assert isinstance(file, MemoryFileHandle)
    assert file.read() == b"abc"
    file.close()
    with pytest.raises(FileNotFoundError):
        fs._open_later("/q", "rb", 0, lambda: woken.append(1))
    with pytest.raises(ValueError):
        fs._open_later("..", "rb", 0, lambda: woken.append(1))
    with pytest.raises(MFSQuotaExceededError):
        fs._open_later("/f", "wb", 1 << 40, lambda: woken.append(1))
    assert woken == []


def test_open_later_gives_a_ticket(fs: MemoryFileSystem):
    """A place in the queue, woken once, when its turn has come."""
    woken: list[int] = []
    put(fs, "/f", b"abc")
    file = fs.open("/f", "ab")
    one = fs._open_later("/f", "wb", 5, lambda: woken.append(1))
    two = fs._open_later("/f", "rb", 0, lambda: woken.append(2))
    with pytest.raises(BlockingIOError):
        one.take()
    assert woken == [] and fs.get_size("/f") == 3
    file.close()
    assert woken == [1]
    with pytest.raises(BlockingIOError):
        two.take()
    got = one.take()
    assert fs.get_size("/f") == 5
    with pytest.raises(ValueError):
        one.take()
    one.cancel()
    got.write(b"X")
    got.close()
    assert woken == [1, 2]
    with two.take() as got:
        assert got.read() == b"X" + bytes(4)
    fs.remove("/f")


def test_tickets_are_cancelled(fs: MemoryFileSystem):
    """At any time, and twice; what was granted goes to the next."""
    woken: list[int] = []
    put(fs, "/f", b"abc")
    file = fs.open("/f", "ab")
    tickets = [
        fs._open_later("/f", "ab", 0, lambda i=i: woken.append(i))
        for i in range(3)
    ]
    tickets[1].cancel()
    tickets[1].cancel()
    assert woken == [1]
    file.close()
    assert woken == [1, 0]
    tickets[0].cancel()
    assert woken == [1, 0, 2]
    with pytest.raises(ValueError):
        tickets[0].take()
    tickets[2].take().close()
    put(fs, "/f")


def test_forgotten_tickets_pass_their_turn_on(fs: MemoryFileSystem):
    """Nobody takes it: the next one comes."""
    woken: list[int] = []
    put(fs, "/f")
    file = fs.open("/f")
    fs._open_later("/f", "wb", 0, lambda: woken.append(1))
    last = fs._open_later("/f", "ab", 0, lambda: woken.append(2))
    file.close()
    assert woken == [1, 2]
    assert fs.get_size("/f") == 1
    last.take().close()


def test_tickets_in_other_threads():
    """wake() is called in the thread that let the file go."""
    fs = MemoryFileSystem()
    put(fs, "/f", b"")
    for _ in range(50):
        file = fs.open("/f", "ab")
        where: list[int] = []
        ticket = fs._open_later(
            "/f", "ab", 0, lambda w=where: w.append(threading.get_ident())
        )
        thread = later(file.close)
        thread()
        assert where == [thread.thread.ident]  # type: ignore[attr-defined]
        ticket.take().close()


def test_a_wake_that_fails(fs: MemoryFileSystem, monkeypatch):
    """Its exception is nobody's, and the close goes on."""
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda u: seen.append(u))
    put(fs, "/f")
    file = fs.open("/f")
    ticket = fs._open_later("/f", "wb", 0, lambda: 1 / 0)
    file.close()
    assert seen[0].exc_type is ZeroDivisionError
    ticket.take().close()
    # A wake that uses the file system, in the middle of somebody's close.
    file = fs.open("/f")
    ticket = fs._open_later("/f", "wb", 0, lambda: put(fs, "/log", b"woken"))
    file.close()
    assert fs.exists("/log")
    ticket.cancel()


def test_timeouts_and_grants_at_once():
    """A turn that comes at the deadline is given back."""
    fs = MemoryFileSystem()
    put(fs, "/f")
    stop = time.monotonic() + 1.5

    def work() -> int:
        count = 0
        while time.monotonic() < stop:
            try:
                with fs.open("/f", "ab", lock_timeout=0.0005):
                    time.sleep(0.0004)
                    count += 1
            except BlockingIOError:
                pass
        return count

    joins = [later(work) for _ in range(4)]
    assert all(type(join()) is int for join in joins)
    fs.open("/f", "wb", lock_timeout=0).close()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every test ends all of its threads."""
    yield
    assert threading.active_count() == 1
