"""A memory file system saved to, and loaded from, a directory or a tar file.

Neither trusts the other side.  Saving walks the target by open directories
and follows no link in it; a name that cannot be there is refused before
anything is written.  Loading asks a scratch copy of the file system for the
room of each file before it reads a byte of it, so what does not fit, a bomb
too, is refused as a write would be; and only then takes all of it at once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, Any, Self

from kist._core import MemoryFileSystem
from kist.memfs._path import normalize_path

PIECE = 1 << 20  # read and written at a time
HEADERS = 1 << 20  # bytes that the headers of one member may have
DESCRIPTORS = 32  # directories held open

_NOFOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | _NOFOLLOW
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW

# By the end of a tar file's name, and by the bytes that it begins with.
_SUFFIXES = {
    ".tar": "",
    ".tar.gz": "gzip",
    ".tgz": "gzip",
    ".tar.bz2": "bz2",
    ".tbz2": "bz2",
    ".tar.xz": "lzma",
    ".txz": "lzma",
}
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\0": "lzma"}

StrPath = str | os.PathLike[str]


def save_tree(
    fs: MemoryFileSystem, target: StrPath, prefix: str = "/"
) -> None:
    """Write all below prefix, as of one moment, to a directory or tar file.

    It is a tar file if the name ends like one (.tar, .tar.gz, .tgz, .tar.bz2,
    .tbz2, .tar.xz, .txz).  A tar file, and a directory that is not there yet,
    come to be whole or not at all; in one that is there, files are replaced
    one by one, each whole, and others stay.  OSError names the path that it
    is about.
    """
    where = os.fspath(target)
    moment = fs.snapshot()
    top = normalize_path(prefix)
    packer = _packer(where)
    if packer is not None and not os.path.isdir(where):
        _check_names(moment, top, where, None)
        _save_tar(moment, where, top, packer)
        return
    folder = where
    if not os.path.isdir(where):
        folder = os.path.dirname(os.path.abspath(where))
    name_max = os.pathconf(folder, "PC_NAME_MAX")
    _check_names(moment, top, where, name_max)
    if os.path.lexists(where):
        _save_folder(moment, where, top)
        return
    fresh = _beside(where)
    os.mkdir(fresh)
    try:
        _save_folder(moment, fresh, top)
        os.rename(fresh, where)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def load_tree(
    fs: MemoryFileSystem, source: StrPath, prefix: str = "/"
) -> None:
    """Make or replace below prefix what a directory or a tar file holds.

    All of it or nothing.  What does not fit raises MFSQuotaExceededError
    before it is read.  Links, devices and the like raise OSError, names that
    lead out of prefix ValueError; a hard link in a tar file is another copy.
    """
    where = os.fspath(source)
    top = normalize_path(prefix)
    load = _Load(fs, top)
    if os.path.isdir(where):
        _load_folder(load, where)
    else:
        _load_tar(load, where)
    load.finish()


# --- names --------------------------------------------------------------


def _below(top: str, path: str) -> str:
    """The path as seen from `top`, without a slash in front."""
    return path[len(top) :].lstrip("/")


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _beside(path: str) -> str:
    """A new name in the same directory."""
    return f"{path.rstrip('/')}.{secrets.token_hex(8)}.part"


def _packer(path: str) -> str | None:
    """The module that compresses a tar file of that name, or None."""
    name = os.path.basename(path).lower()
    for suffix, module in _SUFFIXES.items():
        if name.endswith(suffix) and name != suffix:
            return module
    return None


def _opener(
    module: str,
) -> tuple[Callable[..., Any], tuple[type[Exception], ...]]:
    """What opens a compressed file, and raises for damaged ones."""
    damaged = (EOFError, RecursionError, tarfile.TarError)
    if module == "gzip":
        import gzip
        import zlib

        return gzip.open, (*damaged, zlib.error, gzip.BadGzipFile)
    if module == "bz2":
        import bz2

        return bz2.open, damaged
    if module == "lzma":
        import lzma

        return lzma.open, (*damaged, lzma.LZMAError)
    return _as_it_is, damaged


@contextlib.contextmanager
def _as_it_is(file: IO[bytes], mode: str) -> Iterator[IO[bytes]]:
    yield file


def _check_names(
    fs: MemoryFileSystem, top: str, where: str, name_max: int | None
) -> None:
    """OSError for the first name that cannot be in the target."""
    for path, folders, files in fs.walk(top):
        for name in (*folders, *files):
            number = 0
            try:
                size = len(os.fsencode(name))
            except UnicodeEncodeError:
                number, size = errno.EILSEQ, 0
            if "\0" in name:
                number = errno.EINVAL
            elif name_max is not None and size > name_max:
                number = errno.ENAMETOOLONG
            if number:
                raise OSError(
                    number,
                    f"{os.strerror(number)}, in {where!r}",
                    _join(path, name),
                )


@contextlib.contextmanager
def _about(path: str) -> Iterator[None]:
    """An error of the system inside tells this path."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename, error.filename2 = path, None
        raise


