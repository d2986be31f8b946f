"""Python's list, dict and set, kept: one crash-safe file pair, or several
collections in one.

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
    NewerError,
    NotKistError,
    PoisonedError,
    TooBigError,
    __version__,
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

__all__ = [
    "BusyError",
    "CorruptError",
    "Error",
    "FSDict",
    "FSList",
    "FSSet",
    "Kist",
    "LockedError",
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
