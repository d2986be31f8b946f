"""In what kist is to differ from the published D-MemFS: one table.

A row of DIFFERENCES says what it is for (a row of section 3 of
contracts/dmemfs.md, or a section with the [F] mark), what test_memfs_peer
does about it, and, where one process and one thread can show it, an example
with what each side gives.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pytest

import memfsmodel
from memfssteps import Step


@dataclass
class Difference:
    """A row; what the comparison does is None where it does nothing.

    avoid(model, step)  the step is left out for both: the peer would hang,
                        or not be comparable afterwards
    last(model, step)   the step is compared, and is the last one: the peer
                        is not comparable afterwards
    mend(model, peer, step, outcome)  both have refused; takes away what the
                        peer has left behind
    judge(step, outcome)  what is compared of an outcome
    show(api)           the difference itself, on one of both
    """

    mark: str
    what: str
    avoid: Callable[[Any, Step], bool] | None = None
    last: Callable[[Any, Step], bool] | None = None
    mend: Callable[[Any, Any, Step, Any], None] | None = None
    judge: Callable[[Step, Any], Any] | None = None
    show: Callable[[Any], Any] | None = None
    theirs: Any = None
    ours: Any = None


def parts_of(path: str) -> Any:
    """The names, or None where that is an error anyway."""
    try:
        return memfsmodel.split(path)
    except ValueError:
        return None


def files_at(model: Any, path: str) -> list[Any]:
    """The files at and below a path."""
    parts = parts_of(path)
    node = None if parts is None else model.fs.find(parts)
    if node is None:
        return []
    return [file for _, file in model.fs.files(parts, node)]


READERS = (
    "copy", "copy_tree", "export_tree", "export_all", "export_as_bytesio",
)  # fmt: skip


def waits_for_a_writer(model: Any, step: Step) -> bool:
    if step[0] == "next":
        iteration = model.iterations[step[1]]
        if getattr(iteration, "__name__", "walk") == "walk":
            return False
        return any(file.writer for file in files_at(model, "/"))
    return step[0] in READERS and any(
        file.writer for file in files_at(model, step[1])
    )


def promotes_but_does_not_fit(model: Any, step: Step) -> bool:
    if step[0] != "on" or step[2] not in ("write", "writelines"):
        return False
    handle = model.handles[step[1]]
    if handle is None or handle.closed or handle._mode == "rb":
        return False
    # writelines is played as its lines, so it may be any of them.
    file, fs = handle._file, model.fs
    size = len(file.data)
    if (
        file.chunks is None
        or handle._cursor == size
        or handle._mode == "ab"
        or fs.storage != "auto"
        or size > fs.hard_limit
        or size > fs.free()
        or not isinstance(step[3], bytes | bytearray | memoryview | list)
    ):
        return False
    if step[2] == "writelines":
        return True
    if isinstance(step[3], list) or not len(step[3]):
        return False
    growth = handle._cursor + len(step[3]) - size
    return growth > fs.free() - size + file.chunks * fs.overhead


def charges_other_chunks(model: Any, step: Step) -> bool:
    return step[0] == "copy_tree" and any(
        model.fs.usage(file) != model.fs.fresh(len(file.data))
        for file in files_at(model, step[1])
    )


def charges_random_access(model: Any, step: Step) -> bool:
    return (
        step[0] == "import_tree"
        and model.fs.storage == "random_access"
        and any(step[1].values())
    )


def goes_into_itself(model: Any, step: Step) -> bool:
    if step[0] not in ("rename", "move"):
        return False
    old, new = parts_of(step[1]), parts_of(step[2])
    if not old or new is None or new[: len(old)] != old:
        return False
    try:  # which is refused in any case, so that nothing changes
        getattr(model.fs, step[0])(step[1], step[2])
    except OSError:
        return False
    except ValueError:
        return True
    raise AssertionError(step)


def import_conflicts(model: Any, step: Step) -> bool:
    if step[0] != "import_tree":
        return False
    keys = [parts_of(key) for key in step[1]]
    if None in keys:
        return False
    return any(
        isinstance(model.fs.find(key), memfsmodel.Directory)
        or any(
            key[:i] in keys
            or isinstance(model.fs.find(key[:i]), memfsmodel.File)
            for i in range(1, len(key))
        )
        for key in keys
    )


def import_needs_a_spare(model: Any, step: Step) -> bool:
    if step[0] != "import_tree" or model.fs.max_nodes is None:
        return False
    keys = [parts_of(key) for key in step[1]]
    return None not in keys and any(model.fs.find(key) for key in keys)


def rb_preallocates(model: Any, step: Step) -> bool:
    return step[0] == "open" and step[3] == "rb" and step[4] > 0


def moves_below_a_file(model: Any, step: Step) -> bool:
    if step[0] != "move":
        return False
    new = parts_of(step[2])
    return new is not None and isinstance(
        model.fs.find(new[:-1]), memfsmodel.File
    )


def reads_no_line(model: Any, step: Step) -> bool:
    return step[0] == "on" and step[2:] == ("readline", 0)


def two_slashes(model: Any, step: Step) -> bool:
    texts = [arg for arg in step if isinstance(arg, str)]
    texts += [key for arg in step if isinstance(arg, dict) for key in arg]
    return step[0] != "glob" and any(
        one.replace("\\", "/").startswith("//")
        and not one.replace("\\", "/").startswith("///")
        for one in texts
    )


def is_error(outcome: Any, name: str) -> bool:
    return bool(outcome[0] == "error" and outcome[1] == name)


def mend_copy(model: Any, other: Any, step: Step, outcome: Any) -> None:
    if step[0] == "copy" and is_error(outcome, "MFSQuotaExceededError"):
        other.fs.remove(step[2])


def mend_parents(model: Any, other: Any, step: Step, outcome: Any) -> None:
    if step[0] in ("mkdir", "move") and is_error(
        outcome, "MFSNodeLimitExceededError"
    ):
        parts = memfsmodel.split(step[1 if step[0] == "mkdir" else 2])
        for i in range(1, len(parts)):
            path = memfsmodel.text(parts[:i])
            if not model.fs.exists(path) and other.fs.exists(path):
                other.fs.rmtree(path)


def judge_glob(step: Step, outcome: Any) -> Any:
    if step[0] == "glob" and outcome[0] == "value":
        kind, paths = outcome[1]
        return ("value", (kind, sorted(set(paths))))
    return outcome


def judge_stat(step: Step, outcome: Any) -> Any:
    if step[0] == "stat" and outcome[0] == "value":
        return ("value", directory_times(outcome[1]))
    return outcome


def directory_times(stat: Any) -> Any:
    """A stat without modified_at, for directories."""
    if ("is_dir", bool, True) in stat:
        return [one for one in stat if one[0] != "modified_at"]
    return stat


def judge_mode(step: Step, outcome: Any) -> Any:
    if step[0] == "open" and is_error(outcome, "ValueError"):
        return (*outcome[:3], outcome[3][0].split("only:")[0], outcome[4])
    return outcome


def judge_promotion(step: Step, outcome: Any) -> Any:
    if not is_error(outcome, "UnsupportedOperation"):
        return outcome
    message = outcome[3][0].replace(" SequentialMemoryFile", "")
    return (*outcome[:3], (message,), outcome[4])


def make(api: Any, quota: int = 1000, overhead: int = 10, **more: Any) -> Any:
    """A file system for an example."""
    return api.MemoryFileSystem(
        max_quota=quota,
        chunk_overhead_override=overhead,
        default_lock_timeout=0,
        **more,
    )


def put(fs: Any, path: str, *pieces: bytes) -> None:
    """A file of one chunk a piece."""
    with fs.open(path, "wb") as handle:
        for piece in pieces:
            handle.write(piece)


def error_of(call: Callable[[], Any]) -> Any:
    """The name of the exception's type, or the value."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__


