#include "module.h"

#include "collbase.h"
#include "errors.h"
#include "fmt.h"
#include "kpychest.h"
#include "memgap.h"
#include "memobj.h"

/* Where each kpy_lazy_id is found; the order is the enumeration's. */
static const struct {
    const char *module;
    const char *name;
} lazy_places[KPY_LAZY_COUNT] = {
    [KPY_LAZY_DATETIME] = {"datetime", "datetime"},
    [KPY_LAZY_DATE] = {"datetime", "date"},
    [KPY_LAZY_TIME] = {"datetime", "time"},
    [KPY_LAZY_TIMEDELTA] = {"datetime", "timedelta"},
    [KPY_LAZY_TIMEZONE] = {"datetime", "timezone"},
    [KPY_LAZY_DECIMAL] = {"decimal", "Decimal"},
    [KPY_LAZY_UUID] = {"uuid", "UUID"},
    [KPY_LAZY_UNSUPPORTED] = {"io", "UnsupportedOperation"},
    [KPY_LAZY_GETTEMPDIR] = {"tempfile", "gettempdir"},
    [KPY_LAZY_JSON_ENCODE] = {"json", "JSONEncoder"},
    [KPY_LAZY_JSON_LOADS] = {"json", "loads"},
    [KPY_LAZY_HTML_ESCAPE] = {"html", "escape"},
    [KPY_LAZY_BYTESIO] = {"io", "BytesIO"},
    [KPY_LAZY_NEWOBJ] = {"copyreg", "__newobj__"},
    [KPY_LAZY_SAVE_TREE] = {"kist.memfs._archive", "save_tree"},
    [KPY_LAZY_LOAD_TREE] = {"kist.memfs._archive", "load_tree"},
    [KPY_LAZY_DEEPCOPY] = {"copy", "deepcopy"},
    [KPY_LAZY_PICKLE_DUMPS] = {"pickle", "dumps"},
    [KPY_LAZY_PICKLE_LOADS] = {"pickle", "loads"},
    [KPY_LAZY_HMAC_DIGEST] = {"hmac", "digest"},
    [KPY_LAZY_JSON_SCAN] = {"json", "JSONDecoder"},
    [KPY_LAZY_FMT_INFLATE] = {"kist.persidict.formats", "_inflate"},
    [KPY_LAZY_FMT_ARRAYS] = {"kist.persidict.formats", "_load_arrays"},
    [KPY_LAZY_FMT_JSON_DUMP] = {"kist.persidict.formats", "_json_dump"},
    [KPY_LAZY_FMT_JSON_LOAD] = {"kist.persidict.formats", "_json_load"},
    [KPY_LAZY_FMT_CHECK_PRIVATE] = {"kist.persidict.formats_trust",
                                    "check_private"},
};

