"""AsyncMemoryFileSystem: what is there is there at once, and the rest waits
in a queue, without a thread.

Goal    Row 3 of the contract's defects is not ours: 12 openers of one file
        cost no thread, hold nobody up and all come in turn.
Method  What may not suspend is run by hand, without a loop.  What waits is
        held up by a handle, a task, a thread or a loop of its own, while a
        heartbeat shows that the loop goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import io
import itertools
import sys
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from kist import (
    AsyncMemoryFileHandle,
    AsyncMemoryFileSystem,
    MemoryFileSystem,
    MFSNodeLimitExceededError,
    MFSQuotaExceededError,
)

from conftest import run_python


def at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What an await gives that never suspends; there is no loop at all."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise AssertionError("it suspended")


@contextlib.asynccontextmanager
async def heartbeat(longest: float = 0.25) -> AsyncIterator[list[float]]:
    """The loop runs every few milliseconds inside; the times it did."""
    beats = [time.monotonic()]

    async def beat() -> None:
        while True:
            await asyncio.sleep(0.005)
            beats.append(time.monotonic())

    task = asyncio.create_task(beat())
    try:
        yield beats
        await asyncio.sleep(0.01)
    finally:
        task.cancel()
    gaps = [after - at for at, after in itertools.pairwise(beats)]
    assert max(gaps) < longest


async def settle() -> None:
    """Lets every task run as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


# --- what never suspends ------------------------------------------------


def test_at_once() -> None:
    """All calls but those that meet a lock complete without a loop."""
    a = AsyncMemoryFileSystem()
    at_once(a.mkdir("/d/e"))
    at_once(a.mkdir("/d", True))
    h = at_once(a.open("/d/f", "xb", preallocate=3))
    assert isinstance(h, AsyncMemoryFileHandle)
    assert at_once(h.write(b"hello world")) == 11
    assert at_once(h.seek(0)) == 0
    assert at_once(h.tell()) == 0
    assert at_once(h.truncate(5)) == 5
    assert at_once(h.flush()) is None
    assert at_once(h.writable()) is True
    assert at_once(h.readable()) is False
    assert at_once(h.seekable()) is True
    assert at_once(h.close()) is None
    h = at_once(a.open("/d/f"))
    assert at_once(h.__aenter__()) is h
    assert at_once(h.read(2)) == b"he"
    assert at_once(h.read()) == b"llo"
    at_once(h.__aexit__(None, None, None))
    assert at_once(a.listdir("/d")) == ["e", "f"]
    assert at_once(a.exists("/d/f")) is True
    assert at_once(a.is_dir("/d")) is True
    assert at_once(a.is_file("/d")) is False
    assert at_once(a.get_size("/d/f")) == 5
    assert at_once(a.stat("/d/f"))["size"] == 5
    assert at_once(a.stats())["file_count"] == 1
    at_once(a.copy("/d/f", "/g"))
    at_once(a.copy_tree("/d", "/d2"))
    assert at_once(a.walk()) == [
        ("/", ["d", "d2"], ["g"]),
        ("/d", ["e"], ["f"]),
        ("/d/e", [], []),
        ("/d2", ["e"], ["f"]),
        ("/d2/e", [], []),
    ]
    assert at_once(a.glob("/**/f")) == ["/d/f", "/d2/f"]
    assert at_once(a.export_as_bytesio("/g")).read() == b"hello"
    assert at_once(a.export_tree("/d")) == {"/d/f": b"hello"}
    at_once(a.import_tree({"/i/j": b"1"}))
    at_once(a.rename("/i/j", "/i/k"))
    at_once(a.move("/i/k", "/m/n"))
    at_once(a.remove("/m/n"))
    at_once(a.rmtree("/d2"))
    assert at_once(a.glob("/*")) == ["/d", "/g", "/i", "/m"]


