#include "coll/coll.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "codec/klass.h"
#include "codec/scalar.h"
#include "coll/listview.h"
#include "coll/lookup.h"
#include "coll/seq.h"
#include "index/hashidx.h"
#include "index/slots.h"

const char *
kist_kind_name(kist_kind kind)
{
    switch (kind) {
    case KIST_KIND_LIST:
        return "list";
    case KIST_KIND_DICT:
        return "dict";
    case KIST_KIND_SET:
        return "set";
    default:
        return "kind?";
    }
}

/* --- words and records
 * --------------------------------------------------------- */

bool
ki_descriptor_load(const ki_record *record, kist_kind *kind, kist_type *type)
{
    if (record->vsize != 2) {
        return false;
    }
    *kind = (kist_kind)record->value[0];
    *type = (kist_type)record->value[1];
    return *kind >= KIST_KIND_LIST && *kind <= KIST_KIND_SET &&
           ki_klass_valid(*type);
}

uint64_t
ki_coll_header(const ki_gen *gen, const ki_tx *own, uint32_t id)
{
    uint64_t at;
    uint64_t header;

    if (id == KI_CATALOG_ID) {
        return KI_CATALOG_HEADER;
    }
    at = ki_slots_at(&gen->idx, own, KI_W_COLLS, id - 1);
    if (at == 0) {
        return 0;
    }
    header = own == NULL ? ki_word_load(&gen->idx, at) : ki_tx_load(own, at);
    return header > KI_SLOT_HOLE && ki_idx_holds(&gen->idx, header, KI_C_END)
               ? header
               : 0;
}

uint64_t
ki_coll_items(const ki_gen *gen, const ki_tx *own, uint64_t header)
{
    const uint64_t about = ki_keyed_at(gen, own, header, KI_C_ABOUT);

    return ki_about_kind(about) == KIST_KIND_LIST
               ? ki_seq_count(&gen->idx, own, header)
               : ki_keyed_at(gen, own, header, KI_C_COUNT);
}

kist_status
ki_coll_value(const ki_gen *gen, uint64_t offset, const ki_record *record,
              kist_value *value)
{
    return ki_value_payload_load(record->tag, record->value, record->vsize,
                                 value) == KIST_OK
               ? KIST_OK
               : KI_FAIL(KIST_ERR_CORRUPT, gen->log.path, offset,
                         "value in record");
}

bool
ki_coll_inline_bytes(kist_type type, uint64_t word, uint8_t bytes[8],
                     ki_record *record)
{
    kist_value value;

    if (!ki_klass_inline(type)) {
        return false;
    }
    value = ki_klass_from_word(type, word);
    ki_value_payload_store(bytes, &value);
    record->tag = (uint8_t)value.type;
    record->vsize = (uint32_t)ki_value_payload_size(&value);
    return true;
}

void
ki_coll_birth(ki_tx *tx, uint64_t header, uint64_t table_at, uint32_t id,
              kist_kind kind, kist_type type, uint64_t serial)
{
    uint64_t at;

    for (at = header + KI_C_ABOUT; at < header + KI_C_END; at += 8) {
        ki_tx_fill(tx, at, 0);
    }
    ki_tx_fill(tx, header + KI_C_ABOUT,
               ki_about(id, (uint32_t)kind, (uint32_t)type));
    // Listed, not filled: a batch that is rolled back leaves no serial.
    ki_tx_store(tx, header + KI_C_SERIAL, serial);
    ki_tx_store(tx, table_at, header);
}

void
ki_coll_death(ki_tx *tx, uint64_t header, uint64_t table_at)
{
    ki_tx_store(tx, table_at, KI_SLOT_HOLE);
    ki_tx_store(tx, header + KI_C_SERIAL, 0);
    if (ki_about_kind(ki_tx_load(tx, header + KI_C_ABOUT)) == KIST_KIND_LIST) {
        ki_seq_clear(tx, header);
    }
    else {
        ki_keyed_clear(tx, header);
    }
    ki_tx_free(tx, header, KI_CLASS_MIN);
}

