"""MFSTextHandle: section 1.11 of contracts/dmemfs.md, row 20 of section 3.

The handle always stands behind what was handed out, which the tests check
beside the text.
"""

from __future__ import annotations

import codecs
import gc
import io
import random
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kist import MemoryFileSystem, MFSTextHandle

FAST = ("utf-8", "UTF8", "utf_8", "ascii", "latin-1", "ISO_8859_1")
OTHER = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp1252",
         "utf-7", "iso-2022-jp", "gb18030", "shift_jis")  # fmt: skip


@pytest.fixture
def fs() -> MemoryFileSystem:
    return MemoryFileSystem(default_lock_timeout=0)


class Opened:
    """A file with bytes in it, its handle and text over that."""

    def __init__(self, data: bytes, *args: Any, **kwargs: Any) -> None:
        self.fs = MemoryFileSystem(default_lock_timeout=0)
        self.fs.import_tree({"/f": data})
        self.handle = self.fs.open("/f", "r+b")
        self.text = MFSTextHandle(self.handle, *args, **kwargs)

    def __enter__(self) -> tuple[Any, MFSTextHandle]:
        return self.handle, self.text

    def __exit__(self, *_: object) -> None:
        self.handle.close()


def lines_of(text: str) -> Iterator[str]:
    """The lines, as the contract cuts them."""
    line = ""
    for i, one in enumerate(text):
        line += one
        if one == "\n" or (one == "\r" and text[i + 1 : i + 2] != "\n"):
            yield line
            line = ""
    if line:
        yield line


# --- writing -----------------------------------------------------------------


@pytest.mark.parametrize("encoding", FAST + OTHER)
def test_write_encodes(fs: MemoryFileSystem, encoding: str):
    """1.11: the whole string each time; the number of characters."""
    texts = ["", "plain\n", "x" * 5000]
    if encoding not in ("ascii", "iso-2022-jp", "shift_jis"):
        texts += ["é", "é" * 3000]
    with fs.open("/f", "wb") as handle:
        text = MFSTextHandle(handle, encoding)
        for one in texts:
            assert text.write(one) == len(one)
    want = b"".join(one.encode(encoding) for one in texts)
    assert fs.export_tree() == {"/f": want}


def test_write_refuses(fs: MemoryFileSystem):
    """1.11: what is no text, and what the codec has no bytes for."""
    with fs.open("/f", "wb") as handle:
        text = MFSTextHandle(handle)
        for wrong in (b"x", None, 5):
            with pytest.raises(AttributeError, match="'encode'"):
                text.write(wrong)
        with pytest.raises(UnicodeEncodeError):
            text.write("\ud800")
        with pytest.raises(UnicodeEncodeError):
            MFSTextHandle(handle, "ascii").write("é")
        assert MFSTextHandle(handle, "ascii", "replace").write("é") == 1
        assert MFSTextHandle(handle, errors="surrogatepass").write("\ud800")
        assert text.write(text="named") == 5
        for read in (text.read, text.readline, lambda: next(text)):
            with pytest.raises(io.UnsupportedOperation, match="not readable"):
                read()
    assert fs.export_tree()["/f"] == b"?\xed\xa0\x80named"
    with fs.open("/f") as handle:
        for one in ("", "x", "é"):
            with pytest.raises(io.UnsupportedOperation, match="not writable"):
                MFSTextHandle(handle).write(one)


# --- reading -----------------------------------------------------------------

