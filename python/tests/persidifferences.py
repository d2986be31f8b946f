"""In what kist.persidict is to differ from the published persidict: one table.

A row of DIFFERENCES says what it is for (a row of section 0 or 4 of
contracts/persidict.md, or one of its sections), and has an example with what
each side gives.  test_persi_peer asserts both.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class Difference:
    """show(api) is run on both sides; api has the names of the package."""

    mark: str
    what: str
    show: Callable[[Any], Any]
    theirs: Any
    ours: Any


def error_of(action: Callable[[], Any]) -> str:
    """The name of what an action raises, or "nothing"."""
    try:
        action()
    except BaseException as error:
        return type(error).__name__
    return "nothing"


def stale(api: Any) -> Any:
    """W4: what two writers without a bond leave behind, and what is read."""
    store = api.MutableDictCached(
        main_dict=api.LocalDict(),
        data_cache=api.LocalDict(),
        etag_cache=api.LocalDict(),
    )
    params = store.get_params()
    store["k"] = "v1"
    params["main_dict"]["k"] = "v2"
    params["etag_cache"]["k"] = params["main_dict"].etag("k")
    params["data_cache"]["k"] = "v1"
    return store["k"]


def etag_of_a_write_once_dict(api: Any) -> Any:
    """W19: whether it is the wrapped store's."""
    wrapped = api.LocalDict(append_only=True)
    store = api.WriteOnceDict(wrapped_dict=wrapped)
    store["a"] = 1
    return store.etag("a") == wrapped.etag("a")


def write_once_keeping(api: Any) -> Any:
    """W19: KEEP_CURRENT when there is nothing to keep yet."""
    return error_of(
        lambda: api.WriteOnceDict(
            wrapped_dict=api.LocalDict(append_only=True),
            p_consistency_checks=api.KEEP_CURRENT,
        )
    )


def copies_for_keys(api: Any) -> Any:
    """W15: how many values are copied for their keys."""
    copied = []

    class Counted:
        def __deepcopy__(self, memo: Any) -> Any:
            copied.append(1)
            return self

    store = api.LocalDict()
    store["a"] = Counted()
    del copied[:]
    list(store.keys())
    bool(store)
    return len(copied) > 0


def pickled_errors(api: Any) -> Any:
    """1.5: whether the exceptions survive a pickle."""
    error = api.ConcurrencyConflictError("k", 3)
    return error_of(lambda: pickle.loads(pickle.dumps(error)))


def shared_without_main_etag(api: Any) -> Any:
    """W4: two stores in memory that count alike share a cache."""
    data, etags = api.LocalDict(), api.LocalDict()
    one, two = (
        api.MutableDictCached(
            main_dict=api.LocalDict(), data_cache=data, etag_cache=etags
        )
        for _ in range(2)
    )
    one["k"] = "one"
    two["k"] = "two"
    return one["k"]


def pruned_subdict(api: Any) -> Any:
    """1.8: whether a sub-dict that was emptied is still a part."""
    store = api.LocalDict(prune_interval=1)
    below = store.get_subdict("x")
    store["x", "a"] = 1
    del store["x", "a"]
    below["b"] = 2
    return ("x", "b") in store


def deleted_while_iterated(api: Any) -> Any:
    """How many of ten keys are met by one who deletes the next one."""
    store = api.LocalDict()
    for number in range(10):
        store[f"k{number}"] = number
    met = 0
    try:
        for key in store:
            met += 1
            number = int(key[0][1:])
            store.discard(f"k{number + 1}")
    except RuntimeError:
        return "RuntimeError"
    return met


def threads_with_one_etag(api: Any) -> Any:
    """W20 (not deterministic for the peer, so only ours is asserted)."""
    store = api.LocalDict()
    etags: list[Any] = []

    def work() -> None:
        for _ in range(200):
            etags.append(
                store.set_item_if(
                    "k",
                    value=1,
                    condition=api.ANY_ETAG,
                    expected_etag=api.ITEM_NOT_AVAILABLE,
                ).resulting_etag
            )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(set(etags)) == 800


def cleared_cache(api: Any) -> Any:
    """1.4: what clear() of a cached store does."""
    store = api.MutableDictCached(
        main_dict=api.LocalDict(),
        data_cache=api.LocalDict(),
        etag_cache=api.LocalDict(),
    )
    store.update(a=1, b=2)
    return error_of(store.clear)


