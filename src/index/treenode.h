/*
 * treenode.h - what the order tree's files share: nodes, an edit that can be
 * undone, the way to a position.  ordertree.h says what a node looks like.
 *
 * Layer    index: for ordertree.c, treecut.c and treebuild.c only.
 * Threads  as ordertree.h.
 */
#ifndef KI_INDEX_TREENODE_H
#define KI_INDEX_TREENODE_H

#include "index/ordertree.h"

#define KI_TREE_NODE_SIZE  (UINT64_C(1) << KI_TREE_CLASS)
#define KI_TREE_BUILD_LEAF 384u /* words of a leaf that is built or merged */
#define KI_TREE_BUILD_FAN  192u /* children of an inner node, likewise */
#define KI_TREE_FRESH_MAX  64u  /* more nodes than any edit makes */

_Static_assert(8 * (2 + 2 * KI_TREE_FAN) == KI_TREE_NODE_SIZE,
               "an inner node fits");
_Static_assert(8 * KI_TREE_LEAF == KI_TREE_NODE_SIZE, "a leaf fits");

/* --- nodes -------------------------------------------------------------- */

static inline uint64_t
ki_tree_load(const ki_idx *idx, const ki_tx *tx, uint64_t address)
{
    return tx == NULL ? ki_word_load(idx, address) : ki_tx_load(tx, address);
}

static inline uint64_t
ki_tree_cum_at(uint64_t node, uint32_t k)
{
    return node + 16 + (uint64_t)k * 8;
}

static inline uint64_t
ki_tree_child_at(uint64_t node, uint32_t k)
{
    return node + 8 * (2 + (uint64_t)KI_TREE_FAN) + (uint64_t)k * 8;
}

static inline uint64_t
ki_tree_head(uint32_t level, uint32_t n)
{
    return (uint64_t)level << 32 | n;
}

/*
 * Asked of each address before it is followed.  What lies behind the bump
 * pointer was never handed out, and need not even be in the file.
 */
static inline bool
ki_tree_holds(const ki_idx *idx, const ki_tx *tx, uint64_t address)
{
    const uint64_t bump = ki_tree_load(idx, tx, KI_W_BUMP);

    return address % (UINT64_C(1) << KI_CLASS_MIN) == 0 &&
           address >= KI_IDX_ARENA && address < bump &&
           KI_TREE_NODE_SIZE <= bump - address &&
           ki_idx_holds(idx, address, KI_TREE_NODE_SIZE);
}

/*
 * The first child whose cum is above i, or the last one; `total` is what the
 * node counts.  Children are about equally full, so the place is guessed, and
 * looked for first in the two cache lines around it.
 */
static inline uint32_t
ki_tree_search(const ki_idx *idx, const ki_tx *tx, uint64_t node, uint32_t n,
               uint64_t total, uint64_t i)
{
    const uint32_t guess =
        i < total ? (uint32_t)((double)i / (double)total * n) : n - 1;
    const uint32_t low = guess > 8 ? guess - 8 : 0;
    const uint32_t high = guess + 8 < n - 1 ? guess + 8 : n - 1;
    uint32_t first = 0;
    uint32_t size = n - 1;

    if ((low == 0 ||
         ki_tree_load(idx, tx, ki_tree_cum_at(node, low - 1)) <= i) &&
        (high == n - 1 ||
         ki_tree_load(idx, tx, ki_tree_cum_at(node, high)) > i)) {
        first = low;
        size = high - low;
    }
    while (size > 0) {
        const uint32_t half = (size + 1) / 2;
        const uint64_t cum =
            ki_tree_load(idx, tx, ki_tree_cum_at(node, first + half - 1));

        // Without a branch, which could not be predicted.
        first += half & ((uint32_t)0 - (uint32_t)(cum <= i));
        size -= half;
    }
    return first;
}

/*
 * What an edit has taken and given back, so that it can be undone while it
 * has listed nothing yet.
 */
typedef struct ki_tree_edit {
    ki_tx *tx;
    size_t freed_count; /* of tx, before the edit */
    uint64_t budget;    /* nodes that a sound index can have, still unseen */
    uint32_t fresh_count;
    uint64_t fresh[KI_TREE_FRESH_MAX];
} ki_tree_edit;

void ki_tree_begin(ki_tree_edit *e, ki_tx *tx);

/* Gives back what the edit has taken; nothing has happened. */
void ki_tree_undo(ki_tree_edit *e);

/* Publishes the new root, or undoes what failed and passes `status` on. */
KIST_NODISCARD kist_status ki_tree_end(ki_tree_edit *e, kist_status status,
                                       uint64_t root_at, uint64_t root);

/* Answers CORRUPT for the node at `address`. */
kist_status ki_tree_damaged(const ki_tx *tx, uint64_t address);

/* A new node, its contents arbitrary. */
KIST_NODISCARD kist_status ki_tree_new(ki_tree_edit *e, uint64_t *node);

/* Copies words into a new node, adding `increment` to each. */
void ki_tree_copy(ki_tx *tx, uint64_t to, uint64_t from, uint64_t count,
                  uint64_t increment);

/*
 * Frees a node of `level` (0: a leaf) and what hangs on it.  CORRUPT, which
 * may be ignored: what was not found is lost until the next rebuild.
 */
kist_status ki_tree_drop(ki_tree_edit *e, uint64_t node, uint32_t level);

/* --- inner nodes as a whole --------------------------------------------- */

/* The children of a node, with one more than a node can have. */
typedef struct ki_tree_fan {
    uint32_t n;
    uint64_t child[KI_TREE_FAN + 1];
    uint64_t count[KI_TREE_FAN + 1];
} ki_tree_fan;

/* Takes the inner node of `level` apart.  CORRUPT. */
KIST_NODISCARD kist_status ki_tree_fan_load(const ki_tx *tx, uint64_t node,
                                            uint32_t level, ki_tree_fan *f);

/* Makes a new node of children first .. first + n - 1. */
KIST_NODISCARD kist_status ki_tree_fan_store(ki_tree_edit *e,
                                             const ki_tree_fan *f,
                                             uint32_t level, uint32_t first,
                                             uint32_t n, uint64_t *node,
                                             uint64_t *total);

/* --- the way down and up ------------------------------------------------ */

/* The nodes above a position, and its leaf. */
typedef struct ki_tree_path {
    uint32_t levels;
    uint32_t child[KI_TREE_LEVELS + 1]; /* of the node of each level */
    uint32_t n[KI_TREE_LEVELS + 1];
    uint64_t node[KI_TREE_LEVELS + 1];
    uint64_t total; /* of the root */
    uint64_t leaf;  /* 0: the list is empty */
    uint32_t within;
    uint32_t count; /* words of the leaf */
} ki_tree_path;

/* Follows position i <= total, or the total if `at_end`.  RANGE, CORRUPT. */
KIST_NODISCARD kist_status ki_tree_follow(const ki_tx *tx, uint64_t root,
                                          uint64_t i, bool at_end,
                                          ki_tree_path *p);

/* What stands where one child stood. */
typedef struct ki_tree_pieces {
    uint32_t n; /* 1 or 2 */
    uint64_t node[2];
    uint64_t count[2];
} ki_tree_pieces;

/*
 * Copies the nodes above the leaf, which has become `with`; the counts above
 * it change by `increment`.
 */
KIST_NODISCARD kist_status ki_tree_climb(ki_tree_edit *e,
                                         const ki_tree_path *p,
                                         ki_tree_pieces *with,
                                         uint64_t increment, uint64_t *root);

#endif /* KI_INDEX_TREENODE_H */
