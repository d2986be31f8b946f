/*
 * Contents on their way out: of one file, of many as of one moment, and of
 * many one after the other.
 */
#include "base/alloc.h"
#include "base/fail.h"
#include "memfs/listing.h"
#include "memfs/loan.h"
#include "memfs/tree.h"

/* Lends all of a file, unless it is written to: LOCKED, as an answer and no
 * failure.  *generation is of what is lent; NULL if not wanted. */
static kist_status
lend_all(ki_file *file, kist_loan *loan, uint64_t *generation)
{
    kist_status status = KIST_ERR_LOCKED;

    ki_latch_take(&file->latch);
    if (file->turnstile.writer == 0) {
        status = ki_content_lend(&file->content, 0, file->content.size, loan);
        if (generation != NULL) {
            *generation = file->generation;
        }
    }
    ki_latch_drop(&file->latch);
    return status;
}

/* The same after the writer of a node that may have left the tree. */
static kist_status
lend_later(kist_memfs *fs, ki_node *node, uint64_t deadline, kist_loan *loan,
           uint64_t *generation)
{
    kist_status status = ki_fs_hold(fs, node, deadline);

    if (status == KIST_OK) {
        status = lend_all(ki_node_file(node), loan, generation);
        ki_fs_leave(ki_node_file(node), false);
    }
    return status;
}

/*
 * Nobody is asked to wait for so short a reading as lend_all(): one who has
 * the file open can export it although a writer waits for him.  *node is a
 * reference to the file, if there is one.
 */
static kist_status
lend_once(kist_memfs *fs, const ki_path *path, uint64_t deadline,
          kist_loan *loan, ki_node **node, uint64_t *generation)
{
    ki_node *found;
    kist_status status;

    *node = NULL;
    ki_brlock_read(&fs->lock);
    found = ki_tree_find(fs, path).node;
    if (found == NULL) {
        status = KIST_ERR_NOTFOUND;
    }
    else if (found->is_dir) {
        status = KI_FAIL(KIST_ERR_ISDIR, NULL, KI_NO_OFFSET, "export");
    }
    else {
        status = lend_all(ki_node_file(found), loan, generation);
        ki_node_ref(found);
        *node = found;
    }
    ki_brlock_unread(&fs->lock);
    if (status == KIST_ERR_LOCKED) {
        status = lend_later(fs, found, deadline, loan, generation);
    }
    return status;
}

static kist_status
lend_path(kist_memfs *fs, kist_slice path, uint64_t deadline, kist_loan *loan,
          ki_node **node, uint64_t *generation)
{
    ki_path straight;
    kist_status status = ki_path_init(&straight, path);

    *loan = (kist_loan){0};
    *node = NULL;
    if (status != KIST_OK) {
        return status;
    }
    for (;;) {
        status = lend_once(fs, &straight, deadline, loan, node, generation);
        if (status == KIST_OK || *node == NULL) {
            break;
        }
        ki_fs_forget(*node);
        if (status != KIST_ERR_NOTFOUND) {
            *node = NULL;
            break;
        }
        // That one has left the tree; another may be at the path now.
    }
    ki_path_fini(&straight);
    return status;
}

kist_status
kist_memfs_export(kist_memfs *fs, kist_slice path, int64_t timeout_ms,
                  kist_loan *loan)
{
    ki_node *node;
    const kist_status status =
        lend_path(fs, path, ki_fs_deadline(fs, timeout_ms), loan, &node, NULL);

    if (status == KIST_OK) {
        ki_fs_forget(node);
    }
    return status;
}

static kist_status
no_memory(void)
{
    return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "export");
}

/*
 * Makes one piece of a loan of all of the file, and has the file keep it if
 * that is still what it holds.  The bytes are copied with nothing held.
 */
static kist_status
join(ki_file *file, kist_loan *loan, uint64_t generation)
{
    const uint64_t size = loan->size;
    ki_garbage garbage = {0};
    ki_block *block = ki_block_new(size);

    if (block == NULL) {
        return no_memory();
    }
    kist_loan_copy(loan, block->data);
    ki_loan_drop(loan, &garbage);
    ki_latch_take(&file->latch);
    if (file->generation == generation && file->content.size == size) {
        ki_block_ref(block);
        if (ki_content_splice(&file->content, 0, block, size, &garbage) !=
            KIST_OK) {
            ki_block_drop(block, &garbage); // the loan has it, that will do
        }
    }
    ki_latch_drop(&file->latch);
    ki_loan_init_one(loan, block, size);
    ki_block_drop(block, &garbage);
    ki_garbage_empty(&garbage);
    return KIST_OK;
}

