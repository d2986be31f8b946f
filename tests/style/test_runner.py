#!/usr/bin/python3
"""Goal: tests/run counts right, and a failure of any shape is a failure.
Method: small programs that pass, fail, crash, hang, say nothing or leave
children behind, and texts with snippets, given to the runner's functions."""

import importlib.machinery
import importlib.util
import os
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.dont_write_bytecode = True
LOADER = importlib.machinery.SourceFileLoader(
    "run", os.path.join(ROOT, "tests", "run"))
run = importlib.util.module_from_spec(
    importlib.util.spec_from_loader("run", LOADER))
sys.modules["run"] = run
LOADER.exec_module(run)

OK = "[  PASSED  ] 3 test(s).\n"
BAD = OK + "[  FAILED  ] 2 test(s), listed below:\n[  FAILED  ] test_x\n"


def outcome(script, counts="", limit_s=20, time_left=20):
    test = run.Test("sample", ["/bin/sh", "-c", script], counts=counts,
                    limit_s=limit_s)
    result = run.run_test(test, time_left)
    return result.passed, result.failed


def printing(text, code):
    return f"printf '%s' '{text}'; exit {code}"


def check_counts():
    cases = [
        ("passes", "exit 0", "", (1, 0)),
        ("fails", "exit 3", "", (0, 1)),
        ("cmocka passes", printing(OK, 0), "cmocka", (3, 0)),
        ("cmocka, two groups", printing(OK + OK, 0), "cmocka", (6, 0)),
        ("cmocka fails", printing(BAD, 2), "cmocka", (3, 2)),
        ("cmocka crashes", printing(OK, 139), "cmocka", (3, 1)),
        ("cmocka says nothing", "exit 0", "cmocka", (0, 1)),
        ("line passes", printing("5 passed, 0 failed\n", 0), "line", (5, 0)),
        ("line fails", printing("5 passed, 2 failed\n", 1), "line", (5, 2)),
        ("line lies", printing("5 passed, 0 failed\n", 1), "line", (5, 1)),
        ("no line, passes", "exit 0", "line", (1, 0)),
        ("no line, fails", "exit 1", "line", (0, 1)),
    ]
    for name, script, counts, wanted in cases:
        found = outcome(script, counts)
        yield name, found == wanted, f"{found}, should be {wanted}"


def check_limits():
    began = time.monotonic()
    found = outcome("sleep 30", limit_s=1)
    spent = time.monotonic() - began
    yield "hangs", found == (0, 1) and spent < 10, f"{found} in {spent:.0f} s"
    began = time.monotonic()
    found = outcome("sleep 30 & exit 0")
    spent = time.monotonic() - began
    yield "leaves a child", found == (1, 0) and spent < 10, \
        f"{found} in {spent:.0f} s"
    found = outcome("exit 0", time_left=0)
    yield "no time left", found == (0, 1), str(found)
    test = run.Test("sample", ["/nowhere/missing"])
    result = run.run_test(test, 20)
    yield "missing program", result.failed == 1, str(result)


def check_snippets():
    text = ("a\n```c\nint x;\n```\n\n```c\nint main(void)\n```\n\n"
            "```text\nout\n```\n```sh\nmake\n```\n```sh run\nls\n```\n")
    wanted = [(6, "c", "int main(void)\n", "out\n"),
              (16, "sh", "ls\n", None)]
    found = list(run.snippets(text))
    yield "snippets", found == wanted, str(found)
    for name, code, expected, good in [
            ("snippet prints right", "echo a", "a\n", True),
            ("snippet prints wrong", "echo b", "a\n", False),
            ("snippet fails", "false\necho a", "a\n", False)]:
        ok, output = run.run_snippet("sh", code, expected)
        yield name, ok == good, output


def main():
    passed = failed = 0
    for check in (check_counts, check_limits, check_snippets):
        for name, good, detail in check():
            passed += good
            failed += not good
            if not good:
                print(f"{name}: {detail}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
