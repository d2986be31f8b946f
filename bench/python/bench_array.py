"""NumPy over int64: an ndarray, and an FSList(klass="int64") through it.

    bench_array.py -e ndarray|kist -d DIR [-n NUMBERS]

`sum` and `filter` are of an array that is held, `asarray_sum` and
`asarray_filter` begin with numpy.asarray() each time.
"""

import shutil

import numpy
from workload import Report, arguments

REPEATS = 9
CHUNK = 100_000


def numbers(count):
    return numpy.random.default_rng(3).integers(0, 1 << 40, count,
                                                dtype=numpy.int64)


def opened(args):
    plain = numbers(args.count)
    if args.engine == "ndarray":
        return plain
    from kist import FSList

    store = FSList(args.dir / "numbers", klass="int64")
    for first in range(0, args.count, CHUNK):
        store.extend(plain[first:first + CHUNK].tolist())
    if int(numpy.asarray(store).sum()) != int(plain.sum()):
        raise SystemExit("the list adds up to something else")
    return store


def main():
    args = arguments(__doc__)
    report = Report("array", args.engine, args.count)
    shutil.rmtree(args.dir, ignore_errors=True)
    args.dir.mkdir(parents=True)
    store = opened(args)
    held = numpy.asarray(store)
    held.sum()
    works = {"sum": lambda array: array.sum(),
             "filter": lambda array: array[array > 1 << 39]}
    for name, work in works.items():
        for _ in range(REPEATS):
            with report.phase(name, args.count):
                work(held)
    del held
    for name, work in works.items():
        for _ in range(REPEATS):
            with report.phase(f"asarray_{name}", args.count):
                work(numpy.asarray(store))


if __name__ == "__main__":
    main()
