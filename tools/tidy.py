#!/usr/bin/python3
"""The house rules that a compiler does not check (CONTRIBUTING.md lists them).

    tools/tidy.py [ROOT]

Prints `file:line: message` for each breach and exits 1 if there is any.
It reads C by its layout, which clang-format fixes: a function's name and the
braces of its body stand in column 0.  tests/style/test_tidy.py proves with
bad samples that each rule can fail.
"""

import os
import re
import subprocess
import sys

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70

# --- who may include whom -----------------------------------------------------

LAYERS = {
    "base": {"base"},
    "os": {"base", "os"},
    "log": {"base", "os", "log"},
    "index": {"base", "os", "index"},
    "codec": {"base", "codec"},
    "coll": {"base", "os", "log", "index", "codec", "coll"},
    "memfs": {"base", "os", "memfs"},
    "store": {"base", "os", "store"},
}

C_HEADERS = {
    "assert.h", "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h",
    "locale.h", "math.h", "setjmp.h", "signal.h", "stdalign.h", "stdarg.h",
    "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h",
    "stdlib.h", "stdnoreturn.h", "string.h", "tgmath.h", "threads.h",
    "time.h", "uchar.h", "wchar.h", "wctype.h",
}

# Names that a file of ours must not have, beside those of C itself.
SYSTEM_HEADERS = C_HEADERS | {
    "aio.h", "alloca.h", "byteswap.h", "crypt.h", "dirent.h", "dlfcn.h",
    "elf.h", "endian.h", "err.h", "error.h", "fcntl.h", "features.h",
    "fnmatch.h", "ftw.h", "getopt.h", "glob.h", "grp.h", "iconv.h",
    "langinfo.h", "libgen.h", "link.h", "malloc.h", "memory.h", "mntent.h",
    "mqueue.h", "netdb.h", "paths.h", "poll.h", "pthread.h", "pwd.h",
    "regex.h", "resolv.h", "sched.h", "search.h", "semaphore.h", "shadow.h",
    "spawn.h", "stdio_ext.h", "strings.h", "syscall.h", "syslog.h",
    "tar.h", "termios.h", "unistd.h", "utime.h", "values.h", "wait.h",
}

# Libraries that are not the system's, and the only places that see them.
LIBRARIES = {
    "xxhash.h": ("src/base/hash.c", "python/ext/fmtlz4.c", "bench/"),
    "lz4.h": ("python/ext/fmtlz4.c",),
    "jansson.h": ("cli/",),
    "cmocka.h": ("tests/",),
    "lmdb.h": ("bench/", "demo/"),
    "sqlite3.h": ("bench/", "demo/"),
    "rocksdb/": ("bench/", "demo/"),
    "gdbm.h": ("bench/", "demo/"),
    "tkrzw": ("bench/", "demo/"),
}

# Code of the fault rigs that runs beneath the library under test, inside its
# process or as its disk.  It came as it is and has no layers to keep.
ADOPTED = ("tests/rigs/src/", "tests/rigs/selftest/")

# Written by a script that stands beside it: of any length, without a Layer.
GENERATED = re.compile(r"/\*[^/]*?made by (\S+\.py); do not edit")

# --- what may not be called ---------------------------------------------------

BANNED_EVERYWHERE = {
    "strcpy": "memcpy with a known size",
    "strcat": "memcpy with a known size, or kist_buf_append",
    "strncpy": "memcpy with a known size",
    "strncat": "memcpy with a known size",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "fgets",
    "strtok": "strchr or strcspn",
    "atoi": "strtol with its end checked",
    "atol": "strtol with its end checked",
    "atoll": "strtoll with its end checked",
    "atof": "strtod with its end checked",
    "alloca": "a fixed array or ki_calloc",
    "mktemp": "mkstemp",
    "tmpnam": "mkstemp",
}

BANNED_IN_SRC = {
    "malloc": "ki_calloc",
    "calloc": "ki_calloc",
    "realloc": "ki_realloc",
    "free": "ki_free",
    "strdup": "ki_strdup",
    "strndup": "ki_calloc and memcpy",
    "aligned_alloc": "ki_calloc",
    "posix_memalign": "ki_calloc",
    "time": "ki_clock_ns",
    "gettimeofday": "ki_clock_ns",
    "rand": "ki_io->random",
    "random": "ki_io->random",
    "strerror": "kist_error.sys_errno, which the caller turns into text",
    "exit": "a kist_status",
    "abort": "KI_ASSERT or a kist_status",
}
BANNED_IN_SRC.update(dict.fromkeys(
    ["printf", "fprintf", "vprintf", "vfprintf", "puts", "fputs", "putchar",
     "putc", "fputc", "perror", "fopen", "fdopen", "fclose", "fread",
     "fwrite", "fflush", "opendir", "readdir"],
    "KI_FAIL: the library never uses stdio"))

