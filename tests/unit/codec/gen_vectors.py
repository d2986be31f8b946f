"""Writes vectors.h: what Python says about pairs of values.

Run by hand, after a change here:

    python3 tests/unit/codec/gen_vectors.py > tests/unit/codec/vectors.h

Each source text below is evaluated anew for each side of a pair, so that two
NaNs are two objects and "==" has no identity to go by.  NaNs as members of
sets are left out: there kist goes by their bits, and the C tests say so.
"""

import datetime as dt
import random
import struct
import sys
import uuid

NAN = "float('nan')"
INF = "float('inf')"

NUMBERS = [
    "False", "True", "0", "1", "-1", "2", "255", "-128",
    "2**31", "-2**31 - 1", "2**53", "2**53 + 1", "-2**53 - 1",
    "2**63 - 1", "-2**63", "2**63", "-2**63 - 1", "2**64", "-2**64",
    "2**63 + 1", "2**64 + 1", "2**127", "-2**127", "2**127 - 1", "2**200",
    "10**300", "int(1e300)", "int(1e300) + 1", "-int(1e300)",
    "int(sys.float_info.max)", "int(sys.float_info.max) + 1", "2**1024",
    "-2**1024", "2**1023",
    "0.0", "-0.0", "1.0", "-1.0", "0.5", "-0.5", "1.5", "2.0", "255.0",
    "2.0**31", "2.0**53", "-2.0**53", "2.0**53 + 2", "2.0**63", "-2.0**63",
    "2.0**64", "-2.0**64", "-2.0**63 - 2048", "2.0**63 - 1024", "2.0**127",
    "-2.0**127", "2.0**200", "1e300", "-1e300", "1e308", "5e-324",
    "sys.float_info.max", "-sys.float_info.max", "2.0**1023",
    INF, "-" + INF, NAN, "-" + NAN,
    "0j", "1+0j", "complex(1.0, -0.0)", "1j", "complex(-0.0, 1.0)",
    "complex(0.0, 1.0)", "complex(2.0**53, 0.0)", "complex(1e300, 0.0)",
    "complex(%s, 0.0)" % NAN, "complex(0.0, %s)" % NAN, "complex(0.5, 0.0)",
]

TEXTS = [
    "''", "'a'", "'b'", "'aa'", "'a\\0'", "'A'", "'\\x7f'", "'\\x80'",
    "'\\u07ff'", "'\\u0800'", "'\\ud7ff'", "'\\ud800'", "'\\udfff'",
    "'\\ud800\\udc00'", "'\\ue000'", "'\\uffff'", "'\\U00010000'",
    "'\\U0010ffff'", "'abcdefgh\\xe9'", "'x' * 200", "'x' * 200 + 'y'",
    "b''", "b'a'", "b'b'", "b'aa'", "b'\\xff'", "b'\\0'", "b'x' * 200",
]

OTHERS = [
    "None",
    "dt.date(2020, 1, 2)", "dt.date(999, 1, 2)",
    "dt.datetime(2020, 1, 2, 3, 4, 5)",
    "dt.datetime(2020, 1, 2, 3, 4, 5, 6)", "dt.datetime(2020, 1, 3)",
    "dt.time(1, 2, 3)", "dt.time(1, 2, 3, 4)", "dt.time(1, 3)",
    "dt.timedelta(1, 2, 3)", "dt.timedelta(-1, 2, 3)", "dt.timedelta(1, 3)",
    "uuid.UUID(int=1)", "uuid.UUID(int=256)", "uuid.UUID(int=2**127)",
]

