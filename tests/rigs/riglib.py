"""Shared parts of the fault rigs: commands, clean-up, time bound, summary line."""
import argparse
import atexit
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.environ.get("RIG_BIN") or os.path.join(HERE, "bin")


def span(text):
    """'50:800' or '50' to a pair of integers."""
    lo, _, hi = text.partition(":")
    lo = int(lo)
    return lo, int(hi) if hi else lo


def parser(doc):
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-w", "--workload", metavar="CMD", help="shell command; {dir} {acks} {seed} are filled in, "
                   "also RIG_DIR, RIG_ACKS, RIG_SEED in its environment")
    p.add_argument("-v", "--verify", metavar="CMD", help="shell command, same fill-ins; exit 0 means all is right")
    p.add_argument("--setup", metavar="CMD", help="shell command run once in a fresh directory before the workload")
    p.add_argument("--seed", type=int, default=None, help="random seed (default: from the clock, printed)")
    p.add_argument("--time-limit", type=float, default=600, metavar="S", help="stop starting new cases after S seconds")
    p.add_argument("--verify-timeout", type=float, default=60, metavar="S")
    p.add_argument("--work", metavar="DIR", help="scratch directory (default: /dev/shm if it has room, else /tmp)")
    p.add_argument("--keep", metavar="DIR", help="copy the store of each failed case to DIR")
    p.add_argument("--max-fail", type=int, default=0, metavar="N", help="stop after N failures (0: never)")
    p.add_argument("--expect-fail", action="store_true", help="a control: exit 0 if at least one case failed")
    p.add_argument("-q", "--quiet", action="store_true", help="print failures and the summary only")
    return p


class Proc:
    """A child in its own session, so that all it starts can be ended with it."""

    def __init__(self, cmd, env, cwd=None, stdin=None, stdout=None, preexec=None):
        self.out = stdout if stdout is not None else tempfile.TemporaryFile()
        self.p = subprocess.Popen(["/bin/sh", "-c", "exec " + cmd if simple(cmd) else cmd], env=env, cwd=cwd,
                                  stdin=stdin if stdin is not None else subprocess.DEVNULL,
                                  stdout=self.out, stderr=subprocess.STDOUT,
                                  start_new_session=True, preexec_fn=preexec)

    def kill(self):
        try:
            os.killpg(self.p.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def wait(self, timeout=None):
        """exit status as the shell shows it (128+n on a signal), None on timeout"""
        try:
            rc = self.p.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        return 128 - rc if rc < 0 else rc

    def text(self, limit=4000):
        if not hasattr(self.out, "seek"):
            return ""
        self.out.flush()
        self.out.seek(0)
        return self.out.read()[-limit:].decode("utf-8", "replace")


def simple(cmd):
    """one program and its words: run without a shell in between"""
    first = cmd.split(None, 1)[0] if cmd.strip() else ""
    return first and "=" not in first and first not in BUILTINS and not any(c in cmd for c in ";|&<>()`\n$*?~#!{}")


BUILTINS = {"exec", "cd", "exit", "export", "set", "ulimit", "umask", "unset", "wait", "trap", "test", "[", ".", ":",
            "if", "for", "while", "case", "true", "false", "echo"}


class Rig:
    def __init__(self, name, args):
        self.name, self.a = name, args
        self.seed = args.seed if args.seed is not None else int(time.time() * 1000) & 0x7fffffff
        self.rng = random.Random(self.seed)
        self.passed = self.failed = 0
        self.t0 = time.monotonic()
        self.undo = []
        work = args.work or pick_work()
        os.makedirs(work, exist_ok=True)
        self.tmp = tempfile.mkdtemp(prefix="rig-%s-" % name, dir=work)
        self.undo.append(lambda: shutil.rmtree(self.tmp, ignore_errors=True))
        atexit.register(self.cleanup)
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, lambda n, f: sys.exit(128 + n))
        print("%s: seed %d, scratch %s" % (name, self.seed, self.tmp), flush=True)

    def cleanup(self):
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, signal.SIG_IGN)
        while self.undo:
            f = self.undo.pop()
            try:
                f()
            except Exception as e:  # clean-up goes on whatever happens
                print("%s: clean-up: %s" % (self.name, e), file=sys.stderr)

    def late(self):
        return time.monotonic() - self.t0 > self.a.time_limit

    def stop(self):
        return self.late() or (self.a.max_fail and self.failed >= self.a.max_fail)

    def env(self, d, acks, **more):
        e = dict(os.environ, RIG_DIR=d, RIG_ACKS=acks, RIG_SEED=str(self.seed))
        e.update({k: str(v) for k, v in more.items()})
        return e

    def fill(self, cmd, d, acks, seed=None):
        return (cmd.replace("{dir}", d).replace("{acks}", acks)
                .replace("{seed}", str(self.seed if seed is None else seed)))

    def start(self, cmd, d, acks, seed=None, stdin=None, stdout=None, preexec=None, **more):
        return Proc(self.fill(cmd, d, acks, seed), self.env(d, acks, **more), stdin=stdin, stdout=stdout,
                    preexec=preexec)

    def run(self, cmd, d, acks, timeout, seed=None, preexec=None, **more):
        """(exit status or None on timeout, tail of its output)"""
        p = self.start(cmd, d, acks, seed, preexec=preexec, **more)
        rc = p.wait(timeout)
        if rc is None:
            p.kill()
            p.p.wait()
        else:
            p.kill()  # what it may have left behind
        return rc, p.text()

    def verify(self, d, acks, seed=None, ok=(0,), **more):
        """None if right, else a line saying what is wrong"""
        rc, out = self.run(self.a.verify, d, acks, self.a.verify_timeout, seed, **more)
        return judge(rc, out, ok)

    def case(self, label, wrong, store=None):
        if wrong is None:
            self.passed += 1
            if not self.a.quiet:
                print("ok   %s" % label, flush=True)
        else:
            self.failed += 1
            print("FAIL %s: %s" % (label, wrong), flush=True)
            if self.a.keep and store and os.path.isdir(store):
                os.makedirs(self.a.keep, exist_ok=True)
                to = os.path.join(self.a.keep, "%s-%d" % (self.name, self.failed))
                shutil.rmtree(to, ignore_errors=True)
                shutil.copytree(store, to, symlinks=True)

    def finish(self):
        self.cleanup()
        if self.passed + self.failed == 0:
            print("%s: no case was run" % self.name)
            self.failed = 1
        bad = self.failed == 0 if self.a.expect_fail else self.failed > 0
        print("%d passed, %d failed" % (self.passed, self.failed), flush=True)
        sys.exit(1 if bad else 0)


