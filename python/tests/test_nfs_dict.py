"""NfsDict by itself: what it keeps, what it tells, what it never does."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import stat
import sys
import threading
import time
from collections.abc import ItemsView, KeysView, MutableMapping, ValuesView
from pathlib import Path
from typing import Any

import kist
import pytest
from kist.nfsdict import CorruptValueError, NfsDict

SERIALIZERS = ("pickle", "json")
EXT = {"pickle": "pkl", "json": "json"}


def file_of(base: Path, key: str, serializer: str = "pickle") -> Path:
    """Where the value of a key is, by the contract."""
    digits = hashlib.sha256(key.encode()).hexdigest()
    return base / digits[:2] / f"{digits}.{EXT[serializer]}"


def index_of(base: Path, serializer: str = "pickle") -> Path:
    return base / f"_index.{EXT[serializer]}"


def plant(base: Path, key: str, data: bytes, ser: str = "pickle") -> Path:
    path = file_of(base, key, ser)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture(params=SERIALIZERS)
def ser(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- what it is --------------------------------------------------------------


def test_mapping(tmp_path: Path, ser: str) -> None:
    d = NfsDict("x", tmp_path, ser)
    assert isinstance(d, MutableMapping)
    assert len(d) == 0 and not d and list(d) == [] and d == {}
    d["a"] = 1
    d["b"] = {"n": [1, 2.5, None, True, "ä"]}
    d[""] = "empty"
    assert d == {"a": 1, "b": {"n": [1, 2.5, None, True, "ä"]}, "": "empty"}
    assert sorted(d) == ["", "a", "b"] and "a" in d and "z" not in d
    assert d.get("a") == 1 and d.get("z") is None and d.get("z", 5) == 5
    assert d.pop("a") == 1 and d.pop("a", 7) == 7
    with pytest.raises(KeyError, match="'a'"):
        d.pop("a")
    assert d.setdefault("c", 3) == 3 and d.setdefault("c", 4) == 3
    d.update({"d": 4}, e=5)
    assert set(d.keys()) == {"", "b", "c", "d", "e"}
    assert sorted(map(str, d.values())) == sorted(
        map(str, ["empty", d["b"], 3, 4, 5])
    )
    assert dict(d.items()) == {k: d[k] for k in d}
    assert isinstance(d.keys(), KeysView)
    assert isinstance(d.items(), ItemsView)
    assert isinstance(d.values(), ValuesView)
    assert ("c", 3) in d.items() and 3 in d.values()
    first = next(iter(d))
    assert d.popitem()[0] == first
    del d["e"]
    with pytest.raises(KeyError):
        del d["e"]
    d.clear()
    assert len(d) == 0 and d == {}
    with pytest.raises(KeyError):
        d.popitem()
    assert hash(d) == hash(d) and d != {"a": 1}
    assert repr(d) == f"NfsDict('{tmp_path}/x', 0 keys)"
    assert len(NfsDict("x", tmp_path, ser)) == 0


def test_again(tmp_path: Path, ser: str) -> None:
    values = {f"k{i}": {"i": i, "t": "x" * i} for i in range(300)}
    with NfsDict("x", tmp_path, ser) as d:
        d.update(values)
    for lazy in (False, True):
        again = NfsDict("x", tmp_path, ser, lazy)
        assert len(again) == 300 and "k7" in again
        assert again == values
        again.close()
        again.close()
        assert again["k7"] == values["k7"]
    other = NfsDict("x", tmp_path, "json" if ser == "pickle" else "pickle")
    assert len(other) == 0 and other.get("k7") is None


def test_layout(tmp_path: Path, ser: str) -> None:
    mask = os.umask(0o027)
    try:
        d = NfsDict("x", tmp_path, ser)
        d["ä"] = {"v": 1}
    finally:
        os.umask(mask)
    path = file_of(tmp_path / "x", "ä", ser)
    data = path.read_bytes()
    if ser == "pickle":
        assert data == pickle.dumps(("ä", {"v": 1}))
    else:
        assert data == '["ä", {"v": 1}]'.encode()
    # Defect 7: readable by whom the umask lets read.
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    d.close()
    index = index_of(tmp_path / "x", ser).read_bytes()
    assert (pickle.loads(index) if ser == "pickle" else json.loads(index)) == [
        "ä"
    ]


def test_keys(tmp_path: Path) -> None:
    d = NfsDict("x", tmp_path)
    for key in (1, None, b"x", (1,), 1.5, True):
        with pytest.raises(AttributeError, match="no attribute 'encode'"):
            d[key] = 1  # type: ignore[index]
        with pytest.raises(KeyError):
            d[key]  # type: ignore[index]
        with pytest.raises(KeyError):
            del d[key]  # type: ignore[arg-type]
        assert key not in d and d.get(key) is None  # type: ignore[call-overload]
    for bad in ([], {}):
        with pytest.raises(TypeError, match="unhashable"):
            d[bad]  # type: ignore[index]
        with pytest.raises(TypeError, match="unhashable"):
            bad in d
        with pytest.raises(TypeError, match="unhashable"):
            del d[bad]  # type: ignore[arg-type]
        with pytest.raises(AttributeError):
            d[bad] = 1  # type: ignore[index]
    with pytest.raises(UnicodeEncodeError):
        d["\ud800"] = 1
    assert d.get("\ud800") is None and "\ud800" not in d
    assert list(tmp_path.rglob("*.pkl")) == []

    class Text(str):
        def __eq__(self, other: object) -> bool:
            raise AssertionError

        __hash__ = str.__hash__

    d[Text("sub")] = 1
    assert type(next(iter(d))) is str and d["sub"] == 1
    long = "k" * 100_000
    d[long] = 2
    d["a/b\x00\n\\"] = 3
    assert NfsDict("x", tmp_path) == {"sub": 1, long: 2, "a/b\x00\n\\": 3}


def test_refused_values(tmp_path: Path, ser: str) -> None:
    d = NfsDict("x", tmp_path, ser)
    d["a"] = 1
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        d["a"] = lambda: 1
    if ser == "json":
        with pytest.raises(UnicodeEncodeError):
            d["a"] = "\ud800"
        d["nan"] = float("inf")
        assert d["nan"] == float("inf")
    assert d["a"] == 1 and NfsDict("x", tmp_path, ser)["a"] == 1
    assert not [p for p in tmp_path.rglob("tmp*")]


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    NfsDict()["a"] = 1
    assert file_of(tmp_path / "data/nfsdict/default", "a").exists()
    assert NfsDict("", tmp_path / "base").keys() == set()
    assert NfsDict("n/m", tmp_path / "base").keys() == set()
    with pytest.raises(ValueError, match=r"Unknown serializer: 'yaml'"):
        NfsDict("made", tmp_path, "yaml")
    assert (tmp_path / "made").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as caught:
        NfsDict("file", tmp_path)
    assert caught.value.errno in (errno.EEXIST, errno.ENOTDIR)
    with pytest.raises(ValueError, match="durability"):
        NfsDict("x", tmp_path, durability="maybe")


def test_remade(tmp_path: Path) -> None:
    d = NfsDict("x", tmp_path, "json", True, durability="none")
    d["a"] = 1
    again = pickle.loads(pickle.dumps(d))
    assert type(again) is NfsDict and again == {"a": 1}


def test_subclass(tmp_path: Path) -> None:
    class Upper(NfsDict):
        def __getitem__(self, key: str) -> Any:
            return super().__getitem__(key.upper())

    d = Upper("x", tmp_path)
    d["A"] = 1
    assert d["a"] == 1 and d.get("a") == 1 and d.get("z") is None


def test_progress(tmp_path: Path) -> None:
    d = NfsDict("x", tmp_path, "json", False, True)
    d["a"] = 1
    assert NfsDict("x", tmp_path, "json", progress_bar=True) == {"a": 1}


# --- the defects of the peer, by their numbers in contracts/nfsdict.md -------


def test_1_killed_hides_nothing(tmp_path: Path, ser: str) -> None:
    """While keys are missing from the index there is none."""
    base = tmp_path / "x"
    d = NfsDict("x", tmp_path, ser)
    assert not index_of(base, ser).exists()
    d["a"] = 1
    d.close()
    assert index_of(base, ser).exists()
    d["b"] = 2
    assert not index_of(base, ser).exists()
    assert sorted(NfsDict("x", tmp_path, ser)) == ["a", "b"]
    d.close()
    del d["a"]
    assert not index_of(base, ser).exists()
    assert sorted(NfsDict("x", tmp_path, ser)) == ["b"]


def test_2_writers_merge(tmp_path: Path, ser: str) -> None:
    """Whoever closes last, the index has what all have put."""
    for order in ((0, 1), (1, 0)):
        base = f"x{order[0]}"
        both = [NfsDict(base, tmp_path, ser) for _ in range(2)]
        both[0]["a"] = 1
        both[1]["b"] = 2
        both[0]["c"] = 3
        del both[0]["c"]
        for i in order:
            both[i].close()
        data = index_of(tmp_path / base, ser).read_bytes()
        keys = pickle.loads(data) if ser == "pickle" else json.loads(data)
        assert sorted(keys) == ["a", "b"]
        assert NfsDict(base, tmp_path, ser) == {"a": 1, "b": 2}


def test_3_errors_are_errors(tmp_path: Path) -> None:
    """What cannot be read now is not a missing key, nor forgotten."""
    base = tmp_path / "x"
    d = NfsDict("x", tmp_path, lazy=True)
    d["a"] = [1]
    d["gone"] = 1
    d.close()
    lazy = NfsDict("x", tmp_path, lazy=True)
    path = file_of(base, "a")
    data = path.read_bytes()
    path.unlink()
    path.mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        lazy["a"]
    assert path.name in str(caught.value.filename)
    with pytest.raises(IsADirectoryError):
        lazy.get("a")
    with pytest.raises(IsADirectoryError):
        NfsDict("x", tmp_path)
    path.rmdir()
    path.write_bytes(data)
    assert "a" in lazy and lazy["a"] == [1]
    # A class that is not there is an ImportError, not a missing key.
    plant(base, "class", b"\x80\x04\x8c\x05class\x94cno_such_module\nX\n\x86.")
    with pytest.raises(ModuleNotFoundError):
        lazy["class"]
    os.unlink(file_of(base, "gone"))
    with pytest.raises(KeyError):
        lazy["gone"]
    assert "gone" not in lazy


def test_4_sync_that_fails_loses_nothing(tmp_path: Path) -> None:
    base = tmp_path / "x"
    d = NfsDict("x", tmp_path)
    d.update(a=1, b=2)
    d.close()
    index = index_of(base).read_bytes()
    path = file_of(base, "a")
    data = path.read_bytes()
    path.unlink()
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        d.sync()
    assert d == {"a": 1, "b": 2}
    path.rmdir()
    path.write_bytes(data)
    d.sync()
    d.close()
    assert d == {"a": 1, "b": 2}
    assert sorted(pickle.loads(index_of(base).read_bytes())) == sorted(
        pickle.loads(index)
    )


def test_5_names_are_synced(tmp_path: Path) -> None:
    """fsync of the directories: by strace, where there is one."""
    import shutil
    import subprocess

    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    code = (
        "from kist.nfsdict import NfsDict; import sys\n"
        "d = NfsDict('x', sys.argv[1], durability=sys.argv[2])\n"
        "d['a'] = 1; d['a'] = 2; del d['a']\n"
    )
    counts = {}
    for level in ("none", "sync"):
        log = tmp_path / level
        run = subprocess.run(
            [
                "strace",
                "-f",
                "-e",
                "trace=fsync,openat,mkdirat",
                "-o",
                str(log),
                sys.executable,
                "-c",
                code,
                str(tmp_path / "d"),
                level,
            ],
            capture_output=True,
            check=False,
        )
        if run.returncode != 0:
            pytest.skip(f"strace does not work: {run.stderr!r}")
        counts[level] = log.read_text().count("fsync(")
    # Two files and three times their directory, the shard's name, the index
    # and its directory.
    assert counts["none"] == 0 and counts["sync"] >= 7


def test_6_no_code_from_shared_directories(tmp_path: Path) -> None:
    base = tmp_path / "x"
    canary = tmp_path / "canary"

    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(canary),)

    d = NfsDict("x", tmp_path)
    d["a"] = 1
    d.close()
    # The index is never unpickled, whoever owns it.
    index_of(base).write_bytes(pickle.dumps([Bomb()]))
    os.unlink(base / "_kist_pkl")
    assert list(NfsDict("x", tmp_path)) == ["a"]
    plant(base, "b", pickle.dumps(("b", Bomb())))
    os.chmod(base, 0o777)
    lazy = NfsDict("x", tmp_path, lazy=True)
    for call in (
        lambda: NfsDict("x", tmp_path),
        lambda: lazy["b"],
        lambda: lazy.get("b"),
    ):
        with pytest.raises(PermissionError, match="allow_shared"):
            call()
    lazy["c"] = {"own": 1}  # what we write ourselves may be written
    assert lazy["c"] == {"own": 1}
    os.chmod(base, 0o755)
    shard = file_of(base, "b").parent
    os.chmod(shard, 0o777)
    with pytest.raises(PermissionError, match="allow_shared"):
        NfsDict("x", tmp_path, lazy=True)["b"]
    assert not canary.exists()
    assert NfsDict("x", tmp_path, allow_shared=True).keys() == {"a", "b", "c"}
    assert canary.exists()
    # Data is data.
    j = NfsDict("j", tmp_path, "json")
    j["a"] = 1
    os.chmod(tmp_path / "j", 0o777)
    assert NfsDict("j", tmp_path, "json") == {"a": 1}


def test_6_own_directories_are_not_shared(tmp_path: Path) -> None:
    """A umask that lets a group write does not lock the user out."""
    mask = os.umask(0o002)
    try:
        d = NfsDict("x", tmp_path)
        d["a"] = [1]
        assert NfsDict("x", tmp_path) == {"a": [1]}
        shared = NfsDict("s", tmp_path, allow_shared=True)
        shared["a"] = 1
    finally:
        os.umask(mask)
    assert not file_of(tmp_path / "x", "a").stat().st_mode & 0o022
    assert file_of(tmp_path / "s", "a").stat().st_mode & 0o020


def test_8_leavings_are_swept(tmp_path: Path) -> None:
    base = tmp_path / "x"
    d = NfsDict("x", tmp_path)
    d["a"] = 1
    shard = file_of(base, "a").parent
    old = shard / "tmpabcdefgh"
    new = shard / "tmpijklmnop"
    stray = shard / "tmpxyz.pkl"
    for path in (old, new, stray):
        path.write_bytes(pickle.dumps(("stray", 1)))
    os.utime(old, (0, 0))
    assert NfsDict("x", tmp_path) == {"a": 1}
    assert not old.exists() and new.exists()


def test_9_names_tell_the_keys(tmp_path: Path, ser: str) -> None:
    base = tmp_path / "x"
    dump: Any = (
        pickle.dumps
        if ser == "pickle"
        else (lambda pair: json.dumps(pair).encode())
    )
    d = NfsDict("x", tmp_path, ser)
    d["a"] = 1
    plant(base, "b", dump(("z", 2)), ser)
    for lazy in (False, True):
        again = NfsDict("x", tmp_path, ser, lazy)
        assert list(again) == ["a"] and again.get("z") is None
        with pytest.raises(CorruptValueError):
            again["b"]
    inner = NfsDict("x/inner", tmp_path, ser)
    inner["c"] = 3
    inner.close()
    assert list(NfsDict("x", tmp_path, ser)) == ["a"]
    for name in ("..", "../y", "a/../../y", str(tmp_path), "/etc"):
        with pytest.raises(ValueError, match="leads out of"):
            NfsDict(name, tmp_path, ser)


def test_12_damage(tmp_path: Path, ser: str) -> None:
    base = tmp_path / "x"
    good = pickle.dumps(("a", [1, 2, 3])) if ser == "pickle" else b'["a", [1]]'
    cases = [good[:n] for n in range(len(good))]
    cases += [b"garbage", b"\x00" * 50]
    if ser == "pickle":
        cases += [pickle.dumps(("a", 1, 2)), pickle.dumps(["a", 1])]
    else:
        cases += [b'["a", 1, 2]', b'["a"]', b'{"a": 1}', b'["a", \xff]']
    for data in cases:
        plant(base, "a", data, ser)
        plant(
            base,
            "ok",
            pickle.dumps(("ok", 1)) if ser == "pickle" else b'["ok", 1]',
            ser,
        )
        d = NfsDict("x", tmp_path, ser)
        assert list(d) == ["ok"]
        with pytest.raises(KeyError) as caught:
            d["a"]
        assert isinstance(caught.value, CorruptValueError)
        assert isinstance(caught.value, kist.CorruptError)
        assert str(tmp_path) in str(caught.value)
        assert file_of(base, "a", ser).read_bytes() == data
        del d["a"]
        assert not file_of(base, "a", ser).exists()
        plant(base, "a", data, ser)
        d["a"] = "healed"
        assert NfsDict("x", tmp_path, ser) == {"a": "healed", "ok": 1}


def test_12_stale_keys_in_views(tmp_path: Path) -> None:
    d = NfsDict("x", tmp_path)
    d.update(a=1, b=2, c=3)
    d.close()
    lazy = NfsDict("x", tmp_path, lazy=True)
    file_of(tmp_path / "x", "b").unlink()
    assert dict(lazy.items()) == {"a": 1, "c": 3}
    lazy = NfsDict("x", tmp_path, lazy=True)
    assert sorted(lazy.values()) == [1, 3]
    # Reading changes nothing that would have to be written.
    before = index_of(tmp_path / "x").stat()
    NfsDict("x", tmp_path, lazy=True).get("a")
    assert index_of(tmp_path / "x").stat().st_mtime_ns == before.st_mtime_ns


def test_13_what_is_read_is_what_was_written(tmp_path: Path, ser: str) -> None:
    d = NfsDict("x", tmp_path, ser)
    value: dict[Any, Any] = {"l": [1], 2: (3, 4)}
    d["a"] = value
    value["l"].append(2)
    assert d["a"]["l"] == [1]
    assert d["a"] == NfsDict("x", tmp_path, ser)["a"]
    assert d["a"] is d["a"]
    text = "same"
    d["b"] = text
    assert d["b"] is text


def test_15_keys_without_values(tmp_path: Path) -> None:
    """Lazy, without an index: no value is unpickled."""

    base = tmp_path / "x"
    for i in range(50):
        # A key that is whole, in a file whose value is not.
        plant(base, f"k{i}", pickle.dumps((f"k{i}", [i] * 5000))[:4200])
    lazy = NfsDict("x", tmp_path, lazy=True)
    assert len(lazy) == 50
    with pytest.raises(CorruptValueError):
        lazy["k7"]


class Chatty:
    told_to: NfsDict | None = None

    def __del__(self) -> None:
        if self.told_to is not None:
            self.told_to["told"] = self.told_to.get("told", 0) + 1


# --- other processes, threads ------------------------------------------------


def test_what_others_put(tmp_path: Path) -> None:
    for lazy in (False, True):
        d = NfsDict(f"x{lazy}", tmp_path, lazy=lazy)
        d["own"] = 0
        other = NfsDict(f"x{lazy}", tmp_path)
        other["k"] = 1
        assert "k" not in d and len(d) == 1 and d.get("nothing") is None
        assert d["k"] == 1 and "k" in d and len(d) == 2
        other["l"] = 2
        other["k"] = 3
        assert d["k"] == 1
        d.sync()
        assert d == {"own": 0, "k": 3, "l": 2}
        del other["l"]
        assert d["l"] == 2
        d.sync()
        assert "l" not in d and d.get("l") is None


def test_14_threads(tmp_path: Path) -> None:
    """Cache and disk agree whoever wrote last, readers beside them."""
    d = NfsDict("x", tmp_path, durability="none")
    stop = threading.Event()
    wrong: list[object] = []

    def write(me: int) -> None:
        for i in range(60):
            d[f"k{i % 4}"] = [me, i]
            if i % 10 == 0:
                d.pop(f"k{(i + 1) % 4}", None)

    def read() -> None:
        while not stop.is_set():
            for key in list(d):
                value = d.get(key)
                if value is not None and len(value) != 2:
                    wrong.append(value)
            d.sync()

    writers = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    reader = threading.Thread(target=read)
    reader.start()
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert not wrong
    assert d == NfsDict("x", tmp_path)


def test_threads_and_finalizers(tmp_path: Path) -> None:
    """A value whose end uses the dict again does not stop it."""
    d = NfsDict("x", tmp_path, durability="none")
    Chatty.told_to = d
    try:
        for _ in range(5):
            d["a"] = Chatty()
            d["a"]
            d["a"] = 1
        del d["a"]
    finally:
        Chatty.told_to = None
    assert d["told"] >= 5


def test_fork(tmp_path: Path) -> None:
    """14: a child does not write its parent's index, and may use the dict."""
    d = NfsDict("x", tmp_path)
    d["a"] = 1
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            d["busy"] = [1]

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for i in range(10):
            child = os.fork()
            if child == 0:
                try:
                    assert d["a"] == 1
                    if i % 2:
                        d[f"child{i}"] = i
                    d.close()
                finally:
                    os._exit(0)
            deadline = time.monotonic() + 30
            while os.waitpid(child, os.WNOHANG)[0] == 0:
                assert time.monotonic() < deadline, "a child hangs"
                time.sleep(0.005)
            assert not index_of(tmp_path / "x").exists()
    finally:
        stop.set()
        thread.join()
    d.sync()
    assert sorted(d) == ["a", "busy"] + [f"child{i}" for i in range(1, 10, 2)]


