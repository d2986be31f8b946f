"""CPython's own tests of list, run on FSList through a subclass.

`Listed` is FSList with list's constructor; nothing else is changed but what
SKIPPED names.  A test is skipped by name only, with the contract's row that
says why.
"""

from __future__ import annotations

import sys
import unittest
from typing import Any

import kist
import pytest

list_tests = pytest.importorskip("test.list_tests")


class Listed(kist.FSList):
    """A temporal FSList that is made like a list."""

    def __init__(self, iterable: Any = ()):
        super().__init__()
        self.extend(iterable)


#: Test of CPython's -> the row of the contract by which we differ.
SKIPPED = {
    "test_repr": "39: repr is FSList([...])",
    "test_pickle": "41: temporal collections are not pickled",
    "test_remove": "46: objects with an __eq__ of their own are not stored",
    "test_index": "46: objects with an __eq__ of their own are not stored",
    "test_count": "46: objects with an __eq__ of their own are not stored",
    "test_contains_fake": "46: ALWAYS_EQ is not stored",
    "test_contains_order": "46: objects with an __eq__ are not stored",
    "test_copy": "25: what is read is a copy, so not the same object",
    "test_repr_deep": "46: a temporal list cannot be an item of another",
    "test_addmul": "7: + and * give builtin lists, on which the test builds",
}


class TestCPython(list_tests.CommonTest):
    """All of test.list_tests and test.seq_tests."""

    type2test = Listed


for _name, _why in SKIPPED.items():
    setattr(
        TestCPython,
        _name,
        unittest.skip(f"row {_why}")(getattr(TestCPython, _name)),
    )


def test_names_of_skipped():
    """Each skipped test exists, so that the list does not go stale."""
    for name in SKIPPED:
        assert hasattr(list_tests.CommonTest, name), name


def test_addmul_with_builtin_results():
    """Row 7: what test_addmul asks for, as far as values go."""
    u1, u2 = Listed([0]), Listed([0, 1])
    assert u1 == u1 + Listed() == Listed() + u1
    assert u1 + Listed([1]) == u2
    assert Listed([-1]) + u1 == [-1, 0]
    assert u2 * 0 == 0 * u2 == Listed() == []
    assert u2 * 1 == 1 * u2 == u2
    assert u2 + u2 == u2 * 2 == 2 * u2
    assert u2 + u2 + u2 == u2 * 3 == 3 * u2


def test_remove_index_count_without_foreign_items():
    """Row 46: what is left of test_remove and test_index."""
    from test.support import ALWAYS_EQ, NEVER_EQ

    a = Listed([1, 2])
    with pytest.raises(ValueError):
        a.remove(NEVER_EQ)
    a.remove(ALWAYS_EQ)
    assert a == [2]
    u = Listed([-2, -1, 0, 0, 1, 2])
    assert u.count(0) == 2 and u.index(0) == 2 and u.index(0, 3, 4) == 3
    assert u.index(0, -4 * sys.maxsize, 4 * sys.maxsize) == 2
    assert u.count(ALWAYS_EQ) == 6 and u.index(ALWAYS_EQ) == 0
    with pytest.raises(ValueError):
        u.index(0, 4 * sys.maxsize, -4 * sys.maxsize)
    assert ALWAYS_EQ in u and NEVER_EQ not in u
    assert ALWAYS_EQ not in Listed()
