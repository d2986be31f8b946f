/*
 * A walk keeps the directories that it has yet to visit on a stack, by node
 * and by the path under which it came upon them.
 */
#include "base/alloc.h"
#include "base/fail.h"
#include "memfs/listing.h"
#include "memfs/tree.h"

typedef struct pending {
    struct pending *next;
    ki_dir *dir; // a reference
    size_t size;
    char path[];
} pending;

struct kist_memfs_walk {
    kist_memfs *fs;
    pending *stack;
    pending *visited; // whose path was handed out last
    kist_memfs_names *names;
};

static kist_status
no_memory(void)
{
    return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "walk");
}

/* `path` has room for the name behind it.  The lock is held. */
static pending *
new_pending(ki_dir *dir, kist_slice path, kist_slice name)
{
    const size_t slash = path.size > 1 && name.size > 0; // "/" has one
    pending *fresh =
        ki_realloc(NULL, sizeof(*fresh) + path.size + slash + name.size);

    if (fresh == NULL) {
        return NULL;
    }
    fresh->next = NULL;
    fresh->dir = dir;
    fresh->size = path.size + slash + name.size;
    memcpy(fresh->path, path.data, path.size);
    if (slash != 0) {
        fresh->path[path.size] = '/';
    }
    if (name.size > 0) {
        memcpy(fresh->path + path.size + slash, name.data, name.size);
    }
    ki_node_ref(&dir->node);
    return fresh;
}

static void
free_pending(pending *old)
{
    ki_garbage garbage = {0};

    if (old != NULL) {
        ki_node_drop(&old->dir->node, &garbage);
        ki_free(old);
    }
    ki_garbage_empty(&garbage);
}

kist_status
kist_memfs_walk_open(kist_memfs *fs, kist_slice path, kist_memfs_walk **walk)
{
    kist_memfs_walk *fresh = ki_calloc(1, sizeof(*fresh));
    kist_buf text = {0};
    ki_path straight = {0};
    ki_node *node;
    kist_status status = fresh == NULL ? no_memory() : KIST_OK;

    *walk = NULL;
    if (status == KIST_OK) {
        status = ki_path_init(&straight, path);
    }
    if (status != KIST_OK) {
        ki_free(fresh);
        return status;
    }
    ki_brlock_read(&fs->lock);
    node = ki_tree_find(fs, &straight).node;
    if (node == NULL || !node->is_dir) {
        status = node == NULL
                     ? KIST_ERR_NOTFOUND
                     : KI_FAIL(KIST_ERR_NOTDIR, NULL, KI_NO_OFFSET, "walk");
    }
    else {
        status = ki_tree_path(node, &text);
    }
    if (status == KIST_OK) {
        fresh->stack = new_pending(ki_node_dir(node), kist_buf_slice(&text),
                                   kist_bytes(NULL, 0));
        status = fresh->stack == NULL ? no_memory() : KIST_OK;
    }
    ki_brlock_unread(&fs->lock);
    kist_buf_fini(&text);
    ki_path_fini(&straight);
    if (status != KIST_OK) {
        ki_free(fresh);
        return status;
    }
    fresh->fs = fs;
    ki_fs_ref(fs);
    *walk = fresh;
    return KIST_OK;
}

/* Puts the child directories on the stack, the first on top. */
static kist_status
push_children(kist_memfs_walk *walk, const pending *at)
{
    pending **end = &walk->stack;
    pending *rest = walk->stack;
    uint64_t left = at->dir->dirs;
    kist_status status = KIST_OK;

    for (ki_node *node = at->dir->first; left > 0 && status == KIST_OK;
         node = node->next) {
        if (node->is_dir) {
            pending *fresh =
                new_pending(ki_node_dir(node), kist_bytes(at->path, at->size),
                            ki_node_name(node));

            if (fresh == NULL) {
                status = no_memory();
            }
            else {
                *end = fresh;
                end = &fresh->next;
                left--;
            }
        }
    }
    *end = rest;
    return status;
}

/* Takes off the stack what stands above `rest`. */
static void
pop_until(kist_memfs_walk *walk, const pending *rest)
{
    while (walk->stack != rest) {
        pending *old = walk->stack;

        walk->stack = old->next;
        free_pending(old);
    }
}

/* What the directory holds now, unless that is known.  The lock is held. */
static kist_status
visit(kist_memfs_walk *walk, const pending *at, kist_memfs_known known,
      void *context)
{
    kist_status status = KIST_OK;

    if (known == NULL || !known(context, at->dir->version)) {
        status = ki_list_children(at->dir, true, &walk->names);
    }
    return status == KIST_OK ? push_children(walk, at) : status;
}

kist_status
kist_memfs_walk_next(kist_memfs_walk *walk, kist_slice *path,
                     const kist_memfs_names **names)
{
    uint64_t version;

    return kist_memfs_walk_on(walk, NULL, NULL, path, &version, names);
}

kist_status
kist_memfs_walk_on(kist_memfs_walk *walk, kist_memfs_known known,
                   void *context, kist_slice *path, uint64_t *version,
                   const kist_memfs_names **names)
{
    kist_memfs *fs = walk->fs;
    kist_status status = KIST_END;

    *version = 0;
    *path = kist_bytes(NULL, 0);
    *names = NULL;
    kist_memfs_names_free(walk->names);
    walk->names = NULL;
    while (walk->stack != NULL && status == KIST_END) {
        pending *at = walk->stack;
        pending *rest = at->next;

        free_pending(walk->visited);
        walk->visited = at;
        walk->stack = rest;
        ki_brlock_read(&fs->lock);
        if (at->dir->node.parent != NULL || at->dir == fs->root) {
            status = visit(walk, at, known, context);
            *version = at->dir->version;
        }
        ki_brlock_unread(&fs->lock);
        if (status == KIST_OK) {
            *path = kist_bytes(at->path, at->size);
            *names = walk->names;
        }
        else if (status != KIST_END) {
            // Back to where it was, for the next call.
            pop_until(walk, rest);
            at->next = rest;
            walk->stack = at;
            walk->visited = NULL;
        }
    }
    return status;
}

void
kist_memfs_walk_close(kist_memfs_walk *walk)
{
    if (walk == NULL) {
        return;
    }
    pop_until(walk, NULL);
    free_pending(walk->visited);
    kist_memfs_names_free(walk->names);
    ki_fs_drop(walk->fs);
    ki_free(walk);
}