/* --- finding
 * -------------------------------------------------------------------- */

static ki_key
name_key(const ki_gen *gen, kist_slice name)
{
    ki_key key = {name.data, name.size,
                  ki_hash(name.data, name.size, gen->log.seed)};

    return key;
}

/* The collection called `name` in an entered generation. */
static kist_status
find_named(const ki_gen *gen, const ki_tx *own, kist_slice name,
           ki_found *found, uint64_t *header)
{
    const ki_key key = name_key(gen, name);
    kist_status status;

    status = ki_keyed_find(gen, own, KI_CATALOG_HEADER, &key, true, found);
    if (status != KIST_OK) {
        return status;
    }
    *header = ki_coll_header(gen, own, (uint32_t)found->record.slot + 1);
    return *header != 0 ? KIST_OK : ki_bad_index(gen, KI_W_COLLS);
}

static void
bind(ki_coll *c, const ki_gen *gen, const ki_tx *own, uint64_t header)
{
    atomic_store(&c->bound, 0);
    atomic_store(&c->header, header);
    atomic_store(&c->serial, ki_keyed_at(gen, own, header, KI_C_SERIAL));
    atomic_store(&c->bound, gen->serial);
}

kist_status
ki_coll_bind_slowly(ki_coll *c, ki_gen *gen, const ki_tx *own,
                    uint64_t *header)
{
    ki_found found;
    uint64_t about;
    kist_status status;

    (void)pthread_mutex_lock(&c->k->mutex);
    if (atomic_load(&c->bound) == gen->serial &&
        ki_keyed_at(gen, own, atomic_load(&c->header), KI_C_SERIAL) !=
            atomic_load(&c->serial)) {
        // Dropped: one made anew under the same name is another one.
        status = ki_not_found(gen);
        goto out;
    }
    status = find_named(gen, own, c->name, &found, header);
    if (status != KIST_OK) {
        goto out;
    }
    about = ki_keyed_at(gen, own, *header, KI_C_ABOUT);
    if (ki_about_kind(about) != c->kind || ki_about_type(about) != c->type) {
        status = KIST_ERR_NOTFOUND;
        goto out;
    }
    bind(c, gen, own, *header);

out:
    (void)pthread_mutex_unlock(&c->k->mutex);
    return status == KIST_ERR_NOTFOUND
               ? KI_FAIL(KIST_ERR_NOTFOUND, gen->log.path, KI_NO_OFFSET,
                         "the collection was dropped")
               : status;
}

/* --- creating
 * ------------------------------------------------------------------- */

/* Adds `name` to the catalog, unless it has appeared meanwhile. */
static kist_status
create_once(kist *k, kist_slice name, kist_kind kind, kist_type type)
{
    const uint8_t descriptor[2] = {(uint8_t)kind, (uint8_t)type};
    ki_writer *w;
    ki_vacancy vacancy;
    ki_found found;
    ki_record record;
    ki_key key;
    uint64_t header;
    uint64_t table_at;
    uint64_t offset;
    kist_status status;

    status = ki_write_begin(k, NULL, NULL, &w, NULL);
    if (status != KIST_OK) {
        return status;
    }
    status = find_named(w->gen, &w->tx, name, &found, &header);
    if (status != KIST_ERR_NOTFOUND) {
        goto out;
    }
    key = name_key(w->gen, name);
    status = ki_keyed_room(w->gen, &w->tx, KI_CATALOG_HEADER, key.hash,
                           w->tail, &vacancy);
    if (status != KIST_OK) {
        goto out;
    }
    if (vacancy.slot >= KI_COLL_MAX) {
        status = KI_FAIL(KIST_ERR_TOOBIG, k->log_path, KI_NO_OFFSET,
                         "too many collections");
        goto out;
    }
    status = ki_slots_room(&w->tx, KI_W_COLLS, vacancy.slot, &table_at);
    if (status == KIST_OK) {
        status = ki_tx_alloc(&w->tx, KI_CLASS_MIN, &header);
    }
    if (status != KIST_OK) {
        goto out;
    }
    memset(&record, 0, sizeof(record));
    record.op = KI_OP_PUT;
    record.tag = KIST_BYTES;
    record.slot = vacancy.slot;
    record.key = name.data;
    record.ksize = (uint32_t)name.size;
    record.value = descriptor;
    record.vsize = sizeof(descriptor);
    status = ki_write_record(w, &record, NULL, false, &offset);
    if (status != KIST_OK) {
        goto out;
    }
    ki_coll_birth(&w->tx, header, table_at, (uint32_t)vacancy.slot + 1, kind,
                  type, offset);
    ki_keyed_insert(&w->tx, KI_CATALOG_HEADER, &vacancy, offset, record.span);

out:
    return ki_write_end(k, w, status);
}