SAMPLE = "a\r\nbc\rd\n\n\r\ré€\U0001f600 x\r\nend\r"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-be", "gb18030"])
def test_lines_end_in_three_ways(encoding: str):
    """1.11: "\\n", "\\r\\n", "\\r", and nothing else; as they stand."""
    sample = SAMPLE + "\u2028\x0b\x0c\x1c\x85.\n"
    with Opened(sample.encode(encoding), encoding) as (handle, text):
        want = list(lines_of(sample))
        at = 0
        for line in want:
            assert text.readline() == line
            at += len(line.encode(encoding))
            assert handle.tell() == at
        assert text.readline() == "" == text.readline(5)
        handle.seek(0)
        assert list(text) == want
        with pytest.raises(StopIteration):
            next(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-be", "gb18030"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 100])
def test_reads_never_split_a_character(encoding: str, size: int):
    """1.11: size and limit are characters."""
    with Opened(SAMPLE.encode(encoding), encoding) as (handle, text):
        for i in range(0, len(SAMPLE), size):
            assert text.read(size) == SAMPLE[i : i + size]
            so_far = SAMPLE[: i + size].encode(encoding)
            assert handle.tell() == len(so_far)
        assert text.read(size) == ""
        handle.seek(0)
        got = ""
        while one := text.readline(size):
            assert len(one) <= size + one.endswith("\r\n")
            got += one
            assert handle.tell() == len(got.encode(encoding))
        assert got == SAMPLE


def test_a_limit_keeps_crlf_together():
    """1.11: "\\r\\n" may exceed it by one."""
    with Opened(b"ab\r\ncd") as (_, text):
        assert text.readline(3) == "ab\r\n"
        assert text.readline(limit=1) == "c"
        assert text.readline(1) == "d"
    with Opened(b"a\r\rb") as (_, text):
        assert text.readline(2) == "a\r"
        assert text.readline(1) == "\r"


def test_sizes():
    """1.11: 0 is nothing, below 0 all; None is a TypeError."""
    with Opened(b"abc\n") as (handle, text):
        assert text.read(0) == text.readline(0) == ""
        for call in (text.read, text.readline):
            for wrong in (None, "x", 1.5):
                with pytest.raises(TypeError):
                    call(wrong)
        assert handle.tell() == 0
        assert text.readline(-7) == "abc\n"
        handle.seek(0)
        assert text.read(-7) == text.read(size=-1) + "abc\n"
        handle.close()
        assert text.read(0) == ""
        for call in (text.read, text.readline, lambda: next(text),
                     lambda: text.write("x")):  # fmt: skip
            with pytest.raises(ValueError, match="closed"):
                call()
        assert iter(text) is text


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 513, 5000, 200000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_lines_of_any_length(size: int, end: str, encoding: str):
    """Row 20: wherever a block that is read ends."""
    lines = ["é" * (size // 2) + "x" + end, "y" * (size - 1) + end, "z" + end]
    data = "".join(lines).encode(encoding)
    with Opened(data, encoding) as (handle, text):
        assert list(text) == lines
        handle.seek(0)
        for line in lines:
            assert text.readline(len(line) + 5) == line
        handle.seek(0)
        assert text.read(size) == "".join(lines)[:size]
        assert text.read() == "".join(lines)[size:]
        assert text.read() == ""


def test_the_handle_may_be_moved():
    """Where the peer is weak: nothing read ahead is handed out later."""
    for encoding in ("utf-8", "utf-16-le", "utf-7"):
        with Opened("abc\rdef\n".encode(encoding), encoding) as (handle, text):
            assert text.readline() == "abc\r"
            handle.seek(0)
            assert text.read(2) == "ab"
            handle.seek(0)
            assert text.readline() == "abc\r"
            assert text.read(1) == "d"
            handle.seek(0)
            assert text.read() == "abc\rdef\n"
            handle.seek(0)
            handle.write("X".encode(encoding))
            assert text.readline() == "bc\r"


def test_bytes_and_text_by_turns():
    """The handle goes on where the text ended."""
    with Opened(b"head\r\n\x00\x01\x02tail") as (handle, text):
        assert text.readline() == "head\r\n"
        assert handle.read(3) == b"\0\1\2"
        assert text.read(2) == "ta"
        assert handle.read() == b"il"


def test_codecs_with_states():
    """Where the peer is weak: a decoder goes on from call to call."""
    for encoding, sample in (
        ("utf-16", "a\né€\r\nb\r"),
        ("utf-32", "a\né€\r\nb\r"),
        ("utf-8-sig", "aé\nb"),
        ("iso-2022-jp", "日本\n語x\r\n日"),
        ("utf-7", "a日本語\né\r\n"),
    ):
        for encoded in (
            sample.encode(encoding),
            codecs.BOM_UTF16_BE + sample.encode("utf-16-be")
            if encoding == "utf-16"
            else sample.encode(encoding),
        ):
            with Opened(encoded, encoding) as (handle, text):
                assert list(text) == list(lines_of(sample))
                handle.seek(0)
                assert [text.read(1) for _ in sample] == list(sample)
                assert text.read(1) == ""
                handle.seek(0)
                assert text.read(2) + text.read() == sample


@pytest.mark.parametrize("errors", ["replace", "ignore", "backslashreplace",
                                    "surrogateescape"])  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "utf-16-le"])
def test_error_handlers(encoding: str, errors: str):
    """1.11: what they make of bad bytes, in whatever way it is read."""
    data = b"a\xffb\n\xe2\x82c\xe4\r\nd\xf0\x9f\n" + b"\xd8\xd8"
    want = data.decode(encoding, errors)
    with Opened(data, encoding, errors) as (handle, text):
        assert text.read() == want
        for size in (1, 2, 3, 7):
            handle.seek(0)
            parts = []
            while part := text.read(size):
                assert len(part) <= size
                parts.append(part)
            assert "".join(parts) == want
            handle.seek(0)
            assert "".join(iter(lambda s=size: text.readline(s), "")) == want
        handle.seek(0)
        assert list(text) == list(lines_of(want))


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_errors_are_met_where_they_stand(encoding: str):
    """1.11: what is before is read; behind the bad bytes it goes on."""
    with Opened(b"ab\ncd\xffef\ngh\n", encoding) as (handle, text):
        assert text.readline() == "ab\n"
        with pytest.raises(UnicodeDecodeError):
            text.readline()
        assert handle.tell() == 6
        assert text.readline() == "ef\n"
        handle.seek(0)
        assert text.read(5) == "ab\ncd"
        with pytest.raises(UnicodeDecodeError):
            text.read(3)
        assert handle.tell() == 6
        assert text.read(2) == "ef"
        handle.seek(0)
        with pytest.raises(UnicodeDecodeError) as caught:
            text.read()
        assert caught.value.start == 5


def test_what_ends_within_a_character():
    """1.11: UnicodeDecodeError, then nothing more."""
    for read in (
        lambda t: t.read(5), lambda t: t.readline(), lambda t: t.readline(5),
        lambda t: t.read(), next,
    ):  # fmt: skip
        for encoding, tail in (("utf-8", b"\xe2\x82"), ("utf-16-le", b"x")):
            with Opened("ab".encode(encoding) + tail, encoding) as (_, text):
                with pytest.raises(UnicodeDecodeError):
                    read(text)
                assert text.read() == ""


def test_names_are_looked_up_at_use():
    """1.11: LookupError then, and not before."""
    with Opened(b"a\xff\n", "no such codec") as (handle, text):
        assert text.encoding == "no such codec" and text.errors == "strict"
        for call in (text.readline, lambda: text.read(1), text.read,
                     lambda: text.write("x")):  # fmt: skip
            with pytest.raises(LookupError, match="no such codec"):
                handle.seek(0)
                call()
    with Opened(b"a\xff\n", "utf-8", "no such handler") as (handle, text):
        assert text.errors == "no such handler"
        for call in (text.readline, lambda: text.read(2), text.read):
            handle.seek(0)
            with pytest.raises(LookupError, match="no such handler"):
                call()
    for args in ((5,), ("utf-8", 5), (None,)):
        with Opened(b"a\n", *args) as (_, text), pytest.raises(TypeError):
            text.read(1)


# --- the object --------------------------------------------------------------


def test_with_leaves_the_handle_open():
    """1.11: whoever opened it closes it."""
    with Opened(b"ab") as (handle, text):
        with text as same:
            assert same is text
        assert not handle.closed
        assert text.read() == "ab"


def test_it_has_no_more_than_it_says():
    """1.11: no close, seek, tell, flush or readlines."""
    with Opened(b"") as (handle, text):
        for name in ("close", "seek", "tell", "flush", "readlines", "closed"):
            assert not hasattr(text, name)
        with pytest.raises(AttributeError):
            text.encoding = "x"
        named = MFSTextHandle(handle=handle, encoding="ascii", errors="x")
        assert (named.encoding, named.errors) == ("ascii", "x")
        text.mine = 5  # type: ignore[attr-defined]
        assert weakref.ref(text)() is text
    with pytest.raises(TypeError):
        MFSTextHandle()  # type: ignore[call-arg]
    with pytest.raises(ValueError):
        MFSTextHandle.__new__(MFSTextHandle).read()


def test_it_may_be_subclassed():
    """1.1: and be collected in a cycle."""

    class Mine(MFSTextHandle):
        def readline(self, limit: int = -1) -> str:
            return super().readline(limit).upper()

    with Opened(b"ab\ncd\n") as (handle, _):
        text = Mine(handle)
        assert text.readline() == "AB\n"
        text.me = text  # type: ignore[attr-defined]
        gone = weakref.ref(text)
        del text
        gc.collect()
        assert gone() is None


def test_any_handle_will_do():
    """A BytesIO, or a handle of a class of one's own."""

    class Counting(io.BytesIO):
        reads = 0

        def read(self, size: Any = -1) -> bytes:
            self.reads += 1
            return super().read(size)

    for encoding in ("utf-8", "utf-16-le"):
        raw = Counting(SAMPLE.encode(encoding))
        text = MFSTextHandle(raw, encoding)  # type: ignore[arg-type]
        assert list(text) == list(lines_of(SAMPLE))
        assert raw.reads < 6 * len(list(lines_of(SAMPLE)))
        raw.seek(0)
        assert text.read(3) == SAMPLE[:3]
        assert text.read() == SAMPLE[3:]
        assert text.write("é") == 1

    class Wrong:
        def read(self, size: int) -> Any:
            return "text" if size < 300 else b"x" * (size + 1)

        def tell(self) -> int:
            return 0

    for call in ("read", "readline"):
        for encoding in ("utf-8", "utf-16"):
            wrong = MFSTextHandle(Wrong(), encoding)  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                getattr(wrong, call)(5)


class Odd(codecs.IncrementalDecoder):
    """One byte is two characters, and there is no state to come back to."""

    def decode(self, data: Any, final: bool = False) -> str:
        return "".join(chr(byte) + "." for byte in bytes(data))

    def getstate(self) -> Any:
        raise NotImplementedError


def odd(name: str) -> codecs.CodecInfo | None:
    if name != "kist_odd":
        return None
    return codecs.CodecInfo(
        name=name,
        encode=lambda text, errors="strict": (text.encode(), len(text)),
        decode=lambda data, errors="strict": (Odd().decode(data), len(data)),
        incrementaldecoder=Odd,
    )


def test_a_codec_that_nobody_knows():
    """What comes as one is kept for the next call, unless it moves."""
    codecs.register(odd)
    try:
        with Opened(b"ab\rc\n", "kist_odd") as (handle, text):
            assert [text.read(1) for _ in range(4)] == ["a", ".", "b", "."]
            handle.seek(0)
            assert text.read(3) == "a.b"
            assert text.read() == ".\r.c.\n."
            handle.seek(0)
            assert list(text) == ["a.b.\r", ".c.\n", "."]
            handle.seek(1)
            assert text.readline(3) == "b.\r"
            assert text.readline(3) == ".c."
            handle.seek(0)
            assert text.read(1) == "a"
            handle.seek(0)
            assert text.read(2) == "a."
    finally:
        codecs.unregister(odd)


def test_a_line_does_not_cost_a_call_a_byte():
    """Row 20: 10 000 lines of 55 characters well under a second."""
    line = "x" * 40 + "é" * 14 + "\n"
    for encoding in ("utf-8", "latin-1"):
        data = (line * 10000).encode(encoding)
        with Opened(data, encoding) as (_, text):
            begin = time.perf_counter()
            assert sum(1 for _ in text) == 10000
            assert time.perf_counter() - begin < 0.5


ALPHABET = st.sampled_from("ab\r\n\r\né€\U0001f600\u2028")


@given(
    st.text(ALPHABET, max_size=60),
    st.sampled_from(["utf-8", "latin-1", "ascii", "utf-16-le", "utf-16",
                     "utf-7", "gb18030"]),
    st.integers(0, 2**32),
)  # fmt: skip
def test_any_mixture_of_calls(sample: str, encoding: str, seed: int):
    """1.11: reads and lines of any size give the text, piece by piece."""
    sample = sample.encode(encoding, "ignore").decode(encoding)
    rng = random.Random(seed)
    with Opened(sample.encode(encoding), encoding) as (handle, text):
        at = 0
        while at < len(sample):
            size = rng.choice((-1, 1, 2, 3, 7, 30))
            if rng.randrange(2):
                want = sample[at:] if size < 0 else sample[at : at + size]
                assert text.read(size) == want
            else:
                want = next(lines_of(sample[at:]))
                if 0 <= size < len(want):
                    cut = want[:size]
                    both = want[: size + 1]
                    want = both if both.endswith("\r\n") else cut
                assert text.readline(size) == want
            at += len(want)
            if encoding not in ("utf-16", "utf-7"):
                assert handle.tell() == len(sample[:at].encode(encoding))
        assert text.read() == text.readline() == ""


def test_a_character_that_was_kept_comes_first():
    """Decoded with others and not handed out yet, it opens the next line."""
    with Opened(b"abc\xc2de\nf", "utf-8", "replace") as (_, text):
        assert text.read(4) == "abc\ufffd"
        assert text.readline() == "de\n"
        assert text.readline() == "f"
