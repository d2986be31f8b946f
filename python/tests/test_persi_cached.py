"""AppendOnlyDictCached and MutableDictCached.

Sections 1.11 and 4 (W4) of the contract.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest
from kist.persidict import (
    ANY_ETAG,
    DELETE_CURRENT,
    ETAG_HAS_CHANGED,
    ETAG_IS_THE_SAME,
    IF_ETAG_CHANGED,
    ITEM_NOT_AVAILABLE,
    NEVER_RETRIEVE,
    VALUE_NOT_RETRIEVED,
    AppendOnlyDictCached,
    FileDirDict,
    LocalDict,
    MutableDictCached,
    MutationPolicyError,
    PersiDict,
)

from persistores import APPEND_ONLY, MUTABLE, UserDict, cached, file_dir

NA = ITEM_NOT_AVAILABLE
ANYWAY: dict[str, Any] = {"condition": ANY_ETAG, "expected_etag": NA}

# --- AppendOnlyDictCached ----------------------------------------------------


def test_append_only_cached_construction(tmp_path):
    """1.11, section 0 a: what the two may be."""
    grow: Any = LocalDict(append_only=True)
    for options, error, text in (
        ({"main_dict": 1}, TypeError, "main_dict must be a PersiDict"),
        ({"data_cache": 1}, TypeError, "data_cache must be a PersiDict"),
        ({"main_dict": LocalDict()}, ValueError, "must be set to True"),
        (
            {"data_cache": file_dir(tmp_path)},
            ValueError,
            "append_only must be set to True",
        ),
        (
            {"data_cache": LocalDict(base_class_for_values=int)},
            ValueError,
            "the same base_class_for_values",
        ),
    ):
        with pytest.raises(error, match=text):
            AppendOnlyDictCached(
                **{"main_dict": grow, "data_cache": grow, **options}
            )
    store: Any = AppendOnlyDictCached(main_dict=grow, data_cache=LocalDict())
    assert store.append_only and list(store.get_params()) == [
        "data_cache",
        "main_dict",
    ]


@pytest.mark.parametrize("kind", [k for k in APPEND_ONLY if "cached" in k])
def test_append_only_cached(kind, tmp_path):
    """1.11: the main store is read once for each item."""
    store: Any = APPEND_ONLY[kind](tmp_path)
    main, cache = store._main, store._data_cache
    main["a"] = {"x": [1]}
    assert "a" in store and "a" not in cache
    assert store["a"] == {"x": [1]} and cache["a"] == {"x": [1]}
    assert store["a"] is not store["a"]
    store["b", "c"] = 2
    assert main["b", "c"] == cache["b", "c"] == store["b", "c"] == 2
    with pytest.raises(MutationPolicyError, match="append-only"):
        store["a"] = 1
    main["d"] = 4
    assert store.get_item_if("d", **ANYWAY).new_value == 4 == cache["d"]
    main["e"] = 5
    result = store.setdefault_if("e", default_value=6, **ANYWAY)
    assert result.new_value == 5 == cache["e"]
    result = store.set_item_if(
        "f", value=7, condition=ETAG_IS_THE_SAME, expected_etag=NA
    )
    assert result.new_value == 7 == cache["f"] == main["f"]
    assert store.etag("a") == main.etag("a")
    assert store.timestamp("a") == main.timestamp("a")
    assert sorted(k.strings for k in store) == sorted(k.strings for k in main)
    assert len(store) == 5 and bool(store)
    for change in (
        lambda: store.__delitem__("a"),
        lambda: store.discard_if("none", **ANYWAY),
        lambda: store.transform_item("a", transformer=lambda v: v),
        lambda: store.discard("a"),
    ):
        with pytest.raises(MutationPolicyError, match="append-only"):
            change()
    with pytest.raises(KeyError):
        store["none"]
    if not isinstance(main, UserDict):
        below = store.get_subdict("b")
        assert below["c"] == 2 and below._data_cache["c"] == 2


def test_append_only_warm_reads_ask_nobody():
    """1.11: what is cached is read without the main store, also in C."""

    class Counted(UserDict):
        reads = 0

        def __getitem__(self, key: Any) -> Any:
            Counted.reads += 1
            return super().__getitem__(key)

    main = Counted(append_only=True)
    main["a"] = 1
    store: Any = AppendOnlyDictCached(main_dict=main, data_cache=LocalDict())
    assert [store["a"] for _ in range(5)] == [1] * 5 and Counted.reads == 1

    class Patched(LocalDict[Any]):
        asked = 0

        def __getitem__(self, key: Any) -> Any:
            Patched.asked += 1
            return super().__getitem__(key)

    store = AppendOnlyDictCached(main_dict=main, data_cache=Patched())
    assert [store["a"] for _ in range(3)] == [1] * 3 and Patched.asked == 3


# --- MutableDictCached -------------------------------------------------------

CACHED = [kind for kind in MUTABLE if kind.startswith("cached")]


def test_mutable_cached_construction():
    """1.11: three stores, none of them append-only."""
    good: dict[str, Any] = {
        name: LocalDict() for name in ("main_dict", "data_cache", "etag_cache")
    }
    for name in good:
        with pytest.raises(TypeError, match=f"{name} must be a PersiDict"):
            MutableDictCached(**{**good, name: 1})
        with pytest.raises(ValueError, match=f"{name} can't be append-only"):
            MutableDictCached(**{**good, name: LocalDict(append_only=True)})
    store: Any = MutableDictCached(**good)
    assert store.get_params() == dict(sorted(good.items()))
    assert not store.append_only


@pytest.mark.parametrize("kind", CACHED)
def test_mutable_cached(kind, tmp_path):
    """1.11: reads see what the main store has, whoever wrote it."""
    store: Any = MUTABLE[kind](tmp_path)
    main = store._main_dict
    main["a"] = {"x": [1]}
    assert store["a"] == {"x": [1]} and store["a"] is not store["a"]
    assert store._data_cache["a"] == {"x": [1]}
    assert store._etag_cache["a"] == main.etag("a") == store.etag("a")
    main["a"] = 2
    assert store["a"] == 2 == store._data_cache["a"]
    store["a"] = 3
    assert main["a"] == 3 == store["a"]
    assert store._etag_cache["a"] == main.etag("a")
    del main["a"]
    with pytest.raises(KeyError):
        store["a"]
    assert "a" not in store._data_cache and "a" not in store._etag_cache
    store["b", "c"] = 1
    assert store.pop(("b", "c")) == 1 and ("b", "c") not in store._data_cache
    store["d"] = 1
    assert (
        store.transform_item("d", transformer=lambda v: v + 1).new_value
        == 2
        == store._data_cache["d"]
    )
    result = store.get_item_if(
        "d",
        condition=ETAG_HAS_CHANGED,
        expected_etag=main.etag("d"),
        retrieve_value=IF_ETAG_CHANGED,
    )
    assert not result.condition_was_satisfied
    assert result.new_value is VALUE_NOT_RETRIEVED
    del store["d"]
    assert "d" not in main and "d" not in store._etag_cache
    with pytest.raises(KeyError):
        del store["d"]
    store["e"] = DELETE_CURRENT
    assert len(store) == 0 and not store


class Asked(UserDict):
    """Counts how often values and etags are asked for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.reads = 0

    def __getitem__(self, key: Any) -> Any:
        self.reads += 1
        return super().__getitem__(key)


