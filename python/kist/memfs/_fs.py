"""MemoryFileSystem, under the name that D-MemFS has for its module."""

from kist._core import MemoryFileSystem

__all__ = ["MemoryFileSystem"]
