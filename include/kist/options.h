/*
 * options.h - how a kist is opened.
 *
 * Layer    public.
 */
#ifndef KIST_OPTIONS_H
#define KIST_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a write that has returned survives. */
typedef enum kist_durability {
    KIST_PROCESS = 0, /* the death of every process (kill -9): the default */
    KIST_INTERVAL,    /* also a power cut, interval_ms later */
    KIST_SYNC         /* also a power cut at once; writers share flushes */
} kist_durability;

/* A zeroed kist_options is the default: open or create, read and write. */
typedef struct kist_options {
    kist_durability durability;
    uint32_t interval_ms;     /* for KIST_INTERVAL; 0 means 100 */
    bool read_only;           /* never writes anything, anywhere */
    bool must_exist;          /* a missing kist is KIST_ERR_IO, ENOENT */
    bool must_create;         /* an existing kist is KIST_ERR_EXISTS */
    bool exclusive;           /* only this handle may have it open */
    uint32_t lock_timeout_ms; /* to wait for other writers; 0 means 60000 */
    uint64_t map_reserve;     /* address space for each mapped file, bytes;
                                 0 means 64 GiB.  Grows when needed. */
    double compact_ratio;     /* a write that finds dead bytes / log bytes at
                                 or above this compacts first; 0: never */
    uint32_t file_mode;       /* permission bits of new files; 0 means 0600 */
} kist_options;

#ifdef __cplusplus
}
#endif

#endif /* KIST_OPTIONS_H */
