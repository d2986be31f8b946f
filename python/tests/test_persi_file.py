"""FileDirDict: its items, its iterations, its many ways to be asked."""

from __future__ import annotations

import copy
import inspect
import os
import threading
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import kist
import pytest
from kist.persidict.exceptions import (
    BackendError,
    MutationPolicyError,
)
from kist.persidict.file_dir_dict import (
    FileDirDict,
    add_long_path_prefix,
    drop_long_path_prefix,
)
from kist.persidict.jokers_and_status_flags import (
    ANY_ETAG,
    DELETE_CURRENT,
    KEEP_CURRENT,
)
from kist.persidict.persi_dict import PersiDict
from kist.persidict.safe_str_tuple import (
    NonEmptySafeStrTuple,
    SafeStrTuple,
)

from persifile import FORMATS, files, make


@pytest.fixture
def d(tmp_path: Path) -> FileDirDict[Any]:
    return make(tmp_path / "d")


# --- the class --------------------------------------------------------------


def test_signature_is_the_peer_s_and_more():
    found = inspect.signature(FileDirDict.__init__).parameters
    assert list(found)[:6] == [
        "self",
        "base_dir",
        "serialization_format",
        "append_only",
        "digest_len",
        "base_class_for_values",
    ]
    defaults = [p.default for p in list(found.values())[1:6]]
    assert defaults == ["__file_dir_dict__", "pkl", False, 4, None]
    assert all(p.kind is p.KEYWORD_ONLY for p in list(found.values())[1:])


def test_params_are_the_peer_s_unless_ours_are_given(tmp_path):
    d = make(tmp_path)
    assert d.get_params() == {
        "append_only": False,
        "base_class_for_values": None,
        "base_dir": str(tmp_path),
        "digest_len": 4,
        "serialization_format": "pkl",
    }
    assert list(d.get_params()) == sorted(d.get_params())
    assert repr(d) == (
        "FileDirDict(append_only=False, base_class_for_values=None, "
        f"base_dir={str(tmp_path)!r}, digest_len=4, "
        "serialization_format='pkl')"
    )
    other = make(tmp_path, durability="none", allow_shared=True)
    assert other.get_params()["durability"] == "none"
    assert copy.copy(other).get_params() == other.get_params()


def test_it_is_a_class_like_others(d):
    assert MutableMapping in FileDirDict.__mro__
    assert FileDirDict[int] is not None
    assert issubclass(FileDirDict, PersiDict)
    d.mine = 5
    assert d.mine == 5
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.deepcopy(d)
    with pytest.raises(TypeError):
        hash(d)
    assert add_long_path_prefix("/x") == drop_long_path_prefix("/x") == "/x"


def test_relative_directories_are_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    d: FileDirDict[int] = FileDirDict(base_dir="a/b")
    d["x"] = 1
    monkeypatch.chdir("/")
    assert d.base_dir == str(tmp_path / "a" / "b")
    assert d["x"] == 1