def test_closed_in_the_middle(tmp_path: Path) -> None:
    d = NfsDict("x", tmp_path, durability="none")
    stop = threading.Event()

    def close() -> None:
        while not stop.is_set():
            d.close()

    thread = threading.Thread(target=close)
    thread.start()
    for i in range(200):
        d[f"k{i % 5}"] = [i]
        assert d[f"k{i % 5}"] == [i]
        NfsDict("x", tmp_path, lazy=True).get("k1")
    stop.set()
    thread.join()
    d.close()
    assert sorted(pickle.loads(index_of(tmp_path / "x").read_bytes())) == [
        f"k{i}" for i in range(5)
    ]


def test_unopened() -> None:
    d = NfsDict.__new__(NfsDict)
    assert len(d) == 0 and "a" not in d
    with pytest.raises((RuntimeError, TypeError)):
        d["a"] = 1
    with pytest.raises(RuntimeError):
        d.get("a")


# --- found by review ---------------------------------------------------------


class Meddler:
    """Unpickling one syncs the dict that it is read from."""

    syncs: NfsDict | None = None

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        if Meddler.syncs is not None:
            d, Meddler.syncs = Meddler.syncs, None
            plant(Path(d._directory), "m", pickle.dumps(("m", "new")))
            d.sync()


def test_sync_while_a_value_is_read(tmp_path: Path) -> None:
    value = Meddler()
    value.x = 1  # type: ignore[attr-defined]
    plant(tmp_path / "x", "m", pickle.dumps(("m", value)))
    d = NfsDict("x", tmp_path, lazy=True)
    Meddler.syncs = d
    assert isinstance(d["m"], Meddler)
    assert d["m"] == "new"
    # Within sync() there is no other.
    eager = NfsDict("x", tmp_path)
    plant(tmp_path / "x", "m", pickle.dumps(("m", value)))
    Meddler.syncs = eager
    with pytest.raises(RuntimeError, match="sync"):
        eager.sync()
    assert eager["m"] == "new"


