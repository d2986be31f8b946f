"""The files under an open collection: removed, replaced, full, read-only."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import kist
import pytest

from conftest import in_child, run_python


def remove_files(base: str) -> None:
    """What `rm` does."""
    os.remove(base + ".kist")
    os.remove(base + ".kistx")


def write_b(base: str) -> None:
    """What another process does there."""
    with kist.FSDict(base) as d:
        d["b"] = 2


@pytest.mark.parametrize("other_process", [False, True])
def test_removed_files_are_not_opened_again(base, other_process):
    """Row 65: a path leads to the files that are there, not to old ones."""
    old = kist.FSDict(base)
    old["a"] = 1
    remove_files(base)
    if other_process:
        assert in_child(lambda: write_b(base)) == 0
    else:
        write_b(base)
    with kist.FSDict(base) as new:
        assert dict(new) == {"b": 2}
        new["c"] = 3
        assert dict(old) == {"a": 1}
        old.close()
        assert dict(new) == {"b": 2, "c": 3}
    with kist.FSDict(base) as again:
        assert dict(again) == {"b": 2, "c": 3}


@pytest.mark.parametrize("other_process", [False, True])
def test_compacted_files_are_shared(base, other_process):
    """A compaction makes a new file, but it is the same kist: one handle."""

    def compact() -> None:
        with kist.FSDict(base) as mine:
            mine.compact()

    with kist.FSDict(base) as d:
        d["a"] = 1
        inode = os.stat(base + ".kist").st_ino
        if other_process:
            assert in_child(compact) == 0
        else:
            d.compact()
        assert os.stat(base + ".kist").st_ino != inode
        # Of two handles the second would wait for the first one's batch.
        with d.batch(), kist.FSDict(base, lock_timeout=1) as e:
            e["b"] = 2
        assert dict(d) == {"a": 1, "b": 2}


def test_compacted_and_removed(base):
    """Both: what the old handle went over to is gone as well."""
    with kist.FSDict(base) as d:
        d["a"] = 1
        d.compact()
        with kist.FSDict(base) as e:
            assert dict(e) == {"a": 1}
        remove_files(base)
        assert in_child(lambda: write_b(base)) == 0
        with kist.FSDict(base) as new:
            assert dict(new) == {"b": 2}


def test_read_only_kist_is_not_destroyed(base):
    """Row 72: not by the kist either."""
    kist.FSDict(base).close()
    with kist.open(base, read_only=True) as k:
        with pytest.raises(io.UnsupportedOperation):
            k.destroy()
        assert os.path.exists(base + ".kist")
        assert not k.closed
    with kist.open(base) as k:
        k.destroy()
    assert not os.path.exists(base + ".kist")


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes somebody else")
def test_mode_bits_are_those_of_the_effective_user(tmp_path):
    """Row 72: who has changed his user id is asked about as who he is."""
    program = """
        import io, os, sys
        import kist
        base = sys.argv[1]
        with kist.FSDict(base) as d:
            d["a"] = 1
        for name in (os.path.dirname(base), base + ".kist", base + ".kistx"):
            os.chown(name, 65534, 65534)
        os.chmod(base + ".kist", 0o400)
        os.seteuid(65534)
        d = kist.FSDict(base)
        assert d.read_only and dict(d) == {"a": 1}
        try:
            d["b"] = 2
        except io.UnsupportedOperation:
            print("refused")
        d.close()
        """
    above = tmp_path
    while above != above.parent:  # pytest's folders are for their owner only
        if above.stat().st_mode & 0o011 == 0:
            above.chmod(0o711)
        above = above.parent
    result = run_python(program, str(tmp_path / "coll"))
    assert result.stdout == "refused\n", result.stderr


def test_thousands_open_at_once(tmp_path):
    """Address space is for all of them, and as long as they are needed."""
    kists = [kist.FSDict(str(tmp_path / f"c{i}")) for i in range(1200)]
    for i, d in enumerate(kists):
        d["k"] = i
    assert [d["k"] for d in kists] == list(range(1200))
    for d in kists:
        d.close()


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS")
def test_little_address_space(base):
    """`ulimit -v` of 4 GiB is below what is reserved by default."""
    program = """
        import resource, sys
        import kist
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        with kist.FSDict(sys.argv[1]) as d, kist.FSList() as l:
            d["big"] = b"x" * (40 << 20)
            l.extend(range(100000))
            print(len(d["big"]), l[-1])
        """
    result = run_python(program, base)
    assert result.stdout == f"{40 << 20} 99999\n", result.stderr


def test_collections_of_a_kist_that_goes_meanwhile(base):
    """collections() while objects are made: each is asked of an open kist."""
    k = kist.open(base)
    for name in ("one", "two"):
        k.list(name).close()
    names: Any = k.collections()
    assert set(names) == {"one", "two"}
    k.destroy()
    with pytest.raises(ValueError, match="closed"):
        k.collections()


def test_dropped_under_an_open_handle(base):
    """ValueError, as of a closed one, with no words of an earlier error."""
    with kist.open(base) as k:
        d = k.dict("d")
        l = k.list("l")
        s = k.set("s")
        for name in ("d", "l", "s"):
            k.drop(name)
        with pytest.raises(OSError):
            kist.FSDict("/no/such/place")
        for call in (
            lambda: d.update(a=1, b=2),
            lambda: d.__setitem__("a", 1),
            lambda: l.append(1),
            lambda: l.extend([1, 2]),
            lambda: s.add(1),
            lambda: s.update([1, 2]),
            d.clear,
            l.clear,
            s.clear,
        ):
            with pytest.raises(ValueError, match="was dropped"):
                call()
        for c in (d, l, s):
            c.close()
        assert k.collections() == {}
