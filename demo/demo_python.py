"""The Python part of the demo; demo/run starts it.

    python demo_python.py FOLDER PACKAGES.jsonl SEED

Keeps this machine's packages in an fsdict, asks it questions, changes it in
a process that is killed with SIGKILL again and again, opens it again, and
measures it beside dict, shelve, sqlite3, py-lmdb and diskcache on the same
records.  Exit status 0 only if nothing acknowledged was lost.
"""

import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import demo_stores
import kist

KILLS = 7
LIFE_S = (0.05, 0.4)  # how long a writer lives
ROUNDS = 3
SLICE_NS = 80_000_000  # CPU time of one measurement, at least


def say(text):
    print(f"\n== {text}", flush=True)


# --- a conversation ----------------------------------------------------------


def show(source, names):
    """Runs a line, prints it as the interpreter would, and its time."""
    begin = time.perf_counter()
    try:
        value = eval(compile(source, "<demo>", "eval"), names)
    except SyntaxError:
        begin = time.perf_counter()
        exec(source, names)  # noqa: S102
        value = None
    took = (time.perf_counter() - begin) * 1e3
    print(f">>> {source:<65}  # {took:.2f} ms")
    if value is not None:
        print(repr(value))


def talk(path, records):
    """A dict is made, asked, changed, closed and opened again; what is
    printed is what was run.  True if the last two answers are right."""
    names = {"records": records, "path": path}
    for line in (
        "from kist import fsdict",
        "d = fsdict(path)",
        "d.update(records)",
        "len(d), d['libc6']['Version']",
        "max(d, key=lambda name: d[name].get('Installed-Size', 0))",
        "len([n for n, p in d.items() if 'libc6' in p.get('Depends', ())])",
        "'no such package' in d",
        "d == records",
        "d['libc6'] |= {'Note': 'kept'}",
        "d.close()",
        "d = fsdict(path)",
    ):
        show(line, names)
    show("d['libc6']['Note']", names)
    d = names["d"]
    good = d["libc6"]["Note"] == "kept" and list(d) == list(records)
    d.close()
    return good


# --- killed again and again ---------------------------------------------------


def change(path, numbers):
    """Step n gives the package of its turn the number n; even steps also
    note it in a list, and are a batch.  Every step is acknowledged on stdout
    before the next one begins."""
    with kist.open(path) as k:
        packages, notes = k.dict("packages"), k.list("notes", int)
        order = list(packages)
        for n in numbers:
            name = order[n % len(order)]
            value = {**packages[name], "Changed": n}
            if n % 2 == 0:
                with k.batch():
                    packages[name] = value
                    notes.append(n)
            else:
                packages[name] = value
            os.write(1, b"%d\n" % n)


def live_and_die(path, first, seconds):
    """The last step that a writer acknowledged before it was killed."""
    child = subprocess.Popen(
        [sys.executable, __file__, "--change", path, str(first)],
        stdout=subprocess.PIPE,
    )
    text, deadline = b"", None
    while chunk := os.read(child.stdout.fileno(), 1 << 16):
        text += chunk
        now = time.monotonic()
        deadline = deadline or now + seconds  # it has begun
        if now >= deadline:
            child.send_signal(signal.SIGKILL)
    child.stdout.close()
    if child.wait() != -signal.SIGKILL:
        sys.exit(f"demo: the writer ended by itself: {child.returncode}")
    return int(text.rpartition(b"\n")[0].rpartition(b"\n")[2])


def state_after(records, last):
    """What the dict and the list hold after the steps 1 .. last."""
    order = list(records)
    packages = dict(records)
    for n in range(max(1, last - len(order) + 1), last + 1):
        name = order[n % len(order)]
        packages[name] = {**records[name], "Changed": n}
    return packages, list(range(2, last + 1, 2))


def killed(path, records, dice):
    """True if each reopened dict is what was acknowledged, or one step on."""
    with kist.open(path) as k:
        k.dict("packages").update(records)
        k.list("notes", int)
    good, done = True, 0
    for _ in range(KILLS):
        done = live_and_die(path, done + 1, dice.uniform(*LIFE_S))
        begin = time.perf_counter()
        with kist.open(path) as k:
            packages, notes = k.dict("packages"), k.list("notes", int)
            found = packages.copy(), notes[:]
            took = (time.perf_counter() - begin) * 1e3
            there = max(p.get("Changed", 0) for p in found[0].values())
        whole = found == state_after(records, there)
        lost = max(0, done - there)
        good = good and whole and lost == 0
        print(
            f"  killed: acknowledged {done}, there {there}:"
            f" {'none lost' if lost == 0 else f'{lost} LOST'},"
            f" dict and list {'right' if whole else 'WRONG'},"
            f" opened and read whole in {took:.1f} ms",
            flush=True,
        )
        done = there
    return good


