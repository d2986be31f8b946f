#!/usr/bin/env python3
"""The command `kist` on stores, from outside: how they are named, ls, get,
put, rm, cp and verify, output and exit codes.

The environment and the arguments: harness.py.  The last line is
`N passed, M failed`.
"""

import base64
import hashlib
import json
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import threading
import unittest

from harness import KIST, ROOT, Case, main, run

NOBODY = 65534


class Stores(Case):
    def setUp(self):
        super().setUp()
        self.store = os.path.join(self.dir, "docs/")

    def files(self, path=None):
        """Every file below a directory, by its path from there."""
        top = path or self.store
        return sorted(os.path.relpath(os.path.join(folder, name), top)
                      for folder, _, names in os.walk(top) for name in names)

    def etag(self, key, store=None):
        return json.loads(self.ok("get", "--json", store or self.store,
                                  key))["etag"]


class Documents(unittest.TestCase):
    def test_c_of_the_document(self):
        """Goal: what docs/stores.md shows in C is in the example, which
        test_examples.py runs."""
        with open(os.path.join(ROOT, "docs", "stores.md"),
                  encoding="utf-8") as file:
            blocks = re.findall(r"^```c\n(.*?)^```", file.read(),
                                re.MULTILINE | re.DOTALL)
        with open(os.path.join(ROOT, "examples", "c", "stores.c"),
                  encoding="utf-8") as file:
            example = file.read()
        self.assertGreaterEqual(len(blocks), 2)
        for block in blocks:
            self.assertIn(block, example)


class Naming(Stores):
    """Goal: what PATH means is what a reader of the help expects."""

    def test_a_slash_makes_a_store(self):
        self.ok("put", self.store, "uk/ada", "hello")
        self.assertEqual(self.files(), ["uk_yjbr/ada_rsgt.bin"])
        for name in (self.store, self.store[:-1], "dir:" + self.store[:-1]):
            self.assertEqual(self.ok("get", name, "uk/ada"), "hello", name)
            self.assertEqual(self.ok("ls", name), "uk/ada\n", name)

    def test_a_word_makes_a_kist(self):
        self.ok("put", self.path, "a", "b")
        self.assertTrue(os.path.isfile(self.path + ".kist"))

    def test_a_kist_goes_before_a_directory(self):
        self.ok("put", self.path, "a", "of the kist")
        self.ok("put", self.path + "/", "a", "of the store")
        self.assertEqual(self.ok("get", self.path, "a"), "of the kist\n")
        self.assertEqual(self.ok("get", self.path + "/", "a"), "of the store")

    def test_a_collection_means_a_kist(self):
        os.mkdir(self.path)
        self.ok("put", self.path, "-c", "users", "a", "b")
        self.assertEqual(self.ok("get", self.path, "-c", "users", "a"), "b\n")
        self.assertEqual(os.listdir(self.path), [])

    def test_options_of_the_other_kind(self):
        self.ok("put", self.path, "a", "b")
        for words in (["get", self.path, "a", "--format", "json"],
                      ["put", self.path, "a", "b", "--new"],
                      ["rm", self.path, "a", "--etag", "1"],
                      ["ls", self.path, "-l"],
                      ["verify", self.path, "--digest-len", "0"]):
            self.bad(2, "is for stores", *words)
        self.ok("put", self.store, "a", "b")
        self.bad(2, "is for a kist", "verify", self.store, "--fix")
        self.assertEqual(self.ok("get", self.path, "a"), "b\n")

    def test_commands_that_want_a_kist(self):
        self.ok("put", self.store, "a", "b")
        for words in (["info"], ["import"], ["export"], ["repair"],
                      ["compact"]):
            for name in (self.store, "dir:" + self.store, "nfs:" + self.dir):
                self.bad(2, "is a store, and a kist is wanted", *words, name)
        self.ok("import", self.store[:-1], "--format", "lines", stdin="x\n")
        self.assertTrue(os.path.isfile(self.store[:-1] + ".kist"))

    def test_wrong_usage(self):
        self.ok("put", self.store, "a", "b")
        for words in (["put", self.store], ["put", self.store, "a"],
                      ["put", self.store, "a", "b", "c"],
                      ["put", self.store, "a", "b", "--file", "x"],
                      ["put", self.store, "a", "b", "--new", "--etag", "1"],
                      ["put", self.store, "a", "b", "--etag", ""],
                      ["put", self.store, "a", "b", "--etag", "1" * 200],
                      ["put", self.store, "a", "b", "--digest-len", "x"],
                      ["put", self.store, "a", "b", "--format", "x" * 40],
                      ["put", self.store, "a", "b", "--durability",
                       "interval"],
                      ["put", "dir:", "a", "b"],
                      ["rm", self.store], ["rm", self.store, "--all", "a"],
                      ["ls", self.store, "a", "b"], ["cp"],
                      ["cp", self.store]):
            self.bad(2, "--help", *words)
        self.bad(2, "read-only", "put", self.store, "a", "c", "--read-only")
        self.assertEqual(self.ok("get", self.store, "a"), "b")

    def test_help(self):
        own = self.ok("cp", "--help")
        self.assertIn("Examples:\n  kist cp ", own)
        self.assertIn("Usage: kist cp FROM TO", own)
        self.assertIn("\n  cp ", self.ok("--help"))


