#include "index/treenode.h"

#include <string.h>

#include "base/fail.h"

/* --- an edit under way -------------------------------------------------- */

void
ki_tree_begin(ki_tree_edit *e, ki_tx *tx)
{
    e->tx = tx;
    e->freed_count = tx->freed_count;
    e->budget = ki_tx_load(tx, KI_W_BUMP) / KI_TREE_NODE_SIZE;
    e->fresh_count = 0;
}

void
ki_tree_undo(ki_tree_edit *e)
{
    uint32_t i;

    e->tx->freed_count = e->freed_count;
    for (i = 0; i < e->fresh_count; i++) {
        ki_tx_free(e->tx, e->fresh[i], KI_TREE_CLASS);
    }
}

kist_status
ki_tree_end(ki_tree_edit *e, kist_status status, uint64_t root_at,
            uint64_t root)
{
    if (status != KIST_OK) {
        ki_tree_undo(e);
        return status;
    }
    ki_tx_store(e->tx, root_at, root);
    return e->tx->failed;
}

kist_status
ki_tree_damaged(const ki_tx *tx, uint64_t address)
{
    return KI_FAIL(KIST_ERR_CORRUPT, tx->idx->path, address,
                   "index order tree");
}

kist_status
ki_tree_new(ki_tree_edit *e, uint64_t *node)
{
    kist_status status = ki_tx_alloc(e->tx, KI_TREE_CLASS, node);

    if (status == KIST_OK) {
        KI_ASSERT(e->fresh_count < KI_TREE_FRESH_MAX);
        e->fresh[e->fresh_count++] = *node;
        // A batch that could not note what it took would take it twice.
        status = e->tx->failed;
    }
    return status;
}

static inline void
copy_word(const ki_idx *idx, uint64_t to, uint64_t from, uint64_t increment)
{
    ki_word_store(idx, to, ki_word_load(idx, from) + increment);
}

/*
 * Copies word by word, for readers may still be looking at what the extent
 * was before.
 */
void
ki_tree_copy(ki_tx *tx, uint64_t to, uint64_t from, uint64_t count,
             uint64_t increment)
{
    const ki_idx *idx = tx->idx;
    uint64_t i = 0;

    if (tx->mode == KI_TX_BATCH) {
        for (; i < count * 8; i += 8) {
            ki_tx_fill(tx, to + i, ki_tx_load(tx, from + i) + increment);
        }
        return;
    }
    for (; i + 32 <= count * 8; i += 32) {
        copy_word(idx, to + i, from + i, increment);
        copy_word(idx, to + i + 8, from + i + 8, increment);
        copy_word(idx, to + i + 16, from + i + 16, increment);
        copy_word(idx, to + i + 24, from + i + 24, increment);
    }
    for (; i < count * 8; i += 8) {
        copy_word(idx, to + i, from + i, increment);
    }
}

/*
 * Frees a node and what hangs on it.  Levels fall, so it ends; the budget
 * sees to it that a damaged tree does not take forever.
 */
kist_status
ki_tree_drop(ki_tree_edit *e, uint64_t node, uint32_t level)
{
    kist_status status = KIST_OK;
    uint64_t head;
    uint32_t k;

    if (!ki_tree_holds(e->tx->idx, e->tx, node) || e->budget == 0) {
        return ki_tree_damaged(e->tx, node);
    }
    e->budget--;
    if (level > 0) {
        head = ki_tx_load(e->tx, node);
        if (head >> 32 != level || (uint32_t)head > KI_TREE_FAN) {
            return ki_tree_damaged(e->tx, node);
        }
        for (k = 0; k < (uint32_t)head && status == KIST_OK; k++) {
            status = ki_tree_drop(
                e, ki_tx_load(e->tx, ki_tree_child_at(node, k)), level - 1);
        }
    }
    ki_tx_free(e->tx, node, KI_TREE_CLASS);
    return status;
}

/* --- inner nodes as a whole --------------------------------------------- */

