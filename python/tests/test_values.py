"""Values: what goes in comes back with its type; what cannot is refused.

The contract's rows 46 to 57, P26 to P30, and hostile bytes. Each test names
the row or the promise (P) it is about.
"""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import enum
import fractions
import os
import pickle
import struct
import sys
import types
import uuid
from typing import Any

import kist
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import EXAMPLES, members, run_python, same, values


def there_and_back(value: Any) -> Any:
    with kist.FSDict() as d:
        d["k"] = value
        return d["k"]


# --- what an untyped collection takes -------------------------------------------


@pytest.mark.parametrize("value", EXAMPLES, ids=lambda v: repr(v)[:40])
def test_examples_come_back(base, value):
    """Rows 46, 47, 49, 55, 57: the same type, value and bits."""
    with kist.FSDict(base) as d:
        d["k"] = value
        assert same(value, d["k"])
        assert same(value, list(d.values())[0])
        assert same(value, d.get_many(["k"])[0])
    with kist.FSDict(base) as d:
        assert same(value, d["k"])
        assert same(value, d.setdefault("k", "other"))
        assert same(value, d.copy()["k"])
        assert same(("k", value), d.popitem())


@pytest.mark.parametrize("value", EXAMPLES, ids=lambda v: repr(v)[:40])
def test_examples_as_members(base, value):
    """Rows 36 and 46: a hashable value is a set member, else TypeError."""
    try:
        hash(value)
    except TypeError:
        with kist.FSSet(base) as s, pytest.raises(TypeError):
            s.add(value)
        return
    with kist.FSSet(base) as s:
        s.add(value)
        assert value in s
    with kist.FSSet(base) as s:
        (back,) = s
        assert same(value, back)
        assert same(value, s.pop())


@pytest.mark.parametrize("value", EXAMPLES, ids=lambda v: repr(v)[:40])
def test_examples_inside_containers(value):
    """Row 46: the same at any depth."""
    nested: Any = [value, (value, {"k": [value]})]
    assert same(nested, there_and_back(nested))


@given(values)
def test_any_value_comes_back(value):
    """Row 46: whatever is built of the types that are taken."""
    assert same(value, there_and_back(value))


@given(st.lists(members, max_size=5))
def test_any_members_come_back(vs):
    """Row 36: sets keep the first of equal members, with its type."""
    with kist.FSSet() as s:
        s.update(vs)
        assert same(set(vs), set(s))
        assert same(frozenset(vs), there_and_back(frozenset(vs)))


@given(st.integers(-(2**200), 2**200))
def test_ints_of_any_size(value):
    """Row 46: int of any size, on both sides of every byte boundary."""
    assert same(value, there_and_back(value))


@pytest.mark.parametrize(
    "bits", [7, 8, 15, 31, 32, 62, 63, 64, 127, 128, 4096]
)
def test_ints_at_the_edges(bits):
    """Row 46: powers of two and their neighbours, of either sign."""
    for around in (2**bits, -(2**bits)):
        for value in (around - 1, around, around + 1):
            assert same(value, there_and_back(value))


def test_values_are_copies():
    """Row 25: changing what was stored or read changes nothing kept."""
    with kist.FSDict() as d:
        value = [1, {"a": [2]}]
        d["k"] = value
        value.append(3)
        d["k"][1]["a"].append(4)
        assert d["k"] == [1, {"a": [2]}]


def test_large_values(base):
    """Row 46: megabytes of text, bytes and items."""
    large: list[Any] = [
        "é" * 1_000_000,
        b"\0" * 3_000_000,
        list(range(100_000)),
        {str(i): (i, None) for i in range(30_000)},
        1 << 100_000,
    ]
    with kist.FSDict(base) as d:
        for i, value in enumerate(large):
            d[str(i)] = value
    with kist.FSDict(base) as d:
        for i, value in enumerate(large):
            assert same(value, d[str(i)])


# --- what is refused ---------------------------------------------------------------


class Colour(enum.Enum):
    RED = 1


class Size(enum.IntEnum):
    BIG = 3


class Name(str):
    pass


class Number(int):
    pass


class Ordered(dict):
    pass


