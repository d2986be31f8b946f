"""Steps at random for two file systems in memory, and what they come to.

A step is a tuple of its name and arguments, so that a history can be
printed and played again.  A World is one file system with its handles and
iterations; World.do() plays a step and returns what it came to as plain
values that two worlds can be compared by.
"""

from __future__ import annotations

import asyncio
import bisect
import copy
import gc
import importlib
import io
import os
import random
import time
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Step = tuple[Any, ...]

SLOTS = 4
ITERATIONS = 2


def implementation(name: str) -> Any:
    """The module with the MemoryFileSystem that is called `name`."""
    modules = {"kist": "kist", "model": "memfsmodel", "peer": "dmemfs"}
    return importlib.import_module(modules[name])


def under_test() -> Any:
    """What the tests are about: KIST_MEMFS, which is "kist" if not set."""
    return implementation(os.environ.get("KIST_MEMFS", "kist"))


# --- the async face, called one by one --------------------------------------


class Blocking:
    """An AsyncMemoryFileSystem that is called like the other."""

    def __init__(self, api: Any, **config: Any) -> None:
        self.runner = asyncio.Runner()
        self.inner = api.AsyncMemoryFileSystem(**config)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            value = self.wait(method(*args, **kwargs))
            return BlockingHandle(self, value) if name == "open" else value

        return call

    def wait(self, awaitable: Any) -> Any:
        """What comes of it."""

        async def waiting() -> Any:
            return await awaitable

        return self.runner.run(waiting())


class BlockingHandle:
    """An AsyncMemoryFileHandle likewise."""

    def __init__(self, owner: Blocking, inner: Any) -> None:
        self.owner = owner
        self.inner = inner
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        return lambda *args: self.owner.wait(method(*args))

    def close(self) -> None:
        """Notes it, too."""
        self.owner.wait(self.inner.close())
        self.closed = True


def async_face(api: Any) -> Any:
    """Its async face, made to block; the model has none and stays."""
    if not hasattr(api, "AsyncMemoryFileSystem"):
        return api

    def make(**config: Any) -> Blocking:
        return Blocking(api, **config)

    return types.SimpleNamespace(MemoryFileSystem=make)


#: Steps that the async face does not have.
NOT_ASYNC = (
    "readinto", "readline", "readlines", "readall", "isatty", "fileno",
    "writelines", "drop", "begin_walk", "begin_export", "export_all", "next",
)  # fmt: skip


def asynchronous(steps: list[Step]) -> list[Step]:
    """Those of the steps that the async face has."""
    return [
        step
        for step in steps
        if step[2 if step[0] == "on" else 0] not in NOT_ASYNC
    ]


# --- what a step comes to -------------------------------------------------


class Clock:
    """Tells in which step a time was taken, whoever took it.

    Between two steps there is a moment at which nobody takes a time; the
    number of a step is the number of such moments before it.
    """

    def __init__(self) -> None:
        self.count = 0
        self.moments: list[float] = []

    def next(self) -> None:
        """Waits until the real clock has moved, so that steps differ."""
        begin = time.time()
        while time.time() <= begin + 2e-6:
            pass
        self.moments.append(begin + 1e-6)
        self.count += 1

    def step_of(self, stamp: float) -> int:
        """The number of the step in which time.time() was `stamp`."""
        return bisect.bisect_right(self.moments, stamp)


ATTRIBUTES = ("errno", "requested", "available", "current", "limit")


def failure(error: BaseException) -> tuple[Any, ...]:
    """An exception by its type, arguments and attributes."""
    return (
        "error",
        type(error).__name__,
        [base.__name__ for base in type(error).__mro__],
        error.args,
        {
            name: getattr(error, name)
            for name in ATTRIBUTES
            if hasattr(error, name)
        },
    )


