/*
 * module.h - the state of kist._core: its types, exceptions, names and what
 * it borrows from the standard library.
 *
 * A type file TYPE_type.c defines kpy_<noun>_type_add(module), which hands
 * its spec to kpy_type_add(); module.c calls each once.  Methods find the
 * state in their object (kpy_coll.state); a slot that may get a foreign
 * object on its left, such as nb_or, asks kpy_state_of_either().
 *
 * Layer    extension: includes the public C API and Python.h only.
 * Threads  the GIL protects everything here.
 *
 * INVARIANTS
 *  (1) Nothing is global: each interpreter has a module of its own.
 *  (2) An object's type keeps its module alive, so object->state is good as
 *      long as the object is.
 *  (3) `import kist` imports nothing of the standard library that is not
 *      already there: kpy_lazy() does it on first use.
 */
#ifndef KPY_MODULE_H
#define KPY_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <kist/kist.h>
#include <stdbool.h>

/* A slot holds a function as void *, which ISO C has no conversion for. */
#define KPY_SLOT(function) ((void *)(uintptr_t)(function))

/* A METH_FASTCALL function for a PyMethodDef. */
#define KPY_METHOD(function) ((PyCFunction)(void (*)(void))(function))

struct kpy_chest;

typedef enum kpy_type_id {
    KPY_TYPE_COLL, /* the base of the three, not exported */
    KPY_TYPE_LIST,
    KPY_TYPE_LIST_ITER,
    KPY_TYPE_LIST_BUFFER,
    KPY_TYPE_DICT,
    KPY_TYPE_DICT_KEYS,
    KPY_TYPE_DICT_VALUES,
    KPY_TYPE_DICT_ITEMS,
    KPY_TYPE_DICT_ITER,
    KPY_TYPE_SET,
    KPY_TYPE_SET_ITER,
    KPY_TYPE_SCAN, /* what .scan(predicate) answers */
    KPY_TYPE_KIST,
    KPY_TYPE_BATCH,
    KPY_TYPE_MEMFS,
    KPY_TYPE_MEMFILE,
    KPY_TYPE_MEMTEXT,
    KPY_TYPE_MEMTICKET,     /* a place in the queue for a file */
    KPY_TYPE_MEMWALK,       /* what .walk() answers */
    KPY_TYPE_MEMEXPORT,     /* what .iter_export_tree() answers */
    KPY_TYPE_MEMVIEW,       /* whose memory a .view() is */
    KPY_TYPE_MEMQUOTA,      /* MFSQuotaExceededError */
    KPY_TYPE_MEMNODES,      /* MFSNodeLimitExceededError */
    KPY_TYPE_SAFESTR,       /* SafeStrTuple */
    KPY_TYPE_SAFESTR_FULL,  /* NonEmptySafeStrTuple */
    KPY_TYPE_CONDRESULT,    /* ConditionalOperationResult */
    KPY_TYPE_OPRESULT,      /* OperationResult */
    KPY_TYPE_LOCALNODE,     /* a node of a LocalDict's tree: its backend */
    KPY_TYPE_LOCALENTRY,    /* an item of it */
    KPY_TYPE_LOCALBASE,     /* the base of LocalDict */
    KPY_TYPE_LOCALITER,     /* what its iterations answer */
    KPY_TYPE_APPENDCACHED,  /* the base of AppendOnlyDictCached */
    KPY_TYPE_MUTABLECACHED, /* the base of MutableDictCached */
    KPY_TYPE_FILEDICT,      /* the base of FileDirDict */
    KPY_TYPE_FILESCAN,      /* what its iterations answer */
    KPY_TYPE_NFSDICT,       /* the base of NfsDict */
    KPY_TYPE_COUNT
} kpy_type_id;

/*
 * What kist.persidict puts into the state when it is imported (storeres.h);
 * the order is that of part_names in storeres.c.
 */
typedef enum kpy_part_id {
    KPY_PART_KEEP_CURRENT,
    KPY_PART_DELETE_CURRENT,
    KPY_PART_ANY_ETAG,
    KPY_PART_ETAG_IS_THE_SAME,
    KPY_PART_ETAG_HAS_CHANGED,
    KPY_PART_ALWAYS_RETRIEVE,
    KPY_PART_NEVER_RETRIEVE,
    KPY_PART_IF_ETAG_CHANGED,
    KPY_PART_ITEM_NOT_AVAILABLE,
    KPY_PART_VALUE_NOT_RETRIEVED,
    KPY_PART_JOKER,          /* the class */
    KPY_PART_RETRIEVE_FLAG,  /* the class RetrieveValueFlag */
    KPY_PART_POLICY_ERROR,   /* MutationPolicyError */
    KPY_PART_CONFLICT_ERROR, /* ConcurrencyConflictError */
    KPY_PART_BACKEND_ERROR,  /* BackendError */
    KPY_PART_PERSIDICT,      /* the class PersiDict */
    KPY_PART_COUNT
} kpy_part_id;

