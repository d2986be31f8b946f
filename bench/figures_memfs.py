"""What the rows of the section memfs add up to, against its targets."""

from figures import Row, median, ratio, us

PEERS = {"dmemfs": "D-MemFS", "bytesio": "BytesIO", "tempfile":
         "tempfile on /dev/shm", "pyfilesystem2": "PyFilesystem2",
         "fsspec": "fsspec memory", "pyfakefs": "pyfakefs"}

# How many times a peer's cost is to be kist's.
CASES = {
    "small_files_rw": {"dmemfs": 8, "bytesio": 1},
    "stream_write_read": {"dmemfs": 12, "bytesio": 1},
    "random_access_rw": {"dmemfs": 7, "bytesio": 4},
    "large_stream": {"dmemfs": 100},
    "large_stream_distinct": {"dmemfs": 1, "bytesio": 2},
    "many_files_random_read": {"dmemfs": 15, "bytesio": 2.5},
    "deep_tree_read": {"dmemfs": 14},
}
# Where it decides who may take memory that an earlier run gave back.
FIRST = ("stream_write_read", "random_access_rw")

THREADS = 4


def ms(value):
    return "-" if value is None else f"{value:.3g} ms"


def share(above, below, unit=ms):
    return f"{unit(above)} / {unit(below)}"


def floor_of(case, rows):
    """What nobody can do without, in the same run."""
    if case == "large_stream_distinct":
        alone = median(rows, "ms", what="case", case=case, engine="list")
        return f"; making the objects alone {ms(alone)}"
    if case == "stream_write_read":
        alone = median(rows, "ms", what="blocks", engine="memcpy",
                       work="write", block_kib=64, mib=16)
        return f"; filling what read() gives {ms(alone)}"
    return ""


def case_rows(rows):
    result = []

    def add(case, peer, limit, field, state):
        own = median(rows, field, what="case", case=case, engine="kist")
        other = median(rows, field, what="case", case=case, engine=peer)
        result.append(Row(f"{case}{state}: {PEERS[peer]}",
                          ratio(other, own), limit, True, "x",
                          share(other, own)))

    for case, limits in CASES.items():
        for peer, limit in limits.items():
            add(case, peer, limit, "ms", "")
            result[-1].detail += floor_of(case, rows)
    for case in FIRST:
        for peer, limit in CASES[case].items():
            add(case, peer, limit, "first_ms", ", first in its process")
    return result


def copy_rows(rows):
    result = []
    for kind in ("readinto", "read"):
        own = median(rows, "ms", what="copies", kind=kind, engine="kist")
        floor = median(rows, "ms", what="copies", kind=kind,
                       engine="memcpy")
        result.append(Row(f"large_stream, {kind}(1 MiB) that copies: over "
                          "memcpy", ratio(own, floor), 1.5, False, "x",
                          share(own, floor)))
    return result


def block_rows(rows):
    """What part of the speed of memcpy is reached, in C."""
    keys = list(dict.fromkeys((row["block_kib"], row["mib"], row["work"])
                              for row in rows if row.get("what") == "blocks"))
    result = []
    for block, mib, work in keys:
        if block != 64:
            continue
        where = {"what": "blocks", "block_kib": block, "mib": mib,
                 "work": work}
        own = median(rows, "ms", engine="kist", **where)
        floor = median(rows, "ms", engine="memcpy", **where)
        result.append(Row(f"C, {work}, 64 KiB blocks, {mib:.0f} MiB: of "
                          "memcpy", ratio(floor, own), 0.8, True, "x",
                          share(floor, own)))
    return result


def memory_rows(rows):
    result = []
    for kind, name, limit in (("files", "an empty file", 200),
                              ("appends", "an append of 8 bytes", 24)):
        peer = median(rows, "bytes", what="memory", kind=kind,
                      engine="dmemfs")
        result.append(Row(f"memory of {name}",
                          median(rows, "bytes", what="memory", kind=kind,
                                 engine="kist"), limit, False, "B",
                          f"D-MemFS {peer or 0:.0f} B"))
        where = {"bench": "memfs_c", "what": "memory", "kind": kind}
        heap = median(rows, "heap_bytes", **where)
        result.append(Row(f"memory of {name}, C",
                          median(rows, "anon_bytes", **where), limit, False,
                          "B", f"mallinfo2 {heap or 0:.0f} B"))
    return result


def thread_rows(rows):
    def python(kind, engine, threads):
        return median(rows, "us", bench="memfs", what="threads", kind=kind,
                      engine=engine, threads=threads)

    def scaling(engine, threads):
        one = median(rows, "ns", bench="memfs_c", what="threads",
                     engine=engine, threads=1)
        many = median(rows, "ns", bench="memfs_c", what="threads",
                      engine=engine, threads=threads)
        return ratio(one, many)

    def gain(kind, engine):
        return ratio(python(kind, engine, 1), python(kind, engine, THREADS))

    def text(value):
        return "-" if value is None else f"{value:.2f}x"

    cores = next((row["cores"] for row in rows if "cores" in row), 0)
    detail = ", ".join(
        f"{threads} threads {text(scaling('kist', threads))} (memcpy "
        f"{text(scaling('memcpy', threads))})" for threads in (2, THREADS))
    return [
        Row(f"C, {THREADS} threads on their own files over one",
            scaling("kist", THREADS) if cores >= THREADS else None, 3, True,
            "x", f"{cores} processors: {detail}"),
        Row(f"{THREADS} threads on their own files under the GIL over one",
            gain("pairs", "kist"), 1, True, "x",
            share(python("pairs", "kist", 1),
                  python("pairs", "kist", THREADS), us) +
            f"; D-MemFS {text(gain('pairs', 'dmemfs'))}, BytesIO "
            f"{text(gain('pairs', 'bytesio'))}"),
    ]


def tree_rows(rows):
    def cost(call, engine):
        return median(rows, "us", what="tree", call=call, engine=engine)

    few, many = cost("stats_few", "kist"), cost("stats_many", "kist")
    result = [
        Row("stats() with 100 000 files", many, 1, False, "us",
            f"D-MemFS {us(cost('stats_many', 'dmemfs'))}"),
        Row("stats(): growth over 1000 times the files (O(1): 1)",
            ratio(many, few), 1.2, False, "x", "-" if None in (few, many)
            else f"{many:.3f} us / {few:.3f} us"),
    ]
    for call, name in (("listdir", "listdir of 10 000"),
                       ("walk", "walk of 10 000 in one directory"),
                       ("walk_wide", "walk of 10 000 in 100 directories"),
                       ("glob", "glob of 10 000")):
        own, peer = cost(call, "kist"), cost(call, "dmemfs")
        result.append(Row(f"{name}: D-MemFS", ratio(peer, own), 5, True, "x",
                          share(peer, own, us)))
    return result


def memfs_rows(rows):
    return (case_rows(rows) + copy_rows(rows) + block_rows(rows) +
            memory_rows(rows) + thread_rows(rows) + tree_rows(rows))
