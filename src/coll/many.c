#include "coll/many.h"

#include "base/hash.h"
#include "index/hashidx.h"

/* The record that the first fitting word of the home bucket points to. */
static void
ask_for_record(const ki_reader *r, uint64_t bucket, uint64_t hash,
               uint64_t end)
{
    unsigned i;

    for (i = 0; i < 8; i++) {
        const uint64_t word = ki_word_load(&r->gen->idx, bucket + i * 8);

        if (word >> KI_HASH_TAG_SHIFT == hash >> KI_HASH_TAG_SHIFT &&
            ki_hash_offset(word) + 192 < end) {
            const uint8_t *at = r->gen->log.base + ki_hash_offset(word);

            __builtin_prefetch(at);
            __builtin_prefetch(at + 64);
            __builtin_prefetch(at + 128);
            return;
        }
    }
}

void
ki_look_ahead(const ki_reader *r, const kist_slice *slices, size_t n,
              ki_key *keys)
{
    const ki_idx *idx = &r->gen->idx;
    const uint64_t root = ki_keyed_at(r->gen, r->own, r->header, KI_C_HASH);
    const uint64_t end = ki_log_end(r->gen);
    uint64_t buckets[KI_AHEAD];
    size_t i;

    for (i = 0; i < n; i++) {
        ki_key *key = &keys[i];

        key->data = slices[i].data;
        key->size = slices[i].size;
        key->hash = ki_hash(key->data, key->size, r->gen->log.seed);
        buckets[i] = ki_hash_home(idx, r->own, root, key->hash);
        if (buckets[i] != 0) {
            __builtin_prefetch(idx->base + buckets[i]);
            if (r->own != NULL) {
                ki_tx_ask(r->own, buckets[i]);
            }
        }
    }
    for (i = 0; i < n; i++) {
        if (buckets[i] != 0) {
            ask_for_record(r, buckets[i], keys[i].hash, end);
        }
    }
}
