/*
 * kist verify, of a store: every value is read.
 */
#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "storekeys.h"
#include "textcode.h"

/* Formats that one directory can have. */
#define FORMATS_MAX 64u

typedef struct check {
    const cli_call *cli;
    const char *path; // of the directory
    uint64_t values;
    json_t *formats;    // names
    json_t *damaged;    // {"key", "format", "why"}
    json_t *unreadable; // the same
    json_t *foreign;    // {"path", "why"}
    json_t *leftovers;  // paths
    bool scanned;       // foreign files have been told
    int code;
} check;

/* --- pickles ----------------------------------------------------------- */

static uint32_t
load_le32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

/* NULL if the blocks of an LZ4 frame end where the bytes do. */
static const char *
check_lz4(const uint8_t *data, size_t size)
{
    static const char cut[] = "the LZ4 frame is cut short";
    size_t at = 7; // magic, flags, block size, header checksum

    if (size < 7) {
        return cut;
    }
    at += (data[4] & 0x08u) != 0 ? 8 : 0; // content size
    at += (data[4] & 0x01u) != 0 ? 4 : 0; // dictionary
    while (at <= size && size - at >= 4) {
        const uint32_t word = load_le32(data + at);
        const size_t block = word & 0x7fffffffu;
        const size_t sum = (data[4] & 0x10u) != 0 ? 4 : 0;

        at += 4;
        if (word == 0) {
            at += (data[4] & 0x04u) != 0 ? 4 : 0; // content checksum
            return at == size ? NULL : "bytes behind the end of the LZ4 frame";
        }
        if (size - at < block + sum) {
            return cut;
        }
        at += block + sum;
    }
    return cut;
}

/* What can be told of a pickle without running it. */
static const char *
check_pickle(kist_slice value)
{
    static const uint8_t lz4[] = {0x04, 0x22, 0x4d, 0x18};
    const uint8_t *data = value.data;

    if (value.size == 0) {
        return "the file is empty";
    }
    if (value.size >= 4 && memcmp(data, lz4, 4) == 0) {
        return check_lz4(data, value.size);
    }
    if (data[0] == 0x80 && (value.size < 3 || data[value.size - 1] != '.')) {
        return "the pickle is cut short";
    }
    if (data[0] != 0x80 && data[0] != 0x1f && data[0] != 0x78) {
        return "it does not begin like a pickle";
    }
    return NULL;
}

/* --- what is found ------------------------------------------------------ */

/* JSON has no room for what is no UTF-8: a question mark stands for it. */
static json_t *
as_text(const char *text, size_t size)
{
    char *copy;
    json_t *result;

    if (cli_is_utf8(kist_bytes(text, size))) {
        return json_stringn(text, size);
    }
    copy = malloc(size);
    if (copy == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < size; i++) {
        copy[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    }
    result = json_stringn(copy, size);
    free(copy);
    return result;
}

static void
note(json_t *list, const char *field, const char *name, size_t size,
     const char *format, const char *why)
{
    json_t *item = json_object();

    json_object_set_new(item, field, as_text(name, size));
    if (format != NULL) {
        json_object_set_new(item, "format", json_string(format));
    }
    json_object_set_new(item, "why", as_text(why, strlen(why)));
    json_array_append_new(list, item);
}

static void
note_foreign(void *context, const char *path, const char *why)
{
    check *job = context;

    if (!job->scanned) {
        note(job->foreign, "path", path, strlen(path), NULL, why);
    }
}

static void
raise_code(check *job, int code)
{
    // Damage is what verify is asked about: it outweighs what is unreadable.
    if (job->code != CLI_DAMAGE) {
        job->code = code;
    }
}

static void
check_value(check *job, cli_store *target, const cli_storekey *key,
            kist_buf *value)
{
    const kist_slice name = kist_bytes(key->name, key->size);
    const kist_status status = cli_store_get(target, name, value, NULL);
    const char *why = NULL;
    char text[1024];

    if (status == KIST_ERR_NOTFOUND) {
        return; // it was removed since it was listed
    }
    if (status != KIST_OK && status != KIST_ERR_CORRUPT) {
        kist_error_text(text, sizeof(text));
        note(job->unreadable, "key", key->name, key->size, target->format,
             text);
        raise_code(job, CLI_WRONG);
        return;
    }
    job->values++;
    if (status == KIST_ERR_CORRUPT) {
        why = "it is no array of a key and a value";
    }
    else if (strcmp(target->format, "pkl") == 0) {
        why = check_pickle(kist_buf_slice(value));
    }
    else {
        why = cli_store_check(target->format, kist_buf_slice(value));
    }
    if (why != NULL) {
        note(job->damaged, "key", key->name, key->size, target->format, why);
        raise_code(job, CLI_DAMAGE);
    }
}

/* All values of one format. */
static int
check_format(check *job, const char *name, cli_storewords *words,
             const char *format)
{
    kist_store_options options;
    cli_storekeys keys = {NULL, 0, 0};
    kist_buf value = {NULL, 0, 0, 0};
    cli_store target;
    cli_bar bar;
    int code;

    kist_store_options_init(&options);
    options.report = note_foreign;
    options.context = job;
    words->format = format;
    code = cli_store_open(job->cli, name, words, CLI_READ, NULL, &options,
                          &target);
    if (code != CLI_OK) {
        cli_store_close(&target);
        return code == CLI_IO ? CLI_WRONG : code;
    }
    code = cli_storekeys_add(&keys, &target, "", NULL);
    if (code != CLI_OK) {
        raise_code(job, CLI_WRONG);
    }
    job->scanned = true;
    json_array_append_new(job->formats, json_string(target.format));
    cli_storekeys_sort(&keys);
    cli_bar_init(&bar, job->cli, "verify");
    for (size_t i = 0; i < keys.count; i++) {
        check_value(job, &target, &keys.items[i], &value);
        cli_bar_step(&bar, i, keys.count);
    }
    cli_bar_fini(&bar);
    kist_buf_fini(&value);
    cli_storekeys_fini(&keys);
    cli_store_close(&target);
    return CLI_OK;
}

/* Values whose writer never gave them their name. */
static bool
is_leftover(const char *name, bool nfs)
{
    return strncmp(name, ".__tmp__", 8) == 0 ||
           (nfs && strncmp(name, "tmp", 3) == 0 && strlen(name) == 11);
}

static void
find_leftovers(check *job, bool nfs)
{
    char *const paths[] = {(char *)(uintptr_t)job->path, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOSTAT | FTS_NOCHDIR, NULL);
    FTSENT *entry;

    while (walk != NULL && (entry = fts_read(walk)) != NULL) {
        const char *below = entry->fts_path + strlen(job->path);

        if (entry->fts_info == FTS_DNR) {
            note(job->unreadable, "key", below, strlen(below), NULL,
                 strerror(entry->fts_errno));
            raise_code(job, CLI_WRONG);
        }
        if ((entry->fts_info != FTS_NSOK && entry->fts_info != FTS_F) ||
            !is_leftover(entry->fts_name, nfs)) {
            continue;
        }
        below += strspn(below, "/");
        json_array_append_new(job->leftovers, as_text(below, strlen(below)));
    }
    if (walk != NULL) {
        fts_close(walk);
    }
}

/* --- telling ------------------------------------------------------------ */

static void
print_list(const check *job, const char *label, const json_t *list)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const json_t *name = json_object_get(item, "key");

        name = name == NULL ? json_object_get(item, "path") : name;
        if (name == NULL) {
            printf("%s: %s %s\n", job->path, label, json_string_value(item));
            continue;
        }
        printf("%s: %s %s: %s\n", job->path, label, json_string_value(name),
               json_string_value(json_object_get(item, "why")));
    }
}

