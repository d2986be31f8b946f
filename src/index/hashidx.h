/*
 * hashidx.h - from a key's hash to the place of its record: extendible
 * hashing whose buckets are cache lines.
 *
 *   root word          directory             segment (8, 64 or 512 buckets)
 *   [addr | depth] --> [addr|ldepth|size] -> bucket: 8 words, 64 bytes
 *                      [addr|ldepth|size]    | w | w | w | w | w | w | w | w |
 *                      ...  2^depth words
 *
 *   The top `depth` bits of the hash choose the directory word, its low bits
 *   the home bucket, and a key lives in its home bucket or one of the 3 behind
 *   it (the window).  A lookup ends at the first bucket with an empty word.
 *
 *   A small segment grows eightfold by rehashing; one of 32 KiB splits in two
 *   by the next bit of the tags, without looking at a key.  Both fill new
 *   extents and publish them with directory words, so readers need no lock.
 *   There is no count of entries: a segment splits when a key finds no room
 *   in its window, which happens at a load of about 0.6.
 *
 * FORMAT   of the words
 *     root      address of the directory | depth (low 8 bits); 0: no hash
 *     directory address of the segment | local depth << 2 | size (0, 1, 2)
 *     entry     tag (21 bits: the top of the hash) << 43 |
 *               buckets behind home (3 bits) << 40 | record offset / 8
 *               1: empty; 2: removed, in a bucket that was full; 0: damage
 *
 * INVARIANTS
 *  (1) A bucket that was ever full has no empty word until its segment is
 *      rewritten: a probe that ends at an empty word has missed nothing.
 *  (2) Entries never move within a segment.
 *
 * Layer    index.
 * Threads  one writer, any readers (tx.h: ki_view_begin, ki_view_held).
 */
#ifndef KI_INDEX_HASHIDX_H
#define KI_INDEX_HASHIDX_H

#include "index/tx.h"

#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
#if !defined(__has_feature)
#define KI_HASH_SSE2 1
#elif !__has_feature(thread_sanitizer)
#define KI_HASH_SSE2 1
#endif
#endif
#ifdef KI_HASH_SSE2
#include <immintrin.h>
#endif

#define KI_HASH_EMPTY     UINT64_C(1)
#define KI_HASH_REMOVED   UINT64_C(2)
#define KI_HASH_PLACE     ((UINT64_C(1) << 40) - 1)
#define KI_HASH_TAG_SHIFT 43u
#define KI_HASH_WINDOW    4u
#define KI_HASH_DEPTH_MAX 21u

/* True for a word that stands for a record. */
static inline bool
ki_hash_is_entry(uint64_t word)
{
    return (word & KI_HASH_PLACE) > KI_HASH_REMOVED;
}

/* The record's offset in the log. */
static inline uint64_t
ki_hash_offset(uint64_t word)
{
    return (word & KI_HASH_PLACE) << 3;
}

/* The same entry, for a record somewhere else. */
static inline uint64_t
ki_hash_moved(uint64_t word, uint64_t offset)
{
    return (word & ~KI_HASH_PLACE) | offset >> 3;
}

/* --- looking up ---------------------------------------------------------- */

/* A lookup under way. */
typedef struct ki_probe {
    const ki_idx *idx;
    const ki_tx *tx; /* NULL: as committed */
    uint64_t segment;
    uint64_t tag;
    uint32_t mask; /* buckets - 1 */
    uint32_t bucket;
    uint32_t left;    /* buckets of the window not yet looked at */
    uint32_t matches; /* words of `bucket` whose tag fits, a bit each */
    bool last;        /* `bucket` has an empty word */
    bool damaged;     /* an impossible word or address was met */
} ki_probe;

/* What a look at one bucket has shown, a bit for each word. */
typedef struct ki_bucket_look {
    uint32_t matches;
    uint32_t empty;
    uint32_t zero;
} ki_bucket_look;

static inline uint64_t
ki_hash_load(const ki_idx *idx, const ki_tx *tx, uint64_t address)
{
    return tx == NULL ? ki_word_load(idx, address) : ki_tx_load(tx, address);
}

static inline uint32_t
ki_hash_buckets(uint64_t directory_word)
{
    return UINT32_C(8) << 3 * (uint32_t)(directory_word & 3);
}

/*
 * The directory word for `hash` and where it stands; 0 if there is no hash
 * yet (*damaged false) or an address is impossible (*damaged true).
 */
