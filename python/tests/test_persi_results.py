"""Flags, results and exceptions: section 1.5 of the contract."""

from __future__ import annotations

import copy
import dataclasses
import gc
import inspect
import pickle
import weakref
from typing import Any

import pytest
from kist import persidict
from kist.persidict import (
    ITEM_NOT_AVAILABLE,
    BackendError,
    ConcurrencyConflictError,
    ConditionalOperationResult,
    ETagValue,
    Joker,
    MutationPolicyError,
    OperationResult,
    SafeStrTuple,
    TransformingFunction,
)
from kist.persidict import jokers_and_status_flags as flags

SINGLETONS = {
    "KEEP_CURRENT": ("KeepCurrentFlag", "Joker"),
    "DELETE_CURRENT": ("DeleteCurrentFlag", "Joker"),
    "CONTINUE_NORMAL_EXECUTION": ("ContinueNormalExecutionFlag", "StatusFlag"),
    "EXECUTION_IS_COMPLETE": ("ExecutionIsCompleteFlag", "StatusFlag"),
    "ANY_ETAG": ("AnyETagFlag", "ETagConditionFlag"),
    "ETAG_IS_THE_SAME": ("ETagIsTheSameFlag", "ETagConditionFlag"),
    "ETAG_HAS_CHANGED": ("ETagHasChangedFlag", "ETagConditionFlag"),
    "ALWAYS_RETRIEVE": ("AlwaysRetrieveFlag", "RetrieveValueFlag"),
    "NEVER_RETRIEVE": ("NeverRetrieveFlag", "RetrieveValueFlag"),
    "IF_ETAG_CHANGED": ("IfETagChangedRetrieveFlag", "RetrieveValueFlag"),
    "ITEM_NOT_AVAILABLE": ("ItemNotAvailableFlag", "object"),
    "VALUE_NOT_RETRIEVED": ("ValueNotRetrievedFlag", "object"),
}


@pytest.mark.parametrize("name", SINGLETONS)
def test_flags(name):
    """1.5: one object per class, whatever is done with it."""
    kind_name, base_name = SINGLETONS[name]
    flag, kind = getattr(flags, name), getattr(flags, kind_name)
    base = getattr(flags, base_name, object)
    assert type(flag) is kind and isinstance(flag, base)
    assert kind() is flag and kind() is kind()
    assert copy.copy(flag) is flag and copy.deepcopy([flag])[0] is flag
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(flag, protocol)) is flag
    assert repr(flag) == str(flag) == f"{kind_name}({{}})"
    assert bool(flag) and hash(flag) == hash(flag) and flag == flag
    assert flag.get_params() == {} == kind.get_default_params()
    assert flag.get_jsparams() == '{"..dict..": {}}'
    assert isinstance(flag, Joker) is (base_name == "Joker")


def test_a_subclass_of_a_flag_is_another_flag():
    """1.5: singletons are per class."""

    class Mine(flags.KeepCurrentFlag):
        pass

    assert Mine() is Mine() and Mine() is not flags.KEEP_CURRENT
    assert isinstance(Mine(), Joker)
    with pytest.raises(TypeError):
        flags.KeepCurrentFlag(1)  # type: ignore[call-arg]


RESULTS = [
    (
        ConditionalOperationResult,
        {
            "condition_was_satisfied": True,
            "actual_etag": "a",
            "resulting_etag": "b",
            "new_value": [3],
        },
    ),
    (OperationResult, {"resulting_etag": "b", "new_value": [3]}),
]


@pytest.mark.parametrize(("kind", "fields"), RESULTS)
def test_results_are_dataclasses(kind, fields):
    """1.5: all that a frozen dataclass does, against one made of the same."""
    twin = dataclasses.make_dataclass(kind.__name__, list(fields), frozen=True)
    ours, theirs = kind(*fields.values()), twin(*fields.values())
    assert kind(**fields) == ours and kind(**fields) is not ours
    assert repr(ours) == repr(theirs)
    assert vars(ours) == vars(theirs) == fields
    assert dataclasses.is_dataclass(kind) and dataclasses.is_dataclass(ours)
    names = [field.name for field in dataclasses.fields(kind)]
    assert names == [field.name for field in dataclasses.fields(twin)]
    assert dataclasses.fields(ours) == dataclasses.fields(kind) or names
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert dataclasses.astuple(ours) == dataclasses.astuple(theirs)
    changed = dataclasses.replace(ours, new_value=4)
    assert type(changed) is kind and changed.new_value == 4
    assert changed.resulting_etag == "b" and changed != ours
    assert repr(changed) == repr(dataclasses.replace(theirs, new_value=4))
    assert ours.__replace__(new_value=4) == changed
    assert kind.__match_args__ == twin.__match_args__
    assert kind.__dataclass_params__.frozen
    assert hash(changed) == hash(dataclasses.replace(theirs, new_value=4))
    with pytest.raises(TypeError, match="unhashable"):
        hash(ours)
    for name in (*fields, "other"):
        for instance in (ours, theirs):
            with pytest.raises(
                dataclasses.FrozenInstanceError,
                match=f"cannot assign to field '{name}'",
            ):
                setattr(instance, name, 1)
            with pytest.raises(
                dataclasses.FrozenInstanceError,
                match=f"cannot delete field '{name}'",
            ):
                delattr(instance, name)
    assert ours != theirs and ours != tuple(fields.values())
    assert ours == copy.copy(ours) == copy.deepcopy(ours)
    assert copy.deepcopy(ours).new_value is not ours.new_value
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(ours, protocol)) == ours
    assert kind[int] and kind[int](**fields) == ours
    assert list(inspect.signature(kind).parameters) == list(fields)


