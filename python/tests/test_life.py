"""Life cycle: temporal files, close, destroy, pickles, options, cost.

The contract's rows 40, 41, 45, 65 and 72 to 85, and P9, P10, P24 to P26, P44,
P47. Each test names the row or the promise (P) it is about.
"""

from __future__ import annotations

import copy
import gc
import glob
import io
import os
import pathlib
import pickle
import stat
import sys
import tempfile
import warnings
import weakref
from typing import Any

import kist
import pytest

from conftest import run_python

CLOSED = "I/O operation on closed file."

KINDS = [kist.FSDict, kist.FSSet, kist.FSList]


def fill(c: Any) -> Any:
    """Puts one thing in and returns the builtin that equals it now."""
    if isinstance(c, kist.FSDict):
        c["k"] = 1
        return {"k": 1}
    if isinstance(c, kist.FSSet):
        c.add("k")
        return {"k"}
    c.append("k")
    return ["k"]


#: What every operation of a kind is, for asking a closed one.
OPERATIONS: dict[str, list[Any]] = {
    "FSDict": [
        lambda d: d["k"],
        lambda d: d.__setitem__("k", 1),
        lambda d: d.__delitem__("k"),
        lambda d: "k" in d,
        lambda d: len(d),
        lambda d: bool(d),
        lambda d: iter(d),
        lambda d: reversed(d),
        lambda d: d.get("k"),
        lambda d: d.pop("k", None),
        lambda d: d.popitem(),
        lambda d: d.setdefault("k"),
        lambda d: d.update(k=1),
        lambda d: d.clear(),
        lambda d: d.copy(),
        lambda d: list(d.items()),
        lambda d: len(d.keys()),
        lambda d: d == {},
        lambda d: d | {},
        lambda d: d.get_many(["k"]),
    ],
    "FSSet": [
        lambda s: "k" in s,
        lambda s: [] in s,
        lambda s: object() in s,
        lambda s: s.add("k"),
        lambda s: s.discard("k"),
        lambda s: s.remove("k"),
        lambda s: s.pop(),
        lambda s: s.clear(),
        lambda s: len(s),
        lambda s: bool(s),
        lambda s: iter(s),
        lambda s: s.copy(),
        lambda s: s.update(["k"]),
        lambda s: s.update(),
        lambda s: s.intersection_update([]),
        lambda s: s.difference_update(["k"]),
        lambda s: s.symmetric_difference_update(["k"]),
        lambda s: s == set(),
        lambda s: s < {1},
        lambda s: s | {1},
        lambda s: {1} - s,
        lambda s: s.union(),
        lambda s: s.isdisjoint([1]),
        lambda s: s.issubset([1]),
        lambda s: s.issuperset([1]),
    ],
    "FSList": [
        lambda x: x[0],
        lambda x: x[0:1],
        lambda x: x.append(1),
        lambda x: x.extend([1]),
        lambda x: x.insert(0, 1),
        lambda x: x.pop(),
        lambda x: x.clear(),
        lambda x: len(x),
        lambda x: bool(x),
        lambda x: iter(x),
        lambda x: reversed(x),
        lambda x: x.sort(),
        lambda x: x.reverse(),
        lambda x: x.copy(),
        lambda x: "k" in x,
        lambda x: x.index("k"),
        lambda x: x.count("k"),
        lambda x: x == [],
        lambda x: x + [],
    ],
}


def files(prefix: str) -> list[str]:
    """What there is of a collection at `prefix`."""
    return sorted(glob.glob(glob.escape(prefix) + "*"))


# --- close ------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["close", "destroy", "with"])
def test_closed(base, kind, how):
    """P9, P10, P26, row 74: ValueError in these words from everything."""
    c = kind(base)
    fill(c)
    if how == "with":
        with c as same:
            assert same is c
    else:
        getattr(c, how)()
    for operation in OPERATIONS[kind.__name__]:
        with pytest.raises(ValueError) as caught:
            operation(c)
        assert caught.value.args == (CLOSED,)
    assert "closed" in repr(c)
    assert c.closed
    c.close()
    c.close()
    with pytest.raises(ValueError), c:
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_data_is_there_again(base, kind):
    """P9, P53: after the with block, in two files and no more."""
    with kind(base) as c:
        expected = fill(c)
    assert files(base) == [base + ".kist", base + ".kistx"]
    with kind(base) as c:
        assert c == expected


