#!/usr/bin/python3
"""Branch coverage of src/ after a run of the tests under the cov preset.

    tools/coverage.py build/cov [--lines]

Prints a line for each file and the total; --lines also prints each line of
src/ that never ran and each that took only some of its branches.
"""

import collections
import gzip
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read_counts(build):
    """{file: {line: [runs, {branch number: runs}]}} for files in src/."""
    counts = collections.defaultdict(dict)
    notes = []
    for folder, _, names in os.walk(os.path.join(build, "CMakeFiles")):
        notes += [os.path.join(folder, n) for n in names
                  if n.endswith(".gcda") and "/kist_test.dir/" in folder + "/"]
    if not notes:
        sys.exit(f"{build}: no counts; run tests/run --preset cov first")
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(["gcov", "--json-format", "--branch-probabilities",
                        *notes], cwd=work, check=True,
                       stdout=subprocess.DEVNULL)
        for name in os.listdir(work):
            with gzip.open(os.path.join(work, name), "rt") as file:
                found = json.load(file)
            for source in found["files"]:
                path = os.path.relpath(
                    os.path.join(found["current_working_directory"],
                                 source["file"]), ROOT)
                if not path.startswith("src/"):
                    continue
                for line in source["lines"]:
                    entry = counts[path].setdefault(line["line_number"],
                                                    [0, {}])
                    entry[0] += line["count"]
                    for number, branch in enumerate(line["branches"]):
                        entry[1][number] = (entry[1].get(number, 0)
                                            + branch["count"])
    return counts


def percent(part, whole):
    return f"{100 * part / whole:6.1f} %" if whole else "       -"


def main():
    words = [word for word in sys.argv[1:] if word != "--lines"]
    build = os.path.abspath(words[0] if words else
                            os.path.join(ROOT, "build", "cov"))
    total = [0, 0, 0, 0]
    print(f"{'file':32} {'lines':>8} {'branches':>8}")
    for path, lines in sorted(read_counts(build).items()):
        branches = [runs for entry in lines.values()
                    for runs in entry[1].values()]
        here = [sum(entry[0] > 0 for entry in lines.values()), len(lines),
                sum(runs > 0 for runs in branches), len(branches)]
        total = [a + b for a, b in zip(total, here)]
        print(f"{path:32} {percent(here[0], here[1])} "
              f"{percent(here[2], here[3])}")
        if "--lines" in sys.argv:
            for number, (runs, taken) in sorted(lines.items()):
                if runs == 0:
                    print(f"    {path}:{number}: never ran")
                elif 0 in taken.values():
                    missed = sum(count == 0 for count in taken.values())
                    print(f"    {path}:{number}: {missed} of {len(taken)} "
                          "branches not taken")
    print(f"{'total':32} {percent(total[0], total[1])} "
          f"{percent(total[2], total[3])}")


if __name__ == "__main__":
    main()
