"""The stores beside the published persidict, step by step.

Goal: programs written for it find the same values, errors and texts.
Method: the same expressions, and the same random histories, on both; what is
to differ is in persidifferences.py, and asserted on both sides.
"""

from __future__ import annotations

import random
import re
import types
from typing import Any

import kist.persidict
import kist.persidict.safe_chars
import kist.persidict.safe_str_tuple_signing
import pytest

from persidifferences import ANYTHING, DIFFERENCES

peer = pytest.importorskip("persidict")


def user_dict(package: Any) -> Any:
    """A user's subclass of this package's PersiDict, with its own clock."""
    complete = package.jokers_and_status_flags.EXECUTION_IS_COMPLETE
    coerce = package.NonEmptySafeStrTuple

    class UserDict(package.PersiDict):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.kept: dict[Any, Any] = {}
            self.clock = 0.0

        def __contains__(self, key: Any) -> bool:
            return coerce(key) in self.kept

        def __getitem__(self, key: Any) -> Any:
            return self.kept[coerce(key)][0]

        def __setitem__(self, key: Any, value: Any) -> None:
            if self._process_setitem_args(key, value) is complete:
                return
            self.clock += 1
            self.kept[coerce(key)] = (value, self.clock)

        def __delitem__(self, key: Any) -> None:
            self._process_delitem_args(key)
            del self.kept[coerce(key)]

        def __len__(self) -> int:
            return len(self.kept)

        def _generic_iter(self, result_type: Any) -> Any:
            self._process_generic_iter_args(result_type)
            return iter(
                [
                    self._assemble_iter_result(
                        result_type, key=key, value=value, timestamp=when
                    )
                    for key, (value, when) in list(self.kept.items())
                ]
            )

        def timestamp(self, key: Any) -> float:
            return self.kept[coerce(key)][1]

    return UserDict


def api_of(package: Any) -> Any:
    """The names of a package, and what the steps need besides."""
    import persidict.safe_chars
    import persidict.safe_str_tuple_signing

    api = types.SimpleNamespace(
        **{name: getattr(package, name, None) for name in peer.__all__}
    )
    mine = package is kist.persidict
    api.chars = (kist if mine else persidict and peer) and (
        kist.persidict.safe_chars if mine else persidict.safe_chars
    )
    api.signing = (
        kist.persidict.safe_str_tuple_signing
        if mine
        else persidict.safe_str_tuple_signing
    )
    api.UserDict = user_dict(package)

    def overwritten(store: Any) -> Any:
        store["a"] = 1
        return store.set_item_if(
            "a",
            value=2,
            condition=api.ANY_ETAG,
            expected_etag=api.ITEM_NOT_AVAILABLE,
        )

    api.overwritten = overwritten
    api.multi = lambda: api.OverlappingMultiDict(
        dict_type=api.LocalDict, shared_subdicts_params={}, pkl={}, json={}
    )
    return api


OURS = api_of(kist.persidict)
THEIRS = api_of(peer)


def plain(value: Any) -> str:
    """A repr without addresses, times, and the names of the packages."""
    text = repr(value)
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    text = re.sub(r"\bkist\.persidict\b", "persidict", text)
    text = re.sub(r"'persidict\.[\w.]*\.(\w+)'", r"'\1'", text)
    return re.sub(r"\b1[0-9]{9}\.[0-9]+", "TIME", text)


def outcome(action: Any) -> str:
    """What an action gives, or raises, in words that can be compared."""
    try:
        return plain(action())
    except RecursionError:
        return "RecursionError"
    except Exception as error:
        return plain((type(error).__name__, *error.args))


@pytest.mark.parametrize(
    "row", DIFFERENCES, ids=lambda row: f"{row.mark}: {row.what}"
)
def test_differences(row):
    """Each row of the table is so, on both sides."""
    if row.theirs is not ANYTHING:
        assert row.show(THEIRS) == row.theirs
    assert row.show(OURS) == row.ours


# --- expressions -------------------------------------------------------------

