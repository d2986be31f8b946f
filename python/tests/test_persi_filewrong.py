"""FileDirDict where the peer goes wrong: W1 to W15 of the contract."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import kist
import pytest
from kist.persidict.file_dir_dict import (
    FileDirDict,
)

from persifile import files, make


@pytest.fixture
def d(tmp_path: Path) -> FileDirDict[Any]:
    return make(tmp_path / "d")


# --- what the peer does wrong --------------------------------------------------


def quickly(seconds: float = 2.0) -> Any:
    class Clock:
        def __enter__(self) -> None:
            self.start = time.monotonic()

        def __exit__(self, *_: object) -> None:
            assert time.monotonic() - self.start < seconds

    return Clock()


def test_w1_errors_that_stay_are_raised_at_once(d, tmp_path):
    text = make(tmp_path / "t", serialization_format="txt")
    with quickly():
        with pytest.raises((TypeError, AttributeError)):
            d["a"] = threading.Lock()
        with pytest.raises(UnicodeEncodeError):
            text["a"] = "\ud800"
        d["b"] = 1
        for bad in (b"", b"nonsense", b"\x04\x22\x4d\x18"):
            Path(d._place("b")).write_bytes(bad)
            with pytest.raises(kist.CorruptError):
                d["b"]
            with pytest.raises(kist.CorruptError):
                list(d.values())
        with pytest.raises(ValueError):
            d["x" * 253] = 1
        with pytest.raises((OSError, ValueError)):
            d[["x" * 200] * 40] = 1
    assert "a" not in d
    assert files(d.base_dir) == ["b_c2wp.pkl"] or len(files(d.base_dir)) == 1


def test_w1_a_bad_value_is_left_and_the_rest_works(d):
    for i in range(5):
        d[f"k{i}"] = i
    Path(d._place("k2")).write_bytes(b"nonsense")
    values = d.values()
    found, errors = [], 0
    while True:
        try:
            found.append(next(values))
        except StopIteration:
            break
        except kist.CorruptError as error:
            errors += 1
            assert d._place("k2") in error.__notes__[0]
    assert sorted(found) == [0, 1, 3, 4]
    assert errors == 1
    assert Path(d._place("k2")).read_bytes() == b"nonsense"
    d["k2"] = 2
    assert sorted(d.values()) == list(range(5))


def run(program: str, *args: Any, expect: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == expect, done.stderr
    return done.stdout


COUNT = """
    import sys
    from kist.persidict.file_dir_dict import FileDirDict
    from kist.persidict.jokers_and_status_flags import ITEM_NOT_AVAILABLE
    d = FileDirDict(base_dir=sys.argv[1], serialization_format=sys.argv[2])
    def add(v):
        return 1 if v is ITEM_NOT_AVAILABLE else v + 1
    for _ in range(int(sys.argv[3])):
        d.transform_item("n", transformer=add, n_retries=None)
"""


def together(program: str, count: int, *args: Any) -> list[str]:
    """Runs the program in `count` processes at once."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program), *map(str, args)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    found = [child.communicate(timeout=120)[0] for child in children]
    assert [child.returncode for child in children] == [0] * count
    return found


@pytest.mark.parametrize("fmt", ["pkl", "json"])
def test_w2_no_increment_is_lost(tmp_path, fmt):
    together(COUNT, 6, tmp_path, fmt, 60)
    assert make(tmp_path, serialization_format=fmt)["n"] == 360


def test_w2_append_only_is_written_once(tmp_path):
    program = """
        import sys
        from kist.persidict.file_dir_dict import FileDirDict
        from kist.persidict.exceptions import MutationPolicyError
        d = FileDirDict(base_dir=sys.argv[1], append_only=True)
        won = 0
        for i in range(200):
            try:
                d[f"k{i}"] = i
                won += 1
            except MutationPolicyError:
                pass
        print(won)
    """
    won = together(program, 4, tmp_path)
    assert sum(map(int, won)) == 200


def test_w2_threads_lose_nothing(d):
    d["n"] = 0

    def work():
        for _ in range(50):
            d.transform_item("n", transformer=lambda v: v + 1, n_retries=None)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert d["n"] == 200


def test_w5_text_keeps_its_ends_of_lines(tmp_path):
    d = make(tmp_path, serialization_format="txt")
    for text in ("a\r\nb", "a\rb", "\r", "\n\r", "a\n"):
        d["a"] = text
        assert d["a"] == text


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_w6_modes_are_those_of_the_umask(tmp_path, mask):
    old = os.umask(mask)
    try:
        d = make(tmp_path / "d")
        d["a", "b"] = 1
    finally:
        os.umask(old)
    assert os.stat(d._place("a/b")).st_mode & 0o777 == 0o666 & ~mask
    assert os.stat(d.base_dir).st_mode & 0o777 == 0o777 & ~mask


