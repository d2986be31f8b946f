"""What the tests of the Python types share.

`same` is the measure of "what comes back is what went in": equality that
looks at exact types, at the bits of floats and at the order of dicts.
"""

from __future__ import annotations

import datetime
import decimal
import os
import signal
import struct
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import kist
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

settings.register_profile(
    "kist",
    deadline=None,
    max_examples=int(os.environ.get("KIST_EXAMPLES", "60")),
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
)
settings.load_profile("kist")


def same(a: Any, b: Any) -> bool:
    """True if `b` is what a store of `a` has to give back."""
    if type(a) is not type(b):
        return False
    if type(a) is float:
        return struct.pack("<d", a) == struct.pack("<d", b)
    if type(a) is complex:
        return same(a.real, b.real) and same(a.imag, b.imag)
    if type(a) in (tuple, list):
        return len(a) == len(b) and all(map(same, a, b))
    if type(a) is dict:
        return same(list(a.items()), list(b.items()))
    if type(a) in (set, frozenset):
        return len(a) == len(b) and same(
            sorted(map(fingerprint, a)), sorted(map(fingerprint, b))
        )
    if type(a) is decimal.Decimal:
        return bool(a.as_tuple() == b.as_tuple())
    if type(a) in (datetime.datetime, datetime.time):
        return bool(
            a.replace(tzinfo=None) == b.replace(tzinfo=None)
            and a.fold == b.fold
            and a.utcoffset() == b.utcoffset()
            and type(a.tzinfo) is type(b.tzinfo)
        )
    return bool(a == b)


def fingerprint(value: Any) -> str:
    """Text that two members share if and only if they are the same()."""
    if type(value) is float:
        return "float:" + struct.pack("<d", value).hex()
    if type(value) is complex:
        return "complex:" + struct.pack("<dd", value.real, value.imag).hex()
    if type(value) is tuple:
        return "tuple:(" + ",".join(map(fingerprint, value)) + ")"
    if type(value) is frozenset:
        return "frozenset:{" + ",".join(sorted(map(fingerprint, value))) + "}"
    return f"{type(value).__name__}:{value!r}"


def outcome(call: Callable[[], Any]) -> tuple[Any, ...]:
    """What a call came to, as a tuple that two calls can be compared by."""
    try:
        return ("value", call())
    except RecursionError:
        raise
    except Exception as error:
        return ("error", type(error), error.args)


def agree(ours: Any, model: Any, call: Any) -> None:
    """`call` comes to the same on both: value and type, or exception."""
    mine, theirs = outcome(lambda: call(ours)), outcome(lambda: call(model))
    if mine[0] == "value" and mine[1] is ours:
        mine = ("value", "itself")
    if theirs[0] == "value" and theirs[1] is model:
        theirs = ("value", "itself")
    assert same(mine, theirs), (mine, theirs)


def alike(ours: Any, model: list[Any]) -> None:
    """Both hold the same, whichever way they are read."""
    assert len(ours) == len(model)
    assert same(list(ours), model)
    assert same(ours[:], model)
    assert same(list(reversed(ours)), model[::-1])


def run_python(
    code: str, *args: str, dev: bool = False
) -> subprocess.CompletedProcess[str]:
    """Runs `code` in an interpreter of its own with kist on its path."""
    command = [sys.executable]
    if dev:
        command += ["-X", "dev"]
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(
        [os.path.dirname(os.path.dirname(kist.__file__))]
        + ([env["PYTHONPATH"]] if env.get("PYTHONPATH") else [])
    )
    return subprocess.run(
        [*command, "-c", textwrap.dedent(code), *args],
        capture_output=True,
        text=True,
        timeout=120,
        env=env,
        check=False,
    )


