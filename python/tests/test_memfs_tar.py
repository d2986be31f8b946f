"""load() of tar files, most of them hostile.

Goal    What an archive says of itself is never trusted: not its sizes, its
        names, its links or its end (promise X16).
Method  Tar files made by hand, block by block where tarfile would not, some
        loaded with little address space; whatever is refused has changed
        nothing.
"""

from __future__ import annotations

import gzip
import io
import os
import pathlib
import subprocess
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from kist import MemoryFileSystem, MFSQuotaExceededError
from kist.memfs._archive import load_tree

from conftest import run_python
from memfsrefusals import unchanged


def tar_of(*members: tuple[str, bytes, dict[str, Any]]) -> bytes:
    """A tar file of (name, data, attributes of TarInfo)."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, data, attributes in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in attributes.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data))
    return output.getvalue()


@pytest.fixture
def load_bytes(tmp_path: pathlib.Path) -> Callable[..., None]:
    """Loads a tar file that is given as bytes."""

    def load(fs: MemoryFileSystem, data: bytes, prefix: str = "/") -> None:
        path = tmp_path / "hostile"
        path.write_bytes(data)
        load_tree(fs, path, prefix)

    return load


@pytest.mark.parametrize(
    "name", ["../x", "/../x", "a/../../x", "..", "a\\..\\..\\x", "..\\x"]
)
def test_tar_traversal(name: str, load_bytes: Callable[..., None]) -> None:
    """A name that leaves the prefix at any point is refused."""
    fs = MemoryFileSystem()
    fs.import_tree({"/p/f": b"1"})
    data = tar_of(("good", b"1", {}), (name, b"2", {}))
    for prefix in ("/", "/p", "/p/q"):
        unchanged(ValueError, "traversal", load_bytes, fs, data, prefix)


def test_tar_names(load_bytes: Callable[..., None]) -> None:
    """Absolute names, dots and slashes stay below the prefix."""
    fs = MemoryFileSystem()
    data = tar_of(
        ("/etc/passwd", b"1", {}),
        ("./a//b/../c", b"2", {}),
        ("d/./", b"", {"type": tarfile.DIRTYPE}),
        ("", b"", {"type": tarfile.DIRTYPE}),
        ("twice", b"first", {}),
        ("twice", b"second", {}),
    )
    load_bytes(fs, data, "/p")
    assert fs.export_tree() == {
        "/p/etc/passwd": b"1",
        "/p/a/c": b"2",
        "/p/twice": b"second",
    }
    assert fs.listdir("/p") == ["etc", "a", "twice", "d"]


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        b"Z",
    ],
)
def test_tar_odd_members(kind: bytes, load_bytes: Callable[..., None]) -> None:
    """Links and devices are refused by name."""
    fs = MemoryFileSystem()
    data = tar_of(
        ("good", b"1", {}), ("odd", b"", {"type": kind, "linkname": "good"})
    )
    error = unchanged(OSError, "neither a file nor", load_bytes, fs, data)
    assert error.filename.endswith("hostile: odd")


def test_tar_hard_links(
    tmp_path: pathlib.Path, load_bytes: Callable[..., None]
) -> None:
    """A hard link is a copy that shares its bytes, and counts like one."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d/one").write_bytes(b"x" * 5000)
    os.link(tmp_path / "d/one", tmp_path / "d/two")
    subprocess.run(["tar", "-cf", "t.tar", "d"], cwd=tmp_path, check=True)
    fs = MemoryFileSystem(10_200, 100)
    load_tree(fs, tmp_path / "t.tar")
    with fs.open("/d/one") as one, fs.open("/d/two") as two:
        assert one.read() is two.read()
    assert fs.stats()["free_bytes"] == 0
    small = MemoryFileSystem(10_199, 100)
    unchanged(
        MFSQuotaExceededError, "quota", load_tree, small, tmp_path / "t.tar"
    )
    data = tar_of(("l", b"", {"type": tarfile.LNKTYPE, "linkname": "later"}))
    unchanged(OSError, "not before it", load_bytes, fs, data)
    data = tar_of(
        ("l", b"", {"type": tarfile.LNKTYPE, "linkname": "../d/one"})
    )
    unchanged(ValueError, "traversal", load_bytes, fs, data, "/p")


