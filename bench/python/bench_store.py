"""What kist's stores cost, beside their peers.

    bench_store.py [-n COUNT] [-s SECONDS] [--only CALL...] DIR WHAT...

    filedir ENGINE FORMAT        FileDirDict, calls in turn
    local ENGINE                 LocalDict
    cached ENGINE                MutableDictCached, AppendOnlyDictCached
    nfs ENGINE FORMAT            NfsDict
    diskcache, joblib            set and get alone
    dict                         a get of a dict, the floor of cached ones
    durable ENGINE...            puts of 16 threads, the engines in turn;
                                 kist-sync is kist without shared syncs
    lost ENGINE FORMAT           2 processes add to one number
    import ENGINE                in this process, which is fresh
    versions

ENGINE is kist, persidict or nfsdict.  DIR is made, and removed again.  CPU
us, user and system, of all threads: a JSON line for each call, an operation,
or an entry for what goes over all.  A call takes SECONDS at most (0.5), and
--only measures those named, so that one row takes no longer than it must.
"""

import sys
import time

if sys.argv[-2:-1] == ["import"]:  # before anything else is imported
    import_began = time.process_time_ns()
    if sys.argv[-1] == "kist":
        from kist import (  # noqa: F401  (this is what is measured)
            FileDirDict,
            LocalDict,
            MutableDictCached,
            NfsDict,
        )
    else:
        __import__(sys.argv[-1])
    import_ns = time.process_time_ns() - import_began
    imported = sorted({"numpy", "pandas", "boto3", "joblib", "jsonpickle",
                       "dataclasses", "inspect", "typing"} & set(sys.modules))

import argparse
import gc
import json
import multiprocessing
import pathlib
import random
import shutil
import statistics
import threading
from collections.abc import Callable, Sequence
from typing import Any

import store_calls as calls
import store_engines as engines

CHUNK = 200     # operations between two looks at the clock
PASSES = 3      # of what leaves the store as it was
THREADS = 16
TURNS = 5       # of each engine, with a fifth of the puts
HOT = 100       # keys whose values are in the caches of the processor
FEW = 10        # keys of a small store
ADDS = 300      # of each of two processes
WHOLE_SECONDS = 0.2

options = argparse.Namespace()


def row(**fields: object) -> None:
    print(json.dumps({"bench": "stores", **fields}), flush=True)


class Meter:
    """Measures the calls of one store."""

    def __init__(self, **common: str) -> None:
        self.common = common

    def wanted(self, call: str) -> bool:
        return not options.only or call in options.only

    def cost(self, work: Callable[[], object]) -> tuple[int, int]:
        gc.collect()
        gc.disable()
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        work()
        cpu = time.process_time_ns() - cpu
        wall = time.perf_counter_ns() - wall
        gc.enable()
        return cpu, wall

    def each(self, call: str, store: Any, work: calls.Work,
             keys: Sequence[Any], *, needed: bool = False,
             passes: int = 1) -> None:
        """`needed`: what comes after wants it done for every key."""
        if not self.wanted(call):
            if needed:
                work(store, keys)
            return
        costs: list[tuple[float, float]] = []
        for _ in range(passes):
            done = 0
            begins = time.monotonic()

            def some(begins: float = begins) -> None:
                nonlocal done
                while done < len(keys) and (
                        needed or done == 0 or
                        time.monotonic() - begins < options.seconds / passes):
                    work(store, keys[done:done + CHUNK])
                    done += CHUNK

            cpu, wall = self.cost(some)
            done = min(done, len(keys))
            costs.append((cpu / done / 1000, wall / done / 1000))
        self.row(call, *(statistics.median(part) for part in
                         zip(*costs, strict=True)))

    def whole(self, call: str, work: Callable[[], object], entries: int,
              undo: Callable[[], object] = lambda: None) -> None:
        if not self.wanted(call):
            return
        costs: list[tuple[int, int]] = []
        begins = time.monotonic()
        while len(costs) < PASSES or (
                time.monotonic() - begins < WHOLE_SECONDS):
            costs.append(self.cost(work))
            undo()
        self.row(call, *(statistics.median(part) / entries / 1000
                         for part in zip(*costs, strict=True)))

    def row(self, call: str, cpu_us: float, wall_us: float,
            **more: object) -> None:
        row(**self.common, call=call, us=cpu_us, wall_us=wall_us, **more)


