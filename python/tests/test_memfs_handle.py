"""MemoryFileHandle: reading, writing, and what it counts.

Sections 1.5 and 1.7 of contracts/dmemfs.md, and rows 3, 4, 8, 14 to 16, 22 of
its section 3.
"""

from __future__ import annotations

import array
import copy
import io
import pickle
import tarfile
import zipfile
from typing import Any

import pytest
from kist import (
    MemoryFileHandle,
    MemoryFileSystem,
    MFSQuotaExceededError,
)


@pytest.fixture
def fs() -> MemoryFileSystem:
    return MemoryFileSystem(1 << 20, 10, default_lock_timeout=0)


def put(fs: MemoryFileSystem, path: str, *pieces: bytes) -> None:
    with fs.open(path, "wb") as file:
        for piece in pieces:
            file.write(piece)


def used(fs: MemoryFileSystem) -> tuple[int, int]:
    stats = fs.stats()
    assert stats["free_bytes"] == stats["quota_bytes"] - stats["used_bytes"]
    return stats["used_bytes"], stats["chunk_count"]


# --- reading -----------------------------------------------------------------

SIZES = (0, 1, 2, 511, 512, 513, 4095, 4096, 4097, 8192, 65536, 262144,
         300000, 5 << 20)  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_what_was_written_is_read(size: int):
    """1.7: exact bytes, all, in parts, past the end, into a buffer."""
    fs = MemoryFileSystem(64 << 20)
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    put(fs, "/f", data)
    with fs.open("/f") as file:
        got = file.read()
        assert got == data and type(got) is bytes
        assert file.tell() == size
        assert file.read() == file.read(5) == file.readall() == b""
        for part in (1, 100, 4095, 4096, 5000, size + 1):
            file.seek(max(0, size - part))
            got = file.read(part)
            assert got == data[max(0, size - part) :]
            assert type(got) is bytes
        file.seek(size // 2)
        buffer = bytearray(size + 3)
        assert file.readinto(buffer) == size - size // 2
        assert buffer[: size - size // 2] == data[size // 2 :]
        assert file.readinto(buffer) == 0
        file.seek(size + 100)
        assert file.read() == b"" and file.tell() == size + 100
        assert file.read(0) == b""


def test_exact_bytes_are_kept_and_given_back(fs: MemoryFileSystem):
    """Issue 4: 4 KiB and more by reference; the same object comes back."""
    whole = bytes(range(256)) * 16
    put(fs, "/f", whole, whole, b"small", bytearray(whole))
    with fs.open("/f") as file:
        assert file.read(4096) is whole
        assert file.read(4096) is whole
        assert file.read(5) == b"small"
        assert file.read(4096) == whole
    put(fs, "/f", whole)
    assert fs.export_tree()["/f"] is whole
    assert dict(fs.iter_export_tree())["/f"] is whole
    assert fs.view("/f").obj is whole
    assert fs.export_as_bytesio("/f").getvalue() is whole
    fs.copy("/f", "/g")
    with fs.open("/f", "r+b") as file:
        file.write(b"X")
    assert fs.export_tree()["/g"] is whole
    assert fs.export_tree()["/f"] == b"X" + whole[1:]
    assert whole[0] == 0


def test_sizes_that_read_takes(fs: MemoryFileSystem):
    """1.7: negative is all; None and floats are TypeErrors."""
    put(fs, "/f", b"abcdef")
    with fs.open("/f") as file:
        assert file.read(True) == b"a"
        assert file.read(size=1) == b"b"
        assert file.read(-7) == b"cdef"
        for wrong in (None, 1.0, "1"):
            with pytest.raises(TypeError):
                file.read(wrong)
        with pytest.raises(OverflowError):
            file.read(1 << 64)
        file.seek(0)
        assert file.read((1 << 63) - 1) == b"abcdef"

        class Index:
            def __index__(self) -> int:
                return 2

        file.seek(Index())
        assert file.read(Index()) == b"cd"


def test_an_index_that_closes(fs: MemoryFileSystem):
    """What runs while the arguments are read may close the handle."""
    put(fs, "/f", b"abcdef")

    class Closing:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __index__(self) -> int:
            self.file.close()
            return 1

    for name in ("read", "seek", "truncate", "readline"):
        file = fs.open("/f", "r+b")
        with pytest.raises(ValueError, match="closed file"):
            getattr(file, name)(Closing(file))
        with pytest.raises(ValueError, match="closed file"):
            getattr(file, name)(Closing(file))


@pytest.mark.parametrize(
    "buffer",
    [bytearray(6), memoryview(bytearray(6)), array.array("B", bytes(6)),
     array.array("H", bytes(6)), memoryview(bytearray(6)).cast("h")],
)  # fmt: skip
def test_readinto_any_buffer(fs: MemoryFileSystem, buffer: Any):
    """1.7: any writable buffer in one piece, as bytes."""
    put(fs, "/f", b"abcdefgh")
    with fs.open("/f") as file:
        assert file.readinto(buffer) == 6
        assert bytes(buffer) == b"abcdef"
        assert file.readinto(buffer=buffer) == 2
        assert bytes(buffer) == b"ghcdef"
        for wrong in (b"abc", memoryview(b"abc"), "abc", None, 5,
                      memoryview(bytearray(6))[::2]):  # fmt: skip
            with pytest.raises(TypeError):
                file.readinto(wrong)


def test_lines(fs: MemoryFileSystem):
    """1.7: readline, readlines and iteration, of any length."""
    lines = [
        b"one\n",
        b"\n",
        b"x" * 511 + b"\n",
        b"y" * 512 + b"\n",
        b"z" * 5000 + b"\n",
        b"w" * 300000 + b"\n",
        b"\r\n",
        b"end",
    ]
    put(fs, "/f", b"".join(lines))
    with fs.open("/f") as file:
        assert list(file) == lines
        file.seek(0)
        assert file.readlines() == lines
        file.seek(0)
        assert file.readlines(3) == lines[:1]
        file.seek(0)
        for line in lines:
            assert file.readline() == line
        assert file.readline() == b""
        file.seek(0)
        assert file.readline(2) == b"on"
        assert file.readline(0) == b""
        assert file.readline(100) == b"e\n"
        assert file.readline(-1) == b"\n"
        assert file.readline(512) == b"x" * 511 + b"\n"
        assert file.readline(None) == b"y" * 512 + b"\n"
        assert file.readline(4000) == b"z" * 4000
        assert file.readline(1001) == b"z" * 1000 + b"\n"
        assert file.tell() == sum(map(len, lines[:5]))
        with pytest.raises(TypeError):
            file.readline("1")


# --- writing -----------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [b"", b"abc", b"x" * 4096, bytearray(b"abc"), bytearray(5000),
     memoryview(b"abcdef")[::2], memoryview(b"abcdef")[::-1],
     memoryview(array.array("i", range(2000))), memoryview(bytes(10000))[::2],
     memoryview(bytes(range(24))).cast("B", (4, 6)), bytearray(400000),
     memoryview(bytearray(range(200)) * 4000)[::-2]],
)  # fmt: skip
def test_write_takes_bytes(fs: MemoryFileSystem, data: Any):
    """1.7: bytes, bytearray, memoryview, of any shape; a length back."""
    with fs.open("/f", "wb") as file:
        assert file.write(data) == len(bytes(data))
        assert file.write(data=data) == len(bytes(data))
    assert fs.export_tree()["/f"] == bytes(data) * 2