KEYS = """
S() ; S('a') ; S('a', 'b') ; S(['a', ('b',)], S('c')) ; S('') ; S('.')
S('..') ; S('...') ; S('a' * 253) ; S('a' * 254) ; S(' ' * 300) ; S('a b')
S('a/b') ; S(chr(233)) ; S(1) ; S(None) ; S({}) ; S({'a': 1}) ; S({'a'})
S(iter('ab')) ; S(b'') ; S(b'ab') ; S(range(0)) ; S(range(2)) ; S(x=1)
S('a', x=1, y=2) ; S(frozenset()) ; S(bytearray(b'a')) ; S(memoryview(b''))
N() ; N(()) ; N('a') ; N('') ; N(S()) ; N(S('a'), 'b') ; S(N('a'))
str(N('a', 'b')) ; S('a') == 'a' ; S('a') == ('a',) ; S('a') == ['a']
S('a') == 1 ; S('a') == N('a') ; S('a') != 'a' ; S('a') == ''
S('a').__eq__(1) ; S('a').__eq__('') ; hash(S('a')) == hash(('a',))
S('a', 'b')[0] ; S('a', 'b')[0:1] ; S('a')[5] ; S('a')['x'] ; S('a') + 'b'
'b' + S('a') ; S('a') + ('b', 'c') ; ['q'] + N('a') ; N('a') + 'b'
S('a') + 1 ; 1 + S('a') ; reversed(N('a', 'b')) ; type(reversed(N('a')))
'a' in S('a') ; ('a',) in S('a') ; S('a') in S('a') ; [] in S('a')
S('a') < S('b') ; S('a').strings ; S('a').str_chain ; bool(S())
list(S('a', 'b')) ; S('a', 'b').index('b') ; S('a', 'a').count('a')
S([1]) ; S([['']]) ; () == S() ; S() == '' ; {S('a'): 1}[('a',)]
{('a',): 1}[S('a')] ; {S('a'): 1}['a'] ; S('a') == {'a': 1} ; S('a' + chr(0))
chars.get_safe_chars() == set(chars.SAFE_CHARS_SET)
chars.replace_unsafe_chars('a b/c', '_') ; chars.contains_unsafe_chars('a b')
chars.replace_unsafe_chars(1, '_') ; chars.SAFE_STRING_MAX_LENGTH
sign(S('abc'), 4) ; sign('abc', 4) ; sign(('abc', 'x'), 4) ; sign(N('a'), 4)
sign(S('abc_saav'), 4) ; unsign(S('abc_saav'), 4) ; unsign(S('abc_x'), 4)
sign(S('a'), -1) ; sign(S('a'), '1') ; sign(S('a'), True) ; sign(S('a'), 0)
sign(S('a'), 1.0) ; unsign(S('a'), None) ; sign(S('abc'), 40)
sign(S('a' * 249), 4) ; sign(S('a' * 248), 4) ; sign(S(), 4) ; sign(1, 4)
"""

STORES = """
d['a'] ; d[''] ; d[1] ; 'a' in d ; '' in d ; 1 in d ; d.get('') ; d.get('a')
d.__setitem__('a', {'x': 1}) ; d['a'] ; d.get('a', 3) ; d.get('b', 3)
d.__setitem__(('b', 'c'), 2) ; len(d) ; list(d) ; list(d.items()) ; bool(d)
list(d._generic_iter({'keys'})) ; list(d._generic_iter({'keys', 'values'}))
d._generic_iter(['keys']) ; d._generic_iter(set()) ; d._generic_iter({'x'})
d == {'a': {'x': 1}, ('b', 'c'): 2} ; d == {} ; d == 3 ; d != d
d.etag('none') ; d.timestamp('none') ; d.etag('') ; d.__delitem__('none')
d.__delitem__('') ; d.pop('none') ; d.pop('none', 3) ; d.pop('a', 'b', 'c')
d.pop('') ; d.pop('', 1) ; d.discard('none') ; d.discard('')
d.setdefault('a', 5) ; d.setdefault('', K) ; d.setdefault('a', K)
d.setdefault('t') ; d.__setitem__('', K) ; d.__setitem__('a', K) ; d['a']
d.__setitem__('x', D) ; d.__setitem__('x', NA) ; d['x'] ; d.discard('x')
d.__setitem__('x', VNR) ; d.__setitem__('x', d) ; d.pop('x')
d.get_item_if('a', condition=None, expected_etag=NA)
d.get_item_if('a', condition=ANY, expected_etag=None)
d.get_item_if('a', condition=SAME, expected_etag=None)
d.get_item_if('a', condition=ANY, expected_etag=NA, retrieve_value=None)
d.get_item_if('', condition=None, expected_etag=NA, retrieve_value=None)
d.get_item_if('', condition=None, expected_etag=NA)
d.get_item_if('a', condition=ANY) ; d.get_item_if('a', ANY, NA)
d.set_item_if('', value=1, condition=None, expected_etag=NA)
d.set_item_if('q', value=d, condition=ANY, expected_etag=NA)
d.set_item_if('q', value=d, condition=SAME, expected_etag='x')
d.set_item_if('q', value=K, condition=ANY, expected_etag=NA)
d.set_item_if('q', value=D, condition=ANY, expected_etag=NA)
d.setdefault_if('', default_value=K, condition=None, expected_etag=NA)
d.setdefault_if('b', default_value=d, condition=ANY, expected_etag=NA)
d.discard_if('', condition=None, expected_etag=NA)
d.discard_if('q', condition=None, expected_etag=NA)
d.transform_item('n', transformer=lambda x: D)
d.transform_item('n', transformer=lambda x: K)
d.transform_item('n', transformer=lambda x: d)
d.transform_item('n', transformer=None)
d.transform_item('n', transformer=None, n_retries='x')
d.transform_item('n', transformer=None, n_retries=-1)
d.transform_item('', transformer=None, n_retries=-1)
d.transform_item('n', transformer=lambda x: 7).new_value ; d['n']
d.oldest_keys(max_n=0) ; d.newest_keys(max_n=-1) ; d.oldest_keys(max_n='x')
d.__ior__(3) ; d.__ior__([('a', 1)]) ; d | {} ; hash(d) ; d.__or__
d.update(z=1) ; d.update({('y',): 2}) ; d.update([('w', 3)]) ; sorted(
    str(k) for k in d) ; d.append_only ; d.__getstate__() ; d.__reduce__()
d.__setstate__({}) ; d.get_params().keys() ; d.essential_param_names == set(
    d.get_params()) ; d.auxiliary_param_names ; d.get_auxiliary_jsparams()
type(d).get_default_params() ; type(d).get_default_jsparams()
d.popitem()[1] ; d.delete_if_exists('n') ; d.clear() ; len(d) ; d.popitem()
"""

