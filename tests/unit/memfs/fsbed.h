/*
 * fsbed.h - what the tests of memory file systems share: short calls, lent
 * bytes that know who has them, and a text that says all of a file system.
 *
 * Layer    tests/unit/memfs: public headers only.
 */
#ifndef KT_MEMFS_FSBED_H
#define KT_MEMFS_FSBED_H

#include "kist/memfs.h"
#include "support/check.h"
#include "support/script.h"

#define KT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define KT_OVERHEAD 93 /* of a chunk, unless options say otherwise */

/* A time in every call of which a second passes, from 1000 s on. */
int64_t kt_tick_ns(void *context);

/* Defaults, with kt_tick_ns(), `quota`, and a lock timeout of 50 ms. */
kist_memfs_options kt_fs_options(uint64_t quota);
kist_memfs *kt_fs_new(uint64_t quota);

/* Opens with a timeout of 0; the answer must be OK. */
kist_memfile *kt_fs_open(kist_memfs *fs, const char *path,
                         kist_memfs_mode mode);

/* What opening with a timeout of 0 answers; the file is closed again. */
kist_status kt_fs_try(kist_memfs *fs, const char *path, kist_memfs_mode mode);

/* Makes or empties the file and writes `text` in one piece (none if ""). */
void kt_fs_put(kist_memfs *fs, const char *path, const char *text);
void kt_fs_append(kist_memfs *fs, const char *path, const char *text);
void kt_fs_write_at(kist_memfs *fs, const char *path, int64_t offset,
                    const char *text);
void kt_fs_mkdir(kist_memfs *fs, const char *path);

/* Fails unless the file has these contents, however they are read. */
void kt_fs_check(kist_memfs *fs, const char *path, const char *text);
void kt_fs_check_bytes(kist_memfs *fs, const char *path, const void *data,
                       size_t size);

kist_memfs_stat kt_fs_stat(kist_memfs *fs, const char *path);
kist_memfs_stats kt_fs_stats(kist_memfs *fs);

/* Fails unless the counters are these. */
void kt_fs_check_stats(kist_memfs *fs, uint64_t used, uint64_t files,
                       uint64_t dirs, uint64_t chunks);

/*
 * Fails unless the counters agree with what a walk through the tree finds;
 * nobody changes it meanwhile.
 */
void kt_fs_check_sums(kist_memfs *fs);

/* "a b c" of the names, each followed by a space but the last. */
void kt_fs_check_names(const kist_memfs_names *names, const char *expected);
void kt_fs_check_list(kist_memfs *fs, const char *path, const char *expected);
void kt_fs_check_glob(kist_memfs *fs, const char *pattern,
                      const char *expected);

/*
 * A line for each node, with everything there is to say of it but the times
 * that `times` leaves out, then the counters; the caller frees it.  Equal
 * texts are equal file systems.
 */
char *kt_fs_describe(kist_memfs *fs, bool times);

/* Fails, showing both, unless fs is described by `text`. */
void kt_fs_check_described(kist_memfs *fs, bool times, const char *text);

/* --- lent bytes ------------------------------------------------------------
 */

/* Bytes that turn to 0xdd when they are released. */
typedef struct kt_lent {
    uint8_t *data;
    size_t size;
    _Atomic int released;
    kist_memfs *fs; /* not NULL: is called into while they are released */
} kt_lent;

/* `size` bytes made from `seed`; kt_lent_fini() fails unless they were
 * released `times` times. */
void kt_lent_init(kt_lent *lent, size_t size, uint64_t seed);
void kt_lent_fini(kt_lent *lent, int times);

/* The release function; the context is the kt_lent. */
void kt_lent_release(void *context);

/* Fills `data` as kt_lent_init() does. */
void kt_fill(uint8_t *data, size_t size, uint64_t seed);

/* kt_random() below `limit`. */
uint64_t kt_random_below(uint64_t *state, uint64_t limit);

/* Fails unless the loan has these bytes, in one piece and copied. */
void kt_loan_check(const kist_loan *loan, const void *data, size_t size);

#endif /* KT_MEMFS_FSBED_H */