static inline uint64_t
ki_hash_route(const ki_idx *idx, const ki_tx *tx, uint64_t root, uint64_t hash,
              uint64_t *at, bool *damaged)
{
    const uint32_t depth = (uint32_t)(root & 0xff);
    const uint64_t directory = root & ~UINT64_C(0xff);
    uint64_t word;

    *damaged = depth > KI_HASH_DEPTH_MAX;
    if (root == 0 || *damaged) {
        return 0;
    }
    *at = directory + (depth == 0 ? 0 : (hash >> (64 - depth)) << 3);
    if (!ki_idx_holds(idx, *at, 8)) {
        *damaged = true;
        return 0;
    }
    word = ki_hash_load(idx, tx, *at);
    if ((word & ~UINT64_C(0xff)) == 0 || (word & 3) == 3 ||
        !ki_idx_holds(idx, word & ~UINT64_C(0xff),
                      UINT64_C(64) * ki_hash_buckets(word))) {
        *damaged = true;
        return 0;
    }
    return word;
}

/*
 * Where the home bucket of `hash` is, to be prefetched; 0 if there is none.
 * `tx` is NULL outside a batch.
 */
static inline uint64_t
ki_hash_home(const ki_idx *idx, const ki_tx *tx, uint64_t root, uint64_t hash)
{
    bool damaged;
    uint64_t at = 0;
    const uint64_t word = ki_hash_route(idx, tx, root, hash, &at, &damaged);

    return word == 0 ? 0
                     : (word & ~UINT64_C(0xff)) +
                           (hash & (ki_hash_buckets(word) - 1)) * 64;
}

/* The words one by one: what a batch has pending, and other processors. */
static inline ki_bucket_look
ki_bucket_words(const ki_idx *idx, const ki_tx *tx, uint64_t at, uint64_t tag)
{
    ki_bucket_look look = {0, 0, 0};
    unsigned i;

    for (i = 0; i < 8; i++) {
        const uint64_t word = ki_hash_load(idx, tx, at + i * 8);

        look.matches |= (uint32_t)((word >> KI_HASH_TAG_SHIFT) == tag) << i;
        look.empty |= (uint32_t)(word == KI_HASH_EMPTY) << i;
        look.zero |= (uint32_t)(word == 0) << i;
    }
    return look;
}

#if defined(KI_HASH_SSE2) && defined(__AVX2__)

/*
 * Four words at a time.  Aligned loads of 16 and of 32 bytes do not tear the
 * 8-byte words that a writer stores.
 */
static inline __attribute__((always_inline)) uint32_t
ki_words_that_are(__m256i low, __m256i high, __m256i what)
{
    const __m256d a = _mm256_castsi256_pd(_mm256_cmpeq_epi64(low, what));
    const __m256d b = _mm256_castsi256_pd(_mm256_cmpeq_epi64(high, what));

    return (uint32_t)_mm256_movemask_pd(a) | (uint32_t)_mm256_movemask_pd(b)
                                                 << 4;
}

static inline __attribute__((always_inline)) ki_bucket_look
ki_bucket_eight(const uint8_t *bytes, uint64_t tag)
{
    const __m256i *words = (const __m256i *)(const void *)bytes;
    const __m256i low = _mm256_load_si256(words);
    const __m256i high = _mm256_load_si256(words + 1);
    ki_bucket_look look;

    look.matches =
        ki_words_that_are(_mm256_srli_epi64(low, KI_HASH_TAG_SHIFT),
                          _mm256_srli_epi64(high, KI_HASH_TAG_SHIFT),
                          _mm256_set1_epi64x((long long)tag));
    look.empty = ki_words_that_are(low, high, _mm256_set1_epi64x(1));
    look.zero = ki_words_that_are(low, high, _mm256_setzero_si256());
    return look;
}

#elif defined(KI_HASH_SSE2)

/* The upper halves of four words hold their tags. */
static inline __attribute__((always_inline)) ki_bucket_look
ki_bucket_four(const uint8_t *bytes, uint64_t tag)
{
    const __m128i *words = (const __m128i *)(const void *)bytes;
    const __m128 a = _mm_castsi128_ps(_mm_load_si128(words));
    const __m128 b = _mm_castsi128_ps(_mm_load_si128(words + 1));
    const __m128i low =
        _mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)));
    const __m128i high =
        _mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1)));
    const __m128i zero = _mm_setzero_si128();
    const __m128i blank = _mm_cmpeq_epi32(high, zero);
    const __m128i fits =
        _mm_cmpeq_epi32(_mm_srli_epi32(high, KI_HASH_TAG_SHIFT - 32),
                        _mm_set1_epi32((int)tag));
    const __m128i empty =
        _mm_and_si128(blank, _mm_cmpeq_epi32(low, _mm_set1_epi32(1)));
    const __m128i wiped = _mm_and_si128(blank, _mm_cmpeq_epi32(low, zero));
    ki_bucket_look look;

    look.matches = (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(fits));
    look.empty = (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(empty));
    look.zero = (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(wiped));
    return look;
}

