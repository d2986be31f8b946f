/*
 * kist cp: values from one store into another.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "jsonval.h"
#include "storekeys.h"

const char cmd_cp_help[] =
    "Copies values from one store into another.\n"
    "\n"
    "Examples:\n"
    "  kist cp people/ backup/                   all of them\n"
    "  kist cp people/ backup/ uk/ada fr/sophie  these keys\n"
    "  kist cp people/ backup/ uk/               all below uk/\n"
    "  kist cp people/ backup/ --under 2026/may  as 2026/may/uk/ada ...\n"
    "  kist cp people/ backup/ --new             only keys that are not "
    "there\n"
    "  kist cp dir:people nfs:/shared/people     into the layout of NfsDict\n"
    "\n"
    "Usage: kist cp FROM TO [KEY | PREFIX/]... [OPTION...]\n"
    "\n"
    "      --under PREFIX    put PREFIX/ before every key in TO\n"
    "      --new             leave what TO has already\n"
    "      --format FORMAT   of the values, in FROM and in TO; default: the\n"
    "                        one that FROM has\n"
    "      --digest-len N    characters of the digest in file names (4)\n"
    "      --json            what was done, as an object\n"
    "\n"
    "FROM and TO are stores: PATH/, dir:PATH or nfs:PATH. TO is made if it\n"
    "is missing. The bytes of a value stay as they are, but for an nfs: "
    "store\n"
    "in JSON, whose files hold the key, too. A key that cannot be copied is\n"
    "told and does not keep the others back; the exit code is that of the\n"
    "worst. What was listed when the copy began is copied.\n";

/* Values that are put with one call, so that they share their syncs. */
#define BATCH_COUNT 256u
#define BATCH_BYTES ((size_t)32 << 20)

typedef struct copy_job {
    const cli_call *cli;
    cli_store from;
    cli_store to;
    const char *under; // without "/" at its end; "" is none
    size_t under_size;
    bool fresh;
    bool whole; // files are copied with the keys that stand in them
    uint64_t copied;
    uint64_t kept; // were there already
    uint64_t failed;
    int code;
    // The batch.
    size_t count;
    size_t bytes;
    cli_storekeys names; // in TO
    kist_slice keys[BATCH_COUNT];
    kist_slice values[BATCH_COUNT];
    kist_buf buffers[BATCH_COUNT]; // that `values` lie in
    kist_status statuses[BATCH_COUNT];
} copy_job;

static void
count_failure(copy_job *job, int code)
{
    job->failed++;
    job->code = code > job->code ? code : job->code;
}

static void
put_fresh(copy_job *job, size_t i)
{
    const kist_condition absent = {.rule = KIST_IF_SAME,
                                   .fetch = KIST_FETCH_NEVER};
    kist_outcome outcome;
    const kist_status status = kist_store_put_if(
        job->to.store, job->keys[i], job->values[i], &absent, NULL, &outcome);

    if (status != KIST_OK) {
        count_failure(job, cli_store_fail(&job->to, job->keys[i], status));
    }
    else if (outcome.satisfied) {
        job->copied++;
    }
    else {
        job->kept++;
    }
}

/* Says why the value of a batch could not be put: the detail of the failure
 * is that of the call, so each one is tried again by itself. */
static void
put_again(copy_job *job, size_t i)
{
    const kist_status status =
        kist_store_put(job->to.store, job->keys[i], job->values[i], NULL);

    if (status == KIST_OK) {
        job->copied++;
    }
    else {
        count_failure(job, cli_store_fail(&job->to, job->keys[i], status));
    }
}

static void
flush_batch(copy_job *job)
{
    kist_status status = KIST_OK;

    if (job->count > 0 && !job->fresh) {
        memset(job->statuses, 0, sizeof(job->statuses));
        status = kist_store_put_many(job->to.store, job->keys, job->values,
                                     job->count, job->statuses);
    }
    for (size_t i = 0; i < job->count; i++) {
        if (job->fresh) {
            put_fresh(job, i);
        }
        else if (status == KIST_OK) {
            job->copied++;
        }
        else {
            put_again(job, i);
        }
    }
    job->count = 0;
    job->bytes = 0;
    cli_storekeys_fini(&job->names);
}

/* Takes the value of `key` into the batch. */
static int
copy_one(copy_job *job, const cli_storekey *key)
{
    const kist_slice name = kist_bytes(key->name, key->size);
    const kist_slice under = kist_bytes(job->under, job->under_size);
    const kist_stat none = {.size = 0};
    kist_buf *buffer = &job->buffers[job->count];
    kist_slice kept;
    const char *wrong = NULL;
    kist_status status =
        job->whole ? kist_store_get(job->from.store, name, buffer, NULL)
                   : cli_store_get(&job->from, name, buffer, NULL);

    if (status != KIST_OK) {
        return cli_store_fail(&job->from, name, status);
    }
    if (!cli_storekeys_add_one(&job->names, under, name, &none)) {
        return cli_error(CLI_IO, "out of memory");
    }
    job->keys[job->count] = kist_bytes(job->names.items[job->count].name,
                                       job->names.items[job->count].size);
    if (!job->whole) {
        wrong = cli_store_pack(&job->to, job->keys[job->count],
                               kist_buf_slice(buffer), &kept);
    }
    if (wrong == NULL && !job->whole && job->to.nfs) {
        // It stands in the store's own buffer, which the next one takes.
        kist_buf_clear(buffer);
        if (kist_buf_append(buffer, kept.data, kept.size) != KIST_OK) {
            wrong = "out of memory";
        }
    }
    if (wrong != NULL) {
        free(job->names.items[--job->names.count].name);
        return cli_error(CLI_WRONG, "%s: the value of \"%s\": %s",
                         job->from.path, key->name, wrong);
    }
    job->values[job->count++] = kist_buf_slice(buffer);
    job->bytes += buffer->size;
    if (job->count == BATCH_COUNT || job->bytes > BATCH_BYTES) {
        flush_batch(job);
    }
    return CLI_OK;
}

