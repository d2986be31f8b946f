#include "index/hashidx.h"

#include <string.h>

#include "base/fail.h"

#define SIZE_FULL 2u    /* segments of 512 buckets split, smaller ones grow */
#define SPAN_MAX  64u   /* directory words that a split publishes one by one */
#define FILL_GOAL 2600u /* entries of a full segment in a prepared hash */

#define BUCKETS_FULL 512u

#define BEHIND_SHIFT 40u
#define BEHIND       (UINT64_C(7) << BEHIND_SHIFT)

static uint32_t
segment_class(uint32_t size)
{
    return 9 + 3 * size;
}

static uint64_t
segment_of(uint64_t directory_word)
{
    return directory_word & ~UINT64_C(0xff);
}

static uint32_t
depth_of(uint64_t directory_word)
{
    return (uint32_t)(directory_word >> 2 & 0x3f);
}

static uint64_t
directory_word(uint64_t segment, uint32_t depth, uint32_t size)
{
    return segment | (uint64_t)depth << 2 | size;
}

ki_fit
ki_hash_behind_home(const uint8_t *base, uint64_t end, uint64_t entry,
                    uint64_t hash)
{
    ki_fit fit = {0, KI_HOME_UNSURE};
#ifdef KI_HASH_SSE2
    const uint64_t segment = segment_of(entry);
    const uint64_t mask = ki_hash_buckets(entry) - 1;
    unsigned i;

    if ((entry & 3) == 3 || segment < KI_IDX_ARENA || segment > end ||
        (mask + 1) * 64 > end - segment) {
        return fit;
    }
    for (i = 1; i < KI_HASH_WINDOW; i++) {
        const uint64_t bucket = segment + ((hash + i) & mask) * 64;
        const ki_bucket_look look =
            ki_bucket_eight(base + bucket, hash >> KI_HASH_TAG_SHIFT);

        if (look.zero != 0) {
            return fit;
        }
        if (look.matches != 0) {
            fit.address = bucket + (uint64_t)__builtin_ctz(look.matches) * 8;
            fit.home = KI_HOME_SOME;
            return fit;
        }
        if (look.empty != 0) {
            break;
        }
    }
    fit.home = KI_HOME_NONE;
#else
    (void)base;
    (void)end;
    (void)entry;
    (void)hash;
#endif
    return fit;
}

static kist_status
damaged_index(const ki_tx *tx, uint64_t address)
{
    return KI_FAIL(KIST_ERR_CORRUPT, tx->idx->path, address, "index hash");
}

static kist_status
new_segment(ki_tx *tx, uint32_t size, uint64_t *segment)
{
    const uint32_t class = segment_class(size);
    const kist_status status = ki_tx_alloc(tx, class, segment);
    _Atomic uint64_t *words;
    size_t i;

    if (status == KIST_OK) {
        words = ki_word(tx->idx, *segment);
        for (i = 0; i < (size_t)1 << (class - 3); i++) {
            atomic_store_explicit(&words[i], KI_HASH_EMPTY,
                                  memory_order_relaxed);
        }
    }
    return status;
}

/* Who is to be asked for the words of a bucket: most are not in the batch. */
static const ki_tx *
view_of(const ki_tx *tx, uint64_t bucket)
{
    return tx != NULL && ki_tx_touches(tx, bucket) ? tx : NULL;
}

/* The first free word in the window of `home`; false if it is full. */
static bool
find_free(const ki_tx *tx, const ki_tx *own, uint64_t segment, uint32_t mask,
          uint32_t home, uint64_t *address, uint32_t *behind)
{
    uint32_t step;
    uint32_t i;

    for (step = 0; step < KI_HASH_WINDOW && step <= mask; step++) {
        const uint64_t bucket =
            segment + (uint64_t)((home + step) & mask) * 64;
        const ki_tx *view = view_of(own, bucket);

        for (i = 0; i < 8; i++) {
            const uint64_t word = ki_hash_load(tx->idx, view, bucket + i * 8);

            if (word == KI_HASH_EMPTY || word == KI_HASH_REMOVED) {
                *address = bucket + (uint64_t)i * 8;
                *behind = step;
                return true;
            }
        }
    }
    return false;
}

