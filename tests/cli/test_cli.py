#!/usr/bin/env python3
"""The command `kist` from outside: every command, its output, its exit codes.

KIST_BIN names the program (build/dev/kist otherwise). Arguments are parts of
test names: only those run. The last line is `N passed, M failed`.
"""

import base64
import csv
import errno
import io
import json
import os
import pty
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
KIST = os.environ.get("KIST_BIN", os.path.join(ROOT, "build", "dev", "kist"))
NOBODY = 65534


def run(*words, stdin=b"", **more):
    """Runs kist; the result has code, out (bytes) and err (text)."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run([KIST, *words], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120, **more)
    done.code, done.out = done.returncode, done.stdout
    done.err = done.stderr.decode("utf-8", "surrogateescape")
    return done


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="kist-cli-")
        self.dir = self.folder.name
        self.path = os.path.join(self.dir, "k")

    def tearDown(self):
        self.folder.cleanup()

    def ok(self, *words, **more):
        """Runs kist, which must succeed without a word on stderr."""
        done = run(*words, **more)
        self.assertEqual((done.code, done.err), (0, ""), words)
        return done.out.decode()

    def bad(self, code, needle, *words, **more):
        """Runs kist, which must fail with `code` and one line of reasons."""
        done = run(*words, **more)
        self.assertEqual(done.code, code, (words, done.out, done.err))
        self.assertTrue(done.err.startswith("kist: "), done.err)
        self.assertEqual(done.err.count("\n"), 1, done.err)
        self.assertIn(needle, done.err)
        return done

    def file(self, name, contents):
        path = os.path.join(self.dir, name)
        if isinstance(contents, str):
            contents = contents.encode()
        with open(path, "wb") as out:
            out.write(contents)
        return path

    def rows(self, *words):
        """The output of a command that prints a JSON value a line."""
        return [json.loads(line) for line in self.ok(*words).splitlines()]


class Usage(Case):
    """Goal: help, version, and a clear no to command lines without sense."""

    def test_help(self):
        text = self.ok("--help")
        self.assertIn("Examples:", text.splitlines()[2])
        for name in ("info ls get put rm import export verify repair"
                     " compact").split():
            self.assertIn(f"\n  {name} ", text)
            own = self.ok(name, "--help")
            self.assertIn("Examples:\n  kist ", own)
            self.assertIn(f"Usage: kist {name} PATH", own)
            self.assertEqual(self.ok("help", name), own)

    def test_version(self):
        self.assertRegex(self.ok("--version"), r"^kist \d+\.\d+\.\d+\n$")

    def test_wrong_usage(self):
        for words in ([], ["frob"], ["--frob"], ["get"], ["get", self.path],
                      ["put", self.path], ["put", self.path, "a"],
                      ["put", self.path, "a", "b", "c"], ["rm", self.path],
                      ["rm", self.path, "--all", "x"], ["info"],
                      ["info", self.path, "more"], ["ls", self.path, "-n", "x"],
                      ["get", "-c"], ["put", self.path, "-k", "bag", "x"],
                      ["put", self.path, "-t", "thing", "x", "y"],
                      ["put", self.path, "--at", "0", "x", "y"],
                      ["import", self.path, "--format", "xml"],
                      ["import", self.path, "--batch", "-1"],
                      ["import", self.path, "--list", "--key", "x"],
                      ["export", self.path, "--format", "xml"],
                      ["info", self.path, "--durability", "hope"],
                      ["put", self.path, "--read-only", "a", "b"],
                      ["verify"], ["repair"], ["compact"]):
            self.bad(2, "--help" if "--read-only" not in words else "read-only",
                     *words)
        self.assertEqual(os.listdir(self.dir), [], "nothing was made")

    def test_common_options_before_the_command(self):
        self.ok("--durability", "sync", "put", self.path, "a", "b")
        self.assertEqual(self.ok("--json", "get", self.path, "a"), '"b"\n')


class PutGet(Case):
    """Goal: what is put is what is got, for every kind and type."""

    def test_text(self):
        self.ok("put", self.path, "ada", "Countess", "bob", "Builder")
        self.assertEqual(self.ok("get", self.path, "ada"), "Countess\n")
        self.assertEqual(self.ok("get", "-n", self.path, "ada"), "Countess")
        self.assertEqual(self.ok("get", self.path, "bob", "ada"),
                         "Builder\nCountess\n")
        self.assertEqual(self.ok("get", self.path + ".kist", "ada"),
                         "Countess\n")
        self.ok("put", self.path, "ada", "überschrieben ✓")
        self.assertEqual(self.ok("get", self.path, "ada"), "überschrieben ✓\n")

    def test_missing_keys(self):
        self.ok("put", self.path, "a", "1")
        done = self.bad(1, 'no key "x"', "get", self.path, "x", "a")
        self.assertEqual(done.out, b"1\n", "the others are printed")
        self.bad(1, "no collection", "get", self.path, "-c", "no", "a")

    def test_json_values(self):
        values = [None, True, False, 0, -1, 2**63 - 1, -2**63, 2**63, -2**63 - 1,
                  2**64, -2**127, 10**200, -10**200, 0.1, 1.0, -0.0, 1e300,
                  5e-324, "", "ü\n\"\\\0\u2028", "a b", [], [1, [2, [None]]], {},
                  {"a": {"b": [True]}, "": 1}, {"$x": 1}, {"$bytes": 1, "y": 2}]
        for number, value in enumerate(values):
            text = json.dumps(value)
            self.ok("put", self.path, "--json", "--", str(number), text)
            out = self.ok("get", self.path, "--json", str(number))
            self.assertEqual(json.loads(out) if value != {"$x": 1} else value,
                             value)
            self.assertEqual(type(json.loads(out)),
                             type(value) if value != {"$x": 1} else dict)
        self.ok("put", self.path, "--json", "--", "zero", "-0.0")
        self.assertEqual(self.ok("get", self.path, "zero"), "-0.0\n")
        self.assertEqual(
            self.ok("get", self.path, "--json", str(values.index({"$x": 1}))),
            '{"$dict":[["$x",1]]}\n')

    def test_tagged_values(self):
        for text in ('{"$bytes":"AP8="}', '{"$float":"nan"}', '{"$float":"inf"}',
                     '{"$float":"-inf"}', '{"$tuple":[1,"a",[2]]}',
                     '{"$set":[1,2]}', '{"$frozenset":[]}',
                     '{"$dict":[[1,"a"],["b",null]]}',
                     '{"$datetime":"2024-01-02T03:04:05"}',
                     '{"$date":"2024-01-02"}', '{"$time":"03:04:05"}',
                     '{"$timedelta":[1,2,3]}', '{"$decimal":"1.50"}',
                     '{"$uuid":"00112233-4455-6677-8899-aabbccddeeff"}',
                     '{"$complex":[1.5,{"$float":"inf"}]}',
                     '{"$json":"[1, 2]"}', '{"a":{"$bytes":""}}'):
            self.ok("put", self.path, "--json", "k", text)
            self.assertEqual(self.ok("get", self.path, "--json", "k"),
                             text + "\n")

    def test_wrong_json(self):
        for text in ("{", "nul", "1 2", '"\\ud800"', '{"$bytes":"?"}',
                     '{"$uuid":"00"}', "[1,]", "[" * 600 + "]" * 600, "1e999",
                     '{"$tuple":3}', "1" * 120000):
            self.bad(1, "", "put", self.path, "--json", "k", text)
        self.ok("put", self.path, "a", "b")
        self.bad(1, "no key", "get", self.path, "k")

    def test_bytes_are_raw(self):
        blob = bytes(range(256)) * 3
        name = self.file("blob", blob)
        self.ok("put", self.path, "blob", "--file", name)
        self.assertEqual(run("get", self.path, "blob").out, blob)
        self.ok("put", self.path, "stdin", "-f", "-", stdin=blob)
        self.assertEqual(run("get", self.path, "stdin").out, blob)
        shown = json.loads(self.ok("get", self.path, "--json", "blob"))
        self.assertEqual(base64.b64decode(shown["$bytes"]), blob)
        self.bad(4, "No such file", "put", self.path, "x", "-f", name + "x")
        self.ok("put", self.path, "empty", "-f", "-")
        self.assertEqual(self.ok("get", self.path, "-n", "empty"), "")

    def test_list(self):
        self.ok("put", self.path, "-c", "l", "-k", "list", "a", "b", "c")
        self.ok("put", self.path, "-c", "l", "d")
        self.ok("put", self.path, "-c", "l", "--at", "0", "A")
        self.ok("put", self.path, "-c", "l", "--insert", "1", "x")
        self.ok("put", self.path, "-c", "l", "--insert", "5", "last")
        self.ok("put", self.path, "-c", "l", "--at=-2", "D")
        self.assertEqual(self.rows("export", self.path, "-c", "l"),
                         ["A", "x", "b", "c", "D", "last"])
        self.assertEqual(self.ok("get", self.path, "-c", "l", "0", "5"),
                         "A\nlast\n")
        self.assertEqual(self.ok("get", self.path, "-c", "l", "--", "-1"),
                         "last\n")
        for index in ("6", "x", "-7", "", "99999999999999999999"):
            self.bad(1, "no index", "get", self.path, "-c", "l", "--", index)
        self.bad(1, "no index", "put", self.path, "-c", "l", "--at", "6", "x")
        self.bad(1, "no index", "put", self.path, "-c", "l", "--insert", "7",
                 "x")
        self.bad(2, "for lists", "put", self.path, "--at", "0", "a", "b")

    def test_set(self):
        self.ok("put", self.path, "-c", "s", "-k", "set", "a", "b", "a")
        self.assertEqual(self.ok("get", self.path, "-c", "s", "a"), "a\n")
        self.bad(1, 'no member "c"', "get", self.path, "-c", "s", "c")
        self.ok("put", self.path, "-c", "s", "--json", "1", "1.0", "true")
        self.assertEqual(self.rows("export", self.path, "-c", "s"),
                         ["a", "b", 1])
        self.bad(1, "", "put", self.path, "-c", "s", "--json", "[1]")

    def test_types(self):
        for name, good, wrong in (
                ("int", ["0", "-5", str(2**63 - 1)], ["x", "1.5", str(2**63)]),
                ("int32", ["0", str(2**31 - 1)], [str(2**31), "x"]),
                ("int128", [str(2**100), "-1"], [str(2**127), "x"]),
                ("float", ["1.5", "-0.0", "1e300"], ["x", ""]),
                ("bool", ["true", "false"], ["1", "yes"]),
                ("text", ["ü", ""], []),
                ("decimal", ["1.50"], []),
                ("uuid", ["00112233-4455-6677-8899-aabbccddeeff"], ["12"])):
            where = ("put", self.path, "-c", name)
            self.ok(*where, "-k", "list", "-t", name, "--", *good)
            for text in wrong:
                self.bad(1, "", *where, "--", text)
            count = len(self.rows("export", self.path, "-c", name))
            self.assertEqual(count, len(good), name)
        self.bad(1, "", "put", self.path, "-c", "int", "--json", '"text"')
        types = {row["name"]: row["type"]
                 for row in self.rows("ls", self.path, "--json")}
        self.assertEqual(types["int128"], "int128")

    def test_kinds_do_not_mix(self):
        self.ok("put", self.path, "-c", "l", "-k", "list", "a")
        self.bad(1, "is a list, not a dict", "put", self.path, "-c", "l", "-k",
                 "dict", "a", "b")

    def test_one_call_is_one_change(self):
        self.ok("put", self.path, "-c", "n", "-k", "list", "-t", "int", "1")
        self.bad(1, "x", "put", self.path, "-c", "n", "2", "3", "x")
        self.assertEqual(self.rows("export", self.path, "-c", "n"), [1])

    def test_remove(self):
        self.ok("put", self.path, "a", "1", "b", "2", "c", "3")
        self.ok("rm", self.path, "a", "c")
        self.bad(1, 'no key "x"', "rm", self.path, "b", "x")
        self.assertEqual(self.ok("get", self.path, "b"), "2\n",
                         "nothing was removed")
        self.ok("put", self.path, "-c", "l", "-k", "list", *"abcdef")
        self.ok("rm", self.path, "-c", "l", "--", "0", "2", "-1", "0")
        self.assertEqual(self.rows("export", self.path, "-c", "l"),
                         ["b", "d", "e"])
        self.bad(1, "no index", "rm", self.path, "-c", "l", "0", "3")
        self.ok("put", self.path, "-c", "s", "-k", "set", "x", "y")
        self.ok("rm", self.path, "-c", "s", "x")
        self.bad(1, "no member", "rm", self.path, "-c", "s", "x")
        self.ok("rm", self.path, "-c", "s", "--all")
        self.assertEqual(self.ok("export", self.path, "-c", "s"), "")
        self.ok("rm", self.path, "-c", "s", "--drop")
        self.bad(1, "no collection", "rm", self.path, "-c", "s", "--drop")
        self.assertEqual(len(self.rows("ls", self.path, "--json")), 2)


class Listing(Case):
    """Goal: ls and info show what is there, for people and for programs."""

    def setUp(self):
        super().setUp()
        self.ok("put", self.path, "b", "2", "a", "1")
        self.ok("put", self.path, "-c", "log", "-k", "list", "--json", *"123")
        self.ok("put", self.path, "-c", "tägs", "-k", "set", "x")

    def test_collections(self):
        self.assertEqual(self.ok("ls", self.path),
                         'dict\tany\t2\t""\nlist\tany\t3\t"log"\n'
                         'set\tany\t1\t"tägs"\n')
        self.assertEqual([row["name"] for row in self.rows(
            "ls", self.path, "--json", "--reverse", "--limit", "2")],
            ["tägs", "log"])

    def test_items(self):
        self.assertEqual(self.ok("ls", self.path, ""),
                         '"b"\t"2"\n"a"\t"1"\n')
        self.assertEqual(self.ok("ls", self.path, "", "--keys"), '"b"\n"a"\n')
        self.assertEqual(self.ok("ls", self.path, "log"), "0\t1\n1\t2\n2\t3\n")
        self.assertEqual(self.ok("ls", self.path, "log", "-r", "-n", "2"),
                         "2\t3\n1\t2\n")
        self.assertEqual(self.rows("ls", self.path, "log", "--json", "-n", "1"),
                         [{"index": 0, "value": 1}])
        self.assertEqual(self.rows("ls", self.path, "", "--json"),
                         [{"key": "b", "value": "2"}, {"key": "a", "value": "1"}])
        self.assertEqual(self.rows("ls", self.path, "tägs", "--json"),
                         [{"value": "x"}])
        self.assertEqual(self.ok("ls", self.path, "log", "-n", "0"), "")
        self.bad(1, "no collection", "ls", self.path, "nope")

    def test_info(self):
        info = json.loads(self.ok("info", self.path, "--json"))
        self.assertEqual(info["path"], self.path + ".kist")
        self.assertEqual([c["count"] for c in info["collections"]], [2, 3, 1])
        self.assertEqual(info["log_file_bytes"],
                         os.path.getsize(self.path + ".kist"))
        self.assertGreater(info["live_records"], 5)
        self.assertLessEqual(info["wasted_bytes"], info["log_bytes"])
        text = self.ok("info", self.path)
        self.assertIn("collections: 3", text)
        self.assertIn('"log"', text)

    def test_read_commands_write_nothing(self):
        """Method: the files are the same, byte for byte, after every reader."""
        def state():
            found = {}
            for name in sorted(os.listdir(self.dir)):
                with open(os.path.join(self.dir, name), "rb") as file:
                    found[name] = file.read()
            return found
        before = state()
        for words in (["info"], ["ls"], ["verify"], ["export"]):
            self.ok(*words, self.path)
        self.ok("get", self.path, "a")
        self.assertEqual(state(), before)


class ImportExport(Case):
    """Goal: what is exported can be imported, and is the same then."""

    def again(self, kind, format="jsonl", collection=""):
        """Exports, imports elsewhere, exports again: both texts."""
        text = self.ok("export", self.path, "-c", collection, "--format", format)
        other = os.path.join(self.dir, f"again-{format}-{kind}")
        self.ok("import", other, "--quiet", "--format", format, f"--{kind}",
                stdin=text)
        return text, self.ok("export", other, "--format", format)

    def test_jsonl_list(self):
        values = [1, -2**63, 10**50, 1.5, "ü\"\n\t\x7f\u0000z", None, True,
                  [1, {"a": []}], {"k": "v", "n": {"m": 1}}, "😀"]
        text = "".join(json.dumps(value) + "\n" for value in values)
        out = self.ok("import", self.path, "--format", "jsonl", stdin=text)
        self.assertEqual(out, f'{len(values)} records into the list ""\n')
        self.assertEqual(self.rows("export", self.path), values)
        first, second = self.again("list")
        self.assertEqual(first, second)

    def test_big_random(self):
        """Method: 3000 random values, from a printed seed, there and back."""
        seed = int(os.environ.get("KIST_SEED", random.randrange(10**6)))
        dice = random.Random(seed)

        def value(depth):
            kind = dice.randrange(10 if depth < 4 else 6)
            if kind == 0:
                return dice.choice([None, True, False])
            if kind == 1:
                return dice.getrandbits(dice.choice([8, 63, 64, 65, 200])) * \
                    dice.choice([1, -1])
            if kind == 2:
                return dice.uniform(-1, 1) * 10.0**dice.randrange(-300, 300)
            if kind < 6:
                return "".join(chr(dice.choice([dice.randrange(128), 0xE9,
                                                0x20AC, 0x1F600]))
                               for _ in range(dice.randrange(8)))
            if kind < 8:
                return [value(depth + 1) for _ in range(dice.randrange(5))]
            return {"k" + value(9).__repr__().replace("\0", ""): value(depth + 1)
                    for _ in range(dice.randrange(5))}
        values = [value(0) for _ in range(3000)]
        self.ok("import", self.path, "--quiet", "--format", "jsonl",
                stdin="\n".join(json.dumps(v) for v in values))
        self.assertEqual(self.rows("export", self.path), values,
                         f"KIST_SEED={seed}")

    def test_jsonl_dict(self):
        lines = ['{"key":"a","value":[1]}', '{"key":"ü","value":null}',
                 '{"key":{"$bytes":"/wA="},"value":{"x":"y"}}',
                 '{"key":"","value":18446744073709551616}']
        self.ok("import", self.path, "--dict", stdin="\n".join(lines))
        self.assertEqual(self.ok("export", self.path).splitlines(), lines)
        first, second = self.again("dict")
        self.assertEqual(first, second)

    def test_key_field(self):
        name = self.file("users.jsonl", '{"id":7,"n":"x"}\n\n{"id":"b","n":"y"}\n')
        self.ok("import", self.path, "-c", "u", "--key", "id", name)
        self.assertEqual(json.loads(self.ok("get", self.path, "-c", "u", "7")),
                         {"id": 7, "n": "x"})
        self.bad(1, "users.jsonl:1:1: ", "import", self.path, "-c", "v",
                 "--key", "no", name)

    def test_set(self):
        self.ok("import", self.path, "--set", "--format", "lines",
                stdin="to\nbe\nor\nto\nbe")
        self.assertEqual(self.ok("export", self.path, "--format", "lines"),
                         "to\nbe\nor\n")
        first, second = self.again("set", "lines")
        self.assertEqual(first, second)
        first, second = self.again("set")
        self.assertEqual(first, second)

    def test_lines(self):
        text = "one\n\n  two \r\nünï\n{not json\n"
        self.ok("import", self.path, "--format", "lines", stdin=text)
        self.assertEqual(self.ok("export", self.path, "--format", "lines"), text)
        self.ok("put", self.path, "two\nlines")
        self.bad(1, "jsonl", "export", self.path, "--format", "lines")

    def test_lines_into_a_dict_is_usage(self):
        self.ok("put", self.path, "a", "b")
        self.bad(2, "list or a set", "import", self.path, "--format", "lines",
                 stdin="x\n")
        self.bad(2, "lists and sets", "export", self.path, "--format", "lines")

    def test_auto_format(self):
        for name, text, first in (("a.jsonl", "12\n", 12), ("a.csv", "x\n12\n",
                                  {"x": "12"}), ("b", '{"x": 1}\n', {"x": 1}),
                                  ("c", "plain\n", "plain"),
                                  ("a.ndjson", '"s"\n', "s")):
            self.ok("import", self.path, "-c", name, self.file(name, text))
            self.assertEqual(self.rows("export", self.path, "-c", name), [first])

    def test_csv_quoting(self):
        table = [["id", "a,b", 'q"uote'], ["1", "line\nbreak", 'x "y" z'],
                 ["2", "", "ü, ✓"], ["3", "\r\n", " spaced "], ["4", "'", '""']]
        out = io.StringIO()
        csv.writer(out).writerows(table)  # with CRLF, as RFC 4180 has it
        name = self.file("t.csv", b"\xef\xbb\xbf" + out.getvalue().encode())
        self.ok("import", self.path, name)
        want = [dict(zip(table[0], row)) for row in table[1:]]
        self.assertEqual(self.rows("export", self.path), want)
        text, same = self.again("list", "csv")
        self.assertEqual(text, same)
        self.assertEqual(list(csv.reader(io.StringIO(text, newline=""))), table)

    def test_csv_dict(self):
        name = self.file("t.csv", "id,x\na,1\nb,2\n")
        self.ok("import", self.path, "--key", "id", name)
        self.assertEqual(json.loads(self.ok("get", self.path, "b")),
                         {"id": "b", "x": "2"})
        text, same = self.again("dict", "csv")
        self.assertEqual(text, "key,id,x\na,a,1\nb,b,2\n")
        self.assertEqual(text, same)

    def test_csv_scalars(self):
        self.ok("put", self.path, "-c", "d", "a", "1,5", "b", "")
        text, same = self.again("dict", "csv", "d")
        self.assertEqual(text, 'key,value\na,"1,5"\nb,\n')
        self.assertEqual(text, same)
        self.ok("put", self.path, "-c", "l", "-k", "list", "x", "", "y\nz")
        text, same = self.again("list", "csv", "l")
        self.assertEqual(text, 'value\nx\n""\n"y\nz"\n')
        self.assertEqual(text, same)

    def test_csv_typed(self):
        self.ok("put", self.path, "-k", "list", "-t", "int", "1")
        self.ok("import", self.path, "--format", "csv", stdin="value\n2\n-3\n")
        self.assertEqual(self.rows("export", self.path), [1, 2, -3])
        self.bad(1, "standard input:3:1: no integer", "import", self.path,
                 "--format", "csv", stdin="value\n4\nx\n")

    def test_csv_sparse(self):
        self.ok("import", self.path, stdin='{"a":1}\n{"b":[2],"a":null}\n')
        self.assertEqual(self.ok("export", self.path, "--format", "csv"),
                         "a,b\n1,\n,[2]\n")
        self.ok("put", self.path, "scalar")
        self.bad(1, "jsonl", "export", self.path, "--format", "csv")

    def test_bad_csv(self):
        for text, place in (("a,b\n1,2\n3\n", "3:1"), ('a\n1\n"x"y\n', "3:4"),
                            ('a\n1\n"x\n\n', "5:1"), ('a\nx"y\n', "2:2"),
                            ("a,a\n1,2\n", "1:1")):
            self.bad(1, f"standard input:{place}: ", "import", self.path,
                     "--format", "csv", stdin=text)
        self.assertEqual(self.ok("export", self.path), "")
        out = self.ok("import", self.path, "--format", "csv", "--skip-bad",
                      stdin='a,b\n1,2\n3\n"x"y,4\n5,6\n')
        self.assertIn("2 records", out)
        self.assertIn("2 bad", out)

    def test_bad_line_keeps_earlier_batches(self):
        lines = [json.dumps(i) for i in range(25)]
        lines[22] = '{"a": nope}'
        name = self.file("x.jsonl", "\n".join(lines))
        self.bad(1, "x.jsonl:23:10: ", "import", self.path, "--batch", "10", name)
        self.assertEqual(self.rows("export", self.path), list(range(20)))
        self.bad(1, "x.jsonl:23:10: ", "import", self.path, "-c", "one", "--batch",
                 "0", name)
        self.assertEqual(self.ok("export", self.path, "-c", "one"), "")
        out = json.loads(self.ok("import", self.path, "-c", "skip", "--skip-bad",
                                 "--json", name))
        self.assertEqual(out, {"imported": 24, "bad": 1, "kind": "list",
                               "collection": "skip"})
        self.assertEqual(len(self.rows("export", self.path, "-c", "skip")), 24)

    def test_place_of_a_mistake(self):
        for line, column in (('{"a": 1', 8), ("[1, 2", 6), ("nope", 4),
                             ('["ü", x]', 7),
                             ("[123456789012345678901234567890, x]", 34)):
            self.bad(1, f"standard input:2:{column}: ", "import", self.path,
                     "--format", "jsonl", stdin=f"1\n{line}\n")

    def test_wrong_type_is_a_bad_line(self):
        self.ok("put", self.path, "-k", "list", "-t", "int", "0")
        self.bad(1, "standard input:2:1: ", "import", self.path, "--format",
                 "jsonl", stdin='1\n"x"\n')
        self.ok("import", self.path, "--format", "jsonl", "--skip-bad",
                stdin='1\n"x"\n2\n99999999999999999999\n')
        self.assertEqual(self.rows("export", self.path), [0, 1, 2])

    def test_input_that_cannot_be_read(self):
        self.bad(4, "No such file", "import", self.path, self.dir + "/no.jsonl")
        self.bad(4, "Is a directory", "import", self.path, "--format", "lines",
                 self.dir)
        self.assertEqual(self.ok("import", self.path, "--json", "/dev/null"),
                         '{"imported":0,"bad":0,"kind":"list",'
                         '"collection":""}\n')

    def test_output_file(self):
        self.ok("put", self.path, "-k", "list", "a")
        out = os.path.join(self.dir, "out")
        self.ok("export", self.path, "-o", out)
        with open(out) as file:
            self.assertEqual(file.read(), '"a"\n')
        self.bad(4, "Not a directory", "export", self.path, "-o", out + "/x")


class Errors(Case):
    """Goal: each failure says what and where in one line, with its code."""

    READERS = (["info"], ["ls"], ["get", "x"], ["export"], ["rm", "x"],
               ["compact"], ["repair"])

    def each(self, code, needle, path):
        for name, *rest in self.READERS:
            self.bad(code, needle, name, path, *rest)

    def test_missing(self):
        self.each(4, "No such file", self.path)
        self.each(4, "No such file", self.path + "/deeper/k")
        self.bad(1, "No such file", "verify", self.path)
        self.bad(4, "No such file", "put", self.path + "/k", "a", "b")
        self.assertEqual(os.listdir(self.dir), [])

    def test_not_a_kist(self):
        for contents in (b"hello, world\n" * 1000, b"", b"\0" * 8192, b"SQLite"):
            self.file("k.kist", contents)
            for name, *rest in self.READERS[:-1]:
                done = run(name, self.path, *rest)
                self.assertIn(done.code, (1, 3), (name, contents[:9], done.err))
                self.assertIn("k.kist", done.err)
            self.assertIn(run("verify", self.path).code, (1, 3))
            with open(self.path + ".kist", "rb") as file:
                self.assertEqual(file.read(), contents, "it is left alone")
            os.unlink(self.path + ".kist")

    @unittest.skipIf(os.getuid() != 0, "needs root to become nobody")
    def test_permission(self):
        self.ok("put", self.path, "a", "b")
        os.chmod(self.dir, 0o755)
        nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        for name, *rest in self.READERS:
            self.bad(4, "Permission denied", name, self.path, *rest, **nobody)
        self.bad(1, "Permission denied", "verify", self.path, **nobody)
        self.bad(4, "Permission denied", "put", self.dir + "/new", "a", "b",
                 **nobody)
        os.chmod(self.path + ".kist", 0o644)
        if os.path.exists(self.path + ".kistx"):
            os.chmod(self.path + ".kistx", 0o644)
        done = run("get", self.path, "a", **nobody)
        self.assertEqual((done.code, done.out), (0, b"b\n"), done.err)
        self.bad(4, "Permission denied", "put", self.path, "a", "c", **nobody)

    def test_full_disk_behind_output(self):
        self.ok("put", self.path, "-k", "list", *(["x" * 1000] * 200))
        self.bad(4, "/dev/full: No space left", "export", self.path, "-o",
                 "/dev/full")
        for words in (["export", self.path], ["ls", self.path, ""],
                      ["info", self.path], ["get", self.path, "0"], ["--help"],
                      ["info", self.path, "--json"], ["verify", self.path]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([KIST, *words], stdout=full,
                                      stderr=subprocess.PIPE, timeout=60)
            self.assertEqual(done.returncode, 4, words)
            self.assertIn(b"No space left", done.stderr)

    def test_file_size_limit(self):
        """Method: RLIMIT_FSIZE stands in for a full disk below the kist."""
        self.ok("put", self.path, "a", "b")

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            top = os.path.getsize(self.path + ".kist")
            resource.setrlimit(resource.RLIMIT_FSIZE, (top, top))
        done = run("import", self.path, "-c", "big", "--format", "lines",
                   stdin=(b"x" * 999 + b"\n") * 20000, preexec_fn=limit)
        self.assertEqual(done.code, 4, done.err)
        self.assertIn(os.strerror(errno.EFBIG), done.err)
        self.assertEqual(self.ok("get", self.path, "a"), "b\n")
        self.ok("verify", self.path)
        self.ok("put", self.path, "c", "d")

    def test_reader_that_goes_away(self):
        self.ok("import", self.path, "--quiet", "--format", "lines",
                stdin=b"some line\n" * 200000)
        child = subprocess.Popen([KIST, "export", self.path],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.read(10)
        child.stdout.close()
        self.assertEqual(child.stderr.read(), b"")
        self.assertEqual(child.wait(60), -signal.SIGPIPE)
        child.stderr.close()

    def test_killed_import(self):
        """Method: SIGKILL an import that is fed slowly; batches are whole."""
        child = subprocess.Popen([KIST, "import", self.path, "--format", "lines",
                                  "--batch", "7", "-"], stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL)
        for number in range(2000):
            child.stdin.write(b"%d\n" % number)
        child.stdin.flush()
        deadline = time.monotonic() + 30
        while not os.path.exists(self.path + ".kist"):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        time.sleep(0.2)
        child.kill()
        child.stdin.close()
        child.wait()
        # Not even the list need be there yet; what is there is whole.
        done = run("export", self.path, "--format", "lines")
        numbers = [int(line) for line in done.out.split()]
        self.assertEqual(numbers, list(range(len(numbers))))
        self.assertEqual(len(numbers) % 7, 0)
        self.assertGreater(len(numbers), 0)
        self.ok("verify", self.path)


class Upkeep(Case):
    """Goal: verify, repair and compact say what they find and do."""

    def fill(self, count=500):
        self.ok("import", self.path, "--quiet", "--key", "id", "--format",
                "jsonl", stdin="".join(
                    '{"id":"key%04d","text":"%s"}\n' % (i, "v" * 50)
                    for i in range(count)))

    def damage(self, needle):
        """Flips a bit of the first record that holds `needle`."""
        with open(self.path + ".kist", "r+b") as file:
            data = file.read()
            at = data.index(needle)
            file.seek(at)
            file.write(bytes([data[at] ^ 0x10]))
        return at

    def test_sound(self):
        self.fill()
        self.assertIn(": sound: ", self.ok("verify", self.path))
        self.assertEqual(self.ok("verify", self.path, "--quiet"), "")
        report = json.loads(self.ok("verify", self.path, "--json"))
        self.assertTrue(report["sound"])
        self.assertGreaterEqual(report["live"], 500)
        self.assertEqual(report["damaged_runs"], 0)
        self.assertIsNone(report["damaged_offset"])
        self.ok("verify", self.path, "--fix")
        self.assertIn("sound", self.ok("repair", self.path))

    def test_damage(self):
        self.fill()
        at = self.damage(b"key0250")
        done = run("verify", self.path)
        self.assertEqual(done.code, 3, done.err)
        self.assertEqual(done.err.count("\n"), 1)
        self.assertIn("k.kist", done.err)
        done = run("verify", self.path, "--json")
        report = json.loads(done.out)
        self.assertFalse(report["sound"])
        self.assertGreaterEqual(report["damaged_runs"], 1)
        self.assertLessEqual(abs(report["damaged_offset"] - at), 200)
        done = run("get", self.path, "key0250")
        self.assertIn(done.code, (1, 3), "damaged bytes are never a value")
        self.assertNotIn(b"vvv", done.out)
        done = run("repair", self.path, "--json")
        self.assertEqual(done.code, 0, done.err)
        self.assertGreater(json.loads(done.out)["damaged_bytes"], 0)
        self.assertTrue([name for name in os.listdir(self.dir)
                         if ".damaged-" in name], os.listdir(self.dir))
        self.ok("verify", self.path)
        rows = self.rows("export", self.path)
        self.assertEqual([row["key"] for row in rows],
                         [f"key{i:04}" for i in range(500) if i != 250])

    def test_index_missing_or_garbage(self):
        self.fill()
        want = self.ok("export", self.path)
        index = self.path + ".kistx"
        os.unlink(index)
        self.assertEqual(self.ok("export", self.path), want)
        self.ok("verify", self.path)
        self.ok("put", self.path, "a", "b")
        self.ok("rm", self.path, "a")
        size = os.path.getsize(index)
        with open(index, "wb") as file:
            file.write(os.urandom(size))
        self.assertEqual(self.ok("export", self.path), want)
        self.ok("verify", self.path, "--fix")
        self.ok("verify", self.path)

    def test_compact(self):
        self.fill()
        want = self.ok("export", self.path)
        for _ in range(5):
            self.fill()
        done = json.loads(self.ok("compact", self.path, "--json"))
        self.assertLess(done["after_bytes"], done["before_bytes"] / 3)
        info = json.loads(self.ok("info", self.path, "--json"))
        self.assertEqual(info["generation"], done["generation"])
        self.assertEqual(info["log_bytes"], done["after_bytes"])
        self.assertEqual(self.ok("export", self.path), want)
        self.assertIn("bytes of log", self.ok("compact", self.path))
        self.ok("verify", self.path)

    def test_repair_wants_it_alone(self):
        """Method: an import that waits for input has the kist open."""
        self.fill()
        child = subprocess.Popen([KIST, "import", self.path, "-c", "l", "-"],
                                 stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL)
        try:
            child.stdin.write(b'"x"\n')
            child.stdin.flush()
            deadline = time.monotonic() + 30
            while '"l"' not in self.ok("ls", self.path):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            self.bad(5, "k.kist", "repair", self.path)
        finally:
            child.stdin.close()
            child.wait(60)
        self.ok("repair", self.path, "--quiet")


class Terminal(Case):
    """Goal: a progress bar on a terminal, for long work, and only then."""

    def on_terminal(self, *words):
        """Runs an import fed for 1.5 s, with stderr on a terminal."""
        master, slave = pty.openpty()
        child = subprocess.Popen([KIST, "import", self.path, "--format",
                                  "lines", *words, "-"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=slave)
        os.close(slave)
        for _ in range(15):
            child.stdin.write(b"line\n" * 5000)
            child.stdin.flush()
            time.sleep(0.1)
        child.stdin.close()
        child.stdout.read()
        child.stdout.close()
        self.assertEqual(child.wait(60), 0)
        text = b""
        try:
            while chunk := os.read(master, 65536):
                text += chunk
        except OSError:
            pass  # EIO: the other side is closed
        os.close(master)
        return text

    def test_bar(self):
        text = self.on_terminal()
        self.assertIn(b"import ", text)
        self.assertTrue(text.endswith(b"\r\033[K"), "it is wiped at the end")

    def test_quiet(self):
        self.assertEqual(self.on_terminal("--quiet"), b"")


def chosen(words):
    loader = unittest.TestLoader()
    everything = unittest.TestSuite()
    for group in loader.loadTestsFromModule(sys.modules["__main__"]):
        for test in group:
            if not words or any(word in test.id() for word in words):
                everything.addTest(test)
    return everything


def main():
    if not os.access(KIST, os.X_OK):
        print(f"test_cli: {KIST} is not there: set KIST_BIN", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    result = unittest.TextTestRunner(verbosity=1, buffer=False).run(
        chosen(sys.argv[1:]))
    failed = len(result.failures) + len(result.errors)
    passed = result.testsRun - failed - len(result.skipped)
    for test, why in result.skipped:
        print(f"skipped {test.id()}: {why}")
    sys.stderr.flush()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