static void
print_check(check *job)
{
    json_t *root;

    if (job->cli->json) {
        root =
            json_pack("{s:o, s:b, s:I, s:O, s:O, s:O, s:O, s:O}", "path",
                      as_text(job->path, strlen(job->path)), "sound",
                      job->code == CLI_OK, "values", (json_int_t)job->values,
                      "formats", job->formats, "damaged", job->damaged,
                      "unreadable", job->unreadable, "foreign", job->foreign,
                      "leftovers", job->leftovers);
        json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(root);
        return;
    }
    if (job->cli->quiet) {
        return;
    }
    printf("%s: %s: %" PRIu64 " values, %zu damaged, %zu unreadable, %zu "
           "foreign files, %zu leftovers\n",
           job->path,
           job->code == CLI_OK       ? "sound"
           : job->code == CLI_DAMAGE ? "damaged"
                                     : "not all read",
           job->values, json_array_size(job->damaged),
           json_array_size(job->unreadable), json_array_size(job->foreign),
           json_array_size(job->leftovers));
    print_list(job, "damaged:", job->damaged);
    print_list(job, "unreadable:", job->unreadable);
    print_list(job, "foreign:", job->foreign);
    print_list(job, "leftover:", job->leftovers);
}

int
cmd_store_verify(const cli_call *cli, const cli_storewords *words,
                 const char *name)
{
    char formats[FORMATS_MAX][CLI_FORMAT_SIZE + 1];
    const bool nfs = strncmp(name, "nfs:", 4) == 0;
    const bool named = nfs || strncmp(name, "dir:", 4) == 0;
    cli_storewords own = *words;
    check job = {.cli = cli,
                 .path = named ? name + 4 : name,
                 .formats = json_array(),
                 .damaged = json_array(),
                 .unreadable = json_array(),
                 .foreign = json_array(),
                 .leftovers = json_array()};
    size_t count = 1;
    int code = CLI_OK;

    if (words->format == NULL) {
        count = cli_store_formats(job.path, nfs, cli_store_digest(words),
                                  formats, FORMATS_MAX);
    }
    if (words->format != NULL || count == 0) {
        code = check_format(&job, name, &own, words->format);
    }
    for (size_t i = 0; words->format == NULL && i < count && code == CLI_OK;
         i++) {
        code = check_format(&job, name, &own, formats[i]);
    }
    if (code == CLI_OK) {
        find_leftovers(&job, nfs);
        print_check(&job);
        code = job.code;
    }
    json_decref(job.formats);
    json_decref(job.damaged);
    json_decref(job.unreadable);
    json_decref(job.foreign);
    json_decref(job.leftovers);
    return code;
}