REFUSED: list[Any] = [
    object(),
    Colour.RED,
    Size.BIG,
    Name("a"),
    Number(1),
    Ordered(a=1),
    collections.OrderedDict(a=1),
    collections.namedtuple("P", "x")(1),
    bytearray(b"x"),
    memoryview(b"x"),
    array.array("q", [1]),
    fractions.Fraction(1, 2),
    range(3),
    len,
    int,
    os,
    Ellipsis,
    NotImplemented,
    types.SimpleNamespace(),
    iter([]),
]


@pytest.mark.parametrize("value", REFUSED, ids=lambda v: type(v).__name__)
def test_refused(base, value):
    """Rows 46, 54, 56: TypeError that names the type; nothing written."""
    with kist.FSDict(base) as d:
        d["k"] = "before"
        written = d.metrics["data_file_bytes"], d.metrics["live_records"]
        for attempt in (value, [value], (1, (value,)), {"a": {"b": value}}):
            with pytest.raises(TypeError) as caught:
                d["k"] = attempt
            assert type(value).__name__ in str(caught.value)
            with pytest.raises(TypeError):
                d["new"] = attempt
            with pytest.raises(TypeError):
                d.setdefault("new", attempt)
        assert dict(d) == {"k": "before"}
        now = d.metrics["data_file_bytes"], d.metrics["live_records"]
        assert now == written


def test_refused_says_what_to_do():
    """Issue 3, bad input: the message names the ways to keep the value."""
    with kist.FSDict() as d, pytest.raises(TypeError) as caught:
        d["k"] = Colour.RED
    assert "Colour" in str(caught.value) and len(str(caught.value)) > 30


def test_value_that_holds_itself():
    """Row 63: RecursionError, the process lives, nothing is written."""
    loop: list[Any] = []
    loop.append(loop)
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with kist.FSDict() as d:
        for value in (loop, deep):
            with pytest.raises((RecursionError, ValueError)):
                d["k"] = value
        assert len(d) == 0
        nested: Any = "core"
        for _ in range(200):
            nested = [nested]
        d["k"] = nested
        assert d["k"] == nested


def test_dict_keys_inside_values():
    """Row 48: an untyped collection keeps the keys' types, json refuses."""
    value = {1: "int", "1": "str", None: 0, 2.5: (), True: 1}
    assert same(value, there_and_back(value))
    with kist.FSDict(klass="json") as d:
        with pytest.raises(TypeError):
            d["k"] = {1: "a"}
        with pytest.raises(TypeError):
            d["k"] = {"deep": [{None: "a"}]}
        assert len(d) == 0


def test_value_changed_while_it_is_stored():
    """Row 46: a value that another thread may change is never torn."""
    with kist.FSDict() as d:
        value = {str(i): [i] for i in range(100)}
        d["k"] = value
        value.clear()
        assert len(d["k"]) == 100


# --- typed collections ------------------------------------------------------------------

TYPED: list[tuple[Any, str, str, list[Any], list[Any]]] = [
    (
        "int32",
        "int32",
        "int",
        [0, -(2**31), 2**31 - 1],
        ["a", 1.0, True, None],
    ),
    (int, "int64", "int", [0, -(2**63), 2**63 - 1], ["a", 1.0, True, None]),
    ("int64", "int64", "int", [1], ["a", b"", 1.5, False]),
    (
        "int128",
        "int128",
        "int",
        [0, -(2**127), 2**127 - 1, 2**64],
        ["a", 1.0, True, None],
    ),
    (str, "string", "str", ["", "é", "\ud800"], [b"a", 1, None]),
    ("string", "string", "str", ["a"], [b"a", 1, None]),
    (bool, "bool", "bool", [True, False], [1, 0, "a", None]),
    (
        float,
        "float",
        "float",
        [0.0, -0.0, 1.5, float("inf"), float("nan")],
        [1, True, "a", None],
    ),
    (
        bytes,
        "bytes",
        "bytes",
        [b"", b"\0\xff"],
        ["a", bytearray(b"a"), memoryview(b"a"), 1, None],
    ),
]


