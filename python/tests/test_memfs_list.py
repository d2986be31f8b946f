"""listdir(), walk() and glob() of MemoryFileSystem.

Section 1.8 of contracts/dmemfs.md, and row 21 of its section 3.
"""

from __future__ import annotations

import gc
import sys
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


def test_names_are_handed_out_for_ever():
    """Each list is the caller's, and its names outlive what they came from;
    the references that were taken ahead are given back."""
    fs = MemoryFileSystem()
    want = [f"name {i}" for i in range(40)]
    fs.import_tree({f"/d/{name}": b"" for name in want})
    lists = [fs.listdir("/d") for _ in range(200)]
    lists += [next(fs.walk("/d"))[2] for _ in range(200)]
    assert all(names == want for names in lists)
    assert len({id(names) for names in lists}) == len(lists)
    name = lists[0][0]
    lists = lists[:1]
    put(fs, "/d/one more")
    assert fs.listdir("/d") == [*want, "one more"]
    del fs
    gc.collect()
    assert sys.getrefcount(name) <= 3  # lists[0], name, and the argument
    assert lists == [want]


def test_names_of_many_directories(fs: MemoryFileSystem):
    """Of more than can be remembered, some are forgotten; none is wrong."""
    many = {f"/{d}": [f"{d} {i}" for i in range(10)] for d in range(14000)}
    fs.import_tree({f"{d}/{n}": b"" for d, names in many.items()
                    for n in names})  # fmt: skip
    for _ in range(2):
        walk = fs.walk()
        assert next(walk) == ("/", [d[1:] for d in many], [])
        assert {path: files for path, _, files in walk} == many
        assert all(fs.listdir(d) == names for d, names in many.items())


def test_names_with_directories_among_them(fs: MemoryFileSystem):
    """listdir() and walk() remember under one version: one mixes what the
    other tells apart, whoever comes first."""
    names = [f"{i}{kind}" for i in range(20) for kind in "df"]
    for top in ("/a", "/b"):
        for name in names:
            if name[-1] == "d":
                fs.mkdir(f"{top}/{name}")
            else:
                put(fs, f"{top}/{name}")
    apart = (names[::2], names[1::2])
    for _ in range(3):
        assert next(fs.walk("/a"))[1:] == apart
        assert fs.listdir("/a") == names
        assert fs.listdir("/b") == names
        assert next(fs.walk("/b"))[1:] == apart


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
