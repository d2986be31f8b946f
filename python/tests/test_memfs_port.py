"""What goes out of a MemoryFileSystem and in: export, import, view, snapshot.

Section 1.8 of contracts/dmemfs.md, rows 5, 6, 9, 10, 20 and 22 of its section
3, and point 4 of the issue.
"""

from __future__ import annotations

import array
import gc
import io
import sys
import types
from typing import Any

import pytest
from kist import (
    MemoryFileSystem,
    MFSNodeLimitExceededError,
    MFSQuotaExceededError,
)


@pytest.fixture
def fs() -> MemoryFileSystem:
    return MemoryFileSystem(1 << 20, 10, default_lock_timeout=0)


def put(fs: MemoryFileSystem, path: str, *pieces: bytes) -> None:
    with fs.open(path, "wb") as file:
        for piece in pieces:
            file.write(piece)


def state(fs: MemoryFileSystem) -> Any:
    """All that can be seen."""
    return (
        list(fs.walk()),
        fs.export_tree(),
        fs.stats(),
        [fs.stat(path) for path in fs.glob("**")],
    )


# --- export ------------------------------------------------------------------


def test_export_as_bytesio(fs: MemoryFileSystem):
    """1.8: detached, at 0, of limited size."""
    put(fs, "/f", b"abc", b"d" * 5000)
    out = fs.export_as_bytesio("/f")
    assert type(out) is io.BytesIO and out.tell() == 0
    out.write(b"XYZ")
    assert fs.export_as_bytesio("/f", 5003).read() == b"abc" + b"d" * 5000
    for limit in (5002, 0, -1):
        with pytest.raises(ValueError) as caught:
            fs.export_as_bytesio("/f", max_size=limit)
        assert caught.value.args == (
            f"File size 5003 exceeds max_size={limit}.",
        )
    fs.mkdir("/d")
    with pytest.raises(IsADirectoryError):
        fs.export_as_bytesio("/d")
    with pytest.raises(FileNotFoundError):
        fs.export_as_bytesio("/q")
    with pytest.raises(TypeError):
        fs.export_as_bytesio("/f", "1")
    put(fs, "/empty")
    assert fs.export_as_bytesio("/empty").getvalue() == b""


def test_export_tree(fs: MemoryFileSystem):
    """1.8: {absolute path: bytes}, depth first in the order of coming."""
    fs.import_tree({"/b/c/f": b"1", "/a": b"2", "/b/g": b"3"})
    fs.mkdir("/empty")
    put(fs, "/b/h", b"4" * 5000, b"5")
    tree = fs.export_tree()
    assert list(tree) == ["/b/c/f", "/b/g", "/b/h", "/a"]
    assert tree["/b/h"] == b"4" * 5000 + b"5"
    assert all(type(data) is bytes for data in tree.values())
    assert fs.export_tree("/b/c") == {"/b/c/f": b"1"}
    assert fs.export_tree("b//c/f") == {"/b/c/f": b"1"}
    assert fs.export_tree("/q") == fs.export_tree("/a/x") == {}
    assert fs.export_tree("/empty") == {}
    assert dict(fs.iter_export_tree("/b")) == fs.export_tree("/b")
    assert list(fs.iter_export_tree()) == list(tree.items())
    for wrong in (5, None):
        with pytest.raises(TypeError):
            fs.export_tree(wrong)


def test_dirty_files(fs: MemoryFileSystem):
    """1.8: those with a generation."""
    fs.import_tree({"/clean": b"1", "/d/f": b"2"})
    put(fs, "/written", b"3")
    fs.open("/made", "xb").close()
    fs.copy("/clean", "/copied")
    fs.copy_tree("/d", "/e")
    want = {"/written": b"3", "/copied": b"1"}
    assert fs.export_tree("/", True) == want
    assert dict(fs.iter_export_tree(only_dirty=True)) == want


def test_iter_export_tree_goes_by_file(fs: MemoryFileSystem):
    """1.8: the list of the first step; deleted ones are left out."""
    fs.import_tree({f"/{name}": name.encode() for name in "abcdef"})
    files = fs.iter_export_tree()
    put(fs, "/0", b"before the first step")
    assert next(files) == ("/a", b"a")
    fs.remove("/b")
    fs.rename("/c", "/renamed")
    put(fs, "/d", b"new")
    fs.remove("/e")
    put(fs, "/e", b"another")
    put(fs, "/late", b"")
    assert list(files) == [
        ("/c", b"c"), ("/d", b"new"), ("/f", b"f"),
        ("/0", b"before the first step"),
    ]  # fmt: skip
    assert list(files) == []
    files = fs.iter_export_tree("..")
    with pytest.raises(ValueError, match="traversal"):
        next(files)
    own = MemoryFileSystem()
    own.import_tree(fs.export_tree())
    files = own.iter_export_tree()
    next(files)
    del own
    gc.collect()
    assert len(list(files)) == 6


# --- import ------------------------------------------------------------------