class Bytes(bytes):
    """A subclass may be anything, and is copied."""


def test_write_copies_what_may_change(fs: MemoryFileSystem):
    """Row 22: a bytearray is not kept by reference, nor a subclass."""
    data = bytearray(b"a" * 5000)
    sub = Bytes(b"b" * 5000)
    put(fs, "/f", data)  # type: ignore[arg-type]
    put(fs, "/g", memoryview(data))  # type: ignore[arg-type]
    put(fs, "/h", sub)
    fs.import_tree({"/i": data, "/j": sub})
    data[:] = b"c" * 5000
    data.clear()
    for path in ("/f", "/g", "/i"):
        assert fs.export_tree()[path] == b"a" * 5000
    for path in ("/h", "/j"):
        got = fs.export_tree()[path]
        assert got == sub and type(got) is bytes


@pytest.mark.parametrize(
    "data", ["text", None, 5, [1], array.array("b", b"abc"), io.BytesIO(b"a")]
)
def test_write_refuses_all_else(fs: MemoryFileSystem, data: Any):
    """1.7: with TypeError, and writes nothing."""
    with fs.open("/f", "wb") as file:
        with pytest.raises(TypeError, match="bytes-like object is required"):
            file.write(data)
        assert file.tell() == 0
    assert fs.stat("/f")["generation"] == 0


