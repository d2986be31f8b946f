"""The objects of memfs: exceptions, subclasses, collection, interpreters.

Sections 1.1, 1.3, 1.13 and 1.14 of contracts/dmemfs.md.
"""

from __future__ import annotations

import copy
import gc
import io
import pickle
import sys
import threading
import unittest.mock
import warnings
import weakref
from typing import Any

import kist
import kist.memfs
import pytest
from kist import (
    MemoryFileHandle,
    MemoryFileSystem,
    MFSNodeLimitExceededError,
    MFSQuotaExceededError,
    MFSTextHandle,
)

from conftest import run_python


@pytest.fixture
def fs() -> MemoryFileSystem:
    return MemoryFileSystem(default_lock_timeout=0)


def put(fs: MemoryFileSystem, path: str, data: bytes = b"x") -> None:
    with fs.open(path, "wb") as file:
        file.write(data)


# --- names -------------------------------------------------------------------

NAMES = {
    "MemoryFileSystem", "MemoryFileHandle", "MFSQuotaExceededError",
    "MFSNodeLimitExceededError", "MFSStats", "MFSStatResult", "MFSTextHandle",
    "AsyncMemoryFileSystem", "AsyncMemoryFileHandle",
}  # fmt: skip


@pytest.mark.parametrize("module", [kist, kist.memfs])
def test_all_names_are_there(module: Any):
    """1.1: in kist and in kist.memfs; unknown ones are AttributeErrors."""
    assert set(module.__all__) >= NAMES
    assert set(dir(module)) >= NAMES
    for name in NAMES:
        assert getattr(module, name).__name__ == name
    assert isinstance(module.__version__, str)
    with pytest.raises(AttributeError) as caught:
        module.no_such_name
    assert str(caught.value) == (
        f"module {module.__name__!r} has no attribute 'no_such_name'"
    )
    assert (
        kist.MFSStats.__annotations__.keys()
        == MemoryFileSystem().stats().keys()
    )
    assert (
        kist.MFSStatResult.__annotations__.keys()
        == MemoryFileSystem().stat("/").keys()
    )


def test_names_that_cost_are_loaded_late():
    """`import kist` loads neither asyncio nor typing."""
    ran = run_python(
        """
        import sys
        before = set(sys.modules)
        import kist.memfs
        fs = kist.MemoryFileSystem()
        new = set(sys.modules) - before
        assert not new & {"asyncio", "typing", "codecs_", "fsspec"}, new
        kist.MFSStats
        """
    )
    assert ran.returncode == 0, ran.stderr


def test_the_plugin():
    """1.14: a fixture of 1 MiB for each test."""
    from kist.memfs import _pytest_plugin

    assert "mfs" in vars(_pytest_plugin)


# --- exceptions --------------------------------------------------------------


def test_quota_error():
    """1.3: an OSError with one argument, no errno, two numbers."""
    error = MFSQuotaExceededError(requested=5, available=2)
    assert isinstance(error, OSError)
    assert (error.requested, error.available, error.errno) == (5, 2, None)
    assert error.args == (
        "MFS quota exceeded: requested 5 bytes, only 2 bytes available.",
    )
    assert str(error) == error.args[0]
    for wrong in ((), (1,), (1, 2, 3)):
        with pytest.raises(TypeError):
            MFSQuotaExceededError(*wrong)


def test_node_limit_error():
    """1.3: is a quota error, with four numbers."""
    error = MFSNodeLimitExceededError(limit=7, current=9)
    assert isinstance(error, MFSQuotaExceededError)
    assert (error.current, error.limit) == (9, 7)
    assert (error.requested, error.available) == (10, -2)
    assert error.errno is None
    assert error.args == (
        "MFS node limit exceeded: current 9 nodes, limit is 7.",
    )
    with pytest.raises(TypeError):
        MFSNodeLimitExceededError("x", 1)


class Mine(MFSQuotaExceededError):
    def __init__(self, text: str) -> None:
        super().__init__(1, 2)
        self.text = text


@pytest.mark.parametrize(
    "error",
    [MFSQuotaExceededError(5, 2), MFSNodeLimitExceededError(9, 7), Mine("t")],
)
def test_errors_are_pickled(error: Any):
    """Row 21: and copied, with all that they carry."""
    error.__notes__ = ["a note"]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is type(error)
        assert vars(again) == vars(error)
        assert (again.args, str(again)) == (error.args, str(error))
        assert again.errno is None
    assert vars(copy.copy(error)) == vars(copy.deepcopy(error)) == vars(error)


