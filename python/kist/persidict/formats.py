"""The formats of stored values: Python objects as bytes, and back.

======  ==========================================  ====================
format  bytes                                       reading may run code
======  ==========================================  ====================
pkl     pickle protocol 4 in an LZ4 frame           yes
json    jsonpickle's JSON, indented by 4            for classes, yes
spkl    a pkl with a signature (HMAC-SHA256)        no
kist    typed data, as in kist's own collections    no
other   the UTF-8 of str(value)                     no
======  ==========================================  ====================

``pkl`` and ``json`` are those of the package persidict, in both directions.
What runs code is read only if it is trusted.  ``kist`` keeps None, bool, int,
float, complex, str, bytes, tuple, list, dict, set, frozenset, datetime, date,
time, timedelta, Decimal and UUID, and is what new data should be kept in.

JSON keeps all that jsonpickle can write, except what would come back as
something else without a word: keys of a dict that are no str, and keys that
jsonpickle keeps for itself, such as "py/object".  These are a TypeError that
names the place.
"""

from typing import TYPE_CHECKING, Any

from kist._core import _format_dumps, _format_loads

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["INFLATED_MAX", "dumps", "loads"]

# Compressed values that become larger than this, in bytes, are refused.
INFLATED_MAX = 4 << 30


def dumps(
    value: object, serialization_format: str, *, key: bytes | None = None
) -> bytes:
    """The bytes of `value`.

    `key` is the secret that "spkl" is signed with.  Raises TypeError for what
    the format cannot keep as it is, and what the value's own methods raise.
    """
    return _format_dumps(value, serialization_format, key)


def loads(
    data: "ReadableBuffer",
    serialization_format: str,
    *,
    trusted: bool = False,
    key: bytes | None = None,
    inflated_max: int = INFLATED_MAX,
    place: str | None = None,
) -> object:
    """The value that `data` stands for.

    Raises PermissionError, before anything was run, if reading it would run
    code that is not `trusted`, or if its signature is not of `key`;
    kist.CorruptError if it stands for nothing; kist.TooBigError if it is more
    than `inflated_max` bytes when inflated; ImportError or AttributeError if
    a class is not there.  A note names `place`, where one is given.
    """
    return _format_loads(
        bytes(data), serialization_format, trusted, key, inflated_max, place
    )


# --- pickles that C leaves to us ---------------------------------------------


def _inflate(data: bytes, limit: int) -> bytes:
    """What gzip, zlib, bz2, xz or lzma made `data` of, at most `limit`."""
    from kist._core import TooBigError

    if data.startswith(b"ZF"):
        # joblib before 0.10: "ZF", the size in 19 characters, zlib.
        data = data[21:].removeprefix(b" ")
    plain = bytearray()
    while data:
        machine: _Inflater = _machine_of(data)
        while not machine.eof:
            room = limit + 1 - len(plain)
            some = machine.step(data, min(room, 1 << 24))
            data = b""
            if not some and machine.starved():
                raise EOFError("the compressed value is cut short")
            plain += some
            if len(plain) > limit:
                raise TooBigError(
                    f"the value is more than {limit} bytes when inflated"
                )
        data = machine.rest()
    return bytes(plain)


class _Inflater:
    """zlib, bz2 and lzma by one set of names."""

    def __init__(self, made: object, is_zlib: bool) -> None:
        self._made: Any = made
        self._is_zlib = is_zlib
        self._fed = False

    @property
    def eof(self) -> bool:
        return bool(self._made.eof)

    def step(self, data: bytes, most: int) -> bytes:
        if self._is_zlib and self._fed:
            data = self._made.unconsumed_tail
        self._fed = True
        some: bytes = self._made.decompress(data, most)
        return some

    def starved(self) -> bool:
        """It made nothing, and has nothing left to make something of."""
        if self._made.eof:
            return False
        if self._is_zlib:
            return not self._made.unconsumed_tail
        return bool(self._made.needs_input)

    def rest(self) -> bytes:
        """What is behind the end: another member, or zeros that pad."""
        behind: bytes = self._made.unused_data
        return behind.lstrip(b"\0")


