"""Writes bench/RESULTS.md and its plots from the rows of the sections."""

import figures
import figures_memfs
import figures_store
import plots

TITLES = {
    "kv": "Dict operations",
    "list": "Lists",
    "open": "Opening, memory, size",
    "durable": "Durable puts",
    "mixed": "A reader and a writer in two processes",
    "latency": "Put latency while a store grows",
    "python": "Python's dict, list and set",
    "memfs": "Files in memory",
    "stores": "Stores",
}

NOTES = {
    "kv": "CPU ns an operation (user and system, all threads of the "
          "process), the median of the rounds; a fresh process for each "
          "phase of a store on disk. *null* is the harness alone and is "
          "inside every figure. Nothing here is durable against a power "
          "cut; all but tkrzw and gdbm survive kill -9. \"one\" is one "
          "operation a transaction (loads: 95 % filled in batches, the rest "
          "timed), \"batch\" 1000. *memhash* allocates each value anew, "
          "*memhash-inplace* copies over a value of the same size.",
    "list": "CPU ns an operation. *array* and *blocks* are in memory; "
            "*sqlite* is a table that after an insert in the middle can find "
            "an item by index only by counting. *kist-dict* is the load of "
            "a dict with as many items in the same run.",
    "open": "Wall time, each in a fresh process, medians. \"killed\": the "
            "writer before was ended by SIGKILL; \"evicted\": the files were "
            "dropped from the page cache. The rebuild deletes the index and "
            "opens. Memory is what 200 000 gets and 100 000 puts leave "
            "anonymous.",
    "durable": "Wall time. *bare* writes 144 bytes to a file whose space is "
               "taken and calls fdatasync. The engines take turns in blocks "
               "of 50 puts, so all meet the same disk. KiB, writes and "
               "flushes are what /sys/block says reached the loop device.",
    "mixed": "CPU ns an operation and million operations a second of wall "
             "time; reader and writer are processes of their own.",
    "latency": "Wall time in us of single puts. \"own\" leaves out time "
               "that the scheduler took. \"tenth worst\" is of a tenth of "
               "the growth. An engine that ran out of time shows how far it "
               "came.",
    "python": "CPU ns an operation (all threads of the process), the median "
              "of the rounds; a fresh process for each engine and each group "
              "of phases, which goes over the store once before the clock "
              "starts (a slow engine: over what it is asked for). *null* is "
              "the `for` alone and is inside every figure. Keys are new "
              "`str` objects whose hash nobody has asked for, save the 1000 "
              "hot ones; values are `str` of 100 characters. kist is as "
              "`FSDict(path)` comes. *py-lmdb* is a transaction (sync=False) "
              "for each operation, *py-lmdb-held* one for all reads. Opening "
              "is wall time.",
    "memfs": "Wall time. The cases are those that D-MemFS publishes, with "
             "what it takes to make and to drop the file system, without "
             "tracemalloc; large_stream_distinct writes new objects, and "
             "makes them. Each engine has a process of its own for each "
             "case, and they take turns. \"first\" is the first run in a "
             "process, whose memory comes from the kernel, and in a virtual "
             "machine perhaps from its host (*new memory*); the others are "
             "the median of up to nine runs after it, which find in "
             "malloc() what the runs before gave back: for blocks of 16 MiB "
             "that is most of the cost. Garbage collection is on. BytesIO "
             "has no open() and is kept in a dict; *list* only keeps the "
             "objects. Calls are of one "
             "process, kist and D-MemFS in turn; C is the same call without "
             "Python, files copied where Python keeps objects.",
    "stores": "CPU us an operation (user and system, all threads of the "
              "process), on tmpfs, 10 000 keys in one directory; an entry "
              "for what goes over all of them, a call for bool, random_key "
              "and newest(10). Values are dicts of four fields. The floor is "
              "a C program that does nothing but the system calls which the "
              "operation cannot do without, below an open directory. Each "
              "engine has a process of its own, next to its peer. kist is as "
              "it comes: every put is synced. diskcache is one SQLite file "
              "and joblib.Memory a directory for each result; neither syncs. "
              "Durable puts are wall time, 16 threads of one process, kist "
              "with durability=\"group\"; the engines take turns. Updates "
              "are lost when two processes add to one number with "
              "transform_item.",
}


# With other work above this, a section's figures carry a warning.
BUSY_PERCENT = 10


