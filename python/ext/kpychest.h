/*
 * kpychest.h - one open kist of this process, shared by all that stand on it.
 *
 *   FSDict ─┐                        ┌─ kist *
 *   FSDict ─┼─> chest (path, options)┤
 *   Kist  ──┘     ^                  └─ the .kist and .kistx files
 *                 └ state->chests: found again by path and options (row 65)
 *
 * A temporal chest (no base_path) has a name nobody can guess in the
 * temporary directory; its files go when it closes, in the process that made
 * it only (rows 62, 67, 76), and what a killed process left behind is removed
 * by the next one that makes a temporal collection.
 *
 * Layer    extension.
 * Threads  all fields by the GIL.  Calls that may wait let it go in a "turn";
 *          the chest then counts them in `busy`, and a close that comes
 *          meanwhile is done by the last one to leave.  So nobody who holds
 *          the GIL and has seen coll->handle set can lose a view under his
 *          hands: closing begins under the GIL.
 *
 * Sharing a chest by its path must not lead to files that were removed: their
 * handle still works, as that of an open file does, but nobody else will ever
 * see what it writes.  So the log of that path must have the inode it had, or
 * the kist have been compacted since, which makes a new one.
 *
 * INVARIANTS
 *  (1) kist is NULL exactly if the chest is closed; then colls is empty and
 *      every collection object that was in it has handle NULL.
 *  (2) users counts the objects that hold the chest; at 0 it is closed and
 *      freed.
 *  (3) A write never waits for another thread of this process with the GIL
 *      held for longer than LOCK_WAIT_MS: the kist is opened with that short
 *      lock timeout and the turn repeats the call without the GIL until the
 *      user's lock_timeout has passed.
 */
#ifndef KPY_KPYCHEST_H
#define KPY_KPYCHEST_H

#include <sys/types.h>

#include "convert.h"
#include "errors.h"
#include "module.h"

struct kpy_coll;

/* The keywords of FSList(...), FSDict(...), FSSet(...) and kist.open(...). */
typedef struct kpy_options {
    PyObject *base_path; /* borrowed; NULL or None: temporal */
    PyObject *klass;     /* borrowed; NULL for kist.open */
    bool auto_compact;
    kist_options kist;
    uint64_t lock_timeout_ms;
} kpy_options;

typedef struct kpy_chest {
    kist *kist;
    kpy_state *state;     /* borrowed: users keep it alive */
    char *path;           /* absolute, without .kist; owned */
    kist_options options; /* as opened */
    uint64_t lock_timeout_ms;
    pid_t pid;    /* who opened it */
    dev_t device; /* of the log, when generation was last looked at */
    ino_t inode;
    uint64_t generation;
    bool temporal; /* remove the files when closing */
    bool slow;     /* every write lets the GIL go at once */
    bool closing;  /* closed as soon as busy is 0 */
    bool doomed;   /* destroy the files then */
    bool ghost;    /* the files are gone, or others have taken their place */
    size_t users;
    size_t busy;
    struct kpy_coll *colls; /* the open ones, doubly linked */
    struct kpy_chest *next; /* in state->chests */
} kpy_chest;

/*
 * Reads the keywords: base_path (also by position) klass cache_type
 * cache_size compaction_threshold auto_compact, and beyond the contract
 * durability ('process', 'interval', 'sync'), sync ('always' is durability
 * 'sync'), read_only, lock_timeout (seconds).  0, or -1 with TypeError or
 * ValueError (row 77).
 */
int kpy_options_parse(PyObject *args, PyObject *kwargs, bool with_klass,
                      kpy_options *options);

/*
 * A chest for `options`, an open one of the same path and options if there
 * is one.  The caller is a user and must kpy_chest_release().  NULL with an
 * error set.
 */
kpy_chest *kpy_chest_acquire(kpy_state *state, const kpy_options *options);

/* A further user of it. */
static inline kpy_chest *
kpy_chest_retain(kpy_chest *chest)
{
    chest->users++;
    return chest;
}

/*
 * One user less; the last one closes.  What a lost final sync answers is the
 * result, for kpy_raise() or, in a finalizer, to be dropped.
 */
kist_status kpy_chest_release(kpy_chest *chest);

/*
 * Closes the chest whoever uses it, with all others of this process on the
 * same path, and removes the files.  0 or -1 with an error set.
 */
int kpy_chest_destroy(kpy_chest *chest);

/*
 * Closes the chest if that is due and nobody is inside, and frees it if it
 * has no user.  For turn.c and this .c.
 */
kist_status kpy_chest_settle(kpy_chest *chest);

/* A path for a new temporal kist, to be freed with PyMem_Free(); or NULL. */
char *kpy_temporal_path(kpy_state *state);

/* Closes all chests of the module; temporal files go.  For atexit. */
void kpy_chest_close_all(kpy_state *state);

/* --- turns ---------------------------------------------------------------
 *
 * Every call that writes, syncs or compacts goes like this:
 *
 *     kpy_turn turn = {0};
 *     do {
 *         kpy_turn_enter(&turn, chest);
 *         status = kist_dict_put(self->handle.dict, key, &value);
 *     } while (kpy_turn_again(&turn, chest, &status));
 *     ... a view that the call handed out is good up to here ...
 *     kpy_turn_done(&turn);
 *
 * It costs two tests where nothing waits.  A call that is known to wait sets
 * turn.slow = true first.  While the GIL is gone others may close the
 * collection: `status` is then CLOSED.  kpy_raise() keeps an exception that
 * is already set, as by Ctrl-C in a long wait.  Copy coll->chest and
 * coll->handle before the loop: a finalizer may clear them meanwhile.
 */
typedef struct kpy_turn {
    kpy_chest *chest;      /* set once it was made busy */
    PyThreadState *thread; /* saved while the GIL is gone */
    uint64_t deadline_ns;
    bool slow;
} kpy_turn;

void kpy_turn_let_go(kpy_turn *turn, kpy_chest *chest);
bool kpy_turn_take_back(kpy_turn *turn, kpy_chest *chest, kist_status *status);
void kpy_turn_leave(kpy_turn *turn);

static inline void
kpy_turn_enter(kpy_turn *turn, kpy_chest *chest)
{
    if (chest->slow || turn->slow) {
        kpy_turn_let_go(turn, chest);
    }
}

/* True: the lock was not free, the call is to be made once more. */
static inline bool
kpy_turn_again(kpy_turn *turn, kpy_chest *chest, kist_status *status)
{
    if (turn->thread == NULL && *status != KIST_ERR_LOCKED) {
        return false;
    }
    return kpy_turn_take_back(turn, chest, status);
}

static inline void
kpy_turn_done(kpy_turn *turn)
{
    if (turn->chest != NULL) {
        kpy_turn_leave(turn);
    }
}

#endif /* KPY_KPYCHEST_H */
