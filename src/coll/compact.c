#include "coll/compact.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "coll/batch.h"
#include "coll/coll.h"
#include "coll/seq.h"
#include "coll/writer.h"
#include "os/file.h"
#include "os/filelock.h"

#define PIECE    (UINT64_C(4) << 20) /* written and reported at once */
#define DUE_STEP (UINT64_C(64) << 10)
#define DUE_MIN  UINT64_C(4096)

/* --- copying
 * ------------------------------------------------------------------------- */

typedef struct copier {
    const ki_gen *from;
    ki_reclog *to;
    uint8_t *buffer; /* PIECE bytes */
    uint64_t buffered;
    uint64_t written; /* offset in `to` of the buffer */
    uint64_t size;    /* of the file `to` */
    uint64_t total;   /* live bytes, about */
    kist_progress progress;
    void *context;
    kist_status status;
} copier;

static void
write_out(copier *c, const uint8_t *bytes, uint64_t size)
{
    const uint64_t end = c->written + size;

    if (c->status == KIST_OK && end + KI_LOG_SPARE > c->size) {
        c->status =
            ki_reclog_grow(c->to, c->size, end + KI_LOG_SPARE, &c->size);
    }
    if (c->status == KIST_OK && size > 0) {
        c->status = ki_file_write_at(c->to->fd, c->to->path, c->written, bytes,
                                     (size_t)size);
    }
    c->written = end;
}

static void
flush(copier *c)
{
    write_out(c, c->buffer, c->buffered);
    c->buffered = 0;
    if (c->status == KIST_OK && c->progress != NULL &&
        !c->progress(c->context, c->written, c->total)) {
        c->status = KI_FAIL(KIST_ERR_BUSY, c->from->log.path, KI_NO_OFFSET,
                            "stopped by the caller");
    }
}

/* Appends a record to the new log, under its new number and place. */
static void
copy_record(copier *c, const ki_record *record)
{
    const uint64_t span = ki_record_span(record->ksize, record->vsize);
    uint8_t *to;
    uint8_t *big = NULL;
    uint8_t *at;

    if (c->buffered + span > PIECE) {
        flush(c);
    }
    if (c->status != KIST_OK) {
        return;
    }
    to = c->buffer + c->buffered;
    if (span > PIECE) {
        big = ki_calloc(1, (size_t)span);
        if (big == NULL) {
            c->status =
                KI_FAIL(KIST_ERR_NOMEM, c->to->path, KI_NO_OFFSET, "record");
            return;
        }
        to = big;
    }
    at = ki_record_begin(to, record);
    memcpy(at, record->value, record->vsize);
    ki_record_finish(to, span,
                     ki_record_seed(c->to->salt, c->written + c->buffered));
    if (big == NULL) {
        c->buffered += span;
        return;
    }
    write_out(c, big, span);
    ki_free(big);
}

static void
copy_keyed(copier *c, uint64_t header, uint32_t id)
{
    const ki_gen *gen = c->from;
    const uint64_t slots = ki_word_load(&gen->idx, header + KI_C_SLOTS);
    uint64_t slot = 0;
    uint64_t offset;
    uint64_t i;
    ki_record record;

    for (i = 0; i < slots && c->status == KIST_OK; i++) {
        const kist_status status =
            ki_keyed_in_slot(gen, NULL, header, i, &offset, &record);

        if (status == KIST_ERR_NOTFOUND) {
            continue;
        }
        if (status != KIST_OK) {
            c->status = status;
            return;
        }
        record.coll = id;
        record.slot = slot++;
        record.more = false;
        copy_record(c, &record);
    }
}

/* A list of inline type has its values in the index, others in records. */
static void
copy_item(copier *c, kist_type type, uint64_t word, uint32_t id, uint64_t i)
{
    const ki_gen *gen = c->from;
    uint8_t bytes[8];
    ki_record record;

    memset(&record, 0, sizeof(record));
    if (ki_coll_inline_bytes(type, word, bytes, &record)) {
        record.value = bytes;
    }
    else if (!ki_reclog_load(&gen->log, word, ki_log_end(gen), &record)) {
        c->status = ki_bad_record(gen, word);
        return;
    }
    record.op = KI_OP_APPEND;
    record.coll = id;
    record.slot = i;
    record.more = false;
    copy_record(c, &record);
}

