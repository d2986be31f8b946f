"""Keys of stores: tuples of safe strings."""

from __future__ import annotations

from collections.abc import Sequence

from kist._core import NonEmptySafeStrTuple, SafeStrTuple
from kist.persidict.safe_chars import SAFE_CHARS_SET, SAFE_STRING_MAX_LENGTH

__all__ = [
    "SAFE_CHARS_SET",
    "SAFE_STRING_MAX_LENGTH",
    "NonEmptySafeStrTuple",
    "SafeStrTuple",
]

Sequence.register(SafeStrTuple)