def test_mutable_warm_reads_read_no_value():
    """1.11: of what has not changed, the main store gives the etag only."""
    main = Asked()
    main["a"] = 1
    store = cached(main)
    assert [store["a"] for _ in range(5)] == [1] * 5 and main.reads == 1
    main["a"] = 2
    assert [store["a"] for _ in range(5)] == [2] * 5 and main.reads == 2
    store["a"] = 3
    assert [store["a"] for _ in range(5)] == [3] * 5 and main.reads == 2


def test_the_short_way_is_not_taken_if_patched(tmp_path):
    """1.1: a patched main store, instance or class, is asked by its method."""
    for where in ("instance", "class"):

        class Mine(FileDirDict[Any]):
            pass

        main = Mine(base_dir=str(tmp_path / where), durability="none")
        store: Any = cached(main)
        store["a"] = 1
        assert store["a"] == 1
        asked: list[Any] = []
        real = FileDirDict.get_item_if

        def spy(*args: Any, real=real, asked=asked, **options: Any) -> Any:
            asked.append(options["expected_etag"])
            return real(*args, **options)

        if where == "class":
            Mine.get_item_if = spy  # type: ignore[method-assign]
        else:
            main.get_item_if = (  # type: ignore[method-assign]
                lambda *args, main=main, spy=spy, **options: spy(
                    main, *args, **options
                )
            )
        assert store["a"] == 1 and asked == [main.etag("a")]


