"""NumPy over int64: an ndarray, and an FSList(klass="int64") through it.

    bench_array.py -e ndarray|kist -d DIR [-n NUMBERS]

Each time begins with numpy.asarray(), as a program does that keeps its
numbers in the list.
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
    numpy.asarray(store).sum()
    for _ in range(REPEATS):
        with report.phase("sum", args.count):
            numpy.asarray(store).sum()
    for _ in range(REPEATS):
        with report.phase("filter", args.count):
            array = numpy.asarray(store)
            array[array > 1 << 39]


if __name__ == "__main__":
    main()
