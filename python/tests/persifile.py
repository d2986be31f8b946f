"""What the tests of FileDirDict share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kist.persidict.file_dir_dict import FileDirDict
from kist.persidict.jokers_and_status_flags import ITEM_NOT_AVAILABLE

FORMATS = ["pkl", "json", "kist", "txt"]
NA: Any = ITEM_NOT_AVAILABLE


def make(path: Path | str, **options: Any) -> FileDirDict[Any]:
    """A FileDirDict at `path`."""
    if options.get("serialization_format") == "txt":
        options.setdefault("base_class_for_values", str)
    return FileDirDict(base_dir=str(path), **options)


def files(path: Path | str) -> list[str]:
    """All files below `path`, by their path from there."""
    return sorted(
        os.path.relpath(os.path.join(folder, name), path)
        for folder, _, names in os.walk(path)
        for name in names
    )
