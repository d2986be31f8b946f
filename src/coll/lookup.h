/*
 * lookup.h - the short way from a key to its record.
 *
 * A get waits for memory twice, for the bucket and for the record.  The fewer
 * instructions there are, the sooner the processor reaches the next get's
 * waits while this one's last.  The common case (the first word of the key's
 * window that fits has its record; or none fits) is written out, and
 * everything else, damage included, is left to ki_keyed_find_slowly().
 *
 * The way is compiled twice: as everything else is, and in wayswide.c for the
 * processors of the last ten years (KI_LOOKUP_WIDE), with the checksum in it.
 *
 * Layer    coll.
 * Threads  as keyed.h.
 */
#ifndef KI_COLL_LOOKUP_H
#define KI_COLL_LOOKUP_H

#include <string.h>

#include "base/crc32c.h"
#include "base/crcfold.h"
#include "base/hash.h"
#include "codec/klass.h"
#include "codec/scalar.h"
#include "coll/keyed.h"
#include "coll/ways.h"
#include "index/hashidx.h"
#include "index/ordertree.h"
#include "index/slots.h"

#define KI_ALWAYS_INLINE static inline __attribute__((always_inline))

/* The checksum of a record, whose size is a multiple of 8: the first 4 bytes,
 * which keep it, are not part of it. */
KI_ALWAYS_INLINE uint32_t
ki_record_sum(uint32_t seed, const uint8_t *record, uint64_t span)
{
#ifdef KI_LOOKUP_WIDE
    if (KI_LIKELY(span < 512)) {
        const uint32_t remainder =
            ki_fold_words(~seed, record + 4, (size_t)span - 8);

        return ~_mm_crc32_u32(remainder, ki_load_le32(record + span - 4));
    }
#endif
    return ki_crc32c(seed, record + 4, (size_t)span - 4);
}

/*
 * The same for records in a row, asked for long ago.  Nothing is waited for,
 * so the plain instructions do: of several records they work side by side.
 */
KI_ALWAYS_INLINE uint32_t
ki_record_sum_near(uint32_t seed, const uint8_t *record, uint64_t span)
{
#ifdef KI_LOOKUP_WIDE
    if (KI_LIKELY(span < 512)) {
        const uint8_t *data = record + 4;
        const uint8_t *const last = record + span - 4;
        uint64_t sum = ~seed;

        for (; last - data >= 32; data += 32) {
            sum = _mm_crc32_u64(sum, ki_load_le64(data));
            sum = _mm_crc32_u64(sum, ki_load_le64(data + 8));
            sum = _mm_crc32_u64(sum, ki_load_le64(data + 16));
            sum = _mm_crc32_u64(sum, ki_load_le64(data + 24));
        }
        for (; data != last; data += 8) {
            sum = _mm_crc32_u64(sum, ki_load_le64(data));
        }
        return ~_mm_crc32_u32((uint32_t)sum, ki_load_le32(last));
    }
#endif
    return ki_crc32c(seed, record + 4, (size_t)span - 4);
}

/* Keys are short: most are done before memcmp() would have begun. */
KI_ALWAYS_INLINE bool
ki_bytes_are(const uint8_t *a, const uint8_t *b, size_t left)
{
    if (KI_LIKELY(ki_hash_is_medium(left))) {
        return ki_load_le64(a) == ki_load_le64(b) &&
               ki_load_le64(a + left - 8) == ki_load_le64(b + left - 8);
    }
    for (; left >= 8; left -= 8, a += 8, b += 8) {
        if (ki_load_le64(a) != ki_load_le64(b)) {
            return false;
        }
        if (left > 64) {
            return memcmp(a, b, left) == 0;
        }
    }
    for (; left > 0; left--, a++, b++) {
        if (*a != *b) {
            return false;
        }
    }
    return true;
}

/*
 * Asks for the lines of a record that will be summed: nearly all are short.
 */
KI_ALWAYS_INLINE void
ki_record_ask(const uint8_t *bytes)
{
    __builtin_prefetch(bytes + 64);
    __builtin_prefetch(bytes + 128);
}

/*
 * Can a record of a key of `ksize` bytes stand at `offset`?  *end is where the
 * log ends, in the map too.
 */
KI_ALWAYS_INLINE bool
ki_record_fits(const ki_gen *gen, const uint8_t *base, uint64_t offset,
               uint64_t ksize, uint64_t *end)
{
    *end = ki_word_at(base, KI_W_LOG_SIZE);
    return *end <= gen->log.limit && offset >= KI_LOG_BEGIN &&
           offset + ksize + (KI_RECORD_HEAD + 8) <= *end;
}