class World:
    """One file system with the handles and iterations that steps name."""

    def __init__(self, api: Any, config: dict[str, Any]) -> None:
        self.clock = Clock()
        self.fs = api.MemoryFileSystem(default_lock_timeout=0, **config)
        self.modelled = hasattr(self.fs, "now")
        if self.modelled:
            clock = self.clock
            self.fs.now = lambda: clock.count
            self.fs.root.created = self.fs.root.modified = 0
        self.handles: list[Any] = [None] * SLOTS
        self.iterations: list[Any] = [None] * ITERATIONS

    def do(self, step: Step) -> tuple[Any, ...]:
        """Plays a step: ("value", ...) or ("error", ...)."""
        self.clock.next()
        call = getattr(self, "do_" + step[0], None)
        try:
            if call is None:
                value = getattr(self.fs, step[0])(*step[1:])
            else:
                value = call(*step[1:])
            return ("value", self.plain(value))
        except Exception as error:
            return failure(error)

    def plain(self, value: Any) -> Any:
        """Something that says all and can be compared."""
        if isinstance(value, io.BytesIO):
            return ("BytesIO", value.tell(), value.getvalue())
        if isinstance(value, dict) and "created_at" in value:
            value = dict(value)
            for key in ("created_at", "modified_at"):
                assert type(value[key]) is float or self.modelled
                value[key] = (
                    value[key]
                    if self.modelled
                    else self.clock.step_of(value[key])
                )
        if isinstance(value, dict):
            return [(key, type(one), one) for key, one in value.items()]
        if isinstance(value, io.RawIOBase | BlockingHandle):
            return "handle"
        return (type(value), value)

    def close(self) -> None:
        """Closes what is open."""
        for handle in self.handles:
            if handle is not None:
                handle.close()
        self.iterations = [None] * ITERATIONS

    def snapshot(self) -> World:
        """A world of its own with the same tree, and the same clock."""
        twin = copy.copy(self)
        twin.fs = self.fs.snapshot()
        twin.handles = [None] * SLOTS
        twin.iterations = [None] * ITERATIONS
        return twin

    def end(self) -> None:
        """Closes, and ends the loop if there is one."""
        self.close()
        if isinstance(self.fs, Blocking):
            self.fs.runner.close()

    # handles

    def do_open(self, slot: int, path: str, mode: str, size: int) -> Any:
        if self.handles[slot] is not None:
            self.handles[slot].close()
            self.handles[slot] = None
        self.handles[slot] = self.fs.open(path, mode, preallocate=size)
        return self.handles[slot]

    def do_on(self, slot: int, name: str, *args: Any) -> Any:
        """A method of a handle."""
        handle = self.handles[slot]
        if handle is None:
            return None
        value = getattr(handle, name)(*args)
        return (value, None if handle.closed else handle.tell())

    def do_readinto(self, slot: int, size: int) -> Any:
        buffer = bytearray(b"\xee" * size)
        return (self.do_on(slot, "readinto", buffer), bytes(buffer))

    def do_drop(self, slot: int) -> Any:
        """Forgets a handle that may be open."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.handles[slot] = None
            gc.collect(0)
        return [one.category for one in caught]

    # iterations

    def do_begin_walk(self, slot: int, path: str) -> None:
        self.iterations[slot] = self.fs.walk(path)

    def do_begin_export(self, slot: int, path: str, dirty: bool) -> None:
        self.iterations[slot] = self.fs.iter_export_tree(path, dirty)

    def do_next(self, slot: int) -> Any:
        if self.iterations[slot] is None:
            return None
        try:
            return next(self.iterations[slot], "end")
        except Exception:
            self.iterations[slot] = None
            raise

    def do_walk_all(self, path: str) -> Any:
        return list(self.fs.walk(path))

    def do_export_all(self, path: str, dirty: bool) -> Any:
        return list(self.fs.iter_export_tree(path, dirty))


def everything(world: World) -> list[Any]:
    """All that can be seen from outside, as plain values."""
    paths = [
        parent.rstrip("/") + "/" + name
        for parent, dirs, files in world.fs.walk()
        for name in dirs + files
    ]
    return [
        world.plain(world.fs.stats()),
        list(world.fs.walk()),
        [(path, world.plain(world.fs.stat(path))) for path in ["/", *paths]],
        [
            handle is None or handle.closed or handle.tell()
            for handle in world.handles
        ],
    ]


def contents(world: World) -> list[tuple[str, bytes]]:
    """What export_tree gives once all handles are closed."""
    world.close()
    return list(world.fs.export_tree().items())


# --- steps at random --------------------------------------------------------

NAMES = ("a", "b", "c", "dd")

#: Lengths around nothing, around small quotas, and around the size from
#: which exact bytes are kept by reference.
LENGTHS = (0, 1, 2, 5, 10, 10, 30, 30, 60, 100, 250)
LONG = (500, 4095, 4096, 4097, 9000, 70000)

AWKWARD = ("..", "/..", "a/../..", "", "/", ".", "..\\b", "/a/../../a")

PATTERNS = (
    "*", "**", "/**", "a/*", "/a/**", "**/a", "**/b/*", "*/*", "**/**",
    "?", "[ab]", "[!a]", "a", "/a/b", "**/[b-c]", "\\a\\*", "", "/", "..",
    "**/a/**", "a/**/c", "*/**", "**/*", "/a//*/", "[", "[]a]", "**a",
)  # fmt: skip


@dataclass(frozen=True)
class Likely:
    """Stands for one of what there is when the step is played.

    "file" and "dir" for a path that exists, "new" for a name in a directory
    that exists, "open" for the number of a handle that is open.
    """

    kind: str
    which: int
    name: str = ""


def resolve(model: World, step: Step) -> Step:
    """The step as it is played: with paths and numbers that exist."""
    found: dict[str, list[Any]] = {"file": [], "dir": [], "open": []}
    for parts, node in model.fs.all_nodes():
        kind = "dir" if hasattr(node, "children") else "file"
        found[kind].append("/" + "/".join(parts))
    for i, handle in enumerate(model.handles):
        if handle is not None and not handle.closed:
            found["open"].append(i)

    def one(value: Any) -> Any:
        if isinstance(value, dict):
            return {one(key): data for key, data in value.items()}
        if not isinstance(value, Likely):
            return value
        choice = found["dir" if value.kind == "new" else value.kind]
        if not choice:
            return 0 if value.kind == "open" else "/" + value.name
        chosen = choice[value.which % len(choice)]
        if value.kind != "new":
            return chosen
        return chosen.rstrip("/") + "/" + value.name

    return tuple(map(one, step))


def path(rng: random.Random, likely: str = "") -> Any:
    """A path of the few that there are, at times written oddly."""
    if likely and rng.randrange(8) < 6:
        name = rng.choice((*NAMES, "a/b"))
        return Likely(likely, rng.randrange(24), name)
    parts = [rng.choice(NAMES) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
    style = rng.randrange(24)
    if style == 0:
        return rng.choice(AWKWARD)
    if style == 1:
        return "\\".join(parts)
    if style == 2:
        return "/".join(parts) + "/"
    if style == 3:
        return "/./" + "//".join(parts)
    if style == 4:
        return "/a/../" + "/".join(parts)
    if style in (5, 6):
        return "/".join(parts)
    return "/" + "/".join(parts)


def count(rng: random.Random) -> int:
    """A length."""
    return rng.choice(LONG if rng.randrange(12) == 0 else LENGTHS)


def content(rng: random.Random) -> bytes:
    """Bytes that tell where they are from."""
    begin, length = rng.randrange(256), count(rng)
    return bytes((begin + i) % 251 for i in range(length))


def written(rng: random.Random) -> Any:
    """What write() is given: mostly exact bytes."""
    data = content(rng)
    kind = rng.randrange(12)
    if kind == 0:
        return bytearray(data)
    if kind == 1:
        return memoryview(data + data)[::2]
    if kind == 2:
        return rng.choice(("text", None, 5, [1]))
    return data


def slot(rng: random.Random) -> Any:
    """A handle, mostly one that is open."""
    if rng.randrange(12) == 0:
        return rng.randrange(SLOTS)
    return Likely("open", rng.randrange(SLOTS))


def tree(rng: random.Random) -> dict[Any, bytes]:
    """What import_tree is given."""
    return {
        path(rng, rng.choice(("new", "new", "file"))): content(rng)
        for _ in range(rng.choice((0, 1, 1, 2, 3)))
    }


def step_open(rng: random.Random) -> Step:
    mode = rng.choice(
        ("rb", "wb", "wb", "ab", "r+b", "r+b", "r+b", "xb", "xb", "r")
        if rng.randrange(8) == 0
        else ("rb", "wb", "ab", "r+b", "r+b", "xb")
    )
    size = rng.choice((-5, 1, 10, 100, 300, 5000)) if rng.randrange(8) == 0 \
        else 0  # fmt: skip
    likely = "new" if mode == "xb" else rng.choice(("file", "file", "new"))
    return ("open", rng.randrange(SLOTS), path(rng, likely), mode, size)


def step_seek(rng: random.Random) -> Step:
    whence = rng.choice((0, 0, 0, 1, 2, 2, 3))
    far = (-300, -30, -5, -1, 0, 0, 1, 7, 30, 120)
    near = (0, 0, 0, 1, 5, 10, 40, 100, 300, 5000, -1)
    return ("on", slot(rng), "seek", rng.choice(far if whence else near),
            whence)  # fmt: skip


def step_truncate(rng: random.Random) -> Step:
    size = rng.choice((None, 0, 1, 5, 10, 20, 50, 100, 300, 5000, -1))
    args = () if size is None else (size,)
    return ("on", slot(rng), "truncate", *args)


def step_read(rng: random.Random) -> Step:
    size = rng.choice((-1, -1, 0, 1, 3, 10, 100, 5000))
    name = rng.choice(("read", "read", "read", "readline", "readlines"))
    return ("on", slot(rng), name, *(() if size == -1 else (size,)))


ASKED = (
    "tell", "flush", "readable", "writable", "seekable", "readall", "isatty",
    "fileno", "writelines",
)  # fmt: skip


def step_handle(rng: random.Random) -> Step:
    name = rng.choice(ASKED)
    if name == "writelines":
        return ("on", slot(rng), name, [content(rng), content(rng)])
    return ("on", slot(rng), name)


def any_path(rng: random.Random) -> Any:
    """A path of a file or a directory."""
    return path(rng, rng.choice(("file", "dir")))


def one_path(name: str, *likely: str) -> Callable[[random.Random], Step]:
    """A step that has a path for its argument."""
    return lambda rng: (name, path(rng, rng.choice(likely)))


def two_paths(name: str, *likely: str) -> Callable[[random.Random], Step]:
    """A step that goes from one path to another."""
    return lambda rng: (
        name, path(rng, rng.choice(likely)), path(rng, "new"),
    )  # fmt: skip


STEPS: dict[str, Callable[[random.Random], Step]] = {
    "open": step_open,
    "write": lambda rng: ("on", slot(rng), "write", written(rng)),
    "read": step_read,
    "seek": step_seek,
    "truncate": step_truncate,
    "close": lambda rng: ("on", slot(rng), "close"),
    "drop": lambda rng: ("drop", slot(rng)),
    "readinto": lambda rng: ("readinto", slot(rng), count(rng)),
    "handle": step_handle,
    "mkdir": lambda rng: ("mkdir", path(rng, "new"), rng.random() < 0.3),
    "remove": one_path("remove", "file"),
    "rmtree": one_path("rmtree", "dir"),
    "rename": two_paths("rename", "file", "dir"),
    "move": two_paths("move", "file", "dir"),
    "copy": two_paths("copy", "file"),
    "copy_tree": two_paths("copy_tree", "dir"),
    "listdir": one_path("listdir", "dir"),
    "exists": one_path("exists", "file"),
    "is_dir": one_path("is_dir", "dir"),
    "is_file": one_path("is_file", "file"),
    "stat": one_path("stat", "file", "dir"),
    "get_size": one_path("get_size", "file"),
    "glob": lambda rng: ("glob", rng.choice(PATTERNS)),
    "walk": one_path("walk_all", "dir"),
    "export": lambda rng: ("export_tree", any_path(rng), rng.random() < 0.4),
    "bytesio": lambda rng: (
        "export_as_bytesio",
        path(rng, "file"),
        rng.choice((None, 0, 20, 1000)),
    ),
    "import": lambda rng: ("import_tree", tree(rng)),
    "export_all": lambda rng: (
        "export_all",
        any_path(rng),
        rng.random() < 0.4,
    ),
    "begin_walk": lambda rng: (
        "begin_walk",
        rng.randrange(ITERATIONS),
        rng.choice(("/", any_path(rng))),
    ),
    "begin_export": lambda rng: (
        "begin_export",
        rng.randrange(ITERATIONS),
        rng.choice(("/", any_path(rng))),
        rng.random() < 0.4,
    ),
    "next": lambda rng: ("next", rng.randrange(ITERATIONS)),
}

#: How often each comes: what changes more often than what asks.
OFTEN = {
    "open": 18, "write": 16, "seek": 6, "truncate": 4, "mkdir": 5,
    "close": 3, "read": 3, "rename": 3, "move": 3, "copy": 4,
    "copy_tree": 4, "import": 6, "next": 9, "begin_walk": 2,
    "begin_export": 3, "export": 2, "remove": 2, "rmtree": 2,
}  # fmt: skip

_DRAW = [name for name in STEPS for _ in range(OFTEN.get(name, 1))]


def random_step(rng: random.Random) -> Step:
    """Any step."""
    return STEPS[rng.choice(_DRAW)](rng)


def random_config(rng: random.Random) -> dict[str, Any]:
    """Quota, overhead, storage and limits."""
    return {
        "max_quota": rng.choice((0, 50, 200, 400, 1000, 20000, 10**6, 10**6)),
        "chunk_overhead_override": rng.choice((0, 1, 10, 93, 93)),
        "promotion_hard_limit": rng.choice((None, None, None, 0, 20, 100)),
        "max_nodes": rng.choice((None, None, None, None, None, 1, 4, 8)),
        "default_storage": rng.choice(
            ("auto", "auto", "auto", "sequential", "random_access")
        ),
    }


def small_config(rng: random.Random) -> dict[str, Any]:
    """As random_config, but nearly nothing fits."""
    return {
        **random_config(rng),
        "max_quota": rng.choice((0, 10, 50, 120, 200, 300)),
        "max_nodes": rng.choice((1, 2, 3, 4, 6)),
    }
