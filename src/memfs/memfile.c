#include "memfs/memfile.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/fail.h"

#define SIZE_LIMIT ((uint64_t)INT64_MAX)

/* Takes the latch of an open file that may do this, or fails. */
static kist_status
begin(kist_memfile *file, bool allowed)
{
    ki_latch_take(&file->file->latch);
    if (!file->closed && allowed) {
        return KIST_OK;
    }
    if (file->closed) {
        ki_latch_drop(&file->file->latch);
        return KI_FAIL(KIST_ERR_CLOSED, NULL, KI_NO_OFFSET, "file");
    }
    ki_latch_drop(&file->file->latch);
    return KI_FAIL(KIST_ERR_UNSUPPORTED, NULL, KI_NO_OFFSET, "mode");
}

static void
end(kist_memfile *file)
{
    ki_latch_drop(&file->file->latch);
}

static kist_memfs_mode
mode_of(const kist_memfile *file)
{
    return (kist_memfs_mode)file->mode;
}

/* --- reading ------------------------------------------------------------- */

kist_status
kist_memfile_take(kist_memfile *file, uint64_t size_max, kist_loan *loan)
{
    kist_status status = begin(file, ki_mode_reads(mode_of(file)));
    const ki_content *content = &file->file->content;
    uint64_t size = 0;

    *loan = (kist_loan){0};
    if (status != KIST_OK) {
        return status;
    }
    if (file->position < content->size) {
        size = content->size - file->position;
        size = size < size_max ? size : size_max;
        status = ki_content_lend(content, file->position, size, loan);
    }
    if (status == KIST_OK) {
        file->position += size;
    }
    end(file);
    return status;
}

kist_status
kist_memfile_read(kist_memfile *file, void *data, size_t size, size_t *got)
{
    kist_loan loan;
    const kist_status status = kist_memfile_take(file, size, &loan);

    *got = 0;
    if (status == KIST_OK) {
        *got = loan.size;
        kist_loan_copy(&loan, data);
        kist_loan_return(&loan);
    }
    return status;
}

/* --- writing ----------------------------------------------------------------
 *
 * A change is counted first (plan, ki_quota_begin), made then, and taken back
 * if there was no memory for it.
 */
typedef struct plan {
    ki_quota_step step;
    uint64_t chunks; // of the file afterwards
    bool is_random;
} plan;

/* The latch is held.  UNSUPPORTED. */
static kist_status
plan_write(const kist_memfile *file, uint64_t offset, uint64_t size,
           plan *into)
{
    const kist_memfs_options *options = &file->fs->options;
    const ki_file *at = file->file;
    const uint64_t before = at->content.size;
    const uint64_t grown =
        size > 0 && offset + size > before ? offset + size - before : 0;

    *into = (plan){.step.more = grown, .is_random = true};
    if (at->node.is_random) {
        return KIST_OK;
    }
    if (offset == before) {
        *into = (plan){.step.more = grown, .chunks = at->chunks};
        if (size > 0) {
            into->step.more += options->chunk_overhead;
            into->chunks++;
        }
        return KIST_OK;
    }
    if (options->storage == KIST_MEMFS_SEQUENTIAL) {
        return KI_FAIL(KIST_ERR_UNSUPPORTED, NULL, KI_NO_OFFSET,
                       "sequential storage");
    }
    if (before > options->promotion_size_max) {
        return KI_FAIL(KIST_ERR_UNSUPPORTED, NULL, before,
                       "promotion of a file so large");
    }
    into->step.less = at->chunks * options->chunk_overhead;
    into->step.spare = before;
    return KIST_OK;
}

static void
set_chunks(kist_memfs *fs, ki_file *file, uint64_t chunks)
{
    if (chunks >= file->chunks) {
        ki_fs_add(&fs->chunks, chunks - file->chunks);
    }
    else {
        ki_fs_sub(&fs->chunks, file->chunks - chunks);
    }
    file->chunks = chunks;
}

/* What was planned has happened. */
static void
settle(kist_memfile *file, const plan *done)
{
    ki_quota_done(&file->fs->quota, &done->step);
    set_chunks(file->fs, file->file, done->chunks);
    file->file->node.is_random = done->is_random;
}

static void
changed(ki_file *file, int64_t now_ns)
{
    file->generation++;
    file->node.modified_ns = now_ns;
}