# --- directories --------------------------------------------------------


class _Folder:
    """A directory of the system, in which no link is followed.

    Directories below are reached one by one from those that are open, of
    which only so many are, at any depth.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        with _about(root):
            first = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.open = {"": first}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for descriptor in self.open.values():
            os.close(descriptor)
        self.open.clear()

    def real(self, path: str) -> str:
        """The path of the system, for a message."""
        return os.path.join(self.root, path)

    def enter(self, path: str, make: bool = False) -> int:
        """A descriptor of the directory, good until the next call."""
        known = path
        while known not in self.open:
            known = known.rpartition("/")[0]
        descriptor = self.open[known]
        for name in filter(None, path[len(known) :].split("/")):
            known = f"{known}/{name}".lstrip("/")
            with _about(self.real(known)):
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, dir_fd=descriptor)
                descriptor = os.open(name, _DIRECTORY, dir_fd=descriptor)
            self.open[known] = descriptor
            self._forget(known)
        return descriptor

    def _forget(self, but: str) -> None:
        """Closes those that were opened first, not the root."""
        for path in list(self.open)[1:-DESCRIPTORS]:
            if path != but:
                os.close(self.open.pop(path))


class _Written:
    """Finds names that are two in memory and one on disk: a and A."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, int]] = set()

    def note(self, info: os.stat_result) -> None:
        """This is what we have written."""
        self.seen.add((info.st_dev, info.st_ino))

    def check(self, name: str, descriptor: int) -> None:
        """FileExistsError if what is there is what we have written."""
        try:
            info = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return
        if (info.st_dev, info.st_ino) in self.seen:
            raise FileExistsError(
                errno.EEXIST, "another name is the same here", name
            )


def _save_folder(fs: MemoryFileSystem, where: str, top: str) -> None:
    written = _Written()
    with _Folder(where) as folder:
        for path, _, files in fs.walk(top):
            here = _below(top, path)
            above, _, name = here.rpartition("/")
            if name:
                with _about(folder.real(here)):
                    written.check(name, folder.enter(above))
            descriptor = folder.enter(here, make=True)
            written.note(os.fstat(descriptor))
            for name in files:
                with _about(folder.real(_join(here, name).lstrip("/"))):
                    written.check(name, descriptor)
                    _save_file(fs, _join(path, name), descriptor, written)


def _save_file(
    fs: MemoryFileSystem, path: str, folder: int, written: _Written
) -> None:
    """Writes one beside the name and then takes the name, whatever has it."""
    name = path.rpartition("/")[2]
    part = f".{secrets.token_hex(8)}.part"
    descriptor = os.open(part, _CREATE, 0o666, dir_fd=folder)
    try:
        with open(descriptor, "wb", buffering=0) as target:
            _copy(fs, path, target)
            moment = int(fs.stat(path)["modified_at"] * 1e9)
            os.utime(descriptor, ns=(moment, moment))
            info = os.fstat(descriptor)
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part, dir_fd=folder)
        raise
    written.note(info)


def _copy(fs: MemoryFileSystem, path: str, target: Any) -> None:
    with fs.open(path) as source:
        while piece := source.read(PIECE):
            rest = memoryview(piece)
            while rest:
                rest = rest[target.write(rest) :]


def _load_folder(load: _Load, where: str) -> None:
    with _Folder(where) as folder:
        paths = []
        ahead = [""]
        while ahead:
            here = ahead.pop()
            descriptor = folder.enter(here)
            load.folder(here)
            for name in sorted(os.listdir(descriptor)):
                path = _join(here, name).lstrip("/")
                with _about(folder.real(path)):
                    info = os.stat(
                        name, dir_fd=descriptor, follow_symlinks=False
                    )
                    if "\\" in name:
                        raise OSError(errno.EINVAL, "a backslash in a name")
                    if stat.S_ISDIR(info.st_mode):
                        ahead.append(path)
                        continue
                    _check_regular(info.st_mode)
                load.reserve(path, info.st_size)
                paths.append((path, info.st_size))
        for path, size in paths:
            above, _, name = path.rpartition("/")
            descriptor = folder.enter(above)
            with _about(folder.real(path)):
                load.put(path, _read_file(name, descriptor, size))


def _check_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "neither a file nor a directory")


def _read_file(name: str, folder: int, size: int) -> bytes:
    """What the file holds, if it is no more than was there before."""
    descriptor = os.open(
        name, os.O_RDONLY | os.O_NONBLOCK | _NOFOLLOW, dir_fd=folder
    )
    with open(descriptor, "rb", buffering=0) as source:
        _check_regular(os.fstat(descriptor).st_mode)
        data = source.read(size)
        while len(data) < size and (more := source.read(size - len(data))):
            data += more
        if source.read(1):
            raise OSError(errno.EAGAIN, "it grows while it is read")
    return data


# --- tar files ----------------------------------------------------------