SYSCALLS = dict.fromkeys(
    ["open", "openat", "creat", "close", "read", "write", "pread", "pwrite",
     "preadv", "pwritev", "readv", "writev", "mmap", "munmap", "mremap",
     "madvise", "msync", "fsync", "fdatasync", "sync_file_range", "ftruncate",
     "truncate", "fallocate", "posix_fallocate", "posix_fadvise", "rename",
     "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat", "access",
     "faccessat", "stat", "fstat", "fstatat", "lstat", "statx", "statfs",
     "fstatfs", "fcntl", "flock", "lockf", "getrandom", "mkdir", "mkdirat",
     "rmdir", "getdents64", "syncfs", "utimensat", "futimens", "dup2", "dup3"],
    "ki_io->, ki_dirio-> or ki_file_: only os/posix_*io.c may call the system")

# file: names of the tables above that it may call after all, and why.
EXCEPTIONS = {
    "src/base/alloc.c": {"malloc", "calloc", "realloc", "free"},  # wraps them
    "src/os/posix_io.c": set(SYSCALLS) | {"syscall"},  # the table itself
    "src/os/posix_dirio.c": set(SYSCALLS) | {"syscall"},
    "src/os/mapping.c": {"syscall"},  # mmap in a signal handler
    "src/os/inflight.c": {"syscall"},  # membarrier: nothing to lose
    "src/os/shmlock.c": {"syscall"},  # futex: nothing to lose
}

TEXT_SUFFIXES = (".c", ".h", ".py", ".sh", ".md", ".txt", ".json", ".cmake",
                 ".in", ".map", ".yml")
SKIPPED_FOLDERS = {".git", "build", "__pycache__", "bin"}
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE_PATH = re.compile(r"(?<![\w.*/{}$~-])/(?:work|root|home/\w+)/")


class Report:
    """Collects breaches."""

    def __init__(self):
        self.lines = []

    def add(self, path, line, message):
        self.lines.append((path, line, message))


