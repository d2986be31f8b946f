"""What single calls of a memory file system cost, kist's beside D-MemFS's.

Both are used in one process, in turns of a few milliseconds, so that both
meet the same machine; the median of the turns counts.
"""

import gc
import importlib
import random
import statistics
import threading
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

MODULES = {"kist": "kist", "dmemfs": "dmemfs"}
TURNS = 9
QUOTA = 4 << 30

Row = Callable[..., None]
Loop = Callable[[int], object]

D100 = b"h" * 100
D4K = b"f" * 4096
FILE = 1 << 20  # what is read and overwritten
LINE = "fifty-four characters and a line feed, as it is in logs\n"


def module(engine: str) -> Any:
    return importlib.import_module(MODULES[engine])


def turns(loops: dict[str, Loop], count: int,
          number: int = TURNS) -> dict[str, float]:
    """ns a call of each engine's loop of `count` calls."""
    walls: dict[str, list[float]] = {engine: [] for engine in loops}
    for loop in loops.values():
        loop(min(count, 100))
    for _ in range(number):
        for engine, loop in loops.items():
            gc.collect()
            wall = time.perf_counter_ns()
            loop(count)
            walls[engine].append((time.perf_counter_ns() - wall) / count)
    return {engine: statistics.median(values)
            for engine, values in walls.items()}


