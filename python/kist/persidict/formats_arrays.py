"""Pickles with joblib's arrays in them, read without joblib.

joblib.dump() writes an array as a small object, ``NumpyArrayWrapper``, whose
state says shape, type and order, and behind that object's BUILD instruction
the array's own bytes, in the middle of the pickle.
"""

import io
import pickle
from typing import Any

# The one written in Python: it can be asked where it is in the file.
_Base: Any = pickle._Unpickler
_ALLOWED = {("joblib.numpy_pickle", "NumpyArrayWrapper")}


class _Wrapper:
    """What stands for an array until its bytes are read."""

    subclass: Any
    shape: "tuple[int, ...]"
    order: str
    dtype: Any
    numpy_array_alignment_bytes: int | None

    def read(self, file: io.BytesIO) -> Any:
        import numpy as np

        if self.dtype.hasobject:
            return _Unpickler(file).load()
        if getattr(self, "numpy_array_alignment_bytes", None) is not None:
            padding = file.read(1)
            if not padding:
                raise EOFError("an array is cut short")
            file.read(padding[0])
        count = 1
        for size in self.shape:
            if size < 0:
                raise ValueError("an array of a negative shape")
            count *= int(size)
        size = count * self.dtype.itemsize
        if size > len(file.getbuffer()) - file.tell():
            raise EOFError("an array is cut short")
        data = bytearray(file.read(size))
        flat = np.frombuffer(data, dtype=self.dtype, count=count)
        if self.order == "F":
            array = flat.reshape(self.shape[::-1]).transpose()
        else:
            array = flat.reshape(self.shape)
        if self.subclass not in (np.ndarray, np.memmap):
            array = array.view(self.subclass)
        return array


class _Unpickler(_Base):  # type: ignore[misc]
    """Puts the array in the place of its wrapper."""

    dispatch = _Base.dispatch.copy()

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.file = file

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _Wrapper
        if module.partition(".")[0] == "joblib":
            raise ImportError(
                f"this pickle needs the package joblib, for {module}.{name}"
            )
        return super().find_class(module, name)

    def load_build(self) -> None:
        _Base.load_build(self)
        if isinstance(self.stack[-1], _Wrapper):
            self.stack.append(self.stack.pop().read(self.file))

    dispatch[pickle.BUILD[0]] = load_build


def load(plain: bytes) -> object:
    """The value of a pickle, not compressed, with arrays in it."""
    try:
        import numpy  # noqa: F401
    except ImportError:
        raise ImportError("this pickle has arrays in it: numpy is missing")
    return _Unpickler(io.BytesIO(plain)).load()
