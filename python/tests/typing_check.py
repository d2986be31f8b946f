"""What type checkers say of kist: checked, never run.

mypy --strict and pyright read this file; each assert_type is what they must
infer.  Each line that ends in an ignore is a mistake they must find: mypy by
warn_unused_ignores, pyright by reportUnnecessaryTypeIgnoreComment.
"""

from __future__ import annotations

from collections.abc import (
    Iterator,
    MutableMapping,
    MutableSequence,
    MutableSet,
)
from pathlib import Path
from typing import Any, assert_type

import kist
from kist import FSDict, FSList, FSSet, fsdict, fslist, fsset


def opening(path: Path) -> None:
    assert_type(fsdict(), FSDict[str, Any])
    assert_type(fsdict("people"), FSDict[str, Any])
    assert_type(fsdict(b"people"), FSDict[str, Any])
    assert_type(fsdict(path, klass=None), FSDict[str, Any])
    assert_type(fsdict(path, klass=int), FSDict[str, int])
    assert_type(fsdict(path, klass="int32"), FSDict[str, int])
    assert_type(fsdict(path, klass="string"), FSDict[str, str])
    assert_type(fsdict(path, klass="json"), FSDict[str, Any])
    assert_type(fsset(path, klass=float), FSSet[float])
    assert_type(fsset(), FSSet[Any])
    assert_type(fslist(path, klass=bytes), FSList[bytes])
    assert_type(fslist(path, klass="tuple"), FSList[tuple[Any, ...]])
    ages: FSDict[str, int] = fsdict("ages")
    assert_type(ages["ada"], int)
    fsdict(path, durability="sync", read_only=True, lock_timeout=1.5)
    fsdict(path, durability="maybe")  # type: ignore[call-overload]
    fsdict(path, nonsense=1)  # type: ignore[call-overload]
    fsdict(5)  # type: ignore[call-overload]
    fsdict(path, int)  # type: ignore[call-overload]


def dicts(d: FSDict[str, int]) -> None:
    assert_type(d["a"], int)
    assert_type(d.get("a"), int | None)
    assert_type(d.get("a", 0), int)
    assert_type(d.get("a", "none"), int | str)
    assert_type(d.get_many(["a"]), list[int | None])
    assert_type(d.get_many(["a"], ""), list[int | str])
    assert_type(d.pop("a"), int)
    assert_type(d.pop("a", None), int | None)
    assert_type(d.popitem(), tuple[str, int])
    assert_type(d.setdefault("a", 1), int)
    assert_type(d.copy(), dict[str, int])
    assert_type(d | {"a": 1}, dict[str, int])
    assert_type(list(d), list[str])
    assert_type(list(d.items()), list[tuple[str, int]])
    assert_type(list(d.values()), list[int])
    assert_type(list(reversed(d)), list[str])
    assert_type(d.scan(lambda k, v: v > len(k)), Iterator[tuple[str, int]])
    assert_type(FSDict.fromkeys("ab", 1.5), FSDict[str, float])
    d["a"] = 1
    d.update({"a": 1}, b=2)
    d.update([("a", 1)])
    d.update(a=1)
    d |= {"b": 2}
    del d["a"]
    mapping: MutableMapping[str, int] = d
    print({**mapping}, dict(d), "a" in d, len(d), d == {}, bool(d))
    d["a"] = "text"  # type: ignore[assignment]
    d[5] = 1  # type: ignore[index]
    d.update(a="text")  # type: ignore[call-overload]


def sets(s: FSSet[str]) -> None:
    s.add("a")
    s.update(["a"], {"b"})
    s |= {"c"}
    s -= {1, "a"}
    assert_type(s.pop(), str)
    assert_type(s.copy(), set[str])
    assert_type(s | {1}, set[str | int])
    assert_type(s & {1, "a"}, set[str])
    assert_type(s - {1}, set[str])
    assert_type(s.union([1], [2]), set[str | int])
    assert_type(s.intersection([1]), set[str])
    assert_type({"x"} | s, set[str])
    assert_type([m for m in s], list[str])
    assert_type(s.scan(str.isalpha), Iterator[str])
    assert_type(s <= {"a"}, bool)
    members: MutableSet[str] = s
    print("a" in members, s == {"a"}, s.isdisjoint([5]), s.issubset("abc"))
    s.add(5)  # type: ignore[arg-type]
    s | ["a"]  # type: ignore[operator]
    s.update([5])  # type: ignore[list-item]


def lists(x: FSList[int]) -> None:
    x.append(1)
    x += [2]
    x[0] = 3
    x[1:2] = [4, 5]
    del x[0], x[1:]
    assert_type(x[0], int)
    assert_type(x[0:2], list[int])
    assert_type(x.pop(), int)
    assert_type(x.copy(), list[int])
    assert_type(x + [1], list[int])
    assert_type(x * 2, list[int])
    assert_type(x.index(1), int)
    assert_type(list(reversed(x)), list[int])
    print(memoryview(x).nbytes)
    x.sort()
    x.sort(key=str, reverse=True)
    x.reverse()
    items: MutableSequence[int] = x
    print(items, x == [1], x < [2], 1 in x)
    x.append("text")  # type: ignore[arg-type]
    x["a"]  # type: ignore[call-overload]


def chests(path: str) -> None:
    with kist.open(path) as k:
        assert_type(k, kist.Kist)
        assert_type(k.dict("users"), FSDict[str, Any])
        assert_type(k.list("events", klass=int), FSList[int])
        assert_type(k.set("seen", str), FSSet[str])
        assert_type(k.metrics["live_records"], int)
        assert_type(k.path, str)
        with k.batch():
            k.set("seen").add("x")
        k.sync()
        k.compact()
        k.dict(5)  # type: ignore[call-overload]


def life(d: FSDict[str, int]) -> None:
    with d as same:
        assert_type(same, FSDict[str, int])
        assert_type(d.metrics["fragmentation_ratio"], float)
        assert_type(d.closed, bool)
        assert_type(d.klass, str | None)
        with d.lock(), d.batch():
            pass
        d.sync()
        d.compact()
        d.metrics["no such key"]  # type: ignore[typeddict-item]
    d.destroy()
    try:
        d.close()
    except (kist.CorruptError, kist.PoisonedError) as error:
        assert_type(error, kist.CorruptError | kist.PoisonedError)
    except kist.LockedError as timeout:
        late: TimeoutError = timeout
        print(late)
