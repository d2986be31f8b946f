"""What the model of a file system is made of: nodes, paths, refusals."""

from __future__ import annotations

import fnmatch
import operator
from typing import Any

MODES = ("rb", "wb", "ab", "r+b", "xb")
HARD_LIMIT = 512 << 20
INT64_MAX = 2**63 - 1

Parts = tuple[str, ...]


class MFSQuotaExceededError(OSError):
    """More bytes were asked for than the quota has left."""

    def __init__(self, requested: int, available: int) -> None:
        super().__init__(
            f"MFS quota exceeded: requested {requested} bytes, "
            f"only {available} bytes available."
        )
        self.requested = requested
        self.available = available

    def __reduce__(self) -> Any:
        return type(self), (self.requested, self.available)


class MFSNodeLimitExceededError(MFSQuotaExceededError):
    """One more file or directory than max_nodes was asked for."""

    def __init__(self, current: int, limit: int) -> None:
        OSError.__init__(
            self,
            f"MFS node limit exceeded: current {current} nodes, "
            f"limit is {limit}.",
        )
        self.current = current
        self.limit = limit
        self.requested = current + 1
        self.available = limit - current

    def __reduce__(self) -> Any:
        return type(self), (self.current, self.limit)


class Node:
    """What files and directories share; `alive` while it is in the tree."""

    def __init__(self, now: float) -> None:
        self.created = now
        self.modified = now
        self.alive = True


class Directory(Node):
    """Names and nodes, in the order in which they came."""

    def __init__(self, now: float) -> None:
        super().__init__(now)
        self.children: dict[str, Node] = {}


class File(Node):
    """Bytes; `chunks` is None once the file is stored for random access."""

    def __init__(self, now: float, storage: str) -> None:
        super().__init__(now)
        self.data = b""
        self.chunks: int | None = None if storage == "random_access" else 0
        self.generation = 0
        self.readers = 0
        self.writer = False

    @property
    def is_open(self) -> bool:
        """Somebody has a handle of it."""
        return self.writer or self.readers > 0

    def fill(self, data: bytes) -> None:
        """The content at birth: one chunk, or none if there is nothing."""
        self.data = data
        if self.chunks is not None:
            self.chunks = 1 if data else 0


def split(path: Any) -> Parts:
    """The names on the way from the root; ValueError above the root."""
    if not isinstance(path, str):
        raise TypeError(f"path must be str, not {type(path).__name__}")
    parts: list[str] = []
    for part in path.replace("\\", "/").split("/"):
        if part == "..":
            if not parts:
                raise ValueError(f"Path traversal attempt detected: '{path}'")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return tuple(parts)


def text(parts: Parts) -> str:
    """The absolute path."""
    return "/" + "/".join(parts)


def whole(value: Any) -> int:
    """An int that fits 64 bits; TypeError, OverflowError if it is not."""
    number = operator.index(value)
    if not -INT64_MAX - 1 <= number <= INT64_MAX:
        raise OverflowError("int too large")
    return number


def matches(parts: Parts, pattern: Parts) -> bool:
    """`parts` fits the pattern, both as lists of names."""
    ends = {0}  # how many of the parts the pattern so far can stand for
    for i, wanted in enumerate(pattern):
        if wanted != "**":
            ends = {
                n + 1
                for n in ends
                if n < len(parts) and fnmatch.fnmatchcase(parts[n], wanted)
            }
        elif ends:
            last = i == len(pattern) - 1
            ends = set(range(min(ends) + last, len(parts) + 1))
    return len(parts) in ends
