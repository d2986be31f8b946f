"""What is called on a store, the same lines for every engine.

`Work` does a call for each of a few keys, `Once` a call for all of a store.
"""

from collections.abc import Callable, Sequence
from typing import Any

Work = Callable[[Any, Sequence[Any]], None]
Once = Callable[[Any], object]


def value(number: int) -> dict[str, Any]:
    """Four fields, about 100 bytes as a file."""
    return {"id": number, "name": f"user number {number}",
            "score": number / 7, "active": number % 2 == 0}


def key(number: int) -> str:
    return f"key-{number:06d}"


def missing(number: int) -> str:
    return f"none-{number:06d}"


def deep(number: int) -> tuple[str, str, str]:
    return f"country-{number % 10}", f"town-{number % 100}", key(number)


def setter(values: dict[Any, Any]) -> Work:
    def work(store: Any, keys: Sequence[Any]) -> None:
        for name in keys:
            store[name] = values[name]

    return work


def get(store: Any, keys: Sequence[Any]) -> None:
    for name in keys:
        store[name]


def get_default(store: Any, keys: Sequence[Any]) -> None:
    for name in keys:
        store.get(name)


def contains(store: Any, keys: Sequence[Any]) -> None:
    for name in keys:
        name in store  # noqa: B015  (this is what is measured)


def etag(store: Any, keys: Sequence[Any]) -> None:
    for name in keys:
        store.etag(name)


def timestamp(store: Any, keys: Sequence[Any]) -> None:
    for name in keys:
        store.timestamp(name)


def delete(store: Any, keys: Sequence[Any]) -> None:
    for name in keys:
        del store[name]


def getter_if(module: Any, etags: dict[str, str]) -> Work:
    """With the ETag that the item has: nothing is read."""
    always, changed = module.ANY_ETAG, module.IF_ETAG_CHANGED

    def work(store: Any, keys: Sequence[Any]) -> None:
        for name in keys:
            store.get_item_if(name, condition=always,
                              expected_etag=etags[name],
                              retrieve_value=changed)

    return work


def setter_if(module: Any, etags: dict[str, str],
              values: dict[str, Any]) -> Work:
    same = module.ETAG_IS_THE_SAME

    def work(store: Any, keys: Sequence[Any]) -> None:
        for name in keys:
            if not store.set_item_if(
                    name, value=values[name], condition=same,
                    expected_etag=etags[name]).condition_was_satisfied:
                raise SystemExit(f"{name} has another ETag")

    return work


def next_of(old: dict[str, Any]) -> dict[str, Any]:
    return {**old, "id": old["id"] + 1}


def transform(store: Any, keys: Sequence[Any]) -> None:
    for name in keys:
        store.transform_item(name, transformer=next_of)


# Calls for all of a store, and whether their cost is one of an entry.
WHOLE: dict[str, tuple[Once, bool]] = {
    "keys": (lambda store: sum(1 for _ in store.keys()), True),  # noqa: SIM118
    "items": (lambda store: sum(1 for _ in store.items()), True),
    "len": (len, True),
    "bool": (bool, False),
    "random_key": (lambda store: store.random_key(), False),
    "newest": (lambda store: store.newest_keys(max_n=10), False),
}