kist_status
ki_tree_fan_load(const ki_tx *tx, uint64_t node, uint32_t level,
                 ki_tree_fan *f)
{
    const uint64_t head = ki_tx_load(tx, node);
    const uint32_t n = (uint32_t)head;
    uint64_t before = 0;
    uint32_t k;

    if (head >> 32 != level || n > KI_TREE_FAN) {
        return ki_tree_damaged(tx, node);
    }
    f->n = n;
    for (k = 0; k < n; k++) {
        const uint64_t upto = ki_tx_load(tx, ki_tree_cum_at(node, k));

        f->child[k] = ki_tx_load(tx, ki_tree_child_at(node, k));
        if (upto <= before || !ki_tree_holds(tx->idx, tx, f->child[k]) ||
            (level == 1 && upto - before > KI_TREE_LEAF)) {
            return ki_tree_damaged(tx, node);
        }
        f->count[k] = upto - before;
        before = upto;
    }
    return before == ki_tx_load(tx, node + 8) ? KIST_OK
                                              : ki_tree_damaged(tx, node);
}

kist_status
ki_tree_fan_store(ki_tree_edit *e, const ki_tree_fan *f, uint32_t level,
                  uint32_t first, uint32_t n, uint64_t *node, uint64_t *total)
{
    uint64_t sum = 0;
    uint32_t k;
    kist_status status;

    if (level > KI_TREE_LEVELS) {
        return KI_FAIL(KIST_ERR_TOOBIG, e->tx->idx->path, KI_NO_OFFSET,
                       "too many items");
    }
    status = ki_tree_new(e, node);
    if (status != KIST_OK) {
        return status;
    }
    for (k = 0; k < n; k++) {
        sum += f->count[first + k];
        ki_tx_fill(e->tx, ki_tree_cum_at(*node, k), sum);
        ki_tx_fill(e->tx, ki_tree_child_at(*node, k), f->child[first + k]);
    }
    ki_tx_fill(e->tx, *node, ki_tree_head(level, n));
    ki_tx_fill(e->tx, *node + 8, sum);
    *total = sum;
    return KIST_OK;
}

/* --- the way down ------------------------------------------------------- */

kist_status
ki_tree_follow(const ki_tx *tx, uint64_t root, uint64_t i, bool at_end,
               ki_tree_path *p)
{
    const ki_idx *idx = tx->idx;
    uint64_t node = root;
    uint64_t expected = 0;
    uint32_t level = 0;

    memset(p, 0, sizeof(*p));
    for (;;) {
        uint64_t head;
        uint64_t total;
        uint64_t before;
        uint32_t k;

        if (!ki_tree_holds(idx, tx, node)) {
            return ki_tree_damaged(tx, node);
        }
        if (p->levels != 0 && level == 0) {
            p->leaf = node;
            p->within = (uint32_t)i;
            p->count = (uint32_t)expected;
            return expected > 0 && expected <= KI_TREE_LEAF && i <= expected
                       ? KIST_OK
                       : ki_tree_damaged(tx, node);
        }
        head = ki_tx_load(tx, node);
        total = ki_tx_load(tx, node + 8);
        if (p->levels == 0) {
            level = head >> 32 <= KI_TREE_LEVELS ? (uint32_t)(head >> 32) : 0;
            p->levels = level;
            p->total = expected = total;
            i = at_end ? total : i;
            if (level == 1 && (uint32_t)head == 0 && total == 0) {
                p->node[1] = node;
                return i == 0 ? KIST_OK : KIST_ERR_RANGE;
            }
            if (i > total) {
                return KIST_ERR_RANGE;
            }
        }
        p->node[level] = node;
        p->n[level] = (uint32_t)head;
        if (level == 0 || head >> 32 != level || total != expected ||
            p->n[level] == 0 || p->n[level] > KI_TREE_FAN) {
            return ki_tree_damaged(tx, node);
        }
        k = ki_tree_search(idx, tx, node, p->n[level], total, i);
        before = k == 0 ? 0 : ki_tx_load(tx, ki_tree_cum_at(node, k - 1));
        expected = ki_tx_load(tx, ki_tree_cum_at(node, k)) - before;
        node = ki_tx_load(tx, ki_tree_child_at(node, k));
        p->child[level] = k;
        i -= before;
        level--;
    }
}