def test_w8_keys_that_would_share_a_file_are_refused(d):
    d["abc"] = 1
    for call in (
        lambda: d["abc_saav"],
        lambda: d.__setitem__("abc_saav", 2),
        lambda: "abc_saav" in d,
    ):
        with pytest.raises(ValueError):
            call()
    assert d["abc"] == 1
    assert len(d) == 1
    for size in range(240, 254):
        for digest_len in (0, 4):
            other = make(d.base_dir, digest_len=digest_len)
            key = "x" * size
            try:
                other[key] = size
            except ValueError as error:
                assert size + digest_len > 240
                assert digest_len == 0 or size < 249 or "< 254" in str(error)
            else:
                assert other[key] == size


def test_w9_foreign_files_are_skipped_and_told(d):
    d["b"] = 1
    d["sub", "c"] = 2
    base = Path(d.base_dir)
    foreign = [
        "b (conflicted copy).pkl",
        ".pkl",
        "b.pkl",
        "with space/x_txko.pkl",
    ]
    for name in foreign:
        path = base / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not ours")
    (base / "other.json").write_text("{}")
    fresh = make(base)
    for each in (d, fresh):
        assert {k.strings for k in each} == {("b",), ("sub", "c")}
        assert len(each) == 2
        assert sorted(each.values()) == [1, 2]
        assert len(each.oldest_keys()) == 2
        assert each.random_key().strings in {("b",), ("sub", "c")}
        assert each == {"b": 1, ("sub", "c"): 2}
    told = d.foreign_files()
    assert set(told) == {"b (conflicted copy).pkl", "b.pkl", "with space"}
    assert all(isinstance(why, str) and why for why in told.values())
    assert d.get_subdict("sub").foreign_files() == {}
    d.clear()
    assert len(d) == 0
    for name in foreign:
        assert (base / name).read_bytes() == b"not ours"


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Any) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return open, (self.path, "w")


@pytest.mark.parametrize(
    "mode, safe",
    [(0o700, True), (0o755, True), (0o757, False), (0o1777, False)],
)
@pytest.mark.parametrize("fmt", ["pkl", "json"])
def test_w10_directories_of_others(tmp_path, mode, safe, fmt):
    path = tmp_path / "d"
    canary = tmp_path / "canary"
    d = make(path, serialization_format=fmt)
    if fmt == "json":
        text = (
            '{"py/reduce": [{"py/function": "builtins.open"}, '
            f'{{"py/tuple": ["{canary}", "w"]}}]}}'
        )
        d["a"] = 1
        Path(d._place("a")).write_text(text)
        pytest.importorskip("jsonpickle")
    else:
        d["a"] = Payload(canary)
    d["plain"] = {"x": 1}
    path.chmod(mode)
    fresh = make(path, serialization_format=fmt)
    if safe:
        fresh["a"]
        assert canary.exists()
        return
    for call in (
        lambda: fresh["a"],
        lambda: fresh.get("a"),
        lambda: list(fresh.values()),
        lambda: fresh.get_with_etag("a"),
        lambda: fresh.pop("a"),
        lambda: fresh.get_many(["a"]),
        lambda: fresh.transform_item("a", transformer=lambda v: v),
        lambda: fresh.get_subdict(())["a"],
        lambda: fresh.newest_values(),
    ):
        with pytest.raises(PermissionError, match="allow_shared"):
            call()
    assert not canary.exists()
    if fmt == "json":
        assert fresh["plain"] == {"x": 1}
    assert "a" in fresh
    assert len(fresh) == 2
    make(path, serialization_format=fmt, allow_shared=True)["a"]
    assert canary.exists()


def test_w10_a_parent_that_others_can_write(tmp_path):
    from kist.persidict.formats_trust import shared_with

    (tmp_path / "open").mkdir()
    d = make(tmp_path / "open" / "d")
    d["a"] = 1
    assert shared_with(d.base_dir) is None
    (tmp_path / "open").chmod(0o777)
    why = shared_with(d.base_dir)
    assert why is not None
    assert str(tmp_path / "open") in why
    with pytest.raises(PermissionError):
        d["a"]
    (tmp_path / "open").chmod(0o1777)
    assert d["a"] == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="changes owners")
def test_w10_a_directory_that_another_owns(tmp_path):
    d = make(tmp_path / "d")
    d["a"] = 1
    os.chown(d.base_dir, 12345, 12345)
    with pytest.raises(PermissionError, match="12345"):
        make(d.base_dir)["a"]