def test_errors_at_once() -> None:
    """What is refused is refused at once, with the same exceptions."""
    a = AsyncMemoryFileSystem(max_quota=200, max_nodes=3)
    with pytest.raises(FileNotFoundError):
        at_once(a.open("/f"))
    with pytest.raises(ValueError, match="Invalid mode"):
        at_once(a.open("/f", "r"))
    with pytest.raises(MFSQuotaExceededError) as error:
        at_once(a.open("/f", "wb", 500))
    assert (error.value.requested, error.value.available) == (593, 200)
    with pytest.raises(MFSNodeLimitExceededError):
        at_once(a.mkdir("/x/y"))
    with pytest.raises(IsADirectoryError):
        at_once(a.open("/", "wb"))
    with pytest.raises(FileNotFoundError):
        at_once(a.copy("/no", "/x"))
    with pytest.raises(NotADirectoryError):
        at_once(a.copy_tree("/f", "/x"))
    assert at_once(a.export_tree("/no")) == {}
    h = at_once(a.open("/f", "wb"))
    with pytest.raises(io.UnsupportedOperation):
        at_once(h.read())
    for call in (a.remove("/f"), a.rename("/f", "/g"), a.move("/f", "/g")):
        with pytest.raises(BlockingIOError):
            at_once(call)
    for name in ("open", "copy"):
        with pytest.raises(BlockingIOError):
            b = AsyncMemoryFileSystem.over(a.fs)
            b._timeout = 0.0
            at_once(b.open("/f") if name == "open" else b.copy("/f", "/g"))
    at_once(h.close())
    with pytest.raises(ValueError, match="closed file"):
        at_once(h.write(b""))
    at_once(h.close())


def test_timeout_zero_tries_once() -> None:
    """lock_timeout=0 does not even suspend."""
    a = AsyncMemoryFileSystem(default_lock_timeout=None)
    with a.fs.open("/f", "wb"):
        for timeout in (0, 0.0, -1, -0.5):
            with pytest.raises(BlockingIOError, match="read lock"):
                at_once(a.open("/f", "rb", 0, timeout))
            with pytest.raises(BlockingIOError, match="write lock"):
                at_once(a.open("/f", "ab", lock_timeout=timeout))
    wrong: Any
    for wrong, kind in (("1", TypeError), (float("nan"), ValueError)):
        with pytest.raises(kind):
            at_once(a.open("/f", lock_timeout=wrong))
        with pytest.raises(kind):
            AsyncMemoryFileSystem(default_lock_timeout=wrong)


def test_no_asyncio_without_async() -> None:
    """Whoever does not ask for it does not load asyncio."""
    done = run_python(
        """
        import sys
        import kist, kist.memfs
        before = set(sys.modules)
        assert "asyncio" not in before
        from kist import AsyncMemoryFileHandle
        from kist.memfs import AsyncMemoryFileSystem
        assert "asyncio" in sys.modules
        assert kist.AsyncMemoryFileSystem is AsyncMemoryFileSystem
        try:
            kist.AsyncNothing
        except AttributeError as error:
            print(error)
        """
    )
    assert not done.stderr
    assert done.stdout == "module 'kist' has no attribute 'AsyncNothing'\n"


def test_the_same_calls_as_the_peer() -> None:
    """Each coroutine of D-MemFS is one here, with the same parameters."""
    peer = pytest.importorskip("dmemfs")
    for ours, theirs in (
        (AsyncMemoryFileSystem, peer.AsyncMemoryFileSystem),
        (AsyncMemoryFileHandle, peer.AsyncMemoryFileHandle),
    ):
        for name, call in inspect.getmembers(
            theirs, inspect.iscoroutinefunction
        ):
            mine = getattr(ours, name)
            assert inspect.iscoroutinefunction(mine), name
            if not name.startswith("__"):
                assert [
                    (one.name, one.default)
                    for one in inspect.signature(mine).parameters.values()
                ] == [
                    (one.name, one.default)
                    for one in inspect.signature(call).parameters.values()
                ], name
    names = list(inspect.signature(AsyncMemoryFileSystem).parameters)
    assert names == list(
        inspect.signature(peer.AsyncMemoryFileSystem).parameters
    )