SEQUENCES = [
    "()", "(1,)", "(True,)", "(1.0,)", "(1, 2)", "(2,)", "(1, 'a')",
    "('a',)", "('a', None)", "('a', None, 1)", "('a', None, 2)", "(None,)",
    "((),)", "((1,),)", "((1.0,), 2)", "(((1, 2), 3), 4)",
    "(((1, 2), 3), 5)", "(((1, True), 3), 5)", "(%s, 1)" % NAN,
    "(%s, 2)" % NAN, "(1, %s)" % NAN, "(2**70, 1)", "(2.0**70, 1)",
    "(2.0**70, True)", "([],)", "({},)", "({1},)", "({2},)",
    "(frozenset({1, 2}), 1)", "(frozenset({True, 2.0}), 2)", "(1j,)", "(2j,)",
    "[]", "[1]", "[True]", "[1, 2]", "[1, [2, 3]]", "[1, [2.0, 4]]",
    "[1, (2, 3)]", "['a', 'b']", "['a', 'c', 1]", "[%s]" % NAN, "[None, 1]",
    "[None, 2]", "list(range(100))", "list(map(float, range(100)))",
    "list(range(99)) + [100]", "[{'a': 1}]", "[{'a': 1.0}]",
    "tuple(range(100))", "tuple('x' * n for n in range(40))",
]

UNORDERED = [
    "{}", "{'a': 1}", "{'a': True}", "{'a': 2}", "{'b': 1}", "{1: 'x'}",
    "{1.0: 'x'}", "{True: 'x', 'k': None}", "{'k': None, 1: 'x'}",
    "{'a': {'b': [1, 2]}, 'c': {}}", "{'c': {}, 'a': {'b': [1, 2.0]}}",
    "{'a': %s}" % NAN, "{(1, 2): 3, frozenset({1}): 4}",
    "{frozenset({True}): 4.0, (1.0, 2): 3}", "{None: None}",
    "dict.fromkeys(range(50))", "dict.fromkeys(map(float, range(49, -1, -1)))",
    "{n: {n: str(n)} for n in range(20)}",
    "{n: {n: str(n)} for n in range(19, -1, -1)}",
    "set()", "frozenset()", "{1}", "{True}", "{1.0}", "frozenset({1})",
    "{1, 2, 'a'}", "{'a', 2.0, True}", "frozenset({'a', 2, 1})", "{1, 2}",
    "{2**70, 'a'}", "{'a', 2.0**70}", "frozenset({frozenset({1}), (1, 2)})",
    "frozenset({(True, 2.0), frozenset({1.0})})", "{0, 0j, None}",
    "{-0.0, None}", "set(range(60))", "set(map(float, range(59, -1, -1)))",
    "frozenset(range(60))", "set(range(59)) | {60}", "{0.5, b'x', 'x'}",
    "frozenset({'x', b'x', 0.5})",
    "frozenset({frozenset({frozenset()}), frozenset()})",
    "frozenset({frozenset(), frozenset({frozenset()})})",
]

GROUPS = [NUMBERS, TEXTS, OTHERS, SEQUENCES, UNORDERED]


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def blob(tag, payload):
    return bytes([tag]) + varint(len(payload)) + payload


def integer(n):
    if -(2**63) <= n < 2**63:
        return b"\3" + struct.pack("<q", n)
    size = (n if n >= 0 else ~n).bit_length() // 8 + 1
    return blob(7, n.to_bytes(size, "little", signed=True))


def pack(v):
    if v is None:
        return b"\1"
    simple = {
        bool: lambda: b"\2" + bytes([v]),
        int: lambda: integer(v),
        float: lambda: b"\4" + struct.pack("<d", v),
        str: lambda: blob(5, v.encode("utf-8", "surrogatepass")),
        bytes: lambda: blob(6, v),
        tuple: lambda: blob(8, b"".join(map(pack, v))),
        list: lambda: blob(9, b"".join(map(pack, v))),
        dict: lambda: blob(
            10, b"".join(pack(k) + pack(x) for k, x in v.items())),
        set: lambda: blob(11, b"".join(map(pack, v))),
        frozenset: lambda: blob(12, b"".join(map(pack, v))),
        dt.datetime: lambda: blob(14, v.isoformat().encode()),
        dt.date: lambda: blob(15, v.isoformat().encode()),
        dt.time: lambda: blob(16, v.isoformat().encode()),
        dt.timedelta: lambda: blob(
            17, b"".join(map(pack, (v.days, v.seconds, v.microseconds)))),
        uuid.UUID: lambda: blob(19, v.bytes),
        complex: lambda: blob(20, struct.pack("<dd", v.real, v.imag)),
    }
    return simple[type(v)]()


