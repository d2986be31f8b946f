"""EmptyDict, WriteOnceDict, OverlappingMultiDict and the two caches.

Sections 1.9 to 1.12 and 4 (W4, W19) of the contract.
"""

from __future__ import annotations

import copy
import datetime
import decimal
import itertools
import pickle
import threading
from typing import Any

import pytest
from kist.persidict import (
    ANY_ETAG,
    DELETE_CURRENT,
    ETAG_HAS_CHANGED,
    ETAG_IS_THE_SAME,
    IF_ETAG_CHANGED,
    ITEM_NOT_AVAILABLE,
    KEEP_CURRENT,
    NEVER_RETRIEVE,
    VALUE_NOT_RETRIEVED,
    AppendOnlyDictCached,
    EmptyDict,
    FileDirDict,
    LocalDict,
    MutableDictCached,
    MutationPolicyError,
    OperationResult,
    OverlappingMultiDict,
    PersiDict,
    WriteOnceDict,
)
from persistores import APPEND_ONLY, MUTABLE, UserDict, cached, file_dir

NA = ITEM_NOT_AVAILABLE
ANYWAY: dict[str, Any] = {"condition": ANY_ETAG, "expected_etag": NA}

# --- EmptyDict ---------------------------------------------------------------


def test_empty_dict():
    """1.9: always empty; some methods do not even look at the key."""
    store: EmptyDict[Any] = EmptyDict()
    store["a"] = 1
    store["a"] = KEEP_CURRENT
    assert "a" not in store and "" not in store and 1 not in store
    assert len(store) == 0 and not store and list(store) == []
    assert list(store.items_and_timestamps()) == []
    assert store.get("", 3) == 3 == store.setdefault("", 3)
    assert store.setdefault("a", DELETE_CURRENT) is DELETE_CURRENT
    assert store.discard("") is False and store.random_key() is None
    store.clear()
    for read in (
        lambda: store["a b"],
        lambda: store.__delitem__("a b"),
        lambda: store.timestamp("a b"),
        lambda: store.etag("a b"),
    ):
        with pytest.raises(KeyError) as caught:
            read()
        assert caught.value.args == ("a b",)
    with pytest.raises(ValueError, match="non-empty"):
        store[""] = 1
    with pytest.raises(TypeError, match="Cannot store"):
        store["a"] = store
    with pytest.raises(TypeError, match="instance of int"):
        EmptyDict(base_class_for_values=int)["a"] = "text"
    assert isinstance(store.get_subdict("x"), EmptyDict)
    assert store == {} and store == LocalDict() and LocalDict() == store


def test_empty_dict_conditions():
    """1.9: as of an absent key, and what is written is gone."""
    store: EmptyDict[Any] = EmptyDict()
    for condition, etag, holds in (
        (ANY_ETAG, "x", True),
        (ETAG_IS_THE_SAME, NA, True),
        (ETAG_IS_THE_SAME, "x", False),
        (ETAG_HAS_CHANGED, NA, False),
        (ETAG_HAS_CHANGED, "x", True),
    ):
        given: dict[str, Any] = {"condition": condition, "expected_etag": etag}
        for result in (
            store.get_item_if("a", **given),
            store.set_item_if("a", value=1, **given),
            store.set_item_if("a", value=DELETE_CURRENT, **given),
            store.setdefault_if("a", default_value=1, **given),
            store.discard_if("a", **given),
        ):
            assert result.condition_was_satisfied is holds
            assert result.actual_etag is result.resulting_etag is NA
            assert result.new_value is NA
    with pytest.raises(ValueError, match="non-empty"):
        store.get_item_if("", **ANYWAY)
    assert store.transform_item(
        "",
        transformer=1,  # type: ignore[arg-type]
    ) == OperationResult(NA, NA)


# --- WriteOnceDict -----------------------------------------------------------


def once(p: Any = None) -> WriteOnceDict[Any]:
    return WriteOnceDict(
        wrapped_dict=LocalDict(append_only=True), p_consistency_checks=p
    )


