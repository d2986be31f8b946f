/*
 * All of a file system in another: a clone, and back again.
 */
#include "base/fail.h"
#include "memfs/fscopy.h"

/*
 * One moment for files that are written to, too: we take the latches of all.
 * Nobody else takes more than one, nor waits for anything while he has it.
 */
static void
latch_all(kist_memfs *fs, bool take)
{
    ki_node *top = &fs->root->node;

    for (ki_node *at = top; at != NULL; at = ki_node_after(at, top)) {
        if (at->is_dir) {
            continue;
        }
        if (take) {
            ki_latch_take(&ki_node_file(at)->latch);
        }
        else {
            ki_latch_drop(&ki_node_file(at)->latch);
        }
    }
}

/* What all files count under these options; more than any quota if that is too
 * large a number. */
static uint64_t
count_usage(const kist_memfs *fs)
{
    ki_node *top = &fs->root->node;
    uint64_t usage = 0;

    for (ki_node *at = top; at != NULL; at = ki_node_after(at, top)) {
        const ki_file *file = ki_node_file(at);

        if (at->is_dir) {
            continue;
        }
        if (file->chunks > 0 &&
            fs->options.chunk_overhead > (uint64_t)INT64_MAX / file->chunks) {
            return UINT64_MAX;
        }
        usage += ki_fs_usage(fs, file);
        if (usage > INT64_MAX) {
            return UINT64_MAX;
        }
    }
    return usage;
}

kist_status
kist_memfs_clone(kist_memfs *fs, kist_memfs **clone)
{
    kist_memfs_options options = fs->options;
    kist_memfs *fresh = NULL;
    kist_status status;

    *clone = NULL;
    options.guard = KIST_GUARD_NONE; // it was asked when fs was made
    status = kist_memfs_new(&options, &fresh);
    if (status != KIST_OK) {
        return status;
    }
    fresh->options.guard = fs->options.guard;
    ki_brlock_write(&fs->lock);
    latch_all(fs, true);
    fresh->root->node.created_ns = fs->root->node.created_ns;
    fresh->root->node.modified_ns = fs->root->node.modified_ns;
    status =
        ki_copy_below(fresh, fs->root, fresh->root, KI_COPY_EQUAL, 0, NULL);
    latch_all(fs, false);
    ki_brlock_unwrite(&fs->lock);
    atomic_init(&fresh->quota.used, count_usage(fresh));
    if (status != KIST_OK) {
        kist_memfs_free(fresh);
        return status;
    }
    *clone = fresh;
    return KIST_OK;
}

static void
swap_counters(_Atomic uint64_t *left, _Atomic uint64_t *right)
{
    const uint64_t kept = ki_fs_count(left);

    atomic_store_explicit(left, ki_fs_count(right), memory_order_relaxed);
    atomic_store_explicit(right, kept, memory_order_relaxed);
}

/* `with` is nobody else's; the lock of fs is held, and no file is open. */
static void
swap_trees(kist_memfs *fs, kist_memfs *with)
{
    const ki_names names = fs->names;
    ki_dir *root = fs->root;

    fs->names = with->names;
    fs->names.changes += names.changes + 1; // never the same again
    with->names = names;
    fs->root = with->root;
    with->root = root;
    swap_counters(&fs->files, &with->files);
    swap_counters(&fs->dirs, &with->dirs);
    swap_counters(&fs->chunks, &with->chunks);
}

/* What `other` holds comes, what fs holds goes, in one step: an import may
 * have some of the quota already.  The lock of fs is held. */
static kist_status
exchange(kist_memfs *fs, kist_memfs *other)
{
    const uint64_t nodes =
        ki_fs_count(&other->files) + ki_fs_count(&other->dirs);
    const ki_node *open = ki_tree_find_open(&fs->root->node);
    ki_quota_step step = {0};
    kist_status status;

    if (open != NULL) {
        return ki_tree_fail_open(open);
    }
    if (nodes > fs->options.nodes_max) {
        return KI_FAIL_LIMIT(KIST_ERR_NODES, nodes - 1, fs->options.nodes_max,
                             "restore");
    }
    step.more = count_usage(other);
    step.less = count_usage(fs);
    status = ki_quota_begin(&fs->quota, &step);
    if (status == KIST_OK) {
        swap_trees(fs, other);
        ki_quota_done(&fs->quota, &step);
        atomic_store(&other->quota.used, step.less);
    }
    return status;
}

kist_status
kist_memfs_restore(kist_memfs *fs, kist_memfs *from)
{
    ki_garbage garbage = {0};
    ki_node *chain = NULL;
    kist_memfs *other;
    kist_status status = kist_memfs_clone(from, &other);

    if (status != KIST_OK) {
        return status;
    }
    other->options = fs->options; // it is to count as fs does
    ki_brlock_write(&fs->lock);
    status = exchange(fs, other);
    // Walks and streams of fs must find that the old nodes have left.
    while (status == KIST_OK && other->root->first != NULL) {
        chain = ki_tree_take_out(other, other->root->first, chain);
    }
    ki_brlock_unwrite(&fs->lock);
    ki_tree_bury(chain, &garbage);
    kist_memfs_free(other);
    ki_garbage_empty(&garbage);
    return status;
}
