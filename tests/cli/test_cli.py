#!/usr/bin/env python3
"""The command `kist` from outside: every command but import and export, its
output, its exit codes.

The environment and the arguments: harness.py.  The last line is
`N passed, M failed`.
"""

import base64
import errno
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
import unittest

from harness import KIST, Case, main, run

NOBODY = 65534


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


if __name__ == "__main__":
    sys.exit(main())