def number(value):
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def table(heads, lines):
    text = ["| " + " | ".join(heads) + " |",
            "|---|" + "---:|" * (len(heads) - 1)]
    text += ["| " + " | ".join(map(str, line)) + " |" for line in lines]
    return "\n".join(text) + "\n"


def verdict(row):
    if row.reached is None:
        return "not measured"
    return "reached" if row.reached else "**not reached**"


def figure(row):
    if row.figure is None:
        return "-"
    return f"{number(row.figure)} {row.unit}".strip().replace(" x", "x")


def limit(row):
    sign = ">=" if row.at_least else "<="
    return f"{sign} {row.limit:g} {row.unit}".strip().replace(" x", "x")


def target_table(rows):
    return table(("what", "kist", "target", "verdict", "figures"),
                 [(row.what, figure(row), limit(row), verdict(row),
                   row.detail) for row in rows])


def kv_matrix(rows):
    """One line a phase, one column a comparison."""
    groups = {}
    for row in rows:
        phase, _, what = row.what.partition(": ")
        if what:
            groups.setdefault(phase, []).append(row)
    heads = ("", "LMDB batched", "LMDB one", "RocksDB", "SQLite",
             "best peer", "over memhash")
    keys = ("LMDB batched", "LMDB one", "RocksDB", "SQLite", "the best peer",
            "over a hash")
    lines = []
    for phase, group in groups.items():
        line = [phase]
        for key in keys:
            row = next((row for row in group
                        if row.what.partition(": ")[2].startswith(key)),
                       None)
            if row is None:
                line.append("")
                continue
            sign = ">=" if row.at_least else "<="
            miss = " **not reached**" if row.reached is False else ""
            line.append(f"{number(row.figure)}x ({sign} {row.limit:g}x)"
                        f"{miss}")
        lines.append(line)
    return table(heads, lines)


def engines_of(rows):
    return list(dict.fromkeys(row["engine"] for row in rows
                              if "engine" in row))


def kv_full(rows):
    by_phase = figures.kv_table(rows)
    phases = [phase for phase in (*figures.PHASES, "get_many", "load_many",
                                  "put_many") if phase in by_phase]
    lines = [[engine, *(number(by_phase[phase].get(engine))
                        for phase in phases)]
             for engine in engines_of(rows)]
    spreads = [figures.spread(rows, "cpu_ns", engine=row["engine"],
                              phase=row["phase"]) or 1 for row in rows]
    wide = sum(1 for value in spreads if value > 1.25)
    return (table(("engine", *phases), lines) +
            f"\nRounds agree within 1.25x in {len(spreads) - wide} of "
            f"{len(spreads)} measurements; the widest cell is "
            f"{max(spreads):.2f}x.\n")


def list_full(rows):
    phases = ("append", "get", "iterate", "insert", "get_edited",
              "iterate_edited", "pop")
    keys = list(dict.fromkeys((row["engine"], row["n"]) for row in rows))
    lines = [[engine, f"{count:.0f}",
              *(number(figures.median(rows, "cpu_ns", engine=engine,
                                      n=count, phase=phase))
                for phase in phases)]
             for engine, count in keys]
    return table(("engine", "items", *phases), lines)


def open_full(rows):
    lines = []
    keys = list(dict.fromkeys((row["engine"], row["n"]) for row in rows
                              if "engine" in row))
    for engine, count in keys:
        line = [engine, f"{count:.0f}"]
        for state in ("clean", "killed", "evicted"):
            for field in ("open_us", "first_get_us"):
                line.append(number(figures.median(
                    rows, field, engine=engine, n=count, state=state)))
        anon = figures.median(rows, "anon_bytes", engine=engine, n=count)
        line.append("-" if anon is None else f"{anon / 2**20:.2f}")
        lines.append(line)
    text = table(("engine", "keys", "clean: open us", "get us",
                  "killed: open us", "get us", "evicted: open us", "get us",
                  "anonymous MiB"), lines)
    sizes = [[f"{row['n']:.0f}", number(row["index_bytes"]),
              number(row["index_file_bytes"]), number(row["log_bytes"]),
              number(figures.median(rows, "wall_ns", what="rebuild",
                                    n=row["n"]))]
             for row in rows if row.get("what") == "sizes"]
    return text + "\n" + table(
        ("kist, keys", "index B in use", "index B on disk", "log B",
         "rebuild ns a record"), sizes)


