/*
 * node.h - files and directories, and the table that finds them by name.
 *
 *     names     bucket ─> node ─> node        one table for the whole tree;
 *                                             a name's hash is seeded with
 *                                             its directory
 *     dir       first ─> child <─> child <─> child <─ last
 *                        in the order in which they came
 *
 * One table for all names makes a directory of one file as cheap as one of a
 * million, and walking down a path one probe for each of its parts.
 *
 * Who may touch what:
 *   - name, parent, siblings, children, names: the file system's lock.
 *   - a file's turnstile, contents and counters: the file's latch.
 *   - refs: anybody.  A node in the tree has one from the tree; an open file,
 *     a waiter and a walk have one each.
 * The lock comes before the latch.  At most one latch is held at a time.
 *
 * A file costs about 165 bytes and its name, so the struct counts its bytes.
 *
 * Layer    memfs.
 * Threads  as above.
 */
#ifndef KI_MEMFS_NODE_H
#define KI_MEMFS_NODE_H

#include "memfs/content.h"
#include "memfs/turnstile.h"
#include "os/latch.h"

typedef struct ki_dir ki_dir;

typedef struct ki_node {
    struct ki_node *bucket_next;
    ki_dir *parent; /* NULL: the root, or not in the tree */
    struct ki_node *next;
    struct ki_node *previous;
    char *name; /* behind the node, or of its own if it was renamed */
    int64_t created_ns;
    int64_t modified_ns;
    _Atomic uint32_t refs;
    uint32_t hash;
    uint32_t name_size;
    uint8_t is_dir;
    uint8_t owns_name;
    uint8_t is_random; /* file: promoted, counts its size only */
} ki_node;

typedef struct ki_file {
    ki_node node;
    ki_content content;
    uint64_t generation;
    uint64_t chunks; /* appends that count, until it is promoted */
    ki_turnstile turnstile;
    ki_latch latch;
} ki_file;

struct ki_dir {
    ki_node node;
    ki_node *first;
    ki_node *last;
    uint64_t version; /* changes with each name that comes or goes */
    uint64_t dirs;    /* how many of the children are directories */
};

/* One reference; not in any tree.  `now_ns` is both of its times.  NULL: no
 * memory. */
ki_file *ki_file_new(kist_slice name, bool is_random, int64_t now_ns);
ki_dir *ki_dir_new(kist_slice name, int64_t now_ns);

static inline void
ki_node_ref(ki_node *node)
{
    atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
}

/* The last reference frees it; a directory has no children then. */
void ki_node_drop(ki_node *node, ki_garbage *garbage);

static inline ki_file *
ki_node_file(ki_node *node)
{
    return (ki_file *)node;
}

static inline ki_dir *
ki_node_dir(ki_node *node)
{
    return (ki_dir *)node;
}

static inline kist_slice
ki_node_name(const ki_node *node)
{
    return kist_bytes(node->name, node->name_size);
}

typedef struct ki_names {
    ki_node **buckets;
    uint64_t mask; /* buckets - 1 */
    uint64_t count;
    uint64_t changes; /* names that came or went, ever */
    uint64_t seed;
} ki_names;

KIST_NODISCARD kist_status ki_names_init(ki_names *names, uint64_t seed);
void ki_names_fini(ki_names *names);

/* Room for `more` further names.  NOMEM. */
KIST_NODISCARD kist_status ki_names_reserve(ki_names *names, uint64_t more);

/* The child of that name, or NULL. */
ki_node *ki_names_find(const ki_names *names, const ki_dir *dir,
                       kist_slice name);

/* Puts the node at the end of the directory and into the table, which has
 * room; the caller's reference becomes the tree's. */
void ki_names_link(ki_names *names, ki_dir *dir, ki_node *node);

/* Takes it out of both; the tree's reference becomes the caller's. */
void ki_names_unlink(ki_names *names, ki_node *node);

/* Puts `node`, which has the same name, where `old` is, which is in no tree
 * then; its reference is the caller's. */
void ki_names_replace(ki_names *names, ki_node *old, ki_node *node);

/* Gives an unlinked node another name.  NOMEM. */
KIST_NODISCARD kist_status ki_node_rename(ki_node *node, kist_slice name);

/*
 * The node behind `node` in a walk through `top` and all below it, parents
 * first; NULL at the end.  Takes no memory, whatever the depth.
 */
ki_node *ki_node_after(ki_node *node, const ki_node *top);

/* The same without what is below `node`. */
ki_node *ki_node_beyond(ki_node *node, const ki_node *top);

#endif /* KI_MEMFS_NODE_H */
