"""The stubs: mypy --strict, pyright and stubtest have nothing to say.

P4 and issue 3, point 5.  A checker that is not installed is skipped.
"""

from __future__ import annotations

import importlib.util
import json
import os
import site
import subprocess
import sys

import kist
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKED = os.path.join(HERE, "typing_check.py")
PACKAGES = os.path.dirname(os.path.dirname(os.path.abspath(kist.__file__)))

needs_mypy = pytest.mark.skipif(
    importlib.util.find_spec("mypy") is None, reason="mypy is not installed"
)
needs_pyright = pytest.mark.skipif(
    importlib.util.find_spec("pyright") is None,
    reason="pyright is not installed",
)


def run(directory: str, *command: str) -> tuple[int, str]:
    """Runs a checker with kist on its path; its status and words."""
    env = dict(os.environ)
    if PACKAGES not in site.getsitepackages():  # where mypy looks by itself
        env.update(PYTHONPATH=PACKAGES, MYPYPATH=PACKAGES)
    ran = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        cwd=directory,
        env=env,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_the_package_is_typed():
    """P4: py.typed and the stubs lie beside the module."""
    beside = os.listdir(os.path.dirname(os.path.abspath(kist.__file__)))
    assert {"py.typed", "_core.pyi"} <= set(beside)


@needs_mypy
def test_mypy(tmp_path):
    """P4: mypy infers what typing_check.py says, and finds its mistakes."""
    code, said = run(str(tmp_path), "mypy", "--strict", CHECKED)
    assert code == 0, said


@needs_mypy
def test_mypy_is_asked(tmp_path):
    """The test above can fail: a wrong line is found."""
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import kist\nkist.fsdict(klass=int)['a'] = 'text'\n")
    code, said = run(str(tmp_path), "mypy", "--strict", str(wrong))
    assert code != 0 and "Incompatible types" in said, said


@needs_mypy
def test_stubtest(tmp_path):
    """P4: the stubs and the module as it is built agree."""
    config = tmp_path / "mypy.ini"
    config.write_text(
        "[mypy]\n[mypy-fsspec.*]\nignore_missing_imports = True\n"
    )
    code, said = run(
        str(tmp_path),
        "mypy.stubtest",
        "kist",
        "--mypy-config-file",
        str(config),
        "--allowlist",
        os.path.join(HERE, "stubtest.txt"),
        "--ignore-unused-allowlist",
    )
    assert code == 0, said


@needs_pyright
def test_pyright(tmp_path):
    """P4: pyright in its strict mode says the same."""
    with open(CHECKED, encoding="utf-8") as source:
        (tmp_path / "checked.py").write_text(source.read())
    config = {
        "extraPaths": [PACKAGES],
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
        "include": ["checked.py"],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    code, said = run(str(tmp_path), "pyright", "-p", ".")
    assert code == 0, said
