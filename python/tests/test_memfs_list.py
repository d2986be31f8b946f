"""listdir(), walk() and glob() of MemoryFileSystem.

Section 1.8 of contracts/dmemfs.md, and row 21 of its section 3.
"""

from __future__ import annotations

import time

import pytest
from kist import MemoryFileSystem


@pytest.fixture
def fs() -> MemoryFileSystem:
    return MemoryFileSystem(default_lock_timeout=0)


def put(fs: MemoryFileSystem, path: str, data: bytes = b"x") -> None:
    with fs.open(path, "wb") as file:
        file.write(data)


# --- listings ----------------------------------------------------------------


def test_listdir_is_in_the_order_of_coming(fs: MemoryFileSystem):
    """1.8: overwriting keeps the place; the list is the caller's."""
    for name in ("c", "a", "b"):
        put(fs, "/" + name)
    put(fs, "/c")
    fs.mkdir("/0")
    first = fs.listdir("/")
    assert first == ["c", "a", "b", "0"]
    first.append("mine")
    first.sort()
    assert fs.listdir("/") == ["c", "a", "b", "0"]
    fs.remove("/a")
    put(fs, "/a")
    assert fs.listdir("/") == ["c", "b", "0", "a"]
    for path, error in (("/c", NotADirectoryError), ("/q", FileNotFoundError)):
        with pytest.raises(error):
            fs.listdir(path)


def test_listdir_is_never_stale(fs: MemoryFileSystem):
    """Names are remembered for a directory with these names only."""
    fs.import_tree({f"/{d}/{i}": b"" for d in "abcdefg" for i in range(50)})
    want = [str(i) for i in range(50)]
    for round_ in range(3):
        for d in "abcdefg":
            assert fs.listdir(f"/{d}") == want
            assert next(fs.walk(f"/{d}")) == (f"/{d}", [], want)
        for d in "abcdefg":
            put(fs, f"/{d}/new{round_}")
        want = [*want, f"new{round_}"]
    fs.rename("/a", "/h")
    fs.rename("/b", "/a")
    put(fs, "/a/b only")
    assert fs.listdir("/a") == [*want, "b only"]
    assert fs.listdir("/h") == want


def test_walk_goes_down(fs: MemoryFileSystem):
    """1.8: (path, directories, files), in the order of coming."""
    fs.import_tree({"/d/f": b"", "/a": b"", "/d/e/g": b"", "/b/x": b""})
    assert list(fs.walk()) == [
        ("/", ["d", "b"], ["a"]),
        ("/d", ["e"], ["f"]),
        ("/d/e", [], ["g"]),
        ("/b", [], ["x"]),
    ]
    assert list(fs.walk("/d/e")) == [("/d/e", [], ["g"])]
    walk = fs.walk()
    assert iter(walk) is walk
    for item in walk:
        assert type(item) is tuple
        item[1].clear()  # prunes nothing


def test_walk_fails_at_its_first_step(fs: MemoryFileSystem):
    """1.8: as a generator does; then it is over."""
    put(fs, "/f")
    for path, error in (("/q", FileNotFoundError), ("/f", NotADirectoryError),
                        (5, TypeError)):  # fmt: skip
        walk = fs.walk(path)  # type: ignore[arg-type]
        with pytest.raises(error):
            next(walk)
        assert list(walk) == []


def test_walk_sees_each_directory_when_it_is_there(fs: MemoryFileSystem):
    """1.8: what is gone is left out, what is new is met."""
    fs.mkdir("/a/x")
    fs.mkdir("/b")
    walk = fs.walk()
    assert next(walk) == ("/", ["a", "b"], [])
    fs.rmtree("/b")
    put(fs, "/a/new")
    assert list(walk) == [("/a", ["x"], ["new"]), ("/a/x", [], [])]
    walk = fs.walk()
    next(walk)
    del fs
    assert [path for path, _, _ in walk] == ["/a", "/a/x"]


def test_walk_of_a_directory_that_moved(fs: MemoryFileSystem):
    """1.8: names belong to what is walked, not to what has its place."""
    many = {f"/a/{i}": b"" for i in range(100)}
    fs.import_tree(many)
    fs.import_tree({f"/b/other{i}": b"" for i in range(100)})
    list(fs.walk("/b"))
    walk = fs.walk()
    next(walk)
    fs.rename("/a", "/c")
    fs.rename("/b", "/a")
    listed = {path: sorted(files) for path, _, files in walk}
    assert listed["/a"] == sorted(str(i) for i in range(100))
    assert fs.listdir("/a") == [f"other{i}" for i in range(100)]
    assert next(fs.walk("/a"))[2] == [f"other{i}" for i in range(100)]


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("*", ["/a", "/b.txt", "/d"]),
        ("/d/*", ["/d/e", "/d/x.py"]),
        ("**", ["/a", "/b.txt", "/d", "/d/e", "/d/e/y.py", "/d/x.py"]),
        ("/**/*.py", ["/d/e/y.py", "/d/x.py"]),
        ("d\\**", ["/d/e", "/d/e/y.py", "/d/x.py"]),
        ("**/**/e/**", ["/d/e/y.py"]),
        ("?", ["/a", "/d"]),
        ("[a-c]*", ["/a", "/b.txt"]),
        ("[!a]", ["/d"]),
        ("*/", ["/a", "/b.txt", "/d"]),
        ("", []),
        ("/", []),
        ("..", []),
        ("d/../a", []),
        ("b[.]txt", ["/b.txt"]),
        ("B.TXT", []),
        ("{a,d}", []),
    ],
)
def test_glob(fs: MemoryFileSystem, pattern: str, paths: list[str]):
    """1.8: fnmatch by parts, ** any number of them; sorted, each once."""
    fs.import_tree(
        {"/d/x.py": b"", "/d/e/y.py": b"", "/b.txt": b"", "/a": b""}
    )
    assert fs.glob(pattern) == paths


def test_glob_is_not_exponential(fs: MemoryFileSystem):
    """Row 21: consecutive ** cost no more than one."""
    fs.mkdir("/a" * 60)
    begin = time.monotonic()
    assert fs.glob("/".join(["**", "*"] * 20) + "/b") == []
    assert time.monotonic() - begin < 5