static uint64_t
entry_word(uint64_t hash, uint32_t behind, uint64_t offset)
{
    return hash >> KI_HASH_TAG_SHIFT << KI_HASH_TAG_SHIFT |
           (uint64_t)behind << BEHIND_SHIFT | offset >> 3;
}

/* Puts an entry into a segment that nobody sees yet. */
static bool
fill_entry(ki_tx *tx, uint64_t segment, uint32_t mask, uint64_t hash,
           uint64_t offset)
{
    uint64_t address;
    uint32_t behind;

    if (!find_free(tx, NULL, segment, mask, (uint32_t)hash & mask, &address,
                   &behind)) {
        return false;
    }
    ki_tx_fill(tx, address, entry_word(hash, behind, offset));
    return true;
}

/* Makes all directory words of `old`'s range point to low and high halves. */
static kist_status
publish_split(ki_tx *tx, uint64_t root_at, uint64_t hash, uint64_t old,
              uint64_t low, uint64_t high)
{
    const uint64_t root = ki_tx_load(tx, root_at);
    const uint32_t depth = (uint32_t)(root & 0xff);
    const uint32_t own = depth_of(old);
    const uint64_t directory = root & ~UINT64_C(0xff);
    const uint64_t count = UINT64_C(1) << depth;
    const bool doubled = own == depth;
    const bool copied = doubled || (depth - own) > 6;
    const uint64_t new_count = doubled ? count * 2 : count;
    const uint32_t new_depth = doubled ? depth + 1 : depth;
    const uint64_t span = UINT64_C(1) << (new_depth - own);
    const uint64_t first =
        (new_depth == 0 ? 0 : hash >> (64 - new_depth)) & ~(span - 1);
    uint64_t at = directory;
    uint64_t i;
    kist_status status;

    _Static_assert(SPAN_MAX == 1u << 6, "span and depth difference agree");
    if (copied) {
        status = ki_tx_alloc(tx, ki_class_of(new_count * 8), &at);
        if (status != KIST_OK) {
            return status;
        }
        for (i = 0; i < new_count; i++) {
            ki_tx_fill(tx, at + i * 8,
                       ki_tx_load(tx, directory + (doubled ? i >> 1 : i) * 8));
        }
    }
    for (i = 0; i < span; i++) {
        const uint64_t word = i < span / 2 ? low : high;

        if (copied) {
            ki_tx_fill(tx, at + (first + i) * 8, word);
        }
        else {
            ki_tx_store(tx, at + (first + i) * 8, word);
        }
    }
    if (copied) {
        ki_tx_store(tx, root_at, at | new_depth);
        ki_tx_free(tx, directory, ki_class_of(count * 8));
    }
    return KIST_OK;
}

/* The two segments that one is split into. */
typedef struct halves {
    ki_tx *tx;
    uint64_t at[2];
    uint32_t shift;                /* to the bit that tells which */
    uint8_t used[2][BUCKETS_FULL]; /* words of each bucket */
} halves;

/* Puts an entry at or behind its home; false if there is no room. */
static bool
place(halves *to, uint64_t word, uint32_t home)
{
    const uint32_t side = (uint32_t)(word >> to->shift & 1);
    uint32_t step;

    for (step = 0; step < KI_HASH_WINDOW; step++) {
        const uint32_t bucket = (home + step) % BUCKETS_FULL;
        uint8_t *used = &to->used[side][bucket];

        if (*used < 8) {
            ki_tx_fill(to->tx,
                       to->at[side] + ((uint64_t)bucket * 8 + *used) * 8,
                       (word & ~BEHIND) | (uint64_t)step << BEHIND_SHIFT);
            ++*used;
            return true;
        }
    }
    return false;
}

/* The entries of bucket `from` that lie `behind` buckets behind their home.
 * *others says whether any lie farther. */
