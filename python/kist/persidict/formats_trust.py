"""Whom a directory is shared with: who could put a pickle into it.

Reading a pickle runs what it says.  Who can write into a directory, or can
put another one in its place, could let us run his program.  Looked at are the
directory itself, and all those that it is in.

A group-writable directory is shared, but for a group that has the user's own
name and no other member, as many systems give each user one.
"""

import os
import stat

__all__ = ["check_private", "read_key", "shared_with"]

_GROUP = stat.S_IWGRP
_OTHERS = stat.S_IWOTH
KEY_SIZE_MIN = 16


def _is_own_group(gid: int) -> bool:
    """Whether nobody but us is in the group."""
    import grp
    import pwd

    try:
        group = grp.getgrgid(gid)
        user = pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return (
        gid == user.pw_gid
        and group.gr_name == user.pw_name
        and all(name == user.pw_name for name in group.gr_mem)
    )


def _why(path: str, found: os.stat_result, is_store: bool) -> str | None:
    """Why others can change names in this directory, or None."""
    # Who owns "/" can do anything; in a user namespace that may not be 0.
    if found.st_uid not in (0, os.geteuid(), os.stat("/").st_uid):
        return f"{path} is owned by user {found.st_uid}"
    # In a sticky directory such as /tmp others make files, but cannot put
    # their own in place of ours.
    if found.st_mode & stat.S_ISVTX and not is_store:
        return None
    if found.st_mode & _OTHERS:
        return f"all users can write into {path}"
    if found.st_mode & _GROUP and not _is_own_group(found.st_gid):
        return f"group {found.st_gid} can write into {path}"
    return None


def shared_with(base_dir: str) -> str | None:
    """Why `base_dir` is shared with other users; None if it is not."""
    path = os.path.realpath(base_dir)
    is_store = True
    while True:
        try:
            why = _why(path, os.stat(path), is_store)
        except FileNotFoundError:
            why = None
        if why is not None:
            return why
        parent = os.path.dirname(path)
        if parent == path:
            return None
        path = parent
        is_store = False


def check_private(base_dir: str) -> None:
    """PermissionError if a value in `base_dir` may be another user's."""
    why = shared_with(base_dir)
    if why is not None:
        raise PermissionError(
            f"reading this value could run code of another user: {why}.  "
            "Pass allow_shared=True to trust all who can write there, or use "
            "serialization_format 'spkl' (signed) or 'kist' (data only)"
        )


def read_key(path: str, base_dir: str) -> bytes:
    """The key of signatures in the file at `path`.

    ValueError if it is inside `base_dir` or too short, PermissionError if
    anybody else can read or write it.
    """
    real = os.path.realpath(path)
    store = os.path.realpath(base_dir)
    if os.path.commonpath([real, store]) == store:
        raise ValueError(
            f"the key of signatures must be outside of the store: {real} is "
            f"in {store}"
        )
    with open(real, "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o077:
            raise PermissionError(
                f"{real}: others can read or write this key (chmod 600)"
            )
        key = file.read(1 << 16)
    if len(key) < KEY_SIZE_MIN:
        raise ValueError(f"{real}: fewer than {KEY_SIZE_MIN} bytes")
    return key
