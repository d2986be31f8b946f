"""FSSet and set given the same life, and told apart by nothing.

The contract's rows 27 to 37.  Each test names the row it is about.
"""

from __future__ import annotations

import operator
import os
import random
from typing import Any

import kist
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from conftest import fingerprint, in_child, members, outcome, same


def agree(ours: Any, model: Any, call: Any) -> None:
    """`call` comes to the same on both: value and type, or exception."""
    mine, theirs = outcome(lambda: call(ours)), outcome(lambda: call(model))
    assert same(mine, theirs), (mine, theirs)


def alike(ours: Any, model: set[Any]) -> None:
    """The set holds the model's members, exact to type and bits."""
    assert sorted(map(fingerprint, ours)) == sorted(map(fingerprint, model))


UPDATES = [
    "update",
    "intersection_update",
    "difference_update",
    "symmetric_difference_update",
]


# --- any set ------------------------------------------------------------------------

some = st.lists(members, max_size=8)


@given(some, some)
def test_any_two_sets(left, right):
    """Rows 27 to 36: algebra and questions, for any members."""
    a, b = set(left), set(right)
    with kist.FSSet() as s, kist.FSSet() as t:
        s.update(left)
        t.update(right)
        alike(s, a)
        for other in (t, b, frozenset(b)):
            assert s | other == a | b and other | s == b | a
            assert s & other == a & b and other & s == b & a
            assert s - other == a - b and other - s == b - a
            assert s ^ other == a ^ b and other ^ s == b ^ a
            for name in ("eq", "ne", "lt", "le", "gt", "ge"):
                compare = getattr(operator, name)
                assert compare(s, other) is compare(a, b)
                assert compare(other, s) is compare(b, a)
        for v in (*left, *right):
            assert (v in s) is (v in a)
        s ^= b
        a ^= b
        assert s == a
        s |= t
        a |= b
        assert s == a


class SetMachine(RuleBasedStateMachine):
    """FSSet and set given the same life; reopen, compact, kill between."""

    small = st.sampled_from([0, 1, 1.0, True, "", "a", None, (1,)]) | members
    some = st.lists(small, max_size=6)

    def __init__(self):
        super().__init__()
        import tempfile

        self.dir = tempfile.TemporaryDirectory(prefix="kist-machine-")
        self.path = os.path.join(self.dir.name, "s")
        self.model: set[Any] = set()
        self.s = kist.FSSet(self.path)

    def teardown(self):
        self.s.close()
        self.dir.cleanup()

    @initialize(vs=some)
    def begin(self, vs):
        self.update(vs)

    def update(self, vs):
        self.s.update(vs)
        self.model.update(vs)

    @rule(v=small)
    def add(self, v):
        agree(self.s, self.model, lambda m: m.add(v))

    @rule(v=small)
    def discard(self, v):
        agree(self.s, self.model, lambda m: m.discard(v))

    @rule(v=small)
    def remove(self, v):
        agree(self.s, self.model, lambda m: m.remove(v))

    @rule(v=small)
    def contains(self, v):
        agree(self.s, self.model, lambda m: v in m)

    @precondition(lambda self: self.model)
    @rule()
    def pop(self):
        v = self.s.pop()
        assert v in self.model
        self.model.remove(v)

    @precondition(lambda self: not self.model)
    @rule()
    def pop_of_nothing(self):
        agree(self.s, self.model, lambda m: m.pop())

    @rule(vs=some, name=st.sampled_from(UPDATES))
    def update_somehow(self, vs, name):
        getattr(self.s, name)(vs)
        if name == "intersection_update":
            self.keep_common(vs)
        else:
            getattr(self.model, name)(vs)

    def keep_common(self, vs):
        """What `&=` leaves; of equal members set may keep the other's, as
        in {1} & {1.0}, where FSSet keeps its own (row 27)."""
        self.model -= self.model - set(vs)

    @rule(vs=some, name=st.sampled_from(["ior", "iand", "isub", "ixor"]))
    def operate(self, vs, name):
        getattr(operator, name)(self.s, set(vs))
        if name == "iand":
            self.keep_common(vs)
        else:
            getattr(operator, name)(self.model, set(vs))

    @rule(vs=some)
    def update_that_fails(self, vs):
        with pytest.raises(TypeError):
            self.s.update([*vs, object()])

    @precondition(lambda self: len(self.model) > 6)
    @rule()
    def clear(self):
        self.s.clear()
        self.model.clear()

    @rule()
    def reopen(self):
        self.s.close()
        self.s = kist.FSSet(self.path)

    @rule()
    def rebuild(self):
        self.s.close()
        os.unlink(self.path + ".kistx")
        self.s = kist.FSSet(self.path)

    @rule()
    def compact(self):
        self.s.compact()

    @rule(vs=some)
    def killed_child(self, vs):
        """What a child added is there after SIGKILL, its batch is not."""

        def work():
            with kist.open(self.path) as k:
                s = k.set("")
                for v in vs:
                    s.add(v)
                batch = k.batch()
                batch.__enter__()
                s.add("in the batch")
                s.clear()
                os.kill(os.getpid(), 9)

        assert in_child(work) == -9
        self.model.update(vs)

    @invariant()
    def contents(self):
        assert len(self.s) == len(self.model)
        alike(self.s, self.model)
        assert self.s == self.model and self.model == self.s


TestSetMachine = SetMachine.TestCase
TestSetMachine.settings = settings(max_examples=25, stateful_step_count=25)


def test_random_life_of_many(base):
    """Rows 27, 35, 37: 20 000 random operations against the model."""
    rng = random.Random(11)
    model: set[Any] = set()
    with kist.FSSet(base) as s:
        for i in range(20_000):
            v: Any = rng.randrange(3000)
            v = (v, float(v), str(v), (v, "x"))[rng.randrange(4)]
            match rng.randrange(4):
                case 0 | 1:
                    s.add(v)
                    model.add(v)
                case 2:
                    s.discard(v)
                    model.discard(v)
                case 3:
                    assert (v in s) is (v in model), i
        alike(s, model)