static bool
place_bucket(halves *to, uint64_t segment, uint32_t from, uint32_t behind,
             bool *others)
{
    const uint64_t at = segment + (uint64_t)from * 64;
    const ki_tx *view = view_of(to->tx, at);
    uint32_t i;

    *others = false;
    for (i = 0; i < 8; i++) {
        const uint64_t word =
            ki_hash_load(to->tx->idx, view, at + (uint64_t)i * 8);
        const uint32_t lies = (uint32_t)(word >> BEHIND_SHIFT) & 7;

        if (!ki_hash_is_entry(word)) {
            continue;
        }
        if (lies == behind) {
            if (!place(to, word, from + BUCKETS_FULL - behind)) {
                return false;
            }
        }
        else {
            *others = *others || lies > behind;
        }
    }
    return true;
}

/*
 * Entries at home go first: each then finds the room it has now.  Most buckets
 * have none that are not.
 */
static bool
place_all(halves *to, uint64_t segment)
{
    bool others[BUCKETS_FULL];
    uint32_t behind;
    uint32_t bucket;

    for (bucket = 0; bucket < BUCKETS_FULL; bucket++) {
        if (!place_bucket(to, segment, bucket, 0, &others[bucket])) {
            return false;
        }
    }
    for (behind = 1; behind < KI_HASH_WINDOW; behind++) {
        for (bucket = 0; bucket < BUCKETS_FULL; bucket++) {
            if (others[bucket] &&
                !place_bucket(to, segment, bucket, behind, &others[bucket])) {
                return false;
            }
        }
    }
    return true;
}

/* A full-size segment becomes two, by the next bit of the hash. */
static kist_status
split(ki_tx *tx, uint64_t root_at, uint64_t hash, uint64_t old)
{
    const uint32_t depth = depth_of(old);
    const uint64_t from = segment_of(old);
    halves to;
    kist_status status;

    if (depth >= KI_HASH_DEPTH_MAX) {
        return KI_FAIL(KIST_ERR_TOOBIG, tx->idx->path, from, "index hash");
    }
    memset(&to, 0, sizeof(to));
    to.tx = tx;
    to.shift = 63 - depth;
    status = new_segment(tx, SIZE_FULL, &to.at[0]);
    if (status == KIST_OK) {
        status = new_segment(tx, SIZE_FULL, &to.at[1]);
    }
    if (status != KIST_OK) {
        return status;
    }
    if (!place_all(&to, from)) {
        return damaged_index(tx, from);
    }
    ki_tx_free(tx, from, segment_class(SIZE_FULL));
    return publish_split(tx, root_at, hash, old,
                         directory_word(to.at[0], depth + 1, SIZE_FULL),
                         directory_word(to.at[1], depth + 1, SIZE_FULL));
}

/* A small segment becomes one eight times its size. */
static kist_status
grow(ki_tx *tx, uint64_t at, uint64_t old, ki_rehash rehash, void *context)
{
    const uint32_t size = (uint32_t)(old & 3) + 1;
    const uint64_t from = segment_of(old);
    const uint64_t bytes = (uint64_t)ki_hash_buckets(old) * 64;
    uint64_t to;
    uint64_t hash;
    uint64_t i;
    kist_status status;

    status = new_segment(tx, size, &to);
    if (status != KIST_OK) {
        return status;
    }
    for (i = 0; i < bytes; i += 8) {
        const uint64_t word = ki_tx_load(tx, from + i);

        if (!ki_hash_is_entry(word)) {
            continue;
        }
        status = rehash(context, ki_hash_offset(word), &hash);
        if (status != KIST_OK) {
            return status;
        }
        if (!fill_entry(tx, to, ki_hash_buckets(size) - 1, hash,
                        ki_hash_offset(word))) {
            return damaged_index(tx, from);
        }
    }
    ki_tx_store(tx, at, directory_word(to, 0, size));
    ki_tx_free(tx, from, segment_class(size - 1));
    return KIST_OK;
}

static kist_status
first_segment(ki_tx *tx, uint64_t root_at)
{
    uint64_t directory;
    uint64_t segment;
    kist_status status;

    status = ki_tx_alloc(tx, KI_CLASS_MIN, &directory);
    if (status == KIST_OK) {
        status = new_segment(tx, 0, &segment);
    }
    if (status == KIST_OK) {
        ki_tx_fill(tx, directory, directory_word(segment, 0, 0));
        ki_tx_store(tx, root_at, directory);
    }
    return status;
}

