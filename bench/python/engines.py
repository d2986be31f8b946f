"""The peers of FSDict behind one face.

An engine has open(dir), its phases as loops over many keys, and close().  A
loop is the engine's own, so that nothing but `for` comes on top of what a
user of it would write.  None is durable against a power cut; all survive
the end of the process.

`asks` and `puts` are how many operations are timed, `count_max` how many
keys are stored at most: fewer for the slow ones.
"""

import pathlib
import shelve
from collections.abc import Iterable, Sequence
from typing import Any

FILL_BATCH = 10_000
MAP_SIZE = 8 << 30
MANY = 1000  # keys to a get_many()


class Mapping:
    """What has the operators of dict."""

    asks = 500_000
    puts = 1_000_000
    count_max = 1_000_000
    in_memory = False
    store: Any = None

    def open(self, path: pathlib.Path) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.store.close()

    def fill(self, keys: Sequence[str], values: Sequence[str]) -> None:
        """As fast as the engine can."""
        self.put(keys, values)

    def commit(self) -> None:
        """Ends what a put may have left to another thread."""

    def null(self, keys: Sequence[str]) -> None:
        for _key in keys:
            pass

    def get(self, keys: Sequence[str]) -> None:
        store = self.store
        for key in keys:
            store[key]

    def contains(self, keys: Sequence[str]) -> int:
        store = self.store
        found = 0
        for key in keys:
            if key in store:
                found += 1
        return found

    def get_many(self, batches: Sequence[Sequence[str]]) -> None:
        store = self.store
        for batch in batches:
            [store[key] for key in batch]

    def put(self, keys: Sequence[str], values: Sequence[str]) -> None:
        store = self.store
        for key, value in zip(keys, values, strict=True):
            store[key] = value

    def delete(self, keys: Sequence[str]) -> None:
        store = self.store
        for key in keys:
            del store[key]

    def iterate_keys(self) -> None:
        for _key in self.store.keys():  # noqa: SIM118  (no dict)
            pass

    def iterate_values(self) -> None:
        for _value in self.store.values():
            pass

    def iterate_items(self) -> None:
        for _key, _value in self.store.items():
            pass


class Dict(Mapping):
    in_memory = True

    def open(self, path: pathlib.Path) -> None:
        self.store = {}

    def close(self) -> None:
        pass


class Kist(Mapping):
    def open(self, path: pathlib.Path) -> None:
        from kist import FSDict

        self.store = FSDict(path / "store")

    def get_many(self, batches: Sequence[Sequence[str]]) -> None:
        store = self.store
        for batch in batches:
            store.get_many(batch)


class Lmdb(Mapping):
    """A transaction for each operation."""

    asks = 100_000
    puts = 20_000

    def open(self, path: pathlib.Path) -> None:
        import lmdb

        self.store = lmdb.open(str(path / "lmdb"), map_size=MAP_SIZE,
                               sync=False)

    def fill(self, keys: Sequence[str], values: Sequence[str]) -> None:
        for first in range(0, len(keys), FILL_BATCH):
            last = first + FILL_BATCH
            with self.store.begin(write=True) as txn:
                for key, value in zip(keys[first:last], values[first:last],
                                      strict=True):
                    txn.put(key.encode(), value.encode())

    def get(self, keys: Sequence[str]) -> None:
        begin = self.store.begin
        for key in keys:
            with begin() as txn:
                txn.get(key.encode()).decode()

    def contains(self, keys: Sequence[str]) -> int:
        begin = self.store.begin
        found = 0
        for key in keys:
            with begin(buffers=True) as txn:
                if txn.get(key.encode()) is not None:
                    found += 1
        return found

    def get_many(self, batches: Sequence[Sequence[str]]) -> None:
        for batch in batches:
            with self.store.begin() as txn, txn.cursor() as cursor:
                found = cursor.getmulti([key.encode() for key in batch])
                [value.decode() for _key, value in found]

    def put(self, keys: Sequence[str], values: Sequence[str]) -> None:
        begin = self.store.begin
        for key, value in zip(keys, values, strict=True):
            with begin(write=True) as txn:
                txn.put(key.encode(), value.encode())

    def delete(self, keys: Sequence[str]) -> None:
        begin = self.store.begin
        for key in keys:
            with begin(write=True) as txn:
                txn.delete(key.encode())

    def iterate_keys(self) -> None:
        with self.store.begin() as txn:
            for key in txn.cursor().iternext(values=False):
                key.decode()

    def iterate_values(self) -> None:
        with self.store.begin() as txn:
            for value in txn.cursor().iternext(keys=False):
                value.decode()

    def iterate_items(self) -> None:
        with self.store.begin() as txn:
            for key, value in txn.cursor().iternext():
                key.decode()
                value.decode()


