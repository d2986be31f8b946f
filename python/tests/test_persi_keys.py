"""Keys of stores: SafeStrTuple, its checks, and the digests behind names.

Sections 1.2 and 1.3 of the contract.
"""

from __future__ import annotations

import collections
import collections.abc
import copy
import gc
import pickle
import string
import sys
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kist.persidict import NonEmptySafeStrTuple as Full
from kist.persidict import SafeStrTuple as Key
from kist.persidict import get_safe_chars, replace_unsafe_chars
from kist.persidict.safe_chars import (
    SAFE_CHARS_SET,
    SAFE_STRING_MAX_LENGTH,
    contains_unsafe_chars,
)
from kist.persidict.safe_str_tuple_signing import (
    sign_safe_str_tuple,
    unsign_safe_str_tuple,
)

SAFE = set(string.ascii_letters + string.digits + "()_-~.=")


class Duck:
    """Like a sequence, and none."""

    def __init__(self, *items: Any) -> None:
        self.items_ = items

    def __getitem__(self, index: int) -> Any:
        return self.items_[index]

    def __len__(self) -> int:
        return len(self.items_)

    def __iter__(self) -> Any:
        return iter(self.items_)


class MappingDuck(Duck):
    def keys(self) -> Any:
        return []


def test_every_character():
    """1.2: 69 characters are safe, and no other of all there are."""
    assert len(SAFE) == 69
    for number in range(0x3000):
        char = chr(number)
        # Between two letters, so that "." is not refused as a name.
        if char in SAFE:
            assert Key(f"x{char}y").strings == (f"x{char}y",)
        else:
            with pytest.raises(ValueError, match="disallowed characters"):
                Key(f"x{char}y")


@pytest.mark.parametrize(
    ("arguments", "strings"),
    [
        ((), ()),
        (("a",), ("a",)),
        (("a", "b"), ("a", "b")),
        ((["a", ("b",)], Key("c"), [[[["d"]]]]), ("a", "b", "c", "d")),
        ((Full("a"), Full("b", "c")), ("a", "b", "c")),
        ((b"", range(0), (), [], memoryview(b""), Key()), ()),
        ((Duck("a", Duck("b")),), ("a", "b")),
        ((collections.deque(["a"]), collections.UserList(["b"])), ("a", "b")),
        (("...", ".a", "a.", "con", "NUL", "~"),) * 2,
        (("x" * 253,),) * 2,
    ],
)
def test_accepted(arguments, strings):
    """1.2: what a key may be made of, flattened from left to right."""
    key = Key(*arguments)
    assert key.strings == key.str_chain == strings
    assert len(key) == len(strings) and list(key) == list(strings)
    if strings:
        assert Full(*arguments) == key
    else:
        with pytest.raises(ValueError, match="at least one string"):
            Full(*arguments)


@pytest.mark.parametrize(
    ("argument", "error", "text"),
    [
        ("", ValueError, "Strings must be non-empty"),
        (".", ValueError, "'.' is not allowed as a key component"),
        ("..", ValueError, "'..' is not allowed as a key component"),
        ("x" * 254, ValueError, "String length must be < 254, got 254"),
        (" " * 300, ValueError, "String length must be < 254, got 300"),
        ("a b", ValueError, "String contains disallowed characters"),
        ("a/b", ValueError, "String contains disallowed characters"),
        ("a\0", ValueError, "String contains disallowed characters"),
        ("\ud800", ValueError, "String contains disallowed characters"),
        ("\u00e9", ValueError, "String contains disallowed characters"),
        ([[""]], ValueError, "Strings must be non-empty"),
        (1, TypeError, "Invalid argument type: <class 'int'>"),
        (None, TypeError, "Invalid argument type: <class 'NoneType'>"),
        ({}, TypeError, "Invalid argument type: <class 'dict'>"),
        ({"a"}, TypeError, "Invalid argument type: <class 'set'>"),
        (b"ab", TypeError, "Invalid argument type: <class 'int'>"),
        (range(2), TypeError, "Invalid argument type: <class 'int'>"),
        (["a", 1], TypeError, "Invalid argument type: <class 'int'>"),
        (iter("a"), TypeError, "Invalid argument type: <class 'str_ascii"),
        (MappingDuck("a"), TypeError, "Invalid argument type: <class"),
        (collections.ChainMap(), TypeError, "Invalid argument type: <class"),
    ],
)
def test_refused(argument, error, text):
    """1.2: what a key may not be, in the contract's words."""
    for kind in (Key, Full):
        for wrapped in (argument, [argument], ("a", argument)):
            with pytest.raises(error) as caught:
                kind(wrapped)
            assert str(caught.value).startswith(text)


