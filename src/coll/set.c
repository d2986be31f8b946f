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

/* The canonical bytes of a member: what makes it the same as another. */
static kist_status
key_of(const ki_coll *c, const kist_value *member, kist_buf *bytes)
{
    kist_status status;

    kist_buf_init(bytes, KIST_KEY_SIZE_MAX);
    status = ki_klass_check(c->type, member);
    if (status == KIST_OK) {
        status = ki_member_key(member, bytes);
    }
    if (status != KIST_OK) {
        kist_buf_fini(bytes);
    }
    return status;
}

static kist_status
add_once(kist_set *set, const kist_value *member, const kist_buf *bytes,
         bool *added)
{
    ki_coll *c = &set->coll;
    // A member that its key gives back needs no value.
    const kist_value none = kist_null();
    ki_writer *w;
    ki_found old;
    ki_key key = {bytes->data, bytes->size, 0};
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
    kist_buf bytes;
    kist_status status = key_of(&set->coll, member, &bytes);

    if (status != KIST_OK) {
        return status;
    }
    do {
        status = add_once(set, member, &bytes, &is_new);
    } while (status == KI_AGAIN);
    if (added != NULL) {
        *added = status == KIST_OK && is_new;
    }
    kist_buf_fini(&bytes);
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

static kist_status
contains_once(kist_set *set, const kist_buf *bytes)
{
    ki_reader r;
    ki_found found;
    ki_key key = {bytes->data, bytes->size, 0};
    kist_status status = ki_read_begin(&set->coll, &r);

    if (status != KIST_OK) {
        return status;
    }
    key.hash = ki_hash(key.data, key.size, r.gen->log.seed);
    status = ki_keyed_find(r.gen, r.own, r.header, &key, false, &found);
    return ki_read_end(&set->coll, &r, status);
}

kist_status
kist_set_contains(kist_set *set, const kist_value *member)
{
    kist_buf bytes;
    kist_status status;

    kist_buf_init(&bytes, KIST_KEY_SIZE_MAX);
    status = ki_member_key(member, &bytes);
    if (status == KIST_OK) {
        do {
            status = contains_once(set, &bytes);
        } while (status == KI_AGAIN);
    }
    kist_buf_fini(&bytes);
    return status;
}

static kist_status
remove_once(kist_set *set, const kist_buf *bytes)
{
    ki_coll *c = &set->coll;
    ki_writer *w;
    ki_found old;
    ki_key key = {bytes->data, bytes->size, 0};
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
    kist_buf bytes;
    kist_status status;

    kist_buf_init(&bytes, KIST_KEY_SIZE_MAX);
    status = ki_member_key(member, &bytes);
    if (status == KIST_OK) {
        do {
            status = remove_once(set, &bytes);
        } while (status == KI_AGAIN);
    }
    kist_buf_fini(&bytes);
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
