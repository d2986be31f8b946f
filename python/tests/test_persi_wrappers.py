"""EmptyDict, WriteOnceDict and OverlappingMultiDict.

Sections 1.9, 1.10, 1.12 and 4 (W19) of the contract.
"""

from __future__ import annotations

import copy
import datetime
import decimal
import fractions
import pickle
from typing import Any

import pytest
from kist.persidict import (
    ANY_ETAG,
    DELETE_CURRENT,
    ETAG_HAS_CHANGED,
    ETAG_IS_THE_SAME,
    ITEM_NOT_AVAILABLE,
    KEEP_CURRENT,
    VALUE_NOT_RETRIEVED,
    EmptyDict,
    FileDirDict,
    LocalDict,
    MutationPolicyError,
    OperationResult,
    OverlappingMultiDict,
    WriteOnceDict,
)
from kist.persidict._same import same_value

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


def test_objects_made_while_comparing():
    """1.10: the ids of objects that are gone stand for nothing."""
    many = [fractions.Fraction(n, 7) for n in range(8, 80)]
    for place in range(len(many)):
        other = [fractions.Fraction(n, 7) for n in range(8, 80)]
        assert same_value(many, other)
        other[place] = fractions.Fraction(1, 3)
        assert not same_value(many, other)
        points = [Point([n]) for n in range(50)]
        assert same_value(points, [Point([n]) for n in range(50)])
        points[place % 50] = Point(["x"])
        assert not same_value(points, [Point([n]) for n in range(50)])


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


def test_overlapping_own_formats(tmp_path):
    """1.12: kist's own format keeps any value, not only text."""
    multi = OverlappingMultiDict(
        dict_type=FileDirDict,
        shared_subdicts_params={"base_dir": str(tmp_path)},
        kist={},
        txt={},
    )
    multi.kist["a"] = {1: [2, (3,)]}
    assert multi.kist["a"] == {1: [2, (3,)]}
    assert multi.kist.base_class_for_values is None


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