def durable_full(rows):
    ones = [row for row in rows if row["bench"] == "durable"]
    fields = ("p50_us", "p99_us", "mean_us", "kib", "writes", "flushes")
    keys = list(dict.fromkeys((row["where"], row["engine"])
                              for row in ones))
    text = table(("where", "engine", "p50 us", "p99 us", "mean us",
                  "KiB a put", "writes", "flushes"),
                 [[where, engine,
                   *(number(figures.median(ones, field, where=where,
                                           engine=engine))
                     for field in fields)]
                  for where, engine in keys])
    many = [row for row in rows if row["bench"] == "durable_many"]
    keys = list(dict.fromkeys((row["engine"], row["how"], row["writers"])
                              for row in many))
    text += "\n" + table(
        ("engine", "how", "writers", "us a put"),
        [[engine, how, f"{writers:.0f}",
          number(figures.median(many, "us", engine=engine, how=how,
                                writers=writers))]
         for engine, how, writers in keys])
    for row in rows:
        if "problem" in row:
            text += f"\nNot measured on {row['where']}: {row['problem']}\n"
    return text


def mixed_full(rows):
    lines = []
    for engine in engines_of(rows):
        for role in ("reader", "writer"):
            for company in ("alone", "beside"):
                where = {"engine": engine, "role": role, "company": company}
                wall = figures.median(rows, "wall_ns", **where)
                lines.append([engine, role, company,
                              number(figures.median(rows, "cpu_ns",
                                                    **where)),
                              number(1000 / wall if wall else None)])
    return table(("engine", "role", "company", "CPU ns", "M op/s"), lines)


def latency_full(rows):
    fields = ("p50_us", "p99_us", "p999_us", "p9999_us", "max_us",
              "own_max_us")
    lines = [[engine,
              f"{figures.median(rows, 'n', engine=engine, part='all'):.0f}",
              *(number(figures.median(rows, field, engine=engine,
                                      part="all")) for field in fields)]
             for engine in engines_of(rows)]
    text = table(("engine", "puts", "p50", "p99", "p99.9", "p99.99", "max",
                  "max own"), lines)
    lines = [[str(part),
              *(number(figures.median(rows, field, engine="kist",
                                      part=str(part)))
                for field in ("p999_us", "tenth_worst_us", "max_us",
                              "own_max_us"))]
             for part in range(1, 11)]
    return text + "\n" + table(("kist, tenth", "p99.9", "10th worst", "max",
                                "max own"), lines)


def python_matrix(rows, bench, phases):
    rows = [row for row in rows if row["bench"] == bench]
    lines = [[engine, f"{figures.median(rows, 'n', engine=engine):.0f}",
              *(number(figures.median(rows, "cpu_ns", engine=engine,
                                      phase=phase)) for phase in phases)]
             for engine in engines_of(rows)]
    return table((bench, "n", *phases), lines)


def python_full(rows):
    text = python_matrix(rows, "dict", (
        "put", "get", "get_hot", "null", "contains", "get_many", "overwrite",
        "delete", "keys", "values", "items"))
    text += "\n" + python_matrix(rows, "list", (
        "append", "get", "set", "slice", "iterate", "slice_view",
        "slice_copy"))
    text += "\n" + python_matrix(rows, "set", ("add", "contains"))
    text += "\n" + python_matrix(rows, "array", (
        "sum", "filter", "asarray_sum", "asarray_filter"))
    starts = [row for row in rows if row.get("phase") == "open"]
    text += "\n" + table(
        ("open + first get", "keys", "us", "CPU us"),
        [[engine, f"{figures.median(starts, 'n', engine=engine):.0f}",
          *(number(figures.median(starts, field, engine=engine))
            for field in ("total_us", "cpu_us"))]
         for engine in engines_of(starts)])
    versions = next((row["versions"] for row in rows if "versions" in row),
                    {})
    return text + "\n" + ", ".join(
        f"{name} {version}" for name, version in versions.items()) + ".\n"


def memfs_cases(rows):
    """{field: a table of engine by case}."""
    rows = [row for row in rows if row.get("what") == "case"]
    python = [row for row in rows if row["bench"] == "memfs"]
    parts = []
    for field, head in (("ms", "ms"), ("first_ms", "ms, first"),
                        ("min_ms", "ms, least")):
        lines = [[engine,
                  *(number(figures.median(python, field, engine=engine,
                                          case=case))
                    for case in figures_memfs.CASES)]
                 for engine in engines_of(python)]
        parts.append(table((head, *figures_memfs.CASES), lines))
    in_c = [row for row in rows if row["bench"] == "memfs_c"]
    cases = list(dict.fromkeys(row["case"] for row in in_c))
    parts.append(table(
        ("C, ms", *cases),
        [[how, *(number(figures.median(in_c, "ms", how=how, case=case))
                 for case in cases)] for how in ("copied", "lent")]))
    return parts