static void
copy_list(copier *c, uint64_t header, uint32_t id)
{
    const ki_idx *idx = &c->from->idx;
    const kist_type type =
        ki_about_type(ki_word_load(idx, header + KI_C_ABOUT));
    const uint64_t count = ki_seq_count(idx, NULL, header);
    uint64_t words[64];
    uint64_t at = 0;
    uint32_t got;
    uint32_t i;

    while (at < count && c->status == KIST_OK) {
        if (ki_seq_words(idx, NULL, header, at, words, 64, &got) != KIST_OK ||
            got == 0) {
            c->status = ki_bad_index(c->from, header);
            return;
        }
        for (i = 0; i < got && c->status == KIST_OK; i++) {
            copy_item(c, type, words[i], id, at + i);
        }
        at += got;
    }
}

/* One collection: its catalog record, then its items. */
static void
copy_collection(copier *c, uint64_t slot, uint32_t id)
{
    const ki_gen *gen = c->from;
    const uint64_t header = ki_coll_header(gen, NULL, (uint32_t)slot + 1);
    uint64_t offset;
    ki_record record;
    kist_status status;

    status =
        ki_keyed_in_slot(gen, NULL, KI_CATALOG_HEADER, slot, &offset, &record);
    if (status != KIST_OK || header == 0) {
        c->status = header == 0 ? ki_bad_index(gen, KI_W_COLLS) : status;
        return;
    }
    record.slot = id - 1;
    record.more = false;
    copy_record(c, &record);
    if (ki_about_kind(ki_word_load(&gen->idx, header + KI_C_ABOUT)) ==
        KIST_KIND_LIST) {
        copy_list(c, header, id);
    }
    else {
        copy_keyed(c, header, id);
    }
}

kist_status
ki_compact_copy(const ki_gen *from, ki_reclog *to, kist_progress progress,
                void *context, uint64_t *end)
{
    const uint64_t slots =
        ki_word_load(&from->idx, KI_CATALOG_HEADER + KI_C_SLOTS);
    copier c;
    uint32_t id = 0;
    uint64_t i;

    memset(&c, 0, sizeof(c));
    c.from = from;
    c.to = to;
    c.written = KI_LOG_BEGIN;
    c.size = KI_LOG_BEGIN;
    c.total = ki_compact_live_bytes(from, NULL) + KI_LOG_BEGIN;
    c.progress = progress;
    c.context = context;
    c.buffer = ki_calloc(1, PIECE);
    if (c.buffer == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, from->log.path, KI_NO_OFFSET,
                       "compaction");
    }
    for (i = 0; i < slots && c.status == KIST_OK; i++) {
        uint64_t offset;
        ki_record record;
        const kist_status status = ki_keyed_in_slot(
            from, NULL, KI_CATALOG_HEADER, i, &offset, &record);

        if (status == KIST_OK) {
            copy_collection(&c, i, ++id);
        }
        else if (status != KIST_ERR_NOTFOUND) {
            c.status = status;
        }
    }
    flush(&c);
    *end = c.written;
    ki_free(c.buffer);
    return c.status;
}

/* --- the exchange
 * ----------------------------------------------------------------------- */

/* A generation under construction: a new log beside the old. */
typedef struct successor {
    ki_gen gen;
    char *log_build;
    char *index_build;
} successor;

static void
discard(successor *s)
{
    if (s->gen.idx.path != NULL) {
        (void)ki_io->unlink(s->index_build);
    }
    if (s->gen.log.path != NULL) {
        (void)ki_io->unlink(s->log_build);
    }
}

static kist_status
build_successor(const kist *k, const ki_gen *old, successor *s,
                kist_progress progress, void *context)
{
    ki_log_birth birth;
    uint64_t torn;
    uint64_t end = 0;
    kist_status status;

    s->log_build = ki_gen_build_path(k->log_path, KI_BUILD_COMPACT);
    s->index_build = ki_gen_build_path(k->index_path, KI_BUILD_COMPACT);
    if (s->log_build == NULL || s->index_build == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, k->log_path, KI_NO_OFFSET,
                       "compaction");
    }
    status = ki_log_birth_new(&birth);
    if (status != KIST_OK) {
        return status;
    }
    memcpy(birth.uuid, old->log.uuid, sizeof(birth.uuid));
    birth.generation = old->log.generation + 1;
    status = ki_reclog_create(
        &s->gen.log, s->log_build, k->options.file_mode, &birth, KI_LOG_BEGIN,
        ki_word_load(&old->idx, KI_W_TAIL) * 2 + (UINT64_C(64) << 20));
    if (status == KIST_OK) {
        status = ki_compact_copy(old, &s->gen.log, progress, context, &end);
    }
    if (status == KIST_OK) {
        status = ki_file_sync(s->gen.log.fd, s->log_build);
    }
    if (status == KIST_OK) {
        s->gen.writable = true;
        status =
            ki_gen_build_index(&s->gen, s->index_build, k->options.file_mode,
                               atomic_load(&k->reserve), end, &torn);
    }
    if (status == KIST_OK) {
        status = ki_idx_set_alive(&s->gen.idx, &s->gen.log.id);
    }
    return status;
}

