/*
 * Opening: find or make the node and enter its turnstile, all under the lock;
 * wait, if one must, with nothing held; then empty the file and preallocate.
 */
#include "base/alloc.h"
#include "base/fail.h"
#include "memfs/memfile.h"
#include "memfs/tree.h"

/* An opening that waits in the queue; the callback needs a place of its own.
 * The holder and whoever admits it have one reference each. */
struct kist_ticket {
    kist_memfile *file;
    uint64_t preallocate;
    ki_waiter waiter;
    void (*wake)(void *context);
    void *context;
    _Atomic uint32_t refs;
};

static kist_status
check_mode(kist_memfs_mode mode)
{
    return (int)mode < KIST_MODE_RB || mode > KIST_MODE_XB
               ? KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "mode")
               : KIST_OK;
}

/* What the tree says to opening what is at *spot; OK: it is there. */
static kist_status
judge(const ki_spot *spot, kist_memfs_mode mode)
{
    if (spot->node != NULL) {
        if (spot->node->is_dir) {
            return KI_FAIL(KIST_ERR_ISDIR, NULL, KI_NO_OFFSET, "open");
        }
        return mode == KIST_MODE_XB
                   ? KI_FAIL(KIST_ERR_EXISTS, NULL, KI_NO_OFFSET, "open")
                   : KIST_OK;
    }
    if (mode == KIST_MODE_RB || mode == KIST_MODE_RPB) {
        return KIST_ERR_NOTFOUND;
    }
    return spot->parent != NULL
               ? KIST_ERR_NOTFOUND
               : KI_FAIL(KIST_ERR_NOPARENT, NULL, KI_NO_OFFSET, "open");
}

/* Puts a new file at *spot, for writing.  The lock is held for writing. */
static kist_status
make_file(kist_memfs *fs, const ki_spot *spot, int64_t now_ns, ki_file **file)
{
    kist_status status;

    *file = ki_file_new(
        spot->name, fs->options.storage == KIST_MEMFS_RANDOM_ACCESS, now_ns);
    status = ki_tree_add(fs, spot->parent, (ki_node *)*file, NULL);
    if (status == KIST_OK) {
        ki_tree_touch(spot->parent, now_ns);
    }
    return status;
}

typedef struct entry {
    kist_memfile *file;
    ki_waiter *waiter; // joins the queue; NULL: never
    bool made;         // the file is new
    bool inside;       // false: it waits
} entry;

/* Enters what was found, or queues; the lock is held. */
static void
enter(entry *into, ki_node *node)
{
    const bool exclusive = ki_mode_writes((kist_memfs_mode)into->file->mode);

    into->file->file = ki_node_file(node);
    ki_node_ref(node);
    into->inside =
        ki_fs_enter_or_queue(into->file->file, exclusive, into->waiter);
}

/* The same for a path where nothing was when there had been `changes`. */
static kist_status
make_and_enter(kist_memfs *fs, const ki_path *path, ki_spot spot,
               uint64_t changes, entry *into)
{
    const int64_t now_ns = ki_fs_now(fs);
    kist_status status = KIST_ERR_NOTFOUND;

    ki_brlock_write(&fs->lock);
    if (fs->names.changes != changes) {
        // Another may have been faster.
        spot = ki_tree_find(fs, path);
        status = judge(&spot, (kist_memfs_mode)into->file->mode);
    }
    if (status == KIST_ERR_NOTFOUND) {
        ki_file *file = NULL;

        status = make_file(fs, &spot, now_ns, &file);
        spot.node = (ki_node *)file;
        into->made = true;
    }
    if (status == KIST_OK) {
        enter(into, spot.node);
    }
    ki_brlock_unwrite(&fs->lock);
    return status;
}

/* Enters what is at the path, or queues; makes it if the mode says so. */
static kist_status
enter_path(kist_memfs *fs, const ki_path *path, entry *into)
{
    const kist_memfs_mode mode = (kist_memfs_mode)into->file->mode;
    uint64_t changes;
    kist_status status;
    ki_spot spot;

    ki_brlock_read(&fs->lock);
    changes = fs->names.changes;
    spot = ki_tree_find(fs, path);
    status = judge(&spot, mode);
    if (status == KIST_OK) {
        enter(into, spot.node);
    }
    ki_brlock_unread(&fs->lock);
    if (status == KIST_ERR_NOTFOUND && mode != KIST_MODE_RB &&
        mode != KIST_MODE_RPB) {
        status = make_and_enter(fs, path, spot, changes, into);
    }
    return status;
}

/* The opened file's memory; not in any file yet. */
static kist_status
new_memfile(kist_memfs *fs, kist_memfs_mode mode, kist_memfile **file)
{
    kist_memfile *fresh = ki_realloc(NULL, sizeof(*fresh));

    *file = fresh;
    if (fresh == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "open file");
    }
    *fresh = (kist_memfile){.fs = fs, .mode = (uint8_t)mode};
    ki_fs_ref(fs);
    return KIST_OK;
}

/* Frees one that is in no turnstile. */
static void
free_memfile(kist_memfile *file)
{
    if (file->file != NULL) {
        ki_fs_forget(&file->file->node);
    }
    ki_fs_drop(file->fs);
    ki_free(file);
}

/* The last step of every opening; the file is entered.  Frees it on failure.
 */