def test_import_tree(fs: MemoryFileSystem):
    """1.8: makes parents, replaces files in their places."""
    put(fs, "/b", b"old")
    put(fs, "/a", b"kept")
    fs.import_tree({"x/y/../z": b"1", "/b": b"new", "\\e": b""})
    assert fs.export_tree() == {"/b": b"new", "/a": b"kept", "/x/z": b"1",
                                "/e": b""}  # fmt: skip
    assert fs.listdir("/") == ["b", "a", "x", "e"]
    assert fs.stat("/b")["generation"] == 0
    stat = fs.stat("/b")
    assert stat["created_at"] == stat["modified_at"]


def test_nothing_to_import(fs: MemoryFileSystem):
    """1.8: {} and None are nothing."""
    before = state(fs)
    fs.import_tree({})
    fs.import_tree(None)
    assert state(fs) == before


def test_import_takes_mappings(fs: MemoryFileSystem):
    """1.8: of any kind that has items()."""
    fs.import_tree(types.MappingProxyType({"/a": b"1"}))

    class Mine(dict):  # type: ignore[type-arg]
        def items(self) -> Any:
            return [("/b", b"2"), ("/c", b"3")]

    fs.import_tree(Mine(x=1))
    assert fs.export_tree() == {"/a": b"1", "/b": b"2", "/c": b"3"}
    for wrong in ([1], 5):
        with pytest.raises(AttributeError):
            fs.import_tree(wrong)  # type: ignore[arg-type]

    class Wrong(dict):  # type: ignore[type-arg]
        def items(self) -> Any:
            return [("/b", b"2", 3)]

    with pytest.raises(TypeError):
        fs.import_tree(Wrong(x=1))


@pytest.mark.parametrize(
    "value",
    [bytearray(b"abc"), memoryview(b"xabcx")[1:-1], memoryview(b"abc"),
     memoryview(b"a.b.c")[::2]],
)  # fmt: skip
def test_import_copies_what_may_change(fs: MemoryFileSystem, value: Any):
    """Row 22: buffers are copied."""
    fs.import_tree({"/f": value})
    assert fs.export_tree() == {"/f": b"abc"}


@pytest.mark.parametrize(
    "value", ["text", None, 5, [b"x"], array.array("b", b"x"), io.BytesIO()]
)
def test_import_refuses_what_is_no_bytes(fs: MemoryFileSystem, value: Any):
    """1.8 [F]: with TypeError, and imports nothing."""
    before = state(fs)
    with pytest.raises(TypeError):
        fs.import_tree({"/d/a": b"1", "/f": value})
    for key in (5, None, b"/f"):
        with pytest.raises(TypeError):
            fs.import_tree({"/d/a": b"1", key: b""})  # type: ignore[dict-item]
    assert state(fs) == before


def test_import_is_all_or_nothing():
    """1.8, row 10: whatever one of the files is refused for."""
    fs = MemoryFileSystem(500, 10, max_nodes=7, default_lock_timeout=0)
    fs.import_tree({"/d/f": b"1", "/g": b"x" * 100})
    with fs.open("/g"):
        before = state(fs)
        for more, error, text in (
            ({"..": b""}, ValueError, "traversal"),
            ({"/d": b""}, IsADirectoryError, "'/d'"),
            ({"/": b""}, IsADirectoryError, "'/'"),
            ({"/d/f/x": b""}, FileExistsError, "component: 'f'"),
            ({"/n/a/b": b""}, FileExistsError, "component: 'a'"),
            (
                {"/g": b""},
                BlockingIOError,
                "Cannot import: file is open: '/g'",
            ),
            ({"/big": b"x" * 5000}, MFSQuotaExceededError, "quota"),
            ({"/q/r/s/t": b""}, MFSNodeLimitExceededError, "node limit"),
        ):
            with pytest.raises(error, match=text):
                fs.import_tree({"/n/a": b"", "/d/f": b"new", **more})
            assert state(fs) == before
    fs.import_tree({"/g": b"x" * 380})
    with pytest.raises(MFSQuotaExceededError) as caught:
        fs.import_tree({"/g": b"x" * 500, "/d/f": b"1234"})
    assert caught.value.available == fs.stats()["free_bytes"]
    assert caught.value.requested == 123


def test_the_last_of_two_keys_counts(fs: MemoryFileSystem):
    """1.4, 1.8: one path, however it is written, is one file."""
    fs.import_tree({"/a": b"1", "//a": b"2", "b/../a": b"3", "\\a": b"4"})
    assert fs.export_tree() == {"/a": b"4"}
    assert fs.stats()["file_count"] == 1


def test_import_lends_exact_bytes():
    """Issue 4: by reference, and given back when nobody needs them."""
    fs = MemoryFileSystem()
    data = bytes(range(256)) * 20
    count = sys.getrefcount(data)
    fs.import_tree({f"/{i}": data for i in range(50)})
    assert sys.getrefcount(data) == count + 50
    with pytest.raises(IsADirectoryError):
        fs.import_tree({"/x": data, "/": data})
    assert sys.getrefcount(data) == count + 50
    fs.import_tree({f"/{i}": b"" for i in range(40)})
    assert sys.getrefcount(data) == count + 10
    fs.remove("/45")
    del fs
    gc.collect()
    assert sys.getrefcount(data) == count