def test_w10_data_formats_are_read_anywhere(tmp_path):
    path = tmp_path / "d"
    d = make(path, serialization_format="kist")
    d["a"] = {"x": (1, {2})}
    t = make(path, serialization_format="txt")
    t["a"] = "text"
    path.chmod(0o777)
    assert make(path, serialization_format="kist")["a"] == {"x": (1, {2})}
    assert make(path, serialization_format="txt")["a"] == "text"


def test_w10_signed(tmp_path):
    key = tmp_path / "key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)
    path = tmp_path / "d"
    options: Any = {"serialization_format": "spkl", "sign_key_file": key}
    d = make(path, **options)
    d["a"] = {"x": {1, 2}}
    path.chmod(0o777)
    fresh = make(path, **options)
    assert fresh["a"] == {"x": {1, 2}}
    assert FileDirDict(**fresh.get_params())["a"] == {"x": {1, 2}}
    file = Path(d._place("a"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(PermissionError, match="signature"):
        fresh["a"]
    file.write_bytes(whole)
    key.chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        make(path, **options)
    key.chmod(0o600)
    key.write_bytes(b"short")
    with pytest.raises(ValueError, match="fewer"):
        make(path, **options)
    inside = path / "key"
    inside.write_bytes(os.urandom(32))
    inside.chmod(0o600)
    with pytest.raises(ValueError, match="outside"):
        make(path, serialization_format="spkl", sign_key_file=inside)


def test_w11_symlinks_are_not_followed_out(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    d = make(tmp_path / "d")
    d["a"] = 1
    other = make(outside)
    other["secret"] = 2
    os.symlink(outside, os.path.join(d.base_dir, "p_qody"))
    for call in (
        lambda: d.__setitem__(("p", "x"), 1),
        lambda: d["p", "secret"],
        lambda: d.__delitem__(("p", "secret")),
    ):
        with pytest.raises((OSError, KeyError, kist.Error, ValueError)):
            call()
    assert files(outside) == [os.path.basename(other._place("secret"))]
    assert [k.strings for k in d] == [("a",)]
    assert len(d) == 1
    d.clear()
    assert other["secret"] == 2


@pytest.mark.parametrize(
    "method",
    ["keys", "values", "items", "keys_and_timestamps", "items_and_timestamps"],
)
def test_w12_files_that_vanish_meanwhile(tmp_path, method):
    d = make(tmp_path, durability="none")
    d.put_many({f"k{i}": i for i in range(300)})
    scan = getattr(d, method)()
    next(scan)
    for i in range(300):
        d.discard(f"k{i}")
    assert len(list(scan)) <= 299
    assert d.oldest_keys() == []


def test_w13_directories_are_synced(tmp_path):
    """Goal: what a new item stands in is synced, up to what was there."""
    strace = subprocess.run(
        ["strace", "-V"], capture_output=True, check=False
    ).returncode
    if strace != 0:
        pytest.skip("strace is missing")
    program = """
        import sys
        from kist.persidict.file_dir_dict import FileDirDict
        d = FileDirDict(base_dir=sys.argv[1] + "/new/base")
        d["a", "b"] = 1
    """
    out = tmp_path / "trace"
    subprocess.run(
        [
            "strace",
            "-f",
            "-y",
            "-e",
            "trace=fsync,fdatasync",
            "-o",
            str(out),
            sys.executable,
            "-c",
            textwrap.dedent(program),
            str(tmp_path),
        ],
        check=True,
    )
    synced = set(re.findall(r"sync\(\d+<([^>]*)>", out.read_text()))
    base = tmp_path / "new" / "base"
    a = next(base.iterdir())
    assert {str(tmp_path), str(tmp_path / "new"), str(base), str(a)} <= synced


def test_w14_leftovers_of_the_dead_are_swept(tmp_path):
    d = make(tmp_path / "d")
    d["a", "b"] = 1
    old = Path(d.base_dir) / "a_btax" / ".__tmp__abcdefgh"
    old.write_bytes(b"half a value")
    os.utime(old, (0, 0))
    d.clear()
    assert os.listdir(d.base_dir) == []


def test_w15_bool_does_not_walk_everything(d):
    d.put_many({f"k{i}": i for i in range(3000)})
    fresh = make(d.base_dir)
    assert fresh

    def cost(call: Any) -> float:
        best = 1.0
        for _ in range(5):
            start = time.process_time()
            call()
            best = min(best, time.process_time() - start)
        return best

    assert cost(lambda: bool(fresh)) < cost(lambda: list(fresh)) / 20
