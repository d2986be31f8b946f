"""save and load: a directory or a tar file, with nobody trusted.

Goal    What is saved comes back, whoever reads it; no link leads a save or a
        load elsewhere (promises X8, X16); what does not fit is refused before
        it is read, and then nothing has changed.
Method  Real directories and tar files, some made by tar(1) and by tarfile,
        some hostile; a canary outside, and a thread that swaps directories
        and links under a save or load that runs.
"""

from __future__ import annotations

import errno
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest
from kist import (
    MemoryFileSystem,
    MFSNodeLimitExceededError,
    MFSQuotaExceededError,
)
from kist.memfs import _archive
from kist.memfs._archive import load_tree, save_tree

from conftest import run_python
from memfsrefusals import unchanged

TARS = [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"]
TARGETS = ["", *TARS]


def tree() -> MemoryFileSystem:
    """A bit of everything that an operating system can hold, too."""
    fs = MemoryFileSystem()
    fs.mkdir("/empty/inner")
    fs.import_tree(
        {
            "/hello": b"hello",
            "/void": b"",
            "/a/b/c/d": b"\0" * 5000,
            "/a/ \n\t'\"$*?": b"odd",
            "/a/é\U0001f9f0": b"letters",
            "/a/raw\udcff\udc80": b"no UTF-8",
            "/a/" + "n" * 255: b"long",
            "/a/.hidden": b"dot",
            "/a/-rf": b"dash",
        }
    )
    with fs.open("/chunks", "wb") as file:
        for turn in range(40):
            file.write(b"%02d" % turn * 40_000)
    with fs.open("/random", "wb") as file:
        file.seek(3_000_000)
        file.write(b"end")
    return fs


def alike(one: MemoryFileSystem, other: MemoryFileSystem) -> None:
    """Both hold the same, empty directories included."""
    assert one.export_tree() == other.export_tree()
    assert one.glob("/**") == other.glob("/**")


def on_disk(where: pathlib.Path) -> dict[str, bytes | None]:
    """What there is, None for directories; links are not followed."""
    return {
        os.path.relpath(os.path.join(at, name), where): (
            None if name in folders else pathlib.Path(at, name).read_bytes()
        )
        for at, folders, files in os.walk(where)
        for name in (*folders, *files)
    }


@pytest.fixture
def canary(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A directory that nobody has a reason to touch."""
    where = tmp_path / "canary"
    where.mkdir()
    (where / "secret").write_bytes(b"secret")
    yield where
    assert on_disk(where) == {"secret": b"secret"}


# --- there and back -----------------------------------------------------


@pytest.mark.parametrize("suffix", TARGETS)
def test_there_and_back(suffix: str, tmp_path: pathlib.Path) -> None:
    """All that was saved is loaded, and is what it was."""
    fs = tree()
    target = tmp_path / ("kept" + suffix)
    save_tree(fs, target)
    assert os.listdir(tmp_path) == [target.name]
    assert target.is_dir() is (suffix == "")
    back = MemoryFileSystem()
    load_tree(back, target)
    alike(fs, back)
    assert back.stat("/chunks")["generation"] == 0


def test_methods(tmp_path: pathlib.Path) -> None:
    """fs.save() and fs.load() are the same two."""
    fs = tree()
    fs.save(tmp_path / "x.tar")
    fs.save(str(tmp_path / "x"), prefix="/a")
    back = MemoryFileSystem()
    back.load(str(tmp_path / "x.tar"))
    alike(fs, back)
    part = MemoryFileSystem()
    part.load(tmp_path / "x", prefix="/p/q")
    assert part.export_tree("/p/q/b") == {"/p/q/b/c/d": b"\0" * 5000}


@pytest.mark.parametrize("suffix", ["", ".tar"])
def test_prefixes(suffix: str, tmp_path: pathlib.Path) -> None:
    """A part is saved without what it lies below, and loaded below
    something else, beside what is there."""
    fs = tree()
    target = tmp_path / ("kept" + suffix)
    save_tree(fs, target, "a/./b")
    back = MemoryFileSystem()
    back.import_tree({"/new/c/d": b"old", "/new/e": b"stays"})
    load_tree(back, target, "new")
    assert back.export_tree() == {"/new/c/d": b"\0" * 5000, "/new/e": b"stays"}
    load_tree(back, target)
    assert back.exists("/c/d")
    with pytest.raises(FileNotFoundError):
        save_tree(fs, tmp_path / "no.tar", "/nothing")
    with pytest.raises(NotADirectoryError):
        save_tree(fs, tmp_path / "no", "/hello")
    with pytest.raises(ValueError, match="traversal"):
        save_tree(fs, tmp_path / "no", "/../a")
    with pytest.raises(ValueError, match="traversal"):
        load_tree(fs, target, "..")
    assert sorted(os.listdir(tmp_path)) == [target.name]


@pytest.mark.parametrize("suffix", ["", ".tar"])
def test_deep(suffix: str, tmp_path: pathlib.Path) -> None:
    """Deeper than Python recurses, than a path of the system is long, and
    than descriptors are."""
    fs = MemoryFileSystem()
    deep = "/directory" * 1500
    fs.import_tree({deep + "/file": b"down here", "/directory/near": b"up"})
    target = tmp_path / ("kept" + suffix)
    save_tree(fs, target)
    back = MemoryFileSystem()
    load_tree(back, target)
    assert back.export_tree() == fs.export_tree()
    if suffix == "":
        subprocess.run(["rm", "-rf", str(target)], check=True)


@pytest.mark.parametrize("suffix", ["", ".tar"])
def test_nothing(suffix: str, tmp_path: pathlib.Path) -> None:
    """An empty file system is one, too."""
    target = tmp_path / ("kept" + suffix)
    save_tree(MemoryFileSystem(), target)
    back = MemoryFileSystem()
    load_tree(back, target, "/here")
    assert back.glob("/**") == ["/here"]


def test_tar_reads_it(tmp_path: pathlib.Path) -> None:
    """tar(1) and tarfile read what was saved, and we what they write."""
    fs = tree()
    for suffix in (".tar", ".tar.gz"):
        save_tree(fs, tmp_path / ("kept" + suffix))
        there = tmp_path / "there"
        there.mkdir()
        subprocess.run(
            ["tar", "-xf", str(tmp_path / ("kept" + suffix))],
            cwd=there,
            check=True,
        )
        back = MemoryFileSystem()
        load_tree(back, there)
        alike(fs, back)
        for form in ("gnu", "posix", "oldgnu"):
            subprocess.run(
                ["tar", "-czf", "../its.tar", f"--format={form}", "."],
                cwd=there,
                check=True,
            )
            back = MemoryFileSystem()
            load_tree(back, tmp_path / "its.tar")
            alike(fs, back)
        shutil.rmtree(there)
    with tarfile.open(tmp_path / "kept.tar") as archive:
        names = archive.getnames()
    assert "a/b/c/d" in names
    assert "empty/inner" in names


def test_times_and_modes(tmp_path: pathlib.Path) -> None:
    """Files have the times that they had, and the modes that the umask
    asks for."""
    fs = MemoryFileSystem()
    fs.import_tree({"/d/f": b"1"})
    modified = fs.stat("/d/f")["modified_at"]
    before = os.umask(0o027)
    try:
        save_tree(fs, tmp_path / "kept")
        save_tree(fs, tmp_path / "kept.tar")
    finally:
        os.umask(before)
    info = (tmp_path / "kept/d/f").stat()
    assert abs(info.st_mtime - modified) < 1e-3
    assert stat.S_IMODE(info.st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "kept/d").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "kept.tar").stat().st_mode) == 0o640
    with tarfile.open(tmp_path / "kept.tar") as archive:
        member = archive.getmember("d/f")
        assert member.mtime == int(modified)
        assert member.mode == 0o644
        assert archive.getmember("d").mode == 0o755


def test_a_writer_is_not_waited_for(tmp_path: pathlib.Path) -> None:
    """What somebody writes is saved as it is."""
    fs = MemoryFileSystem()
    with fs.open("/f", "wb") as file:
        file.write(b"so far")
        begin = time.monotonic()
        save_tree(fs, tmp_path / "kept")
        save_tree(fs, tmp_path / "kept.tar")
        assert time.monotonic() - begin < 5
    assert on_disk(tmp_path / "kept") == {"f": b"so far"}
    with pytest.raises(BlockingIOError), fs.open("/f"):
        load_tree(fs, tmp_path / "kept.tar")


# --- saving: what is there already --------------------------------------


def test_over_what_is_there(
    tmp_path: pathlib.Path, canary: pathlib.Path
) -> None:
    """Files are replaced, not written into: links, too; others stay."""
    target = tmp_path / "kept"
    (target / "d").mkdir(parents=True)
    (target / "d/stays").write_bytes(b"stays")
    (target / "d/plain").write_bytes(b"old")
    (target / "d/soft").symlink_to(canary / "secret")
    (target / "d/dangling").symlink_to(canary / "made")
    os.link(canary / "secret", target / "d/hard")
    os.mkfifo(target / "d/fifo")
    names = ["plain", "soft", "dangling", "hard", "fifo"]
    fs = MemoryFileSystem()
    fs.import_tree({f"/d/{name}": b"new" for name in names})
    save_tree(fs, target)
    assert on_disk(target / "d") == {
        "stays": b"stays",
        **dict.fromkeys(names, b"new"),
    }
    assert not any(path.is_symlink() for path in (target / "d").iterdir())
    link = tmp_path / "link.tar"
    link.symlink_to(canary / "secret")
    save_tree(fs, link)
    assert tarfile.is_tarfile(link)


def test_a_link_for_a_directory(
    tmp_path: pathlib.Path, canary: pathlib.Path
) -> None:
    """A link where a directory is to be is refused, and named."""
    target = tmp_path / "kept"
    (target / "a").mkdir(parents=True)
    (target / "a/b").symlink_to(canary)
    fs = MemoryFileSystem()
    fs.import_tree({"/a/b/secret": b"overwritten", "/a/b/new": b"new"})
    with pytest.raises(OSError, match="kept/a/b") as error:
        save_tree(fs, target)
    assert error.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert error.value.filename == str(target / "a/b")
    assert on_disk(target / "a") == {"b": None}


def test_the_target_itself_may_be_a_link(tmp_path: pathlib.Path) -> None:
    """Whoever names it means it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    fs = MemoryFileSystem()
    fs.import_tree({"/f": b"1"})
    save_tree(fs, tmp_path / "link")
    assert on_disk(tmp_path / "real") == {"f": b"1"}


def test_the_other_kind_is_in_the_way(tmp_path: pathlib.Path) -> None:
    """A file for a directory, a directory for a file: refused, named."""
    target = tmp_path / "kept"
    target.mkdir()
    (target / "file").write_bytes(b"mine")
    (target / "folder").mkdir()
    fs = MemoryFileSystem()
    fs.import_tree({"/file/below": b"1"})
    with pytest.raises(NotADirectoryError, match="kept/file'"):
        save_tree(fs, target)
    fs = MemoryFileSystem()
    fs.import_tree({"/folder": b"1"})
    with pytest.raises(IsADirectoryError, match="kept/folder'"):
        save_tree(fs, target)
    assert on_disk(target) == {"file": b"mine", "folder": None}
    with pytest.raises(NotADirectoryError, match="kept/file'"):
        save_tree(fs, target / "file")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        save_tree(fs, tmp_path / "nowhere/kept")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        save_tree(fs, tmp_path / "nowhere/kept.tar")


@pytest.mark.parametrize("suffix", ["", ".tar", ".there"])
@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("nul\0inside", errno.EINVAL),
        ("\ud800", errno.EILSEQ),
        ("é" * 128, errno.ENAMETOOLONG),
    ],
)
def test_names_that_cannot_be(
    name: str, number: int, suffix: str, tmp_path: pathlib.Path
) -> None:
    """They are refused by their path before anything is written."""
    target = tmp_path / ("kept" + suffix)
    if suffix == ".there":
        target.mkdir()
    before = on_disk(tmp_path)
    for path in (f"/d/{name}", f"/d/{name}/below"):
        fs = MemoryFileSystem()
        fs.import_tree({"/a": b"1", path: b"2"})
        if suffix == ".tar" and number == errno.ENAMETOOLONG:
            save_tree(fs, target)  # a tar file takes it
            back = MemoryFileSystem()
            load_tree(back, target)
            alike(fs, back)
            continue
        with pytest.raises(OSError, match="kept") as error:
            save_tree(fs, target)
        assert error.value.errno == number
        assert error.value.filename == f"/d/{name}"
        assert on_disk(tmp_path) == before


