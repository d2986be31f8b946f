"""The peers of kist's MemoryFileSystem behind one face.

An engine has `open`, which is its own function and nothing around it, so
that a case costs what a user's lines would cost; `root`, which goes before
every path; mkdir(); and close(), which leaves nothing behind.  Making one
and closing it is part of every case.

BytesIO is no file system: its cases stand in memfs_cases.py.
"""

import builtins
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

SHARED_MEMORY = pathlib.Path("/dev/shm")


class Engine:
    """What has open() and mkdir() with absolute paths."""

    root = ""
    open: Callable[..., Any]
    mkdir: Callable[[str], object]

    def __init__(self, quota: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


class Kist(Engine):
    def __init__(self, quota: int) -> None:
        from kist import MemoryFileSystem

        self.fs = MemoryFileSystem(max_quota=quota)
        self.open = self.fs.open
        self.mkdir = self.fs.mkdir


class DMemFS(Engine):
    def __init__(self, quota: int) -> None:
        from dmemfs import MemoryFileSystem

        self.fs = MemoryFileSystem(max_quota=quota)
        self.open = self.fs.open
        self.mkdir = self.fs.mkdir


class Tempfile(Engine):
    """Files of the system in a directory on tmpfs."""

    def __init__(self, quota: int) -> None:
        self.root = tempfile.mkdtemp(prefix="kist-bench-", dir=SHARED_MEMORY)
        self.open = builtins.open
        self.mkdir = os.mkdir

    def close(self) -> None:
        shutil.rmtree(self.root)


class PyFilesystem2(Engine):
    def __init__(self, quota: int) -> None:
        from fs.memoryfs import MemoryFS

        self.fs = MemoryFS()
        self.open = self.fs.openbin
        self.mkdir = self.fs.makedir

    def close(self) -> None:
        self.fs.close()


class Fsspec(Engine):
    """With a store of its own: the one that all share is never emptied."""

    def __init__(self, quota: int) -> None:
        from fsspec.implementations.memory import MemoryFileSystem

        self.fs = MemoryFileSystem(global_store=False,
                                   skip_instance_cache=True)
        self.open = self.fs.open
        self.mkdir = self.fs.mkdir


class Pyfakefs(Engine):
    def __init__(self, quota: int) -> None:
        from pyfakefs.fake_filesystem import FakeFilesystem
        from pyfakefs.fake_open import FakeFileOpen

        self.fs = FakeFilesystem()
        self.open = FakeFileOpen(self.fs)
        self.mkdir = self.fs.create_dir


ENGINES: dict[str, type[Engine]] = {
    "kist": Kist,
    "dmemfs": DMemFS,
    "tempfile": Tempfile,
    "pyfilesystem2": PyFilesystem2,
    "fsspec": Fsspec,
    "pyfakefs": Pyfakefs,
}


def use_once(make: type[Engine]) -> None:
    """What an engine imports and sets up, it has after this."""
    used = make(1 << 20)
    path = f"{used.root}/file"
    with used.open(path, "wb") as file:
        file.write(b"first")
    with used.open(path, "rb") as file:
        if file.read() != b"first":
            raise SystemExit(f"{make.__name__} keeps nothing")
    used.close()
