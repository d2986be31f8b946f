"""Flags, and what conditional operations answer.

A flag is the only object of its class: to make one gives the same one, and
so does a pickle of it or a copy.
"""

from __future__ import annotations

from typing import (
    Any,
    Final,
    NewType,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    Union,
    runtime_checkable,
)

from kist._core import (
    ConditionalOperationResult,
    OperationResult,
    _store_register,
)
from kist.persidict._params import ParameterizableMixin

__all__ = [
    "ALWAYS_RETRIEVE",
    "ANY_ETAG",
    "CONTINUE_NORMAL_EXECUTION",
    "DELETE_CURRENT",
    "ETAG_HAS_CHANGED",
    "ETAG_IS_THE_SAME",
    "EXECUTION_IS_COMPLETE",
    "IF_ETAG_CHANGED",
    "ITEM_NOT_AVAILABLE",
    "KEEP_CURRENT",
    "NEVER_RETRIEVE",
    "VALUE_NOT_RETRIEVED",
    "AlwaysRetrieveFlag",
    "AnyETagFlag",
    "ConditionalOperationResult",
    "ContinueNormalExecutionFlag",
    "DeleteCurrentFlag",
    "ETagConditionFlag",
    "ETagHasChangedFlag",
    "ETagIfExists",
    "ETagIsTheSameFlag",
    "ETagValue",
    "ExecutionIsCompleteFlag",
    "IfETagChangedRetrieveFlag",
    "ItemNotAvailableFlag",
    "Joker",
    "KeepCurrentFlag",
    "NeverRetrieveFlag",
    "OperationResult",
    "RetrieveValueFlag",
    "StatusFlag",
    "TransformingFunction",
    "ValueNotRetrievedFlag",
    "ValueType",
]

ValueType = TypeVar("ValueType")

ETagValue = NewType("ETagValue", str)
"""A short text that each write of an item changes."""


class _Singleton(ParameterizableMixin):
    """One object per class."""

    _instance: Any = None

    def __new__(cls) -> Self:
        found = cls.__dict__.get("_instance")
        if found is None:
            found = super().__new__(cls)
            cls._instance = found
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.get_params()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class Joker(_Singleton):
    """A command given in the place of a value."""


class KeepCurrentFlag(Joker):
    """Leave the value as it is."""


class DeleteCurrentFlag(Joker):
    """Delete the item."""


class StatusFlag(_Singleton):
    """What _process_setitem_args() answers."""


class ContinueNormalExecutionFlag(StatusFlag):
    """The value is to be written."""


class ExecutionIsCompleteFlag(StatusFlag):
    """The value was a Joker, and nothing is left to do."""


class ETagConditionFlag(_Singleton):
    """When a conditional operation acts."""


class AnyETagFlag(ETagConditionFlag):
    """Always."""


class ETagIsTheSameFlag(ETagConditionFlag):
    """If the item's etag is the expected one."""


class ETagHasChangedFlag(ETagConditionFlag):
    """If the item's etag is not the expected one."""


class RetrieveValueFlag(_Singleton):
    """Whether a conditional operation reads the value that is there."""


class AlwaysRetrieveFlag(RetrieveValueFlag):
    """Read it."""


class NeverRetrieveFlag(RetrieveValueFlag):
    """Do not read it."""


class IfETagChangedRetrieveFlag(RetrieveValueFlag):
    """Read it if its etag is not the expected one."""


class ItemNotAvailableFlag(_Singleton):
    """In the place of an etag or value: there is no such item."""


class ValueNotRetrievedFlag(_Singleton):
    """In the place of a value: there is one, and it was not read."""


KEEP_CURRENT: Final = KeepCurrentFlag()
DELETE_CURRENT: Final = DeleteCurrentFlag()
CONTINUE_NORMAL_EXECUTION: Final = ContinueNormalExecutionFlag()
EXECUTION_IS_COMPLETE: Final = ExecutionIsCompleteFlag()
ANY_ETAG: Final = AnyETagFlag()
ETAG_IS_THE_SAME: Final = ETagIsTheSameFlag()
ETAG_HAS_CHANGED: Final = ETagHasChangedFlag()
ALWAYS_RETRIEVE: Final = AlwaysRetrieveFlag()
NEVER_RETRIEVE: Final = NeverRetrieveFlag()
IF_ETAG_CHANGED: Final = IfETagChangedRetrieveFlag()
ITEM_NOT_AVAILABLE: Final = ItemNotAvailableFlag()
VALUE_NOT_RETRIEVED: Final = ValueNotRetrievedFlag()

for _name in (
    "KEEP_CURRENT",
    "DELETE_CURRENT",
    "ANY_ETAG",
    "ETAG_IS_THE_SAME",
    "ETAG_HAS_CHANGED",
    "ALWAYS_RETRIEVE",
    "NEVER_RETRIEVE",
    "IF_ETAG_CHANGED",
    "ITEM_NOT_AVAILABLE",
    "VALUE_NOT_RETRIEVED",
    "Joker",
    "RetrieveValueFlag",
):
    _store_register(_name, globals()[_name])

ETagIfExists: TypeAlias = Union[ETagValue, ItemNotAvailableFlag]  # noqa: UP007


@runtime_checkable
class TransformingFunction(Protocol[ValueType]):
    """What transform_item() calls: from the value now to the value then.

    It is given ITEM_NOT_AVAILABLE if there is no item, and may answer
    KEEP_CURRENT or DELETE_CURRENT.  It may be called more than once.
    """

    def __call__(
        self, current_value: ValueType | ItemNotAvailableFlag, /
    ) -> ValueType | Joker: ...


# The results are C types.  What makes a frozen dataclass of them is made when
# it is asked for: importing dataclasses takes as long as all the rest.


class _Later:
    """An attribute of a result type that `dataclasses` made of its twin."""

    def __init__(self, name: str, types: dict[str, Any]) -> None:
        self.name = name
        self.types = types

    def __set_name__(self, owner: type, name: str) -> None:
        self.attribute = name

    def __get__(self, instance: object, owner: type) -> Any:
        from dataclasses import make_dataclass

        twin = make_dataclass(self.name, self.types.items(), frozen=True)
        return getattr(twin, self.attribute)


def _as_dataclass(result: type, types: dict[str, Any]) -> None:
    kind: Any = result
    kind.__annotations__ = types
    setattr(kind, "__match_args__", tuple(types))  # noqa: B010
    kind.__parameters__ = (ValueType,)
    for attribute in ("__dataclass_fields__", "__dataclass_params__"):
        later = _Later(result.__name__, types)
        later.__set_name__(result, attribute)
        setattr(kind, attribute, later)


_as_dataclass(
    ConditionalOperationResult,
    {
        "condition_was_satisfied": bool,
        "actual_etag": ETagIfExists,
        "resulting_etag": ETagIfExists,
        "new_value": Union[  # noqa: UP007
            ValueType, ItemNotAvailableFlag, ValueNotRetrievedFlag
        ],
    },
)
_as_dataclass(
    OperationResult,
    {
        "resulting_etag": ETagIfExists,
        "new_value": Union[ValueType, ItemNotAvailableFlag],  # noqa: UP007
    },
)
