"""kist-memory: an fsspec file system.

Goal    Whoever knows fsspec finds what he knows, under the quota.
Method  fsspec's own abstract tests; the calls compared with fsspec's memory
        and local file systems on one tree.  test_memfs_libraries.py has what
        stands on fsspec.
"""

from __future__ import annotations

import array
import datetime
import errno
import io
import pathlib
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any

import pytest
from kist import MemoryFileSystem, MFSQuotaExceededError

fsspec = pytest.importorskip(
    "fsspec", reason="fsspec is not installed (requirements-world.txt)"
)

from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import (
    MemoryFileSystem as FsspecMemory,
)
from fsspec.tests import abstract
from kist.memfs._fsspec import (
    KistMemoryFile,
    KistMemoryFileSystem,
)


@pytest.fixture
def mfs() -> MemoryFileSystem:
    return MemoryFileSystem()


@pytest.fixture
def fs(mfs: MemoryFileSystem) -> KistMemoryFileSystem:
    return KistMemoryFileSystem(mfs)


# --- fsspec's own tests -------------------------------------------------


class Fixtures(abstract.AbstractFixtures):  # type: ignore[misc]
    """A file system of one's own for each of fsspec's tests."""

    @pytest.fixture
    def fs(self) -> KistMemoryFileSystem:
        return KistMemoryFileSystem()

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def fs_path(self) -> str:
        return "/work"


class TestCopy(abstract.AbstractCopyTests, Fixtures):  # type: ignore[misc]
    """fsspec's."""


class TestGet(abstract.AbstractGetTests, Fixtures):  # type: ignore[misc]
    """fsspec's."""


class TestPut(abstract.AbstractPutTests, Fixtures):  # type: ignore[misc]
    """fsspec's."""


class TestOpen(abstract.AbstractOpenTests, Fixtures):  # type: ignore[misc]
    """fsspec's."""


class TestPipe(abstract.AbstractPipeTests, Fixtures):  # type: ignore[misc]
    """fsspec's."""


# --- which file system it is --------------------------------------------