def test_persistent_caches_stay_warm(tmp_path):
    """1.11: caches in files serve the next process, and another wrapper."""

    def make(main: PersiDict[Any]) -> Any:
        return MutableDictCached(
            main_dict=main,
            data_cache=file_dir(tmp_path / "cache"),
            etag_cache=file_dir(
                tmp_path / "cache", "pkl_etag", base_class_for_values=str
            ),
        )

    first = make(file_dir(tmp_path / "main"))
    first["a"] = {"x": 1}
    second = make(file_dir(tmp_path / "main"))
    asked = []
    main = second._main_dict
    real = main.get_item_if
    main.get_item_if = lambda *args, **options: (
        asked.append(real(*args, **options)) or asked[-1]
    )
    assert second["a"] == {"x": 1}
    assert asked[0].new_value is VALUE_NOT_RETRIEVED


def test_a_cache_that_fails_is_empty(tmp_path):
    """A cached file that is torn is read again from the main store."""
    store: Any = MUTABLE["cached-in-files"](tmp_path)
    store["a"] = {"x": 1}
    for path in (tmp_path / "cache").iterdir():
        path.write_bytes(b"\x00torn")
    assert store["a"] == {"x": 1}
    assert store["a"] == {"x": 1} == store._data_cache["a"]


@pytest.mark.parametrize("append_only", [True, False])
def test_made_again_while_it_reads(append_only, tmp_path):
    """A key that calls __init__ again takes nothing away that is in use."""

    def parts() -> dict[str, Any]:
        main = file_dir(tmp_path, append_only=append_only)
        found: dict[str, Any] = {"main_dict": main, "data_cache": LocalDict()}
        return found if append_only else {**found, "etag_cache": LocalDict()}

    kind: Any = AppendOnlyDictCached if append_only else MutableDictCached
    store = kind(**parts())

    class Hook:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> str:
            return "a"

        def __iter__(self) -> Any:
            store.__init__(**parts())
            return iter(["a"])

    store["a"] = 1
    for _ in range(3):
        assert store["a"] == 1 and store[Hook()] == 1


class Failing(UserDict):
    """A cache on a disk that is full, or gone."""

    broken = False

    def fail(self) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")

    def __getitem__(self, key: Any) -> Any:
        self.fail()
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.fail()
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self.fail()
        super().__delitem__(key)

    def __contains__(self, key: object) -> bool:
        self.fail()
        return super().__contains__(key)


@pytest.mark.parametrize("which", ["data_cache", "etag_cache"])
def test_a_mutable_cache_that_cannot_be_written(which):
    """What the main store has done is told, whatever a cache says."""
    failing = Failing()
    parts: dict[str, Any] = {
        "main_dict": LocalDict(),
        "data_cache": LocalDict(),
        "etag_cache": LocalDict(),
    }
    parts[which] = failing
    store: Any = MutableDictCached(**parts)
    store["a"] = 1
    failing.broken = True
    assert store["a"] == 1
    store["a"] = 2
    store["b"] = 3
    assert store["a"] == 2 and store["b"] == 3
    assert store.etag("b") == parts["main_dict"].etag("b")
    store.transform_item("a", transformer=lambda v: v + 1)
    assert store.pop("b") == 3
    failing.broken = False
    assert store["a"] == 3 and store["a"] == 3 and "b" not in store
    with pytest.raises(KeyError):
        store["b"]