/* The handle's own fields, once the collection is there. */
static kist_status
adopt(ki_coll *c, const ki_gen *gen, const ki_tx *own, uint64_t header,
      kist_type type)
{
    const uint64_t about = ki_keyed_at(gen, own, header, KI_C_ABOUT);

    if (ki_about_kind(about) != c->kind) {
        return KI_FAIL(KIST_ERR_KIND, gen->log.path, KI_NO_OFFSET,
                       "the name is another kind of collection");
    }
    if (type != KIST_ANY && type != ki_about_type(about)) {
        return KI_FAIL(KIST_ERR_TYPE, gen->log.path, KI_NO_OFFSET,
                       "the collection has another type");
    }
    c->type = ki_about_type(about);
    (void)pthread_mutex_lock(&c->k->mutex);
    bind(c, gen, own, header);
    (void)pthread_mutex_unlock(&c->k->mutex);
    return KIST_OK;
}

static kist_status
open_once(ki_coll *c, kist_type type)
{
    ki_gen *gen;
    ki_found found;
    uint64_t header;
    kist_status status;

    status = ki_enter(c->k, &gen);
    if (status != KIST_OK) {
        return status;
    }
    status = find_named(gen, ki_own_tx(c->k), c->name, &found, &header);
    if (status == KIST_OK) {
        status = adopt(c, gen, ki_own_tx(c->k), header, type);
    }
    ki_leave();
    if (status == KI_AGAIN) {
        status = ki_exchange(c->k, gen);
        return status == KIST_OK ? KI_AGAIN : status;
    }
    if (status != KIST_ERR_NOTFOUND || c->k->options.read_only) {
        return status;
    }
    status = create_once(c->k, c->name, c->kind, type);
    return status == KIST_OK ? KI_AGAIN : status;
}

kist_status
ki_coll_open(kist *k, kist_slice name, kist_kind kind, kist_type type,
             ki_coll **out)
{
    ki_coll *c;
    uint8_t *copy;
    kist_status status;

    *out = NULL;
    if (name.size > KI_NAME_SIZE_MAX || !ki_klass_valid(type)) {
        return KI_FAIL(KIST_ERR_INVALID, k->log_path, KI_NO_OFFSET,
                       name.size > KI_NAME_SIZE_MAX ? "name too long"
                                                    : "no such type");
    }
    c = ki_calloc(1, sizeof(*c) + name.size);
    if (c == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, k->log_path, KI_NO_OFFSET, "handle");
    }
    copy = (uint8_t *)(c + 1);
    if (name.size > 0) {
        memcpy(copy, name.data, name.size);
    }
    c->name = kist_bytes(copy, name.size);
    atomic_init(&c->references, 1);
    c->k = k;
    c->kind = kind;
    ki_chest_hold(k);
    do {
        status = open_once(c, type);
    } while (status == KI_AGAIN);
    if (status != KIST_OK) {
        ki_coll_close(c);
        return status;
    }
    *out = c;
    return KIST_OK;
}

void
ki_coll_close(ki_coll *c)
{
    if (c != NULL && atomic_fetch_sub(&c->references, 1) == 1) {
        ki_chest_release(c->k);
        ki_free(c);
    }
}

/* --- the catalog to the outside
 * ------------------------------------------------- */