@pytest.mark.parametrize("kind", KINDS)
def test_iterator_after_close(base, kind):
    """Row 75: ValueError from an iterator of a closed collection."""
    c = kind(base)
    fill(c)
    its = [iter(c)]
    if kind is kist.FSDict:
        views = [c.keys(), c.values(), c.items()]
        its += [iter(v) for v in views]
    c.close()
    for it in its:
        with pytest.raises(ValueError) as caught:
            next(it)
        assert caught.value.args == (CLOSED,)
    if kind is kist.FSDict:
        for view in views:
            for operation in (len, list, lambda v: 1 in v):
                with pytest.raises(ValueError):
                    operation(view)


def test_close_frees_what_is_open(base):
    """Row 74: no file descriptor and no mapping outlives the last close."""

    def held():
        with open("/proc/self/maps") as f:
            maps = sum(base in line for line in f)
        fds = [
            os.readlink(f"/proc/self/fd/{fd}")
            for fd in os.listdir("/proc/self/fd")
            if os.path.islink(f"/proc/self/fd/{fd}")
        ]
        return maps, sum(base in fd for fd in fds)

    for _ in range(3):
        d = kist.FSDict(base)
        d["k"] = 1
        it = iter(d)
        assert held() != (0, 0)
        d.close()
        del it
        gc.collect()
        assert held() == (0, 0)


def test_init_again(base):
    """P10: __init__ on an open object leaves the old one closed."""
    d = kist.FSDict(base)
    d["k"] = 1
    d.__init__(base + "2")
    assert len(d) == 0
    d.__init__(base)
    assert d["k"] == 1
    d.close()


# --- temporal -----------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_temporal(kind, tmp_path, monkeypatch):
    """P24, row 76: prefix, directory and mode of the files."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with kind() as a, kind() as b:
        fill(a)
        fill(b)
        made = os.listdir(tmp_path)
        assert all(name.startswith("fscollection_") for name in made)
        assert a.path != b.path
        for path in tmp_path.rglob("*.kist*"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["del", "cycle", "close", "destroy"])
def test_temporal_files_go(kind, end):
    """P25, P26: with the object, however it goes."""
    c = kind()
    fill(c)
    path = c.path
    assert files(path)
    if end == "cycle":
        if kind is kist.FSDict:
            holder: Any = [c, c.keys()]
        else:
            holder = [c, iter(c)]
        holder.append(holder)
        del holder, c
        gc.collect()
    elif end == "del":
        del c
    else:
        getattr(c, end)()
    assert files(path) == []


def test_temporal_files_go_at_exit():
    """P25, row 74: also when the interpreter ends, without a word."""
    ran = run_python(
        """
        import kist
        d, s = kist.FSDict(), kist.FSSet()
        d["k"] = 1
        s.add(1)
        kept = [d, iter(s), d.items()]
        kept.append(kept)
        print(d.path, s.path)
        """
    )
    assert ran.returncode == 0 and ran.stderr == ""
    for path in ran.stdout.split():
        assert files(path) == []


def test_temporal_files_of_the_killed(tmp_path):
    """P25: what a killed process left goes when the next one comes."""
    code = """
        import kist, os, sys, tempfile
        tempfile.tempdir = sys.argv[1]
        d = kist.FSDict()
        d["k"] = 1
        if sys.argv[2] == "die":
            os.kill(os.getpid(), 9)
        print(d.path)
        """
    assert run_python(code, str(tmp_path), "die").returncode == -9
    assert os.listdir(tmp_path) != []
    ran = run_python(code, str(tmp_path), "live")
    assert ran.returncode == 0, ran.stderr
    assert os.listdir(tmp_path) == []


def test_destroy(base):
    """P26: closes all handles on it and removes the files."""
    a, b = kist.FSDict(base), kist.FSDict(base)
    a["k"] = 1
    a.destroy()
    assert files(base) == []
    for d in (a, b):
        with pytest.raises(ValueError):
            d["k"]
    with kist.FSDict(base) as d:
        assert len(d) == 0


def test_destroy_of_a_closed_one(base):
    """P26: closes and removes; once closed it is an error or done."""
    d = kist.FSDict(base)
    d.destroy()
    try:
        d.destroy()
    except ValueError:
        pass
    assert files(base) == []


# --- the end of the interpreter -------------------------------------------------


@pytest.mark.parametrize("dev", [False, True])
def test_no_noise_at_exit(base, dev):
    """Row 74: objects left open, in cycles and globals: only the warning."""
    ran = run_python(
        """
        import sys, kist, threading
        base = sys.argv[1]
        d = kist.FSDict(base)
        d["k"] = 1
        k = kist.open(base + "2")
        s = k.set("s")
        s.add(1)
        it = iter(s)
        next(it)

        class Holder:
            def __init__(self):
                self.me = self
                self.d = kist.FSDict(base)

            def __del__(self):
                try:
                    self.d["k"] = 2
                except ValueError:
                    pass

        h = Holder()
        batch = k.batch()
        batch.__enter__()
        s.add(2)
        """,
        base,
        dev=dev,
    )
    assert ran.returncode == 0
    for line in ran.stderr.splitlines():
        assert dev and ("ResourceWarning" in line or line.startswith(" "))
    with kist.open(base + "2") as k:
        assert k.set("s") == {1}


def test_resource_warning(base):
    """Row 74: dev mode tells who forgot to close; temporal ones need not."""
    code = """
        import sys, gc, kist
        d = kist.FSDict(*sys.argv[1:])
        d["k"] = 1
        del d
        gc.collect()
        """
    loud = run_python(code, base, dev=True)
    assert loud.returncode == 0
    assert "ResourceWarning" in loud.stderr and base in loud.stderr
    quiet = run_python(code, base)
    assert quiet.stderr == ""
    temporal = run_python(code, dev=True)
    assert "ResourceWarning" not in temporal.stderr


def test_resource_warning_as_error(base):
    """Row 74: a finalizer never raises, whatever the filters say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        d = kist.FSDict(base)
        d["k"] = 1
        del d
        gc.collect()
    with kist.FSDict(base) as d:
        assert d["k"] == 1