typedef struct change {
    const void *data;
    uint64_t size;
    ki_block *block; // of the same bytes, or NULL
    int64_t now_ns;
    uint64_t held; // of the quota, by ask(); gone on OK
    bool in_place; // nothing needs to be copied before
} change;

/* The latch is held.  The block is the file's on OK. */
static kist_status
write_here(kist_memfile *file, const change *from, ki_garbage *garbage)
{
    ki_file *at = file->file;
    const uint64_t offset = file->position;
    plan todo;
    kist_status status = plan_write(file, offset, from->size, &todo);

    if (status == KIST_OK) {
        todo.step.held = from->held;
        status = ki_quota_begin(&file->fs->quota, &todo.step);
    }
    if (status != KIST_OK) {
        return status;
    }
    if (from->size == 0) {
        settle(file, &todo);
        return KIST_OK;
    }
    status = from->block != NULL
                 ? ki_content_splice(&at->content, offset, from->block,
                                     from->size, garbage)
                 : ki_content_write(&at->content, offset, from->data,
                                    from->size, garbage);
    if (status != KIST_OK) {
        ki_quota_undo(&file->fs->quota, &todo.step);
        return status;
    }
    settle(file, &todo);
    changed(at, from->now_ns);
    file->position = offset + from->size;
    return KIST_OK;
}

/* Moves to where the write goes, and sees whether it can. */
static kist_status
place(kist_memfile *file, uint64_t size)
{
    if (file->mode == KIST_MODE_AB) {
        file->position = file->file->content.size;
    }
    return size > SIZE_LIMIT - file->position
               ? KI_FAIL(KIST_ERR_TOOBIG, NULL, KI_NO_OFFSET, "file")
               : KIST_OK;
}

/* Plans the next write.  The latch is held. */
static kist_status
plan_next(kist_memfile *file, uint64_t size, plan *todo)
{
    const kist_status status = place(file, size);

    return status == KIST_OK ? plan_write(file, file->position, size, todo)
                             : status;
}

/* A large write asks first, so that its bytes are counted before memory is
 * taken for them, and none is for those that overwrite. */
static kist_status
ask(kist_memfile *file, change *of)
{
    plan todo = {0};
    kist_status status = begin(file, ki_mode_writes(mode_of(file)));

    if (status != KIST_OK) {
        return status;
    }
    status = plan_next(file, of->size, &todo);
    if (status == KIST_OK) {
        status = ki_quota_begin(&file->fs->quota, &todo.step);
    }
    if (status == KIST_OK) {
        of->held = todo.step.more > todo.step.less
                       ? todo.step.more - todo.step.less
                       : 0;
        of->in_place =
            of->size <= KI_CONTENT_IN_PLACE &&
            ki_content_is_mine(&file->file->content, file->position, of->size);
    }
    end(file);
    return status == KIST_OK ? ki_fs_guard(file->fs, todo.step.more) : status;
}

kist_status
kist_memfile_check(kist_memfile *file, uint64_t size)
{
    plan todo = {0};
    kist_status status = begin(file, ki_mode_writes(mode_of(file)));

    if (status != KIST_OK) {
        return status;
    }
    status = plan_next(file, size, &todo);
    if (status == KIST_OK) {
        status = ki_quota_check(&file->fs->quota, &todo.step);
    }
    end(file);
    return status;
}

static kist_status
write_change(kist_memfile *file, const change *from)
{
    ki_garbage garbage = {0};
    kist_status status = begin(file, ki_mode_writes(mode_of(file)));

    if (status != KIST_OK) {
        return status;
    }
    status = place(file, from->size);
    if (status == KIST_OK) {
        status = write_here(file, from, &garbage);
    }
    end(file);
    ki_garbage_empty(&garbage);
    return status;
}

/* All but the block; what is held of the quota goes back on failure. */
static kist_status
write_whole(kist_memfile *file, change *of)
{
    kist_status status;

    of->now_ns = of->size > 0 ? ki_fs_now(file->fs) : 0;
    status = write_change(file, of);
    if (status != KIST_OK && of->held > 0) {
        ki_quota_release(&file->fs->quota, of->held);
    }
    return status;
}

