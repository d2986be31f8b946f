/*
 * The store in memory.  Stores that were made from one share a memory, each
 * format a space in it; a sub-store is a prefix.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/hash.h"
#include "os/io.h"
#include "store/key.h"
#include "store/memtable.h"

#define SHORT_KEY 512 // longer ones, with their prefix, need memory

typedef struct memstore {
    kist_store base;
    ki_space *space;
    size_t prefix_size; // ends in "/" unless 0
    char prefix[];
} memstore;

struct ki_cursor {
    memstore *store; // held
    uint64_t number; // of the next entry, at least
    size_t place;    // where that is, as long as nothing moves
    uint64_t moves;
    kist_buf key;
};

/* --- keys and ETags
 * ---------------------------------------------------------*/

/* A key with the store's prefix. */
typedef struct full_key {
    kist_slice slice;
    uint64_t hash;
    char *own; // to be freed
    char text[SHORT_KEY];
} full_key;

static kist_status
full_key_init(full_key *full, const memstore *store, kist_slice key)
{
    const size_t size = store->prefix_size + key.size;

    full->own = NULL;
    full->slice = key;
    if (store->prefix_size > 0) {
        char *text = full->text;

        if (size > SHORT_KEY) {
            text = full->own = ki_calloc(1, size);
            if (text == NULL) {
                return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET,
                               "memory store");
            }
        }
        memcpy(text, store->prefix, store->prefix_size);
        memcpy(text + store->prefix_size, key.data, key.size);
        full->slice = kist_bytes(text, size);
    }
    full->hash = ki_hash(full->slice.data, full->slice.size,
                         store->space->memory->seed);
    return KIST_OK;
}

static void
make_etag(uint64_t version, kist_etag *etag)
{
    char text[20];
    size_t at = sizeof(text);

    while (version > 0) {
        text[--at] = (char)('0' + version % 10);
        version /= 10;
    }
    etag->size = (uint8_t)(sizeof(text) - at);
    memcpy(etag->text, text + at, etag->size);
}

static void
make_stat(const ki_entry *e, kist_stat *stat)
{
    make_etag(e->version, &stat->etag);
    stat->size = e->value->size;
    stat->mtime_ns = e->mtime_ns;
}

/* True if the entry is of the store's sub-tree. */
static bool
is_ours(const memstore *store, const ki_entry *e)
{
    return e->key != NULL && e->key_size > store->prefix_size &&
           memcmp(e->key, store->prefix, store->prefix_size) == 0;
}

/* --- the entries of the table of operations
 * ---------------------------------*/

static const ki_store_ops memory_ops;

static kist_status
open_over(const kist_store_options *options, ki_memory *m, kist_slice prefix,
          kist_store **store)
{
    memstore *s = ki_calloc(1, sizeof(*s) + prefix.size);
    kist_status status;

    if (s == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "memory store");
    }
    status = ki_store_init(&s->base, &memory_ops, options);
    if (status == KIST_OK) {
        ki_latch_take(&m->latch);
        s->space = ki_memory_space(m, s->base.format);
        ki_latch_drop(&m->latch);
        if (s->space == NULL) {
            status =
                KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "memory store");
        }
    }
    if (status != KIST_OK) {
        ki_free(s);
        return status;
    }
    if (prefix.size > 0) {
        memcpy(s->prefix, prefix.data, prefix.size);
    }
    s->prefix_size = prefix.size;
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    *store = &s->base;
    return KIST_OK;
}

kist_status
kist_store_open_memory(const kist_store_options *options, kist_store **store)
{
    ki_memory *m = NULL;
    kist_status status;

    *store = NULL;
    status = ki_memory_new(&m);
    if (status == KIST_OK) {
        status = open_over(options, m, kist_bytes(NULL, 0), store);
        ki_memory_drop(m);
    }
    return status;
}

static void
mem_free(kist_store *store)
{
    memstore *s = (memstore *)store;

    ki_memory_drop(s->space->memory);
    ki_free(s);
}

static kist_status
mem_sub(kist_store *store, kist_slice prefix, kist_store **sub)
{
    const memstore *s = (const memstore *)store;
    kist_buf whole = {0};
    kist_status status = kist_buf_append(&whole, s->prefix, s->prefix_size);

    if (status == KIST_OK) {
        status = kist_buf_append(&whole, prefix.data, prefix.size);
    }
    if (status == KIST_OK) {
        status = kist_buf_append(&whole, "/", 1);
    }
    if (status == KIST_OK) {
        status = open_over(&store->options, s->space->memory,
                           kist_buf_slice(&whole), sub);
    }
    kist_buf_fini(&whole);
    return status;
}

