/*
 * Matching a whole tree against a pattern in one pass: at each node we know
 * the set of pattern parts that may come next, one bit for each, so that a
 * node is looked at once however many "**" there are.
 *
 *     pattern  a / ** / *.c          at /a/b:  bits 1 (** goes on)
 *              0   1    2                      and 2 (** ends here)
 *
 * The bit behind the last part says that the node matches.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "memfs/listing.h"
#include "memfs/pattern.h"
#include "memfs/tree.h"

#define BITS 64u

typedef struct part {
    kist_slice text;
    bool any;   // "**"
    bool plain; // matches one name only
} part;

typedef struct search {
    kist_memfs *fs;
    part *parts;
    size_t count;
    size_t words;   // of a set: count + 1 bits
    kist_buf sets;  // one a level; of uint64_t
    kist_buf path;  // of the node
    kist_buf sizes; // of path, one a level
    ki_listing found;
} search;

static kist_status
no_memory(void)
{
    return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "glob");
}

/* Cuts the pattern, with "/" only, into its parts. */
static kist_status
cut(search *at, char *text, size_t size)
{
    const ki_path all = {text, size, NULL};

    at->parts = ki_calloc(size / 2 + 1, sizeof(*at->parts));
    if (at->parts == NULL) {
        return no_memory();
    }
    for (size_t from = 0; from < size;) {
        const kist_slice one = ki_path_part(&all, &from);
        part *into = at->parts + at->count;

        if (one.size > 0) {
            into->text = one;
            into->any = one.size == 2 && memcmp(one.data, "**", 2) == 0;
            into->plain =
                !into->any && ki_pattern_is_plain(one.data, one.size);
            at->count++;
        }
    }
    at->words = at->count / BITS + 1;
    return KIST_OK;
}

static bool
has(const uint64_t *set, size_t bit)
{
    return (set[bit / BITS] >> bit % BITS & 1) != 0;
}

/* Adds part `bit`, and where it may stand for nothing, those behind. */
static void
add(const search *at, uint64_t *set, size_t bit)
{
    set[bit / BITS] |= (uint64_t)1 << bit % BITS;
    while (bit + 1 < at->count && at->parts[bit].any) {
        bit++;
        set[bit / BITS] |= (uint64_t)1 << bit % BITS;
    }
}

/* The set below a node of that name. */
static void
step(const search *at, const uint64_t *from, kist_slice name, uint64_t *to)
{
    memset(to, 0, at->words * sizeof(*to));
    for (size_t bit = 0; bit < at->count; bit++) {
        const part *one = at->parts + bit;

        if (!has(from, bit)) {
            continue;
        }
        if (one->any) {
            add(at, to, bit);
            if (bit + 1 == at->count) {
                add(at, to, at->count);
            }
        }
        else if (ki_pattern_match(one->text.data, one->text.size, name.data,
                                  name.size)) {
            add(at, to, bit + 1);
        }
    }
}

/* The one part of the set, if that matches one name only; else NULL. */
static const part *
only_name(const search *at, const uint64_t *set)
{
    const part *one = NULL;

    for (size_t bit = 0; bit < at->count; bit++) {
        if (has(set, bit)) {
            if (one != NULL || !at->parts[bit].plain) {
                return NULL;
            }
            one = at->parts + bit;
        }
    }
    return one;
}

static uint64_t *
set_of(const search *at, size_t level)
{
    return (uint64_t *)(void *)at->sets.data + level * at->words;
}

/* Makes room for the set and the path of one more level. */
static kist_status
deepen(search *at, size_t level)
{
    const size_t set = at->words * sizeof(uint64_t);
    kist_status status = KIST_OK;

    if (at->sets.size < (level + 1) * set) {
        status = kist_buf_reserve(&at->sets, set);
        at->sets.size += status == KIST_OK ? set : 0;
    }
    if (status == KIST_OK && at->sizes.size < (level + 1) * sizeof(size_t)) {
        const size_t none = 0;

        status = kist_buf_append(&at->sizes, &none, sizeof(none));
    }
    return status;
}

static size_t *
size_of(const search *at, size_t level)
{
    return (size_t *)(void *)at->sizes.data + level;
}

