"""What an append counts beside its bytes, as D-MemFS names it."""

CHUNK_OVERHEAD_ESTIMATE = 93

__all__ = ["CHUNK_OVERHEAD_ESTIMATE"]