def test_tar_bombs(tmp_path: pathlib.Path) -> None:
    """What would not fit is refused by its header: a member of a TiB of
    which nothing is there, and of 1 GiB in 1 MiB; and so are headers that
    are a bomb themselves.  All with 600 MiB of address space."""
    done = run_python(
        """
        import gzip, io, resource, sys, tarfile, time
        from kist.memfs import (
            MemoryFileSystem, MFSQuotaExceededError)
        from kist.memfs._archive import load_tree

        resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
        path = sys.argv[1]

        def header(size, kind=tarfile.REGTYPE):
            member = tarfile.TarInfo("bomb")
            member.size, member.type = size, kind
            return member.tobuf()

        def bomb(header):
            # A gzip file may have many parts: 1 GiB of zeros are 64 alike.
            part = gzip.compress(bytes(1 << 24), 1)
            with open(path, "wb") as file:
                file.write(gzip.compress(header) + part * 64)

        def attempt(what):
            fs = MemoryFileSystem(1 << 20)
            begin = time.monotonic()
            try:
                load_tree(fs, path)
            except (MFSQuotaExceededError, tarfile.ReadError) as error:
                print(what, type(error).__name__, time.monotonic() - begin < 2)
            assert fs.stats()["used_bytes"] == 0

        with open(path, "wb") as file:
            file.write(header(1 << 40))
        attempt("announced")
        bomb(header(1 << 30))
        attempt("packed")
        for kind in (b"x", b"g", b"L", b"K"):
            bomb(header(1 << 30, kind))
            attempt("header")
        end = tarfile.TarInfo("good").tobuf() + bytes(512)
        bomb(end)
        attempt("behind")
        """,
        str(tmp_path / "bomb"),
    )
    assert not done.stderr
    assert done.stdout.splitlines() == [
        "announced MFSQuotaExceededError True",
        "packed MFSQuotaExceededError True",
        *["header ReadError True"] * 4,
        "behind ReadError True",
    ]


def test_tar_many_headers(load_bytes: Callable[..., None]) -> None:
    """Headers that are small but many, before one member, end too."""
    member = tarfile.TarInfo("x")
    member.size = 100
    member.type = tarfile.XGLTYPE
    one = member.tobuf() + b"100 comment=".ljust(99, b"x") + b"\n" + bytes(412)
    fs = MemoryFileSystem()
    unchanged(
        tarfile.ReadError,
        "headers of more than|recursion|reverse",
        load_bytes,
        fs,
        gzip.compress(one * 3000, 1),
    )


def test_tar_negative_sizes(load_bytes: Callable[..., None]) -> None:
    """A size below zero is damage, and no endless loop."""
    for kind in (tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.DIRTYPE):
        member = tarfile.TarInfo("x")
        member.type = kind
        block = bytearray(member.tobuf(format=tarfile.GNU_FORMAT))
        block[124:136] = b"\xff" * 10 + b"\xfe\x00"
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        fs = MemoryFileSystem()
        data = bytes(block) + bytes(1024)
        if kind == tarfile.DIRTYPE:
            load_bytes(fs, data)  # a directory has no size
        else:
            unchanged(tarfile.ReadError, "hostile", load_bytes, fs, data)


@pytest.mark.parametrize("packed", [False, True])
def test_tar_truncated(packed: bool, load_bytes: Callable[..., None]) -> None:
    """Cut anywhere, it is damaged: nothing is loaded."""
    data = tar_of(("a", b"a" * 700, {}), ("b" * 150, b"b", {}))
    data = data[: data.rindex(b"b") + 1]
    data = data.ljust(-(-len(data) // 512) * 512 + 1024, b"\0")
    end = len(data) - 512  # GNU tar writes two blocks of zeros, one will do
    step = 97
    if packed:
        data = gzip.compress(data)
        end, step = len(data), 7
    for size in range(0, end, step):
        fs = MemoryFileSystem()
        unchanged(tarfile.ReadError, "hostile", load_bytes, fs, data[:size])
    load_bytes(fs, data)
    assert fs.export_tree() == {"/a": b"a" * 700, "/" + "b" * 150: b"b"}


def test_tar_damaged(load_bytes: Callable[..., None]) -> None:
    """A header that is damaged is not taken for the end."""
    data = bytearray(tar_of(("a", b"1", {}), ("b", b"2", {})))
    data[1024 + 10] ^= 1
    fs = MemoryFileSystem()
    unchanged(tarfile.ReadError, "damaged header", load_bytes, fs, bytes(data))
    for noise in (b"no tar file at all", b"\x1f\x8b no gzip", bytes(100)):
        unchanged(tarfile.ReadError, "hostile", load_bytes, fs, noise)
    squeezed = bytearray(gzip.compress(bytes(tar_of(("a", b"1" * 999, {})))))
    squeezed[-6] ^= 1  # the checksum at the end
    unchanged(tarfile.ReadError, "CRC", load_bytes, fs, bytes(squeezed))
