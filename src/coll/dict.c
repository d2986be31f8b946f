#include "kist/dict.h"

#include <string.h>

#include "base/fail.h"
#include "base/hash.h"
#include "codec/klass.h"
#include "coll/coll.h"
#include "coll/keyed.h"
#include "coll/lookup.h"
#include "coll/many.h"
#include "coll/ways.h"
#include "coll/writer.h"
#include "index/hashidx.h"

kist_status
kist_dict_open(kist *k, kist_slice name, kist_type type, kist_dict **dict)
{
    return ki_coll_open(k, name, KIST_KIND_DICT, type,
                        (ki_coll **)(void *)dict);
}

void
kist_dict_close(kist_dict *dict)
{
    ki_coll_close((ki_coll *)dict);
}

kist_type
kist_dict_type(const kist_dict *dict)
{
    return dict->coll.type;
}

kist_status
kist_dict_count(kist_dict *dict, uint64_t *count)
{
    return ki_keyed_count(&dict->coll, count);
}

kist_status
kist_dict_clear(kist_dict *dict)
{
    return ki_keyed_empty(&dict->coll);
}

/* --- reading
 * ----------------------------------------------------------------------- */

kist_status
kist_dict_get(kist_dict *dict, kist_slice key, kist_value *value)
{
    return ki_ways_here->get(&dict->coll, key, value);
}

kist_status
kist_dict_contains(kist_dict *dict, kist_slice key)
{
    return ki_ways_here->contains(&dict->coll, key);
}

/* Looks n <= KI_AHEAD keys up; an absent one gives KIST_ANY. */
static kist_status
get_some(const ki_reader *r, const kist_slice *keys, size_t n,
         kist_value *values)
{
    ki_key ahead[KI_AHEAD];
    ki_found found;
    kist_status status = KIST_OK;
    size_t i;

    ki_look_ahead(r, keys, n, ahead);
    for (i = 0; i < n && status == KIST_OK; i++) {
        status =
            ki_keyed_find(r->gen, r->own, r->header, &ahead[i], true, &found);
        if (status == KIST_OK) {
            status =
                ki_coll_value(r->gen, found.offset, &found.record, &values[i]);
        }
        else if (status == KIST_ERR_NOTFOUND) {
            memset(&values[i], 0, sizeof(values[i]));
            status = KIST_OK;
        }
    }
    return status;
}

/* All in one generation: views of two would not live equally long. */
static kist_status
get_many_once(kist_dict *dict, const kist_slice *keys, size_t count,
              kist_value *values)
{
    ki_reader r;
    kist_status status;
    size_t i;

    status = ki_read_begin(&dict->coll, &r);
    if (status != KIST_OK) {
        return status;
    }
    for (i = 0; i < count && status == KIST_OK; i += KI_AHEAD) {
        status =
            get_some(&r, keys + i, count - i < KI_AHEAD ? count - i : KI_AHEAD,
                     values + i);
    }
    return ki_read_end(&dict->coll, &r, status);
}

kist_status
kist_dict_get_many(kist_dict *dict, const kist_slice *keys, size_t count,
                   kist_value *values)
{
    kist_status status;

    do {
        status = get_many_once(dict, keys, count, values);
    } while (status == KI_AGAIN);
    return status;
}

/* --- writing
 * ------------------------------------------------------------------------- */

static kist_status
check_sizes(const ki_coll *c, size_t ksize, const kist_value *value)
{
    if (KI_UNLIKELY(ksize > KIST_KEY_SIZE_MAX)) {
        return KI_FAIL(KIST_ERR_TOOBIG, c->k->log_path, KI_NO_OFFSET, "key");
    }
    if (KI_UNLIKELY(kist_type_has_bytes(value->type) &&
                    value->as.bytes.size > KIST_VALUE_SIZE_MAX)) {
        return KI_FAIL(KIST_ERR_TOOBIG, c->k->log_path, KI_NO_OFFSET, "value");
    }
    return ki_klass_check(c->type, value);
}

/* What a put does besides setting. */
typedef enum put_mode { PUT_ANY, PUT_NEW } put_mode;

static kist_status
put_once(kist_dict *dict, kist_slice slice, const kist_value *value,
         put_mode mode, kist_value *present)
{
    ki_coll *c = &dict->coll;
    ki_key key = {slice.data, slice.size, 0};
    ki_writer *w;
    ki_found old;
    uint64_t header;
    kist_status status;

    status = ki_write_begin(c->k, c, &key, &w, &header);
    if (KI_UNLIKELY(status != KIST_OK)) {
        return status;
    }
    status = ki_keyed_find(w->gen, ki_write_view(w), header, &key,
                           mode == PUT_NEW && present != NULL, &old);
    if (status == KIST_OK && mode == PUT_NEW) {
        if (present != NULL) {
            status = ki_coll_value(w->gen, old.offset, &old.record, present);
        }
        if (status == KIST_OK) {
            status = KIST_ERR_EXISTS;
        }
    }
    else if (status == KIST_OK || status == KIST_ERR_NOTFOUND) {
        status = ki_keyed_put(w, header, &key, status == KIST_OK ? &old : NULL,
                              value);
    }
    return ki_write_end(c->k, w, status);
}

