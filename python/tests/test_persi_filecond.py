"""FileDirDict: conditions, transforming, and who may be asked instead."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import kist
import pytest
from kist.persidict.exceptions import (
    ConcurrencyConflictError,
    MutationPolicyError,
)
from kist.persidict.file_dir_dict import (
    FileDirDict,
)
from kist.persidict.jokers_and_status_flags import (
    ALWAYS_RETRIEVE,
    ANY_ETAG,
    DELETE_CURRENT,
    ETAG_HAS_CHANGED,
    ETAG_IS_THE_SAME,
    IF_ETAG_CHANGED,
    KEEP_CURRENT,
    NEVER_RETRIEVE,
    VALUE_NOT_RETRIEVED,
    OperationResult,
)
from kist.persidict.safe_str_tuple import (
    NonEmptySafeStrTuple,
)

from persifile import NA, make


@pytest.fixture
def d(tmp_path: Path) -> FileDirDict[Any]:
    return make(tmp_path / "d")


# --- conditions ---------------------------------------------------------------

OTHER = "123:4:5"
CONDITIONS = [ANY_ETAG, ETAG_IS_THE_SAME, ETAG_HAS_CHANGED]
RETRIEVES = [ALWAYS_RETRIEVE, NEVER_RETRIEVE, IF_ETAG_CHANGED]


def expect(condition, expected, actual, retrieve, value):
    """(satisfied, what is read of a value that stays)."""
    satisfied = condition is ANY_ETAG or (condition is ETAG_IS_THE_SAME) == (
        expected == actual
    )
    read = retrieve is ALWAYS_RETRIEVE or (
        retrieve is IF_ETAG_CHANGED and expected != actual
    )
    return satisfied, value if read else VALUE_NOT_RETRIEVED


@pytest.mark.parametrize("present", [False, True])
@pytest.mark.parametrize("wanted", ["same", "other", "absent", "odd"])
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("retrieve", RETRIEVES)
def test_conditions(d, present, wanted, condition, retrieve):
    """Every row of the contract's table, by an oracle of its text."""

    def set_up():
        d.clear()
        if present:
            d["k"] = "old"
        actual = d.etag("k") if present else NA
        odd = ("é" * 200, "", "x" * 500, 7)[random.randrange(4)]
        expected = {
            "same": actual,
            "other": OTHER,
            "absent": NA,
            "odd": odd,
        }[wanted]
        return (
            actual,
            expected,
            expect(condition, expected, actual, retrieve, "old"),
        )

    def check(found, satisfied, actual, resulting, value):
        assert found.condition_was_satisfied is satisfied
        assert found.actual_etag == actual
        assert found.resulting_etag == resulting
        assert found.new_value is value or found.new_value == value
        assert found.value_was_mutated == (actual != resulting)
        now = d.etag("k") if "k" in d else NA
        assert now == resulting

    actual, expected, (sat, read) = set_up()
    words: Any = {"condition": condition, "expected_etag": expected}
    stays = (sat, actual, actual, read if present else NA)
    check(d.get_item_if("k", retrieve_value=retrieve, **words), *stays)
    found = d.set_item_if(
        "k", value=KEEP_CURRENT, retrieve_value=retrieve, **words
    )
    check(found, *stays)

    found = d.setdefault_if(
        "k", default_value="new", retrieve_value=retrieve, **words
    )
    if present or not sat:
        check(found, *stays)
    else:
        check(found, True, NA, d.etag("k"), "new")

    actual, expected, (sat, read) = set_up()
    words["expected_etag"] = expected
    stays = (sat, actual, actual, read if present else NA)
    found = d.set_item_if("k", value="new", retrieve_value=retrieve, **words)
    if sat:
        check(found, True, actual, d.etag("k"), "new")
        assert d["k"] == "new"
    else:
        check(found, *stays)

    actual, expected, (sat, read) = set_up()
    words["expected_etag"] = expected
    stays = (sat, actual, actual, read if present else NA)
    found = d.set_item_if(
        "k", value=DELETE_CURRENT, retrieve_value=retrieve, **words
    )
    check(found, *((True, actual, NA, NA) if sat else stays))

    actual, expected, (sat, read) = set_up()
    words["expected_etag"] = expected
    found = d.discard_if("k", **words)
    if sat:
        check(found, True, actual, NA, NA)
    else:
        left = VALUE_NOT_RETRIEVED if present else NA
        check(found, False, actual, actual, left)


