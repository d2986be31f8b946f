#!/usr/bin/python3
"""Goal: every rule of tools/tidy.py can fail, and good code passes all.
Method: a small good tree, and for each rule the same tree with one file
that breaks it; tidy must name that file, the line and the rule."""

import os
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
sys.dont_write_bytecode = True

import specgen  # noqa: E402
import tidy  # noqa: E402

HEADER = """\
/*
 * {name}.h - a sample.
 *
 * Layer    {layer}.
 */
#ifndef {guard}
#define {guard}

{body}
#endif /* {guard} */
"""

PUBLIC = HEADER.format(
    name="noun", layer="public", guard="KIST_NOUN_H",
    body="""\
static inline int
kist_inline(int x)
{
    return kist_hidden(x);
}

typedef int (*kist_callback)(int x);
int kist_noun_do(int x);
""")

GOOD = {
    "include/kist/noun.h": PUBLIC,
    "kist.map": "KIST_0 {\nglobal:\n    kist_noun_do;\nlocal:\n    *;\n};\n",
    "src/base/noun.c": """\
#include "kist/noun.h"

#include <string.h>

#include "base/verb.h"

/* A comment may say malloc() or strcpy(), if (so) it likes. */
static int
helper(int x)
{
    const char *text = "sprintf(";

    if (x > 0) {
        do {
            x--;
        } while (x > 0);
    }
    else if (text[0] == 's') {
        return table->open(x) + table.close(x);
    }
    return x;
}

int
kist_noun_do(int x)
{
    return helper(x);
}
""",
    "src/base/verb.h": HEADER.format(name="verb", layer="base",
                                     guard="KI_BASE_VERB_H",
                                     body="int ki_verb(void);\n"),
    "tests/unit/base/made.h": "/*\n * made.h - made by make.py; do not edit.\n"
                              " */\n#ifndef KT_MADE_H\n#define KT_MADE_H\n"
                              + "\n" * 900 + "#endif\n",
    "src/base/alloc.c": "void *\nki_calloc(void)\n{\n"
                        "    return calloc(1, 1);\n}\n",
}


def function(body, name="ki_sample", kind="int"):
    return f"{kind}\n{name}(void)\n{{\n{body}\n}}\n"


LONG = "\n".join("    x++;" for _ in range(70))

