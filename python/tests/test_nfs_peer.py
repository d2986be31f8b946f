"""NfsDict and the published nfsdict in one directory at one time.

Needs nfsdict==0.2.2; without it these are skipped.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kist.nfsdict import NfsDict

peer = pytest.importorskip(
    "nfsdict", reason="nfsdict is not installed: pip install nfsdict tqdm"
)

SERIALIZERS = ("pickle", "json")
KEYS = ["a", "b", "", "ä", '\n\x00"\\', "k" * 300, "/", "😀", "e\u0301"]


@pytest.fixture(params=SERIALIZERS)
def ser(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def outcome(call: Any) -> tuple[str, Any]:
    try:
        return "is", call()
    except Exception as error:
        # A damaged value is a KeyError of ours.
        if isinstance(error, KeyError):
            return "KeyError", None
        return type(error).__name__, None


# --- the same calls ----------------------------------------------------------

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(codec="utf-8"), max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["set", "get", "del", "in", "item", "pop", "setdefault", "len"]
            + ["keys", "items", "sync", "close", "reopen", "lazy", "other"]
        ),
        st.sampled_from(KEYS),
        VALUES,
    ),
    max_size=25,
)


def step(d: Any, what: str, key: str, value: Any) -> Any:
    calls = {
        "set": lambda: d.__setitem__(key, value),
        "get": lambda: d.get(key, 7),
        "del": lambda: d.__delitem__(key),
        "in": lambda: key in d,
        "item": lambda: d[key],
        "pop": lambda: d.pop(key, 8),
        "setdefault": lambda: d.setdefault(key, value),
        "len": lambda: len(d),
        "keys": lambda: sorted(d),
        "items": lambda: sorted(d.items(), key=lambda item: item[0]),
        "sync": d.sync,
        "close": d.close,
    }
    return outcome(calls[what])


@pytest.mark.parametrize("serializer", SERIALIZERS)
@given(steps=STEPS)
def test_same_calls(
    serializer: str, steps: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A history of calls, with another handle between, on both."""
    base = tmp_path_factory.mktemp("same")
    makers = [(NfsDict, base / "ours"), (peer.NfsDict, base / "peer")]
    dicts = [make("x", at, serializer) for make, at in makers]
    for what, key, value in steps:
        if what in ("reopen", "lazy"):
            for d in dicts:
                d.close()
            dicts = [
                make("x", at, serializer, what == "lazy")
                for make, at in makers
            ]
            # What another handle has put and not told in the index yet.
            dicts[1].sync()
            continue
        if what == "other":
            for make, at in makers:
                make("x", at, serializer)[key] = value
            continue
        answers = [step(d, what, key, value) for d in dicts]
        assert answers[0] == answers[1], (what, key, value)


# --- one directory -----------------------------------------------------------


def test_each_reads_the_other(tmp_path: Path, ser: str) -> None:
    values = {key: {"n": [1, 2.5, None, True], "k": key} for key in KEYS}
    ours = NfsDict("x", tmp_path, ser)
    ours.update(values)
    theirs = peer.NfsDict("x", tmp_path, ser)
    assert dict(theirs.items()) == values
    theirs.close()
    ours.close()
    for lazy in (False, True):
        assert dict(peer.NfsDict("x", tmp_path, ser, lazy).items()) == values
    theirs = peer.NfsDict("y", tmp_path, ser)
    theirs.update(values)
    assert NfsDict("y", tmp_path, ser) == values
    theirs.close()
    for lazy in (False, True):
        assert NfsDict("y", tmp_path, ser, lazy) == values


def test_files_are_the_same(tmp_path: Path, ser: str) -> None:
    for make, at in ((NfsDict, "ours"), (peer.NfsDict, "peer")):
        d = make("x", tmp_path / at, ser)
        for key in KEYS:
            d[key] = {"key": key}
        d.close()

    def files(at: str) -> dict[str, bytes]:
        top = tmp_path / at / "x"
        return {
            str(path.relative_to(top)): path.read_bytes()
            for path in top.rglob("*")
            if path.is_file() and not path.name.startswith(("_", "."))
        }

    assert files("ours") == files("peer")


