"""A file system under a quota, written to be read: what kist's is held to.

It is the MemoryFileSystem of contracts/dmemfs.md with all that section 3
and the [F] marks ask for, in plain Python.  It keeps no counters: what is
used is summed up from the tree at each question, and every call looks at
all that could refuse it before it changes anything.  There is no waiting:
a lock that is not free at once is refused, as with lock_timeout=0.

The contract leaves open, and this decides:

- rename and move into the own subtree raise ValueError, looked for last, so
  that nothing changes but what would have been lost.
- A call that reads files (copy, copy_tree, export_*) takes their locks after
  it has looked at the tree, and before it asks for quota and nodes.
- copy asks for a node first and then for bytes; copy_tree and import_tree
  ask for bytes first.  Nodes are counted as if they were asked for one by
  one, so a refusal always shows current == limit.
- A promoting write has to find room for the temporary double (the size of
  the file) and, beside it, for its own growth; a refusal in either place
  leaves the file sequential.
- preallocate in "rb" is refused (UnsupportedOperation) if it would grow the
  file, and does nothing if not.
- import_tree looks at types, then at paths, then key by key at conflicts
  with the tree and among the keys (FileExistsError for a file on the way,
  IsADirectoryError for a directory in the place of a file) and at locks,
  then at the quota, then at nodes.  A replaced file is a new node.
- walk and iter_export_tree follow nodes: what was renamed meanwhile comes
  under the path it had, what was removed or replaced is left out.
- modified_at of a directory moves when a name is added to it or taken from
  it, not when a file in it is written or replaced.
- Locks of an iteration are asked for when it comes to the file.
"""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Iterator
from typing import Any

from memfsmodelbase import (
    HARD_LIMIT,
    MODES,
    Directory,
    File,
    MFSNodeLimitExceededError,
    MFSQuotaExceededError,
    Node,
    Parts,
    matches,
    split,
    text,
    whole,
)
from memfsmodelfiles import MemoryFileHandle, MFSTextHandle  # noqa: F401