def test_exception_in_a_with_block(base):
    """P9: the exception passes, the collection is closed."""
    with pytest.raises(ZeroDivisionError), kist.FSDict(base) as d:
        d["k"] = 1
        1 / 0
    assert d.closed
    with kist.FSDict(base) as d:
        assert d["k"] == 1


# --- two handles ------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_same_path_twice(base, kind):
    """Row 65, P33: one shared core, each sees the other's writes."""
    a = kind(base)
    b = kind(base)
    expected = fill(a)
    assert b == expected and a == b
    a.close()
    assert b == expected
    b.clear()
    with kind(base) as c:
        assert len(c) == 0 and len(b) == 0
    b.close()


def test_same_path_by_other_names(base, monkeypatch):
    """Row 65: relative, PathLike and with the suffix are one path."""
    monkeypatch.chdir(os.path.dirname(base))
    with (
        kist.FSDict(base) as a,
        kist.FSDict("coll") as b,
        kist.FSDict(pathlib.Path(base)) as c,
        kist.FSDict(os.fsencode(base)) as d,
        kist.FSDict(base + ".kist") as e,
    ):
        a["k"] = 1
        assert b == c == d == e == {"k": 1}
        assert a.path == b.path == c.path == d.path == e.path


def test_paths(base, tmp_path):
    """Row 85: PathLike, bytes; a missing directory is
    FileNotFoundError."""
    for path in (base, pathlib.Path(base), os.fsencode(base)):
        with kist.FSSet(path) as s:
            s.add(1)
    with pytest.raises(FileNotFoundError):
        kist.FSDict(os.path.join(str(tmp_path), "no", "such"))
    for wrong in (5, [], object(), 1.5):
        with pytest.raises(TypeError):
            kist.FSDict(wrong)
    with pytest.raises(ValueError):
        kist.FSDict(base + "\0x")
    odd = os.path.join(str(tmp_path), "é \n\U0001f9f0'\"%s")
    with kist.FSDict(odd) as d:
        d["k"] = 1
    with kist.FSDict(odd) as d:
        assert d["k"] == 1


def test_not_a_kist(base):
    """Row 71: somebody else's file is refused and left as it was."""
    with open(base + ".kist", "wb") as f:
        f.write(b"something else entirely, much of it\n" * 500)
    with pytest.raises(kist.NotKistError):
        kist.FSDict(base)
    with open(base + ".kist", "rb") as f:
        assert f.read(9) == b"something"


# --- copies and pickles ---------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(base, kind, protocol):
    """Row 41: by path, klass and options; a small text, no contents."""
    with kind(base, klass=int if kind is not kist.FSSet else None) as c:
        if kind is kist.FSList:
            c.append(12345)
        else:
            fill(c)
        data = pickle.dumps(c, protocol)
        assert len(data) < 1000
        other = pickle.loads(data)
        assert type(other) is kind and other is not c
        assert other.path == c.path and other.klass == c.klass
        assert other == c
        other.clear()
        assert len(c) == 0
        other.close()


@pytest.mark.parametrize("kind", KINDS)
def test_pickle_of_a_temporal_one(kind):
    """Row 41: TypeError."""
    with kind() as c:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError):
                pickle.dumps(c, protocol)