def test_an_append_only_cache_that_cannot_be_written():
    """The same of the other cache."""
    failing = Failing(append_only=True)
    main: Any = LocalDict(append_only=True)
    store: Any = AppendOnlyDictCached(main_dict=main, data_cache=failing)
    store["a"] = 1
    failing.broken = True
    store["b"] = 2
    assert store["a"] == 1 and store["b"] == 2 and "b" in store
    assert "c" not in store
    failing.broken = False
    assert store["b"] == 2 == failing["b"]


# --- W4: value and etag belong together --------------------------------------


def test_the_reproduction_of_w4(tmp_path):
    """W4: old data beside the new etag is not served."""
    for kind in CACHED:
        store: Any = MUTABLE[kind](tmp_path / kind)
        store["k"] = "v1"
        assert store["k"] == "v1"
        # What two writers without a bond can leave behind.
        store._main_dict["k"] = "v2"
        store._etag_cache["k"] = store._main_dict.etag("k")
        store._data_cache["k"] = "v1"
        assert store["k"] == "v2" and store["k"] == "v2"


class Gate:
    """Lets two writers take their steps in a given order."""

    def __init__(self, order: tuple[int, ...]) -> None:
        self.order = order
        self.place = 0
        self.turn = threading.Condition()
        self.here = threading.local()

    def step(self, action: Any) -> Any:
        who = getattr(self.here, "who", None)
        if who is None:
            return action()
        with self.turn:
            assert self.turn.wait_for(
                lambda: (
                    self.place >= len(self.order)
                    or self.order[self.place] == who
                ),
                timeout=20,
            )
            try:
                return action()
            finally:
                self.place += 1
                self.turn.notify_all()

    def leave(self, who: int) -> None:
        """Gives up the turns that a writer did not need."""
        with self.turn:
            self.order = self.order[: self.place] + tuple(
                w for w in self.order[self.place :] if w != who
            )
            self.turn.notify_all()


class Stepped:
    """A cache of which each write is a step."""

    def __init__(self, cache: Any, gate: Gate) -> None:
        self.cache = cache
        self.gate = gate

    def __setitem__(self, key: Any, value: Any) -> None:
        self.gate.step(lambda: self.cache.__setitem__(key, value))

    def __getitem__(self, key: Any) -> Any:
        return self.cache[key]

    def discard(self, key: Any) -> Any:
        return self.gate.step(lambda: self.cache.discard(key))


def writer_of(main: Any, data: Any, etags: Any, gate: Gate) -> Any:
    """A wrapper whose writes to the caches, and to main, go step by step."""
    store: Any = MutableDictCached(
        main_dict=main, data_cache=data, etag_cache=etags
    )
    store._bonds = Stepped(store._bonds, gate)
    store._etag_cache = Stepped(etags, gate)

    def stepwise(target: Any, name: str) -> None:
        real = getattr(target, name)
        setattr(
            target,
            name,
            lambda *args, **options: gate.step(lambda: real(*args, **options)),
        )

    stepwise(main, "set_item_if")
    stepwise(data, "set_item_if")
    return store