def test_a_full_disk(tmp_path: pathlib.Path) -> None:
    """A save that fails halfway leaves no half of it."""
    done = run_python(
        """
        import errno, os, resource, signal, sys
        from kist.memfs import MemoryFileSystem
        from kist.memfs._archive import save_tree

        where = sys.argv[1]
        fs = MemoryFileSystem()
        fs.import_tree({"/a": b"small", "/b": os.urandom(1 << 20)})
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        old = MemoryFileSystem()
        old.import_tree({"/b": b"old"})
        save_tree(old, where + "/there")
        save_tree(old, where + "/there.tar")
        for name in ("new", "there", "new.tar", "there.tar", "new.tar.gz"):
            try:
                save_tree(fs, os.path.join(where, name))
            except OSError as error:
                assert error.errno == errno.EFBIG, error
                print(error.filename[len(where):])
        """,
        str(tmp_path),
    )
    assert not done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("/new.")
    assert lines[0].endswith(".part/b")
    assert lines[1:] == ["/there/b", "/new.tar", "/there.tar", "/new.tar.gz"]
    assert sorted(os.listdir(tmp_path)) == ["there", "there.tar"]
    assert on_disk(tmp_path / "there") == {"a": b"small", "b": b"old"}
    back = MemoryFileSystem()
    load_tree(back, tmp_path / "there.tar")
    assert back.export_tree() == {"/b": b"old"}


