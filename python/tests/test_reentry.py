"""Code that runs in the middle of a call: paths, subclasses, threads, imports.

Each test is a program that once crashed the interpreter or answered wrongly.
"""

from __future__ import annotations

import builtins
import gc
import os
import threading
import time
from typing import Any

import kist
import pytest

CLOSED = "I/O operation on closed file."


# --- opening ------------------------------------------------------------


def test_path_that_opens_the_same_object(base):
    """__fspath__ calls __init__: the outer one opens last."""

    class Path:
        def __fspath__(self) -> str:
            d.__init__(base + "-inner")
            return base

    d = kist.FSDict()
    d.__init__(Path())
    d["a"] = 1
    assert d.path == base
    d.close()
    with kist.FSDict(base) as other:
        assert dict(other) == {"a": 1}


def test_init_that_fails_leaves_it_open(base, tmp_path):
    """What cannot be opened is no reason to close what is open."""
    with kist.FSDict(base) as d:
        d["a"] = 1
        for bad in (str(tmp_path / "no" / "such"), 5, "nul\0"):
            with pytest.raises((OSError, TypeError, ValueError)):
                d.__init__(bad)
        assert dict(d) == {"a": 1}


def test_threads_that_init_one_object(base):
    """One of them wins each time, and nothing is opened twice."""
    d = kist.FSDict(base)

    def work(n: int) -> None:
        for _ in range(50):
            try:
                d.__init__(f"{base}{n}")
            except kist.BusyError:
                pass

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    d.close()
    for n in range(4):
        kist.FSDict(f"{base}{n}").destroy()  # LockedError if one were open
        assert not os.path.exists(f"{base}{n}.kist")


def test_fromkeys_of_a_class_that_makes_lists():
    """fromkeys() writes into a dict only, whatever the class gives it."""

    class Odd(kist.FSDict):
        def __new__(cls, *args: Any) -> Any:
            return kist.FSList()

    with pytest.raises(TypeError, match="gave a"):
        Odd.fromkeys("ab")


class Changing(kist.FSDict):
    """Its __new__ answers what `made` is, if anything."""

    made: Any = None

    def __new__(cls, *args: Any, **options: Any) -> Any:
        if cls.made is not None:
            return cls.made
        return super().__new__(cls)


@pytest.mark.parametrize("what", ["number", "list", "open", "new"])
def test_unpickling_a_class_with_an_odd_new(base, monkeypatch, what):
    """Row 41: only a new dict is opened, never a number or an open one."""
    with Changing(base) as d, kist.FSList() as l:
        d["a"] = 1
        l.append(1)
        made = {"number": 5, "list": l, "open": d, "new": None}[what]
        again, args = d.__reduce__()
        monkeypatch.setattr(Changing, "made", made)
        if what == "new":
            with again(*args) as other:
                assert dict(other) == {"a": 1}
        else:
            with pytest.raises(TypeError, match="that is no new dict"):
                again(*args)
        monkeypatch.undo()
        assert dict(d) == {"a": 1}
        assert list(l) == [1]


def test_pickling_while_an_import_closes(base, monkeypatch):
    """__reduce__ imports, and an import may run anything."""
    d = kist.FSDict(base)
    real = builtins.__import__

    def closing(*args: Any, **kwargs: Any) -> Any:
        d.close()
        return real(*args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", closing)
    with pytest.raises(ValueError, match=CLOSED):
        d.__reduce__()


# --- classes ------------------------------------------------------------


@pytest.mark.parametrize("one", [kist.FSList, kist.FSDict, kist.FSSet])
@pytest.mark.parametrize("other", [kist.FSList, kist.FSDict, kist.FSSet])
def test_kinds_cannot_be_mixed(one, other):
    """No object of one kind comes under the methods of another."""
    if one is other:
        other = kist.FSDict.__base__  # nor under those of none
    with pytest.raises(TypeError):
        type("Both", (other, one), {})
    mine = type("Mine", (one,), {})
    theirs = type("Theirs", (other,), {})
    for cls in (one, mine):
        with cls() as c:
            for target in (other, theirs):
                with pytest.raises(TypeError):
                    c.__class__ = target
            assert type(c) is cls


# --- values ---------------------------------------------------------------


def test_int_whose_methods_lie():
    """A typed list keeps the int, and asks none of its methods."""

    class Liar(int):
        def bit_length(self) -> Any:
            return "many"

        def to_bytes(self, *args: Any, **kwargs: Any) -> Any:
            return 7

        def __int__(self) -> int:
            return 1

        __index__ = __int__

    numbers = [2**100, -(2**100), 2**127 - 1, -(2**127)]
    with kist.FSList(klass="int128") as l:
        l.extend(map(Liar, numbers))
        assert list(l) == numbers
        assert {type(number) for number in l} == {int}
        with pytest.raises(OverflowError):
            l.append(Liar(2**127))


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 32, 64, 1024, 4096, 4097])
def test_extend_by_an_iterator_that_goes_wrong(count):
    """Row 10: what came before stays, wherever the gathered had moved to."""
    items = [f"{i}é\ud800" for i in range(count)]
    with kist.FSList() as l:
        with pytest.raises(TypeError, match="cannot keep a object"):
            l.extend(iter([*items, object()]))
        assert list(l) == items


