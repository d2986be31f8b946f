#include "index/slots.h"

#include "base/fail.h"

static uint32_t
extent_class(uint32_t extent)
{
    return 8 + extent / 4;
}

static kist_status
new_table(ki_tx *tx, uint64_t *table)
{
    const kist_status status = ki_tx_alloc(tx, KI_SLOTS_TABLE_CLASS, table);
    uint64_t i;

    if (status == KIST_OK) {
        for (i = 0; i < UINT64_C(1) << KI_SLOTS_TABLE_CLASS; i += 8) {
            ki_tx_fill(tx, *table + i, 0);
        }
    }
    return status;
}

kist_status
ki_slots_room(ki_tx *tx, uint64_t table_at, uint64_t i, uint64_t *address)
{
    uint64_t table = ki_tx_load(tx, table_at);
    const bool is_new = table == 0;
    uint64_t within;
    uint64_t base;
    uint32_t extent;
    kist_status status;

    *address = ki_slots_at(tx->idx, tx, table_at, i);
    if (KI_LIKELY(*address != 0)) {
        return KIST_OK;
    }
    extent =
        i < UINT64_C(1) << 38 ? ki_slots_extent(i, &within) : KI_SLOTS_EXTENTS;
    if (extent >= KI_SLOTS_EXTENTS) {
        return KI_FAIL(KIST_ERR_TOOBIG, tx->idx->path, KI_NO_OFFSET,
                       "too many items");
    }
    if (is_new) {
        status = new_table(tx, &table);
        if (status != KIST_OK) {
            return status;
        }
    }
    else if (!ki_idx_holds(tx->idx, table, 1024) ||
             ki_tx_load(tx, table + extent * 8) != 0) {
        return KI_FAIL(KIST_ERR_CORRUPT, tx->idx->path, table, "index slots");
    }
    status = ki_tx_alloc(tx, extent_class(extent), &base);
    if (status != KIST_OK) {
        return status;
    }
    if (is_new) {
        ki_tx_fill(tx, table + extent * 8, base);
        ki_tx_store(tx, table_at, table);
    }
    else {
        ki_tx_store(tx, table + extent * 8, base);
    }
    *address = base + within * 8;
    return tx->mode == KI_TX_BATCH ? tx->failed : ki_tx_commit(tx);
}

/* Frees what hangs on a table. */
static void
free_table(ki_tx *tx, uint64_t table)
{
    uint32_t i;

    for (i = 0; i < KI_SLOTS_EXTENTS && ki_idx_holds(tx->idx, table, 1024);
         i++) {
        const uint64_t base = ki_tx_load(tx, table + i * 8);

        if (base != 0) {
            ki_tx_free(tx, base, extent_class(i));
        }
    }
    ki_tx_free(tx, table, KI_SLOTS_TABLE_CLASS);
}

kist_status
ki_slots_build(ki_tx *tx, uint64_t count,
               bool (*next)(void *context, uint64_t *word), void *context,
               uint64_t *table)
{
    uint32_t extent = 0;
    uint64_t base;
    uint64_t word;
    uint64_t i = 0;
    uint64_t j;
    kist_status status;

    *table = 0;
    status = new_table(tx, table);
    for (; status == KIST_OK && i < count; extent++) {
        const uint64_t room = UINT64_C(32) << extent / 4;

        status = extent < KI_SLOTS_EXTENTS
                     ? ki_tx_alloc(tx, extent_class(extent), &base)
                     : KI_FAIL(KIST_ERR_TOOBIG, tx->idx->path, KI_NO_OFFSET,
                               "too many items");
        if (status != KIST_OK) {
            break;
        }
        ki_tx_fill(tx, *table + extent * 8, base);
        for (j = 0; j < room && i < count; j++, i++) {
            if (!next(context, &word)) {
                status = KI_FAIL(KIST_ERR_CORRUPT, tx->idx->path, KI_NO_OFFSET,
                                 "index order");
                break;
            }
            ki_tx_fill(tx, base + j * 8, word);
        }
    }
    if (status != KIST_OK && *table != 0) {
        free_table(tx, *table);
    }
    return status;
}

void
ki_slots_replace(ki_tx *tx, uint64_t table_at, uint64_t table)
{
    const uint64_t old = ki_tx_load(tx, table_at);

    ki_tx_store(tx, table_at, table);
    if (old != 0) {
        free_table(tx, old);
    }
}

void
ki_slots_clear(ki_tx *tx, uint64_t table_at)
{
    const uint64_t table = ki_tx_load(tx, table_at);

    if (table != 0) {
        ki_tx_store(tx, table_at, 0);
        free_table(tx, table);
    }
}