def judge(rc, out, ok=(0,)):
    if rc in ok:
        return None
    tail = " / ".join(out.strip().splitlines()[-3:])
    if rc is None:
        return "verify did not end in time: " + tail
    if rc > 128:
        return "verify died of signal %d: %s" % (rc - 128, tail)
    return "verify exit %d: %s" % (rc, tail)


def pick_work():
    try:
        st = os.statvfs("/dev/shm")
        if st.f_bavail * st.f_frsize > 2 << 30:
            return "/dev/shm"
    except OSError:
        pass
    return "/tmp"


def sh(*argv, check=True, **kw):
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    if check and r.returncode:
        raise RuntimeError("%s: %s" % (" ".join(argv), r.stdout.decode("utf-8", "replace").strip()))
    return r.stdout.decode("utf-8", "replace").strip()


def count_lines(path):
    try:
        with open(path, "rb") as f:
            return sum(b.count(b"\n") for b in iter(lambda: f.read(1 << 20), b""))
    except FileNotFoundError:
        return 0


def umount(path, tries=50):
    for _ in range(tries):
        r = subprocess.run(["umount", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if r.returncode == 0 or b"not mounted" in r.stdout or b"no mount point" in r.stdout:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "-l", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    raise RuntimeError("umount %s stayed busy; detached lazily" % path)


def need(*tools):
    for t in tools:
        p = t if os.path.isabs(t) else shutil.which(t)
        if not p or not os.access(p, os.X_OK):
            sys.exit("missing: %s (see README: build and packages)" % t)


def mkfs(kind, img, size_mb):
    with open(img, "wb") as f:
        f.truncate(size_mb << 20)
    if kind == "ext4":
        sh("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", img)
    elif kind == "xfs":
        sh("mkfs.xfs", "-q", "-f", img)
    elif kind == "btrfs":
        sh("mkfs.btrfs", "-q", "-f", img)
    else:
        sys.exit("unknown filesystem: " + kind)


MIN_MB = {"ext4": 64, "xfs": 320, "btrfs": 160}
