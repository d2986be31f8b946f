/*
 * memobj.h - the objects of memfs, and what their files share: arguments,
 * paths, exceptions, loans.
 *
 *     MemoryFileSystem  kpy_memfs    owns a kist_memfs
 *     MemoryFileHandle  kpy_memfile  owns a kist_memfile, holds its kpy_memfs
 *     MFSTextHandle     memtext_type.c, over a handle
 *
 * Layer    extension: includes the public C API and Python.h only.
 * Threads  the GIL protects everything here.  A kist_memfile is freed when
 *          its handle is closed and no thread is in a gap (memgap.h) with it.
 *
 * INVARIANTS
 *  (1) A context of lent bytes is a bytes object, of which the library has a
 *      reference; what it lends back is returned as that object.
 *  (2) A kpy_memfs that was made has its kist_memfs until it goes.
 */
#ifndef KPY_MEMOBJ_H
#define KPY_MEMOBJ_H

#include "errors.h"
#include "memgap.h"

/* Results of this size and more are put on huge pages: without, a page fault
 * for each 4 KiB costs five times the copying. */
#define KPY_MEM_HUGE ((size_t)4 << 20)

#define KPY_MEM_WORDS_MAX 5 /* parameters of a method */

typedef struct kpy_memfs {
    PyObject_HEAD kist_memfs *fs; /* NULL: __init__ was not called */
    kpy_state *state;
    PyObject *dict;
    PyObject *weakrefs;
    int64_t timeout_ns;         /* what open() waits; KIST_WAIT_FOREVER */
    kist_memfs_options options; /* as it was made */
    struct kpy_memnames *names; /* memnames.h; NULL: none are remembered */
} kpy_memfs;

typedef struct kpy_memfile {
    PyObject_HEAD PyObject *dict; /* these two as _io._RawIOBase has them */
    PyObject *weakrefs;
    kist_memfile *file; /* NULL: closed, or never opened */
    kpy_memfs *fs;      /* owned */
    kpy_state *state;
    unsigned busy; /* threads in a gap with `file` */
    bool closed;
    kist_memfs_mode mode;
} kpy_memfile;

/* --- arguments -------------------------------------------------------------
 */

/* A method's name and parameters, the first `required` of which it needs. */
typedef struct kpy_signature {
    const char *name;
    Py_ssize_t required;
    Py_ssize_t count;
    const char *words[KPY_MEM_WORDS_MAX];
} kpy_signature;

/* Sorts the arguments of a METH_FASTCALL | METH_KEYWORDS call; those that were
 * not given become NULL. */
int kpy_bind_slowly(const kpy_signature *signature, PyObject *const *args,
                    Py_ssize_t count, PyObject *names, PyObject **values);

static inline int
kpy_bind(const kpy_signature *signature, PyObject *const *args,
         Py_ssize_t count, PyObject *names, PyObject **values)
{
    if (names == NULL && count >= signature->required &&
        count <= signature->count) {
        for (Py_ssize_t i = 0; i < signature->count; i++) {
            values[i] = i < count ? args[i] : NULL;
        }
        return 0;
    }
    return kpy_bind_slowly(signature, args, count, names, values);
}

/* A path as the library takes it, good until it is let go. */
typedef struct kpy_mempath {
    kist_slice slice;
    PyObject *held; /* owns the bytes if the str does not */
} kpy_mempath;

int kpy_mempath_slowly(PyObject *object, kpy_mempath *path);

/* 0, or -1 with TypeError set: a str, and nothing like one. */
static inline int
kpy_mempath_of(PyObject *object, kpy_mempath *path)
{
    if (PyUnicode_CheckExact(object) && PyUnicode_IS_COMPACT_ASCII(object)) {
        path->slice.data = PyUnicode_1BYTE_DATA(object);
        path->slice.size = (size_t)PyUnicode_GET_LENGTH(object);
        path->held = NULL;
        return 0;
    }
    return kpy_mempath_slowly(object, path);
}

static inline void
kpy_mempath_done(kpy_mempath *path)
{
    Py_XDECREF(path->held);
}

/* A path or name of the library as a str. */
static inline PyObject *
kpy_mem_str(kist_slice text)
{
    return PyUnicode_DecodeUTF8(text.data, (Py_ssize_t)text.size,
                                "surrogatepass");
}

/* The path as it is understood, as a str. */
PyObject *kpy_mem_normalized(kpy_state *state, PyObject *path);

/* A whole number of 64 bits: 0, or -1 with TypeError or OverflowError. */
int kpy_mem_int(PyObject *object, int64_t *number);

/* Seconds or None as nanoseconds, or KIST_WAIT_FOREVER. */
int kpy_mem_timeout(PyObject *object, int64_t *timeout_ns);

/* --- exceptions ------------------------------------------------------------
 */

/* What a call says of its path; each with one %U for it, or NULL. */
typedef struct kpy_memwords {
    const char *notfound;
    const char *isdir;
    const char *notdir;
    const char *exists;
    const char *noparent; /* NULL: tells the parent, as open() does */
    const char *root;     /* without a %U */
    const char *locked;   /* NULL: "File is open" */
} kpy_memwords;

/*
 * Raises what `status` stands for: the exception of a callback if it left
 * one, else by contract: one argument, and errno None.  `from` is NULL where
 * the library knows the path better; `to` is the second path, or NULL.
 * Answers NULL.
 */
PyObject *kpy_mem_raise(kpy_state *state, kist_status status,
                        const kpy_memwords *words, PyObject *from,
                        PyObject *to);

