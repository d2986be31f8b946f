"""What stands on fsspec, over kist-memory: pandas, pyarrow, zarr, xarray.

Goal    They read and write a MemoryFileSystem by URL and by object, and meet
        its quota.
Method  The libraries themselves (requirements-world.txt), each writing what it
        then reads.
"""

from __future__ import annotations

from typing import Any

import pytest
from kist import MemoryFileSystem, MFSQuotaExceededError

fsspec = pytest.importorskip(
    "fsspec", reason="fsspec is not installed (requirements-world.txt)"
)

from kist.memfs._fsspec import KistMemoryFileSystem


@pytest.fixture
def fs() -> KistMemoryFileSystem:
    return KistMemoryFileSystem()


def test_mapper_and_dirfs(fs: KistMemoryFileSystem) -> None:
    """What fsspec builds on a file system."""
    mapper = fs.get_mapper("/m", create=True)
    mapper["a/b"] = b"1"
    mapper.setitems({"c": b"2", "d": b"3"})
    assert dict(mapper) == {"a/b": b"1", "c": b"2", "d": b"3"}
    del mapper["c"]
    assert "c" not in mapper
    assert fs.cat("/m/a/b") == b"1"
    below = fsspec.filesystem("dir", path="/m", fs=fs)
    assert below.ls("", detail=False) == ["a", "d"]
    assert below.cat("a/b") == b"1"
    fs.pipe("/m/new", b"by the first")
    assert below.cat("new") == b"by the first"


def test_archives_by_fsspec(fs: KistMemoryFileSystem) -> None:
    """fsspec's zip file system over one of our files."""
    with fs.open("/z.zip", "wb") as file:
        packed = fsspec.filesystem("zip", fo=file, mode="w")
        packed.pipe("in/side", b"zipped")
        packed.close()
    with fs.open("/z.zip") as file:
        packed = fsspec.filesystem("zip", fo=file)
        assert packed.cat("in/side") == b"zipped"


URL = "kist-memory://data/"


@pytest.fixture
def mfs() -> MemoryFileSystem:
    return MemoryFileSystem()


@pytest.fixture
def storage(mfs: MemoryFileSystem) -> dict[str, Any]:
    """storage_options for URLs; the protocol is known without a package."""
    for name in KistMemoryFileSystem.protocol:
        fsspec.register_implementation(
            name, KistMemoryFileSystem, clobber=True
        )
    return {"fs": mfs}


def need(name: str) -> Any:
    return pytest.importorskip(
        name, reason=f"{name} is not installed (requirements-world.txt)"
    )


def test_pandas(mfs: MemoryFileSystem, storage: dict[str, Any]) -> None:
    """CSV, JSON, pickle, compressed and not, through URLs."""
    pd = need("pandas")
    frame = pd.DataFrame(
        {"n": range(5000), "text": ["é" * (n % 7) for n in range(5000)]}
    )
    same = pd.testing.assert_frame_equal
    for name in ("a.csv", "a.csv.gz", "a.csv.zip"):
        frame.to_csv(URL + name, index=False, storage_options=storage)
        back = pd.read_csv(
            URL + name, storage_options=storage, keep_default_na=False
        )
        same(frame, back)
    frame.to_json(URL + "a.json", storage_options=storage)
    same(frame, pd.read_json(URL + "a.json", storage_options=storage))
    frame.to_pickle(URL + "a.pkl", storage_options=storage)
    same(frame, pd.read_pickle(URL + "a.pkl", storage_options=storage))
    # Of a file of its own, by hand.
    fs = KistMemoryFileSystem(mfs)
    with fs.open("/data/a.csv", "rt", newline="") as file:
        same(frame, pd.read_csv(file, keep_default_na=False))
    assert mfs.listdir("/data") == [
        "a.csv",
        "a.csv.gz",
        "a.csv.zip",
        "a.json",
        "a.pkl",
    ]
    chunks = pd.read_csv(
        URL + "a.csv",
        storage_options=storage,
        chunksize=700,
        keep_default_na=False,
    )
    with chunks:
        same(frame, pd.concat(list(chunks)))
    assert mfs.stats()["free_bytes"] > 0


def test_pandas_meets_the_quota(storage: dict[str, Any]) -> None:
    """What does not fit is an OSError, and the rest is as it was."""
    pd = need("pandas")
    small = MemoryFileSystem(max_quota=10_000)
    frame = pd.DataFrame({"n": range(100_000)})
    with pytest.raises(MFSQuotaExceededError):
        frame.to_csv(URL + "a.csv", storage_options={"fs": small})
    assert small.stats()["used_bytes"] <= 10_000