def test_errors_of_calls_are_pickled(fs: MemoryFileSystem):
    """1.3: all that a call raises."""
    fs = MemoryFileSystem(10, max_nodes=3, default_lock_timeout=0)
    fs.mkdir("/d")
    with fs.open("/f", "wb") as file:
        for call in (
            lambda: file.write(b"x" * 100),
            lambda: fs.mkdir("/e"),
            lambda: fs.open("/f"),
            lambda: fs.open("/q"),
            lambda: fs.open("/d"),
            lambda: fs.open("/f", "xb"),
            lambda: fs.rmtree("/f"),
            lambda: fs.mkdir("/d"),
            lambda: fs.remove("/f"),
            lambda: fs.open(".."),
            file.read,
        ):
            with pytest.raises((OSError, ValueError)) as caught:
                call()
            error = caught.value
            assert len(error.args) == 1
            assert getattr(error, "errno", None) is None
            again = pickle.loads(pickle.dumps(error))
            assert type(again) is type(error) and again.args == error.args


# --- subclasses --------------------------------------------------------------


def test_the_file_system_may_be_subclassed():
    """1.1: with a constructor and methods of its own."""

    class Sub(MemoryFileSystem):
        def __init__(self, name: str) -> None:
            super().__init__(max_quota=1000)
            self.name = name

        def open(self, path: str, *args: Any, **kwargs: Any) -> Any:
            return super().open("/" + self.name + path, *args, **kwargs)

    fs = Sub("base")
    fs.mkdir("/base")
    put(fs, "/f", b"abc")
    assert fs.listdir("/base") == ["f"]
    assert fs.stats()["quota_bytes"] == 1000
    assert type(fs.snapshot()) is MemoryFileSystem
    with pytest.raises(TypeError):
        pickle.dumps(fs)

    class Forgets(MemoryFileSystem):
        def __init__(self) -> None:
            pass

    empty = Forgets()
    for call in (
        lambda: empty.open("/f"), lambda: empty.exists("/"), empty.stats,
        lambda: empty.mkdir("/d"), lambda: empty.walk(), empty.snapshot,
        lambda: empty.listdir("/"), lambda: empty.glob("*"),
        lambda: empty.import_tree({"/a": b""}), empty.export_tree,
        lambda: fs.restore(empty), lambda: empty.copy("/a", "/b"),
        lambda: MemoryFileHandle(empty, "/f"), empty.iter_export_tree,
        lambda: empty._open_later("/f", "rb", 0, print), empty._options,
        lambda: empty.view("/f"), lambda: empty.export_as_bytesio("/f"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="__init__"):
            call()
    with pytest.raises(ValueError, match="in use"):
        fs.__init__("again")  # type: ignore[misc]


class Counted(MemoryFileHandle):
    """A handle that notes its calls."""

    calls: list[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.calls = []
        super().__init__(*args, **kwargs)

    def read(self, size: int = -1) -> bytes:
        self.calls.append("read")
        return super().read(size)

    def write(self, data: Any) -> int:
        self.calls.append("write")
        return super().write(data)

    def close(self) -> None:
        self.calls.append("close")
        super().close()


def test_handles_may_be_subclassed(fs: MemoryFileSystem):
    """1.7: what RawIOBase does by name meets the methods of the subclass."""
    with Counted(fs, "/f", "wb", preallocate=2) as file:
        file.writelines([b"a\n", b"b\n"])
    assert file.calls == ["write", "write", "close"]
    file = Counted(fs, "/f")
    assert file.readline() == b"a\n" and file.calls == ["read", "read"]
    assert list(file) == [b"b\n"]
    assert MFSTextHandle(file).read() == ""
    file.calls.clear()
    file.seek(0)
    assert MFSTextHandle(file).readline() == "a\n"
    assert file.calls == ["read"]
    with pytest.raises(ValueError, match="open"):
        file.__init__(fs, "/f")  # type: ignore[misc]
    file.close()
    file.__init__(fs, "/f", "ab")  # type: ignore[misc]
    assert file.tell() == 4
    file.close()
    bare = Counted.__new__(Counted)
    assert bare.closed
    with pytest.raises(ValueError, match="closed"):
        bare.tell()
    for args in ((), (fs,), (5, "/f"), (fs, 5), (fs, "/f", "rb", 0, 0, 0)):
        with pytest.raises(TypeError):
            MemoryFileHandle(*args)
    with pytest.raises(FileNotFoundError):
        MemoryFileHandle(fs, "/q")


def test_methods_may_be_patched(fs: MemoryFileSystem):
    """1.1: objects have a dict, as tests with mocks need."""
    with unittest.mock.patch.object(fs, "exists", return_value="yes"):
        assert fs.exists("/q") == "yes"
    assert fs.exists("/q") is False
    put(fs, "/f")
    with fs.open("/f") as file:
        file.note = "mine"  # type: ignore[attr-defined]
        assert vars(file) == {"note": "mine"}
    assert weakref.ref(fs)() is fs and weakref.ref(file)() is file
    assert "MemoryFileSystem object" in repr(fs)


# --- dropped handles ---------------------------------------------------------


def test_a_dropped_handle_warns_and_lets_go(fs: MemoryFileSystem):
    """1.7: ResourceWarning, and the lock is given back."""
    with pytest.warns(ResourceWarning, match="was not closed properly"):
        fs.open("/f", "wb").write(b"abc")
    with pytest.warns(ResourceWarning):
        Counted(fs, "/f", "r+b")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fs.open("/f") as file:
            file.read()
        file = fs.open("/f")
        file.close()
        del file
        with pytest.raises(FileNotFoundError):
            fs.open("/q")


def test_a_warning_that_is_an_error(fs: MemoryFileSystem, monkeypatch):
    """It goes to sys.unraisablehook, and the file is closed all the same."""
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda u: seen.append(u))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fs.open("/f", "wb")
        Counted(fs, "/g", "wb")
    assert [one.exc_type for one in seen] == [ResourceWarning] * 2
    fs.remove("/f")
    fs.remove("/g")


def test_a_handle_that_comes_back(fs: MemoryFileSystem):
    """A __del__ may keep the handle, which is closed and safe."""
    kept: list[Any] = []

    class Phoenix(MemoryFileHandle):
        def __del__(self) -> None:
            kept.append(self)

    Phoenix(fs, "/f", "wb")
    gc.collect()
    assert not kept[0].closed
    kept[0].write(b"still")
    kept[0].close()
    kept.clear()
    assert fs.get_size("/f") == 5
    file = fs.open("/f", "ab")
    with pytest.warns(ResourceWarning):
        file.__del__()  # type: ignore[attr-defined]
    assert file.closed


def test_cycles_are_collected(fs: MemoryFileSystem):
    """Row 17: with open files in them, wherever they hang."""
    put(fs, "/f")
    gone = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for make in (lambda: fs.open("/f", "ab"), lambda: Counted(fs, "/f")):
            file: Any = make()
            file.me = [file]
            gone.append(weakref.ref(file))
            del file
            gc.collect()
            fs.open("/f", "wb", lock_timeout=0).close()
    assert [one() for one in gone] == [None, None]
    assert [one.category for one in caught] == [ResourceWarning] * 2
    own: Any = MemoryFileSystem()
    own.me = own
    own.walk_ = own.walk()
    own.export_ = own.iter_export_tree()
    next(own.walk_)
    own.file = own.open("/f", "wb")
    own.text = MFSTextHandle(own.file)
    there = weakref.ref(own)
    own.file.close()
    del own
    gc.collect()
    assert there() is None


def test_handles_outlive_the_file_system():
    """What is open stays open."""
    fs = MemoryFileSystem()
    put(fs, "/f", b"abc" * 3000)
    gone = weakref.ref(fs)
    file = fs.open("/f", "r+b")
    walk = fs.walk()
    del fs
    gc.collect()
    assert file.read() == b"abc" * 3000
    file.write(b"more")
    file.truncate(5)
    file.close()
    assert next(walk) == ("/", [], ["f"])
    del file, walk
    gc.collect()
    assert gone() is None


def test_memory_of_handles_is_used_again(fs: MemoryFileSystem):
    """A handle made in the place of another has nothing of it."""
    put(fs, "/f", b"abc")
    refs = []
    for i in range(100):
        files = [fs.open("/f") for _ in range(i % 12)]
        for file in files:
            assert vars(file) == {}
            assert file.tell() == 0 and not file.closed
            file.mark = i  # type: ignore[attr-defined]
            refs.append(weakref.ref(file))
            assert gc.is_tracked(file)
            file.close()
        del files
        file = None  # type: ignore[assignment]
    assert all(ref() is None for ref in refs)


def test_nothing_leaks():
    """References to what was lent, and to types, come back to what they
    were."""
    data = b"x" * 5000

    def work() -> None:
        fs = MemoryFileSystem(1 << 20)
        for i in range(5):
            put(fs, f"/{i}", data)
        with fs.open("/1", "r+b") as file:
            file.read(4096)
            file.seek(10)
            file.write(b"y")
        fs.copy("/0", "/copy")
        fs.export_tree()
        fs.view("/0")
        fs.snapshot().restore(fs)
        list(fs.walk())
        list(fs.iter_export_tree())
        fs.listdir("/")
        for wrong in ("/q", 5, ".."):
            for call in (fs.open, fs.stat, fs.listdir, fs.remove, fs.mkdir):
                try:
                    call(wrong)
                except (OSError, ValueError, TypeError):
                    pass
        with fs.open("/0") as file:
            MFSTextHandle(file, "utf-16-le", "replace").readline()
        ticket = fs._open_later("/0", "rb", 0, print)
        ticket.close()

    types = (MemoryFileSystem, MemoryFileHandle, MFSTextHandle)
    for _ in range(20):
        work()
    gc.collect()
    before = [sys.getrefcount(one) for one in (data, *types)]
    for _ in range(50):
        work()
    gc.collect()
    after = [sys.getrefcount(one) for one in (data, *types)]
    assert after == before


# --- the memory guard --------------------------------------------------------


def test_the_guard_warns():
    """1.13: a quota that the machine does not have is told at once."""
    with pytest.warns(ResourceWarning, match="max_quota"):
        fs = MemoryFileSystem(1 << 60, memory_guard="init")
    put(fs, "/f")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MemoryFileSystem(1 << 20, memory_guard="init")
        MemoryFileSystem(1 << 60)
        with pytest.raises(ResourceWarning, match="max_quota"):
            MemoryFileSystem(1 << 60, memory_guard="per_write")


def test_the_guard_raises():
    """1.13: or is a MemoryError, with the same words."""
    with pytest.raises(MemoryError, match="max_quota"):
        MemoryFileSystem(
            1 << 60, memory_guard="init", memory_guard_action="raise"
        )
    MemoryFileSystem(memory_guard="per_write", memory_guard_action="raise")


def test_the_guard_looks_at_each_write():
    """1.13: what there is not is refused, or warned of, before it is
    taken."""
    for action in ("warn", "raise"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                fs = MemoryFileSystem(
                    1 << 50,
                    memory_guard="per_write",
                    memory_guard_action=action,
                )
            except MemoryError:
                assert action == "raise"
                continue
        assert len(caught) == 1
        with fs.open("/f", "wb") as file:
            with pytest.warns(ResourceWarning, match="bytes requested"):
                file.truncate(1 << 49)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                file.truncate(0)
                with pytest.raises(ResourceWarning):
                    file.truncate(1 << 49)
            file.truncate(0)


# --- interpreters ------------------------------------------------------------

CODE = """
import sys
sys.path[:] = {path!r}
import kist, gc
fs = kist.MemoryFileSystem()
for i in range(200):
    with fs.open(f"/{{i % 9}}", "wb") as file:
        file.write(bytes(i * 50))
    with fs.open(f"/{{i % 9}}") as file:
        assert len(file.read()) == i * 50
    fs.listdir("/"), list(fs.walk()), fs.export_tree(), fs.stats()
    try:
        fs.open("/q")
    except FileNotFoundError:
        pass
    try:
        kist.MemoryFileSystem(1).import_tree({{"/a": b"x" * 100}})
    except kist.MFSQuotaExceededError as error:
        assert error.requested > 1
kept = fs.open("/1"), fs.snapshot(), fs.view("/2"), fs.walk()
"""


def test_isolated_interpreters():
    """Nothing is shared between interpreters, which run at once."""
    interpreters = pytest.importorskip(
        "_interpreters"
        if sys.version_info >= (3, 13)
        else "_xxsubinterpreters"
    )
    wrong: list[Any] = []

    def run() -> None:
        try:
            which = interpreters.create()
            failed = interpreters.run_string(which, CODE.format(path=sys.path))
            if failed is not None:
                wrong.append(failed)
            interpreters.destroy(which)
        except BaseException as error:
            wrong.append(error)

    # Before 3.12 they share one GIL, and one after the other is enough.
    own = sys.version_info >= (3, 12)
    threads = [threading.Thread(target=run) for _ in range(4 if own else 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_end_of_the_interpreter():
    """Open handles, views and waiting threads do not disturb it."""
    ran = run_python(
        """
        import threading, kist, warnings
        warnings.simplefilter("ignore")
        fs = kist.MemoryFileSystem(default_lock_timeout=None)
        file = fs.open("/f", "wb")
        file.write(b"x" * 5000)
        fs.me = fs, file
        view = fs.snapshot()
        threading.Thread(target=lambda: fs.open("/f"), daemon=True).start()
        ticket = fs._open_later("/f", "wb", 0, print)
        later = fs._open_later("/f", "wb", 0, lambda: print("woken"))
        walk = fs.walk(); next(walk)
        text = kist.MFSTextHandle(file, "utf-16")
        """,
        dev=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Fatal" not in ran.stderr


def test_io_wrappers_at_the_end(fs: MemoryFileSystem):
    """A buffered writer that is dropped writes and closes the handle."""
    buffered = io.BufferedWriter(fs.open("/f", "wb"))
    buffered.write(b"abc")
    del buffered
    assert fs.export_tree() == {"/f": b"abc"}
