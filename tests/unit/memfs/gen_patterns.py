"""Writes patterns.h: what Python's fnmatch.fnmatchcase() says.

Run by hand, after a change here:

    python3 tests/unit/memfs/gen_patterns.py > tests/unit/memfs/patterns.h

First cases chosen one by one, then random ones from letters that mean
something to a pattern.  Text is UTF-8, lone surrogates as "surrogatepass" has
them.
"""

import fnmatch
import random
import warnings

RANDOM_COUNT = 2000
SEED = 20261121

CHOSEN = {
    "": ["", "a"],
    "*": ["", "a", "ab", ".x", "\n", "é"],
    "?": ["", "a", "ab", "é", "😀", "\udc80", "\n"],
    "a*b*c": ["abc", "aXbYc", "ac", "abcb", "abcc", "abbc"],
    "*ab*ab": ["abab", "ab", "aabab", "abxab", "abaab", "ababa"],
    "**a**": ["a", "bab", "b"],
    "*.py": ["x.py", ".py", "x.pyc", "x.py.py"],
    "a.b": ["a.b", "axb"],
    "[abc]": ["a", "c", "d", "", "ab"],
    "[!abc]": ["a", "d", "", "\n"],
    "[a-c]": ["a", "b", "c", "d", "-", "B"],
    "[!a-c]": ["a", "b", "d", "-"],
    "[c-a]": ["a", "b", "c", "-"],
    "[!c-a]": ["a", "b", "c", "-"],
    "[c-ab]": ["a", "b", "c", "-"],
    "[b-a!x]": ["!", "x", "a", "b", "y"],
    "[b-a!-z]": ["!", "-", "a", "z", "y"],
    "[b-a!-z-9]": ["!", "-", "a", "z", "9"],
    "[b-ad-c!]": ["!", "a", "d"],
    "[!b-a!x]": ["!", "x", "a"],
    "[b-a^x]": ["^", "x", "a"],
    "[]]": ["]", "a", "[]]"],
    "[]a]": ["]", "a", "b"],
    "[!]]": ["]", "a"],
    "[!]a-]": ["]", "a", "-", "b"],
    "[]-a]": ["]", "^", "a", "b", "-"],
    "[]-Z]": ["]", "Z", "-"],
    "[": ["[", "", "a"],
    "[a": ["[a", "a"],
    "[!": ["[!", "!"],
    "[]": ["[]", "]", ""],
    "[!]": ["[!]", "!", "]"],
    "[a[": ["[a[", "a"],
    "x[a*": ["x[a", "x[abc", "xa"],
    "[[]x": ["[x", "x"],
    "[[a]x]": ["[x]", "ax]", "a"],
    "]": ["]"],
    "[-]": ["-", "a"],
    "[--]": ["-", "a"],
    "[---]": ["-", "a"],
    "[--a]": ["-", ".", "A", "a", "b"],
    "[a-]": ["a", "-", "b"],
    "[-a]": ["a", "-", "b"],
    "[!-a]": ["a", "-", "b"],
    "[a-b-]": ["a", "b", "-", "c"],
    "[a-b-z]": ["a", "b", "-", "c", "z"],
    "[a-bc-]": ["a", "b", "c", "-", "d"],
    "[+--]": ["+", ",", "-", "."],
    "[a-a]": ["a", "b", "-"],
    "[*]": ["*", "a"],
    "[?]": ["?", "a"],
    "[\\]": ["\\", "a"],
    "[\\-a]": ["\\", "]", "a", "-"],
    "[A-\\]": ["A", "\\", "]", "Z"],
    "\\*": ["\\", "\\x", "*"],
    "[a&&b]": ["a", "b", "&"],
    "[a~~b]": ["a", "b", "~"],
    "[a||b]": ["a", "b", "|"],
    "[^a]": ["^", "a", "b"],
    "[!^a]": ["^", "a", "b"],
    "[[:alpha:]]": [":]", "a", "a]", "[]", "l]"],
    "[à-ü]": ["é", "e", "ü", "ý"],
    "[a-é]": ["z", "à", "é", "ê"],
    "[😀-😎]": ["😀", "😅", "😎", "😏", "é"],
    "[a-\udc80]": ["b", "\ud7ff", "\udc80", "\udc81", "😀"],
    "é*ü?": ["éü1", "éxü€", "éü", "eü1"],
    "a\0b": ["a\0b", "a", "ab"],
    "a?b": ["a\0b", "ab"],
    "...": ["...", "..x"],
}


def random_text(source, alphabet, size):
    return "".join(
        source.choice(alphabet) for _ in range(source.randrange(size))
    )


def random_case(source):
    kind = source.randrange(4)
    if kind == 0:
        return (
            random_text(source, "ab!-^][*?c\\&~|é€😀\udc80\n", 8),
            random_text(source, "ab!-^][*?c\\é€😀\udc80\n", 4),
        )
    if kind == 1:
        return (random_text(source, "ab*?", 8), random_text(source, "ab", 10))
    if kind == 2:
        return (
            "["
            + random_text(source, "ab!-^z&€]", 9)
            + "]"
            + random_text(source, "a*", 2),
            random_text(source, "ab!-^z&€]x", 3),
        )
    return (
        random_text(source, "a*[", 3)
        + "["
        + source.choice(["", "!"])
        + random_text(source, "bca--!éz", 9)
        + "]",
        random_text(source, "abc!-éz", 4),
    )


def literal(text):
    """A C string, in octal where C or an editor might mind."""
    data = text.encode("utf-8", "surrogatepass")
    letters = "".join(
        chr(byte)
        if 32 <= byte < 127 and byte not in b'"\\?'
        else f"\\{byte:03o}"
        for byte in data
    )
    return f'"{letters}", {len(data)}'


def main():
    warnings.simplefilter("ignore")  # of sets that may mean more one day
    source = random.Random(SEED)
    cases = [
        (pattern, name) for pattern, names in CHOSEN.items() for name in names
    ]
    # As many that match as that do not, which chance would not give.
    wanted = {True: RANDOM_COUNT // 2, False: RANDOM_COUNT // 2}
    while any(wanted.values()):
        pattern, name = random_case(source)
        match = fnmatch.fnmatchcase(name, pattern)
        if wanted[match] > 0 and pattern not in ("", "*"):
            wanted[match] -= 1
            cases.append((pattern, name))
    print("/*\n * patterns.h - made by gen_patterns.py; do not edit.\n */")
    print("#ifndef KT_MEMFS_PATTERNS_H\n#define KT_MEMFS_PATTERNS_H\n")
    print("#include <stdbool.h>\n#include <stddef.h>\n")
    print("// clang-format off")
    print(
        "static const struct {\n    const char *pattern;\n"
        "    size_t pattern_size;\n    const char *name;\n"
        "    size_t name_size;\n    bool match;\n} patterns[] = {"
    )
    for pattern, name in cases:
        match = "true" if fnmatch.fnmatchcase(name, pattern) else "false"
        print(f"    {{{literal(pattern)}, {literal(name)}, {match}}},")
    print("};\n// clang-format on\n\n#endif /* KT_MEMFS_PATTERNS_H */")


main()