kist_status
kist_dict_put(kist_dict *dict, kist_slice key, const kist_value *value)
{
    kist_status status = check_sizes(&dict->coll, key.size, value);

    if (KI_UNLIKELY(status != KIST_OK)) {
        return status;
    }
    do {
        status = put_once(dict, key, value, PUT_ANY, NULL);
    } while (KI_UNLIKELY(status == KI_AGAIN));
    return status;
}

kist_status
kist_dict_put_new(kist_dict *dict, kist_slice key, const kist_value *value,
                  kist_value *found)
{
    kist_status status = check_sizes(&dict->coll, key.size, value);

    if (status != KIST_OK) {
        return status;
    }
    do {
        status = put_once(dict, key, value, PUT_NEW, found);
    } while (status == KI_AGAIN);
    return status;
}

static kist_status
put_some(kist_dict *dict, const kist_slice *keys, const kist_value *values,
         size_t n, size_t *done)
{
    ki_coll *c = &dict->coll;
    ki_key ahead[KI_AHEAD];
    ki_writer *w;
    ki_reader r;
    ki_found old;
    kist_status status;
    size_t i;

    *done = 0;
    status = ki_write_begin(c->k, c, NULL, &w, &r.header);
    if (status != KIST_OK) {
        return status;
    }
    r.gen = w->gen;
    r.own = ki_write_view(w);
    ki_look_ahead(&r, keys, n, ahead);
    for (i = 0; i < n; i++) {
        status =
            ki_keyed_find(w->gen, r.own, r.header, &ahead[i], false, &old);
        if (status != KIST_OK && status != KIST_ERR_NOTFOUND) {
            break;
        }
        status = ki_keyed_put(w, r.header, &ahead[i],
                              status == KIST_OK ? &old : NULL, &values[i]);
        if (status != KIST_OK) {
            break;
        }
        ki_write_step(w);
        *done += 1;
    }
    if (status != KIST_OK && w->batch) {
        *done = 0; // undone by the end of the call
    }
    return ki_write_end(c->k, w, status);
}

kist_status
kist_dict_put_many(kist_dict *dict, const kist_slice *keys,
                   const kist_value *values, size_t count, size_t *done)
{
    kist_status status = KIST_OK;
    size_t i;

    if (done != NULL) {
        *done = 0;
    }
    for (i = 0; i < count; i++) {
        status = check_sizes(&dict->coll, keys[i].size, &values[i]);
        if (status != KIST_OK) {
            return status;
        }
    }
    for (i = 0; i < count;) {
        const size_t n = count - i < KI_AHEAD ? count - i : KI_AHEAD;
        size_t some;

        status = put_some(dict, keys + i, values + i, n, &some);
        i += some;
        if (done != NULL) {
            *done = i;
        }
        if (status != KIST_OK && status != KI_AGAIN) {
            return status;
        }
    }
    return KIST_OK;
}

/* --- removing
 * ------------------------------------------------------------------------- */

static kist_status
remove_once(kist_dict *dict, kist_slice slice, kist_value *value)
{
    ki_coll *c = &dict->coll;
    ki_key key = {slice.data, slice.size, 0};
    ki_writer *w;
    ki_found old;
    uint64_t header;
    kist_status status;

    status = ki_write_begin(c->k, c, &key, &w, &header);
    if (status != KIST_OK) {
        return status;
    }
    status = ki_keyed_find(w->gen, ki_write_view(w), header, &key,
                           value != NULL, &old);
    if (status == KIST_OK && value != NULL) {
        status = ki_coll_value(w->gen, old.offset, &old.record, value);
    }
    if (status == KIST_OK) {
        status = ki_keyed_remove(w, header, &old);
    }
    return ki_write_end(c->k, w, status);
}

kist_status
kist_dict_remove(kist_dict *dict, kist_slice key)
{
    return kist_dict_pop(dict, key, NULL);
}

kist_status
kist_dict_pop(kist_dict *dict, kist_slice key, kist_value *value)
{
    kist_status status;

    do {
        status = remove_once(dict, key, value);
    } while (KI_UNLIKELY(status == KI_AGAIN));
    return status;
}

kist_status
kist_dict_popitem(kist_dict *dict, bool last, kist_slice *key,
                  kist_value *value)
{
    ki_record record;
    uint64_t offset;
    kist_status status;

    do {
        status = ki_keyed_pop_end(&dict->coll, last, &offset, &record, value);
    } while (status == KI_AGAIN);
    if (status == KIST_OK && key != NULL) {
        *key = kist_bytes(record.key, record.ksize);
    }
    return status;
}
