"""What kist's MemoryFileSystem costs, beside its peers.

    bench_memfs.py case CASE ENGINE [MIB [REPEATS]]
                                            one published case, one engine
    bench_memfs.py calls                    single calls, engines in turn
    bench_memfs.py trees                    whole trees, engines in turn
    bench_memfs.py threads                  four threads against one
    bench_memfs.py copies [MIB]             reads that must copy
    bench_memfs.py memory ENGINE files|appends
    bench_memfs.py versions

CASE is one of memfs_cases.py and ENGINE one of memfs_engines.py, or
bytesio, or list for large_stream_distinct.  Wall time, a JSON line for each figure.  A process's first run of
a case, whose memory comes from the kernel, is told apart from those after
it, which find in the allocator what the runs before gave back.
"""

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable

CASE_REPEATS = 9
CASE_SECONDS = 2.0  # no further repeat after that, but at least one


def row(**fields: object) -> None:
    print(json.dumps({"bench": "memfs", **fields}), flush=True)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds of wall and of processor time; what was left over from
    before is collected first, and the collector stays on as it comes."""
    gc.collect()
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    work()
    cpu = time.process_time_ns() - cpu
    return (time.perf_counter_ns() - wall) / 1e6, cpu / 1e6


# --- the published cases ----------------------------------------------------


def case(name: str, engine: str, mib: str = "2048",
         repeats: str = str(CASE_REPEATS)) -> None:
    import memfs_cases

    memfs_cases.LARGE_BLOCKS = int(mib)
    if engine == "bytesio":
        work = memfs_cases.BYTESIO[name]
    elif engine == "list":
        work = memfs_cases.list_large_stream_distinct
    else:
        from memfs_engines import ENGINES, use_once

        make = ENGINES[engine]
        use_once(make)

        def work() -> None:
            memfs_cases.CASES[name](make)

    gc.collect()
    gc.freeze()  # its modules are not gone over again and again
    first, _ = timed(work)
    row(what="case", case=name, engine=engine, first_ms=first)
    if repeats == "0":
        return
    walls: list[float] = []
    cpus: list[float] = []
    began = time.monotonic()
    while not walls or (len(walls) < int(repeats) and
                        time.monotonic() - began < CASE_SECONDS):
        wall, cpu = timed(work)
        walls.append(wall)
        cpus.append(cpu)
    row(what="case", case=name, engine=engine, ms=statistics.median(walls),
        min_ms=min(walls), cpu_ms=statistics.median(cpus),
        repeats=len(walls))


# --- reads that must copy ---------------------------------------------------


def copies(mib: str = "2048") -> None:
    """A whole file read in blocks of 1 MiB, each of which must be copied:
    beside memcpy of as many bytes of mapped memory, which is what slices of
    a `memoryview` do."""
    import mmap

    from memfs_cases import LARGE, MIB, QUOTA
    from memfs_engines import Kist

    blocks = int(mib)
    mapped = mmap.mmap(-1, blocks * MIB)
    mapped.madvise(mmap.MADV_HUGEPAGE)
    view, into = memoryview(mapped), bytearray(MIB)
    source, target = bytearray(LARGE), memoryview(into)
    for at in range(0, len(view), MIB):
        view[at:at + MIB] = source
    open_ = Kist(QUOTA).open
    with open_("/copied", "wb") as file:
        for _ in range(blocks):
            file.write(source)  # can change: nobody may refer to it

    def floor_into() -> None:
        for at in range(0, len(view), MIB):
            target[:] = view[at:at + MIB]

    def floor_bytes() -> None:
        for at in range(0, len(view), MIB):
            bytes(view[at:at + MIB])

    def kist_into() -> None:
        with open_("/copied", "rb") as file:
            while file.readinto(into):
                pass

    def kist_bytes() -> None:
        with open_("/copied", "rb") as file:
            file.seek(1)  # no read is of one chunk alone
            while file.read(MIB):
                pass

    jobs = {("memcpy", "readinto"): floor_into, ("kist", "readinto"):
            kist_into, ("memcpy", "read"): floor_bytes, ("kist", "read"):
            kist_bytes}
    walls: dict[tuple[str, str], list[float]] = {key: [] for key in jobs}
    for _ in range(5):
        for key, job in jobs.items():
            walls[key].append(timed(job)[0])
    for (engine, kind), values in walls.items():
        row(what="copies", kind=kind, engine=engine, mib=blocks,
            ms=statistics.median(values), min_ms=min(values))


# --- memory ------------------------------------------------------------------


def anonymous() -> int:
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Anonymous:"):
                return int(line.split()[1]) * 1024
    raise SystemExit("no Anonymous in smaps_rollup")


def memory(engine: str, kind: str) -> None:
    """What a million empty files, or as many appends of 8 bytes to one
    file, leave in memory."""
    from memfs_cases import QUOTA
    from memfs_engines import ENGINES, use_once

    make = ENGINES[engine]
    use_once(make)
    count = 1_000_000 if engine == "kist" else 100_000
    used = make(QUOTA)
    used.mkdir("/files")
    open_ = used.open
    before = anonymous()
    if kind == "files":
        for number in range(count):
            open_(f"/files/{number:07d}", "wb").close()
    elif kind == "appends":
        with open_("/file", "wb") as file:
            write = file.write
            for number in range(count):
                write(number.to_bytes(8, "little"))
    else:
        raise SystemExit(f"no kind {kind}")
    row(what="memory", kind=kind, engine=engine, n=count,
        bytes=(anonymous() - before) / count)


# --- the rest ----------------------------------------------------------------


def calls() -> None:
    import memfs_calls

    memfs_calls.calls(row)


def trees() -> None:
    import memfs_calls

    memfs_calls.trees(row)


def threads() -> None:
    import memfs_calls

    memfs_calls.threads(row)


def versions() -> None:
    import os
    import platform
    from importlib import metadata

    names = ("D-MemFS", "fs", "fsspec", "pyfakefs")
    row(what="versions", cores=os.cpu_count(), versions={
        "CPython": platform.python_version(),
        **{name: metadata.version(name) for name in names}})


WORK: dict[str, Callable[..., None]] = {
    work.__name__: work
    for work in (case, calls, trees, threads, copies, memory, versions)
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in WORK:
        raise SystemExit(__doc__)
    WORK[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