# name: (path, text, line of the breach, words of the message)
BAD = {
    "layer below includes above": (
        "src/base/bad.c", '#include "os/io.h"\n', 1, "may include base"),
    "log includes index": (
        "src/log/bad.c", '\n#include "index/slots.h"\n', 2, "src/log may"),
    "memfs includes its sibling": (
        "src/memfs/bad.c", '#include "coll/chest.h"\n', 1,
        "src/memfs may include base, memfs, os; not"),
    "memfs includes codec": (
        "src/memfs/bad.c", '#include "codec/utf8.h"\n', 1,
        "src/memfs may"),
    "coll includes memfs": (
        "src/coll/bad.c", '#include "memfs/quota.h"\n', 1, "src/coll may"),
    "unit test of memfs includes log": (
        "tests/unit/memfs/test_bad.c", '#include "log/reclog.h"\n', 1,
        "may include"),
    "include without layer": (
        "src/log/bad.c", '#include "record.h"\n', 1, "name the layer"),
    "umbrella in the library": (
        "src/coll/bad.c", '#include "kist/kist.h"\n', 1, "umbrella"),
    "command includes internals": (
        "cli/bad.c", '#include "base/alloc.h"\n', 1, "only public headers"),
    "public header includes POSIX": (
        "include/kist/bad.h", HEADER.format(
            name="bad", layer="public", guard="KIST_BAD_H",
            body="#include <pthread.h>\n"), 9, "public header"),
    "unit test includes a layer above": (
        "tests/unit/codec/test_bad.c", '#include "coll/kist.h"\n', 1,
        "may include"),
    "library in the wrong place": (
        "src/coll/bad.c", "#include <jansson.h>\n", 1, "only cli/"),
    "long function": (
        "src/base/bad.c", function(LONG), 2, "73 lines"),
    "long file": (
        "src/base/bad.c", "int x;\n" * 801, 801, "801 lines"),
    "strcpy": (
        "tests/bad.c", function("    strcpy(a, b);"), 4, "strcpy() is banned"),
    "malloc in the library": (
        "src/base/bad.c", function("    x = malloc(1);"), 4, "use ki_calloc"),
    "stdio in the library": (
        "src/base/bad.c", function("    printf(x);"), 4, "never uses stdio"),
    "system call above os": (
        "src/log/bad.c", function("    x = fsync(1);"), 4, "os/posix_"),
    "system call beside the table": (
        "src/os/bad.c", function("    x = pread(1);"), 4, "os/posix_"),
    "unprefixed name crosses files": (
        "src/base/bad.c", function("    x;", "sample"), 2, "crosses files"),
    "static with prefix": (
        "src/base/bad.c", function("    x;", "ki_x", "static int"), 2,
        "no prefix"),
    "if without braces": (
        "src/base/bad.c", function("    if (x(1))\n        y;"), 4,
        "braces always: if"),
    "else without braces": (
        "src/base/bad.c", function("    if (x) {\n    }\n    else\n   y;"), 6,
        "braces always: else"),
    "tab": ("src/base/bad.c", "int x;\n\tint y;\n", 2, "tab"),
    "carriage return": ("README.md", "a\r\n", 1, "carriage return"),
    "space at the end": ("README.md", "a\nb \n", 2, "space at the end"),
    "no final newline": ("README.md", "a\nb", 2, "no newline"),
    "unfinished": ("README.md", "TO" + "DO: more\n", 1, "unfinished"),
    "machine path": ("README.md", "see /ro" + "ot/x\n", 1, "machine"),
    "two files of one name": (
        "src/os/verb.h", HEADER.format(name="verb", layer="os",
                                       guard="KI_OS_VERB_H", body=""), 1,
        "also the name of"),
    "name of a system header": (
        "src/os/time.h", HEADER.format(name="time", layer="os",
                                       guard="KI_OS_TIME_H", body=""), 1,
        "system header"),
    "wrong guard": (
        "src/os/bad.h", HEADER.format(name="bad", layer="os",
                                      guard="KI_BAD_H", body=""), 6,
        "should be KI_OS_BAD_H"),
    "no guard": (
        "src/os/bad.h", "/*\n * bad.h - x.\n *\n * Layer    os.\n */\n", 1,
        "no include guard"),
    "no Layer": (
        "src/os/bad.h", HEADER.format(
            name="bad", layer="os", guard="KI_OS_BAD_H",
            body="").replace("Layer ", "Where "), 1, "no Layer line"),
    "no opening comment": (
        "src/os/bad.h",
        "#ifndef KI_OS_BAD_H\n#define KI_OS_BAD_H\n#endif\n", 1,
        "opens without a comment"),
    "declared, not in the map": (
        "include/kist/bad.h", HEADER.format(
            name="bad", layer="public", guard="KIST_BAD_H",
            body="int kist_bad(void);\n"), 1, "not in kist.map"),
    "in the map, not declared": (
        "kist.map", GOOD["kist.map"].replace(
            "    kist_noun_do;", "    kist_noun_do;\n    kist_gone;"), 1,
        "declared in no public header"),
}


def write_tree(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8", newline="") as file:
            file.write(text)


def breaches_of(files):
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, files)
        return tidy.check_tree(root)


def check_good():
    found = breaches_of(GOOD)
    return f"good tree: {found}" if found else None


def check_bad(name):
    path, text, line, words = BAD[name]
    found = breaches_of({**GOOD, path: text})
    hits = [b for b in found if b[0] == path and words in b[2]]
    if not hits:
        return f"{name}: not noticed; breaches: {found}"
    if hits[0][1] != line:
        return f"{name}: line {hits[0][1]}, should be {line}"
    if len(found) > 1:
        return f"{name}: more than one breach: {found}"
    return None


def check_specgen():
    text = ("/*\n * x.h - a thing.\n *\n * FORMAT   little\n *     a  1\n"
            " *\n *     b  2\n * Threads  any.\n */\n")
    expected = [("FORMAT", "little\na  1\n\nb  2")]
    found = list(specgen.blocks(text))
    return None if found == expected else f"specgen blocks: {found}"


def main():
    results = [check_good(), check_specgen()]
    results += [check_bad(name) for name in BAD]
    failures = [result for result in results if result]
    for failure in failures:
        print(failure)
    print(f"{len(results) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
