"""Whom a directory is shared with: who could put a pickle into it.

Reading a pickle runs what it says.  Who can write a value's file, or can put
another one in its place, could let us run his program.  Looked at are

- every directory on the way from "/" to the store, as the path is written and
  as its links lead: who can change one of them can lead us elsewhere.  In a
  sticky directory such as /tmp, others make names but cannot replace ours, so
  there each name on the way must be ours, links too;
- the store's directory, and those between it and the value's file, each when
  FileDirDict meets it first (it remembers the answer);
- the file itself, by one os.stat() for each value that is read, unless one of
  the directories above keeps everybody else out (as mode 0700 does): then
  nobody can open it.

What others can change now they could have changed before, and what they
cannot change now they could not: they cannot give what is theirs to us.  So it
is enough to look when a value is read.  (The directory that the store has open
is not compared with the one looked at: its descriptor is the library's own.)

A group-writable directory is shared, but for a group that has the user's own
name and no other member, as many systems give each user one.  With an ACL the
group's bits stand for all whom the ACL names: it is shared.
"""

import os
import stat

__all__ = ["check_private", "read_key", "shared_with"]

_GROUP = stat.S_IWGRP
_OTHERS = stat.S_IWOTH
KEY_SIZE_MIN = 16
_LINKS_MAX = 40


def _nobody() -> int:
    """The uid that stands for all those without one in our namespace."""
    try:
        with open("/proc/sys/kernel/overflowuid") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 65534


def _is_trusted(uid: int) -> bool:
    """Whether it is us, or who can do anything: root, who owns "/".

    In a user namespace that may be another than 0; but if it is the one that
    stands for users without a number, it is any of them.
    """
    if uid in (0, os.geteuid()):
        return True
    return uid == os.stat("/").st_uid and uid != _nobody()


def _has_acl(path: str) -> bool:
    """Whether an ACL names more users or groups than the mode does."""
    try:
        return "system.posix_acl_access" in os.listxattr(path)
    except FileNotFoundError:
        raise
    except OSError:
        # The file system has none.
        return False


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


def _why(path: str, found: os.stat_result) -> str | None:
    """Why others can change this directory or file, or None."""
    if not _is_trusted(found.st_uid):
        return f"{path} is owned by user {found.st_uid}"
    if found.st_mode & _OTHERS:
        return f"all users can write into {path}"
    if found.st_mode & _GROUP:
        if not _is_own_group(found.st_gid):
            return f"group {found.st_gid} can write into {path}"
        if _has_acl(path):
            return f"users that its ACL names can write into {path}"
    return None


def _keeps_out(path: str, found: os.stat_result) -> bool:
    """Whether nobody else gets to what is in this directory."""
    if found.st_mode & stat.S_IXOTH:
        return False
    if found.st_mode & stat.S_IXGRP:
        return _is_own_group(found.st_gid) and not _has_acl(path)
    return True


class _Walk:
    """The way from "/" to a directory."""

    def __init__(self, path: str) -> None:
        self.why: str | None = None  # others can write there
        self.closed = False  # nobody else gets there
        try:
            self._go(os.path.abspath(path))
        except FileNotFoundError:
            # There is nothing behind it that could be read.
            pass

    def _enter(self, path: str, found: os.stat_result, is_last: bool) -> bool:
        """Whether the names in this directory are only ours to change."""
        sticky = bool(found.st_mode & stat.S_ISVTX) and not is_last
        if not sticky or not _is_trusted(found.st_uid):
            self.why = _why(path, found)
        self.closed = self.closed or _keeps_out(path, found)
        return self.why is None

    def _go(self, path: str) -> None:
        todo = [x for x in path.split("/") if x][::-1]
        at = "/"
        links = 0
        if not self._enter(at, os.stat(at), not todo):
            return
        while todo:
            name = todo.pop()
            if name == ".":
                continue
            if name == "..":
                at = os.path.dirname(at)
                continue
            entry = os.path.join(at, name)
            found = os.lstat(entry)
            if not stat.S_ISLNK(found.st_mode):
                at = entry
                if not self._enter(at, found, not todo):
                    return
                continue
            links += 1
            if links > _LINKS_MAX:
                self.why = f"{path} has too many links"
                return
            if not _is_trusted(found.st_uid):
                self.why = f"the link {entry} is owned by user {found.st_uid}"
                return
            target = os.readlink(entry)
            todo += [x for x in target.split("/") if x][::-1]
            if target.startswith("/"):
                at = "/"
        # The last one may be where a link led.
        self._enter(at, os.stat(at), True)


def shared_with(base_dir: str) -> str | None:
    """Why `base_dir` is shared with other users; None if it is not."""
    return _Walk(base_dir).why


def check_private(
    base_dir: str, place: str | None = None, seen: bool = False
) -> bool:
    """PermissionError if a value in `base_dir` may be another user's.

    `place` is the path of the value's file in it, or None: any.  `seen` says
    that its directories were looked at before.  The answer is whether nobody
    else gets to the files beside it: then they need not be looked at.
    """
    why = None
    closed = False
    if not seen:
        walk = _Walk(base_dir)
        if walk.why is None and place and os.path.dirname(place) != base_dir:
            walk = _Walk(os.path.dirname(place))
        why = walk.why
        closed = walk.closed
    if why is None and place and not closed:
        try:
            why = _why(place, os.stat(place))
        except FileNotFoundError:
            # It was removed since, and only we can do that.
            pass
    if why is not None:
        raise PermissionError(
            f"reading this value could run code of another user: {why}.  "
            "Pass allow_shared=True to trust all who can write there, or use "
            "serialization_format 'spkl' (signed) or 'kist' (data only)"
        )
    return closed


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
