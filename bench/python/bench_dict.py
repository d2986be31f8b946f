#!/usr/bin/env python3
"""FSDict beside dict: CPU ns an operation, medians of several rounds.

    PYTHONPATH=BUILD/python python3 bench/python/bench_dict.py [COUNT]

Both do the same work in turn, so that what else the machine does falls on
both.  The last column is FSDict's time over dict's.
"""

import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from time import process_time_ns

from kist import FSDict

ROUNDS = 5


def cost(work: Callable[[], object], count: int) -> float:
    begin = process_time_ns()
    work()
    return (process_time_ns() - begin) / count


def compare(
    name: str,
    count: int,
    works: list[Callable[[], object]],
    between: Callable[[], object] = lambda: None,
) -> None:
    """One line: works[0] is dict's, works[1] FSDict's."""
    times: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for which, work in enumerate(works):
            times[which].append(cost(work, count))
        between()
    own, kept = (statistics.median(t) for t in times)
    print(f"{name:26} {own:9.1f} {kept:9.1f} {kept / own:7.2f}", flush=True)


def get(d, keys):
    for key in keys:
        d[key]


def contains(d, keys):
    for key in keys:
        _ = key in d


def put(d, keys, values):
    for key, value in zip(keys, values):
        d[key] = value


def delete(d, keys):
    for key in keys:
        del d[key]


def each(iterable):
    for _ in iterable:
        pass


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rng = random.Random(1)
    names = [f"user:{i:08d}" for i in range(count)]
    values = [f"value {i:08d} of it" for i in range(count)]
    shuffled = names[:]
    rng.shuffle(shuffled)
    few = min(count, 100_000)
    # Copies: a key that is the very object in the dict is too easy for it.
    asked = ["".join(key) for key in rng.sample(shuffled, few)]
    hot = ["".join(key) for key in shuffled[: min(count, 1000)]] * 100

    with tempfile.TemporaryDirectory() as folder:
        plain: dict[str, str] = {}
        kept: FSDict[str, str] = FSDict(folder + "/bench")
        pair = (plain, kept)

        def both(work):
            return [lambda d=d: work(d) for d in pair]

        print(f"{'ns each, CPU':26} {'dict':>9} {'FSDict':>9} {'ratio':>7}")
        compare(
            "d[k] = v, new",
            count,
            both(lambda d: put(d, names, values)),
            lambda: (plain.clear(), kept.clear()),
        )
        # From pairs: dict.update(dict) of an empty one copies its table.
        compare(
            "d.update(pairs), new",
            count,
            both(lambda d: d.update(zip(names, values))),
            lambda: (plain.clear(), kept.clear()),
        )
        for d in pair:
            d.update(zip(names, values))
        compare("d[k], random", few, both(lambda d: get(d, asked)))
        compare("d[k], 1 k hot", len(hot), both(lambda d: get(d, hot)))
        compare("k in d, random", few, both(lambda d: contains(d, asked)))
        compare(
            "get_many, random",
            few,
            [
                lambda: [plain.get(key) for key in asked],
                lambda: kept.get_many(asked),
            ],
        )
        compare(
            "d[k] = v, overwrite",
            few,
            both(lambda d: put(d, asked, values)),
        )
        compare("for k in d", count, both(each))
        compare("for v in d.values()", count, both(lambda d: each(d.values())))
        compare(
            "for k, v in d.items()", count, both(lambda d: each(d.items()))
        )
        compare(
            "del d[k]",
            few,
            both(lambda d: delete(d, asked)),
            lambda: [put(d, asked, values) for d in pair],
        )
        kept.destroy()


if __name__ == "__main__":
    main()
