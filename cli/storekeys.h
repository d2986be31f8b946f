/*
 * storekeys.h - the keys of a store, listed before anything is done to them.
 *
 * Layer    cli.
 * Threads  one thread.
 */
#ifndef CLI_STOREKEYS_H
#define CLI_STOREKEYS_H

#include "storetarget.h"

typedef struct cli_storekey {
    char *name; // owned, terminated
    size_t size;
    kist_stat stat; // zeroed unless it was asked for
} cli_storekey;

/* Zeroed is empty. */
typedef struct cli_storekeys {
    cli_storekey *items;
    size_t count;
    size_t room;
} cli_storekeys;

/*
 * Adds the keys below `prefix` ("" or "/" at its end: as without it) in the
 * order of `how`, which may be NULL.  What cannot be listed is told, and does
 * not keep the others out.  Returns the exit code.
 */
int cli_storekeys_add(cli_storekeys *keys, const cli_store *target,
                      const char *prefix, const kist_store_scan_options *how);

/* False without memory. */
bool cli_storekeys_add_one(cli_storekeys *keys, kist_slice prefix,
                           kist_slice name, const kist_stat *stat);

/* By the bytes of the keys. */
void cli_storekeys_sort(cli_storekeys *keys);

void cli_storekeys_fini(cli_storekeys *keys);

#endif /* CLI_STOREKEYS_H */
