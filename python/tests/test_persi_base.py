"""What every store does, shown on a user's own subclass: section 1.4."""

from __future__ import annotations

import collections.abc
import copy
import enum
import inspect
import json
import pickle
import random
import time
from typing import Any

import pytest
from kist.persidict import (
    ALWAYS_RETRIEVE,
    DELETE_CURRENT,
    ETAG_IS_THE_SAME,
    IF_ETAG_CHANGED,
    ITEM_NOT_AVAILABLE,
    KEEP_CURRENT,
    NEVER_RETRIEVE,
    VALUE_NOT_RETRIEVED,
    AppendOnlyDictCached,
    ConcurrencyConflictError,
    ConditionalOperationResult,
    EmptyDict,
    FileDirDict,
    LocalDict,
    MutableDictCached,
    MutationPolicyError,
    NonEmptySafeStrTuple,
    OverlappingMultiDict,
    PersiDict,
    WriteOnceDict,
)

from persistores import MUTABLE, UserDict

CLASSES = {
    EmptyDict: [
        "append_only",
        "base_class_for_values",
        "serialization_format",
    ],
    LocalDict: [
        "backend",
        "serialization_format",
        "append_only",
        "base_class_for_values",
        "prune_interval",
    ],
    FileDirDict: [
        "base_dir",
        "serialization_format",
        "append_only",
        "digest_len",
        "base_class_for_values",
    ],
    WriteOnceDict: ["wrapped_dict", "p_consistency_checks"],
    MutableDictCached: ["main_dict", "data_cache", "etag_cache"],
    AppendOnlyDictCached: ["main_dict", "data_cache"],
    OverlappingMultiDict: [
        "dict_type",
        "shared_subdicts_params",
        "individual_subdicts_params",
    ],
}


@pytest.mark.parametrize("kind", CLASSES)
def test_signatures(kind):
    """1.1: __init__ shows the keywords that it takes, and takes no others."""
    parameters = dict(inspect.signature(kind.__init__).parameters)
    del parameters["self"]
    names = list(parameters)
    assert names[: len(CLASSES[kind])] == CLASSES[kind]
    assert all(
        parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD)
        for parameter in parameters.values()
    )
    with pytest.raises(TypeError):
        kind(1)


@pytest.mark.parametrize("kind", [PersiDict, *CLASSES])
def test_classes(kind):
    """1.1: MutableMapping in the MRO, cls[int] callable, open to patches."""
    if kind is OverlappingMultiDict:
        return
    assert collections.abc.MutableMapping in kind.__mro__
    assert kind[int].__origin__ is kind
    kind.patched = 1
    del kind.patched
    assert kind.__hash__ is None and not hasattr(kind, "copy")
    assert not any("__or__" in vars(base) for base in kind.__mro__)
    if kind in (LocalDict, EmptyDict):
        store = kind[int]()
        store.note = "kept"
        assert type(store) is kind and vars(store)["note"] == "kept"


def test_abstract():
    """1.1: what a subclass must have."""
    assert PersiDict.__abstractmethods__ == {
        "__contains__",
        "__getitem__",
        "__setitem__",
        "__delitem__",
        "__len__",
        "_generic_iter",
        "timestamp",
    }
    with pytest.raises(TypeError, match="abstract"):
        PersiDict()  # type: ignore[abstract]


def test_parameters():
    """1.4: the checks of the base's keywords, in their order."""
    for kind in (UserDict, LocalDict, EmptyDict):
        for bad, error, text in (
            ({"serialization_format": ""}, ValueError, "non-empty string"),
            ({"serialization_format": "a b"}, ValueError, "URL/filename-safe"),
            (
                {"serialization_format": "a b", "base_class_for_values": 3},
                ValueError,
                "URL/filename-safe",
            ),
            (
                {"base_class_for_values": 3},
                TypeError,
                "base_class_for_values must be a type or None",
            ),
            (
                {"serialization_format": "txt"},
                ValueError,
                "must be either 'pkl' or 'json'",
            ),
            (
                {"serialization_format": "txt", "base_class_for_values": int},
                ValueError,
                "must be either 'pkl' or 'json'",
            ),
            ({"serialization_format": None}, TypeError, "len"),
            ({"unknown": 1}, TypeError, "unknown"),
        ):
            with pytest.raises(error, match=text):
                kind(**bad)
    store = UserDict(
        append_only=1, serialization_format="txt", base_class_for_values=str
    )
    assert store.append_only is True and store.serialization_format == "txt"
    with pytest.raises(AttributeError):
        store.append_only = False  # type: ignore[misc]


