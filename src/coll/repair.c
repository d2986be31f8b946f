/*
 * Repair: what is whole goes into a new log, what is not goes aside.
 *
 *      PATH.kist  --walk-->  runs of damage  ---->  PATH.damaged-N
 *          |                                          (synced)
 *          +--salvage--> private index --compact_copy-->  new log, synced
 *                                                          |
 *      PATH.kist  <------------------ rename --------------+
 *      PATH.kistx is removed: the next open builds it
 *
 * The rename is the commit point.  A crash before it leaves the damaged kist
 * as it was, one behind it the mended one beside an index that is of another
 * generation and thus not believed.  What such a crash leaves under names of
 * its own (PATH.damaged-N, PATH.kist.build~...) harms nothing.
 *
 * FORMAT   of PATH.damaged-N, N the first number that is free: for each run
 *          of bytes in the log that is no record
 *              a line of text: its offset, a space, its size, both decimal
 *              the bytes
 *              a newline
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "coll/compact.h"
#include "coll/filepair.h"
#include "coll/idxcompare.h"
#include "coll/logwalk.h"
#include "coll/recover.h"
#include "coll/salvage.h"
#include "os/file.h"
#include "os/filelock.h"

#define SIDE_MAX 100000u

/* Address space for the log; salvage needs some behind its end. */
#define RESERVE (UINT64_C(1) << 30)

typedef struct repairer {
    ki_gen gen; /* the log as it is; must not be moved */
    char *log_path;
    char *index_path;
    char *side_path;
    char *build_path;
    ki_logwalk walk;
    kist_report *report;
    kist_progress progress;
    void *context;
    uint64_t size;   /* of the log, in whole words */
    uint64_t synced; /* what the index says has been synced */
    bool side;       /* our file is at side_path */
    bool built;      /* and at build_path */
} repairer;

/* --- is there anything to mend?
 * ------------------------------------------------- */

/* What the index, where it is of this log, remembers as synced. */
static uint64_t
synced_by_index(const repairer *r)
{
    const ki_reclog *log = &r->gen.log;
    uint64_t synced = 0;
    ki_idx idx;

    if (ki_idx_open(&idx, r->index_path, false, log->uuid, log->generation,
                    0) == KIST_OK) {
        synced = ki_idx_synced(&idx);
        ki_idx_close(&idx);
    }
    return synced;
}

/* Would open be content?  Strictly, as open replays it. */
static kist_status
replays(repairer *r, bool *sound)
{
    ki_recovery recovery;
    kist_status status;

    *sound = false;
    status = ki_idx_create(&r->gen.idx, NULL, 0, r->gen.log.uuid,
                           r->gen.log.generation,
                           r->size * 8 + (UINT64_C(64) << 20));
    if (status != KIST_OK) {
        return status;
    }
    status = ki_recover_all(&r->gen, r->size, r->synced, &recovery);
    if (status == KIST_OK) {
        *sound = true;
        r->report->records = recovery.records;
        r->report->torn_bytes = recovery.torn;
        r->report->damaged_runs = 0;
        r->report->damaged_bytes = 0;
        r->report->damaged_offset = UINT64_MAX;
        r->report->live = ki_idxcompare_live(&r->gen);
    }
    ki_idx_close(&r->gen.idx);
    return status == KIST_ERR_CORRUPT ? KIST_OK : status;
}

/*
 * What was found.  The run at the end of the file loses the zeros of room
 * that was taken ahead; if nothing from there on was ever synced, it is an
 * unfinished tail, which goes aside with the rest but is no damage.
 */
static void
judge_runs(repairer *r, uint64_t known)
{
    ki_logwalk *walk = &r->walk;
    kist_report *report = r->report;
    ki_damage *last = walk->count > 0 ? &walk->runs[walk->count - 1] : NULL;
    uint64_t torn = 0;

    if (last != NULL && last->offset == walk->end) {
        while (last->size >= 8 && last->offset + last->size > known &&
               ki_load_le64(r->gen.log.base + last->offset + last->size - 8) ==
                   0) {
            last->size -= 8;
        }
        torn = known <= walk->end ? last->size : 0;
        walk->count -= last->size == 0;
    }
    ki_logwalk_report(walk, report);
    if (torn > 0) {
        report->torn_bytes += torn;
        report->damaged_runs--;
        report->damaged_bytes -= torn;
    }
    else if (known > r->size) {
        // Cut short: bytes that are not even there.
        report->damaged_runs++;
        report->damaged_bytes += known - r->size;
        if (report->damaged_offset == UINT64_MAX) {
            report->damaged_offset = r->size;
        }
    }
    if (report->damaged_runs == 0) {
        report->damaged_offset = UINT64_MAX;
    }
}

