"""Python's list, dict and set, kept: one crash-safe file pair, or several
collections in one.  And a file system in memory: see kist.memfs.

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

_LAZY = (
    "AsyncMemoryFileHandle",
    "AsyncMemoryFileSystem",
    "MFSStatResult",
    "MFSStats",
)


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import kist.memfs

    value = getattr(kist.memfs, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


__all__ = [
    "AsyncMemoryFileHandle",
    "AsyncMemoryFileSystem",
    "BusyError",
    "CorruptError",
    "Error",
    "FSDict",
    "FSList",
    "FSSet",
    "Kist",
    "LockedError",
    "MFSNodeLimitExceededError",
    "MFSQuotaExceededError",
    "MFSStatResult",
    "MFSStats",
    "MFSTextHandle",
    "MemoryFileHandle",
    "MemoryFileSystem",
    "NewerError",
    "NotKistError",
    "PoisonedError",
    "TooBigError",
    "__version__",
    "fsdict",
    "fslist",
    "fsset",
    "open",
]