def test_found_by_its_protocol() -> None:
    """The entry point makes the protocol known."""
    names = {one.name: one.value for one in entry_points(group="fsspec.specs")}
    if "kist-memory" not in names:
        pytest.skip("kist is not installed as a package here")
    assert names["kist-memory"] == "kist.memfs._fsspec.KistMemoryFileSystem"
    assert names["kistmemory"] == names["kist-memory"]
    code = """
import fsspec
fs = fsspec.filesystem("kist-memory", max_quota=1000)
fs.pipe("/a/b", b"1")
print(fs.unstrip_protocol("/a/b"), fs.fs.stats()["quota_bytes"])
with fsspec.open("kist-memory://a/b", fs=fs.fs) as file:
    print(file.read())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    assert done.stdout == "kist-memory:///a/b 1000\nb'1'\n"


def test_isolated(mfs: MemoryFileSystem) -> None:
    """Two are two, unless they show one MemoryFileSystem."""
    one, two = KistMemoryFileSystem(), KistMemoryFileSystem()
    assert one is not two
    assert one != two
    assert hash(one) != hash(two)
    one.pipe("/a", b"1")
    assert not two.exists("/a")
    first, second = KistMemoryFileSystem(mfs), KistMemoryFileSystem(fs=mfs)
    assert first == second
    assert hash(first) == hash(second)
    assert first.fsid == second.fsid != one.fsid
    first.pipe("/a", b"2")
    assert second.cat("/a") == b"2"
    assert first != KistMemoryFileSystem(mfs, auto_mkdir=False)


def test_options() -> None:
    """Those of MemoryFileSystem, and no others beside `fs`."""
    fs = KistMemoryFileSystem(
        max_quota=100, chunk_overhead_override=0, max_nodes=5
    )
    assert fs.fs.stats()["quota_bytes"] == 100
    with pytest.raises(MFSQuotaExceededError):
        fs.pipe("/a", b"x" * 101)
    fs.pipe("/a", b"x" * 100)
    with pytest.raises(TypeError, match="max_quota"):
        KistMemoryFileSystem(MemoryFileSystem(), max_quota=1)
    with pytest.raises(TypeError, match="not dict"):
        KistMemoryFileSystem({})  # type: ignore[arg-type]


def test_it_goes_with_its_last_user() -> None:
    """No cache keeps it."""
    import gc
    import weakref

    fs = KistMemoryFileSystem()
    fs.pipe("/a", b"1")
    assert fs.fsid
    gone = weakref.ref(fs.fs)
    del fs
    gc.collect()
    assert gone() is None


def test_pickle() -> None:
    """A copy: the tree, empty directories, the options; and then its own."""
    fs = KistMemoryFileSystem(
        max_quota=10_000,
        chunk_overhead_override=10,
        max_nodes=50,
        default_storage="random_access",
        default_lock_timeout=None,
        auto_mkdir=False,
    )
    fs.makedirs("/d/empty")
    fs.pipe("/d/f", b"x" * 5000)
    with fs.open("/d/open", "wb") as file:
        file.write(b"as it is")
        copy = pickle.loads(pickle.dumps(fs))
    assert copy.fs._options() == fs.fs._options()
    assert copy.auto_mkdir is False
    assert copy.find("/", withdirs=True) == fs.find("/", withdirs=True)
    assert copy.fs.export_tree() == {
        "/d/f": b"x" * 5000,
        "/d/open": b"as it is",
    }
    assert copy != fs
    copy.rm("/d/f")
    assert fs.exists("/d/f")


# --- the calls ----------------------------------------------------------

FILES = {
    "/a.csv": b"1,2\n",
    "/b.txt": b"text",
    "/d/a.csv": b"3,4\n",
    "/d/e/x": b"",
    "/d/e/y": b"y" * 5000,
    "/d/e f/[z]": b"brackets",
}


def fill(fs: Any, root: str = "") -> None:
    for path, data in FILES.items():
        fs.makedirs(fs._parent(root + path), exist_ok=True)
        fs.pipe_file(root + path, data)
    fs.makedirs(root + "/d/empty", exist_ok=True)


@pytest.fixture(params=["memory", "local"])
def peer(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> Iterator[tuple[Any, str]]:
    """Another file system of fsspec's with the same tree, and its root."""
    if request.param == "local":
        one, root = LocalFileSystem(), str(tmp_path / "root")
    else:
        one, root = (
            FsspecMemory(global_store=False, skip_instance_cache=True),
            "/root",
        )
    fill(one, root)
    yield one, root


