"""The characters that a key of a store may have."""

from __future__ import annotations

from typing import Final

__all__ = [
    "SAFE_CHARS_SET",
    "SAFE_STRING_MAX_LENGTH",
    "contains_unsafe_chars",
    "get_safe_chars",
    "replace_unsafe_chars",
]

SAFE_CHARS_SET: Final[set[str]] = set(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789()_-~.="
)
"""ASCII letters and digits, and ``( ) _ - ~ . =``."""

SAFE_STRING_MAX_LENGTH: Final = 254
"""A component of a key is shorter than this, in characters."""


def get_safe_chars() -> set[str]:
    """A new set of the characters that a key may have."""
    return set(SAFE_CHARS_SET)


def replace_unsafe_chars(a_str: str, replace_with: str) -> str:
    """`a_str` with `replace_with` for each character that is not safe."""
    return "".join(c if c in SAFE_CHARS_SET else replace_with for c in a_str)


def contains_unsafe_chars(a_str: str) -> bool:
    """Whether any character of `a_str` is not safe."""
    return any(c not in SAFE_CHARS_SET for c in a_str)
