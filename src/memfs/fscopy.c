/*
 * Copies: of a file, of a tree, of all of it.  They share their bytes with
 * what they were copied from, until one of the two is written.
 */
#include "base/alloc.h"
#include "base/fail.h"
#include "memfs/tree.h"

/* --- one file ------------------------------------------------------------ */

/* What stands in the way of a new file or directory there. */
static kist_status
check_target(const ki_spot *target)
{
    if (target->node != NULL) {
        return KI_FAIL(KIST_ERR_EXISTS, NULL, KI_NO_OFFSET, "destination");
    }
    return target->parent != NULL
               ? KIST_OK
               : KI_FAIL(KIST_ERR_NOPARENT, NULL, KI_NO_OFFSET, "destination");
}

/* Puts a copy of a file that nobody writes to at *target; the lock is held. */
static kist_status
copy_file(kist_memfs *fs, ki_file *from, const ki_spot *target, int64_t now_ns,
          ki_garbage *garbage)
{
    const bool is_random = fs->options.storage == KIST_MEMFS_RANDOM_ACCESS;
    const uint64_t size = from->content.size;
    const uint64_t chunks = ki_fs_fresh_chunks(fs, size);
    const ki_quota_step step = {.more = ki_fs_usage_of(fs, size, chunks)};
    ki_content shared = {0};
    ki_file *to;
    kist_status status = ki_tree_allows(fs, 1);

    if (status == KIST_OK) {
        status = ki_quota_begin(&fs->quota, &step);
    }
    if (status != KIST_OK) {
        return status;
    }
    ki_latch_take(&from->latch);
    status = ki_content_share(&from->content, &shared);
    ki_latch_drop(&from->latch);
    if (status == KIST_OK) {
        to = ki_file_new(target->name, is_random, now_ns);
        status = ki_tree_add(fs, target->parent, (ki_node *)to, NULL);
    }
    if (status != KIST_OK) {
        ki_content_clear(&shared, garbage);
        ki_quota_undo(&fs->quota, &step);
        return status;
    }
    to->content = shared;
    to->chunks = chunks;
    to->generation = size > 0;
    ki_fs_add(&fs->chunks, chunks);
    ki_tree_touch(target->parent, now_ns);
    return KIST_OK;
}

/* Copies if nothing is in the way; the lock is held.  With *written set, a
 * reference, nothing was done. */
static kist_status
copy_path(kist_memfs *fs, const ki_path *from, const ki_path *to,
          int64_t now_ns, ki_node **written, ki_garbage *garbage)
{
    ki_node *source = ki_tree_find(fs, from).node;
    const ki_spot target = ki_tree_find(fs, to);
    kist_status status;

    *written = NULL;
    if (source == NULL) {
        return KIST_ERR_NOTFOUND;
    }
    if (source->is_dir) {
        return KI_FAIL(KIST_ERR_ISDIR, NULL, KI_NO_OFFSET, "copy");
    }
    status = check_target(&target);
    if (status != KIST_OK) {
        return status;
    }
    if (ki_fs_is_written(ki_node_file(source))) {
        ki_node_ref(source);
        *written = source;
        return KIST_OK;
    }
    return copy_file(fs, ki_node_file(source), &target, now_ns, garbage);
}

/* Asks the guard about a copy of what is at the path now. */
static kist_status
guard_copy(kist_memfs *fs, kist_slice from)
{
    kist_memfs_stat stat = {0};

    if (fs->options.guard != KIST_GUARD_PER_WRITE ||
        kist_memfs_stat_path(fs, from, &stat) != KIST_OK) {
        return KIST_OK; // what is wrong is told by the copy
    }
    return ki_fs_guard(
        fs, ki_fs_usage_of(fs, stat.size, ki_fs_fresh_chunks(fs, stat.size)));
}

/* Both of them know: with *written set nothing was done. */
typedef kist_status copier(kist_memfs *fs, const ki_path *from,
                           const ki_path *to, int64_t now_ns,
                           ki_node **written, ki_garbage *garbage);

/* Tries until nobody writes to what is to be copied. */
static kist_status
copy_by(copier *copy, kist_memfs *fs, kist_slice from, kist_slice to,
        int64_t timeout_ms)
{
    const uint64_t deadline = ki_fs_deadline(fs, timeout_ms);
    ki_garbage garbage = {0};
    ki_path source = {0};
    ki_path target = {0};
    ki_node *written = NULL;
    ki_file *held = NULL;
    kist_status status = ki_path_init(&source, from);

    if (status == KIST_OK) {
        status = ki_path_init(&target, to);
    }
    while (status == KIST_OK) {
        const int64_t now_ns = ki_fs_now(fs);

        ki_brlock_write(&fs->lock);
        status = copy(fs, &source, &target, now_ns, &written, &garbage);
        ki_brlock_unwrite(&fs->lock);
        ki_garbage_empty(&garbage);
        if (status != KIST_OK || written == NULL) {
            break;
        }
        status = ki_fs_turn(fs, written, deadline, &held);
    }
    if (held != NULL) {
        ki_fs_let_go(held);
    }
    ki_path_fini(&source);
    ki_path_fini(&target);
    return status;
}

