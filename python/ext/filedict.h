/*
 * filedict.h - FileDirBase: what FileDirDict does in C.
 *
 *   class FileDirDict(_core.FileDirBase, PersiDict)     Python: keywords, rest
 *        |
 *   kpy_filedict -- kist_store    bytes under "a/b", kist/store.h
 *             |---- kpy_fmt       objects as bytes, fmt.h
 *             `---- base_class    what values must be
 *
 * Layer    extension.
 * Threads  with the GIL, which is let go around each call of the library that
 *          reaches the file system.
 *
 * INVARIANTS
 *  (1) Methods that stand for others (pop for transform_item, setdefault for
 *      [] and so on) do the short thing only while what they stand for is
 *      this file's own; a patched or overridden method is called.
 *  (2) fmt.trusted is true only if the user said so.  `private` has the
 *      directories that were found to be writable by nobody else.
 *  (3) Once there is a store there always is one, and what __init__ puts
 *      others in place of lives as long as we do (`retired`): what was read
 *      from here stays good while other Python code, or another thread, runs.
 */
#ifndef KPY_FILEDICT_H
#define KPY_FILEDICT_H

#include <kist/store.h>

#include "fmt.h"
#include "module.h"
#include "storeres.h"
#include "strtuple.h"

typedef struct kpy_filedict {
    PyObject_HEAD kpy_state *state;
    kist_store *store; /* NULL until _open() */
    kpy_fmt fmt;       /* .trusted: invariant (2) */
    bool append_only;
    unsigned digest_len;
    PyObject *base_class; /* a type, or None */
    PyObject *base_dir;   /* str; NULL until _open() */
    PyObject *sign_key;   /* bytes; NULL: none; what fmt.key borrows */
    PyObject *private;    /* dict: the key's front, up to its last '/': True
                             if nobody else reaches the files there */
    PyObject *parent;     /* of a subdict: whose `foreign` the store tells */
    struct kpy_foreign *foreign;  /* owned, unless there is a parent */
    struct kpy_foreign *reported; /* what the store tells: ours or parent's */
    PyObject *retired; /* what it was before __init__ was called again */
} kpy_filedict;

static inline kpy_filedict *
kpy_filedict_of(PyObject *object)
{
    return (kpy_filedict *)object;
}

/* Calls the library without the GIL: status = call. */
#define KPY_UNLOCKED(status, call)                                            \
    do {                                                                      \
        PyThreadState *thread_ = PyEval_SaveThread();                         \
        (status) = (call);                                                    \
        PyEval_RestoreThread(thread_);                                        \
    } while (0)

/*
 * The same for a call that may wait for another writer's lock, who may have
 * been stopped: so that Ctrl-C is heard, the library waits LOCK_SLICE_MS, and
 * the call is made again until LOCK_SLICES are over.
 */
#define KPY_LOCK_SLICE_MS 500
#define KPY_LOCK_SLICES   60
#define KPY_UNLOCKED_WRITE(status, call)                                      \
    do {                                                                      \
        unsigned slice_ = 0;                                                  \
        do {                                                                  \
            KPY_UNLOCKED(status, call);                                       \
        } while ((status) == KIST_ERR_LOCKED && ++slice_ < KPY_LOCK_SLICES && \
                 PyErr_CheckSignals() == 0);                                  \
    } while (0)

/* The store, or NULL with RuntimeError: __init__ was not called. */
kist_store *kpy_filedict_store(const kpy_filedict *dict);

/*
 * Raises what `status` stands for, unless a signal handler has raised already;
 * `key` (may be NULL) is for KeyError.  NULL.
 */
PyObject *kpy_filedict_raise(kpy_filedict *dict, kist_status status,
                             PyObject *key);

/* Appends the bytes of `value`, which was checked, to `out`.  0 or -1. */
int kpy_filedict_dump(kpy_filedict *dict, PyObject *value, kist_buf *out);

/*
 * The value of `data`, checked against the base class; errors name the file
 * of `key`.
 */
PyObject *kpy_filedict_load(kpy_filedict *dict, kist_slice key,
                            kist_slice data);

/* An ETag as str, or ITEM_NOT_AVAILABLE for an empty one; new reference. */
PyObject *kpy_filedict_etag(const kpy_filedict *dict, const kist_etag *etag);

/* A timestamp as os.stat() has it. */
double kpy_filedict_seconds(int64_t mtime_ns);

/*
 * True if the attribute `name` of `self` is the C function `own`: nobody
 * patched the instance or the class, or overrode it.
 */
bool kpy_filedict_is_own(PyObject *self, const char *name, PyCFunction own);

/* Calls the method `name` of PersiDict on `self`; args as in vectorcall,
 * args[0] being `self`. */
PyObject *kpy_filedict_super(kpy_filedict *dict, const char *name,
                             PyObject *const *args, size_t count,
                             PyObject *names);

/* --- one key (filedict.c) ---------------------------------------------------
 */

PyObject *kpy_filedict_subscript(PyObject *self, PyObject *key);
int kpy_filedict_ass_subscript(PyObject *self, PyObject *key, PyObject *value);
int kpy_filedict_contains(PyObject *self, PyObject *key);
Py_ssize_t kpy_filedict_length(PyObject *self);
int kpy_filedict_bool(PyObject *self);

/* 1 if there was one, 0 if not, -1 with an error set. */
int kpy_filedict_drop(kpy_filedict *dict, PyObject *key);

extern PyMethodDef kpy_filedict_key_methods[];

/* --- conditions (filedictif.c) ----------------------------------------------
 */

PyObject *kpy_filedict_set_item_if(PyObject *self, PyObject *const *args,
                                   Py_ssize_t count, PyObject *names);
PyObject *kpy_filedict_discard_if(PyObject *self, PyObject *const *args,
                                  Py_ssize_t count, PyObject *names);
PyObject *kpy_filedict_transform(PyObject *self, PyObject *const *args,
                                 Py_ssize_t count, PyObject *names);

/* How often a write tries again when another one came between. */
#define KPY_RETRIES_DEFAULT 6

/* Waits before the attempt behind retry number `retry`; 0, or -1: Ctrl-C. */
int kpy_filedict_wait(unsigned long retry);

/* Raises ConcurrencyConflictError(key, attempts); -1. */
int kpy_filedict_conflict(kpy_filedict *dict, PyObject *key,
                          unsigned long attempts);

extern PyMethodDef kpy_filedict_if_methods[];

/* --- many (filedictmany.c, filedictiter.c) ----------------------------------
 */

extern PyMethodDef kpy_filedict_many_methods[];
extern PyMethodDef kpy_filedict_iter_methods[];
extern PyType_Spec kpy_filescan_spec;

PyObject *kpy_filedict_iter(PyObject *self);

/* --- foreign files (filedictmany.c) -----------------------------------------
 */

/* What the library's report() of a store writes to. */
struct kpy_foreign *kpy_foreign_new(void);
void kpy_foreign_free(struct kpy_foreign *foreign);
void kpy_foreign_report(void *context, const char *path, const char *why);

#endif /* KPY_FILEDICT_H */
