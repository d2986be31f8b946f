/*
 * Glob, beside a matcher that is too slow and too simple to be wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"
#include "memfs/pattern.h"

#define NODES_MAX 200
#define DEPTH_MAX 6

/* A node by the parts of its path. */
typedef struct node {
    const char *parts[DEPTH_MAX];
    size_t depth;
    bool is_dir;
    char path[80];
} node;

typedef struct world {
    kist_memfs *fs;
    node nodes[NODES_MAX];
    size_t count;
} world;

static const char *const names[] = {"a", "b", "ab", "ba", ".h", "*", "[", "é"};
static const char *const parts[] = {"a",    "b",    "*",  "?",   "a*", "*b",
                                    "[ab]", "[!a]", "**", "**",  "**", ".h",
                                    "[[]",  "a?",   "é",  "[*]", "x"};

/* Does the rest of the path match the rest of the pattern? */
static bool
matches(const node *n, size_t at, const char *const *pattern, size_t count)
{
    if (count == 0) {
        return at == n->depth;
    }
    if (strcmp(pattern[0], "**") == 0) {
        if (count == 1) {
            return at < n->depth; // everything below, and not the base
        }
        // Any number of directories; the last part may be one too, but then
        // nothing is left for what follows.
        for (size_t skip = at; skip <= n->depth; skip++) {
            if (matches(n, skip, pattern + 1, count - 1)) {
                return true;
            }
        }
        return false;
    }
    return at < n->depth &&
           ki_pattern_match(pattern[0], strlen(pattern[0]), n->parts[at],
                            strlen(n->parts[at])) &&
           matches(n, at + 1, pattern + 1, count - 1);
}

static void
add_node(world *w, const node *parent, const char *name, bool is_dir)
{
    node *n = &w->nodes[w->count];

    *n = (node){.is_dir = is_dir};
    if (parent != NULL) {
        memcpy(n->parts, parent->parts, sizeof(n->parts));
        n->depth = parent->depth;
    }
    n->parts[n->depth++] = name;
    snprintf(n->path, sizeof(n->path), "%s/%s",
             parent == NULL ? "" : parent->path, name);
    for (size_t i = 0; i < w->count; i++) {
        if (strcmp(w->nodes[i].path, n->path) == 0) {
            return;
        }
    }
    w->count++;
    if (is_dir) {
        kt_fs_mkdir(w->fs, n->path);
    }
    else {
        kt_fs_put(w->fs, n->path, "");
    }
}

static void
make_world(world *w, uint64_t *seed)
{
    w->fs = kt_fs_new(1000000);
    w->count = 0;
    while (w->count < NODES_MAX / 2) {
        const node *parent = w->count == 0 || kt_random_below(seed, 5) == 0
                                 ? NULL
                                 : &w->nodes[kt_random_below(seed, w->count)];

        if (parent == NULL || (parent->is_dir && parent->depth < DEPTH_MAX)) {
            add_node(w, parent, names[kt_random_below(seed, KT_COUNT(names))],
                     kt_random_below(seed, 3) != 0);
        }
    }
}

static int
compare(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void
check_pattern(const world *w, const char *const *pattern, size_t count)
{
    const char *expected[NODES_MAX];
    size_t size = 0;
    char text[200] = "";
    kist_memfs_names *found;

    for (size_t i = 0; i < count; i++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
                 i == 0 ? "" : "/", pattern[i]);
    }
    for (size_t i = 0; i < w->count; i++) {
        if (matches(&w->nodes[i], 0, pattern, count)) {
            expected[size++] = w->nodes[i].path;
        }
    }
    qsort(expected, size, sizeof(*expected), compare);
    KT_OK(kist_memfs_glob(w->fs, kist_str(text), &found));
    KT_CHECK(found->count == size, "%s: %zu paths, not %zu", text,
             found->count, size);
    for (size_t i = 0; i < size; i++) {
        KT_CHECK(found->names[i].size == strlen(expected[i]) &&
                     memcmp(found->names[i].data, expected[i],
                            found->names[i].size) == 0,
                 "%s: %.*s, not %s", text, (int)found->names[i].size,
                 (const char *)found->names[i].data, expected[i]);
    }
    kist_memfs_names_free(found);
}

/*
 * Goal    glob answers what matches, once, in order, and nothing else.
 * Method  random patterns, half of whose parts are wild, over random trees.
 */
static void
test_random(void **state)
{
    const kt_place *place = *state;
    uint64_t seed = place->seed;
    static world w;

    for (int round = 0; round < 20; round++) {
        make_world(&w, &seed);
        for (int i = 0; i < 300; i++) {
            const char *pattern[7];
            const size_t count = 1 + kt_random_below(&seed, 7);

            for (size_t part = 0; part < count; part++) {
                pattern[part] = parts[kt_random_below(&seed, KT_COUNT(parts))];
            }
            check_pattern(&w, pattern, count);
        }
        kist_memfs_free(w.fs);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