def test_keywords_are_refused():
    """1.2: **kwargs are a TypeError that names them."""
    with pytest.raises(TypeError, match=r"keyword arguments: \['x', 'y'\]"):
        Key("a", x=1, y=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Unexpected keyword"):
        Full(x=1)  # type: ignore[call-arg]


def test_a_list_within_itself():
    """A key without an end is an error, not a crash."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(RecursionError):
        Key(endless)


def test_as_a_sequence():
    """1.2: index, slice, in, reversed, +, and what it is not."""
    key = Key("a", "b", "c")
    assert key[0] == "a" and key[-1] == "c" and key[1:] == ("b", "c")
    assert type(key[1:]) is tuple
    with pytest.raises(IndexError):
        key[3]
    with pytest.raises(TypeError):
        key["a"]  # type: ignore[call-overload]
    assert "b" in key and "x" not in key and ("b",) not in key
    turned = reversed(Full("a", "b"))
    assert type(turned) is Key and turned == ("b", "a")
    for both in (key + "d", key + ["d"], key + Key("d"), key + (("d",),)):
        assert type(both) is Key and both == ("a", "b", "c", "d")
    for both in ("z" + key, ["z"] + key, ("z",) + Full("a", "b", "c")):
        assert type(both) is Key and both == ("z", "a", "b", "c")
    with pytest.raises(TypeError, match="Invalid argument type"):
        key + 1  # type: ignore[operator]
    with pytest.raises(ValueError, match="disallowed"):
        key + "a b"
    with pytest.raises(TypeError):
        sorted([key, key])  # type: ignore[type-var]
    assert key.index("b") == 1 and key.count("a") == 1
    with pytest.raises(ValueError):
        key.index("x")
    assert isinstance(key, collections.abc.Sequence)
    assert isinstance(key, collections.abc.Hashable)
    assert not isinstance(key, tuple) and not Key()
    match key:
        case [first, *_]:
            assert first == "a"


def test_equality_and_hash():
    """1.2: equal to all that would give the same key, hashed as a tuple."""
    key = Key("a")
    for equal in ("a", ("a",), ["a"], Full("a"), [["a"]], Key("a")):
        assert key == equal and equal == key and not key != equal
    for other in ("b", "", 1, None, {"a": 1}, ("a", "a"), "a b", object()):
        assert key != other and not key == other
    assert key.__eq__(1) is NotImplemented
    assert hash(key) == hash(("a",)) != hash("a")
    assert {key: 1}[("a",)] == 1 and {("a",): 1}[key] == 1
    assert "a" not in {key: 1}


def test_names():
    """1.2: repr() has the name that the class has; str() is the same."""

    class Mine(Key):
        pass

    class Named(Full):
        """A subclass that puts something before."""

        def __init__(self, *args: Any) -> None:
            super().__init__("m", *args)

    assert repr(Key("a")) == str(Key("a")) == "SafeStrTuple(('a',))"
    assert repr(Full("a", "b")) == "NonEmptySafeStrTuple(('a', 'b'))"
    assert repr(Mine("a")) == "Mine(('a',))"
    assert Named("x").strings == ("m", "x") and Named().strings == ("m",)
    for made in (Mine("a") + "b", "b" + Mine("a"), reversed(Mine("a"))):
        assert type(made) is Key
    mine = Mine("a")
    mine.note = "kept"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        Key("a").strings = ("b",)  # type: ignore[misc]


class Pickled(Full):
    """At the top of a module, so that pickle finds it."""

    def __init__(self, *args: Any) -> None:
        super().__init__("m", *args)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_and_copies(protocol):
    """1.2: copies are the object itself, pickles are equal to it."""
    for key in (Key(), Key("a", "b"), Full("a"), Pickled("x")):
        assert copy.copy(key) is key and copy.deepcopy([key])[0] is key
        again = pickle.loads(pickle.dumps(key, protocol))
        assert again == key and type(again) is type(key)
    mine = Pickled("x")
    mine.note = [1]  # type: ignore[attr-defined]
    again = pickle.loads(pickle.dumps(mine, protocol))
    assert again.note == [1] and again.strings == ("m", "x")


def test_a_pickle_is_checked():
    """What a forged pickle holds is checked like everything else."""
    import kist._core

    with pytest.raises(ValueError, match="disallowed"):
        kist._core._key_restore(Key, ("../x",))
    with pytest.raises(TypeError):
        kist._core._key_restore(int, ("x",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one"):
        kist._core._key_restore(Full, ())


def test_a_subclass_of_str_is_taken_for_its_text():
    """What a str subclass overrides cannot change a key later."""

    class Sly(str):
        def __hash__(self) -> int:
            return 7

        def __eq__(self, other: object) -> bool:
            return True

    key = Key(Sly("a"))
    assert type(key.strings[0]) is str
    assert hash(key) == hash(("a",)) and key != "b"


def test_references():
    """Weak references work; making and dropping keys leaks nothing."""
    key = Key("a")
    watch = weakref.ref(key)
    assert watch() is key
    del key
    assert watch() is None
    parts = ["a", ("b", ["c"])]
    for bad in (None, "a b"):
        counts = []
        for _ in range(3):
            for _ in range(200):
                try:
                    Key(parts, *([bad] if bad else ())) + "x"
                    Key("a", [bad])
                except (TypeError, ValueError):
                    pass
            gc.collect()
            counts.append(sys.getrefcount("a"))
        assert counts[-1] - counts[1] < 50


def test_safe_chars():
    """1.2: the functions of safe_chars."""
    assert get_safe_chars() == SAFE == SAFE_CHARS_SET
    assert get_safe_chars() is not get_safe_chars()
    assert SAFE_STRING_MAX_LENGTH == 254
    assert replace_unsafe_chars("a b/c", "_") == "a_b_c"
    assert replace_unsafe_chars("a b/c", "") == "abc"
    assert replace_unsafe_chars("a b", replace_with="--") == "a--b"
    assert contains_unsafe_chars("a b") and not contains_unsafe_chars("")


# --- digests -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count", "signed"),
    [
        ("abc", 4, "abc_saav"),
        ("x", 4, "x_txko"),
        ("y", 4, "y_ifjj"),
        ("p", 4, "p_qody"),
        ("zz", 4, "zz_exwr"),
        ("int", 4, "int_7jyv"),
        ("empty", 4, "empty_ulsi"),
        ("abc", 32, "abc_saavbgb42jh3bvuwh56sryl7oi======"),
        ("u1", 8, "u1_4r3uzxna"),
        ("u2", 8, "u2_e4gbwccp"),
        ("p", 8, "p_qodyzeix"),
        ("a", 1, "a_b"),
        ("a", 0, "a"),
    ],
)
def test_digest_vectors(text, count, signed):
    """1.3: the contract's vectors, both ways, and only once."""
    assert sign_safe_str_tuple(Key(text), count) == signed
    assert sign_safe_str_tuple(Key(signed), count) == signed
    assert unsign_safe_str_tuple(Key(signed), count) == text
    assert sign_safe_str_tuple(Key("q", text), count)[1] == signed
    assert unsign_safe_str_tuple(Key(signed + "x"), count) == signed + "x"


def test_digest_errors():
    """1.3: of the length, and of what gets too long."""
    for call in (sign_safe_str_tuple, unsign_safe_str_tuple):
        with pytest.raises(TypeError, match="digest_len must be int"):
            call(Key("a"), "4")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="must be >= 0, got -1"):
            call(Key("a"), -1)
    assert sign_safe_str_tuple(Key("abc"), True) == "abc_s"
    assert sign_safe_str_tuple(Key("abc"), 4) == "abc_saav"
    assert len(sign_safe_str_tuple(Key("a" * 248), 4)[0]) == 253
    with pytest.raises(ValueError, match="must be < 254, got 254"):
        sign_safe_str_tuple(Key("a" * 249), 4)