kist_status
kist_memfs_view(kist_memfs *fs, kist_slice path, int64_t timeout_ms,
                kist_loan *loan)
{
    uint64_t generation = 0;
    ki_node *node;
    kist_status status = lend_path(fs, path, ki_fs_deadline(fs, timeout_ms),
                                   loan, &node, &generation);

    if (status != KIST_OK) {
        return status;
    }
    if (loan->size == 0) {
        loan->data = "";
    }
    else if (loan->data == NULL) {
        status = join(ki_node_file(node), loan, generation);
        if (status != KIST_OK) {
            kist_loan_return(loan);
        }
    }
    ki_fs_forget(node);
    return status;
}

/* --- many as of one moment ----------------------------------------------- */

typedef struct bundle {
    kist_memfs_bundle open; // what the caller sees
    size_t room;
    kist_buf paths; // one after the other
} bundle;

/* Adds a file; its path's place is known only when all are there. */
static kist_status
bundle_add(bundle *into, ki_node *node)
{
    const size_t start = into->paths.size;
    kist_memfs_item *item;
    kist_status status = ki_tree_path(node, &into->paths);

    if (status != KIST_OK) {
        return status;
    }
    if (into->open.count == into->room) {
        const size_t room = into->room < 16 ? 16 : into->room * 2;
        kist_memfs_item *items =
            ki_realloc(into->open.items, room * sizeof(*items));

        if (items == NULL) {
            return no_memory();
        }
        into->open.items = items;
        into->room = room;
    }
    item = into->open.items + into->open.count;
    *item = (kist_memfs_item){.path.size = into->paths.size - start};
    status = lend_all(ki_node_file(node), &item->loan, NULL);
    into->open.count += status == KIST_OK;
    return status;
}

static void
bundle_clear(bundle *of)
{
    for (size_t index = 0; index < of->open.count; index++) {
        kist_loan_return(&of->open.items[index].loan);
    }
    of->open.count = 0;
    kist_buf_clear(&of->paths);
}

void
kist_memfs_bundle_free(kist_memfs_bundle *open)
{
    bundle *old = (bundle *)open;

    if (old != NULL) {
        bundle_clear(old);
        kist_buf_fini(&old->paths);
        ki_free(old->open.items);
        ki_free(old);
    }
}

/* True if the export wants the file; the tree's lock is held. */
static bool
is_wanted(ki_node *node, bool dirty)
{
    ki_file *file = ki_node_file(node);
    uint64_t generation;

    if (node->is_dir) {
        return false;
    }
    ki_latch_take(&file->latch);
    generation = file->generation;
    ki_latch_drop(&file->latch);
    return !dirty || generation > 0;
}

/*
 * Adds all files at and below the path.  With the lock held for writing nobody
 * opens a file, so if nobody writes to one now, this is one moment.  *written
 * is a reference to the first that somebody writes to, and nothing is added.
 */
static kist_status
gather(kist_memfs *fs, const ki_path *path, bool dirty, bundle *into,
       ki_node **written)
{
    ki_node *top = ki_tree_find(fs, path).node;
    kist_status status = KIST_OK;

    *written = NULL;
    for (ki_node *at = top; at != NULL; at = ki_node_after(at, top)) {
        if (is_wanted(at, dirty) && ki_fs_is_written(ki_node_file(at))) {
            ki_node_ref(at);
            *written = at;
            return KIST_OK;
        }
    }
    for (ki_node *at = top; at != NULL && status == KIST_OK;
         at = ki_node_after(at, top)) {
        if (is_wanted(at, dirty)) {
            status = bundle_add(into, at);
        }
    }
    return status;
}

kist_status
kist_memfs_export_tree(kist_memfs *fs, kist_slice prefix, bool dirty,
                       int64_t timeout_ms, kist_memfs_bundle **open)
{
    const uint64_t deadline = ki_fs_deadline(fs, timeout_ms);
    bundle *fresh = ki_calloc(1, sizeof(*fresh));
    ki_path straight = {0};
    ki_node *written = NULL;
    ki_file *held = NULL;
    size_t start = 0;
    kist_status status = fresh == NULL ? no_memory() : KIST_OK;

    *open = NULL;
    if (status == KIST_OK) {
        status = ki_path_init(&straight, prefix);
    }
    if (status != KIST_OK) {
        ki_free(fresh);
        return status;
    }
    do {
        ki_brlock_write(&fs->lock);
        status = gather(fs, &straight, dirty, fresh, &written);
        ki_brlock_unwrite(&fs->lock);
        if (status == KIST_OK && written != NULL) {
            status = ki_fs_turn(fs, written, deadline, &held);
        }
    } while (written != NULL && status == KIST_OK);
    ki_fs_end_turn(held);
    ki_path_fini(&straight);
    if (status != KIST_OK) {
        kist_memfs_bundle_free(&fresh->open);
        return status;
    }
    for (size_t index = 0; index < fresh->open.count; index++) {
        fresh->open.items[index].path.data = fresh->paths.data + start;
        start += fresh->open.items[index].path.size;
    }
    *open = &fresh->open;
    return KIST_OK;
}