static const char *const name_texts[KPY_NAME_COUNT] = {
    [KPY_NAME_KEYS] = "keys",
    [KPY_NAME_BIT_LENGTH] = "bit_length",
    [KPY_NAME_TO_BYTES] = "to_bytes",
    [KPY_NAME_FROM_BYTES] = "from_bytes",
    [KPY_NAME_ISOFORMAT] = "isoformat",
    [KPY_NAME_FROMISOFORMAT] = "fromisoformat",
    [KPY_NAME_TZINFO] = "tzinfo",
    [KPY_NAME_FOLD] = "fold",
    [KPY_NAME_DAYS] = "days",
    [KPY_NAME_SECONDS] = "seconds",
    [KPY_NAME_MICROSECONDS] = "microseconds",
    [KPY_NAME_BYTES] = "bytes",
    [KPY_NAME_LITTLE] = "little",
    [KPY_NAME_SIGNED] = "signed",
    [KPY_NAME_TIME] = "time",
    [KPY_NAME_CLOSE] = "close",
    [KPY_NAME_READ] = "read",
    [KPY_NAME_READLINE] = "readline",
    [KPY_NAME_WRITE] = "write",
    [KPY_NAME_SEEK] = "seek",
    [KPY_NAME_TELL] = "tell",
    [KPY_NAME_DECODE] = "decode",
    [KPY_NAME_GETSTATE] = "getstate",
    [KPY_NAME_SETSTATE] = "setstate",
    [KPY_NAME_ITEMS] = "items",
    [KPY_NAME_ARGS] = "args",
    [KPY_NAME_REQUESTED] = "requested",
    [KPY_NAME_AVAILABLE] = "available",
    [KPY_NAME_CURRENT] = "current",
    [KPY_NAME_LIMIT] = "limit",
    [KPY_NAME_KEY] = "key",
    [KPY_NAME_CONDITION] = "condition",
    [KPY_NAME_EXPECTED_ETAG] = "expected_etag",
    [KPY_NAME_RETRIEVE_VALUE] = "retrieve_value",
    [KPY_NAME_VALUE] = "value",
    [KPY_NAME_DEFAULT_VALUE] = "default_value",
    [KPY_NAME_READ_SLOWLY] = "_read",
    [KPY_NAME_GET_ITEM_IF] = "get_item_if",
    [KPY_NAME_RB] = "rb",
    [KPY_NAME_WB] = "wb",
    [KPY_NAME_AB] = "ab",
    [KPY_NAME_RPB] = "r+b",
    [KPY_NAME_XB] = "xb",
    [KPY_NAME_SIZE] = "size",
    [KPY_NAME_CREATED_AT] = "created_at",
    [KPY_NAME_MODIFIED_AT] = "modified_at",
    [KPY_NAME_GENERATION] = "generation",
    [KPY_NAME_IS_DIR] = "is_dir",
    [KPY_NAME_USED_BYTES] = "used_bytes",
    [KPY_NAME_QUOTA_BYTES] = "quota_bytes",
    [KPY_NAME_FREE_BYTES] = "free_bytes",
    [KPY_NAME_FILE_COUNT] = "file_count",
    [KPY_NAME_DIR_COUNT] = "dir_count",
    [KPY_NAME_CHUNK_COUNT] = "chunk_count",
    [KPY_NAME_OVERHEAD] = "overhead_per_chunk_estimate",
};

/* JSONEncoder(...).encode: json.dumps would make an encoder for each value. */
static PyObject *
json_encode_of(PyObject *encoder_type)
{
    PyObject *none = PyTuple_New(0);
    PyObject *options =
        Py_BuildValue("{s:O,s:O,s:(ss)}", "ensure_ascii", Py_False,
                      "check_circular", Py_False, "separators", ",", ":");
    PyObject *encoder = NULL;
    PyObject *encode = NULL;

    if (none != NULL && options != NULL) {
        encoder = PyObject_Call(encoder_type, none, options);
    }
    if (encoder != NULL) {
        encode = PyObject_GetAttrString(encoder, "encode");
    }
    Py_XDECREF(encoder);
    Py_XDECREF(options);
    Py_XDECREF(none);
    return encode;
}

/* JSONDecoder().scan_once: C, where the rest of a decoder is Python. */
static PyObject *
json_scan_of(PyObject *decoder_type)
{
    PyObject *decoder = PyObject_CallNoArgs(decoder_type);
    PyObject *scan = NULL;

    if (decoder != NULL) {
        scan = PyObject_GetAttrString(decoder, "scan_once");
        Py_DECREF(decoder);
    }
    return scan;
}

PyObject *
kpy_lazy(kpy_state *state, kpy_lazy_id id)
{
    PyObject *module;
    PyObject *found;

    if (state->lazy[id] != NULL) {
        return state->lazy[id];
    }
    module = PyImport_ImportModule(lazy_places[id].module);
    if (module == NULL) {
        return NULL;
    }
    found = PyObject_GetAttrString(module, lazy_places[id].name);
    Py_DECREF(module);
    if (found != NULL && id == KPY_LAZY_JSON_ENCODE) {
        Py_SETREF(found, json_encode_of(found));
    }
    if (found != NULL && id == KPY_LAZY_JSON_SCAN) {
        Py_SETREF(found, json_scan_of(found));
    }
    if (found == NULL) {
        return NULL;
    }
    // The import ran Python code: another thread may have been here first,
    // and what it found may be in use.
    if (state->lazy[id] == NULL) {
        state->lazy[id] = found;
    }
    else {
        Py_DECREF(found);
    }
    return state->lazy[id];
}

