"""NfsDict: where it is, what a dict can do beside the C part's calls."""

from __future__ import annotations

import os
from _collections_abc import (
    ItemsView,
    KeysView,
    MutableMapping,
    ValuesView,
)

from kist._core import CorruptError, NfsDictBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any, Literal, Self
    from weakref import ref

    _Pairs = ItemsView[str, Any]
    _Objects = ValuesView[Any]
    _Mapping = MutableMapping[str, Any]
else:
    # Not subscripted: that would cost a class of their own each.
    _Pairs = ItemsView
    _Objects = ValuesView
    _Mapping = MutableMapping

__all__ = ["CorruptValueError", "NfsDict"]


class CorruptValueError(CorruptError, KeyError):
    """A value's file is damaged, or holds another key; it is left there.

    A KeyError too, as the package nfsdict raises; assigning to the key, or
    deleting it, heals.
    """

    __str__ = Exception.__str__


# --- serializers -------------------------------------------------------------


def _pickle_parts() -> tuple[Any, Any, tuple[type[BaseException], ...]]:
    import pickle

    # What CPython's unpickler raises for bytes that make no sense.
    damage = (
        pickle.UnpicklingError,
        EOFError,
        IndexError,
        KeyError,
        ValueError,
        OverflowError,
    )
    return pickle.dumps, pickle.loads, damage


def _json_parts() -> tuple[Any, Any, tuple[type[BaseException], ...]]:
    import json

    encode = json.JSONEncoder(ensure_ascii=False).encode
    return encode, json.loads, (ValueError, RecursionError)


def _check_private(path: str) -> None:
    from kist.persidict.formats_trust import shared_with

    why = shared_with(path)
    if why is not None:
        raise PermissionError(
            f"reading this value could run code of another user: {why}.  "
            "Pass allow_shared=True to trust all who can write there, or use "
            "serializer='json' (data only)"
        )


# --- places ------------------------------------------------------------------


def _user_data_dir() -> str:
    """Where the package nfsdict keeps what has no base_dir, on Linux."""
    home = os.environ.get("XDG_DATA_HOME", "")
    if not home.strip():
        home = os.path.expanduser("~/.local/share")
    return os.path.join(home, "nfsdict")


def _place(name: str, base_dir: str | os.PathLike[str] | None) -> str:
    if not isinstance(name, str):
        raise TypeError(f"name must be str, not {type(name).__name__}")
    base = _user_data_dir() if base_dir is None else os.fspath(base_dir)
    base = os.path.abspath(base)
    path = os.path.normpath(os.path.join(base, name))
    inside = path == base or path.startswith(os.path.join(base, ""))
    if os.path.isabs(name) or not inside:
        raise ValueError(f"name {name!r} leads out of {base}")
    return path