def blank_out(text):
    """The text with comments, strings and characters turned into spaces."""
    token = re.compile(
        r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def spaces(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] + " " * (len(found) - 2) + found[0]
        return re.sub(r"[^\n]", " ", found)

    return token.sub(spaces, text)


def blank_preprocessor(code):
    """`code` with its # lines, continued ones included, turned into spaces."""
    return re.sub(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",
                  lambda m: re.sub(r"[^\n]", " ", m.group(0)), code)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


# --- one C file ---------------------------------------------------------------


def include_allowed(path, name, quoted, root):
    """None if `path` may include `name`, else what is wrong."""
    parts = path.split("/")
    for library, places in LIBRARIES.items():
        if name.startswith(library) and not quoted:
            if not path.startswith(places):
                return f"only {' and '.join(places)} may include <{name}>"
            return None
    if path.startswith("include/kist/"):
        if quoted and name.startswith("kist/"):
            return None
        if not quoted and name in C_HEADERS:
            return None
        return f"a public header may not include {name}"
    if not quoted:
        return None
    own = os.path.join(os.path.dirname(path), name)
    if name.startswith("kist/"):
        if parts[0] == "src" and name == "kist/kist.h":
            return "the umbrella kist/kist.h is for users only"
        return None
    if parts[0] == "src":
        allowed = LAYERS.get(parts[1], set())
        folder = name.split("/")[0]
        if "/" not in name:
            return f'name the layer: "{parts[1]}/{name}"'
    elif parts[:2] == ["tests", "unit"]:
        allowed = LAYERS.get(parts[2], set()) | {"support"}
        folder = name.split("/")[0]
    elif parts[0] == "tests":
        allowed = set(LAYERS) | {"support", parts[1]}
        folder = name.split("/")[0]
    else:
        allowed = set()
        folder = name
    if folder in allowed:
        return None
    if "/" not in name and os.path.exists(os.path.join(root, own)):
        return None
    if not allowed:
        return f'only public headers ("kist/...") here, not "{name}"'
    where = "/".join(parts[:-1])
    return f'{where} may include {", ".join(sorted(allowed))}; not "{name}"'


def check_includes(path, text, root, report):
    for match in re.finditer(r'(?m)^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)',
                             text):
        wrong = include_allowed(path, match.group(2), match.group(1) == '"',
                                root)
        if wrong:
            report.add(path, line_of(text, match.start()), wrong)


def functions(code):
    """Yields (name, line of the name, first line, last line, return type)."""
    lines = code.split("\n")
    for number, line in enumerate(lines):
        if line.rstrip() != "{":
            continue
        top = number - 1
        while top >= 0 and (not lines[top] or lines[top][0] in " \t)"):
            top -= 1
        found = re.match(r"([A-Za-z_]\w*)\(", lines[top]) if top >= 0 else None
        if not found:
            continue
        end = number
        while end < len(lines) and lines[end].rstrip() != "}":
            end += 1
        start = top
        while start > 0 and re.match(r"[A-Za-z_ ]", lines[start - 1]):
            start -= 1
        kind = " ".join(lines[start:top])
        yield found.group(1), top + 1, top + 1, end + 1, kind


def check_functions(path, code, report):
    macros = re.findall(r"(?m)^#define (\w+)\b.*\bstatic\b", code)
    statics = re.compile(rf"\b({'|'.join(['static'] + macros)})\b")
    for name, line, first, last, kind in functions(code):
        length = last - first + 1
        if length > FUNCTION_LINES_MAX:
            report.add(path, line, f"{name}() has {length} lines, "
                                   f"at most {FUNCTION_LINES_MAX}")
        if not path.startswith("src/"):
            continue
        static = statics.search(kind)
        ours = name.startswith(("ki_", "kist_"))
        if not static and not ours:
            report.add(path, line, f"{name}() crosses files: "
                                   "ki_ or kist_, or static")
        if static and ours and path.endswith(".c"):
            report.add(path, line, f"{name}() is static: no prefix")


def check_braces(path, code, report):
    for match in re.finditer(r"\b(if|for|while|switch)[ \t]*\(|\b(else|do)\b",
                             code):
        end = match.end()
        if match.group(1):
            depth = 1
            while depth and end < len(code):
                depth += {"(": 1, ")": -1}.get(code[end], 0)
                end += 1
        rest = code[end:end + 400].lstrip()
        word = match.group(1) or match.group(2)
        good = rest.startswith("{") or (word == "while" and rest[:1] == ";")
        if word == "else":
            good = good or re.match(r"if\b", rest)
        if not good:
            report.add(path, line_of(code, match.start()),
                       f"braces always: {word} without them")


def check_calls(path, code, report):
    banned = dict(BANNED_EVERYWHERE)
    if path.startswith("src/"):
        banned.update(BANNED_IN_SRC)
        banned.update(SYSCALLS)
        banned["syscall"] = SYSCALLS["open"]
    for name in EXCEPTIONS.get(path, ()):
        banned.pop(name, None)
    names = "|".join(sorted(banned, key=len, reverse=True))
    for match in re.finditer(rf"(?<![\w.>])({names})[ \t]*\(", code):
        name = match.group(1)
        report.add(path, line_of(code, match.start()),
                   f"{name}() is banned here; use {banned[name]}")


def check_guard(path, text, report):
    name = re.sub(r"\W", "_", os.path.basename(path)[:-2]).upper()
    parts = path.split("/")
    if path.startswith("include/kist/"):
        guard = f"KIST_{name}_H"
    elif parts[0] == "src":
        guard = f"KI_{parts[1].upper()}_{name}_H"
    else:
        guard = None
    found = re.search(r"(?m)^#ifndef (\w+)\n#define (\w+)\n", text)
    if not found or found.group(1) != found.group(2):
        report.add(path, 1, f"no include guard {guard or '..._H'}")
    elif guard and found.group(1) != guard:
        report.add(path, line_of(text, found.start()),
                   f"include guard is {found.group(1)}, should be {guard}")
    elif not found.group(1).endswith(f"{name}_H"):
        report.add(path, line_of(text, found.start()),
                   f"include guard should end in {name}_H")


def check_opening(path, text, report):
    comment = re.match(r"/\*(.*?)\*/", text, re.S)
    name = os.path.basename(path)
    if not comment:
        report.add(path, 1, "opens without a comment: name, purpose, Layer")
        return
    if not re.match(rf"\s*\*?\s*{re.escape(name)} - ", comment.group(1)):
        report.add(path, 1, f'the first line should be "{name} - purpose"')
    if (not re.search(r"(?m)^ \* Layer +\w", comment.group(1))
            and not GENERATED.match(text)):
        report.add(path, 1, "the opening comment has no Layer line")


def check_c(path, text, root, report):
    code = blank_out(text)
    bare = blank_preprocessor(code)
    if "\t" in text:
        report.add(path, line_of(text, text.index("\t")), "tab; use spaces")
    check_includes(path, text, root, report)
    check_functions(path, code, report)
    check_braces(path, bare, report)
    check_calls(path, code, report)
    if path.endswith(".h"):
        check_guard(path, text, report)
        check_opening(path, text, report)


# --- the whole tree -----------------------------------------------------------


def tree_files(root):
    """Paths of all files of the tree, relative to root, that git has or
    would take; all files where there is no git."""
    try:
        listed = subprocess.run(
            ["git", "-C", root, "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"], check=True, capture_output=True).stdout
        found = [name for name in listed.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        found = []
    if not found:
        for folder, folders, names in os.walk(root):
            folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS]
            found += [os.path.relpath(os.path.join(folder, n), root)
                      for n in names]
    return sorted(p for p in found
                  if not p.startswith("third_party" + os.sep)
                  and os.path.isfile(os.path.join(root, p)))


def check_text(path, text, report):
    lines = text.split("\n")
    if text and lines[-1] != "":
        report.add(path, len(lines), "no newline at the end of the file")
    if "\r" in text:
        report.add(path, line_of(text, text.index("\r")), "carriage return")
    for number, line in enumerate(lines, 1):
        if line.endswith((" ", "\t")):
            report.add(path, number, "space at the end of the line")
        if UNFINISHED.search(line):
            report.add(path, number, "unfinished-work marker")
        if MACHINE_PATH.search(line):
            report.add(path, number, "path of somebody's machine")


def check_names(paths, report):
    seen = {}
    for path in paths:
        name = os.path.basename(path)
        if not name.endswith((".c", ".h")) or path.startswith(ADOPTED):
            continue
        if name in seen:
            report.add(path, 1, f"{name} is also the name of {seen[name]}")
        seen.setdefault(name, path)
        if name in SYSTEM_HEADERS:
            report.add(path, 1, f"{name} is the name of a system header")


def public_functions(text):
    """Names of the functions that a public header declares."""
    code = blank_preprocessor(blank_out(text))
    code = re.sub(r"static inline[^;{]*\{.*?\n\}", "", code, flags=re.S)
    names = set()
    for statement in code.split(";"):
        found = re.search(r"\b(kist_\w+)\s*\(", statement)
        if found and "typedef" not in statement:
            names.add(found.group(1))
    return names


def check_map(root, paths, report):
    declared = {}
    for path in paths:
        if path.startswith("include/kist/") and path.endswith(".h"):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                for name in public_functions(file.read()):
                    declared[name] = path
    try:
        with open(os.path.join(root, "kist.map"), encoding="utf-8") as file:
            mapped = set(re.findall(r"(?m)^ *(kist_\w+);", file.read()))
    except OSError:
        report.add("kist.map", 1, "missing")
        return
    for name in sorted(set(declared) - mapped):
        report.add(declared[name], 1, f"{name}() is not in kist.map")
    for name in sorted(mapped - set(declared)):
        report.add("kist.map", 1, f"{name} is declared in no public header")


def is_text(root, path):
    if path.endswith(TEXT_SUFFIXES):
        return True
    if "." in os.path.basename(path).lstrip("."):
        return False
    with open(os.path.join(root, path), "rb") as file:
        return b"\0" not in file.read(4096)


def check_tree(root):
    """All breaches in the tree at `root`, as (path, line, message)."""
    report = Report()
    paths = tree_files(root)
    for path in paths:
        if not is_text(root, path) or path.startswith(ADOPTED):
            continue
        try:
            with open(os.path.join(root, path), encoding="utf-8",
                      newline="") as file:
                text = file.read()
        except UnicodeDecodeError:
            report.add(path, 1, "not UTF-8")
            continue
        check_text(path, text, report)
        if path.endswith((".c", ".h", ".py")):
            count = text.count("\n")
            if count > FILE_LINES_MAX and not GENERATED.match(text):
                report.add(path, count, f"{count} lines, at most "
                                        f"{FILE_LINES_MAX}")
        if path.endswith((".c", ".h")):
            check_c(path, text, root, report)
    check_names(paths, report)
    check_map(root, paths, report)
    return report.lines


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(
        os.path.dirname(os.path.abspath(__file__)))
    breaches = check_tree(root)
    for path, line, message in breaches:
        print(f"{path}:{line}: {message}")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