class PutGet(Stores):
    """Goal: the bytes that are put are those that are got."""

    def test_bytes(self):
        everything = bytes(range(256)) * 300 + b"\0"
        name = self.file("input", everything)
        self.ok("put", self.store, "from/file", "--file", name)
        self.ok("put", self.store, "from/stdin", "--file", "-",
                stdin=everything[::-1])
        self.ok("put", self.store, "empty", "")
        self.assertEqual(run("get", self.store, "from/file").out, everything)
        self.assertEqual(run("get", self.store, "from/stdin").out,
                         everything[::-1])
        self.assertEqual(run("get", self.store, "from/stdin", "empty",
                             "from/file").out, everything[::-1] + everything)
        place = "from_{}/file_{}.bin".format(*map(self.digest,
                                                  ("from", "file")))
        with open(self.store + place, "rb") as file:
            self.assertEqual(file.read(), everything)

    @staticmethod
    def digest(text):
        md5 = hashlib.md5(text.encode()).digest()
        return base64.b32encode(md5).decode().lower()[:4]

    def test_several_and_over(self):
        self.ok("put", self.store, "a", "1", "b", "2")
        self.ok("put", self.store, "a", "3")
        self.assertEqual(self.ok("get", self.store, "a", "b"), "32")

    def test_missing(self):
        self.ok("put", self.store, "a", "1")
        done = self.bad(1, 'no key "x"', "get", self.store, "x", "a")
        self.assertEqual(done.out, b"1", "the others are printed")
        self.bad(4, "No such file", "get", self.dir + "/none/", "a")
        self.bad(4, "No such file", "ls", "dir:" + self.dir + "/none")
        self.bad(4, "Not a directory", "ls",
                 "dir:" + self.file("plain", "x"))
        self.assertEqual(sorted(os.listdir(self.dir)), ["docs", "plain"])

    def test_keys_that_are_none(self):
        for key in ("", ".", "..", "a/../b", "/a", "a/", "a//b", "a b", "ü",
                    "a\\b", "x" * 254):
            self.bad(1, "", "put", self.store, key, "v")
            self.bad(1, "", "get", self.store, key)
        self.assertEqual(self.files(), [])

    def test_json_output(self):
        self.ok("put", self.store, "t", "plain ü\n")
        self.ok("put", self.store, "b", "--file", "-", stdin=b"\xff\0")
        rows = self.rows("get", "--json", self.store, "t", "b")
        self.assertEqual([row["key"] for row in rows], ["t", "b"])
        self.assertEqual([row["value"] for row in rows],
                         ["plain ü\n", {"$bytes": "/wA="}])
        out = json.loads(self.ok("put", "--json", self.store, "t", "x"))
        self.assertEqual(out, {"key": "t", "etag": self.etag("t")})

    def test_conditions(self):
        self.ok("put", self.store, "--new", "k", "first")
        self.bad(1, "is there", "put", self.store, "--new", "k", "second")
        seen = self.etag("k")
        self.ok("put", self.store, "--etag", seen, "k", "third")
        self.bad(1, "is there, with the ETag", "put", self.store, "--etag",
                 seen, "k", "fourth")
        self.bad(1, "ETag", "rm", self.store, "--etag", seen, "k")
        self.assertEqual(self.ok("get", self.store, "k"), "third")
        self.ok("rm", self.store, "--etag", self.etag("k"), "k")
        self.bad(1, 'no key "k"', "put", self.store, "--etag", seen, "k", "v")
        self.assertEqual(self.ok("ls", self.store), "")

    def test_compare_and_swap_of_several_processes(self):
        """Goal: of writers that have seen the same value, one wins.
        Method: processes in turns of eight, all with one ETag."""
        self.ok("put", self.store, "n", "0")
        for turn in range(5):
            seen = self.etag("n")
            codes = []
            threads = [threading.Thread(target=lambda i=i: codes.append(
                run("put", self.store, "--etag", seen, "n",
                    f"{turn}-{i}").code)) for i in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(sorted(codes), [0] + [1] * 7)
            self.assertTrue(self.ok("get", self.store, "n")
                            .startswith(f"{turn}-"))

    def test_digest_len(self):
        self.ok("put", self.store, "--digest-len", "0", "a/b", "v")
        self.assertEqual(self.files(), ["a/b.bin"])
        self.assertEqual(self.ok("get", self.store, "--digest-len", "0",
                                 "a/b"), "v")
        self.bad(1, "no key", "get", self.store, "a/b")

    def test_durability(self):
        for level in ("process", "sync"):
            self.ok("put", self.store, "--durability", level, "k", level)
            self.assertEqual(self.ok("get", self.store, "k"), level)


class Formats(Stores):
    """Goal: the format is the one that is there; JSON is JSON."""

    def test_found(self):
        self.ok("put", self.store, "--format", "json", "a", '{"x": 1}')
        self.ok("put", self.store, "b", "[2]")
        self.assertEqual([name.rpartition(".")[2] for name in self.files()],
                         ["json", "json"])
        self.assertEqual(self.ok("get", self.store, "a", "b"), '{"x": 1}[2]')

    def test_two(self):
        self.ok("put", self.store, "--format", "json", "a", "1")
        self.ok("put", self.store, "--format", "txt", "a", "one")
        for words in (["get", self.store, "a"], ["ls", self.store],
                      ["put", self.store, "a", "2"]):
            self.bad(2, "choose one with --format", *words)
        self.assertEqual(self.ok("get", self.store, "--format", "txt", "a"),
                         "one")
        self.assertEqual(self.ok("get", self.store, "--format", "json", "a"),
                         "1")

    def test_foreign_files_are_no_format(self):
        self.ok("put", self.store, "a", "1")
        for name in ("README.md", "notes", ".hidden.json", "b (1).txt"):
            self.file("docs/" + name, "not ours")
        self.assertEqual(self.ok("ls", self.store), "a\n")

    def test_json_must_be_json(self):
        for text in ("hello", "", "{", "[1,]", '{"a": 1} x'):
            self.bad(1, "no JSON", "put", self.store, "--format", "json", "a",
                     text)
        self.assertEqual(self.files(), [])
        big = '{"n": 123456789012345678901234567890, "f": 0.1}'
        self.ok("put", self.store, "--format", "json", "a", big)
        self.assertEqual(self.ok("get", self.store, "a"), big)
        row = json.loads(self.ok("get", "--json", self.store, "a"))
        self.assertEqual(row["value"], json.loads(big))


class List(Stores):
    """Goal: keys by name or by age, whole or a part."""

    def fill(self):
        for key in ("uk/bob", "fr/sophie", "uk/ada", "top"):
            self.ok("put", self.store, key, key)

    def test_order(self):
        self.fill()
        keys = ["fr/sophie", "top", "uk/ada", "uk/bob"]
        lines = "".join(key + "\n" for key in keys)
        self.assertEqual(self.ok("ls", self.store), lines)
        self.assertEqual(self.ok("ls", self.store, "-r").split(), keys[::-1])
        self.assertEqual(self.ok("ls", self.store, "-n", "2").split(),
                         keys[:2])
        self.assertEqual(self.ok("ls", self.store, "-t").split(),
                         ["top", "uk/ada", "fr/sophie", "uk/bob"])
        self.assertEqual(self.ok("ls", self.store, "-t", "-r", "-n",
                                 "1").split(), ["uk/bob"])

    def test_prefix(self):
        self.fill()
        for prefix in ("uk", "uk/"):
            self.assertEqual(self.ok("ls", self.store, prefix).split(),
                             ["uk/ada", "uk/bob"])
        self.assertEqual(self.ok("ls", self.store, "u"), "")
        self.assertEqual(self.ok("ls", self.store, ""),
                         self.ok("ls", self.store))
        self.bad(1, "", "ls", self.store, "../x")

    def test_long(self):
        self.fill()
        for line in self.ok("ls", self.store, "-l").splitlines():
            size, when, etag, key = line.split("\t")
            self.assertEqual(int(size), len(key))
            self.assertRegex(when, r"^20\d\d-\d\d-\d\dT\d\d:\d\d:"
                             r"\d\d\.\d{6}Z$")
            self.assertEqual(etag, self.etag(key))
        for row in self.rows("ls", self.store, "-l", "--json"):
            self.assertEqual(row["size"], len(row["key"]))
            self.assertEqual(row["etag"], self.etag(row["key"]))
            self.assertGreater(row["mtime_ns"], 10**18)
        self.assertEqual(self.rows("ls", self.store, "--json")[1],
                         {"key": "top"})


class Remove(Stores):
    def test_keys(self):
        self.ok("put", self.store, "a/b", "1", "c", "2", "d", "3")
        self.bad(1, 'no key "x"', "rm", self.store, "a/b", "x", "c")
        self.assertEqual(self.ok("ls", self.store), "d\n")
        self.assertEqual(len(self.files()), 1)

    def test_all(self):
        self.ok("put", self.store, "a/b", "1", "c", "2")
        self.ok("put", self.store, "--format", "txt", "c", "other")
        self.file("docs/README.md", "not ours")
        self.bad(2, "choose one", "rm", self.store, "--all")
        self.assertEqual(self.ok("rm", self.store, "--all", "--format",
                                 "bin", "--json"), '{"removed":2}\n')
        self.assertEqual(self.ok("ls", self.store), "c\n")
        self.assertEqual(len(self.files()), 2, "what is not ours stays")


class Copy(Stores):
    def setUp(self):
        super().setUp()
        self.to = os.path.join(self.dir, "back/")

    def test_all(self):
        pairs = [(f"dir{i % 7}/key{i}", f"value {i}" * (i % 50))
                 for i in range(600)]
        for start in range(0, 600, 100):
            self.ok("put", self.store, "--durability", "process",
                    *(word for pair in pairs[start:start + 100]
                      for word in pair))
        self.assertEqual(self.ok("cp", self.store, self.to), "600 copied\n")
        self.assertEqual(self.files(self.to), self.files())
        for key, text in pairs[::97]:
            self.assertEqual(self.ok("get", self.to, key), text)
        self.assertEqual(self.ok("cp", self.store, self.to, "--json"),
                         '{"copied":600,"kept":0,"failed":0}\n')
        self.assertEqual(self.ok("cp", self.store, self.to, "-q"), "")

    def test_keys_and_prefixes(self):
        self.ok("put", self.store, "uk/ada", "1", "uk/bob", "2", "fr/zoe",
                "3")
        self.bad(1, 'no key "none"', "cp", self.store, self.to, "fr/zoe",
                 "none")
        self.assertEqual(self.ok("ls", self.to), "fr/zoe\n")
        self.ok("cp", self.store, self.to, "uk/")
        self.assertEqual(self.ok("ls", self.to).split(),
                         ["fr/zoe", "uk/ada", "uk/bob"])
        self.ok("cp", self.store, self.to, "uk/ada", "--under", "2026/may/")
        self.assertEqual(self.ok("get", self.to, "2026/may/uk/ada"), "1")

    def test_new(self):
        self.ok("put", self.store, "a", "mine", "b", "mine")
        self.ok("put", self.to, "a", "theirs")
        self.assertEqual(self.ok("cp", self.store, self.to, "--new"),
                         "1 copied, 1 were there\n")
        self.assertEqual(self.ok("get", self.to, "a", "b"), "theirsmine")

    def test_into_itself(self):
        """Goal: a copy below a prefix of the same store ends."""
        self.ok("put", self.store, "a", "1", "b/c", "2")
        self.assertEqual(self.ok("cp", self.store, self.store, "--under",
                                 "old"), "2 copied\n")
        self.assertEqual(self.ok("ls", self.store).split(),
                         ["a", "b/c", "old/a", "old/b/c"])

    def test_format_comes_along(self):
        self.ok("put", self.store, "--format", "json", "a", "[1]")
        self.ok("cp", self.store, self.to)
        self.assertEqual(len([name for name in self.files(self.to)
                              if name.endswith(".json")]), 1)

    def test_value_that_cannot_be_copied(self):
        """Goal: it is told, and the others are copied."""
        self.ok("put", self.store, "--format", "json", "a", "1", "b", "2")
        self.file("docs/" + [name for name in self.files()
                             if name.startswith("a_")][0], "{")
        done = self.bad(1, '"a"', "cp", self.store, self.to)
        self.assertEqual(done.out, b"1 copied, 1 failed\n")
        self.assertEqual(self.ok("get", self.to, "b"), "2")


class Nfs(Stores):
    """Goal: the layout of NfsDict, in JSON; the user sees values."""

    def setUp(self):
        super().setUp()
        self.nfs = "nfs:" + os.path.join(self.dir, "shared")

    def path_of(self, key):
        name = hashlib.sha256(key.encode()).hexdigest()
        return os.path.join(self.dir, "shared", name[:2], name + ".json")

    def test_files(self):
        for key in ("ada", "", "with \"quotes\" and \\", "ü/..\n\t", "🙂"):
            self.ok("put", self.nfs, "--", key, '{"key": [1, 2.5, "ü"]}\n')
            with open(self.path_of(key), encoding="utf-8") as file:
                self.assertEqual(json.load(file),
                                 [key, {"key": [1, 2.5, "ü"]}])
            self.assertEqual(self.ok("get", self.nfs, "--", key),
                             '{"key": [1, 2.5, "ü"]}')
        self.assertEqual(len(self.rows("ls", "--json", self.nfs)), 5)
        self.ok("rm", self.nfs, "ada")
        self.bad(1, 'no key "ada"', "get", self.nfs, "ada")

    def test_files_of_the_peer(self):
        """Method: a file as json.dump() of nfsdict writes it."""
        os.makedirs(os.path.dirname(self.path_of("k")))
        with open(self.path_of("k"), "w", encoding="utf-8") as file:
            json.dump(["k", {"a": [float("nan"), "]\"[,"]}], file,
                      ensure_ascii=False)
        self.assertEqual(self.ok("get", self.nfs, "k"),
                         '{"a": [NaN, "]\\"[,"]}')
        self.assertEqual(self.ok("ls", self.nfs), "k\n")
        self.assertEqual(
            json.loads(self.ok("get", "--json", self.nfs, "k"))["value"],
            {"a": [{"$float": "nan"}, "]\"[,"]})

    def test_copy(self):
        self.ok("put", self.store, "--format", "json", "uk/ada", '{"n": 1}')
        self.ok("cp", self.store, self.nfs)
        self.assertEqual(self.ok("get", self.nfs, "uk/ada"), '{"n": 1}')
        back = self.dir + "/back/"
        self.ok("cp", self.nfs, back)
        self.assertEqual(self.ok("get", back, "uk/ada"), '{"n": 1}')
        self.ok("put", self.nfs, "not safe", "2")
        done = self.bad(1, "not safe", "cp", self.nfs, back)
        self.assertEqual(done.out, b"1 copied, 1 failed\n")
        other = "nfs:" + self.dir + "/other"
        self.ok("cp", self.nfs, other)
        self.assertEqual(self.ok("get", other, "not safe"), "2")

    def test_pickles(self):
        """Goal: they are listed and read, and not written."""
        name = self.path_of("k").replace(".json", ".pkl")
        os.makedirs(os.path.dirname(name))
        with open(name, "wb") as file:
            pickle.dump(("k", [1]), file)
        self.assertEqual(self.ok("ls", self.nfs), "k\n")
        done = run("get", self.nfs, "k")
        self.assertEqual(pickle.loads(done.out), ("k", [1]))
        self.bad(1, "cannot pickle", "put", self.nfs, "k", "x")
        self.bad(1, "pickles", "cp", self.nfs, self.store)


class Verify(Stores):
    def report(self, code, *words):
        done = run("verify", "--json", *words)
        self.assertEqual(done.code, code, done.err)
        return json.loads(done.out)

    def test_sound(self):
        self.ok("put", self.store, "a", "1", "b/c", "2")
        self.ok("put", self.store, "--format", "json", "a", "1")
        self.assertIn(": sound: 3 values, 0 damaged, ",
                      self.ok("verify", self.store))
        self.assertEqual(self.ok("verify", self.store, "-q"), "")
        found = self.report(0, self.store)
        self.assertTrue(found["sound"])
        self.assertEqual(found["values"], 3)
        self.assertEqual(sorted(found["formats"]), ["bin", "json"])
        self.assertEqual(self.report(0, self.store, "--format", "json")
                         ["values"], 1)
        os.mkdir(self.dir + "/empty")
        self.assertEqual(self.report(0, self.dir + "/empty/")["values"], 0)

    def test_damage(self):
        self.ok("put", self.store, "--format", "json", "a", "1", "b", "2")
        self.file("docs/" + [name for name in self.files()
                             if name.startswith("b_")][0], '{"cut": ')
        found = self.report(3, self.store)
        self.assertEqual([row["key"] for row in found["damaged"]], ["b"])
        self.assertFalse(found["sound"])
        done = run("verify", self.store)
        self.assertEqual(done.code, 3)
        self.assertIn(b"damaged: b: it is no JSON", done.out)

    def test_pickles(self):
        """Goal: what is cut short is noticed, at every place.
        Method: the frame of the contract, and a raw pickle."""
        frame = bytes.fromhex("04224d184040c00500008080044b012e00000000")
        raw = b"\x80\x04K\x01."
        name = "docs/p_qody.pkl"
        os.mkdir(self.store)
        for whole in (frame, raw):
            self.file(name, whole)
            self.assertEqual(self.report(0, self.store)["values"], 1)
            for size in range(len(whole)):
                self.file(name, whole[:size])
                found = self.report(3, self.store)
                self.assertEqual(len(found["damaged"]), 1, size)
            self.file(name, whole + b"\0")
            self.report(3, self.store)

    def test_foreign_and_leftovers(self):
        """Goal: they are told and harm nothing."""
        self.ok("put", self.store, "a/b", "1")
        self.file("docs/b (conflicted copy).bin", "x")
        self.file("docs/.__tmp__abcd1234", "x")
        os.symlink("/etc/passwd", self.store + "link_k7va.bin")
        found = self.report(0, self.store)
        self.assertEqual(found["values"], 1)
        self.assertEqual(sorted(row["path"] for row in found["foreign"]),
                         ["b (conflicted copy).bin", "link_k7va.bin"])
        self.assertEqual(found["leftovers"], [".__tmp__abcd1234"])
        text = self.ok("verify", self.store)
        self.assertIn("foreign: b (conflicted copy).bin: ", text)
        self.assertIn("leftover: .__tmp__abcd1234", text)

    def test_nfs(self):
        nfs = "nfs:" + os.path.join(self.dir, "shared")
        self.ok("put", nfs, "a", "1", "b", "2")
        self.assertEqual(self.report(0, nfs)["values"], 2)
        hexes = hashlib.sha256(b"b").hexdigest()
        self.file(f"shared/{hexes[:2]}/{hexes}.json", '["b", 2')
        found = self.report(3, nfs)
        self.assertFalse(found["sound"])

    @unittest.skipIf(os.getuid() != 0, "needs root to become nobody")
    def test_permission(self):
        self.ok("put", self.store, "open", "1", "shut", "2")
        os.chmod(self.dir, 0o755)
        shut = [name for name in self.files() if name.startswith("shut")][0]
        os.chmod(self.store + shut, 0o600)
        nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        self.bad(4, "Permission denied", "get", self.store, "shut", **nobody)
        self.assertEqual(run("get", self.store, "open", **nobody).out, b"1")
        self.bad(4, "Permission denied", "put", self.store, "open", "3",
                 **nobody)
        done = run("verify", "--json", self.store, **nobody)
        self.assertEqual(done.code, 1, done.err)
        self.assertEqual([row["key"] for row in
                          json.loads(done.out)["unreadable"]], ["shut"])


class Trouble(Stores):
    def test_file_size_limit(self):
        """Method: RLIMIT_FSIZE stands in for a full disk."""
        self.ok("put", self.store, "a", "old")

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        done = run("put", self.store, "a", "--file", "-",
                   stdin=b"x" * 5000, preexec_fn=limit)
        self.assertEqual(done.code, 4, done.err)
        self.assertIn("File too large", done.err)
        self.assertEqual(self.ok("get", self.store, "a"), "old")
        self.assertEqual(len(self.files()), 1, "nothing is left behind")

    def test_full_disk_behind_output(self):
        self.ok("put", self.store, "a", "x" * 100000)
        for words in (["get", self.store, "a"], ["ls", self.store],
                      ["verify", self.store]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([KIST, *words], stdout=full,
                                      stderr=subprocess.PIPE, timeout=60)
            self.assertEqual(done.returncode, 4, words)
            self.assertIn(b"No space left", done.stderr)

    def test_input_that_cannot_be_read(self):
        self.bad(4, "No such file", "put", self.store, "a", "--file",
                 self.dir + "/none")
        self.bad(4, "Is a directory", "put", self.store, "a", "--file",
                 self.dir)
        self.assertFalse(os.path.exists(self.store))


if __name__ == "__main__":
    sys.exit(main())