/* Aligned loads of 16 bytes do not tear the words that a writer stores. */
static inline __attribute__((always_inline)) ki_bucket_look
ki_bucket_eight(const uint8_t *bytes, uint64_t tag)
{
    const ki_bucket_look more = ki_bucket_four(bytes + 32, tag);
    ki_bucket_look look = ki_bucket_four(bytes, tag);

    look.matches |= more.matches << 4;
    look.empty |= more.empty << 4;
    look.zero |= more.zero << 4;
    return look;
}

#endif

static inline void
ki_probe_bucket(ki_probe *probe)
{
    const uint64_t at = probe->segment + (uint64_t)probe->bucket * 64;
    ki_bucket_look look;

#ifdef KI_HASH_SSE2
    if (KI_LIKELY(probe->tx == NULL || !ki_tx_touches(probe->tx, at))) {
        look = ki_bucket_eight(probe->idx->base + at, probe->tag);
    }
    else
#endif
    {
        look = ki_bucket_words(probe->idx, probe->tx, at, probe->tag);
    }
    probe->matches = look.matches;
    probe->last = look.empty != 0;
    probe->damaged = probe->damaged || look.zero != 0;
}

/* Begins to look for `hash` in the hash of `root`. */
static inline void
ki_probe_begin(ki_probe *probe, const ki_idx *idx, const ki_tx *tx,
               uint64_t root, uint64_t hash)
{
    uint64_t at = 0;
    const uint64_t word =
        ki_hash_route(idx, tx, root, hash, &at, &probe->damaged);

    probe->idx = idx;
    probe->tx = tx;
    probe->tag = hash >> KI_HASH_TAG_SHIFT;
    probe->matches = 0;
    probe->last = true;
    probe->left = 0;
    probe->segment = 0;
    probe->mask = 0;
    probe->bucket = 0;
    if (word != 0) {
        probe->segment = word & ~UINT64_C(0xff);
        probe->mask = ki_hash_buckets(word) - 1;
        probe->bucket = (uint32_t)hash & probe->mask;
        probe->left = KI_HASH_WINDOW - 1;
        ki_probe_bucket(probe);
    }
}

/*
 * The next entry whose tag fits: the caller compares the record.  False when
 * there is none; probe->damaged then says whether that can be believed.
 */
static inline bool
ki_probe_next(ki_probe *probe, uint64_t *word, uint64_t *address)
{
    for (;;) {
        while (probe->matches != 0) {
            const uint64_t at = probe->segment + (uint64_t)probe->bucket * 64 +
                                (uint64_t)__builtin_ctz(probe->matches) * 8;
            const uint64_t found = ki_hash_load(probe->idx, probe->tx, at);

            probe->matches &= probe->matches - 1;
            // It may have been replaced since the bucket was looked at.
            if (ki_hash_is_entry(found)) {
                *word = found;
                *address = at;
                return true;
            }
        }
        if (probe->last || probe->left == 0) {
            return false;
        }
        probe->left--;
        probe->bucket = (probe->bucket + 1) & probe->mask;
        ki_probe_bucket(probe);
    }
}

/* What the short way says of a hash. */
typedef enum ki_home {
    KI_HOME_UNSURE, /* begin a probe */
    KI_HOME_NONE,   /* it is not there */
    KI_HOME_SOME    /* a word fits */
} ki_home;

/* The first word of a window that fits, where there is one. */
typedef struct ki_fit {
    uint64_t address;
    ki_home home;
} ki_fit;

/*
 * The way of ki_hash_at_home() behind a full home bucket, whose directory word
 * is `entry`; the index ends at `end`.
 */
ki_fit ki_hash_behind_home(const uint8_t *base, uint64_t end, uint64_t entry,
                           uint64_t hash);

#ifdef KI_HASH_SSE2

/* Which words of the bucket have the tag of `hash`, a bit each. */
static inline __attribute__((always_inline)) uint32_t
ki_bucket_fits(const uint8_t *bytes, uint64_t hash)
{
#ifdef __AVX2__
    // Tags stand in the upper halves of the words: eight halves fill one
    // register, if in another order.
    const __m256 *words = (const __m256 *)(const void *)bytes;
    const __m256i halves = _mm256_permute4x64_epi64(
        _mm256_castps_si256(
            _mm256_shuffle_ps(words[0], words[1], _MM_SHUFFLE(3, 1, 3, 1))),
        _MM_SHUFFLE(3, 1, 2, 0));
    const __m256i tag = _mm256_set1_epi32((int)(hash >> KI_HASH_TAG_SHIFT));

    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(
        _mm256_srli_epi32(halves, KI_HASH_TAG_SHIFT - 32), tag)));