kpy_state *
kpy_state_of_either(PyObject *left, PyObject *right)
{
    PyObject *module = PyType_GetModuleByDef(Py_TYPE(left), &kpy_module_def);

    if (module == NULL) {
        PyErr_Clear();
        module = PyType_GetModuleByDef(Py_TYPE(right), &kpy_module_def);
    }
    return module == NULL ? NULL : kpy_state_of_module(module);
}

int
kpy_type_add(PyObject *module, kpy_type_id id, PyType_Spec *spec,
             PyTypeObject *base, bool exported)
{
    kpy_state *state = kpy_state_of_module(module);
    PyObject *type = PyType_FromModuleAndSpec(module, spec, (PyObject *)base);

    if (type == NULL) {
        return -1;
    }
    state->types[id] = (PyTypeObject *)type;
    return exported ? PyModule_AddType(module, (PyTypeObject *)type) : 0;
}

/* --- functions of the module -----------------------------------------------
 */

/* Registered with atexit: final syncs are made, temporal files removed. */
static PyObject *
module_close_all(PyObject *module, PyObject *unused)
{
    (void)unused;
    kpy_chest_close_all(kpy_state_of_module(module));
    Py_RETURN_NONE;
}

/*
 * What a pickled collection calls (row 41): _reopen(type, path, name, klass,
 * options).  The options are keywords of the type.
 */
static PyObject *
module_reopen(PyObject *module, PyObject *args)
{
    kpy_state *state = kpy_state_of_module(module);
    PyObject *type;
    PyObject *path;
    PyObject *name;
    PyObject *klass;
    PyObject *options;
    PyObject *place;
    PyObject *object = NULL;
    kpy_options parsed;
    kpy_chest *chest;
    kist_kind kind;

    if (!PyArg_ParseTuple(args, "O!OUOO!:_reopen", &PyType_Type, &type, &path,
                          &name, &klass, &PyDict_Type, &options) ||
        kpy_coll_kind_of(state, (PyTypeObject *)type, &kind) < 0) {
        return NULL;
    }
    place = PyTuple_Pack(1, path);
    if (place == NULL) {
        return NULL;
    }
    if (kpy_options_parse(place, options, true, &parsed) == 0) {
        parsed.kist.must_exist = true; // row 61: never made anew, empty
        chest = kpy_chest_acquire(state, &parsed);
        if (chest != NULL) {
            object = kpy_coll_attach(chest, (PyTypeObject *)type, kind, name,
                                     klass);
            (void)kpy_chest_release(chest);
        }
    }
    Py_DECREF(place);
    return object;
}

static PyObject *
module_normalize_path(PyObject *module, PyObject *path)
{
    return kpy_mem_normalized(kpy_state_of_module(module), path);
}

static PyMethodDef module_methods[] = {
    {"_reopen", module_reopen, METH_VARARGS,
     "_reopen($module, type, path, name, klass, options, /)\n--\n\n"
     "What a pickled collection calls."},
    {"_close_all", module_close_all, METH_NOARGS,
     "_close_all($module, /)\n--\n\nClose whatever is still open."},
    {"_normalize_path", module_normalize_path, METH_O,
     "_normalize_path($module, path, /)\n--\n\n"
     "A path as MemoryFileSystem understands it."},
    {"_format_dumps", kpy_format_dumps, METH_VARARGS,
     "_format_dumps($module, value, format, key, /)\n--\n\n"
     "The bytes of a value: see kist.persidict.formats."},
    {"_format_loads", kpy_format_loads, METH_VARARGS,
     "_format_loads($module, data, format, trusted, key, inflated_max,\n"
     "              place, /)\n--\n\n"
     "The value of bytes: see kist.persidict.formats."},
    {NULL, NULL, 0, NULL},
};

/* --- beginning and end
 * -------------------------------------------------------
 */

static int
atexit_register(PyObject *module)
{
    PyObject *atexit = PyImport_ImportModule("atexit");
    PyObject *close_all = PyObject_GetAttrString(module, "_close_all");
    PyObject *answer = NULL;

    if (atexit != NULL && close_all != NULL) {
        answer = PyObject_CallMethod(atexit, "register", "O", close_all);
    }
    Py_XDECREF(answer);
    Py_XDECREF(close_all);
    Py_XDECREF(atexit);
    return answer == NULL ? -1 : 0;
}

