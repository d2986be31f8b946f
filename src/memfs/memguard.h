/*
 * memguard.h - how much memory the machine has left, and whether that is
 * enough.
 *
 * What is left is the least of those that can be read:
 *
 *      cgroup v2    memory.max - memory.current, of the process's own group
 *                   and of each group above it
 *      cgroup v1    memory.limit_in_bytes - memory.usage_in_bytes, likewise,
 *                   where the limit is below the machine's memory
 *      machine      MemAvailable of /proc/meminfo
 *
 * Layer    memfs: may include base/, os/ and public headers.
 * Threads  a guard is used by any number of them, and takes no lock.
 */
#ifndef KI_MEMFS_MEMGUARD_H
#define KI_MEMFS_MEMGUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kist/status.h"

/* Room for the longest text of a check, with its terminator. */
#define KI_MEMGUARD_TEXT_SIZE 192

/*
 * Reads anew how many bytes are left.  `root` is put before /proc and /sys:
 * "" or NULL but in tests.  UNSUPPORTED if nothing can be read.
 */
KIST_NODISCARD kist_status ki_memguard_available(const char *root,
                                                 uint64_t *bytes);

typedef struct ki_memguard {
    const char *root;         // borrowed
    uint64_t interval_ns;     // between two readings
    _Atomic uint64_t bytes;   // of the last reading; UINT64_MAX: unknown
    _Atomic uint64_t read_ns; // when that was begun; 0: never
} ki_memguard;

/*
 * `root` as above, which must outlive the guard.  Reads nothing yet.
 */
void ki_memguard_init(ki_memguard *guard, const char *root,
                      uint64_t interval_ms);

/*
 * What is left, as read at most interval_ms ago; UINT64_MAX if that cannot be
 * known.  One thread reads; those that come meanwhile are given the last
 * answer.  *age_ms is how old it is.
 */
uint64_t ki_memguard_left(ki_memguard *guard, uint64_t *age_ms);

/*
 * True if the quota is no more than what is left now, or if that cannot be
 * known.  Else `text` says what is wrong.
 */
bool ki_memguard_quota_fits(ki_memguard *guard, uint64_t quota,
                            char text[KI_MEMGUARD_TEXT_SIZE]);

/* The same for `size` bytes that are about to be written. */
bool ki_memguard_write_fits(ki_memguard *guard, uint64_t size,
                            char text[KI_MEMGUARD_TEXT_SIZE]);

#endif /* KI_MEMFS_MEMGUARD_H */
