"""The formats of stored values: what is written, what is read, what is not."""

from __future__ import annotations

import bz2
import datetime
import decimal
import gzip
import io
import json
import lzma
import os
import pickle
import subprocess
import sys
import textwrap
import uuid
import zlib
from collections.abc import Callable
from typing import Any

import kist
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kist.persidict import formats
from kist.persidict.formats import dumps, loads

from conftest import same

KEY = b"0123456789abcdef0123456789abcdef"
HEAD = bytes.fromhex("04224d184040c0")

texts = st.text() | st.text(alphabet='a"\\\n\r\t\b\f\x00\x7f\x80é\u1234😀')
keys = texts.filter(lambda key: not key.startswith("py/"))
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.just(float("nan"))
    | texts
)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner),
    max_leaves=20,
)
data = st.recursive(
    leaves | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(keys, inner)
        | st.tuples(inner, inner)
        | st.sets(st.integers() | st.text())
    ),
    max_leaves=20,
)


def canary(path: Any) -> Any:
    """An object whose pickle makes a file when it is read."""

    class Payload:
        def __reduce__(self) -> Any:
            return open, (str(path), "w")

    return Payload()


# --- pkl --------------------------------------------------------------------


def test_pkl_is_the_contract_s_vector():
    made = dumps(1, "pkl")

    assert made.hex() == "04224d184040c00500008080044b012e00000000"


