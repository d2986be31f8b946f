"""The digest behind each component of a file's name.

File systems that fold case would let "abc" and "ABC" meet; their digests
differ: abc_saav, ABC_sazf.  A component's suffix is "_" and the first
`digest_len` characters of the base 32 (RFC 4648, in lower case) of the MD5 of
its UTF-8.
"""

from __future__ import annotations

from kist.persidict.safe_str_tuple import SafeStrTuple

__all__ = ["sign_safe_str_tuple", "unsign_safe_str_tuple"]


def _suffix(text: str, digest_len: int) -> str:
    import base64
    import hashlib

    if digest_len == 0:
        return ""
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return "_" + base64.b32encode(digest).decode().lower()[:digest_len]


def _is_signed(text: str, digest_len: int) -> bool:
    """Whether the last characters are the suffix of those before."""
    if digest_len == 0 or len(text) <= digest_len + 1:
        return False
    return text.endswith(_suffix(text[: -(digest_len + 1)], digest_len))


def _check_len(digest_len: int) -> None:
    if not isinstance(digest_len, int):
        raise TypeError(f"digest_len must be int, got {type(digest_len)}")
    if digest_len < 0:
        raise ValueError(f"digest_len must be >= 0, got {digest_len}")


def sign_safe_str_tuple(
    str_seq: SafeStrTuple, digest_len: int
) -> SafeStrTuple:
    """`str_seq` with the suffix behind each component that has none yet.

    TypeError or ValueError for a `digest_len` that is no int or negative;
    ValueError if a component gets too long.
    """
    _check_len(digest_len)
    return SafeStrTuple(
        *(
            text
            if _is_signed(text, digest_len)
            else text + _suffix(text, digest_len)
            for text in SafeStrTuple(str_seq)
        )
    )


def unsign_safe_str_tuple(
    str_seq: SafeStrTuple, digest_len: int
) -> SafeStrTuple:
    """`str_seq` without the suffix of each component that has it."""
    _check_len(digest_len)
    return SafeStrTuple(
        *(
            text[: -(digest_len + 1)] if _is_signed(text, digest_len) else text
            for text in SafeStrTuple(str_seq)
        )
    )