def test_writelines(fs: MemoryFileSystem):
    """1.7: each is written; an error stops it."""
    with fs.open("/f", "wb") as file:
        assert file.writelines([b"a", bytearray(b"b"), b"c" * 5000]) is None
        file.writelines(iter([]))
        with pytest.raises(TypeError):
            file.writelines([b"d", "e", b"f"])
        with pytest.raises(TypeError):
            file.writelines(5)
        with pytest.raises(ValueError, match="closed"):
            file.writelines(f() or b"g" for f in (bytes, file.close))
    assert fs.export_tree()["/f"] == b"ab" + b"c" * 5000 + b"dg"


def test_a_gap_is_zeros(fs: MemoryFileSystem):
    """1.7: writing past the end fills up."""
    with fs.open("/f", "wb") as file:
        file.seek(5)
        file.write(b"abc")
        assert file.tell() == 8
    assert fs.export_tree() == {"/f": bytes(5) + b"abc"}


# --- the cursor --------------------------------------------------------------


def test_seek_and_tell(fs: MemoryFileSystem):
    """1.7: three ways to say where, and what is refused."""
    put(fs, "/f", b"abcdef")
    with fs.open("/f") as file:
        assert file.seek(2) == file.tell() == 2
        assert file.seek(offset=1, whence=1) == 3
        assert file.seek(-1, io.SEEK_END) == 5
        assert file.seek(0, 2) == 6
        assert file.seek(100) == 100
        assert file.seek(100, 1) == 200
        for args, text in (
            ((-1,), "seek offset must be >= 0 for SEEK_SET"),
            ((-201, 1), "Resulting cursor position -1 is negative."),
            ((-7, 2), "Resulting cursor position -1 is negative."),
            ((1, 2), ("Seeking past end-of-file (SEEK_END with positive "
                      "offset) is not supported in MFS.")),
            ((0, 3), "Invalid whence value: 3. Must be 0, 1, or 2."),
            ((0, -1), "Invalid whence value: -1. Must be 0, 1, or 2."),
            ((0, 1 << 40), (f"Invalid whence value: {1 << 40}. "
                            "Must be 0, 1, or 2.")),
        ):  # fmt: skip
            with pytest.raises(ValueError) as caught:
                file.seek(*args)
            assert caught.value.args == (text,)
            assert file.tell() == 200
        for wrong in (1.0, "1", None):
            with pytest.raises(TypeError):
                file.seek(wrong)
            with pytest.raises(TypeError):
                file.seek(0, wrong)
        for args in ((1 << 63,), (1 << 70,), (-(1 << 70), 1)):
            with pytest.raises(OverflowError):
                file.seek(*args)
        file.seek((1 << 63) - 1)
        with pytest.raises(OverflowError):
            file.seek(1, 1)
        assert file.read() == b""


def test_truncate(fs: MemoryFileSystem):
    """1.7: the cursor comes back to the new end; only changes count."""
    put(fs, "/f", b"abcdef")
    with fs.open("/f", "r+b") as file:
        file.seek(4)
        assert file.truncate() == 4
        assert file.truncate(None) == 4
        assert fs.stat("/f")["generation"] == 2
        assert file.truncate(size=2) == 2
        assert file.tell() == 2
        assert file.truncate(5) == 5
        assert file.tell() == 2
        for wrong, error in (
            (-1, ValueError),
            (1.0, TypeError),
            ("1", TypeError),
            (1 << 63, OverflowError),
        ):
            with pytest.raises(error):
                file.truncate(wrong)
    assert fs.export_tree() == {"/f": b"ab\0\0\0"}


# --- closed ------------------------------------------------------------------


