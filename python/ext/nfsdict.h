/*
 * nfsdict.h - NfsDictBase: what NfsDict does in C.
 *
 *   class NfsDict(_core.NfsDictBase, MutableMapping)     Python: places,
 * mixins
 *        |
 *   kpy_nfsdict -- cache       key -> value, or `unread`: what this process
 *             |                knows; len, iteration and `in` ask it alone
 *             |--- kist_store  files of pairs, kist_store_open_nfs()
 *             |--- dumps, loads   pairs as bytes, or as str
 *
 * Layer    extension.
 * Threads  with the GIL, which is let go around each call of the library.
 *
 * INVARIANTS
 *  (1) What the cache has of a key is what this process last wrote to, or read
 *      from, its file: writers of one key hold the key's stripe from before
 * the library is called until the cache has the outcome, and a reader puts
 *      what he read into the cache only if the stripe's stamp has not moved.
 *  (2) No Python code runs while a stripe is held.
 *  (3) A store is closed by the last of the calls that use it.
 *  (4) Nothing from a file is unpickled before its directory was found to be
 *      nobody else's, or the user said allow_shared.
 *  (5) The cache's keys are exact str, and it is asked for such alone: a
 *      comparison with any other key could run code that replaces the cache.
 *  (6) The keys of a lazy dict are those of the moment when it was made; they
 *      become objects when somebody asks for one (`pending`).
 */
#ifndef KPY_NFSDICT_H
#define KPY_NFSDICT_H

#include <kist/store.h>
#include <pthread.h>

#include "module.h"

#define KPY_NFS_STRIPES 32
#define KPY_NFS_SHARDS  256

/* An open store, and who uses it. */
typedef struct kpy_nfsstore {
    kist_store *store;
    Py_ssize_t users;
    bool retired; // the last user closes it
} kpy_nfsstore;

typedef struct kpy_nfsdict {
    PyObject_HEAD kpy_state *state;
    PyObject *cache;          // dict
    kist_store_scan *pending; // keys that the cache is still to get, or NULL
    PyObject *unread; // stands for a value that was not read yet; one that
                      // was set stands in a cell, as bytes, until it is asked
                      // for (no value of the user's is a cell: they cannot be
                      // pickled)
    PyObject *path;   // str, absolute; NULL until _open()
    PyObject *dumps;
    PyObject *loads;
    PyObject *damage;       // exceptions of `loads` that mean damaged bytes
    PyObject *corrupt;      // what is raised then
    PyObject *trust;        // called with a directory, raises if it is shared
    unsigned long reloader; // the thread that has the journal
    PyObject *journal;      // set of keys that were changed during a reload
    bool json;
    bool lazy;
    bool trusted;  // data only, or allow_shared, or found to be ours
    bool trusting; // one of the first two: nobody need look again
    kist_store_durability durability;
    kpy_nfsstore *open; // NULL until it is needed
    pid_t pid;          // the process that the stripes belong to
    pthread_mutex_t stripes[KPY_NFS_STRIPES];
    uint32_t stamps[KPY_NFS_STRIPES];
} kpy_nfsdict;

static inline kpy_nfsdict *
kpy_nfsdict_of(PyObject *object)
{
    return (kpy_nfsdict *)object;
}

/* --- the store (nfsdictstore.c) ---------------------------------------------
 */

/* False with an error set before __init__(), and while the garbage collector
 * takes the dict apart. */
bool kpy_nfsdict_is_set_up(const kpy_nfsdict *dict);

/* The open store, for a call that ends with kpy_nfsdict_leave(); NULL with an
 * error set. */
kpy_nfsstore *kpy_nfsdict_enter(kpy_nfsdict *dict);
void kpy_nfsdict_leave(kpy_nfsstore *store);

/* Writes the index and forgets the store; the next call opens one. */
void kpy_nfsdict_retire(kpy_nfsdict *dict);

/* Raises what `status` stands for; CORRUPT is dict->corrupt.  NULL. */
PyObject *kpy_nfsdict_raise(kpy_nfsdict *dict, kist_status status);

/* The value in `data`, the file of `key`.  NULL with an error set. */
PyObject *kpy_nfsdict_parse(kpy_nfsdict *dict, PyObject *key, const void *data,
                            size_t size);

/* True if a value is the same for whoever has it, and when it was written and
 * read again. */
bool kpy_nfsdict_is_plain(const kpy_nfsdict *dict, PyObject *value);

/* Fills the cache from dict->pending.  0, or -1 with an error set. */
int kpy_nfsdict_settle_slowly(kpy_nfsdict *dict);

/* True for what the cache has of a key without having its value. */
static inline bool
kpy_nfsdict_is_closed(const kpy_nfsdict *dict, PyObject *value)
{
    return value == dict->unread || PyCell_Check(value);
}

/* What was read before this moment is not for the cache any more. */
static inline void
kpy_nfsdict_outdate(kpy_nfsdict *dict)
{
    for (size_t i = 0; i < KPY_NFS_STRIPES; i++) {
        dict->stamps[i]++;
    }
}

/* An exact str of the same text; NULL with an error set. */
static inline PyObject *
kpy_nfsdict_exact(PyObject *key)
{
    return PyUnicode_CheckExact(key) ? Py_NewRef(key)
                                     : PyUnicode_FromObject(key);
}

/* Before the cache is looked at. */
static inline int
kpy_nfsdict_settle(kpy_nfsdict *dict)
{
    return dict->pending == NULL ? 0 : kpy_nfsdict_settle_slowly(dict);
}

/* --- one key (nfsdict.c) ----------------------------------------------------
 */

PyObject *kpy_nfsdict_subscript(PyObject *self, PyObject *key);
int kpy_nfsdict_ass_subscript(PyObject *self, PyObject *key, PyObject *value);
int kpy_nfsdict_contains(PyObject *self, PyObject *key);
PyObject *kpy_nfsdict_get(PyObject *self, PyObject *const *args,
                          Py_ssize_t count, PyObject *names);

/* --- all keys (nfsdictload.c) -----------------------------------------------
 */

/* Fills a new cache from the directory.  0, or -1 with an error set and the
 * old cache in place. */
int kpy_nfsdict_reload(kpy_nfsdict *dict, PyObject *progress);

/* The same for a lazy dict that is being made: lists the keys. */
int kpy_nfsdict_list(kpy_nfsdict *dict);

#endif /* KPY_NFSDICT_H */