/*
 * The rename of the log is the commit point.  From then on nothing may fail
 * for the caller, and the write has ended: those of the old generation are
 * told at once, and come to wait until the new one is closed here.  Without
 * the new index the next opener builds one.
 */
static kist_status
install(const kist *k, ki_writer *w, successor *s)
{
    ki_gen *old = w->gen;
    kist_status status;

    // Whoever opens the new log waits until we are done.
    status = ki_filelock_take(s->gen.log.fd, s->log_build, KI_LOCK_BYTE_OPENER,
                              KI_LOCK_EXCLUSIVE, 0);
    if (status == KIST_OK) {
        status = ki_file_rename(s->log_build, k->log_path, false);
    }
    if (status != KIST_OK) {
        return status;
    }
    KI_POINT("compacted log in place");
    ki_write_retire(w);
    KI_POINT("old generation retired");
    // Until its name is durable a power cut may bring the old log back, which
    // must not say then that it is old; nor must the new index serve: the next
    // opener makes one, and syncs the directory then.
    if (ki_file_sync_parent(k->log_path) == KIST_OK) {
        ki_reclog_set_superseded(&old->log);
        status = ki_file_rename(s->index_build, k->index_path, false);
    }
    else {
        status = KIST_ERR_IO;
    }
    if (status != KIST_OK) {
        (void)ki_io->unlink(s->index_build);
    }
    ki_leave();
    return KIST_OK;
}

static kist_status
compact_once(kist *k, kist_progress progress, void *context)
{
    successor s;
    ki_writer *w;
    kist_status status;

    status = ki_batch_refuse(k);
    if (status != KIST_OK) {
        return status;
    }
    memset(&s, 0, sizeof(s));
    s.gen.log.fd = -1;
    s.gen.idx.fd = -1;
    status = ki_write_begin(k, NULL, NULL, &w, NULL);
    if (status != KIST_OK) {
        return status;
    }
    if (w->gen->idx.fd < 0) {
        status = KI_FAIL(KIST_ERR_INVALID, k->log_path, KI_NO_OFFSET,
                         "compact on a file system without shared maps");
    }
    if (status == KIST_OK) {
        status = build_successor(k, w->gen, &s, progress, context);
    }
    if (status == KIST_OK) {
        status = install(k, w, &s);
    }
    if (status != KIST_OK) {
        discard(&s);
        status = ki_write_end(k, w, status);
    }
    // Closing the new log lets in whoever waits to open it.
    ki_idx_close(&s.gen.idx);
    ki_reclog_close(&s.gen.log);
    ki_free(s.log_build);
    ki_free(s.index_build);
    return status;
}

kist_status
kist_compact(kist *k, kist_progress progress, void *context)
{
    kist_status status;

    do {
        status = compact_once(k, progress, context);
    } while (status == KI_AGAIN);
    return status;
}

/* --- by itself
 * ----------------------------------------------------------------------------
 */

/*
 * Counting dead bytes visits every collection, so it is done once for each
 * eighth that the log has grown.
 */
static bool
is_due(kist *k)
{
    ki_gen *gen;
    bool due = false;

    if (ki_own_tx(k) != NULL || ki_enter(k, &gen) != KIST_OK) {
        return false;
    }
    if (gen->writable) {
        const uint64_t tail = ki_word_load(&gen->idx, KI_W_TAIL);
        const uint64_t weighed = ki_word_load(&gen->idx, KI_W_WEIGHED);
        const uint64_t step = tail / 8 > DUE_STEP ? tail / 8 : DUE_STEP;

        if (tail >= weighed + step || tail < weighed) {
            const uint64_t live =
                ki_compact_live_bytes(gen, NULL) + KI_LOG_BEGIN;
            const uint64_t dead = tail > live ? tail - live : 0;

            ki_word_store(&gen->idx, KI_W_WEIGHED, tail);
            due = dead >= DUE_MIN &&
                  (double)dead >= k->options.compact_ratio * (double)tail;
        }
    }
    ki_leave();
    return due;
}

void
ki_compact_when_due(kist *k)
{
    // The write that brought us here has succeeded: what keeps the old log
    // from being rewritten (a full disk, say) is no failure of it.
    if (is_due(k)) {
        (void)!kist_compact(k, NULL, NULL);
    }
}
