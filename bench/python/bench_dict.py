"""What one engine costs per operation of a dict of str to str.

    bench_dict.py -e ENGINE -d DIR [-n KEYS] GROUP

GROUP is `load`, which begins with a fresh store in DIR, or `read` or
`write`, which begin with what `load` left there and go over it once before
the clock starts.
"""

import shutil

import engines
from workload import Report, arguments, keys, some, values

HOT = 1000
LOAD_ORDER, ASKED, OVERWRITTEN, DELETED, HOT_ORDER = range(5)


class Run:
    """One engine, its keys, and where the figures go."""

    def __init__(self, args):
        self.engine = engines.ENGINES[args.engine]()
        self.count = min(args.count, self.engine.count_max)
        self.dir = args.dir
        self.report = Report("dict", args.engine, self.count)

    def load(self):
        """An engine that is slow at single puts is filled up to the last
        ones in its own way, and those are timed."""
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        self.engine.open(self.dir)
        order = some(self.count, self.count, LOAD_ORDER)
        # No more than a twentieth: the store is to have its size by then.
        puts = self.engine.puts
        if puts < self.count:
            puts = min(puts, self.count // 20)
        filled = max(0, self.count - puts)
        new, old = keys(order), values(order)
        if filled:
            self.engine.fill(new[:filled], old[:filled])
        new, old = new[filled:], old[filled:]
        with self.report.phase("put", len(new)):
            self.engine.put(new, old)
            self.engine.commit()
        self.engine.close()

    def reopen(self):
        self.engine.open(self.dir)
        if self.engine.in_memory:
            order = some(self.count, self.count, LOAD_ORDER)
            self.engine.fill(keys(order), values(order))
        asked = some(self.count, self.engine.asks, ASKED)
        found = self.engine.contains(keys(asked))
        if found != len(asked):
            raise SystemExit(f"{found} of {len(asked)} keys are there")
        if 2 * self.engine.asks >= self.count:
            self.engine.iterate_items()
        return asked

    def read(self):
        asked = self.reopen()
        engine, phase, ops = self.engine, self.report.phase, len(asked)
        again = keys(asked)
        with phase("get", ops):
            engine.get(again)
        hot = keys(some(self.count, HOT, HOT_ORDER))
        hot *= max(1, min(engine.asks, self.count) // len(hot))
        with phase("null", len(hot)):
            engine.null(hot)
        with phase("get_hot", len(hot)):
            engine.get(hot)
        again = keys(asked)
        with phase("contains", ops):
            engine.contains(again)
        again = engines.batches(keys(asked))
        with phase("get_many", ops):
            engine.get_many(again)
        with phase("keys", self.count):
            engine.iterate_keys()
        with phase("values", self.count):
            engine.iterate_values()
        with phase("items", self.count):
            engine.iterate_items()
        engine.close()

    def write(self):
        self.reopen()
        engine, phase = self.engine, self.report.phase
        half = min(engine.puts, self.count // 2)
        order = some(self.count, half, OVERWRITTEN)
        again, new = keys(order), values(order, 1)
        with phase("overwrite", len(again)):
            engine.put(again, new)
            engine.commit()
        del new
        again = keys(some(self.count, half, DELETED))
        with phase("delete", len(again)):
            engine.delete(again)
            engine.commit()
        engine.close()


def main():
    args = arguments(__doc__, words="GROUP")
    for group in args.words:
        getattr(Run(args), group)()


if __name__ == "__main__":
    main()
