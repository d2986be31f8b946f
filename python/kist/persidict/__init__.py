"""Dicts that are kept: in a directory, or in memory; with one interface.

>>> from kist.persidict import LocalDict
>>> d = LocalDict()
>>> d["uk", "ada"] = {"born": 1815}
>>> d["uk", "ada"], list(d)
({'born': 1815}, [SafeStrTuple(('uk', 'ada'))])

The names and modules are those of the package persidict, and the directories
are too: both may work on one at the same time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kist._core import __version__
    from kist.persidict.cached_appendonly_dict import AppendOnlyDictCached
    from kist.persidict.cached_mutable_dict import MutableDictCached
    from kist.persidict.empty_dict import EmptyDict
    from kist.persidict.exceptions import (
        BackendError,
        ConcurrencyConflictError,
        MutationPolicyError,
    )
    from kist.persidict.file_dir_dict import FileDirDict
    from kist.persidict.jokers_and_status_flags import (
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
        AlwaysRetrieveFlag,
        AnyETagFlag,
        ConditionalOperationResult,
        DeleteCurrentFlag,
        ETagConditionFlag,
        ETagHasChangedFlag,
        ETagIfExists,
        ETagIsTheSameFlag,
        ETagValue,
        IfETagChangedRetrieveFlag,
        ItemNotAvailableFlag,
        Joker,
        KeepCurrentFlag,
        NeverRetrieveFlag,
        OperationResult,
        RetrieveValueFlag,
        TransformingFunction,
        ValueNotRetrievedFlag,
        ValueType,
    )
    from kist.persidict.local_dict import LocalDict
    from kist.persidict.overlapping_multi_dict import OverlappingMultiDict
    from kist.persidict.persi_dict import (
        NonEmptyPersiDictKey,
        PersiDict,
        PersiDictKey,
    )
    from kist.persidict.safe_chars import (
        get_safe_chars,
        replace_unsafe_chars,
    )
    from kist.persidict.safe_str_tuple import (
        NonEmptySafeStrTuple,
        SafeStrTuple,
    )
    from kist.persidict.write_once_dict import WriteOnceDict

__all__ = [
    "ALWAYS_RETRIEVE",
    "ANY_ETAG",
    "DELETE_CURRENT",
    "ETAG_HAS_CHANGED",
    "ETAG_IS_THE_SAME",
    "IF_ETAG_CHANGED",
    "ITEM_NOT_AVAILABLE",
    "KEEP_CURRENT",
    "NEVER_RETRIEVE",
    "VALUE_NOT_RETRIEVED",
    "AlwaysRetrieveFlag",
    "AnyETagFlag",
    "AppendOnlyDictCached",
    "BackendError",
    "ConcurrencyConflictError",
    "ConditionalOperationResult",
    "DeleteCurrentFlag",
    "ETagConditionFlag",
    "ETagHasChangedFlag",
    "ETagIfExists",
    "ETagIsTheSameFlag",
    "ETagValue",
    "EmptyDict",
    "FileDirDict",
    "IfETagChangedRetrieveFlag",
    "ItemNotAvailableFlag",
    "Joker",
    "KeepCurrentFlag",
    "LocalDict",
    "MutableDictCached",
    "MutationPolicyError",
    "NeverRetrieveFlag",
    "NonEmptyPersiDictKey",
    "NonEmptySafeStrTuple",
    "OperationResult",
    "OverlappingMultiDict",
    "PersiDict",
    "PersiDictKey",
    "RetrieveValueFlag",
    "SafeStrTuple",
    "TransformingFunction",
    "ValueNotRetrievedFlag",
    "ValueType",
    "WriteOnceDict",
    "__version__",
    "get_safe_chars",
    "replace_unsafe_chars",
]

# Each module with the names that are asked of it; loaded when first used.
_PLACES = {
    "kist._core": ("__version__",),
    "kist.persidict.cached_appendonly_dict": ("AppendOnlyDictCached",),
    "kist.persidict.cached_mutable_dict": ("MutableDictCached",),
    "kist.persidict.empty_dict": ("EmptyDict",),
    "kist.persidict.exceptions": (
        "BackendError",
        "ConcurrencyConflictError",
        "MutationPolicyError",
    ),
    "kist.persidict.file_dir_dict": ("FileDirDict",),
    "kist.persidict.local_dict": ("LocalDict",),
    "kist.persidict.overlapping_multi_dict": ("OverlappingMultiDict",),
    "kist.persidict.persi_dict": (
        "NonEmptyPersiDictKey",
        "PersiDict",
        "PersiDictKey",
    ),
    "kist.persidict.safe_chars": (
        "SAFE_CHARS_SET",
        "SAFE_STRING_MAX_LENGTH",
        "contains_unsafe_chars",
        "get_safe_chars",
        "replace_unsafe_chars",
    ),
    "kist.persidict.safe_str_tuple": ("NonEmptySafeStrTuple", "SafeStrTuple"),
    "kist.persidict.write_once_dict": ("WriteOnceDict",),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> object:
    place = _PLACE_OF.get(name)
    if place is None and name in __all__:
        place = "kist.persidict.jokers_and_status_flags"
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(place), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PLACE_OF})
