/*
 * Import: all of many files, or none.  Each goes through three steps, under
 * the lock: its node is found or made (and noted, to be undone), its bytes
 * are put into a content of their own, and, once nothing can fail any more,
 * that content takes the place of what was there.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "memfs/tree.h"

typedef struct entry {
    const kist_memfs_item *item;
    ki_path path;
    size_t order;  // among the items
    bool shadowed; // an earlier entry stands for this path
    bool used;     // the item of the same number is what some file gets
    ki_file *old;  // what is replaced, or NULL
    ki_file *file; // what takes its place: in the tree, if there is no old
    ki_content content;
} entry;

typedef struct import {
    kist_memfs *fs;
    const kist_memfs_item *items;
    entry *entries; // one an item
    size_t count;
    int64_t now_ns;
    ki_made made;
    ki_quota_step step;
} import;

static kist_status
no_memory(void)
{
    return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "import");
}

static int
compare(const void *left, const void *right)
{
    const entry *a = *(const entry *const *)left;
    const entry *b = *(const entry *const *)right;
    const size_t size =
        a->path.size < b->path.size ? a->path.size : b->path.size;
    int order = size == 0 ? 0 : memcmp(a->path.text, b->path.text, size);

    if (order == 0) {
        order = (a->path.size > b->path.size) - (a->path.size < b->path.size);
    }
    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

/* Of several items for one path the first keeps its place, and the last says
 * what is in it. */
static kist_status
find_doubles(import *all)
{
    entry **sorted = ki_calloc(all->count, sizeof(*sorted));

    if (sorted == NULL) {
        return no_memory();
    }
    for (size_t index = 0; index < all->count; index++) {
        sorted[index] = all->entries + index;
    }
    qsort(sorted, all->count, sizeof(*sorted), compare);
    for (size_t first = 0, next; first < all->count; first = next) {
        const ki_path *path = &sorted[first]->path;

        for (next = first + 1;
             next < all->count && sorted[next]->path.size == path->size &&
             memcmp(sorted[next]->path.text, path->text, path->size) == 0;
             next++) {
            sorted[first]->item = sorted[next]->item;
            sorted[next]->shadowed = true;
            sorted[next - 1]->used = false;
        }
    }
    ki_free(sorted);
    return KIST_OK;
}

/* Finds what the entry replaces, or nothing. */
static kist_status
judge(import *all, entry *at)
{
    const ki_spot spot = ki_tree_find(all->fs, &at->path);

    if (spot.blocker.data != NULL) {
        return KI_PATH_FAIL(KIST_ERR_EXISTS, spot.blocker,
                            "a file on the way");
    }
    if (spot.node == NULL) {
        return KIST_OK;
    }
    if (spot.node->is_dir) {
        return KI_PATH_FAIL(KIST_ERR_ISDIR, at->item->path, "import");
    }
    at->old = ki_node_file(spot.node);
    if (ki_fs_is_open(at->old)) {
        return KI_PATH_FAIL(KIST_ERR_LOCKED, at->item->path, "open file");
    }
    return KIST_OK;
}

/* What the entry counts, and what it replaces does not any more. */
static void
count(import *all, const entry *at)
{
    const kist_memfs *fs = all->fs;
    const uint64_t size = at->item->data.size;

    all->step.more += ki_fs_usage_of(fs, size, ki_fs_fresh_chunks(fs, size));
    if (at->old != NULL) {
        all->step.less += ki_fs_usage(fs, at->old);
    }
}

/* Makes the node: in the tree if the path is new, else beside it. */
static kist_status
make_node(import *all, entry *at)
{
    kist_memfs *fs = all->fs;
    const bool is_random = fs->options.storage == KIST_MEMFS_RANDOM_ACCESS;
    const size_t parent = ki_path_parent_size(&at->path);
    size_t name = parent == 0 ? 0 : parent + 1;
    const kist_slice text = ki_path_part(&at->path, &name);
    ki_dir *dir;
    kist_status status;

    if (at->old != NULL) {
        at->file =
            ki_file_new(ki_node_name(&at->old->node), is_random, all->now_ns);
        return at->file == NULL ? no_memory() : KIST_OK;
    }
    status =
        ki_tree_add_dirs(fs, &at->path, parent, all->now_ns, &all->made, &dir);
    if (status == KIST_OK && ki_names_find(&fs->names, dir, text) != NULL) {
        // Another item made it a directory.
        status = KI_PATH_FAIL(KIST_ERR_ISDIR, at->item->path, "import");
    }
    if (status == KIST_OK) {
        ki_file *file = ki_file_new(text, is_random, all->now_ns);

        status = ki_tree_add(fs, dir, (ki_node *)file, &all->made);
        at->file = status == KIST_OK ? file : NULL;
    }
    return status;
}

/* Puts the item's bytes into the entry's content. */
static kist_status
fill(entry *at, ki_garbage *garbage)
{
    const kist_slice data = at->item->data;
    ki_block *block;
    kist_status status;

    if (data.size == 0) {
        return KIST_OK;
    }
    if (at->item->release == NULL || data.size < KIST_MEMFS_LENT_MIN) {
        return ki_content_write(&at->content, 0, data.data, data.size,
                                garbage);
    }
    block = ki_block_new_lent(data.data, data.size, at->item->release,
                              at->item->context);
    if (block == NULL) {
        return no_memory();
    }
    status = ki_content_splice(&at->content, 0, block, data.size, garbage);
    if (status != KIST_OK) {
        ki_block_forget(block);
    }
    return status;
}