/*
 * Walks the file; *stop is where taking records ends: before a batch that
 * ends without its commit, unless it is known that it had one.
 */
static kist_status
walk_all(repairer *r, uint64_t *stop)
{
    const uint64_t closed = ki_reclog_closed_end(&r->gen.log);
    uint64_t known = r->synced > closed ? r->synced : closed;
    ki_logwalk *walk = &r->walk;
    kist_status status;

    status = ki_logwalk_run(walk, &r->gen.log, true, r->size, r->progress,
                            r->context, r->report);
    if (status != KIST_OK) {
        return status;
    }
    known = known > walk->marked ? known : walk->marked;
    *stop = walk->end;
    if (walk->pending != UINT64_MAX && known <= walk->pending) {
        *stop = walk->pending;
        r->report->torn_bytes = walk->end - walk->pending;
    }
    judge_runs(r, known);
    return KIST_OK;
}

/* --- the files beside
 * ---------------------------------------------------------------- */

/* Creates PATH.damaged-N for the first N that is free. */
static kist_status
create_side(repairer *r, uint32_t mode, int *fd)
{
    const size_t base = strlen(r->log_path) - strlen(".kist");
    const size_t room = base + 32;
    unsigned n;
    kist_status status = KIST_OK;

    r->side_path = ki_calloc(1, room);
    if (r->side_path == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, r->log_path, KI_NO_OFFSET, "path");
    }
    for (n = 1; n < SIDE_MAX; n++) {
        (void)snprintf(r->side_path, room, "%.*s.damaged-%u", (int)base,
                       r->log_path, n);
        status =
            ki_file_open(r->side_path, O_RDWR | O_CREAT | O_EXCL, mode, fd);
        if (status == KIST_OK) {
            r->side = true;
            return KIST_OK;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return status;
}

static kist_status
write_side(repairer *r, uint32_t mode)
{
    const ki_logwalk *walk = &r->walk;
    uint64_t at = 0;
    int fd = -1;
    size_t i;
    kist_status status = KIST_OK;

    if (walk->count == 0) {
        return KIST_OK;
    }
    status = create_side(r, mode, &fd);
    for (i = 0; status == KIST_OK && i < walk->count; i++) {
        const ki_damage *run = &walk->runs[i];
        char line[64];
        const int size =
            snprintf(line, sizeof(line), "%" PRIu64 " %" PRIu64 "\n",
                     run->offset, run->size);

        status = ki_file_write_at(fd, r->side_path, at, line, (size_t)size);
        at += (uint64_t)size;
        if (status == KIST_OK) {
            status = ki_file_write_at(fd, r->side_path, at,
                                      r->gen.log.base + run->offset,
                                      (size_t)run->size);
        }
        at += run->size;
        if (status == KIST_OK) {
            status = ki_file_write_at(fd, r->side_path, at, "\n", 1);
        }
        at++;
    }
    if (status == KIST_OK) {
        status = ki_file_sync(fd, r->side_path);
    }
    ki_file_close(&fd);
    return status;
}

/* The new log, whole and synced, under a name of its own. */
static kist_status
write_log(repairer *r, const ki_gen *from, uint32_t mode, ki_reclog *to)
{
    ki_log_birth birth;
    uint64_t end;
    kist_status status;

    status = ki_log_birth_new(&birth);
    if (status != KIST_OK) {
        return status;
    }
    memcpy(birth.uuid, from->log.uuid, sizeof(birth.uuid));
    birth.generation = from->log.generation + 1;
    r->build_path = ki_gen_build_path(r->log_path, KI_BUILD_REPAIR);
    if (r->build_path == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, r->log_path, KI_NO_OFFSET, "path");
    }
    status = ki_reclog_create(to, r->build_path, mode, &birth, KI_LOG_BEGIN,
                              r->size * 2 + (UINT64_C(64) << 20));
    if (status != KIST_OK) {
        return status;
    }
    r->built = true;
    status = ki_compact_copy(from, to, r->progress, r->context, &end);
    if (status == KIST_OK) {
        status = ki_file_sync(to->fd, r->build_path);
    }
    if (status == KIST_OK) {
        status = ki_reclog_set_closed_end(to, end);
    }
    return status == KIST_OK ? ki_file_sync(to->fd, r->build_path) : status;
}

