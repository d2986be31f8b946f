"""NfsDict on a real NFS: nfsguest.py in tests/rigs/nfsbox.

The box is a Linux of its own, in user mode, with a kernel NFS server and two
clients.  Its packages are fetched once by `tests/rigs/nfsbox --get`; without
them, and without a compiler, this is skipped.  SOAK=1 tries longer, and NFS
version 3 too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import kist
import pytest

RIGS = Path(__file__).resolve().parents[2] / "tests" / "rigs"
GUEST = Path(__file__).with_name("nfsguest.py")
LONG = os.environ.get("SOAK") == "1"
BOOT_S = 90


def missing() -> str | None:
    """Why the box cannot be used here, or None."""
    if not (RIGS / "nfsbox").exists():
        return "the rigs are not beside these tests"
    if os.geteuid() != 0:
        return "nfsbox needs root"
    cache = Path(os.environ.get("NFSBOX_CACHE", Path.home() / ".cache/nfsbox"))
    for top in (cache / "root", Path("/")):
        if (top / "usr/bin/linux.uml").exists():
            return None
    got = subprocess.run(
        [RIGS / "nfsbox", "--get"],
        capture_output=True,
        text=True,
        check=False,
    )
    if (cache / "root/usr/bin/linux.uml").exists():
        return None
    said = (got.stdout + got.stderr).strip().splitlines()[-1:]
    return f"tests/rigs/nfsbox --get cannot get user-mode-linux: {said}"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    why = missing()
    if why is not None:
        pytest.skip(why)
    tools = tmp_path_factory.mktemp("rigs")
    subprocess.run(
        ["make", "-s", "-C", RIGS, f"O={tools}", f"{tools}/insmod"],
        check=True,
        capture_output=True,
    )
    package = Path(kist.__file__).resolve().parents[1]
    return {
        **os.environ,
        "RIG_BIN": str(tools),
        "PYTHONPATH": str(package),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


VERSIONS = ["vers=4.2"] + (["vers=3", "vers=4.0"] if LONG else [])


@pytest.mark.parametrize("options", VERSIONS)
def test_two_clients(box: dict[str, str], options: str) -> None:
    limit_s = 3000 if LONG else 200
    command = [
        sys.executable,
        str(RIGS / "nfsbox"),
        f"--opts-a={options}",
        f"--opts-b={options}",
        "--server-mb=24",
        f"--timeout={limit_s - 10}",
        "--env=SOAK",
        "--env=NFS_TICK",
        "--",
        f"{sys.executable} {GUEST}",
    ]
    run = subprocess.run(
        command,
        env={**box, "NFS_TICK": "1" if options == "vers=3" else ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit_s + BOOT_S,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "8 passed, 0 failed" in run.stdout, run.stdout
