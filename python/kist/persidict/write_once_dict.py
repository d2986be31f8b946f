"""A store whose items are written once, and checked when written again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

from kist._core import NonEmptySafeStrTuple
from kist.persidict._same import same_value
from kist.persidict.exceptions import MutationPolicyError
from kist.persidict.jokers_and_status_flags import (
    ALWAYS_RETRIEVE,
    ANY_ETAG,
    EXECUTION_IS_COMPLETE,
    IF_ETAG_CHANGED,
    ITEM_NOT_AVAILABLE,
    NEVER_RETRIEVE,
    ConditionalOperationResult,
    ETagConditionFlag,
    ETagIfExists,
    ETagValue,
    Joker,
    KeepCurrentFlag,
    RetrieveValueFlag,
    ValueType,
)
from kist.persidict.persi_dict import (
    NonEmptyPersiDictKey,
    PersiDict,
    PersiDictKey,
)

__all__ = ["WriteOnceDict"]


class WriteOnceDict(PersiDict[ValueType]):
    """A store over an append-only one, in which a second write is no write.

    wrapped_dict: the append-only store; None: FileDirDict(append_only=True).
    p_consistency_checks: how likely a value written again is compared with
    the one that is there, 0 to 1; None: 0.  MutationPolicyError if they
    differ.
    """

    _wrapped_dict: PersiDict[ValueType]

    def __init__(
        self,
        *,
        wrapped_dict: PersiDict[ValueType] | None = None,
        p_consistency_checks: float | None = None,
    ) -> None:
        if wrapped_dict is None:
            from kist.persidict.file_dir_dict import FileDirDict

            wrapped_dict = FileDirDict(append_only=True)
        if not isinstance(wrapped_dict, PersiDict):
            raise TypeError("wrapped_dict must be a PersiDict instance")
        if not wrapped_dict.append_only:
            raise ValueError("wrapped_dict must be append-only")
        # KEEP_CURRENT keeps what there is, which is the default here.
        self._p_consistency_checks = 0.0
        self._consistency_checks_attempted = 0
        self._consistency_checks_passed = 0
        self._wrapped_dict = wrapped_dict
        self.p_consistency_checks = p_consistency_checks
        super().__init__(
            append_only=True,
            base_class_for_values=wrapped_dict.base_class_for_values,
            serialization_format=wrapped_dict.serialization_format,
        )

    def __getattr__(self, name: str) -> Any:
        # Before __init__ is done, there is nothing to ask.
        wrapped = self.__dict__.get("_wrapped_dict")
        if wrapped is None:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            )
        return getattr(wrapped, name)

    # --- checks ------------------------------------------------------------

    @property
    def p_consistency_checks(self) -> float:
        """How likely a value that is written again is compared."""
        return self._p_consistency_checks

    @p_consistency_checks.setter
    def p_consistency_checks(
        self, value: float | KeepCurrentFlag | None
    ) -> None:
        if isinstance(value, KeepCurrentFlag):
            return
        if value is None:
            value = 0.0
        if not 0 <= value <= 1:
            raise ValueError(
                f"p_consistency_checks must be in [0, 1], got {value}."
            )
        self._p_consistency_checks = value

    @property
    def consistency_checks_attempted(self) -> int:
        """How many values were compared."""
        return self._consistency_checks_attempted

    @property
    def consistency_checks_passed(self) -> int:
        """How many of them were equal."""
        return self._consistency_checks_passed

    @property
    def consistency_checks_failed(self) -> int:
        """How many of them were not."""
        return (
            self._consistency_checks_attempted
            - self._consistency_checks_passed
        )

    def _do_consistency_check(self, new_value: Any, stored_value: Any) -> None:
        self._consistency_checks_attempted += 1
        if not same_value(new_value, stored_value):
            raise MutationPolicyError("write-once")
        self._consistency_checks_passed += 1

    def _is_checked(self) -> bool:
        """Whether this write is one of those that are checked."""
        import random

        return random.random() < self._p_consistency_checks

    # --- items -------------------------------------------------------------

    def __contains__(self, key: object) -> bool:
        return key in self._wrapped_dict

    def __getitem__(self, key: NonEmptyPersiDictKey) -> ValueType:
        return self._wrapped_dict[key]

    def __setitem__(
        self, key: NonEmptyPersiDictKey, value: ValueType | Joker
    ) -> None:
        if self._process_setitem_args(key, value) is EXECUTION_IS_COMPLETE:
            return
        name = NonEmptySafeStrTuple(key)
        always = self._p_consistency_checks >= 1
        result = self._wrapped_dict.setdefault_if(
            name,
            default_value=value,  # type: ignore[arg-type]
            condition=ANY_ETAG,
            expected_etag=ITEM_NOT_AVAILABLE,
            retrieve_value=ALWAYS_RETRIEVE if always else NEVER_RETRIEVE,
        )
        if result.value_was_mutated:
            return
        if always:
            self._do_consistency_check(value, result.new_value)
        elif self._p_consistency_checks > 0 and self._is_checked():
            self._do_consistency_check(value, self._wrapped_dict[name])

    def __delitem__(self, key: NonEmptyPersiDictKey) -> NoReturn:
        raise MutationPolicyError("write-once")

    def set_item_if(
        self,
        key: NonEmptyPersiDictKey,
        *,
        value: ValueType | Joker,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
        retrieve_value: RetrieveValueFlag = IF_ETAG_CHANGED,
    ) -> NoReturn:
        """MutationPolicyError, always."""
        raise MutationPolicyError("write-once")

    def get_item_if(
        self,
        key: NonEmptyPersiDictKey,
        *,
        condition: ETagConditionFlag,
        expected_etag: ETagIfExists,
        retrieve_value: RetrieveValueFlag = IF_ETAG_CHANGED,
    ) -> ConditionalOperationResult[ValueType]:
        return self._wrapped_dict.get_item_if(
            key,
            condition=condition,
            expected_etag=expected_etag,
            retrieve_value=retrieve_value,
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
        return self._wrapped_dict.setdefault_if(
            key,
            default_value=default_value,
            condition=condition,
            expected_etag=expected_etag,
            retrieve_value=retrieve_value,
        )

    def etag(self, key: NonEmptyPersiDictKey) -> ETagValue:
        """The etag of the wrapped store."""
        return self._wrapped_dict.etag(key)

    def timestamp(self, key: NonEmptyPersiDictKey) -> float:
        return self._wrapped_dict.timestamp(key)

    # --- all items ---------------------------------------------------------

    def __len__(self) -> int:
        return len(self._wrapped_dict)

    def __bool__(self) -> bool:
        return bool(self._wrapped_dict)

    def _generic_iter(self, result_type: set[str]) -> Iterator[Any]:
        return self._wrapped_dict._generic_iter(result_type)

    def get_params(self) -> dict[str, Any]:
        return {
            "p_consistency_checks": self._p_consistency_checks,
            "wrapped_dict": self._wrapped_dict,
        }

    def get_subdict(
        self, prefix_key: PersiDictKey
    ) -> WriteOnceDict[ValueType]:
        """The same over the wrapped store's sub-dict."""
        return WriteOnceDict(
            wrapped_dict=self._wrapped_dict.get_subdict(prefix_key),
            p_consistency_checks=self._p_consistency_checks,
        )
