"""MemoryFileSystem: the constructor, paths, and what changes the tree.

Sections 1.2, 1.4 and 1.8 of contracts/dmemfs.md, and rows 9 to 13 of its
section 3.
"""

from __future__ import annotations

import pathlib
import time
from typing import Any

import pytest
from kist import (
    MemoryFileSystem,
    MFSNodeLimitExceededError,
    MFSQuotaExceededError,
)


@pytest.fixture
def fs() -> MemoryFileSystem:
    return MemoryFileSystem(default_lock_timeout=0)


def put(fs: MemoryFileSystem, path: str, data: bytes = b"x") -> None:
    with fs.open(path, "wb") as file:
        file.write(data)


# --- the constructor --------------------------------------------------------


def test_a_new_file_system_is_empty():
    """1.2: nothing used, one directory, and the defaults of the contract."""
    stats = MemoryFileSystem().stats()
    assert stats == {
        "used_bytes": 0,
        "quota_bytes": 256 << 20,
        "free_bytes": 256 << 20,
        "file_count": 0,
        "dir_count": 1,
        "chunk_count": 0,
        "overhead_per_chunk_estimate": 93,
    }
    assert list(stats)[:2] == ["used_bytes", "quota_bytes"]


def test_the_constructor_takes_all_by_place_and_by_name():
    """1.2: nine arguments, in this order."""
    fs = MemoryFileSystem(
        1000, 10, 100, 5, "sequential", 0.5, "none", "raise", 2.0
    )
    assert fs._options() == {
        "max_quota": 1000,
        "chunk_overhead_override": 10,
        "promotion_hard_limit": 100,
        "max_nodes": 5,
        "default_storage": "sequential",
        "default_lock_timeout": 0.5,
        "memory_guard": "none",
        "memory_guard_action": "raise",
        "memory_guard_interval": 2.0,
    }
    again = MemoryFileSystem(**fs._options())
    assert again._options() == fs._options()
    assert (
        MemoryFileSystem(default_lock_timeout=None)._options()[
            "default_lock_timeout"
        ]
        is None
    )


@pytest.mark.parametrize("value", ["AUTO", "", "page", None, 3, b"auto"])
def test_storage_is_one_of_three(value: Any):
    """1.2: a wrong default_storage is a ValueError, and looked at first."""
    with pytest.raises(ValueError, match="Invalid default_storage value: "):
        MemoryFileSystem("no number", default_storage=value, memory_guard="?")


def test_guards_are_one_of_three():
    """1.2: a wrong guard or action is a ValueError, also if none is used."""
    with pytest.raises(ValueError, match="Invalid memory_guard: 'x'"):
        MemoryFileSystem(memory_guard="x")
    with pytest.raises(ValueError, match="Invalid memory_guard_action: 'x'"):
        MemoryFileSystem(memory_guard_action="x")


@pytest.mark.parametrize(
    "name",
    ["max_quota", "chunk_overhead_override", "promotion_hard_limit",
     "max_nodes"],
)  # fmt: skip
def test_limits_are_whole_numbers(name: str):
    """1.2 [F]: what is no int, or negative, is refused at once."""
    for wrong in ("5", 1.0, b"1", [1]):
        with pytest.raises(TypeError, match=name):
            MemoryFileSystem(**{name: wrong})
    with pytest.raises(ValueError, match=name):
        MemoryFileSystem(**{name: -1})
    with pytest.raises(OverflowError):
        MemoryFileSystem(**{name: 1 << 64})


def test_other_numbers_are_looked_at():
    """1.2 [F]: the timeout and the interval are numbers."""
    with pytest.raises(TypeError):
        MemoryFileSystem(default_lock_timeout="1")
    with pytest.raises(ValueError):
        MemoryFileSystem(default_lock_timeout=float("nan"))
    with pytest.raises(TypeError):
        MemoryFileSystem(memory_guard_interval=None)
    with pytest.raises(ValueError):
        MemoryFileSystem(memory_guard_interval=-1)
    with pytest.raises(TypeError):
        MemoryFileSystem(no_such=1)
    MemoryFileSystem(default_lock_timeout=float("inf"))
    MemoryFileSystem(default_lock_timeout=-5)


