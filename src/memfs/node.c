#include "memfs/node.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assertion.h"
#include "base/fail.h"
#include "base/hash.h"

#define BUCKETS_MIN 64u

static void
init(ki_node *node, size_t head, kist_slice name, int64_t now_ns)
{
    memset(node, 0, head);
    node->name = (char *)node + head;
    node->name_size = (uint32_t)name.size;
    if (name.size > 0) {
        memcpy(node->name, name.data, name.size);
    }
    node->created_ns = now_ns;
    node->modified_ns = now_ns;
    atomic_init(&node->refs, 1);
}

static ki_node *
new_node(size_t head, kist_slice name, int64_t now_ns)
{
    ki_node *fresh =
        name.size > UINT32_MAX ? NULL : ki_realloc(NULL, head + name.size);

    if (fresh != NULL) {
        init(fresh, head, name, now_ns);
    }
    return fresh;
}

ki_file *
ki_file_new(kist_slice name, bool is_random, int64_t now_ns)
{
    ki_node *fresh = new_node(sizeof(ki_file), name, now_ns);

    if (fresh != NULL) {
        fresh->is_random = is_random;
    }
    return (ki_file *)fresh;
}

ki_dir *
ki_dir_new(kist_slice name, int64_t now_ns)
{
    ki_node *fresh = new_node(sizeof(ki_dir), name, now_ns);

    if (fresh != NULL) {
        fresh->is_dir = 1;
    }
    return (ki_dir *)fresh;
}

void
ki_node_drop(ki_node *node, ki_garbage *garbage)
{
    if (atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    if (!node->is_dir) {
        ki_content_clear(&ki_node_file(node)->content, garbage);
    }
    if (node->owns_name) {
        ki_free(node->name);
    }
    ki_free(node);
}

kist_status
ki_node_rename(ki_node *node, kist_slice name)
{
    char *text = name.size > UINT32_MAX ? NULL : ki_realloc(NULL, name.size);

    if (text == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "name");
    }
    memcpy(text, name.data, name.size);
    if (node->owns_name) {
        ki_free(node->name);
    }
    node->name = text;
    node->name_size = (uint32_t)name.size;
    node->owns_name = 1;
    return KIST_OK;
}

/* --- the table ----------------------------------------------------------- */

kist_status
ki_names_init(ki_names *names, uint64_t seed)
{
    *names = (ki_names){.mask = BUCKETS_MIN - 1, .seed = seed};
    names->buckets = ki_calloc(BUCKETS_MIN, sizeof(ki_node *));
    return names->buckets != NULL
               ? KIST_OK
               : KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "names");
}

void
ki_names_fini(ki_names *names)
{
    ki_free(names->buckets);
    *names = (ki_names){0};
}

static uint32_t
hash_of(const ki_names *names, const ki_dir *dir, kist_slice name)
{
    return (uint32_t)ki_hash(name.data, name.size,
                             names->seed ^ (uintptr_t)dir);
}

kist_status
ki_names_reserve(ki_names *names, uint64_t more)
{
    uint64_t buckets = names->mask + 1;
    ki_node **wider;

    if (more <= buckets - names->count) {
        return KIST_OK;
    }
    while (buckets - names->count < more) {
        if (buckets > SIZE_MAX / 16) {
            return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "names");
        }
        buckets *= 2;
    }
    wider = ki_calloc(buckets, sizeof(*wider));
    if (wider == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "names");
    }
    for (uint64_t old = 0; old <= names->mask; old++) {
        ki_node *next;

        for (ki_node *node = names->buckets[old]; node != NULL; node = next) {
            ki_node **bucket = wider + (node->hash & (buckets - 1));

            next = node->bucket_next;
            node->bucket_next = *bucket;
            *bucket = node;
        }
    }
    ki_free(names->buckets);
    names->buckets = wider;
    names->mask = buckets - 1;
    return KIST_OK;
}

ki_node *
ki_names_find(const ki_names *names, const ki_dir *dir, kist_slice name)
{
    const uint32_t hash = hash_of(names, dir, name);
    ki_node *node = names->buckets[hash & names->mask];

    while (node != NULL && (node->hash != hash || node->parent != dir ||
                            node->name_size != name.size ||
                            memcmp(node->name, name.data, name.size) != 0)) {
        node = node->bucket_next;
    }
    return node;
}

void
ki_names_link(ki_names *names, ki_dir *dir, ki_node *node)
{
    ki_node **bucket;

    KI_ASSERT(names->count <= names->mask);
    node->hash = hash_of(names, dir, ki_node_name(node));
    bucket = names->buckets + (node->hash & names->mask);
    node->bucket_next = *bucket;
    *bucket = node;
    names->count++;
    names->changes++;

    dir->dirs += node->is_dir;
    node->parent = dir;
    node->next = NULL;
    node->previous = dir->last;
    if (dir->last != NULL) {
        dir->last->next = node;
    }
    else {
        dir->first = node;
    }
    dir->last = node;
}

void
ki_names_unlink(ki_names *names, ki_node *node)
{
    ki_dir *dir = node->parent;
    ki_node **link = names->buckets + (node->hash & names->mask);

    while (*link != node) {
        link = &(*link)->bucket_next;
    }
    *link = node->bucket_next;
    names->count--;
    names->changes++;

    dir->dirs -= node->is_dir;
    if (node->previous != NULL) {
        node->previous->next = node->next;
    }
    else {
        dir->first = node->next;
    }
    if (node->next != NULL) {
        node->next->previous = node->previous;
    }
    else {
        dir->last = node->previous;
    }
    node->parent = NULL;
    node->next = NULL;
    node->previous = NULL;
}

void
ki_names_replace(ki_names *names, ki_node *old, ki_node *node)
{
    ki_node **link = names->buckets + (old->hash & names->mask);

    while (*link != old) {
        link = &(*link)->bucket_next;
    }
    *link = node;
    old->parent->dirs += node->is_dir;
    old->parent->dirs -= old->is_dir;
    node->hash = old->hash;
    node->bucket_next = old->bucket_next;
    node->parent = old->parent;
    node->next = old->next;
    node->previous = old->previous;
    *(old->previous != NULL ? &old->previous->next : &old->parent->first) =
        node;
    *(old->next != NULL ? &old->next->previous : &old->parent->last) = node;
    old->parent = NULL;
    old->next = NULL;
    old->previous = NULL;
}

ki_node *
ki_node_beyond(ki_node *node, const ki_node *top)
{
    while (node != top && node->next == NULL) {
        node = &node->parent->node;
    }
    return node == top ? NULL : node->next;
}

ki_node *
ki_node_after(ki_node *node, const ki_node *top)
{
    if (node->is_dir && ki_node_dir(node)->first != NULL) {
        return ki_node_dir(node)->first;
    }
    return ki_node_beyond(node, top);
}
