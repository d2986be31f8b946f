"""What a set of str costs per operation.

    bench_set.py -e set|kist -d DIR [-n MEMBERS]
"""

import shutil

from workload import Report, arguments, keys, some

ADD_ORDER, ASKED = range(2)


def opened(args):
    if args.engine == "set":
        return set()
    from kist import FSSet

    return FSSet(args.dir / "set")


def add_all(store, members):
    add = store.add
    for member in members:
        add(member)


def contains(store, members):
    found = 0
    for member in members:
        if member in store:
            found += 1
    return found


def main():
    args = arguments(__doc__)
    report = Report("set", args.engine, args.count)
    shutil.rmtree(args.dir, ignore_errors=True)
    args.dir.mkdir(parents=True)
    store = opened(args)
    members = keys(some(args.count, args.count, ADD_ORDER))
    with report.phase("add", args.count):
        add_all(store, members)
    asked = some(args.count, args.count, ASKED)
    found = contains(store, keys(asked))  # and so all of it is touched
    if found != args.count:
        raise SystemExit(f"{found} of {args.count} members are there")
    again = keys(asked)
    with report.phase("contains", args.count):
        contains(store, again)


if __name__ == "__main__":
    main()