def test_no_node_at_all_is_refused():
    """1.2: max_nodes counts the root."""
    with pytest.raises(MFSNodeLimitExceededError) as caught:
        MemoryFileSystem(max_nodes=0)
    assert (caught.value.current, caught.value.limit) == (0, 0)
    fs = MemoryFileSystem(max_nodes=2)
    fs.mkdir("/a")
    with pytest.raises(MFSNodeLimitExceededError, match="node limit") as more:
        fs.mkdir("/b")
    assert (more.value.current, more.value.limit) == (2, 2)
    assert (more.value.requested, more.value.available) == (3, 0)


def test_two_file_systems_share_nothing(fs: MemoryFileSystem):
    """1.1: there is no global store."""
    fs.mkdir("/a")
    assert not MemoryFileSystem().exists("/a")


# --- paths -------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/a/b", "a/b", "//a//b", "/a/./b/", "\\a\\b", "/a/x/../b", "./a/b/.",
     "///a/b", "a\\b\\"],
)  # fmt: skip
def test_paths_are_put_straight(fs: MemoryFileSystem, path: str):
    """1.4: "\\" is "/", empty parts and dots fall away."""
    fs.mkdir("/a")
    put(fs, path, b"123")
    assert fs.get_size("/a/b") == 3
    assert fs.exists(path) and fs.is_file(path)
    assert fs.glob("**") == ["/a", "/a/b"]


@pytest.mark.parametrize("path", ["..", "/..", "a/../..", "..\\x", "/a/../.."])
def test_no_path_leaves_the_root(fs: MemoryFileSystem, path: str):
    """1.4: a ValueError with "traversal"; the three questions say False."""
    fs.mkdir("/a")
    assert not fs.exists(path)
    assert not fs.is_dir(path)
    assert not fs.is_file(path)
    for call in (
        lambda: fs.open(path, "wb"),
        lambda: fs.open(path),
        lambda: fs.mkdir(path),
        lambda: fs.remove(path),
        lambda: fs.rmtree(path),
        lambda: fs.rename("/a", path),
        lambda: fs.rename(path, "/b"),
        lambda: fs.move("/a", path),
        lambda: fs.copy(path, "/b"),
        lambda: fs.copy("/a", path),
        lambda: fs.copy_tree("/a", path),
        lambda: fs.listdir(path),
        lambda: fs.stat(path),
        lambda: fs.get_size(path),
        lambda: fs.view(path),
        lambda: fs.export_as_bytesio(path),
        lambda: fs.export_tree(path),
        lambda: next(fs.iter_export_tree(path)),
        lambda: next(fs.walk(path)),
        lambda: fs.import_tree({path: b""}),
    ):
        with pytest.raises(ValueError, match="traversal"):
            call()


def test_the_path_that_leaves_the_root_is_named(fs: MemoryFileSystem):
    """1.4: of two paths, the one that is wrong stands in the message."""
    with pytest.raises(ValueError, match=r"'\.\./one'"):
        fs.rename("../one", "../two")
    with pytest.raises(ValueError, match=r"'\.\./two'"):
        fs.rename("/one", "../two")


@pytest.mark.parametrize(
    "name",
    ["a\0b", " a ", "...", "é", "日本", "\U0001f600", "\ud800", "\ud83d\ude00",
     "\n", "x" * 5000, "*", "[a]"],
)  # fmt: skip
def test_names_have_no_limit(fs: MemoryFileSystem, name: str):
    """1.4: NUL, spaces, lone surrogates, any length: all come back."""
    put(fs, "/" + name, b"1")
    fs.mkdir("/d/" + name)
    assert fs.listdir("/") == [name, "d"]
    assert fs.listdir("/d") == [name]
    assert list(fs.walk("/d")) == [("/d", [name], []), ("/d/" + name, [], [])]
    assert fs.export_tree() == {"/" + name: b"1"}
    assert sorted(fs.glob("/*")) == sorted(["/" + name, "/d"])
    with pytest.raises(FileExistsError) as caught:
        fs.mkdir("/" + name + "/x")
    assert caught.value.errno is None


