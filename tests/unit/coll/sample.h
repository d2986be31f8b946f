/*
 * sample.h - a small kist that has every kind of record, and damage to it.
 *
 * Layer    tests/unit/coll.
 * Threads  one.
 */
#ifndef KT_COLL_SAMPLE_H
#define KT_COLL_SAMPLE_H

#include "support/check.h"
#include "support/script.h"

typedef struct kt_sample {
    kt_world world; /* what it holds */
    uint8_t *log;   /* the files after a clean close */
    uint8_t *index;
    size_t log_size;
    size_t index_size;
    uint64_t tail; /* where records end */
    char log_path[320];
    char index_path[320];
    const kt_place *place;
} kt_sample;

extern const kist_options kt_sample_options;

/*
 * Makes the kist at place->path and closes it: a dict with overwrites,
 * removals and a hole, a dict of bytes, a list edited in the middle, a flat
 * list reversed, a set, a batch.
 */
void kt_sample_make(kt_sample *sample, const kt_place *place);
void kt_sample_fini(kt_sample *sample);

/* Puts both files back as they were. */
void kt_sample_restore(const kt_sample *sample);

/* Changes the bytes at `offset` of a file. */
void kt_damage(const char *path, uint64_t offset, const void *bytes,
               size_t size);

/* Opens, verifies, closes; what open or else verify answers. */
kist_status kt_sample_verify(const kt_sample *sample, kist_report *report);

/* Opens the kist, which must hold what the world says, and closes it. */
void kt_sample_holds(const kt_sample *sample, const char *when);

/* Offset of each record below the tail, and of the tail: *count + 1 of them.
 */
uint64_t *kt_sample_records(const kt_sample *sample, size_t *count);

#endif /* KT_COLL_SAMPLE_H */
