#include "coll/idxcompare.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "coll/coll.h"
#include "coll/keyed.h"
#include "coll/lookup.h"
#include "coll/seq.h"
#include "index/hashidx.h"
#include "index/ordertree.h"
#include "index/slots.h"

#define WORDS 64u

typedef struct extent {
    uint64_t address;
    uint64_t size;
} extent;

/*
 * Functions below that return bool say false where the index is wrong, and
 * also where `status` is set: then nothing can be said.
 */
typedef struct comparer {
    const ki_gen *gen;
    const ki_gen *truth;
    bool locked;
    kist_status status;
    extent *extents; /* owned: all that is in use or free */
    size_t count;
    size_t room;
} comparer;

static uint64_t
word_of(const comparer *c, uint64_t address)
{
    return ki_word_load(&c->gen->idx, address);
}

static uint64_t
true_word(const comparer *c, uint64_t address)
{
    return ki_word_load(&c->truth->idx, address);
}

/* --- extents
 * ------------------------------------------------------------------- */

/* The extent of 2^class bytes is where one can be; it is noted. */
static bool
use_extent(comparer *c, uint64_t address, uint32_t class)
{
    const uint64_t size = UINT64_C(1) << class;
    const uint64_t bump = word_of(c, KI_W_BUMP);

    if (address < KI_IDX_ARENA || (address & 255) != 0 || address >= bump ||
        size > bump - address || !ki_idx_holds(&c->gen->idx, address, size)) {
        return false;
    }
    if (c->count == c->room) {
        const size_t room = c->room == 0 ? 64 : c->room * 2;
        extent *grown = ki_realloc(c->extents, room * sizeof(*grown));

        if (grown == NULL) {
            c->status = KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "verify");
            return false;
        }
        c->extents = grown;
        c->room = room;
    }
    c->extents[c->count].address = address;
    c->extents[c->count].size = size;
    c->count++;
    return true;
}

static int
by_address(const void *a, const void *b)
{
    const uint64_t x = ((const extent *)a)->address;
    const uint64_t y = ((const extent *)b)->address;

    return x < y ? -1 : x > y;
}

/* What is free: the rings, and the lists that hang on them. */
static bool
check_free(comparer *c)
{
    const uint64_t version = word_of(c, KI_W_VERSION);
    uint64_t left = word_of(c, KI_W_BUMP) >> KI_CLASS_MIN;
    uint32_t class;
    uint32_t i;

    for (class = KI_CLASS_MIN; class <= KI_CLASS_MAX; class ++) {
        const uint64_t k = class - KI_CLASS_MIN;
        uint64_t at;

        for (i = 0; i < KI_IDX_RING_PAIRS; i++) {
            const uint64_t pair =
                KI_IDX_RINGS + (k * KI_IDX_RING_PAIRS + i) * 16;

            at = word_of(c, pair);
            if (at != 0 && (word_of(c, pair + 8) > version ||
                            !use_extent(c, at, class))) {
                return false;
            }
        }
        at = word_of(c, KI_W_FREE_LIST + k * 8);
        for (; at != 0; at = word_of(c, at)) {
            if (left-- == 0 || !use_extent(c, at, class)) {
                return false;
            }
        }
    }
    return true;
}

static bool
check_overlaps(comparer *c)
{
    size_t i;

    if (c->count > 1) {
        qsort(c->extents, c->count, sizeof(*c->extents), by_address);
    }
    for (i = 1; i < c->count; i++) {
        if (c->extents[i].address - c->extents[i - 1].address <
            c->extents[i - 1].size) {
            return false;
        }
    }
    return true;
}

/* The table of an array of slots and what hangs on it. */
static bool
use_slots(comparer *c, uint64_t table)
{
    uint32_t i;

    if (table == 0) {
        return true;
    }
    if (!use_extent(c, table, KI_SLOTS_TABLE_CLASS)) {
        return false;
    }
    for (i = 0; i < KI_SLOTS_EXTENTS; i++) {
        const uint64_t base = word_of(c, table + (uint64_t)i * 8);

        if (base != 0 && !use_extent(c, base, 8 + i / 4)) {
            return false;
        }
    }
    return true;
}