def in_child(work: Callable[[], Any], *, kill: bool = False) -> int:
    """Runs `work` in a forked child; returns its status, -N for signal N.

    With `kill` the child ends by SIGKILL when `work` is done, so nothing of
    it is closed, synced or finalised.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            kept = work()  # noqa: F841 - alive until the signal
            if kill:
                os.kill(os.getpid(), signal.SIGKILL)
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.fixture
def base(tmp_path: Any) -> str:
    """The path of a collection that is not there yet."""
    return os.path.join(str(tmp_path), "coll")


@pytest.fixture
def fsdict() -> Iterator[Callable[..., Any]]:
    """Makes temporal dicts with given items, closed after the test."""
    made: list[Any] = []

    def make(*args: Any, **kwargs: Any) -> Any:
        d = kist.FSDict()
        made.append(d)
        d.update(*args, **kwargs)
        return d

    yield make
    for d in made:
        d.close()


@pytest.fixture
def fsset() -> Iterator[Callable[..., Any]]:
    """Makes temporal sets with given members, closed after the test."""
    made: list[Any] = []

    def make(members: Any = ()) -> Any:
        s = kist.FSSet()
        made.append(s)
        s.update(members)
        return s

    yield make
    for s in made:
        s.close()


@pytest.fixture
def fslist() -> Iterator[Any]:
    """Makes temporal lists with given items, closed after the test."""
    made: list[Any] = []

    def make(items: Any = (), **options: Any) -> Any:
        l = kist.FSList(**options)
        made.append(l)
        l.extend(items)
        return l

    yield make
    for l in made:
        l.close()


# --- strategies ---------------------------------------------------------

#: Any text, lone surrogates and NUL included.
texts = st.text(alphabet=st.characters(), max_size=12) | st.sampled_from(
    ["", "\0", "a\0b", "\ud800", "x\udfff", "\U0001f9f0", "é", "k" * 300]
)

_zones = st.sampled_from(
    [
        None,
        datetime.UTC,
        datetime.timezone(datetime.timedelta(hours=-3, minutes=30)),
        datetime.timezone(datetime.timedelta(seconds=17)),
    ]
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=True, allow_infinity=True)
    | texts
    | st.binary(max_size=12)
    | st.complex_numbers(allow_nan=False)
    | st.datetimes(timezones=_zones)
    | st.dates()
    | st.times(timezones=_zones)
    | st.timedeltas()
    | st.decimals(allow_nan=False, allow_infinity=True)
    | st.uuids()
)

_simple_members = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=False)
    | texts
    | st.binary(max_size=8)
)

#: Values that a set takes and finds again by the rules of builtin sets.
members = st.recursive(
    _simple_members,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.frozensets(inner, max_size=3)
    ),
    max_leaves=6,
)

#: Values of every kind that an untyped collection takes.
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(texts | st.integers(), inner, max_size=3)
        | st.sets(members, max_size=3)
        | st.frozensets(members, max_size=3)
    ),
    max_leaves=8,
)

#: One value of each kind, with the awkward ones.
EXAMPLES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**63 - 1,
    -(2**63),
    2**63,
    -(2**63) - 1,
    10**300,
    -(10**300),
    0.0,
    -0.0,
    1.5,
    1e308,
    5e-324,
    float("inf"),
    float("-inf"),
    float("nan"),
    struct.unpack("<d", b"\x01\x00\x00\x00\x00\x00\xf8\xff")[0],
    "",
    "text",
    "nul\0inside",
    "\ud800 lone",
    "\U0001f9f0",
    "ref://fscollection:list?path=x",
    "é" * 5000,
    b"",
    b"\0\xff" * 300,
    (),
    (1, (2, ("three",))),
    [],
    [1, [2, [3]]],
    {},
    {"b": 1, "a": [2]},
    {1: "int", "1": "str", None: 0, (1, 2): "tuple"},
    set(),
    {1, "a", (2,)},
    frozenset(),
    frozenset({1, frozenset({2})}),
    1 + 2j,
    complex("-0.0-0.0j"),
    datetime.datetime(2024, 2, 29, 12, 30, 1, 5),
    datetime.datetime(2024, 10, 27, 2, 30, fold=1),
    datetime.datetime(1, 1, 1, tzinfo=datetime.UTC),
    datetime.datetime.max,
    datetime.date.min,
    datetime.date(2024, 2, 29),
    datetime.time(23, 59, 59, 999999),
    datetime.time(1, 2, tzinfo=datetime.UTC),
    datetime.timedelta(0),
    datetime.timedelta.max,
    datetime.timedelta.min,
    datetime.timedelta(days=-1, microseconds=1),
    decimal.Decimal("0.10"),
    decimal.Decimal("-0"),
    decimal.Decimal("1E+1000"),
    decimal.Decimal("Infinity"),
    decimal.Decimal("NaN"),
    decimal.Decimal("-sNaN123"),
    uuid.UUID(int=0),
    uuid.UUID("12345678-1234-5678-1234-567812345678"),
]