def test_bad_options(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file, not a directory."):
        make(tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        make(tmp_path / "file" / "below")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(BackendError) as caught:
        make(tmp_path / "fifo")
    assert (caught.value.backend, caught.value.operation) == (
        "filesystem",
        "init",
    )
    for options in (
        {"digest_len": -1},
        {"serialization_format": ""},
        {"serialization_format": "a b"},
        {"serialization_format": "txt", "base_class_for_values": int},
        {"durability": "often"},
        {"serialization_format": "spkl"},
    ):
        with pytest.raises(ValueError):
            make(tmp_path / "d", **options)
    for options in ({"digest_len": "4"}, {"base_class_for_values": 5}):
        with pytest.raises(TypeError):
            make(tmp_path / "d", **options)


def test_without_init_it_says_so():
    d: Any = FileDirDict.__new__(FileDirDict)
    for call in (
        lambda: d["a"],
        lambda: d.__setitem__("a", 1),
        lambda: "a" in d,
        lambda: len(d),
        lambda: list(d),
        lambda: d.newest_keys(),
        lambda: d.get_many(["a"]),
        lambda: d.etag("a"),
    ):
        with pytest.raises(RuntimeError, match="__init__"):
            call()


# --- items ------------------------------------------------------------------


@pytest.mark.parametrize("fmt", FORMATS)
def test_items_of_each_format(tmp_path, fmt):
    d = make(tmp_path, serialization_format=fmt)
    value: Any = "a\r\nb\u00e9" if fmt == "txt" else {"x": [1, 2.5, "é"]}
    for key in ("a", ("b", "c"), ["d", ["e"]], SafeStrTuple("f")):
        d[key] = value
        assert d[key] == value
        assert key in d
    assert len(d) == 4
    assert {k.strings for k in d} == {("a",), ("b", "c"), ("d", "e"), ("f",)}
    assert all(v == value for v in d.values())
    del d["a"]
    with pytest.raises(KeyError) as caught:
        d["a"]
    assert caught.value.args == (NonEmptySafeStrTuple("a"),)
    with pytest.raises(KeyError):
        del d["a"]
    assert d.discard("f") is True
    assert d.discard("f") is False
    assert d.delete_if_exists(("b", "c")) is True
    assert len(d) == 1


def test_formats_share_a_directory_and_do_not_meet(tmp_path):
    dicts = [make(tmp_path, serialization_format=f) for f in FORMATS]
    for d, fmt in zip(dicts, FORMATS, strict=True):
        d["k"] = fmt
    assert [d["k"] for d in dicts] == FORMATS
    assert [len(d) for d in dicts] == [1, 1, 1, 1]
    dicts[0].clear()
    assert [len(d) for d in dicts] == [0, 1, 1, 1]


def test_names_of_files(tmp_path):
    d = make(tmp_path)
    d["abc"] = 1
    d["x", "y"] = 2
    assert files(tmp_path) == ["abc_saav.pkl", "x_txko/y_ifjj.pkl"]
    make(tmp_path / "0", digest_len=0)["abc"] = 1
    assert files(tmp_path / "0") == ["abc.pkl"]
    make(tmp_path / "40", digest_len=40)["abc"] = 1
    assert files(tmp_path / "40") == [
        "abc_saavbgb42jh3bvuwh56sryl7oi======.pkl"
    ]
    assert "abc" in make(tmp_path / "40", digest_len=32)


@pytest.mark.parametrize(
    "key, error",
    [
        ("", ValueError),
        ("a b", ValueError),
        ("..", ValueError),
        ("x" * 254, ValueError),
        ((), ValueError),
        (1, TypeError),
        ({"a": 1}, TypeError),
        (None, TypeError),
    ],
)
def test_bad_keys(d, key, error):
    for call in (
        lambda: d[key],
        lambda: d.__setitem__(key, 1),
        lambda: d.__delitem__(key),
        lambda: key in d,
        lambda: d.get(key),
        lambda: d.discard(key),
        lambda: d.pop(key, 1),
        lambda: d.setdefault(key, 1),
        lambda: d.etag(key),
        lambda: d.get_many([key]),
        lambda: d.put_many([(key, 1)]),
        lambda: d.transform_item(key, transformer=lambda v: v),
        lambda: d.set_item_if(
            key, value=1, condition=ANY_ETAG, expected_etag="x"
        ),
    ):
        with pytest.raises(error):
            call()


def test_jokers(d):
    d["a"] = KEEP_CURRENT
    assert "a" not in d
    d["a"] = 1
    d["a"] = KEEP_CURRENT
    assert d["a"] == 1
    d["a"] = DELETE_CURRENT
    d["a"] = DELETE_CURRENT
    assert "a" not in d
    with pytest.raises(TypeError):
        d.setdefault("a", KEEP_CURRENT)
    with pytest.raises(TypeError):
        d["a"] = d
    with pytest.raises(ValueError):
        d["a b"] = KEEP_CURRENT


def test_base_class(tmp_path):
    d = make(tmp_path, base_class_for_values=int)
    with pytest.raises(TypeError, match="must be an instance of int"):
        d["a"] = "x"
    make(tmp_path)["a"] = "x"
    for call in (
        lambda: d["a"],
        lambda: list(d.values()),
        lambda: d.get("a"),
        lambda: d.pop("a"),
        lambda: d.get_many(["a"]),
    ):
        with pytest.raises(TypeError, match="but it is str instead"):
            call()


def test_get_and_setdefault(d):
    assert d.get("a") is None
    assert d.get("a", 5) == 5
    assert d.get("a", default=5) == 5
    assert d.get(key="a", default=6) == 6
    assert d.discard(key="a") is False
    assert d.setdefault(key="named", default=1) == 1
    assert d.setdefault("named", default=2) == 1
    for call in (d.get, d.etag, d.timestamp, d.discard):
        for words in ({}, {"name": 1}, {"key": "a", "more": 1}):
            with pytest.raises(TypeError):
                call(**words)
    default = [1]
    assert d.setdefault("a", default) is default
    assert d.setdefault("a", [2]) == [1]
    assert d.setdefault("b") is None
    assert d["b"] is None


def test_pop_and_popitem(d):
    d["a"] = 1
    assert d.pop("a") == 1
    assert d.pop("a", 7) == 7
    with pytest.raises(KeyError):
        d.pop("a")
    with pytest.raises(TypeError, match="pop expected at most 2 arguments"):
        d.pop("a", 1, 2)
    d["b"] = 2
    assert d.popitem() == (SafeStrTuple("b"), 2)
    with pytest.raises(KeyError, match="dictionary is empty"):
        d.popitem()


def test_append_only(tmp_path):
    d = make(tmp_path, append_only=True)
    d["a"] = 1
    with pytest.raises(MutationPolicyError) as caught:
        d["a"] = 2
    assert caught.value.policy == "append-only"
    for call in (
        lambda: d.__delitem__("a"),
        lambda: d.discard("a"),
        lambda: d.pop("a"),
        lambda: d.popitem(),
        lambda: d.clear(),
        lambda: d.__setitem__("zz", DELETE_CURRENT),
        lambda: d.put_many({"a": 3}),
    ):
        with pytest.raises(MutationPolicyError):
            call()
    assert d.setdefault("a", 9) == 1
    assert d["a"] == 1


def test_timestamps_and_order(d):
    for i in range(5):
        d[f"k{i}"] = i
        path = d._place(f"k{i}")
        os.utime(path, ns=(0, (1000 + i) * 10**9 + 123456789))
    assert d.timestamp("k3") == os.stat(d._place("k3")).st_mtime
    names = [f"k{i}" for i in range(5)]
    assert [k[0] for k in d.oldest_keys()] == names
    assert [k[0] for k in d.newest_keys(max_n=2)] == ["k4", "k3"]
    assert [k[0] for k in d.newest_keys(1)] == ["k4"]
    assert d.oldest_values(max_n=3) == [0, 1, 2]
    assert d.newest_values() == [4, 3, 2, 1, 0]
    assert d.oldest_keys(max_n=0) == d.oldest_keys(max_n=-1) == []
    found = {k[0]: (v, t) for k, v, t in d.items_and_timestamps()}
    assert found["k2"] == (2, 1002.123456789)
    assert dict(d.keys_and_timestamps())["k2",] == 1002.123456789
    assert sorted(d.values_and_timestamps())[2] == (2, 1002.123456789)


def test_etags(d):
    d["a"] = 1
    first = d.etag("a")
    found = os.stat(d._place("a"))
    assert first == f"{found.st_mtime_ns}:{found.st_size}:{found.st_ino}"
    d["a"] = 1
    assert d.etag("a") != first
    with pytest.raises(KeyError):
        d.etag("b")
    with pytest.raises(KeyError):
        d.timestamp("b")


def test_generic_iter(d):
    d["a"] = 1
    assert list(d._generic_iter({"values"})) == [1]
    with pytest.raises(TypeError):
        d._generic_iter(["keys"])
    for bad in (set(), {"names"}, {"keys", "x"}):
        with pytest.raises(ValueError):
            d._generic_iter(bad)


def test_iterators_are_iterators(d):
    d["a"] = 1
    keys = d.keys()
    assert iter(keys) is keys
    assert list(keys) == [SafeStrTuple("a")]
    assert list(keys) == []
    assert type(next(iter(d))) is SafeStrTuple


def test_many_keys_come_once(d):
    names = {f"k{i}" for i in range(500)}
    d.put_many({name: int(name[1:]) for name in names})
    assert len(d) == 500
    assert sorted(k[0] for k in d) == sorted(names)
    assert sorted(d.values()) == list(range(500))


def test_random_key(d):
    assert d.random_key() is None
    for i in range(4):
        d["x", f"k{i}"] = i
    found = [d.random_key() for _ in range(800)]
    counts = [found.count(SafeStrTuple("x", f"k{i}")) for i in range(4)]
    assert sum(counts) == 800
    assert min(counts) > 120


def test_bool_and_len(d):
    assert not d
    d["a", "b"] = 1
    assert d
    assert len(d) == 1
    d.clear()
    assert not d
    assert os.listdir(d.base_dir) == []


def test_equality_and_update(d, tmp_path):
    d.update({"a": 1, "b": 2})
    d |= {("c", "d"): 3}
    assert d == {"a": 1, "b": 2, ("c", "d"): 3}
    assert d != {"a": 1}
    other = make(tmp_path / "e")
    other.update(d)
    assert d == other
    assert str(d) == str(dict(d.items()))


# --- many -------------------------------------------------------------------


def test_get_many_and_put_many(d):
    d.put_many([("a", 1), (("b", "c"), 2), ("z", KEEP_CURRENT)])
    assert d.get_many(["a", "x", ("b", "c")]) == [1, None, 2]
    assert d.get_many(iter(["x"]), default=5) == [5]
    assert d.get_many([]) == []
    d.put_many([])
    with pytest.raises(TypeError):
        d.get_many("abc")
    with pytest.raises(TypeError):
        d.put_many([("a", DELETE_CURRENT)])
    with pytest.raises((TypeError, AttributeError)):
        d.put_many([("q", 1), ("r", threading.Lock())])
    assert "q" not in d


def test_get_many_tells_of_a_bad_value(d):
    d["a"] = 1
    Path(d._place("a")).write_bytes(b"nonsense")
    with pytest.raises(kist.CorruptError) as caught:
        d.get_many(["x", "a"])
    assert d._place("a") in caught.value.__notes__[0]


# --- subdicts ---------------------------------------------------------------


def test_subdicts(d):
    d["a"] = 0
    d["p", "x"] = 1
    d["p", "q", "y"] = 2
    sub = d.get_subdict("p")
    assert type(sub) is FileDirDict
    assert sub.base_dir == os.path.join(d.base_dir, "p_qody")
    assert dict(sub.items()) == {("x",): 1, ("q", "y"): 2}
    sub["z"] = 3
    assert d["p", "z"] == 3
    assert d.get_subdict(("p", "q"))["y"] == 2
    assert sub.get_subdict("q")["y"] == 2
    assert d.get_subdict(()) == d
    assert set(d.subdicts()) == {"a", "p"}
    again = FileDirDict(**sub.get_params())
    assert again == sub
    del d
    assert sub["x"] == 1


def test_subdicts_make_nothing_until_they_are_written(d):
    """W14."""
    d["leaf"] = 1
    before = files(d.base_dir), os.listdir(d.base_dir)
    sub = d.get_subdict(("new", "one"))
    assert len(d.subdicts()) == 1
    assert len(sub) == 0
    assert not sub
    assert "x" not in sub
    assert list(sub.items()) == []
    assert sub.random_key() is None
    assert (files(d.base_dir), os.listdir(d.base_dir)) == before
    sub["x"] = 1
    assert d["new", "one", "x"] == 1


def test_subdicts_of_a_class_of_ones_own(tmp_path):
    class Mine(FileDirDict[Any]):
        def __init__(self, *, base_dir: str, extra: int = 0) -> None:
            super().__init__(base_dir=base_dir)
            self.extra = extra

    d = Mine(base_dir=str(tmp_path), extra=5)
    d["a", "b"] = 1
    assert type(d.get_subdict("a")) is FileDirDict
    assert d.get_subdict("a")["b"] == 1