/*
 * Whoever opens the new log waits for the lock on it, until the old index is
 * out of the way.
 */
static kist_status
install(repairer *r, const ki_reclog *to)
{
    kist_status status;

    status = ki_file_sync_parent(r->log_path);
    if (status == KIST_OK) {
        status = ki_filelock_take(to->fd, r->build_path, KI_LOCK_BYTE_OPENER,
                                  KI_LOCK_EXCLUSIVE, 0);
    }
    if (status == KIST_OK) {
        status = ki_file_rename(r->build_path, r->log_path, false);
    }
    if (status != KIST_OK) {
        return status;
    }
    r->built = false;
    r->side = false;
    KI_POINT("mended log in place");
    status = ki_file_sync_parent(r->log_path);
    if (ki_file_exists(r->index_path)) {
        // One of another generation is not believed: it may as well stay.
        (void)!ki_file_remove(r->index_path);
    }
    return status;
}

/* --- the whole
 * --------------------------------------------------------------------------
 */

static kist_status
mend(repairer *r, uint64_t stop)
{
    struct stat about;
    uint32_t mode;
    ki_gen from;
    ki_reclog to;
    kist_status status;

    memset(&to, 0, sizeof(to));
    memset(&from, 0, sizeof(from));
    from.log = r->gen.log;
    if (ki_io->fstat(from.log.fd, &about) != 0) {
        return KI_FAIL(KIST_ERR_IO, r->log_path, KI_NO_OFFSET, "stat");
    }
    mode = (uint32_t)about.st_mode & 0777;
    status = ki_salvage_index(&from, &r->walk, r->size, stop);
    if (status == KIST_OK) {
        r->report->live = ki_idxcompare_live(&from);
        status = write_log(r, &from, mode, &to);
    }
    if (status == KIST_OK) {
        status = write_side(r, mode);
    }
    if (status == KIST_OK) {
        status = install(r, &to);
    }
    if (r->built) {
        (void)ki_io->unlink(r->build_path);
    }
    if (r->side) {
        (void)ki_io->unlink(r->side_path);
    }
    ki_reclog_close(&to);
    ki_idx_close(&from.idx);
    return status;
}

static kist_status
repair(repairer *r)
{
    uint64_t stop;
    bool sound = false;
    kist_status status;

    status = ki_file_size(r->gen.log.fd, r->log_path, &r->size);
    if (status != KIST_OK) {
        return status;
    }
    r->size &= ~UINT64_C(7);
    r->synced = synced_by_index(r);
    status = walk_all(r, &stop);
    // A damaged header does not keep the records from being replayed.
    if (status == KIST_OK &&
        (r->walk.count == 0 || r->walk.runs[0].offset >= KI_LOG_BEGIN)) {
        status = replays(r, &sound);
    }
    return status == KIST_OK && !sound ? mend(r, stop) : status;
}

kist_status
kist_repair(const char *path, kist_progress progress, void *context,
            kist_report *report)
{
    kist_report own;
    repairer r;
    kist_status status;

    memset(&r, 0, sizeof(r));
    r.report = report != NULL ? report : &own;
    r.progress = progress;
    r.context = context;
    memset(r.report, 0, sizeof(*r.report));
    r.report->damaged_offset = UINT64_MAX;
    status = ki_filepair_paths(path, &r.log_path, &r.index_path);
    if (status == KIST_OK) {
        status = ki_filepair_open_alone(&r.gen.log, r.log_path, RESERVE);
        if (status == KIST_OK) {
            status = repair(&r);
            ki_reclog_close(&r.gen.log);
        }
    }
    ki_logwalk_fini(&r.walk);
    ki_free(r.build_path);
    ki_free(r.side_path);
    ki_free(r.log_path);
    ki_free(r.index_path);
    return status;
}