def test_parquet(mfs: MemoryFileSystem, storage: dict[str, Any]) -> None:
    """pandas by pyarrow, and pyarrow by itself, partitions too."""
    pd = need("pandas")
    pa = need("pyarrow")
    import pyarrow.dataset
    import pyarrow.fs
    import pyarrow.parquet as pq

    frame = pd.DataFrame(
        {"k": [n % 3 for n in range(3000)], "v": [n / 7 for n in range(3000)]}
    )
    frame.to_parquet(URL + "a.parquet", storage_options=storage)
    back = pd.read_parquet(URL + "a.parquet", storage_options=storage)
    pd.testing.assert_frame_equal(frame, back)
    fs = KistMemoryFileSystem(mfs)
    table = pa.Table.from_pandas(frame)
    pq.write_table(table, "/data/b.parquet", filesystem=fs)
    assert pq.read_table("/data/b.parquet", filesystem=fs) == table
    arrow = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fs))
    pyarrow.dataset.write_dataset(
        table,
        "/data/parts",
        format="parquet",
        partitioning=["k"],
        filesystem=arrow,
    )
    assert sorted(mfs.listdir("/data/parts")) == ["0", "1", "2"]
    found = pyarrow.dataset.dataset(
        "/data/parts", partitioning=["k"], filesystem=arrow
    )
    assert found.count_rows() == 3000
    only = found.to_table(filter=pyarrow.dataset.field("k") == 1)
    assert only.num_rows == 1000
    with arrow.open_output_stream("/data/raw") as stream:
        stream.write(pa.py_buffer(b"arrow's buffer" * 1000))
    with arrow.open_input_file("/data/raw") as file:
        assert file.size() == 14_000
        assert file.read_at(7, 1400) == b"arrow's"
    arrow.move("/data/raw", "/data/moved")
    arrow.copy_file("/data/moved", "/data/copied")
    arrow.delete_file("/data/moved")
    assert mfs.get_size("/data/copied") == 14_000
    arrow.delete_dir("/data/parts")
    assert not mfs.exists("/data/parts")


def test_zarr(mfs: MemoryFileSystem, storage: dict[str, Any]) -> None:
    """Arrays in chunks, groups, appending, and reading a part."""
    zarr = need("zarr")
    np = need("numpy")
    fs = KistMemoryFileSystem(mfs)
    group = zarr.open_group(URL + "g.zarr", mode="w", storage_options=storage)
    numbers = np.arange(10_000, dtype="f8").reshape(100, 100)
    made = group.create_array(
        "a/b", shape=(100, 100), chunks=(30, 30), dtype="f8"
    )
    made[:] = numbers
    made.attrs["unit"] = "m"
    again = zarr.open_group(URL + "g.zarr", mode="r", storage_options=storage)
    assert (again["a/b"][:] == numbers).all()
    assert (again["a/b"][25:65, 50] == numbers[25:65, 50]).all()
    assert again["a/b"].attrs["unit"] == "m"
    store = zarr.storage.FsspecStore.from_mapper(fs.get_mapper("/data/m.zarr"))
    array = zarr.create_array(store, shape=(10,), chunks=(4,), dtype="i4")
    array[:] = 7
    array.resize((20,))
    array[10:] = 8
    assert zarr.open_array(store, mode="r")[:].tolist() == [7] * 10 + [8] * 10
    assert mfs.exists("/data/m.zarr/zarr.json")


def test_xarray(mfs: MemoryFileSystem, storage: dict[str, Any]) -> None:
    """A data set to zarr and back, and appended to."""
    xr = need("xarray")
    zarr = need("zarr")
    np = need("numpy")
    data = xr.Dataset(
        {"t": (("time", "x"), np.random.default_rng(1).random((50, 20)))},
        coords={"time": np.arange(50), "x": np.arange(20)},
        attrs={"title": "temperatures"},
    )
    url = "kistmemory://data/x.zarr"  # of which xarray knows it for a URL
    data.to_zarr(url, storage_options=storage, consolidated=False)
    options = {"chunks": None, "consolidated": False}
    back = xr.open_zarr(url, storage_options=storage, **options)
    xr.testing.assert_identical(data, back.load())
    more = data.assign_coords(time=data.time + 50)
    more.to_zarr(
        url, append_dim="time", storage_options=storage, consolidated=False
    )
    store = zarr.storage.FsspecStore.from_mapper(
        KistMemoryFileSystem(mfs).get_mapper("/data/x.zarr")
    )
    assert xr.open_zarr(store, **options).sizes["time"] == 100
    assert mfs.exists("/data/x.zarr/zarr.json")