# Calls whose names in C and in Python differ.
MEMFS_IN_C = {"with_rb_read_4k": "rb_read_4k", "with_wb_write_4k":
              "wb_write_4k", "exists": "look", "exists_deep": "look_deep",
              "listdir": "list", "import_tree": "import"}


def memfs_calls(rows):
    def of(field, call, engine, what):
        return figures.median(rows, field, bench="memfs", what=what,
                              call=call, engine=engine)

    def in_c(call):
        return figures.median(rows, "ns", bench="memfs_c", what="call",
                              call=MEMFS_IN_C.get(call, call))

    parts = []
    for what, field, scale in (("call", "ns", 1), ("tree", "us", 1000)):
        lines = []
        for call in dict.fromkeys(row["call"] for row in rows
                                  if row["bench"] == "memfs" and
                                  row.get("what") == what):
            own, peer = (of(field, call, engine, what)
                         for engine in ("kist", "dmemfs"))
            c_cost = in_c(call)
            if c_cost is not None:
                c_cost /= scale
            lines.append([call, number(own), number(peer),
                          number(figures.ratio(peer, own)) + "x",
                          number(c_cost)])
        parts.append(table((f"{what}, {field}", "kist", "D-MemFS",
                            "D-MemFS over kist", "C"), lines))
    return parts


def memfs_full(rows):
    parts = memfs_cases(rows) + memfs_calls(rows)
    blocks = [row for row in rows if row.get("what") == "blocks"]
    keys = list(dict.fromkeys((row["block_kib"], row["mib"], row["work"])
                              for row in blocks))
    lines = []
    for block, mib, work in keys:
        where = {"block_kib": block, "mib": mib, "work": work}
        lines.append([f"{work}, {block:.0f} KiB, {mib:.0f} MiB",
                      *(number(figures.median(blocks, field, engine=engine,
                                              **where))
                        for field in ("gb_s", "ms", "first_ms")
                        for engine in ("memcpy", "kist"))])
    parts.append(table(("C, blocks", "memcpy GB/s", "kist GB/s",
                        "memcpy ms", "kist ms", "memcpy first ms",
                        "kist first ms"), lines))
    pages = [row for row in rows if row.get("what") == "fresh"]
    parts.append(table(
        ("new memory, us a MiB", "first", "again"),
        [[kind, *(number(figures.median(pages, field, pages=kind))
                  for field in ("first_us", "us"))]
         for kind in ("4 KiB", "2 MiB")]))
    threads = [row for row in rows if row.get("what") == "threads"]
    parts.append(table(
        ("threads", "engine", "one", "two", "four"),
        [[name, engine,
          *(number(figures.median(threads, field, engine=engine,
                                  threads=count, **where))
            for count in (1, 2, 4))]
         for name, field, where, engines in (
             ("Python, us a pair", "us", {"kind": "pairs"},
              ("kist", "dmemfs", "bytesio")),
             ("Python, us a readinto of 1 MiB", "us", {"kind": "reads"},
              ("kist", "dmemfs")),
             ("C, ns a pair", "ns", {"bench": "memfs_c"},
              ("kist", "memcpy")))
         for engine in engines]))
    versions = next((row["versions"] for row in rows if "versions" in row),
                    {})
    return "\n".join(parts) + "\n" + ", ".join(
        f"{name} {version}" for name, version in versions.items()) + ".\n"


