/*
 * tree.h - what is at a path, and how nodes come and go.
 *
 * Everything here needs the file system's lock: for reading to find, for
 * writing to change.  Changes are made in two steps, so that a refused call
 * leaves no trace: nodes are put in and noted in a ki_made, which is then
 * kept or undone.
 *
 * Layer    memfs.
 * Threads  as above.
 */
#ifndef KI_MEMFS_TREE_H
#define KI_MEMFS_TREE_H

#include "memfs/fsys.h"

typedef struct ki_spot {
    ki_node *node;      /* what is there, or NULL */
    ki_dir *parent;     /* where it is or would be; NULL: the root, or no
                           such directory */
    kist_slice name;    /* the last part */
    kist_slice blocker; /* the file met where a directory is needed */
    ki_dir *last;       /* the last directory met on the way */
} ki_spot;

/* Looks the path up. */
ki_spot ki_tree_find(kist_memfs *fs, const ki_path *path);

/* The nodes that a call has put into the tree so far. */
typedef struct ki_made {
    ki_node **nodes;
    size_t count;
    size_t room;
} ki_made;

/* A number never given before in this process, for ki_dir.version. */
uint64_t ki_tree_version(void);

/* NODES unless `more` further nodes are allowed. */
KIST_NODISCARD kist_status ki_tree_allows(kist_memfs *fs, uint64_t more);

/* Puts a new node into `dir`; its reference is the tree's on OK, else it is
 * dropped.  NULL for `node` is NOMEM.  `made` may be NULL. */
KIST_NODISCARD kist_status ki_tree_add(kist_memfs *fs, ki_dir *dir,
                                       ki_node *node, ki_made *made);

/*
 * Makes the directories that the first `size` bytes of the path lack and
 * answers the last of them.  EXISTS if one is a file (kist_error.path is its
 * name), NODES, NOMEM.
 */
KIST_NODISCARD kist_status ki_tree_add_dirs(kist_memfs *fs,
                                            const ki_path *path, size_t size,
                                            int64_t now_ns, ki_made *made,
                                            ki_dir **dir);

/* They stay: their parents were modified now. */
void ki_made_keep(ki_made *made, int64_t now_ns);

/* They go again, with what they hold. */
void ki_made_undo(kist_memfs *fs, ki_made *made, ki_garbage *garbage);

/* A name came to or went from this directory. */
void ki_tree_touch(ki_dir *dir, int64_t now_ns);

/*
 * Takes `node` and all below it, none of them open, out of the tree, its
 * counters and its quota, and chains them by `bucket_next` before `chain`; the
 * references are the caller's.
 */
ki_node *ki_tree_take_out(kist_memfs *fs, ki_node *node, ki_node *chain);

/* Drops such a chain, with what the files hold.  Without the lock. */
void ki_tree_bury(ki_node *chain, ki_garbage *garbage);

/* The first open file at or below `node`, or NULL. */
ki_node *ki_tree_find_open(ki_node *node);

/* Appends the path of a node in the tree, "/a/b".  NOMEM. */
KIST_NODISCARD kist_status ki_tree_path(const ki_node *node, kist_buf *path);

/* LOCKED, telling that node's path. */
kist_status ki_tree_fail_open(const ki_node *node);

#endif /* KI_MEMFS_TREE_H */