class Swapper:
    """Makes `path` a directory and a link to the canary, in turns."""

    def __init__(self, path: pathlib.Path, canary: pathlib.Path) -> None:
        self.path, self.canary = path, canary
        self.turns = 0
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        aside = self.path.with_name("aside")
        link = self.path.with_name("link")
        while not self.end.is_set():
            link.symlink_to(self.canary)
            try:
                os.rename(self.path, aside)
                os.rename(link, self.path)
                os.unlink(self.path)
                os.rename(aside, self.path)
            except OSError:
                link.unlink(missing_ok=True)
                if aside.exists() and not self.path.is_dir():
                    os.rename(aside, self.path)
                shutil.rmtree(aside, ignore_errors=True)
            self.turns += 1

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.end.set()
        self.thread.join()


def test_links_swapped_under_a_save(
    tmp_path: pathlib.Path, canary: pathlib.Path
) -> None:
    """A directory that becomes a link while it is written to is not
    followed: the canary stays as it is."""
    target = tmp_path / "kept"
    (target / "d").mkdir(parents=True)
    fs = MemoryFileSystem()
    fs.import_tree({"/d/secret": b"overwritten", "/d/new": b"new"})
    outcomes: dict[str, int] = {}
    with Swapper(target / "d", canary) as swapper:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            try:
                save_tree(fs, target)
                kind = "saved"
            except OSError as error:
                kind = errno.errorcode[error.errno or 0]
            outcomes[kind] = outcomes.get(kind, 0) + 1
    assert swapper.turns > 100
    assert outcomes.get("saved", 0) > 10, outcomes
    assert outcomes.get("ELOOP", 0) + outcomes.get("ENOTDIR", 0) > 0, outcomes