CHECKS = """
L(base_class_for_values=3) ; L(serialization_format='')
L(serialization_format='a b') ; L(serialization_format='txt')
L(serialization_format='txt', base_class_for_values=str).get_params().keys()
L(serialization_format='a/b', base_class_for_values=3)
L(serialization_format=None) ; L(append_only='').append_only
L(prune_interval='x').get_params()['prune_interval'] ; L(1) ; L(x=1)
W(wrapped_dict=3) ; W(wrapped_dict=L()) ; W(wrapped_dict=E(append_only=True),
    p_consistency_checks=2) ; W(wrapped_dict=E(append_only=True),
    p_consistency_checks=float('nan')) ; W(wrapped_dict=E(append_only=True))
W(wrapped_dict=E(append_only=True), p_consistency_checks='x')
W(wrapped_dict=E(append_only=True)).get_jsparams()
C(main_dict=1, data_cache=1) ; C(main_dict=L(), data_cache=1)
C(main_dict=L(), data_cache=L()) ; C(main_dict=L(append_only=True,
    base_class_for_values=int), data_cache=L(append_only=True))
M(main_dict=1, data_cache=1, etag_cache=1) ; M(main_dict=L(), data_cache=1,
    etag_cache=1) ; M(main_dict=L(), data_cache=L(), etag_cache=1)
M(main_dict=L(append_only=True), data_cache=L(), etag_cache=L())
M(main_dict=L(), data_cache=L(append_only=True), etag_cache=L())
M(main_dict=L(), data_cache=L(), etag_cache=L(append_only=True))
M.get_default_params() ; C.get_default_params() ; W.get_default_params()
L.get_default_params() ; L.get_default_jsparams() ; E.get_default_params()
L(base_class_for_values=int).get_jsparams() ; K ; D ; NA ; K.get_params()
O(dict_type=int, shared_subdicts_params={}) ; O(dict_type=L,
    shared_subdicts_params=3) ; O(dict_type=L, shared_subdicts_params={},
    json=3) ; multi()['a'] ; multi().__setitem__('a', 1)
multi().__delitem__('a') ; multi().__getstate__() ; multi().subdicts_names
multi().pkl.serialization_format ; multi().xml
PE('append-only') ; CE(S('a'), 3) ; BE('m', backend='b', operation='o')
BE('m') ; R(True, 'a', 'b', 3) ; hash(R(True, 'a', 'b', 3))
R(1, 2, 3, 4, 5) ; R(True, 'a', 'b', 3).value_was_mutated
vars(R(True, 'a', 'b', 3)) ; R.__match_args__
setattr(R(True, 'a', 'b', 3), 'x', 1) ; delattr(R(1, 2, 3, 4), 'new_value')
R(1, 2, 3, 4) == R(1, 2, 3, 4) ; R(1, 2, 3, 4) == (1, 2, 3, 4)
"""


