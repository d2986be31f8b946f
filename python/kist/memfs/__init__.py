"""A file system in memory, under a hard quota.

>>> from kist.memfs import MemoryFileSystem
>>> fs = MemoryFileSystem(max_quota=64 << 20)
>>> fs.mkdir("/a/b")
>>> with fs.open("/a/b/c", "wb") as file:
...     file.write(b"hello")
5
>>> fs.listdir("/a/b")
['c']
"""

from kist._core import (
    MemoryFileHandle,
    MemoryFileSystem,
    MFSNodeLimitExceededError,
    MFSQuotaExceededError,
    MFSTextHandle,
    __version__,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kist.memfs._async import AsyncMemoryFileHandle, AsyncMemoryFileSystem
    from kist.memfs._types import MFSStatResult, MFSStats

__all__ = [
    "AsyncMemoryFileHandle",
    "AsyncMemoryFileSystem",
    "MFSNodeLimitExceededError",
    "MFSQuotaExceededError",
    "MFSStatResult",
    "MFSStats",
    "MFSTextHandle",
    "MemoryFileHandle",
    "MemoryFileSystem",
    "__version__",
]

# Where the names are that need asyncio or typing, which cost 20 ms to load.
_LAZY = {
    "AsyncMemoryFileHandle": "kist.memfs._async",
    "AsyncMemoryFileSystem": "kist.memfs._async",
    "MFSStatResult": "kist.memfs._types",
    "MFSStats": "kist.memfs._types",
}


def __getattr__(name: str) -> object:
    place = _LAZY.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(place), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
