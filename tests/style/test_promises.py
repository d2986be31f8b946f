#!/usr/bin/python3
"""Goal: every promise of docs/durability.md has a test that carries its
number, and the page names it.
Method: promises are "**P<n>, ..."; their tests are functions `test_p<nn>_...`
in tests/**/test_*.c and scripts tests/rigs/cases/p<nn>_...; the table behind
"The tests" must name exactly the files that hold them.  --write brings the
table up to date (make format)."""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def read(*parts):
    with open(os.path.join(ROOT, *parts), encoding="utf-8") as file:
        return file.read()


def tests_by_promise():
    """{number: names of test programs and cases}"""
    found = {}
    for folder, _, names in os.walk(os.path.join(ROOT, "tests")):
        for name in names:
            if re.fullmatch(r"test_\w+\.c", name):
                numbers = re.findall(r"(?m)^test_p(\d\d)_",
                                     read(folder, name))
                name = name[:-2]
            elif os.path.basename(folder) == "cases":
                numbers = re.findall(r"^p(\d\d)_", name)
            else:
                continue
            for number in numbers:
                found.setdefault(int(number), set()).add(name)
    return found


def write_table():
    path = os.path.join(ROOT, "docs", "durability.md")
    page = read(path)
    rows = "".join(
        f"| P{number} | {', '.join(f'`{name}`' for name in sorted(names))} |\n"
        for number, names in sorted(tests_by_promise().items()))
    head = "| promise | tests |\n| --- | --- |\n"
    before, behind = page.split(head)
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + head + rows
                   + re.sub(r"\A(\|.*\n)*", "", behind))
    return 0


def main():
    page = read("docs", "durability.md")
    promises = {int(n) for n in re.findall(r"(?m)^\*\*P(\d+), ", page)}
    table = {int(number): set(re.findall(r"`(\w+)`", names)) for number, names
             in re.findall(r"(?m)^\| P(\d+) \| (.*) \|$", page)}
    tests = tests_by_promise()
    passed = failed = 0
    for number in sorted(promises | set(table) | set(tests)):
        wrong = None
        if number not in promises:
            wrong = "no such promise in docs/durability.md"
        elif not tests.get(number):
            wrong = "no test carries its number"
        elif table.get(number) != tests[number]:
            wrong = ("the table should name "
                     + ", ".join(f"`{n}`" for n in sorted(tests[number])))
        passed += wrong is None
        failed += wrong is not None
        if wrong:
            print(f"docs/durability.md:1: P{number}: {wrong}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not promises else 0


if __name__ == "__main__":
    sys.exit(write_table() if "--write" in sys.argv[1:] else main())
