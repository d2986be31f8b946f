"""A mutable store with a cache that is checked at each read."""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from kist._core import MutableCachedBase, NonEmptySafeStrTuple
from kist.persidict._same import same_value
from kist.persidict.jokers_and_status_flags import (
    ANY_ETAG,
    ETAG_HAS_CHANGED,
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
    OperationResult,
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

__all__ = ["MutableDictCached"]


class MutableDictCached(MutableCachedBase, PersiDict[ValueType]):
    """A cache before a store that others may write to.

    main_dict: the store.  data_cache: where values are kept.  etag_cache:
    where the store's etags are kept.  None may be append-only (ValueError).

    A value of the cache is never older than what the store has: each read
    asks the store for the item's etag.  That a cached value is the one of
    that etag is known from a bond of the two, a text of the store's etag and
    of the etag that the value has in the cache.  Bonds are kept beside the
    data cache, in a format of its own (its name and "_bond"), so that other
    processes that use the same caches profit from them.  Processes that write
    into the caches without making bonds, such as those of persidict, cost a
    read of the store, and no more.  A cache that fails is an empty one.
    """

    _main_dict: PersiDict[ValueType]
    _data_cache: PersiDict[ValueType]
    _etag_cache: PersiDict[ETagValue]

    def __init__(
        self,
        *,
        main_dict: PersiDict[ValueType],
        data_cache: PersiDict[ValueType],
        etag_cache: PersiDict[ETagValue],
    ) -> None:
        for name, given in (
            ("main_dict", main_dict),
            ("data_cache", data_cache),
            ("etag_cache", etag_cache),
        ):
            if not isinstance(given, PersiDict):
                raise TypeError(f"{name} must be a PersiDict")
        for name, given in (
            ("main_dict", main_dict),
            ("data_cache", data_cache),
            ("etag_cache", etag_cache),
        ):
            if given.append_only:
                raise ValueError(f"{name} can't be append-only.")
        PersiDict.__init__(
            self,
            append_only=False,
            base_class_for_values=main_dict.base_class_for_values,
            serialization_format=main_dict.serialization_format,
        )
        self._main_dict = main_dict
        self._data_cache = data_cache
        self._etag_cache = etag_cache
        self._bonds = _bonds_beside(data_cache, main_dict)
        self._open(data_cache, main_dict, self._bonds)

    def get_params(self) -> dict[str, Any]:
        return {
            "data_cache": self._data_cache,
            "etag_cache": self._etag_cache,
            "main_dict": self._main_dict,
        }

    def get_subdict(
        self, prefix_key: PersiDictKey
    ) -> MutableDictCached[ValueType]:
        """The same over the sub-dicts of all three."""
        return MutableDictCached(
            main_dict=self._main_dict.get_subdict(prefix_key),
            data_cache=self._data_cache.get_subdict(prefix_key),
            etag_cache=self._etag_cache.get_subdict(prefix_key),
        )

    # --- the caches --------------------------------------------------------

    def _cached(
        self, key: NonEmptySafeStrTuple
    ) -> tuple[ETagIfExists, ValueType | None]:
        """A cached value and the store's etag that it is bound to."""
        try:
            bond = self._bonds[key]
            found = self._data_cache.get_with_etag(key)
        except Exception:  # noqa: BLE001 - a cache that fails is an empty one
            return ITEM_NOT_AVAILABLE, None
        main_etag, _, data_etag = bond.rpartition("\n")
        if found.resulting_etag != data_etag:
            return ITEM_NOT_AVAILABLE, None
        return ETagValue(main_etag), found.new_value  # type: ignore[return-value]

    def _store(
        self, key: NonEmptySafeStrTuple, value: Any, etag: ETagValue
    ) -> None:
        """Caches what the store has under `etag`, bound to it."""
        try:
            data_etag = _put(self._data_cache, key, value)
            if data_etag is None:
                self._bonds.discard(key)
            else:
                self._bonds[key] = f"{etag}\n{data_etag}"
            self._set_cached_etag(key, etag)
        except Exception:  # noqa: BLE001 - what the store has done counts
            self._purge_caches(key)

    def _set_cached_etag(
        self, key: NonEmptySafeStrTuple, etag: ETagValue
    ) -> None:
        self._etag_cache[key] = etag

    def _purge_caches(self, key: NonEmptySafeStrTuple) -> None:
        for cache in (self._bonds, self._data_cache, self._etag_cache):
            # What a cache keeps that cannot be changed is not believed.
            with suppress(Exception):
                cache.discard(key)

    def _synced(
        self,
        key: NonEmptyPersiDictKey,
        result: ConditionalOperationResult[ValueType],
    ) -> ConditionalOperationResult[ValueType]:
        """`result` of the store, after the caches have learnt from it."""
        name = NonEmptySafeStrTuple(key)
        value: Any = result.new_value
        etag = result.resulting_etag
        if value is ITEM_NOT_AVAILABLE or etag is ITEM_NOT_AVAILABLE:
            self._purge_caches(name)
        elif value is not VALUE_NOT_RETRIEVED:
            self._store(name, value, ETagValue(str(etag)))
        elif result.actual_etag != etag:
            self._purge_caches(name)
            with suppress(Exception):
                self._set_cached_etag(name, ETagValue(str(etag)))
        return result

    # --- items -------------------------------------------------------------

    def __contains__(self, key: object) -> bool:
        return key in self._main_dict

    def _read(self, key: NonEmptyPersiDictKey) -> ValueType:
        """d[key], where the base has no shorter way to it."""
        name = NonEmptySafeStrTuple(key)
        etag, cached = self._cached(name)
        if etag is ITEM_NOT_AVAILABLE:
            result = self._main_dict.get_item_if(
                name,
                condition=ETAG_HAS_CHANGED,
                expected_etag=ITEM_NOT_AVAILABLE,
            )
        else:
            result = self._main_dict.get_item_if(
                name,
                condition=ETAG_HAS_CHANGED,
                expected_etag=etag,
                retrieve_value=IF_ETAG_CHANGED,
            )
        value: Any = result.new_value
        if value is VALUE_NOT_RETRIEVED:
            value = cached
        elif value is ITEM_NOT_AVAILABLE:
            self._purge_caches(name)
            raise KeyError(name)
        else:
            self._synced(name, result)
        return value  # type: ignore[no-any-return]

    def __setitem__(
        self, key: NonEmptyPersiDictKey, value: ValueType | Joker
    ) -> None:
        if self._process_setitem_args(key, value) is EXECUTION_IS_COMPLETE:
            return
        self._synced(
            key,
            self._main_dict.set_item_if(
                key,
                value=value,
                condition=ANY_ETAG,
                expected_etag=ITEM_NOT_AVAILABLE,
                retrieve_value=NEVER_RETRIEVE,
            ),
        )

    def __delitem__(self, key: NonEmptyPersiDictKey) -> None:
        name = NonEmptySafeStrTuple(key)
        try:
            del self._main_dict[name]
        finally:
            self._purge_caches(name)

    def etag(self, key: NonEmptyPersiDictKey) -> ETagValue:
        """The etag that was last seen, or the store's if there is none.

        It may be an old one; a condition on it does not hold then.
        """
        name = NonEmptySafeStrTuple(key)
        with suppress(Exception):
            return self._etag_cache[name]
        etag = self._main_dict.etag(name)
        with suppress(Exception):
            self._set_cached_etag(name, etag)
        return etag

    def timestamp(self, key: NonEmptyPersiDictKey) -> float:
        return self._main_dict.timestamp(key)

    # --- all items ---------------------------------------------------------

    def __len__(self) -> int:
        return len(self._main_dict)

    def __bool__(self) -> bool:
        return bool(self._main_dict)

    def _generic_iter(self, result_type: set[str]) -> Iterator[Any]:
        return self._main_dict._generic_iter(result_type)

    # --- conditional operations --------------------------------------------

    def get_item_if(
        self,
        key: NonEmptyPersiDictKey,
        *,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
        retrieve_value: RetrieveValueFlag = IF_ETAG_CHANGED,
    ) -> ConditionalOperationResult[ValueType]:
        return self._synced(
            key,
            self._main_dict.get_item_if(
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
        return self._synced(
            key,
            self._main_dict.set_item_if(
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
        return self._synced(
            key,
            self._main_dict.setdefault_if(
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
    ) -> ConditionalOperationResult[ValueType]:
        return self._synced(
            key,
            self._main_dict.discard_if(
                key, condition=condition, expected_etag=expected_etag
            ),
        )

    def transform_item(
        self,
        key: NonEmptyPersiDictKey,
        *,
        transformer: TransformingFunction[ValueType]
        | Callable[[Any], ValueType | Joker],
        n_retries: int | None = 6,
    ) -> OperationResult[ValueType]:
        result = self._main_dict.transform_item(
            key, transformer=transformer, n_retries=n_retries
        )
        name = NonEmptySafeStrTuple(key)
        if result.new_value is ITEM_NOT_AVAILABLE or (
            result.resulting_etag is ITEM_NOT_AVAILABLE
        ):
            self._purge_caches(name)
        else:
            self._store(
                name, result.new_value, ETagValue(str(result.resulting_etag))
            )
        return result


def _bonds_beside(
    data_cache: PersiDict[Any], main_dict: PersiDict[Any]
) -> PersiDict[str]:
    """Where the bonds are kept of what a data cache has of a store.

    Bonds name two etags, and must not live longer than either is unique, nor
    be read by those who have another data cache.
    """
    kind = type(data_cache)
    params = data_cache.get_params()
    if _is_file_dir_dict(data_cache):
        # What a power cut takes of them is read from the store again.
        params["durability"] = "none"
    if (
        type(main_dict) is LocalDict  # which counts from 1 each time
        or not (kind is LocalDict or _is_file_dir_dict(data_cache))
    ):
        kind, params = LocalDict, {"serialization_format": "data"}
    params["serialization_format"] += "_bond"
    params["base_class_for_values"] = str
    return kind(**params)


def _is_file_dir_dict(store: PersiDict[Any]) -> bool:
    """Whether it is one, and of no subclass; without importing it."""
    return (
        type(store).__qualname__ == "FileDirDict"
        and type(store).__module__ == "kist.persidict.file_dir_dict"
    )


_LOCK = allocate_lock()


def _put(
    cache: PersiDict[Any], key: NonEmptySafeStrTuple, value: Any
) -> ETagIfExists | None:
    """Writes to a cache; the etag of this very write, or None."""
    if type(cache) is LocalDict or _is_file_dir_dict(cache):
        return cache.set_item_if(
            key,
            value=value,
            condition=ANY_ETAG,
            expected_etag=ITEM_NOT_AVAILABLE,
            retrieve_value=NEVER_RETRIEVE,
        ).resulting_etag
    # Another kind may say which etag the item has by now, which need not be
    # that of this write: only what is read back is known.
    with _LOCK:
        cache[key] = value
        found = cache.get_with_etag(key)
    if same_value(found.new_value, value):
        return found.resulting_etag
    return None
