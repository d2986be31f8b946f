#!/usr/bin/python3
"""Writes docs/format.md from the FORMAT and INVARIANTS blocks of src/**/*.h.

    tools/specgen.py [--check] [ROOT]

A block begins with its word in the first column of a comment and goes on as
long as the lines are indented or empty.  --check writes nothing, and fails
if docs/format.md is not what would be written.
"""

import os
import re
import sys
import textwrap

ORDER = ("log", "index", "codec", "coll", "os", "base")

INTRODUCTION = """\
# The files, byte by byte

<!-- Written by tools/specgen.py from the headers in src/: edit those. -->

A kist is a pair of files: PATH.kist, the record log, which is the one durable
truth, and PATH.kistx, its index, which can be deleted at any time. All
integers are little-endian.
"""


def blocks(text):
    """Yields (word, block text) for each FORMAT or INVARIANTS block."""
    for comment in re.findall(r"/\*(.*?)\*/", text, re.S):
        lines = [re.sub(r"^ \* ?", "", line) for line in comment.split("\n")]
        number = 0
        while number < len(lines):
            found = re.match(r"(FORMAT|INVARIANTS)\b[ ]*(.*)$", lines[number])
            number += 1
            if not found:
                continue
            body = []
            while number < len(lines) and (
                    not lines[number].strip() or lines[number][0] == " "):
                body.append(lines[number].rstrip())
                number += 1
            block = textwrap.dedent("\n".join(body)).strip("\n")
            first = found.group(2).strip()
            yield found.group(1), (first + "\n" + block if first
                                   else block).strip("\n")


def rank(path):
    layer = path.split("/")[1]
    return (ORDER.index(layer) if layer in ORDER else len(ORDER), path)


def generate(root):
    """The text of docs/format.md."""
    headers = []
    for folder, _, names in os.walk(os.path.join(root, "src")):
        headers += [os.path.relpath(os.path.join(folder, name), root)
                    for name in names if name.endswith(".h")]
    parts = [INTRODUCTION]
    for path in sorted(headers, key=rank):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = file.read()
        found = list(blocks(text))
        if not found:
            continue
        title = re.match(r"/\*\s*\*? ?(\S+) - (.*?)\n \*\n", text, re.S)
        purpose = re.sub(r"\n \* ?", " ", title.group(2)) if title else ""
        parts.append(f"\n## {path}\n")
        if purpose:
            parts.append(f"\n{purpose[0].upper()}{purpose[1:]}\n")
        for word, block in found:
            parts.append(f"\n### {word.capitalize()}\n\n```text\n{block}\n"
                         "```\n")
    return "".join(parts)


def main():
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    root = arguments[0] if arguments else os.path.dirname(
        os.path.dirname(os.path.abspath(__file__)))
    target = os.path.join(root, "docs", "format.md")
    text = generate(root)
    if "--check" in sys.argv[1:]:
        try:
            with open(target, encoding="utf-8") as file:
                fresh = file.read() == text
        except OSError:
            fresh = False
        if not fresh:
            print("docs/format.md:1: stale; run tools/specgen.py")
        return 0 if fresh else 1
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