class NoOrder(frozenset):
    """Sets order by inclusion in Python, and not at all in kist."""

    def __lt__(self, other):
        raise TypeError

    __gt__ = __lt__


def without_set_order(v):
    if type(v) in (tuple, list):
        return type(v)(map(without_set_order, v))
    return NoOrder(v) if type(v) in (set, frozenset) else v


def order(a, b):
    a, b = without_set_order(a), without_set_order(b)
    try:
        if a < b:
            return "LESS"
        if a > b:
            return "GREATER"
        return "SAME" if a == b else "NOT_LESS"
    except TypeError:
        return "NONE"


def hashable(v):
    try:
        hash(v)
        return True
    except TypeError:
        return False


def c_string(data):
    # Octal escapes end after three digits, whatever follows.
    text = "".join("\\%03o" % byte for byte in data)
    lines = [text[i : i + 64] for i in range(0, len(text), 64)] or [""]
    return "\n     ".join('"%s"' % line for line in lines)


def pairs():
    """All pairs of numbers near one another in kind, and samples of others."""
    rng = random.Random(2026)
    chosen = set()
    start = 0
    everything = sum(map(len, GROUPS))
    for group in GROUPS:
        here = range(start, start + len(group))
        chosen.update((i, i) for i in here)
        mine = [(i, j) for i in here for j in here if i != j]
        chosen.update(
            (i, j) for i, j in mine if VALUES[i] == VALUES[j])
        chosen.update(rng.sample(mine, min(len(mine), 700)))
        start += len(group)
    while len(chosen) < 3400:
        chosen.add((rng.randrange(everything), rng.randrange(everything)))
    return sorted(chosen)


SOURCES = sum(GROUPS, [])
VALUES = [eval(text) for text in SOURCES]

print("/*")
print(" * vectors.h - made by gen_vectors.py; do not edit.")
print(" */")
print("#ifndef KT_CODEC_VECTORS_H")
print("#define KT_CODEC_VECTORS_H\n")
print("#include <stdbool.h>")
print("#include <stddef.h>\n")
print("// clang-format off")
print("typedef struct vector {")
print("    const char *packed;")
print("    size_t size;")
print("    bool hashable;")
print("    const char *source;")
print("} vector;\n")
print("enum { LESS, SAME, GREATER, NOT_LESS, NONE };\n")
print("typedef struct vector_pair {")
print("    unsigned short a;")
print("    unsigned short b;")
print("    unsigned char equal;")
print("    unsigned char order;")
print("} vector_pair;\n")
print("static const vector vectors[] = {")
for text, value in zip(SOURCES, VALUES):
    data = pack(value)
    shown = text.replace("\\", "\\\\")
    print("    {%s,\n     %d, %s, \"%s\"}," % (
        c_string(data), len(data), str(hashable(value)).lower(), shown))
print("};\n")
print("static const vector_pair vector_pairs[] = {")
rows = []
for i, j in pairs():
    a, b = eval(SOURCES[i]), eval(SOURCES[j])
    rows.append("{%d, %d, %d, %s}," % (i, j, a == b, order(a, b)))
for i in range(0, len(rows), 3):
    print("    " + " ".join(rows[i : i + 3]))
print("};")
print("// clang-format on\n")
print("#endif /* KT_CODEC_VECTORS_H */")
print(len(SOURCES), "values", len(pairs()), "pairs", file=sys.stderr)
