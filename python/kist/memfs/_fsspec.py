"""fsspec over a MemoryFileSystem: fsspec.filesystem("kist-memory").

Each filesystem is one of its own, under its own quota, unless `fs` names the
MemoryFileSystem that it is to show; nothing is shared by accident, and all of
it goes with the last object that shows it.
"""

from __future__ import annotations

import errno
import io
import math
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from glob import has_magic
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.transaction import Transaction
from fsspec.utils import stringify_path, tokenize

from kist._core import MemoryFileHandle, MemoryFileSystem
from kist.memfs._path import normalize_path

# The arguments of MemoryFileSystem.
_OPTIONS = (
    "max_quota",
    "chunk_overhead_override",
    "promotion_hard_limit",
    "max_nodes",
    "default_storage",
    "default_lock_timeout",
    "memory_guard",
    "memory_guard_action",
    "memory_guard_interval",
)

# xarray takes only letters and digits for a protocol.
_PROTOCOLS = ("kist-memory", "kistmemory")

# What tells one file system from all others, as long as it is there.
_tokens: weakref.WeakKeyDictionary[MemoryFileSystem, str] = (
    weakref.WeakKeyDictionary()
)


class KistMemoryFile(io.RawIOBase):
    """An open file, with what fsspec's users look for: fs, path, mode, size.

    The methods are those of the handle itself; write() takes any buffer.
    """

    def __init__(
        self,
        fs: KistMemoryFileSystem,
        path: str,
        mode: str,
        handle: MemoryFileHandle,
    ) -> None:
        self.fs = fs
        self.path = self.name = path
        self.mode = mode
        self.handle = handle
        for name in (
            "read",
            "readall",
            "readinto",
            "readline",
            "readlines",
            "seek",
            "tell",
            "truncate",
            "readable",
            "writable",
            "seekable",
        ):
            setattr(self, name, getattr(handle, name))

    @property
    def size(self) -> int:
        """How long it is now."""
        return self.fs.fs.get_size(self.path)

    def write(self, data: Any, /) -> int:
        """Write all of it, or raise and write nothing."""
        if not isinstance(data, bytes | bytearray | memoryview):
            data = memoryview(data)
        return self.handle.write(data)

    def close(self) -> None:
        """Let others have the file."""
        if not self.closed:
            super().close()
            self.handle.close()


class KistDeferredFile(KistMemoryFile):
    """A file that is written aside, and put in its place by commit()."""

    def __init__(self, fs: KistMemoryFileSystem, path: str, mode: str) -> None:
        # Aside is a file system as large as the first: what is more than
        # that can never be put into its place.
        self.aside = MemoryFileSystem(fs.fs.stats()["quota_bytes"])
        if mode == "ab" and fs.isfile(path):
            self.aside.import_tree({"/file": fs.cat_file(path)})
        elif mode == "xb" and fs.exists(path):
            raise FileExistsError(f"File exists: '{path}'")
        super().__init__(fs, path, mode, self.aside.open("/file", mode))

    @property
    def size(self) -> int:
        """How long it is now."""
        return self.aside.get_size("/file")

    def value(self) -> bytes:
        """All that was written."""
        self.close()
        if self.mode == "xb" and self.fs.exists(self.path):
            raise FileExistsError(f"File exists: '{self.path}'")
        with self.aside.open("/file") as file:
            return file.read()

    def commit(self) -> None:
        """Put it in its place."""
        self.fs.put_bytes({self.path: self.value()})

    def discard(self) -> None:
        """Forget it."""
        self.close()


class KistTransaction(Transaction):  # type: ignore[misc]
    """All files of a transaction come to be at once, or none of them."""

    def complete(self, commit: bool = True) -> None:
        """Commit, or discard, what was written."""
        fs: KistMemoryFileSystem = self.fs  # type: ignore[has-type]
        files = list(self.files)
        self.files.clear()
        try:
            if commit:
                fs.put_bytes({file.path: file.value() for file in files})
        finally:
            for file in files:
                file.discard()
            fs._intrans = False
            fs._transaction = None
            self.fs = None


class KistMemoryFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """A file system in memory, under a hard quota.

    fs: the MemoryFileSystem to show; without, a new one is made from the
        options of MemoryFileSystem that are given (max_quota, ...).
    auto_mkdir: make the missing parents of what is written.

    Pickled, it is copied with all that is in it.
    """

    protocol = _PROTOCOLS
    root_marker = "/"
    cachable = False
    transaction_type = KistTransaction
    fs: MemoryFileSystem

    def __init__(
        self,
        fs: MemoryFileSystem | None = None,
        auto_mkdir: bool = True,
        **options: Any,
    ) -> None:
        own = {key: options.pop(key) for key in _OPTIONS if key in options}
        super().__init__(**options)
        if fs is None:
            fs = MemoryFileSystem(**own)
        elif not isinstance(fs, MemoryFileSystem):
            raise TypeError(
                "fs must be a kist.MemoryFileSystem, not " + type(fs).__name__
            )
        elif own:
            raise TypeError(f"with fs there is no {', '.join(own)}")
        self.fs = fs
        self.auto_mkdir = auto_mkdir

    # --- what it is ------------------------------------------------------

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return normalize_path(_plain(path))

    @property
    def fsid(self) -> str:
        """One for each MemoryFileSystem."""
        return f"kist-memory-{self._fs_token}"

    @property
    def _fs_token(self) -> str:
        if self.fs not in _tokens:
            _tokens[self.fs] = uuid.uuid4().hex
        return str(tokenize(_tokens[self.fs], self.auto_mkdir))

    def __reduce__(self) -> Any:
        moment = self.fs.snapshot()
        folders = [path for path, _, _ in moment.walk()]
        return _unpickle, (
            type(self),
            {**self.fs._options(), "auto_mkdir": self.auto_mkdir},
            folders,
            moment.export_tree(),
        )

    # --- what is there ---------------------------------------------------

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Name, size and type; created, modified and generation."""
        path = self._strip_protocol(path)
        return _info(path, self.fs.stat(path))

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """What is in a directory, or the file itself, sorted by name."""
        path = self._strip_protocol(path)
        names = [path]
        if not self.fs.is_file(path):
            names = [_join(path, name) for name in self.fs.listdir(path)]
            names.sort()
        return list(self._infos(names)) if detail else names

    def _infos(self, names: list[str]) -> Iterator[dict[str, Any]]:
        """What is known of those that are still there."""
        for name in names:
            try:
                yield _info(name, self.fs.stat(name))
            except FileNotFoundError:
                pass

    def walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,
        on_error: str | Callable[[OSError], Any] = "omit",
        detail: bool = False,
        **kwargs: Any,
    ) -> Iterator[tuple[str, Any, Any]]:
        """As os.walk(), to any depth; see AbstractFileSystem.walk()."""
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        top = self._strip_protocol(path)
        # Each is walked twice: on the way down, and, bottom up, at its end.
        ahead: list[Any] = [(top, 1, None)]
        while ahead:
            here, depth, found = ahead.pop()
            if found is not None:
                yield found
                continue
            try:
                listing = self.ls(here)
            except OSError as error:
                if here == top and on_error == "raise":
                    raise
                if here == top and callable(on_error):
                    on_error(error)
                continue
            folders: dict[str, Any] = {}
            files: dict[str, Any] = {}
            for info in listing:
                name = info["name"]
                last = "" if name == here else name.rpartition("/")[2]
                (folders if info["type"] == "directory" else files)[last] = (
                    info
                )
            item = (
                (here, folders, files)
                if detail
                else (here, list(folders), list(files))
            )
            if topdown:
                yield item
            else:
                ahead.append((here, depth, item))
            if maxdepth is None or depth < maxdepth:
                for name in reversed(list(item[1])):
                    ahead.append((_join(here, name), depth + 1, None))

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **kwargs: Any,
    ) -> Any:
        """All files below path, and with `withdirs` the directories."""
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        top = self._strip_protocol(path)
        if self.fs.is_file(top):
            found = [top]
        elif not self.fs.is_dir(top):
            found = []
        else:
            found = self._below(top, maxdepth, withdirs)
        return (
            {info["name"]: info for info in self._infos(found)}
            if detail
            else found
        )

    def _below(
        self, top: str, maxdepth: int | None, withdirs: bool
    ) -> list[str]:
        """The paths of find(), sorted."""
        found = [top] if withdirs else []
        level = top.rstrip("/").count("/")
        for path, folders, files in self.fs.walk(top):
            depth = path.rstrip("/").count("/") - level
            if maxdepth is None or depth < maxdepth:
                names = folders + files if withdirs else files
                found += [_join(path, name) for name in names]
        return sorted(found)

    def exists(self, path: str, **kwargs: Any) -> bool:
        """True if something is there."""
        return self.fs.exists(_plain(path))

    def isfile(self, path: str) -> bool:
        """True if a file is there."""
        return self.fs.is_file(_plain(path))

    def isdir(self, path: str) -> bool:
        """True if a directory is there."""
        return self.fs.is_dir(_plain(path))

    def created(self, path: str) -> datetime:
        """When it was made."""
        return datetime.fromtimestamp(self.info(path)["created"], UTC)

    def modified(self, path: str) -> datetime:
        """When it was last changed."""
        return datetime.fromtimestamp(self.info(path)["modified"], UTC)

    # --- directories -----------------------------------------------------

    def mkdir(
        self, path: str, create_parents: bool = True, **kwargs: Any
    ) -> None:
        """Make a directory; FileExistsError if it is there."""
        path = self._strip_protocol(path)
        if not create_parents and not self.fs.is_dir(self._parent(path)):
            raise FileNotFoundError(
                f"Parent directory does not exist: '{self._parent(path)}'"
            )
        self.fs.mkdir(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a directory and its missing parents."""
        self.fs.mkdir(self._strip_protocol(path), exist_ok=exist_ok)

    def rmdir(self, path: str) -> None:
        """Remove a directory that is empty."""
        path = self._strip_protocol(path)
        if self.fs.listdir(path):
            raise OSError(errno.ENOTEMPTY, "Directory not empty", path)
        self.fs.rmtree(path)

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        self.fs.remove(self._strip_protocol(path))

    _rm = rm_file

    def rm(
        self,
        path: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
    ) -> None:
        """Remove files, and with `recursive` directories with their files.

        A directory with an open file in it stays as it is: BlockingIOError.
        """
        if maxdepth is None and recursive and isinstance(path, str):
            top = self._strip_protocol(path)
            if not has_magic(top) and self.fs.is_dir(top):
                self._rm_all(top)
                return
        found = self.expand_path(path, recursive=recursive, maxdepth=maxdepth)
        for one in reversed(found):
            if self.fs.is_dir(one):
                self.rmdir(one)
            else:
                self.fs.remove(one)

    def _rm_all(self, top: str) -> None:
        if top != "/":
            self.fs.rmtree(top)
            return
        for name in self.fs.listdir(top):  # the root itself stays
            if self.fs.is_dir(top + name):
                self.fs.rmtree(top + name)
            else:
                self.fs.remove(top + name)

    # --- contents --------------------------------------------------------

    def _make_parents(self, path: str) -> None:
        if self.auto_mkdir:
            self.fs.mkdir(self._parent(path), exist_ok=True)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Any = None,
        lock_timeout: float | None = None,
        **kwargs: Any,
    ) -> KistMemoryFile:
        base = mode.replace("b", "", 1).replace("+", "", 1) + "b"
        if "+" in mode:
            base = base.replace("b", "+b")
        if base[0] in "wax" and not autocommit and "+" not in base:
            return KistDeferredFile(self, path, base)
        if base[0] in "wax":
            self._make_parents(path)
        if base in ("w+b", "x+b"):
            self.fs.open(
                path, "xb" if base == "x+b" else "ab", 0, lock_timeout
            ).close()
            handle = self.fs.open(path, "r+b", 0, lock_timeout)
            handle.truncate(0)
        else:
            handle = self.fs.open(path, base, 0, lock_timeout)
        return KistMemoryFile(self, path, mode, handle)

    def cat_file(
        self,
        path: str,
        start: int | None = None,
        end: int | None = None,
        **kwargs: Any,
    ) -> bytes:
        """A file or a part of it.

        What was written at once, and has 4 KiB or more, is that very object.
        """
        with self.fs.open(self._strip_protocol(path)) as file:
            if start is None and end is None:
                return file.read()
            size = file.seek(0, io.SEEK_END)
            first, last, _ = slice(start, end).indices(size)
            file.seek(first)
            return file.read(max(0, last - first))

    def put_bytes(self, tree: dict[str, Any]) -> None:
        """Make or replace all of these files, or none of them.

        Nobody may have one open at that moment, for which this waits as long
        as the file system does for a lock.
        """
        plain = {
            path: data
            if isinstance(data, bytes | bytearray | memoryview)
            else memoryview(data)
            for path, data in tree.items()
        }
        if not self.auto_mkdir:
            for path in plain:
                if not self.fs.is_dir(self._parent(path)):
                    raise FileNotFoundError(
                        "Parent directory does not exist: "
                        f"'{self._parent(path)}'"
                    )
        patience = self.fs._options()["default_lock_timeout"]
        end = math.inf if patience is None else time.monotonic() + patience
        pause = 1e-4
        # Not in the files' queues: two who wait there would always find one
        # another, and never a moment at which nobody has the file.
        while True:
            try:
                self.fs.import_tree(plain)
                return
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 0.01)

    def pipe_file(
        self, path: str, value: Any, mode: str = "overwrite", **kwargs: Any
    ) -> None:
        """Make or replace a file; `bytes` are kept without a copy."""
        path = self._strip_protocol(path)
        if self._intrans or mode == "create":
            with self.open(path, "xb" if mode == "create" else "wb") as file:
                file.write(value)
        else:
            self.put_bytes({path: value})

    def pipe(self, path: Any, value: Any = None, **kwargs: Any) -> None:
        """The same, or for a dict of paths and contents all or none."""
        if isinstance(path, dict) and not (kwargs or self._intrans):
            self.put_bytes(
                {self._strip_protocol(key): path[key] for key in path}
            )
        else:
            super().pipe(path, value, **kwargs)

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Copy a file, over what is there, or make a directory alike.

        The bytes are shared until one of both changes.
        """
        path1 = self._strip_protocol(path1)
        path2 = self._strip_protocol(path2)
        if self.fs.is_dir(path1):
            self.fs.mkdir(path2, exist_ok=True)
        elif path1 != path2:
            self._make_parents(path2)
            try:
                self.fs.copy(path1, path2)
            except FileExistsError:
                self.put_bytes({path2: self.cat_file(path1)})

    def mv(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Move; what does not go over or into anything, by its name alone."""
        simple = (
            maxdepth is None
            and isinstance(path1, str)
            and isinstance(path2, str)
            and not has_magic(path1)
            and not path1.endswith("/")
            and not path2.endswith("/")
            and not self.fs.exists(_plain(path2))
        )
        if simple and (recursive or not self.isdir(path1)):
            old, new = map(self._strip_protocol, (path1, path2))
            (self.fs.move if self.auto_mkdir else self.fs.rename)(old, new)
        else:
            super().mv(path1, path2, recursive, maxdepth, **kwargs)


def _plain(path: Any) -> str:
    """The path without its protocol; it may lead out of the root."""
    text = str(stringify_path(path))
    for protocol in _PROTOCOLS:
        text = text.removeprefix(protocol + "://")
    return text


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _info(path: str, stat: Any) -> dict[str, Any]:
    return {
        "name": path,
        "size": stat["size"],
        "type": "directory" if stat["is_dir"] else "file",
        "created": stat["created_at"],
        "modified": stat["modified_at"],
        "generation": stat["generation"],
    }


def _unpickle(
    kind: type[KistMemoryFileSystem],
    options: dict[str, Any],
    folders: list[str],
    tree: dict[str, bytes],
) -> KistMemoryFileSystem:
    new = kind(**options)
    for path in folders:
        new.fs.mkdir(path, exist_ok=True)
    new.fs.import_tree(tree)
    return new
