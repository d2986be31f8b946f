"""A fixture for pytest: pytest_plugins = ["kist.memfs._pytest_plugin"]."""

import pytest

from kist._core import MemoryFileSystem


@pytest.fixture
def mfs() -> MemoryFileSystem:
    """A file system of 1 MiB for each test."""
    return MemoryFileSystem(max_quota=1 << 20)
