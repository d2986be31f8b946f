/*
 * ordertree.h - the words of a list that was edited in the middle: position
 * to word through a copy-on-write tree of counts.
 *
 *      root word --> inner node, level 2: | head | total | cum | children |
 *                      |             \
 *              inner node, level 1   ...
 *               |      |      \
 *             leaf    leaf    leaf: up to 512 words, in order
 *
 *   cum[k] counts the items in children 0 .. k, so a position is found by
 *   binary search in each node.  An edit copies the leaf and the nodes above
 *   it, and one store of the root word publishes the copy; only what changes
 *   at the very end of the list is changed in place.
 *
 * Layer    index.
 * Threads  one writer, any readers (tx.h: ki_view_begin, ki_view_held).  Old
 *          and new tree share leaves, in which words may be set: a reader
 *          that finds the root word changed once it has its word must begin
 *          again, for its position may have meant another item by then.
 *
 * FORMAT   a node is one extent of class 12, 512 words
 *     leaf     the list's words; how many is known by its parent
 *     inner    word 0         level << 32 | n, 1 <= level <= 8, n <= 255
 *              word 1         items below
 *              words 2..256   cum[0 .. 254]
 *              words 257..511 addresses of the children
 *     root     address of an inner node (n = 0: an empty list); 0: no tree
 *
 * INVARIANTS
 *  (1) A node that readers can reach changes only at its end: the word behind
 *      the last one of the last leaf, then cum[n - 1] and total of the nodes
 *      above, deepest first when the list grows and topmost first when it
 *      shrinks.  A reader that saw the total above the cum below it takes the
 *      last child, where the word it looks for still stands.
 *  (2) No leaf is empty, and no inner node but the root.
 *
 * All functions that take a `root_at` list pairs in the transaction (at most
 * 17) and commit nothing.  Where they fail, they have listed nothing.
 */
#ifndef KI_INDEX_ORDERTREE_H
#define KI_INDEX_ORDERTREE_H

#include "index/tx.h"

#define KI_TREE_CLASS  12u
#define KI_TREE_LEAF   512u /* words of a leaf */
#define KI_TREE_FAN    255u /* children of an inner node */
#define KI_TREE_LEVELS 8u

/* --- looking up ---------------------------------------------------------- */

/*
 * Address of the word at position `i`; false if there is no such position or
 * the tree is damaged.  `tx` NULL: as committed, for readers.
 */
bool ki_tree_at(const ki_idx *idx, const ki_tx *tx, uint64_t root, uint64_t i,
                uint64_t *address);

/*
 * Copies up to `max` words from position `i` on, as far as one leaf goes.
 * Returns how many; 0: no such position, or damaged.
 */
uint32_t ki_tree_run(const ki_idx *idx, const ki_tx *tx, uint64_t root,
                     uint64_t i, uint64_t *words, uint32_t max);

/* Items in the tree, 0 for root 0, UINT64_MAX if the root is damaged. */
uint64_t ki_tree_count(const ki_idx *idx, const ki_tx *tx, uint64_t root);

/* --- changing ------------------------------------------------------------ */

/* Gives the next word of a list; false if it cannot. */
typedef bool (*ki_tree_next)(void *context, uint64_t *word);

/*
 * Makes a new tree of `count` words, which nobody sees until the caller lists
 * *root at its root word.  CORRUPT (next failed), IO, NOMEM.
 */
KIST_NODISCARD kist_status ki_tree_build(ki_tx *tx, uint64_t count,
                                         ki_tree_next next, void *context,
                                         uint64_t *root);

/* Puts `word` before position i <= count.  RANGE, CORRUPT, IO, NOMEM. */
KIST_NODISCARD kist_status ki_tree_insert(ki_tx *tx, uint64_t root_at,
                                          uint64_t i, uint64_t word);

/* Puts `word` behind the last, in place as a rule.  CORRUPT, IO, NOMEM. */
KIST_NODISCARD kist_status ki_tree_append(ki_tx *tx, uint64_t root_at,
                                          uint64_t word);

/* Removes `count` items from position i on.  RANGE, CORRUPT, IO, NOMEM. */
KIST_NODISCARD kist_status ki_tree_remove(ki_tx *tx, uint64_t root_at,
                                          uint64_t i, uint64_t count);

/* Frees the whole tree and sets the root word to 0. */
void ki_tree_clear(ki_tx *tx, uint64_t root_at);

#endif /* KI_INDEX_ORDERTREE_H */