@pytest.mark.parametrize("caches", ["memory", "files"])
def test_all_interleavings_of_two_writers(caches, tmp_path):
    """W4: no order of two writers' steps leaves anything stale behind.

    Each write is four steps: the main store, the value, the bond, the etag.
    All 70 orders; afterwards both wrappers, and a third over the same caches,
    must give what the main store has.
    """
    key = "k"
    for number, first in enumerate(itertools.combinations(range(8), 4)):
        order = tuple(0 if place in first else 1 for place in range(8))
        gate = Gate(order)
        base = tmp_path / str(number)
        backend = LocalDict().get_params()["backend"]

        def parts(base=base, backend=backend) -> tuple[Any, Any, Any]:
            main = file_dir(base / "main")
            if caches == "files":
                return (
                    main,
                    file_dir(base / "cache"),
                    file_dir(
                        base / "cache", "pkl_etag", base_class_for_values=str
                    ),
                )
            data: Any = LocalDict(backend=backend)
            etags: Any = LocalDict(
                backend=backend,
                serialization_format="etag",
                base_class_for_values=str,
            )
            return main, data, etags

        writers = [writer_of(*parts(), gate) for _ in range(2)]
        failures: list[BaseException] = []

        def write(
            who: int, writers=writers, gate=gate, failures=failures
        ) -> None:
            gate.here.who = who
            try:
                writers[who][key] = f"value {who}"
            except BaseException as error:
                failures.append(error)
            finally:
                gate.leave(who)

        threads = [
            threading.Thread(target=write, args=(who,)) for who in (0, 1)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, (order, failures)
        main, data, etags = parts()
        third: Any = MutableDictCached(
            main_dict=main, data_cache=data, etag_cache=etags
        )
        truth = main[key]
        for store in (third, *writers, third):
            assert store[key] == truth, order


def test_a_reader_never_goes_back(tmp_path):
    """W4: with two writers at work, what is read never gets older."""
    main = file_dir(tmp_path)
    data: Any = LocalDict()
    etags: Any = LocalDict()

    def make() -> Any:
        return MutableDictCached(
            main_dict=file_dir(tmp_path), data_cache=data, etag_cache=etags
        )

    stop = threading.Event()
    failures: list[BaseException] = []
    main["n"] = 0

    def count() -> None:
        mine = make()
        try:
            for _ in range(150):
                mine.transform_item(
                    "n", transformer=lambda v: v + 1, n_retries=None
                )
        except BaseException as error:
            failures.append(error)

    def watch() -> None:
        mine = make()
        try:
            while not stop.is_set():
                floor = main["n"]
                seen = mine["n"]
                ceiling = main["n"]
                assert floor <= seen <= ceiling
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=count) for _ in range(2)]
    readers = [threading.Thread(target=watch) for _ in range(2)]
    for thread in (*writers, *readers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert not failures, failures
    assert main["n"] == make()["n"] == 300


def test_two_stores_with_one_cache():
    """W4: two main stores in memory count alike; their bonds are apart."""
    data: Any = LocalDict()
    etags: Any = LocalDict()
    one = MutableDictCached(
        main_dict=LocalDict(), data_cache=data, etag_cache=etags
    )
    two = MutableDictCached(
        main_dict=LocalDict(), data_cache=data, etag_cache=etags
    )
    one["k"] = "one"
    two["k"] = "two"
    assert one._main_dict.etag("k") == two._main_dict.etag("k") == "1"
    for _ in range(2):
        assert one["k"] == "one" and two["k"] == "two"


def test_processes_with_caches_of_their_own(tmp_path):
    """W4: bonds are not shared where the values they name are not."""
    shared = file_dir(tmp_path / "etags", base_class_for_values=str)
    main = file_dir(tmp_path / "main")
    one: Any = MutableDictCached(
        main_dict=main, data_cache=LocalDict(), etag_cache=shared
    )
    two: Any = MutableDictCached(
        main_dict=main, data_cache=LocalDict(), etag_cache=shared
    )
    main["k"] = "old"
    assert one["k"] == "old"
    main["k"] = "new"
    assert two["k"] == "new"  # its first value too: etag "1" in its cache
    assert one["k"] == "new"


def test_never_retrieve_does_not_fill():
    """1.11: what was not read is not cached, and what changed is dropped."""
    store: Any = cached(LocalDict())
    store["a"] = 1
    store._main_dict["a"] = 2
    result = store.get_item_if(
        "a",
        condition=ANY_ETAG,
        expected_etag=NA,
        retrieve_value=NEVER_RETRIEVE,
    )
    assert result.new_value is VALUE_NOT_RETRIEVED and store["a"] == 2
