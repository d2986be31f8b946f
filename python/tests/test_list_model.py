"""FSList and list given the same at random: rows 1 to 10."""

from __future__ import annotations

import decimal
import operator
import os
import random
import uuid
from functools import partial
from typing import Any

import kist
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from conftest import agree, alike, outcome, same

# --- everything at random ------------------------------------------------

POOL: list[Any] = [
    0, 1, True, 1.0, -1, 2, "a", "b", "", None, (1,), [1], b"a",
    2**70, 0.5, decimal.Decimal(2), {"k": 1}, frozenset({1}),
]  # fmt: skip


def random_step(rng: random.Random) -> Any:
    """One operation, as a function of a list."""
    n = rng.randrange(-30, 30)
    m = rng.randrange(-30, 30)
    step = rng.choice([1, 1, 1, 2, 3, -1, -2, -5])
    v = rng.choice(POOL)
    some = [rng.choice(POOL) for _ in range(rng.randrange(6))]
    return rng.choice(
        [
            lambda l: l.append(v),
            lambda l: l.extend(some),
            lambda l: l.extend(iter(some)),
            lambda l: l.insert(n, v),
            lambda l: l.pop(),
            lambda l: l.pop(n),
            lambda l: l.remove(v),
            lambda l: l.index(v),
            lambda l: l.index(v, n, m),
            lambda l: l.count(v),
            lambda l: v in l,
            lambda l: l[n],
            lambda l: l[n:m:step],
            lambda l: operator.setitem(l, n, v),
            lambda l: operator.delitem(l, n),
            lambda l: operator.setitem(l, slice(n, m), some),
            lambda l: operator.setitem(l, slice(n, m, step), some),
            lambda l: operator.delitem(l, slice(n, m, step)),
            lambda l: l.reverse(),
            lambda l: l.sort(key=repr),
            lambda l: l.sort(key=repr, reverse=True),
            lambda l: l.sort(),
            lambda l: l.extend(l[:3]),
            lambda l: l == some,
            lambda l: l[:3] < some,
            lambda l: l + some,
            lambda l: some + l,
            lambda l: l * 2,
            lambda l: (
                operator.imul(l, rng.choice([0, 1, 2]))
                if len(l) < 40 and rng.random() < 0.2
                else None
            ),
            lambda l: l.clear() if rng.random() < 0.1 else None,
            lambda l: len(l),
        ]
    )


def test_random_operations(base):
    """Rows 1 to 10: thousands of operations beside list, with reopens."""
    seed = int(os.environ.get("KIST_SEED", random.randrange(2**32)))
    print(f"KIST_SEED={seed}")
    rng = random.Random(seed)
    model: list[Any] = []
    l = kist.FSList(base)
    for i in range(4000):
        call = random_step(rng)
        before = rng.getstate()
        mine = outcome(partial(call, l))
        after = rng.getstate()
        rng.setstate(before)
        model_before = list(model)
        theirs = outcome(partial(call, model))
        rng.setstate(after)
        if mine[0] == "value" and mine[1] is l:
            mine, theirs = ("value", 0), (theirs[0], 0)
        assert same(mine, theirs), (seed, i, mine, theirs)
        if theirs[0] == "error":
            model[:] = model_before  # row 5: a failed sort keeps the order
        assert same(l[:], model), (seed, i)
        del model[200:], l[200:]
        if rng.random() < 0.01:
            l.close()
            l = kist.FSList(base)
        if rng.random() < 0.003:
            l.compact()
    alike(l, model)
    l.close()


class Twin(RuleBasedStateMachine):
    """An FSList and a list that are given the same."""

    items = st.sampled_from(POOL) | st.integers(-5, 5) | st.text(max_size=3)
    where = st.integers(-12, 12)
    bound = st.none() | st.integers(-12, 12)
    steps = st.sampled_from([None, 1, 2, 3, -1, -2])

    @initialize()
    def begin(self):
        directory = os.environ.get("TMPDIR", "/tmp")
        name = f"kist-twin-{os.getpid()}-{uuid.uuid4().hex}"
        self.path = os.path.join(directory, name)
        self.ours = kist.FSList(self.path)
        self.model: list[Any] = []

    def teardown(self):
        if hasattr(self, "ours"):
            self.ours.destroy()

    def both(self, call):
        agree(self.ours, self.model, call)

    @rule(v=items)
    def append(self, v):
        self.both(lambda l: l.append(v))

    @rule(vs=st.lists(items, max_size=5), lazy=st.booleans())
    def extend(self, vs, lazy):
        self.both(lambda l: l.extend(iter(vs) if lazy else vs))

    @rule(i=where, v=items)
    def insert(self, i, v):
        self.both(lambda l: l.insert(i, v))

    @rule(i=where)
    def pop(self, i):
        self.both(lambda l: l.pop(i))

    @rule()
    def pop_last(self):
        self.both(lambda l: l.pop())

    @rule(v=items)
    def find(self, v):
        self.both(lambda l: v in l)
        self.both(lambda l: l.count(v))
        self.both(lambda l: l.index(v))
        self.both(lambda l: l.remove(v))

    @rule(i=where, v=items)
    def set_item(self, i, v):
        self.both(lambda l: operator.setitem(l, i, v))

    @rule(i=where)
    def del_item(self, i):
        self.both(lambda l: l[i])
        self.both(lambda l: operator.delitem(l, i))

    @rule(a=bound, b=bound, c=steps)
    def get_slice(self, a, b, c):
        self.both(lambda l: l[a:b:c])

    @rule(a=bound, b=bound, c=steps, vs=st.lists(items, max_size=5))
    def set_slice(self, a, b, c, vs):
        self.both(lambda l: operator.setitem(l, slice(a, b, c), vs))

    @rule(a=bound, b=bound, c=steps)
    def del_slice(self, a, b, c):
        self.both(lambda l: operator.delitem(l, slice(a, b, c)))

    @rule(reverse=st.booleans(), key=st.sampled_from([None, repr]))
    def sort(self, reverse, key):
        before = list(self.model)
        mine = outcome(lambda: self.ours.sort(key=key, reverse=reverse))
        theirs = outcome(lambda: self.model.sort(key=key, reverse=reverse))
        assert mine[:2] == theirs[:2]
        if theirs[0] == "error":
            self.model = before  # row 5: ours keeps the old order

    @rule()
    def reverse(self):
        self.both(lambda l: l.reverse())

    @rule(times=st.integers(-1, 2))
    def multiply(self, times):
        if len(self.model) < 20:
            self.both(lambda l: operator.imul(l, times))

    @rule(vs=st.lists(items, max_size=3))
    def compare(self, vs):
        for op in (operator.eq, operator.ne, operator.lt, operator.ge):
            self.both(lambda l, op=op: op(l, vs))
        self.both(lambda l: l + vs)
        self.both(lambda l: vs + l)

    @rule()
    def reopen(self):
        self.ours.close()
        self.ours = kist.FSList(self.path)

    @rule()
    def compact(self):
        self.ours.compact()

    @invariant()
    def same_items(self):
        if hasattr(self, "ours"):
            assert same(self.ours[:], self.model)


TestTwin = Twin.TestCase
TestTwin.settings = settings(max_examples=40, stateful_step_count=40)
