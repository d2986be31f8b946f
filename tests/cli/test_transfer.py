#!/usr/bin/env python3
"""`kist import` and `kist export` from outside: every format, and mistakes.

The environment and the arguments: harness.py.  The last line is
`N passed, M failed`.
"""

import csv
import io
import json
import os
import random
import sys

from harness import Case, main


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


if __name__ == "__main__":
    sys.exit(main())
