"""What the tests of saving and loading share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kist import MemoryFileSystem


def unchanged(
    kind: type[BaseException],
    match: str,
    call: Callable[..., Any],
    fs: MemoryFileSystem,
    *args: Any,
) -> Any:
    """call(fs, ...) raises, and leaves everything as it was."""
    before = (fs.export_tree(), fs.glob("/**"), fs.stats())
    with pytest.raises(kind, match=match) as error:
        call(fs, *args)
    assert (fs.export_tree(), fs.glob("/**"), fs.stats()) == before
    return error.value
