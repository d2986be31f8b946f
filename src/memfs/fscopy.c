#include "memfs/fscopy.h"

#include "base/alloc.h"
#include "base/fail.h"

/* --- what is below a directory ------------------------------------------- */

/* Puts a copy of the node below `dir`; its quota is counted already. */
static kist_status
copy_node(kist_memfs *fs, ki_node *from, kist_slice name, ki_dir *dir,
          ki_likeness like, int64_t now_ns, ki_made *made, ki_node **to)
{
    const bool is_random =
        like == KI_COPY_EQUAL
            ? from->is_random
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
    if (like == KI_COPY_EQUAL) {
        (*to)->created_ns = from->created_ns;
        (*to)->modified_ns = from->modified_ns;
    }
    if (from->is_dir) {
        return KIST_OK;
    }
    if (like == KI_COPY_FRESH) {
        ki_latch_take(&source->latch);
    }
    status = ki_content_share(&source->content, &target->content);
    if (status == KIST_OK) {
        const uint64_t size = source->content.size;

        target->generation = like == KI_COPY_EQUAL ? source->generation : 0;
        target->chunks = like == KI_COPY_EQUAL ? source->chunks
                                               : ki_fs_fresh_chunks(fs, size);
        ki_fs_add(&fs->chunks, target->chunks);
    }
    if (like == KI_COPY_FRESH) {
        ki_latch_drop(&source->latch);
    }
    return status;
}

kist_status
ki_copy_below(kist_memfs *fs, ki_dir *from, ki_dir *to, ki_likeness like,
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

/* --- a file or a tree ---------------------------------------------------- */

typedef struct job {
    kist_memfs *fs;
    ki_path from;
    ki_path to;
    bool is_tree;   // a directory with all below it; else a file
    bool is_asking; // only look, and say what the copies would count
    uint64_t usage; // what they count
    ki_node
        *written; // somebody writes to it, so nothing was done; a reference
    ki_garbage garbage;
} job;

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

/* What copies of all files from `top` on count, or the first that somebody
 * writes to. */
static void
measure(job *of, ki_node *top)
{
    kist_memfs *fs = of->fs;

    of->usage = 0;
    of->written = NULL;
    for (ki_node *at = top; at != NULL; at = ki_node_after(at, top)) {
        ki_file *file = ki_node_file(at);
        uint64_t size;

        if (at->is_dir) {
            continue;
        }
        if (ki_fs_is_written(file)) {
            ki_node_ref(at);
            of->written = at;
            return;
        }
        ki_latch_take(&file->latch);
        size = file->content.size;
        ki_latch_drop(&file->latch);
        of->usage += ki_fs_usage_of(fs, size, ki_fs_fresh_chunks(fs, size));
    }
}

/*
 * The copy grows beside the tree, below a directory that is in none, and is
 * hung in when it is whole: so it may go into what it is a copy of.
 */
static kist_status
grow_copy(job *of, ki_node *source, const ki_spot *target, int64_t now_ns)
{
    kist_memfs *fs = of->fs;
    ki_made made = {0};
    ki_dir *aside = ki_dir_new(kist_bytes(NULL, 0), now_ns);
    ki_node *top = NULL;
    kist_status status =
        aside == NULL ? KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "copy")
                      : copy_node(fs, source, target->name, aside,
                                  KI_COPY_FRESH, now_ns, &made, &top);

    if (status == KIST_OK && source->is_dir) {
        status = ki_copy_below(fs, ki_node_dir(source), ki_node_dir(top),
                               KI_COPY_FRESH, now_ns, &made);
    }
    if (status == KIST_OK) {
        ki_names_unlink(&fs->names, top);
        ki_names_link(&fs->names, target->parent, top);
        target->parent->version = ki_tree_version();
        ki_made_keep(&made, now_ns);
        if (!of->is_tree) {
            // The one file was written, and the many were put there.
            ki_node_file(top)->generation =
                ki_node_file(top)->content.size > 0;
        }
    }
    else {
        ki_made_undo(fs, &made, &of->garbage);
    }
    if (aside != NULL) {
        ki_node_drop(&aside->node, &of->garbage);
    }
    return status;
}

/* Copies if nothing is in the way; the lock is held. */
static kist_status
try_copy(job *of, int64_t now_ns)
{
    kist_memfs *fs = of->fs;
    ki_node *source = ki_tree_find(fs, &of->from).node;
    const ki_spot target = ki_tree_find(fs, &of->to);
    ki_quota_step step = {0};
    kist_status status;

    if (source == NULL) {
        return KIST_ERR_NOTFOUND;
    }
    if (of->is_tree != (source->is_dir != 0)) {
        return KI_FAIL(of->is_tree ? KIST_ERR_NOTDIR : KIST_ERR_ISDIR, NULL,
                       KI_NO_OFFSET, "copy");
    }
    status = check_target(&target);
    if (status != KIST_OK) {
        return status;
    }
    measure(of, source);
    if (of->written != NULL) {
        return KIST_OK;
    }
    step.more = of->usage;
    if (!of->is_tree) {
        status = ki_tree_allows(fs, 1); // for a file, asked before the quota
    }
    if (status != KIST_OK || of->is_asking) {
        return status == KIST_OK ? ki_quota_check(&fs->quota, &step) : status;
    }
    status = ki_quota_begin(&fs->quota, &step);
    if (status == KIST_OK) {
        status = grow_copy(of, source, &target, now_ns);
        if (status != KIST_OK) {
            ki_quota_undo(&fs->quota, &step);
        }
    }
    return status;
}

/* Tries until nobody writes to what is to be copied. */
static kist_status
run(job *of, int64_t timeout_ms)
{
    kist_memfs *fs = of->fs;
    const uint64_t deadline = ki_fs_deadline(fs, timeout_ms);
    ki_file *held = NULL;
    bool done = false;
    kist_status status = KIST_OK;

    of->is_asking = fs->options.guard == KIST_GUARD_PER_WRITE;
    while (status == KIST_OK && !done) {
        const int64_t now_ns = ki_fs_now(fs);

        of->written = NULL;
        ki_brlock_write(&fs->lock);
        status = try_copy(of, now_ns);
        ki_brlock_unwrite(&fs->lock);
        ki_garbage_empty(&of->garbage);
        if (status == KIST_OK && of->written != NULL) {
            status = ki_fs_turn(fs, of->written, deadline, &held);
        }
        else if (status == KIST_OK && of->is_asking) {
            of->is_asking = false;
            status = ki_fs_guard(fs, of->usage);
        }
        else {
            done = true;
        }
    }
    ki_fs_end_turn(held);
    return status;
}

static kist_status
copy(kist_memfs *fs, kist_slice from, kist_slice to, bool is_tree,
     int64_t timeout_ms)
{
    job of = {.fs = fs, .is_tree = is_tree};
    kist_status status = ki_path_init(&of.from, from);

    if (status == KIST_OK) {
        status = ki_path_init(&of.to, to);
    }
    if (status == KIST_OK) {
        status = run(&of, timeout_ms);
    }
    ki_path_fini(&of.from);
    ki_path_fini(&of.to);
    return status;
}

kist_status
kist_memfs_copy(kist_memfs *fs, kist_slice from, kist_slice to,
                int64_t timeout_ms)
{
    return copy(fs, from, to, false, timeout_ms);
}

kist_status
kist_memfs_copy_tree(kist_memfs *fs, kist_slice from, kist_slice to,
                     int64_t timeout_ms)
{
    return copy(fs, from, to, true, timeout_ms);
}
