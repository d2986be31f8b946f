#include <string.h>

#include "index/ordertree.h"
#include "index/treenode.h"

#define SMALL_LEAF 128u /* below it, a leaf looks for a neighbour */
#define SMALL_FAN  64u

/* --- removing ----------------------------------------------------------- */

/* How full child k of a node of `level` is: words, or children. */
static uint64_t
fill_of(const ki_tx *tx, const ki_tree_fan *f, uint32_t level, uint32_t k)
{
    return level == 1 ? f->count[k] : (uint32_t)ki_tx_load(tx, f->child[k]);
}

/* Makes one node of the children k and k + 1 of a node of `level`. */
static kist_status
merge(ki_tree_edit *e, ki_tree_fan *f, uint32_t level, uint32_t k)
{
    ki_tx *tx = e->tx;
    uint64_t node;
    uint64_t total = f->count[k] + f->count[k + 1];
    ki_tree_fan pair[2];
    kist_status status;

    if (level == 1) {
        status = ki_tree_new(e, &node);
        if (status != KIST_OK) {
            return status;
        }
        ki_tree_copy(tx, node, f->child[k], f->count[k], 0);
        ki_tree_copy(tx, node + f->count[k] * 8, f->child[k + 1],
                     f->count[k + 1], 0);
    }
    else {
        status = ki_tree_fan_load(tx, f->child[k], level - 1, &pair[0]);
        if (status == KIST_OK) {
            status =
                ki_tree_fan_load(tx, f->child[k + 1], level - 1, &pair[1]);
        }
        if (status != KIST_OK) {
            return status;
        }
        memcpy(&pair[0].child[pair[0].n], pair[1].child,
               pair[1].n * sizeof(pair[1].child[0]));
        memcpy(&pair[0].count[pair[0].n], pair[1].count,
               pair[1].n * sizeof(pair[1].count[0]));
        status = ki_tree_fan_store(e, &pair[0], level - 1, 0,
                                   pair[0].n + pair[1].n, &node, &total);
        if (status != KIST_OK) {
            return status;
        }
    }
    ki_tx_free(tx, f->child[k], KI_TREE_CLASS);
    ki_tx_free(tx, f->child[k + 1], KI_TREE_CLASS);
    f->n--;
    f->child[k] = node;
    f->count[k] = total;
    memmove(&f->child[k + 1], &f->child[k + 2],
            (f->n - k - 1) * sizeof(f->child[0]));
    memmove(&f->count[k + 1], &f->count[k + 2],
            (f->n - k - 1) * sizeof(f->count[0]));
    return KIST_OK;
}

/* Merges child k, if there is one, with a neighbour, if it is small and both
 * leave room. */
static kist_status
merge_if_small(ki_tree_edit *e, ki_tree_fan *f, uint32_t level, uint32_t k)
{
    const uint64_t small = level == 1 ? SMALL_LEAF : SMALL_FAN;
    const uint64_t room = level == 1 ? KI_TREE_BUILD_LEAF : KI_TREE_BUILD_FAN;
    uint64_t own;

    if (k >= f->n || f->n < 2) {
        return KIST_OK;
    }
    own = fill_of(e->tx, f, level, k);
    if (own >= small) {
        return KIST_OK;
    }
    if (k > 0 && own + fill_of(e->tx, f, level, k - 1) <= room) {
        return merge(e, f, level, k - 1);
    }
    if (k + 1 < f->n && own + fill_of(e->tx, f, level, k + 1) <= room) {
        return merge(e, f, level, k);
    }
    return KIST_OK;
}

/* A copy of a leaf of `count` words without from .. to - 1. */
static kist_status
cut_leaf(ki_tree_edit *e, uint64_t leaf, uint64_t count, uint64_t from,
         uint64_t to, uint64_t *out)
{
    const kist_status status = ki_tree_new(e, out);

    if (status == KIST_OK) {
        ki_tree_copy(e->tx, *out, leaf, from, 0);
        ki_tree_copy(e->tx, *out + from * 8, leaf + to * 8, count - to, 0);
        ki_tx_free(e->tx, leaf, KI_TREE_CLASS);
    }
    return status;
}