def test_write_once():
    """1.10: the first write stays; what else changes an item is refused."""
    store = once()
    store["a"] = 1
    store["a"] = 2
    assert store["a"] == 1 and len(store) == 1 and bool(store)
    assert store.consistency_checks_attempted == 0
    for change, policy in (
        (lambda: store.__delitem__(""), "write-once"),
        (lambda: store.set_item_if("", value=1, **ANYWAY), "write-once"),
        (lambda: store.discard(""), "append-only"),
        (lambda: store.pop("a"), "append-only"),
        (lambda: store.popitem(), "append-only"),
        (lambda: store.clear(), "append-only"),
        (lambda: store.discard_if("a", **ANYWAY), "append-only"),
        (lambda: store.__setitem__("a", DELETE_CURRENT), "append-only"),
    ):
        with pytest.raises(MutationPolicyError, match=policy):
            change()
    store["a"] = KEEP_CURRENT
    assert store.setdefault("a", 5) == 1 and store.setdefault("b", 5) == 5
    assert store.setdefault_if("b", default_value=1, **ANYWAY).new_value == 5
    assert store.get_params() == {
        "p_consistency_checks": 0.0,
        "wrapped_dict": store._wrapped_dict,
    }
    assert copy.copy(store)["a"] == 1
    below = store.get_subdict("x")
    below["y"] = 3
    assert type(below) is WriteOnceDict and store["x", "y"] == 3


