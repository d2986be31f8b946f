"""FileDirDict and the published persidict in one directory at one time.

Needs persidict==0.309; without it these are skipped.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import os
import random
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from kist.persidict.file_dir_dict import FileDirDict
from kist.persidict.jokers_and_status_flags import (
    ANY_ETAG,
    ETAG_HAS_CHANGED,
    ETAG_IS_THE_SAME,
    ITEM_NOT_AVAILABLE,
)

peer = pytest.importorskip(
    "persidict", reason="persidict is not installed: pip install persidict"
)

KEYS: list[Any] = [
    "a",
    "abc",
    "ABC",
    "x" * 200,
    ("p", "q"),
    ("p", "q", "r", "s"),
    ["l", ["m", ("n",)]],
    "...",
    ".a",
    "a.",
    "con",
    "~",
    "a=b(c)-d_e",
    "_abcd",
    "abc_",
]
VALUES: dict[str, list[Any]] = {
    "pkl": [
        1,
        None,
        "é" * 100,
        b"\0\1" * 50_000,
        {"a": [1, (2, {3})], 5: "x"},
        list(range(3000)),
        datetime.datetime(2020, 1, 2),
        decimal.Decimal("1.5"),
        collections.OrderedDict(a=1),
        2**100,
        float("inf"),
    ],
    "json": [
        1,
        None,
        'é"\\\n\x00😀',
        {"a": [1, 2.5, {"b": []}], "": {}},
        [[[]]],
        (1, (2,)),
        {"s": {1, 2}, "b": b"\0\1"},
        datetime.datetime(2020, 1, 2),
        decimal.Decimal("1.5"),
        frozenset([1]),
    ],
    "txt": ["", "plain", "é\nb\n", "😀"],
}
SHAPES = [
    (fmt, digest_len) for fmt in VALUES for digest_len in (0, 1, 4, 8, 32)
]


def both(path: Path, fmt: str, **options: Any) -> tuple[Any, Any]:
    options.update(base_dir=str(path), serialization_format=fmt)
    if fmt == "txt":
        options["base_class_for_values"] = str
    return FileDirDict(**options), peer.FileDirDict(**options)


def tree(path: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(path)): p.read_bytes()
        for p in path.rglob("*")
        if p.is_file()
    }


def strings(keys: Any) -> set[Any]:
    return {key.strings for key in keys}


@pytest.mark.parametrize("fmt, digest_len", SHAPES)
def test_the_same_files(tmp_path, fmt, digest_len):
    """Byte for byte, names and contents; each reads the other's."""
    ours, _ = both(tmp_path / "o", fmt, digest_len=digest_len)
    _, theirs = both(tmp_path / "t", fmt, digest_len=digest_len)
    for i, key in enumerate(KEYS):
        value = VALUES[fmt][i % len(VALUES[fmt])]
        ours[key] = value
        theirs[key] = value

    assert tree(tmp_path / "o") == tree(tmp_path / "t")
    read, _ = both(tmp_path / "t", fmt, digest_len=digest_len)
    _, reread = both(tmp_path / "o", fmt, digest_len=digest_len)
    for i, key in enumerate(KEYS):
        value = VALUES[fmt][i % len(VALUES[fmt])]
        for each in (read, reread):
            assert each[key] == value
            assert type(each[key]) is type(value)
            assert key in each
    assert strings(read) == strings(reread) == strings(ours)
    assert len(read) == len(reread) == len(KEYS)
    for key in KEYS:
        assert read.etag(key) == theirs.etag(key)
        assert read.timestamp(key) == theirs.timestamp(key)


@pytest.mark.parametrize("fmt", VALUES)
@pytest.mark.parametrize("seed", range(3))
def test_the_same_calls_in_turn(tmp_path, fmt, seed):
    """Both open one directory, and a dict goes along as a model."""
    ours, theirs = both(tmp_path, fmt)
    rng = random.Random(seed)
    names = [("a",), ("b",), ("p", "a"), ("p", "b"), ("p", "q", "c")]
    model: dict[Any, Any] = {}
    for _ in range(150):
        d, other = rng.sample([ours, theirs], 2)
        key = rng.choice(names)
        value = rng.choice(VALUES[fmt])
        step = rng.randrange(7)
        if step < 3:
            d[key] = value
            model[key] = value
        elif step == 3:
            assert d.discard(key) is (key in model)
            model.pop(key, None)
        elif step == 4:
            assert d.setdefault(key, value) == model.setdefault(key, value)
        elif step == 5:
            assert d.pop(key, "none") == model.pop(key, "none")
        else:
            d.transform_item(key, transformer=lambda v, new=value: new)
            model[key] = value
        for each in (d, other):
            assert (key in each) is (key in model)
            if key in model:
                assert each[key] == model[key]
        if key in model:
            assert ours.etag(key) == theirs.etag(key)
    for each in (ours, theirs):
        assert strings(each) == set(model)
        assert len(each) == len(model)
        found = {key.strings: value for key, value in each.items()}
        assert found == model
        assert len(each.get_subdict("p")) == sum(k[0] == "p" for k in model)
    assert [k.strings for k in ours.newest_keys()] == [
        k.strings for k in theirs.newest_keys()
    ]


