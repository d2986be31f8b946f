"""A queue of jobs for several processes, one of which dies at its work.

    python jobqueue.py

A worker takes a job in one batch (out of `waiting`, into `taken`), does it
without holding anybody up, and notes its result in another batch.  The jobs
of a worker that died are put back: each is done exactly once.
"""

import multiprocessing
import os
import signal
import tempfile
import time

import kist

JOBS = 1000


def open_queue(path):
    k = kist.open(path)
    return k, k.list("waiting", int), k.dict("taken"), k.dict("done")


def work(path, jobs_to_live):
    k, waiting, taken, done = open_queue(path)
    while len(done) < JOBS:
        with k.batch():  # nobody else takes one in between
            job = waiting.pop() if waiting else None
            if job is not None:
                taken[str(job)] = os.getpid()
        if job is None:
            time.sleep(0.01)
            continue
        result = job * job
        jobs_to_live -= 1
        if jobs_to_live == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        with k.batch():
            del taken[str(job)]
            done[str(job)] = {"result": result, "by": os.getpid()}
    k.close()


def put_back(path, pid):
    """What a worker had taken when it died waits again."""
    k, waiting, taken, _ = open_queue(path)
    with k.batch():
        left = [job for job, by in taken.items() if by == pid]
        for job in left:
            del taken[job]
            waiting.append(int(job))
    k.close()


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "queue")
        k, waiting, taken, done = open_queue(path)
        waiting.extend(range(JOBS))

        workers = [
            multiprocessing.Process(target=work, args=(path, jobs_to_live))
            for jobs_to_live in (10, JOBS + 1)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            put_back(path, worker.pid)

        right = all(done[str(n)]["result"] == n * n for n in range(JOBS))
        print(f"{len(done)} jobs done, all right: {right}")
        print(f"{len(waiting)} waiting, {len(taken)} taken")
        k.close()


if __name__ == "__main__":
    main()