@pytest.mark.parametrize(
    ("klass", "name", "python", "good", "bad"),
    TYPED,
    ids=lambda v: str(v)[:12],
)
def test_typed(base, klass, name, python, good, bad):
    """P27, P28, rows 51 to 53, 56: exact values, verbatim refusals."""
    with kist.FSDict(base, klass=klass) as d:
        for i, value in enumerate(good):
            d[str(i)] = value
            assert same(value, d[str(i)])
        before = d.metrics["data_file_bytes"]
        for value in bad:
            text = f"Expected {python} for {name}, got {type(value).__name__}"
            for attempt in (
                lambda v=value: d.__setitem__("0", v),
                lambda v=value: d.__setitem__("new", v),
                lambda v=value: d.setdefault("new", v),
                lambda v=value: d.update({"x": v}),
            ):
                with pytest.raises(TypeError) as caught:
                    attempt()
                assert caught.value.args == (text,)
        assert len(d) == len(good)
        assert d.metrics["data_file_bytes"] == before
    with kist.FSDict(base) as d:
        for i, value in enumerate(good):
            assert same(value, d[str(i)])
        with pytest.raises(TypeError):
            d["new"] = bad[0]


def test_the_words_of_the_contract():
    """P28: exactly as quoted."""
    with kist.FSDict(klass=float) as d, pytest.raises(TypeError) as caught:
        d["k"] = "text"
    assert str(caught.value) == "Expected float for float, got str"


@pytest.mark.parametrize(
    ("klass", "bits"), [("int32", 31), (int, 63), ("int128", 127)]
)
def test_int_too_big(base, klass, bits):
    """Row 50: OverflowError, nothing written."""
    with kist.FSDict(base, klass=klass) as d:
        d["k"] = 1
        for value in (2**bits, -(2**bits) - 1, 10**100, -(10**100)):
            with pytest.raises(OverflowError):
                d["k"] = value
            with pytest.raises(OverflowError):
                d["new"] = value
        assert dict(d) == {"k": 1}


def test_subclasses_in_typed_collections():
    """Row 54: accepted by klass, kept as the base value."""
    with kist.FSDict(klass=int) as d:
        d["a"], d["b"] = Size.BIG, Number(7)
        assert same(3, d["a"]) and same(7, d["b"])
    with kist.FSDict(klass=str) as d:
        d["a"] = Name("x")
        assert same("x", d["a"])
    with kist.FSDict(klass=float) as d:
        d["a"] = type("F", (float,), {})(2.5)
        assert same(2.5, d["a"])
    with kist.FSDict(klass=bytes) as d:
        d["a"] = type("B", (bytes,), {})(b"x")
        assert same(b"x", d["a"])


def test_json():
    """Rows 47 and 49, P26: json by name gives what JSON gives."""
    with kist.FSDict(klass="json") as d:
        for value, back in (
            ((1, 2), [1, 2]),
            ([1, "é\u2028", None, True, 1.5], [1, "é\u2028", None, True, 1.5]),
            ({"a": {"b": []}}, {"a": {"b": []}}),
            ("text", "text"),
            (["deep", None], ["deep", None]),
            ([float("inf"), float("-inf")], [float("inf"), float("-inf")]),
            ("\ud800", "\ud800"),
            (10**40, 10**40),
        ):
            d["k"] = value
            assert same(back, d["k"])
        d["k"] = [float("nan")]
        assert d["k"][0] != d["k"][0]
        for bad in (object(), {1}, b"x", [set()], 1j, None):
            with pytest.raises(TypeError):
                d["k"] = bad


@pytest.mark.parametrize(
    ("klass", "good", "bad"),
    [
        (dict, {"a": [1]}, [1]),
        (list, [1, {"a": None}], {"a": 1}),
        (tuple, (1, ("a", b"x")), [1]),
    ],
)
def test_container_klasses(base, klass, good, bad):
    """P26, rows 47 and 53: dict, list and tuple; a tuple stays a tuple."""
    with kist.FSDict(base, klass=klass) as d:
        d["k"] = good
        assert same(good, d["k"])
        for value in (bad, None, "text"):
            with pytest.raises(TypeError):
                d["k"] = value
    with kist.FSDict(base) as d:
        assert same(good, d["k"])


@pytest.mark.parametrize(
    "klass", [complex, object, "int", "", 5, [], "INT64", set]
)
def test_unknown_klass(base, klass):
    """P27: what is no type of the table is refused, no file is made."""
    with pytest.raises((TypeError, ValueError)):
        kist.FSDict(base, klass=klass)
    assert not os.path.exists(base + ".kist")


