"""What a list costs per operation: of str, and of numbers.

    bench_list.py -e list|list-int|kist|kist-int -d DIR [-n ITEMS] GROUP

GROUP is `load`, which begins with a fresh list in DIR, or `use`, which
begins with what `load` left there and goes over it once before the clock
starts.  kist-int is FSList(klass=int); its slices as arrays are of
numpy.asarray() of it.
"""

import shutil

from engines import consume
from workload import Report, arguments, some, values

SLICE = 1000
SLICES = 2000
GET_ORDER, SET_ORDER, SLICE_ORDER = range(3)


def items(engine, count, generation):
    if engine.endswith("-int"):
        # Past the small ints, which builtin types share.
        return [number + 1000 * (generation + 1) for number in range(count)]
    return values(range(count), generation)


def opened(args):
    if args.engine in ("list", "list-int"):
        return []
    from kist import FSList

    klass = int if args.engine == "kist-int" else None
    return FSList(args.dir / "list", klass=klass)


def append_all(store, things):
    append = store.append
    for thing in things:
        append(thing)


def get(store, places):
    for place in places:
        store[place]


def put(store, places, things):
    for place, thing in zip(places, things, strict=True):
        store[place] = thing


def slices(store, places):
    for place in places:
        store[place:place + SLICE]


def copies(array, places):
    for place in places:
        array[place:place + SLICE].copy()


def load(args, report):
    shutil.rmtree(args.dir, ignore_errors=True)
    args.dir.mkdir(parents=True)
    store = opened(args)
    things = items(args.engine, args.count, 0)
    with report.phase("append", args.count):
        append_all(store, things)


def use(args, report):
    store = opened(args)
    if isinstance(store, list):
        store.extend(items(args.engine, args.count, 0))
    consume(store)
    places = some(args.count, args.count, GET_ORDER)
    with report.phase("get", args.count):
        get(store, places)
    places = some(args.count - SLICE, SLICES, SLICE_ORDER)
    with report.phase("slice", len(places)):
        slices(store, places)
    with report.phase("iterate", args.count):
        consume(store)
    if args.engine == "kist-int":
        use_arrays(store, places, report)
    places = some(args.count, args.count, SET_ORDER)
    things = items(args.engine, args.count, 1)
    with report.phase("set", args.count):
        put(store, places, things)


def use_arrays(store, places, report):
    import numpy

    places = places * 50
    array = numpy.asarray(store)
    with report.phase("slice_view", len(places)):
        slices(array, places)
    with report.phase("slice_copy", len(places)):
        copies(array, places)


def main():
    args = arguments(__doc__, words="GROUP")
    report = Report("list", args.engine, args.count)
    for group in args.words:
        {"load": load, "use": use}[group](args, report)


if __name__ == "__main__":
    main()
