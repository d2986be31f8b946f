"""An append-only store with a cache that never has to be checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn

from kist._core import AppendCachedBase, NonEmptySafeStrTuple
from kist.persidict.exceptions import MutationPolicyError
from kist.persidict.jokers_and_status_flags import (
    ANY_ETAG,
    EXECUTION_IS_COMPLETE,
    IF_ETAG_CHANGED,
    ITEM_NOT_AVAILABLE,
    NEVER_RETRIEVE,
    VALUE_NOT_RETRIEVED,
    ConditionalOperationResult,
    ETagConditionFlag,
    ETagIfExists,
    ETagValue,
    Joker,
    RetrieveValueFlag,
    TransformingFunction,
    ValueType,
)
from kist.persidict.local_dict import LocalDict
from kist.persidict.persi_dict import (
    NonEmptyPersiDictKey,
    PersiDict,
    PersiDictKey,
)

__all__ = ["AppendOnlyDictCached"]


class AppendOnlyDictCached(AppendCachedBase, PersiDict[ValueType]):
    """A cache before an append-only store.

    main_dict: the store; append-only, so that what was read stays right.
    data_cache: where values are kept that were read or written; append-only
    too, or a LocalDict.  ValueError if the two are not, or differ in their
    base_class_for_values.
    """

    _main: PersiDict[ValueType]
    _data_cache: PersiDict[ValueType]

    def __init__(
        self,
        *,
        main_dict: PersiDict[ValueType],
        data_cache: PersiDict[ValueType],
    ) -> None:
        if not isinstance(main_dict, PersiDict):
            raise TypeError("main_dict must be a PersiDict")
        if not isinstance(data_cache, PersiDict):
            raise TypeError("data_cache must be a PersiDict")
        if not main_dict.append_only or not (
            data_cache.append_only or isinstance(data_cache, LocalDict)
        ):
            raise ValueError("append_only must be set to True")
        if (
            main_dict.base_class_for_values
            is not data_cache.base_class_for_values
        ):
            raise ValueError(
                "main_dict and data_cache must have the same "
                "base_class_for_values"
            )
        PersiDict.__init__(
            self,
            append_only=True,
            base_class_for_values=main_dict.base_class_for_values,
            serialization_format=main_dict.serialization_format,
        )
        self._main = main_dict
        self._data_cache = data_cache
        self._open(data_cache)

    def get_params(self) -> dict[str, Any]:
        return {"data_cache": self._data_cache, "main_dict": self._main}

    def get_subdict(
        self, prefix_key: PersiDictKey
    ) -> AppendOnlyDictCached[ValueType]:
        """The same over the sub-dicts of both."""
        return AppendOnlyDictCached(
            main_dict=self._main.get_subdict(prefix_key),
            data_cache=self._data_cache.get_subdict(prefix_key),
        )

    # --- items -------------------------------------------------------------

    def __contains__(self, key: object) -> bool:
        with suppress(OSError):
            if key in self._data_cache:
                return True
        return key in self._main

    def _read(self, key: NonEmptyPersiDictKey) -> ValueType:
        """d[key], where the base has no shorter way to it."""
        name = NonEmptySafeStrTuple(key)
        with suppress(Exception):
            return self._data_cache[name]
        value = self._main[name]
        self._fill(name, value)
        return value

    def _fill(self, key: NonEmptySafeStrTuple, value: ValueType) -> None:
        """Puts a value into the cache, unless another thread has.

        A cache that fails is an empty one: what the store has done counts.
        """
        with suppress(Exception):
            self._data_cache.setdefault_if(
                key,
                default_value=value,
                condition=ANY_ETAG,
                expected_etag=ITEM_NOT_AVAILABLE,
                retrieve_value=NEVER_RETRIEVE,
            )

    def _filled(
        self,
        key: NonEmptyPersiDictKey,
        result: ConditionalOperationResult[ValueType],
    ) -> ConditionalOperationResult[ValueType]:
        value: Any = result.new_value
        if (
            value is not VALUE_NOT_RETRIEVED
            and value is not ITEM_NOT_AVAILABLE
        ):
            self._fill(NonEmptySafeStrTuple(key), value)
        return result

    def __setitem__(
        self, key: NonEmptyPersiDictKey, value: ValueType | Joker
    ) -> None:
        if self._process_setitem_args(key, value) is EXECUTION_IS_COMPLETE:
            return
        name = NonEmptySafeStrTuple(key)
        result = self._main.setdefault_if(
            name,
            default_value=value,  # type: ignore[arg-type]
            condition=ANY_ETAG,
            expected_etag=ITEM_NOT_AVAILABLE,
            retrieve_value=NEVER_RETRIEVE,
        )
        if not result.value_was_mutated:
            raise MutationPolicyError("append-only")
        self._filled(name, result)

    def __delitem__(self, key: NonEmptyPersiDictKey) -> NoReturn:
        raise MutationPolicyError("append-only")

    def etag(self, key: NonEmptyPersiDictKey) -> ETagValue:
        return self._main.etag(key)

    def timestamp(self, key: NonEmptyPersiDictKey) -> float:
        return self._main.timestamp(key)

    # --- all items ---------------------------------------------------------

    def __len__(self) -> int:
        return len(self._main)

    def __bool__(self) -> bool:
        return bool(self._main)

    def _generic_iter(self, result_type: set[str]) -> Iterator[Any]:
        return self._main._generic_iter(result_type)

    # --- conditional operations --------------------------------------------

    def get_item_if(
        self,
        key: NonEmptyPersiDictKey,
        *,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
        retrieve_value: RetrieveValueFlag = IF_ETAG_CHANGED,
    ) -> ConditionalOperationResult[ValueType]:
        return self._filled(
            key,
            self._main.get_item_if(
                key,
                condition=condition,
                expected_etag=expected_etag,
                retrieve_value=retrieve_value,
            ),
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
        return self._filled(
            key,
            self._main.set_item_if(
                key,
                value=value,
                condition=condition,
                expected_etag=expected_etag,
                retrieve_value=retrieve_value,
            ),
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
        return self._filled(
            key,
            self._main.setdefault_if(
                key,
                default_value=default_value,
                condition=condition,
                expected_etag=expected_etag,
                retrieve_value=retrieve_value,
            ),
        )

    def discard_if(
        self,
        key: NonEmptyPersiDictKey,
        *,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
    ) -> NoReturn:
        """MutationPolicyError, always."""
        raise MutationPolicyError("append-only")

    def transform_item(
        self,
        key: NonEmptyPersiDictKey,
        *,
        transformer: TransformingFunction[ValueType]
        | Callable[[Any], ValueType | Joker],
        n_retries: int | None = 6,
    ) -> NoReturn:
        """MutationPolicyError, always."""
        raise MutationPolicyError("append-only")
