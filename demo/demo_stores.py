"""The stores that demo_python.py measures, each as its users use it.

Every store keeps two things by a package's name: its record (a dict) and its
size (an int).  A class has loops and not single operations, so that what is
measured is the store and not a call of ours.  All but dict are set to survive
kill -9 and not a power cut, where they can be.

`python demo_stores.py fill STORE FOLDER` puts all records, one at a time, and
dies by SIGKILL; `... count STORE FOLDER` prints how many of them are there.
"""

import json
import os
import shelve
import signal
import sqlite3
import sys

import kist


class DictStore:
    """A builtin dict, and whatever is used in the same way."""

    name = "dict"

    def __init__(self, folder):
        self.records = {}
        self.sizes = {}

    def put_records(self, pairs):
        kept = self.records
        for name, record in pairs:
            kept[name] = record

    def get_records(self, names):
        kept = self.records
        for name in names:
            kept[name]

    def put_sizes(self, pairs):
        kept = self.sizes
        for name, size in pairs:
            kept[name] = size

    def get_sizes(self, names):
        kept = self.sizes
        for name in names:
            kept[name]

    def update_sizes(self, pairs):
        self.sizes.update(pairs)

    def has_sizes(self, names):
        kept = self.sizes
        for name in names:
            name in kept  # noqa: B015

    def each_size(self):
        for _ in self.sizes.items():
            pass

    def record_of(self, name):
        return self.records.get(name)

    def close(self):
        pass


class KistStore(DictStore):
    name = "kist"

    def __init__(self, folder):
        self.kist = kist.open(os.path.join(folder, "kist"))
        self.records = self.kist.dict("records")
        self.sizes = self.kist.dict("sizes", int)

    def close(self):
        self.records.close()
        self.sizes.close()
        self.kist.close()


class ShelveStore(DictStore):
    name = "shelve"

    def __init__(self, folder):
        self.records = shelve.open(folder + "/records")  # noqa: SIM115
        self.sizes = shelve.open(folder + "/sizes")  # noqa: SIM115

    def close(self):
        self.records.close()
        self.sizes.close()


class DiskcacheStore(DictStore):
    name = "diskcache"

    def __init__(self, folder):
        import diskcache

        options = {"eviction_policy": "none", "sqlite_synchronous": 0}
        self.records = diskcache.Cache(folder + "/records", **options)
        self.sizes = diskcache.Cache(folder + "/sizes", **options)

    def update_sizes(self, pairs):
        kept = self.sizes
        with kept.transact():
            for name, size in pairs:
                kept[name] = size

    def each_size(self):
        kept = self.sizes
        for name in kept:
            kept[name]

    def close(self):
        self.records.close()
        self.sizes.close()


class SqliteStore:
    """The standard library's sqlite3: WAL, every statement commits."""

    name = "sqlite3"

    PUT_RECORD = "INSERT OR REPLACE INTO records VALUES (?, ?)"
    PUT_SIZE = "INSERT OR REPLACE INTO sizes VALUES (?, ?)"
    GET_RECORD = "SELECT value FROM records WHERE name = ?"
    GET_SIZE = "SELECT value FROM sizes WHERE name = ?"

    def __init__(self, folder):
        path = os.path.join(folder, "sqlite")
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = OFF")
        for table in ("records", "sizes"):
            self.db.execute(
                f"CREATE TABLE IF NOT EXISTS {table}"
                " (name TEXT PRIMARY KEY, value) WITHOUT ROWID"
            )

    def put_records(self, pairs):
        execute = self.db.execute
        for name, record in pairs:
            execute(self.PUT_RECORD, (name, json.dumps(record)))

    def get_records(self, names):
        execute = self.db.execute
        for name in names:
            json.loads(execute(self.GET_RECORD, (name,)).fetchone()[0])

    def put_sizes(self, pairs):
        execute = self.db.execute
        for pair in pairs:
            execute(self.PUT_SIZE, pair)

    def get_sizes(self, names):
        execute = self.db.execute
        for name in names:
            execute(self.GET_SIZE, (name,)).fetchone()[0]

    def update_sizes(self, pairs):
        self.db.execute("BEGIN")
        self.db.executemany(self.PUT_SIZE, pairs)
        self.db.execute("COMMIT")

    def has_sizes(self, names):
        execute = self.db.execute
        for name in names:
            execute(self.GET_SIZE, (name,)).fetchone()

    def each_size(self):
        for _ in self.db.execute("SELECT name, value FROM sizes"):
            pass

    def record_of(self, name):
        row = self.db.execute(self.GET_RECORD, (name,)).fetchone()
        return row and json.loads(row[0])

    def close(self):
        self.db.close()


class LmdbStore:
    """py-lmdb: a transaction a write, all reads in one held transaction."""

    name = "py-lmdb"

    def __init__(self, folder):
        import lmdb

        self.env = lmdb.open(
            os.path.join(folder, "lmdb"),
            map_size=1 << 30,
            max_dbs=2,
            sync=False,
        )
        self.records = self.env.open_db(b"records")
        self.sizes = self.env.open_db(b"sizes")

    def put_records(self, pairs):
        begin, table = self.env.begin, self.records
        for name, record in pairs:
            with begin(table, write=True) as txn:
                txn.put(name.encode(), json.dumps(record).encode())

    def get_records(self, names):
        with self.env.begin(self.records, buffers=True) as txn:
            get = txn.get
            for name in names:
                json.loads(bytes(get(name.encode())))

    def put_sizes(self, pairs):
        begin, table = self.env.begin, self.sizes
        for name, size in pairs:
            with begin(table, write=True) as txn:
                txn.put(name.encode(), b"%d" % size)

    def get_sizes(self, names):
        with self.env.begin(self.sizes) as txn:
            get = txn.get
            for name in names:
                int(get(name.encode()))

    def update_sizes(self, pairs):
        with self.env.begin(self.sizes, write=True) as txn:
            put = txn.put
            for name, size in pairs:
                put(name.encode(), b"%d" % size)

    def has_sizes(self, names):
        with self.env.begin(self.sizes) as txn:
            get = txn.get
            for name in names:
                get(name.encode())

    def each_size(self):
        with self.env.begin(self.sizes) as txn:
            for name, size in txn.cursor():
                name.decode(), int(size)

    def record_of(self, name):
        with self.env.begin(self.records) as txn:
            text = txn.get(name.encode())
        return text and json.loads(text)

    def close(self):
        self.env.close()


STORES = {
    store.name: store
    for store in (
        KistStore,
        DictStore,
        ShelveStore,
        SqliteStore,
        LmdbStore,
        DiskcacheStore,
    )
}


def main():
    what, store, folder, source = sys.argv[1:]
    with open(source, encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    pairs = [(record["Name"], record) for record in records]
    store = STORES[store](folder)
    if what == "fill":
        store.put_records(pairs)
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        found = sum(store.record_of(name) == record for name, record in pairs)
    finally:
        store.close()
    print(found)


if __name__ == "__main__":
    main()