/* Puts the name behind the path of level - 1. */
static kist_status
set_path(search *at, size_t level, kist_slice name)
{
    kist_status status;

    at->path.size = *size_of(at, level - 1);
    status = kist_buf_append(&at->path, "/", 1);
    if (status == KIST_OK) {
        status = kist_buf_append(&at->path, name.data, name.size);
    }
    *size_of(at, level) = at->path.size;
    return status;
}

static ki_node *
first_child(const search *at, ki_dir *dir, const uint64_t *set, bool *only)
{
    const part *one = only_name(at, set);

    *only = one != NULL;
    return one != NULL ? ki_names_find(&at->fs->names, dir, one->text)
                       : dir->first;
}

/* True if some part is left to be matched. */
static bool
goes_on(const search *at, const uint64_t *set)
{
    uint64_t any = 0;

    for (size_t bit = 0; bit < at->count; bit++) {
        any |= has(set, bit);
    }
    return any != 0;
}

/* Looks at the node of `level`, whose parent's set is known. */
static kist_status
look(search *at, ki_node *node, size_t level, bool *below)
{
    kist_status status = deepen(at, level);
    uint64_t *set;

    *below = false;
    if (status != KIST_OK) {
        return status;
    }
    set = set_of(at, level);
    step(at, set_of(at, level - 1), ki_node_name(node), set);
    *below = node->is_dir && goes_on(at, set);
    if (!*below && !has(set, at->count)) {
        return KIST_OK;
    }
    status = set_path(at, level, ki_node_name(node));
    if (status == KIST_OK && has(set, at->count)) {
        status = ki_listing_add(&at->found, kist_buf_slice(&at->path));
    }
    return status;
}

/* All nodes below the root, depth first, without those that cannot match. */
static kist_status
descend(search *at)
{
    size_t level = 1;
    bool only;
    ki_node *node = first_child(at, at->fs->root, set_of(at, 0), &only);

    while (node != NULL) {
        bool below;
        const kist_status status = look(at, node, level, &below);

        if (status != KIST_OK) {
            return status;
        }
        if (below) {
            ki_node *child =
                first_child(at, ki_node_dir(node), set_of(at, level), &only);

            if (child != NULL) {
                node = child;
                level++;
                continue;
            }
        }
        // To the next sibling, of this node or of one above it.
        while (node != NULL) {
            only = only_name(at, set_of(at, level - 1)) != NULL;
            if (!only && node->next != NULL) {
                node = node->next;
                break;
            }
            node = --level == 0 ? NULL : &node->parent->node;
        }
    }
    return KIST_OK;
}

static int
compare(const void *left, const void *right)
{
    const kist_slice *a = left;
    const kist_slice *b = right;
    const size_t size = a->size < b->size ? a->size : b->size;
    const int order = memcmp(a->data, b->data, size);

    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

/* Names often come in order, and then there is nothing to do. */
static void
sort(kist_memfs_names *paths)
{
    for (size_t index = 1; index < paths->count; index++) {
        if (compare(paths->names + index - 1, paths->names + index) > 0) {
            qsort(paths->names, paths->count, sizeof(*paths->names), compare);
            return;
        }
    }
}

kist_status
kist_memfs_glob(kist_memfs *fs, kist_slice pattern, kist_memfs_names **paths)
{
    search at = {.fs = fs};
    char *text = ki_realloc(NULL, pattern.size);
    kist_status status = KIST_OK;

    *paths = NULL;
    if (text == NULL) {
        return no_memory();
    }
    for (size_t index = 0; index < pattern.size; index++) {
        const char letter = ((const char *)pattern.data)[index];

        text[index] = letter == '\\' ? '/' : letter;
    }
    status = cut(&at, text, pattern.size);
    if (status == KIST_OK) {
        status = deepen(&at, 0);
    }
    if (status == KIST_OK && at.count > 0) {
        memset(set_of(&at, 0), 0, at.words * sizeof(uint64_t));
        add(&at, set_of(&at, 0), 0);
        ki_brlock_read(&fs->lock);
        status = descend(&at);
        ki_brlock_unread(&fs->lock);
    }
    if (status == KIST_OK) {
        status = ki_listing_take(&at.found, 0, paths);
    }
    if (status == KIST_OK) {
        sort(*paths);
    }
    ki_listing_fini(&at.found);
    kist_buf_fini(&at.sets);
    kist_buf_fini(&at.path);
    kist_buf_fini(&at.sizes);
    ki_free(at.parts);
    ki_free(text);
    return status;
}