def test_conditions_of_append_only(tmp_path):
    d = make(tmp_path, append_only=True)
    d["k"] = 1
    etag = d.etag("k")
    same: Any = {"condition": ETAG_IS_THE_SAME}
    for value in (2, DELETE_CURRENT):
        with pytest.raises(MutationPolicyError):
            d.set_item_if("k", value=value, expected_etag=etag, **same)
        found = d.set_item_if("k", value=value, expected_etag=OTHER, **same)
        assert not found.condition_was_satisfied
    with pytest.raises(MutationPolicyError):
        d.discard_if("k", expected_etag=etag, **same)
    with pytest.raises(MutationPolicyError):
        d.set_item_if("z", value=DELETE_CURRENT, expected_etag=NA, **same)
    found = d.setdefault_if("k", default_value=2, expected_etag=etag, **same)
    assert found.condition_was_satisfied
    assert found.resulting_etag == etag
    assert d["k"] == 1
    assert d.set_item_if("n", value=2, expected_etag=NA, **same)
    assert d["n"] == 2


def test_bad_arguments_of_conditions(d):
    with pytest.raises(ValueError):
        d.get_item_if("a", condition="same", expected_etag="x")
    with pytest.raises(TypeError):
        d.get_item_if(
            "a", condition=ANY_ETAG, expected_etag="x", retrieve_value=1
        )
    with pytest.raises(TypeError):
        d.setdefault_if(
            "a",
            default_value=KEEP_CURRENT,
            condition=ANY_ETAG,
            expected_etag="x",
        )
    with pytest.raises(TypeError):
        d.set_item_if("a", condition=ANY_ETAG, expected_etag="x")


def test_values_that_cannot_be_kept_matter_only_if_they_are(d):
    d["k"] = 1
    etag = d.etag("k")
    for bad in (d, lambda: 1):
        words: Any = {"condition": ETAG_IS_THE_SAME, "expected_etag": OTHER}
        found = d.set_item_if("k", value=bad, **words)
        assert (found.condition_was_satisfied, found.new_value) == (False, 1)
        found = d.setdefault_if("k", default_value=bad, **words)
        assert (found.condition_was_satisfied, found.new_value) == (False, 1)
        found = d.setdefault_if("new", default_value=bad, **words)
        assert (found.condition_was_satisfied, found.new_value) == (False, NA)
        words["expected_etag"] = etag
        found = d.setdefault_if("k", default_value=bad, **words)
        assert found.condition_was_satisfied
        with pytest.raises((TypeError, AttributeError)):
            d.set_item_if("k", value=bad, **words)
        words["expected_etag"] = NA
        with pytest.raises((TypeError, AttributeError)):
            d.setdefault_if("new", default_value=bad, **words)
    assert dict(d.items()) == {("k",): 1}


def test_never_retrieve_does_not_open_the_file(d):
    d["a"] = 1
    Path(d._place("a")).write_bytes(b"nonsense")
    found = d.get_item_if(
        "a",
        condition=ANY_ETAG,
        expected_etag=NA,
        retrieve_value=NEVER_RETRIEVE,
    )
    assert found.new_value is VALUE_NOT_RETRIEVED
    assert d.get_with_etag is not None
    with pytest.raises(kist.CorruptError):
        d.get_with_etag("a")
    d["a"] = 2
    assert d.get_with_etag("a").new_value == 2


# --- transforming -------------------------------------------------------------