def test_pickle_when_the_files_are_gone(base):
    """Row 61: FileNotFoundError; nothing is made anew and empty."""
    d = kist.FSDict(base)
    data = pickle.dumps(d)
    d.destroy()
    with pytest.raises(FileNotFoundError):
        pickle.loads(data)
    assert files(base) == []


@pytest.mark.parametrize("kind", KINDS)
def test_weakref(base, kind):
    """Row 45: all three can be referred to weakly."""
    c = kind(base)
    gone = []
    ref = weakref.ref(c, gone.append)
    assert ref() is c
    c.close()
    del c
    gc.collect()
    assert ref() is None and len(gone) == 1


def test_views_and_iterators_keep_it_alive(base):
    """Row 75: `for k in FSDict(p).keys()` is not closed under the loop."""
    with kist.FSDict(base) as d:
        d.update(a=1, b=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        assert list(kist.FSDict(base).keys()) == ["a", "b"]
        it = iter(kist.FSDict(base))
        gc.collect()
        assert list(it) == ["a", "b"]


# --- read-only --------------------------------------------------------------------------


def test_read_only(base):
    """Row 72: reads all, UnsupportedOperation for writes, no byte
    changes."""
    with kist.FSDict(base) as d:
        d["k"] = [1]
    before = {f: pathlib.Path(f).read_bytes() for f in files(base)}
    with kist.FSDict(base, read_only=True) as d:
        assert d.read_only and dict(d) == {"k": [1]}
        for write in (
            lambda: d.__setitem__("k", 2),
            lambda: d.__delitem__("k"),
            lambda: d.pop("k"),
            lambda: d.pop("x", None),
            lambda: d.popitem(),
            lambda: d.setdefault("x"),
            lambda: d.update(x=1),
            lambda: d.clear(),
        ):
            with pytest.raises(io.UnsupportedOperation):
                write()
        assert dict(d) == {"k": [1]}
    assert {f: pathlib.Path(f).read_bytes() for f in files(base)} == before


def test_read_only_set(base):
    """Row 72: the same for a set; what changes nothing is refused too."""
    with kist.FSSet(base) as s:
        s.add(1)
    with kist.FSSet(base, read_only=True) as s:
        assert s == {1}
        for write in (
            lambda: s.add(1),
            lambda: s.add(2),
            lambda: s.discard(9),
            lambda: s.remove(1),
            lambda: s.pop(),
            lambda: s.clear(),
            lambda: s.update([2]),
            lambda: s.intersection_update([]),
            lambda: s.difference_update([1]),
            lambda: s.symmetric_difference_update([1]),
            lambda: s.__ior__({2}),
        ):
            with pytest.raises(io.UnsupportedOperation):
                write()
        assert s == {1} and s | {2} == {1, 2}


def test_read_only_of_nothing(base):
    """Row 72: a read-only open makes nothing."""
    with pytest.raises(FileNotFoundError):
        kist.FSDict(base, read_only=True)
    assert files(base) == []


# --- options ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"cache_type": "arc"},
        {"cache_type": "lru", "cache_size": 0},
        {"cache_type": "lru", "cache_size": -5},
        {"compaction_threshold": 0},
        {"compaction_threshold": 1.5},
        {"compaction_threshold": -0.1},
        {"auto_compact": True, "klass": str},
        {"auto_compact": True},
        {"durability": "maybe"},
        {"lock_timeout": -1},
    ],
    ids=str,
)
def test_options_that_make_no_sense(base, options):
    """Row 77: ValueError, and no file is made."""
    with pytest.raises(ValueError):
        kist.FSDict(base, **options)
    assert files(base) == []


def test_options_that_do(base):
    """P3, row 70: the published keywords, and ours."""
    for options in (
        {"klass": int, "cache_type": "lru", "cache_size": 10},
        {"klass": int, "cache_type": "fifo", "cache_size": 1},
        {"klass": int, "cache_type": "lfu"},
        {"klass": int, "compaction_threshold": 0.5, "auto_compact": True},
        {"klass": int, "durability": "process"},
        {"klass": int, "durability": "interval"},
        {"klass": int, "durability": "sync"},
        {"klass": int, "sync": "always"},
        {"klass": int, "lock_timeout": 1.5},
    ):
        with kist.FSDict(base, **options) as d:
            d["k"] = d.get("k", 0) + 1
    with kist.FSDict(base) as d:
        assert d["k"] == 9
    with pytest.raises(TypeError):
        kist.FSDict(base, nonsense=1)
    with pytest.raises(TypeError):
        kist.FSDict(base, int, "lru")


