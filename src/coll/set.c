#include "kist/set.h"

#include <string.h>

#include "base/fail.h"
#include "base/hash.h"
#include "codec/klass.h"
#include "codec/member.h"
#include "coll/coll.h"
#include "coll/keyed.h"
#include "coll/lookup.h"
#include "coll/setrecord.h"
#include "coll/ways.h"
#include "coll/writer.h"
#include "kist/dict.h"

kist_status
kist_set_open(kist *k, kist_slice name, kist_type type, kist_set **set)
{
    return ki_coll_open(k, name, KIST_KIND_SET, type, (ki_coll **)(void *)set);
}

void
kist_set_close(kist_set *set)
{
    ki_coll_close((ki_coll *)set);
}

kist_type
kist_set_type(const kist_set *set)
{
    return set->coll.type;
}

kist_status
kist_set_count(kist_set *set, uint64_t *count)
{
    return ki_keyed_count(&set->coll, count);
}

kist_status
kist_set_clear(kist_set *set)
{
    return ki_keyed_empty(&set->coll);
}

kist_status
ki_member_value(const ki_gen *gen, uint64_t offset, const ki_record *record,
                kist_value *value)
{
    if (record->vsize > 0) {
        return ki_coll_value(gen, offset, record, value);
    }
    return ki_member_load(kist_bytes(record->key, record->ksize), value) ==
                   KIST_OK
               ? KIST_OK
               : KI_FAIL(KIST_ERR_CORRUPT, gen->log.path, offset,
                         "member in record");
}

/*
 * The canonical bytes of a member: what makes it the same as another.  Those
 * of most members fit here and need no memory.
 */
typedef struct member_bytes {
    kist_slice key;
    kist_buf owned;
    uint8_t small[KI_MEMBER_SMALL];
} member_bytes;

/* TYPE, TOOBIG, NOMEM; afterwards bytes_fini(). */
static kist_status
bytes_init(member_bytes *bytes, const kist_value *member)
{
    kist_status status;

    kist_buf_init(&bytes->owned, KIST_KEY_SIZE_MAX);
    if (KI_LIKELY(ki_member_key_small(member, bytes->small, &bytes->key))) {
        return KIST_OK;
    }
    status = ki_member_key(member, &bytes->owned);
    bytes->key = kist_buf_slice(&bytes->owned);
    return status;
}

static void
bytes_fini(member_bytes *bytes)
{
    if (bytes->owned.data != NULL) {
        kist_buf_fini(&bytes->owned);
    }
}

static kist_status
add_once(kist_set *set, const kist_value *member, kist_slice bytes,
         bool *added)
{
    ki_coll *c = &set->coll;
    // A member that its key gives back needs no value.
    const kist_value none = kist_null();
    ki_writer *w;
    ki_found old;
    ki_key key = {bytes.data, bytes.size, 0};
    uint64_t header;
    kist_status status;

    status = ki_write_begin(c->k, c, &key, &w, &header);
    if (status != KIST_OK) {
        return status;
    }
    status =
        ki_keyed_find(w->gen, ki_write_view(w), header, &key, false, &old);
    *added = status == KIST_ERR_NOTFOUND;
    if (*added) {
        status = ki_keyed_put(w, header, &key, NULL,
                              ki_member_is_canonical(member) ? &none : member);
    }
    return ki_write_end(c->k, w, status);
}

kist_status
kist_set_add(kist_set *set, const kist_value *member, bool *added)
{
    bool is_new = false;
    member_bytes bytes;
    kist_status status = ki_klass_check(set->coll.type, member);

    if (status != KIST_OK) {
        return status;
    }
    status = bytes_init(&bytes, member);
    if (status == KIST_OK) {
        do {
            status = add_once(set, member, bytes.key, &is_new);
        } while (status == KI_AGAIN);
    }
    if (added != NULL) {
        *added = status == KIST_OK && is_new;
    }
    bytes_fini(&bytes);
    return status;
}

kist_status
kist_set_add_many(kist_set *set, const kist_value *members, size_t count,
                  size_t *added)
{
    kist_status status = KIST_OK;
    size_t i;

    if (added != NULL) {
        *added = 0;
    }
    for (i = 0; i < count && status == KIST_OK; i++) {
        bool is_new;

        status = kist_set_add(set, &members[i], &is_new);
        if (added != NULL && is_new) {
            *added += 1;
        }
    }
    return status;
}

kist_status
kist_set_contains(kist_set *set, const kist_value *member)
{
    member_bytes bytes;
    kist_status status = bytes_init(&bytes, member);

    if (status == KIST_OK) {
        status = ki_ways_here->contains(&set->coll, bytes.key);
    }
    bytes_fini(&bytes);
    return status;
}

static kist_status
remove_once(kist_set *set, kist_slice bytes)
{
    ki_coll *c = &set->coll;
    ki_writer *w;
    ki_found old;
    ki_key key = {bytes.data, bytes.size, 0};
    uint64_t header;
    kist_status status;

    status = ki_write_begin(c->k, c, &key, &w, &header);
    if (status != KIST_OK) {
        return status;
    }
    status =
        ki_keyed_find(w->gen, ki_write_view(w), header, &key, false, &old);
    if (status == KIST_OK) {
        status = ki_keyed_remove(w, header, &old);
    }
    return ki_write_end(c->k, w, status);
}

kist_status
kist_set_remove(kist_set *set, const kist_value *member)
{
    member_bytes bytes;
    kist_status status = bytes_init(&bytes, member);

    if (status == KIST_OK) {
        do {
            status = remove_once(set, bytes.key);
        } while (status == KI_AGAIN);
    }
    bytes_fini(&bytes);
    return status;
}

kist_status
kist_set_pop(kist_set *set, kist_value *member)
{
    ki_record record;
    uint64_t offset;
    ki_reader r;
    kist_status status;

    do {
        status = ki_keyed_pop_end(&set->coll, false, &offset, &record, NULL);
    } while (status == KI_AGAIN);
    if (status != KIST_OK || member == NULL) {
        return status;
    }
    // The removed record still stands in the log, and this thread's view of
    // it holds; the generation is needed for the error detail only.
    r.gen = atomic_load(&set->coll.k->gen);
    return ki_member_value(r.gen, offset, &record, member);
}