def test_transform(d):
    found = d.transform_item("a", transformer=lambda v: [v is NA])
    assert found == OperationResult(d.etag("a"), [True])
    found = d.transform_item("a", transformer=lambda v: v + [2])
    assert found.new_value == d["a"] == [True, 2]
    etag = d.etag("a")
    found = d.transform_item("a", transformer=lambda v: KEEP_CURRENT)
    assert found == OperationResult(etag, [True, 2])
    found = d.transform_item("a", transformer=lambda v: DELETE_CURRENT)
    assert found == OperationResult(NA, NA)
    assert "a" not in d
    found = d.transform_item("a", transformer=lambda v: DELETE_CURRENT)
    assert found == OperationResult(NA, NA)
    found = d.transform_item("a", transformer=lambda v: KEEP_CURRENT)
    assert found == OperationResult(NA, NA)
    with pytest.raises(ZeroDivisionError):
        d.transform_item("a", transformer=lambda v: 1 / 0)
    for bad, error in (("x", TypeError), (-1, ValueError), ([], TypeError)):
        with pytest.raises(error):
            d.transform_item("a", transformer=lambda v: v, n_retries=bad)


@pytest.mark.parametrize("drop", [False, True])
def test_transform_meets_another_writer(d, drop):
    d["a"] = 0
    seen = []

    def meddle(value):
        seen.append(value)
        if len(seen) < 4:
            d["a"] = len(seen) * 10
        return DELETE_CURRENT if drop else value + 1

    found = d.transform_item("a", transformer=meddle)
    assert seen == [0, 10, 20, 30]
    assert ("a" in d) is not drop
    assert drop or found.new_value == d["a"] == 31

    def always(value):
        d["a"] = (value if isinstance(value, int) else 0) + 1
        return DELETE_CURRENT if drop else -1

    d["a"] = 0
    for retries in (0, 2):
        with pytest.raises(ConcurrencyConflictError) as caught:
            d.transform_item("a", transformer=always, n_retries=retries)
        assert caught.value.attempts == retries + 1
        assert caught.value.key == NonEmptySafeStrTuple("a")


def test_transform_and_pop_use_what_is_patched(d, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda s: None)
    d["a"] = 1
    calls: list[str] = []
    original = d.set_item_if
    drop = d.discard_if

    def patched(key: Any, **words: Any) -> Any:
        calls.append("set")
        if len(calls) == 1:
            d["a"] = 100
        return original(key, **words)

    def patched_drop(key: Any, **words: Any) -> Any:
        calls.append("discard")
        return drop(key, **words)

    d.set_item_if = patched
    assert d.transform_item("a", transformer=lambda v: v + 1).new_value == 101
    assert calls == ["set", "set"]
    d.discard_if = patched_drop
    assert d.pop("a") == 101
    assert calls == ["set", "set", "discard"]
    del d.set_item_if, d.discard_if
    d["a"] = 1
    assert d.pop("a") == 1
    assert len(calls) == 3


def test_pop_and_discard_do_not_ask_contains(tmp_path):
    class Mine(FileDirDict[Any]):
        pass

    d = Mine(base_dir=str(tmp_path))
    d["a"] = d["b"] = 1

    def never(self: Any, key: Any) -> bool:
        raise AssertionError

    type(d).__contains__ = never  # type: ignore[method-assign]
    with pytest.raises(AssertionError):
        "a" in d
    assert d.pop("a") == 1
    assert d.discard("b") is True
    assert d.get("b") is None


def test_overridden_methods_are_used(tmp_path):
    class Mine(FileDirDict[Any]):
        def __getitem__(self, key: Any) -> Any:
            if key == "magic":
                return 42
            return super().__getitem__(key)

        def _generic_iter(self, result_type: set[str]) -> Any:
            return iter([sorted(result_type)])

        def transform_item(self, key: Any, **words: Any) -> Any:
            self.transformed = True
            return super().transform_item(key, **words)

    d = Mine(base_dir=str(tmp_path))
    assert d.get("magic") == 42
    assert d.setdefault("magic", 1) == 42
    assert d.get("other", 3) == 3
    assert list(d.items()) == [["keys", "values"]]
    assert list(d) == [["keys"]]
    assert list(d.values_and_timestamps()) == [["timestamps", "values"]]
    d["a"] = 1
    assert d.pop("a") == 1
    assert d.transformed
