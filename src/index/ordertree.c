#include "index/ordertree.h"

#include "index/treenode.h"

/* --- looking up --------------------------------------------------------- */

/*
 * Finds the leaf that holds position i, where in it the word stands, and how
 * many words there are from it on.  0 if there is none.  A reader may meet
 * anything here, since nodes that were freed are used again under its eyes.
 */
static inline uint64_t
find(const ki_idx *idx, const ki_tx *tx, uint64_t root, uint64_t i,
     uint64_t *within, uint64_t *left)
{
    uint64_t node = root;
    uint64_t level;
    uint64_t total; // of the tree
    uint64_t below; // items below the node
    uint64_t head;

    if (!ki_tree_holds(idx, tx, node)) {
        return 0;
    }
    head = ki_tree_load(idx, tx, node);
    total = ki_tree_load(idx, tx, node + 8);
    level = head >> 32;
    if (i >= total || level == 0 || level > KI_TREE_LEVELS) {
        return 0;
    }
    below = total;
    total -= i;
    for (;;) {
        const uint32_t n = (uint32_t)head;
        uint64_t before;
        uint64_t upto;
        uint32_t k;

        if (n == 0 || n > KI_TREE_FAN || head >> 32 != level) {
            return 0;
        }
        k = ki_tree_search(idx, tx, node, n, below, i);
        before =
            k == 0 ? 0 : ki_tree_load(idx, tx, ki_tree_cum_at(node, k - 1));
        upto = ki_tree_load(idx, tx, ki_tree_cum_at(node, k));
        node = ki_tree_load(idx, tx, ki_tree_child_at(node, k));
        if (before > i || upto < before || !ki_tree_holds(idx, tx, node)) {
            return 0;
        }
        i -= before;
        below = upto - before;
        if (--level == 0) {
            *within = i;
            *left = upto - before > i ? upto - before - i : 1;
            *left = *left < total ? *left : total;
            return i < KI_TREE_LEAF && *left <= KI_TREE_LEAF - i ? node : 0;
        }
        head = ki_tree_load(idx, tx, node);
    }
}

bool
ki_tree_at(const ki_idx *idx, const ki_tx *tx, uint64_t root, uint64_t i,
           uint64_t *address)
{
    uint64_t within;
    uint64_t left;
    const uint64_t leaf = tx == NULL ? find(idx, NULL, root, i, &within, &left)
                                     : find(idx, tx, root, i, &within, &left);

    if (leaf == 0) {
        return false;
    }
    *address = leaf + within * 8;
    return true;
}

uint32_t
ki_tree_run(const ki_idx *idx, const ki_tx *tx, uint64_t root, uint64_t i,
            uint64_t *words, uint32_t max)
{
    uint64_t within;
    uint64_t left;
    const uint64_t leaf = find(idx, tx, root, i, &within, &left);
    uint32_t count;
    uint32_t j;

    if (leaf == 0) {
        return 0;
    }
    count = left < max ? (uint32_t)left : max;
    for (j = 0; j < count; j++) {
        words[j] = ki_tree_load(idx, tx, leaf + (within + j) * 8);
    }
    return count;
}

uint64_t
ki_tree_count(const ki_idx *idx, const ki_tx *tx, uint64_t root)
{
    if (root == 0) {
        return 0;
    }
    if (!ki_tree_holds(idx, tx, root) ||
        ki_tree_load(idx, tx, root) >> 32 == 0 ||
        ki_tree_load(idx, tx, root) >> 32 > KI_TREE_LEVELS) {
        return UINT64_MAX;
    }
    return ki_tree_load(idx, tx, root + 8);
}

/* --- inserting ---------------------------------------------------------- */