class Calls:
    """The loops of one engine.  Each is a `for` with one call, or with what
    belongs together, in it."""

    def __init__(self, engine: str) -> None:
        self.module = module(engine)
        self.fs = self.module.MemoryFileSystem(max_quota=QUOTA)
        self.fs.mkdir("/a/b/c/d/e")
        with self.fs.open("/file", "wb") as file:
            file.write(D4K)
        with self.fs.open("/large", "wb") as file:
            for _ in range(FILE // len(D4K)):
                file.write(D4K)
        with self.fs.open("/lines", "wb") as file:
            for _ in range(1000):
                file.write(LINE.encode())
        draw = random.Random(7)
        self.places = [draw.randrange(FILE - 100) for _ in range(1 << 16)]

    def null(self, count: int) -> None:
        for _ in range(count):
            pass

    def open_rb_close(self, count: int) -> None:
        open_ = self.fs.open
        for _ in range(count):
            open_("/file", "rb").close()

    def open_wb_close(self, count: int) -> None:
        open_ = self.fs.open
        for _ in range(count):
            open_("/other", "wb").close()

    def with_rb_read_4k(self, count: int) -> None:
        open_ = self.fs.open
        for _ in range(count):
            with open_("/file", "rb") as file:
                file.read()

    def with_wb_write_4k(self, count: int) -> None:
        open_ = self.fs.open
        for _ in range(count):
            with open_("/written", "wb") as file:
                file.write(D4K)

    def append_100(self, count: int) -> None:
        with self.fs.open("/appended", "wb") as file:
            write = file.write
            for _ in range(count):
                write(D100)

    def append_8(self, count: int) -> None:
        data = b"12345678"
        with self.fs.open("/appended", "wb") as file:
            write = file.write
            for _ in range(count):
                write(data)

    def read_100(self, count: int) -> None:
        with self.fs.open("/large", "rb") as file:
            read = file.read
            for _ in range(count):
                read(100)

    def seek_read_100(self, count: int) -> None:
        with self.fs.open("/large", "rb") as file:
            seek, read = file.seek, file.read
            for place in self.places[:count]:
                seek(place)
                read(100)

    def seek_overwrite_100(self, count: int) -> None:
        with self.fs.open("/large", "r+b") as file:
            seek, write = file.seek, file.write
            for place in self.places[:count]:
                seek(place)
                write(D100)

    def exists(self, count: int) -> None:
        exists = self.fs.exists
        for _ in range(count):
            exists("/file")

    def exists_deep(self, count: int) -> None:
        exists = self.fs.exists
        for _ in range(count):
            exists("/a/b/c/d/e")

    def is_file(self, count: int) -> None:
        is_file = self.fs.is_file
        for _ in range(count):
            is_file("/file")

    def stat(self, count: int) -> None:
        stat = self.fs.stat
        for _ in range(count):
            stat("/file")

    def get_size(self, count: int) -> None:
        get_size = self.fs.get_size
        for _ in range(count):
            get_size("/file")

    def mkdir(self, count: int) -> None:
        self.fs.mkdir("/made")
        mkdir = self.fs.mkdir
        for number in range(count):
            mkdir(f"/made/{number}")
        self.fs.rmtree("/made")

    def create_remove(self, count: int) -> None:
        open_, remove = self.fs.open, self.fs.remove
        for _ in range(count):
            open_("/gone", "wb").close()
            remove("/gone")

    def rename(self, count: int) -> None:
        rename = self.fs.rename
        open_ = self.fs.open
        open_("/one", "wb").close()
        for _ in range(count // 2):
            rename("/one", "/two")
            rename("/two", "/one")
        self.fs.remove("/one")

    def text_write_line(self, count: int) -> None:
        with self.fs.open("/text", "wb") as file:
            write = self.module.MFSTextHandle(file).write
            for _ in range(count):
                write(LINE)

    def text_read_line(self, count: int) -> None:
        done = 0
        while done < count:
            with self.fs.open("/lines", "rb") as file:
                for line in self.module.MFSTextHandle(file):
                    if line != LINE:
                        raise SystemExit("a line is not what was written")
                    done += 1
                    if done == count:
                        break


# How many calls a turn has.
COUNTS = {
    "null": 20_000,
    "open_rb_close": 2_000,
    "open_wb_close": 2_000,
    "with_rb_read_4k": 2_000,
    "with_wb_write_4k": 2_000,
    "append_100": 5_000,
    "append_8": 5_000,
    "read_100": 5_000,
    "seek_read_100": 5_000,
    "seek_overwrite_100": 5_000,
    "exists": 5_000,
    "exists_deep": 5_000,
    "is_file": 5_000,
    "stat": 5_000,
    "get_size": 5_000,
    "mkdir": 2_000,
    "create_remove": 2_000,
    "rename": 2_000,
    "text_write_line": 2_000,
    "text_read_line": 200,
}


def calls(row: Row) -> None:
    engines = {engine: Calls(engine) for engine in MODULES}
    gc.collect()
    gc.freeze()
    for name, count in COUNTS.items():
        loops = {engine: getattr(each, name)
                 for engine, each in engines.items()}
        for engine, ns in turns(loops, count).items():
            row(what="call", call=name, engine=engine, ns=ns)


# --- whole trees -------------------------------------------------------------


TREE = 10_000
MANY = 100_000
FEW = 100
CONTENT = b"t" * 1024


class Trees:
    """One engine with TREE files in /tree and two more file systems, one of
    few and one of many files."""

    def __init__(self, engine: str) -> None:
        make = module(engine).MemoryFileSystem
        self.fs = make(max_quota=QUOTA)
        self.tree = {f"/tree/file_{number:05d}.bin": CONTENT
                     for number in range(TREE)}
        self.fs.import_tree(self.tree)
        for outer in range(100):
            self.fs.import_tree({f"/wide/{outer:02d}/{inner:02d}": CONTENT
                                 for inner in range(100)})
        self.few, self.many = make(max_quota=QUOTA), make(max_quota=QUOTA)
        for fs, count in ((self.few, FEW), (self.many, MANY)):
            fs.import_tree({f"/{number:06d}": b"" for number in
                            range(count)})

    def check(self) -> None:
        """What is timed gives what it should."""
        names = self.fs.listdir("/tree")
        found = self.fs.glob("/tree/*.bin")
        walked = [len(files) for _, _, files in self.fs.walk("/wide")]
        if not (len(names) == len(found) == TREE == sum(walked) and
                self.many.stats()["file_count"] == MANY):
            raise SystemExit("a tree is not what was imported")

    def stats_few(self, count: int) -> None:
        stats = self.few.stats
        for _ in range(count):
            stats()

    def stats_many(self, count: int) -> None:
        stats = self.many.stats
        for _ in range(count):
            stats()

    def listdir(self, count: int) -> None:
        for _ in range(count):
            self.fs.listdir("/tree")

    def walk(self, count: int) -> None:
        for _ in range(count):
            for _ in self.fs.walk("/tree"):
                pass

    def walk_wide(self, count: int) -> None:
        """A hundred directories of a hundred."""
        for _ in range(count):
            for _ in self.fs.walk("/wide"):
                pass

    def glob(self, count: int) -> None:
        for _ in range(count):
            self.fs.glob("/tree/*.bin")

    def export_tree(self, count: int) -> None:
        for _ in range(count):
            self.fs.export_tree("/tree")

    def import_tree(self, count: int) -> None:
        make = type(self.fs)
        for _ in range(count):
            make(max_quota=QUOTA).import_tree(self.tree)

    def copy_tree(self, count: int) -> None:
        for _ in range(count):
            self.fs.copy_tree("/tree", "/copy")
            self.fs.rmtree("/copy")


# How often a turn does it.
TREE_COUNTS = {"stats_few": {"kist": 20_000, "dmemfs": 20},
               "stats_many": {"kist": 20_000, "dmemfs": 1},
               "listdir": {"kist": 5, "dmemfs": 5},
               "walk": {"kist": 5, "dmemfs": 2},
               "walk_wide": {"kist": 2, "dmemfs": 1},
               "glob": {"kist": 2, "dmemfs": 1},
               "export_tree": {"kist": 1, "dmemfs": 1},
               "import_tree": {"kist": 1, "dmemfs": 1},
               "copy_tree": {"kist": 1, "dmemfs": 1}}


def trees(row: Row) -> None:
    engines = {engine: Trees(engine) for engine in MODULES}
    for each in engines.values():
        each.check()
    gc.collect()
    gc.freeze()
    for name, counts in TREE_COUNTS.items():
        walls: dict[str, list[float]] = {engine: [] for engine in engines}
        for _ in range(TURNS):
            for engine, each in engines.items():
                gc.collect()
                wall = time.perf_counter_ns()
                getattr(each, name)(counts[engine])
                wall = time.perf_counter_ns() - wall
                walls[engine].append(wall / counts[engine] / 1000)
        for engine, values in walls.items():
            row(what="tree", call=name, engine=engine,
                us=statistics.median(values))


# --- threads -----------------------------------------------------------------


THREADS = 4
# Pairs of one thread alone; four do a quarter of them each.
PAIRS = {"kist": 100_000, "dmemfs": 10_000, "bytesio": 200_000}
READS = 64
MIB = 1 << 20


def together(work: Callable[[int], None]) -> float:
    """Wall ms of THREADS threads, from when all are there."""
    ready = threading.Barrier(THREADS + 1)

    def run(number: int) -> None:
        ready.wait()
        work(number)

    crew = [threading.Thread(target=run, args=(number,))
            for number in range(THREADS)]
    for each in crew:
        each.start()
    ready.wait()
    wall = time.perf_counter_ns()
    for each in crew:
        each.join()
    return (time.perf_counter_ns() - wall) / 1e6


def alone(work: Callable[[int], None]) -> float:
    wall = time.perf_counter_ns()
    for number in range(THREADS):
        work(number)
    return (time.perf_counter_ns() - wall) / 1e6


def threads(row: Row) -> None:
    """The same work by one thread and by four, in turn: small files, which
    is all under the GIL, and reads of 1 MiB, whose copies need not be."""
    systems = {engine: module(engine).MemoryFileSystem(max_quota=QUOTA)
               for engine in MODULES}
    block = bytearray(MIB)
    intos = [bytearray(MIB) for _ in range(THREADS)]
    for fs in systems.values():
        for number in range(THREADS):
            with fs.open(f"/large{number}", "wb") as file:
                for _ in range(READS):
                    file.write(block)

    def pairs(engine: str) -> Callable[[int], None]:
        open_ = systems[engine].open

        def work(number: int) -> None:
            path = f"/own{number}"
            for _ in range(PAIRS[engine] // THREADS):
                with open_(path, "wb") as file:
                    file.write(D4K)
                with open_(path, "rb") as file:
                    file.read()
        return work

    def floor(number: int) -> None:
        for _ in range(PAIRS["bytesio"] // THREADS):
            with BytesIO() as file:
                file.write(D4K)
            with BytesIO(D4K) as file:
                file.read()

    def reads(engine: str) -> Callable[[int], None]:
        open_ = systems[engine].open

        def work(number: int) -> None:
            with open_(f"/large{number}", "rb") as file:
                while file.readinto(intos[number]):
                    pass
        return work

    measure(row, "pairs", PAIRS, {**{engine: pairs(engine)
                                     for engine in systems},
                                  "bytesio": floor})  # no lock but the GIL
    measure(row, "reads", dict.fromkeys(systems, THREADS * READS),
            {engine: reads(engine) for engine in systems})


def measure(row: Row, kind: str, counts: dict[str, int],
            works: dict[str, Callable[[int], None]]) -> None:
    walls: dict[tuple[str, int], list[float]] = {}
    for _ in range(TURNS):
        for engine, work in works.items():
            walls.setdefault((engine, 1), []).append(alone(work))
            walls.setdefault((engine, THREADS), []).append(together(work))
    for (engine, count), values in walls.items():
        row(what="threads", kind=kind, engine=engine, threads=count,
            us=statistics.median(values[1:]) * 1000 / counts[engine])