/* --- hash
 * ------------------------------------------------------------------------ */

/* Counts the entries of a segment; every word must be one that can be. */
static bool
count_segment(const comparer *c, uint64_t segment, uint32_t buckets,
              uint64_t *entries)
{
    uint64_t at;

    for (at = segment; at < segment + (uint64_t)buckets * 64; at += 8) {
        const uint64_t word = word_of(c, at);

        if (ki_hash_is_entry(word)) {
            ++*entries;
        }
        else if (word != KI_HASH_EMPTY && word != KI_HASH_REMOVED) {
            return false;
        }
    }
    return true;
}

static bool
check_hash(comparer *c, uint64_t root, uint64_t count)
{
    const uint64_t directory = root & ~UINT64_C(0xff);
    const uint32_t depth = (uint32_t)(root & 0xff);
    uint64_t entries = 0;
    uint64_t i;
    uint64_t j;

    if (root == 0) {
        return count == 0;
    }
    if (depth > KI_HASH_DEPTH_MAX ||
        !use_extent(c, directory, ki_class_of(UINT64_C(8) << depth))) {
        return false;
    }
    for (i = 0; i < UINT64_C(1) << depth; i = j) {
        const uint64_t word = word_of(c, directory + i * 8);
        const uint32_t local = (uint32_t)(word >> 2) & 0x3f;
        uint64_t run;

        if (local > depth || (word & 3) == 3) {
            return false;
        }
        run = UINT64_C(1) << (depth - local);
        if (i % run != 0 ||
            !use_extent(c, word & ~UINT64_C(0xff),
                        9 + 3 * (uint32_t)(word & 3)) ||
            !count_segment(c, word & ~UINT64_C(0xff), ki_hash_buckets(word),
                           &entries)) {
            return false;
        }
        for (j = i; j < i + run; j++) {
            if (word_of(c, directory + j * 8) != word) {
                return false;
            }
        }
    }
    return entries == count;
}

/* The key of a live record is found, by an entry that splits can rely on. */
static bool
check_key(comparer *c, uint64_t header, uint64_t offset)
{
    const ki_gen *gen = c->gen;
    const uint64_t root = word_of(c, header + KI_C_HASH);
    ki_record record;
    ki_found found;
    ki_key key;
    uint64_t at = 0;
    uint64_t word;
    uint64_t mask;
    bool damaged;
    kist_status status;

    if (!ki_reclog_load(&gen->log, offset, ki_log_end(gen), &record)) {
        return false;
    }
    key.data = record.key;
    key.size = record.ksize;
    key.hash = ki_hash(record.key, record.ksize, gen->log.seed);
    status = ki_keyed_find(gen, NULL, header, &key, true, &found);
    if (status != KIST_OK || found.offset != offset) {
        if (status == KI_AGAIN) {
            c->status = status;
        }
        return false;
    }
    word = ki_hash_route(&gen->idx, NULL, root, key.hash, &at, &damaged);
    mask = ki_hash_buckets(word) - 1;
    at = (found.address - (word & ~UINT64_C(0xff))) / 64;
    return found.word >> 40 == (key.hash >> KI_HASH_TAG_SHIFT << 3 |
                                (((at - (key.hash & mask)) & mask) & 7));
}

/* --- dict and set
 * ------------------------------------------------------------------- */

static bool
check_keyed(comparer *c, uint64_t header, uint64_t other)
{
    const uint64_t slots = true_word(c, other + KI_C_SLOTS);
    const uint64_t first = word_of(c, header + KI_C_FIRST);
    uint64_t i;

    if (word_of(c, header + KI_C_SLOTS) != slots ||
        word_of(c, header + KI_C_COUNT) != true_word(c, other + KI_C_COUNT) ||
        word_of(c, header + KI_C_TREE) != 0 ||
        !use_slots(c, word_of(c, header + KI_C_TABLE)) ||
        !check_hash(c, word_of(c, header + KI_C_HASH),
                    word_of(c, header + KI_C_COUNT))) {
        return false;
    }
    for (i = 0; i < slots; i++) {
        const uint64_t at =
            ki_slots_at(&c->gen->idx, NULL, header + KI_C_TABLE, i);
        const uint64_t true_at =
            ki_slots_at(&c->truth->idx, NULL, other + KI_C_TABLE, i);
        const uint64_t word = true_at == 0 ? 0 : true_word(c, true_at);

        if (at == 0 || word_of(c, at) != word) {
            return false;
        }
        if (word != KI_SLOT_HOLE &&
            (i < first || !check_key(c, header, word))) {
            return false;
        }
    }
    return slots == 0 || first < slots;
}

