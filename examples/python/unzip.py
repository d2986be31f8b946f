"""Archives of strangers, unpacked in memory, where a bomb meets the quota.

    python unzip.py [FILE ...]

Without files it makes its own: an honest archive, two bombs and one that
tries to climb out.  Whatever an archive says of itself, what is unpacked never
takes more than the quota; what was refused has left nothing behind.
"""

import io
import shutil
import sys
import tarfile
import zipfile

from kist import MemoryFileSystem, MFSQuotaExceededError

QUOTA = 8 << 20
FILES = 1000


def unpack(file):
    """A file system with what is in the archive, or an exception."""
    fs = MemoryFileSystem(max_quota=QUOTA, max_nodes=FILES)
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    with archive.open(member) as source:
                        copy(source, fs, member.filename)
    else:
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            for member in archive:
                if member.isfile():
                    copy(archive.extractfile(member), fs, member.name)
    return fs


def copy(source, fs, path):
    fs.mkdir(path.rpartition("/")[0], exist_ok=True)
    with fs.open(path, "wb") as target:
        shutil.copyfileobj(source, target)


def report(name, file):
    try:
        fs = unpack(file)
    except MFSQuotaExceededError as error:
        print(f"{name}: {error}")
    except ValueError as error:
        print(f"{name}: {error}")
    else:
        stats = fs.stats()
        print(f"{name}: {stats['file_count']} files", end=", ")
        print(f"{stats['dir_count'] - 1} folders, {fs.glob('/**/*.txt')}")


# --- archives to try it with ------------------------------------------------


def zip_of(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file


def tar_of(members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file


def samples():
    honest = [("docs/read.txt", b"me"), ("docs/a/b.bin", bytes(100_000))]
    yield "honest.zip", zip_of(honest)
    yield "honest.tar.gz", tar_of(honest)
    yield "bomb.zip", zip_of([("zeros", bytes(64 << 20))])
    yield "bomb.tar.gz", tar_of([("zeros", bytes(64 << 20))])
    yield "many.zip", zip_of((f"{n}.txt", b"") for n in range(5000))
    yield "climber.tar.gz", tar_of([("../../etc/cron.d/job", b"evil")])


if __name__ == "__main__":
    if sys.argv[1:]:
        for name in sys.argv[1:]:
            with open(name, "rb") as file:
                report(name, file)
    else:
        for name, file in samples():
            report(name, file)