/* A copy of a node without its items from .. to - 1, which are not all. */
static kist_status
cut(ki_tree_edit *e, uint64_t node, uint32_t level, uint64_t from, uint64_t to,
    uint64_t *out)
{
    ki_tree_fan f;
    uint64_t start = 0;
    uint64_t total;
    uint32_t first = KI_TREE_FAN; // of the children that are cut
    uint32_t kept = 0;
    uint32_t k;
    kist_status status = ki_tree_fan_load(e->tx, node, level, &f);

    for (k = 0; status == KIST_OK && k < f.n; k++) {
        const uint64_t count = f.count[k];
        const uint64_t a = from <= start ? 0 : from - start;
        const uint64_t b = to - start < count ? to - start : count;
        uint64_t child = f.child[k];

        if (to > start && a < b) {
            first = kept < first ? kept : first;
            f.count[k] -= b - a;
            status = f.count[k] == 0 ? ki_tree_drop(e, child, level - 1)
                     : level == 1    ? cut_leaf(e, child, count, a, b, &child)
                                     : cut(e, child, level - 1, a, b, &child);
        }
        start += count;
        f.child[kept] = child;
        f.count[kept] = f.count[k];
        kept += f.count[k] > 0;
    }
    if (status == KIST_OK) {
        // At most two children have lost a part of their items.
        f.n = kept;
        status = merge_if_small(e, &f, level, first + 1);
    }
    if (status == KIST_OK) {
        status = merge_if_small(e, &f, level, first);
    }
    if (status == KIST_OK) {
        status = ki_tree_fan_store(e, &f, level, 0, f.n, out, &total);
        ki_tx_free(e->tx, node, KI_TREE_CLASS);
    }
    return status;
}

/* While the root has one child and that is an inner node, it is the root. */
static kist_status
lower(ki_tree_edit *e, uint64_t *root)
{
    ki_tx *tx = e->tx;

    for (;;) {
        const uint64_t head = ki_tx_load(tx, *root);
        const uint64_t child = ki_tx_load(tx, ki_tree_child_at(*root, 0));

        if ((uint32_t)head != 1 || head >> 32 <= 1) {
            return KIST_OK;
        }
        if (!ki_tree_holds(tx->idx, tx, child) ||
            ki_tx_load(tx, child) >> 32 != (head >> 32) - 1) {
            return ki_tree_damaged(tx, child);
        }
        ki_tx_free(tx, *root, KI_TREE_CLASS);
        *root = child;
    }
}

static kist_status
empty_root(ki_tree_edit *e, uint64_t *root)
{
    const ki_tree_fan none = {.n = 0};
    uint64_t total;

    return ki_tree_fan_store(e, &none, 1, 0, 0, root, &total);
}

/* Removes from a leaf that stays large enough. */
static kist_status
remove_in_leaf(ki_tree_edit *e, const ki_tree_path *p, uint64_t count,
               uint64_t *root)
{
    ki_tree_pieces with;
    kist_status status;

    with.n = 1;
    status = cut_leaf(e, p->leaf, p->count, p->within, p->within + count,
                      &with.node[0]);
    if (status == KIST_OK) {
        status = ki_tree_climb(e, p, &with, (uint64_t)0 - count, root);
    }
    return status;
}

/* Topmost first, see invariant (1). */
static void
remove_in_place(ki_tx *tx, const ki_tree_path *p, uint64_t count)
{
    uint32_t level;

    for (level = p->levels; level > 0; level--) {
        ki_tx_add(tx, p->node[level] + 8, (uint64_t)0 - count);
        ki_tx_add(tx, ki_tree_cum_at(p->node[level], p->n[level] - 1),
                  (uint64_t)0 - count);
    }
}

kist_status
ki_tree_remove(ki_tx *tx, uint64_t root_at, uint64_t i, uint64_t count)
{
    const uint64_t old = ki_tx_load(tx, root_at);
    uint64_t root = 0;
    ki_tree_path p;
    ki_tree_edit e;
    kist_status status = ki_tree_follow(tx, old, i, false, &p);

    if (status != KIST_OK || count == 0) {
        return status;
    }
    if (count > p.total - i) {
        return KIST_ERR_RANGE;
    }
    if (i + count == p.total && count < p.count && p.within > 0 &&
        count == p.count - p.within) {
        remove_in_place(tx, &p, count);
        return tx->failed;
    }
    ki_tree_begin(&e, tx);
    if (count == p.total) {
        status = ki_tree_drop(&e, old, p.levels);
        if (status == KIST_OK) {
            status = empty_root(&e, &root);
        }
    }
    else if (count <= p.count - p.within && p.count - count >= SMALL_LEAF) {
        status = remove_in_leaf(&e, &p, count, &root);
    }
    else {
        status = cut(&e, old, p.levels, i, i + count, &root);
        if (status == KIST_OK) {
            status = lower(&e, &root);
        }
    }
    return ki_tree_end(&e, status, root_at, root);
}

void
ki_tree_clear(ki_tx *tx, uint64_t root_at)
{
    const uint64_t root = ki_tx_load(tx, root_at);
    ki_tree_edit e;

    if (root == 0) {
        return;
    }
    ki_tree_begin(&e, tx);
    if (ki_tree_holds(tx->idx, tx, root)) {
        const uint64_t level = ki_tx_load(tx, root) >> 32;

        // What a damaged tree does not let be found is lost till a rebuild.
        if (level > 0 && level <= KI_TREE_LEVELS) {
            (void)ki_tree_drop(&e, root, (uint32_t)level);
        }
    }
    ki_tx_store(tx, root_at, 0);
}
