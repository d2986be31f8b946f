"""The six published cases of D-MemFS, and the same of BytesIO.

A case makes its file system, does its work, and leaves nothing behind; all
of that is timed.  What it makes is gone when it returns.  The functions of
BytesIO keep a dict of paths: it has no open() and no close().
"""

import random
from collections.abc import Callable
from io import BytesIO

from memfs_engines import Engine

KIB = 1 << 10
MIB = 1 << 20

SMALL = b"\x5a" * (4 * KIB)
BLOCK = b"\xa5" * (64 * KIB)
LARGE = b"\x3c" * MIB
DEEP = b"\xc3" * KIB

SMALL_FILES = 300
BLOCKS = 256
STREAM = BLOCKS * len(BLOCK)
MANY_FILES = 10_000
MANY_READS = 5_000
DEPTH = 50
DEEP_READS = 1_000

QUOTA = 8 << 30  # more than any case stores, with its chunks' overhead
LARGE_BLOCKS = 2048  # of 1 MiB; --quick has fewer

Make = Callable[[int], Engine]


def places() -> list[int]:
    """Where random_access_rw writes; no multiple of anything."""
    draw = random.Random(42)
    return [draw.randint(0, STREAM - len(BLOCK)) for _ in range(BLOCKS)]


def picks() -> list[int]:
    return random.Random(42).choices(range(MANY_FILES), k=MANY_READS)


PLACES = places()
PICKS = picks()


def small_files_rw(make: Make) -> None:
    engine = make(QUOTA)
    open_, root, data = engine.open, engine.root, SMALL
    engine.mkdir(f"{root}/bench")
    for number in range(SMALL_FILES):
        with open_(f"{root}/bench/file_{number:04d}.bin", "wb") as file:
            file.write(data)
    for number in range(SMALL_FILES):
        with open_(f"{root}/bench/file_{number:04d}.bin", "rb") as file:
            file.read()
    engine.close()


def stream_write_read(make: Make) -> None:
    engine = make(QUOTA)
    path, data = f"{engine.root}/stream.bin", BLOCK
    with engine.open(path, "wb") as file:
        for _ in range(BLOCKS):
            file.write(data)
    with engine.open(path, "rb") as file:
        file.read()
    engine.close()


def random_access_rw(make: Make) -> None:
    engine = make(QUOTA)
    path, data = f"{engine.root}/random.bin", BLOCK
    with engine.open(path, "wb") as file:
        for _ in range(BLOCKS):
            file.write(data)
    with engine.open(path, "r+b") as file:
        for place in PLACES:
            file.seek(place)
            file.write(data)
    with engine.open(path, "rb") as file:
        file.read()
    engine.close()


def large_stream(make: Make) -> None:
    """Every write is of the same object."""
    engine = make(QUOTA)
    path, data = f"{engine.root}/large.bin", LARGE
    with engine.open(path, "wb") as file:
        for _ in range(LARGE_BLOCKS):
            file.write(data)
    with engine.open(path, "rb") as file:
        while file.read(MIB):
            pass
    engine.close()


def large_stream_distinct(make: Make) -> None:
    """Every write is of a new object, and making it is timed."""
    engine = make(QUOTA)
    path, source = f"{engine.root}/large.bin", bytearray(LARGE)
    with engine.open(path, "wb") as file:
        for _ in range(LARGE_BLOCKS):
            file.write(bytes(source))
    with engine.open(path, "rb") as file:
        while file.read(MIB):
            pass
    engine.close()


def many_files_random_read(make: Make) -> None:
    engine = make(QUOTA)
    open_, root, data = engine.open, engine.root, SMALL
    for number in range(MANY_FILES):
        with open_(f"{root}/file_{number:05d}.bin", "wb") as file:
            file.write(data)
    for number in PICKS:
        with open_(f"{root}/file_{number:05d}.bin", "rb") as file:
            file.read()
    engine.close()


def deep_tree_read(make: Make) -> None:
    engine = make(QUOTA)
    open_, path = engine.open, engine.root
    for number in range(DEPTH):
        path += f"/d{number:02d}"
        engine.mkdir(path)
    path += "/file.bin"
    with open_(path, "wb") as file:
        file.write(DEEP)
    for _ in range(DEEP_READS):
        with open_(path, "rb") as file:
            file.read()
    engine.close()


CASES: dict[str, Callable[[Make], None]] = {
    case.__name__: case
    for case in (small_files_rw, stream_write_read, random_access_rw,
                 large_stream, large_stream_distinct,
                 many_files_random_read, deep_tree_read)
}


# --- BytesIO ---------------------------------------------------------------


def bytesio_small_files_rw() -> None:
    files, data = {}, SMALL
    for number in range(SMALL_FILES):
        file = BytesIO()
        file.write(data)
        files[f"/bench/file_{number:04d}.bin"] = file
    for number in range(SMALL_FILES):
        file = files[f"/bench/file_{number:04d}.bin"]
        file.seek(0)
        file.read()


def bytesio_stream_write_read() -> None:
    file, data = BytesIO(), BLOCK
    for _ in range(BLOCKS):
        file.write(data)
    file.seek(0)
    file.read()


def bytesio_random_access_rw() -> None:
    file, data = BytesIO(), BLOCK
    for _ in range(BLOCKS):
        file.write(data)
    for place in PLACES:
        file.seek(place)
        file.write(data)
    file.seek(0)
    file.read()


def bytesio_large_stream() -> None:
    file, data = BytesIO(), LARGE
    for _ in range(LARGE_BLOCKS):
        file.write(data)
    file.seek(0)
    while file.read(MIB):
        pass


def bytesio_large_stream_distinct() -> None:
    file, source = BytesIO(), bytearray(LARGE)
    for _ in range(LARGE_BLOCKS):
        file.write(bytes(source))
    file.seek(0)
    while file.read(MIB):
        pass


def bytesio_many_files_random_read() -> None:
    files, data = {}, SMALL
    for number in range(MANY_FILES):
        file = BytesIO()
        file.write(data)
        files[f"/file_{number:05d}.bin"] = file
    for number in PICKS:
        file = files[f"/file_{number:05d}.bin"]
        file.seek(0)
        file.read()


def bytesio_deep_tree_read() -> None:
    file = BytesIO()
    file.write(DEEP)
    for _ in range(DEEP_READS):
        file.seek(0)
        file.read()


BYTESIO: dict[str, Callable[[], None]] = {
    name: globals()[f"bytesio_{name}"] for name in CASES
}


def list_large_stream_distinct() -> None:
    """Only keeps the objects, which is what a store of references must."""
    source = bytearray(LARGE)
    kept = [bytes(source) for _ in range(LARGE_BLOCKS)]
    for _ in kept:
        pass