def _machine_of(data: bytes) -> _Inflater:
    if data.startswith(b"\x1f\x8b"):
        import zlib

        return _Inflater(zlib.decompressobj(31), True)
    if data.startswith(b"x"):
        import zlib

        return _Inflater(zlib.decompressobj(), True)
    if data.startswith(b"BZ"):
        import bz2

        return _Inflater(bz2.BZ2Decompressor(), False)
    if data.startswith((b"\xfd7zXZ", b"]\0")):
        import lzma

        return _Inflater(lzma.LZMADecompressor(), False)
    raise ValueError("more bytes behind the compressed value")


def _load_arrays(plain: bytes) -> object:
    """A pickle with joblib's arrays in it: joblib's work, or else ours."""
    import io
    from importlib import import_module

    try:
        joblib = import_module("joblib")
    except ImportError:
        from kist.persidict.formats_arrays import load

        return load(plain)
    loaded: object = joblib.load(io.BytesIO(plain))
    return loaded


# --- JSON that C leaves to us --------------------------------------------------

# All that jsonpickle gives a meaning to.
_TAGS = frozenset(
    f"py/{name}"
    for name in (
        *("bytes", "b64", "b85", "function", "id", "initargs", "iterator"),
        *("mod", "newargs", "newargsex", "newobj", "object", "property"),
        *("reduce", "ref", "repr", "seq", "set", "state", "tuple", "type"),
    )
)
_DATA_TAGS = frozenset(("py/tuple", "py/set", "py/b64", "py/id"))
_LEAVES = (str, int, float, bool, type(None))


class _NotData(Exception):
    """Something is neither a container nor a leaf of Python's own."""


def _json_dump(value: object) -> str:
    """As jsonpickle.dumps(value, indent=4), or TypeError."""
    _check_keys(value)
    try:
        tree = _flattened(value, {}, [])
    except _NotData as error:
        return _jsonpickle_dump(value, str(error))
    import json

    return json.dumps(tree, indent=4)


def _check_keys(value: object) -> None:
    """TypeError with the place of a key that JSON would not give back."""
    met: set[int] = set()
    stack: list[tuple[object, str]] = [(value, "value")]
    while stack:
        item, place = stack.pop()
        if not isinstance(item, (dict, list, tuple, set, frozenset)):
            continue
        if id(item) in met:
            continue
        met.add(id(item))
        if not isinstance(item, dict):
            stack += [(x, f"{place}[{i}]") for i, x in enumerate(item)]
            continue
        for key, x in item.items():
            if not isinstance(key, str):
                raise TypeError(
                    "JSON has str keys only, and would give back another: "
                    f"a key of {place} is of type {type(key).__name__}"
                )
            if key in _TAGS:
                raise TypeError(
                    f"jsonpickle keeps the key {key!r} for itself, and would "
                    f"give back something else: a key of {place}"
                )
            stack.append((x, f"{place}[{key!r}]"))


def _flattened(
    value: object, met: "dict[int, int]", alive: "list[object]"
) -> object:
    """The tree that jsonpickle makes of data; _NotData for anything else.

    It numbers each dict and list as it meets them first, and writes the
    number where it meets one again.
    """
    kind = type(value)
    if kind in _LEAVES:
        return value
    if kind is bytes:
        import base64

        assert isinstance(value, bytes)
        return {"py/b64": base64.b64encode(value).decode("ascii")}
    if kind is tuple:
        assert isinstance(value, tuple)
        return {"py/tuple": [_flattened(x, met, alive) for x in value]}
    if kind is set:
        assert isinstance(value, set)
        return {"py/set": [_flattened(x, met, alive) for x in value]}
    if kind is not dict and kind is not list:
        raise _NotData(f"{kind.__module__}.{kind.__qualname__}")
    number = met.setdefault(id(value), len(met))
    if number < len(alive):
        return {"py/id": number}
    alive.append(value)
    if kind is list:
        assert isinstance(value, list)
        return [_flattened(x, met, alive) for x in value]
    assert isinstance(value, dict)
    for key in value:
        if type(key) is not str:
            raise _NotData(f"a key of type {type(key).__qualname__}")
    return {key: _flattened(x, met, alive) for key, x in value.items()}


