"""The exceptions, under the name that D-MemFS has for their module."""

from kist._core import MFSNodeLimitExceededError, MFSQuotaExceededError

__all__ = ["MFSNodeLimitExceededError", "MFSQuotaExceededError"]