/* True if the write has something to ask before its memory is taken. */
static bool
must_ask(const kist_memfile *file, uint64_t copied)
{
    return copied >= KI_CONTENT_LARGE ||
           file->fs->options.guard == KIST_GUARD_PER_WRITE;
}

kist_status
kist_memfile_write(kist_memfile *file, const void *data, size_t size)
{
    ki_garbage garbage = {0};
    change from = {.data = data, .size = size};
    kist_status status = must_ask(file, size) ? ask(file, &from) : KIST_OK;

    if (status == KIST_OK && size >= KI_CONTENT_LARGE && !from.in_place) {
        // Copied before the latch is taken: others may look meanwhile.
        from.block = ki_block_new(size);
        if (from.block == NULL) {
            status = KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "file");
        }
        else {
            memcpy(from.block->data, data, size);
        }
    }
    if (status != KIST_OK) {
        ki_quota_release(&file->fs->quota, from.held);
        return status;
    }
    status = write_whole(file, &from);
    if (status != KIST_OK) {
        ki_block_drop(from.block, &garbage);
    }
    return status;
}

kist_status
kist_memfile_write_lent(kist_memfile *file, const void *data, size_t size,
                        kist_release release, void *context)
{
    change from = {.data = data, .size = size};
    kist_status status = KIST_OK;

    if (size < KIST_MEMFS_LENT_MIN) {
        status = kist_memfile_write(file, data, size);
        if (status == KIST_OK) {
            release(context);
        }
        return status;
    }
    status = must_ask(file, 0) ? ask(file, &from) : KIST_OK;
    if (status == KIST_OK) {
        from.block = ki_block_new_lent(data, size, release, context);
        if (from.block == NULL) {
            status = KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "file");
        }
    }
    if (status != KIST_OK) {
        ki_quota_release(&file->fs->quota, from.held);
        return status;
    }
    status = write_whole(file, &from);
    if (status != KIST_OK) {
        ki_block_forget(from.block);
    }
    return status;
}

/* --- its length ---------------------------------------------------------- */

/* What the file counts once it has `size` bytes. */
static plan
plan_resize(const kist_memfile *file, uint64_t size)
{
    const ki_file *at = file->file;
    const uint64_t overhead = file->fs->options.chunk_overhead;
    const uint64_t before = at->content.size;
    plan into = {.is_random = at->node.is_random != 0};

    if (size > before) {
        into.step.more = size - before;
        if (!into.is_random) {
            into.chunks = at->chunks + 1;
            into.step.more += overhead;
        }
    }
    else {
        into.step.less = before - size;
        if (!into.is_random) {
            // What is left is one chunk.
            into.chunks = size > 0;
            into.step.less += (at->chunks - into.chunks) * overhead;
        }
    }
    return into;
}

/* The latch is held, and the size is another one. */
static kist_status
resize(kist_memfile *file, uint64_t size, ki_garbage *garbage)
{
    const plan todo = plan_resize(file, size);
    kist_status status = ki_quota_begin(&file->fs->quota, &todo.step);

    if (status != KIST_OK) {
        return status;
    }
    status = ki_content_resize(&file->file->content, size, garbage);
    if (status != KIST_OK) {
        ki_quota_undo(&file->fs->quota, &todo.step);
        return status;
    }
    settle(file, &todo);
    return KIST_OK;
}

/* As ask(), for another length; only for the guard's sake. */
static kist_status
ask_length(kist_memfile *file, uint64_t size)
{
    plan todo = {0};
    kist_status status;

    if (file->fs->options.guard != KIST_GUARD_PER_WRITE) {
        return KIST_OK;
    }
    status = begin(file, ki_mode_writes(mode_of(file)));
    if (status != KIST_OK) {
        return status;
    }
    if (size > SIZE_LIMIT) {
        status = KI_FAIL(KIST_ERR_TOOBIG, NULL, KI_NO_OFFSET, "file");
    }
    else if (size > file->file->content.size) {
        todo = plan_resize(file, size);
        status = ki_quota_check(&file->fs->quota, &todo.step);
    }
    end(file);
    return status == KIST_OK ? ki_fs_guard(file->fs, todo.step.more) : status;
}

