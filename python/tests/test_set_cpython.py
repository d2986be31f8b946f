"""CPython's own test.test_set, run against FSSet.

The module is executed with the name `set` standing for a subclass of FSSet
that takes an iterable, so that its tests build FSSets wherever they say set().
What the contract decides otherwise is listed in OTHERWISE with its row, and
has to fail: a test that passes after all is an error, too.
"""

from __future__ import annotations

import builtins
import importlib.util
import sys
import types
import unittest
from collections.abc import Callable, Iterable
from typing import Any

import kist
import pytest


class KeptSet(kist.FSSet[Any]):
    """A FSSet made as set() is: of what an iterable gives."""

    __slots__ = ()

    def __init__(self, iterable: Iterable[Any] = ()) -> None:
        super().__init__()
        self.update(iterable)


#: Test that the contract decides otherwise, and where it does.
OTHERWISE = {
    # Members that cannot be stored: row 31.
    "test_badcmp": "row 31: objects with __eq__ of their own",
    "test_deepcopy": "row 31: a Tracer is no value",
    "test_gc": "row 31: objects",
    "test_container_iterator": "row 31: objects",
    "test_cyclical_repr": "row 31: a ReprWrapper is no value",
    "test_do_not_rehash_dict_keys": "row 54: int subclasses",
    "test_subclass_with_custom_hash": "row 31: a FSSet is no member",
    # The handle is not the contents.
    "test_pickling": "row 41: a temporal collection is not pickled",
    "TestBasicOpsEmpty.test_repr": "row 39: FSSet()",
    "TestBasicOpsSingleton.test_repr": "row 39: FSSet({...})",
    "TestBasicOpsTuple.test_repr": "row 39: FSSet({...})",
    "TestBasicOpsString.test_repr": "row 39: FSSet({...})",
    "TestBasicOpsBytes.test_repr": "row 39: FSSet({...})",
    "TestBasicOpsMixedStringBytes.test_repr": "row 39: FSSet({...})",
    # Members are read anew: equal, and not the same object.
    "TestCopyingSingleton.test_copy": "row 40",
    "TestCopyingTriple.test_copy": "row 40",
    "TestCopyingTuple.test_copy": "row 40",
    "TestCopyingNested.test_copy": "row 40",
}

#: Classes that are about other things than set.
ABOUT_OTHERS = (
    "TestFrozenSet",
    "FrozenSet",
    "TestOperationsMutating",
    "TestBinaryOpsMutating",
    "TestMethodsMutating",
)

NAME = "kist_cpython_test_set"


def _load() -> types.ModuleType:
    """test.test_set with KeptSet for set, or a skip where it is missing."""
    spec = importlib.util.find_spec("test.test_set")
    if spec is None or spec.origin is None:
        pytest.skip(
            "this Python has no test.test_set", allow_module_level=True
        )
    module = types.ModuleType(NAME)
    module.__file__ = spec.origin
    vars(module)["set"] = KeptSet
    sys.modules[NAME] = module
    with open(spec.origin, encoding="utf-8") as source:
        exec(compile(source.read(), spec.origin, "exec"), vars(module))
    # One test case keeps the function operator.add in its sets, which are to
    # hold any third thing that is no iterable: a number will do.
    vars(module)["operator"] = types.SimpleNamespace(add=2.5)
    return module


def _adopt(module: types.ModuleType) -> dict[str, type[unittest.TestCase]]:
    """The module's test cases, with what is otherwise marked."""
    cases: dict[str, type[unittest.TestCase]] = {}
    used: builtins.set[str] = builtins.set()
    for name, case in list(vars(module).items()):
        if not isinstance(case, type) or name.startswith(ABOUT_OTHERS):
            continue
        if getattr(case, "basetype", None) is KeptSet:
            case.basetype = builtins.set  # type: ignore[attr-defined]
        own = {n: n for n in vars(case)}
        own |= {
            k.partition(".")[2]: k
            for k in OTHERWISE
            if k.startswith(f"{name}.")
        }
        for attribute, key in own.items():
            if key in OTHERWISE:
                # A function of its own: an inherited one is others' too.
                setattr(case, attribute, _failing(getattr(case, attribute)))
                used.add(key)
        if issubclass(case, unittest.TestCase):
            cases[name] = case
    assert used == builtins.set(OTHERWISE), builtins.set(OTHERWISE) - used
    return cases


def _failing(test: Callable[[Any], None]) -> Callable[[Any], None]:
    def otherwise(self: Any) -> None:
        test(self)

    return unittest.expectedFailure(otherwise)


_cases = _adopt(_load())
globals().update(_cases)


def test_that_they_are_ours() -> None:
    """The classes above do work on FSSets, and there are many."""
    assert len(_cases) >= 35
    case = _cases["TestSet"]("test_add")
    case.setUp()
    assert isinstance(case.s, kist.FSSet)  # type: ignore[attr-defined]
