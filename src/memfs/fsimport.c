/*
 * Import: all of many files, or none.  Their bytes are put into contents of
 * their own, with nothing held; then, under the lock, their nodes are found or
 * made (and noted, to be undone), and once nothing can fail any more, those
 * contents take the place of what was there.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "memfs/tree.h"

typedef struct entry {
    const kist_memfs_item *item;
    ki_path path;
    size_t order;          // among the items
    struct entry *above;   // the nearest item that this one is below
    struct entry *blocker; // the highest of those that came before it
    bool has_below;        // an item that came before it is below it
    bool shadowed;         // an earlier entry stands for this path
    bool used;     // the item of the same number is what some file gets
    ki_file *old;  // what is replaced, or NULL
    ki_file *file; // what takes its place: in the tree, if there is no old
    ki_content content;
} entry;

typedef struct intake {
    kist_memfs *fs;
    const kist_memfs_item *items;
    entry *entries; // one an item
    size_t count;
    int64_t now_ns;
    ki_made made;
    ki_quota_step step;
    uint64_t held; // of the quota, before the lock is taken
} intake;

static kist_status
no_memory(void)
{
    return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "import");
}

/* By path, "/" before all letters, so that what is below a path follows it;
 * equal ones in their order. */
static int
compare(const void *left, const void *right)
{
    const entry *a = *(const entry *const *)left;
    const entry *b = *(const entry *const *)right;
    const size_t size =
        a->path.size < b->path.size ? a->path.size : b->path.size;
    size_t at = 0;

    while (at < size && a->path.text[at] == b->path.text[at]) {
        at++;
    }
    if (at < size) {
        const unsigned char x = (unsigned char)a->path.text[at];
        const unsigned char y = (unsigned char)b->path.text[at];

        return x == '/' ? -1 : y == '/' ? 1 : x < y ? -1 : 1;
    }
    if (a->path.size != b->path.size) {
        return a->path.size < b->path.size ? -1 : 1;
    }
    return a->order < b->order ? -1 : 1;
}

static bool
is_same(const ki_path *left, const ki_path *right)
{
    return left->size == right->size &&
           (left->size == 0 ||
            memcmp(left->text, right->text, left->size) == 0);
}

static bool
is_below(const ki_path *path, const ki_path *above)
{
    return path->size > above->size &&
           (above->size == 0 ||
            (path->text[above->size] == '/' &&
             memcmp(path->text, above->text, above->size) == 0));
}

/* Of two items, one below the other, the later one is in the wrong. */
static void
note_conflicts(entry *at)
{
    for (entry *above = at->above; above != NULL; above = above->above) {
        if (above->order < at->order) {
            at->blocker = above; // the highest one in the end
        }
        else {
            above->has_below = true;
        }
    }
}

/*
 * Of several items for one path the first keeps its place, and the last says
 * what is in it.  An item below another is in conflict with it.
 */
static kist_status
relate(intake *all)
{
    entry **sorted = ki_calloc(all->count, sizeof(*sorted));
    entry *above = NULL;

    if (sorted == NULL) {
        return no_memory();
    }
    for (size_t index = 0; index < all->count; index++) {
        sorted[index] = all->entries + index;
    }
    qsort(sorted, all->count, sizeof(*sorted), compare);
    for (size_t first = 0, next; first < all->count; first = next) {
        entry *at = sorted[first];

        for (next = first + 1;
             next < all->count && is_same(&sorted[next]->path, &at->path);
             next++) {
            at->item = sorted[next]->item;
            sorted[next]->shadowed = true;
            sorted[next - 1]->used = false;
        }
        while (above != NULL && !is_below(&at->path, &above->path)) {
            above = above->above;
        }
        at->above = above;
        note_conflicts(at);
        above = at;
    }
    ki_free(sorted);
    return KIST_OK;
}

/* The name of a path, as an error tells it. */
static kist_slice
name_of(const ki_path *path)
{
    const size_t parent = ki_path_parent_size(path);
    size_t at = parent == 0 ? 0 : parent + 1;

    return ki_path_part(path, &at);
}

/* Finds what the entry replaces, or nothing. */
static kist_status
judge(intake *all, entry *at)
{
    const ki_spot spot = ki_tree_find(all->fs, &at->path);

    if (spot.blocker.data != NULL || at->blocker != NULL) {
        return KI_PATH_FAIL(KIST_ERR_EXISTS,
                            spot.blocker.data != NULL
                                ? spot.blocker
                                : name_of(&at->blocker->path),
                            "a file on the way");
    }
    if (spot.node == NULL && !at->has_below) {
        return KIST_OK;
    }
    if (spot.node == NULL || spot.node->is_dir) {
        return KI_STRAIGHT_FAIL(KIST_ERR_ISDIR, &at->path, "import");
    }
    at->old = ki_node_file(spot.node);
    if (ki_fs_is_open(at->old)) {
        return KI_STRAIGHT_FAIL(KIST_ERR_LOCKED, &at->path, "open file");
    }
    return KIST_OK;
}