CONDITIONS = {
    ANY_ETAG: "ANY_ETAG",
    ETAG_IS_THE_SAME: "ETAG_IS_THE_SAME",
    ETAG_HAS_CHANGED: "ETAG_HAS_CHANGED",
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_etags_go_from_one_to_the_other(tmp_path, condition):
    ours, theirs = both(tmp_path, "json")
    same = getattr(peer, CONDITIONS[condition])
    theirs["a"] = 1
    for expected in (theirs.etag("a"), "1:2:3"):
        mine = ours.get_item_if(
            "a", condition=condition, expected_etag=expected
        )
        other = theirs.get_item_if("a", condition=same, expected_etag=expected)
        assert (
            mine.condition_was_satisfied,
            mine.actual_etag,
            mine.resulting_etag,
        ) == (
            other.condition_was_satisfied,
            other.actual_etag,
            other.resulting_etag,
        )
    done = ours.set_item_if(
        "a",
        value=2,
        condition=ETAG_IS_THE_SAME,
        expected_etag=theirs.etag("a"),
    )
    assert done.condition_was_satisfied
    assert done.resulting_etag == theirs.etag("a")
    assert not ours.set_item_if(
        "a",
        value=3,
        condition=ETAG_IS_THE_SAME,
        expected_etag=ITEM_NOT_AVAILABLE,
    ).condition_was_satisfied
    assert theirs["a"] == 2


def test_arrays_and_frames(tmp_path):
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    values = [
        np.arange(1000.0).reshape(10, 100),
        {"a": np.array([1, 2]), "b": np.zeros(0)},
        pd.DataFrame({"x": [1, 2], "y": ["a", "b"]}),
    ]
    for fmt in ("pkl", "json"):
        ours, theirs = both(tmp_path, fmt)
        for i, value in enumerate(values):
            ours[f"o{i}"] = value
            theirs[f"t{i}"] = value
        for i, value in enumerate(values):
            for found in (ours[f"t{i}"], theirs[f"o{i}"]):
                assert type(found) is type(value)
                assert str(found) == str(value)


def test_writers_at_the_same_time(tmp_path):
    """Two processes of each write the same keys: no torn, no lost file."""
    program = """
        import random, sys
        if sys.argv[2] == "peer":
            from persidict import FileDirDict
        else:
            from kist.persidict.file_dir_dict import FileDirDict
        d = FileDirDict(base_dir=sys.argv[1], serialization_format="json")
        rng = random.Random(int(sys.argv[3]))
        for i in range(150):
            key = f"k{rng.randrange(8)}"
            d[key, "x"] = {"by": sys.argv[2], "pad": "p" * rng.randrange(9000)}
            value = d.get(f"k{rng.randrange(8)}")
            found = d.get((f"k{rng.randrange(8)}", "x"), None)
            assert found is None or set(found) == {"by", "pad"}
            for key, value in d.items():
                assert value["pad"].strip("p") == ""
    """
    children = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)]
            + [str(tmp_path), who, str(seed)]
        )
        for seed, who in enumerate(["ours", "peer", "ours", "peer"])
    ]
    assert [child.wait(timeout=200) for child in children] == [0] * 4
    ours, theirs = both(tmp_path, "json")
    assert strings(ours) == strings(theirs)
    assert len(ours) == 8
    assert dict(ours.items()) == dict(theirs.items())
    left = [p for p in tmp_path.rglob("*") if p.name.startswith(".__tmp__")]
    assert left == []


def test_params_and_signature(tmp_path):
    ours, theirs = both(tmp_path, "pkl")
    assert ours.get_params() == theirs.get_params()
    assert repr(ours) == repr(theirs)
    assert ours.base_dir == theirs.base_dir
    assert (
        ours.get_default_params().items()
        >= {
            name: value for name, value in theirs.get_default_params().items()
        }.items()
    )


def test_what_the_peer_leaves_behind(tmp_path):
    """Its temporary files are no items, and in nobody's way."""
    ours, theirs = both(tmp_path, "pkl")
    theirs["a", "b"] = 1
    folder = next(p for p in tmp_path.iterdir() if p.is_dir())
    (folder / ".__tmp__abcdefgh").write_bytes(b"half")
    assert len(ours) == 1
    assert dict(ours.items()) == {("a", "b"): 1}
    ours.discard(("a", "b"))
    theirs["a", "b"] = 2
    assert ours["a", "b"] == 2
    assert os.path.isdir(ours.get_subdict("a").base_dir)