/*
 * Is the record that found->word points to the key's?  False also where that
 * cannot be said so shortly.
 */
KI_ALWAYS_INLINE bool
ki_keyed_is_it(const ki_gen *gen, const uint8_t *base, uint64_t about,
               const ki_key *key, bool checked, ki_found *found)
{
    const uint64_t offset = ki_hash_offset(found->word);
    const uint8_t *const bytes = gen->log.base + offset;
    uint64_t end;
    uint64_t span;
    uint32_t size;

    if (KI_UNLIKELY(key->size >= KI_KSIZE_LONG ||
                    !ki_record_fits(gen, base, offset, key->size, &end))) {
        return false;
    }
    if (checked) {
        ki_record_ask(bytes);
    }
    // Size of the key and number of the collection stand side by side.  The
    // log ends at a multiple of 8, so there is room for the padding, too.
    size = ki_load_le32(bytes + 4);
    if (KI_UNLIKELY(
            (ki_load_le64(bytes + 10) ^ (ki_about_coll(about) | key->size))
                    << 24 !=
                0 ||
            offset + size > end || size < KI_RECORD_HEAD + key->size ||
            !ki_bytes_are(bytes + KI_RECORD_HEAD, key->data, key->size))) {
        return false;
    }
    span = ((uint64_t)size + (KI_RECORD_ALIGN - 1)) &
           ~(uint64_t)(KI_RECORD_ALIGN - 1);
    if (checked &&
        KI_UNLIKELY(ki_record_sum(ki_record_seed(gen->log.salt, offset), bytes,
                                  span) != ki_load_le32(bytes))) {
        return false;
    }
    found->offset = offset;
    found->record.op = bytes[8] & 0x7f;
    found->record.tag = bytes[9];
    found->record.slot = ki_load_le64(bytes + 12) >> 24;
    found->record.coll = (uint32_t)(about >> 32);
    found->record.span = (uint32_t)span;
    found->record.ksize = (uint32_t)key->size;
    found->record.key = bytes + KI_RECORD_HEAD;
    found->record.value = bytes + KI_RECORD_HEAD + key->size;
    found->record.vsize = size - KI_RECORD_HEAD - (uint32_t)key->size;
    return true;
}

/* As ki_keyed_find_slowly(). */
KIST_NODISCARD KI_ALWAYS_INLINE kist_status
ki_keyed_find(const ki_gen *gen, const ki_tx *own, uint64_t header,
              const ki_key *key, bool checked, ki_found *found)
{
    const ki_idx *idx = &gen->idx;
    const uint64_t version = ki_view_begin(idx);

    if (KI_LIKELY(own == NULL)) {
        const uint64_t root = ki_word_load(idx, header + KI_C_HASH);
        const uint64_t about = ki_word_load(idx, header + KI_C_ABOUT);
        const ki_home home = ki_hash_at_home(idx, idx->base, root, key->hash,
                                             &found->word, &found->address);

        if (KI_LIKELY(home == KI_HOME_SOME)) {
            if (KI_LIKELY(ki_keyed_is_it(gen, idx->base, about, key, checked,
                                         found) &&
                          ki_view_held(idx, version))) {
                return KIST_OK;
            }
        }
        else if (home == KI_HOME_NONE && ki_view_held(idx, version)) {
            return ki_not_found(gen);
        }
    }
    return ki_keyed_find_slowly(gen, own, header, key, checked, found);
}

/* Answers of ki_lookup_inside() besides KIST_OK and KIST_ERR_NOTFOUND. */
#define KI_UNSURE KI_AGAIN

/*
 * A whole get or contains in the common case: enter, bind, look up, check,
 * leave, with nothing kept in memory that can stay in a register.  `value` may
 * be NULL.  KI_UNSURE: nothing is known, go the long way.
 */
