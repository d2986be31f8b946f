/*
 * script.h - histories of operations, played on a kist and on models alike.
 *
 * A world is what one process has in a kist: five collections, named after
 * the number of the process, and a model of each.
 *
 *      "d<p>"  dict of any type        "l<p>"  list of integers
 *      "x"     dict of bytes, shared:  "t<p>"  list of text
 *              keys begin with "<p>/"  "s<p>"  set of text
 *
 * A step is one operation in a few numbers; keys and values are made from the
 * numbers, so a history is an array of steps or a seed.  Text and bytes carry
 * their own number in front: kt_value_sound() tells a value that was put from
 * one that never was.
 *
 * Layer    tests/support: public headers only.
 * Threads  one thread at a time for a world and its store.
 */
#ifndef KT_SUPPORT_SCRIPT_H
#define KT_SUPPORT_SCRIPT_H

#include "kist/kist.h"
#include "support/model.h"

typedef enum kt_coll { KT_D, KT_X, KT_L, KT_T, KT_S, KT_COLL_COUNT } kt_coll;

typedef enum kt_op {
    KT_OP_END = 0,  /* closes an array of steps */
    KT_PUT,         /* D, X: key, value */
    KT_PUT_NEW,     /* D, X: key, value; the key may be there */
    KT_PUT_MANY,    /* D: `index` keys from key on; each is one change */
    KT_REMOVE,      /* D, X: key; S: key.  It may be absent */
    KT_POPITEM,     /* D: the last item; S: the first.  May be empty */
    KT_ADD,         /* S: key */
    KT_APPEND,      /* L, T: value */
    KT_APPEND_MANY, /* L, T: `index` values; each is one change */
    KT_INSERT,      /* L, T: index, value */
    KT_SET,         /* L, T: index, value */
    KT_POP,         /* L, T: index; D: key */
    KT_CUT,         /* L, T: `key` values from index on */
    KT_REVERSE,     /* L, T */
    KT_SORT,        /* L, T; descending if key is odd */
    KT_CLEAR,       /* D, L, T, S */
    KT_BEGIN,       /* of a batch */
    KT_COMMIT,
    KT_ROLLBACK,
    KT_SYNC,
    KT_COMPACT,
    KT_VERIFY,
    KT_REOPEN /* close and open */
} kt_op;

typedef struct kt_step {
    kt_op op;
    kt_coll coll;
    uint32_t key;
    uint64_t index;
    uint64_t value;
} kt_step;

typedef struct kt_world {
    uint32_t proc;
    bool in_batch;
    kt_model models[KT_COLL_COUNT];
    kt_model before[KT_COLL_COUNT]; /* at the beginning of the batch */
} kt_world;

/* An open kist with the handles of one process's collections. */
typedef struct kt_store {
    char path[512];
    kist_options options;
    uint32_t proc;
    kist *k;
    bool borrowed;                   /* k belongs to somebody else */
    kist_dict *dicts[KT_COLL_COUNT]; /* KT_D, KT_X */
    kist_list *lists[KT_COLL_COUNT]; /* KT_L, KT_T */
    kist_set *set;
    char wrong[400]; /* "" or what a call handed out that it should not */
} kt_store;

/* Next number of a sequence; *state is the seed at first. */
uint64_t kt_random(uint64_t *state);

/* --- keys and values ------------------------------------------------------
 */

#define KT_KEY_ROOM   64u
#define KT_VALUE_ROOM ((size_t)128 << 10)

/* The key's name for dict `coll` of `proc`, or the member's of a set. */
kist_slice kt_key_make(kt_coll coll, uint32_t proc, uint32_t key,
                       char room[KT_KEY_ROOM]);

/* The value with number `tag` for `coll`, its bytes in `room`. */
kist_value kt_value_make(kt_coll coll, uint64_t tag,
                         uint8_t room[KT_VALUE_ROOM]);

/* False if `value` cannot have come from kt_value_make(). */
bool kt_value_sound(const kist_value *value, uint8_t room[KT_VALUE_ROOM]);

/* The name of the collection, in `room`. */
kist_slice kt_coll_name(kt_coll coll, uint32_t proc, char room[16]);

/* --- worlds ---------------------------------------------------------------
 */

void kt_world_init(kt_world *world, uint32_t proc);
void kt_world_fini(kt_world *world);
void kt_world_copy(kt_world *to, const kt_world *from);
uint64_t kt_world_digest(const kt_world *world);
bool kt_world_equal(const kt_world *a, const kt_world *b);

/* Does the step to the models. */
void kt_world_step(kt_world *world, const kt_step *step);

/* A step that makes sense for the world; never of a batch or upkeep. */
kt_step kt_step_random(const kt_world *world, uint64_t *state);

/* "insert t 3" and the like, for messages. */
const char *kt_step_text(const kt_step *step, char *text, size_t size);

/* --- stores ---------------------------------------------------------------
 */

/*
 * Opens the kist and the five collections.  On failure all is closed.  With
 * options->must_exist collections that are not there are not made: they read
 * as empty and must not be written to.
 */
kist_status kt_store_open(kt_store *store, const char *path,
                          const kist_options *options, uint32_t proc);
kist_status kt_store_close(kt_store *store);

/* Opens the five collections in a kist that stays the caller's. */
kist_status kt_store_attach(kt_store *store, kist *k, uint32_t proc);

/*
 * Does the step to the kist, comparing what it hands out with `world`, which
 * is as before the step.  An answer that the world foresees (NOTFOUND ...) is
 * KIST_OK here.
 */
kist_status kt_store_step(kt_store *store, const kt_world *world,
                          const kt_step *step);

/* kt_store_step(), and if it went well kt_world_step(). */
kist_status kt_step_both(kt_store *store, kt_world *world,
                         const kt_step *step);

/* Reads the five collections into `world`, by forward scans. */
kist_status kt_store_read(kt_store *store, kt_world *world);

/* Compares all there is with `world` by every way to read. */
bool kt_store_check(kt_store *store, const kt_world *world, char *why,
                    size_t size);

#endif /* KT_SUPPORT_SCRIPT_H */
