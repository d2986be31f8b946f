"""Whether two values would be kept as the same data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["same_value"]

# The pairs met so far, by their ids; kept here, so that no other object gets
# the id of one that is gone.
_Met = dict[tuple[int, int], tuple[Any, Any]]

_ATOMS = frozenset((str, int, bool, bytes, type(None)))


def same_value(left: Any, right: Any) -> bool:
    """Whether both are of the same types and the same content all through.

    1 and 1.0 differ, and 0.0 and -0.0; NaN is the same as NaN, and the order
    of dicts and sets does not count.  Objects are compared by what pickle
    would keep of them; those that it cannot keep, by ``==``.
    """
    return _same(left, right, {})


def _same(left: Any, right: Any, met: _Met) -> bool:
    if left is right:
        return True
    kind = type(left)
    if kind is not type(right):
        return False
    if kind in _ATOMS:
        return bool(left == right)
    if kind is float:
        return bool(left.hex() == right.hex())
    # What is within itself is met again, as part of the same pair.
    pair = id(left), id(right)
    if pair in met:
        return True
    met[pair] = left, right
    if kind in (list, tuple):
        return _same_row(left, right, met)
    if kind is dict:
        return _same_dict(left, right, met)
    if kind in (set, frozenset):
        return _same_dict(
            dict.fromkeys(left, True), dict.fromkeys(right, True), met
        )
    return _same_object(left, right, met)


def _same_row(left: Any, right: Any, met: _Met) -> bool:
    return len(left) == len(right) and all(
        _same(x, y, met) for x, y in zip(left, right, strict=True)
    )


def _same_dict(left: dict[Any, Any], right: dict[Any, Any], met: _Met) -> bool:
    if len(left) != len(right):
        return False
    keys = {key: key for key in right}
    return all(
        key in keys
        and _same(key, keys[key], met)
        and _same(value, right[key], met)
        for key, value in left.items()
    )


def _same_object(left: Any, right: Any, met: _Met) -> bool:
    try:
        mine, theirs = left.__reduce_ex__(4), right.__reduce_ex__(4)
    except Exception:  # noqa: BLE001 - whatever an object says to pickle
        return bool(left == right)
    if isinstance(mine, str) or isinstance(theirs, str):
        return False  # names of globals: the same one would be one object
    return _same_row(_parts(mine), _parts(theirs), met)


def _parts(reduced: tuple[Any, ...]) -> list[Any]:
    """What __reduce_ex__() gave, with its iterators walked over."""
    return [
        list(part) if isinstance(part, Iterator) else part for part in reduced
    ]
