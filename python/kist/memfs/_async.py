"""MemoryFileSystem for asyncio: no thread, and nothing that blocks the loop.

What is in memory is there at once, so an await of it never suspends.  Only a
file that somebody else holds does: the caller gets a place in the file's own
queue, first come first served with threads and other loops alike, and is
woken when its turn comes.  A task that is cancelled, or out of time, leaves
the queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar

from kist._core import MemoryFileHandle, MemoryFileSystem

if TYPE_CHECKING:
    from kist.memfs import MFSStatResult, MFSStats

_T = TypeVar("_T")


class AsyncMemoryFileHandle:
    """An open file; what open() of AsyncMemoryFileSystem answers."""

    def __init__(self, handle: MemoryFileHandle) -> None:
        self._h = handle

    async def read(self, size: int = -1) -> bytes:
        """Up to size bytes, or all that follow."""
        return self._h.read(size)

    async def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of it, or raise and write nothing."""
        return self._h.write(data)

    async def seek(self, offset: int, whence: int = 0) -> int:
        """Set the position."""
        return self._h.seek(offset, whence)

    async def tell(self) -> int:
        """The position."""
        return self._h.tell()

    async def truncate(self, size: int | None = None) -> int:
        """Make the file size bytes long."""
        return self._h.truncate(size)

    async def flush(self) -> None:
        """Do nothing: nothing is held back."""
        self._h.flush()

    async def readable(self) -> bool:
        """True if the mode reads."""
        return self._h.readable()

    async def writable(self) -> bool:
        """True if the mode writes."""
        return self._h.writable()

    async def seekable(self) -> bool:
        """True."""
        return self._h.seekable()

    async def close(self) -> None:
        """Let others have the file."""
        self._h.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self._h.close()