def _jsonpickle(why: str) -> Any:
    """The package, with its handlers for what `why` speaks of."""
    import sys
    from importlib import import_module

    try:
        package = import_module("jsonpickle")
        import_module("jsonpickle.pickler")
        import_module("jsonpickle.unpickler")
    except ImportError:
        raise ImportError(
            f"this JSON needs the package jsonpickle, for {why}; without it "
            "JSON keeps dict, list, tuple, set, str, bytes, int, float, bool "
            "and None"
        ) from None
    for name in ("numpy", "pandas"):
        if name in sys.modules or name in why:
            try:
                handlers = import_module(f"jsonpickle.ext.{name}")
            except ImportError:
                continue
            handlers.register_handlers()
    return package


def _refuse(self: object, value: object) -> None:
    raise TypeError(f"jsonpickle cannot keep {value!r}")


def _jsonpickle_dump(value: object, why: str) -> str:
    package = _jsonpickle(f"a value of type {why}")
    # It warns, and puts None in place of what it cannot keep.
    kind = type(
        "Pickler", (package.pickler.Pickler,), {"_pickle_warning": _refuse}
    )
    return str(package.encode(value, indent=4, context=kind(keys=False)))


def _jsonpickle_load(text: str, why: str) -> object:
    package = _jsonpickle(why)
    context = package.unpickler.Unpickler(keys=False, on_missing="error")
    try:
        loaded: object = package.decode(text, context=context)
    except BaseException as error:
        # It is no Exception: "except Exception" would not catch it.
        if type(error).__name__ != "ClassNotFoundError":
            raise
        raise ImportError(str(error)) from error
    return loaded


def _json_load(data: bytes, trusted: bool) -> object:
    """The value of JSON that has jsonpickle's tags in it."""
    import json

    text = data.decode("utf-8")
    tree = json.loads(text)
    tag = _first_object(tree)
    if tag is None:
        return _restored(tree, [])
    if not trusted:
        raise PermissionError(
            f"this JSON asks for objects to be built ({tag!r}), which runs "
            "code, and others can write here: pass allow_shared=True "
            "(trusted=True) to trust them all"
        )
    why = "the objects in it"
    for name in ("numpy", "pandas"):
        if f'"{name}.' in text:
            why += f" with {name}"
    return _jsonpickle_load(text, why)


def _first_object(tree: object) -> str | None:
    """A tag in `tree` that stands for more than data, or None."""
    stack = [tree]
    while stack:
        item = stack.pop()
        if type(item) is list:
            stack += item
        elif type(item) is dict:
            found = _TAGS.intersection(item)
            if found - _DATA_TAGS:
                return min(found - _DATA_TAGS)
            if found and len(item) > 1:
                raise ValueError(f"{min(found)!r} with other keys beside it")
            stack += item.values()
    return None


def _restored(tree: object, met: "list[object]") -> object:
    """The data that jsonpickle made `tree` of."""
    if type(tree) is list:
        made: list[object] = []
        met.append(made)
        made += [_restored(x, met) for x in tree]
        return made
    if type(tree) is not dict:
        return tree
    if len(tree) == 1:
        ((tag, body),) = tree.items()
        if tag in _DATA_TAGS:
            return _restored_tag(tag, body, met)
    data: dict[str, object] = {}
    met.append(data)
    for key, x in tree.items():
        data[key] = _restored(x, met)
    return data


def _restored_tag(tag: str, body: object, met: "list[object]") -> object:
    if tag == "py/id":
        if type(body) is not int or not 0 <= body < len(met):
            raise ValueError(f"'py/id' of {body!r}, which is not there")
        return met[body]
    if tag == "py/b64":
        import base64

        if type(body) is not str:
            raise ValueError("'py/b64' of no str")
        return base64.b64decode(body, validate=True)
    if type(body) is not list:
        raise ValueError(f"{tag!r} of no list")
    items = [_restored(x, met) for x in body]
    return tuple(items) if tag == "py/tuple" else set(items)
