"""The plots of bench/RESULTS.md, as SVG that changes only with its data."""

import figures
import figures_memfs
import figures_store
import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "kist"
matplotlib.rcParams["font.size"] = 9

import matplotlib.pyplot as plt  # noqa: E402  (after the backend is chosen)

KIST = "#c2410c"
GREYS = ("#1e3a5f", "#3f6fa3", "#7aa6d1", "#4d7c5a", "#8fb996", "#b9d3c0",
         "#8c7aa9", "#bcaed0", "#9a9a9a", "#c7c7c7")


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def kv(rows, path):
    table = figures.kv_table(rows)
    engines = ["kist", "memhash", *figures.PEERS]
    shown = [phase for phase in figures.PHASES if phase in table]
    width = 0.8 / len(engines)
    figure, axes = plt.subplots(figsize=(10, 4))
    for number, engine in enumerate(engines):
        places = [at + number * width for at in range(len(shown))]
        heights = [table[phase].get(engine) or 0 for phase in shown]
        color = KIST if engine == "kist" else GREYS[number % len(GREYS)]
        axes.bar(places, heights, width, label=engine, color=color)
    axes.set_yscale("log")
    axes.set_ylabel("CPU ns an operation")
    axes.set_xticks([at + 0.4 - width / 2 for at in range(len(shown))],
                    shown)
    axes.legend(ncol=5, fontsize=7, loc="upper right")
    axes.set_ylim(1, axes.get_ylim()[1] * 8)
    save(figure, path)


def ratios(rows, path):
    """How many times a peer's cost is kist's, by phase."""
    table = figures.kv_table(rows)
    shown = [phase for phase in figures.PHASES if phase in table]
    figure, axes = plt.subplots(figsize=(8, 4))
    for number, engine in enumerate(figures.PEERS):
        points = [(at, figures.ratio(table[phase].get(engine),
                                     table[phase].get("kist")))
                  for at, phase in enumerate(shown)]
        points = [point for point in points if point[1]]
        axes.plot([point[0] for point in points],
                  [point[1] for point in points], "o", label=engine,
                  color=GREYS[number])
    axes.axhline(1, color=KIST)
    axes.set_yscale("log")
    axes.set_ylabel("times kist's CPU time")
    axes.set_xticks(range(len(shown)), shown)
    axes.legend(ncol=2, fontsize=7)
    save(figure, path)


def latency(rows, path):
    figure, both = plt.subplots(1, 2, figsize=(10, 3.5), sharey=True)
    engines = list(dict.fromkeys(row["engine"] for row in rows))
    for axes, field, title in (
            (both[0], "p999_us", "p99.9 of each tenth"),
            (both[1], "own_max_us", "longest own pause of each tenth")):
        for number, engine in enumerate(engines):
            points = []
            for part in range(1, 11):
                value = figures.median(rows, field, engine=engine,
                                       part=str(part))
                count = figures.median(rows, "n", engine=engine,
                                       part=str(part))
                if value:
                    points.append((count / 1e6, value))
            axes.plot([point[0] for point in points],
                      [point[1] for point in points], ".-", label=engine,
                      color=KIST if engine == "kist" else GREYS[number])
        axes.set_yscale("log")
        axes.set_title(title)
        axes.set_xlabel("million keys in the store")
    both[0].set_ylabel("us")
    both[0].legend(fontsize=7)
    save(figure, path)


def opening(rows, path):
    figure, axes = plt.subplots(figsize=(7, 3.5))
    engines = list(dict.fromkeys(row["engine"] for row in rows
                                 if "engine" in row))
    marks = {"clean": "o-", "killed": "s--", "evicted": "^:"}
    for number, engine in enumerate(engines):
        for state, mark in marks.items():
            counts = sorted({row["n"] for row in rows
                             if row.get("engine") == engine})
            points = [(count, figures.median(rows, "total_us", state=state,
                                             engine=engine, n=count))
                      for count in counts]
            points = [point for point in points if point[1]]
            axes.plot([point[0] for point in points],
                      [point[1] for point in points], mark,
                      label=f"{engine}, {state}",
                      color=KIST if engine == "kist" else GREYS[number])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("keys")
    axes.set_ylabel("open + first get, us")
    axes.legend(fontsize=7, ncol=2)
    save(figure, path)


def durable(rows, path):
    figure, both = plt.subplots(1, 2, figsize=(10, 3.5))
    wheres = ("disk", "ext4", "xfs")
    engines = ("bare", "kist", "rocksdb", "sqlite-one", "lmdb-one")
    width = 0.16
    for number, engine in enumerate(engines):
        heights = [figures.median(rows, "p50_us", engine=engine, where=where,
                                  bench="durable") or 0
                   for where in wheres]
        both[0].bar([at + number * width for at in range(len(wheres))],
                    heights, width, label=engine,
                    color=KIST if engine == "kist" else GREYS[number])
    both[0].set_xticks([at + 2 * width for at in range(len(wheres))],
                       ("disk", "ext4 loop", "XFS loop"))
    both[0].set_ylabel("us a durable put, p50")
    both[0].legend(fontsize=7)
    groups = sorted({(row["engine"], row["how"], row["writers"])
                     for row in rows if row["bench"] == "durable_many"})
    values = [figures.median(rows, "us", bench="durable_many", engine=engine,
                             how=how, writers=writers)
              for engine, how, writers in groups]
    both[1].barh([f"{engine}, {writers:.0f} {how}"
                  for engine, how, writers in groups], values,
                 color=[KIST if group[0] == "kist" else GREYS[1]
                        for group in groups])
    both[1].set_xlabel("us a put, all writers together")
    save(figure, path)