def test_other_klass_than_on_disk(base):
    """Row 66: TypeError naming both; None adopts what is there."""
    kist.FSDict(base, klass=int).close()
    with pytest.raises(TypeError) as caught:
        kist.FSDict(base, klass=str)
    assert "int64" in str(caught.value) and "string" in str(caught.value)
    with pytest.raises(TypeError) as caught:
        kist.FSSet(base)
    assert "dict" in str(caught.value) and "set" in str(caught.value)
    with kist.FSDict(base) as d, pytest.raises(TypeError):
        d["k"] = "text"
    with kist.FSDict(base, klass="int64") as d:
        d["k"] = 1


# --- nothing runs ------------------------------------------------------------------------


class Trap:
    """Pickling this would leave a trace when it is read."""

    def __reduce__(self):
        return (exec, ("import os; os.environ['KIST_TRAP'] = 'sprung'",))


def test_reading_runs_no_code(base):
    """Row 46: pickles are bytes among bytes, objects are refused."""
    with kist.FSDict(base) as d:
        with pytest.raises(TypeError):
            d["k"] = Trap()
        d["k"] = pickle.dumps(Trap())
        d["ref"] = "ref://fscollection:list?path=/etc/passwd"
    with kist.FSDict(base) as d:
        assert d["k"] == pickle.dumps(Trap())
        assert d["ref"] == "ref://fscollection:list?path=/etc/passwd"
    assert "KIST_TRAP" not in os.environ
    pickle.loads(pickle.dumps(Trap()))
    assert os.environ.pop("KIST_TRAP") == "sprung"


def test_reading_imports_only_what_it_needs(base):
    """Row 46: a store of everything loads no pickle, marshal or code."""
    with kist.FSDict(base) as d:
        for i, value in enumerate(EXAMPLES):
            d[str(i)] = value
    ran = run_python(
        """
        import sys, kist
        before = set(sys.modules)
        with kist.FSDict(sys.argv[1]) as d:
            dict(d)
        for name in ("pickle", "marshal", "shelve", "runpy"):
            assert name not in set(sys.modules) - before, name
        """,
        base,
    )
    assert ran.returncode == 0, ran.stderr


def test_flipped_bits_are_found(base):
    """Row 71: a damaged record is CorruptError or the old value, and the
    process lives."""
    value = {"list": [1, 2.5, "text"], "when": datetime.date(2024, 1, 2)}
    with kist.FSDict(base) as d:
        for i in range(20):
            d[f"key{i}"] = value
    with open(base + ".kist", "rb") as f:
        sound = f.read()
    used = len(sound.rstrip(b"\0"))
    seen = set()
    for at in range(0, used, 7):
        damaged = bytearray(sound)
        damaged[at] ^= 1 << (at % 8)
        with open(base + ".kist", "wb") as f:
            f.write(damaged)
        try:
            with kist.FSDict(base) as d:
                for k in d:
                    assert same(value, d[k])
            seen.add("fine")
        except (kist.Error, OSError, ValueError) as error:
            seen.add(type(error).__name__)
    assert "CorruptError" in seen


class Log:
    """A log whose records can be changed and sealed again (docs/format.md):
    bytes that a stranger made on purpose, which the checksum cannot find."""

    HEAD = 20

    def __init__(self, path: str) -> None:
        self.path = path + ".kist"
        with open(self.path, "rb") as f:
            self.bytes = bytearray(f.read())
        (self.salt,) = struct.unpack_from("<Q", self.bytes, 48)
        self.at = 4096
        while True:
            size, _, tag = struct.unpack_from("<IBB", self.bytes, self.at + 4)
            if tag and self.bytes[self.at + 12 : self.at + 15] != b"\0\0\0":
                break
            self.at += size + 7 & ~7
        (self.size,) = struct.unpack_from("<I", self.bytes, self.at + 4)
        (ksize,) = struct.unpack_from("<H", self.bytes, self.at + 10)
        self.value = self.at + self.HEAD + ksize

    def put(self, tag: int, value: bytes) -> None:
        """Makes the first value this one: its bytes' number stays."""
        room = self.room()
        assert len(value) == room
        self.bytes[self.at + 9] = tag
        self.bytes[self.value : self.value + room] = value
        self.seal()

    def flip(self, place: int, bits: int) -> None:
        """Changes one byte of the first key."""
        ksize = self.value - self.at - self.HEAD
        self.bytes[self.at + self.HEAD + place % ksize] ^= bits
        self.seal()

    def seal(self) -> None:
        span = self.size + 7 & ~7
        mixed = (self.salt + self.at) * 0x9E3779B97F4A7C15 & (1 << 64) - 1
        mixed = (mixed ^ mixed >> 32) & 0xFFFFFFFF
        crc = crc32c(mixed, bytes(self.bytes[self.at + 4 : self.at + span]))
        struct.pack_into("<I", self.bytes, self.at, crc)
        with open(self.path, "wb") as f:
            f.write(self.bytes)

    def room(self) -> int:
        return self.at + self.size - self.value