def test_names_are_case_sensitive(fs: MemoryFileSystem):
    """1.4: "A" is not "a"."""
    put(fs, "/A")
    assert not fs.exists("/a")


@pytest.mark.parametrize(
    "path", [b"/a", pathlib.Path("/a"), pathlib.PurePath("/a"), 1, None, []]
)
def test_paths_are_strings(fs: MemoryFileSystem, path: Any):
    """1.4 [F]: a TypeError for all else, os.PathLike included."""
    fs.mkdir("/b")
    for call in (
        lambda: fs.open(path),
        lambda: fs.exists(path),
        lambda: fs.is_dir(path),
        lambda: fs.is_file(path),
        lambda: fs.stat(path),
        lambda: fs.mkdir(path),
        lambda: fs.rename("/b", path),
        lambda: fs.copy(path, "/c"),
        lambda: fs.glob(path),
        lambda: next(fs.walk(path)),
        lambda: fs.import_tree({path: b""} if path != [] else {1: b""}),
    ):
        with pytest.raises(TypeError):
            call()


class Text(str):
    """A path may be of a subclass of str."""


def test_subclasses_of_str_are_strings(fs: MemoryFileSystem):
    """1.4: they are what they are in the rest of Python."""
    fs.mkdir(Text("/é"))
    assert fs.is_dir(Text("/é")) and fs.is_dir("/é")
    put(fs, Text("/ascii"))
    assert fs.exists("/ascii")


def test_a_file_on_the_way_is_not_found(fs: MemoryFileSystem):
    """1.4: looking below a file gives FileNotFoundError."""
    put(fs, "/f")
    for call in (fs.open, fs.stat, fs.listdir, fs.remove, fs.rmtree,
                 fs.get_size, fs.export_as_bytesio):  # fmt: skip
        with pytest.raises(FileNotFoundError):
            call("/f/x")
    assert not fs.exists("/f/x")


def test_normalize_path_is_there():
    """1.1: what tests of the peer import from its private modules."""
    from kist.memfs._exceptions import MFSQuotaExceededError as error
    from kist.memfs._file import CHUNK_OVERHEAD_ESTIMATE
    from kist.memfs._fs import MemoryFileSystem as same
    from kist.memfs._path import normalize_path

    assert normalize_path("a\\b/../c/") == "/a/c"
    assert normalize_path("") == "/" == normalize_path("//")
    assert normalize_path("/é/\ud800") == "/é/\ud800"
    with pytest.raises(ValueError, match="traversal"):
        normalize_path("..")
    with pytest.raises(TypeError):
        normalize_path(None)  # type: ignore[arg-type]
    assert same is MemoryFileSystem and error is MFSQuotaExceededError
    assert CHUNK_OVERHEAD_ESTIMATE == 93


# --- arguments ---------------------------------------------------------------


def test_arguments_by_name(fs: MemoryFileSystem):
    """1.6, 1.8: every parameter may be given by its name."""
    fs.mkdir(path="/d", exist_ok=False)
    fs.open(path="/d/f", mode="wb", preallocate=5, lock_timeout=None).close()
    fs.rename(src="/d/f", dst="/g")
    fs.move(dst="/d/f", src="/g")
    fs.copy(src="/d/f", dst="/c")
    fs.copy_tree(src="/d", dst="/e")
    assert fs.exists(path="/e/f") and fs.is_file(path="/e/f")
    assert fs.is_dir(path="/e")
    assert fs.stat(path="/c")["size"] == fs.get_size(path="/c") == 5
    assert fs.listdir(path="/e") == ["f"]
    assert len(list(fs.walk(path="/e"))) == 1
    assert fs.glob(pattern="/e/*") == ["/e/f"]
    assert fs.export_as_bytesio(path="/c", max_size=5).read() == bytes(5)
    assert list(fs.export_tree(prefix="/e", only_dirty=False)) == ["/e/f"]
    assert len(list(fs.iter_export_tree(prefix="/e", only_dirty=True))) == 0
    fs.import_tree(tree={"/i": b"1"})
    fs.remove(path="/i")
    fs.rmtree(path="/e")