/* Outside a batch, what has been listed for the structure commits now. */
static kist_status
commit_structure(ki_tx *tx)
{
    return tx->mode == KI_TX_BATCH ? tx->failed : ki_tx_commit(tx);
}

kist_status
ki_hash_room(ki_tx *tx, uint64_t root_at, uint64_t hash, uint64_t offset,
             ki_rehash rehash, void *context, uint64_t *address,
             uint64_t *word)
{
    kist_status status;
    uint64_t at = 0;

    for (;;) {
        const uint64_t root = ki_tx_load(tx, root_at);
        bool damaged;
        const uint64_t old =
            ki_hash_route(tx->idx, tx, root, hash, &at, &damaged);
        uint32_t mask;
        uint32_t behind;

        if (damaged) {
            return damaged_index(tx, root_at);
        }
        if (old == 0) {
            status = first_segment(tx, root_at);
        }
        else {
            mask = ki_hash_buckets(old) - 1;
            if (find_free(tx, tx, segment_of(old), mask, (uint32_t)hash & mask,
                          address, &behind)) {
                *word = entry_word(hash, behind, offset);
                return KIST_OK;
            }
            status = (old & 3) == SIZE_FULL
                         ? split(tx, root_at, hash, old)
                         : grow(tx, at, old, rehash, context);
        }
        if (status == KIST_OK) {
            status = commit_structure(tx);
        }
        if (status != KIST_OK) {
            if (tx->mode != KI_TX_BATCH) {
                ki_tx_abort(tx);
            }
            return status;
        }
    }
}

uint64_t
ki_hash_removed(const ki_tx *tx, uint64_t address)
{
    const uint64_t bucket = address & ~UINT64_C(63);
    bool full = true;
    uint32_t i;

    for (i = 0; i < 8; i++) {
        full = full && ki_tx_load(tx, bucket + i * 8) != KI_HASH_EMPTY;
    }
    return full ? KI_HASH_REMOVED : KI_HASH_EMPTY;
}

void
ki_hash_remove(ki_tx *tx, uint64_t address)
{
    ki_tx_store(tx, address, ki_hash_removed(tx, address));
}

kist_status
ki_hash_prepare(ki_tx *tx, uint64_t root_at, uint64_t count)
{
    uint32_t depth = 0;
    uint64_t directory;
    uint64_t segment;
    uint64_t i;
    kist_status status;

    if (count <= 400) {
        return KIST_OK;
    }
    while (count >> depth > FILL_GOAL && depth < KI_HASH_DEPTH_MAX) {
        depth++;
    }
    status = ki_tx_alloc(tx, ki_class_of(UINT64_C(8) << depth), &directory);
    for (i = 0; status == KIST_OK && i < UINT64_C(1) << depth; i++) {
        status = new_segment(tx, SIZE_FULL, &segment);
        if (status == KIST_OK) {
            ki_tx_fill(tx, directory + i * 8,
                       directory_word(segment, depth, SIZE_FULL));
        }
    }
    if (status == KIST_OK) {
        ki_tx_store(tx, root_at, directory | depth);
        status = commit_structure(tx);
    }
    return status;
}

void
ki_hash_clear(ki_tx *tx, uint64_t root_at)
{
    const uint64_t root = ki_tx_load(tx, root_at);
    const uint64_t directory = root & ~UINT64_C(0xff);
    const uint64_t depth = root & 0xff;
    const uint64_t count = UINT64_C(1) << (depth & 31);
    uint64_t previous = 0;
    uint64_t i;

    if (root == 0) {
        return;
    }
    ki_tx_store(tx, root_at, 0);
    if (depth > KI_HASH_DEPTH_MAX ||
        !ki_idx_holds(tx->idx, directory, count * 8)) {
        return;
    }
    for (i = 0; i < count; i++) {
        const uint64_t word = ki_tx_load(tx, directory + i * 8);

        if (segment_of(word) != previous) {
            previous = segment_of(word);
            ki_tx_free(tx, previous, segment_class((uint32_t)(word & 3)));
        }
    }
    ki_tx_free(tx, directory, ki_class_of(count * 8));
}