/* What all of them count more or less than what they replace. */
static ki_quota_step
count(const intake *all)
{
    const kist_memfs *fs = all->fs;
    ki_quota_step gross = {0};

    for (size_t index = 0; index < all->count; index++) {
        const entry *at = all->entries + index;
        const uint64_t size = at->item->data.size;

        if (!at->shadowed) {
            gross.more +=
                ki_fs_usage_of(fs, size, ki_fs_fresh_chunks(fs, size));
            if (at->old != NULL) {
                ki_latch_take(&at->old->latch);
                gross.less += ki_fs_usage(fs, at->old);
                ki_latch_drop(&at->old->latch);
            }
        }
    }
    if (gross.more > gross.less) {
        return (ki_quota_step){.more = gross.more - gross.less};
    }
    return (ki_quota_step){.less = gross.less - gross.more};
}

/* Makes the node: in the tree if the path is new, else beside it. */
static kist_status
make_node(intake *all, entry *at)
{
    kist_memfs *fs = all->fs;
    const bool is_random = fs->options.storage == KIST_MEMFS_RANDOM_ACCESS;
    ki_dir *dir;
    kist_status status;

    if (at->old != NULL) {
        at->file =
            ki_file_new(ki_node_name(&at->old->node), is_random, all->now_ns);
        return at->file == NULL ? no_memory() : KIST_OK;
    }
    status = ki_tree_add_dirs(fs, &at->path, ki_path_parent_size(&at->path),
                              all->now_ns, &all->made, &dir);
    if (status == KIST_OK) {
        ki_file *file =
            ki_file_new(name_of(&at->path), is_random, all->now_ns);

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

/* Whether all of it can be done, as things are: then it is counted.  The lock
 * is held, at least for reading. */
static kist_status
consider(intake *all)
{
    for (size_t index = 0; index < all->count; index++) {
        entry *at = all->entries + index;
        kist_status status;

        at->old = NULL;
        status = at->shadowed ? KIST_OK : judge(all, at);
        if (status != KIST_OK) {
            return status;
        }
    }
    all->step = count(all);
    all->step.held = all->held;
    return ki_quota_begin(&all->fs->quota, &all->step);
}

/* The bytes are copied with nothing held, once they are known to fit. */
static kist_status
fill_all(intake *all, ki_garbage *garbage)
{
    kist_status status;

    ki_brlock_read(&all->fs->lock);
    status = consider(all);
    ki_brlock_unread(&all->fs->lock);
    if (status == KIST_OK) {
        all->held = all->step.more;
        status = ki_fs_guard(all->fs, all->step.more);
    }
    for (size_t index = 0; index < all->count && status == KIST_OK; index++) {
        entry *at = all->entries + index;

        if (!at->shadowed) {
            status = fill(at, garbage);
        }
    }
    return status;
}

/* The steps that can fail.  The lock is held. */
static kist_status
prepare(intake *all)
{
    kist_status status = consider(all);

    if (status != KIST_OK) {
        all->step = (ki_quota_step){0};
        return status;
    }
    for (size_t index = 0; index < all->count && status == KIST_OK; index++) {
        entry *at = all->entries + index;

        if (!at->shadowed) {
            status = make_node(all, at);
        }
    }
    return status;
}

/* The steps that cannot.  *replaced is a chain of what is in no tree now. */
static void
commit(intake *all, ki_node **replaced)
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

/* The nodes that were made go again.  The lock is held. */
static void
undo(intake *all)
{
    ki_garbage none = {0}; // contents come last of all

    for (size_t index = 0; index < all->count; index++) {
        entry *at = all->entries + index;

        if (at->old != NULL && at->file != NULL) {
            ki_fs_forget(&at->file->node); // it holds nothing
        }
    }
    ki_made_undo(all->fs, &all->made, &none);
    ki_quota_undo(&all->fs->quota, &all->step);
}

/* Lent bytes that were copied, or that a later item took the place of. */
static void
release_unused(const intake *all)
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

/* Puts the paths straight. */
static kist_status
read_items(intake *all)
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
    }
    return relate(all);
}

static kist_status
run(intake *all)
{
    ki_garbage garbage = {0};
    ki_node *replaced = NULL;
    kist_status status = fill_all(all, &garbage);

    all->now_ns = ki_fs_now(all->fs);
    if (status == KIST_OK) {
        ki_brlock_write(&all->fs->lock);
        status = prepare(all);
        if (status == KIST_OK) {
            commit(all, &replaced);
        }
        else {
            undo(all);
        }
        ki_brlock_unwrite(&all->fs->lock);
    }
    if (status != KIST_OK) {
        ki_quota_release(&all->fs->quota, all->held);
    }
    for (size_t index = 0; index < all->count && status != KIST_OK; index++) {
        unfill(all->entries + index);
    }
    ki_tree_bury(replaced, &garbage);
    ki_garbage_empty(&garbage);
    return status;
}

kist_status
kist_memfs_import(kist_memfs *fs, const kist_memfs_item *items, size_t count)
{
    intake all = {.fs = fs, .items = items, .count = count};
    kist_status status;

    if (count == 0) {
        return KIST_OK;
    }
    all.entries = ki_calloc(count, sizeof(*all.entries));
    if (all.entries == NULL) {
        return no_memory();
    }
    status = read_items(&all);
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