@given(data)
def test_pkl_comes_back(value):
    assert same(value, loads(dumps(value, "pkl"), "pkl", trusted=True))


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 300_000])
@pytest.mark.parametrize("random", [False, True])
def test_pkl_of_many_blocks(size, random):
    value = os.urandom(size) if random else b"abcdefg" * (size // 7 + 1)
    made = dumps(value, "pkl")

    assert made.startswith(HEAD)
    assert made.endswith(b"\0\0\0\0")
    assert random or size < 100 or len(made) < size / 10
    assert loads(made, "pkl", trusted=True) == value


FLAVOURS: dict[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "gzip": gzip.compress,
    "two members": lambda p: gzip.compress(p[:5]) + gzip.compress(p[5:]),
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda p: lzma.compress(p, format=lzma.FORMAT_ALONE),
    "joblib 0.9": lambda p: (
        b"ZF" + hex(len(p)).encode().ljust(19) + zlib.compress(p, 3)
    ),
}


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_pkl_reads_what_others_compressed(protocol, flavour):
    value = {"a": [1, 2.5, "x" * 5000], "b": os.urandom(3000)}
    made = FLAVOURS[flavour](pickle.dumps(value, protocol))

    assert loads(made, "pkl", trusted=True) == value


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_pkl_cut_short_is_an_error(flavour):
    made = FLAVOURS[flavour](pickle.dumps(list(range(500)), 4))

    for end in (0, 1, 5, len(made) // 2, len(made) - 12):
        with pytest.raises(kist.CorruptError):
            loads(made[:end], "pkl", trusted=True)


def test_every_bit_of_a_frame_may_flip():
    """Goal: no flip crashes, or gives anything but a value or CorruptError."""
    value = [b"spam and eggs " * 30, "x" * 200, 12345]
    made = dumps(value, "pkl")

    for at in range(len(made) * 8):
        bad = bytearray(made)
        bad[at // 8] ^= 1 << at % 8
        try:
            loads(bytes(bad), "pkl", trusted=True)
        except (kist.CorruptError, ImportError, AttributeError, MemoryError):
            pass


def test_pkl_is_refused_where_others_write(tmp_path):
    made = dumps(canary(tmp_path / "canary"), "pkl")

    with pytest.raises(PermissionError, match="allow_shared"):
        loads(made, "pkl")
    assert not (tmp_path / "canary").exists()
    loads(made, "pkl", trusted=True)
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("flavour", ["gzip", "zlib", "bz2", "xz", "lz4"])
def test_bombs_are_refused(flavour):
    plain = pickle.dumps(bytes(50 << 20), 4)
    made = (
        dumps(bytes(50 << 20), "pkl")
        if flavour == "lz4"
        else FLAVOURS[flavour](plain)
    )

    assert len(made) < 1 << 20
    with pytest.raises(kist.TooBigError):
        loads(made, "pkl", trusted=True, inflated_max=1 << 20)
    assert len(loads(made, "pkl", trusted=True)) == 50 << 20  # type: ignore[arg-type]


def test_unpicklable_values_fail_at_once():
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        dumps(lambda: 1, "pkl")


def test_a_missing_class_is_named():
    made = pickle.dumps(decimal.Decimal(1), 2)

    for old, new, error in (
        (b"cdecimal", b"cdecimux", ModuleNotFoundError),
        (b"Decimal", b"Decimax", AttributeError),
    ):
        with pytest.raises(error) as caught:
            bad = made.replace(old, new)
            loads(bad, "pkl", trusted=True, place="d/k.pkl")
        assert "while reading d/k.pkl" in caught.value.__notes__


def test_errors_have_cause_and_place():
    with pytest.raises(kist.CorruptError) as caught:
        loads(b"\x80\x04nonsense", "pkl", trusted=True, place="d/k.pkl")
    assert caught.value.__cause__ is not None
    assert caught.value.__notes__ == ["while reading d/k.pkl"]


# --- arrays -----------------------------------------------------------------


def arrays(np: Any) -> list[Any]:
    return [
        np.arange(10),
        np.zeros((0, 3)),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.array(7, dtype=np.int16),
        np.array([1, "x", None], dtype=object),
        {"a": np.ones((2, 2)), "b": [np.array(["é", "z"])], "c": "text"},
        np.zeros(3, dtype=[("x", "<i4"), ("y", "<f8")]),
    ]


def same_arrays(np: Any, a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(same_arrays(np, a[k], b[k]) for k in a)
    if isinstance(a, list):
        return all(same_arrays(np, x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return bool(
            type(a) is type(b)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and (a == b).all()
        )
    return bool(a == b)


@pytest.mark.parametrize("own", [False, True], ids=["joblib", "own"])
@pytest.mark.parametrize("compress", [0, "lz4", "gzip", 3])
def test_joblib_s_arrays(own, compress, monkeypatch):
    np = pytest.importorskip("numpy")
    joblib = pytest.importorskip("joblib")
    if compress == "lz4":
        pytest.importorskip("lz4")
    made = []
    for value in arrays(np):
        file = io.BytesIO()
        joblib.dump(value, file, compress=compress)
        made.append(file.getvalue())
    if own:
        monkeypatch.setitem(sys.modules, "joblib", None)

    for value, written in zip(arrays(np), made, strict=True):
        assert b"NumpyArrayWrapper" in written or compress
        found = loads(written, "pkl", trusted=True)
        assert same_arrays(np, value, found)


def test_own_arrays_cut_short():
    np = pytest.importorskip("numpy")
    joblib = pytest.importorskip("joblib")
    from kist.persidict.formats_arrays import load

    file = io.BytesIO()
    joblib.dump(np.arange(1000), file)
    for cut in (1, 100, 7990, 8100):
        with pytest.raises((EOFError, ValueError, pickle.UnpicklingError)):
            load(file.getvalue()[:-cut])


def test_joblib_reads_arrays_of_ours():
    np = pytest.importorskip("numpy")
    joblib = pytest.importorskip("joblib")
    pytest.importorskip("lz4")

    for value in arrays(np):
        found = joblib.load(io.BytesIO(dumps(value, "pkl")))
        assert same_arrays(np, value, found)


# --- json -------------------------------------------------------------------


@given(trees)
def test_json_is_that_of_json_dumps(value):
    assert dumps(value, "json") == json.dumps(value, indent=4).encode()
    assert same(value, loads(dumps(value, "json"), "json"))


@given(data)
def test_json_of_data_needs_no_trust(value):
    assert same(value, loads(dumps(value, "json"), "json"))


def test_json_of_what_jsonpickle_drops_is_refused():
    pytest.importorskip("jsonpickle")

    for value in (lambda: 1, [sys.__stdout__]):
        with pytest.raises(TypeError):
            dumps(value, "json")


@pytest.mark.filterwarnings("ignore:keys will default")
@given(data)
def test_json_is_jsonpickle_s(value):
    jsonpickle = pytest.importorskip("jsonpickle")
    twice = [value, {"again": value}]

    for each in (value, twice):
        theirs = jsonpickle.encode(each, indent=4, keys=False)
        assert dumps(each, "json").decode() == theirs
        assert same(each, loads(theirs.encode(), "json"))


def test_json_keeps_who_is_who():
    inner: list[Any] = [1]
    value = {"a": inner, "b": (inner, {"c": inner}), "d": {}}
    value["d"]["up"] = value["d"]  # type: ignore[call-overload, index]
    found: Any = loads(dumps(value, "json"), "json")

    assert found["a"] is found["b"][0] is found["b"][1]["c"]
    assert found["d"]["up"] is found["d"]


@pytest.mark.parametrize("many", [63, 64, 65, 5000])
def test_json_of_many_containers(many):
    value: list[Any] = [[i] for i in range(many)]

    assert dumps(value, "json") == json.dumps(value, indent=4).encode()
    value.append(value[many // 2])
    assert b"py/id" in dumps(value, "json")
    assert loads(dumps(value, "json"), "json") == value


@pytest.mark.parametrize(
    "value, place",
    [
        ({1: 2}, "a key of value is of type int"),
        ({"a": [0, {(1, 2): 3}]}, "a key of value['a'][1] is of type tuple"),
        ({"py/object": "x"}, "'py/object'.*a key of value"),
        ({"x": ({"py/tuple": [1]},)}, "'py/tuple'.*value['x'][0]"),
        ({"py/b64": "eA=="}, "'py/b64'"),
        ([{None: 1}], "value[0] is of type NoneType"),
    ],
)
def test_json_refuses_what_would_not_come_back(value, place):
    """W7."""
    import re

    pattern = ".*".join(re.escape(part) for part in place.split(".*"))
    with pytest.raises(TypeError, match=pattern):
        dumps(value, "json")


def test_json_keeps_other_keys_that_begin_so():
    value = {"py/mine": 1, "json://x": 2, "": {"py": "py/object"}}

    assert loads(dumps(value, "json"), "json") == value


@pytest.mark.parametrize(
    "text",
    [
        '{"py/object": "pathlib.Path"}',
        '{"py/reduce": [{"py/function": "builtins.open"}, {"py/tuple": []}]}',
        '[1, {"x": {"py/type": "builtins.int"}}]',
        '{"py/repr": "os/os.system"}',
        '{"py/mod": "this"}',
    ],
)
def test_json_builds_no_objects_unless_trusted(text):
    with pytest.raises(PermissionError, match="allow_shared"):
        loads(text.encode(), "json")
    assert "this" not in sys.modules


def test_json_payload_does_not_run(tmp_path):
    path = tmp_path / "canary"
    text = json.dumps(
        {
            "py/reduce": [
                {"py/function": "builtins.open"},
                {"py/tuple": [str(path), "w"]},
            ]
        }
    )

    with pytest.raises(PermissionError):
        loads(text.encode(), "json")
    assert not path.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1,]",
        "1 2",
        "nul",
        "\x80",
        '{"py/id": 5}',
        '{"py/id": "x"}',
        '{"py/tuple": 1}',
        '{"py/b64": "!"}',
        '{"py/set": [[]]}',
        '{"py/tuple": [], "more": 1}',
    ],
)
def test_bad_json_is_an_error(text):
    with pytest.raises(kist.CorruptError):
        loads(text.encode("latin-1"), "json", trusted=True)


def test_deep_json_is_an_error_and_no_crash():
    with pytest.raises(RecursionError):
        loads(b"[" * 1_000_000, "json")
    deep: list[Any] = []
    for _ in range(1_000_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        dumps(deep, "json")
    while deep:
        deep = deep[0]


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime(2020, 1, 2, 3, 4, 5),
        decimal.Decimal("1.50"),
        frozenset([1, 2]),
        uuid.UUID(int=5),
        complex(1, 2),
        int,
    ],
)
@pytest.mark.filterwarnings("ignore:keys will default")
def test_json_of_objects_is_jsonpickle_s(value):
    jsonpickle = pytest.importorskip("jsonpickle")
    made = dumps(value, "json")

    assert made.decode() == jsonpickle.encode(value, indent=4, keys=False)
    assert loads(made, "json", trusted=True) == value


def test_json_of_objects_without_jsonpickle(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonpickle", None)

    assert loads(dumps(((1,), b"x", {2}), "json"), "json") == ((1,), b"x", {2})
    with pytest.raises(ImportError, match="datetime.date"):
        dumps([datetime.date(2020, 1, 1)], "json")


def test_json_of_a_missing_class_is_an_error():
    pytest.importorskip("jsonpickle")

    with pytest.raises(ImportError, match="nowhere"):
        loads(b'{"py/object": "nowhere.Nothing"}', "json", trusted=True)


def test_json_of_arrays():
    pytest.importorskip("jsonpickle")
    np = pytest.importorskip("numpy")
    value = {"a": np.arange(5), "b": np.float64(1.5)}
    found: Any = loads(dumps(value, "json"), "json", trusted=True)

    assert (found["a"] == value["a"]).all()
    assert found["b"] == 1.5


# --- text, kist, spkl ---------------------------------------------------------


@given(st.text())
def test_text_is_kept_to_the_letter(value):
    """W5: also its ends of lines."""
    assert dumps(value, "txt") == value.encode()
    assert loads(dumps(value, "txt"), "txt") == value


def test_text_with_surrogates_is_refused_at_once():
    with pytest.raises(UnicodeEncodeError):
        dumps("a\ud800", "txt")
    with pytest.raises(kist.CorruptError):
        loads(b"a\xff", "txt")


@given(data)
def test_kist_comes_back(value):
    assert same(value, loads(dumps(value, "kist"), "kist"))


def test_kist_of_all_types():
    value = [
        datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
        datetime.date(2020, 1, 2),
        datetime.timedelta(1, 2, 3),
        decimal.Decimal("1.50"),
        uuid.UUID(int=7),
        {(1, 2): frozenset([3])},
        2**200,
        1j,
    ]

    assert same(value, loads(dumps(value, "kist"), "kist"))
    with pytest.raises(TypeError):
        dumps(object(), "kist")


@given(st.binary(max_size=60))
def test_kist_of_any_bytes_is_a_value_or_an_error(bad):
    for made in (bad, b"kist-val" + bad):
        try:
            loads(made, "kist")
        except (kist.Error, RecursionError):
            pass


def test_kist_cut_or_longer_is_an_error():
    made = dumps({"a": [1, "x" * 50]}, "kist")

    for bad in (made[:-1], made + b"\0", made[:8], b"", b"kist-va"):
        with pytest.raises(kist.CorruptError):
            loads(bad, "kist")


def test_signed(tmp_path):
    value = {"a": {1, 2}}
    made = dumps(value, "spkl", key=KEY)

    assert loads(made, "spkl", key=KEY) == value
    with pytest.raises(PermissionError, match="signature"):
        loads(made, "spkl", key=KEY[::-1])
    with pytest.raises(ValueError):
        loads(made, "spkl")
    with pytest.raises(ValueError):
        dumps(value, "spkl")


def test_signed_is_refused_before_it_runs(tmp_path):
    path = tmp_path / "canary"
    made = dumps(canary(path), "spkl", key=KEY)

    for at in range(len(made)):
        bad = bytearray(made)
        bad[at] ^= 1
        with pytest.raises((PermissionError, kist.CorruptError)):
            loads(bytes(bad), "spkl", key=KEY)
    for bad_bytes in (made[:-1], made + b"x", made[8:], b""):
        with pytest.raises((PermissionError, kist.CorruptError)):
            loads(bad_bytes, "spkl", key=KEY)
    assert not path.exists()


# --- costs ------------------------------------------------------------------


def test_importing_formats_loads_nothing_heavy():
    program = """
        import sys, kist.persidict.formats, kist.persidict.file_dir_dict
        heavy = {"numpy", "pandas", "joblib", "jsonpickle", "boto3", "json",
                 "pickle", "lz4", "hmac", "dataclasses", "inspect"}
        print(sorted(heavy & set(sys.modules)))
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"


def test_large_values_let_other_threads_run():
    """Compressing and inflating what is much is done without the GIL."""
    value = os.urandom(1 << 20) * 4

    assert loads(dumps(value, "pkl"), "pkl", trusted=True) == value
    assert formats.INFLATED_MAX == 4 << 30
