"""A dict that several machines share over NFS: one file per key.

>>> from kist import NfsDict
>>> d = NfsDict("results", base_dir="/mnt/shared")  # doctest: +SKIP
>>> d["run-1"] = {"loss": 0.25}  # doctest: +SKIP

The files are those of the package nfsdict, which may use the directory at the
same time.
"""

from kist.nfsdict._nfsdict import CorruptValueError, NfsDict

__all__ = ["CorruptValueError", "NfsDict"]
