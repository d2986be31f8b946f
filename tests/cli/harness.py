"""What the tests of the command `kist` share.

KIST_BIN names the program (build/dev/kist otherwise).
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest


HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
KIST = os.environ.get("KIST_BIN", os.path.join(ROOT, "build", "dev", "kist"))


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