def test_surrogates_while_the_collector_runs(base):
    """Decoding them must not need the stored bytes once objects are made."""

    class Writer:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            other[str(len(other))] = "y" * 5000

    text = "\ud800" + "x" * 3000 + "\udfff"
    before = gc.get_threshold()
    with kist.FSDict(base) as d, kist.FSDict(base + "-other") as other:
        d.update({f"k{i}\ud800": text for i in range(50)})
        gc.set_threshold(1)
        try:
            for i in range(50):
                Writer()
                assert d[f"k{i}\ud800"] == text
                assert d.get_many([f"k{i}\ud800"]) == [text]
                Writer()
                assert all(value == text for value in d.values())
        finally:
            gc.set_threshold(*before)
        gc.collect()
        assert len(other) >= 50


# --- views, iterators, notebooks ------------------------------------------


@pytest.mark.parametrize("op", ["__or__", "__sub__", "__xor__", "__and__"])
@pytest.mark.parametrize("other", [(1, 2), ("ab",), (), (("ab", 1),), ["b"]])
def test_set_algebra_of_views_with_tuples(fsdict, op, other):
    """Row 14: a tuple is one operand, not its items."""
    model = {"ab": 1, "a": 2, "b": 3}
    ours = fsdict(model)
    for part in ("keys", "items"):
        mine = getattr(getattr(ours, part)(), op)(other)
        theirs = getattr(getattr(model, part)(), op)(other)
        assert mine == theirs
        assert type(mine) is set


@pytest.mark.parametrize("part", ["keys", "values", "items"])
def test_changed_dict_keeps_failing(fsdict, part):
    """Row 15: as dict's, the iterator raises each time it is asked."""
    d = fsdict(a=1, b=2)
    for ours in (d, {"a": 1, "b": 2}):
        it = iter(getattr(ours, part)())
        next(it)
        ours["c"] = 3
        for _ in range(3):
            with pytest.raises(RuntimeError, match="changed size"):
                next(it)


def test_scan_whose_predicate_goes_on_scanning(fsdict):
    """The inner walk ends the scan that the outer one is in."""

    def predicate(key: str, value: int) -> bool:
        return key == "0" and list(scan) == []

    d = fsdict({str(i): i for i in range(5)})
    scan = d.scan(predicate)
    assert list(scan) == [("0", 0)]


def test_html_of_a_dict_with_other_items():
    """A subclass whose items() gives no pairs is shown by what it gives."""

    class Odd(kist.FSDict):
        def items(self) -> Any:
            return [10, (1, 2, 3)]

    with Odd() as d:
        d["a"] = 1
        html = d._repr_html_()
    assert "<td>10</td>" in html
    assert "<td>(1, 2, 3)</td>" in html


# --- threads ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "method", "args"),
    [
        (kist.FSList, "clear", ()),
        (kist.FSList, "pop", ()),
        (kist.FSList, "reverse", ()),
        (kist.FSDict, "clear", ()),
        (kist.FSDict, "pop", ("a",)),
        (kist.FSDict, "popitem", ()),
        (kist.FSSet, "clear", ()),
        (kist.FSSet, "pop", ()),
    ],
)
def test_close_while_a_write_waits(base, kind, method, args):
    """P50: closed by one thread while another waits for its turn."""
    c = kind(base)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            getattr(c, method)(*args)
        except (ValueError, LookupError) as error:
            errors.append(error)

    batch = c.batch()
    batch.__enter__()
    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)
    c.close()
    time.sleep(0.05)
    batch.__exit__(None, None, None)
    thread.join(30)
    assert not thread.is_alive()
    assert c.closed
    del batch
    with kind(base) as again:
        assert len(again) == 0


def test_batch_left_by_the_wrong_thread(base):
    """It stays entered, so that the right one can leave it."""
    errors: list[BaseException] = []

    def leave() -> None:
        try:
            batch.__exit__(None, None, None)
        except ValueError as error:
            errors.append(error)

    with kist.FSDict(base) as d:
        batch = d.batch()
        batch.__enter__()
        d["a"] = 1
        thread = threading.Thread(target=leave)
        thread.start()
        thread.join(30)
        assert len(errors) == 1
        batch.__exit__(None, None, None)
        with pytest.raises(RuntimeError, match="not entered"):
            batch.__exit__(None, None, None)
        assert dict(d) == {"a": 1}
