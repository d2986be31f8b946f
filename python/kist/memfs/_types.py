"""What stat() and stats() answer: dicts with these keys."""

from typing import TypedDict


class MFSStats(TypedDict):
    """What a MemoryFileSystem holds."""

    used_bytes: int
    quota_bytes: int
    free_bytes: int
    file_count: int
    dir_count: int
    chunk_count: int
    overhead_per_chunk_estimate: int


class MFSStatResult(TypedDict):
    """What is known of a file or directory."""

    size: int
    created_at: float
    modified_at: float
    generation: int
    is_dir: bool