def test_wrong_arguments_are_type_errors(fs: MemoryFileSystem):
    """Too many, too few, unknown, given twice."""
    for call in (
        lambda: fs.open(),  # type: ignore[call-arg]
        lambda: fs.open("/a", "rb", 0, None, 5),  # type: ignore[call-arg]
        lambda: fs.open("/a", name="x"),  # type: ignore[call-arg]
        lambda: fs.open("/a", path="x"),  # type: ignore[misc]
        lambda: fs.exists("/a", "/b"),  # type: ignore[call-arg]
        lambda: fs.rename("/a"),  # type: ignore[call-arg]
        lambda: fs.stats(1),  # type: ignore[call-arg]
        lambda: fs.mkdir(exist_ok=True),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError):
            call()


# --- mkdir, remove, rmtree ---------------------------------------------------


def test_mkdir_makes_parents(fs: MemoryFileSystem):
    """1.8: all that are missing."""
    fs.mkdir("/a/b/c")
    assert [path for path, _, _ in fs.walk()] == ["/", "/a", "/a/b", "/a/b/c"]


def test_mkdir_over_something(fs: MemoryFileSystem):
    """1.8: exist_ok is for directories."""
    fs.mkdir("/a")
    put(fs, "/f")
    fs.mkdir("/a", exist_ok=True)
    fs.mkdir("/", exist_ok=True)
    for path, text in (
        ("/a", "Directory exists: '/a'"),
        ("/", "Directory exists: '/'"),
        ("/f", "File exists at path: '/f'"),
        ("/f/x", "A file exists at path component: 'f'"),
    ):
        with pytest.raises(FileExistsError) as caught:
            fs.mkdir(path, exist_ok=path.startswith("/f"))
        assert caught.value.args == (text,)
        assert caught.value.errno is None


def test_mkdir_is_all_or_nothing(fs: MemoryFileSystem):
    """1.8 [F]: the node limit leaves no parents behind."""
    fs = MemoryFileSystem(max_nodes=3)
    with pytest.raises(MFSNodeLimitExceededError):
        fs.mkdir("/a/b/c")
    assert fs.stats()["dir_count"] == 1


def test_remove_takes_files(fs: MemoryFileSystem):
    """1.8: files only, none that is open; the quota comes back."""
    put(fs, "/f", b"x" * 100)
    fs.mkdir("/d")
    with pytest.raises(IsADirectoryError):
        fs.remove("/d")
    with pytest.raises(IsADirectoryError):
        fs.remove("/")
    with pytest.raises(FileNotFoundError):
        fs.remove("/g")
    with fs.open("/f"):
        with pytest.raises(BlockingIOError) as caught:
            fs.remove("f/")
        assert caught.value.args == ("File is open: 'f/'",)
    fs.remove("/f")
    assert fs.stats()["used_bytes"] == 0
    assert fs.listdir("/") == ["d"]


def test_rmtree_takes_directories(fs: MemoryFileSystem):
    """1.8: with all below; none of it if a file below is open."""
    fs.import_tree({"/d/e/f": b"1", "/d/g": b"2", "/x": b"3"})
    with pytest.raises(ValueError, match="root"):
        fs.rmtree("/")
    with pytest.raises(ValueError, match="root"):
        fs.rmtree("//")
    with pytest.raises(FileNotFoundError):
        fs.rmtree("/q")
    with pytest.raises(NotADirectoryError):
        fs.rmtree("/x")
    with fs.open("/d/e/f"):
        with pytest.raises(BlockingIOError, match="'/d/e/f'"):
            fs.rmtree("d")
        assert fs.export_tree() == {"/d/e/f": b"1", "/d/g": b"2", "/x": b"3"}
    fs.rmtree("/d")
    assert fs.export_tree() == {"/x": b"3"}
    assert fs.stats()["dir_count"] == 1