def test_big_indexes(tmp_path: Path, ser: str) -> None:
    """Of many keys: frames of pickles, and memos of them."""
    keys = [f"key-{i}-" + "x" * (i % 300) for i in range(3000)]
    ours = NfsDict("x", tmp_path, ser, durability="none")
    for key in keys[:50]:
        ours[key] = 1
    ours.close()
    ext = "pkl" if ser == "pickle" else "json"
    index = tmp_path / "x" / f"_index.{ext}"
    theirs = peer.NfsDict("x", tmp_path, ser, True)
    assert set(theirs) == set(keys[:50])
    if ser == "pickle":
        for protocol in (2, 3, 4, 5):
            for kind in (list, set, frozenset):
                index.write_bytes(pickle.dumps(kind(keys), protocol))
                os.unlink(tmp_path / "x" / "_kist_pkl")
                d = NfsDict("x", tmp_path, ser, True)
                assert set(d) - {"again"} == set(keys[:50])
                d["again"] = protocol
                d.close()
                assert set(pickle.loads(index.read_bytes())) == {
                    *keys[:50],
                    "again",
                }


def test_writers_in_turn(tmp_path: Path, ser: str) -> None:
    """Peers and kist, opened and closed at random: we see every key, and
    peers see every key that was not put behind another peer's back."""
    seed = int(os.environ.get("KIST_SEED", time.time_ns() % 10**6))
    rng = random.Random(seed)
    model: dict[str, int] = {}
    for i in range(150):
        make = rng.choice([NfsDict, peer.NfsDict])
        d = make("x", tmp_path, ser, rng.random() < 0.5)
        assert set(d) == set(model), (seed, i, make)
        for _ in range(rng.randrange(4)):
            key = f"k{rng.randrange(20)}"
            if rng.random() < 0.7:
                d[key] = model[key] = i
            elif key in model:
                assert d.pop(key) == model.pop(key), (seed, i)
        if rng.random() < 0.8 or make is peer.NfsDict:
            d.close()


def test_peers_that_hide_keys(tmp_path: Path, ser: str) -> None:
    """2: two peers close one after the other; we see both's keys."""
    first = peer.NfsDict("x", tmp_path, ser)
    second = peer.NfsDict("x", tmp_path, ser)
    first["a"] = 1
    second["b"] = 2
    first.close()
    second.close()
    assert set(peer.NfsDict("x", tmp_path, ser)) == {"b"}
    d = NfsDict("x", tmp_path, ser)
    assert d == {"a": 1, "b": 2}
    d["c"] = 3
    d.close()
    assert set(peer.NfsDict("x", tmp_path, ser)) == {"a", "b", "c"}


# --- kill -9 -----------------------------------------------------------------

WRITER = """
    import os, sys
    from kist.nfsdict import NfsDict
    base, ser, who, seed = sys.argv[1:5]
    d = NfsDict("x", base, ser, durability="none")
    print("ready", flush=True)
    i = int(seed)
    while True:
        key = f"{who}-{i}"
        d[key] = [i] * (i % 50)
        os.write(1, f"+{key}\\n".encode())
        if i % 5 == 0:
            del d[key]
            os.write(1, f"-{key}\\n".encode())
        if i % 7 == 0:
            d.close()
        i += 1
"""


def acknowledged(lines: list[str]) -> tuple[set[str], set[str]]:
    put = {line[1:] for line in lines if line.startswith("+")}
    gone = {line[1:] for line in lines if line.startswith("-")}
    return put, gone


@pytest.mark.parametrize("peer_reads", [False, True])
def test_killed_writers(tmp_path: Path, ser: str, peer_reads: bool) -> None:
    """1: whatever was set is seen by a new process, ours or a peer's."""
    seed = int(os.environ.get("KIST_SEED", time.time_ns() % 10**6))
    rng = random.Random(seed)
    lines: list[str] = []
    for turn in range(8):
        writers = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    textwrap.dedent(WRITER),
                    str(tmp_path),
                    ser,
                    f"w{turn}{i}",
                    "0",
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            for i in range(2)
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.01, 0.15))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
        for writer in writers:
            assert writer.stdout is not None
            lines += writer.stdout.read().split("\n")
            writer.wait()
        put, gone = acknowledged(lines)
        make = peer.NfsDict if peer_reads else NfsDict
        seen = set(make("x", tmp_path, ser, not peer_reads))
        # What was told last may be in the middle of being removed.
        maybe = {line[1:] for line in lines if line.endswith(("0", "5"))}
        assert put - gone - maybe <= seen, (seed, turn)
        assert not seen & gone, (seed, turn)
    assert len(lines) > 50
    # What they left half-written goes with the next look.
    NfsDict("x", tmp_path, ser, True)
    assert not [p for p in (tmp_path / "x").rglob("??/tmp*")]
    d = NfsDict("x", tmp_path, ser)
    d["end"] = 1
    d.close()
    assert set(peer.NfsDict("x", tmp_path, ser)) == set(d)
