"""A store that is always empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kist._core import NonEmptySafeStrTuple, SafeStrTuple
from kist.persidict.jokers_and_status_flags import (
    DELETE_CURRENT,
    IF_ETAG_CHANGED,
    ITEM_NOT_AVAILABLE,
    KEEP_CURRENT,
    ConditionalOperationResult,
    ETagConditionFlag,
    ETagIfExists,
    Joker,
    OperationResult,
    RetrieveValueFlag,
    TransformingFunction,
    ValueType,
)
from kist.persidict.persi_dict import (
    NonEmptyPersiDictKey,
    PersiDict,
    PersiDictKey,
)

__all__ = ["EmptyDict"]


class EmptyDict(PersiDict[ValueType]):
    """Always empty: what is stored is checked, and dropped."""

    def __init__(
        self,
        *,
        append_only: bool = False,
        base_class_for_values: type | None = None,
        serialization_format: str = "pkl",
    ) -> None:
        super().__init__(
            append_only=append_only,
            base_class_for_values=base_class_for_values,
            serialization_format=serialization_format,
        )

    def __contains__(self, key: object) -> bool:
        return False

    def __getitem__(self, key: NonEmptyPersiDictKey) -> ValueType:
        raise KeyError(key)

    def __setitem__(
        self, key: NonEmptyPersiDictKey, value: ValueType | Joker
    ) -> None:
        NonEmptySafeStrTuple(key)
        self._check_dropped(value)

    def _check_dropped(self, value: Any) -> None:
        """What would be checked of a value that is kept."""
        if value is DELETE_CURRENT:
            self._check_delete_policy()
        elif value is not KEEP_CURRENT:
            self._validate_value(value)

    def __delitem__(self, key: NonEmptyPersiDictKey) -> None:
        raise KeyError(key)

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[SafeStrTuple]:
        return iter(())

    def _generic_iter(self, result_type: set[str]) -> Iterator[Any]:
        self._process_generic_iter_args(result_type)
        return iter(())

    def timestamp(self, key: NonEmptyPersiDictKey) -> float:
        raise KeyError(key)

    def get(self, key: NonEmptyPersiDictKey, default: Any = None) -> Any:
        """`default`, always."""
        return default

    def setdefault(
        self, key: NonEmptyPersiDictKey, default: Any = None
    ) -> Any:
        """`default`, always."""
        return default

    def discard(self, key: NonEmptyPersiDictKey) -> bool:
        """False, always."""
        return False

    def delete_if_exists(self, key: NonEmptyPersiDictKey) -> bool:
        """False, always."""
        return False

    def clear(self) -> None:
        """Nothing to do."""

    def random_key(self) -> None:
        """None, always."""

    def get_subdict(self, prefix_key: PersiDictKey) -> EmptyDict[ValueType]:
        """Another one, of the same parameters."""
        return type(self)(**self.get_params())

    def get_item_if(
        self,
        key: NonEmptyPersiDictKey,
        *,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
        retrieve_value: RetrieveValueFlag = IF_ETAG_CHANGED,
    ) -> ConditionalOperationResult[ValueType]:
        self._validate_retrieve_value(retrieve_value)
        return self._absent_key_result(key, condition, expected_etag)

    def set_item_if(
        self,
        key: NonEmptyPersiDictKey,
        *,
        value: ValueType | Joker,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
        retrieve_value: RetrieveValueFlag = IF_ETAG_CHANGED,
    ) -> ConditionalOperationResult[ValueType]:
        self._validate_retrieve_value(retrieve_value)
        self._check_dropped(value)
        return self._absent_key_result(key, condition, expected_etag)

    def setdefault_if(
        self,
        key: NonEmptyPersiDictKey,
        *,
        default_value: ValueType,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
        retrieve_value: RetrieveValueFlag = IF_ETAG_CHANGED,
    ) -> ConditionalOperationResult[ValueType]:
        if isinstance(default_value, Joker):
            raise TypeError(
                "default_value must be a regular value, not a Joker command"
            )
        self._validate_retrieve_value(retrieve_value)
        return self._absent_key_result(key, condition, expected_etag)

    def discard_if(
        self,
        key: NonEmptyPersiDictKey,
        *,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
    ) -> ConditionalOperationResult[ValueType]:
        return self._absent_key_result(key, condition, expected_etag)

    def transform_item(
        self,
        key: NonEmptyPersiDictKey,
        *,
        transformer: TransformingFunction[ValueType]
        | Callable[[Any], ValueType | Joker],
        n_retries: int | None = 6,
    ) -> OperationResult[ValueType]:
        """Nothing is there, and nothing stays: the transformer is not run."""
        return OperationResult(ITEM_NOT_AVAILABLE, ITEM_NOT_AVAILABLE)

    def _absent_key_result(
        self,
        key: NonEmptyPersiDictKey,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
    ) -> ConditionalOperationResult[Any]:
        NonEmptySafeStrTuple(key)
        return self._absent(
            self._check_condition(condition, expected_etag, ITEM_NOT_AVAILABLE)
        )