def test_any_depth(fs: MemoryFileSystem):
    """Row 13: nothing recurses."""
    deep = "/d" * 20000
    fs.mkdir(deep)
    put(fs, deep + "/f")
    fs.copy_tree("/d", "/e")
    assert len(list(fs.walk())) == 40001
    assert len(fs.export_tree()) == 2
    assert len(fs.glob("**")) == 40002
    fs.rmtree("/d")
    fs.move("/e", "/x/y")
    assert fs.stats()["dir_count"] == 20002
    del fs


# --- rename and move ---------------------------------------------------------


def test_rename_keeps_what_is_known(fs: MemoryFileSystem):
    """1.8: times and generation stay; the name goes to the end."""
    put(fs, "/f", b"abc")
    put(fs, "/g")
    before = fs.stat("/f")
    fs.rename("/f", "/h")
    assert fs.stat("/h") == before
    assert fs.listdir("/") == ["g", "h"]
    fs.mkdir("/d/e")
    fs.rename("/d", "/k")
    assert fs.is_dir("/k/e") and not fs.exists("/d")


@pytest.mark.parametrize("name", ["rename", "move"])
def test_rename_and_move_refuse(fs: MemoryFileSystem, name: str):
    """1.8: in this order, changing nothing."""
    call = getattr(fs, name)
    fs.import_tree({"/d/f": b"1", "/g": b"2"})
    fs.mkdir("/d/e")
    before = fs.export_tree()
    with pytest.raises(ValueError, match=f"Cannot {name} the root directory"):
        call("//", "/g")
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        call("/q", "/g")
    for dst in ("/g", "/d"):
        with pytest.raises(FileExistsError, match="already exists"):
            call("/g", dst)
    if name == "rename":
        for dst in ("/q/x", "/d/f/x"):
            with pytest.raises(FileNotFoundError) as caught:
                call("/g", dst)
            assert caught.value.args == (
                f"Destination parent does not exist: '{dst}'",
            )
    else:
        for dst in ("/d/f/x", "/d/f/x/y"):
            with pytest.raises(FileExistsError, match="component: 'f'"):
                call("/g", dst)
    with fs.open("/d/f"):
        with pytest.raises(BlockingIOError, match="File is open: '/d/f'"):
            call("/d", "/x")
        with pytest.raises(BlockingIOError):
            call("/d/f", "/d/e/x")
    for dst in ("/d/x", "/d/e/x"):
        with pytest.raises(ValueError, match="into itself"):
            call("/d", dst)
    assert fs.export_tree() == before
    assert fs.is_dir("/d/e") and fs.stats()["dir_count"] == 3


def test_move_makes_parents(fs: MemoryFileSystem):
    """1.8: of the destination, all or none."""
    fs = MemoryFileSystem(max_nodes=5)
    put(fs, "/f")
    fs.move("/f", "/a/b/g")
    assert fs.export_tree() == {"/a/b/g": b"x"}
    with pytest.raises(MFSNodeLimitExceededError):
        fs.move("/a/b/g", "/c/d/e")
    assert fs.stats()["dir_count"] == 3


# --- copies ------------------------------------------------------------------


def test_copy_is_a_new_file(fs: MemoryFileSystem):
    """1.8: generation 1 if not empty, times of now, bytes of its own."""
    put(fs, "/f", b"abc")
    put(fs, "/f", b"abcd")
    put(fs, "/empty", b"")
    time.sleep(0.002)
    fs.copy("/f", "/g")
    fs.copy("/empty", "/h")
    assert fs.stat("/g")["generation"] == 1
    assert fs.stat("/h")["generation"] == 0
    assert fs.stat("/g")["created_at"] > fs.stat("/f")["created_at"]
    with fs.open("/g", "r+b") as file:
        file.write(b"X")
    assert fs.export_tree() == {"/f": b"abcd", "/empty": b"", "/g": b"Xbcd",
                                "/h": b""}  # fmt: skip