KIST_NODISCARD KI_ALWAYS_INLINE kist_status
ki_lookup_inside(const ki_gen *gen, const ki_coll *c, kist_slice slice,
                 bool medium, kist_value *value)
{
    const uint8_t *const base = gen->idx.base;
    const uint64_t header =
        atomic_load_explicit(&c->header, memory_order_acquire);
    const uint64_t serial =
        atomic_load_explicit(&c->serial, memory_order_acquire);
    ki_key key = {slice.data, slice.size, 0};
    uint64_t version;
    uint64_t about;
    ki_home home;
    ki_found found;

    if (KI_UNLIKELY(atomic_load_explicit(&c->bound, memory_order_acquire) !=
                        gen->serial ||
                    ki_word_at(base, header + KI_C_SERIAL) != serial)) {
        return KI_UNSURE;
    }
    key.hash = medium
                   ? ki_hash_medium(ki_load_le64(slice.data),
                                    ki_load_le64((const uint8_t *)slice.data +
                                                 slice.size - 8),
                                    slice.size, gen->log.seed)
                   : ki_hash(slice.data, slice.size, gen->log.seed);
    version = ki_word_at(base, KI_W_VERSION);
    about = ki_word_at(base, header + KI_C_ABOUT);
    home =
        ki_hash_at_home(&gen->idx, base, ki_word_at(base, header + KI_C_HASH),
                        key.hash, &found.word, &found.address);
    if (KI_LIKELY(home == KI_HOME_SOME)) {
        if (KI_UNLIKELY(!ki_keyed_is_it(gen, base, about, &key, value != NULL,
                                        &found))) {
            return KI_UNSURE;
        }
        if (value != NULL &&
            KI_UNLIKELY(
                ki_value_payload_load(found.record.tag, found.record.value,
                                      found.record.vsize, value) != KIST_OK)) {
            return KI_UNSURE;
        }
        return KI_LIKELY(ki_word_at(base, KI_W_HORIZON) <= version)
                   ? KIST_OK
                   : KI_UNSURE;
    }
    return home == KI_HOME_NONE && ki_word_at(base, KI_W_HORIZON) <= version
               ? ki_not_found(gen)
               : KI_UNSURE;
}

/*
 * The value of the record that a list's word points to: it has no key, so its
 * collection and its checksum are what is asked.
 */
KI_ALWAYS_INLINE bool
ki_item_value(const ki_gen *gen, const uint8_t *base, uint64_t about,
              uint64_t offset, kist_value *value)
{
    const uint8_t *const bytes = gen->log.base + offset;
    uint64_t end;
    uint64_t span;
    uint32_t size;

    if (KI_UNLIKELY((offset & (KI_RECORD_ALIGN - 1)) != 0 ||
                    !ki_record_fits(gen, base, offset, 0, &end))) {
        return false;
    }
    ki_record_ask(bytes);
    size = ki_load_le32(bytes + 4);
    span = ((uint64_t)size + (KI_RECORD_ALIGN - 1)) &
           ~(uint64_t)(KI_RECORD_ALIGN - 1);
    return KI_LIKELY(
        (ki_load_le64(bytes + 10) ^ ki_about_coll(about)) << 24 == 0 &&
        size >= KI_RECORD_HEAD && offset + size <= end &&
        ki_record_sum(ki_record_seed(gen->log.salt, offset), bytes, span) ==
            ki_load_le32(bytes) &&
        ki_value_payload_load(bytes[9], bytes + KI_RECORD_HEAD,
                              size - KI_RECORD_HEAD, value) == KIST_OK);
}

/* Fewer words in a row than these are in the processor's cache anyway. */
#define KI_GUESS_MIN 4096u

/*
 * Asks for the record of item `index` of a flat list before its word, which
 * stands at `at`, has come from memory.  Where items of one size were appended
 * one after the other, which the first, the middle and the last word of the
 * row tell, theirs is the place in between.  Nothing that is loaded here is
 * believed.
 */
KI_ALWAYS_INLINE void
ki_item_guess(const ki_gen *gen, const uint8_t *base, uint64_t at,
              uint64_t index, uint64_t count)
{
    uint64_t before;
    uint64_t behind;
    uint64_t first;
    uint64_t half;
    uint64_t step;
    uint64_t guess;

    ki_slots_row(index, &before, &behind);
    behind = behind < count - 1 - index ? behind : count - 1 - index;
    half = (before + behind) / 2;
    if (half < KI_GUESS_MIN / 2 ||
        KI_UNLIKELY(!ki_idx_holds(&gen->idx, at, behind * 8 + 8))) {
        return;
    }
    at -= before * 8;
    first = ki_word_at(base, at);
    step = ki_word_at(base, at + half * 8) - first;
    if (ki_word_at(base, at + half * 16) - first != step * 2) {
        return;
    }
    guess = first + step / half * before;
    if (KI_LIKELY(guess < gen->log.limit - 192)) {
        __builtin_prefetch(gen->log.base + guess);
        ki_record_ask(gen->log.base + guess);
    }
}

