"""Everything that the documents and the examples show is run.

Goal    Whoever types what README.md, docs/ or examples/python show gets what
        they say.
Method  All ```python blocks of a file run in order in one namespace, in an
        interpreter of their own with a temporary directory as its current
        one; what each prints must be the ```text block right behind it.  The
        examples run as programs, against their .out files, and the one that
        is about kill -9 is killed.
"""

import collections
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import kist
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "python"
LIMIT_S = 60

FENCE = re.compile(
    r"^```python\n(.*?)^```[ \t]*$(?:\n+```text\n(.*?)^```[ \t]*$)?",
    re.MULTILINE | re.DOTALL,
)

# Runs blocks given as JSON on stdin; answers with what each has printed.
RUNNER = """
import contextlib, io, json, sys

names, printed = {"__name__": "__main__"}, []
for line, code in json.load(sys.stdin):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile("\\n" * line + code, sys.argv[1], "exec"), names)
    printed.append(output.getvalue())
print(json.dumps(printed))
"""


def environment() -> dict[str, str]:
    package = os.path.dirname(os.path.dirname(kist.__file__))
    paths = [package, os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def blocks(path: pathlib.Path) -> list[tuple[int, str, str]]:
    """(lines before, code, expected output) of each block of a file."""
    text = path.read_text(encoding="utf-8")
    return [
        (
            text.count("\n", 0, match.start(1)),
            match.group(1),
            match.group(2) or "",
        )
        for match in FENCE.finditer(text)
    ]


DOCUMENTS = [
    path
    for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
    if blocks(path)
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_document(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Each block of a document prints what the document says."""
    found = blocks(path)
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(path)],
        input=json.dumps([(line, code) for line, code, _ in found]),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    printed = json.loads(done.stdout.splitlines()[-1])
    for (line, _, expected), output in zip(found, printed, strict=True):
        assert output == expected, f"{path.name}:{line}"


def test_documents_are_found() -> None:
    """The search for blocks cannot come to nothing unnoticed."""
    names = {path.name for path in DOCUMENTS}
    assert {"README.md", "python.md"} <= names
    assert sum(len(blocks(path)) for path in DOCUMENTS) >= 12


def example(
    name: str, cwd: pathlib.Path, *args: str
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / name), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=environment(),
    )


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name
)
def test_example(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """An example prints its .out file, and nothing to stderr, twice."""
    args = [str(EXAMPLES / "wordcount.in")] * (path.name == "wordcount.py")
    for _ in range(2):
        process = example(path.name, tmp_path, *args)
        output, complaint = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, complaint.decode()
        assert not complaint
        assert output == path.with_suffix(".out").read_bytes()


def kill_beyond(
    process: "subprocess.Popen[bytes]", path: pathlib.Path, place: int
) -> None:
    """Kills the word count once it has come so far in its text."""
    with kist.open(path) as k:
        places = k.dict("places", klass=int)
        while process.poll() is None:
            if any(at > place for at in places.copy().values()):
                process.kill()
                break
            time.sleep(0.0005)
    process.communicate(timeout=LIMIT_S)


def test_wordcount_is_killed(tmp_path: pathlib.Path) -> None:
    """Killed at its work and run again, it counts no line twice and forgets
    none."""
    text = tmp_path / "text"
    lines = [f"all {n % 97} words {n % 11} count" for n in range(150_000)]
    text.write_text("\n".join(lines) + "\n", encoding="utf-8")
    size = text.stat().st_size
    kills = 0
    for share in (0.0, 0.2, 0.4, 0.6):
        process = example("wordcount.py", tmp_path, str(text))
        kill_beyond(process, tmp_path / "wordcount", int(size * share))
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 2
    process = example("wordcount.py", tmp_path, str(text))
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    with kist.open(tmp_path / "wordcount") as k:
        counts = k.dict("counts")
        assert counts == collections.Counter(" ".join(lines).split())
