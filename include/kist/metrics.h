/*
 * metrics.h - what a kist holds and costs, computed on demand.
 *
 * Layer    public.
 */
#ifndef KIST_METRICS_H
#define KIST_METRICS_H

#include "kist/handle.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes are bytes of the file unless said otherwise. */
typedef struct kist_metrics {
    double fragmentation_ratio; /* wasted_bytes / log_bytes, 0 .. 1 */
    uint64_t wasted_bytes;      /* of log: dead records */
    uint64_t log_bytes;         /* of log: header and records, to the tail */
    uint64_t log_file_bytes;    /* on disk, with room taken ahead */
    uint64_t index_bytes;       /* of index in use */
    uint64_t index_file_bytes;
    uint64_t total_disk_usage_bytes; /* log_file_bytes + index_file_bytes */
    uint64_t live_records;           /* items, of all collections */
    uint64_t dead_records;
    uint64_t collections;
    uint64_t synced_bytes;      /* of log: known to survive a power cut */
    uint64_t generation;        /* grows with each compaction */
    bool clean_shutdown;        /* the last close before this open was clean */
    bool index_was_rebuilt;     /* by this open */
    uint64_t recovered_records; /* read from the log by this open */
    uint64_t torn_bytes_cut;    /* from the tail by this open */
} kist_metrics;

/* Fills *metrics.  Writes nothing. */
KIST_NODISCARD kist_status kist_metrics_get(kist *k, kist_metrics *metrics);

#ifdef __cplusplus
}
#endif

#endif /* KIST_METRICS_H */