/* --- list
 * -----------------------------------------------------------------------------
 */

/* A node of `level` that counts `total` items; see ordertree.h. */
static bool
check_node(comparer *c, uint64_t node, uint64_t level, uint64_t total)
{
    uint64_t before = 0;
    uint64_t n;
    uint64_t k;

    if (!use_extent(c, node, KI_TREE_CLASS)) {
        return false;
    }
    if (level == 0) {
        return total >= 1 && total <= KI_TREE_LEAF;
    }
    n = word_of(c, node) & UINT32_MAX;
    if (word_of(c, node) >> 32 != level || n > KI_TREE_FAN ||
        word_of(c, node + 8) != total || (n == 0) != (total == 0)) {
        return false;
    }
    for (k = 0; k < n; k++) {
        const uint64_t upto = word_of(c, node + 16 + k * 8);
        const uint64_t child = word_of(c, node + 8 * (2 + KI_TREE_FAN + k));

        if (upto <= before ||
            !check_node(c, child, level - 1, upto - before)) {
            return false;
        }
        before = upto;
    }
    return before == total;
}

static bool
check_shape(comparer *c, uint64_t header, uint64_t count)
{
    const uint64_t tree = word_of(c, header + KI_C_TREE);
    uint64_t level;

    if (tree == 0) {
        return use_slots(c, word_of(c, header + KI_C_TABLE));
    }
    if (word_of(c, header + KI_C_TABLE) != 0 ||
        !ki_idx_holds(&c->gen->idx, tree, UINT64_C(1) << KI_TREE_CLASS)) {
        return false;
    }
    level = word_of(c, tree) >> 32;
    return level >= 1 && level <= KI_TREE_LEVELS &&
           check_node(c, tree, level, count);
}

static bool
check_list(comparer *c, uint64_t header, uint64_t other)
{
    const uint64_t count = ki_seq_count(&c->truth->idx, NULL, other);
    uint64_t words[WORDS];
    uint64_t true_words[WORDS];
    uint64_t i = 0;

    if (ki_seq_count(&c->gen->idx, NULL, header) != count ||
        !check_shape(c, header, count)) {
        return false;
    }
    while (i < count) {
        uint32_t n;
        uint32_t got;
        uint32_t done = 0;

        if (ki_seq_words(&c->truth->idx, NULL, other, i, true_words, WORDS,
                         &n) != KIST_OK ||
            n == 0) {
            return false;
        }
        for (; done < n; done += got) {
            if (ki_seq_words(&c->gen->idx, NULL, header, i + done,
                             words + done, n - done, &got) != KIST_OK ||
                got == 0) {
                return false;
            }
        }
        if (memcmp(words, true_words, n * sizeof(words[0])) != 0) {
            return false;
        }
        i += n;
    }
    return true;
}

/* --- collections
 * ------------------------------------------------------------------------ */

static bool
check_collection(comparer *c, uint32_t id)
{
    const uint64_t header = ki_coll_header(c->gen, NULL, id);
    const uint64_t other = ki_coll_header(c->truth, NULL, id);
    uint64_t about;

    if (header == 0 || other == 0) {
        return false;
    }
    about = true_word(c, other + KI_C_ABOUT);
    if ((id != KI_CATALOG_ID && !use_extent(c, header, KI_CLASS_MIN)) ||
        word_of(c, header + KI_C_ABOUT) != about ||
        word_of(c, header + KI_C_SERIAL) !=
            true_word(c, other + KI_C_SERIAL) ||
        word_of(c, header + KI_C_BYTES) != true_word(c, other + KI_C_BYTES)) {
        return false;
    }
    return id != KI_CATALOG_ID && ki_about_kind(about) == KIST_KIND_LIST
               ? check_list(c, header, other)
               : check_keyed(c, header, other);
}

