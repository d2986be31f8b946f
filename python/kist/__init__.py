"""Python's list, dict and set, kept: one crash-safe file pair, or several
collections in one.  Dicts over directories, for many machines: see
kist.persidict and kist.nfsdict.  And a file system in memory: see kist.memfs.

>>> from kist import fsdict
>>> with fsdict() as d:  # with a path it stays: fsdict("people")
...     d["ada"] = {"born": 1815}
...     d["ada"]
{'born': 1815}
"""

from _collections_abc import (
    ItemsView,
    KeysView,
    MutableMapping,
    MutableSequence,
    MutableSet,
    ValuesView,
)
from io import RawIOBase

from kist._core import (
    BusyError,
    CorruptError,
    Error,
    FSDict,
    FSDict_items,
    FSDict_keys,
    FSDict_values,
    FSList,
    FSSet,
    Kist,
    LockedError,
    MemoryFileHandle,
    MemoryFileSystem,
    MFSNodeLimitExceededError,
    MFSQuotaExceededError,
    MFSTextHandle,
    NewerError,
    NotKistError,
    PoisonedError,
    TooBigError,
    __version__,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kist.memfs import (
        AsyncMemoryFileHandle,
        AsyncMemoryFileSystem,
        MFSStatResult,
        MFSStats,
    )
    from kist.nfsdict import NfsDict
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
        AlwaysRetrieveFlag,
        AnyETagFlag,
        AppendOnlyDictCached,
        BackendError,
        ConcurrencyConflictError,
        ConditionalOperationResult,
        DeleteCurrentFlag,
        ETagConditionFlag,
        ETagHasChangedFlag,
        ETagIfExists,
        ETagIsTheSameFlag,
        ETagValue,
        EmptyDict,
        FileDirDict,
        IfETagChangedRetrieveFlag,
        ItemNotAvailableFlag,
        Joker,
        KeepCurrentFlag,
        LocalDict,
        MutableDictCached,
        MutationPolicyError,
        NeverRetrieveFlag,
        NonEmptyPersiDictKey,
        NonEmptySafeStrTuple,
        OperationResult,
        OverlappingMultiDict,
        PersiDict,
        PersiDictKey,
        RetrieveValueFlag,
        SafeStrTuple,
        TransformingFunction,
        ValueNotRetrievedFlag,
        ValueType,
        WriteOnceDict,
        get_safe_chars,
        replace_unsafe_chars,
    )

fslist = FSList
fsdict = FSDict
fsset = FSSet
open = Kist

MutableSequence.register(FSList)
MutableMapping.register(FSDict)
MutableSet.register(FSSet)
KeysView.register(FSDict_keys)
ValuesView.register(FSDict_values)
ItemsView.register(FSDict_items)
RawIOBase.register(MemoryFileHandle)

# What is imported when it is first asked for, and from where.
_LAZY = {
    "kist.memfs": (
        "AsyncMemoryFileHandle",
        "AsyncMemoryFileSystem",
        "MFSStatResult",
        "MFSStats",
    ),
    "kist.nfsdict": ("NfsDict",),
    "kist.persidict": (
        "ALWAYS_RETRIEVE",
        "ANY_ETAG",
        "AlwaysRetrieveFlag",
        "AnyETagFlag",
        "AppendOnlyDictCached",
        "BackendError",
        "ConcurrencyConflictError",
        "ConditionalOperationResult",
        "DELETE_CURRENT",
        "DeleteCurrentFlag",
        "ETAG_HAS_CHANGED",
        "ETAG_IS_THE_SAME",
        "ETagConditionFlag",
        "ETagHasChangedFlag",
        "ETagIfExists",
        "ETagIsTheSameFlag",
        "ETagValue",
        "EmptyDict",
        "FileDirDict",
        "IF_ETAG_CHANGED",
        "ITEM_NOT_AVAILABLE",
        "IfETagChangedRetrieveFlag",
        "ItemNotAvailableFlag",
        "Joker",
        "KEEP_CURRENT",
        "KeepCurrentFlag",
        "LocalDict",
        "MutableDictCached",
        "MutationPolicyError",
        "NEVER_RETRIEVE",
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
        "VALUE_NOT_RETRIEVED",
        "ValueNotRetrievedFlag",
        "ValueType",
        "WriteOnceDict",
        "get_safe_chars",
        "replace_unsafe_chars",
    ),
}
_PLACES = {name: place for place, names in _LAZY.items() for name in names}


def __getattr__(name: str) -> object:
    place = _PLACES.get(name)
    if place is None:
        place = f"kist.{name}"
        if place not in _LAZY:
            raise AttributeError(
                f"module {__name__!r} has no attribute {name!r}"
            )
    from importlib import import_module

    value: object = import_module(place)
    if name in _PLACES:
        value = getattr(value, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})


__all__ = [
    "ALWAYS_RETRIEVE",
    "ANY_ETAG",
    "AlwaysRetrieveFlag",
    "AnyETagFlag",
    "AppendOnlyDictCached",
    "AsyncMemoryFileHandle",
    "AsyncMemoryFileSystem",
    "BackendError",
    "BusyError",
    "ConcurrencyConflictError",
    "ConditionalOperationResult",
    "CorruptError",
    "DELETE_CURRENT",
    "DeleteCurrentFlag",
    "ETAG_HAS_CHANGED",
    "ETAG_IS_THE_SAME",
    "ETagConditionFlag",
    "ETagHasChangedFlag",
    "ETagIfExists",
    "ETagIsTheSameFlag",
    "ETagValue",
    "EmptyDict",
    "Error",
    "FSDict",
    "FSList",
    "FSSet",
    "FileDirDict",
    "IF_ETAG_CHANGED",
    "ITEM_NOT_AVAILABLE",
    "IfETagChangedRetrieveFlag",
    "ItemNotAvailableFlag",
    "Joker",
    "KEEP_CURRENT",
    "KeepCurrentFlag",
    "Kist",
    "LocalDict",
    "LockedError",
    "MFSNodeLimitExceededError",
    "MFSQuotaExceededError",
    "MFSStatResult",
    "MFSStats",
    "MFSTextHandle",
    "MemoryFileHandle",
    "MemoryFileSystem",
    "MutableDictCached",
    "MutationPolicyError",
    "NEVER_RETRIEVE",
    "NeverRetrieveFlag",
    "NewerError",
    "NfsDict",
    "NonEmptyPersiDictKey",
    "NonEmptySafeStrTuple",
    "NotKistError",
    "OperationResult",
    "OverlappingMultiDict",
    "PersiDict",
    "PersiDictKey",
    "PoisonedError",
    "RetrieveValueFlag",
    "SafeStrTuple",
    "TooBigError",
    "TransformingFunction",
    "VALUE_NOT_RETRIEVED",
    "ValueNotRetrievedFlag",
    "ValueType",
    "WriteOnceDict",
    "__version__",
    "fsdict",
    "fslist",
    "fsset",
    "get_safe_chars",
    "open",
    "replace_unsafe_chars",
]