def expressions(text: str) -> list[str]:
    """Split at semicolons, and at the ends of lines that are whole."""
    found: list[str] = []
    for part in re.split(r"\n(?! )", text.strip()):
        found += [one.strip() for one in re.split(r" ; |;\n", part)]
    return found


def names_of(api: Any) -> dict[str, Any]:
    return {
        "S": api.SafeStrTuple,
        "N": api.NonEmptySafeStrTuple,
        "chars": api.chars,
        "sign": api.signing.sign_safe_str_tuple,
        "unsign": api.signing.unsign_safe_str_tuple,
        "K": api.KEEP_CURRENT,
        "D": api.DELETE_CURRENT,
        "NA": api.ITEM_NOT_AVAILABLE,
        "VNR": api.VALUE_NOT_RETRIEVED,
        "ANY": api.ANY_ETAG,
        "SAME": api.ETAG_IS_THE_SAME,
        "L": api.LocalDict,
        "E": api.EmptyDict,
        "W": api.WriteOnceDict,
        "C": api.AppendOnlyDictCached,
        "M": api.MutableDictCached,
        "O": api.OverlappingMultiDict,
        "PE": api.MutationPolicyError,
        "CE": api.ConcurrencyConflictError,
        "BE": api.BackendError,
        "R": api.ConditionalOperationResult,
        "multi": api.multi,
    }


# Where the words of an error are Python's own, or say more than the peer's.
OTHER_WORDS = (
    "S('a')['x']",
    "1 + S('a')",
    "d.get_item_if('a', condition=ANY)",
    "d.get_item_if('a', ANY, NA)",
    "multi().xml",
    "d | {}",
    "d.__or__",
    "L(1)",
    "L(x=1)",
)


def judge_of(kind: str) -> Any:
    """What is compared of an outcome: not a WriteOnceDict's etag (W19)."""
    if kind == "WriteOnceDict":
        return lambda told: re.sub(r"etag='[^']*'", "etag", told)
    return lambda told: told


def compare(
    text: str,
    ours: dict[str, Any],
    theirs: dict[str, Any],
    judge: Any = str,
) -> None:
    expected = judge(outcome(lambda: eval(text, theirs)))
    found = judge(outcome(lambda: eval(text, ours)))
    if text in OTHER_WORDS and expected.startswith("("):
        expected, found = expected.split(",")[0], found.split(",")[0]
    assert found == expected, text


def test_key_expressions():
    """1.2, 1.3: values, errors and their words."""
    ours, theirs = names_of(OURS), names_of(THEIRS)
    texts = expressions(KEYS)
    assert len(texts) > 90
    for text in texts:
        compare(text, ours, theirs)


def test_other_expressions():
    """1.4, 1.5, 1.8 to 1.12: construction, parameters, results, errors."""
    ours, theirs = names_of(OURS), names_of(THEIRS)
    for text in expressions(CHECKS):
        compare(" ".join(text.split()), ours, theirs)


STORE_KINDS = {
    "LocalDict": lambda api: api.LocalDict(),
    "UserDict": lambda api: api.UserDict(),
    "EmptyDict": lambda api: api.EmptyDict(),
    "MutableDictCached": lambda api: api.MutableDictCached(
        main_dict=api.LocalDict(),
        data_cache=api.LocalDict(),
        etag_cache=api.LocalDict(),
    ),
    "cached-UserDict": lambda api: api.MutableDictCached(
        main_dict=api.UserDict(),
        data_cache=api.LocalDict(),
        etag_cache=api.LocalDict(),
    ),
    "LocalDict-append": lambda api: api.LocalDict(append_only=True),
    "EmptyDict-append": lambda api: api.EmptyDict(append_only=True),
    "AppendOnlyDictCached": lambda api: api.AppendOnlyDictCached(
        main_dict=api.LocalDict(append_only=True),
        data_cache=api.LocalDict(append_only=True),
    ),
    "WriteOnceDict": lambda api: api.WriteOnceDict(
        wrapped_dict=api.LocalDict(append_only=True), p_consistency_checks=1
    ),
    "LocalDict-int": lambda api: api.LocalDict(base_class_for_values=int),
}


def left_out(kind: str, text: str) -> bool:
    """Whether a step shows a difference that the table has."""
    if kind.startswith(("EmptyDict", "UserDict")):
        return text == "d.__setitem__('', K)"
    if "ached" in kind:
        return "_if(''" in text or (
            kind == "MutableDictCached" and text == "d.clear()"
        )
    return False


