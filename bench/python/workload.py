"""Keys, values, orders and clocks that all Python benches share.

A key is 16 characters and a value 100, as in the C benches.  Both follow
from their number alone, so that each process of a run makes the same ones.
"""

import argparse
import gc
import json
import pathlib
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

VALUE_SIZE = 100
POOL = "".join(random.Random(2).choices("abcdefghijklmnopqrstuvwxyz ",
                                        k=1 << 16))
MULTIPLIER = 0x9E3779B97F4A7C15  # odd, so that no two keys are the same
MASK = (1 << 64) - 1


def key(number: int) -> str:
    return f"{(number + 1) * MULTIPLIER & MASK:016x}"


def value(number: int, generation: int = 0) -> str:
    place = (number * 101 + generation * 7) % (len(POOL) - VALUE_SIZE)
    return f"{number:08x}{POOL[place:place + VALUE_SIZE - 8]}"


def keys(numbers: Iterable[int]) -> list[str]:
    """New objects each time, whose hash nobody has asked for, as keys that
    come from a file or from the net."""
    return [key(number) for number in numbers]


def values(numbers: Iterable[int], generation: int = 0) -> list[str]:
    return [value(number, generation) for number in numbers]


def some(count: int, many: int, seed: int) -> list[int]:
    """`many` numbers below `count`, or all, in random order, none twice.
    The objects lie in memory in that order: going over them is no part of
    what is measured."""
    import numpy  # not at the top: bench_start.py must be small

    return numpy.random.default_rng(seed).permutation(count)[:many].tolist()


class Report:
    """Prints what phases cost, a JSON line each."""

    def __init__(self, bench: str, engine: str, count: int):
        self.common = {"bench": bench, "engine": engine, "n": count}

    def row(self, **fields: object) -> None:
        print(json.dumps({**self.common, **fields}), flush=True)

    @contextmanager
    def phase(self, name: str, ops: int) -> Iterator[None]:
        """Times its body, all threads, as `ops` operations."""
        gc.collect()
        gc.disable()
        wall = time.perf_counter_ns()
        cpu = time.process_time_ns()
        yield
        cpu = time.process_time_ns() - cpu
        wall = time.perf_counter_ns() - wall
        gc.enable()
        self.row(phase=name, ops=ops, cpu_ns=cpu / ops, wall_ns=wall / ops)


def arguments(text: str, *, words: str = "") -> argparse.Namespace:
    """-e ENGINE -d DIR -n COUNT, and the words that each bench names."""
    parser = argparse.ArgumentParser(description=text.split("\n")[0])
    parser.add_argument("-e", dest="engine", default="kist")
    parser.add_argument("-d", dest="dir", type=pathlib.Path, required=True)
    parser.add_argument("-n", dest="count", type=int, default=1_000_000)
    if words:
        parser.add_argument("words", nargs="+", metavar=words)
    return parser.parse_args()

