"""MemoryFileHandle under the standard library.

Goal    Whatever takes a binary file takes a handle.
Method  Each module writes something real to a file in memory and reads it
        back, where it can also beside a real file, byte for byte.
"""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import hashlib
import io
import json
import lzma
import pathlib
import pickle
import random
import shutil
import sqlite3
import tarfile
import wave
import zipfile
from typing import Any
from xml.etree import ElementTree

import pytest
from kist import MemoryFileHandle, MemoryFileSystem, MFSQuotaExceededError


@pytest.fixture
def fs() -> MemoryFileSystem:
    return MemoryFileSystem()


NOISE = random.Random(1).randbytes(300_000)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]
)
def test_zipfile(fs: MemoryFileSystem, method: int) -> None:
    """Written, appended to, tested and read, also by name."""
    with (
        fs.open("/a.zip", "wb") as file,
        zipfile.ZipFile(file, "w", method) as archive,
    ):
        archive.writestr("d/noise", NOISE)
        with archive.open("streamed", "w") as member:
            for _ in range(10):
                member.write(b"line\n" * 1000)
    with (
        fs.open("/a.zip", "r+b") as file,
        zipfile.ZipFile(file, "a", method) as archive,
    ):
        archive.writestr("later", "é")
    with fs.open("/a.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["d/noise", "streamed", "later"]
        assert archive.testzip() is None
        assert archive.read("d/noise") == NOISE
        with archive.open("streamed") as member:
            assert sum(1 for _ in member) == 10_000
        with archive.open("d/noise") as member:
            member.seek(100_000)
            assert member.read(100) == NOISE[100_000:100_100]


@pytest.mark.parametrize("mode", ["", "gz", "bz2", "xz"])
def test_tarfile(fs: MemoryFileSystem, mode: str) -> None:
    """Seekable and as a stream."""
    for kind in (":", "|"):
        with (
            fs.open("/a.tar", "wb") as file,
            tarfile.open(fileobj=file, mode=f"w{kind}{mode}") as archive,
        ):
            for name in ("a", "b" * 150):
                member = tarfile.TarInfo(name)
                member.size = len(NOISE)
                archive.addfile(member, io.BytesIO(NOISE))
        with (
            fs.open("/a.tar") as file,
            tarfile.open(fileobj=file, mode=f"r{kind}*") as archive,
        ):
            for member in archive:
                found = archive.extractfile(member)
                assert found is not None
                assert found.read() == NOISE


def test_text_io_wrapper(fs: MemoryFileSystem, tmp_path: pathlib.Path) -> None:
    """Newlines, encodings, seeking and appending, as over a real file."""
    text = "".join(f"{n} é\U0001f9f0\r\n" * (n % 3) for n in range(500))
    for encoding in ("utf-8", "utf-16", "latin-1"):
        content = text.encode(encoding, "replace").decode(encoding)
        for newline in (None, "", "\n", "\r\n"):
            path = tmp_path / "real"
            with (
                open(path, "w", encoding=encoding, newline=newline) as real,
                io.TextIOWrapper(
                    fs.open("/t", "wb"), encoding=encoding, newline=newline
                ) as ours,
            ):
                for file in (real, ours):
                    file.write(content[:3000])
                    file.writelines(content[3000:].splitlines(keepends=True))
            assert fs.open("/t").read() == path.read_bytes()
            with (
                open(path, encoding=encoding, newline=newline) as real,
                io.TextIOWrapper(
                    fs.open("/t"), encoding=encoding, newline=newline
                ) as ours,
            ):
                assert ours.readline() == real.readline()
                place = ours.tell()
                assert place == real.tell()
                assert ours.read() == real.read()
                ours.seek(place)
                real.seek(place)
                assert list(ours) == list(real)
    with io.TextIOWrapper(fs.open("/t", "ab"), encoding="latin-1") as ours:
        ours.write("end")
    assert fs.open("/t").read().endswith(b"end")


def test_buffered(fs: MemoryFileSystem, tmp_path: pathlib.Path) -> None:
    """BufferedReader, Writer and Random do on a handle what they do on a
    file of the system."""
    real_path = tmp_path / "real"
    real_path.write_bytes(NOISE)
    fs.import_tree({"/f": NOISE})
    rng = random.Random(2)
    with (
        open(real_path, "r+b") as real,
        io.BufferedRandom(fs.open("/f", "r+b"), buffer_size=512) as ours,
    ):
        for _ in range(2000):
            place = rng.randrange(len(NOISE) + 1000)
            size = rng.randrange(1500)
            data = rng.randbytes(rng.randrange(700))
            call = rng.choice(
                ["read", "write", "peek", "line", "read1", "cut"]
            )
            for file in (real, ours):
                file.seek(place)
            if call == "read":
                assert ours.read(size) == real.read(size)
            elif call == "write":
                assert ours.write(data) == real.write(data)
            elif call == "line":
                assert ours.readline() == real.readline()
            elif call == "peek":
                assert ours.peek(1)[:1] == real.peek(1)[:1]
            elif call == "read1":
                found = ours.read1(size)
                assert real.read(len(found)) == found
            elif rng.random() < 0.1:
                assert ours.truncate() == real.truncate()
            assert ours.tell() == real.tell()
    assert fs.open("/f").read() == real_path.read_bytes()
    with io.BufferedReader(fs.open("/f")) as reader:
        target = bytearray(1000)
        assert reader.readinto(target) == 1000
        assert target + reader.read() == real_path.read_bytes()
    with io.BufferedWriter(fs.open("/w", "wb"), 100) as writer:
        for size in range(300):
            writer.write(b"x" * size)
    assert fs.get_size("/w") == sum(range(300))
    pair = io.BufferedRWPair(fs.open("/f"), fs.open("/p", "wb"))
    pair.write(pair.read(10))
    pair.close()
    assert fs.open("/p").read() == fs.open("/f").read(10)


def test_buffered_meets_the_quota() -> None:
    """What a buffer cannot get rid of is an error at its flush."""
    fs = MemoryFileSystem(max_quota=1000, chunk_overhead_override=0)
    handle = fs.open("/f", "wb")
    writer = io.BufferedWriter(handle, 512)
    writer.write(b"x" * 1000)
    with pytest.raises(MFSQuotaExceededError):
        writer.write(b"y" * 2000)
        writer.flush()
    handle.close()
    with contextlib.suppress(ValueError):
        writer.close()
    assert fs.get_size("/f") <= 1000


def test_csv_json_pickle_xml(fs: MemoryFileSystem) -> None:
    """Text and binary formats, there and back."""
    rows = [{"a": str(n), "b": 'é,\n"'} for n in range(1000)]
    with io.TextIOWrapper(
        fs.open("/c", "wb"), encoding="utf-8", newline=""
    ) as text:
        writer = csv.DictWriter(text, ["a", "b"])
        writer.writeheader()
        writer.writerows(rows)
    with io.TextIOWrapper(fs.open("/c"), encoding="utf-8", newline="") as text:
        assert list(csv.DictReader(text)) == rows
    with io.TextIOWrapper(fs.open("/j", "wb"), encoding="utf-8") as text:
        json.dump(rows, text)
    with fs.open("/j") as file:
        assert json.load(file) == rows
    big = [NOISE, bytearray(NOISE), rows]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with fs.open("/p", "wb") as file:
            pickle.dump(big, file, protocol)
            pickle.dump("second", file, protocol)
        with fs.open("/p") as file:
            assert pickle.load(file) == big
            assert pickle.load(file) == "second"
    root = ElementTree.Element("root")
    for row in rows:
        ElementTree.SubElement(root, "row", a=row["a"])
    with fs.open("/x", "wb") as file:
        ElementTree.ElementTree(root).write(file)
    with fs.open("/x") as file:
        assert len(ElementTree.parse(file).getroot()) == 1000


def test_compressors(fs: MemoryFileSystem) -> None:
    """gzip, bz2, lzma over handles, written in pieces, read from within."""
    for module in (gzip.GzipFile, bz2.BZ2File, lzma.LZMAFile):
        make: Any = module
        with fs.open("/z", "wb") as file:
            options = {"fileobj": file} if module is gzip.GzipFile else {}
            with (
                make(mode="wb", **options)
                if options
                else make(file, mode="wb")
            ) as packed:
                for at in range(0, len(NOISE), 7777):
                    packed.write(NOISE[at : at + 7777])
        with fs.open("/z") as file:
            options = {"fileobj": file} if module is gzip.GzipFile else {}
            with make(**options) if options else make(file) as packed:
                packed.seek(200_000)
                assert packed.read(50) == NOISE[200_000:200_050]
                packed.seek(0)
                assert packed.read() == NOISE


def test_copyfileobj_and_digest(
    fs: MemoryFileSystem, tmp_path: pathlib.Path
) -> None:
    """From and to real files; hashlib reads a handle."""
    (tmp_path / "in").write_bytes(NOISE)
    with open(tmp_path / "in", "rb") as source, fs.open("/f", "wb") as target:
        shutil.copyfileobj(source, target)
    with fs.open("/f") as source, fs.open("/g", "wb") as target:
        shutil.copyfileobj(source, target, 1000)
    with fs.open("/g") as source, open(tmp_path / "out", "wb") as target:
        shutil.copyfileobj(source, target)
    assert (tmp_path / "out").read_bytes() == NOISE
    with fs.open("/g") as file:
        digest = hashlib.file_digest(file, "sha256")
    assert digest.digest() == hashlib.sha256(NOISE).digest()


def test_wave(fs: MemoryFileSystem) -> None:
    """A writer that goes back to patch its header."""
    with fs.open("/w", "wb") as file, wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        for _ in range(5):
            sound.writeframes(NOISE[:1000])
    with fs.open("/w") as file, wave.open(file, "rb") as sound:
        assert sound.getnframes() == 2500
        assert sound.readframes(500) == NOISE[:1000]


def test_sqlite(fs: MemoryFileSystem) -> None:
    """A data base that is kept in a file in memory between connections."""
    with sqlite3.connect(":memory:") as base:
        base.execute("create table t (n integer primary key, text)")
        base.executemany(
            "insert into t values (?, ?)",
            [(n, "x" * (n % 50)) for n in range(5000)],
        )
        base.commit()
        with fs.open("/base", "wb") as file:
            file.write(base.serialize())
    base.close()
    base = sqlite3.connect(":memory:")
    base.deserialize(fs.view("/base"))
    assert base.execute("select count(*), sum(n) from t").fetchone() == (
        5000,
        sum(range(5000)),
    )
    base.execute("delete from t where n >= 10")
    base.commit()
    with fs.open("/base", "wb") as file:
        file.write(base.serialize())
    base.close()
    base = sqlite3.connect(":memory:")
    with fs.open("/base") as file:
        base.deserialize(file.read())
    assert base.execute("select count(*) from t").fetchone() == (10,)
    assert base.execute("pragma integrity_check").fetchone() == ("ok",)
    base.close()


def test_it_is_a_raw_file(fs: MemoryFileSystem) -> None:
    """What code asks before it takes a file for one."""
    with fs.open("/f", "wb") as file:
        assert isinstance(file, MemoryFileHandle)
        assert isinstance(file, io.RawIOBase)
        assert isinstance(file, io.IOBase)
        assert not file.isatty()
        with pytest.raises(io.UnsupportedOperation):
            file.fileno()
        file.writelines([b"1\n", b"2"])
    with fs.open("/f") as file:
        assert file.readlines() == [b"1\n", b"2"]
        assert file.readall() == b""
    assert file.closed