kist_status
kist_memfs_copy(kist_memfs *fs, kist_slice from, kist_slice to,
                int64_t timeout_ms)
{
    const kist_status status = guard_copy(fs, from);

    return status == KIST_OK ? copy_by(copy_path, fs, from, to, timeout_ms)
                             : status;
}

/* --- what is below a directory ------------------------------------------- */

/* How the copies relate to what they are of. */
typedef enum likeness {
    FRESH, // as if they had just been written
    EQUAL  // the same in every way; the caller holds the files' latches
} likeness;

/* Puts a copy of the node below `dir`; its quota is counted already. */
static kist_status
copy_node(kist_memfs *fs, ki_node *from, kist_slice name, ki_dir *dir,
          likeness like, int64_t now_ns, ki_made *made, ki_node **to)
{
    const bool is_random =
        like == EQUAL ? from->is_random
                      : fs->options.storage == KIST_MEMFS_RANDOM_ACCESS;
    ki_file *source = ki_node_file(from);
    ki_file *target;
    kist_status status;

    *to = from->is_dir ? (ki_node *)ki_dir_new(name, now_ns)
                       : (ki_node *)ki_file_new(name, is_random, now_ns);
    target = ki_node_file(*to);
    status = ki_tree_add(fs, dir, *to, made);
    if (status != KIST_OK) {
        return status;
    }
    if (like == EQUAL) {
        (*to)->created_ns = from->created_ns;
        (*to)->modified_ns = from->modified_ns;
    }
    if (from->is_dir) {
        return KIST_OK;
    }
    if (like == FRESH) {
        ki_latch_take(&source->latch);
    }
    status = ki_content_share(&source->content, &target->content);
    if (status == KIST_OK) {
        const uint64_t size = source->content.size;

        target->generation = like == EQUAL ? source->generation : 0;
        target->chunks =
            like == EQUAL ? source->chunks : ki_fs_fresh_chunks(fs, size);
        ki_fs_add(&fs->chunks, target->chunks);
    }
    if (like == FRESH) {
        ki_latch_drop(&source->latch);
    }
    return status;
}

/*
 * Copies everything below `from` to below `to`, which is in no tree that
 * `from` is in.  The lock of the tree of `from` is held.
 */
static kist_status
copy_below(kist_memfs *fs, ki_dir *from, ki_dir *to, likeness like,
           int64_t now_ns, ki_made *made)
{
    ki_node *top = &from->node;
    ki_node *at = from->first;
    ki_dir *dir = to;

    while (at != NULL) {
        ki_node *copy;
        const kist_status status = copy_node(fs, at, ki_node_name(at), dir,
                                             like, now_ns, made, &copy);

        if (status != KIST_OK) {
            return status;
        }
        if (at->is_dir && ki_node_dir(at)->first != NULL) {
            at = ki_node_dir(at)->first;
            dir = ki_node_dir(copy);
            continue;
        }
        while (at != top && at->next == NULL) {
            at = &at->parent->node;
            dir = dir->node.parent;
        }
        at = at == top ? NULL : at->next;
    }
    return KIST_OK;
}

/* --- a tree -------------------------------------------------------------- */

/* What copies of all files below `top` would count; *written is a reference
 * to the first that somebody writes to. */
static uint64_t
measure(const kist_memfs *fs, ki_node *top, ki_node **written)
{
    uint64_t usage = 0;

    *written = NULL;
    for (ki_node *at = top; at != NULL; at = ki_node_after(at, top)) {
        ki_file *file = ki_node_file(at);
        uint64_t size;

        if (at->is_dir) {
            continue;
        }
        if (ki_fs_is_written(file)) {
            ki_node_ref(at);
            *written = at;
            return 0;
        }
        ki_latch_take(&file->latch);
        size = file->content.size;
        ki_latch_drop(&file->latch);
        usage += ki_fs_usage_of(fs, size, ki_fs_fresh_chunks(fs, size));
    }
    return usage;
}

/*
 * The copy grows beside the tree, below a directory that is in none, and is
 * hung in when it is whole: so it may go into what it is a copy of.
 */
