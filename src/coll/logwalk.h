/*
 * logwalk.h - a log read from one end to the other, over what is damaged.
 *
 *      header   record record  ??????  record ... record  ??????
 *      [ run ]                [ run ]                    [ run: nothing
 *      if a copy is bad                                    behind it ]
 *
 * Layer    coll.
 * Threads  the caller sees to it that the bytes below `end` stay.
 */
#ifndef KI_COLL_LOGWALK_H
#define KI_COLL_LOGWALK_H

#include "kist/handle.h"
#include "log/reclog.h"

/* Bytes that are no record. */
typedef struct ki_damage {
    uint64_t offset;
    uint64_t size;
} ki_damage;

typedef struct ki_logwalk {
    ki_damage *runs; /* owned; by offset */
    size_t count;
    size_t room;
    uint64_t records;
    uint64_t marked;  /* the highest KI_OP_MARK */
    uint64_t end;     /* past the last whole record */
    uint64_t pending; /* where a batch begins that goes on at `end`, or
                         UINT64_MAX */
} ki_logwalk;

/*
 * Walks the header and the records below `end` and counts them into *report
 * (records, bytes, damaged_*), which need not be set before; the progress is
 * called about every 4 MiB.  `alone` says that the path is known to name this
 * log, so that it cannot be superseded.  On any answer ki_logwalk_fini() must
 * follow.  BUSY (stopped), NOMEM.
 */
KIST_NODISCARD kist_status ki_logwalk_run(ki_logwalk *walk,
                                          const ki_reclog *log, bool alone,
                                          uint64_t end, kist_progress progress,
                                          void *context, kist_report *report);

void ki_logwalk_fini(ki_logwalk *walk);

/* Notes one more run, behind those that are there. */
KIST_NODISCARD kist_status ki_logwalk_add(ki_logwalk *walk, uint64_t offset,
                                          uint64_t size);

/* Sets damaged_* of the report from the runs. */
void ki_logwalk_report(const ki_logwalk *walk, kist_report *report);

#endif /* KI_COLL_LOGWALK_H */
