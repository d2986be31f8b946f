"""Stores for the tests of kist.persidict: one of each kind, and a user's."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

from kist.persidict import (
    AppendOnlyDictCached,
    FileDirDict,
    LocalDict,
    MutableDictCached,
    NonEmptySafeStrTuple,
    PersiDict,
)
from kist.persidict.jokers_and_status_flags import EXECUTION_IS_COMPLETE


class UserDict(PersiDict[Any]):
    """A user's subclass, with what is abstract and nothing else."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.kept: dict[NonEmptySafeStrTuple, tuple[Any, float]] = {}
        self.last = 0.0

    def __contains__(self, key: object) -> bool:
        return NonEmptySafeStrTuple(key) in self.kept

    def __getitem__(self, key: Any) -> Any:
        return copy.deepcopy(self.kept[NonEmptySafeStrTuple(key)][0])

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._process_setitem_args(key, value) is EXECUTION_IS_COMPLETE:
            return
        # Etags are timestamps of microseconds here: each write has another.
        self.last = max(time.time(), self.last + 2e-6)
        self.kept[NonEmptySafeStrTuple(key)] = (
            copy.deepcopy(value),
            self.last,
        )

    def __delitem__(self, key: Any) -> None:
        self._process_delitem_args(key)
        del self.kept[NonEmptySafeStrTuple(key)]

    def __len__(self) -> int:
        return len(self.kept)

    def _generic_iter(self, result_type: set[str]) -> Iterator[Any]:
        self._process_generic_iter_args(result_type)
        return iter(
            [
                self._assemble_iter_result(
                    result_type, key=key, value=value, timestamp=when
                )
                for key, (value, when) in self.kept.items()
            ]
        )

    def timestamp(self, key: Any) -> float:
        return self.kept[NonEmptySafeStrTuple(key)][1]


def cached(main: PersiDict[Any]) -> PersiDict[Any]:
    """A mutable store with both caches in memory."""
    return MutableDictCached(
        main_dict=main, data_cache=LocalDict(), etag_cache=LocalDict()
    )


def file_dir(path: Any, form: str = "pkl", **options: Any) -> PersiDict[Any]:
    """A FileDirDict that a test need not wait for."""
    return FileDirDict(
        base_dir=str(path),
        serialization_format=form,
        durability="none",
        **options,
    )


MUTABLE: dict[str, Callable[[Any], PersiDict[Any]]] = {
    "LocalDict": lambda path: LocalDict(),
    "UserDict": lambda path: UserDict(),
    "FileDirDict-pkl": file_dir,
    "FileDirDict-json": lambda path: file_dir(path, "json"),
    "cached-LocalDict": lambda path: cached(LocalDict()),
    "cached-UserDict": lambda path: cached(UserDict()),
    "cached-FileDirDict": lambda path: cached(file_dir(path)),
    "cached-in-files": lambda path: MutableDictCached(
        main_dict=file_dir(path / "main"),
        data_cache=file_dir(path / "cache"),
        etag_cache=file_dir(
            path / "cache", "pkl_etag", base_class_for_values=str
        ),
    ),
    "cached-in-UserDicts": lambda path: MutableDictCached(
        main_dict=LocalDict(), data_cache=UserDict(), etag_cache=UserDict()
    ),
}

APPEND_ONLY: dict[str, Callable[[Any], PersiDict[Any]]] = {
    "LocalDict": lambda path: LocalDict(append_only=True),
    "UserDict": lambda path: UserDict(append_only=True),
    "FileDirDict": lambda path: file_dir(path, append_only=True),
    "cached-LocalDict": lambda path: AppendOnlyDictCached(
        main_dict=LocalDict(append_only=True), data_cache=LocalDict()
    ),
    "cached-UserDict": lambda path: AppendOnlyDictCached(
        main_dict=UserDict(append_only=True),
        data_cache=LocalDict(append_only=True),
    ),
    "cached-FileDirDict": lambda path: AppendOnlyDictCached(
        main_dict=file_dir(path, append_only=True), data_cache=LocalDict()
    ),
}
