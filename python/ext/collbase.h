/*
 * collbase.h - what FSList, FSDict and FSSet have in common.
 *
 * kist._core.Collection is the base type; it has close, destroy, sync,
 * compact, metrics, klass, path, name, closed, read_only, batch, lock,
 * __enter__, __exit__, __reduce__ (row 41), __copy__, __deepcopy__ (both by
 * calling self.copy(), row 40), __class_getitem__ and the finalizer.  A type
 * file adds the rest:
 *
 *     spec.basicsize = sizeof(kpy_coll_solid)
 *     flags: Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | MAPPING or SEQUENCE
 *     {Py_tp_init, list_init} -> kpy_coll_init(self, KIST_KIND_LIST, ...)
 *     kpy_type_add(module, KPY_TYPE_LIST, &spec, state->types[KPY_TYPE_COLL],
 *                  true)
 *
 * tp_new, tp_dealloc, tp_finalize, weakrefs and __hash__ = None come from the
 * base (Py_tp_hash must be given again where Py_tp_richcompare is: put
 * PyObject_HashNotImplemented).
 *
 * Layer    extension.
 * Threads  with the GIL.
 *
 * INVARIANTS
 *  (1) handle is set exactly while the object is open; every method begins
 *      with kpy_coll_open_or_raise() (P10).
 *  (2) An open object is in chest->colls and is a user of its chest.
 */
#ifndef KPY_COLLBASE_H
#define KPY_COLLBASE_H

#include "kpychest.h"

typedef struct kpy_coll {
    PyObject_HEAD union {
        void *any; /* NULL: closed */
        kist_list *list;
        kist_dict *dict;
        kist_set *set;
    } handle;
    void *retired;    /* closed under a call of another thread */
    kpy_chest *chest; /* NULL when closed */
    kpy_chest *batch; /* in which kpy_coll_batch_begin() began one */
    kpy_state *state;
    kpy_klass klass;
    kist_kind kind;
    bool read_only;
    bool batch_long; /* its commit lets the GIL go: many items */
    bool warns;      /* ResourceWarning if it was not closed */
    bool persistent; /* was opened at a path: it can be pickled */
    uint64_t edits;  /* the type's own use, starts at 0 */
    PyObject *name;  /* str; "" is the root collection */
    PyObject *path;  /* str, absolute, without .kist; stays when closed */
    PyObject *weakrefs;
    kpy_spares spares;     /* of what is read item by item */
    struct kpy_coll *next; /* in chest->colls */
    struct kpy_coll *previous;
} kpy_coll;

/*
 * What an object of FSList, FSDict or FSSet takes: more than the base type.
 * So Python sees three layouts, and refuses a class with two of them as bases
 * and to give an object a __class__ of another kind, whose methods would take
 * one sort of handle for the other.
 */
typedef struct kpy_coll_solid {
    kpy_coll coll;
    void *unused;
} kpy_coll_solid;

/* True if open; else ValueError is set (P10). */
static inline bool
kpy_coll_open_or_raise(const kpy_coll *coll)
{
    if (coll->handle.any != NULL) {
        return true;
    }
    (void)kpy_raise_closed();
    return false;
}

/*
 * True if open for writing; else ValueError (closed) or
 * io.UnsupportedOperation (read_only, row 72).
 */
bool kpy_coll_writable_slow(const kpy_coll *coll);

static inline bool
kpy_coll_writable_or_raise(const kpy_coll *coll)
{
    if (coll->handle.any != NULL && !coll->read_only) {
        return true;
    }
    return kpy_coll_writable_slow(coll);
}

/* tp_init: opens the root collection of a kist.  Closes what was open. */
int kpy_coll_init(PyObject *self, kist_kind kind, PyObject *args,
                  PyObject *kwargs);

/*
 * A new object of `type` (NULL: the one of `kind`) on the collection `name`,
 * a str, of `chest`, made if it is absent.  For Kist.dict(name) and the like.
 */
