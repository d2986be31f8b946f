"""Counts the words of a text; kill it, run it again, and it goes on.

    python wordcount.py TEXT

The counts and the place up to which the text was read change together, in
one batch a bunch of lines, so no line is ever counted twice or forgotten.
"""

import collections
import itertools
import sys

import kist

BUNCH = 500  # lines

with kist.open("wordcount") as k, open(sys.argv[1], "rb") as text:
    counts, places = k.dict("counts", int), k.dict("places", int)
    text.seek(places.get(sys.argv[1], 0))
    while lines := list(itertools.islice(text, BUNCH)):
        fresh = collections.Counter(b"".join(lines).decode().lower().split())
        with k.batch():
            for word, count in fresh.items():
                counts[word] = counts.get(word, 0) + count
            places[sys.argv[1]] = text.tell()

    for word, count in sorted(counts.items(), key=lambda i: (-i[1], i[0]))[:5]:
        print(count, word)