def crc32c(crc: int, data: bytes) -> int:
    """CRC-32C, bit by bit: what the log seals its records with."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    return crc ^ 0xFFFFFFFF


TAGS = range(1, 34)


def read_all(path: str, tag: int, value: bytes) -> list[Any]:
    """What the first value reads as, once it is these bytes of that tag."""
    Log(path).put(tag, value)
    try:
        with kist.FSDict(path) as d:
            d.get_many(["k"])
            return list(d.values())
    except kist.Error:
        return []


def test_sealed_bytes_are_read(base):
    """The tests below do reach the decoder: a sealed value is read."""
    with kist.FSDict(base) as d:
        d["k"] = b"12345678"
    assert read_all(base, 6, b"abcdefgh") == [b"abcdefgh"]
    assert read_all(base, 5, b"abcdefgh") == ["abcdefgh"]
    assert read_all(base, 5, b"\xff" * 8) == []


@given(st.sampled_from(TAGS), st.binary(min_size=24, max_size=24))
def test_hostile_bytes(tmp_path_factory, tag, value):
    """Row 46: any bytes under any tag, well sealed, are a value or
    CorruptError, and run nothing."""
    path = str(tmp_path_factory.mktemp("hostile") / "d")
    with kist.FSDict(path) as d:
        d["k"] = b"x" * 24
    read_all(path, tag, value)


HOSTILE: list[tuple[int, bytes]] = [
    (14, b"__import__('os')"),
    (14, b"9999-99-99T99:99"),
    (15, b"2024-02-30      "),
    (16, b"25:61:61.9999999"),
    (17, b"\x03\xff\xff\xff\xff\xff\xff\xff\x7f" + b"\x03" * 7),
    (18, b"1E+9999999999999"),
    (18, b"not a decimal..."),
    (19, b"short of 16 byt"),
    (20, b"short of 16 byt"),
    (7, b"\0" * 16),
    (7, b"\xff" * 16),
    (5, b"\xc0\x80" * 8),
    (5, b"\xf5\x80\x80\x80" * 4),
    (13, b'{"a": __import__'),
    (13, b"[" * 16),
    (13, b"NaN, Infinity, 1"),
    (8, b"\x08\x0e" + b"\x08" * 14),
    (9, b"\x09\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + b"\0" * 5),
    (10, b"\x05\x01a" + b"\x05\x01a\x09\0" + b"\x05\x01a\x05\x01a\x01\x01"),
    (11, b"\x09\0" * 8),
    (12, b"\x0a\0" * 8),
    (21, b"ref://x?path=/et"),
    (2, b"\x02"),
    (4, b"1234567"),
    (3, b"\xff" * 9),
    (33, b"\xff" * 16),
]


@pytest.mark.parametrize(("tag", "value"), HOSTILE, ids=repr)
def test_hostile_values(base, tag, value):
    """Row 46: what a stranger may have thought of."""
    with kist.FSDict(base) as d:
        d["k"] = b"x" * len(value)
    read_all(base, tag, value)


@given(st.sampled_from(EXAMPLES), st.integers(0, 2**32), st.integers(1, 255))
def test_hostile_changes(tmp_path_factory, example, place, flip):
    """Row 46: values of every kind with one byte changed, well sealed."""
    path = str(tmp_path_factory.mktemp("hostile") / "d")
    with kist.FSDict(path) as d:
        d["k"] = [example, (example,)]
    log = Log(path)
    value = bytearray(log.bytes[log.value : log.value + log.room()])
    value[place % len(value)] ^= flip
    read_all(path, 9, bytes(value))


@given(st.sampled_from(EXAMPLES), st.integers(0, 2**32), st.integers(1, 255))
def test_hostile_members(tmp_path_factory, example, place, flip):
    """Row 46: the same for the members of a set."""
    path = str(tmp_path_factory.mktemp("hostile") / "s")
    with kist.FSSet(path) as s:
        try:
            s.add((example, example))
        except TypeError:
            return
    Log(path).flip(place, flip)
    try:
        with kist.FSSet(path) as s:
            list(s)
            (example, example) in s
            s.pop()
    except (kist.Error, TypeError):
        pass


def test_hostile_depth(base):
    """Row 63: items nested deeper than any stack, well sealed."""
    inner = b""
    while len(inner) < 60_000:
        size, n = b"", len(inner)
        while True:
            size += bytes([n & 127 | (128 if n > 127 else 0)])
            n >>= 7
            if not n:
                break
        inner = b"\x08" + size + inner
    with kist.FSDict(base) as d:
        d["k"] = b"x" * len(inner)
    assert read_all(base, 8, inner) == []


@given(st.binary(max_size=60), st.integers(0, 200))
def test_any_bytes_for_a_log(tmp_path_factory, junk, at):
    """Row 71: any file in the log's place opens, or is refused in words."""
    path = str(tmp_path_factory.mktemp("junk") / "d")
    with kist.FSDict(path) as d:
        d["a"] = (1, "x")
    os.unlink(path + ".kistx")
    with open(path + ".kist", "r+b") as f:
        f.seek(at * 30)
        f.write(junk)
    try:
        with kist.FSDict(path) as d:
            for k in list(d):
                d[k]
    except (kist.Error, OSError, ValueError, KeyError):
        pass


