"""How the stores are made whose calls are measured.

kist's classes have the peers' signatures, so that one function serves both:
`engine` is "kist", "persidict" or "nfsdict", the module to import from.
"""

import importlib
import pathlib
from collections.abc import Callable
from typing import Any


def module_of(engine: str) -> Any:
    return importlib.import_module(engine)


def filedir(engine: str, path: pathlib.Path, form: str, **more: Any) -> Any:
    return module_of(engine).FileDirDict(
        base_dir=str(path), serialization_format=form, **more)


def local(engine: str) -> Any:
    return module_of(engine).LocalDict()


def mutable_cached(engine: str, path: pathlib.Path) -> Any:
    module = module_of(engine)
    return module.MutableDictCached(
        main_dict=filedir(engine, path, "pkl"),
        data_cache=module.LocalDict(), etag_cache=module.LocalDict())


def append_only_cached(engine: str, path: pathlib.Path) -> Any:
    module = module_of(engine)
    return module.AppendOnlyDictCached(
        main_dict=filedir(engine, path, "pkl", append_only=True),
        data_cache=module.LocalDict(append_only=True))


def nfs(engine: str, path: pathlib.Path, form: str, *,
        lazy: bool = False) -> Any:
    return module_of(engine).NfsDict(
        "bench", path, {"pkl": "pickle"}.get(form, form), lazy)


def use_once(store: Any) -> None:
    """What an engine imports when it is first used is no part of a call."""
    store["once"] = {}
    store["once"]
    del store["once"]


def disk_cache(path: pathlib.Path) -> Any:
    import diskcache

    return diskcache.Cache(str(path))


def joblib_memory(path: pathlib.Path,
                  values: dict[str, Any]) -> Callable[[str], Any]:
    import joblib

    def made(name: str) -> Any:
        return values[name]

    return joblib.Memory(str(path), verbose=0).cache(made)