/* The leaf with `word` in it, as one or two new leaves. */
static kist_status
leaf_insert(ki_tree_edit *e, const ki_tree_path *p, uint64_t word,
            ki_tree_pieces *to)
{
    ki_tx *tx = e->tx;
    const uint32_t half = KI_TREE_LEAF / 2;
    const uint64_t left = p->within <= half ? half : half + 1;
    uint64_t at = p->within;
    kist_status status = ki_tree_new(e, &to->node[0]);

    to->n = 1;
    if (status != KIST_OK) {
        return status;
    }
    if (p->count < KI_TREE_LEAF) {
        ki_tree_copy(tx, to->node[0], p->leaf, at, 0);
        ki_tx_fill(tx, to->node[0] + at * 8, word);
        ki_tree_copy(tx, to->node[0] + at * 8 + 8, p->leaf + at * 8,
                     p->count - at, 0);
        ki_tx_free(tx, p->leaf, KI_TREE_CLASS);
        return KIST_OK;
    }
    to->n = 2;
    if (at == 0 || at == KI_TREE_LEAF) {
        // The word gets a leaf of its own and the full one stays as it is.
        ki_tx_fill(tx, to->node[0], word);
        to->node[1] = at == 0 ? p->leaf : to->node[0];
        to->node[0] = at == 0 ? to->node[0] : p->leaf;
        to->count[0] = at == 0 ? 1 : KI_TREE_LEAF;
        to->count[1] = at == 0 ? KI_TREE_LEAF : 1;
        return KIST_OK;
    }
    status = ki_tree_new(e, &to->node[1]);
    if (status != KIST_OK) {
        return status;
    }
    // `left` of the 513 words go to the left, the new one among them or not.
    if (at < left) {
        ki_tree_copy(tx, to->node[0], p->leaf, at, 0);
        ki_tx_fill(tx, to->node[0] + at * 8, word);
        ki_tree_copy(tx, to->node[0] + at * 8 + 8, p->leaf + at * 8,
                     left - at - 1, 0);
        ki_tree_copy(tx, to->node[1], p->leaf + (left - 1) * 8,
                     KI_TREE_LEAF + 1 - left, 0);
    }
    else {
        ki_tree_copy(tx, to->node[0], p->leaf, left, 0);
        ki_tree_copy(tx, to->node[1], p->leaf + left * 8, at - left, 0);
        at -= left;
        ki_tx_fill(tx, to->node[1] + at * 8, word);
        ki_tree_copy(tx, to->node[1] + at * 8 + 8, p->leaf + (at + left) * 8,
                     KI_TREE_LEAF - left - at, 0);
    }
    to->count[0] = left;
    to->count[1] = KI_TREE_LEAF + 1 - left;
    ki_tx_free(tx, p->leaf, KI_TREE_CLASS);
    return KIST_OK;
}

/* The first word of an empty list. */
static kist_status
first_insert(ki_tree_edit *e, const ki_tree_path *p, uint64_t word,
             uint64_t *root)
{
    uint64_t total;
    ki_tree_fan f;
    kist_status status;

    f.n = 1;
    f.count[0] = 1;
    status = ki_tree_new(e, &f.child[0]);
    if (status == KIST_OK) {
        ki_tx_fill(e->tx, f.child[0], word);
        status = ki_tree_fan_store(e, &f, 1, 0, 1, root, &total);
    }
    ki_tx_free(e->tx, p->node[1], KI_TREE_CLASS);
    return status;
}

static kist_status
insert_at(ki_tx *tx, uint64_t root_at, const ki_tree_path *p, uint64_t word)
{
    uint64_t root = 0;
    ki_tree_pieces with;
    ki_tree_edit e;
    kist_status status;

    ki_tree_begin(&e, tx);
    if (p->leaf == 0) {
        status = first_insert(&e, p, word, &root);
    }
    else {
        status = leaf_insert(&e, p, word, &with);
        if (status == KIST_OK) {
            status = ki_tree_climb(&e, p, &with, 1, &root);
        }
    }
    return ki_tree_end(&e, status, root_at, root);
}

kist_status
ki_tree_insert(ki_tx *tx, uint64_t root_at, uint64_t i, uint64_t word)
{
    ki_tree_path p;
    const kist_status status =
        ki_tree_follow(tx, ki_tx_load(tx, root_at), i, false, &p);

    return status == KIST_OK ? insert_at(tx, root_at, &p, word) : status;
}

kist_status
ki_tree_append(ki_tx *tx, uint64_t root_at, uint64_t word)
{
    ki_tree_path p;
    uint32_t level;
    const kist_status status =
        ki_tree_follow(tx, ki_tx_load(tx, root_at), 0, true, &p);

    if (status != KIST_OK) {
        return status;
    }
    if (p.leaf == 0 || p.count == KI_TREE_LEAF) {
        return insert_at(tx, root_at, &p, word);
    }
    // Deepest first: who sees a count also sees what it counts.
    ki_tx_store(tx, p.leaf + (uint64_t)p.count * 8, word);
    for (level = 1; level <= p.levels; level++) {
        ki_tx_add(tx, ki_tree_cum_at(p.node[level], p.n[level] - 1), 1);
        ki_tx_add(tx, p.node[level] + 8, 1);
    }
    return tx->failed;
}