static kist_status
mem_reformat(kist_store *store, const char *format, kist_store **other)
{
    const memstore *s = (const memstore *)store;
    kist_store_options options = store->options;

    options.format = format;
    return open_over(&options, s->space->memory,
                     kist_bytes(s->prefix, s->prefix_size), other);
}

static kist_status
mem_check(const kist_store *store, kist_slice key)
{
    (void)store;
    return ki_key_check(key);
}

static kist_status
copy_out(const ki_blob *b, kist_buf *value)
{
    kist_buf_clear(value);
    return kist_buf_append(value, b->bytes, b->size);
}

static kist_status
mem_get(kist_store *store, kist_slice key, const kist_etag *unless,
        kist_buf *value, kist_stat *stat, bool *same)
{
    const memstore *s = (const memstore *)store;
    ki_memory *m = s->space->memory;
    kist_stat known;
    full_key full;
    ki_blob *b = NULL;
    const ki_entry *e;
    kist_status status = full_key_init(&full, s, key);

    if (status != KIST_OK) {
        return status;
    }
    ki_latch_take(&m->latch);
    e = ki_space_find(s->space, full.hash, full.slice);
    if (e != NULL && (unless != NULL || stat != NULL)) {
        make_stat(e, &known);
    }
    if (e != NULL && value != NULL) {
        b = e->value;
        atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    }
    ki_latch_drop(&m->latch);
    ki_free(full.own);
    if (e == NULL) {
        return KIST_ERR_NOTFOUND;
    }
    if (unless != NULL) {
        *same = kist_etag_equal(unless, &known.etag);
    }
    if (b != NULL && !(unless != NULL && *same)) {
        status = copy_out(b, value);
    }
    if (stat != NULL) {
        *stat = known;
    }
    ki_blob_drop(b);
    return status;
}

/* What the rule says; the latch is held. */
static ki_change
judge(const ki_rule *rule, const ki_entry *e)
{
    ki_change change = {.satisfied = true};

    if (e != NULL) {
        make_etag(e->version, &change.before);
    }
    if (rule != NULL) {
        change.satisfied = ki_rule_holds(rule, &change.before);
    }
    change.changed =
        change.satisfied && !(rule != NULL && rule->keep && e != NULL);
    return change;
}

/* Puts *b; what stands in *b afterwards is to be dropped. */
static kist_status
put_blob(ki_memory *m, ki_space *s, const full_key *full, ki_blob **b,
         const ki_rule *rule, ki_change *change)
{
    ki_entry *e = ki_space_find(s, full->hash, full->slice);
    kist_status status = KIST_OK;
    ki_blob *old;

    *change = judge(rule, e);
    change->after = change->before;
    if (!change->changed) {
        return KIST_OK;
    }
    if (e == NULL) {
        status = ki_space_add(s, full->hash, full->slice, &e);
        if (status != KIST_OK) {
            return status;
        }
    }
    old = e->value;
    e->value = *b;
    *b = old;
    e->version = ++m->versions;
    e->mtime_ns = ki_clock_wall_ns();
    make_etag(e->version, &change->after);
    return KIST_OK;
}

static kist_status
mem_put(kist_store *store, kist_slice key, kist_slice value,
        const ki_rule *rule, ki_change *change)
{
    const memstore *s = (const memstore *)store;
    ki_memory *m = s->space->memory;
    ki_change made;
    full_key full;
    ki_blob *b;
    kist_status status = full_key_init(&full, s, key);

    if (status != KIST_OK) {
        return status;
    }
    b = value.size > SIZE_MAX - sizeof(*b)
            ? NULL
            : ki_calloc(1, sizeof(*b) + value.size);
    if (b == NULL) {
        ki_free(full.own);
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "memory store");
    }
    atomic_init(&b->refs, 1);
    b->size = value.size;
    if (value.size > 0) {
        memcpy(b->bytes, value.data, value.size);
    }
    ki_latch_take(&m->latch);
    status = put_blob(m, s->space, &full, &b, rule, &made);
    ki_latch_drop(&m->latch);
    ki_free(full.own);
    ki_blob_drop(b);
    if (status == KIST_OK && change != NULL) {
        *change = made;
    }
    return status;
}

static kist_status
mem_remove(kist_store *store, kist_slice key, const ki_rule *rule,
           ki_change *change)
{
    const memstore *s = (const memstore *)store;
    ki_memory *m = s->space->memory;
    ki_change made;
    full_key full;
    ki_blob *b = NULL;
    ki_entry *e;
    const kist_status status = full_key_init(&full, s, key);

    if (status != KIST_OK) {
        return status;
    }
    ki_latch_take(&m->latch);
    e = ki_space_find(s->space, full.hash, full.slice);
    made = judge(rule, e);
    made.after = made.before;
    made.changed = made.changed && e != NULL;
    if (made.changed) {
        made.after.size = 0;
        b = e->value;
        ki_space_remove(s->space, e);
    }
    ki_latch_drop(&m->latch);
    ki_free(full.own);
    ki_blob_drop(b);
    if (change != NULL) {
        *change = made;
    }
    return KIST_OK;
}

