"""What stores raise beside KeyError, TypeError and ValueError."""

from __future__ import annotations

from typing import Any

from kist._core import _store_register

__all__ = ["BackendError", "ConcurrencyConflictError", "MutationPolicyError"]


class MutationPolicyError(TypeError):
    """The store's policy forbids the change; `.policy` names it.

    The policies are "append-only" and "write-once".
    """

    policy: str

    def __init__(self, policy: str) -> None:
        super().__init__(policy)
        self.policy = policy


class ConcurrencyConflictError(RuntimeError):
    """Others changed the item again and again; `.key`, `.attempts`."""

    key: Any
    attempts: int

    def __init__(self, key: Any, attempts: int) -> None:
        super().__init__(
            f"operation failed after {attempts} attempt(s) for key {key!r}"
        )
        self.key = key
        self.attempts = attempts

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.key, self.attempts)


class BackendError(RuntimeError):
    """What holds the values cannot be used: `.backend`, `.operation`, `.key`.

    `backend` is "filesystem" or "s3", `operation` what was tried, `key` the
    item it was tried on, or None.
    """

    backend: str
    operation: str
    key: Any

    def __init__(
        self, message: str, *, backend: str, operation: str, key: Any = None
    ) -> None:
        super().__init__(message)
        self.backend = backend
        self.operation = operation
        self.key = key

    def __reduce__(self) -> tuple[Any, ...]:
        return _backend_error, (
            type(self),
            str(self),
            self.backend,
            self.operation,
            self.key,
        )


def _backend_error(
    kind: type[BackendError],
    message: str,
    backend: str,
    operation: str,
    key: Any,
) -> BackendError:
    """What a pickled BackendError calls: its arguments have names."""
    return kind(message, backend=backend, operation=operation, key=key)


for _error in (MutationPolicyError, ConcurrencyConflictError, BackendError):
    _store_register(_error.__name__, _error)