class Keys:
    """Those of a run, and what is put under them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.all = [calls.key(i) for i in range(count)]
        self.mixed = random.Random(1).sample(self.all, count)
        self.hot = self.mixed[:HOT] * (count // HOT)
        self.missing = [calls.missing(i) for i in range(count)]
        self.values = {calls.key(i): calls.value(i) for i in range(count)}
        self.others = {calls.key(i): calls.value(i + 1) for i in range(count)}


def filedir(engine: str, form: str) -> None:
    module = engines.module_of(engine)
    keys = Keys(options.count)
    meter = Meter(what="filedir", engine=engine, format=form)
    store = engines.filedir(engine, options.dir / "one", form)
    engines.use_once(store)
    meter.each("set_new", store, calls.setter(keys.values), keys.all,
               needed=True)
    meter.each("set_over", store, calls.setter(keys.others), keys.mixed)
    for call, work in (("get", calls.get), ("contains", calls.contains),
                       ("etag", calls.etag),
                       ("timestamp", calls.timestamp)):
        meter.each(call, store, work, keys.mixed, passes=PASSES)
    meter.each("get_missing", store, calls.get_default, keys.missing,
               passes=PASSES)
    meter.each("contains_missing", store, calls.contains, keys.missing,
               passes=PASSES)
    if meter.wanted("get_item_if") or meter.wanted("set_item_if"):
        etags = {name: store.etag(name) for name in keys.mixed}
        meter.each("get_item_if", store, calls.getter_if(module, etags),
                   keys.mixed, passes=PASSES)
        meter.each("set_item_if", store,
                   calls.setter_if(module, etags, keys.values), keys.mixed)
    meter.each("transform_item", store, calls.transform, keys.mixed)
    for call, (work_all, an_entry) in calls.WHOLE.items():
        meter.whole(call, lambda work=work_all: work(store),
                    keys.count if an_entry else 1)
    meter.each("del", store, calls.delete, keys.mixed)
    few = engines.filedir(engine, options.dir / "few", form)
    calls.setter(keys.values)(few, keys.all[:FEW])
    meter.whole("bool_few", lambda: bool(few), 1)
    deep(engine, form, meter)


def deep(engine: str, form: str, meter: Meter) -> None:
    """Keys of three levels."""
    if not (meter.wanted("set_deep") or meter.wanted("get_deep")):
        return
    count = min(options.count, 2000)
    store = engines.filedir(engine, options.dir / "deep", form)
    values = {calls.deep(i): calls.value(i) for i in range(count)}
    names = list(values)
    meter.each("set_deep", store, calls.setter(values), names, needed=True)
    meter.each("get_deep", store, calls.get, names, passes=PASSES)


def local(engine: str) -> None:
    keys = Keys(options.count)
    meter = Meter(what="local", engine=engine)
    store = engines.local(engine)
    meter.each("set_new", store, calls.setter(keys.values), keys.all,
               needed=True)
    meter.each("set_over", store, calls.setter(keys.others), keys.mixed)
    meter.each("get", store, calls.get, keys.mixed, passes=PASSES)
    meter.each("get_hot", store, calls.get, keys.hot, passes=PASSES)
    meter.each("contains", store, calls.contains, keys.mixed, passes=PASSES)
    for call in ("keys", "items", "len", "bool", "random_key"):
        work_all, an_entry = calls.WHOLE[call]
        meter.whole(call, lambda work=work_all: work(store),
                    keys.count if an_entry else 1)
    meter.each("del", store, calls.delete, keys.mixed)


def cached(engine: str) -> None:
    keys = Keys(options.count)
    mutable = Meter(what="mutable_cached", engine=engine)
    store = engines.mutable_cached(engine, options.dir / "mutable")
    mutable.each("set_new", store, calls.setter(keys.values), keys.all,
                 needed=True)
    mutable.each("get", store, calls.get, keys.mixed, passes=PASSES)
    mutable.each("get_hot", store, calls.get, keys.hot, passes=PASSES)
    mutable.each("etag", store, calls.etag, keys.mixed, passes=PASSES)
    append = Meter(what="append_only_cached", engine=engine)
    if not append.wanted("get"):
        return
    store = engines.append_only_cached(engine, options.dir / "append")
    append.each("set_new", store, calls.setter(keys.values), keys.all,
                needed=True)
    calls.get(store, keys.all)
    append.each("get", store, calls.get, keys.mixed, passes=PASSES)
    append.each("get_hot", store, calls.get, keys.hot, passes=PASSES)
    append.each("contains", store, calls.contains, keys.mixed, passes=PASSES)


def nfs(engine: str, form: str) -> None:
    keys = Keys(options.count)
    meter = Meter(what="nfs", engine=engine, format=form)
    path = options.dir / "nfs"
    store = engines.nfs(engine, path, form)
    meter.each("set_new", store, calls.setter(keys.values), keys.all,
               needed=True)
    meter.each("set_over", store, calls.setter(keys.others), keys.mixed)
    meter.each("get", store, calls.get, keys.mixed, passes=PASSES)
    meter.each("contains", store, calls.contains, keys.mixed, passes=PASSES)
    meter.each("get_missing", store, calls.get_default, keys.missing,
               passes=PASSES)
    meter.whole("sync", store.sync, keys.count)
    store.close()
    nfs_opened(engine, form, meter, keys)
    store = engines.nfs(engine, path, form)
    meter.each("del", store, calls.delete, keys.mixed)
    store.close()


def nfs_opened(engine: str, form: str, meter: Meter, keys: Keys) -> None:
    """What opening costs an entry: eager and lazy, with an index and
    without."""
    path = options.dir / "nfs"
    opened: list[Any] = []

    def drop() -> None:
        """Not timed: the store that was opened, and its values."""
        for store in opened:
            if len(store) != keys.count:
                raise SystemExit(f"{len(store)} of {keys.count} keys found")
            store.close()
        opened.clear()
        gc.collect()

    def unindexed() -> None:
        drop()
        for index in (path / "bench").glob("_index.*"):
            index.unlink()

    for lazy in (False, True):
        kind = "lazy" if lazy else "eager"

        def work(lazy: bool = lazy) -> None:
            opened.append(engines.nfs(engine, path, form, lazy=lazy))

        meter.whole(f"open_{kind}", work, keys.count, drop)
        if meter.wanted(f"open_{kind}_unindexed"):
            unindexed()
            meter.whole(f"open_{kind}_unindexed", work, keys.count,
                        unindexed)
    def first_asked() -> None:
        opened.append(engines.nfs(engine, path, form, lazy=True))
        if keys.all[0] not in opened[-1]:
            raise SystemExit("a key is missing")

    meter.whole("open_lazy_in", first_asked, keys.count, drop)
    if meter.wanted("get_lazy"):
        store = engines.nfs(engine, path, form, lazy=True)
        meter.each("get_lazy", store, calls.get, keys.mixed)
        store.close()


def diskcache() -> None:
    keys = Keys(options.count)
    meter = Meter(what="filedir", engine="diskcache", format="pkl")
    with engines.disk_cache(options.dir / "cache") as store:
        meter.each("set_new", store, calls.setter(keys.values), keys.all,
                   needed=True)
        meter.each("set_over", store, calls.setter(keys.others), keys.mixed)
        meter.each("get", store, calls.get, keys.mixed, passes=PASSES)
        meter.each("contains", store, calls.contains, keys.mixed,
                   passes=PASSES)
        meter.whole("keys", lambda: sum(1 for _ in store), keys.count)
        meter.each("del", store, calls.delete, keys.mixed)


def joblib() -> None:
    """A call stores a result; the second with the same argument reads it."""
    keys = Keys(min(options.count, 2000))
    meter = Meter(what="filedir", engine="joblib", format="pkl")
    call = engines.joblib_memory(options.dir / "cache", keys.values)

    def work(_: object, names: Sequence[str]) -> None:
        for name in names:
            call(name)

    meter.each("set_new", None, work, keys.all, needed=True)
    meter.each("get", None, work, keys.mixed, passes=PASSES)


def builtin() -> None:
    keys = Keys(options.count)
    meter = Meter(what="dict", engine="dict")
    meter.each("get", dict(keys.values), calls.get, keys.mixed,
               passes=2 * PASSES + 1)


# --- several writers --------------------------------------------------------


def durable(*names: str) -> None:
    """Puts of 16 threads, each safe when it returns; the engines take turns,
    so that all meet the same disk.  Wall time counts."""
    stores = {name: durable_store(name) for name in names}
    each = max(1, options.count // THREADS // TURNS)
    costs: dict[str, list[tuple[float, float]]] = {}
    for turn in range(TURNS):
        for name, store in stores.items():
            costs.setdefault(name, []).append(
                put_at_once(store, turn, each))
    for name, found in costs.items():
        cpu, wall = (statistics.median(part)
                     for part in zip(*found, strict=True))
        row(what="durable", engine=name, threads=THREADS, us=cpu,
            wall_us=wall)


def durable_store(name: str) -> Any:
    more = {"durability": "group"} if name == "kist" else {}
    return engines.filedir(name.partition("-")[0], options.dir / name,
                           "json", **more)


def put_at_once(store: Any, turn: int, each: int) -> tuple[float, float]:
    ready = threading.Barrier(THREADS + 1)
    failed: list[BaseException] = []

    def writer(number: int) -> None:
        names = [f"t{number:02d}-{turn}-{i:05d}" for i in range(each)]
        ready.wait()
        try:
            for i, name in enumerate(names):
                store[name] = calls.value(i)
        except BaseException as problem:  # noqa: BLE001  (it is raised)
            failed.append(problem)

    threads = [threading.Thread(target=writer, args=(number,))
               for number in range(THREADS)]
    for thread in threads:
        thread.start()
    ready.wait()
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    for thread in threads:
        thread.join()
    cpu = time.process_time_ns() - cpu
    wall = time.perf_counter_ns() - wall
    if failed:
        raise failed[0]
    puts = THREADS * each
    return cpu / puts / 1000, wall / puts / 1000


def add(engine: str, path: pathlib.Path, form: str, count: int,
        ready: Any) -> None:
    store = engines.filedir(engine, path, form)
    ready.wait()
    for _ in range(count):
        store.transform_item("number", transformer=lambda old: old + 1,
                             n_retries=None)


def lost(engine: str, form: str) -> None:
    """How many of two processes' additions are gone."""
    path = options.dir / "lost"
    store = engines.filedir(engine, path, form)
    store["number"] = 0
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(2)
    workers = [context.Process(target=add,
                               args=(engine, path, form, ADDS, ready))
               for _ in range(2)]
    wall = time.perf_counter_ns()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    wall = time.perf_counter_ns() - wall
    if any(worker.exitcode != 0 for worker in workers):
        raise SystemExit("a writer has failed")
    row(what="lost", engine=engine, format=form, adds=2 * ADDS,
        lost=2 * ADDS - store["number"], wall_us=wall / 2 / ADDS / 1000)


# --- the process ------------------------------------------------------------


def importing(engine: str) -> None:
    row(what="import", engine=engine, ms=import_ns / 1e6, imported=imported)


def versions() -> None:
    import platform
    from importlib import metadata

    names = ("persidict", "nfsdict", "diskcache", "joblib")
    row(what="versions", versions={
        "CPython": platform.python_version(),
        **{name: metadata.version(name) for name in names}})


WHAT: dict[str, Callable[..., None]] = {
    "filedir": filedir, "local": local, "cached": cached, "nfs": nfs,
    "diskcache": diskcache, "joblib": joblib, "dict": builtin,
    "durable": durable, "lost": lost, "import": importing,
    "versions": versions,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", dest="count", type=int, default=10_000)
    parser.add_argument("-s", dest="seconds", type=float, default=0.5)
    parser.add_argument("--only", action="append", metavar="CALL")
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("words", nargs="*")
    parser.parse_args(namespace=options)
    options.dir.mkdir()
    gc.collect()
    gc.freeze()
    try:
        WHAT[options.what](*options.words)
    finally:
        shutil.rmtree(options.dir)


if __name__ == "__main__":
    main()