/* The same for item `index` of a list. */
KIST_NODISCARD KI_ALWAYS_INLINE kist_status
ki_item_inside(const ki_gen *gen, const ki_coll *c, uint64_t index,
               kist_value *value)
{
    const uint8_t *const base = gen->idx.base;
    const uint64_t header =
        atomic_load_explicit(&c->header, memory_order_acquire);
    const uint64_t serial =
        atomic_load_explicit(&c->serial, memory_order_acquire);
    uint64_t version;
    uint64_t count;
    uint64_t tree;
    uint64_t word;
    uint64_t at;

    if (KI_UNLIKELY(atomic_load_explicit(&c->bound, memory_order_acquire) !=
                        gen->serial ||
                    ki_word_at(base, header + KI_C_SERIAL) != serial)) {
        return KI_UNSURE;
    }
    version = ki_word_at(base, KI_W_VERSION);
    tree = ki_word_at(base, header + KI_C_TREE);
    if (tree != 0) {
        if (KI_UNLIKELY(!ki_tree_at(&gen->idx, NULL, tree, index, &at))) {
            return KI_UNSURE;
        }
    }
    else {
        at = ki_slots_at(&gen->idx, NULL, header + KI_C_TABLE, index);
        count = ki_word_at(base, header + KI_C_SLOTS);
        if (KI_UNLIKELY(at == 0 || index >= count)) {
            return KI_UNSURE;
        }
        if (!ki_klass_inline(c->type)) {
            ki_item_guess(gen, base, at, index, count);
        }
    }
    word = ki_word_at(base, at);
    if (ki_klass_inline(c->type)) {
        *value = ki_klass_from_word(c->type, word);
    }
    else if (KI_UNLIKELY(!ki_item_value(gen, base,
                                        ki_word_at(base, header + KI_C_ABOUT),
                                        word, value))) {
        return KI_UNSURE;
    }
    // Flat words mean nothing once there is a tree, nor does an old tree.
    return KI_LIKELY(ki_word_at(base, KI_W_HORIZON) <= version &&
                     ki_word_at(base, header + KI_C_TREE) == tree &&
                     !ki_mapping_is_cut(&gen->idx.map))
               ? KIST_OK
               : KI_UNSURE;
}

/*
 * Enters as ki_enter() does, where nothing is out of the ordinary: `slot` is
 * this thread's.
 */
KI_ALWAYS_INLINE bool
ki_enter_shortly(const kist *k, const ki_gen *gen, ki_inflight *slot)
{
    if (KI_UNLIKELY(gen == NULL || slot == NULL)) {
        return false;
    }
    ki_inflight_enter_by(slot, gen);
    if (KI_LIKELY(atomic_load_explicit(&k->gen, memory_order_acquire) == gen &&
                  k->forks == atomic_load_explicit(&ki_inflight_forks,
                                                   memory_order_relaxed) &&
                  gen->shared && ki_own_tx(k) == NULL &&
                  ki_word_at(gen->idx.base, KI_W_STALE) == 0)) {
        return true;
    }
    ki_inflight_leave_by(slot);
    return false;
}

/*
 * kist_dict_get() and, with a NULL `value`, kist_dict_contains().  `medium`
 * says what is known of the key's size.
 */
KIST_NODISCARD KI_ALWAYS_INLINE kist_status
ki_lookup(ki_coll *c, kist_slice key, bool medium, kist_value *value)
{
    const kist *k = c->k;
    const ki_gen *gen = atomic_load_explicit(&k->gen, memory_order_acquire);
    ki_inflight *slot = ki_inflight_self;

    if (KI_LIKELY(ki_enter_shortly(k, gen, slot))) {
        const kist_status status =
            ki_lookup_inside(gen, c, key, medium, value);

        ki_inflight_leave_by(slot);
        if (KI_LIKELY(status != KI_UNSURE)) {
            return status;
        }
    }
    return ki_keyed_get_slowly(c, key, value);
}

/* kist_list_get(). */
KIST_NODISCARD KI_ALWAYS_INLINE kist_status
ki_item(ki_coll *c, uint64_t index, kist_value *value)
{
    const kist *k = c->k;
    const ki_gen *gen = atomic_load_explicit(&k->gen, memory_order_acquire);
    ki_inflight *slot = ki_inflight_self;

    if (KI_LIKELY(ki_enter_shortly(k, gen, slot))) {
        const kist_status status = ki_item_inside(gen, c, index, value);

        ki_inflight_leave_by(slot);
        if (KI_LIKELY(status != KI_UNSURE)) {
            return status;
        }
    }
    return ki_list_get_slowly(c, index, value);
}

#endif /* KI_COLL_LOOKUP_H */