CALLS: dict[str, Callable[[Any, str], Any]] = {
    "ls": lambda fs, r: fs.ls(r + "/d", detail=False),
    "ls file": lambda fs, r: fs.ls(r + "/a.csv", detail=False),
    "ls detail": lambda fs, r: fs.ls(r + "/d", detail=True),
    "ls slash": lambda fs, r: fs.ls(r + "/d/", detail=False),
    "ls missing": lambda fs, r: fs.ls(r + "/no"),
    "info": lambda fs, r: [fs.info(r + path) for path in FILES],
    "info dir": lambda fs, r: fs.info(r + "/d"),
    "info missing": lambda fs, r: fs.info(r + "/no"),
    "find": lambda fs, r: fs.find(r),
    "find dirs": lambda fs, r: fs.find(r, withdirs=True),
    "find depth": lambda fs, r: fs.find(r, maxdepth=1),
    "find depth 2": lambda fs, r: fs.find(r, maxdepth=2, withdirs=True),
    "find file": lambda fs, r: fs.find(r + "/a.csv"),
    "find missing": lambda fs, r: fs.find(r + "/no"),
    "find detail": lambda fs, r: sorted(fs.find(r, detail=True)),
    "find zero": lambda fs, r: fs.find(r, maxdepth=0),
    "glob": lambda fs, r: fs.glob(r + "/*.csv"),
    "glob **": lambda fs, r: fs.glob(r + "/**"),
    "glob **/x": lambda fs, r: fs.glob(r + "/**/*.csv"),
    "glob ?": lambda fs, r: fs.glob(r + "/?.csv"),
    "glob []": lambda fs, r: fs.glob(r + "/[ab].*"),
    "glob dirs": lambda fs, r: fs.glob(r + "/d/*/"),
    "glob plain": lambda fs, r: fs.glob(r + "/d"),
    "glob none": lambda fs, r: fs.glob(r + "/no*"),
    "glob detail": lambda fs, r: sorted(fs.glob(r + "/*", detail=True)),
    "glob depth": lambda fs, r: fs.glob(r + "/**", maxdepth=1),
    "walk": lambda fs, r: [
        (path, sorted(folders), sorted(files))
        for path, folders, files in fs.walk(r)
    ],
    "walk up": lambda fs, r: sorted(
        (path, sorted(folders), sorted(files))
        for path, folders, files in fs.walk(r, topdown=False)
    ),
    "walk depth": lambda fs, r: [x[0] for x in fs.walk(r, maxdepth=2)],
    "walk missing": lambda fs, r: list(fs.walk(r + "/no")),
    "walk raises": lambda fs, r: list(fs.walk(r + "/no", on_error="raise")),
    "exists": lambda fs, r: [
        fs.exists(r + path)
        for path in ("/a.csv", "/d", "/d/", "/no", "/../..")
    ][:4],
    "isfile": lambda fs, r: [
        fs.isfile(r + path) for path in ("/a.csv", "/d", "/no")
    ],
    "isdir": lambda fs, r: [
        fs.isdir(r + path) for path in ("/a.csv", "/d", "/no")
    ],
    "size": lambda fs, r: fs.sizes([r + path for path in FILES]),
    "du": lambda fs, r: fs.du(r),
    "du each": lambda fs, r: sorted(fs.du(r, total=False).values()),
    "cat": lambda fs, r: fs.cat(r + "/d/e/y"),
    "cat many": lambda fs, r: sorted(
        fs.cat([r + "/a.csv", r + "/b.txt"]).values()
    ),
    "cat recursive": lambda fs, r: sorted(
        fs.cat(r + "/d/e/*", recursive=False).values()
    ),
    "cat part": lambda fs, r: [
        fs.cat_file(r + "/b.txt", start, end)
        for start, end in (
            (1, 3),
            (1, None),
            (None, 2),
            (-2, None),
            (0, -1),
            (-3, -1),
            (0, 100),
        )
    ],
    "cat missing": lambda fs, r: fs.cat(r + "/no"),
    "cat ranges": lambda fs, r: fs.cat_ranges(
        [r + "/b.txt", r + "/a.csv"], [0, 1], [2, 3]
    ),
    "head": lambda fs, r: (fs.head(r + "/b.txt", 2), fs.tail(r + "/b.txt", 2)),
    "block": lambda fs, r: fs.read_block(r + "/a.csv", 0, 2, b"\n"),
    "text": lambda fs, r: fs.read_text(r + "/b.txt"),
    "open missing": lambda fs, r: fs.open(r + "/no"),
    "expand": lambda fs, r: fs.expand_path(r + "/d", recursive=True),
    "makedirs": lambda fs, r: (
        fs.makedirs(r + "/n/m"),
        fs.makedirs(r + "/n/m", exist_ok=True),
        fs.find(r + "/n", withdirs=True),
    )[2],
    "makedirs there": lambda fs, r: fs.makedirs(r + "/d"),
    "rmdir": lambda fs, r: (
        fs.rmdir(r + "/d/empty"),
        fs.exists(r + "/d/empty"),
    ),
    "rmdir full": lambda fs, r: fs.rmdir(r + "/d"),
    "rmdir missing": lambda fs, r: fs.rmdir(r + "/no"),
    "rm": lambda fs, r: (fs.rm(r + "/a.csv"), fs.find(r))[1],
    "rm missing": lambda fs, r: fs.rm(r + "/no"),
    "rm recursive": lambda fs, r: (
        fs.rm(r + "/d", recursive=True),
        fs.find(r, withdirs=True),
    )[1],
    "rm list": lambda fs, r: (
        fs.rm([r + "/a.csv", r + "/b.txt"]),
        fs.find(r),
    )[1],
    "rm glob": lambda fs, r: (fs.rm(r + "/*.csv"), fs.find(r))[1],
    "touch": lambda fs, r: (fs.touch(r + "/b.txt"), fs.size(r + "/b.txt"))[1],
    "touch new": lambda fs, r: (
        fs.touch(r + "/t", truncate=False),
        fs.cat(r + "/t"),
    )[1],
    "cp": lambda fs, r: (fs.cp(r + "/a.csv", r + "/c"), fs.cat(r + "/c"))[1],
    "cp over": lambda fs, r: (
        fs.cp(r + "/a.csv", r + "/b.txt"),
        fs.cat(r + "/b.txt"),
    )[1],
    "cp into": lambda fs, r: (
        fs.cp(r + "/a.csv", r + "/d/empty/"),
        fs.find(r + "/d/empty"),
    )[1],
    "cp tree": lambda fs, r: (
        fs.cp(r + "/d", r + "/c", recursive=True),
        fs.find(r + "/c", withdirs=True),
    )[1],
    "cp missing": lambda fs, r: fs.cp(r + "/no", r + "/c"),
    "mv": lambda fs, r: (
        fs.mv(r + "/a.csv", r + "/c"),
        fs.cat(r + "/c"),
        fs.exists(r + "/a.csv"),
    )[1:],
    "mv over": lambda fs, r: (
        fs.mv(r + "/a.csv", r + "/b.txt"),
        fs.cat(r + "/b.txt"),
        fs.exists(r + "/a.csv"),
    )[1:],
    "mv tree": lambda fs, r: (
        fs.mv(r + "/d", r + "/c", recursive=True),
        fs.find(r, withdirs=True),
    )[1],
    "mv into": lambda fs, r: (
        fs.mv(r + "/a.csv", r + "/d/empty/"),
        fs.find(r),
    )[1],
    "mv missing": lambda fs, r: fs.mv(r + "/no", r + "/c"),
    "mv same": lambda fs, r: (fs.mv(r + "/d", r + "/d"), fs.find(r))[1],
    "pipe": lambda fs, r: (
        fs.pipe({r + "/p": b"1", r + "/q": b"2"}),
        fs.cat([r + "/p", r + "/q"]),
    )[1],
    "create": lambda fs, r: fs.pipe_file(r + "/a.csv", b"", mode="create"),
    "append": lambda fs, r: (
        write(fs, r + "/b.txt", "ab", b"!"),
        write(fs, r + "/new.txt", "ab", b"!"),
        fs.cat(r + "/b.txt"),
        fs.cat(r + "/new.txt"),
    )[2:],
    "text write": lambda fs, r: (
        fs.write_text(r + "/t", "é\n", encoding="utf-16"),
        fs.read_text(r + "/t", encoding="utf-16"),
    )[1],
    "gz": lambda fs, r: (
        write(fs, r + "/t.gz", "wb", b"zip", compression="infer"),
        fs.open(r + "/t.gz", "rb", compression="gzip").read(),
    )[1],
}