class AsyncMemoryFileSystem:
    """A MemoryFileSystem whose calls are coroutines.

    `fs` is the file system itself, for the calls that are not here.  It may
    be used beside this one, in other threads and by other loops.
    """

    def __init__(
        self,
        max_quota: int = 256 << 20,
        chunk_overhead_override: int | None = None,
        promotion_hard_limit: int | None = None,
        max_nodes: int | None = None,
        default_storage: str = "auto",
        default_lock_timeout: float | None = 30.0,
        memory_guard: str = "none",
        memory_guard_action: str = "warn",
        memory_guard_interval: float = 1.0,
    ) -> None:
        self.fs = MemoryFileSystem(
            max_quota,
            chunk_overhead_override,
            promotion_hard_limit,
            max_nodes,
            default_storage,
            default_lock_timeout,
            memory_guard,
            memory_guard_action,
            memory_guard_interval,
        )
        self._timeout = _seconds(default_lock_timeout)

    @classmethod
    def over(cls, fs: MemoryFileSystem) -> Self:
        """One over a file system that is there already."""
        self = cls.__new__(cls)
        self.fs = fs
        self._timeout = _seconds(fs._options()["default_lock_timeout"])
        return self

    # --- files -----------------------------------------------------------

    async def open(
        self,
        path: str,
        mode: str = "rb",
        preallocate: int = 0,
        lock_timeout: float | None = None,
    ) -> AsyncMemoryFileHandle:
        """Open a file, in turn; BlockingIOError after lock_timeout seconds,
        of which None is the file system's default."""
        seconds = (
            self._timeout if lock_timeout is None else _seconds(lock_timeout)
        )
        return AsyncMemoryFileHandle(
            await self._open(path, mode, preallocate, seconds)
        )

    async def _open(
        self, path: str, mode: str, preallocate: int, seconds: float | None
    ) -> MemoryFileHandle:
        """The handle, at once or in turn."""
        try:
            return self.fs.open(path, mode, preallocate, 0)
        except BlockingIOError:
            if seconds == 0.0:
                raise
        return await self._queue(path, mode, preallocate, seconds)

    async def _queue(
        self, path: str, mode: str, preallocate: int, seconds: float | None
    ) -> MemoryFileHandle:
        """The same; the place in the queue is left on every other way."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()

        def note() -> None:
            if not turn.done():
                turn.set_result(None)

        def wake() -> None:
            # In the thread that let the file go; the loop may be closed.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(note)

        got = self.fs._open_later(path, mode, preallocate, wake)
        if isinstance(got, MemoryFileHandle):
            return got
        try:
            try:
                async with asyncio.timeout(seconds):
                    await turn
            except TimeoutError:
                pass  # its turn may have come this very moment
            return got.take()
        finally:
            got.cancel()  # of one that was taken, nothing is left

    async def _reading(self, path: str, call: Callable[[], _T]) -> _T:
        """What a call answers that reads the file, once nobody writes it."""
        try:
            return call()
        except BlockingIOError:
            handle = await self._open(path, "rb", 0, self._timeout)
        with handle:
            return call()

    async def export_as_bytesio(
        self, path: str, max_size: int | None = None
    ) -> io.BytesIO:
        """A file as an io.BytesIO of its own."""
        return await self._reading(
            path, lambda: self.fs.export_as_bytesio(path, max_size, 0)
        )

    async def copy(self, src: str, dst: str) -> None:
        """Copy a file; bytes are shared until one of both changes."""
        await self._reading(src, lambda: self.fs.copy(src, dst, 0))

    # --- trees -----------------------------------------------------------

    def _writer(self, prefix: str, only_dirty: bool) -> str | None:
        """A file at or below prefix that somebody writes to."""
        if self.fs.is_file(prefix):
            paths = iter((prefix,))
        else:
            paths = (
                f"{'' if path == '/' else path}/{name}"
                for path, _, names in self.fs.walk(prefix)
                for name in names
            )
        for path in paths:
            try:
                if only_dirty and not self.fs.stat(path)["generation"]:
                    continue
                self.fs.open(path, "rb", 0, 0).close()
            except BlockingIOError:
                if self._is_written(path):
                    return path
            except OSError:
                pass  # removed meanwhile, by another thread
        return None

    def _is_written(self, path: str) -> bool:
        """False also where a writer only waits for readers to leave."""
        try:
            self.fs.export_tree(path, lock_timeout=0)
        except BlockingIOError:
            return True
        return False

    async def _all_reading(
        self, prefix: str, only_dirty: bool, call: Callable[[], _T]
    ) -> _T:
        """What a call answers that reads a tree, once nobody writes to it."""
        try:
            return call()
        except BlockingIOError:
            if self._timeout == 0.0:
                raise
        loop = asyncio.get_running_loop()
        end = None if self._timeout is None else loop.time() + self._timeout
        while True:
            left = None if end is None else max(0.0, end - loop.time())
            with contextlib.ExitStack() as held:
                # Only one is held: who holds some and waits for others may
                # wait for somebody who does the same.
                try:
                    path = self._writer(prefix, only_dirty)
                    if path is None:
                        await asyncio.sleep(0)  # another thread was faster
                    else:
                        held.enter_context(
                            await self._open(path, "rb", 0, left)
                        )
                except (
                    FileNotFoundError,
                    IsADirectoryError,
                    NotADirectoryError,
                ):
                    pass  # not there any more, so not in the way either
                try:
                    return call()
                except BlockingIOError:
                    if left == 0.0:
                        raise

    async def copy_tree(self, src: str, dst: str) -> None:
        """Copy a directory as it is at one moment, or nothing."""
        await self._all_reading(
            src, False, lambda: self.fs.copy_tree(src, dst, 0)
        )

    async def export_tree(
        self, prefix: str = "/", only_dirty: bool = False
    ) -> dict[str, bytes]:
        """All files at and below prefix, as of one moment."""
        return await self._all_reading(
            prefix,
            only_dirty,
            lambda: self.fs.export_tree(prefix, only_dirty, 0),
        )

    # --- what never waits ------------------------------------------------

    async def import_tree(self, tree: dict[str, bytes]) -> None:
        """Make or replace all of these files, or none."""
        self.fs.import_tree(tree)

    async def mkdir(self, path: str, exist_ok: bool = False) -> None:
        """Make a directory and its missing parents."""
        self.fs.mkdir(path, exist_ok)

    async def rename(self, src: str, dst: str) -> None:
        """Give a file or directory another path."""
        self.fs.rename(src, dst)

    async def move(self, src: str, dst: str) -> None:
        """As rename(), and make the parents of dst."""
        self.fs.move(src, dst)

    async def remove(self, path: str) -> None:
        """Remove a file."""
        self.fs.remove(path)

    async def rmtree(self, path: str) -> None:
        """Remove a directory with all that is in it."""
        self.fs.rmtree(path)

    async def listdir(self, path: str) -> list[str]:
        """The names in a directory."""
        return self.fs.listdir(path)

    async def exists(self, path: str) -> bool:
        """True if something is there."""
        return self.fs.exists(path)

    async def is_dir(self, path: str) -> bool:
        """True if a directory is there."""
        return self.fs.is_dir(path)

    async def is_file(self, path: str) -> bool:
        """True if a file is there."""
        return self.fs.is_file(path)

    async def stat(self, path: str) -> MFSStatResult:
        """Size, times and generation."""
        return self.fs.stat(path)

    async def stats(self) -> MFSStats:
        """What the whole file system holds."""
        return self.fs.stats()

    async def get_size(self, path: str) -> int:
        """How many bytes a file has."""
        return self.fs.get_size(path)

    async def walk(
        self, path: str = "/"
    ) -> list[tuple[str, list[str], list[str]]]:
        """(path, names of directories, names of files) of all below."""
        return list(self.fs.walk(path))

    async def glob(self, pattern: str) -> list[str]:
        """All paths that match, sorted."""
        return self.fs.glob(pattern)


def _seconds(timeout: Any) -> float | None:
    """A timeout as asyncio takes it; TypeError if it is no number."""
    if timeout is None:
        return None
    seconds: float = 0.0 + timeout
    if math.isnan(seconds):
        raise ValueError("a timeout is no NaN")
    return max(0.0, seconds)