# --- beyond the contract -------------------------------------------------------------------


def test_times_keep_zone_and_fold():
    """Issue 3: datetime and time with offset, fold and microseconds."""
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=45))
    for value in (
        datetime.datetime(2024, 1, 2, 3, 4, 5, 6, zone),
        datetime.datetime(2024, 10, 27, 2, 30, fold=1),
        datetime.time(3, 4, 5, 6, zone, fold=1),
        datetime.datetime(1, 1, 1),
    ):
        back = there_and_back(value)
        assert same(value, back)
        assert back.isoformat() == value.isoformat()


def test_zone_with_rules_is_refused():
    """Issue 3: what would not come back the same is TypeError."""

    class Zone(datetime.tzinfo):
        def utcoffset(self, when):
            return datetime.timedelta(hours=1)

        def dst(self, when):
            return None

        def tzname(self, when):
            return "here"

    for value in (
        datetime.datetime(2024, 1, 2, tzinfo=Zone()),
        datetime.time(1, 2, tzinfo=Zone()),
    ):
        with pytest.raises(TypeError):
            there_and_back(value)


def test_decimal_keeps_its_digits():
    """Issue 3: scale, sign and payload."""
    for text in ("1.10", "1.1", "-0.000", "1E+3", "NaN", "sNaN7", "-Infinity"):
        back = there_and_back(decimal.Decimal(text))
        assert type(back) is decimal.Decimal and str(back) == text


def test_uuid_and_complex():
    """Issue 3: UUID by its bytes, complex by its bits."""
    for value in (
        uuid.UUID(int=2**128 - 1),
        complex(0.0, -0.0),
        complex(1e308, 5e-324),
    ):
        assert same(value, there_and_back(value))


def test_memory_is_given_back():
    """Issue 3: no leak over many operations of every kind."""
    import gc

    with kist.FSDict() as d, kist.FSSet() as s:

        def work():
            for i, value in enumerate(EXAMPLES):
                d[str(i)] = value
                d[str(i)]
                d.get(str(i))
                try:
                    s.add(value)
                    value in s
                    s.discard(value)
                except TypeError:
                    pass
                for bad in REFUSED:
                    try:
                        d["bad"] = [bad]
                    except TypeError:
                        pass
            list(d.items())
            d.copy()
            d.clear()

        work()
        work()
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(20):
            work()
        gc.collect()
        assert sys.getallocatedblocks() - before < 200


def test_struct_of_a_float():
    """P26: the float that was put in, bit for bit, signalling NaN too."""
    for bits in (
        0x7FF8000000000001,
        0xFFF0000000000000,
        0x8000000000000000,
        1,
    ):
        (value,) = struct.unpack("<d", struct.pack("<Q", bits))
        assert same(value, there_and_back(value))
        with kist.FSDict(klass=float) as d:
            d["k"] = value
            assert same(value, d["k"])