# LocalFileSystem.rm() takes a pattern for a name.
LOCAL_DIFFERS = {"rm glob"}


def write(fs: Any, path: str, mode: str, data: bytes, **options: Any) -> None:
    with fs.open(path, mode, **options) as file:
        file.write(data)


def plain(value: Any, root: str) -> Any:
    """Without the root, and of details what all have to tell."""
    if isinstance(value, str):
        return value.removeprefix(root) or "/"
    if isinstance(value, dict):
        if {"name", "size", "type"} <= set(value):
            value = {key: value[key] for key in ("name", "size", "type")}
            if value["type"] == "directory":
                value["size"] = 0
        return {
            plain(key, root): plain(one, root) for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        found = [plain(one, root) for one in value]
        if found and isinstance(found[0], dict):
            found.sort(key=str)
        return found
    return value


def outcome(call: Callable[[Any, str], Any], fs: Any, root: str) -> Any:
    try:
        return plain(call(fs, root), root)
    except OSError as error:
        kind = type(error)
        return kind.__name__, error.errno == errno.ENOTEMPTY
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("name", CALLS)
def test_as_others(name: str, peer: tuple[Any, str]) -> None:
    """The call comes to the same as with fsspec's own file systems."""
    other, root = peer
    if name in LOCAL_DIFFERS and isinstance(other, LocalFileSystem):
        pytest.skip("not what fsspec's memory file system does")
    fs = KistMemoryFileSystem()
    fill(fs, "/root")
    mine = outcome(CALLS[name], fs, "/root")
    theirs = outcome(CALLS[name], other, root)
    if name.startswith(("ls", "walk")) and isinstance(theirs, list):
        theirs.sort(key=str)
        mine.sort(key=str)
    assert mine == theirs


def test_paths(fs: KistMemoryFileSystem) -> None:
    """All the ways to write one path."""
    fs.pipe("a/b", b"1")
    for path in (
        "/a/b",
        "a/b",
        "//a/b/",
        "kist-memory://a/b",
        "kist-memory:///a/b",
        "kistmemory://a/b",
        "a/./c/../b",
        pathlib.PurePosixPath("/a/b"),
    ):
        assert fs.cat(path) == b"1", path
        assert fs.isfile(path)
        assert fs.info(path)["name"] == "/a/b"
    assert (
        fs._strip_protocol("") == fs._strip_protocol("kist-memory://") == "/"
    )
    assert fs.ls("") == fs.ls("/") == [fs.info("/a")]
    assert not fs.exists("/../x")
    with pytest.raises(ValueError, match="traversal"):
        fs.pipe("../x", b"")


def test_times(fs: KistMemoryFileSystem) -> None:
    """created, modified and what depends on them."""
    before = datetime.datetime.now(datetime.UTC)
    fs.pipe("/a", b"1")
    after = datetime.datetime.now(datetime.UTC)
    slack = datetime.timedelta(milliseconds=1)
    assert before - slack <= fs.created("/a") <= after + slack
    assert fs.modified("/a") == fs.created("/a")
    key, checksum = fs.ukey("/a"), fs.checksum("/a")
    assert (fs.ukey("/a"), fs.checksum("/a")) == (key, checksum)
    write(fs, "/a", "ab", b"2")
    assert fs.modified("/a") > fs.created("/a")
    assert fs.ukey("/a") != key
    assert fs.checksum("/a") != checksum


def test_no_copies(fs: KistMemoryFileSystem) -> None:
    """cat_file gives the object that pipe_file was given; a part is a copy;
    a copy shares it."""
    data = b"x" * 10_000
    fs.pipe("/a", data)
    assert fs.cat_file("/a") is data
    fs.cp_file("/a", "/b")
    assert fs.cat_file("/b") is data
    fs.cp_file("/b", "/b")
    fs.pipe("/c", b"old")
    fs.cp_file("/a", "/c")
    assert fs.cat_file("/c") is data
    with fs.open("/w", "wb") as file:
        file.write(data)
    assert fs.cat_file("/w") is data
    assert fs.cat_file("/w", 5) == data[5:]


def test_open_modes(fs: KistMemoryFileSystem) -> None:
    """Those of open(), binary and text, and no others."""
    for mode, was, wrote in (
        ("wb", b"old", b"new"),
        ("xb", None, b"new"),
        ("ab", b"old", b"oldnew"),
        ("r+b", b"old", b"new"),
        ("rb+", b"older", b"newer"),
        ("w+b", b"old", b"new"),
        ("wb+", None, b"new"),
        ("x+b", None, b"new"),
    ):
        fs.rm("/", recursive=True)
        if was is not None:
            fs.pipe("/f", was)
        with fs.open("/f", mode) as file:
            assert isinstance(file, KistMemoryFile)
            assert file.write(b"new") == 3
            assert file.mode == mode
            assert (file.path, file.name, file.fs) == ("/f", "/f", fs)
            assert file.size == len(wrote)
            if "+" in mode:
                file.seek(0)
                assert file.read() == wrote
        assert file.closed
        assert fs.cat("/f") == wrote
    for mode in ("a+b", "bb", "qb", "rwb"):
        with pytest.raises(ValueError, match="Invalid mode"):
            fs.open("/f", mode)
    for mode in ("w", "wt", "x", "a", "r+", "r"):
        if mode == "x":
            fs.rm("/f")
        with fs.open("/f", mode, encoding="utf-8") as text:
            if mode == "r":
                assert text.read() == "éé"
            else:
                text.write("é")
    with pytest.raises(FileExistsError):
        fs.open("/f", "xb")
    with pytest.raises(FileExistsError):
        fs.open("/f", "x+b")
    with pytest.raises(FileNotFoundError):
        fs.open("/no", "r+b")
    with pytest.raises(IsADirectoryError):
        fs.open("/", "wb")


def test_file_takes_any_buffer(fs: KistMemoryFileSystem) -> None:
    """fsspec's users write arrays, too; and read by lines and into them."""
    with fs.open("/f", "wb") as file:
        assert file.write(array.array("i", [1, 2])) == 8
        assert file.write(memoryview(b"abcdef")[::2]) == 3
        assert file.write(bytearray(b"\n\nend")) == 5
        with pytest.raises(TypeError):
            file.write("text")
        with pytest.raises(io.UnsupportedOperation):
            file.read()
        assert file.writable()
        assert not file.readable()
    with fs.open("/f") as file:
        assert file.readlines()[1:] == [b"\n", b"end"]
        file.seek(8)
        assert list(file) == [b"ace\n", b"\n", b"end"]
        file.seek(8)
        target = bytearray(4)
        assert file.readinto(target) == 4
        assert target == b"ace\n"
    with pytest.raises(ValueError, match="closed"):
        file.read()
    with fs.open("/f") as file, io.BufferedReader(file) as buffered:
        assert buffered.read1(4)


def test_auto_mkdir(mfs: MemoryFileSystem) -> None:
    """Parents are made, or asked for."""
    fs = KistMemoryFileSystem(mfs)
    strict = KistMemoryFileSystem(mfs, auto_mkdir=False)
    calls: list[Callable[[Any], Any]] = [
        lambda fs: fs.pipe("/p/q/r", b"1"),
        lambda fs: fs.pipe({"/p/q/r": b"1"}),
        lambda fs: fs.touch("/p/q/r"),
        lambda fs: fs.cp("/f", "/p/q/r"),
        lambda fs: fs.mv("/f", "/p/q/r"),
        lambda fs: fs.pipe_file("/p/q/r", b"", mode="create"),
    ]
    for call in calls:
        fs.rm("/", recursive=True)
        fs.pipe("/f", b"1")
        with pytest.raises(FileNotFoundError):
            call(strict)
        assert fs.find("/", withdirs=True) == ["/", "/f"]
        call(fs)
        assert fs.exists("/p/q/r")
    with pytest.raises(FileNotFoundError):
        fs.mkdir("/n/m", create_parents=False)
    fs.mkdir("/n/m")
    with pytest.raises(FileExistsError):
        fs.pipe("/f2", b"") or fs.mkdir("/f2/x")


def test_quota_and_all_or_nothing() -> None:
    """A pipe that does not fit leaves the old contents, of all files."""
    fs = KistMemoryFileSystem(max_quota=1000, chunk_overhead_override=0)
    fs.pipe({"/a": b"a" * 400, "/b": b"b" * 400})
    for wrong in (
        lambda: fs.pipe("/a", b"x" * 601),
        lambda: fs.pipe({"/a": b"x" * 500, "/b": b"x" * 501}),
        lambda: fs.cp("/a", "/c"),
    ):
        with pytest.raises(MFSQuotaExceededError):
            wrong()
        assert fs.fs.export_tree() == {"/a": b"a" * 400, "/b": b"b" * 400}
    fs.pipe({"/a": b"x" * 500, "/b": b"x" * 500})
    assert fs.fs.stats()["free_bytes"] == 0


def test_rm_and_open_files(fs: KistMemoryFileSystem) -> None:
    """A tree with an open file in it stays; the root itself always does."""
    fs.pipe({"/d/a": b"1", "/d/b": b"2", "/c": b"3"})
    with fs.open("/d/b"), pytest.raises(BlockingIOError):
        fs.rm("/d", recursive=True)
    assert fs.find("/") == ["/c", "/d/a", "/d/b"]
    fs.rm("/", recursive=True)
    assert fs.ls("/") == []


def test_deep(fs: KistMemoryFileSystem) -> None:
    """Deeper than Python recurses."""
    deep = "/d" * 2000
    fs.pipe(deep + "/f", b"1")
    assert fs.find("/") == [deep + "/f"]
    assert sum(1 for _ in fs.walk("/")) == 2001
    assert next(iter(fs.walk("/", topdown=False)))[0] == deep
    assert fs.glob("/**/f") == [deep + "/f"]
    assert fs.du("/") == 1
    fs.cp("/d", "/copy", recursive=True)
    assert fs.cat("/copy" + deep[2:] + "/f") == b"1"
    fs.rm("/d", recursive=True)
    assert fs.ls("/", detail=False) == ["/copy"]


def test_walk_is_pruned(fs: KistMemoryFileSystem) -> None:
    """As os.walk: names that are taken out are not visited."""
    fill(fs)
    seen = []
    for path, folders, _ in fs.walk("/"):
        seen.append(path)
        if "e" in folders:
            folders.remove("e")
    assert seen == ["/", "/d", "/d/e f", "/d/empty"]
    errors: list[OSError] = []
    assert list(fs.walk("/no", on_error=errors.append)) == []
    assert isinstance(errors[0], FileNotFoundError)
    found = {path: files for path, _, files in fs.walk("/", detail=True)}
    assert found["/d/e"]["y"]["size"] == 5000


def test_pipe_waits_for_readers(fs: KistMemoryFileSystem) -> None:
    """A file that somebody reads in another thread is replaced in turn."""
    fs.pipe("/f", b"old")
    reading, done = threading.Event(), threading.Event()

    def read() -> None:
        with fs.open("/f") as file:
            reading.set()
            assert done.wait(10)
            assert file.read() == b"old"

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(10)
    threading.Timer(0.1, done.set).start()
    fs.pipe({"/f": b"new", "/g": b"beside"})
    thread.join()
    assert fs.cat(["/f", "/g"]) == {"/f": b"new", "/g": b"beside"}
    impatient = KistMemoryFileSystem(default_lock_timeout=0.05)
    impatient.pipe("/f", b"old")
    with impatient.open("/f"), pytest.raises(BlockingIOError):
        impatient.pipe({"/f": b"new", "/g": b""})
    assert impatient.find("/") == ["/f"]


def test_threads(fs: KistMemoryFileSystem) -> None:
    """Many threads, one file replaced and read: never half of it."""
    failures: list[Any] = []
    end = time.monotonic() + 1

    def work(number: int) -> None:
        try:
            while time.monotonic() < end:
                fs.pipe("/f", b"%d" % number * 5000)
                data = fs.cat("/f")
                if len(data) != 5000 or len(set(data)) != 1:
                    failures.append(data[:10])
        except Exception as error:
            failures.append(error)

    fs.pipe("/f", b"0" * 5000)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# --- transactions -------------------------------------------------------


def test_transaction(fs: KistMemoryFileSystem) -> None:
    """All files come to be at its end, or none."""
    fs.pipe("/old", b"old")
    with fs.transaction:
        write(fs, "/a/b", "wb", b"new")
        write(fs, "/old", "ab", b"+")
        write(fs, "/x", "xb", b"x")
        fs.pipe("/p", b"piped")
        write(fs, "/p", "wb", b"twice")
        with fs.open("/t", "w") as file:
            file.write("text")
        assert fs.find("/") == ["/old"]
        assert fs.cat("/old") == b"old"
    assert fs.fs.export_tree() == {
        "/old": b"old+",
        "/a/b": b"new",
        "/x": b"x",
        "/p": b"twice",
        "/t": b"text",
    }
    before = fs.fs.export_tree()
    with pytest.raises(KeyError), fs.transaction:
        write(fs, "/old", "wb", b"lost")
        raise KeyError
    assert fs.fs.export_tree() == before
    write(fs, "/after", "wb", b"1")  # it is over
    assert fs.cat("/after") == b"1"
    fs.start_transaction()
    write(fs, "/s", "wb", b"1")
    fs.end_transaction()
    assert fs.cat("/s") == b"1"


def test_transaction_is_refused() -> None:
    """One file too much, and none is there."""
    fs = KistMemoryFileSystem(max_quota=1000, chunk_overhead_override=0)
    with pytest.raises(MFSQuotaExceededError), fs.transaction:
        write(fs, "/a", "wb", b"a" * 600)
        write(fs, "/b", "wb", b"b" * 600)
    assert fs.find("/") == []
    with pytest.raises(MFSQuotaExceededError), fs.transaction:
        write(fs, "/a", "wb", b"a" * 1001)
    with pytest.raises(FileExistsError), fs.transaction:
        write(fs, "/a", "xb", b"")
        fs.fs.import_tree({"/a": b"meanwhile"})
    assert fs.cat("/a") == b"meanwhile"
    assert not fs._intrans


def test_autocommit(fs: KistMemoryFileSystem) -> None:
    """A file by itself can be committed, or forgotten."""
    file = fs.open("/a", "wb", autocommit=False)
    file.write(b"1")
    assert file.size == 1
    assert not fs.exists("/a")
    file.close()
    assert not fs.exists("/a")
    file.commit()
    assert fs.cat("/a") == b"1"
    file = fs.open("/a", "wb", autocommit=False)
    file.write(b"2")
    file.discard()
    assert fs.cat("/a") == b"1"


def test_get_and_put(fs: KistMemoryFileSystem, tmp_path: pathlib.Path) -> None:
    """Trees go out and come back."""
    fill(fs)
    fs.get("/d", str(tmp_path / "out"), recursive=True)
    assert (tmp_path / "out/e/y").read_bytes() == b"y" * 5000
    assert (tmp_path / "out/empty").is_dir()
    fs.put(str(tmp_path / "out"), "/back", recursive=True)
    assert {
        path.removeprefix("/back"): data
        for path, data in fs.fs.export_tree("/back").items()
    } == {
        path.removeprefix("/d"): data
        for path, data in fs.fs.export_tree("/d").items()
    }
    target = io.BytesIO()
    fs.get_file("/d/e/y", target)
    assert len(target.getvalue()) == 5000