safe_text = st.text(sorted(SAFE), min_size=1, max_size=12).filter(
    lambda text: text not in (".", "..")
)


@given(st.lists(safe_text, max_size=5), st.integers(0, 32))
def test_signing_round_trip(texts, count):
    """1.3: what is not signed yet comes back; nothing is signed twice."""
    key = Key(texts)
    signed = sign_safe_str_tuple(key, count)
    assert sign_safe_str_tuple(signed, count) == signed
    once = unsign_safe_str_tuple(signed, count)
    assert once in (key, unsign_safe_str_tuple(key, count))


nested = st.recursive(
    safe_text,
    lambda parts: st.one_of(
        st.lists(parts, max_size=4),
        st.tuples(parts, parts),
        st.lists(parts, max_size=3).map(Key),
    ),
    max_leaves=12,
)


def flat(item: Any) -> list[str]:
    if isinstance(item, str):
        return [item]
    return [text for part in item for text in flat(part)]


@given(nested, nested)
def test_flattening(left, right):
    """1.2: a key is its strings, however they were nested."""
    key = Key(left, right)
    strings = flat([left, right])
    assert key.strings == tuple(strings)
    assert key == Key(strings) == Key(left) + right == left + Key(right)
    assert hash(key) == hash(tuple(strings))
    assert pickle.loads(pickle.dumps(key)) == key
