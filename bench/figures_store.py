"""What the rows of the section stores add up to, against its targets."""

from figures import Row, median, ratio, us

FORMATS = ("json", "pkl")
# Calls on one key of a FileDirDict, and the system calls that each needs.
FLOORS = {"set_new": "put", "set_over": "put_over", "get": "get",
          "get_missing": "get_missing", "contains": "stat",
          "contains_missing": "stat_missing", "etag": "stat",
          "timestamp": "stat", "del": "unlink"}
FLOOR_LIMIT = 1.6
PEER_LIMIT = 5
PEER_LIMITS = {("get", "pkl"): 20}
# Others, and how many times persidict's cost is to be kist's.
WHOLE = {"keys": 30, "items": 10, "newest": 6, "random_key": 50,
         "set_item_if": 6, "transform_item": 6}
HEAVY = {"numpy", "pandas", "boto3"}


def share(above, below, unit=us):
    return f"{unit(above)} / {unit(below)}"


class Costs:
    """CPU us of the calls of one run."""

    def __init__(self, rows):
        self.rows = rows

    def floor(self, call):
        return median(self.rows, "us", bench="store_floor", call=call)

    def of(self, what, engine, call, **where):
        return median(self.rows, "us", bench="stores", what=what,
                      engine=engine, call=call, **where)

    def over_floor(self, name, own, floor, limit, unit=us):
        return Row(name, ratio(own, floor), limit, False, "x",
                   share(own, floor, unit))

    def peer_over(self, name, peer, own, limit, unit=us):
        return Row(name, ratio(peer, own), limit, True, "x",
                   share(peer, own, unit))


def filedir_rows(costs):
    result = []
    for form in FORMATS:
        def of(engine, call, form=form):
            return costs.of("filedir", engine, call, format=form)

        for call, floor in FLOORS.items():
            result.append(costs.over_floor(
                f"{form}, {call}: over its system calls", of("kist", call),
                costs.floor(floor), FLOOR_LIMIT))
            result.append(costs.peer_over(
                f"{form}, {call}: persidict", of("persidict", call),
                of("kist", call),
                PEER_LIMITS.get((call, form), PEER_LIMIT)))
        for call, limit in WHOLE.items():
            result.append(costs.peer_over(
                f"{form}, {call}: persidict", of("persidict", call),
                of("kist", call), limit))
        result.append(costs.over_floor(
            f"{form}, bool: growth over 1000 times the keys (O(1): 1)",
            of("kist", "bool"), of("kist", "bool_few"), 1.5))
    return result


def memory_rows(costs):
    """What answers without a file, or with a look at it."""
    result = []
    for what, name, floor, limit in (
            ("mutable_cached", "MutableDictCached, warm get: over one stat",
             costs.floor("stat"), 2),):
        own = costs.of(what, "kist", "get")
        peer = costs.of(what, "persidict", "get")
        result.append(costs.over_floor(name, own, floor, limit))
        result[-1].detail += f"; persidict {us(peer)}"
    peer = costs.of("append_only_cached", "persidict", "get")
    result.append(Row("AppendOnlyDictCached, warm get",
                      costs.of("append_only_cached", "kist", "get"), 0.5,
                      False, "us", f"persidict {us(peer)}; of 100 hot keys "
                      + us(costs.of("append_only_cached", "kist",
                                    "get_hot"))))
    for call in ("set_new", "set_over", "get"):
        own, peer = (costs.of("local", engine, call)
                     for engine in ("kist", "persidict"))
        result.append(costs.peer_over(f"LocalDict, {call}: persidict", peer,
                                      own, 5))
    return result


def nfs_rows(costs):
    result = []
    for form in ("pkl", "json"):
        def of(engine, call, form=form):
            return costs.of("nfs", engine, call, format=form)

        def ns(value):
            return "-" if value is None else f"{value * 1000:.0f} ns"

        name = f"NfsDict, {form}"
        result += [
            costs.over_floor(f"{name}, get of a cached key: over a dict",
                             of("kist", "get"),
                             costs.of("dict", "dict", "get"), 1.3, ns),
            *(costs.over_floor(f"{name}, {call}: over its system calls",
                               of("kist", call), costs.floor(floor), 1.5)
              for call, floor in (("set_new", "nfs_put"),
                                  ("set_over", "nfs_put_over"))),
            costs.over_floor(f"{name}, open eager with an index: over open, "
                             "read, close", of("kist", "open_eager"),
                             costs.floor("nfs_load"), 1.5),
            costs.peer_over(f"{name}, open lazy with an index: nfsdict",
                            of("nfsdict", "open_lazy"),
                            of("kist", "open_lazy"), 5, ns),
            costs.peer_over(f"{name}, open lazy without an index: nfsdict",
                            of("nfsdict", "open_lazy_unindexed"),
                            of("kist", "open_lazy_unindexed"), 20),
        ]
        result[-2].detail += "; and ask for a key: " + share(
            of("nfsdict", "open_lazy_in"), of("kist", "open_lazy_in"), ns)
    return result


def together_rows(rows):
    result = []
    for form in FORMATS:
        own, peer = (median(rows, "lost", what="lost", engine=engine,
                            format=form) for engine in ("kist", "persidict"))
        adds = median(rows, "adds", what="lost", engine="kist", format=form)
        result.append(Row(
            f"{form}, updates that two processes lost", own, 0, False, "",
            f"of {adds or 0:.0f}; persidict "
            f"{'-' if peer is None else f'{peer:.0f}'}"))
    for where, name in (("disk", "on the disk of the machine"),
                        ("ext4", "on a loop device with ext4")):
        own, alone, peer = (median(rows, "wall_us", what="durable",
                                   where=where, engine=engine)
                            for engine in ("kist", "kist-sync", "persidict"))
        result.append(Row(
            f"durable puts of 16 threads, {name}: persidict",
            ratio(peer, own), 8, True, "x",
            f"{share(peer, own)}, wall; kist with a sync for each put "
            f"{us(alone)}"))
    return result


def import_rows(rows):
    found = [row["imported"] for row in rows
             if row.get("what") == "import" and row["engine"] == "kist"]
    peer = median(rows, "ms", what="import", engine="persidict")
    heavy = sorted(HEAVY.intersection(*found)) if found else []
    return [
        Row("import kist with its stores",
            median(rows, "ms", what="import", engine="kist"), 15, False,
            "ms", f"persidict {peer or 0:.0f} ms"),
        Row("numpy, pandas, boto3 imported by it",
            len(heavy) if found else None, 0, False, "", ", ".join(heavy)),
    ]


def store_rows(rows):
    costs = Costs(rows)
    return (filedir_rows(costs) + memory_rows(costs) + nfs_rows(costs) +
            together_rows(rows) + import_rows(rows))
