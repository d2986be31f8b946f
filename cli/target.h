/*
 * target.h - a collection of an open kist, whatever its kind.
 *
 * Layer    cli.
 * Threads  one thread.
 */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include "cli.h"

typedef struct cli_target {
    kist *k;
    const char *path;
    const char *name; /* "" is the root collection */
    kist_kind kind;
    kist_type type;
    kist_list *list; /* one of the three, as `kind` says */
    kist_dict *dict;
    kist_set *set;
} cli_target;

/* True if there is a kist at `path`, or something in its place. */
bool cli_exists(const char *path);

/*
 * Opens the kist at `path` and looks for its collection `name`, which must be
 * of kind `kind` unless that is 0.  If it is not there, target->kind is 0 and
 * it can be made.  Returns CLI_OK, or says what went wrong and returns the
 * exit code.
 */
int cli_target_find(const cli_call *cli, const char *path, const char *name,
                    cli_access access, kist_kind kind, cli_target *target);

/*
 * Opens the collection that was found, or makes one.  On failure *target is
 * closed.
 */
int cli_target_make(cli_target *target, kist_kind kind, kist_type type);

/* Finds and opens a collection that must be there, of any kind. */
int cli_target_open(const cli_call *cli, const char *path, const char *name,
                    cli_access access, cli_target *target);

/* Closes all of it; a lost final sync turns `code` CLI_OK into its own. */
int cli_target_close(cli_target *target, int code);

KIST_NODISCARD kist_status cli_target_count(const cli_target *target,
                                            uint64_t *count);

KIST_NODISCARD kist_status cli_target_scan(const cli_target *target,
                                           bool reverse, kist_scan **scan);

#endif /* CLI_TARGET_H */
