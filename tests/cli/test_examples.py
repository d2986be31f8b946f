#!/usr/bin/env python3
"""Runs the C examples and compares what they print with their .out files.

KIST_EXAMPLES is the folder with the compiled programs, or any folder above
it (build/dev otherwise). The last line is `N passed, M failed`.
"""

import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = os.path.join(ROOT, "examples", "c")
BUILD = os.environ.get("KIST_EXAMPLES", os.path.join(ROOT, "build", "dev"))


def find(name):
    """The program `name`, wherever the build has put it."""
    for folder, _, files in os.walk(BUILD):
        path = os.path.join(folder, name)
        if name in files and os.access(path, os.X_OK):
            return path
    return None


def read(path):
    if not os.path.exists(path):
        return b""
    with open(path, "rb") as file:
        return file.read()


def check(name):
    """True if the example prints what it shall, with nothing on stderr."""
    program = find(name)
    if program is None:
        print(f"{name}: not built below {BUILD}")
        return False
    base = os.path.join(SOURCES, name)
    with tempfile.TemporaryDirectory(prefix="kist-example-") as folder:
        done = subprocess.run([program, folder], input=read(base + ".in"),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60)
    want = read(base + ".out")
    if (done.returncode, done.stdout, done.stderr) == (0, want, b""):
        return True
    print(f"{name}: exit code {done.returncode}\n--- wanted\n{want.decode()}"
          f"--- printed\n{done.stdout.decode()}{done.stderr.decode()}")
    return False


def main():
    names = sorted(name[:-2] for name in os.listdir(SOURCES)
                   if name.endswith(".c"))
    results = [check(name) for name in names]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