static void
describe(const ki_gen *gen, const ki_tx *own, uint64_t header,
         const ki_record *record, kist_coll_info *info)
{
    const uint64_t about = ki_keyed_at(gen, own, header, KI_C_ABOUT);

    info->name = kist_bytes(record->key, record->ksize);
    info->kind = ki_about_kind(about);
    info->type = ki_about_type(about);
    info->id = (uint32_t)(about >> 32);
    info->count = ki_coll_items(gen, own, header);
}

kist_status
kist_coll_find(kist *k, kist_slice name, kist_coll_info *info)
{
    ki_gen *gen;
    ki_found found;
    uint64_t header;
    kist_status status;

    do {
        status = ki_enter(k, &gen);
        if (status != KIST_OK) {
            return status;
        }
        status = find_named(gen, ki_own_tx(k), name, &found, &header);
        if (status == KIST_OK) {
            describe(gen, ki_own_tx(k), header, &found.record, info);
        }
        ki_leave();
        if (status == KI_AGAIN) {
            status = ki_exchange(k, gen);
            status = status == KIST_OK ? KI_AGAIN : status;
        }
    } while (status == KI_AGAIN);
    return status;
}

static kist_status
at_once(const ki_gen *gen, const ki_tx *own, uint64_t index,
        kist_coll_info *info)
{
    const uint64_t slots =
        ki_keyed_at(gen, own, KI_CATALOG_HEADER, KI_C_SLOTS);
    ki_record record;
    uint64_t offset;
    uint64_t header;
    uint64_t i;

    for (i = 0; i < slots; i++) {
        kist_status status =
            ki_keyed_in_slot(gen, own, KI_CATALOG_HEADER, i, &offset, &record);

        if (status == KIST_ERR_NOTFOUND) {
            continue;
        }
        if (status != KIST_OK) {
            return status;
        }
        if (index-- == 0) {
            header = ki_coll_header(gen, own, (uint32_t)i + 1);
            if (header == 0) {
                return ki_bad_index(gen, KI_W_COLLS);
            }
            describe(gen, own, header, &record, info);
            return KIST_OK;
        }
    }
    return KIST_END;
}

kist_status
kist_coll_at(kist *k, uint64_t index, kist_coll_info *info)
{
    ki_gen *gen;
    kist_status status;

    do {
        status = ki_enter(k, &gen);
        if (status != KIST_OK) {
            return status;
        }
        status = at_once(gen, ki_own_tx(k), index, info);
        ki_leave();
        if (status == KI_AGAIN) {
            status = ki_exchange(k, gen);
            status = status == KIST_OK ? KI_AGAIN : status;
        }
    } while (status == KI_AGAIN);
    return status;
}

static kist_status
drop_once(kist *k, kist_slice name)
{
    ki_writer *w;
    ki_found found;
    ki_record record;
    uint64_t header;
    uint64_t table_at;
    uint64_t offset;
    kist_status status;

    status = ki_write_begin(k, NULL, NULL, &w, NULL);
    if (status != KIST_OK) {
        return status;
    }
    status = find_named(w->gen, &w->tx, name, &found, &header);
    if (status != KIST_OK) {
        goto out;
    }
    status = ki_keyed_slot(&w->tx, KI_CATALOG_HEADER, &found);
    if (status != KIST_OK) {
        goto out;
    }
    memset(&record, 0, sizeof(record));
    record.op = KI_OP_DELETE;
    record.tag = KIST_NULL;
    record.slot = found.record.slot;
    status = ki_write_record(w, &record, NULL, true, &offset);
    if (status != KIST_OK) {
        goto out;
    }
    ki_views_drop(w->gen, header);
    table_at =
        ki_slots_at(&w->gen->idx, &w->tx, KI_W_COLLS, found.record.slot);
    ki_keyed_delete(&w->tx, KI_CATALOG_HEADER, &found);
    ki_coll_death(&w->tx, header, table_at);

out:
    return ki_write_end(k, w, status);
}

kist_status
kist_coll_drop(kist *k, kist_slice name)
{
    kist_status status;

    do {
        status = drop_once(k, name);
    } while (status == KI_AGAIN);
    return status;
}