def show_promotion(api: Any) -> Any:
    fs = make(api)
    put(fs, "/f", b"x" * 400)
    with fs.open("/f", "r+b") as handle:
        handle.seek(1)
        with pytest.raises(api.MFSQuotaExceededError) as caught:
            handle.write(b"y" * 1000)
    error = caught.value
    return error.requested, error.available, fs.stats()["used_bytes"]


def show_copy_tree(api: Any) -> Any:
    fs = make(api, 5000)
    fs.mkdir("/d")
    put(fs, "/d/f", *[b"x"] * 100)
    fs.copy_tree("/d", "/e")
    fs.rmtree("/d")
    return fs.stats()["used_bytes"]


def show_promoted_copies(api: Any) -> Any:
    fs = make(api)
    put(fs, "/x", b"xx")
    fs.mkdir("/d")
    put(fs, "/d/f", b"1")
    with fs.open("/d/f", "r+b") as handle:
        handle.write(b"2")
    fs.copy_tree("/d", "/e")
    fs.rmtree("/d")
    fs.rmtree("/e")
    return fs.stats()["used_bytes"]


def show_random_access(api: Any) -> Any:
    fs = make(api, default_storage="random_access")
    fs.import_tree({"/f": b"abc"})
    before = fs.stats()["used_bytes"]
    fs.remove("/f")
    return before, fs.stats()["used_bytes"]


