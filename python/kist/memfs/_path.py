"""How a path is understood, as D-MemFS names it."""

from kist._core import _normalize_path as normalize_path

__all__ = ["normalize_path"]