static kist_status
finish(kist_memfile *file, bool made, uint64_t preallocate)
{
    kist_status status = KIST_OK;

    if (file->mode == KIST_MODE_WB && !made) {
        ki_memfile_empty(file);
    }
    else if (file->mode == KIST_MODE_AB) {
        ki_latch_take(&file->file->latch);
        file->position = file->file->content.size;
        ki_latch_drop(&file->file->latch);
    }
    if (preallocate > 0) {
        status = ki_memfile_preallocate(file, preallocate);
        if (status != KIST_OK) {
            kist_memfile_free(file);
        }
    }
    return status;
}

kist_status
kist_memfs_open(kist_memfs *fs, kist_slice path, kist_memfs_mode mode,
                const kist_memfs_open_options *options, kist_memfile **file)
{
    const int64_t timeout_ms =
        options != NULL ? options->timeout_ms : KIST_WAIT_DEFAULT;
    ki_waiter waiter = {0};
    entry into = {0};
    ki_path straight = {0};
    kist_status status = check_mode(mode);

    *file = NULL;
    if (status == KIST_OK) {
        status = ki_path_init(&straight, path);
    }
    if (status != KIST_OK) {
        return status;
    }
    status = new_memfile(fs, mode, &into.file);
    if (status == KIST_OK) {
        into.waiter = timeout_ms == 0 ? NULL : &waiter;
        status = enter_path(fs, &straight, &into);
        if (status == KIST_OK && !into.inside) {
            status = into.waiter == NULL
                         ? KI_FAIL(KIST_ERR_LOCKED, NULL, KI_NO_OFFSET, "open")
                         : ki_fs_await(into.file->file, &waiter,
                                       ki_fs_deadline(fs, timeout_ms));
        }
        if (status != KIST_OK) {
            free_memfile(into.file);
        }
    }
    ki_path_fini(&straight);
    if (status == KIST_OK) {
        status = finish(into.file, into.made,
                        options != NULL ? options->preallocate : 0);
    }
    if (status == KIST_OK) {
        *file = into.file;
    }
    return status;
}

/* --- opening later ------------------------------------------------------- */

static void
drop_ticket(kist_ticket *ticket)
{
    if (atomic_fetch_sub_explicit(&ticket->refs, 1, memory_order_acq_rel) ==
        1) {
        ki_free(ticket);
    }
}

static void
wake_ticket(void *context)
{
    kist_ticket *ticket = context;

    ticket->wake(ticket->context);
    drop_ticket(ticket);
}

kist_status
kist_memfs_open_later(kist_memfs *fs, kist_slice path, kist_memfs_mode mode,
                      const kist_memfs_open_options *options,
                      void (*wake)(void *context), void *context,
                      kist_memfile **file, kist_ticket **ticket)
{
    kist_ticket *fresh;
    entry into = {0};
    ki_path straight = {0};
    kist_status status = check_mode(mode);

    *file = NULL;
    *ticket = NULL;
    if (status == KIST_OK) {
        status = ki_path_init(&straight, path);
    }
    if (status != KIST_OK) {
        return status;
    }
    fresh = ki_calloc(1, sizeof(*fresh));
    if (fresh == NULL) {
        status = KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "ticket");
        goto out;
    }
    status = new_memfile(fs, mode, &into.file);
    if (status != KIST_OK) {
        ki_free(fresh);
        goto out;
    }
    *fresh = (kist_ticket){
        .file = into.file,
        .preallocate = options != NULL ? options->preallocate : 0,
        .waiter = {.wake = wake_ticket, .context = fresh},
        .wake = wake,
        .context = context,
    };
    atomic_init(&fresh->refs, 2);
    into.waiter = &fresh->waiter;
    status = enter_path(fs, &straight, &into);
    if (status == KIST_OK && !into.inside) {
        *ticket = fresh;
        goto out;
    }
    if (status != KIST_OK) {
        free_memfile(into.file);
    }
    else {
        status = finish(into.file, into.made, fresh->preallocate);
        *file = status == KIST_OK ? into.file : NULL;
    }
    ki_free(fresh);
out:
    ki_path_fini(&straight);
    return status;
}

kist_status
kist_ticket_take(kist_ticket *ticket, kist_memfile **file)
{
    kist_status status;

    *file = NULL;
    if (atomic_load_explicit(&ticket->waiter.state, memory_order_acquire) ==
        0) {
        return KI_FAIL(KIST_ERR_LOCKED, NULL, KI_NO_OFFSET, "open");
    }
    status = finish(ticket->file, false, ticket->preallocate);
    if (status == KIST_OK) {
        *file = ticket->file;
    }
    drop_ticket(ticket);
    return status;
}

void
kist_ticket_cancel(kist_ticket *ticket)
{
    ki_admitted admitted = {0};
    ki_file *file;
    bool left;

    if (ticket == NULL) {
        return;
    }
    file = ticket->file->file;
    ki_latch_take(&file->latch);
    left = ki_turnstile_give_up(&file->turnstile, &ticket->waiter, &admitted);
    ki_latch_drop(&file->latch);
    ki_admitted_tell(&admitted);
    if (left) {
        free_memfile(ticket->file);
        wake_ticket(ticket);
    }
    else {
        kist_memfile_free(ticket->file);
    }
    drop_ticket(ticket);
}