@pytest.mark.parametrize("kind", STORE_KINDS)
def test_store_expressions(kind):
    """1.4, 1.6: one history, step by step, on each kind of store."""
    ours, theirs = names_of(OURS), names_of(THEIRS)
    ours["d"], theirs["d"] = STORE_KINDS[kind](OURS), STORE_KINDS[kind](THEIRS)
    for text in expressions(STORES):
        text = " ".join(text.split())
        if not left_out(kind, text):
            compare(text, ours, theirs, judge_of(kind))


# --- random histories --------------------------------------------------------

WORDS = ["a", "b", ("a",), ("a", "b"), ["a", ["c"]], "", "a b", 1]


class History:
    """Random calls on one store of each side."""

    def __init__(self, kind: str, seed: int) -> None:
        self.rng = random.Random(seed)
        self.stores = [(api, STORE_KINDS[kind](api)) for api in (OURS, THEIRS)]
        self.etags = ["x"]
        self.judge = judge_of(kind)
        self.cached = "ached" in kind

    def step(self) -> None:
        rng = self.rng
        key = rng.choice(WORDS if rng.random() < 0.1 else WORDS[:5])
        value = rng.choice([1, "t", [1, {"x": 2}], None])
        name = rng.choice(["KEEP_CURRENT", "DELETE_CURRENT"] + ["value"] * 4)
        etag = rng.choice([*self.etags[-3:], "x", None])
        condition = rng.choice(
            ["ANY_ETAG", "ETAG_IS_THE_SAME", "ETAG_HAS_CHANGED"]
        )
        retrieve = rng.choice(
            ["ALWAYS_RETRIEVE", "NEVER_RETRIEVE", "IF_ETAG_CHANGED"]
        )
        action = rng.choice(ACTIONS)
        rare = rng.random() < 0.1
        found = []
        for api, store in self.stores:
            given = types.SimpleNamespace(
                api=api,
                key=key,
                good=key if key in WORDS[:5] else "a",
                value=value if name == "value" else getattr(api, name),
                plain=value,
                rare=rare,
                cached=self.cached,
                options={
                    "condition": getattr(api, condition),
                    "expected_etag": api.ITEM_NOT_AVAILABLE
                    if etag is None
                    else etag,
                },
                retrieve={"retrieve_value": getattr(api, retrieve)},
            )
            found.append(
                (
                    self.judge(outcome(lambda s=store, g=given: action(s, g))),
                    outcome(lambda s=store: list(s.items())),
                    outcome(lambda s=store: len(s)),
                )
            )
        assert found[0] == found[1]
        self.etags += re.findall(r"resulting_etag='([\w.]+)'", found[0][0])


ACTIONS: list[Any] = [
    lambda s, g: s.__setitem__(g.good, g.value),
    lambda s, g: s.__setitem__(g.key, g.plain),
    lambda s, g: s[g.key],
    lambda s, g: s.get(g.key, 7),
    lambda s, g: g.key in s,
    lambda s, g: s.__delitem__(g.key),
    lambda s, g: s.discard(g.key),
    lambda s, g: s.pop(g.key, 7),
    lambda s, g: s.pop(g.key),
    lambda s, g: s.setdefault(g.key, g.value),
    lambda s, g: s.get_with_etag(g.key),
    lambda s, g: s.get_item_if(g.key, **g.options, **g.retrieve),
    lambda s, g: s.set_item_if(
        g.key, value=g.value, **g.options, **g.retrieve
    ),
    lambda s, g: s.set_item_if(
        g.key, value=g.value, **g.options, **g.retrieve
    ),
    lambda s, g: s.setdefault_if(
        g.good, default_value=g.value, **g.options, **g.retrieve
    ),
    lambda s, g: s.discard_if(g.key, **g.options),
    lambda s, g: s.transform_item(g.key, transformer=lambda v: g.value),
    lambda s, g: s.transform_item(
        g.key,
        transformer=lambda v: (
            v if v is not g.api.ITEM_NOT_AVAILABLE else g.plain
        ),
    ),
    lambda s, g: s.update({"a": g.plain}),
    lambda s, g: bool(s),
    lambda s, g: list(s.values()),
    lambda s, g: g.rare and not g.cached and s.clear(),
]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", [k for k in STORE_KINDS if "Empty" not in k])
def test_histories(kind, seed):
    """1.4, 1.6: 400 random steps; results, errors and contents agree."""
    history = History(kind, seed)
    for _ in range(400):
        history.step()
