"""What the raw rows of a bench run add up to: medians, ratios, verdicts."""

import statistics

PHASES = ("load", "get", "contains", "miss", "overwrite", "delete",
          "iterate", "zipfian")
WRITES = ("load", "overwrite", "delete")
PEERS = ("lmdb-batch", "lmdb-one", "lmdb-wmap-one", "rocksdb",
         "sqlite-batch", "sqlite-one", "tkrzw", "gdbm")
SQLITE = ("sqlite-batch", "sqlite-one")


def median(rows, field, **where):
    """The median of `field` over the rows that match, or None."""
    values = [row[field] for row in rows
              if field in row and all(row.get(name) == value
                                      for name, value in where.items())]
    return statistics.median(values) if values else None


def spread(rows, field, **where):
    """Largest over smallest, to say how much rounds agree."""
    values = [row[field] for row in rows
              if all(row.get(name) == value
                     for name, value in where.items())]
    return max(values) / min(values) if values and min(values) > 0 else None


class Row:
    """One line of the table of targets: a figure, its limit, a verdict."""

    def __init__(self, what, figure, limit, at_least, unit, detail=""):
        self.what = what
        self.figure = figure
        self.limit = limit
        self.at_least = at_least
        self.unit = unit
        self.detail = detail

    @property
    def reached(self):
        if self.figure is None:
            return None
        if self.at_least:
            return self.figure >= self.limit
        return self.figure <= self.limit


def ratio(above, below):
    if above is None or below is None or below == 0:
        return None
    return above / below


def ns(value):
    return "-" if value is None else f"{value:.0f} ns"


def us(value):
    return "-" if value is None else f"{value:.1f} us"


def kv_table(rows):
    """{phase: {engine: median CPU ns}}."""
    engines = {row["engine"] for row in rows}
    phases = {row["phase"] for row in rows}
    return {phase: {engine: median(rows, "cpu_ns", phase=phase,
                                   engine=engine)
                    for engine in engines}
            for phase in phases}


def cheapest(costs, engines):
    known = [(costs[name], name) for name in engines
             if costs.get(name) is not None]
    return min(known) if known else (None, None)


def kv_rows(rows):
    table = kv_table(rows)
    result = []

    def add(phase, name, cost, limit):
        own = table.get(phase, {}).get("kist")
        result.append(Row(f"{phase}: {name}", ratio(cost, own), limit, True,
                          "x", f"{ns(cost)} / {ns(own)}"))

    for phase in PHASES:
        costs = table.get(phase, {})
        add(phase, "LMDB batched", costs.get("lmdb-batch"), 4)
        if phase in WRITES:
            add(phase, "LMDB one a transaction", costs.get("lmdb-one"), 10)
        add(phase, "RocksDB", costs.get("rocksdb"), 5)
        cost, name = cheapest(costs, SQLITE)
        add(phase, f"SQLite ({name})", cost, 8)
        cost, name = cheapest(costs, PEERS)
        add(phase, f"the best peer ({name})", cost, 1)
        own, memhash = costs.get("kist"), costs.get("memhash")
        result.append(Row(f"{phase}: over a hash in memory",
                          ratio(own, memhash),
                          1.75 if phase in WRITES else 1.4, False, "x",
                          f"{ns(own)} / {ns(memhash)}"))
    for many, one in (("get_many", "get"), ("load_many", "load"),
                      ("put_many", "overwrite")):
        own = table.get(many, {}).get("kist")
        single = table.get(one, {}).get("kist")
        result.append(Row(f"{many} in 16s over {one}", ratio(own, single),
                          0.65, False, "x", f"{ns(own)} / {ns(single)}"))
    return result


