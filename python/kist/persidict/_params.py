"""Objects that are made of parameters, and can say which they were."""

from __future__ import annotations

from typing import Any, Self

__all__ = ["ParameterizableMixin"]


def _essence(value: Any) -> Any:
    """What JSON has for `value`: marked where JSON has no such type."""
    from enum import Enum

    if value is None or isinstance(value, (bool, int, float, str)):
        if isinstance(value, Enum):
            return _enum(value)
        return value
    if isinstance(value, list):
        return [_essence(item) for item in value]
    if isinstance(value, dict):
        return {
            "..dict..": {name: _essence(item) for name, item in value.items()}
        }
    if isinstance(value, tuple):
        return {"..tuple..": [_essence(item) for item in value]}
    if isinstance(value, set):
        return {"..set..": [_essence(item) for item in value]}
    if isinstance(value, Enum):
        return _enum(value)
    if isinstance(value, type) or hasattr(value, "__code__"):
        raise TypeError(f"Unsupported type: {type(value).__name__}")
    return _object(value)


def _enum(value: Any) -> dict[str, Any]:
    return {"..enum..": value.name, **_class(value)}


def _class(value: Any) -> dict[str, str]:
    kind = type(value)
    return {"..class..": kind.__qualname__, "..module..": kind.__module__}


def _object(value: Any) -> dict[str, Any]:
    if hasattr(value, "get_params"):
        return {**_class(value), "..params..": _essence(value.get_params())}
    state = value.__getstate__()
    return {**_class(value), "..state..": _essence(state)}


def to_jsparams(params: dict[str, Any]) -> str:
    """The JSON text of parameters; TypeError for classes and functions."""
    import json

    return json.dumps(_essence(params))


class ParameterizableMixin:
    """An object that can be made again of its parameters.

    A subclass has get_params(), which answers the keywords that make an
    object like it.
    """

    __slots__ = ()

    def get_params(self) -> dict[str, Any]:
        """The keywords that make an object like this one, sorted."""
        return {}

    @property
    def essential_param_names(self) -> set[str]:
        """The parameters that say what the object is: all of them."""
        return set(self.get_params())

    @property
    def auxiliary_param_names(self) -> set[str]:
        """The parameters that do not change what the object is: none."""
        return set(self.get_params()) - self.essential_param_names

    def get_essential_params(self) -> dict[str, Any]:
        """get_params() of the essential ones."""
        names = self.essential_param_names
        return {k: v for k, v in self.get_params().items() if k in names}

    def get_auxiliary_params(self) -> dict[str, Any]:
        """get_params() of the auxiliary ones."""
        names = self.auxiliary_param_names
        return {k: v for k, v in self.get_params().items() if k in names}

    @classmethod
    def get_default_params(cls) -> dict[str, Any]:
        """The defaults of the constructor's keywords, sorted."""
        from inspect import Parameter, signature

        found = {
            name: parameter.default
            for name, parameter in signature(cls.__init__).parameters.items()
            if parameter.default is not Parameter.empty
        }
        return dict(sorted(found.items()))

    def get_jsparams(self) -> str:
        """get_params() as JSON; TypeError if one of them is a class."""
        return to_jsparams(self.get_params())

    def get_essential_jsparams(self) -> str:
        """get_essential_params() as JSON."""
        return to_jsparams(self.get_essential_params())

    def get_auxiliary_jsparams(self) -> str:
        """get_auxiliary_params() as JSON."""
        return to_jsparams(self.get_auxiliary_params())

    @classmethod
    def get_default_jsparams(cls) -> str:
        """get_default_params() as JSON."""
        return to_jsparams(cls.get_default_params())

    def clone(self, **changes: Any) -> Self:
        """A new object of these parameters, with some changed."""
        return type(self)(**{**self.get_params(), **changes})
