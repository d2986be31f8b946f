"""FileDirDict: whose pickles are read, and what survives a hostile caller."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import kist
import pytest
from kist.persidict import formats_trust
from kist.persidict.file_dir_dict import FileDirDict
from kist.persidict.formats_trust import shared_with

from persifile import make

NO_ID = 0xFFFFFFFF


@pytest.fixture
def open_path(tmp_path: Path) -> Path:
    """A path that other users reach, as far as it is ours to say."""
    return tmp_path / "d"


def readers(path: Path) -> list[FileDirDict[Any]]:
    """Dicts that have seen the directory, and that have not."""
    return [make(path), make(path)]


@pytest.mark.parametrize("key", ["top", ("sub", "a"), ("s", "t", "a")])
def test_a_file_that_others_can_write_is_not_read(key, open_path, monkeypatch):
    # pytest's directory is 0700: say that others get in.
    monkeypatch.setattr(formats_trust, "_keeps_out", lambda *_: False)
    d = make(open_path)
    d[key] = 1
    assert make(open_path)[key] == 1
    old, new = readers(open_path)
    assert old[key] == 1
    name = old._place("/".join([key] if isinstance(key, str) else key))
    os.chmod(name, 0o666)
    for each in (old, new):
        with pytest.raises(PermissionError, match="allow_shared"):
            each[key]
        with pytest.raises(PermissionError, match="allow_shared"):
            list(each.values())
    assert make(open_path, allow_shared=True)[key] == 1
    os.chmod(name, 0o644)
    assert old[key] == new[key] == 1


def test_a_closed_directory_needs_no_look_at_files(tmp_path):
    path = tmp_path / "closed"
    path.mkdir(0o700)
    d = make(path)
    d["a"] = 1
    os.chmod(d._place("a"), 0o666)
    assert make(path)["a"] == 1


@pytest.mark.parametrize("front", ["s", "s/t"])
def test_a_directory_between_is_looked_at(front, tmp_path):
    d = make(tmp_path / "d")
    d["s", "t", "a"] = 1
    d["other"] = 2
    new = make(tmp_path / "d")
    assert new["other"] == 2
    where = d._directory(kist.persidict.SafeStrTuple(front.split("/")))
    os.chmod(where, 0o777)
    with pytest.raises(PermissionError, match="all users can write"):
        new["s", "t", "a"]
    assert new["other"] == 2
    with pytest.raises(PermissionError, match="all users can write"):
        new.get_subdict(("s", "t"))["a"]


def acl(mallory: int) -> bytes:
    entries = [
        *((1, 7, NO_ID), (2, mallory, 65534), (4, 5, NO_ID)),
        *((16, 7, NO_ID), (32, 5, NO_ID)),
    ]
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *x) for x in entries
    )


def test_an_acl_shares_a_directory(tmp_path, monkeypatch):
    d = make(tmp_path / "d")
    d["a"] = 1
    monkeypatch.setattr(formats_trust, "_is_own_group", lambda gid: True)
    os.chmod(d.base_dir, 0o775)
    assert shared_with(d.base_dir) is None
    try:
        os.setxattr(d.base_dir, "system.posix_acl_access", acl(7))
    except OSError:
        pytest.skip("no ACLs here")
    assert "ACL" in str(shared_with(d.base_dir))
    with pytest.raises(PermissionError, match="ACL"):
        make(tmp_path / "d")["a"]


def test_the_way_of_links_is_looked_at(tmp_path):
    d = make(tmp_path / "d")
    d["a"] = 1
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "l").symlink_to(d.base_dir)
    assert make(shared / "l")["a"] == 1
    os.chmod(shared, 0o777)
    with pytest.raises(PermissionError, match="all users can write"):
        make(shared / "l")["a"]
    assert make(tmp_path / "d")["a"] == 1
    if os.geteuid() == 0:
        os.chmod(shared, 0o1777)
        assert shared_with(str(shared / "l")) is None
        os.lchown(shared / "l", 65533, 65533)
        assert "link" in str(shared_with(str(shared / "l")))


def test_the_owner_of_root_is_not_nobody(monkeypatch):
    class Root:
        st_uid = 4711

    monkeypatch.setattr(formats_trust.os, "stat", lambda _: Root)
    assert formats_trust._is_trusted(4711)
    monkeypatch.setattr(formats_trust, "_nobody", lambda: 4711)
    assert not formats_trust._is_trusted(4711)


def test_no_null_in_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for bad in ("x\0y", str(tmp_path / "x\0/y")):
        with pytest.raises(ValueError, match="null"):
            FileDirDict(base_dir=bad)
        other: Any = FileDirDict.__new__(FileDirDict)
        with pytest.raises(ValueError, match="null"):
            other._open(bad, "pkl", False, 4, None, "sync", False, None, 0)
    assert not os.listdir(tmp_path)


def test_json_of_data_needs_no_private_directory(tmp_path):
    d = make(tmp_path / "d", serialization_format="json")
    d["a"] = [(1, 2), {3}, b"x"]
    d["b"] = 1
    Path(d._place("b")).write_text('{"py/type": "threading.Barrier"}')
    os.chmod(d.base_dir, 0o777)
    other = make(tmp_path / "d", serialization_format="json")
    assert other["a"] == [(1, 2), {3}, b"x"]
    with pytest.raises(PermissionError, match="allow_shared"):
        other["b"]


def test_what_could_not_be_read_is_not_written(tmp_path):
    d = make(tmp_path / "d", inflated_max=1000)
    with pytest.raises(kist.TooBigError):
        d["a"] = "x" * 10000
    assert "a" not in d
    d["a"] = "x" * 100
    assert d["a"] == "x" * 100


def run(script: str, seconds: float = 60) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        timeout=seconds,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_init_that_fails_leaves_what_there_was(tmp_path):
    d = make(tmp_path / "d")
    d["s", "a"] = 1
    sub = d.get_subdict("s")
    (tmp_path / "f").touch()
    with pytest.raises((OSError, kist.persidict.BackendError)):
        FileDirDict.__init__(d, base_dir=str(tmp_path / "f" / "g"))
    assert d["s", "a"] == 1
    FileDirDict.__init__(d, base_dir=str(tmp_path / "c"))
    assert list(d) == []
    (Path(sub.base_dir) / "zz.pkl").touch()
    assert len(list(sub)) == 1
    assert len(sub.foreign_files()) == 1


def test_init_in_one_thread_and_use_in_another(tmp_path):
    run(
        f"""
        import threading, time
        from kist.persidict import FileDirDict
        path = {str(tmp_path / "d")!r}
        d = FileDirDict(base_dir=path, durability="none")
        end = time.monotonic() + 1.5
        def init():
            while time.monotonic() < end:
                d.__init__(base_dir=path, durability="none")
        def use():
            while time.monotonic() < end:
                d.setdefault("a", 1)
                d.put_many({{"b": 1}})
                d.get_many(["a", "b"])
                d.pop("a", None)
        all = [threading.Thread(target=x) for x in (init, init, use, use)]
        for x in all: x.start()
        for x in all: x.join()
        """
    )


def test_a_child_of_fork_meets_foreign_files(tmp_path):
    run(
        f"""
        import os, pathlib, signal, threading, time
        from kist.persidict import FileDirDict
        d = FileDirDict(base_dir={str(tmp_path / "d")!r}, durability="none")
        d["a"] = 1
        for i in range(200):
            pathlib.Path(d.base_dir, f"x{{i}}.pkl").touch()
        assert len(d.foreign_files()) == 200
        stop = False
        def scan():
            while not stop:
                list(d.keys())
                d.foreign_files()
        for _ in range(3):
            threading.Thread(target=scan, daemon=True).start()
        for _ in range(40):
            pid = os.fork()
            if pid == 0:
                signal.alarm(10)
                ok = list(d) and len(d.foreign_files()) == 200
                os._exit(0 if ok else 1)
            assert os.waitpid(pid, 0)[1] == 0
        os._exit(0)
        """
    )


def test_foreign_files_by_many_threads(tmp_path):
    d = make(tmp_path / "d")
    d["a"] = 1
    for i in range(1000):
        Path(d.base_dir, f"x{i}.pkl").touch()
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(len(d.foreign_files())))
        for _ in range(6)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [1000] * 6


class Lax(FileDirDict[Any]):
    def _process_generic_iter_args(self, result_type: Any) -> Any:
        return result_type


def test_iteration_over_nothing(tmp_path):
    d = Lax(base_dir=str(tmp_path / "d"))
    d["a"] = 1
    with pytest.raises(ValueError, match="none of keys"):
        d._generic_iter(set())
    with pytest.raises(TypeError, match="must be a set"):
        d._generic_iter(["keys"])  # type: ignore[arg-type]


def test_without_init_max_n_is_not_asked():
    class Number:
        def __index__(self) -> int:
            raise AssertionError

    other: Any = FileDirDict.__new__(FileDirDict)
    with pytest.raises(RuntimeError, match="__init__"):
        other.oldest_keys(Number())


def test_base_class_with_formats_of_any_value(tmp_path):
    d = make(
        tmp_path / "d", serialization_format="kist", base_class_for_values=int
    )
    d["a"] = 1
    assert d["a"] == 1
    with pytest.raises(TypeError):
        d["b"] = "x"


def test_pickle_that_gives_no_bytes(tmp_path):
    run(
        f"""
        import pickle
        pickle.dumps = lambda *a, **k: "text"
        from kist.persidict import FileDirDict
        d = FileDirDict(base_dir={str(tmp_path / "d")!r})
        try:
            d["a"] = 1
        except TypeError:
            pass
        else:
            raise AssertionError
        """
    )