def show_huge(api: Any) -> Any:
    fs = make(api)
    with fs.open("/f", "wb") as handle:
        error = error_of(lambda: handle.truncate(1 << 50))
    return error, error_of(lambda: fs.open("/f", "wb", 1 << 50).close())


def show_into_itself(api: Any) -> Any:
    fs = make(api)
    fs.import_tree({"/d/e/f": b"abc"})
    return (
        error_of(lambda: fs.rename("/d", "/d/x")),
        fs.export_tree(),
        fs.stats()["used_bytes"],
    )


def show_import_conflicts(api: Any) -> Any:
    fs = make(api)
    fs.import_tree({"/d/f": b"abc", "/g": b""})
    fs.remove("/g")
    return (
        error_of(lambda: fs.import_tree({"/d": b""})),
        fs.stats()["file_count"],
        error_of(lambda: fs.import_tree({"/": b""})),
        error_of(lambda: fs.import_tree({"/h": b"", "/h/i": b""})),
        fs.exists("/h"),
    )


def show_copy(api: Any) -> Any:
    fs = make(api)
    put(fs, "/f", b"x" * 600)
    return error_of(lambda: fs.copy("/f", "/g")), fs.exists("/g")


def show_parents(api: Any) -> Any:
    fs = make(api, max_nodes=3)
    error = error_of(lambda: fs.mkdir("/a/b/c"))
    return error, fs.stats()["dir_count"]


def show_move_parents(api: Any) -> Any:
    fs = make(api, max_nodes=4)
    put(fs, "/f", b"")
    error = error_of(lambda: fs.move("/f", "/a/b/c/f"))
    return error, fs.stats()["dir_count"]


def show_two_slashes(api: Any) -> Any:
    fs = make(api)
    fs.import_tree({"//a": b"1", "/a": b"22"})
    return (
        fs.stats()["file_count"],
        error_of(lambda: fs.rmtree("//")),
        error_of(lambda: fs.rename("//", "/x")),
    )


def show_depth(api: Any) -> Any:
    fs = make(api)
    fs.mkdir("/d" * 1200)
    return (
        error_of(lambda: len(list(fs.walk("/")))),
        error_of(lambda: len(fs.export_tree())),
        error_of(lambda: len(fs.glob("**"))),
        error_of(lambda: fs.copy_tree("/d", "/e")),
        error_of(lambda: fs.rmtree("/d")),
    )


def show_rb_preallocates(api: Any) -> Any:
    fs = make(api)
    put(fs, "/f", b"x")
    return (
        error_of(lambda: fs.open("/f", "rb", 100).close()),
        fs.get_size("/f"),
    )


def show_copied_handle(api: Any) -> Any:
    fs = make(api)
    put(fs, "/f", b"x")

    def both_closed() -> bool:
        with fs.open("/f") as handle:
            copy.copy(handle).close()
        return True

    return error_of(both_closed)


def show_glob(api: Any) -> Any:
    fs = make(api)
    fs.import_tree({"/a/b/c": b""})
    paths = fs.glob("**")
    return len(paths) == len(set(paths)), sorted(set(paths))


def show_directory_time(api: Any) -> Any:
    fs = make(api)
    fs.mkdir("/d")
    before = fs.stat("/d")["modified_at"]
    while fs.stat("/d")["modified_at"] == before:
        put(fs, "/d/f", b"")
        if fs.stat("/d")["modified_at"] == before:
            return False
        fs.remove("/d/f")
    return True


def show_pickle(api: Any) -> Any:
    def there_and_back(error: Any) -> Any:
        return pickle.loads(pickle.dumps(error)).args == error.args

    return (
        error_of(lambda: there_and_back(api.MFSQuotaExceededError(2, 1))),
        error_of(lambda: there_and_back(api.MFSNodeLimitExceededError(2, 2))),
    )


def show_reference(api: Any) -> Any:
    fs = make(api)
    data = bytearray(b"abc")
    fs.import_tree({"/f": data})
    data[0] = 120
    text = error_of(lambda: fs.import_tree({"/t": "text"}))
    with fs.open("/f") as handle:
        return bytes(handle.read()), text


def show_other_paths(api: Any) -> Any:
    fs = make(api)
    return [
        error_of(lambda path=path: fs.exists(path))
        for path in (None, 5, b"/a", PurePosixPath("/a"))
    ]