def test_get_params_and_repr():
    """1.4: sorted, and a repr of them; copies share the items."""
    store: LocalDict[Any] = LocalDict(append_only=True)
    params = store.get_params()
    assert list(params) == [
        "append_only",
        "backend",
        "base_class_for_values",
        "prune_interval",
        "serialization_format",
    ]
    assert repr(store) == (
        f"LocalDict(append_only=True, backend={params['backend']!r}, "
        "base_class_for_values=None, prune_interval=64, "
        "serialization_format='pkl')"
    )
    store["a"] = 1
    again = copy.copy(store)
    assert type(again) is LocalDict and again == store and again["a"] == 1
    assert str(store) == "{SafeStrTuple(('a',)): 1}"
    assert store.clone(append_only=False).append_only is False
    for action in (
        copy.deepcopy,
        pickle.dumps,
        lambda d: d.__reduce_ex__(2),
        lambda d: d.__reduce__(),
        lambda d: d.__getstate__(),
    ):
        with pytest.raises(TypeError, match="instances cannot be pickled. To"):
            action(store)
    with pytest.raises(TypeError, match="cannot be unpickled"):
        store.__setstate__({})
    with pytest.raises(TypeError, match="unhashable"):
        hash(store)


class Colour(enum.Enum):
    RED = 1


class Shown:
    """What has no get_params(): its state is shown."""

    def __init__(self) -> None:
        self.size = 1


class Parameters(UserDict):
    """Shows one parameter, of any type."""

    def __init__(self, x: Any = 1, *, z: Any = (3,)) -> None:
        super().__init__()
        self.x = x

    def get_params(self) -> dict[str, Any]:
        return {"x": self.x}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1, 1),
        (None, None),
        (True, True),
        (1.5, 1.5),
        ("s", "s"),
        ([1, (2, 3)], [1, {"..tuple..": [2, 3]}]),
        ({"a": [1]}, {"..dict..": {"a": [1]}}),
        ({1}, {"..set..": [1]}),
        (
            Colour.RED,
            {
                "..enum..": "RED",
                "..class..": "Colour",
                "..module..": __name__,
            },
        ),
        (
            Shown(),
            {
                "..class..": "Shown",
                "..module..": __name__,
                "..state..": {"..dict..": {"size": 1}},
            },
        ),
        (
            KEEP_CURRENT,
            {
                "..class..": "KeepCurrentFlag",
                "..module..": "kist.persidict.jokers_and_status_flags",
                "..params..": {"..dict..": {}},
            },
        ),
    ],
)
def test_jsparams(value, shown):
    """1.4: parameters as JSON, with what JSON has not marked."""
    store = Parameters(value)
    for text in (store.get_jsparams(), store.get_essential_jsparams()):
        assert json.loads(text) == {"..dict..": {"x": shown}}
    assert store.get_auxiliary_jsparams() == '{"..dict..": {}}'
    assert store.get_essential_params() == {"x": value}
    assert store.get_auxiliary_params() == {}
    assert store.essential_param_names == {"x"}
    assert store.auxiliary_param_names == set()
    assert Parameters.get_default_params() == {"x": 1, "z": (3,)}
    assert json.loads(Parameters.get_default_jsparams()) == {
        "..dict..": {"x": 1, "z": {"..tuple..": [3]}}
    }


def test_jsparams_of_a_class():
    """1.4: classes and functions cannot be shown."""
    for bad in (int, test_jsparams, lambda: 1):
        with pytest.raises(TypeError, match="Unsupported type"):
            Parameters(bad).get_jsparams()
    with pytest.raises(TypeError, match="Unsupported type: type"):
        LocalDict(base_class_for_values=int).get_jsparams()
    store: LocalDict[Any] = LocalDict()
    store["a", "b"] = 1
    state = json.loads(store.get_jsparams())["..dict.."]["backend"]
    assert state["..class.."] == "_RAMBackend" and "..state.." in state


@pytest.mark.parametrize("kind", MUTABLE)
def test_equality(kind, tmp_path):
    """1.4: what == compares, and what it does not."""
    store = MUTABLE[kind](tmp_path)
    store["a"] = [1]
    store["b", "c"] = 2
    assert store == store and not store != store
    assert store == {"a": [1], ("b", "c"): 2}
    assert store == {("a",): [1], ("b", "c"): 2}
    other: LocalDict[Any] = LocalDict()
    other.update(store.items())
    assert store == other and other == store
    for wrong in (
        {},
        {"a": [1]},
        {"a": [1], "b": 2},
        {"a": [2], ("b", "c"): 2},
        {"a": [1], 1: 2},
        {"a": [1], "": 2},
    ):
        assert store != wrong
    assert store.__eq__(3) is NotImplemented and store != 3
    assert store != [("a", 1)]


