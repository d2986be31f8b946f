/*
 * The calls that change the tree alone: mkdir, remove, rmtree, rename, move.
 * Each is one stretch under the lock, checks first, and waits for nothing.
 */
#include "base/alloc.h"
#include "base/fail.h"
#include "memfs/tree.h"

kist_status
kist_memfs_mkdir(kist_memfs *fs, kist_slice path, bool exist_ok)
{
    const int64_t now_ns = ki_fs_now(fs);
    ki_garbage none = {0};
    ki_made made = {0};
    ki_path straight;
    kist_status status = ki_path_init(&straight, path);
    ki_spot spot;
    ki_dir *dir;

    if (status != KIST_OK) {
        return status;
    }
    ki_brlock_write(&fs->lock);
    spot = ki_tree_find(fs, &straight);
    if (spot.node != NULL) {
        if (!spot.node->is_dir) {
            status = KI_FAIL(KIST_ERR_EXISTS, NULL, KI_NO_OFFSET, "file");
        }
        else if (!exist_ok) {
            status = KI_FAIL(KIST_ERR_EXISTS, NULL, KI_NO_OFFSET, "directory");
        }
    }
    else {
        status = ki_tree_add_dirs(fs, &straight, straight.size, now_ns, &made,
                                  &dir);
    }
    if (status == KIST_OK) {
        ki_made_keep(&made, now_ns);
    }
    else {
        ki_made_undo(fs, &made, &none); // directories hold nothing
    }
    ki_brlock_unwrite(&fs->lock);
    ki_path_fini(&straight);
    return status;
}

/* Takes `node` out while the lock is held; *chain is to be buried without. */
static kist_status
take_out(kist_memfs *fs, ki_node *node, int64_t now_ns, ki_node **chain)
{
    const ki_node *open = ki_tree_find_open(node);

    if (open != NULL) {
        return ki_tree_fail_open(open);
    }
    ki_tree_touch(node->parent, now_ns);
    *chain = ki_tree_take_out(fs, node, NULL);
    return KIST_OK;
}

static kist_status
remove_node(kist_memfs *fs, kist_slice path, bool is_dir)
{
    const int64_t now_ns = ki_fs_now(fs);
    ki_garbage garbage = {0};
    ki_node *chain = NULL;
    ki_path straight;
    kist_status status = ki_path_init(&straight, path);
    ki_node *node;

    if (status != KIST_OK) {
        return status;
    }
    ki_brlock_write(&fs->lock);
    node = ki_tree_find(fs, &straight).node;
    if (node == NULL) {
        status = KIST_ERR_NOTFOUND;
    }
    else if (is_dir && node->parent == NULL) {
        status = KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "root");
    }
    else if (is_dir != (node->is_dir != 0)) {
        status = KI_PATH_FAIL(is_dir ? KIST_ERR_NOTDIR : KIST_ERR_ISDIR, path,
                              "remove");
    }
    else {
        status = take_out(fs, node, now_ns, &chain);
    }
    ki_brlock_unwrite(&fs->lock);
    ki_tree_bury(chain, &garbage);
    ki_garbage_empty(&garbage);
    ki_path_fini(&straight);
    return status;
}

kist_status
kist_memfs_remove(kist_memfs *fs, kist_slice path)
{
    return remove_node(fs, path, false);
}

kist_status
kist_memfs_rmtree(kist_memfs *fs, kist_slice path)
{
    return remove_node(fs, path, true);
}

/* --- rename and move ----------------------------------------------------- */

/* True if `dir` is `node` or below it. */
static bool
is_below(const ki_dir *dir, const ki_node *node)
{
    while (dir != NULL && &dir->node != node) {
        dir = dir->node.parent;
    }
    return dir != NULL;
}

static kist_status
check_move(kist_memfs *fs, const ki_path *from, const ki_path *to,
           bool parents, ki_spot *source, ki_spot *target)
{
    const ki_node *open;

    if (from->size == 0) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "root");
    }
    *source = ki_tree_find(fs, from);
    *target = ki_tree_find(fs, to);
    if (source->node == NULL) {
        return KIST_ERR_NOTFOUND;
    }
    if (target->node != NULL) {
        return KI_FAIL(KIST_ERR_EXISTS, NULL, KI_NO_OFFSET, "destination");
    }
    if (target->parent == NULL && !parents) {
        return KI_FAIL(KIST_ERR_NOPARENT, NULL, KI_NO_OFFSET, "destination");
    }
    open = ki_tree_find_open(source->node);
    if (open != NULL) {
        return ki_tree_fail_open(open);
    }
    if (target->blocker.data != NULL) {
        return KI_PATH_FAIL(KIST_ERR_EXISTS, target->blocker,
                            "a file on the way");
    }
    if (is_below(target->last, source->node)) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "into itself");
    }
    return KIST_OK;
}

/* The name's memory is taken before anything has changed. */
static kist_status
relink(kist_memfs *fs, ki_node *node, ki_dir *dir, kist_slice name,
       int64_t now_ns)
{
    kist_status status = KIST_OK;

    if (name.size != node->name_size ||
        memcmp(name.data, node->name, name.size) != 0) {
        // The table finds a node by the hash that it keeps, not by its name.
        status = ki_node_rename(node, name);
    }
    if (status == KIST_OK) {
        ki_dir *before = node->parent;

        ki_names_unlink(&fs->names, node);
        ki_names_link(&fs->names, dir, node);
        before->version = ki_tree_version();
        dir->version = ki_tree_version();
        ki_tree_touch(before, now_ns);
        ki_tree_touch(dir, now_ns);
    }
    return status;
}

static kist_status
rename_node(kist_memfs *fs, kist_slice from, kist_slice to, bool parents)
{
    const int64_t now_ns = ki_fs_now(fs);
    ki_garbage none = {0};
    ki_made made = {0};
    ki_path source_path = {0};
    ki_path target_path = {0};
    ki_spot source = {0};
    ki_spot target = {0};
    kist_status status = ki_path_init(&source_path, from);

    if (status == KIST_OK) {
        status = ki_path_init(&target_path, to);
    }
    if (status != KIST_OK) {
        ki_path_fini(&source_path);
        return status;
    }
    ki_brlock_write(&fs->lock);
    status =
        check_move(fs, &source_path, &target_path, parents, &source, &target);
    if (status == KIST_OK) {
        size_t at = ki_path_parent_size(&target_path);

        status = ki_tree_add_dirs(fs, &target_path, at, now_ns, &made,
                                  &target.parent);
        if (status == KIST_OK) {
            at = at == 0 ? 0 : at + 1;
            status = relink(fs, source.node, target.parent,
                            ki_path_part(&target_path, &at), now_ns);
        }
    }
    if (status == KIST_OK) {
        ki_made_keep(&made, now_ns);
    }
    else {
        ki_made_undo(fs, &made, &none); // directories hold nothing
    }
    ki_brlock_unwrite(&fs->lock);
    ki_path_fini(&source_path);
    ki_path_fini(&target_path);
    return status;
}

kist_status
kist_memfs_rename(kist_memfs *fs, kist_slice from, kist_slice to)
{
    return rename_node(fs, from, to, false);
}

kist_status
kist_memfs_move(kist_memfs *fs, kist_slice from, kist_slice to)
{
    return rename_node(fs, from, to, true);
}