/* The file system in memory, which stands on its own. */
static int
memfs_add(PyObject *module)
{
    return kpy_memgap_init(module) < 0 || kpy_memerrors_add(module) < 0 ||
                   kpy_memfs_type_add(module) < 0 ||
                   kpy_memfile_type_add(module) < 0 ||
                   kpy_memtext_type_add(module) < 0 ||
                   kpy_memticket_type_add(module) < 0 ||
                   kpy_memlist_type_add(module) < 0 ||
                   kpy_memport_type_add(module) < 0
               ? -1
               : 0;
}

/* What the stores of Python objects are made of. */
static int
stores_add(PyObject *module)
{
    return kpy_strtuple_type_add(module) < 0 ||
                   kpy_storecond_add(module) < 0 ||
                   kpy_storeres_add(module) < 0 ||
                   kpy_localdict_type_add(module) < 0 ||
                   kpy_filedict_type_add(module) < 0 ||
                   kpy_nfsdict_type_add(module) < 0 ||
                   kpy_storecache_type_add(module) < 0
               ? -1
               : 0;
}

static int
module_exec(PyObject *module)
{
    kpy_state *state = kpy_state_of_module(module);
    int i;

    for (i = 0; i < KPY_NAME_COUNT; i++) {
        state->names[i] = PyUnicode_InternFromString(name_texts[i]);
        if (state->names[i] == NULL) {
            return -1;
        }
    }
    if (kpy_errors_add(module) < 0 || kpy_coll_type_add(module) < 0 ||
        kpy_list_type_add(module) < 0 || kpy_dict_type_add(module) < 0 ||
        kpy_dictview_type_add(module) < 0 || kpy_set_type_add(module) < 0 ||
        kpy_kist_type_add(module) < 0 || memfs_add(module) < 0 ||
        stores_add(module) < 0 ||
        PyModule_AddStringConstant(module, "__version__", kist_version()) <
            0) {
        return -1;
    }
    return atexit_register(module);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    kpy_state *state = kpy_state_of_module(module);
    int i;

    for (i = 0; i < KPY_TYPE_COUNT; i++) {
        Py_VISIT(state->types[i]);
    }
    for (i = 0; i < KPY_ERROR_COUNT; i++) {
        Py_VISIT(state->errors[i]);
    }
    for (i = 0; i < KPY_LAZY_COUNT; i++) {
        Py_VISIT(state->lazy[i]);
    }
    for (i = 0; i < KPY_PART_COUNT; i++) {
        Py_VISIT(state->parts[i]);
    }
    Py_VISIT(state->stats_like);
    Py_VISIT(state->time_names);
    Py_VISIT(state->time_time);
    return 0;
}

static int
module_clear(PyObject *module)
{
    kpy_state *state = kpy_state_of_module(module);
    int i;

    for (i = 0; i < KPY_TYPE_COUNT; i++) {
        Py_CLEAR(state->types[i]);
    }
    for (i = 0; i < KPY_ERROR_COUNT; i++) {
        Py_CLEAR(state->errors[i]);
    }
    for (i = 0; i < KPY_LAZY_COUNT; i++) {
        Py_CLEAR(state->lazy[i]);
    }
    for (i = 0; i < KPY_PART_COUNT; i++) {
        Py_CLEAR(state->parts[i]);
    }
    for (i = 0; i < KPY_NAME_COUNT; i++) {
        Py_CLEAR(state->names[i]);
    }
    kpy_memfile_free_spares(state);
    Py_CLEAR(state->stats_like);
    Py_CLEAR(state->time_names);
    Py_CLEAR(state->time_time);
    return 0;
}

static void
module_free(void *module)
{
    (void)module_clear((PyObject *)module);
}

/* Proven by tests/test_interpreters.py, which runs several at once. */
static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, KPY_SLOT(module_exec)},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

PyDoc_STRVAR(
    module_doc,
    "Lists, dicts and sets in crash-safe files, and a file system in\n"
    "memory: the C part of kist.");

struct PyModuleDef kpy_module_def = {
    PyModuleDef_HEAD_INIT,         .m_name = "kist._core",
    .m_doc = module_doc,           .m_size = sizeof(kpy_state),
    .m_methods = module_methods,   .m_slots = module_slots,
    .m_traverse = module_traverse, .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&kpy_module_def);
}