/* kist's own exceptions; errors.h says which status raises which. */
typedef enum kpy_error_id {
    KPY_ERROR, /* kist.Error, the base of all below */
    KPY_ERROR_LOCKED,
    KPY_ERROR_CORRUPT,
    KPY_ERROR_NOTKIST,
    KPY_ERROR_NEWER,
    KPY_ERROR_POISONED,
    KPY_ERROR_TOOBIG,
    KPY_ERROR_BUSY,
    KPY_ERROR_COUNT
} kpy_error_id;

/* What kpy_lazy() looks up on first use. */
typedef enum kpy_lazy_id {
    KPY_LAZY_DATETIME,
    KPY_LAZY_DATE,
    KPY_LAZY_TIME,
    KPY_LAZY_TIMEDELTA,
    KPY_LAZY_TIMEZONE,
    KPY_LAZY_DECIMAL,
    KPY_LAZY_UUID,
    KPY_LAZY_UNSUPPORTED, /* io.UnsupportedOperation */
    KPY_LAZY_GETTEMPDIR,  /* tempfile.gettempdir */
    KPY_LAZY_JSON_ENCODE, /* a bound method: compact, not escaped */
    KPY_LAZY_JSON_LOADS,
    KPY_LAZY_HTML_ESCAPE,
    KPY_LAZY_BYTESIO,   /* io.BytesIO */
    KPY_LAZY_NEWOBJ,    /* copyreg.__newobj__ */
    KPY_LAZY_SAVE_TREE, /* kist.memfs._archive */
    KPY_LAZY_LOAD_TREE,
    KPY_LAZY_PICKLE_DUMPS,
    KPY_LAZY_PICKLE_LOADS,
    KPY_LAZY_HMAC_DIGEST,
    KPY_LAZY_JSON_SCAN,   /* JSONDecoder().scan_once */
    KPY_LAZY_FMT_INFLATE, /* kist.persidict.formats */
    KPY_LAZY_FMT_ARRAYS,
    KPY_LAZY_FMT_JSON_DUMP,
    KPY_LAZY_FMT_JSON_LOAD,
    KPY_LAZY_FMT_CHECK_PRIVATE,
    KPY_LAZY_DEEPCOPY, /* copy.deepcopy */
    KPY_LAZY_COUNT
} kpy_lazy_id;

/* Interned attribute names. */
typedef enum kpy_name_id {
    KPY_NAME_KEYS,
    KPY_NAME_BIT_LENGTH,
    KPY_NAME_TO_BYTES,
    KPY_NAME_FROM_BYTES,
    KPY_NAME_ISOFORMAT,
    KPY_NAME_FROMISOFORMAT,
    KPY_NAME_TZINFO,
    KPY_NAME_FOLD,
    KPY_NAME_DAYS,
    KPY_NAME_SECONDS,
    KPY_NAME_MICROSECONDS,
    KPY_NAME_BYTES,
    KPY_NAME_LITTLE,
    KPY_NAME_SIGNED,
    KPY_NAME_TIME,
    KPY_NAME_CLOSE,
    KPY_NAME_READ,
    KPY_NAME_READLINE,
    KPY_NAME_WRITE,
    KPY_NAME_SEEK,
    KPY_NAME_TELL,
    KPY_NAME_DECODE,
    KPY_NAME_GETSTATE,
    KPY_NAME_SETSTATE,
    KPY_NAME_ITEMS,
    KPY_NAME_ARGS,
    KPY_NAME_REQUESTED,
    KPY_NAME_AVAILABLE,
    KPY_NAME_CURRENT,
    KPY_NAME_LIMIT,
    /* the keywords of conditional operations, storecond.c */
    KPY_NAME_KEY,
    KPY_NAME_CONDITION,
    KPY_NAME_EXPECTED_ETAG,
    KPY_NAME_RETRIEVE_VALUE,
    KPY_NAME_VALUE,
    KPY_NAME_DEFAULT_VALUE,
    /* what a cached store calls, storecache.c */
    KPY_NAME_READ_SLOWLY,
    KPY_NAME_GET_ITEM_IF,
    /* kist_memfs_mode, in its order */
    KPY_NAME_RB,
    KPY_NAME_WB,
    KPY_NAME_AB,
    KPY_NAME_RPB,
    KPY_NAME_XB,
    /* the keys of stat(), in their order */
    KPY_NAME_SIZE,
    KPY_NAME_CREATED_AT,
    KPY_NAME_MODIFIED_AT,
    KPY_NAME_GENERATION,
    KPY_NAME_IS_DIR,
    /* the keys of stats(), in their order */
    KPY_NAME_USED_BYTES,
    KPY_NAME_QUOTA_BYTES,
    KPY_NAME_FREE_BYTES,
    KPY_NAME_FILE_COUNT,
    KPY_NAME_DIR_COUNT,
    KPY_NAME_CHUNK_COUNT,
    KPY_NAME_OVERHEAD,
    KPY_NAME_COUNT
} kpy_name_id;

