/*
 * storetarget.h - a store that a command works on: how it is named on the
 * command line, and its values as the user sees them.
 *
 *     dir:PATH    a directory with a file for each key
 *     nfs:PATH    one in the layout of NfsDict
 *     PATH/       dir:PATH
 *     PATH        dir:PATH, if it is a directory and there is no PATH.kist
 *
 * A file of an nfs: store in JSON is [key, value]; the user sees the value.
 *
 * Layer    cli: public headers and the C library only.
 * Threads  one thread.
 */
#ifndef CLI_STORETARGET_H
#define CLI_STORETARGET_H

#include <limits.h>

#include "cli.h"
#include "kist/store.h"

/* Longest name of a format. */
#define CLI_FORMAT_SIZE 32u

/* What the options of a command say about a store. */
typedef struct cli_storewords {
    const char *given;  /* one of the options below, or NULL */
    const char *format; /* --format, or NULL: the one that is there */
    unsigned digest_len;
    bool has_digest_len;
    const char *etag; /* --etag, or NULL */
    bool fresh;       /* --new */
    bool detailed;    /* -l */
    bool newest;      /* -t */
} cli_storewords;

/* The options that stand in a command's own table; their numbers. */
enum {
    CLI_OPT_FORMAT = 0x2000,
    CLI_OPT_DIGEST,
    CLI_OPT_ETAG,
    CLI_OPT_NEW,
    CLI_OPT_LONG,
    CLI_OPT_TIME
};

typedef struct cli_store {
    const cli_call *cli;
    const char *path; /* without what stands before it */
    bool nfs;
    char format[CLI_FORMAT_SIZE + 1];
    kist_store *store;
    kist_buf file; /* of an nfs: store, as it is on the disk */
} cli_store;

/* True if `path` means a store, whatever is there. */
bool cli_must_be_store(const char *path);

/* True if `path` means a store. */
bool cli_names_store(const char *path);

/* Takes one of the options above; false if it is none of them, or if its
 * argument is wrong: it was told then and cli->exit_code is not CLI_OK. */
bool cli_store_option(cli_call *cli, int opt, cli_storewords *words);

/* As cli_usage(), if an option for stores was given, else CLI_OK: for what
 * turned out to be a kist. */
int cli_store_unwanted(const cli_call *cli, const cli_storewords *words);

/*
 * Opens the store that `name` means.  Its format is that of the options, or
 * `like`, or that of the values which are there, or "json" for nfs: and "bin"
 * otherwise.  `options` may be NULL; what the command line says goes into
 * them.  CLI_OK, or it says what went wrong and returns the exit code.
 */
int cli_store_open(const cli_call *cli, const char *name,
                   const cli_storewords *words, cli_access access,
                   const char *like, kist_store_options *options,
                   cli_store *target);
void cli_store_close(cli_store *target);

/* The length of digests that the options ask for. */
unsigned cli_store_digest(const cli_storewords *words);

/*
 * Adds the formats of the values in the directory, which are told by their
 * digests, to `formats`, which has room for `count_max` of them.  Returns how
 * many there are.
 */
size_t cli_store_formats(const char *path, bool nfs, unsigned digest_len,
                         char (*formats)[CLI_FORMAT_SIZE + 1],
                         size_t count_max);

/* Reads a value as the user sees it.  As kist_store_get(); CORRUPT also for
 * a file of an nfs: store that is no [key, value]. */
KIST_NODISCARD kist_status cli_store_get(cli_store *target, kist_slice key,
                                         kist_buf *value, kist_etag *etag);

/*
 * Makes of `value` what the store keeps: *kept is a view of it, good until
 * the next call.  NULL, or what is wrong.
 */
const char *cli_store_pack(cli_store *target, kist_slice key, kist_slice value,
                           kist_slice *kept);

/* The value in the JSON array `file`; false if it is none of two items. */
bool cli_store_unpack(kist_slice file, kist_slice *value);

/* NULL if `value` may be of this format, or what is wrong with it. */
const char *cli_store_check(const char *format, kist_slice value);

/* Says why a call on `key` failed; returns the exit code. */
int cli_store_fail(const cli_store *target, kist_slice key,
                   kist_status status);

/* Prints a value on one line as JSON: itself if the store's format is JSON,
 * else as a string, or as {"$bytes"}. */
KIST_NODISCARD kist_status cli_store_print(const cli_store *target,
                                           kist_slice value);

/* --- the commands, once it is known that PATH is a store ---------------- */

int cmd_store_ls(const cli_call *cli, const cli_storewords *words,
                 bool reverse, uint64_t limit, int count, char **args);
int cmd_store_get(const cli_call *cli, const cli_storewords *words,
                  bool no_newline, int count, char **args);
int cmd_store_put(const cli_call *cli, const cli_storewords *words,
                  const char *file, int count, char **args);
int cmd_store_rm(const cli_call *cli, const cli_storewords *words, bool all,
                 int count, char **args);
int cmd_store_verify(const cli_call *cli, const cli_storewords *words,
                     const char *name);

#endif /* CLI_STORETARGET_H */
