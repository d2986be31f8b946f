"""The conditional operations against the table of the contract, section 1.6.

Every combination of method, value or Joker, condition, presence of the item,
expected etag and retrieval mode, on every kind of store: 270 for each.  What
is compared is the result, and what the store holds afterwards.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from kist.persidict import (
    ALWAYS_RETRIEVE,
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
    MutationPolicyError,
    PersiDict,
)

from persistores import APPEND_ONLY, MUTABLE

KEY = ("a", "b")
OLD = {"old": [1, "text"]}
NEW = {"new": [2, None]}

METHODS = ["get", "set", "keep", "delete", "setdefault", "discard"]
CONDITIONS = [ANY_ETAG, ETAG_IS_THE_SAME, ETAG_HAS_CHANGED]
RETRIEVALS = [ALWAYS_RETRIEVE, IF_ETAG_CHANGED, NEVER_RETRIEVE]
# Whether there is an item, and which etag is expected: its own, that of no
# item, or another.
SITUATIONS = [
    (False, "none"),
    (False, "other"),
    (True, "none"),
    (True, "own"),
    (True, "other"),
]


@dataclass
class Told:
    """A result with its etags by name: "E0" before, "E1" after, or NA."""

    satisfied: bool
    actual: Any
    resulting: Any
    value: Any


NA = ITEM_NOT_AVAILABLE


def expected_of(
    method: str,
    condition: Any,
    present: bool,
    expects: str,
    retrieve: Any,
    append_only: bool,
) -> tuple[Any, Any]:
    """(a Told or MutationPolicyError, the value that is there afterwards)."""
    same = expects == ("own" if present else "none")
    satisfied = {
        ANY_ETAG: True,
        ETAG_IS_THE_SAME: same,
        ETAG_HAS_CHANGED: not same,
    }[condition]
    fetched = retrieve is ALWAYS_RETRIEVE or (
        retrieve is IF_ETAG_CHANGED and not same
    )
    seen = OLD if fetched else VALUE_NOT_RETRIEVED
    if method == "discard":
        seen = VALUE_NOT_RETRIEVED
    before = OLD if present else NA
    writes = {
        "set": satisfied,
        "setdefault": satisfied and not present,
    }.get(method, False)
    deletes = satisfied and method in ("delete", "discard")
    if append_only and (
        (writes and present) or (deletes and (present or method == "delete"))
    ):
        return MutationPolicyError, before
    actual = "E0" if present else NA
    if writes:
        return Told(True, actual, "E1", NEW), NEW
    if deletes:
        return Told(True, actual, NA, NA), NA
    if present:
        return Told(satisfied, "E0", "E0", seen), OLD
    return Told(satisfied, NA, NA, NA), NA


def call(
    store: PersiDict[Any],
    method: str,
    condition: Any,
    etag: Any,
    retrieve: Any,
) -> Any:
    options = {"condition": condition, "expected_etag": etag}
    if method == "discard":
        return store.discard_if(KEY, **options)
    options["retrieve_value"] = retrieve
    if method == "get":
        return store.get_item_if(KEY, **options)
    if method == "setdefault":
        return store.setdefault_if(KEY, default_value=NEW, **options)
    value = {"set": NEW, "keep": KEEP_CURRENT, "delete": DELETE_CURRENT}
    return store.set_item_if(KEY, value=value[method], **options)


def check(
    make: Any,
    path: Any,
    method: str,
    condition: Any,
    situation: tuple[bool, str],
    retrieve: Any,
    append_only: bool,
) -> None:
    present, expects = situation
    store = make(path)
    if present:
        store[KEY] = OLD
        first = store.etag(KEY)
    else:
        first = NA
    etag = {"none": NA, "own": first, "other": "no-such-etag"}[expects]
    told, left = expected_of(
        method, condition, present, expects, retrieve, append_only
    )
    if method == "discard" and isinstance(store, AppendOnlyDictCached):
        told = MutationPolicyError  # whatever there is, 1.11
    if told is MutationPolicyError:
        with pytest.raises(MutationPolicyError, match="append-only"):
            call(store, method, condition, etag, retrieve)
    else:
        result = call(store, method, condition, etag, retrieve)
        names = {first: "E0"}
        if told.resulting == "E1":
            assert result.resulting_etag not in (first, NA)
            assert isinstance(result.resulting_etag, str)
            names[result.resulting_etag] = "E1"
        names[NA] = NA
        assert told == Told(
            result.condition_was_satisfied,
            names[result.actual_etag],
            names[result.resulting_etag],
            result.new_value,
        )
        assert result.value_was_mutated is (told.actual != told.resulting)
        if told.resulting == "E1":
            assert store.etag(KEY) == result.resulting_etag
    # What is there, read in three ways, and read again.
    for _ in range(2):
        assert (KEY in store) is (left is not NA)
        assert store.get_with_etag(KEY).new_value == left
        assert store.get(KEY, NA) == left
    assert len(store) == (left is not NA)


def combinations() -> list[Any]:
    return [
        (method, condition, situation, retrieve)
        for method, condition, situation, retrieve in itertools.product(
            METHODS, CONDITIONS, SITUATIONS, RETRIEVALS
        )
    ]


def test_the_oracle_is_asked_everything():
    """All 6 methods by 3 conditions by 5 situations by 3 retrieval modes."""
    assert len(combinations()) == 270


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", MUTABLE)
def test_mutable(kind, method, tmp_path):
    """1.6: the table, on stores whose items may change."""
    for number, (name, *rest) in enumerate(combinations()):
        if name == method:
            check(MUTABLE[kind], tmp_path / str(number), name, *rest, False)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", APPEND_ONLY)
def test_append_only(kind, method, tmp_path):
    """1.6: the table, and what an append-only store refuses."""
    for number, (name, *rest) in enumerate(combinations()):
        if name == method:
            check(APPEND_ONLY[kind], tmp_path / str(number), name, *rest, True)


ARGUMENTS = {"condition": ANY_ETAG, "expected_etag": NA}


@pytest.mark.parametrize("kind", MUTABLE)
def test_what_is_checked_first(kind, tmp_path):
    """1.6: Jokers, then the retrieval mode, then the key, the condition."""
    store = MUTABLE[kind](tmp_path)
    wrong = {"condition": None, "expected_etag": NA}
    with pytest.raises(TypeError, match="default_value must be a regular"):
        store.setdefault_if(
            "", default_value=KEEP_CURRENT, retrieve_value=None, **wrong
        )
    for call_it in (
        lambda: store.get_item_if("", retrieve_value=None, **wrong),
        lambda: store.set_item_if("", value=1, retrieve_value=None, **wrong),
        lambda: store.setdefault_if(
            "", default_value=1, retrieve_value=None, **wrong
        ),
    ):
        with pytest.raises(TypeError, match="retrieve_value must be ALWAYS"):
            call_it()
    for key, error in (("", "non-empty"), ("x", "condition must be ANY_ETAG")):
        for call_it in (
            lambda key=key: store.get_item_if(key, **wrong),
            lambda key=key: store.set_item_if(key, value=1, **wrong),
            lambda key=key: store.setdefault_if(key, default_value=1, **wrong),
            lambda key=key: store.discard_if(key, **wrong),
        ):
            with pytest.raises(ValueError, match=error):
                call_it()


@pytest.mark.parametrize("kind", MUTABLE)
def test_a_store_is_no_value(kind, tmp_path):
    """1.4: a store cannot be stored, where it would be."""
    store = MUTABLE[kind](tmp_path)
    for write in (
        lambda: store.set_item_if("a", value=store, **ARGUMENTS),
        lambda: store.setdefault_if("a", default_value=store, **ARGUMENTS),
        lambda: store.setdefault("a", store),
        lambda: store.__setitem__("a", store),
        lambda: store.transform_item("a", transformer=lambda old: store),
    ):
        with pytest.raises(TypeError, match="Cannot store a PersiDict"):
            write()
    unmet = store.set_item_if(
        "a", value=store, condition=ETAG_IS_THE_SAME, expected_etag="x"
    )
    assert not unmet.condition_was_satisfied and "a" not in store


@pytest.mark.parametrize("kind", MUTABLE)
def test_transform(kind, tmp_path):
    """1.6: absent, kept, changed, deleted; each by the result it gives."""
    store = MUTABLE[kind](tmp_path)
    seen = []

    def note(answer: Any) -> Any:
        def transformer(value: Any) -> Any:
            seen.append(value)
            return answer

        return transformer

    def run(answer: Any) -> tuple[Any, Any]:
        result = store.transform_item(KEY, transformer=note(answer))
        return result.resulting_etag, result.new_value

    assert run(KEEP_CURRENT) == (NA, NA)
    assert run(DELETE_CURRENT) == (NA, NA)
    first = run(OLD)
    assert first == (store.etag(KEY), OLD)
    assert run(KEEP_CURRENT) == first
    second = run(NEW)
    assert second == (store.etag(KEY), NEW) and second[0] != first[0]
    assert run(DELETE_CURRENT) == (NA, NA) and KEY not in store
    assert seen == [NA, NA, NA, OLD, OLD, NEW]