def _make(path: str, private: bool) -> None:
    """Makes the directory; a private one is not for others to write to."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent != path:
        os.makedirs(parent, exist_ok=True)
    try:
        os.mkdir(path, 0o755 if private else 0o777)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


# --- the end of the process --------------------------------------------------

_open_dicts: dict[int, ref[NfsDict]] = {}


def _remember(made: NfsDict) -> None:
    import atexit
    from weakref import ref

    number = id(made)
    if not _open_dicts:
        atexit.unregister(_close_all)
        atexit.register(_close_all)
    _open_dicts[number] = ref(made, lambda _: _open_dicts.pop(number, None))


def _close_all() -> None:
    for found in list(_open_dicts.values()):
        made = found()
        if made is not None:
            made.close()


# --- views -------------------------------------------------------------------


class _Items(_Pairs):
    """Pairs; what was deleted elsewhere since it was listed is left out."""

    _mapping: NfsDict

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return self._mapping._pairs()


class _Values(_Objects):
    """Values; what was deleted elsewhere since it was listed is left out."""

    _mapping: NfsDict

    def __iter__(self) -> Iterator[Any]:
        for _, value in self._mapping._pairs():
            yield value


# As Python's own are called, for repr().
_Items.__name__ = "ItemsView"
_Values.__name__ = "ValuesView"


# --- the dict ----------------------------------------------------------------


class NfsDict(NfsDictBase, _Mapping):
    """A dict of str keys; each value is a file, in a directory on NFS or not.

    Values are read once and kept in memory: a value that was read, or set, is
    not asked for again until `sync()`.  What other processes and machines put
    is found by ``d[key]`` and ``d.get(key)``, and listed after `sync()`.

    name: the directory's name in base_dir; may have "/" in it, and may not
        lead out of base_dir (ValueError).
    base_dir: a directory; None: the user's data directory.
    serializer: "pickle" or "json", else ValueError.
    lazy: read values when they are asked for, not at the beginning.
    progress_bar: show how the values are read, if tqdm is installed.
    durability: "sync": a value that was set is safe from power cuts; "group":
        the same, threads share their syncs; "none": safe from the end of the
        process.
    allow_shared: unpickle values even if other users can write into the
        directory; otherwise reading them is a PermissionError.

    Values are given out, not copied: what is changed in one must be set again
    to be kept.  OSError for what the file system refuses, CorruptValueError
    for damaged files.
    """

    def __init__(
        self,
        name: str = "default",
        base_dir: str | os.PathLike[str] | None = None,
        serializer: str = "pickle",
        lazy: bool = False,
        progress_bar: bool = False,
        *,
        durability: str = "sync",
        allow_shared: bool = False,
    ) -> None:
        path = _place(name, base_dir)
        json = serializer == "json"
        _make(path, not (json or allow_shared))
        if json:
            dumps, loads, damage = _json_parts()
        elif serializer == "pickle":
            dumps, loads, damage = _pickle_parts()
        else:
            raise ValueError(f"Unknown serializer: {serializer!r}")
        self._arguments = (name, base_dir, serializer, lazy, progress_bar)
        self._options = {
            "durability": durability,
            "allow_shared": allow_shared,
        }
        self._directory = path
        self._open(
            path,
            json,
            lazy,
            allow_shared,
            durability,
            dumps,
            loads,
            damage,
            CorruptValueError,
            _check_private,
        )
        _remember(self)
        if lazy:
            self._list()
        else:
            self._load()

    def _load(self) -> None:
        if self._arguments[4] and not self._arguments[3]:
            try:
                from tqdm.auto import (  # type: ignore[import-untyped]
                    tqdm,
                )
            except ImportError:
                pass
            else:
                with tqdm(desc="NfsDict", unit="key") as bar:
                    self._reload(bar.update)
                return
        self._reload(None)

    def _pairs(self) -> Iterator[tuple[str, Any]]:
        for key in list(self):
            try:
                value = self[key]
            except CorruptValueError:
                raise
            except KeyError:
                continue
            yield key, value

    def keys(self) -> KeysView[str]:
        return KeysView(self)

    def items(self) -> ItemsView[str, Any]:
        return _Items(self)

    def values(self) -> ValuesView[Any]:
        return _Values(self)

    def pop(self, key: str, *default: Any) -> Any:
        """Remove the key and give its value, or the default.

        Of several threads and processes that pop a key, one gets the value.
        """
        if len(default) > 1:
            raise TypeError(
                f"pop expected at most 2 arguments, got {1 + len(default)}"
            )
        try:
            value = self[key]
            del self[key]
        except CorruptValueError:
            raise
        except KeyError:
            if not default:
                raise
            return default[0]
        return value

    def clear(self) -> None:
        """Delete every key that is listed, whatever its value."""
        for key in list(self):
            try:
                del self[key]
            except KeyError:
                pass

    def sync(self) -> None:
        """Read the directory anew: what other processes did is seen then.

        OSError leaves everything as it was.
        """
        self._load()

    def close(self) -> None:
        """Write the index of keys.  The dict can still be used."""
        self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        self.close()
        return False

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (type(self), self._arguments, self._options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{self._directory}', {len(self)} keys)"

    __hash__ = object.__hash__


def _remake(
    kind: type[NfsDict], arguments: tuple[Any, ...], options: dict[str, Any]
) -> NfsDict:
    return kind(*arguments, **options)