/* --- one after the other ------------------------------------------------- */

struct kist_memfs_stream {
    kist_memfs *fs;
    ki_node **nodes; // references
    kist_memfs_names *paths;
    size_t next;
};

/* Notes one more file. */
static kist_status
stream_add(kist_memfs_stream *stream, ki_node *node, size_t *count,
           kist_buf *path, ki_listing *paths)
{
    kist_status status;

    // The room doubles whenever the count is a power of two.
    if ((*count & (*count - 1)) == 0) {
        const size_t room = *count == 0 ? 1 : *count * 2;
        ki_node **nodes =
            ki_realloc(stream->nodes, room * sizeof(*stream->nodes));

        if (nodes == NULL) {
            return no_memory();
        }
        stream->nodes = nodes;
    }
    kist_buf_clear(path);
    status = ki_tree_path(node, path);
    if (status == KIST_OK) {
        status = ki_listing_add(paths, kist_buf_slice(path));
    }
    if (status == KIST_OK) {
        ki_node_ref(node);
        stream->nodes[(*count)++] = node;
    }
    return status;
}

kist_status
kist_memfs_stream_open(kist_memfs *fs, kist_slice prefix, bool dirty,
                       kist_memfs_stream **stream)
{
    kist_memfs_stream *fresh = ki_calloc(1, sizeof(*fresh));
    ki_listing paths = {0};
    kist_buf path = {0};
    ki_path straight = {0};
    size_t count = 0;
    ki_node *top;
    kist_status status = fresh == NULL ? no_memory() : KIST_OK;

    *stream = NULL;
    if (status == KIST_OK) {
        status = ki_path_init(&straight, prefix);
    }
    if (status != KIST_OK) {
        ki_free(fresh);
        return status;
    }
    ki_brlock_read(&fs->lock);
    top = ki_tree_find(fs, &straight).node;
    for (ki_node *at = top; at != NULL && status == KIST_OK;
         at = ki_node_after(at, top)) {
        if (is_wanted(at, dirty)) {
            status = stream_add(fresh, at, &count, &path, &paths);
        }
    }
    ki_brlock_unread(&fs->lock);
    kist_buf_fini(&path);
    ki_path_fini(&straight);
    if (status == KIST_OK) {
        status = ki_listing_take(&paths, 0, &fresh->paths);
    }
    ki_listing_fini(&paths);
    if (status != KIST_OK) {
        while (count > 0) {
            ki_fs_forget(fresh->nodes[--count]);
        }
        ki_free(fresh->nodes);
        ki_free(fresh);
        return status;
    }
    fresh->fs = fs;
    ki_fs_ref(fs);
    *stream = fresh;
    return KIST_OK;
}

/* The file whose turn it is, if it is still in the tree. */
static kist_status
lend_next(kist_memfs_stream *stream, int64_t timeout_ms, kist_loan *loan)
{
    kist_memfs *fs = stream->fs;
    ki_node *node = stream->nodes[stream->next];
    kist_status status = KIST_ERR_NOTFOUND;

    ki_brlock_read(&fs->lock);
    if (node->parent != NULL) {
        status = lend_all(ki_node_file(node), loan, NULL);
    }
    ki_brlock_unread(&fs->lock);
    return status == KIST_ERR_LOCKED
               ? lend_later(fs, node, ki_fs_deadline(fs, timeout_ms), loan,
                            NULL)
               : status;
}

kist_status
kist_memfs_stream_next(kist_memfs_stream *stream, int64_t timeout_ms,
                       kist_slice *path, kist_loan *loan)
{
    *path = kist_bytes(NULL, 0);
    *loan = (kist_loan){0};
    while (stream->next < stream->paths->count) {
        const kist_status status = lend_next(stream, timeout_ms, loan);

        *path = stream->paths->names[stream->next];
        stream->next += status == KIST_OK || status == KIST_ERR_NOTFOUND;
        if (status != KIST_ERR_NOTFOUND) {
            return status;
        }
    }
    *path = kist_bytes(NULL, 0);
    return KIST_END;
}

void
kist_memfs_stream_close(kist_memfs_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    for (size_t index = 0; index < stream->paths->count; index++) {
        ki_fs_forget(stream->nodes[index]);
    }
    kist_memfs_names_free(stream->paths);
    ki_free(stream->nodes);
    ki_fs_drop(stream->fs);
    ki_free(stream);
}