/* Forgets the content; lent bytes stay their owner's. */
static void
unfill(entry *at)
{
    ki_garbage garbage = {0};

    ki_content_clear(&at->content, &garbage);
    while (garbage.first != NULL) {
        ki_block *block = garbage.first;

        garbage.first = (ki_block *)(void *)block->data;
        ki_block_forget(block);
    }
}

/* The steps that can fail.  The lock is held. */
static kist_status
prepare(import *all, ki_garbage *garbage)
{
    kist_status status = KIST_OK;

    for (size_t index = 0; index < all->count && status == KIST_OK; index++) {
        if (!all->entries[index].shadowed) {
            status = judge(all, all->entries + index);
        }
    }
    for (size_t index = 0; index < all->count && status == KIST_OK; index++) {
        if (!all->entries[index].shadowed) {
            count(all, all->entries + index);
        }
    }
    if (status == KIST_OK) {
        status = ki_quota_begin(&all->fs->quota, &all->step);
    }
    if (status != KIST_OK) {
        all->step = (ki_quota_step){0};
        return status;
    }
    for (size_t index = 0; index < all->count && status == KIST_OK; index++) {
        entry *at = all->entries + index;

        if (!at->shadowed) {
            status = make_node(all, at);
            if (status == KIST_OK) {
                status = fill(at, garbage);
            }
        }
    }
    return status;
}

/* The steps that cannot.  *replaced is a chain of what is in no tree now. */
static void
commit(import *all, ki_node **replaced)
{
    kist_memfs *fs = all->fs;

    for (size_t index = 0; index < all->count; index++) {
        entry *at = all->entries + index;

        if (at->shadowed) {
            continue;
        }
        if (at->old != NULL) {
            ki_names_replace(&fs->names, &at->old->node, &at->file->node);
            ki_fs_sub(&fs->chunks, at->old->chunks);
            at->old->node.bucket_next = *replaced;
            *replaced = &at->old->node;
        }
        at->file->content = at->content;
        at->file->chunks = ki_fs_fresh_chunks(fs, at->content.size);
        ki_fs_add(&fs->chunks, at->file->chunks);
    }
    ki_made_keep(&all->made, all->now_ns);
    ki_quota_done(&fs->quota, &all->step);
}

static void
undo(import *all)
{
    for (size_t index = 0; index < all->count; index++) {
        entry *at = all->entries + index;

        unfill(at);
        if (at->old != NULL && at->file != NULL) {
            ki_fs_forget(&at->file->node); // it holds nothing
        }
    }
    ki_made_undo(all->fs, &all->made);
    ki_quota_undo(&all->fs->quota, &all->step);
}

/* Lent bytes that were copied, or that a later item took the place of. */
static void
release_unused(const import *all)
{
    for (size_t index = 0; index < all->count; index++) {
        const entry *at = all->entries + index;
        const kist_memfs_item *item = all->items + index;

        if (item->release != NULL &&
            (!at->used || item->data.size < KIST_MEMFS_LENT_MIN)) {
            item->release(item->context);
        }
    }
}

/* What was replaced is counted no more already. */
static void
bury(ki_node *chain, ki_garbage *garbage)
{
    while (chain != NULL) {
        ki_file *file = ki_node_file(chain);

        chain = chain->bucket_next;
        ki_latch_take(&file->latch);
        ki_content_clear(&file->content, garbage);
        ki_latch_drop(&file->latch);
        ki_node_drop(&file->node, garbage);
    }
}

/* Straight paths, and how many bytes they bring. */
static kist_status
read_items(import *all, uint64_t *bytes)
{
    for (size_t index = 0; index < all->count; index++) {
        entry *at = all->entries + index;
        const kist_status status =
            ki_path_init(&at->path, all->items[index].path);

        if (status != KIST_OK) {
            return status;
        }
        at->item = all->items + index;
        at->order = index;
        at->used = true;
        *bytes += at->item->data.size;
    }
    return find_doubles(all);
}

static kist_status
run(import *all)
{
    ki_garbage garbage = {0};
    ki_node *replaced = NULL;
    kist_status status;

    all->now_ns = ki_fs_now(all->fs);
    ki_brlock_write(&all->fs->lock);
    status = prepare(all, &garbage);
    if (status == KIST_OK) {
        commit(all, &replaced);
    }
    else {
        undo(all);
    }
    ki_brlock_unwrite(&all->fs->lock);
    bury(replaced, &garbage);
    ki_garbage_empty(&garbage);
    return status;
}

kist_status
kist_memfs_import(kist_memfs *fs, const kist_memfs_item *items, size_t count)
{
import all = {.fs = fs, .items = items, .count = count };
    uint64_t bytes = 0;
    kist_status status;

    if (count == 0) {
        return KIST_OK;
    }
    all.entries = ki_calloc(count, sizeof(*all.entries));
    if (all.entries == NULL) {
        return no_memory();
    }
    status = read_items(&all, &bytes);
    if (status == KIST_OK) {
        status = ki_fs_guard(fs, bytes);
    }
    if (status == KIST_OK) {
        status = run(&all);
    }
    if (status == KIST_OK) {
        release_unused(&all);
    }
    for (size_t index = 0; index < count; index++) {
        ki_path_fini(&all.entries[index].path);
    }
    ki_free(all.entries);
    return status;
}