kist_status
kist_memfile_truncate(kist_memfile *file, uint64_t size)
{
    const int64_t now_ns = ki_fs_now(file->fs);
    ki_garbage garbage = {0};
    kist_status status = ask_length(file, size);

    if (status == KIST_OK) {
        status = begin(file, ki_mode_writes(mode_of(file)));
    }
    if (status != KIST_OK) {
        return status;
    }
    if (size > SIZE_LIMIT) {
        status = KI_FAIL(KIST_ERR_TOOBIG, NULL, KI_NO_OFFSET, "file");
    }
    else if (size != file->file->content.size) {
        status = resize(file, size, &garbage);
        if (status == KIST_OK) {
            changed(file->file, now_ns);
        }
    }
    if (status == KIST_OK && file->position > size) {
        file->position = size;
    }
    end(file);
    ki_garbage_empty(&garbage);
    return status;
}

kist_status
ki_memfile_preallocate(kist_memfile *file, uint64_t size)
{
    ki_garbage garbage = {0};
    kist_status status = KIST_OK;
    bool grows;

    ki_latch_take(&file->file->latch);
    grows = size > file->file->content.size;
    ki_latch_drop(&file->file->latch);
    if (!grows) {
        return KIST_OK;
    }
    status = ask_length(file, size);
    if (status == KIST_OK) {
        status = begin(file, ki_mode_writes(mode_of(file)));
    }
    if (status != KIST_OK) {
        return status;
    }
    if (size > SIZE_LIMIT) {
        status = KI_FAIL(KIST_ERR_TOOBIG, NULL, KI_NO_OFFSET, "file");
    }
    else {
        status = resize(file, size, &garbage);
        file->file->generation += status == KIST_OK;
    }
    end(file);
    ki_garbage_empty(&garbage);
    return status;
}

void
ki_memfile_empty(kist_memfile *file)
{
    const int64_t now_ns = ki_fs_now(file->fs);
    ki_garbage garbage = {0};

    ki_latch_take(&file->file->latch);
    ki_quota_release(&file->fs->quota, ki_fs_usage(file->fs, file->file));
    ki_content_clear(&file->file->content, &garbage);
    set_chunks(file->fs, file->file, 0);
    changed(file->file, now_ns);
    ki_latch_drop(&file->file->latch);
    ki_garbage_empty(&garbage);
}

kist_status
kist_memfile_size(kist_memfile *file, uint64_t *size)
{
    const kist_status status = begin(file, true);

    *size = 0;
    if (status == KIST_OK) {
        *size = file->file->content.size;
        end(file);
    }
    return status;
}

/* --- the position -------------------------------------------------------- */

kist_status
kist_memfile_seek(kist_memfile *file, int64_t offset, int whence,
                  uint64_t *position)
{
    kist_status status = begin(file, true);
    uint64_t from = 0;

    *position = 0;
    if (status != KIST_OK) {
        return status;
    }
    if (whence == SEEK_CUR) {
        from = file->position;
    }
    else if (whence == SEEK_END) {
        from = file->file->content.size;
    }
    if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END) {
        status = KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "whence");
    }
    else if (whence == SEEK_END && offset > 0) {
        status = KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "past the end");
    }
    else if (offset < 0 ? (uint64_t) - (offset + 1) >= from
                        : (uint64_t)offset > SIZE_LIMIT - from) {
        status = KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "position");
    }
    else {
        file->position = from + (uint64_t)offset;
        *position = file->position;
    }
    end(file);
    return status;
}

kist_status
kist_memfile_tell(kist_memfile *file, uint64_t *position)
{
    const kist_status status = begin(file, true);

    *position = 0;
    if (status == KIST_OK) {
        *position = file->position;
        end(file);
    }
    return status;
}

/* --- its end ------------------------------------------------------------- */

void
kist_memfile_close(kist_memfile *file)
{
    ki_admitted admitted = {0};

    ki_latch_take(&file->file->latch);
    if (!file->closed) {
        file->closed = true;
        ki_turnstile_leave(&file->file->turnstile,
                           ki_mode_writes(mode_of(file)), &admitted);
    }
    ki_latch_drop(&file->file->latch);
    ki_admitted_tell(&admitted);
}

void
kist_memfile_free(kist_memfile *file)
{
    if (file == NULL) {
        return;
    }
    kist_memfile_close(file);
    ki_fs_forget(&file->file->node);
    ki_fs_drop(file->fs);
    ki_free(file);
}
