"""Text that is handed out one by one: its memory is used again, but only
where nobody has it any more.
"""

from __future__ import annotations

import collections
import random
import sys

import kist
import pytest

from conftest import run_python


def texts_of_all_sizes() -> list[str]:
    """Neighbours take as much memory as each other, and some are not ASCII,
    from the first letter on or at the end."""
    draw = random.Random(5)
    made = []
    for number in range(3000):
        size = draw.choice((1, 2, 7, 15, 16, 17, 40, 41, 100, 101, 600))
        text = f"{number:x}" + "".join(draw.choices("abcdefgh", k=size))
        made.append(text + draw.choice(("", "", "", "", "é", "語", "\ud800")))
        if draw.random() < 0.05:
            made[-1] = "ü" + made[-1]
    return made


@pytest.mark.parametrize("kept", [0, 1, 2, 5, None])
def test_a_text_is_ones_own(kept: int | None):
    """What an iterator or a subscript gave stays as it is as long as somebody
    has it, whoever else that is: a table of interned strings, the keys of a
    dict, which keep its hash, or the last few in a queue."""
    want = texts_of_all_sizes()
    with kist.FSDict() as d, kist.FSList() as l, kist.FSSet() as s:
        d.update((text, text[::-1]) for text in want)
        l.extend(want)
        s.update(want)
        sources = {
            "keys": (lambda: iter(d), want),
            "values": (d.values, [text[::-1] for text in want]),
            "reversed": (lambda: reversed(d), want[::-1]),
            "list": (lambda: iter(l), want),
            "get": (lambda: (d[text] for text in want),
                    [text[::-1] for text in want]),
            "item": (lambda: (l[i] for i in range(len(want))), want),
        }  # fmt: skip
        for name, (source, expected) in sources.items():
            queue: collections.deque[str] = collections.deque(maxlen=kept)
            table = {}
            for number, (text, other) in enumerate(
                zip(source(), expected, strict=True)
            ):
                assert text == other, name
                assert hash(text) == hash(other)
                queue.append(text)
                if number % 7 == 0:
                    table[text] = number
                if number % 11 == 0:
                    sys.intern(text)
            count = len(queue)
            assert list(queue) == expected[len(expected) - count :], name
            assert list(table) == expected[::7], name
            assert all(sys.intern(other) == other for other in expected)
        assert [(k, v) for k, v in d.items()] == list(d.copy().items())
        assert set(iter(s)) == set(want)
        first, second, third = (d[text] for text in want[:3])
        assert [first, second, third] == [text[::-1] for text in want[:3]]


def test_no_text_is_longer_than_its_memory():
    """Under -X dev each block is exactly as large as it was asked for, and
    is looked at when it is freed."""
    run = run_python(
        """
        import random
        import kist
        draw = random.Random(6)
        want = ["x" * draw.randrange(2, 90) for _ in range(20000)]
        with kist.FSList() as l:
            l.extend(want)
            assert all(a == b for a, b in zip(l, want, strict=True))
            assert all(l[i] == text for i, text in enumerate(want))
        print("done")
        """,
        dev=True,
    )
    assert (run.returncode, run.stdout) == (0, "done\n"), run.stderr