def list_rows(rows):
    count = max(row["n"] for row in rows)

    def cost(phase, engine="kist", size=count):
        return median(rows, "cpu_ns", phase=phase, engine=engine, n=size)

    append, load = cost("append"), cost("append", "kist-dict")
    result = [
        Row("list append over a dict's load", ratio(append, load), 1.2,
            False, "x", f"{ns(append)} / {ns(load)}"),
        Row("list get at random", cost("get"), 150, False, "ns"),
        Row("list get at random, after inserts", cost("get_edited"), 150,
            False, "ns"),
        Row("list of numbers: get at random", cost("get", "kist-int"), 150,
            False, "ns"),
        Row(f"list insert in the middle of {count:.0f}", cost("insert"),
            1500, False, "ns"),
        Row(f"list of numbers: insert in the middle of {count:.0f}",
            cost("insert", "kist-int"), 1500, False, "ns"),
    ]
    small, large = cost("insert", size=count // 100), cost("insert")
    result.append(Row("list insert: growth over 100 times the items "
                      "(sqrt n: 10)", ratio(large, small), 10, False, "x",
                      f"{ns(large)} / {ns(small)}"))
    return result


def open_rows(rows):
    result = []
    counts = sorted({row["n"] for row in rows
                     if row.get("engine") == "kist"})

    def total(engine, count, state):
        return median(rows, "total_us", what="open", engine=engine, n=count,
                      state=state)

    for state, limit in (("clean", 200), ("killed", 200), ("evicted", 600)):
        for count in counts:
            peers = ", ".join(
                f"{name} {us(total(name, count, state))}"
                for name in ("lmdb-batch", "sqlite-batch")
                if total(name, count, state) is not None)
            result.append(Row(f"open + first get, {state}, {count} keys",
                              total("kist", count, state), limit, False,
                              "us", peers))
    for count in counts[1:]:
        result.append(Row(f"index rebuilt, {count} records, a record",
                          median(rows, "wall_ns", what="rebuild", n=count),
                          120, False, "ns"))
        anon = median(rows, "anon_bytes", what="memory", engine="kist",
                      n=count)
        result.append(Row(f"anonymous memory, {count} keys",
                          None if anon is None else anon / 2**20, 1, False,
                          "MiB"))
        used = median(rows, "index_bytes", what="sizes", n=count)
        result.append(Row(f"index on disk, {count} keys, an entry",
                          median(rows, "index_file_bytes", what="sizes",
                                 n=count),
                          30, False, "B",
                          "-" if used is None else f"{used:.1f} B in use"))
    return result


def durable_rows(rows):
    result = []

    def one(field, engine, where="disk"):
        return median(rows, field, bench="durable", engine=engine,
                      where=where)

    def many(engine, how, writers):
        return median(rows, "us", bench="durable_many", engine=engine,
                      how=how, writers=writers)

    for field, name in (("p50_us", "p50"), ("mean_us", "mean")):
        own, bare = one(field, "kist"), one(field, "bare")
        result.append(Row(f"durable put over the bare write and flush, "
                          f"{name}", ratio(own, bare), 1.2, False, "x",
                          f"{us(own)} / {us(bare)}"))
    for where in ("ext4", "xfs"):
        own, bare = one("p50_us", "kist", where), one("p50_us", "bare", where)
        result.append(Row(f"durable put over the bare one, {where} loop, "
                          "p50", ratio(own, bare), 1.2, False, "x",
                          f"{us(own)} / {us(bare)}"))
        result.append(Row(f"flushes a durable put, {where}",
                          one("flushes", "kist", where), 1.1, False, "",
                          f"bare {one('flushes', 'bare', where) or 0:.2f}"))
        result.append(Row(f"written a durable put, {where}",
                          one("kib", "kist", where), 4.5, False, "KiB",
                          f"bare {one('kib', 'bare', where) or 0:.2f}"))
    single = many("kist", "processes", 1)
    for how in ("threads", "processes"):
        own = many("kist", how, 4)
        result.append(Row(f"4 durable writers over one, {how}",
                          ratio(own, single), 0.65, False, "x",
                          f"{us(own)} / {us(single)}"))
        for name, engine in (("SQLite", "sqlite-one"), ("LMDB", "lmdb-one")):
            peer = many(engine, how, 4)
            result.append(Row(f"4 durable writers: {name}, {how}",
                              ratio(peer, own), 3, True, "x",
                              f"{us(peer)} / {us(own)}"))
    return result


def mixed_rows(rows):
    def cost(engine, role, company):
        return median(rows, "cpu_ns", engine=engine, role=role,
                      company=company)

    beside, alone = (cost("kist", "reader", "beside"),
                     cost("kist", "reader", "alone"))
    writer = cost("kist", "writer", "beside")
    lmdb_reader = cost("lmdb-one", "reader", "beside")
    lmdb_writer = cost("lmdb-one", "writer", "beside")
    return [
        Row("reader beside a writer over alone", ratio(beside, alone), 1.15,
            False, "x", f"{ns(beside)} / {ns(alone)}"),
        Row("reader beside a writer: LMDB's", ratio(lmdb_reader, beside), 2,
            True, "x", f"{ns(lmdb_reader)} / {ns(beside)}"),
        Row("writer beside a reader: LMDB's", ratio(lmdb_writer, writer), 8,
            True, "x", f"{ns(lmdb_writer)} / {ns(writer)}"),
    ]


def mean_tenths(rows, engine, parts):
    values = [median(rows, "tenth_worst_us", engine=engine, part=str(part))
              for part in parts]
    values = [value for value in values if value is not None]
    return statistics.mean(values) if values else None


def latency_rows(rows):
    def whole(field, engine="kist"):
        return median(rows, field, engine=engine, part="all")

    late = mean_tenths(rows, "kist", (8, 9, 10))
    early = mean_tenths(rows, "kist", (1, 2, 3))
    pause = whole("own_max_us")
    return [
        Row("put p99.9 while growing", whole("p999_us"), 15, False, "us"),
        Row("longest pause of ours", None if pause is None else pause / 1000,
            5, False, "ms",
            f"wall {whole('max_us') or 0:.0f} us; harness alone "
            f"{whole('max_us', 'null') or 0:.0f} us"),
        Row("10th worst put of a tenth: last three over first three",
            ratio(late, early), 2, False, "x", f"{us(late)} / {us(early)}"),
    ]


def python_dict_rows(cost):
    """`cost` gives an engine's CPU ns in a phase of bench_dict.py."""
    result = []

    def over(phase, name, limit):
        kist, plain = cost(phase, "kist"), cost(phase, "dict")
        result.append(Row(f"{name}: over dict", ratio(kist, plain), limit,
                          False, "x", f"{ns(kist)} / {ns(plain)}"))

    def beside(phase, name, engine, limit):
        kist, peer = cost(phase, "kist"), cost(phase, engine)
        result.append(Row(f"{name}: {engine}", ratio(peer, kist), limit,
                          True, "x", f"{ns(peer)} / {ns(kist)}"))

    for phase, name, limit, faster in (
            ("get", "d[k], at random", 1.25, 2.7),
            ("get_hot", "d[k], 1000 hot keys", 3.4, 6)):
        over(phase, name, limit)
        beside(phase, name, "py-lmdb-held", faster)
    over("contains", "k in d", 0.8)
    over("get_many", "d.get_many of 1000", 0.75)
    for phase, name in (("put", "d[k] = v, new"),
                        ("overwrite", "d[k] = v, overwrite"),
                        ("delete", "del d[k]")):
        over(phase, name, 1.35)
        beside(phase, name, "py-lmdb", 20)
        beside(phase, name, "diskcache", 50)
    for phase in ("keys", "values", "items"):
        over(phase, f"iterate {phase}", 1.4)
    return result


def python_list_rows(cost):
    """`cost` as above, of bench_list.py."""
    result = []
    for kind, name in (("", "list of str"), ("-int", "list of int")):
        result.append(Row(f"{name}: l.append", cost("append", f"kist{kind}"),
                          120, False, "ns",
                          f"list {ns(cost('append', f'list{kind}'))}"))
        for phase, what in (("get", "l[i] at random"),
                            ("set", "l[i] = v at random"),
                            ("slice", "slice of 1000"),
                            ("iterate", "iterate")):
            own = cost(phase, f"kist{kind}")
            plain = cost(phase, f"list{kind}")
            result.append(Row(f"{name}: {what}, over list",
                              ratio(own, plain), 2, False, "x",
                              f"{ns(own)} / {ns(plain)}"))
    plain = cost("slice", "list-int")
    copy, view = cost("slice_copy", "kist-int"), cost("slice_view", "kist-int")
    result.append(Row("list of int: slice of 1000 as an array of its own",
                      ratio(plain, copy), 5, True, "x",
                      f"list {ns(plain)} / {ns(copy)}; not copied "
                      f"{ns(view)}"))
    return result


def python_start_rows(rows):
    def megabytes(value, less=0):
        return None if None in (value, less) else (value - less) / 2**20

    def of(field, **where):
        return median(rows, field, bench="start", **where)

    count = max((row["n"] for row in rows
                 if row.get("phase") == "memory"), default=0)
    store = of("anon_bytes", phase="memory", engine="kist")
    empty = of("anon_bytes", phase="memory", engine="none")
    took = of("cpu_ns", phase="import")
    peers = ", ".join(
        f"{name} {us(of('total_us', phase='open', engine=name))}"
        for name in ("py-lmdb", "rocksdict", "diskcache", "sqlitedict"))
    return [
        Row(f"open + first get of {count:.0f} keys",
            of("total_us", phase="open", engine="kist"), 300, False, "us",
            peers),
        Row(f"private memory of {count:.0f} str to str, over the empty "
            "interpreter", megabytes(store, empty), 4, False, "MiB"),
        Row("import kist", None if took is None else took / 1e6, 5, False,
            "ms"),
        Row("import kist, memory",
            megabytes(of("rss_bytes", phase="import")), 3, False, "MiB"),
    ]


def python_rows(rows):
    def costs(bench):
        return lambda phase, engine: median(rows, "cpu_ns", bench=bench,
                                            phase=phase, engine=engine)

    result = python_dict_rows(costs("dict"))
    for phase, name in (("add", "s.add"), ("contains", "v in s")):
        own = costs("set")(phase, "kist")
        plain = costs("set")(phase, "set")
        result.append(Row(f"{name}: over set", ratio(own, plain), 1.5, False,
                          "x", f"{ns(own)} / {ns(plain)}"))
    result += python_list_rows(costs("list"))
    for phase, name in (("sum", "sum"), ("filter", "filter"),
                        ("asarray_sum", "asarray and sum"),
                        ("asarray_filter", "asarray and filter")):
        own = costs("array")(phase, "kist")
        plain = costs("array")(phase, "ndarray")
        detail = "-" if None in (own, plain) else \
            f"{own:.2f} ns / {plain:.2f} ns a number"
        result.append(Row(f"NumPy {name} of a typed list: over an ndarray",
                          ratio(own, plain), 1.1, False, "x", detail))
    return result + python_start_rows(rows)


ROWS = {
    "kv": kv_rows,
    "list": list_rows,
    "open": open_rows,
    "durable": durable_rows,
    "mixed": mixed_rows,
    "latency": latency_rows,
    "python": python_rows,
}