PyObject *kpy_coll_attach(kpy_chest *chest, PyTypeObject *type, kist_kind kind,
                          PyObject *name, PyObject *klass);

/* "list", "dict", "set" to the kind; 0 or -1 with TypeError for others. */
int kpy_coll_kind_of(const kpy_state *state, PyTypeObject *type,
                     kist_kind *kind);

/*
 * A new temporal collection by calling `type`, for fromkeys (row 17);
 * TypeError unless it is one of the type `id` or a subclass.
 */
kpy_coll *kpy_coll_temporal(PyTypeObject *type, kpy_type_id id);

/* ResourceWarning for a collection at a path that was never closed. */
void kpy_coll_warn(kpy_coll *coll);

/* Closes the object; the last user of the chest closes that. */
kist_status kpy_coll_close(kpy_coll *coll);

/* All that a chest does to its collections when it is closed under them. */
void kpy_coll_forget(kpy_coll *coll);

/* Closes it and gives back what a closed one holds.  For dealloc. */
void kpy_coll_fini(kpy_coll *coll);

/*
 * One put, add, remove ...: `call` must be a kist call on coll's handle, and
 * status a kist_status.  See kpychest.h; use it in functions that keep no
 * view. Needs `kpy_chest *chest` in scope.
 */
#define KPY_TURN(turn, chest, status, call)                                   \
    do {                                                                      \
        kpy_turn_enter((turn), (chest));                                      \
        (status) = (call);                                                    \
    } while (kpy_turn_again((turn), (chest), &(status)))

/*
 * Begins a batch for a compound change (update, slice assignment): *mine says
 * whether it was begun here, which is not so inside a batch of this thread.
 * 0 or -1 with an error set.  End with kpy_coll_batch_end(), which commits if
 * `status` is KIST_OK and rolls back else (if *mine), and returns what became
 * of it.  In between no Python code may run.  After a begin that answered 0
 * the collection is open.
 */
int kpy_coll_batch_begin(kpy_coll *coll, bool *mine);
kist_status kpy_coll_batch_end(kpy_coll *coll, bool mine, kist_status status);

/*
 * The context manager of `with c.batch():`, kist_type.c.  It is a user of the
 * chest while it is entered.
 */
PyObject *kpy_batch_new(kpy_state *state, kpy_chest *chest);

/* A new dict: the keys of row 80 and what kist knows beyond them. */
PyObject *kpy_metrics_new(kpy_state *state, kpy_chest *chest);

/* kist_sync() and kist_compact() as turns: None, or NULL with an error. */
PyObject *kpy_chest_sync(kpy_chest *chest);
PyObject *kpy_chest_compact(kpy_chest *chest);

/*
 * repr: 1 if this object is being repred (write "..."), 0 if not, then call
 * kpy_repr_leave(); -1 on error.
 */
static inline int
kpy_repr_enter(kpy_coll *coll)
{
    return Py_ReprEnter((PyObject *)coll);
}

static inline void
kpy_repr_leave(kpy_coll *coll)
{
    Py_ReprLeave((PyObject *)coll);
}

/*
 * "FSList([1, 2])": the type's name around the repr of `contents`, which is
 * consumed; NULL is passed on.  On a closed object give NULL without an error
 * set: "<FSList (closed) at 'path'>".
 */
PyObject *kpy_coll_repr(kpy_coll *coll, PyObject *contents);

/* _repr_html_: a table of the first items, for notebooks. */
PyObject *kpy_coll_html(PyObject *self, PyObject *unused);

/*
 * .scan(predicate) (P43): an iterator over what `iterator` (consumed) gives
 * and `predicate` is true for.  `spread`: the items are pairs and the
 * predicate takes two arguments.
 */
PyObject *kpy_scan_new(kpy_state *state, PyObject *iterator,
                       PyObject *predicate, bool spread);

#endif /* KPY_COLLBASE_H */