def test_keys_that_run_code(tmp_path: Path) -> None:
    d = NfsDict("x", tmp_path)
    d.update({f"k{i}": i for i in range(20)})

    class Evil:
        def __init__(self, key: str) -> None:
            self.key = key

        def __hash__(self) -> int:
            d.sync()
            return hash(self.key)

        def __eq__(self, other: object) -> bool:
            raise AssertionError

    for i in range(20):
        evil: Any = Evil(f"k{i}")
        assert evil not in d and d.get(evil) is None
        with pytest.raises(KeyError):
            d[evil]
        with pytest.raises(KeyError):
            del d[evil]
    assert len(d) == 20


def test_get_words(tmp_path: Path) -> None:
    d = NfsDict("x", tmp_path)
    d["a"] = 1
    assert d.get(key="a") == 1 and d.get("z", default=3) == 3
    assert d.get(default=4, key="z") == 4 and d.get(key="z") is None
    for call in (
        lambda: d.get(),  # type: ignore[call-arg]
        lambda: d.get("a", 1, 2),  # type: ignore[call-arg]
        lambda: d.get("a", key="a"),  # type: ignore[misc]
        lambda: d.get("a", other=1),  # type: ignore[call-arg]
        lambda: d.get(default=1),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError, match="get"):
            call()


def test_sync_by_several_threads(tmp_path: Path) -> None:
    d = NfsDict("x", tmp_path, durability="none")
    d.update({f"k{i}": i for i in range(50)})
    wrong: list[BaseException] = []

    def sync() -> None:
        try:
            for _ in range(5):
                d.sync()
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=sync) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(d) == 50


def test_trust_is_asked_again(tmp_path: Path) -> None:
    """A directory that others may write to later is not trusted then."""
    d = NfsDict("x", tmp_path)
    d["a"] = [1]
    d.sync()
    os.chmod(file_of(tmp_path / "x", "a").parent, 0o777)
    with pytest.raises(PermissionError, match="allow_shared"):
        d.sync()
    assert d["a"] == [1]


def test_no_umask(tmp_path: Path) -> None:
    """Without a umask nothing is made for others to write to."""
    mask = os.umask(0)
    try:
        d = NfsDict("x", tmp_path)
        d.update({f"k{i}": [i] for i in range(40)})
        d.close()
    finally:
        os.umask(mask)
    open_to_all = [
        path
        for path in (tmp_path / "x").rglob("*")
        if path.stat().st_mode & 0o022
    ]
    assert not open_to_all
    assert len(NfsDict("x", tmp_path)) == 40
