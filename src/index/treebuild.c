#include "base/fail.h"
#include "index/ordertree.h"
#include "index/treenode.h"

/* One open node on each level; the others are full. */
typedef struct builder {
    ki_tree_edit edit;
    uint32_t first;  /* lowest level whose node is not yet somebody's child */
    uint32_t levels; /* that have a node */
    uint32_t n[KI_TREE_LEVELS + 1];
    uint64_t node[KI_TREE_LEVELS + 1];
    uint64_t total[KI_TREE_LEVELS + 1];
} builder;

static void
close_node(builder *b, uint32_t level)
{
    ki_tx *tx = b->edit.tx;

    ki_tx_fill(tx, b->node[level], ki_tree_head(level, b->n[level]));
    ki_tx_fill(tx, b->node[level] + 8, b->total[level]);
}

/* The nodes are too many to be remembered one by one, as in other edits. */
static kist_status
take_node(builder *b, uint64_t *node)
{
    const kist_status status = ki_tx_alloc(b->edit.tx, KI_TREE_CLASS, node);

    return status == KIST_OK ? b->edit.tx->failed : status;
}

static void
put_child(builder *b, uint32_t level, uint64_t child, uint64_t count)
{
    const uint64_t node = b->node[level];
    const uint32_t k = b->n[level]++;

    b->total[level] += count;
    ki_tx_fill(b->edit.tx, ki_tree_cum_at(node, k), b->total[level]);
    ki_tx_fill(b->edit.tx, ki_tree_child_at(node, k), child);
}

/*
 * Puts a child into the open node of `level`.  If that is full, a new one is
 * opened and the full one is put into the level above, and so on.  A child
 * that finds no place is dropped.
 */
static kist_status
push(builder *b, uint32_t level, uint64_t child, uint64_t count)
{
    kist_status status;

    for (;; level++) {
        const bool is_open = level <= b->levels;
        uint64_t node;
        uint64_t full;
        uint64_t total;

        if (is_open && b->n[level] < KI_TREE_BUILD_FAN) {
            put_child(b, level, child, count);
            return KIST_OK;
        }
        status = level > KI_TREE_LEVELS
                     ? KI_FAIL(KIST_ERR_TOOBIG, b->edit.tx->idx->path,
                               KI_NO_OFFSET, "too many items")
                     : take_node(b, &node);
        if (status != KIST_OK) {
            ki_tree_begin(&b->edit, b->edit.tx); // the budget has grown
            (void)ki_tree_drop(&b->edit, child, level - 1);
            return status;
        }
        full = is_open ? b->node[level] : 0;
        total = is_open ? b->total[level] : 0;
        if (is_open) {
            close_node(b, level);
        }
        b->node[level] = node;
        b->n[level] = 0;
        b->total[level] = 0;
        put_child(b, level, child, count);
        if (!is_open) {
            b->levels = level;
            return KIST_OK;
        }
        child = full;
        count = total;
    }
}

/* Makes the next leaf, of `count` words. */
static kist_status
make_leaf(builder *b, uint64_t count, ki_tree_next next, void *context)
{
    ki_tx *tx = b->edit.tx;
    uint64_t leaf;
    uint64_t word;
    uint64_t i;
    kist_status status = take_node(b, &leaf);

    if (status != KIST_OK) {
        return status;
    }
    for (i = 0; i < count; i++) {
        if (!next(context, &word)) {
            ki_tx_free(tx, leaf, KI_TREE_CLASS);
            return ki_tree_damaged(tx, leaf);
        }
        ki_tx_fill(tx, leaf + i * 8, word);
    }
    return push(b, 1, leaf, count);
}

/* Closes the open nodes, each becoming the last child of the one above. */
static kist_status
finish(builder *b, uint64_t *root)
{
    kist_status status = KIST_OK;

    while (b->first < b->levels && status == KIST_OK) {
        const uint32_t level = b->first++;

        close_node(b, level);
        status = push(b, level + 1, b->node[level], b->total[level]);
    }
    if (status == KIST_OK) {
        close_node(b, b->levels);
        *root = b->node[b->levels];
    }
    return status;
}

static void
drop_open_nodes(builder *b)
{
    uint32_t level;

    for (level = b->first; level <= b->levels; level++) {
        close_node(b, level);
        (void)ki_tree_drop(&b->edit, b->node[level], level);
    }
}

kist_status
ki_tree_build(ki_tx *tx, uint64_t count, ki_tree_next next, void *context,
              uint64_t *root)
{
    builder b = {.first = 1, .levels = 0};
    uint64_t left = count;
    kist_status status = KIST_OK;

    ki_tree_begin(&b.edit, tx);
    if (count == 0) {
        b.levels = 1;
        b.n[1] = 0;
        b.total[1] = 0;
        status = take_node(&b, &b.node[1]);
        if (status != KIST_OK) {
            return status;
        }
    }
    while (left > 0 && status == KIST_OK) {
        const uint64_t part =
            left < KI_TREE_BUILD_LEAF ? left : KI_TREE_BUILD_LEAF;

        status = make_leaf(&b, part, next, context);
        left -= part;
    }
    if (status == KIST_OK) {
        status = finish(&b, root);
    }
    if (status != KIST_OK) {
        ki_tree_begin(&b.edit, tx);
        drop_open_nodes(&b);
    }
    return status;
}