static void
copy_keys(copy_job *job, const cli_storekeys *keys)
{
    cli_bar bar;

    cli_bar_init(&bar, job->cli, "cp");
    for (size_t i = 0; i < keys->count; i++) {
        const int code = copy_one(job, &keys->items[i]);

        if (code != CLI_OK) {
            cli_bar_fini(&bar);
            count_failure(job, code);
        }
        cli_bar_step(&bar, i, keys->count);
    }
    flush_batch(job);
    cli_bar_fini(&bar);
}

/* The keys that the words name, or all. */
static int
list_keys(const copy_job *job, int count, char **args, cli_storekeys *keys)
{
    const kist_stat none = {.size = 0};
    int code = CLI_OK;

    if (count == 0) {
        return cli_storekeys_add(keys, &job->from, "", NULL);
    }
    for (int i = 0; i < count; i++) {
        const kist_slice word = kist_str(args[i]);
        int failed = CLI_OK;

        if (word.size > 0 && args[i][word.size - 1] == '/' && !job->from.nfs) {
            failed = cli_storekeys_add(keys, &job->from, args[i], NULL);
        }
        else if (!cli_storekeys_add_one(keys, kist_str(""), word, &none)) {
            failed = cli_error(CLI_IO, "out of memory");
        }
        code = failed > code ? failed : code;
    }
    return code;
}

static void
print_summary(const copy_job *job)
{
    if (job->cli->json) {
        printf("{\"copied\":%" PRIu64 ",\"kept\":%" PRIu64
               ",\"failed\":%" PRIu64 "}\n",
               job->copied, job->kept, job->failed);
    }
    else if (!job->cli->quiet) {
        printf("%" PRIu64 " copied", job->copied);
        if (job->kept > 0) {
            printf(", %" PRIu64 " were there", job->kept);
        }
        if (job->failed > 0) {
            printf(", %" PRIu64 " failed", job->failed);
        }
        putchar('\n');
    }
}

/* What neither side can do. */
static int
check_layouts(copy_job *job)
{
    const bool pickles = strcmp(job->from.format, "pkl") == 0;

    job->whole = job->from.nfs && job->to.nfs && job->under_size == 0;
    if (pickles && job->from.nfs != job->to.nfs) {
        return cli_error(CLI_WRONG,
                         "pickles of a directory and of an nfs: store differ, "
                         "and the command does not read pickles");
    }
    if (pickles && job->from.nfs && job->under_size > 0) {
        return cli_error(CLI_WRONG, "a pickle of an nfs: store holds its key, "
                                    "so --under makes no sense");
    }
    return CLI_OK;
}

static int
copy(copy_job *job, const cli_storewords *words, int count, char **args)
{
    cli_storekeys keys = {NULL, 0, 0};
    int code = cli_store_open(job->cli, args[0], words, CLI_READ, NULL, NULL,
                              &job->from);

    if (code != CLI_OK) {
        goto out;
    }
    code = cli_store_open(job->cli, args[1], words, CLI_CREATE,
                          job->from.format, NULL, &job->to);
    if (code == CLI_OK) {
        code = check_layouts(job);
    }
    if (code != CLI_OK) {
        goto out;
    }
    job->code = list_keys(job, count - 2, args + 2, &keys);
    copy_keys(job, &keys);
    print_summary(job);
    code = job->code;
out:
    cli_storekeys_fini(&keys);
    cli_store_close(&job->from);
    cli_store_close(&job->to);
    return code;
}

int
cmd_cp(cli_call *cli, int argc, char **argv)
{
    static const struct option own[] = {
        {"under", required_argument, NULL, 'U'},
        {"new", no_argument, NULL, CLI_OPT_NEW},
        {"format", required_argument, NULL, CLI_OPT_FORMAT},
        {"digest-len", required_argument, NULL, CLI_OPT_DIGEST},
        {NULL, 0, NULL, 0}};
    cli_storewords words = {.given = NULL};
    copy_job *job;
    const char *under = "";
    int code;
    int opt;

    while ((opt = cli_getopt(cli, argc, argv, "", own)) != -1) {
        if (opt == 'U') {
            under = optarg;
        }
        else if (!cli_store_option(cli, opt, &words)) {
            return cli->exit_code;
        }
    }
    if (argc - optind < 2) {
        return cli_usage(cli, "two stores are wanted: FROM and TO");
    }
    job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return cli_error(CLI_IO, "out of memory");
    }
    job->cli = cli;
    job->under = under;
    job->under_size = strlen(under);
    while (job->under_size > 0 && under[job->under_size - 1] == '/') {
        job->under_size--;
    }
    job->fresh = words.fresh;
    code = copy(job, &words, argc - optind, argv + optind);
    for (size_t i = 0; i < BATCH_COUNT; i++) {
        kist_buf_fini(&job->buffers[i]);
    }
    free(job);
    return code;
}
