/*
 * The keywords that open a collection or a kist: kpy_options_parse().
 */
#include <math.h>

#include "kpychest.h"

#define LOCK_WAIT_MS       1u /* with the GIL held, see kpychest.h (3) */
#define LOCK_TIMEOUT_S     60.0
#define AUTO_COMPACT_RATIO 0.5

/* The keywords as objects; NULL: not given. */
typedef struct keywords {
    PyObject *base_path;
    PyObject *klass;
    PyObject *cache_type;
    PyObject *cache_size;
    PyObject *compaction_threshold;
    int auto_compact;
    PyObject *durability;
    PyObject *sync;
    int read_only;
    PyObject *lock_timeout;
} keywords;

static bool
given(const PyObject *object)
{
    return object != NULL && object != Py_None;
}

/* The index of `text` in `names`, which ends with NULL; -1 and an error. */
static int
choice(PyObject *text, const char *what, const char *const *names)
{
    int i;

    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %.200s", what,
                     Py_TYPE(text)->tp_name);
        return -1;
    }
    for (i = 0; names[i] != NULL; i++) {
        if (PyUnicode_CompareWithASCIIString(text, names[i]) == 0) {
            return i;
        }
    }
    PyErr_Format(PyExc_ValueError, "unknown %s: %R", what, text);
    return -1;
}

/*
 * The cache of the contract is the mapped file itself: what was asked for is
 * checked, and nothing more is needed (rows 77, 78).
 */
static int
cache_check(const keywords *words)
{
    static const char *const types[] = {"lru", "fifo", "lfu", NULL};

    if (given(words->cache_type) &&
        choice(words->cache_type, "cache_type", types) < 0) {
        return -1;
    }
    if (given(words->cache_size)) {
        int overflow;
        long long size;

        if (!PyLong_Check(words->cache_size)) {
            PyErr_SetString(PyExc_TypeError, "cache_size must be int");
            return -1;
        }
        size = PyLong_AsLongLongAndOverflow(words->cache_size, &overflow);
        if (size == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (overflow < 0 || (overflow == 0 && size <= 0)) {
            PyErr_SetString(PyExc_ValueError, "cache_size must be above 0");
            return -1;
        }
    }
    return 0;
}

static int
compaction_parse(const keywords *words, kpy_options *options)
{
    if (given(words->compaction_threshold)) {
        const double ratio = PyFloat_AsDouble(words->compaction_threshold);

        if (ratio == -1.0 && PyErr_Occurred()) {
            return -1;
        }
        if (!(ratio > 0.0 && ratio <= 1.0)) {
            PyErr_SetString(PyExc_ValueError,
                            "compaction_threshold must be above 0 and not "
                            "above 1");
            return -1;
        }
        options->kist.compact_ratio = ratio;
    }
    options->auto_compact = words->auto_compact != 0;
    if (options->auto_compact && options->kist.compact_ratio == 0.0) {
        options->kist.compact_ratio = AUTO_COMPACT_RATIO;
    }
    return 0;
}

static int
durability_parse(const keywords *words, kpy_options *options)
{
    static const char *const levels[] = {"process", "interval", "sync", NULL};
    static const char *const always[] = {"always", NULL};
    int level = KIST_PROCESS;

    if (given(words->durability)) {
        level = choice(words->durability, "durability", levels);
        if (level < 0) {
            return -1;
        }
    }
    if (given(words->sync)) {
        if (choice(words->sync, "sync", always) < 0) {
            return -1;
        }
        level = KIST_SYNC;
    }
    options->kist.durability = (kist_durability)level;
    return 0;
}

static int
timeout_parse(const keywords *words, kpy_options *options)
{
    double seconds = LOCK_TIMEOUT_S;

    if (given(words->lock_timeout)) {
        seconds = PyFloat_AsDouble(words->lock_timeout);
        if (seconds == -1.0 && PyErr_Occurred()) {
            return -1;
        }
        if (!(seconds >= 0.0 && seconds <= 1e9)) {
            PyErr_SetString(PyExc_ValueError,
                            "lock_timeout is in seconds, 0 to 1e9");
            return -1;
        }
    }
    options->lock_timeout_ms = (uint64_t)(seconds * 1000.0);
    options->kist.lock_timeout_ms = LOCK_WAIT_MS;
    return 0;
}

static bool
fixed_size(kist_type type)
{
    return type == KIST_INT || type == KIST_INT32 || type == KIST_INT128 ||
           type == KIST_FLOAT || type == KIST_BOOL;
}

static int
auto_compact_check(const kpy_options *options)
{
    kpy_klass klass;

    if (kpy_klass_parse(options->klass, &klass) < 0) {
        return -1;
    }
    if (options->auto_compact && !fixed_size(klass.type)) {
        PyErr_SetString(PyExc_ValueError,
                        "auto_compact needs a klass of fixed size: int, "
                        "float, bool, 'int32', 'int64' or 'int128'");
        return -1;
    }
    return 0;
}

int
kpy_options_parse(PyObject *args, PyObject *kwargs, bool with_klass,
                  kpy_options *options)
{
    static char *names[] = {
        "base_path",
        "klass",
        "cache_type",
        "cache_size",
        "compaction_threshold",
        "auto_compact",
        "durability",
        "sync",
        "read_only",
        "lock_timeout",
        NULL,
    };
    keywords words = {0};

    memset(options, 0, sizeof(*options));
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "|O$OOOOpOOpO", names, &words.base_path,
            &words.klass, &words.cache_type, &words.cache_size,
            &words.compaction_threshold, &words.auto_compact,
            &words.durability, &words.sync, &words.read_only,
            &words.lock_timeout)) {
        return -1;
    }
    options->base_path = given(words.base_path) ? words.base_path : NULL;
    options->klass = given(words.klass) ? words.klass : NULL;
    options->kist.read_only = words.read_only != 0;
    if (!with_klass && (given(words.klass) || words.auto_compact)) {
        PyErr_SetString(PyExc_TypeError,
                        "klass and auto_compact belong to a collection, as "
                        "in k.list(name, klass)");
        return -1;
    }
    if (options->base_path == NULL && options->kist.read_only) {
        PyErr_SetString(PyExc_ValueError,
                        "read_only needs a base_path that is there");
        return -1;
    }
    if (cache_check(&words) < 0 || compaction_parse(&words, options) < 0 ||
        durability_parse(&words, options) < 0 ||
        timeout_parse(&words, options) < 0) {
        return -1;
    }
    return auto_compact_check(options);
}
