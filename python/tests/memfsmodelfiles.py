"""The open files of the model of a file system, and text over them."""

from __future__ import annotations

import codecs
import io
import itertools
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from memfsmodelbase import (
    File,
    whole,
)

if TYPE_CHECKING:
    from memfsmodel import MemoryFileSystem


class MemoryFileHandle(io.RawIOBase):
    """A cursor in a file; holds the file's lock until it is closed."""

    def __init__(self, fs: MemoryFileSystem, file: File, mode: str) -> None:
        self._fs = fs
        self._file = file
        self._mode = mode
        self._cursor = len(file.data) if mode == "ab" else 0

    def _check(self, direction: str = "") -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        reads = self._mode in ("rb", "r+b")
        writes = self._mode != "rb"
        if (direction == "readable" and not reads) or (
            direction == "writable" and not writes
        ):
            raise io.UnsupportedOperation(
                f"not {direction} in mode '{self._mode}'"
            )

    def read(self, size: int = -1) -> bytes:
        """From the cursor on."""
        self._check("readable")
        count = whole(size)
        data = self._file.data[self._cursor :]
        if count >= 0:
            data = data[:count]
        self._cursor += len(data)
        return data

    def readline(self, size: int | None = -1) -> bytes:
        """As any raw stream; size 0 is no way around the mode."""
        self._check("readable")
        return super().readline(size)

    def readinto(self, b: Any) -> int:
        """As read, into a buffer."""
        self._check("readable")
        view = memoryview(b).cast("B")
        if view.readonly:
            raise TypeError("cannot modify read-only memory")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        """At the cursor; in "ab" the cursor goes to the end first."""
        self._check("writable")
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError("a bytes-like object is required")
        new = bytes(data)
        if self._mode == "ab":
            self._cursor = len(self._file.data)
        self._fs.write_at(self._file, self._cursor, new)
        self._cursor += len(new)
        return len(new)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Sets the cursor, also past the end."""
        self._check()
        offset, whence = whole(offset), whole(whence)
        if whence == 0:
            if offset < 0:
                raise ValueError("seek offset must be >= 0 for SEEK_SET")
            target = offset
        elif whence == 1:
            target = self._cursor + offset
        elif whence == 2:
            if offset > 0:
                raise ValueError(
                    "Seeking past end-of-file (SEEK_END with positive "
                    "offset) is not supported in MFS."
                )
            target = len(self._file.data) + offset
        else:
            raise ValueError(
                f"Invalid whence value: {whence}. Must be 0, 1, or 2."
            )
        if target < 0:
            raise ValueError(
                f"Resulting cursor position {target} is negative."
            )
        self._cursor = whole(target)
        return target

    def tell(self) -> int:
        """The cursor."""
        self._check()
        return self._cursor

    def truncate(self, size: int | None = None) -> int:
        """Sets the size; a cursor past it comes back to it."""
        self._check("writable")
        target = self._cursor if size is None else whole(size)
        if target < 0:
            raise ValueError("truncate size must be >= 0")
        before = len(self._file.data)
        self._fs.resize(self._file, target)
        if target != before:
            self._fs.touch(self._file)
        self._cursor = min(self._cursor, target)
        return target

    def flush(self) -> None:
        """Nothing is ever held back."""
        self._check()

    def readable(self) -> bool:
        """The mode reads."""
        self._check()
        return self._mode in ("rb", "r+b")

    def writable(self) -> bool:
        """The mode writes."""
        self._check()
        return self._mode != "rb"

    def seekable(self) -> bool:
        """Always."""
        self._check()
        return True

    def __enter__(self) -> Self:
        return self

    def close(self) -> None:
        """Gives the lock back."""
        if self.closed:
            return
        super().close()
        if self._mode == "rb":
            self._file.readers -= 1
        else:
            self._file.writer = False

    def __getstate__(self) -> Any:
        raise TypeError("a handle cannot be copied or pickled")

    def __del__(self) -> None:
        if not self.closed:
            warnings.warn(
                "MFS MemoryFileHandle was not closed properly.",
                ResourceWarning,
                stacklevel=2,
            )
            self.close()


class MFSTextHandle:
    """Text over a handle, read a byte at a time, as far as is needed."""

    def __init__(
        self,
        handle: MemoryFileHandle,
        encoding: str = "utf-8",
        errors: str = "strict",
    ) -> None:
        self._handle = handle
        self.encoding = encoding
        self.errors = errors
        self._back = ""
        self._decoder: codecs.IncrementalDecoder | None = None

    def _decode(self, data: bytes) -> str:
        """The next characters; no data is the end of the file."""
        if self._decoder is None:
            make = codecs.getincrementaldecoder(self.encoding)
            self._decoder = make(self.errors)
        text = self._decoder.decode(data, final=not data)
        if not data:
            self._decoder.reset()
        return text

    def _characters(self) -> Iterator[str]:
        """One after the other; what nobody takes is kept in _back."""
        while True:
            while not self._back:
                byte = self._handle.read(1)
                self._back = self._decode(byte)
                if not byte:
                    break
            if not self._back:
                return
            one, self._back = self._back[0], self._back[1:]
            yield one

    def write(self, text: str) -> int:
        """The number of characters."""
        self._handle.write(text.encode(self.encoding, self.errors))
        return len(text)

    def read(self, size: int = -1) -> str:
        """So many characters, or all."""
        if size < 0:
            data = self._handle.read()
            rest = (self._decode(data) if data else "") + self._decode(b"")
            rest, self._back = self._back + rest, ""
            return rest
        return "".join(itertools.islice(self._characters(), size))

    def readline(self, limit: int = -1) -> str:
        """To a line end, which may be a carriage return."""
        line = ""
        characters = self._characters()
        while limit < 0 or len(line) < limit:
            one = next(characters, "")
            line += one
            if one == "\r":
                return line + self._newline(characters)
            if one in ("", "\n"):
                break
        return line

    def _newline(self, characters: Iterator[str]) -> str:
        """The next character if it is that, else nothing is read."""
        assert self._decoder is not None
        ahead = self._back
        position = self._handle.tell()
        state = self._decoder.getstate()
        if next(characters, "") == "\n":
            return "\n"
        self._back = ahead
        self._handle.seek(position)
        self._decoder.setstate(state)
        return ""

    def __iter__(self) -> MFSTextHandle:
        return self

    def __next__(self) -> str:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Does not close the handle."""
