/*
 * queue.c - a small job queue between two processes.  Jobs and results live
 * in one kist, so taking a job and noting its result is one change: a worker
 * that dies leaves its job in the queue.
 *
 * Usage: queue DIRECTORY
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kist/kist.h"

#define JOBS 100

static void
must(kist_status status, const char *what)
{
    char text[512];

    if (status != KIST_OK) {
        kist_error_text(text, sizeof(text));
        fprintf(stderr, "queue: %s: %s: %s\n", what, kist_status_name(status),
                text);
        _exit(1);
    }
}

/*
 * Takes the oldest job and notes its square, as one change.  False if there
 * is no job.  Should `die`, it does so after taking and before noting.
 */
static bool
work_once(kist *k, kist_list *jobs, kist_dict *results, bool die)
{
    char key[32];
    kist_value job;
    kist_value result;
    kist_status status;

    must(kist_batch_begin(k), "begin");
    status = kist_list_pop(jobs, 0, &job);
    if (status == KIST_ERR_RANGE) {
        must(kist_batch_rollback(k), "rollback");
        return false;
    }
    must(status, "pop");
    if (die) {
        _exit(9);
    }
    snprintf(key, sizeof(key), "%" PRId64, job.as.integer);
    result = kist_int(job.as.integer * job.as.integer);
    must(kist_dict_put(results, kist_str(key), &result), "put");
    must(kist_batch_commit(k), "commit");
    return true;
}

/* A worker: works until it has seen the job -1, or dies at job `die_at`. */
static int
worker(const char *path, int die_at)
{
    kist *k;
    kist_list *jobs;
    kist_dict *results;
    kist_value first;

    must(kist_open(path, NULL, &k), "open");
    must(kist_list_open(k, kist_str("jobs"), KIST_INT, &jobs), "jobs");
    must(kist_dict_open(k, kist_str("results"), KIST_INT, &results),
         "results");
    for (;;) {
        const kist_status status = kist_list_get(jobs, 0, &first);

        if (status == KIST_ERR_RANGE) {
            usleep(1000);
            continue;
        }
        must(status, "get");
        if (first.as.integer < 0) {
            break;
        }
        (void)work_once(k, jobs, results, first.as.integer == die_at);
    }
    kist_list_close(jobs);
    kist_dict_close(results);
    must(kist_close(k), "close");
    return 0;
}

/* A handle is of no use behind fork(): each process opens its own. */
static pid_t
start_worker(const char *path, int die_at)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        _exit(worker(path, die_at));
    }
    return pid;
}

static void
report(kist *k)
{
    kist_dict *results;
    kist_value value;
    uint64_t count;
    int64_t sum = 0;
    kist_scan *scan;

    must(kist_dict_open(k, kist_str("results"), KIST_INT, &results),
         "results");
    must(kist_dict_count(results, &count), "count");
    must(kist_dict_scan(results, NULL, &scan), "scan");
    while (kist_scan_next(scan, NULL, &value) == KIST_OK) {
        sum += value.as.integer;
    }
    kist_scan_close(scan);
    printf("%" PRIu64 " results, their sum is %" PRId64 "\n", count, sum);
    kist_dict_close(results);
}

int
main(int argc, char **argv)
{
    char path[4096];
    kist *k;
    kist_list *jobs;
    int state = 0;
    pid_t pid;

    if (argc != 2) {
        fprintf(stderr, "usage: queue DIRECTORY\n");
        return 2;
    }
    snprintf(path, sizeof(path), "%s/queue", argv[1]);

    // The first worker dies in the middle of job 50, which stays queued.
    pid = start_worker(path, 50);
    must(kist_open(path, NULL, &k), "open");
    must(kist_list_open(k, kist_str("jobs"), KIST_INT, &jobs), "jobs");
    for (int i = 1; i <= JOBS; i++) {
        const kist_value job = kist_int(i);

        must(kist_list_append(jobs, &job), "append");
    }
    waitpid(pid, &state, 0);
    printf("first worker: exit code %d\n", WEXITSTATUS(state));

    pid = start_worker(path, -1);
    const kist_value stop = kist_int(-1);
    must(kist_list_append(jobs, &stop), "append");
    waitpid(pid, &state, 0);
    printf("second worker: exit code %d\n", WEXITSTATUS(state));

    report(k);
    kist_list_close(jobs);
    must(kist_close(k), "close");
    return 0;
}