def stores_full(rows):
    parts = []
    names = dict.fromkeys(row["call"] for row in rows
                          if row["bench"] in ("store_floor", "store_c"))
    parts.append(table(
        ("in C, us", "system calls", "kist"),
        [[call, *(number(figures.median(rows, "us", bench=bench, call=call))
                  for bench in ("store_floor", "store_c"))]
         for call in names]))
    calls = [row for row in rows if row["bench"] == "stores" and
             "call" in row]
    for what in dict.fromkeys(row["what"] for row in calls):
        own = [row for row in calls if row["what"] == what]
        engines = list(dict.fromkeys((row["engine"], row.get("format", ""))
                                     for row in own))
        parts.append(table(
            (what.replace("_", " "), *(" ".join(pair).strip()
                                       for pair in engines)),
            [[call, *(number(figures.median(own, "us", call=call, **(
                {"engine": engine, "format": form} if form else
                {"engine": engine}))) for engine, form in engines)]
             for call in dict.fromkeys(row["call"] for row in own)]))
    durable = [row for row in rows if row.get("what") == "durable"]
    parts.append(table(
        ("durable puts of 16 threads", "where", "wall us", "CPU us"),
        [[row["engine"], row["where"], number(row["wall_us"]),
          number(row["us"])] for row in durable]))
    lost = [row for row in rows if row.get("what") == "lost"]
    parts.append(table(
        ("two processes", "format", "additions", "lost", "wall us each"),
        [[engine, form,
          *(number(figures.median(lost, field, engine=engine, format=form))
            for field in ("adds", "lost", "wall_us"))]
         for engine, form in dict.fromkeys((row["engine"], row["format"])
                                           for row in lost)]))
    imports = [row for row in rows if row.get("what") == "import"]
    parts.append(table(
        ("import", "CPU ms", "and with it"),
        [[engine, number(figures.median(imports, "ms", engine=engine)),
          ", ".join(next(row["imported"] for row in imports
                         if row["engine"] == engine))]
         for engine in engines_of(imports)]))
    for row in rows:
        if "problem" in row:
            parts.append(f"Not measured on {row['where']}: "
                         f"{row['problem']}\n")
    versions = next((row["versions"] for row in rows if "versions" in row),
                    {})
    return "\n".join(parts) + "\n" + ", ".join(
        f"{name} {version}" for name, version in versions.items()) + ".\n"


FULL = {
    "kv": kv_full,
    "list": list_full,
    "open": open_full,
    "durable": durable_full,
    "mixed": mixed_full,
    "latency": latency_full,
    "python": python_full,
    "memfs": memfs_full,
    "stores": stores_full,
}


def target_part(found, targets):
    parts = ["## Targets\n"]
    all_rows = [row for rows in targets.values() for row in rows]
    missed = [row for row in all_rows if row.reached is False]
    reached = [row for row in all_rows if row.reached]
    parts.append(f"{len(reached)} of {len(all_rows)} targets reached, "
                 f"{len(missed)} not reached, "
                 f"{len(all_rows) - len(reached) - len(missed)} not "
                 "measured. Each ratio is of figures from the same run.\n")
    if any(section["quick"] for section in found.values()):
        parts.append("**Sections marked quick ran one round with fewer keys "
                     "than the targets are set for.**\n")
    for name, section in found.items():
        busy = section["busy"]
        if busy > BUSY_PERCENT:
            parts.append(f"**Others kept the processors {busy} % busy when "
                         f"\"{TITLES[name]}\" began: its wall times are "
                         "not to be relied on.**\n")
    if missed:
        parts.append("Not reached:\n")
        parts.append(target_table(missed))
    for name, rows in targets.items():
        parts.append(f"### {TITLES[name]}\n")
        if name == "kv":
            parts.append("A peer's cost over kist's, and kist's over a hash "
                         "in memory.\n")
            parts.append(kv_matrix(rows))
            rows = [row for row in rows if ": " not in row.what]
        parts.append(target_table(rows))
    return parts, len(reached), len(missed)


def machine_part(found):
    facts = {}
    for section in found.values():
        facts.update(section["machine"])
    parts = ["## Machine\n", table(("", ""), facts.items())]
    parts.append(table(("section", "date", "rounds", "seconds",
                        "others busy, %", "kind"),
                       [(name, section["date"], section["rounds"],
                         section["seconds"], section["busy"],
                         "quick" if section["quick"] else "full")
                        for name, section in found.items()]))
    return parts


def write(found, folder):
    """Writes folder/RESULTS.md; returns how many targets are reached and
    how many are not."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    of_section = {**figures.ROWS, "memfs": figures_memfs.memfs_rows,
                  "stores": figures_store.store_rows}
    targets = {name: of_section[name](section["rows"])
               for name, section in found.items()}
    parts = ["# What kist costs, beside its peers\n",
             "Written by `bench/run`; no figure by hand.\n"]
    target_parts, reached, missed = target_part(found, targets)
    parts += target_parts
    parts += machine_part(found)
    for name, section in found.items():
        parts.append(f"## {TITLES[name]}\n")
        parts.append(NOTES[name] + "\n")
        parts.append(FULL[name](section["rows"]))
        for file, draw, title in plots.PLOTS[name]:
            draw(section["rows"], folder / "plots" / file)
            parts.append(f"![{title}](plots/{file})\n")
    (folder / "RESULTS.md").write_text("\n".join(parts))
    return reached, missed