def test_a_large_import_lets_go_in_time():
    """What is replaced without the GIL is dropped when it is back."""
    fs = MemoryFileSystem(1 << 28)
    data = bytes(5000)
    count = sys.getrefcount(data)
    fs.import_tree({f"/{i}": data for i in range(500)})
    assert sys.getrefcount(data) == count + 500
    fs.import_tree({f"/{i}": bytearray(5000) for i in range(500)})
    assert sys.getrefcount(data) == count
    assert set(fs.export_tree().values()) == {bytes(5000)}


# --- view --------------------------------------------------------------------


@pytest.mark.parametrize(
    "pieces", [[], [b""], [b"abc"], [b"x" * 5000], [b"ab", b"cd" * 5000, b"e"],
               [bytes(range(256)) * 4096, bytes(300000)]]
)  # fmt: skip
def test_view(fs: MemoryFileSystem, pieces: list[bytes]):
    """Issue 4: read-only, of one piece, and it stays as it was."""
    fs = MemoryFileSystem(1 << 30)
    put(fs, "/f", *pieces)
    want = b"".join(pieces)
    view = fs.view("/f")
    assert type(view) is memoryview and view.readonly and view.c_contiguous
    assert (view.format, view.itemsize, view.nbytes) == ("B", 1, len(want))
    assert view == want
    with fs.open("/f", "r+b") as file:
        file.write(b"XYZ")
    with fs.open("/f", "ab") as file:
        file.write(b"more")
    assert view == want and fs.view("/f") != want
    fs.remove("/f")
    del fs
    gc.collect()
    assert bytes(view) == want
    view.release()


def test_view_refuses(fs: MemoryFileSystem):
    """As open() does; and a view is no handle: it locks nothing."""
    fs.mkdir("/d")
    put(fs, "/f", b"x")
    with pytest.raises(FileNotFoundError):
        fs.view("/q")
    with pytest.raises(IsADirectoryError):
        fs.view("/d")
    with fs.open("/f", "ab"), pytest.raises(BlockingIOError):
        fs.view("/f")
    view = fs.view("/f")
    with pytest.raises(TypeError):
        view[0] = 1
    fs.remove("/f")


# --- snapshot and restore ----------------------------------------------------


def test_snapshot_is_its_own():
    """Issue 4: the same tree, then each goes its way."""
    fs = MemoryFileSystem(1 << 20, 10)
    big = bytes(range(256)) * 100
    fs.mkdir("/d")
    put(fs, "/d/f", b"abc", big)
    before = state(fs)
    snapshot = fs.snapshot()
    assert type(snapshot) is MemoryFileSystem
    assert state(snapshot) == before
    assert snapshot._options() == fs._options()
    put(fs, "/d/f", b"new")
    fs.mkdir("/e")
    assert state(snapshot) == before
    with snapshot.open("/d/f", "r+b") as file:
        file.write(b"X")
    snapshot.rmtree("/d")
    assert fs.export_tree() == {"/d/f": b"new"}
    assert snapshot.stats()["used_bytes"] == 0
    del fs
    gc.collect()
    put(snapshot, "/g", b"1")


def test_restore(fs: MemoryFileSystem):
    """Issue 4: all of it comes back; the snapshot stays as it is."""
    put(fs, "/f", b"abc")
    before = state(fs)
    snapshot = fs.snapshot()
    for _ in range(2):
        put(fs, "/f", b"changed")
        put(fs, "/g", b"x" * 5000)
        assert fs.restore(snapshot) is None
        assert state(fs)[:3] == before[:3]
        assert state(snapshot)[:3] == before[:3]
    fs.restore(snapshot=fs.snapshot())
    assert fs.export_tree() == {"/f": b"abc"}


def test_restore_refuses(fs: MemoryFileSystem):
    """And then nothing has changed."""
    put(fs, "/f", b"abc")
    snapshot = fs.snapshot()
    put(fs, "/f", b"new")
    for wrong in (None, 5, "x", object()):
        with pytest.raises(TypeError, match="MemoryFileSystem"):
            fs.restore(wrong)
    with fs.open("/f"), pytest.raises(BlockingIOError, match="'/f'"):
        fs.restore(snapshot)
    small = MemoryFileSystem(10, 10)
    few = MemoryFileSystem(max_nodes=1)
    for other, error in ((small, MFSQuotaExceededError),
                         (few, MFSNodeLimitExceededError)):  # fmt: skip
        with pytest.raises(error):
            other.restore(snapshot)
        assert other.listdir("/") == []
    assert fs.export_tree() == {"/f": b"new"}


def test_a_snapshot_costs_no_bytes():
    """Issue 4: 1 GiB of files is shared, not copied."""
    import resource

    fs = MemoryFileSystem(4 << 30)
    data = bytes(1 << 20)
    fs.import_tree({f"/{i}": data for i in range(1024)})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    snapshots = [fs.snapshot() for _ in range(10)]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 50_000
    assert snapshots[3].view("/5").obj is data