def test_copy_refuses(fs: MemoryFileSystem):
    """1.8: and leaves nothing behind."""
    fs = MemoryFileSystem(1000, 10, default_lock_timeout=0)
    put(fs, "/f", b"x" * 600)
    fs.mkdir("/d")
    for src, dst, error in (
        ("/q", "/g", FileNotFoundError),
        ("/d", "/g", IsADirectoryError),
        ("/f", "/d", FileExistsError),
        ("/f", "/q/g", FileNotFoundError),
        ("/f", "/g", MFSQuotaExceededError),
    ):
        with pytest.raises(error):
            fs.copy(src, dst)
    assert fs.listdir("/") == ["f", "d"]
    with fs.open("/f", "ab"), pytest.raises(BlockingIOError):
        fs.copy("/f", "/g")


def test_copy_tree_copies_all(fs: MemoryFileSystem):
    """1.8: generation 0, one chunk a file, also into itself."""
    fs.mkdir("/d/empty")
    with fs.open("/d/f", "wb") as file:
        for _ in range(10):
            file.write(b"12")
    fs.copy_tree("/d", "/d/copy")
    assert fs.export_tree("/d/copy") == {"/d/copy/f": b"12" * 10}
    assert fs.is_dir("/d/copy/empty") and not fs.exists("/d/copy/copy")
    assert fs.stat("/d/copy/f")["generation"] == 0
    assert fs.stats()["chunk_count"] == 11
    fs.copy_tree("/", "/all")
    assert len(fs.export_tree()) == 4


def test_copy_tree_is_all_or_nothing():
    """1.8: any error takes back what was made."""
    fs = MemoryFileSystem(1000, 10, max_nodes=12, default_lock_timeout=0)
    fs.import_tree({"/d/a": b"x" * 200, "/d/b/c": b"x" * 200, "/f": b""})
    for src, dst, error in (
        ("/q", "/e", FileNotFoundError),
        ("/f", "/e", NotADirectoryError),
        ("/d", "/f", FileExistsError),
        ("/d", "/q/e", FileNotFoundError),
    ):
        with pytest.raises(error):
            fs.copy_tree(src, dst)
    before = list(fs.walk()), fs.stats()
    fs.copy_tree("/d", "/e")
    with pytest.raises(MFSQuotaExceededError):
        fs.copy_tree("/d", "/g")
    fs.rmtree("/e")
    fs.mkdir("/1/2/3/4/5")
    with pytest.raises(MFSNodeLimitExceededError):
        fs.copy_tree("/d", "/g")
    fs.rmtree("/1")
    assert (list(fs.walk()), fs.stats()) == before


# --- what is there -----------------------------------------------------------


def test_stat(fs: MemoryFileSystem):
    """1.8, 1.9: five keys in this order; equal times at birth."""
    before = time.time()
    fs.open("/f", "xb").close()
    stat = fs.stat("/f")
    assert list(stat) == ["size", "created_at", "modified_at", "generation",
                          "is_dir"]  # fmt: skip
    assert before <= stat["created_at"] == stat["modified_at"] <= time.time()
    assert type(stat["created_at"]) is float
    assert (stat["size"], stat["generation"], stat["is_dir"]) == (0, 0, False)
    fs.mkdir("/d")
    assert fs.stat("/d")["is_dir"] is True
    assert fs.stat("/d")["size"] == fs.stat("/d")["generation"] == 0
    assert fs.stat("/")["is_dir"] is True
    with pytest.raises(FileNotFoundError):
        fs.stat("/q")


