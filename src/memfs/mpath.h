/*
 * mpath.h - a path as the tree is walked by: "a/b/c", and "" for the root.
 *
 * Most paths are that already, but for a slash in front, and are used where
 * they are.  Others are put straight: "\" becomes "/", "." and empty parts
 * go, ".." takes its parent with it and never climbs above the root.
 *
 * Layer    memfs.
 * Threads  a ki_path belongs to one thread.
 */
#ifndef KI_MEMFS_MPATH_H
#define KI_MEMFS_MPATH_H

#include "kist/bytes.h"

typedef struct ki_path {
    const char *text;
    size_t size;
    char *own; /* NULL: text is the caller's */
} ki_path;

/* INVALID for a path that leaves the root at any point; NOMEM. */
KIST_NODISCARD kist_status ki_path_init(ki_path *path, kist_slice raw);

/* Zeroed and failed ones are fine. */
void ki_path_fini(ki_path *path);

/* The part that begins at `*at`, and moves *at behind it and its slash. */
static inline kist_slice
ki_path_part(const ki_path *path, size_t *at)
{
    const char *begin = path->text + *at;
    size_t end = *at;

    while (end < path->size && path->text[end] != '/') {
        end++;
    }
    *at = end + 1;
    return kist_bytes(begin, (size_t)(path->text + end - begin));
}

/* How many bytes stand before the last part and its slash. */
static inline size_t
ki_path_parent_size(const ki_path *path)
{
    size_t size = path->size;

    while (size > 0 && path->text[size - 1] != '/') {
        size--;
    }
    return size > 0 ? size - 1 : 0;
}

/* A failure that tells the path, as much of it as there is room for. */
#define KI_PATH_FAIL(status, path, what)                                      \
    ki_path_fail((status), (path), (what), __FILE__, __LINE__)

kist_status ki_path_fail(kist_status status, kist_slice path, const char *what,
                         const char *file, int line);

/* The same for a straight path, told with its slash in front. */
kist_status ki_path_fail_straight(kist_status status, const ki_path *path,
                                  const char *what, const char *file,
                                  int line);

#define KI_STRAIGHT_FAIL(status, path, what)                                  \
    ki_path_fail_straight((status), (path), (what), __FILE__, __LINE__)

#endif /* KI_MEMFS_MPATH_H */