def _save_tar(fs: MemoryFileSystem, where: str, top: str, packer: str) -> None:
    fresh = _beside(where)
    with _about(where):
        descriptor = os.open(fresh, _CREATE, 0o666)
        try:
            with open(descriptor, "wb") as raw:
                with (
                    _opener(packer)[0](raw, "wb") as packed,
                    tarfile.open(
                        fileobj=packed, mode="w", format=tarfile.PAX_FORMAT
                    ) as archive,
                ):
                    _fill(fs, top, archive)
                raw.flush()
                os.fsync(descriptor)
            os.replace(fresh, where)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            raise


def _fill(fs: MemoryFileSystem, top: str, archive: tarfile.TarFile) -> None:
    for path, _, files in fs.walk(top):
        if path != top:
            archive.addfile(_member(fs, top, path))
        for name in files:
            member = _member(fs, top, _join(path, name))
            with fs.open(_join(path, name)) as source:
                archive.addfile(member, source)


def _member(fs: MemoryFileSystem, top: str, path: str) -> tarfile.TarInfo:
    info = fs.stat(path)
    member = tarfile.TarInfo(_below(top, path))
    member.size = info["size"]
    member.mtime = int(info["modified_at"])
    if info["is_dir"]:
        member.type, member.mode = tarfile.DIRTYPE, 0o755
    return member


class _Budget:
    """A file that gives no more than the reader of it has been granted."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.seek = file.seek
        self.tell = file.tell
        self.left = HEADERS
        self.last = b""

    def read(self, size: int) -> bytes:
        """So many bytes, unless that is more than is left."""
        if not 0 <= size <= self.left:
            raise tarfile.ReadError(f"headers of more than {HEADERS} bytes")
        self.last = self.file.read(size)
        self.left -= len(self.last)
        return self.last


def _load_tar(load: _Load, where: str) -> None:
    with open(where, "rb") as raw:
        start = raw.read(6)
        raw.seek(0)
        packer = next((_MAGIC[m] for m in _MAGIC if start.startswith(m)), "")
        unpack, damaged = _opener(packer)
        try:
            with unpack(raw, "rb") as packed:
                _load_members(load, where, _Budget(packed))
        except damaged as error:
            raise tarfile.ReadError(f"{where}: {error}") from error


def _load_members(load: _Load, where: str, budget: _Budget) -> None:
    load.folder("")
    file: Any = budget
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            with _about(f"{where}: {member.name}"):
                _load_member(load, archive, member, budget)
            budget.left = HEADERS
    # A damaged header ends the archive, too, but for its bytes.
    if len(budget.last) != tarfile.BLOCKSIZE or any(budget.last):
        raise tarfile.ReadError("a damaged header, or no end")
    # What compressed it has its checksum behind the last byte.
    budget.left = HEADERS
    while budget.read(min(PIECE, budget.left)):
        pass
    if not budget.left:
        raise tarfile.ReadError(f"{HEADERS} bytes and more behind the end")


def _load_member(
    load: _Load,
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    budget: _Budget,
) -> None:
    # By itself: below a prefix, ".." would only leave that.
    path = normalize_path(member.name)[1:]
    if member.isdir():
        load.folder(path)
    elif member.islnk():
        data = load.tree.get(load.place(normalize_path(member.linkname)[1:]))
        if data is None:
            raise OSError(errno.ENOENT, "a link to what is not before it")
        load.reserve(path, len(data))
        load.put(path, data)
    elif not member.isreg():
        raise OSError(errno.EINVAL, "neither a file nor a directory")
    elif member.size < 0:
        raise tarfile.ReadError("a size below zero")
    else:
        load.reserve(path, member.size)
        budget.left += member.size
        source = archive.extractfile(member)
        assert source is not None
        data = source.read(member.size)
        if len(data) != member.size:
            raise tarfile.ReadError("unexpected end of data")
        load.put(path, data)


# --- what is loaded -----------------------------------------------------


class _Load:
    """Files on their way in, with their room taken in a scratch copy."""

    def __init__(self, fs: MemoryFileSystem, top: str) -> None:
        self.fs = fs
        self.top = top
        self.scratch = fs.snapshot()
        self.folders: list[str] = []
        self.tree: dict[str, bytes] = {}

    def place(self, path: str) -> str:
        """Where it comes to be."""
        return _join(self.top, path) if path else self.top

    def folder(self, path: str) -> None:
        """A directory is to be there."""
        place = self.place(path)
        self.scratch.mkdir(place, exist_ok=True)
        self.folders.append(place)

    def reserve(self, path: str, size: int) -> None:
        """Room for a file; zeros take no memory."""
        place = self.place(path)
        self.scratch.mkdir(place.rpartition("/")[0], exist_ok=True)
        if self.scratch.is_file(place):
            self.scratch.remove(place)
        self.scratch.open(place, "xb", preallocate=size).close()

    def put(self, path: str, data: bytes) -> None:
        """What it holds; its room is reserved."""
        self.tree[self.place(path)] = data

    def finish(self) -> None:
        """All files at once; a file that is open is refused."""
        self.fs.import_tree(self.tree)
        for place in self.folders:
            self.fs.mkdir(place, exist_ok=True)