@pytest.mark.parametrize(("kind", "fields"), RESULTS)
def test_results_are_made_of_all_their_fields(kind, fields):
    """1.5: TypeError for too few, too many, unknown or doubled ones."""
    values = list(fields.values())
    for bad, options in (
        (values[:-1], {}),
        ([*values, 1], {}),
        (values, {"new_value": 1}),
        (values, {"other": 1}),
        ([], {}),
    ):
        with pytest.raises(TypeError, match="__init__"):
            kind(*bad, **options)


def test_value_was_mutated():
    """1.5: the etags differ."""
    NA = ITEM_NOT_AVAILABLE

    def mutated(before: Any, after: Any) -> Any:
        return ConditionalOperationResult(
            True, before, after, 1
        ).value_was_mutated

    assert mutated("a", "b") is True and mutated("a", "a") is False
    assert mutated(NA, "a") is True and mutated(NA, NA) is False


def test_a_result_that_contains_itself():
    """repr() ends, and the collector takes it away."""
    ring: list[Any] = []
    result = OperationResult(ETagValue("e"), ring)
    ring.append(result)
    assert (
        repr(result) == "OperationResult(resulting_etag='e', new_value=[...])"
    )

    class Watched:
        pass

    watched = Watched()
    watch = weakref.ref(watched)
    ring.append(watched)
    del watched, ring, result
    gc.collect()
    assert watch() is None


def test_a_long_chain_of_results():
    """Results within results are taken apart without a deep stack."""
    result: Any = OperationResult(ETagValue("e"), 1)
    for _ in range(300_000):
        result = OperationResult(ETagValue("e"), result)
    del result


def test_subclassing_a_result():
    """A user's own result is not equal to the base's."""

    class Mine(OperationResult[int]):
        pass

    mine = Mine(ETagValue("e"), 1)
    assert repr(mine).endswith("Mine(resulting_etag='e', new_value=1)")
    assert mine == Mine(ETagValue("e"), 1)
    assert mine != OperationResult(ETagValue("e"), 1)


def test_types_by_name():
    """1.5: ETagValue is a str, and any callable transforms."""
    assert ETagValue("x") == "x" and type(ETagValue("x")) is str
    assert isinstance(len, TransformingFunction)
    assert isinstance(lambda value: value, TransformingFunction)
    assert not isinstance(3, TransformingFunction)


def test_exceptions():
    """1.5: their bases, attributes and words; they pickle."""
    policy = MutationPolicyError("append-only")
    assert isinstance(policy, TypeError) and policy.policy == str(policy)
    conflict = ConcurrencyConflictError(SafeStrTuple("a"), 3)
    assert isinstance(conflict, RuntimeError)
    assert (conflict.key, conflict.attempts) == (("a",), 3)
    assert str(conflict) == (
        "operation failed after 3 attempt(s) for key SafeStrTuple(('a',))"
    )
    backend = BackendError("m", backend="filesystem", operation="init")
    assert isinstance(backend, RuntimeError) and str(backend) == "m"
    assert (backend.backend, backend.operation, backend.key) == (
        "filesystem",
        "init",
        None,
    )
    for error in (policy, conflict, backend):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and vars(again) == vars(error)
        assert str(again) == str(error)


def test_the_names_of_the_package():
    """1.1: all that is exported is there; nothing else is in __all__."""
    missing = {"S3Dict", "S3Dict_FileDirCached", "BasicS3Dict"}
    assert len(persidict.__all__) == 50 - len(missing)
    assert len(set(persidict.__all__)) == len(persidict.__all__)
    for name in (
        *persidict.__all__,
        "SAFE_CHARS_SET",
        "SAFE_STRING_MAX_LENGTH",
        "contains_unsafe_chars",
    ):
        assert getattr(persidict, name) is not None
        assert name in dir(persidict)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        persidict.nothing  # type: ignore[attr-defined]
    for module, names in {
        "safe_chars": ["SAFE_CHARS_SET"],
        "safe_str_tuple": ["SafeStrTuple", "NonEmptySafeStrTuple"],
        "safe_str_tuple_signing": [
            "sign_safe_str_tuple",
            "unsign_safe_str_tuple",
        ],
        "persi_dict": ["PersiDict", "PersiDictKey", "NonEmptyPersiDictKey"],
        "exceptions": ["BackendError"],
        "jokers_and_status_flags": list(SINGLETONS),
        "file_dir_dict": [
            "FileDirDict",
            "add_long_path_prefix",
            "drop_long_path_prefix",
        ],
        "local_dict": ["LocalDict"],
        "empty_dict": ["EmptyDict"],
        "write_once_dict": ["WriteOnceDict"],
        "overlapping_multi_dict": ["OverlappingMultiDict"],
        "cached_mutable_dict": ["MutableDictCached"],
        "cached_appendonly_dict": ["AppendOnlyDictCached"],
    }.items():
        found = __import__(f"kist.persidict.{module}", fromlist=["x"])
        for name in names:
            thing = getattr(found, name)
            assert thing is getattr(persidict, name, thing)
