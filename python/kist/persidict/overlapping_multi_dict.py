"""Several stores over one set of keys, one for each format."""

from __future__ import annotations

from typing import Any, NoReturn

from kist.persidict.persi_dict import PersiDict

__all__ = ["OverlappingMultiDict"]


class OverlappingMultiDict:
    """Stores of one kind that differ in their format, as attributes.

    dict_type: the kind, a subclass of PersiDict.
    shared_subdicts_params: keywords that all of them are made with.
    Each other keyword is a format, and a dict of further keywords for it.  A
    format that is neither "pkl" nor "json" keeps strings, unless its keywords
    give a `base_class_for_values`.
    """

    dict_type: type[PersiDict[Any]]
    shared_subdicts_params: dict[str, Any]
    individual_subdicts_params: dict[str, dict[str, Any]]
    subdicts_names: list[str]

    def __init__(
        self,
        *,
        dict_type: type[PersiDict[Any]],
        shared_subdicts_params: dict[str, Any],
        **individual_subdicts_params: dict[str, Any],
    ) -> None:
        if not issubclass(dict_type, PersiDict):
            raise TypeError("dict_type must be a subclass of PersiDict")
        if not isinstance(shared_subdicts_params, dict):
            raise TypeError("shared_subdicts_params must be a dict")
        self.dict_type = dict_type
        self.shared_subdicts_params = shared_subdicts_params
        self.individual_subdicts_params = individual_subdicts_params
        self.subdicts_names = list(individual_subdicts_params)
        for name, individual in individual_subdicts_params.items():
            if not isinstance(individual, dict):
                raise TypeError(f"Params for subdict {name!r} must be a dict")
            params = {
                **shared_subdicts_params,
                **individual,
                "serialization_format": name,
            }
            if name not in _formats_of_any_value(dict_type):
                params.setdefault("base_class_for_values", str)
            setattr(self, name, dict_type(**params))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}"
        )

    def __getstate__(self) -> NoReturn:
        raise TypeError("OverlappingMultiDict cannot be pickled.")

    def __setstate__(self, state: Any) -> NoReturn:
        raise TypeError("OverlappingMultiDict cannot be unpickled.")

    def __getitem__(self, key: Any) -> NoReturn:
        raise TypeError(
            "OverlappingMultiDict does not support item access by key. "
            "Individual items should be accessed through nested dicts, which "
            f"are available via attributes {self.subdicts_names}"
        )

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError(
            "OverlappingMultiDict does not support item assignment by key. "
            "Individual items should be accessed through nested dicts, which "
            f"are available via attributes {self.subdicts_names}"
        )

    def __delitem__(self, key: Any) -> NoReturn:
        raise TypeError(
            "OverlappingMultiDict does not support item deletion by key. "
            "Individual items can be deleted through nested dicts, which are "
            f"available via attributes {self.subdicts_names}"
        )


def _formats_of_any_value(dict_type: type) -> set[str]:
    """The formats that are not only for strings."""
    for base in dict_type.__mro__:
        if base.__module__ == "kist.persidict.file_dir_dict":
            return {"json", "pkl", "kist", "spkl"}
    return {"json", "pkl"}
