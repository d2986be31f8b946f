"""Interpreters with a GIL of their own, all on one kist at once.

Goal: what the module slot promises, that nothing in kist._core is shared
between interpreters but the files.  Method: several threads, each with an
isolated interpreter, write, read, batch, iterate and collect in one kist and
in temporal ones; then the main interpreter counts.
"""

import sys
import threading

import pytest
from kist import fsdict

interpreters = pytest.importorskip(
    "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
)
pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="own GIL is from 3.12 on"
)

COUNT = 4
ROUNDS = 150

CODE = """
import sys
sys.path[:] = {path!r}
import kist, gc
d = kist.fsdict({place!r})
for i in range({rounds}):
    d[f"{name}:{{i}}"] = [{number}, i, "é", 2**80, (None, 1.5)]
    assert d[f"{name}:{{i}}"][1] == i
    with d.batch():
        d["count"] += 1
    with kist.fsdict(klass=int) as t:
        t.update({{str(j): j for j in range(20)}})
        assert sum(t.values()) == 190
    try:
        d[1] = 1
    except TypeError:
        pass
    if i % 50 == 0:
        d.get_many([f"{name}:{{j}}" for j in range(i)])
        repr(d.metrics)
        gc.collect()
iterator = iter(d)
"""


def run(place: str, number: int, wrong: list[object]) -> None:
    try:
        which = interpreters.create()
        code = CODE.format(
            path=sys.path,
            place=place,
            rounds=ROUNDS,
            name=f"n{number}",
            number=number,
        )
        failed = interpreters.run_string(which, code)
        if failed is not None:
            wrong.append(failed)
        interpreters.destroy(which)
    except BaseException as error:
        wrong.append(error)


def test_isolated_interpreters_share_a_kist(tmp_path):
    place = str(tmp_path / "shared")
    wrong: list[object] = []
    with fsdict(place) as d:
        d["count"] = 0
        threads = [
            threading.Thread(target=run, args=(place, n, wrong))
            for n in range(COUNT)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert d["count"] == COUNT * ROUNDS
        assert len(d) == COUNT * ROUNDS + 1
        for n in range(COUNT):
            assert d[f"n{n}:7"] == [n, 7, "é", 2**80, (None, 1.5)]