/* --- scans
 * ------------------------------------------------------------------*/

static kist_status
mem_scan_open(kist_store *store, bool stats, ki_cursor **cursor)
{
    ki_cursor *c = ki_calloc(1, sizeof(*c));

    (void)stats;
    *cursor = c;
    if (c == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "scan");
    }
    c->store = (memstore *)ki_store_hold(store);
    c->moves = UINT64_MAX; // nowhere yet
    return KIST_OK;
}

static kist_status
mem_scan_next(ki_cursor *c, ki_found *found)
{
    const ki_space *s = c->store->space;
    const size_t prefix_size = c->store->prefix_size;
    kist_status status = KIST_END;
    size_t at;

    ki_latch_take(&s->memory->latch);
    at = c->moves == s->moves ? c->place : ki_space_at(s, c->number);
    while (at < s->used && !is_ours(c->store, &s->entries[at])) {
        at++;
    }
    if (at < s->used) {
        const ki_entry *e = &s->entries[at];

        kist_buf_clear(&c->key);
        status = kist_buf_append(&c->key, e->key + prefix_size,
                                 e->key_size - prefix_size);
        if (status == KIST_OK) {
            make_stat(e, &found->stat);
            c->number = e->number + 1;
            at++;
        }
    }
    c->place = at;
    c->moves = s->moves;
    ki_latch_drop(&s->memory->latch);
    if (status == KIST_OK) {
        found->has_stat = true;
        found->key = kist_buf_slice(&c->key);
    }
    return status;
}

static void
mem_scan_close(ki_cursor *c)
{
    kist_store_close(&c->store->base);
    kist_buf_fini(&c->key);
    ki_free(c);
}

/* --- all at once
 * ------------------------------------------------------------*/

/* The nth entry of the store, or NULL; the latch is held. */
static ki_entry *
find_nth(const memstore *store, uint64_t nth)
{
    const ki_space *s = store->space;

    for (size_t i = 0; i < s->used; i++) {
        if (is_ours(store, &s->entries[i]) && nth-- == 0) {
            return &s->entries[i];
        }
    }
    return NULL;
}

/* How many entries the store has; the latch is held. */
static uint64_t
count_ours(const memstore *store)
{
    const ki_space *s = store->space;
    uint64_t count = 0;

    if (store->prefix_size == 0) {
        return s->live;
    }
    for (size_t i = 0; i < s->used; i++) {
        count += is_ours(store, &s->entries[i]);
    }
    return count;
}

static kist_status
mem_count(kist_store *store, uint64_t *count)
{
    const memstore *s = (const memstore *)store;

    ki_latch_take(&s->space->memory->latch);
    *count = count_ours(s);
    ki_latch_drop(&s->space->memory->latch);
    return KIST_OK;
}

/*
 * Tries places at random: of a whole space three in four are taken at least,
 * once it has been filled; if none was met, the entries are counted through.
 */
static kist_status
mem_random(kist_store *store, kist_buf *key)
{
    const memstore *s = (const memstore *)store;
    const ki_space *in = s->space;
    kist_status status = KIST_ERR_NOTFOUND;
    const ki_entry *e = NULL;
    uint64_t seed;

    if (ki_io->random(&seed, sizeof(seed)) != 0) {
        return KI_FAIL(KIST_ERR_IO, NULL, KI_NO_OFFSET, "getrandom");
    }
    ki_latch_take(&in->memory->latch);
    for (uint64_t i = 0; i < 16 && e == NULL && in->used > 0; i++) {
        e = &in->entries[ki_hash(&i, sizeof(i), seed) % in->used];
        e = is_ours(s, e) ? e : NULL;
    }
    if (e == NULL) {
        const uint64_t count = count_ours(s);

        e = count == 0 ? NULL : find_nth(s, seed % count);
    }
    if (e != NULL) {
        status = kist_buf_append(key, e->key + s->prefix_size,
                                 e->key_size - s->prefix_size);
    }
    ki_latch_drop(&in->memory->latch);
    return status;
}

static const ki_store_ops memory_ops = {
    .name = "memory",
    .free = mem_free,
    .sub = mem_sub,
    .reformat = mem_reformat,
    .check = mem_check,
    .get = mem_get,
    .put = mem_put,
    .remove = mem_remove,
    .scan_open = mem_scan_open,
    .scan_next = mem_scan_next,
    .scan_close = mem_scan_close,
    .count = mem_count,
    .random = mem_random,
};