def show_constructor(api: Any) -> Any:
    return [
        error_of(lambda more=more: api.MemoryFileSystem(**more) and None)
        for more in (
            {"max_quota": -1},
            {"max_quota": "many"},
            {"max_quota": 1.5},
            {"max_nodes": 0},
            {"max_nodes": 1.5},
            {"chunk_overhead_override": -1},
        )
    ]


def show_default(api: Any) -> Any:
    return api.MemoryFileSystem().stats()["overhead_per_chunk_estimate"]


def show_float(api: Any) -> Any:
    fs = make(api)
    put(fs, "/f", b"abc")
    with fs.open("/f") as handle:
        return error_of(lambda: handle.seek(1.0))


def show_text(api: Any) -> Any:
    fs = make(api)
    put(fs, "/t", b"\xc2\xc3\xb1", "a\u00f1".encode("utf-16"))
    with fs.open("/t") as handle:
        text = api.MFSTextHandle(handle, "utf-8", "replace")
        malformed = text.read(1) + text.read(1)
        text = api.MFSTextHandle(handle, "utf-16")
        rest = error_of(lambda: text.read(1) + text.read(1))
        # Which of the two it is depends on the version of CPython.
        return malformed, rest.replace("UnicodeDecodeError", "UnicodeError")


def show_position(api: Any) -> Any:
    fs = make(api)
    put(fs, "/t", b"a\rb")
    with fs.open("/t") as handle:
        return api.MFSTextHandle(handle).readline(), handle.tell()


def show_no_line(api: Any) -> Any:
    fs = make(api)
    with fs.open("/f", "wb") as handle:
        return error_of(lambda: handle.readline(0))


def show_move_below(api: Any) -> Any:
    fs = make(api)
    fs.import_tree({"/f": b"", "/g": b""})
    return error_of(lambda: fs.move("/f", "/g/f"))


def show_spare(api: Any) -> Any:
    fs = make(api, max_nodes=2)
    fs.import_tree({"/f": b"1"})
    return error_of(lambda: fs.import_tree({"/f": b"2"}))


QUOTA, NODES = "MFSQuotaExceededError", "MFSNodeLimitExceededError"