# --- beside others ------------------------------------------------------------

ROWS = (
    ("d[name] = record, one by one", "put_records", "pairs"),
    ("d[name], a record", "get_records", "names"),
    ("d[name] = size, one by one", "put_sizes", "sizes"),
    ("d.update(sizes), one batch", "update_sizes", "sizes"),
    ("d[name], a size", "get_sizes", "names"),
    ("name in d", "has_sizes", "names"),
    ("for name, size in d.items()", "each_size", None),
)


def cost(call, given, count):
    """CPU ns an item, from as many calls as fill the slice."""
    calls, begin = 0, time.process_time_ns()
    while True:
        call(*given)
        calls += 1
        spent = time.process_time_ns() - begin
        if spent >= SLICE_NS:
            return spent / calls / count


def measure(stores, records):
    """{row: {store: ns}}: medians of rounds in which all take turns."""
    names = list(records)
    random.Random(1).shuffle(names)
    # Copies, for a key that is the very object in the dict is too easy.
    names = ["".join(list(name)) for name in names]
    inputs = {
        "names": names,
        "pairs": [(name, records[name]) for name in names],
        "sizes": [
            (name, records[name].get("Installed-Size", 0)) for name in names
        ],
    }
    figures = {}
    for title, method, given in ROWS:
        rounds = {name: [] for name in stores}
        for _ in range(ROUNDS):
            for name, store in stores.items():
                rounds[name].append(
                    cost(
                        getattr(store, method),
                        [inputs[given]] if given else [],
                        len(names),
                    )
                )
        figures[title] = {n: statistics.median(r) for n, r in rounds.items()}
    return figures


def lost(name, folder, source, count):
    """How many of the records that were put are gone after kill -9."""
    home = tempfile.mkdtemp(dir=folder)
    program = [sys.executable, demo_stores.__file__]
    subprocess.run([*program, "fill", name, home, source], check=False)
    done = subprocess.run(
        [*program, "count", name, home, source],
        capture_output=True,
        check=False,
        text=True,
    )
    shutil.rmtree(home)
    return count - int(done.stdout) if done.returncode == 0 else count


def opened(names, folder):
    """The stores that can be had here."""
    stores = {}
    for name in names:
        try:
            home = tempfile.mkdtemp(dir=folder)
            stores[name] = demo_stores.STORES[name](home)
        except ImportError:
            print(f"({name} is left out: it could not be installed)")
    return stores


def multiple(ratio):
    digits = 3 if ratio < 0.1 else 2 if ratio < 1 else 1 if ratio < 100 else 0
    return f"{ratio:9.{digits}f}x"


def compare(folder, source, records):
    stores = opened(demo_stores.STORES, folder)
    figures = measure(stores, records)
    for store in stores.values():
        store.close()
    others = [name for name in stores if name != "kist"]
    print(
        f"{'CPU time an operation':31}{'kist':>9}  others, as multiples of it\n"
        f"{'medians of ' + str(ROUNDS) + ' rounds':31}{'ns':>9}"
        + "".join(f"{name:>10}" for name in others)
    )
    for title, row in figures.items():
        ours = row["kist"]
        print(
            f"{title:31}{ours:9.0f}"
            + "".join(multiple(row[name] / ours) for name in others)
        )
    gone = {name: lost(name, folder, source, len(records)) for name in stores}
    print(
        f"{'records lost by kill -9':31}{gone['kist']:9}"
        + "".join(f"{gone[name]:10}" for name in others)
    )
    return gone["kist"] == 0


def main():
    if sys.argv[1] == "--change":
        first = int(sys.argv[3])
        return change(sys.argv[2], iter(range(first, 1 << 62)))
    folder, source, seed = sys.argv[1:]
    with open(source, encoding="utf-8") as lines:
        records = {r["Name"]: r for r in map(json.loads, lines)}

    say(f"The same packages from Python {sys.version.split()[0]}")
    good = talk(os.path.join(folder, "packages"), records)

    say(f"A dict whose writer is killed {KILLS} times (seed {seed})")
    good &= killed(os.path.join(folder, "kill"), records, random.Random(seed))

    say("Beside dict and its kept cousins, same records, same run")
    good &= compare(folder, source, records)
    if not good:
        print("FAILED: what was acknowledged is not there.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
