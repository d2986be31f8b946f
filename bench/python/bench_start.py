"""What it takes to begin, each in a fresh process.

    bench_start.py -d DIR versions
    bench_start.py -d DIR import
    bench_start.py -d DIR -e ENGINE [-n KEYS] open
    bench_start.py -d DIR -e kist|none [-n KEYS] memory

`open` and `memory` want what bench_dict.py left in DIR.  `memory` gets
200 000 and puts 100 000 keys, keeps none of them, and says how much
anonymous memory the process has; `none` does the same without a store.
"""

import time


def memory_bytes(field):
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise SystemExit(f"no {field} in smaps_rollup")


def measure_import():
    """Before anything else is imported: what kist finds is what a user's
    first line finds."""
    memory_bytes("Rss")
    memory = memory_bytes("Rss")
    cpu = time.process_time_ns()
    import kist  # noqa: F401  (this is what is measured)

    cpu = time.process_time_ns() - cpu
    return {"phase": "import", "cpu_ns": cpu,
            "rss_bytes": memory_bytes("Rss") - memory}


def measure_open(args):
    import engines
    from workload import key

    engine = engines.ENGINES[args.engine]()
    count = min(args.count, engine.count_max)
    first = [key(count // 2)]
    # Its library is loaded and has run: importing is another figure.
    warm = args.dir / "warm"
    warm.mkdir(exist_ok=True)
    engine.open(warm)
    engine.close()
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    engine.open(args.dir)
    engine.get(first)
    wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    engine.close()
    return {"phase": "open", "n": count, "total_us": wall / 1000,
            "cpu_us": cpu / 1000}


def measure_memory(args):
    from workload import key, value

    store = None
    if args.engine == "kist":
        from kist import FSDict

        store = FSDict(args.dir / "store")
        if len(store) < args.count // 2:
            raise SystemExit("the store is not full")
    step = 7919  # a prime: scattered over the keys
    for number in range(200_000):
        name = key(number * step % args.count)
        if store is not None:
            store.get(name)
    for number in range(100_000):
        name, text = key(number * step % args.count), value(number, 2)
        if store is not None:
            store[name] = text
    return {"phase": "memory", "n": args.count,
            "anon_bytes": memory_bytes("Anonymous")}


def versions():
    import dbm
    import platform
    import tempfile
    from importlib import metadata

    names = ("lmdb", "rocksdict", "diskcache", "sqlitedict", "numpy")
    found = {name: metadata.version(name) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        dbm.open(folder + "/any", "n").close()
        found["shelve"] = dbm.whichdb(folder + "/any")
    return {"phase": "versions", "versions": {
        "CPython": platform.python_version(), **found}}


def main():
    import sys

    if sys.argv[-1] == "import":
        row = {"engine": "kist", **measure_import()}
    else:
        from workload import arguments

        args = arguments(__doc__, words="WHAT")
        measured = {"open": measure_open, "memory": measure_memory}
        if args.words == ["versions"]:
            row = versions()
        else:
            row = {"engine": args.engine, **measured[args.words[0]](args)}
    import json

    print(json.dumps({"bench": "start", **row}))


if __name__ == "__main__":
    main()