DIFFERENCES = [
    Difference(
        "row 1, 18, 19 (waiting, fairness, speed of stats)",
        "nothing that one thread sees: test_memfs_threads, bench",
    ),
    Difference(
        "row 2",
        "the peer waits for ever for a file that is open for writing; "
        "kist refuses: test_memfs_model",
        avoid=waits_for_a_writer,
    ),
    Difference("row 3", "async: test_memfs_async"),
    Difference(
        "row 4, 7",
        "the peer loses quota when a promotion fits and its write does not; "
        "the refusal itself, with its numbers, is the same",
        last=promotes_but_does_not_fit,
        show=show_promotion,
        theirs=(601, 200, 800),
        ours=(601, 200, 410),
    ),
    Difference(
        "row 5, 7",
        "the peer charges a copied tree for the chunks of its source",
        avoid=charges_other_chunks,
        show=show_copy_tree,
        theirs=1100,
        ours=110,
    ),
    Difference(
        "row 5, 7 (promoted files)",
        "what the peer has not charged for is given back: 12 of /x are gone",
        show=show_promoted_copies,
        theirs=2,
        ours=12,
    ),
    Difference(
        "row 6",
        "the peer charges overhead for imported random access files",
        avoid=charges_random_access,
        show=show_random_access,
        theirs=(13, 10),
        ours=(3, 0),
    ),
    Difference(
        "row 8",
        "the peer makes the bytes before it looks at the quota",
        show=show_huge,
        theirs=("MemoryError", "MemoryError"),
        ours=(QUOTA, QUOTA),
    ),
    Difference(
        "row 9",
        "the peer loses a directory that is moved into itself",
        avoid=goes_into_itself,
        show=show_into_itself,
        theirs=(None, {}, 13),
        ours=("ValueError", {"/d/e/f": b"abc"}, 13),
    ),
    Difference(
        "row 10",
        "the peer imports over directories; below a file it asserts",
        avoid=import_conflicts,
        show=show_import_conflicts,
        theirs=(None, 2, None, "AssertionError", False),
        ours=(
            "IsADirectoryError", 1, "IsADirectoryError", "FileExistsError",
            False,
        ),
    ),
    Difference(
        "row 11 (copy)",
        "the peer leaves an empty file",
        mend=mend_copy,
        show=show_copy,
        theirs=(QUOTA, True),
        ours=(QUOTA, False),
    ),
    Difference(
        "row 11 (mkdir)",
        "the peer leaves the parents",
        mend=mend_parents,
        show=show_parents,
        theirs=(NODES, 3),
        ours=(NODES, 1),
    ),
    Difference(
        "row 11 (move)",
        "the peer leaves the parents",
        show=show_move_parents,
        theirs=(NODES, 3),
        ours=(NODES, 1),
    ),
    Difference(
        "row 12",
        "the peer keeps two leading slashes",
        avoid=two_slashes,
        show=show_two_slashes,
        theirs=(2, "KeyError", "KeyError"),
        ours=(1, "ValueError", "ValueError"),
    ),
    Difference(
        "row 13",
        "the peer goes down deep trees by recursion",
        show=show_depth,
        theirs=("RecursionError",) * 5,
        ours=(1201, 0, 1200, None, None),
    ),
    Difference(
        "row 14",
        "the peer preallocates for readers",
        avoid=rb_preallocates,
        show=show_rb_preallocates,
        theirs=(None, 100),
        ours=("UnsupportedOperation", 1),
    ),
    Difference("row 15, 17", "threads and collector: test_memfs_threads"),
    Difference(
        "row 16",
        "the peer's handles can be copied",
        show=show_copied_handle,
        theirs="RuntimeError",
        ours="TypeError",
    ),
    Difference("row 20", "speed and memory: bench"),
    Difference(
        "row 21 (glob)",
        "the peer names a path more than once",
        judge=judge_glob,
        show=show_glob,
        theirs=(False, ["/a", "/a/b", "/a/b/c"]),
        ours=(True, ["/a", "/a/b", "/a/b/c"]),
    ),
    Difference(
        "row 21 (times)",
        "the peer never moves modified_at of a directory",
        judge=judge_stat,
        show=show_directory_time,
        theirs=False,
        ours=True,
    ),
    Difference(
        "row 21 (pickle), 1.3",
        "the peer's errors cannot be loaded",
        show=show_pickle,
        theirs=("TypeError", "TypeError"),
        ours=(True, True),
    ),
    Difference(
        "row 22",
        "the peer keeps a bytearray by reference, and a str as it is",
        show=show_reference,
        theirs=(b"xbc", None),
        ours=(b"abc", "TypeError"),
    ),
    Difference(
        "1.2 (values)",
        "the peer takes any number for a size",
        show=show_constructor,
        theirs=[None, None, None, NODES, None, None],
        ours=[
            "ValueError", "TypeError", "TypeError", NODES, "TypeError",
            "ValueError",
        ],
    ),
    Difference(
        "1.2, 1.15 (default)",
        "overhead of 0.2.0 instead of 0.3.0's",
        show=show_default,
        theirs=128,
        ours=93,
    ),
    Difference(
        "1.4",
        "the peer says AttributeError to some paths that are not str",
        show=show_other_paths,
        theirs=[
            "AttributeError", "AttributeError", "TypeError", "AttributeError",
        ],
        ours=["TypeError"] * 4,
    ),
    Difference(
        "1.6 (message)",
        "the peer lists the modes in the order of a set",
        judge=judge_mode,
    ),
    Difference(
        "1.7 (seek)",
        "the peer takes a float",
        show=show_float,
        theirs=1.0,
        ours="TypeError",
    ),
    Difference(
        "1.11",
        "the peer forgets between two calls the bytes after a malformed one "
        "and the byte order",
        show=show_text,
        theirs=("\ufffd\ufffd", "UnicodeError"),
        ours=("\ufffd\u00f1", "a\u00f1"),
    ),
    Difference(
        "1.11 (position)",
        "the peer has read one character more after a lone carriage return",
        show=show_position,
        theirs=("a\r", 3),
        ours=("a\r", 2),
    ),
    Difference(
        "1.7 (promotion)",
        "the peer's message names a class of its own",
        judge=judge_promotion,
    ),
    Difference(
        "1.7 (readline)",
        "the peer does not look at the mode when no byte is asked for",
        avoid=reads_no_line,
        show=show_no_line,
        theirs=b"",
        ours="UnsupportedOperation",
    ),
    Difference(
        "1.8 (move)",
        "the peer asserts when the parent is a file",
        avoid=moves_below_a_file,
        show=show_move_below,
        theirs="AssertionError",
        ours="FileExistsError",
    ),
    Difference(
        "1.8 (import)",
        "the peer needs a spare node to replace a file",
        avoid=import_needs_a_spare,
        show=show_spare,
        theirs=NODES,
        ours=None,
    ),
]  # fmt: skip