/* MFSQuotaExceededError or MFSNodeLimitExceededError.  NULL. */
PyObject *kpy_mem_raise_limit(kpy_state *state, kpy_type_id id, uint64_t first,
                              uint64_t second);

/* BlockingIOError: the lock of a file did not come in time.  NULL. */
PyObject *kpy_mem_raise_locked(bool writes);

/* io.UnsupportedOperation.  NULL. */
PyObject *kpy_mem_raise_unsupported(kpy_state *state, const char *format, ...);

/* The kist_memfs of a MemoryFileSystem; NULL with an error set if __init__ was
 * not called. */
static inline kist_memfs *
kpy_memfs_of(const kpy_memfs *self)
{
    if (self->fs == NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "MemoryFileSystem.__init__() was not called");
    }
    return self->fs;
}

/* --- bytes -----------------------------------------------------------------
 */

/* All of the loan, which is given back: as the very object that was lent if
 * it is one. */
PyObject *kpy_mem_bytes(kpy_state *state, kist_loan *loan);

/* --- handles and what opens them
 * ---------------------------------------------*/

typedef struct kpy_memopen {
    kpy_mempath path;
    kist_memfs_mode mode;
    uint64_t preallocate;
    int64_t timeout_ns; /* 0: try once; KIST_WAIT_FOREVER */
} kpy_memopen;

/* "rb" and so on. */
const char *kpy_mem_mode_text(kist_memfs_mode mode);

/* The four arguments of open(), of which all but the first may be NULL. */
int kpy_memopen_parse(const kpy_memfs *fs, PyObject *const *values,
                      kpy_memopen *call);

/* Opens the file, waiting without the GIL, and for signals too.  0 or -1. */
int kpy_memopen_run(kpy_memfs *fs, kpy_memopen *call, PyObject *path,
                    kist_memfile **file);

/*
 * A call that may have to wait for files that are open: made at once with the
 * GIL held (unless it takes long), then in ever longer stretches without it,
 * between which signals are looked at.
 *
 *     if (kpy_memtry_init(&try, fs, lock_timeout, false) == 0) {
 *         do {
 *             kpy_memtry_enter(&try);
 *             status = kist_memfs_...(..., try.timeout_ms, ...);
 *         } while (kpy_memtry_again(&try, status));
 *     }
 */
typedef struct kpy_memtry {
    kpy_memfs *fs;
    bool is_long;
    int64_t timeout_ms; /* of this stretch */
    int64_t timeout_ns; /* in all */
    int64_t deadline;
    int64_t stretch_ns;
    kpy_memgap gap;
} kpy_memtry;

/* `lock_timeout` is NULL, None or seconds.  0 or -1. */
int kpy_memtry_init(kpy_memtry *try, kpy_memfs *fs, PyObject *lock_timeout,
                    bool is_long);
void kpy_memtry_enter(kpy_memtry *try);
bool kpy_memtry_again(kpy_memtry *try, kist_status status);

/* What open() raises. */
PyObject *kpy_memopen_raise(kpy_memfs *fs, kist_status status,
                            kist_memfs_mode mode, PyObject *path);

/* A MemoryFileHandle that is not open yet. */
kpy_memfile *kpy_memfile_new(kpy_memfs *fs);

/* Frees the memory that is kept for the next handles. */
void kpy_memfile_free_spares(kpy_state *state);

/* Makes it one of `file`. */
static inline void
kpy_memfile_set(kpy_memfile *handle, kist_memfile *file, kist_memfs_mode mode)
{
    handle->file = file;
    handle->mode = mode;
    handle->closed = false;
}

/* --- MemoryFileSystem
 * ---------------------------------------------------------*/

/* One that __init__ or somebody else has to fill. */
kpy_memfs *kpy_memfs_new(PyTypeObject *type);

/* Forgets the names that it remembers. */
void kpy_memlist_clear(kpy_memfs *fs);

/* Its methods, METH_FASTCALL | METH_KEYWORDS unless they take nothing. */
#define KPY_MEMFS_METHOD(name)                                                \
    PyObject *kpy_memfs_##name(PyObject *self, PyObject *const *args,         \
                               Py_ssize_t count, PyObject *names)

/* memopen.c */
KPY_MEMFS_METHOD(open);
KPY_MEMFS_METHOD(open_later);

/* memcalls.c */
KPY_MEMFS_METHOD(exists);
KPY_MEMFS_METHOD(is_dir);
KPY_MEMFS_METHOD(is_file);
KPY_MEMFS_METHOD(stat);
KPY_MEMFS_METHOD(get_size);
KPY_MEMFS_METHOD(mkdir);
KPY_MEMFS_METHOD(remove);
KPY_MEMFS_METHOD(rmtree);
KPY_MEMFS_METHOD(rename);
KPY_MEMFS_METHOD(move);
KPY_MEMFS_METHOD(copy);
KPY_MEMFS_METHOD(copy_tree);
KPY_MEMFS_METHOD(restore);
PyObject *kpy_memfs_stats(PyObject *self, PyObject *unused);
PyObject *kpy_memfs_snapshot(PyObject *self, PyObject *unused);

/* memlist.c */
KPY_MEMFS_METHOD(listdir);
KPY_MEMFS_METHOD(walk);
KPY_MEMFS_METHOD(glob);

/* memport.c */
KPY_MEMFS_METHOD(export_as_bytesio);
KPY_MEMFS_METHOD(export_tree);
KPY_MEMFS_METHOD(iter_export_tree);
KPY_MEMFS_METHOD(import_tree);
KPY_MEMFS_METHOD(view);
KPY_MEMFS_METHOD(save);
KPY_MEMFS_METHOD(load);

#endif /* KPY_MEMOBJ_H */