def test_write_once_construction():
    """1.10: the checks of the two keywords."""
    with pytest.raises(TypeError, match="must be a PersiDict instance"):
        WriteOnceDict(wrapped_dict=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be append-only"):
        WriteOnceDict(wrapped_dict=LocalDict())
    for bad in (2, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
            once(bad)
        with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
            once().p_consistency_checks = bad
    store = once(0.5)
    store.p_consistency_checks = KEEP_CURRENT  # type: ignore[assignment]
    assert store.p_consistency_checks == 0.5
    store.p_consistency_checks = None  # type: ignore[assignment]
    assert store.p_consistency_checks == 0.0


def test_write_once_default(tmp_path, monkeypatch):
    """1.10: over FileDirDict(append_only=True) if nothing is given."""
    monkeypatch.chdir(tmp_path)
    store: WriteOnceDict[Any] = WriteOnceDict()
    assert type(store._wrapped_dict) is FileDirDict and store.append_only
    store["a"] = 1
    assert store["a"] == 1 and store.base_dir == str(
        tmp_path / "__file_dir_dict__"
    )


def test_write_once_etag():
    """W19: the etag is the wrapped store's, and works as a condition."""
    store = once()
    store["a"] = 1
    assert store.etag("a") == store._wrapped_dict.etag("a") == "1"
    result = store.get_item_if(
        "a", condition=ETAG_IS_THE_SAME, expected_etag=store.etag("a")
    )
    assert result.condition_was_satisfied
    assert result.new_value is VALUE_NOT_RETRIEVED


def test_write_once_keep_current():
    """W19: KEEP_CURRENT when nothing is there yet is no endless loop."""
    assert once(KEEP_CURRENT).p_consistency_checks == 0.0


def test_write_once_forwards():
    """1.10: unknown attributes are the wrapped store's, or none."""
    store = once()
    store._wrapped_dict.note = "kept"  # type: ignore[attr-defined]
    assert store.note == "kept"
    with pytest.raises(AttributeError, match="'LocalDict' object has no"):
        store.nothing
    empty = WriteOnceDict.__new__(WriteOnceDict)
    with pytest.raises(AttributeError, match="'WriteOnceDict' object has no"):
        empty.nothing


class Point:
    def __init__(self, x: Any) -> None:
        self.x = x


ring: list[Any] = []
ring.append(ring)
ring2: list[Any] = []
ring2.append(ring2)

SAME_VALUES = [
    (1, 1),
    ("text", "te" + "xt"),
    ({"a": 1, "b": [2]}, {"b": [2], "a": 1}),
    ({1, 2, 3}, {3, 2, 1}),
    (float("nan"), float("nan")),
    ([float("nan")], [float("nan")]),
    (Point([1]), Point([1])),
    (decimal.Decimal("1.0"), decimal.Decimal("1.0")),
    (datetime.date(2020, 1, 1), datetime.date(2020, 1, 1)),
    ((1, (b"x", None)), (1, (b"x", None))),
    (ring, ring2),
    (bytearray(b"x"), bytearray(b"x")),
]
OTHER_VALUES = [
    (1, 1.0),
    (1, True),
    (0.0, -0.0),
    ([1], (1,)),
    ({"a": 1}, {"a": 1.0}),
    ({"a": 1}, {"a": 1, "b": 2}),
    ({1: "x"}, {True: "x"}),
    ({1}, {1.0}),
    ("a", b"a"),
    (Point(1), Point(2)),
    (Point([1]), Point((1,))),
    (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    (bytearray(b"x"), bytearray(b"y")),
    ([1, 2], [1]),
]


@pytest.mark.parametrize("pair", SAME_VALUES, ids=repr)
def test_consistent(pair):
    """1.10: the same content, of the same types, passes the check."""
    store = once(1)
    store["a"] = pair[0]
    store["a"] = pair[1]
    assert store.consistency_checks_attempted == 1
    assert store.consistency_checks_passed == 1


@pytest.mark.parametrize("pair", OTHER_VALUES, ids=repr)
def test_inconsistent(pair):
    """1.10: other content, or other types, does not; the first stays."""
    store = once(1)
    store["a"] = pair[0]
    with pytest.raises(MutationPolicyError, match="write-once"):
        store["a"] = pair[1]
    assert store.consistency_checks_failed == 1
    assert store.consistency_checks_passed == 0
    assert type(store["a"]) is type(pair[0])


def test_sampled_checks():
    """1.10: with p between 0 and 1, some writes are checked."""
    store = once(0.5)
    store["a"] = {"x": 1}
    for _ in range(200):
        store["a"] = {"x": 1}
    assert 60 < store.consistency_checks_attempted < 140
    assert store.consistency_checks_failed == 0


def test_arrays_are_compared_by_content():
    """1.10: NumPy arrays, by type, shape and bytes."""
    np = pytest.importorskip("numpy")
    store = once(1)
    store["a"] = np.arange(6).reshape(2, 3)
    store["a"] = np.arange(6).reshape(2, 3)
    for other in (
        np.arange(6),
        np.arange(6.0).reshape(2, 3),
        np.ones((2, 3), int),
    ):
        with pytest.raises(MutationPolicyError):
            store["a"] = other


# --- OverlappingMultiDict ----------------------------------------------------


def test_overlapping(tmp_path):
    """1.12: one store per format, over the same keys."""
    multi = OverlappingMultiDict(
        dict_type=FileDirDict,
        shared_subdicts_params={"base_dir": str(tmp_path)},
        json={},
        pkl={"append_only": True},
        txt={},
    )
    multi.json["a"] = {"x": 1}
    multi.pkl["a"] = (1, 2)
    multi.txt["a"] = "text"
    assert multi.json["a"] == {"x": 1} and multi.pkl["a"] == (1, 2)
    assert multi.txt["a"] == "text"  # section 0, b
    assert multi.subdicts_names == ["json", "pkl", "txt"]
    assert multi.dict_type is FileDirDict and multi.pkl.append_only
    assert multi.individual_subdicts_params["pkl"] == {"append_only": True}
    assert multi.shared_subdicts_params == {"base_dir": str(tmp_path)}
    assert multi.txt.base_class_for_values is str
    with pytest.raises(AttributeError):
        multi.xml
    for use in (
        lambda: multi["a"],
        lambda: multi.__setitem__("a", 1),
        lambda: multi.__delitem__("a"),
    ):
        with pytest.raises(TypeError, match=r"\['json', 'pkl', 'txt'\]"):
            use()
    for use in (pickle.dumps, copy.deepcopy, copy.copy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            use(multi)


def test_overlapping_construction():
    """1.12: the types of its keywords; formats may be given a class."""
    for options, text in (
        ({"dict_type": int}, "must be a subclass of PersiDict"),
        ({"dict_type": 3}, "must be a class"),
        ({"shared_subdicts_params": 3}, "must be a dict"),
        ({"json": 3}, "Params for subdict 'json' must be a dict"),
    ):
        with pytest.raises(TypeError, match=text):
            OverlappingMultiDict(
                **{
                    "dict_type": LocalDict,
                    "shared_subdicts_params": {},
                    **options,
                }
            )

    class Text(str):
        pass

    multi = OverlappingMultiDict(
        dict_type=LocalDict,
        shared_subdicts_params={},
        xml={"base_class_for_values": Text},
    )
    assert multi.xml.base_class_for_values is Text
    with pytest.raises(ValueError, match="either 'pkl' or 'json'"):
        LocalDict(serialization_format="txt")  # section 0, c


# --- AppendOnlyDictCached ----------------------------------------------------


def test_append_only_cached_construction(tmp_path):
    """1.11, section 0 a: what the two may be."""
    grow: Any = LocalDict(append_only=True)
    for options, error, text in (
        ({"main_dict": 1}, TypeError, "main_dict must be a PersiDict"),
        ({"data_cache": 1}, TypeError, "data_cache must be a PersiDict"),
        ({"main_dict": LocalDict()}, ValueError, "must be set to True"),
        (
            {"data_cache": file_dir(tmp_path)},
            ValueError,
            "append_only must be set to True",
        ),
        (
            {"data_cache": LocalDict(base_class_for_values=int)},
            ValueError,
            "the same base_class_for_values",
        ),
    ):
        with pytest.raises(error, match=text):
            AppendOnlyDictCached(
                **{"main_dict": grow, "data_cache": grow, **options}
            )
    store: Any = AppendOnlyDictCached(main_dict=grow, data_cache=LocalDict())
    assert store.append_only and list(store.get_params()) == [
        "data_cache",
        "main_dict",
    ]


@pytest.mark.parametrize("kind", [k for k in APPEND_ONLY if "cached" in k])
def test_append_only_cached(kind, tmp_path):
    """1.11: the main store is read once for each item."""
    store: Any = APPEND_ONLY[kind](tmp_path)
    main, cache = store._main, store._data_cache
    main["a"] = {"x": [1]}
    assert "a" in store and "a" not in cache
    assert store["a"] == {"x": [1]} and cache["a"] == {"x": [1]}
    assert store["a"] is not store["a"]
    store["b", "c"] = 2
    assert main["b", "c"] == cache["b", "c"] == store["b", "c"] == 2
    with pytest.raises(MutationPolicyError, match="append-only"):
        store["a"] = 1
    main["d"] = 4
    assert store.get_item_if("d", **ANYWAY).new_value == 4 == cache["d"]
    main["e"] = 5
    result = store.setdefault_if("e", default_value=6, **ANYWAY)
    assert result.new_value == 5 == cache["e"]
    result = store.set_item_if(
        "f", value=7, condition=ETAG_IS_THE_SAME, expected_etag=NA
    )
    assert result.new_value == 7 == cache["f"] == main["f"]
    assert store.etag("a") == main.etag("a")
    assert store.timestamp("a") == main.timestamp("a")
    assert sorted(k.strings for k in store) == sorted(k.strings for k in main)
    assert len(store) == 5 and bool(store)
    for change in (
        lambda: store.__delitem__("a"),
        lambda: store.discard_if("none", **ANYWAY),
        lambda: store.transform_item("a", transformer=lambda v: v),
        lambda: store.discard("a"),
    ):
        with pytest.raises(MutationPolicyError, match="append-only"):
            change()
    with pytest.raises(KeyError):
        store["none"]
    if not isinstance(main, UserDict):
        below = store.get_subdict("b")
        assert below["c"] == 2 and below._data_cache["c"] == 2


def test_append_only_warm_reads_ask_nobody():
    """1.11: what is cached is read without the main store, also in C."""

    class Counted(UserDict):
        reads = 0

        def __getitem__(self, key: Any) -> Any:
            Counted.reads += 1
            return super().__getitem__(key)

    main = Counted(append_only=True)
    main["a"] = 1
    store: Any = AppendOnlyDictCached(main_dict=main, data_cache=LocalDict())
    assert [store["a"] for _ in range(5)] == [1] * 5 and Counted.reads == 1

    class Patched(LocalDict[Any]):
        asked = 0

        def __getitem__(self, key: Any) -> Any:
            Patched.asked += 1
            return super().__getitem__(key)

    store = AppendOnlyDictCached(main_dict=main, data_cache=Patched())
    assert [store["a"] for _ in range(3)] == [1] * 3 and Patched.asked == 3


# --- MutableDictCached -------------------------------------------------------

CACHED = [kind for kind in MUTABLE if kind.startswith("cached")]


def test_mutable_cached_construction():
    """1.11: three stores, none of them append-only."""
    good: dict[str, Any] = {
        name: LocalDict() for name in ("main_dict", "data_cache", "etag_cache")
    }
    for name in good:
        with pytest.raises(TypeError, match=f"{name} must be a PersiDict"):
            MutableDictCached(**{**good, name: 1})
        with pytest.raises(ValueError, match=f"{name} can't be append-only"):
            MutableDictCached(**{**good, name: LocalDict(append_only=True)})
    store: Any = MutableDictCached(**good)
    assert store.get_params() == dict(sorted(good.items()))
    assert not store.append_only


@pytest.mark.parametrize("kind", CACHED)
def test_mutable_cached(kind, tmp_path):
    """1.11: reads see what the main store has, whoever wrote it."""
    store: Any = MUTABLE[kind](tmp_path)
    main = store._main_dict
    main["a"] = {"x": [1]}
    assert store["a"] == {"x": [1]} and store["a"] is not store["a"]
    assert store._data_cache["a"] == {"x": [1]}
    assert store._etag_cache["a"] == main.etag("a") == store.etag("a")
    main["a"] = 2
    assert store["a"] == 2 == store._data_cache["a"]
    store["a"] = 3
    assert main["a"] == 3 == store["a"]
    assert store._etag_cache["a"] == main.etag("a")
    del main["a"]
    with pytest.raises(KeyError):
        store["a"]
    assert "a" not in store._data_cache and "a" not in store._etag_cache
    store["b", "c"] = 1
    assert store.pop(("b", "c")) == 1 and ("b", "c") not in store._data_cache
    store["d"] = 1
    assert (
        store.transform_item("d", transformer=lambda v: v + 1).new_value
        == 2
        == store._data_cache["d"]
    )
    result = store.get_item_if(
        "d",
        condition=ETAG_HAS_CHANGED,
        expected_etag=main.etag("d"),
        retrieve_value=IF_ETAG_CHANGED,
    )
    assert not result.condition_was_satisfied
    assert result.new_value is VALUE_NOT_RETRIEVED
    del store["d"]
    assert "d" not in main and "d" not in store._etag_cache
    with pytest.raises(KeyError):
        del store["d"]
    store["e"] = DELETE_CURRENT
    assert len(store) == 0 and not store


class Asked(UserDict):
    """Counts how often values and etags are asked for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.reads = 0

    def __getitem__(self, key: Any) -> Any:
        self.reads += 1
        return super().__getitem__(key)


def test_mutable_warm_reads_read_no_value():
    """1.11: of what has not changed, the main store gives the etag only."""
    main = Asked()
    main["a"] = 1
    store = cached(main)
    assert [store["a"] for _ in range(5)] == [1] * 5 and main.reads == 1
    main["a"] = 2
    assert [store["a"] for _ in range(5)] == [2] * 5 and main.reads == 2
    store["a"] = 3
    assert [store["a"] for _ in range(5)] == [3] * 5 and main.reads == 2


def test_the_short_way_is_not_taken_if_patched(tmp_path):
    """1.1: a patched main store, instance or class, is asked by its method."""
    for where in ("instance", "class"):

        class Mine(FileDirDict[Any]):
            pass

        main = Mine(base_dir=str(tmp_path / where), durability="none")
        store: Any = cached(main)
        store["a"] = 1
        assert store["a"] == 1
        asked: list[Any] = []
        real = FileDirDict.get_item_if

        def spy(*args: Any, real=real, asked=asked, **options: Any) -> Any:
            asked.append(options["expected_etag"])
            return real(*args, **options)

        if where == "class":
            Mine.get_item_if = spy  # type: ignore[method-assign]
        else:
            main.get_item_if = (  # type: ignore[method-assign]
                lambda *args, main=main, spy=spy, **options: spy(
                    main, *args, **options
                )
            )
        assert store["a"] == 1 and asked == [main.etag("a")]


def test_persistent_caches_stay_warm(tmp_path):
    """1.11: caches in files serve the next process, and another wrapper."""

    def make(main: PersiDict[Any]) -> Any:
        return MutableDictCached(
            main_dict=main,
            data_cache=file_dir(tmp_path / "cache"),
            etag_cache=file_dir(
                tmp_path / "cache", "pkl_etag", base_class_for_values=str
            ),
        )

    first = make(file_dir(tmp_path / "main"))
    first["a"] = {"x": 1}
    second = make(file_dir(tmp_path / "main"))
    asked = []
    main = second._main_dict
    real = main.get_item_if
    main.get_item_if = lambda *args, **options: (
        asked.append(real(*args, **options)) or asked[-1]
    )
    assert second["a"] == {"x": 1}
    assert asked[0].new_value is VALUE_NOT_RETRIEVED


def test_a_cache_that_fails_is_empty(tmp_path):
    """A cached file that is torn is read again from the main store."""
    store: Any = MUTABLE["cached-in-files"](tmp_path)
    store["a"] = {"x": 1}
    for path in (tmp_path / "cache").iterdir():
        path.write_bytes(b"\x00torn")
    assert store["a"] == {"x": 1}
    assert store["a"] == {"x": 1} == store._data_cache["a"]


# --- W4: value and etag belong together --------------------------------------


def test_the_reproduction_of_w4(tmp_path):
    """W4: old data beside the new etag is not served."""
    for kind in CACHED:
        store: Any = MUTABLE[kind](tmp_path / kind)
        store["k"] = "v1"
        assert store["k"] == "v1"
        # What two writers without a bond can leave behind.
        store._main_dict["k"] = "v2"
        store._etag_cache["k"] = store._main_dict.etag("k")
        store._data_cache["k"] = "v1"
        assert store["k"] == "v2" and store["k"] == "v2"


class Gate:
    """Lets two writers take their steps in a given order."""

    def __init__(self, order: tuple[int, ...]) -> None:
        self.order = order
        self.place = 0
        self.turn = threading.Condition()
        self.here = threading.local()

    def step(self, action: Any) -> Any:
        who = getattr(self.here, "who", None)
        if who is None:
            return action()
        with self.turn:
            assert self.turn.wait_for(
                lambda: (
                    self.place >= len(self.order)
                    or self.order[self.place] == who
                ),
                timeout=20,
            )
            try:
                return action()
            finally:
                self.place += 1
                self.turn.notify_all()

    def leave(self, who: int) -> None:
        """Gives up the turns that a writer did not need."""
        with self.turn:
            self.order = self.order[: self.place] + tuple(
                w for w in self.order[self.place :] if w != who
            )
            self.turn.notify_all()


class Stepped:
    """A cache of which each write is a step."""

    def __init__(self, cache: Any, gate: Gate) -> None:
        self.cache = cache
        self.gate = gate

    def __setitem__(self, key: Any, value: Any) -> None:
        self.gate.step(lambda: self.cache.__setitem__(key, value))

    def __getitem__(self, key: Any) -> Any:
        return self.cache[key]

    def discard(self, key: Any) -> Any:
        return self.gate.step(lambda: self.cache.discard(key))


def writer_of(main: Any, data: Any, etags: Any, gate: Gate) -> Any:
    """A wrapper whose writes to the caches, and to main, go step by step."""
    store: Any = MutableDictCached(
        main_dict=main, data_cache=data, etag_cache=etags
    )
    store._bonds = Stepped(store._bonds, gate)
    store._etag_cache = Stepped(etags, gate)

    def stepwise(target: Any, name: str) -> None:
        real = getattr(target, name)
        setattr(
            target,
            name,
            lambda *args, **options: gate.step(lambda: real(*args, **options)),
        )

    stepwise(main, "set_item_if")
    stepwise(data, "set_item_if")
    return store


@pytest.mark.parametrize("caches", ["memory", "files"])
def test_all_interleavings_of_two_writers(caches, tmp_path):
    """W4: no order of two writers' steps leaves anything stale behind.

    Each write is four steps: the main store, the value, the bond, the etag.
    All 70 orders; afterwards both wrappers, and a third over the same caches,
    must give what the main store has.
    """
    key = "k"
    for number, first in enumerate(itertools.combinations(range(8), 4)):
        order = tuple(0 if place in first else 1 for place in range(8))
        gate = Gate(order)
        base = tmp_path / str(number)
        backend = LocalDict().get_params()["backend"]

        def parts(base=base, backend=backend) -> tuple[Any, Any, Any]:
            main = file_dir(base / "main")
            if caches == "files":
                return (
                    main,
                    file_dir(base / "cache"),
                    file_dir(
                        base / "cache", "pkl_etag", base_class_for_values=str
                    ),
                )
            data: Any = LocalDict(backend=backend)
            etags: Any = LocalDict(
                backend=backend,
                serialization_format="etag",
                base_class_for_values=str,
            )
            return main, data, etags

        writers = [writer_of(*parts(), gate) for _ in range(2)]
        failures: list[BaseException] = []

        def write(who: int, writers=writers, gate=gate) -> None:
            gate.here.who = who
            try:
                writers[who][key] = f"value {who}"
            except BaseException as error:
                failures.append(error)
            finally:
                gate.leave(who)

        threads = [
            threading.Thread(target=write, args=(who,)) for who in (0, 1)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, (order, failures)
        main, data, etags = parts()
        third: Any = MutableDictCached(
            main_dict=main, data_cache=data, etag_cache=etags
        )
        truth = main[key]
        for store in (third, *writers, third):
            assert store[key] == truth, order


def test_a_reader_never_goes_back(tmp_path):
    """W4: with two writers at work, what is read never gets older."""
    main = file_dir(tmp_path)
    data: Any = LocalDict()
    etags: Any = LocalDict()

    def make() -> Any:
        return MutableDictCached(
            main_dict=file_dir(tmp_path), data_cache=data, etag_cache=etags
        )

    stop = threading.Event()
    failures: list[BaseException] = []
    main["n"] = 0

    def count() -> None:
        mine = make()
        try:
            for _ in range(150):
                mine.transform_item(
                    "n", transformer=lambda v: v + 1, n_retries=None
                )
        except BaseException as error:
            failures.append(error)

    def watch() -> None:
        mine = make()
        try:
            while not stop.is_set():
                floor = main["n"]
                seen = mine["n"]
                ceiling = main["n"]
                assert floor <= seen <= ceiling
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=count) for _ in range(2)]
    readers = [threading.Thread(target=watch) for _ in range(2)]
    for thread in (*writers, *readers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert not failures, failures
    assert main["n"] == make()["n"] == 300


def test_two_stores_with_one_cache():
    """W4: two main stores in memory count alike; their bonds are apart."""
    data: Any = LocalDict()
    etags: Any = LocalDict()
    one = MutableDictCached(
        main_dict=LocalDict(), data_cache=data, etag_cache=etags
    )
    two = MutableDictCached(
        main_dict=LocalDict(), data_cache=data, etag_cache=etags
    )
    one["k"] = "one"
    two["k"] = "two"
    assert one._main_dict.etag("k") == two._main_dict.etag("k") == "1"
    for _ in range(2):
        assert one["k"] == "one" and two["k"] == "two"


def test_processes_with_caches_of_their_own(tmp_path):
    """W4: bonds are not shared where the values they name are not."""
    shared = file_dir(tmp_path / "etags", base_class_for_values=str)
    main = file_dir(tmp_path / "main")
    one: Any = MutableDictCached(
        main_dict=main, data_cache=LocalDict(), etag_cache=shared
    )
    two: Any = MutableDictCached(
        main_dict=main, data_cache=LocalDict(), etag_cache=shared
    )
    main["k"] = "old"
    assert one["k"] == "old"
    main["k"] = "new"
    assert two["k"] == "new"  # its first value too: etag "1" in its cache
    assert one["k"] == "new"


def test_never_retrieve_does_not_fill():
    """1.11: what was not read is not cached, and what changed is dropped."""
    store: Any = cached(LocalDict())
    store["a"] = 1
    store._main_dict["a"] = 2
    result = store.get_item_if(
        "a",
        condition=ANY_ETAG,
        expected_etag=NA,
        retrieve_value=NEVER_RETRIEVE,
    )
    assert result.new_value is VALUE_NOT_RETRIEVED and store["a"] == 2