# --- loading: directories -----------------------------------------------


def test_load_directory_quota(tmp_path: pathlib.Path) -> None:
    """Room is asked for before a byte is read: a file of a TiB is refused
    at once; what fits to the byte is loaded."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a").write_bytes(b"a" * 100)
    with open(tmp_path / "d/huge", "wb") as file:
        file.truncate(1 << 40)
    fs = MemoryFileSystem(1000, 10)
    begin = time.monotonic()
    error = unchanged(MFSQuotaExceededError, "quota", load_tree, fs, tmp_path)
    assert time.monotonic() - begin < 1
    assert error.requested == (1 << 40) + 10
    assert error.available == 890
    os.truncate(tmp_path / "d/huge", 880)
    load_tree(fs, tmp_path)
    assert fs.stats()["free_bytes"] == 0
    load_tree(fs, tmp_path)  # over itself
    assert fs.stats()["free_bytes"] == 0
    os.truncate(tmp_path / "d/huge", 881)
    unchanged(MFSQuotaExceededError, "quota", load_tree, fs, tmp_path)


def test_load_nodes(tmp_path: pathlib.Path) -> None:
    """Many empty files end at the limit of nodes."""
    for name in "abcd":
        (tmp_path / name).touch()
    with tarfile.open(tmp_path / "many.tar", "w") as archive:
        for number in range(2000):
            archive.addfile(tarfile.TarInfo(f"{number}"))
    fs = MemoryFileSystem(max_nodes=4)
    for source in (tmp_path, tmp_path / "many.tar"):
        unchanged(
            MFSNodeLimitExceededError, "node limit", load_tree, fs, source
        )


def test_load_what_is_no_file(
    tmp_path: pathlib.Path, canary: pathlib.Path
) -> None:
    """Links, pipes and sockets are refused by name, and not opened."""
    where = tmp_path / "d"
    where.mkdir()
    (where / "good").write_bytes(b"1")

    def a_socket(path: pathlib.Path) -> None:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))

    makers: list[Callable[[pathlib.Path], Any]] = [
        lambda path: path.symlink_to(canary / "secret"),
        lambda path: path.symlink_to(canary),
        lambda path: path.symlink_to("nowhere"),
        os.mkfifo,
        a_socket,
    ]
    fs = MemoryFileSystem()
    for maker in makers:
        maker(where / "odd")
        error = unchanged(OSError, "neither a file nor", load_tree, fs, where)
        assert error.filename == str(where / "odd")
        (where / "odd").unlink()
    (where / "back\\slash").touch()
    error = unchanged(OSError, "backslash", load_tree, fs, where)
    assert error.filename == str(where / "back\\slash")
    unchanged(FileNotFoundError, "no", load_tree, fs, tmp_path / "no")


def test_load_what_grows() -> None:
    """A file that has more than it said is refused, not cut or overread."""
    where = "/proc/sys/fs/inotify"
    if not os.path.isdir(where):
        pytest.skip(f"no {where} here")
    fs = MemoryFileSystem()
    error = unchanged(OSError, "grows", load_tree, fs, where)
    assert error.filename.startswith(where)


def test_load_where_something_is(tmp_path: pathlib.Path) -> None:
    """What is in the way, or open, refuses all of it."""
    where = tmp_path / "d"
    (where / "x").mkdir(parents=True)
    (where / "x/y").write_bytes(b"y")
    (where / "z").write_bytes(b"z")
    save = tmp_path / "d.tar"
    fs = MemoryFileSystem()
    load_tree(fs, where)
    save_tree(fs, save)
    for source in (where, save):
        fs = MemoryFileSystem()
        fs.import_tree({"/x": b"a file"})
        unchanged(FileExistsError, "x", load_tree, fs, source)
        fs = MemoryFileSystem()
        fs.mkdir("/z")
        unchanged(IsADirectoryError, "z", load_tree, fs, source)
        fs = MemoryFileSystem()
        fs.import_tree({"/z": b"old"})
        with fs.open("/z"):
            unchanged(BlockingIOError, "/z", load_tree, fs, source)
        load_tree(fs, source)
        assert fs.export_tree() == {"/z": b"z", "/x/y": b"y"}


def test_links_swapped_under_a_load(
    tmp_path: pathlib.Path, canary: pathlib.Path
) -> None:
    """What is loaded never comes from behind a link."""
    where = tmp_path / "from"
    (where / "d").mkdir(parents=True)
    (where / "d/secret").write_bytes(b"public")
    outcomes: dict[str, int] = {}
    with Swapper(where / "d", canary):
        end = time.monotonic() + 3
        while time.monotonic() < end:
            fs = MemoryFileSystem()
            try:
                load_tree(fs, where)
                kind = "loaded"
            except OSError as error:
                kind = errno.errorcode[error.errno or 0]
            outcomes[kind] = outcomes.get(kind, 0) + 1
            for data in fs.export_tree().values():
                assert data == b"public"
    assert outcomes.get("loaded", 0) > 10, outcomes
    assert len(outcomes) > 1, outcomes


def test_suffixes() -> None:
    """Which names are those of tar files."""
    for suffix in TARS:
        assert _archive._packer("/d/name" + suffix) is not None
        assert _archive._packer("/d/NAME" + suffix.upper()) is not None
    for name in ("name", "name.gz", "tar", ".tar", "name.tar/x", "a.tar.d"):
        assert _archive._packer(name) is None
