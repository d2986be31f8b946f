#include "coll/logwalk.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

#define STEP (UINT64_C(4) << 20) /* between two calls of the progress */

/* Places in the header page, see reclog.h. */
#define HEAD_SIZE     60u
#define HEAD_CRC      56u
#define SUPERSEDED_AT 1024u
#define HEAD_COPY     2048u

kist_status
ki_logwalk_add(ki_logwalk *walk, uint64_t offset, uint64_t size)
{
    if (walk->count == walk->room) {
        const size_t room = walk->room == 0 ? 16 : walk->room * 2;
        ki_damage *runs = ki_realloc(walk->runs, room * sizeof(*runs));

        if (runs == NULL) {
            return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "log walk");
        }
        walk->runs = runs;
        walk->room = room;
    }
    walk->runs[walk->count].offset = offset;
    walk->runs[walk->count].size = size;
    walk->count++;
    return KIST_OK;
}

void
ki_logwalk_fini(ki_logwalk *walk)
{
    ki_free(walk->runs);
    memset(walk, 0, sizeof(*walk));
}

void
ki_logwalk_report(const ki_logwalk *walk, kist_report *report)
{
    size_t i;

    report->damaged_runs = walk->count;
    report->damaged_bytes = 0;
    report->damaged_offset =
        walk->count > 0 ? walk->runs[0].offset : UINT64_MAX;
    for (i = 0; i < walk->count; i++) {
        report->damaged_bytes += walk->runs[i].size;
    }
}

/*
 * The log is open, so one of the two is good: the bad one is the one that
 * differs and whose checksum does not fit.
 */
static kist_status
check_header(ki_logwalk *walk, const ki_reclog *log, bool alone)
{
    const uint8_t *head = log->base;
    const uint8_t *copy = log->base + HEAD_COPY;
    const bool same = memcmp(head, copy, HEAD_SIZE) == 0;
    const bool good =
        ki_load_le32(head + HEAD_CRC) == ki_crc32c(0, head, HEAD_CRC);
    kist_status status = KIST_OK;

    if (!same && !good) {
        status = ki_logwalk_add(walk, 0, HEAD_SIZE);
    }
    if (status == KIST_OK && alone && ki_reclog_is_superseded(log)) {
        status = ki_logwalk_add(walk, SUPERSEDED_AT, 8);
    }
    if (status == KIST_OK && !same && good) {
        status = ki_logwalk_add(walk, HEAD_COPY, HEAD_SIZE);
    }
    return status;
}

static void
count_record(ki_logwalk *walk, uint64_t offset, const ki_record *record)
{
    walk->records++;
    walk->end = offset + record->span;
    if (!record->more) {
        walk->pending = UINT64_MAX;
    }
    else if (walk->pending == UINT64_MAX) {
        walk->pending = offset;
    }
    if (record->coll == 0 && record->op == KI_OP_MARK && record->vsize == 8 &&
        ki_load_le64(record->value) > walk->marked) {
        walk->marked = ki_load_le64(record->value);
    }
}

kist_status
ki_logwalk_run(ki_logwalk *walk, const ki_reclog *log, bool alone,
               uint64_t end, kist_progress progress, void *context,
               kist_report *report)
{
    uint64_t at = KI_LOG_BEGIN;
    uint64_t told = 0;
    ki_record record;
    kist_status status;

    memset(walk, 0, sizeof(*walk));
    walk->end = at;
    walk->pending = UINT64_MAX;
    status = check_header(walk, log, alone);
    while (status == KIST_OK && at < end) {
        if (KI_LIKELY(ki_reclog_load(log, at, end, &record))) {
            count_record(walk, at, &record);
            at += record.span;
        }
        else {
            const uint64_t next = ki_reclog_resync(log, at, end, &record);

            // Behind a hole another batch may have begun.
            if (next < end) {
                walk->pending = UINT64_MAX;
            }
            status = ki_logwalk_add(walk, at, next - at);
            at = next;
        }
        if (progress != NULL && (at - told >= STEP || at >= end)) {
            told = at;
            if (status == KIST_OK && !progress(context, at, end)) {
                status = KI_FAIL(KIST_ERR_BUSY, log->path, KI_NO_OFFSET,
                                 "stopped by the caller");
            }
        }
    }
    report->records = walk->records;
    report->bytes = at;
    ki_logwalk_report(walk, report);
    return status;
}
