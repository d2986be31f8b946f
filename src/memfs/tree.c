#include "memfs/tree.h"

#include "base/alloc.h"
#include "base/fail.h"

ki_spot
ki_tree_find(kist_memfs *fs, const ki_path *path)
{
    ki_spot spot = {.node = &fs->root->node};

    for (size_t at = 0; at < path->size;) {
        if (spot.node == NULL) {
            spot.parent = NULL;
            return spot;
        }
        if (!spot.node->is_dir) {
            spot.blocker = ki_node_name(spot.node);
            spot.node = NULL;
            spot.parent = NULL;
            return spot;
        }
        spot.parent = ki_node_dir(spot.node);
        spot.last = spot.parent;
        spot.name = ki_path_part(path, &at);
        spot.node = ki_names_find(&fs->names, spot.parent, spot.name);
    }
    return spot;
}

uint64_t
ki_tree_version(void)
{
    static _Atomic uint64_t versions;

    return atomic_fetch_add_explicit(&versions, 1, memory_order_relaxed) + 1;
}

kist_status
ki_tree_allows(kist_memfs *fs, uint64_t more)
{
    const uint64_t nodes = ki_fs_count(&fs->files) + ki_fs_count(&fs->dirs);
    const uint64_t max = fs->options.nodes_max;

    // Nodes are asked for one by one: the one above the limit is refused.
    return more <= max - nodes
               ? KIST_OK
               : KI_FAIL_LIMIT(KIST_ERR_NODES, max, max, "nodes");
}

static kist_status
note(ki_made *made, ki_node *node)
{
    if (made->count == made->room) {
        const size_t room = made->room < 16 ? 16 : made->room * 2;
        ki_node **nodes = ki_realloc(made->nodes, room * sizeof(*made->nodes));

        if (nodes == NULL) {
            return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "nodes");
        }
        made->nodes = nodes;
        made->room = room;
    }
    made->nodes[made->count++] = node;
    return KIST_OK;
}

kist_status
ki_tree_add(kist_memfs *fs, ki_dir *dir, ki_node *node, ki_made *made)
{
    kist_status status;

    if (node == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "node");
    }
    status = ki_tree_allows(fs, 1);
    if (status == KIST_OK) {
        status = ki_names_reserve(&fs->names, 1);
    }
    if (status == KIST_OK && made != NULL) {
        status = note(made, node);
    }
    if (status != KIST_OK) {
        ki_garbage none = {0};

        ki_node_drop(node, &none); // it holds nothing yet
        return status;
    }
    ki_names_link(&fs->names, dir, node);
    dir->version = ki_tree_version();
    if (node->is_dir) {
        ki_node_dir(node)->version = ki_tree_version();
    }
    ki_fs_add(node->is_dir ? &fs->dirs : &fs->files, 1);
    return KIST_OK;
}

kist_status
ki_tree_add_dirs(kist_memfs *fs, const ki_path *path, size_t size,
                 int64_t now_ns, ki_made *made, ki_dir **dir)
{
    const ki_path part = {path->text, size, NULL};

    *dir = fs->root;
    for (size_t at = 0; at < size;) {
        const kist_slice name = ki_path_part(&part, &at);
        ki_node *node = ki_names_find(&fs->names, *dir, name);

        if (node == NULL) {
            kist_status status;

            node = (ki_node *)ki_dir_new(name, now_ns);
            status = ki_tree_add(fs, *dir, node, made);
            if (status != KIST_OK) {
                return status;
            }
        }
        else if (!node->is_dir) {
            return KI_PATH_FAIL(KIST_ERR_EXISTS, ki_node_name(node),
                                "a file on the way");
        }
        *dir = ki_node_dir(node);
    }
    return KIST_OK;
}

void
ki_tree_touch(ki_dir *dir, int64_t now_ns)
{
    dir->node.modified_ns = now_ns;
}