def test_closed_handles_say_so(fs: MemoryFileSystem):
    """1.7: ValueError, but for close() and `with`; twice is fine."""
    with fs.open("/f", "wb") as file:
        assert file.closed is file._is_closed is False
        assert file.__enter__() is file
    file.close()
    assert file.closed is file._is_closed is True
    assert file.__enter__() is file
    for call in (
        file.read, file.readall, file.readline, file.readlines, file.tell,
        file.flush, file.truncate, file.readable, file.writable,
        file.seekable, file.isatty, file.fileno,
        lambda: file.readinto(bytearray(1)), lambda: file.write(b"x"),
        lambda: file.write("x"), lambda: file.writelines([]),
        lambda: file.seek(0), lambda: next(file), lambda: iter(file),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            call()
    for name in ("name", "mode"):
        assert not hasattr(file, name)


def test_it_is_a_raw_io_base(fs: MemoryFileSystem):
    """1.7: and works under what the standard library puts on top."""
    assert issubclass(MemoryFileHandle, io.RawIOBase)
    put(fs, "/f", b"one\ntwo\n")
    with fs.open("/f") as file:
        assert isinstance(file, io.RawIOBase)
        assert file.isatty() is False
        assert file.flush() is None
        with pytest.raises(io.UnsupportedOperation):
            file.fileno()
        assert io.BufferedReader(file).readlines() == [b"one\n", b"two\n"]
    with fs.open("/g", "xb") as file:
        text = io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-16")
        text.write("é\n" * 10000)
        text.close()
        assert file.closed
    with fs.open("/g") as file:
        text = io.TextIOWrapper(io.BufferedReader(file), encoding="utf-16")
        assert text.read() == "é\n" * 10000
    with io.BufferedRandom(fs.open("/g", "r+b")) as buffered:
        buffered.seek(3)
        buffered.write(b"xyz")
        buffered.seek(2)
        assert buffered.read(5)[1:4] == b"xyz"


def test_archives(fs: MemoryFileSystem):
    """1.7: zipfile and tarfile read and write it."""
    with fs.open("/z.zip", "xb") as file, zipfile.ZipFile(file, "w") as made:
        made.writestr("a/b", b"x" * 5000)
    with fs.open("/z.zip") as file, zipfile.ZipFile(file) as read:
        assert read.read("a/b") == b"x" * 5000
    with (
        fs.open("/t", "wb") as file,
        tarfile.open(fileobj=file, mode="w:gz") as tar,
    ):
        info = tarfile.TarInfo("n")
        info.size = 5000
        tar.addfile(info, io.BytesIO(b"y" * 5000))
    with fs.open("/t") as file, tarfile.open(fileobj=file) as tar:
        member = tar.extractfile("n")
        assert member is not None and member.read() == b"y" * 5000


def test_handles_are_not_copied(fs: MemoryFileSystem):
    """Row 16: nor pickled, which would give one lock back twice."""
    with fs.open("/f", "wb") as file:
        for make in (copy.copy, copy.deepcopy, pickle.dumps,
                     lambda x: pickle.dumps(x, 0)):  # fmt: skip
            with pytest.raises(TypeError):
                make(file)
            with pytest.raises(TypeError):
                make(fs)
    fs.open("/f", "wb").close()


# --- what is counted ---------------------------------------------------------


def test_appends_count_their_chunks(fs: MemoryFileSystem):
    """1.5: size and overhead; an empty write is none."""
    with fs.open("/f", "wb") as file:
        assert used(fs) == (0, 0)
        file.write(b"")
        assert used(fs) == (0, 0)
        file.write(b"abc")
        assert used(fs) == (13, 1)
        file.write(b"abc")
        assert used(fs) == (26, 2)
        file.truncate(10)
        assert used(fs) == (40, 3)
        file.truncate(4)
        assert used(fs) == (14, 1)
        file.truncate(0)
        assert used(fs) == (0, 0)
    put(fs, "/f", b"abc", b"d")
    assert used(fs) == (24, 2)
    fs.remove("/f")
    assert used(fs) == (0, 0)


def test_writing_elsewhere_promotes(fs: MemoryFileSystem):
    """1.5: from then on the file counts its size, for good."""
    for action in (
        lambda f: f.write(b""),
        lambda f: f.write(b"X"),
        lambda f: (f.seek(20), f.write(b"")),
    ):
        put(fs, "/f", b"abc", b"def")
        with fs.open("/f", "r+b") as file:
            action(file)
        size = fs.get_size("/f")
        assert used(fs) == (size, 0)
        put(fs, "/f", b"abc", b"d")
        assert used(fs) == (4, 0)
        fs.remove("/f")
    put(fs, "/f", b"abc", b"def")
    with fs.open("/f", "r+b") as file:
        file.seek(6)
        file.write(b"ghi")
    assert used(fs) == (39, 3)


def test_promotion_needs_room():
    """1.5: for the file a second time, and for what the write adds."""
    fs = MemoryFileSystem(1000, 10, default_lock_timeout=0)
    put(fs, "/f", b"x" * 500)
    before = used(fs)
    with fs.open("/f", "r+b") as file:
        with pytest.raises(MFSQuotaExceededError) as caught:
            file.write(b"y")
        assert (caught.value.requested, caught.value.available) == (500, 490)
    assert used(fs) == before
    put(fs, "/f", b"x" * 400)
    with fs.open("/f", "r+b") as file:
        file.seek(399)
        with pytest.raises(MFSQuotaExceededError) as caught:
            file.write(b"y" * 202)
        assert (caught.value.requested, caught.value.available) == (201, 200)
        assert used(fs) == (410, 1)
        file.write(b"y" * 201)
    assert used(fs) == (600, 0)


def test_promotion_has_a_limit():
    """1.5: larger files are not promoted, whatever is written."""
    fs = MemoryFileSystem(promotion_hard_limit=5)
    put(fs, "/f", b"abcdef")
    with fs.open("/f", "r+b") as file:
        for data in (b"", b"X"):
            with pytest.raises(io.UnsupportedOperation) as caught:
                file.write(data)
            assert "size 6 exceeds hard limit 5" in str(caught.value)
        file.seek(0, 2)
        file.write(b"g")
    assert fs.export_tree() == {"/f": b"abcdefg"}


def test_sequential_files():
    """1.5: appends and truncates only."""
    fs = MemoryFileSystem(1000, 10, default_storage="sequential")
    put(fs, "/f", b"abc")
    with fs.open("/f", "r+b") as file:
        for data in (b"", b"X"):
            with pytest.raises(io.UnsupportedOperation, match="sequential"):
                file.write(data)
        file.seek(5)
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"X")
        file.truncate(5)
        file.write(b"f")
        file.truncate(2)
    assert fs.export_tree() == {"/f": b"ab"}
    assert used(fs) == (12, 1)