def test_times_are_those_of_time(monkeypatch, fs: MemoryFileSystem):
    """1.9: time.time is asked, so that a test can set the clock."""
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    put(fs, "/f")
    now = 2000.0625
    with fs.open("/f", "ab") as file:
        file.write(b"1")
    stat = fs.stat("/f")
    assert (stat["created_at"], stat["modified_at"]) == (1000.0, 2000.0625)
    for now in (1700000000.1234567, 0.0, -1.5, 2**31 + 0.1):
        put(fs, f"/{now}")
        assert fs.stat(f"/{now}")["created_at"] == now
    monkeypatch.undo()
    put(fs, "/g")
    assert abs(fs.stat("/g")["created_at"] - time.time()) < 60


def test_a_clock_that_fails(monkeypatch, fs: MemoryFileSystem):
    """What time.time raises comes out of the call; all goes on after it."""
    for fake in (lambda: 1 / 0, lambda: "noon", lambda: float("nan")):
        monkeypatch.setattr(time, "time", fake)
        with pytest.raises((ZeroDivisionError, TypeError, ValueError)):
            fs.mkdir("/d", exist_ok=True)
        with pytest.raises((ZeroDivisionError, TypeError, ValueError)):
            fs.open("/f", "wb")
        monkeypatch.undo()
    put(fs, "/f")
    fs.mkdir("/d", exist_ok=True)
    fs.remove("/f")


def test_a_clock_that_comes_back(monkeypatch, fs: MemoryFileSystem):
    """time.time may use the very file system that asks for it."""
    real = time.time

    def busy() -> float:
        monkeypatch.setattr(time, "time", real)
        put(fs, "/log", b"asked")
        return 5.0

    monkeypatch.setattr(time, "time", busy)
    fs.mkdir("/d")
    assert fs.stat("/d")["created_at"] == 5.0
    assert fs.exists("/log")


def test_generations(fs: MemoryFileSystem):
    """1.9: writes, size-changing truncates, wb and preallocate count."""
    steps: list[tuple[str, Any, int]] = [
        ("xb", lambda f: None, 0),
        ("wb", lambda f: f.write(b""), 1),
        ("ab", lambda f: f.write(b"ab"), 2),
        ("ab", lambda f: f.truncate(2), 2),
        ("ab", lambda f: f.truncate(1), 3),
        ("r+b", lambda f: (f.write(b"1"), f.write(b"2")), 5),
        ("rb", lambda f: f.read(), 5),
    ]
    for mode, action, generation in steps:
        with fs.open("/f", mode) as file:
            action(file)
        assert fs.stat("/f")["generation"] == generation, mode
    fs.open("/f", "r+b", preallocate=100).close()
    assert fs.stat("/f")["generation"] == 6
    fs.import_tree({"/f": b"new"})
    assert fs.stat("/f")["generation"] == 0


def test_get_size(fs: MemoryFileSystem):
    """1.8: of files."""
    put(fs, "/f", b"12345")
    assert fs.get_size("/f") == 5
    with pytest.raises(IsADirectoryError):
        fs.get_size("/")
    with pytest.raises(FileNotFoundError):
        fs.get_size("/q")


# --- directories' times ------------------------------------------------------


def test_directories_are_modified_by_names(fs: MemoryFileSystem):
    """Row 21: coming and going names move modified_at, writes do not."""

    def moved(change: Any) -> bool:
        before = fs.stat("/d")["modified_at"]
        time.sleep(0.001)
        change()
        return fs.stat("/d")["modified_at"] != before

    fs.mkdir("/d")
    assert moved(lambda: put(fs, "/d/f"))
    assert not moved(lambda: put(fs, "/d/f", b"more"))
    assert moved(lambda: fs.mkdir("/d/e"))
    assert moved(lambda: fs.rename("/d/f", "/d/g"))
    assert moved(lambda: fs.remove("/d/g"))
    assert moved(lambda: fs.rmtree("/d/e"))
    assert not moved(lambda: fs.listdir("/d"))
