"""A store in the memory of this process."""

from __future__ import annotations

from typing import Any

from kist._core import LocalBase, SafeStrTuple, _RAMBackend
from kist.persidict.jokers_and_status_flags import ValueType
from kist.persidict.persi_dict import PersiDict, PersiDictKey

__all__ = ["LocalDict"]


class LocalDict(LocalBase, PersiDict[ValueType]):
    """A dict of deep copies, in memory.

    backend: the items of another LocalDict, from its get_params(), to share
    them; None: none yet.
    prune_interval: after so many deletions, what has got empty of the tree
    of keys is given back; None: never.

    Any number of threads may use it: each operation is one step.
    """

    def __init__(
        self,
        *,
        backend: _RAMBackend | None = None,
        serialization_format: str = "pkl",
        append_only: bool = False,
        base_class_for_values: type | None = None,
        prune_interval: int | None = 64,
    ) -> None:
        PersiDict.__init__(
            self,
            append_only=append_only,
            base_class_for_values=base_class_for_values,
            serialization_format=serialization_format,
        )
        self._prune_interval = _interval(prune_interval)
        self._open(
            backend or None,
            serialization_format,
            self._append_only,
            base_class_for_values,
            self._prune_interval or 0,
        )

    def get_params(self) -> dict[str, Any]:
        params = PersiDict.get_params(self)
        params["backend"] = self._backend
        params["prune_interval"] = self._prune_interval
        return dict(sorted(params.items()))

    def random_key(self) -> SafeStrTuple | None:
        """A key, each as likely as any other; None if there is none."""
        import random

        key = None
        # Others may delete items between the two calls.
        while key is None and (count := len(self)) > 0:
            key = self._nth(int(random.random() * count))
        return key

    def get_subdict(self, prefix_key: PersiDictKey) -> LocalDict[ValueType]:
        """A LocalDict of the items below `prefix_key`, shared with this."""
        params = self.get_params()
        params["backend"] = self._subnode(prefix_key)
        return LocalDict(**params)


def _interval(given: Any) -> int | None:
    """None for what is no positive number, 64 for what is none at all."""
    if given is None:
        return None
    try:
        interval = int(given)
    except (TypeError, ValueError, OverflowError):
        return 64
    return interval if interval > 0 else None
