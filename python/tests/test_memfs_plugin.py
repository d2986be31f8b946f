"""The pytest fixtures: `mfs` where it is asked for, `kist_mfs` anywhere.

Goal    A test gets a file system of 1 MiB of its own.
Method  pytest runs a file of tests in a process of its own.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from importlib.metadata import entry_points

import kist
import pytest

TESTS = """
import pytest
from kist import MemoryFileSystem, MFSQuotaExceededError

{line}

@pytest.mark.parametrize("turn", [1, 2])
def test_it({name}, turn):
    assert type({name}) is MemoryFileSystem
    assert {name}.stats()["quota_bytes"] == 1 << 20
    assert {name}.listdir("/") == []
    {name}.mkdir("/d")
    with pytest.raises(MFSQuotaExceededError):
        {name}.open("/f", "wb", preallocate=1 << 20)
"""


def run_tests(
    where: pathlib.Path, name: str, line: str, *options: str
) -> subprocess.CompletedProcess[str]:
    (where / "test_it.py").write_text(
        TESTS.format(name=name, line=line), encoding="utf-8"
    )
    package = os.path.dirname(os.path.dirname(kist.__file__))
    paths = [package, os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        + [*options, "test_it.py"],
        capture_output=True,
        text=True,
        cwd=where,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        check=False,
    )


def test_mfs(tmp_path: pathlib.Path) -> None:
    """The name that D-MemFS has for it, and its module."""
    line = 'pytest_plugins = ["kist.memfs._pytest_plugin"]'
    done = run_tests(tmp_path, "mfs", line)
    assert "2 passed" in done.stdout, done.stdout
    done = run_tests(tmp_path, "mfs", "")
    assert "fixture 'mfs' not found" in done.stdout


def test_kist_mfs(tmp_path: pathlib.Path) -> None:
    """Found by its entry point where kist is installed, or by its module."""
    found = {one.name: one.value for one in entry_points(group="pytest11")}
    if "kist" in found:
        assert found["kist"] == "kist.memfs._pytest_auto"
        done = run_tests(tmp_path, "kist_mfs", "")
    else:
        done = run_tests(
            tmp_path, "kist_mfs", "", "-p", "kist.memfs._pytest_auto"
        )
    assert "2 passed" in done.stdout, done.stdout


def test_kist_mfs_here(request: pytest.FixtureRequest) -> None:
    """In the very process that runs this, if kist is installed."""
    if "kist" not in {one.name for one in entry_points(group="pytest11")}:
        pytest.skip("kist is not installed as a package here")
    assert request.getfixturevalue("kist_mfs").listdir("/") == []