# --- what waits ---------------------------------------------------------


def test_twelve_openers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One holder, 12 openers, one second: nobody fails, no thread is made,
    and the holder's close is at once."""

    def no_thread(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a thread")

    a = AsyncMemoryFileSystem(default_lock_timeout=1.0)
    order: list[int] = []

    async def opener(number: int) -> None:
        async with await a.open("/f", "ab") as file:
            order.append(number)
            await file.write(b"%x" % number)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(threading.Thread, "start", no_thread)
        monkeypatch.setattr(loop, "run_in_executor", no_thread)
        holder = await a.open("/f", "wb")
        async with heartbeat():
            tasks = [asyncio.create_task(opener(n)) for n in range(12)]
            await asyncio.sleep(0.2)
            assert not order
            await holder.write(b"-")
            begin = time.monotonic()
            await holder.close()
            closing = time.monotonic() - begin
            await asyncio.gather(*tasks)
            assert closing < 0.1
            assert time.monotonic() - begin < 0.5

    asyncio.run(main())
    assert order == list(range(12))
    assert a.fs.export_tree() == {"/f": b"-0123456789ab"}


def test_order() -> None:
    """Readers share, a writer has it alone, and nobody overtakes."""
    a = AsyncMemoryFileSystem()
    log: list[str] = []

    async def use(name: str, mode: str, done: asyncio.Event) -> None:
        async with await a.open("/f", mode):
            log.append("+" + name)
            await done.wait()
        log.append("-" + name)

    async def main() -> None:
        await (await a.open("/f", "wb")).close()
        done = {name: asyncio.Event() for name in "abWcdX"}
        tasks = []
        for name, event in done.items():
            mode = "r+b" if name.isupper() else "rb"
            tasks.append(asyncio.create_task(use(name, mode, event)))
            await settle()
        assert log == ["+a", "+b"]  # c and d wait behind W
        done["b"].set()
        await settle()
        assert log == ["+a", "+b", "-b"]
        done["a"].set()
        await settle()
        assert log[3:] == ["-a", "+W"]
        done["W"].set()
        await settle()
        assert log[5:] == ["-W", "+c", "+d"]
        done["c"].set()
        done["d"].set()
        await settle()
        assert log[8:] in (["-c", "-d", "+X"], ["-d", "-c", "+X"])
        done["X"].set()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_timeouts() -> None:
    """Who is out of time says so, and is no longer in the queue."""
    a = AsyncMemoryFileSystem(default_lock_timeout=0.1)

    async def main() -> None:
        holder = await a.open("/f", "wb")
        async with heartbeat():
            for given, wanted in ((None, 0.1), (0.2, 0.2)):
                begin = time.monotonic()
                with pytest.raises(BlockingIOError, match="write lock"):
                    await a.open("/f", "wb", lock_timeout=given)
                assert wanted * 0.9 < time.monotonic() - begin < wanted + 0.2
            with pytest.raises(BlockingIOError, match="read lock"):
                await a.open("/f", lock_timeout=0.01)
        await holder.close()
        # A place that nobody left would hold this one up.
        h = await a.open("/f", "r+b", lock_timeout=0)
        await h.close()

    asyncio.run(main())


def test_forever() -> None:
    """No timeout is one, too."""
    a = AsyncMemoryFileSystem(default_lock_timeout=None)

    async def main() -> None:
        holder = await a.open("/f", "wb")
        task = asyncio.create_task(a.open("/f"))
        await asyncio.sleep(0.2)
        assert not task.done()
        await holder.close()
        await (await task).close()

    asyncio.run(main())


def test_cancelled_in_the_queue() -> None:
    """A cancelled task is no longer in the way of those behind it."""
    a = AsyncMemoryFileSystem()

    async def main() -> None:
        holder = await a.open("/f", "wb")
        tasks = [asyncio.create_task(a.open("/f", "wb")) for _ in range(3)]
        await settle()
        tasks[0].cancel()
        await settle()
        assert tasks[0].cancelled()
        await holder.close()
        second = await tasks[1]
        assert not tasks[2].done()
        await second.close()
        await (await tasks[2]).close()
        a.fs.remove("/f")

    asyncio.run(main())


def test_cancelled_when_its_turn_has_come() -> None:
    """What was granted to a task that is cancelled before it runs is given
    back."""
    a = AsyncMemoryFileSystem()

    async def main() -> None:
        for _ in range(20):
            holder = await a.open("/f", "wb")
            task = asyncio.create_task(a.open("/f", "wb"))
            after = asyncio.create_task(a.open("/f", "rb"))
            await settle()
            await holder.close()  # the turn is the task's now
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await (await after).close()
            await (await a.open("/f", "wb", lock_timeout=0)).close()

    asyncio.run(main())


def test_wait_for_and_timeout_blocks() -> None:
    """asyncio's own timeouts end a wait as a cancellation does."""
    a = AsyncMemoryFileSystem()

    async def main() -> None:
        holder = await a.open("/f", "wb")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(a.open("/f"), 0.02)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await a.copy("/f", "/g")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await a.export_tree()
        await holder.close()
        a.fs.remove("/f")
        assert not a.fs.exists("/g")

    asyncio.run(main())


def test_a_thread_lets_go() -> None:
    """A handle of another thread is waited for like one of the loop's."""
    a = AsyncMemoryFileSystem()
    ready, go = threading.Event(), threading.Event()

    def hold() -> None:
        with a.fs.open("/f", "wb") as file:
            ready.set()
            assert go.wait(10)
            file.write(b"by a thread")

    thread = threading.Thread(target=hold)
    thread.start()
    assert ready.wait(10)

    async def main() -> None:
        async with heartbeat():
            asyncio.get_running_loop().call_later(0.1, go.set)
            async with await a.open("/f") as file:
                assert await file.read() == b"by a thread"

    asyncio.run(main())
    thread.join()


def test_a_thread_waits_for_a_task() -> None:
    """The queue is one: a thread and tasks come in the order they came."""
    a = AsyncMemoryFileSystem(max_quota=1 << 20)
    log: list[str] = []

    def thread_opens() -> None:
        with a.fs.open("/f", "r+b"):
            log.append("thread")

    async def task_opens(name: str) -> None:
        async with await a.open("/f", "r+b"):
            log.append(name)

    async def main() -> None:
        holder = await a.open("/f", "wb")
        first = asyncio.create_task(task_opens("first"))
        await settle()
        thread = threading.Thread(target=thread_opens)
        thread.start()
        await asyncio.sleep(0.1)
        last = asyncio.create_task(task_opens("last"))
        await settle()
        await holder.close()
        await asyncio.gather(first, last)
        thread.join()

    asyncio.run(main())
    assert log == ["first", "thread", "last"]


def test_a_loop_that_is_gone() -> None:
    """Who waits in a loop that is closed passes his turn on."""
    a = AsyncMemoryFileSystem()
    unraisable: list[Any] = []
    hook, sys.unraisablehook = sys.unraisablehook, unraisable.append
    try:
        holder = a.fs.open("/f", "wb")
        loop = asyncio.new_event_loop()
        coroutine = a.open("/f", "wb")
        task = loop.create_task(coroutine)
        loop.run_until_complete(asyncio.sleep(0.01))
        assert not task.done()
        loop.close()  # and nobody cancels the task
        holder.close()
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        del task, loop
        coroutine.close()
        a.fs.open("/f", "r+b", lock_timeout=5).close()
    finally:
        sys.unraisablehook = hook
    assert not unraisable


def test_many_loops_and_threads() -> None:
    """Loops and threads on the same files: no write is lost or torn."""
    a = AsyncMemoryFileSystem(default_lock_timeout=60)
    for name in "xy":
        a.fs.open("/" + name, "wb").close()
    failures: list[BaseException] = []
    loops, tasks, rounds, threads = 4, 6, 25, 2

    async def append(mark: bytes) -> None:
        for turn in range(rounds):
            async with await a.open("/x" if turn % 2 else "/y", "ab") as file:
                await file.write(mark * 3)
                await asyncio.sleep(0)
                await file.write(mark + b"\n")
            if turn % 5 == 0:
                await a.copy("/x", f"/{mark.decode()}{turn}")

    async def one_loop(index: int) -> None:
        await asyncio.gather(
            *(append(b"%02d" % (index * tasks + n)) for n in range(tasks))
        )

    def in_loop(index: int) -> None:
        try:
            asyncio.run(one_loop(index))
        except BaseException as error:
            failures.append(error)

    def in_thread(index: int) -> None:
        mark = b"%02d" % (loops * tasks + index)
        try:
            for turn in range(rounds):
                with a.fs.open("/x" if turn % 2 else "/y", "ab") as file:
                    file.write(mark * 3)
                    time.sleep(0)
                    file.write(mark + b"\n")
        except BaseException as error:
            failures.append(error)

    workers = [
        threading.Thread(target=in_loop, args=(n,)) for n in range(loops)
    ] + [threading.Thread(target=in_thread, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert not worker.is_alive()
    assert not failures
    lines = [
        line
        for name in "xy"
        for line in a.fs.open("/" + name).read().splitlines()
    ]
    assert len(lines) == (loops * tasks + threads) * rounds
    assert all(line == line[:2] * 4 for line in lines)
    for path, data in a.fs.export_tree().items():
        assert data.endswith(b"\n") or not data, path  # no copy of half a turn


# --- calls that read whole files ----------------------------------------


def test_copy_and_export_wait() -> None:
    """copy, copy_tree and export_* give what the writer has left."""
    a = AsyncMemoryFileSystem()

    async def main() -> None:
        await a.mkdir("/d")
        holder = await a.open("/d/f", "wb")
        await holder.write(b"half")
        async with heartbeat():
            tasks = [
                asyncio.create_task(call)
                for call in (
                    a.copy("/d/f", "/g"),
                    a.copy_tree("/d", "/e"),
                    a.export_tree("/d"),
                    a.export_as_bytesio("/d/f"),
                    a.export_tree("/", True),
                    a.export_tree("/d/f"),
                )
            ]
            await asyncio.sleep(0.1)
            assert not any(task.done() for task in tasks)
            await holder.write(b" and half")
            await holder.close()
            found = await asyncio.gather(*tasks)
        assert found[2] == found[5] == {"/d/f": b"half and half"}
        assert found[3].read() == b"half and half"
        assert found[4]["/d/f"] == b"half and half"
        assert await a.get_size("/g") == await a.get_size("/e/f") == 13
        await (await a.open("/d/f", "wb", lock_timeout=0)).close()

    asyncio.run(main())


def test_reading_behind_a_reader() -> None:
    """Who reads a file copies it, too, while a writer waits behind him."""
    a = AsyncMemoryFileSystem(default_lock_timeout=5)

    async def main() -> None:
        a.fs.import_tree({"/f": b"1"})
        async with await a.open("/f"):
            writer = asyncio.create_task(a.open("/f", "wb"))
            await settle()
            await a.copy("/f", "/g")
            await a.copy_tree("/", "/t")
            assert (await a.export_as_bytesio("/f")).read() == b"1"
            assert not writer.done()
        await (await writer).close()

    asyncio.run(main())


def test_trees_with_many_writers() -> None:
    """All writers are waited for, whichever leaves first; not readers, and
    not the writers of files that are not asked for."""
    a = AsyncMemoryFileSystem()

    async def main() -> None:
        names = ["/a/1", "/a/2", "/a/b/3"]
        await a.mkdir("/a/b")
        handles = [await a.open(name, "wb") for name in names]
        for handle in handles:
            await handle.write(b"-")
        await a.import_tree({"/a/4": b"4"})
        reader = await a.open("/a/4")
        queued = asyncio.create_task(a.open("/a/4", "wb"))
        clean = await a.open("/clean", "xb")  # generation 0
        tree = asyncio.create_task(a.export_tree("/a"))
        dirty = asyncio.create_task(a.export_tree("/", only_dirty=True))
        copy = asyncio.create_task(a.copy_tree("/a", "/c"))
        for handle, number in ((handles[1], 1), (handles[2], 2)):
            await handle.write(b"%d" % number)
            await handle.close()
            await asyncio.sleep(0.02)
            assert not (tree.done() or dirty.done() or copy.done())
        await handles[0].write(b"0")
        await handles[0].close()
        want = {"/a/1": b"-0", "/a/2": b"-1", "/a/b/3": b"-2"}
        assert await tree == {**want, "/a/4": b"4"}
        assert await dirty == want
        await copy
        assert await a.listdir("/c") == ["b", "1", "2", "4"]
        assert not queued.done()
        await reader.close()
        await clean.close()
        await (await queued).close()

    asyncio.run(main())


def test_reading_gives_up() -> None:
    """The default timeout holds for those calls, and nothing is made."""
    a = AsyncMemoryFileSystem(default_lock_timeout=0.1)

    async def main() -> None:
        await a.mkdir("/d")
        async with await a.open("/d/f", "wb"), heartbeat():
            for call in (
                a.copy("/d/f", "/g"),
                a.copy_tree("/d", "/e"),
                a.export_tree(),
                a.export_as_bytesio("/d/f"),
            ):
                begin = time.monotonic()
                with pytest.raises(BlockingIOError, match="read lock"):
                    await call
                assert 0.09 < time.monotonic() - begin < 0.4
        assert await a.listdir("/") == ["d"]
        await a.remove("/d/f")

    asyncio.run(main())


def test_a_tree_that_goes_while_it_is_waited_for() -> None:
    """What was removed meanwhile is not waited for, and is no longer there."""
    a = AsyncMemoryFileSystem()

    async def main() -> None:
        await a.mkdir("/d")
        one = await a.open("/d/1", "wb")
        export = asyncio.create_task(a.export_tree("/d"))
        copy = asyncio.create_task(a.copy_tree("/d", "/e"))
        await settle()
        export.cancel()
        copy.cancel()
        await settle()
        await one.close()
        await a.rmtree("/d")
        assert await a.export_tree("/d") == {}

    asyncio.run(main())


def test_over_a_file_system() -> None:
    """One file system, with both faces; the timeout is that of the first."""
    fs = MemoryFileSystem(max_quota=1000, default_lock_timeout=0.05)
    fs.import_tree({"/f": b"1"})
    a = AsyncMemoryFileSystem.over(fs)
    assert a.fs is fs

    async def main() -> None:
        async with await a.open("/f", "ab") as file:
            await file.write(b"2")
            with pytest.raises(BlockingIOError):
                await a.open("/f")
        assert (await a.stats())["quota_bytes"] == 1000

    asyncio.run(main())
    assert fs.export_tree() == {"/f": b"12"}


def test_a_handle_that_is_forgotten() -> None:
    """It warns as MemoryFileHandle does, and the file is free."""
    a = AsyncMemoryFileSystem()
    handle = at_once(a.open("/f", "wb"))
    with pytest.warns(ResourceWarning, match="not closed"):
        del handle
    at_once(at_once(a.open("/f", "r+b", lock_timeout=0)).close())
