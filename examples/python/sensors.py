"""A week of a sensor's readings, kept as they come, asked with NumPy.

    python sensors.py

Two typed lists are two columns of one table: a batch appends to both or to
none.  NumPy reads them where they lie; nothing is loaded or converted.
"""

import tempfile

import kist
import numpy as np

DAY_S = 24 * 3600
STEP_S = 10

with tempfile.TemporaryDirectory() as folder:
    with kist.open(folder + "/sensors") as k:  # the one who measures
        times, degrees = k.list("times", int), k.list("degrees", float)
        for day in range(7):
            t = np.arange(day * DAY_S, (day + 1) * DAY_S, STEP_S)
            with k.batch():
                times.extend(t)
                degrees.extend(15 - 5 * np.cos(2 * np.pi * t / DAY_S) + day)

    with kist.open(folder + "/sensors") as k:  # the one who asks
        t = np.asarray(k.list("times"))
        x = np.asarray(k.list("degrees"))
        print(f"{len(x)} readings, from {x.min():.1f} to {x.max():.1f}")
        for day, mean in enumerate(x.reshape(7, -1).mean(axis=1), 1):
            print(f"day {day}: {mean:.1f}")
        warm = t[x > 20]
        print(f"above 20 for {len(warm) * STEP_S / 3600:.1f} hours")
