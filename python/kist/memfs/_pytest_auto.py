"""The fixture that pytest finds by itself where kist is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kist.memfs import MemoryFileSystem


@pytest.fixture
def kist_mfs() -> MemoryFileSystem:
    """A kist.memfs.MemoryFileSystem of 1 MiB for each test."""
    from kist.memfs import MemoryFileSystem

    return MemoryFileSystem(max_quota=1 << 20)
