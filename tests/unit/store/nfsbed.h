/*
 * nfsbed.h - a store of NfsDict's layout in a directory of its own, and what
 * tests look at in it.
 *
 * Layer    tests/unit/store.
 */
#ifndef KT_STORE_NFSBED_H
#define KT_STORE_NFSBED_H

#include "kist/store.h"
#include "support/check.h"

/* sha256 of "a" and "b". */
#define NAME_A                                                                \
    "ca/ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define NAME_B                                                                \
    "3e/3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"

typedef struct kt_nfsbed {
    const char *dir;
    kist_store_options options;
    kist_store *store;
    kist_buf value;
    char path[512];
    int reports; /* calls of options.report, and the last of them */
    char reported[256];
} kt_nfsbed;

/* Opens a store in the test's place; end() closes it. */
void kt_nfs_begin_as(kt_nfsbed *at, void **state, const char *format);
void kt_nfs_begin(kt_nfsbed *at, void **state); /* "json" */
void kt_nfs_end(kt_nfsbed *at);
void kt_nfs_reopen(kt_nfsbed *at);

/* The path of `name` in the directory, good until the next call. */
const char *kt_nfs_path_of(kt_nfsbed *at, const char *name);
bool kt_nfs_exists(kt_nfsbed *at, const char *name);

/* Puts a pair; checks that a key has that pair. */
void kt_nfs_put(kt_nfsbed *at, const char *key, const char *pair);
void kt_nfs_check(kt_nfsbed *at, const char *key, const char *pair);

/* The same behind the store's back; the file's shard is made if need be. */
void kt_nfs_check_file(kt_nfsbed *at, const char *name, const char *expected);
void kt_nfs_write_file(kt_nfsbed *at, const char *name, const char *text);

#endif /* KT_STORE_NFSBED_H */