def order_of_checks(api: Any) -> Any:
    """1.6: of a bad key and a Joker, the Joker is named first."""
    store = api.MutableDictCached(
        main_dict=api.LocalDict(),
        data_cache=api.LocalDict(),
        etag_cache=api.LocalDict(),
    )
    return error_of(
        lambda: store.setdefault_if(
            "",
            default_value=api.KEEP_CURRENT,
            condition=api.ANY_ETAG,
            expected_etag=api.ITEM_NOT_AVAILABLE,
        )
    )


ANYTHING = object()

DIFFERENCES = [
    Difference(
        "0 a",
        "AppendOnlyDictCached takes a LocalDict that is not append-only",
        lambda api: error_of(
            lambda: api.AppendOnlyDictCached(
                main_dict=api.LocalDict(append_only=True),
                data_cache=api.LocalDict(),
            )
        ),
        "ValueError",
        "nothing",
    ),
    Difference(
        "0 b",
        "OverlappingMultiDict keeps text where the format is another",
        lambda api: error_of(
            lambda: api.OverlappingMultiDict(
                dict_type=api.LocalDict, shared_subdicts_params={}, txt={}
            )
        ),
        "ValueError",
        "nothing",
    ),
    Difference(
        "0 f",
        "oldest_keys() takes max_n by place too",
        lambda api: error_of(lambda: api.LocalDict().oldest_keys(1)),
        "TypeError",
        "nothing",
    ),
    Difference("W4", "no stale value is served", stale, "v1", "v2"),
    Difference(
        "W4",
        "stores that count alike do not see each other's values",
        shared_without_main_etag,
        "two",
        "one",
    ),
    Difference(
        "W15",
        "keys() and bool() copy no values",
        copies_for_keys,
        True,
        False,
    ),
    Difference(
        "W19",
        "WriteOnceDict.etag() is the wrapped store's",
        etag_of_a_write_once_dict,
        False,
        True,
    ),
    Difference(
        "W19",
        "WriteOnceDict(p_consistency_checks=KEEP_CURRENT) is made",
        write_once_keeping,
        "RecursionError",
        "nothing",
    ),
    Difference(
        "W20",
        "no etag of a LocalDict is given twice",
        threads_with_one_etag,
        ANYTHING,
        True,
    ),
    Difference(
        "1.5",
        "exceptions can be pickled",
        pickled_errors,
        "TypeError",
        "nothing",
    ),
    Difference(
        "1.8",
        "a sub-dict that is held is not pruned out of its tree",
        pruned_subdict,
        False,
        True,
    ),
    Difference(
        "1.8",
        "what is deleted while iterated is left out",
        deleted_while_iterated,
        "RuntimeError",
        5,
    ),
    Difference(
        "1.8",
        "a backend that is none is refused at once",
        lambda api: error_of(lambda: api.LocalDict(backend=3)),
        "nothing",
        "TypeError",
    ),
    Difference(
        "1.2",
        "a key cannot be changed",
        lambda api: error_of(
            lambda: setattr(api.SafeStrTuple("a"), "strings", ("b",))
        ),
        "nothing",
        "AttributeError",
    ),
    Difference(
        "1.2",
        "a str subclass in a key is taken for its text",
        lambda api: (
            type(
                api.SafeStrTuple(type("Sly", (str,), {})("a")).strings[0]
            ).__name__
        ),
        "Sly",
        "str",
    ),
    Difference(
        "1.4",
        "an append-only subclass is not overwritten by set_item_if()",
        lambda api: error_of(
            lambda: api.overwritten(api.UserDict(append_only=True))
        ),
        "nothing",
        "MutationPolicyError",
    ),
    Difference(
        "1.4",
        "KEEP_CURRENT is no way round the check of a key, in no store",
        lambda api: error_of(
            lambda: api.UserDict().__setitem__("", api.KEEP_CURRENT)
        ),
        "nothing",
        "ValueError",
    ),
    Difference(
        "1.4",
        "a cached store over one in memory can be cleared",
        cleared_cache,
        "RuntimeError",
        "nothing",
    ),
    Difference(
        "1.6",
        "the order of the checks is the same for cached stores",
        order_of_checks,
        "ValueError",
        "TypeError",
    ),
]