def lists(rows, path):
    count = max(row["n"] for row in rows)
    engines = ("kist", "array", "blocks", "sqlite")
    phases = ("append", "get", "iterate", "insert", "get_edited",
              "iterate_edited", "pop")
    width = 0.2
    figure, axes = plt.subplots(figsize=(10, 3.5))
    for number, engine in enumerate(engines):
        heights = [figures.median(rows, "cpu_ns", engine=engine, phase=phase,
                                  n=count) or 0
                   for phase in phases]
        axes.bar([at + number * width for at in range(len(phases))], heights,
                 width, label=engine,
                 color=KIST if engine == "kist" else GREYS[number])
    axes.set_yscale("log")
    axes.set_ylabel("CPU ns an operation")
    axes.set_xticks([at + 1.5 * width for at in range(len(phases))], phases)
    axes.legend(fontsize=7)
    save(figure, path)


def mixed(rows, path):
    figure, axes = plt.subplots(figsize=(7, 3))
    groups = [(engine, role, company)
              for engine in dict.fromkeys(row["engine"] for row in rows)
              for role in ("reader", "writer")
              for company in ("alone", "beside")]
    values = [figures.median(rows, "cpu_ns", engine=engine, role=role,
                             company=company) or 0
              for engine, role, company in groups]
    axes.barh([f"{engine} {role}, {company}"
               for engine, role, company in groups], values,
              color=[KIST if group[0] == "kist" else GREYS[1]
                     for group in groups])
    axes.set_xscale("log")
    axes.set_xlim(left=10)
    axes.set_xlabel("CPU ns an operation")
    save(figure, path)


def python(rows, path):
    rows = [row for row in rows if row["bench"] == "dict"]
    engines = ("kist", "dict", "py-lmdb-held", "py-lmdb", "rocksdict",
               "shelve", "diskcache", "sqlitedict")
    phases = ("put", "overwrite", "delete", "get", "get_hot", "contains",
              "get_many", "keys", "values", "items")
    width = 0.8 / len(engines)
    figure, axes = plt.subplots(figsize=(10, 4))
    for number, engine in enumerate(engines):
        heights = [figures.median(rows, "cpu_ns", engine=engine, phase=phase)
                   or 0 for phase in phases]
        axes.bar([at + number * width for at in range(len(phases))], heights,
                 width, label=engine,
                 color=KIST if engine == "kist" else GREYS[number])
    axes.set_yscale("log")
    axes.set_ylabel("CPU ns an operation")
    axes.set_xticks([at + 0.4 - width / 2 for at in range(len(phases))],
                    phases)
    axes.legend(ncol=4, fontsize=7, loc="upper right")
    axes.set_ylim(1, axes.get_ylim()[1] * 20)
    save(figure, path)


def memfs(rows, path):
    """How many times a peer's time is kist's, by published case."""
    shown = list(figures_memfs.CASES)
    figure, axes = plt.subplots(figsize=(10, 4))
    for place, engine in enumerate(figures_memfs.PEERS):
        points = []
        for at, case in enumerate(shown):
            cost, own = (figures.median(rows, "ms", what="case", case=case,
                                        engine=name)
                         for name in (engine, "kist"))
            if None not in (cost, own):
                points.append((at, cost / own))
        axes.plot([point[0] for point in points],
                  [point[1] for point in points], "o",
                  label=figures_memfs.PEERS[engine], color=GREYS[place])
    axes.axhline(1, color=KIST)
    axes.set_yscale("log")
    axes.set_ylabel("times kist's time")
    axes.set_xticks(range(len(shown)),
                    [case.replace("_", " ", 1).replace("_", "\n", 1)
                     for case in shown])
    axes.legend(ncol=2, fontsize=7)
    save(figure, path)


def stores(rows, path):
    """CPU time of the calls of a FileDirDict, beside the system calls."""
    shown = list(figures_store.FLOORS)
    figure, axes = plt.subplots(figsize=(10, 4))
    engines = (("kist", "o", KIST), ("persidict", "s", GREYS[0]))
    for engine, mark, color in engines:
        for form, filled in (("json", color), ("pkl", "none")):
            axes.plot(shown, [figures.median(
                rows, "us", what="filedir", engine=engine, format=form,
                call=call) or float("nan") for call in shown], mark,
                color=color, markerfacecolor=filled,
                label=f"{engine}, {form}")
    axes.plot(shown, [figures.median(
        rows, "us", bench="store_floor", call=floor) or float("nan")
        for floor in figures_store.FLOORS.values()], "_", color="black",
        markersize=18, label="system calls")
    axes.set_yscale("log")
    axes.set_ylabel("CPU us an operation")
    axes.set_xticks(range(len(shown)),
                    [call.replace("_", "\n") for call in shown])
    axes.legend(fontsize=7)
    save(figure, path)


PLOTS = {
    "kv": (("kv.svg", kv, "CPU time of every operation"),
           ("kv_ratios.svg", ratios, "peers over kist")),
    "list": (("list.svg", lists, "lists"),),
    "open": (("open.svg", opening, "opening, by size and state"),),
    "durable": (("durable.svg", durable, "durable puts"),),
    "mixed": (("mixed.svg", mixed, "a reader and a writer"),),
    "latency": (("latency.svg", latency, "puts while a store grows"),),
    "python": (("python.svg", python, "a dict's operations in Python"),),
    "memfs": (("memfs.svg", memfs, "peers over kist, files in memory"),),
    "stores": (("stores.svg", stores, "calls on a directory of values"),),
}
