"""MemoryFileSystem and its plain-Python model given the same at random.

After each step both have come to the same, and stats() are equal to the
byte; what was refused has left everything as it was.  At the end the whole
trees are compared: walk, stat of everything, export_tree.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

import memfsmodel
from memfssteps import (
    STEPS,
    Likely,
    Step,
    World,
    async_face,
    asynchronous,
    contents,
    everything,
    failure,
    implementation,
    random_config,
    random_step,
    resolve,
    small_config,
    under_test,
)

MODEL = implementation("model")

#: Refused, and yet not without trace: open closes the handle that was in
#: its slot, truncates before it preallocates and keeps what it has made;
#: writelines writes up to the line that is refused.
TRACES = ("open", "writelines")


class Pair:
    """The file system under test and its model."""

    def __init__(self, config: dict[str, Any], api: Any = None) -> None:
        self.config = config
        self.played: list[Step] = []
        self.model = World(MODEL, config)
        self.ours = World(api or under_test(), config)

    def both(self, likely: Step) -> None:
        """Plays a step on both and compares what it comes to."""
        step = resolve(self.model, likely)
        self.played.append(step)
        before = everything(self.ours)
        theirs, mine = self.model.do(step), self.ours.do(step)
        assert without_set(mine) == without_set(theirs), self.history()
        name = step[2] if step[0] == "on" else step[0]
        if mine[0] == "error" and name not in TRACES:
            # In "ab" a refused write has moved the cursor to the end.
            count = 3 if name == "write" else 4
            after = everything(self.ours)
            assert after[:count] == before[:count], self.history()

    def compare(self) -> None:
        """All that can be seen without a change."""
        mine, theirs = everything(self.ours), everything(self.model)
        assert mine == theirs, self.history()

    def finish(self) -> None:
        """Closes all handles and compares all contents."""
        self.compare()
        assert contents(self.ours) == contents(self.model), self.history()
        for file in self.ours.fs.listdir("/"):
            if self.ours.fs.is_file("/" + file):
                self.ours.fs.remove("/" + file)
            else:
                self.ours.fs.rmtree("/" + file)
        empty = self.ours.fs.stats()
        assert empty["used_bytes"] == empty["chunk_count"] == 0, self.history()
        self.ours.end()

    def history(self) -> str:
        """How to get here."""
        return f"config = {self.config}\nsteps = {self.played}"


def without_set(outcome: Any) -> Any:
    """The message that lists the modes does so in any order."""
    if outcome[0] == "error" and str(outcome[3][0]).startswith("Invalid mode"):
        return outcome[:2]
    return outcome


def refused(config: dict[str, Any]) -> bool:
    """True if there is no such file system; both say so alike."""
    try:
        MODEL.MemoryFileSystem(**config)
    except OSError as error:
        with pytest.raises(OSError) as caught:
            under_test().MemoryFileSystem(**config)
        assert failure(caught.value) == failure(error)
        return True
    return False


def play(config: dict[str, Any], steps: list[Step], api: Any = None) -> None:
    """A history from beginning to end."""
    if refused(config):
        return
    pair = Pair(config, api)
    for step in steps:
        pair.both(step)
        pair.compare()
    pair.finish()


# --- state machines ---------------------------------------------------------

randoms = st.randoms(use_true_random=False)


class Twin(RuleBasedStateMachine):
    """A pair, and a rule for each kind of step."""

    config = staticmethod(random_config)
    pair: Pair | None = None

    @initialize(rng=randoms)
    def begin(self, rng):
        config = self.config(rng)
        self.pair = None if refused(config) else Pair(config)

    def step(self, step):
        if self.pair is not None:
            self.pair.both(step)

    @invariant()
    def same(self):
        if self.pair is not None:
            self.pair.compare()

    def teardown(self):
        if self.pair is not None:
            self.pair.finish()


def rule_of(name: str) -> Any:
    """The rule that plays steps of this name."""

    def play_step(self: Any, step: Step) -> None:
        self.step(step)

    play_step.__name__ = "play_" + name
    return rule(step=randoms.map(STEPS[name]))(play_step)


for _name in STEPS:
    setattr(Twin, "play_" + _name, rule_of(_name))


class SmallTwin(Twin):
    """A pair in which nearly nothing fits."""

    config = staticmethod(small_config)


TestTwin = Twin.TestCase
TestTwin.settings = settings(stateful_step_count=50)
TestSmallTwin = SmallTwin.TestCase
TestSmallTwin.settings = settings(stateful_step_count=50)


@pytest.mark.parametrize("config", [random_config, small_config])
def test_long_histories(config):
    """The same from a seed, longer; KIST_SEED and KIST_HISTORIES set it."""
    seed = int(os.environ.get("KIST_SEED", random.randrange(2**32)))
    print(f"KIST_SEED={seed}")
    for i in range(int(os.environ.get("KIST_HISTORIES", "40"))):
        rng = random.Random(seed + i)
        chosen = config(rng)
        play(chosen, [random_step(rng) for _ in range(rng.choice((50, 300)))])


def test_long_async_histories():
    """The same through the async face, one call after the other."""
    seed = int(os.environ.get("KIST_SEED", random.randrange(2**32)))
    print(f"KIST_SEED={seed}")
    face = async_face(under_test())
    for i in range(int(os.environ.get("KIST_HISTORIES", "20"))):
        rng = random.Random(seed + i)
        chosen = random_config(rng)
        steps = [random_step(rng) for _ in range(100)]
        play(chosen, asynchronous(steps), face)


class Family:
    """A file system, and snapshots of it and of them, on one side."""

    def __init__(self, api: Any, config: dict[str, Any]) -> None:
        self.worlds = [World(api, config)]
        self.views: list[memoryview] = []

    def play(self, number: int, step: Step) -> Any:
        """What a step comes to, in one of them."""
        world = self.worlds[number]
        try:
            if step[0] == "snapshot":
                return self.worlds.append(world.snapshot())
            if step[0] == "restore":
                return world.fs.restore(self.worlds[step[1]].fs)
            if step[0] == "view":
                self.views.append(world.fs.view(step[1]))
                return self.views[-1].readonly
            if step[0] == "end":
                return contents(self.worlds.pop(number))
        except Exception as error:
            return failure(error)
        return without_set(world.do(step))

    def everything(self) -> list[Any]:
        """All of all, and what the views show."""
        return [everything(world) for world in self.worlds] + self.views


def family_step(rng: random.Random, count: int) -> Step:
    """A step for one of `count` worlds."""
    kind = rng.randrange(40)
    if kind == 0 and count < 4:
        return ("snapshot",)
    if kind == 1:
        return ("restore", rng.randrange(count))
    if kind == 2 and count > 1:
        return ("end",)
    if kind < 6:
        return ("view", Likely("file", rng.randrange(9), "a"))
    return random_step(rng)


def test_snapshots():
    """Snapshots and views stay as they are, and restore gives them back."""
    seed = int(os.environ.get("KIST_SEED", random.randrange(2**32)))
    print(f"KIST_SEED={seed}")
    for i in range(int(os.environ.get("KIST_HISTORIES", "20"))):
        rng = random.Random(seed + i)
        config = {**random_config(rng), "max_quota": 20000, "max_nodes": 30}
        theirs, mine = Family(MODEL, config), Family(under_test(), config)
        for _ in range(200):
            n = rng.randrange(len(mine.worlds))
            likely = family_step(rng, len(mine.worlds))
            step = resolve(theirs.worlds[n], likely)
            assert mine.play(n, step) == theirs.play(n, step), (seed + i, step)
            assert mine.everything() == theirs.everything(), (seed + i, step)
        while mine.worlds:
            assert mine.play(0, ("end",)) == theirs.play(0, ("end",))
        assert mine.everything() == theirs.everything(), seed + i


def test_model_is_small_in_numbers():
    """What the model sums up is what a reader of the contract would."""
    fs = memfsmodel.MemoryFileSystem(1000, 10)
    with fs.open("/f", "wb") as handle:
        handle.write(b"x" * 300)
        handle.write(b"x" * 100)
        assert fs.stats()["used_bytes"] == 420
        handle.seek(0)
        handle.write(b"")
        assert fs.stats()["used_bytes"] == 400
        handle.truncate(1000)
        assert fs.stats()["free_bytes"] == 0