#define KPY_SPARES 8

typedef struct kpy_state {
    PyTypeObject *types[KPY_TYPE_COUNT];
    PyObject *errors[KPY_ERROR_COUNT];
    PyObject *names[KPY_NAME_COUNT];
    PyObject *lazy[KPY_LAZY_COUNT]; /* NULL until asked for */
    struct kpy_chest *chests;       /* every open one, see kpychest.h */
    bool temp_swept; /* leavings of dead processes were looked for */
    PyObject *spares[KPY_SPARES]; /* closed MemoryFileHandles, as memory */
    unsigned spare_count;
    PyObject *stats_like; /* a dict with the keys of stats() */
    PyObject *time_names; /* the dict of module time */
    PyObject *time_time;  /* its function, as it was made */
    unsigned raised;      /* callbacks that left an exception, memgap.h */
    PyObject *parts[KPY_PART_COUNT]; /* of kist.persidict, storeres.h */
} kpy_state;

extern struct PyModuleDef kpy_module_def;

/* The state of a module of ours. */
static inline kpy_state *
kpy_state_of_module(PyObject *module)
{
    return (kpy_state *)PyModule_GetState(module);
}

/* The state of `type` or a subclass of ours; NULL with an error set if not. */
static inline kpy_state *
kpy_state_of_type(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &kpy_module_def);

    return module == NULL ? NULL : kpy_state_of_module(module);
}

/*
 * The state for a binary slot of which at least one operand is ours.  NULL
 * with an error set only if neither is.
 */
kpy_state *kpy_state_of_either(PyObject *left, PyObject *right);

/* A borrowed reference to a thing of the standard library, or NULL. */
PyObject *kpy_lazy(kpy_state *state, kpy_lazy_id id);

/*
 * Makes the type of `spec` with `bases` (a type, or NULL), keeps it as
 * state->types[id], and makes it an attribute of the module if `exported`.
 */
int kpy_type_add(PyObject *module, kpy_type_id id, PyType_Spec *spec,
                 PyTypeObject *base, bool exported);

/* Each in its own <noun>_type.c; 0 or -1 with an error set. */
int kpy_coll_type_add(PyObject *module);
int kpy_scan_type_add(PyObject *module);
int kpy_list_type_add(PyObject *module);
int kpy_dict_type_add(PyObject *module);
int kpy_dictview_type_add(PyObject *module);
int kpy_set_type_add(PyObject *module);
int kpy_kist_type_add(PyObject *module);
int kpy_memerrors_add(PyObject *module);
int kpy_memfs_type_add(PyObject *module);
int kpy_memfile_type_add(PyObject *module);
int kpy_memtext_type_add(PyObject *module);
int kpy_memticket_type_add(PyObject *module);
int kpy_memlist_type_add(PyObject *module);
int kpy_memport_type_add(PyObject *module);
int kpy_strtuple_type_add(PyObject *module);
int kpy_filedict_type_add(PyObject *module);
int kpy_nfsdict_type_add(PyObject *module);
int kpy_storeres_add(PyObject *module);
int kpy_storecond_add(PyObject *module);
int kpy_localdict_type_add(PyObject *module);
int kpy_storecache_type_add(PyObject *module);

/* True if `object` is a FSList, FSDict or FSSet of this module. */
static inline bool
kpy_is(const kpy_state *state, kpy_type_id id, PyObject *object)
{
    return PyObject_TypeCheck(object, state->types[id]);
}

#endif /* KPY_MODULE_H */