class MemoryFileSystem:
    """The whole tree, as section 1 of the contract describes it."""

    def __init__(
        self,
        max_quota: int = 256 << 20,
        chunk_overhead_override: int | None = None,
        promotion_hard_limit: int | None = None,
        max_nodes: int | None = None,
        default_storage: str = "auto",
        default_lock_timeout: float | None = 30.0,
        memory_guard: str = "none",
        memory_guard_action: str = "warn",
        memory_guard_interval: float = 1.0,
    ) -> None:
        def option(value: Any, default: Any) -> Any:
            if value is None:
                return default
            if whole(value) < 0:
                raise ValueError("must be >= 0")
            return whole(value)

        if default_storage not in ("auto", "sequential", "random_access"):
            raise ValueError(
                f"Invalid default_storage value: {default_storage!r}. "
                "Expected 'auto', 'sequential', or 'random_access'."
            )
        if memory_guard not in ("none", "init", "per_write"):
            raise ValueError(
                f"Invalid memory_guard: {memory_guard!r}. "
                "Expected 'none', 'init', or 'per_write'."
            )
        if memory_guard_action not in ("warn", "raise"):
            raise ValueError(
                f"Invalid memory_guard_action: {memory_guard_action!r}. "
                "Expected 'warn' or 'raise'."
            )
        if whole(max_quota) < 0:
            raise ValueError("max_quota must be >= 0")
        self.quota = whole(max_quota)
        self.overhead = option(chunk_overhead_override, 93)
        self.hard_limit = option(promotion_hard_limit, HARD_LIMIT)
        self.max_nodes = option(max_nodes, None)
        self.storage = default_storage
        if self.max_nodes == 0:
            raise MFSNodeLimitExceededError(0, 0)
        self.root = Directory(self.now())

    def now(self) -> float:
        """The time that new stamps get; tests put their own here."""
        return time.time()

    # --- the tree --------------------------------------------------------

    def find(self, parts: Parts) -> Node | None:
        """The node there; None also below a file."""
        node: Node | None = self.root
        for name in parts:
            if not isinstance(node, Directory):
                return None
            node = node.children.get(name)
        return node

    def below(self, parts: Parts, node: Node) -> Iterator[tuple[Parts, Node]]:
        """`node` itself and all below, depth first, as inserted."""
        ahead = [(parts, node)]
        while ahead:
            where, one = ahead.pop()
            yield where, one
            if isinstance(one, Directory):
                ahead += [
                    ((*where, name), child)
                    for name, child in reversed(one.children.items())
                ]

    def all_nodes(self) -> list[tuple[Parts, Node]]:
        """The root first."""
        return list(self.below((), self.root))

    def files(self, parts: Parts, node: Node) -> list[tuple[Parts, File]]:
        """The files of `below`."""
        return [
            (where, one)
            for where, one in self.below(parts, node)
            if isinstance(one, File)
        ]

    def put(self, parts: Parts, node: Node) -> None:
        """Adds a name to the directory that is there."""
        parent = self.find(parts[:-1])
        assert isinstance(parent, Directory)
        if parts[-1] not in parent.children:
            parent.modified = self.now()
        parent.children[parts[-1]] = node

    def take(self, parts: Parts) -> None:
        """Takes a name from its directory."""
        parent = self.find(parts[:-1])
        assert isinstance(parent, Directory)
        del parent.children[parts[-1]]
        parent.modified = self.now()

    def missing(self, parts: Parts) -> list[Parts]:
        """The directories that are not yet on the way to and at `parts`."""
        found = []
        for i in range(1, len(parts) + 1):
            node = self.find(parts[:i])
            if isinstance(node, File):
                raise FileExistsError(
                    f"A file exists at path component: '{parts[i - 1]}'"
                )
            if node is None:
                found.append(parts[:i])
        return found

    def refuse_open(self, parts: Parts, node: Node) -> None:
        """BlockingIOError if there is a handle at or below `node`."""
        for where, file in self.files(parts, node):
            if file.is_open:
                raise BlockingIOError(f"File is open: '{text(where)}'")

    # --- the quota -------------------------------------------------------

    def usage(self, file: File) -> int:
        """What a file counts for."""
        return len(file.data) + (file.chunks or 0) * self.overhead

    def used(self) -> int:
        """What all files count for."""
        return sum(self.usage(file) for _, file in self.files((), self.root))

    def free(self) -> int:
        """What is left of the quota."""
        return self.quota - self.used()

    def fresh(self, size: int) -> int:
        """What a file of `size` bytes counts for when written at once."""
        if self.storage == "random_access" or not size:
            return size
        return size + self.overhead

    def ask(self, count: int) -> None:
        """MFSQuotaExceededError unless `count` bytes are free."""
        if count > self.free():
            raise MFSQuotaExceededError(count, self.free())

    def ask_nodes(self, count: int) -> None:
        """MFSNodeLimitExceededError unless `count` more nodes may be."""
        limit = self.max_nodes
        if limit is not None and len(self.all_nodes()) + count > limit:
            raise MFSNodeLimitExceededError(limit, limit)

    # --- files -----------------------------------------------------------

    def open(
        self,
        path: str,
        mode: str = "rb",
        preallocate: int = 0,
        lock_timeout: float | None = None,
    ) -> MemoryFileHandle:
        """A handle, which holds the file's lock until it is closed."""
        if mode not in MODES:
            raise ValueError(
                f"Invalid mode '{mode}'. MFS supports binary modes only: "
                + repr(set(MODES))
            )
        parts = split(path)
        wanted = whole(preallocate)
        node = self.find(parts)
        if isinstance(node, Directory):
            raise IsADirectoryError(f"Is a directory: '{path}'")
        made = node is None
        if made:
            if mode in ("rb", "r+b"):
                raise FileNotFoundError(f"No such file: '{path}'")
            self.parent_of(parts)
            self.ask_nodes(1)
            node = File(self.now(), self.storage)
            self.put(parts, node)
        elif mode == "xb":
            raise FileExistsError(f"File exists: '{path}'")
        assert isinstance(node, File)
        self.lock(node, mode)
        if mode == "wb" and not made:
            self.resize(node, 0)
            self.touch(node)
        handle = MemoryFileHandle(self, node, mode)
        if wanted > len(node.data):
            try:
                if mode == "rb":
                    raise io.UnsupportedOperation("not writable in mode 'rb'")
                self.resize(node, wanted)
            except BaseException:
                handle.close()
                raise
            node.generation += 1
        return handle

    def parent_of(self, parts: Parts) -> None:
        """FileNotFoundError if there is no directory to put `parts` in."""
        if not isinstance(self.find(parts[:-1]), Directory):
            raise FileNotFoundError(
                f"Parent directory does not exist: '{text(parts[:-1])}'"
            )

    def lock(self, file: File, mode: str) -> None:
        """BlockingIOError if somebody else is in the way."""
        if mode == "rb":
            self.readable(file)
            file.readers += 1
        else:
            if file.is_open:
                raise BlockingIOError(
                    "Could not acquire write lock within timeout."
                )
            file.writer = True

    def readable(self, file: File) -> None:
        """BlockingIOError while there is a writer."""
        if file.writer:
            raise BlockingIOError(
                "Could not acquire read lock within timeout."
            )

    def touch(self, file: File) -> None:
        """The content has changed."""
        file.generation += 1
        file.modified = self.now()

    def resize(self, file: File, size: int) -> None:
        """Grows by zeros in a chunk of their own, or shrinks to one."""
        pad = size - len(file.data)
        if pad > 0:
            self.ask(pad + (0 if file.chunks is None else self.overhead))
            file.data += bytes(pad)
            if file.chunks is not None:
                file.chunks += 1
        elif pad < 0:
            file.data = file.data[:size]
            if file.chunks is not None:
                file.chunks = 1 if size else 0

    def write_at(self, file: File, offset: int, data: bytes) -> None:
        """Writes, and promotes if that is not at the end."""
        size = len(file.data)
        growth = max(0, offset + len(data) - size) if data else 0
        if file.chunks is None:
            self.ask(growth)
        elif offset == size:
            if data:
                self.ask(growth + self.overhead)
                file.chunks += 1
        else:
            if self.storage == "sequential":
                raise io.UnsupportedOperation(
                    "Random-access write on a sequential-only file: "
                    "promotion is disabled (default_storage='sequential')."
                )
            if size > self.hard_limit:
                raise io.UnsupportedOperation(
                    f"Cannot promote: size {size} exceeds hard limit "
                    f"{self.hard_limit}."
                )
            self.ask(size)
            beside = self.free() - size + file.chunks * self.overhead
            if growth > beside:
                raise MFSQuotaExceededError(growth, beside)
            file.chunks = None
        if data:
            old = file.data.ljust(offset, b"\0")
            file.data = old[:offset] + data + old[offset + len(data) :]
            self.touch(file)

    # --- operations on the tree ------------------------------------------

    def mkdir(self, path: str, exist_ok: bool = False) -> None:
        """A directory, and those on the way to it."""
        parts = split(path)
        node = self.find(parts)
        if isinstance(node, Directory):
            if not exist_ok:
                raise FileExistsError(f"Directory exists: '{path}'")
            return
        if isinstance(node, File):
            raise FileExistsError(f"File exists at path: '{path}'")
        self.make(self.missing(parts))

    def make(self, directories: list[Parts]) -> None:
        """All of them or none."""
        self.ask_nodes(len(directories))
        for parts in directories:
            self.put(parts, Directory(self.now()))

    def remove(self, path: str) -> None:
        """One file."""
        file = self.file_at(path)
        if file.is_open:
            raise BlockingIOError(f"File is open: '{path}'")
        self.take(split(path))
        file.alive = False

    def file_at(self, path: str) -> File:
        """The file there."""
        node = self.find(split(path))
        if node is None:
            raise FileNotFoundError(f"No such file: '{path}'")
        if isinstance(node, Directory):
            raise IsADirectoryError(f"Is a directory: '{path}'")
        assert isinstance(node, File)
        return node

    def directory_at(self, path: str) -> Directory:
        """The directory there."""
        node = self.find(split(path))
        if node is None:
            raise FileNotFoundError(f"No such directory: '{path}'")
        if not isinstance(node, Directory):
            raise NotADirectoryError(f"Not a directory: '{path}'")
        return node

    def rmtree(self, path: str) -> None:
        """A directory with all that is in it."""
        parts = split(path)
        if not parts:
            raise ValueError("Cannot remove the root directory.")
        node = self.directory_at(path)
        self.refuse_open(parts, node)
        self.take(parts)
        for _, gone in self.below(parts, node):
            gone.alive = False

    def rename(self, src: str, dst: str) -> None:
        """A new name for a file or a directory."""
        old, new, node = self.before_rename(src, dst, "rename")
        if not isinstance(self.find(new[:-1]), Directory):
            raise FileNotFoundError(
                f"Destination parent does not exist: '{dst}'"
            )
        self.refuse_open(old, node)
        self.refuse_below(old, new, dst)
        self.take(old)
        self.put(new, node)

    def move(self, src: str, dst: str) -> None:
        """As rename; makes the directories on the way."""
        old, new, node = self.before_rename(src, dst, "move")
        self.refuse_open(old, node)
        parents = self.missing(new[:-1])
        self.refuse_below(old, new, dst)
        self.make(parents)
        self.take(old)
        self.put(new, node)

    def before_rename(
        self, src: str, dst: str, verb: str
    ) -> tuple[Parts, Parts, Node]:
        """What rename and move look at first."""
        old, new = split(src), split(dst)
        if not old:
            raise ValueError(f"Cannot {verb} the root directory.")
        node = self.find(old)
        if node is None:
            raise FileNotFoundError(f"No such file or directory: '{src}'")
        if self.find(new) is not None:
            raise FileExistsError(f"Destination already exists: '{dst}'")
        return old, new, node

    def refuse_below(self, old: Parts, new: Parts, dst: str) -> None:
        """ValueError for a directory that is to go into itself."""
        if new[: len(old)] == old:
            raise ValueError(f"Cannot move a directory into itself: '{dst}'")

    def copy(self, src: str, dst: str) -> None:
        """One file."""
        split(src)
        new = split(dst)
        file = self.file_at(src)
        if self.find(new) is not None:
            raise FileExistsError(f"Destination already exists: '{dst}'")
        self.parent_of(new)
        self.readable(file)
        self.ask_nodes(1)
        self.ask(self.fresh(len(file.data)))
        twin = File(self.now(), self.storage)
        twin.fill(file.data)
        twin.generation = 1 if file.data else 0
        self.put(new, twin)

    def copy_tree(self, src: str, dst: str) -> None:
        """A directory as it is now, also into itself."""
        old, new = split(src), split(dst)
        node = self.find(old)
        if node is None:
            raise FileNotFoundError(f"No such file or directory: '{src}'")
        if not isinstance(node, Directory):
            raise NotADirectoryError(f"Not a directory: '{src}'")
        if self.find(new) is not None:
            raise FileExistsError(f"Destination already exists: '{dst}'")
        if not isinstance(self.find(new[:-1]), Directory):
            raise FileNotFoundError(
                f"Destination parent does not exist: '{dst}'"
            )
        nodes = list(self.below(old, node))
        files = self.files(old, node)
        for _, file in files:
            self.readable(file)
        self.ask(sum(self.fresh(len(file.data)) for _, file in files))
        self.ask_nodes(len(nodes))
        for where, one in nodes:
            twin: Node
            if isinstance(one, File):
                twin = File(self.now(), self.storage)
                twin.fill(one.data)
            else:
                twin = Directory(self.now())
            self.put(new + where[len(old) :], twin)

    # --- questions -------------------------------------------------------

    def listdir(self, path: str) -> list[str]:
        """The names in a directory."""
        return list(self.directory_at(path).children)

    def lookup(self, path: str) -> Node | None:
        """The node there; None also where a path leaves the root."""
        try:
            return self.find(split(path))
        except ValueError:
            return None

    def exists(self, path: str) -> bool:
        """Something is there."""
        return self.lookup(path) is not None

    def is_dir(self, path: str) -> bool:
        """A directory is there."""
        return isinstance(self.lookup(path), Directory)

    def is_file(self, path: str) -> bool:
        """A file is there."""
        return isinstance(self.lookup(path), File)

    def stat(self, path: str) -> dict[str, Any]:
        """What is known of a file or a directory."""
        node = self.find(split(path))
        if node is None:
            raise FileNotFoundError(f"No such file or directory: '{path}'")
        file = isinstance(node, File)
        return {
            "size": len(node.data) if isinstance(node, File) else 0,
            "created_at": node.created,
            "modified_at": node.modified,
            "generation": node.generation if isinstance(node, File) else 0,
            "is_dir": not file,
        }

    def get_size(self, path: str) -> int:
        """The size of a file."""
        return len(self.file_at(path).data)

    def stats(self) -> dict[str, int]:
        """The whole in numbers."""
        nodes = [node for _, node in self.all_nodes()]
        files = [node for node in nodes if isinstance(node, File)]
        return {
            "used_bytes": self.used(),
            "quota_bytes": self.quota,
            "free_bytes": self.free(),
            "file_count": len(files),
            "dir_count": len(nodes) - len(files),
            "chunk_count": sum(file.chunks or 0 for file in files),
            "overhead_per_chunk_estimate": self.overhead,
        }

    def walk(
        self, path: str = "/"
    ) -> Iterator[tuple[str, list[str], list[str]]]:
        """Top down; each directory as it is when it is reached."""
        ahead = [(split(path), self.directory_at(path))]
        while ahead:
            parts, directory = ahead.pop()
            if not directory.alive:
                continue
            now = list(directory.children.items())
            yield (
                text(parts),
                [name for name, node in now if isinstance(node, Directory)],
                [name for name, node in now if isinstance(node, File)],
            )
            ahead += [
                ((*parts, name), node)
                for name, node in reversed(now)
                if isinstance(node, Directory)
            ]

    def glob(self, pattern: str) -> list[str]:
        """The paths that fit, each once, sorted."""
        if not isinstance(pattern, str):
            raise TypeError("pattern must be str")
        wanted = tuple(
            part for part in pattern.replace("\\", "/").split("/") if part
        )
        return sorted(
            text(parts)
            for parts, _ in self.all_nodes()
            if parts and matches(parts, wanted)
        )

    # --- in and out ------------------------------------------------------

    def export_as_bytesio(
        self, path: str, max_size: int | None = None
    ) -> io.BytesIO:
        """A file as a BytesIO of its own."""
        file = self.file_at(path)
        self.readable(file)
        size = len(file.data)
        if max_size is not None and size > max_size:
            raise ValueError(f"File size {size} exceeds max_size={max_size}.")
        return io.BytesIO(file.data)

    def exported(
        self, prefix: str, only_dirty: bool
    ) -> list[tuple[Parts, File]]:
        """The files that an export is about."""
        parts = split(prefix)
        node = self.find(parts)
        if node is None:
            return []
        return [
            (where, file)
            for where, file in self.files(parts, node)
            if file.generation > 0 or not only_dirty
        ]

    def export_tree(
        self, prefix: str = "/", only_dirty: bool = False
    ) -> dict[str, bytes]:
        """Paths and contents."""
        files = self.exported(prefix, only_dirty)
        for _, file in files:
            self.readable(file)
        return {text(where): file.data for where, file in files}

    def iter_export_tree(
        self, prefix: str = "/", only_dirty: bool = False
    ) -> Iterator[tuple[str, bytes]]:
        """The same, one after the other."""
        for where, file in self.exported(prefix, only_dirty):
            if file.alive:
                self.readable(file)
                yield text(where), file.data

    def import_tree(self, tree: dict[str, bytes] | None) -> None:
        """Files from paths and contents: all of them or none."""
        if not tree:
            return
        wanted: dict[Parts, bytes] = {}
        for key, value in tree.items():
            if not isinstance(key, str):
                raise TypeError("keys must be str")
            if not isinstance(value, bytes | bytearray | memoryview):
                raise TypeError("values must be bytes-like")
        for key, value in tree.items():
            wanted[split(key)] = bytes(value)
        made: list[Parts] = []
        for parts in wanted:
            self.before_import(parts, list(wanted), made)
        old = [self.find(parts) for parts in wanted]
        replaced = [node for node in old if isinstance(node, File)]
        self.ask(
            sum(self.fresh(len(data)) for data in wanted.values())
            - sum(self.usage(file) for file in replaced)
        )
        self.ask_nodes(len(made) + len(wanted) - len(replaced))
        for parts, data in wanted.items():
            for parent in self.missing(parts[:-1]):
                self.put(parent, Directory(self.now()))
            file = File(self.now(), self.storage)
            file.fill(data)
            self.put(parts, file)
        for file in replaced:
            file.alive = False

    def before_import(
        self, parts: Parts, keys: list[Parts], made: list[Parts]
    ) -> None:
        """Refuses what cannot be there; notes the directories to make."""
        before = keys[: keys.index(parts)]
        for i in range(1, len(parts)):
            if parts[:i] in before:
                raise FileExistsError(
                    f"A file exists at path component: '{parts[i - 1]}'"
                )
        made += [one for one in self.missing(parts[:-1]) if one not in made]
        node = self.find(parts)
        if isinstance(node, Directory) or parts in made:
            raise IsADirectoryError(f"Is a directory: '{text(parts)}'")
        if isinstance(node, File) and node.is_open:
            raise BlockingIOError(
                f"Cannot import: file is open: '{text(parts)}'"
            )

    # --- beyond the contract ---------------------------------------------

    def twin_of(self, root: Directory) -> Directory:
        """The same tree once more; nobody has it open."""
        twin = copy.deepcopy(root)
        for _, file in self.files((), twin):
            file.readers, file.writer = 0, False
        return twin

    def snapshot(self) -> MemoryFileSystem:
        """A file system of its own with the same tree."""
        twin = copy.copy(self)
        twin.root = self.twin_of(self.root)
        return twin

    def restore(self, snapshot: MemoryFileSystem) -> None:
        """The tree of the other instead of the own."""
        self.refuse_open((), self.root)
        twin = self.twin_of(snapshot.root)
        for _, node in self.all_nodes():
            node.alive = False
        self.root = twin

    def view(self, path: str) -> memoryview:
        """A file as it is now."""
        file = self.file_at(path)
        self.readable(file)
        return memoryview(file.data)