static kist_status
grow_copy(kist_memfs *fs, ki_node *source, const ki_spot *target,
          int64_t now_ns, ki_garbage *garbage)
{
    ki_made made = {0};
    ki_dir *aside = ki_dir_new(kist_bytes(NULL, 0), now_ns);
    ki_node *top = NULL;
    kist_status status =
        aside == NULL ? KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "copy")
                      : copy_node(fs, source, target->name, aside, FRESH,
                                  now_ns, &made, &top);

    if (status == KIST_OK) {
        status = copy_below(fs, ki_node_dir(source), ki_node_dir(top), FRESH,
                            now_ns, &made);
    }
    if (status == KIST_OK) {
        ki_names_unlink(&fs->names, top);
        ki_names_link(&fs->names, target->parent, top);
        target->parent->version = ki_tree_version();
        ki_made_keep(&made, now_ns);
    }
    else {
        ki_made_undo(fs, &made, garbage);
    }
    if (aside != NULL) {
        ki_node_drop(&aside->node, garbage);
    }
    return status;
}

/* The lock is held.  With *written set nothing was done. */
static kist_status
copy_tree(kist_memfs *fs, const ki_path *from, const ki_path *to,
          int64_t now_ns, ki_node **written, ki_garbage *garbage)
{
    ki_node *source = ki_tree_find(fs, from).node;
    const ki_spot target = ki_tree_find(fs, to);
    ki_quota_step step = {0};
    kist_status status;

    *written = NULL;
    if (source == NULL) {
        return KIST_ERR_NOTFOUND;
    }
    if (!source->is_dir) {
        return KI_FAIL(KIST_ERR_NOTDIR, NULL, KI_NO_OFFSET, "copy");
    }
    status = check_target(&target);
    if (status != KIST_OK) {
        return status;
    }
    step.more = measure(fs, source, written);
    if (*written != NULL) {
        return KIST_OK;
    }
    status = ki_quota_begin(&fs->quota, &step);
    if (status == KIST_OK) {
        status = grow_copy(fs, source, &target, now_ns, garbage);
        if (status != KIST_OK) {
            ki_quota_undo(&fs->quota, &step);
        }
    }
    return status;
}

kist_status
kist_memfs_copy_tree(kist_memfs *fs, kist_slice from, kist_slice to,
                     int64_t timeout_ms)
{
    return copy_by(copy_tree, fs, from, to, timeout_ms);
}

/* --- all of it ----------------------------------------------------------- */

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

/* What all files count under these options. */
static uint64_t
count_usage(const kist_memfs *fs)
{
    ki_node *top = &fs->root->node;
    uint64_t usage = 0;

    for (ki_node *at = top; at != NULL; at = ki_node_after(at, top)) {
        if (!at->is_dir) {
            usage += ki_fs_usage(fs, ki_node_file(at));
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
    status = copy_below(fresh, fs->root, fresh->root, EQUAL, 0, NULL);
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
    swap_counters(&fs->quota.used, &with->quota.used);
}

kist_status
kist_memfs_restore(kist_memfs *fs, kist_memfs *from)
{
    const ki_node *open;
    ki_garbage garbage = {0};
    ki_node *chain = NULL;
    kist_memfs *other;
    uint64_t nodes;
    kist_status status = kist_memfs_clone(from, &other);

    if (status != KIST_OK) {
        return status;
    }
    // It is to count as fs does, and later what fs holds now.
    other->options = fs->options;
    atomic_store(&other->quota.used, count_usage(other));
    nodes = ki_fs_count(&other->files) + ki_fs_count(&other->dirs);
    ki_brlock_write(&fs->lock);
    open = ki_tree_find_open(&fs->root->node);
    if (open != NULL) {
        status = ki_tree_fail_open(open);
    }
    else if (ki_quota_used(&other->quota) > fs->quota.limit) {
        status = KI_FAIL_LIMIT(KIST_ERR_QUOTA, ki_quota_used(&other->quota),
                               fs->quota.limit, "restore");
    }
    else if (nodes > fs->options.nodes_max) {
        status = KI_FAIL_LIMIT(KIST_ERR_NODES, nodes - 1,
                               fs->options.nodes_max, "restore");
    }
    else {
        // Walks and streams of fs must find that the old nodes have left.
        swap_trees(fs, other);
        while (other->root->first != NULL) {
            chain = ki_tree_take_out(other, other->root->first, chain);
        }
    }
    ki_brlock_unwrite(&fs->lock);
    ki_tree_bury(chain, &garbage);
    kist_memfs_free(other);
    ki_garbage_empty(&garbage);
    return status;
}
