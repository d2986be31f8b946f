"""What every store of Python objects can do, whatever keeps its items."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from typing import Any, Self, TypeAlias, Union, cast

from kist._core import _store_register
from kist.persidict._params import ParameterizableMixin
from kist.persidict.exceptions import (
    ConcurrencyConflictError,
    MutationPolicyError,
)
from kist.persidict.jokers_and_status_flags import (
    ALWAYS_RETRIEVE,
    ANY_ETAG,
    CONTINUE_NORMAL_EXECUTION,
    DELETE_CURRENT,
    ETAG_HAS_CHANGED,
    ETAG_IS_THE_SAME,
    EXECUTION_IS_COMPLETE,
    IF_ETAG_CHANGED,
    ITEM_NOT_AVAILABLE,
    KEEP_CURRENT,
    NEVER_RETRIEVE,
    VALUE_NOT_RETRIEVED,
    ConditionalOperationResult,
    ETagConditionFlag,
    ETagIfExists,
    ETagValue,
    Joker,
    OperationResult,
    RetrieveValueFlag,
    StatusFlag,
    TransformingFunction,
    ValueType,
)
from kist.persidict.safe_chars import contains_unsafe_chars
from kist.persidict.safe_str_tuple import NonEmptySafeStrTuple, SafeStrTuple

__all__ = ["NonEmptyPersiDictKey", "PersiDict", "PersiDictKey"]

PersiDictKey: TypeAlias = Union[  # noqa: UP007
    SafeStrTuple, Sequence[str], str
]
"""What get_subdict() takes; an empty key means all items."""

NonEmptyPersiDictKey: TypeAlias = Union[  # noqa: UP007
    NonEmptySafeStrTuple, Sequence[str], str
]
"""What names an item."""

_LABELS = {"keys", "values", "timestamps"}


class PersiDict(
    MutableMapping[SafeStrTuple, ValueType],
    ParameterizableMixin,
):
    """A dict whose items are kept elsewhere: the base of all stores.

    A subclass has at least __contains__, __getitem__, __setitem__,
    __delitem__, __len__, _generic_iter and timestamp.  What is done here with
    these alone is not atomic between processes; the stores of kist do it so.

    append_only: items are never replaced or deleted.
    base_class_for_values: the class that all values are of; None: any.
    serialization_format: how values are kept: "pkl", "json", or text.
    """

    serialization_format: str
    base_class_for_values: type | None

    def __init__(
        self,
        *,
        append_only: bool = False,
        base_class_for_values: type | None = None,
        serialization_format: str = "pkl",
    ) -> None:
        if len(serialization_format) == 0:
            raise ValueError("serialization_format must be a non-empty string")
        if contains_unsafe_chars(serialization_format):
            raise ValueError(
                "serialization_format must contain only "
                "URL/filename-safe characters"
            )
        if base_class_for_values is not None and not isinstance(
            base_class_for_values, type
        ):
            raise TypeError("base_class_for_values must be a type or None")
        if (
            base_class_for_values is None
            or not issubclass(base_class_for_values, str)
        ) and serialization_format not in {"json", "pkl"}:
            raise ValueError(
                "For non-string values serialization_format must be "
                "either 'pkl' or 'json'."
            )
        self._append_only = bool(append_only)
        self.base_class_for_values = base_class_for_values
        self.serialization_format = serialization_format

    @property
    def append_only(self) -> bool:
        """Whether items are never replaced or deleted."""
        return self._append_only

    # --- what it was made of -----------------------------------------------

    def get_params(self) -> dict[str, Any]:
        """The keywords that make a store of the same items, sorted."""
        return {
            "append_only": self._append_only,
            "base_class_for_values": self.base_class_for_values,
            "serialization_format": self.serialization_format,
        }

    def __repr__(self) -> str:
        params = ", ".join(f"{k}={v!r}" for k, v in self.get_params().items())
        return f"{type(self).__name__}({params})"

    def __str__(self) -> str:
        return str(dict(self.items()))

    def __copy__(self) -> Self:
        return type(self)(**self.get_params())

    def __getstate__(self) -> Any:
        raise TypeError(
            f"{type(self).__name__} instances cannot be pickled. To persist "
            "configuration, use get_params()."
        )

    def __setstate__(self, state: Any) -> None:
        raise TypeError(
            f"{type(self).__name__} instances cannot be unpickled. Recreate "
            "from parameters instead."
        )

    # --- what a subclass has -----------------------------------------------

    @abstractmethod
    def __contains__(self, key: object) -> bool:
        """Whether there is such an item; ValueError for an unsafe key."""
        raise NotImplementedError

    @abstractmethod
    def __getitem__(self, key: NonEmptyPersiDictKey) -> ValueType:
        raise NotImplementedError

    @abstractmethod
    def __setitem__(
        self, key: NonEmptyPersiDictKey, value: ValueType | Joker
    ) -> None:
        raise NotImplementedError

    @abstractmethod
    def __delitem__(self, key: NonEmptyPersiDictKey) -> None:
        raise NotImplementedError

    @abstractmethod
    def __len__(self) -> int:
        raise NotImplementedError

    @abstractmethod
    def _generic_iter(self, result_type: set[str]) -> Iterator[Any]:
        """Iterates over what `result_type` names.

        That is one or more of "keys", "values" and "timestamps": tuples in
        this order, or the items themselves if it is one.
        """
        raise NotImplementedError

    @abstractmethod
    def timestamp(self, key: NonEmptyPersiDictKey) -> float:
        """When the item was last written, in seconds since 1970.

        KeyError if there is none.
        """
        raise NotImplementedError

    def get_subdict(self, prefix_key: PersiDictKey) -> PersiDict[ValueType]:
        """The items whose keys begin with `prefix_key`, under the rest."""
        raise NotImplementedError(
            f"{type(self).__name__} does not support get_subdict()"
        )

    # --- checks, for subclasses --------------------------------------------

    def _check_delete_policy(self) -> None:
        if self._append_only:
            raise MutationPolicyError("append-only")

    def _validate_value(self, value: Any) -> None:
        """TypeError if `value` may not be stored."""
        if isinstance(value, PersiDict):
            raise TypeError("Cannot store a PersiDict instance directly")
        base = self.base_class_for_values
        if base is not None and not isinstance(value, base):
            raise TypeError(f"Value must be an instance of {base.__name__}")

    def _validate_returned_value(self, value: Any) -> None:
        """TypeError if `value`, which was read, is not of the base class."""
        base = self.base_class_for_values
        if base is not None and not isinstance(value, base):
            raise TypeError(
                f"Value must be an instance of {base.__name__}, but it is "
                f"{type(value).__name__} instead."
            )

    def _process_setitem_args(
        self, key: NonEmptyPersiDictKey, value: ValueType | Joker
    ) -> StatusFlag:
        """Checks the arguments of __setitem__, and does what a Joker says.

        EXECUTION_IS_COMPLETE: that was all.  CONTINUE_NORMAL_EXECUTION: the
        value is to be written.
        """
        name = NonEmptySafeStrTuple(key)
        if value is KEEP_CURRENT:
            return EXECUTION_IS_COMPLETE
        if value is DELETE_CURRENT:
            self.discard(name)
            return EXECUTION_IS_COMPLETE
        self._validate_value(value)
        return CONTINUE_NORMAL_EXECUTION

    def _process_delitem_args(self, key: NonEmptyPersiDictKey) -> None:
        """Checks the argument of __delitem__: the policy, the existence."""
        name = NonEmptySafeStrTuple(key)
        self._check_delete_policy()
        if name not in self:
            raise KeyError(name)

    def _process_generic_iter_args(self, result_type: set[str]) -> None:
        """Checks the argument of _generic_iter()."""
        if not isinstance(result_type, set):
            raise TypeError("result_type must be a set of strings")
        if not 1 <= len(result_type) <= 3:
            raise ValueError(
                "result_type must contain between 1 and 3 elements"
            )
        if not result_type <= _LABELS:
            raise ValueError(
                "result_type can only contain 'keys', 'values', 'timestamps'"
            )

    def _assemble_iter_result(
        self,
        result_type: set[str],
        *,
        key: Any = None,
        value: Any = None,
        timestamp: Any = None,
    ) -> Any:
        """What _generic_iter() hands out for one item."""
        found: list[Any] = []
        if "keys" in result_type:
            found.append(key)
        if "values" in result_type:
            found.append(value)
        if "timestamps" in result_type:
            found.append(timestamp)
        return found[0] if len(found) == 1 else tuple(found)

    def _remove_item(self, key: NonEmptySafeStrTuple) -> None:
        """Deletes the item; KeyError if there is none."""
        del self[key]

    # --- iteration ---------------------------------------------------------

    def __iter__(self) -> Iterator[SafeStrTuple]:
        return self._generic_iter({"keys"})

    def keys(self) -> Iterator[SafeStrTuple]:  # type: ignore[override]
        """An iterator over the keys."""
        return self._generic_iter({"keys"})

    def values(self) -> Iterator[ValueType]:  # type: ignore[override]
        """An iterator over the values."""
        return self._generic_iter({"values"})

    def items(  # type: ignore[override]
        self,
    ) -> Iterator[tuple[SafeStrTuple, ValueType]]:
        """An iterator over (key, value)."""
        return self._generic_iter({"keys", "values"})

    def keys_and_timestamps(self) -> Iterator[tuple[SafeStrTuple, float]]:
        """An iterator over (key, seconds since 1970)."""
        return self._generic_iter({"keys", "timestamps"})

    def values_and_timestamps(self) -> Iterator[tuple[ValueType, float]]:
        """An iterator over (value, seconds since 1970)."""
        return self._generic_iter({"values", "timestamps"})

    def items_and_timestamps(
        self,
    ) -> Iterator[tuple[SafeStrTuple, ValueType, float]]:
        """An iterator over (key, value, seconds since 1970)."""
        return self._generic_iter({"keys", "values", "timestamps"})

    def __bool__(self) -> bool:
        return any(True for _ in iter(self))

    def _sorted_keys(
        self, *, max_n: int | None, newest_first: bool
    ) -> list[SafeStrTuple]:
        def age(pair: tuple[SafeStrTuple, float]) -> float:
            return pair[1]

        if max_n is not None and max_n <= 0:
            return []
        pairs = self.keys_and_timestamps()
        if max_n is None:
            found = sorted(pairs, key=age, reverse=newest_first)
        else:
            import heapq

            choose = heapq.nlargest if newest_first else heapq.nsmallest
            found = choose(max_n, pairs, key=age)
        return [key for key, _ in found]

    def _values_of(self, keys: Iterable[SafeStrTuple]) -> list[ValueType]:
        """The values of those that are still there."""
        found = []
        for key in keys:
            try:
                found.append(self[key])
            except KeyError:
                continue
        return found

    def oldest_keys(self, max_n: int | None = None) -> list[SafeStrTuple]:
        """The keys by age, oldest first; at most `max_n` of them."""
        return self._sorted_keys(max_n=max_n, newest_first=False)

    def newest_keys(self, max_n: int | None = None) -> list[SafeStrTuple]:
        """The keys by age, newest first; at most `max_n` of them."""
        return self._sorted_keys(max_n=max_n, newest_first=True)

    def oldest_values(self, max_n: int | None = None) -> list[ValueType]:
        """The values of oldest_keys()."""
        return self._values_of(self.oldest_keys(max_n=max_n))

    def newest_values(self, max_n: int | None = None) -> list[ValueType]:
        """The values of newest_keys()."""
        return self._values_of(self.newest_keys(max_n=max_n))

    def random_key(self) -> SafeStrTuple | None:
        """A key, each as likely as any other; None if there is none."""
        import random

        chosen = None
        for count, key in enumerate(self.keys(), 1):
            if count == 1 or random.random() * count < 1:
                chosen = key
        return chosen

    def subdicts(self) -> dict[str, PersiDict[ValueType]]:
        """{component: get_subdict(component)} of all first components."""
        firsts = dict.fromkeys(key[0] for key in self.keys())
        return {first: self.get_subdict(first) for first in firsts}

    # --- as a mapping ------------------------------------------------------

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Mapping):
            return NotImplemented
        if (
            isinstance(other, PersiDict)
            and type(self) is type(other)
            and self.get_params() == other.get_params()
        ):
            return True
        try:
            if sum(1 for _ in self.keys()) != len(other):
                return False
            return not any(self[key] != val for key, val in other.items())
        except (KeyError, TypeError, AttributeError, ValueError):
            return False

    def __ior__(self, other: Mapping[Any, Any]) -> Self:
        if not isinstance(other, Mapping):
            raise TypeError(
                f"Cannot update PersiDict with non-Mapping type: {type(other)}"
            )
        self.update(other)
        return self

    def setdefault(
        self, key: NonEmptyPersiDictKey, default: Any = None
    ) -> ValueType:
        """The item's value; stores and answers `default` if there is none."""
        if isinstance(default, Joker):
            raise TypeError(
                "default must be a regular value, not a Joker command"
            )
        name = NonEmptySafeStrTuple(key)
        try:
            return self[name]
        except KeyError:
            self[name] = default
            return cast("ValueType", default)

    def pop(self, key: NonEmptyPersiDictKey, *args: Any) -> Any:
        """Deletes the item and answers its value, or the default.

        KeyError if there is neither.
        """
        if len(args) > 1:
            raise TypeError(
                f"pop expected at most 2 arguments, got {len(args) + 1}"
            )
        self._check_delete_policy()
        found: Any = ITEM_NOT_AVAILABLE

        def take(value: Any) -> Joker:
            nonlocal found
            found = value
            return DELETE_CURRENT

        self.transform_item(key, transformer=take)
        if found is not ITEM_NOT_AVAILABLE:
            return found
        if args:
            return args[0]
        raise KeyError(NonEmptySafeStrTuple(key))

    def popitem(self) -> tuple[SafeStrTuple, ValueType]:
        """Deletes an item and answers (key, value); KeyError if empty."""
        self._check_delete_policy()
        for key in self.keys():
            try:
                return key, self.pop(key)
            except KeyError:
                continue
        raise KeyError("dictionary is empty")

    def discard(self, key: NonEmptyPersiDictKey) -> bool:
        """Deletes the item; whether there was one."""
        self._check_delete_policy()
        try:
            self._remove_item(NonEmptySafeStrTuple(key))
        except KeyError:
            return False
        return True

    def delete_if_exists(self, key: NonEmptyPersiDictKey) -> bool:
        """The same as discard()."""
        return self.discard(key)

    def clear(self) -> None:
        """Deletes all items."""
        self._check_delete_policy()
        for key in list(self.keys()):
            self.discard(key)

    # --- conditional operations --------------------------------------------

    def etag(self, key: NonEmptyPersiDictKey) -> ETagValue:
        """A text that each write of the item changes; KeyError if none."""
        return ETagValue(f"{self.timestamp(key):.6f}")

    def _actual_etag(self, key: NonEmptySafeStrTuple) -> ETagIfExists:
        try:
            return self.etag(key)
        except KeyError:
            return ITEM_NOT_AVAILABLE

    def _check_condition(
        self,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
        actual_etag: ETagIfExists,
    ) -> bool:
        if condition is ANY_ETAG:
            return True
        if condition is ETAG_IS_THE_SAME:
            return bool(expected_etag == actual_etag)
        if condition is ETAG_HAS_CHANGED:
            return bool(expected_etag != actual_etag)
        raise ValueError(
            "condition must be ANY_ETAG, ETAG_IS_THE_SAME, or "
            f"ETAG_HAS_CHANGED, got {condition!r}"
        )

    @staticmethod
    def _validate_retrieve_value(retrieve_value: RetrieveValueFlag) -> None:
        if not isinstance(retrieve_value, RetrieveValueFlag):
            raise TypeError(
                "retrieve_value must be ALWAYS_RETRIEVE, NEVER_RETRIEVE, or "
                f"IF_ETAG_CHANGED, got {type(retrieve_value).__name__}"
            )

    def _get_value_and_etag(
        self, key: NonEmptySafeStrTuple
    ) -> tuple[ValueType, ETagValue]:
        """A value and the etag that it had; KeyError if there is none."""
        attempts = 3
        for _ in range(attempts):
            etag = self.etag(key)
            value = self[key]
            if self.etag(key) == etag:
                return value, etag
        raise ConcurrencyConflictError(key, attempts)

    def _unchanged(
        self,
        key: NonEmptySafeStrTuple,
        satisfied: bool,
        actual: ETagIfExists,
        expected: ETagIfExists,
        retrieve: RetrieveValueFlag,
    ) -> ConditionalOperationResult[ValueType]:
        """The result of an operation that left an item as it was."""
        value: Any = VALUE_NOT_RETRIEVED
        if retrieve is not NEVER_RETRIEVE and not (
            retrieve is IF_ETAG_CHANGED and expected == actual
        ):
            try:
                value, actual = self._get_value_and_etag(key)
            except KeyError:
                return self._absent(satisfied)
        return ConditionalOperationResult(satisfied, actual, actual, value)

    @staticmethod
    def _absent(satisfied: bool) -> ConditionalOperationResult[Any]:
        return ConditionalOperationResult(
            satisfied,
            ITEM_NOT_AVAILABLE,
            ITEM_NOT_AVAILABLE,
            ITEM_NOT_AVAILABLE,
        )

    def get_item_if(
        self,
        key: NonEmptyPersiDictKey,
        *,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
        retrieve_value: RetrieveValueFlag = IF_ETAG_CHANGED,
    ) -> ConditionalOperationResult[ValueType]:
        """Reads an item, and says whether `condition` holds for it.

        The value is read if `retrieve_value` says so, whether or not the
        condition holds.  ValueError for an unknown condition, TypeError for
        another `retrieve_value`; never KeyError.
        """
        self._validate_retrieve_value(retrieve_value)
        name = NonEmptySafeStrTuple(key)
        actual: ETagIfExists
        value: Any = VALUE_NOT_RETRIEVED
        try:
            # The etag must be the value's own: with both in hand, the
            # condition is about what is handed out.
            if retrieve_value is IF_ETAG_CHANGED:
                actual = self.etag(name)
                if expected_etag != actual:
                    value, actual = self._get_value_and_etag(name)
            elif retrieve_value is NEVER_RETRIEVE:
                actual = self.etag(name)
            else:
                value, actual = self._get_value_and_etag(name)
        except KeyError:
            return self._absent(
                self._check_condition(
                    condition, expected_etag, ITEM_NOT_AVAILABLE
                )
            )
        satisfied = self._check_condition(condition, expected_etag, actual)
        return ConditionalOperationResult(satisfied, actual, actual, value)

    def get_with_etag(
        self, key: NonEmptyPersiDictKey
    ) -> ConditionalOperationResult[ValueType]:
        """The item's value and its etag; ITEM_NOT_AVAILABLE if none."""
        return self.get_item_if(
            key,
            condition=ANY_ETAG,
            expected_etag=ITEM_NOT_AVAILABLE,
            retrieve_value=ALWAYS_RETRIEVE,
        )

    def set_item_if(
        self,
        key: NonEmptyPersiDictKey,
        *,
        value: ValueType | Joker,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
        retrieve_value: RetrieveValueFlag = IF_ETAG_CHANGED,
    ) -> ConditionalOperationResult[ValueType]:
        """Writes an item, or does what a Joker says, if `condition` holds.

        MutationPolicyError if that would change an append-only item.
        """
        self._validate_retrieve_value(retrieve_value)
        name = NonEmptySafeStrTuple(key)
        actual = self._actual_etag(name)
        satisfied = self._check_condition(condition, expected_etag, actual)
        absent = actual is ITEM_NOT_AVAILABLE
        if satisfied and value is DELETE_CURRENT:
            self.discard(name)
            return ConditionalOperationResult(
                True, actual, ITEM_NOT_AVAILABLE, ITEM_NOT_AVAILABLE
            )
        if satisfied and value is not KEEP_CURRENT:
            if self._append_only and not absent:
                raise MutationPolicyError("append-only")
            self[name] = value
            return ConditionalOperationResult(
                True, actual, self._actual_etag(name), cast("Any", value)
            )
        if absent:
            return self._absent(satisfied)
        return self._unchanged(
            name, satisfied, actual, expected_etag, retrieve_value
        )

    def setdefault_if(
        self,
        key: NonEmptyPersiDictKey,
        *,
        default_value: ValueType,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
        retrieve_value: RetrieveValueFlag = IF_ETAG_CHANGED,
    ) -> ConditionalOperationResult[ValueType]:
        """Writes an item if there is none and `condition` holds."""
        if isinstance(default_value, Joker):
            raise TypeError(
                "default_value must be a regular value, not a Joker command"
            )
        self._validate_retrieve_value(retrieve_value)
        name = NonEmptySafeStrTuple(key)
        actual = self._actual_etag(name)
        satisfied = self._check_condition(condition, expected_etag, actual)
        if actual is not ITEM_NOT_AVAILABLE:
            return self._unchanged(
                name, satisfied, actual, expected_etag, retrieve_value
            )
        if not satisfied:
            return self._absent(False)
        self[name] = default_value
        return ConditionalOperationResult(
            True, actual, self._actual_etag(name), default_value
        )

    def discard_if(
        self,
        key: NonEmptyPersiDictKey,
        *,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
    ) -> ConditionalOperationResult[ValueType]:
        """Deletes an item if there is one and `condition` holds."""
        name = NonEmptySafeStrTuple(key)
        actual = self._actual_etag(name)
        satisfied = self._check_condition(condition, expected_etag, actual)
        if actual is ITEM_NOT_AVAILABLE:
            return self._absent(satisfied)
        if not satisfied:
            return ConditionalOperationResult(
                False, actual, actual, VALUE_NOT_RETRIEVED
            )
        self._check_delete_policy()
        try:
            self._remove_item(name)
        except KeyError:
            return self._absent(
                self._check_condition(
                    condition, expected_etag, ITEM_NOT_AVAILABLE
                )
            )
        return ConditionalOperationResult(
            True, actual, ITEM_NOT_AVAILABLE, ITEM_NOT_AVAILABLE
        )

    def transform_item(
        self,
        key: NonEmptyPersiDictKey,
        *,
        transformer: TransformingFunction[ValueType]
        | Callable[[Any], ValueType | Joker],
        n_retries: int | None = 6,
    ) -> OperationResult[ValueType]:
        """Replaces a value by what `transformer` makes of it.

        The transformer is called again, after a pause, if the item has
        changed meanwhile: `n_retries` times, then ConcurrencyConflictError;
        None: until it is done.
        """
        name = NonEmptySafeStrTuple(key)
        limit = _retry_limit(n_retries)
        retries = 0
        found = self._read_now(name)
        while True:
            etag, current = found.resulting_etag, found.new_value
            new = transformer(cast("Any", current))
            if new is KEEP_CURRENT:
                return OperationResult(etag, cast("Any", current))
            if new is DELETE_CURRENT:
                if etag is ITEM_NOT_AVAILABLE:
                    return OperationResult(etag, ITEM_NOT_AVAILABLE)
                found = self.discard_if(
                    name, condition=ETAG_IS_THE_SAME, expected_etag=etag
                )
            else:
                found = self.set_item_if(
                    name,
                    value=new,
                    condition=ETAG_IS_THE_SAME,
                    expected_etag=etag,
                    retrieve_value=ALWAYS_RETRIEVE,
                )
            if found.condition_was_satisfied:
                return OperationResult(
                    found.resulting_etag, cast("Any", found.new_value)
                )
            if limit is not None and retries >= limit:
                raise ConcurrencyConflictError(name, retries + 1)
            time.sleep(_pause(retries))
            retries += 1
            if found.new_value is VALUE_NOT_RETRIEVED:
                found = self._read_now(name)

    def _read_now(
        self, key: NonEmptySafeStrTuple
    ) -> ConditionalOperationResult[ValueType]:
        return self.get_item_if(
            key,
            condition=ANY_ETAG,
            expected_etag=ITEM_NOT_AVAILABLE,
            retrieve_value=ALWAYS_RETRIEVE,
        )


def _retry_limit(n_retries: Any) -> int | None:
    """TypeError or ValueError unless it is None, or an int from 0."""
    if n_retries is None:
        return None
    problem = "n_retries must be a non-negative int or None"
    try:
        limit = int(n_retries)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(problem) from None
    if limit < 0:
        raise ValueError(problem)
    return limit


def _pause(retries: int) -> float:
    """Seconds to wait after so many retries."""
    import random

    return float(random.uniform(0.01, 0.2) * 1.75**retries)


_store_register("PersiDict", PersiDict)