def test_random_access_files():
    """1.5: usage is the size, exactly."""
    fs = MemoryFileSystem(1000, 10, default_storage="random_access")
    put(fs, "/f", b"abc", b"def")
    assert used(fs) == (6, 0)
    with fs.open("/f", "r+b") as file:
        file.write(b"XYZ")
        assert used(fs) == (6, 0)
        file.seek(100)
        file.write(b"1")
        assert used(fs) == (101, 0)
    fs.import_tree({"/g": b"123"})
    fs.copy("/g", "/h")
    fs.mkdir("/d")
    fs.move("/g", "/d/g")
    fs.copy_tree("/d", "/e")
    assert used(fs) == (110, 0)
    fs.rmtree("/d")
    fs.rmtree("/e")
    fs.remove("/h")
    fs.remove("/f")
    assert used(fs) == (0, 0)


def test_what_does_not_fit_changes_nothing():
    """1.5: and is refused before memory is taken (row 8)."""
    fs = MemoryFileSystem(1000, 10)
    with fs.open("/f", "wb") as file:
        file.write(b"x" * 500)
        before = fs.stat("/f"), used(fs)
        for call, requested in (
            (lambda: file.write(b"y" * 500), 510),
            (lambda: file.write(bytearray(500)), 510),
            (lambda: file.write(bytes(5000)), 5010),
            (lambda: file.truncate(1000), 510),
            (lambda: file.truncate(1 << 50), (1 << 50) - 490),
        ):
            with pytest.raises(MFSQuotaExceededError) as caught:
                call()
            assert caught.value.requested == requested
            assert caught.value.available == 490
            assert caught.value.errno is None
            assert len(caught.value.args) == 1
        assert (fs.stat("/f"), used(fs)) == before
        assert file.tell() == 500
        file.write(b"z" * 480)
    assert used(fs) == (1000, 2)


def test_a_view_that_is_larger_than_memory():
    """Row 8: a strided view is looked at before it is put together."""
    numpy = pytest.importorskip("numpy")
    huge = numpy.broadcast_to(numpy.zeros(1, "u1"), 1 << 40)
    fs = MemoryFileSystem(1000)
    with fs.open("/f", "wb") as file:
        with pytest.raises(MFSQuotaExceededError):
            file.write(memoryview(huge))
        assert file.tell() == 0
    assert used(fs) == (0, 0)
    with fs.open("/f", "r+b", 400) as file:
        file.write(memoryview(huge[:600])[::2])
        assert file.tell() == 300


def test_quota_zero():
    """1.5: files may be, bytes may not."""
    fs = MemoryFileSystem(0)
    put(fs, "/f", b"")
    with pytest.raises(MFSQuotaExceededError):
        put(fs, "/f", b"x")
    fs.import_tree({"/g": b""})
    fs.copy("/f", "/h")
    assert fs.listdir("/") == ["f", "g", "h"]


def test_overhead_zero_is_exact():
    """1.5: with override 0 usage is size."""
    fs = MemoryFileSystem(100, 0)
    put(fs, "/f", *[b"x"] * 100)
    assert used(fs) == (100, 100)
    with fs.open("/f", "ab") as file, pytest.raises(MFSQuotaExceededError):
        file.write(b"x")