void
ki_made_keep(ki_made *made, int64_t now_ns)
{
    for (size_t index = 0; index < made->count; index++) {
        ki_tree_touch(made->nodes[index]->parent, now_ns);
    }
    ki_free(made->nodes);
    *made = (ki_made){0};
}

void
ki_made_undo(kist_memfs *fs, ki_made *made, ki_garbage *garbage)
{
    while (made->count > 0) {
        ki_node *node = made->nodes[--made->count];
        ki_dir *dir = node->parent;

        ki_names_unlink(&fs->names, node);
        dir->version = ki_tree_version();
        ki_fs_sub(node->is_dir ? &fs->dirs : &fs->files, 1);
        if (!node->is_dir) {
            ki_fs_sub(&fs->chunks, ki_node_file(node)->chunks);
        }
        ki_node_drop(node, garbage);
    }
    ki_free(made->nodes);
    *made = (ki_made){0};
}

/* What the file counts is given back; its bytes go later, without the lock. */
static void
discount(kist_memfs *fs, ki_file *file)
{
    ki_latch_take(&file->latch);
    ki_quota_release(&fs->quota, ki_fs_usage(fs, file));
    ki_fs_sub(&fs->chunks, file->chunks);
    file->chunks = 0;
    ki_latch_drop(&file->latch);
}

ki_node *
ki_tree_take_out(kist_memfs *fs, ki_node *node, ki_node *chain)
{
    ki_node *at = node;
    ki_dir *above;

    node->parent->version = ki_tree_version();
    do {
        while (at->is_dir && ki_node_dir(at)->first != NULL) {
            at = ki_node_dir(at)->first;
        }
        above = at->parent;
        ki_names_unlink(&fs->names, at);
        ki_fs_sub(at->is_dir ? &fs->dirs : &fs->files, 1);
        if (!at->is_dir) {
            discount(fs, ki_node_file(at));
        }
        at->bucket_next = chain;
        chain = at;
        at = &above->node;
    } while (chain != node);
    return chain;
}

void
ki_tree_bury(ki_node *chain, ki_garbage *garbage)
{
    while (chain != NULL) {
        ki_node *node = chain;

        chain = node->bucket_next;
        if (!node->is_dir) {
            ki_file *file = ki_node_file(node);

            // A closed handle may hold the node, but not its bytes.
            ki_latch_take(&file->latch);
            ki_content_clear(&file->content, garbage);
            ki_latch_drop(&file->latch);
        }
        ki_node_drop(node, garbage);
    }
}

ki_node *
ki_tree_find_open(ki_node *node)
{
    for (ki_node *at = node; at != NULL; at = ki_node_after(at, node)) {
        if (!at->is_dir && ki_fs_is_open(ki_node_file(at))) {
            return at;
        }
    }
    return NULL;
}

kist_status
ki_tree_path(const ki_node *node, kist_buf *path)
{
    size_t size = 0;
    size_t end;
    kist_status status;

    if (node->parent == NULL) {
        return kist_buf_append(path, "/", 1);
    }
    for (const ki_node *at = node; at->parent != NULL;
         at = &at->parent->node) {
        size += at->name_size + (size_t)1;
    }
    status = kist_buf_reserve(path, size);
    if (status != KIST_OK) {
        return status;
    }
    path->size += size;
    end = path->size;
    for (const ki_node *at = node; at->parent != NULL;
         at = &at->parent->node) {
        end -= at->name_size;
        memcpy(path->data + end, at->name, at->name_size);
        path->data[--end] = '/';
    }
    return KIST_OK;
}

kist_status
ki_tree_fail_open(const ki_node *node)
{
    kist_buf path = {0};
    kist_status status = KIST_ERR_LOCKED;

    // Without memory for it the path is left out.
    if (ki_tree_path(node, &path) != KIST_OK) {
        kist_buf_clear(&path);
    }
    status = KI_PATH_FAIL(KIST_ERR_LOCKED, kist_buf_slice(&path), "open file");
    kist_buf_fini(&path);
    return status;
}
