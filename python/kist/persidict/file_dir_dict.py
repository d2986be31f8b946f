"""A dict in a directory: one file for each item."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kist._core import FileDirBase, SafeStrTuple
from kist.persidict.exceptions import BackendError
from kist.persidict.jokers_and_status_flags import Joker, ValueType
from kist.persidict.persi_dict import (
    NonEmptyPersiDictKey,
    PersiDict,
    PersiDictKey,
)

__all__ = ["FileDirDict", "add_long_path_prefix", "drop_long_path_prefix"]

_OWN_PARAMS = {
    "durability": "sync",
    "allow_shared": False,
    "sign_key_file": None,
    "inflated_max": None,
}

if TYPE_CHECKING:

    class _Base(PersiDict[ValueType]):
        """PersiDict, and what is added to it."""

        def _open(self, *args: Any) -> None: ...
        def _open_sub(self, *args: Any) -> None: ...
        def __contains__(self, key: object) -> bool: ...
        def __getitem__(self, key: NonEmptyPersiDictKey) -> ValueType: ...
        def __setitem__(
            self, key: NonEmptyPersiDictKey, value: ValueType | Joker
        ) -> None: ...
        def __delitem__(self, key: NonEmptyPersiDictKey) -> None: ...
        def __len__(self) -> int: ...
        def _generic_iter(self, result_type: set[str]) -> Iterator[Any]: ...
        def timestamp(self, key: NonEmptyPersiDictKey) -> float: ...
        @property
        def base_dir(self) -> str: ...
        def get_many(
            self, keys: Iterable[NonEmptyPersiDictKey], default: Any = None
        ) -> list[ValueType | Any]: ...
        def put_many(
            self,
            items: Mapping[Any, ValueType]
            | Iterable[tuple[NonEmptyPersiDictKey, ValueType]],
            /,
        ) -> None: ...
        def foreign_files(self) -> dict[str, str]: ...

else:

    class _Base(FileDirBase, PersiDict):
        """What is done in C, before what is done for all stores."""

        __slots__ = ()


class FileDirDict(_Base[ValueType]):
    """A dict whose items are files, each read and written by itself.

    The file of ``d["a", "b"]`` is ``base_dir/a_xxxx/b_xxxx.pkl``.  Any number
    of threads and processes may use a directory at once, also with the
    package persidict.

    base_dir: the directory, made if it is missing.
    serialization_format: what the files' names end in, and how values are
        kept: "pkl", "json", "kist" (data only: recommended for new data),
        "spkl" (signed pickles), or any other for str.  Dicts of several
        formats may share a directory.
    append_only: items are never replaced or deleted.
    digest_len: characters of the digest behind each component of a key.
    base_class_for_values: the class that all values are of; None: any.
    durability: "sync": an item that was set is safe from power cuts;
        "group": the same, threads share their syncs; "none": safe from the
        end of the process.
    allow_shared: read pickles, and JSON that builds objects, even if other
        users can write into the directory.
    sign_key_file: the file with the secret that "spkl" is signed with,
        outside of base_dir and readable by its owner alone.
    inflated_max: compressed values that become larger, in bytes, are a
        kist.TooBigError; None: 4 GiB.

    ValueError if base_dir is a file, or for options out of range.
    """

    # Formats of any value, beside "pkl" and "json": kist.persidict.formats.
    _own_formats = ("kist", "spkl")

    def __init__(
        self,
        *,
        base_dir: str = "__file_dir_dict__",
        serialization_format: str = "pkl",
        append_only: bool = False,
        digest_len: int = 4,
        base_class_for_values: type | None = None,
        durability: str = "sync",
        allow_shared: bool = False,
        sign_key_file: str | os.PathLike[str] | None = None,
        inflated_max: int | None = None,
    ) -> None:
        own = serialization_format in self._own_formats
        PersiDict.__init__(
            self,
            append_only=append_only,
            base_class_for_values=base_class_for_values,
            serialization_format="pkl" if own else serialization_format,
        )
        self.serialization_format = serialization_format
        if not isinstance(digest_len, int):
            raise TypeError(f"digest_len must be int, got {type(digest_len)}")
        if digest_len < 0:
            raise ValueError("digest_len must be non-negative")
        path = os.path.abspath(str(base_dir))
        if "\0" in path:
            raise ValueError("embedded null byte in base_dir")
        if os.path.isfile(path):
            raise ValueError(f"{path} is a file, not a directory.")
        self._digest_len = digest_len
        self._own_params: dict[str, Any] = {
            "durability": durability,
            "allow_shared": bool(allow_shared),
            "sign_key_file": (
                None if sign_key_file is None else os.fspath(sign_key_file)
            ),
            "inflated_max": inflated_max,
        }
        key = None
        if sign_key_file is not None:
            from kist.persidict.formats_trust import read_key

            key = read_key(os.fspath(sign_key_file), path)
        elif serialization_format == "spkl":
            raise ValueError("serialization_format 'spkl' needs sign_key_file")
        try:
            self._open(
                path,
                serialization_format,
                self._append_only,
                min(digest_len, 32),
                base_class_for_values,
                durability,
                bool(allow_shared),
                key,
                inflated_max or 0,
            )
        except NotADirectoryError as error:
            if not os.path.lexists(path):
                raise
            raise BackendError(
                f"{path} is not a directory",
                backend="filesystem",
                operation="init",
            ) from error

    @property
    def digest_len(self) -> int:
        """Characters of the digest behind each component of a key."""
        return self._digest_len

    def get_params(self) -> dict[str, Any]:
        """The keywords that make a dict of the same items, sorted.

        Those that persidict does not have are there if they were given.
        """
        params = PersiDict.get_params(self)
        params["base_dir"] = self.base_dir
        params["digest_len"] = self._digest_len
        for name, value in self._own_params.items():
            if value != _OWN_PARAMS[name]:
                params[name] = value
        return dict(sorted(params.items()))

    def get_subdict(self, prefix_key: PersiDictKey) -> FileDirDict[ValueType]:
        """The items whose keys begin with `prefix_key`, under the rest.

        It is a plain FileDirDict in a directory below base_dir, which is made
        when the first item is set.
        """
        prefix = SafeStrTuple(prefix_key)
        other: FileDirDict[ValueType] = FileDirDict.__new__(FileDirDict)
        for name in (
            "_append_only",
            "base_class_for_values",
            "serialization_format",
            "_digest_len",
            "_own_params",
        ):
            setattr(other, name, getattr(self, name))
        other._open_sub(self, prefix, self._directory(prefix))
        return other

    def _directory(self, prefix: SafeStrTuple) -> str:
        """The path of the directory of the items below `prefix`."""
        from kist.persidict.safe_str_tuple_signing import sign_safe_str_tuple

        signed = sign_safe_str_tuple(prefix, self._digest_len)
        return os.path.join(self.base_dir, *signed.strings)

    def _place(self, key: str) -> str:
        """The path of the file of a key, for error messages."""
        name = self._directory(SafeStrTuple(key.split("/")))
        return f"{name}.{self.serialization_format}"


def add_long_path_prefix(path: str) -> str:
    """Windows needs a prefix for long paths; here, `path` as it is."""
    return path


def drop_long_path_prefix(path: str) -> str:
    """The opposite of add_long_path_prefix()."""
    return path