def test_compaction_threshold(base):
    """P46, row 79: megabytes of dead bytes never come together."""
    with kist.FSDict(base, compaction_threshold=0.5) as d:
        for i in range(40_000):
            d[str(i % 100)] = str(i) * 20
        assert d.metrics["generation"] > 1
        assert d.metrics["data_bytes"] < 500_000
        assert len(d) == 100 and d["99"] == "39999" * 20


def test_compact(base):
    """P47: the room of dead records comes back, contents stay."""
    with kist.FSDict(base) as d:
        for i in range(5000):
            d[str(i % 50)] = "x" * 200
        before = d.metrics["data_file_bytes"]
        d.compact()
        after = d.metrics
        assert after["data_file_bytes"] < before
        assert after["dead_records"] == 0 and after["live_records"] == 50
        assert len(d) == 50 and d["49"] == "x" * 200


METRICS = {
    "fragmentation_ratio",
    "wasted_bytes",
    "data_file_bytes",
    "index_file_bytes",
    "total_disk_usage_bytes",
    "live_records",
    "dead_records",
    "clean_shutdown",
    "cache_hits",
    "cache_misses",
    "read_calls",
    "write_calls",
}


@pytest.mark.parametrize("kind", KINDS)
def test_metrics(base, kind):
    """P44, row 80: the keys, computed on demand, without writing."""
    with kind(base) as c:
        fill(c)
    with kind(base) as c:
        m = c.metrics
        assert set(m) >= METRICS
        assert m["live_records"] == 1 and m["clean_shutdown"] is True
        assert m["total_disk_usage_bytes"] == sum(
            os.path.getsize(f) for f in files(base)
        )
        assert 0.0 <= m["fragmentation_ratio"] <= 1.0
        assert c.metrics["data_file_bytes"] == m["data_file_bytes"]


# --- copies of the handle ---------------------------------------------------------------------------------


def test_copy_is_no_second_handle(base):
    """Row 40: never two objects on one file by accident."""
    with kist.FSDict(base) as d, kist.FSSet(base + "s") as s:
        d["k"] = [1]
        s.add(1)
        for c in (d, s):
            for made in (copy.copy(c), copy.deepcopy(c), c.copy()):
                assert type(made) in (dict, set) and made == c


# --- what it costs ----------------------------------------------------------


def anonymous_kb() -> int:
    """Private memory of this process, mapped files not counted."""
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
    raise AssertionError("no RssAnon")


def test_no_leak_over_a_million_operations(base):
    """Issue 3: blocks and private memory stay over a million operations."""
    texts = [f"member {i} é" for i in range(500)]

    def round_(d: Any, s: Any) -> None:
        for t in texts:
            d[t] = [t, 1, None]
            s.add((t, 1))
            assert t in d and (t, 1) in s and d[t] is not None
            d.get("absent")
            s.discard("absent")
        s ^= {(t, 1) for t in texts[:50]}
        assert len(list(s)) == 450 and len(d.items()) == 500
        for t in texts:
            d.pop(t)
            s.discard((t, 1))

    with (
        kist.FSDict(base, compaction_threshold=0.5) as d,
        kist.FSSet(base + "s", compaction_threshold=0.5) as s,
    ):
        for _ in range(5):
            round_(d, s)
        gc.collect()
        blocks, memory = sys.getallocatedblocks(), anonymous_kb()
        for _ in range(200):
            round_(d, s)
        gc.collect()
        assert sys.getallocatedblocks() - blocks < 500
        assert anonymous_kb() - memory < 3000


def test_docstrings_run():
    """Issue 3, point 5: the examples in docstrings do what they say."""
    import doctest

    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    tried = 0
    for owner in (kist, *KINDS, kist.Kist):
        docs = {"": owner.__doc__} | {
            name: getattr(getattr(owner, name), "__doc__", None)
            for name in dir(owner)
            if owner is not kist
        }
        for name, doc in docs.items():
            if doc and ">>>" in doc:
                test = doctest.DocTestParser().get_doctest(
                    doc, {}, f"{owner.__name__}.{name}", None, None
                )
                runner.run(test)
                tried += len(test.examples)
    assert runner.summarize().failed == 0
    assert tried >= 8


def test_import_is_light():
    """Issue 3: importing kist loads nothing that was not there."""
    ran = run_python(
        """
        import sys
        before = set(sys.modules)
        import kist
        new = {m for m in set(sys.modules) - before if m[:4] != "kist"}
        assert new <= {"atexit"}, new  # built in
        with kist.FSDict() as d, kist.FSSet() as s:
            d["a"] = 1
            s.add(1)
        new = set(sys.modules) - before
        assert not new & {"json", "decimal", "datetime", "uuid"}, new
        """
    )
    assert ran.returncode == 0, ran.stderr