/* Which slots of the catalog are live is known to be right by now. */
static bool
check_collections(comparer *c)
{
    const uint64_t slots = true_word(c, KI_CATALOG_HEADER + KI_C_SLOTS);
    uint64_t i;

    if (!use_slots(c, word_of(c, KI_W_COLLS))) {
        return false;
    }
    for (i = 0; i < slots; i++) {
        const uint64_t at = ki_slots_at(&c->truth->idx, NULL,
                                        KI_CATALOG_HEADER + KI_C_TABLE, i);

        if (at == 0) {
            return false;
        }
        if (true_word(c, at) != KI_SLOT_HOLE) {
            if (!check_collection(c, (uint32_t)i + 1)) {
                return false;
            }
        }
        else if (ki_coll_header(c->gen, NULL, (uint32_t)i + 1) != 0) {
            return false;
        }
    }
    return true;
}

/*
 * SYNCED and its check word are stored by the sync leader, who does not hold
 * the writers' lock: between its two stores they do not fit.
 */
static bool
check_synced(const comparer *c)
{
    unsigned tries;

    for (tries = 0; tries < 1000; tries++) {
        const uint64_t synced = word_of(c, KI_W_SYNCED);

        if (synced == ki_idx_synced(&c->gen->idx)) {
            return synced <= word_of(c, KI_W_TAIL);
        }
    }
    return false;
}

/* Words of the header that steer others, while nobody changes them. */
static bool
check_header(const comparer *c)
{
    const uint64_t tail = true_word(c, KI_W_TAIL);
    const uint64_t size = word_of(c, KI_W_LOG_SIZE);
    const uint64_t horizon = word_of(c, KI_W_HORIZON);

    if (horizon > word_of(c, KI_W_VERSION) || size < tail) {
        return false;
    }
    return !c->locked || (word_of(c, KI_W_REDO_COUNT) == 0 &&
                          word_of(c, KI_W_TAIL) == tail &&
                          word_of(c, KI_W_WRITE_MARK) >= tail &&
                          word_of(c, KI_W_WRITE_MARK) <= size &&
                          word_of(c, KI_W_MARKED) <= tail && check_synced(c) &&
                          word_of(c, KI_W_BUMP) <= word_of(c, KI_W_SIZE) &&
                          word_of(c, KI_W_BUMP) >= KI_IDX_ARENA &&
                          word_of(c, KI_W_BUMP) % (1u << KI_CLASS_MIN) == 0);
}

kist_status
ki_idxcompare(const ki_gen *gen, const ki_gen *truth, bool locked,
              bool *differs)
{
    comparer c;

    *differs = false;
    if (ki_word_load(&gen->idx, KI_W_SIZE) > gen->idx.limit) {
        return KI_AGAIN;
    }
    memset(&c, 0, sizeof(c));
    c.gen = gen;
    c.truth = truth;
    c.locked = locked;
    *differs = !check_header(&c) || !check_collection(&c, KI_CATALOG_ID) ||
               !check_collections(&c);
    if (c.status == KIST_OK && !*differs && locked) {
        *differs = !check_free(&c) || !check_overlaps(&c);
    }
    ki_free(c.extents);
    return c.status;
}

uint64_t
ki_idxcompare_live(const ki_gen *gen)
{
    const uint64_t slots =
        ki_word_load(&gen->idx, KI_CATALOG_HEADER + KI_C_SLOTS);
    uint64_t live = ki_word_load(&gen->idx, KI_CATALOG_HEADER + KI_C_COUNT);
    uint64_t i;

    for (i = 0; i < slots && i < KI_COLL_MAX; i++) {
        const uint64_t at =
            ki_slots_at(&gen->idx, NULL, KI_CATALOG_HEADER + KI_C_TABLE, i);
        const uint64_t header = ki_coll_header(gen, NULL, (uint32_t)i + 1);

        if (at != 0 && header != 0 &&
            ki_word_load(&gen->idx, at) > KI_SLOT_HOLE) {
            live += ki_coll_items(gen, NULL, header);
        }
    }
    return live;
}
