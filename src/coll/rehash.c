#include "coll/rehash.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "coll/coll.h"
#include "coll/keyed.h"
#include "index/hashidx.h"
#include "index/slots.h"

#define AHEAD          16u /* entries whose buckets are asked for */
#define PARTS_MAX_BITS 14u

/* The hashes of one collection, by slot. */
typedef struct ki_hash_column {
    uint64_t *hash;
    uint64_t room;
} ki_hash_column;

struct ki_hashes {
    ki_hash_column *columns;
    uint32_t room;
};

typedef struct ki_hash_entry {
    uint64_t hash;
    uint64_t offset;
} ki_hash_entry;

static kist_status
no_memory(void)
{
    return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "index rebuild");
}

kist_status
ki_hashes_new(ki_hashes **hashes)
{
    *hashes = ki_calloc(1, sizeof(**hashes));
    return *hashes != NULL ? KIST_OK : no_memory();
}

void
ki_hashes_free(ki_hashes *hashes)
{
    uint32_t i;

    if (hashes == NULL) {
        return;
    }
    for (i = 0; i < hashes->room; i++) {
        ki_free(hashes->columns[i].hash);
    }
    ki_free(hashes->columns);
    ki_free(hashes);
}

static kist_status
add_columns(ki_hashes *hashes, uint32_t id)
{
    uint32_t room = hashes->room == 0 ? 4 : hashes->room;
    ki_hash_column *columns;

    while (room <= id) {
        room *= 2;
    }
    columns = ki_realloc(hashes->columns, room * sizeof(*columns));
    if (columns == NULL) {
        return no_memory();
    }
    memset(columns + hashes->room, 0,
           (room - hashes->room) * sizeof(*columns));
    hashes->columns = columns;
    hashes->room = room;
    return KIST_OK;
}

kist_status
ki_hashes_set(ki_hashes *hashes, uint32_t id, uint64_t slot, uint64_t hash)
{
    ki_hash_column *column;
    uint64_t *grown;
    uint64_t room;

    if (KI_UNLIKELY(id >= hashes->room)) {
        const kist_status status = add_columns(hashes, id);

        if (status != KIST_OK) {
            return status;
        }
    }
    column = &hashes->columns[id];
    if (KI_UNLIKELY(slot >= column->room)) {
        room = slot < 32 ? 64 : slot * 2;
        grown = ki_realloc(column->hash, (size_t)room * sizeof(*grown));
        if (grown == NULL) {
            return no_memory();
        }
        column->hash = grown;
        column->room = room;
    }
    column->hash[slot] = hash;
    return KIST_OK;
}

/* The live slots, sorted by the top bits of their hashes. */
static void
scatter(const ki_gen *gen, uint64_t header, const ki_hash_column *column,
        unsigned bits, uint64_t *starts, ki_hash_entry *entries)
{
    const uint64_t slots = ki_word_load(&gen->idx, header + KI_C_SLOTS);
    const unsigned shift = 64 - bits;
    uint64_t sum = 0;
    uint64_t part;
    uint64_t i;

    for (i = 0; i < slots; i++) {
        starts[column->hash[i] >> shift]++;
    }
    for (part = 0; part < UINT64_C(1) << bits; part++) {
        const uint64_t n = starts[part];

        starts[part] = sum;
        sum += n;
    }
    for (i = 0; i < slots; i++) {
        const uint64_t at =
            ki_slots_at(&gen->idx, NULL, header + KI_C_TABLE, i);
        const uint64_t to = starts[column->hash[i] >> shift]++;

        entries[to].hash = column->hash[i];
        entries[to].offset =
            at == 0 ? KI_SLOT_HOLE : ki_word_load(&gen->idx, at);
    }
}

static kist_status
fill_one(ki_gen *gen, ki_tx *tx, uint64_t header, const ki_hash_column *column)
{
    const uint64_t slots = ki_tx_load(tx, header + KI_C_SLOTS);
    unsigned bits = 1;
    ki_hash_entry *entries;
    uint64_t *starts;
    uint64_t i;
    kist_status status;

    while (slots >> bits > 1024 && bits < PARTS_MAX_BITS) {
        bits++;
    }
    entries = ki_realloc(NULL, (size_t)slots * sizeof(*entries));
    starts = ki_calloc((size_t)1 << bits, sizeof(*starts));
    if (entries == NULL || starts == NULL) {
        status = no_memory();
        goto out;
    }
    scatter(gen, header, column, bits, starts, entries);
    status = ki_hash_prepare(tx, header + KI_C_HASH,
                             ki_tx_load(tx, header + KI_C_COUNT));
    for (i = 0; status == KIST_OK && i < slots; i++) {
        uint64_t address;
        uint64_t word;

        if (KI_LIKELY(i + AHEAD < slots)) {
            const uint64_t home = ki_hash_home(
                &gen->idx, NULL, ki_word_load(&gen->idx, header + KI_C_HASH),
                entries[i + AHEAD].hash);

            __builtin_prefetch(gen->idx.base + home, 1);
        }
        if (entries[i].offset == KI_SLOT_HOLE) {
            continue;
        }
        status = ki_hash_room(tx, header + KI_C_HASH, entries[i].hash,
                              entries[i].offset, ki_keyed_rehash, gen,
                              &address, &word);
        if (status == KIST_OK) {
            ki_tx_store(tx, address, word);
        }
    }

out:
    ki_free(entries);
    ki_free(starts);
    return status;
}

kist_status
ki_hashes_fill(ki_hashes *hashes, ki_gen *gen, ki_tx *tx)
{
    uint32_t id;
    kist_status status = KIST_OK;

    for (id = 0; status == KIST_OK && id < hashes->room; id++) {
        const uint64_t header = ki_coll_header(gen, NULL, id);

        if (header == 0 || hashes->columns[id].hash == NULL ||
            ki_tx_load(tx, header + KI_C_SLOTS) == 0 ||
            (id != KI_CATALOG_ID &&
             ki_about_kind(ki_tx_load(tx, header + KI_C_ABOUT)) ==
                 KIST_KIND_LIST)) {
            continue;
        }
        status = fill_one(gen, tx, header, &hashes->columns[id]);
        ki_free(hashes->columns[id].hash);
        hashes->columns[id].hash = NULL;
    }
    return status;
}