class LmdbHeld(Lmdb):
    """All reads in one transaction, which is as fast as py-lmdb can be."""

    asks = 500_000

    def get(self, keys: Sequence[str]) -> None:
        with self.store.begin() as txn:
            get = txn.get
            for key in keys:
                get(key.encode()).decode()

    def contains(self, keys: Sequence[str]) -> int:
        found = 0
        with self.store.begin(buffers=True) as txn:
            get = txn.get
            for key in keys:
                if get(key.encode()) is not None:
                    found += 1
        return found


class Rocksdict(Mapping):
    asks = 100_000
    puts = 50_000

    def open(self, path: pathlib.Path) -> None:
        import rocksdict

        self.store = rocksdict.Rdict(str(path / "rocksdict"))

    def fill(self, keys: Sequence[str], values: Sequence[str]) -> None:
        import rocksdict

        for first in range(0, len(keys), FILL_BATCH):
            last = first + FILL_BATCH
            batch = rocksdict.WriteBatch()
            for key, value in zip(keys[first:last], values[first:last],
                                  strict=True):
                batch[key] = value
            self.store.write(batch)

    def get_many(self, batches: Sequence[Sequence[str]]) -> None:
        store = self.store
        for batch in batches:
            store[batch]


class Diskcache(Mapping):
    asks = 10_000
    puts = 3_000
    count_max = 100_000

    def open(self, path: pathlib.Path) -> None:
        import diskcache

        self.store = diskcache.Cache(str(path / "diskcache"),
                                     eviction_policy="none")

    def fill(self, keys: Sequence[str], values: Sequence[str]) -> None:
        with self.store.transact():
            self.put(keys, values)

    def iterate_keys(self) -> None:
        for _key in self.store:
            pass

    def iterate_values(self) -> None:
        store = self.store
        for key in store:
            store[key]

    iterate_items = iterate_values


class Shelve(Mapping):
    asks = 50_000
    puts = 20_000
    count_max = 100_000

    def open(self, path: pathlib.Path) -> None:
        self.store = shelve.open(  # noqa: SIM115  (closed later)
            str(path / "shelf"))


class Sqlitedict(Mapping):
    asks = 10_000
    puts = 3_000
    count_max = 100_000

    def open(self, path: pathlib.Path) -> None:
        import sqlitedict

        self.store = sqlitedict.SqliteDict(
            str(path / "sqlitedict"), autocommit=True, journal_mode="WAL",
            outer_stack=False)

    def fill(self, keys: Sequence[str], values: Sequence[str]) -> None:
        self.store.update(zip(keys, values, strict=True))
        self.commit()

    def commit(self) -> None:
        self.store.commit(blocking=True)


ENGINES: dict[str, type[Mapping]] = {
    "dict": Dict,
    "kist": Kist,
    "py-lmdb": Lmdb,
    "py-lmdb-held": LmdbHeld,
    "rocksdict": Rocksdict,
    "diskcache": Diskcache,
    "shelve": Shelve,
    "sqlitedict": Sqlitedict,
}


def batches(keys: Sequence[str]) -> list[Sequence[str]]:
    return [keys[at:at + MANY] for at in range(0, len(keys), MANY)]


def consume(iterable: Iterable[object]) -> None:
    for _item in iterable:
        pass