/* --- the way up --------------------------------------------------------- */

/* A copy of the node of `level` with one child replaced. */
static kist_status
replace_one(ki_tree_edit *e, const ki_tree_path *p, uint32_t level,
            uint64_t child, uint64_t increment, uint64_t *node)
{
    const uint64_t old = p->node[level];
    const uint32_t k = p->child[level];
    const uint32_t n = p->n[level];
    ki_tx *tx = e->tx;
    const kist_status status = ki_tree_new(e, node);

    if (status != KIST_OK) {
        return status;
    }
    ki_tree_copy(tx, ki_tree_cum_at(*node, 0), ki_tree_cum_at(old, 0), k, 0);
    ki_tree_copy(tx, ki_tree_cum_at(*node, k), ki_tree_cum_at(old, k), n - k,
                 increment);
    ki_tree_copy(tx, ki_tree_child_at(*node, 0), ki_tree_child_at(old, 0), n,
                 0);
    ki_tx_fill(tx, ki_tree_child_at(*node, k), child);
    ki_tx_fill(tx, *node, ki_tree_head(level, n));
    ki_tx_fill(tx, *node + 8, ki_tx_load(tx, old + 8) + increment);
    ki_tx_free(tx, old, KI_TREE_CLASS);
    return KIST_OK;
}

/*
 * A copy of the node of `level` with one child replaced by two, itself in two
 * where it must be: in halves, but at either end of the list so that filling
 * it from there leaves full nodes behind.
 */
static kist_status
replace_two(ki_tree_edit *e, const ki_tree_path *p, uint32_t level,
            ki_tree_pieces *with)
{
    const uint32_t k = p->child[level];
    ki_tree_fan f;
    uint32_t left;
    kist_status status;

    status = ki_tree_fan_load(e->tx, p->node[level], level, &f);
    if (status != KIST_OK) {
        return status;
    }
    memmove(&f.child[k + 1], &f.child[k], (f.n - k) * sizeof(f.child[0]));
    memmove(&f.count[k + 1], &f.count[k], (f.n - k) * sizeof(f.count[0]));
    f.child[k] = with->node[0];
    f.count[k] = with->count[0];
    f.child[k + 1] = with->node[1];
    f.count[k + 1] = with->count[1];
    f.n++;
    ki_tx_free(e->tx, p->node[level], KI_TREE_CLASS);
    left = f.n;
    if (f.n > KI_TREE_FAN) {
        left = k == 0 ? 1 : k + 2 == f.n ? f.n - 1 : f.n / 2;
    }
    with->n = 1;
    status = ki_tree_fan_store(e, &f, level, 0, left, &with->node[0],
                               &with->count[0]);
    if (status == KIST_OK && left < f.n) {
        with->n = 2;
        status = ki_tree_fan_store(e, &f, level, left, f.n - left,
                                   &with->node[1], &with->count[1]);
    }
    return status;
}

kist_status
ki_tree_climb(ki_tree_edit *e, const ki_tree_path *p, ki_tree_pieces *with,
              uint64_t increment, uint64_t *root)
{
    uint32_t level;
    kist_status status = KIST_OK;
    ki_tree_fan top;

    for (level = 1; level <= p->levels && status == KIST_OK; level++) {
        status = with->n == 1 ? replace_one(e, p, level, with->node[0],
                                            increment, &with->node[0])
                              : replace_two(e, p, level, with);
    }
    *root = with->node[0];
    if (status == KIST_OK && with->n == 2) {
        uint64_t total;

        top.n = 2;
        memcpy(top.child, with->node, sizeof(with->node));
        memcpy(top.count, with->count, sizeof(with->count));
        status = ki_tree_fan_store(e, &top, level, 0, 2, root, &total);
    }
    return status;
}