def test_equal_parameters_are_not_read():
    """1.4: the same type and parameters are the same items."""

    class Unreadable(UserDict):
        def _generic_iter(self, result_type: set[str]) -> Any:
            raise AssertionError("read")

    assert Unreadable() == Unreadable()
    with pytest.raises(AssertionError):
        assert Unreadable() == UserDict()


@pytest.mark.parametrize("kind", MUTABLE)
def test_iteration(kind, tmp_path):
    """1.4: one-shot iterators; tuples in the order of the labels."""
    store = MUTABLE[kind](tmp_path)
    store["a"] = 1
    keys = store.keys()
    assert iter(keys) is keys and list(keys) == ["a"] and list(keys) == []
    when = store.timestamp("a")
    assert list(store.values()) == [1] and list(store.items()) == [("a", 1)]
    assert list(store.keys_and_timestamps()) == [("a", when)]
    assert list(store.values_and_timestamps()) == [(1, when)]
    assert list(store.items_and_timestamps()) == [("a", 1, when)]
    assert list(store._generic_iter({"timestamps"})) == [when]
    for bad, error in (
        (["keys"], TypeError),
        (frozenset({"keys"}), TypeError),
        (set(), ValueError),
        ({"x"}, ValueError),
        ({"keys", "x"}, ValueError),
    ):
        with pytest.raises(error, match="result_type"):
            store._generic_iter(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", MUTABLE)
def test_as_a_mapping(kind, tmp_path):
    """1.4: what a dict does, on every store, against a dict."""
    store = MUTABLE[kind](tmp_path)
    model: dict[Any, Any] = {}
    assert not store and len(store) == 0 and store.random_key() is None
    with pytest.raises(KeyError, match="dictionary is empty"):
        store.popitem()
    store.update({"a": 1, ("b", "c"): 2}, d=3)
    model.update({("a",): 1, ("b", "c"): 2, ("d",): 3})
    assert bool(store) and {k.strings: v for k, v in store.items()} == model
    store |= {"a": 5}
    assert store["a"] == 5 and isinstance(store, PersiDict)
    with pytest.raises(TypeError, match="non-Mapping type: <class 'list'>"):
        store.__ior__([("a", 1)])  # type: ignore[arg-type]
    assert store.pop("a") == 5 and store.pop("a", 9) == 9
    with pytest.raises(KeyError) as caught:
        store.pop("a")
    assert type(caught.value.args[0]) is NonEmptySafeStrTuple
    with pytest.raises(TypeError, match="at most 2 arguments, got 3"):
        store.pop("a", 1, 2)
    assert store.setdefault("a", 1) == 1 and store.setdefault("a", 2) == 1
    assert store.setdefault("n") is None
    with pytest.raises(TypeError, match="default must be a regular value"):
        store.setdefault("", KEEP_CURRENT)
    store["n"] = KEEP_CURRENT
    store["n"] = DELETE_CURRENT
    store["n"] = DELETE_CURRENT
    assert "n" not in store
    assert store.discard("n") is False and store.discard("a") is True
    assert store.delete_if_exists("d") is True
    key, value = store.popitem()
    assert key == ("b", "c") and value == 2
    with pytest.raises(KeyError):
        del store["a"]
    store.update(a=1, b=2)
    store.clear()
    assert not store and list(store) == []


@pytest.mark.parametrize("kind", MUTABLE)
def test_random_key(kind, tmp_path):
    """1.4: uniformly random."""
    store = MUTABLE[kind](tmp_path)
    for name in "abcd":
        store[name] = 1
    found = [store.random_key() for _ in range(600)]
    assert {key.strings[0] for key in found} == set("abcd")
    assert min(found.count(key) for key in set(found)) > 90


def test_the_reservoir():
    """1.4: the i-th key replaces with probability 1/i."""
    store = UserDict()
    for name in "abcdef":
        store[name] = 1
    draws = iter([0.49, 0.34, 0.24, 0.21, 0.17])
    real = random.random
    random.random = lambda: next(draws)
    try:
        assert store.random_key() == "d"  # 0.24 < 1/4, and no later one
    finally:
        random.random = real


def test_a_user_subclass_without_subdicts():
    """1.4: get_subdict() is not abstract, and says so."""
    store = UserDict()
    store["a"] = 1
    with pytest.raises(NotImplementedError, match="UserDict does not support"):
        store.get_subdict("a")
    assert UserDict().subdicts() == {}


def test_append_only_user_subclass():
    """1.4, 1.6: the policy is checked by what the base does."""
    store = UserDict(append_only=True)
    store["a"] = 1
    for change in (
        lambda: store.discard("a"),
        lambda: store.pop("a"),
        lambda: store.popitem(),
        lambda: store.clear(),
        lambda: store.__delitem__("a"),
        lambda: store.__setitem__("a", DELETE_CURRENT),
        lambda: store.transform_item("a", transformer=lambda v: v),
    ):
        with pytest.raises(MutationPolicyError, match="append-only"):
            change()


# --- transform_item ----------------------------------------------------------


class Contended(UserDict):
    """Of which every conditional write fails, and what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []

    def set_item_if(self, key: Any, **options: Any) -> Any:
        self.asked.append(options)
        return ConditionalOperationResult(False, "e", "e", "other")

    def discard_if(self, key: Any, **options: Any) -> Any:
        self.asked.append(options)
        return ConditionalOperationResult(False, "e", "e", VALUE_NOT_RETRIEVED)


@pytest.fixture
def pauses(monkeypatch):
    """The seconds slept, without sleeping."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def test_conflicts(pauses):
    """1.6: retries with growing pauses; the value returned is used."""
    store = Contended()
    store["a"] = 1
    seen = []

    def add(value: Any) -> Any:
        seen.append(value)
        return 5

    with pytest.raises(ConcurrencyConflictError) as caught:
        store.transform_item("a", transformer=add, n_retries=3)
    assert caught.value.attempts == 4 and caught.value.key == "a"
    assert seen == [1, "other", "other", "other"] and len(pauses) == 3
    assert all(
        0.01 * 1.75**n <= pause <= 0.2 * 1.75**n
        for n, pause in enumerate(pauses)
    )
    assert store.asked[0]["condition"] is ETAG_IS_THE_SAME
    assert store.asked[0]["retrieve_value"] is ALWAYS_RETRIEVE
    assert store.asked[1]["expected_etag"] == "e"
    with pytest.raises(ConcurrencyConflictError):
        store.transform_item(
            "a", transformer=lambda v: DELETE_CURRENT, n_retries=0
        )
    assert len(pauses) == 3


def test_retry_limit(pauses):
    """1.6: None, or what int() makes a number from 0 of."""
    store = UserDict()
    store["a"] = 1
    for good in (None, 0, 2.7, "3", True):
        store.transform_item("a", transformer=lambda v: v, n_retries=good)
    for bad, error in (("x", TypeError), ([], TypeError), (-1, ValueError)):
        with pytest.raises(error, match="n_retries must be a non-negative"):
            store.transform_item("a", transformer=None, n_retries=bad)
    with pytest.raises(ValueError, match="non-empty"):
        store.transform_item("", transformer=lambda v: v, n_retries=-1)


def test_a_value_that_changes_while_it_is_read():
    """1.6: value and etag are read together, in three tries."""

    class Restless(UserDict):
        reads = 0

        def __getitem__(self, key: Any) -> Any:
            Restless.reads += 1
            if Restless.reads <= self.restless:
                self[key] = Restless.reads
            return super().__getitem__(key)

        restless = 2

    store = Restless()
    store["a"] = 0
    result = store.get_with_etag("a")
    assert result.new_value == 2 and result.actual_etag == store.etag("a")
    Restless.reads, Restless.restless = 0, 10
    with pytest.raises(ConcurrencyConflictError) as caught:
        store.get_with_etag("a")
    assert caught.value.attempts == 3


def test_never_retrieve_reads_nothing():
    """1.1: get_item_if(NEVER_RETRIEVE) does not open the value."""

    class Broken(UserDict):
        def __getitem__(self, key: Any) -> Any:
            raise AssertionError("opened")

    store = Broken()
    store["a"] = 1
    etag = store.etag("a")
    for retrieve in (NEVER_RETRIEVE, IF_ETAG_CHANGED):
        result = store.get_item_if(
            "a",
            condition=ETAG_IS_THE_SAME,
            expected_etag=etag,
            retrieve_value=retrieve,
        )
        assert result.condition_was_satisfied
        assert result.new_value is VALUE_NOT_RETRIEVED
    assert store.discard_if(
        "a", condition=ETAG_IS_THE_SAME, expected_etag=ITEM_NOT_AVAILABLE
    ) == ConditionalOperationResult(False, etag, etag, VALUE_NOT_RETRIEVED)
