/*
 * coll.h - collection handles and the catalog that names them.
 *
 * Layer    coll.
 * Threads  any.
 */
#ifndef KI_COLL_COLL_H
#define KI_COLL_COLL_H

#include "coll/chest.h"
#include "coll/keyed.h"
#include "coll/writer.h"

#define KI_NAME_SIZE_MAX 1024u

/* Finds the header by name, where the handle is bound to another generation.
 */
KIST_NODISCARD kist_status ki_coll_bind_slowly(ki_coll *c, ki_gen *gen,
                                               const ki_tx *own,
                                               uint64_t *header);

/*
 * The header of the collection in `gen`, which the caller has entered.
 * NOTFOUND (with detail) once it has been dropped.
 */
KIST_NODISCARD static inline kist_status
ki_coll_bind(ki_coll *c, ki_gen *gen, const ki_tx *own, uint64_t *header)
{
    if (KI_LIKELY(atomic_load_explicit(&c->bound, memory_order_acquire) ==
                  gen->serial)) {
        const uint64_t at =
            atomic_load_explicit(&c->header, memory_order_acquire);
        const uint64_t serial =
            atomic_load_explicit(&c->serial, memory_order_acquire);

        if (KI_LIKELY(atomic_load_explicit(&c->bound, memory_order_acquire) ==
                          gen->serial &&
                      ki_keyed_at(gen, own, at, KI_C_SERIAL) == serial)) {
            *header = at;
            return KIST_OK;
        }
    }
    return ki_coll_bind_slowly(c, gen, own, header);
}

/* A reading call under way: what it entered and where its collection is. */
typedef struct ki_reader {
    ki_gen *gen;
    const ki_tx *own;
    uint64_t header;
} ki_reader;

/* Enters and binds; on KIST_OK ki_read_end() must follow. */
KIST_NODISCARD static inline kist_status
ki_read_begin(ki_coll *c, ki_reader *r)
{
    kist_status status = ki_enter(c->k, &r->gen);

    if (KI_UNLIKELY(status != KIST_OK)) {
        return status;
    }
    r->own = ki_own_tx(c->k);
    status = ki_coll_bind(c, r->gen, r->own, &r->header);
    if (KI_UNLIKELY(status != KIST_OK)) {
        ki_leave();
    }
    return status;
}

/* Leaves.  KI_AGAIN: a new generation is there, start again. */
KIST_NODISCARD static inline kist_status
ki_read_end(ki_coll *c, const ki_reader *r, kist_status status)
{
    ki_leave();
    if (KI_UNLIKELY(status == KI_AGAIN)) {
        status = ki_exchange(c->k, r->gen);
        return status == KIST_OK ? KI_AGAIN : status;
    }
    return status;
}

/*
 * Opens the collection `name`, creating it if need be and possible.  The
 * caller owns *c.  INVALID, KIND, TYPE, NOTFOUND, and what writing answers.
 */
KIST_NODISCARD kist_status ki_coll_open(kist *k, kist_slice name,
                                        kist_kind kind, kist_type type,
                                        ki_coll **c);
void ki_coll_close(ki_coll *c);

/*
 * Fills the header of a new collection (an extent of class KI_CLASS_MIN) and
 * lists the pairs that make it number `id`, whose catalog record is at
 * `serial`.  `table_at` is the word of the table of collections.
 */
void ki_coll_birth(ki_tx *tx, uint64_t header, uint64_t table_at, uint32_t id,
                   kist_kind kind, kist_type type, uint64_t serial);

/* Lists the pairs that free all that a collection holds, and its header. */
void ki_coll_death(ki_tx *tx, uint64_t header, uint64_t table_at);

/* The header of collection `id`, or 0. */
uint64_t ki_coll_header(const ki_gen *gen, const ki_tx *own, uint32_t id);

/* A catalog record's value taken apart: false if it cannot be one. */
bool ki_descriptor_load(const ki_record *record, kist_kind *kind,
                        kist_type *type);

/* Live items of the collection at `header`. */
uint64_t ki_coll_items(const ki_gen *gen, const ki_tx *own, uint64_t header);

/* The value of a record, as a view.  CORRUPT. */
KIST_NODISCARD kist_status ki_coll_value(const ki_gen *gen, uint64_t offset,
                                         const ki_record *record,
                                         kist_value *value);

/*
 * A word of a list of inline type as a record's value: fills `bytes`, and tag
 * and vsize of *record.  False for other types.
 */
bool ki_coll_inline_bytes(kist_type type, uint64_t word, uint8_t bytes[8],
                          ki_record *record);

/* --- what dict and set do alike --------------------------------------------
 */

/* The number that records of the collection at `header` carry. */
static inline uint32_t
ki_coll_id(const ki_tx *tx, uint64_t header)
{
    return (uint32_t)(ki_tx_load(tx, header + KI_C_ABOUT) >> 32);
}

/* What the writer reads through: its own words if it is in a batch. */
static inline const ki_tx *
ki_write_view(const ki_writer *w)
{
    return w->batch ? &w->tx : NULL;
}

/*
 * Writes the record that sets `key` to `value` (`old`: where it was, or NULL)
 * and lists the words.  The caller has begun and will end.
 */
KIST_NODISCARD kist_status ki_keyed_put(ki_writer *w, uint64_t header,
                                        const ki_key *key, ki_found *old,
                                        const kist_value *value);

/* Writes the record that removes what was found, and lists the words. */
KIST_NODISCARD kist_status ki_keyed_remove(ki_writer *w, uint64_t header,
                                           ki_found *old);

/*
 * One whole call: removes the last or first item.  *record is what was
 * removed, *value (may be NULL) its value.  NOTFOUND if empty; KI_AGAIN.
 */
KIST_NODISCARD kist_status ki_keyed_pop_end(ki_coll *c, bool last,
                                            uint64_t *offset,
                                            ki_record *record,
                                            kist_value *value);

/* Whole calls: number of items; remove all. */
KIST_NODISCARD kist_status ki_keyed_count(ki_coll *c, uint64_t *count);
KIST_NODISCARD kist_status ki_keyed_empty(ki_coll *c);

/* The kind in ABOUT. */
static inline kist_kind
ki_about_kind(uint64_t about)
{
    return (kist_kind)(about >> 8 & 0xff);
}

static inline kist_type
ki_about_type(uint64_t about)
{
    return (kist_type)(about & 0xff);
}

#endif /* KI_COLL_COLL_H */