#else
    return ki_bucket_eight(bytes, hash >> KI_HASH_TAG_SHIFT).matches;
#endif
}

#endif

/*
 * The common case of a lookup, kept short: *word is the first word of the
 * window that has the tag, and may yet be no entry; or there is none.  `base`
 * is the index's.
 */
static inline __attribute__((always_inline)) ki_home
ki_hash_at_home(const ki_idx *idx, const uint8_t *base, uint64_t root,
                uint64_t hash, uint64_t *word, uint64_t *address)
{
#ifdef KI_HASH_SSE2
    const uint32_t depth = (uint32_t)(root & 0xff);
    const uint64_t end = ki_word_at(base, KI_W_SIZE);
    const uint64_t at =
        (root & ~UINT64_C(0xff)) + ((hash >> 1 >> ((63 - depth) & 63)) << 3);
    ki_bucket_look look;
    uint64_t entry;
    uint64_t bucket;
    uint32_t fits;
    ki_fit fit;

    // One bound for both maps: the file never outgrows the address space
    // unless another process has made it grow, which is the slow way's.  What
    // begins below it lies in the map, which ends with a page.
    if (KI_UNLIKELY(depth > KI_HASH_DEPTH_MAX || end > idx->limit ||
                    at >= end)) {
        return KI_HOME_UNSURE;
    }
    entry = ki_word_at(base, at);
    // Of 8, 64 or 512 buckets; a fourth size would be damage.
    bucket = (entry & ~UINT64_C(0xff)) +
             ((hash & ((UINT64_C(1) << (3 + 3 * (entry & 3))) - 1)) << 6);
    if (KI_UNLIKELY(bucket < KI_IDX_ARENA || bucket >= end)) {
        return KI_HOME_UNSURE;
    }
    fits = ki_bucket_fits(base + bucket, hash);
    if (KI_LIKELY(fits != 0)) {
        *word = ki_word_at(base + bucket, (uint64_t)__builtin_ctz(fits) * 8);
        *address = bucket + (uint64_t)__builtin_ctz(fits) * 8;
        return KI_HOME_SOME;
    }
    look = ki_bucket_eight(base + bucket, 0);
    if (KI_LIKELY((look.empty | look.zero) != 0)) {
        return look.zero == 0 ? KI_HOME_NONE : KI_HOME_UNSURE;
    }
    fit = ki_hash_behind_home(base, end, entry, hash);
    if (fit.home == KI_HOME_SOME) {
        *word = ki_word_at(base, fit.address);
        *address = fit.address;
    }
    return fit.home;
#else
    (void)idx;
    (void)base;
    (void)root;
    (void)hash;
    (void)word;
    (void)address;
    return KI_HOME_UNSURE;
#endif
}

/* --- changing --------------------------------------------------------------
 */

/* Gives the hash of the key of the record at `offset`; CORRUPT. */
typedef kist_status (*ki_rehash)(void *context, uint64_t offset,
                                 uint64_t *hash);

/*
 * Finds the word at which a new entry for `hash` may be stored, splitting
 * segments as needed, and what to store there for a record at `offset`.
 * `root_at` is the address of the root word.  Structure changes are committed
 * (but for a batch, where they are part of it).  CORRUPT, IO, NOMEM, TOOBIG.
 */
KIST_NODISCARD kist_status ki_hash_room(ki_tx *tx, uint64_t root_at,
                                        uint64_t hash, uint64_t offset,
                                        ki_rehash rehash, void *context,
                                        uint64_t *address, uint64_t *word);

/* What the word at `address` becomes where its entry is removed. */
uint64_t ki_hash_removed(const ki_tx *tx, uint64_t address);

/* Lists the pair that removes the entry at `address`. */
void ki_hash_remove(ki_tx *tx, uint64_t address);

/*
 * Makes a hash ready for about `count` entries: a directory of full-size
 * segments.  `root_at` must be 0 still.
 */
KIST_NODISCARD kist_status ki_hash_prepare(ki_tx *tx, uint64_t root_at,
                                           uint64_t count);

/* Frees all that hangs on the root word and sets it to 0. */
void ki_hash_clear(ki_tx *tx, uint64_t root_at);

#endif /* KI_INDEX_HASHIDX_H */
