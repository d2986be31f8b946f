#include "memgap.h"

#include <math.h>
#include <time.h>

#define NS_PER_S 1000000000

/* The gap that this thread is in; NULL: it has the GIL. */
static _Thread_local kpy_memgap *current;

/* A callback of this thread's call left an exception. */
static _Thread_local bool left;

static void
leave_exception(kpy_state *state)
{
    left = true;
    state->raised++;
}

/* What time.time is now, borrowed; NULL: as it was made, or gone. */
static PyObject *
patched_time(kpy_state *state)
{
    PyObject *now = PyDict_GetItemWithError(state->time_names,
                                            state->names[KPY_NAME_TIME]);

    return now == state->time_time ? NULL : now;
}

void
kpy_memgap_begin(kpy_state *state, kpy_memgap *gap)
{
    gap->count = 0;
    gap->patched = patched_time(state) != NULL;
    current = gap;
    gap->thread = PyEval_SaveThread();
}

static void
drop_all(kpy_memgap *gap)
{
    while (gap->count > 0) {
        Py_DECREF(gap->dropped[--gap->count]);
    }
}

void
kpy_memgap_end(kpy_memgap *gap)
{
    PyEval_RestoreThread(gap->thread);
    current = NULL;
    drop_all(gap);
}

kpy_memgap *
kpy_memgap_suspend(void)
{
    kpy_memgap *gap = current;

    if (gap != NULL) {
        current = NULL;
        PyEval_RestoreThread(gap->thread);
    }
    return gap;
}

void
kpy_memgap_resume(kpy_memgap *gap)
{
    if (gap != NULL) {
        gap->thread = PyEval_SaveThread();
        current = gap;
    }
}

void
kpy_mem_release(void *bytes)
{
    kpy_memgap *gap = current;

    if (gap == NULL) {
        Py_DECREF((PyObject *)bytes);
        return;
    }
    gap->dropped[gap->count++] = bytes;
    if (gap->count == KPY_MEMGAP_DROPPED) {
        (void)kpy_memgap_suspend();
        drop_all(gap);
        kpy_memgap_resume(gap);
    }
}

/* --- time ------------------------------------------------------------------
 */

double
kpy_mem_seconds_of(int64_t ns)
{
    return (double)(ns / NS_PER_S) + (double)(ns % NS_PER_S) / 1e9;
}

int64_t
kpy_mem_ns_of(double seconds)
{
    const double whole = floor(seconds);

    return (int64_t)whole * NS_PER_S + llround((seconds - whole) * 1e9);
}

/* The stamp that is, as a float, what time.time() would have answered. */
static int64_t
as_time_has_it(int64_t ns)
{
    const double seconds = (double)ns / 1e9;
    const int64_t whole = (int64_t)seconds;

    return whole * NS_PER_S + (int64_t)((seconds - (double)whole) * 1e9 + 0.5);
}

/* time.time() in place of the original; its exception is the call's. */
static int64_t
ask_patched_time(kpy_state *state, PyObject *now)
{
    PyObject *answer;
    double seconds;

    Py_INCREF(now);
    answer = PyObject_CallNoArgs(now);
    Py_DECREF(now);
    seconds = answer == NULL ? -1.0 : PyFloat_AsDouble(answer);
    Py_XDECREF(answer);
    if (seconds == -1.0 && PyErr_Occurred()) {
        leave_exception(state);
        return 0;
    }
    if (!(fabs(seconds) < 9e9)) {
        PyErr_SetString(PyExc_ValueError,
                        "time.time() is out of the range of a file's time");
        leave_exception(state);
        return 0;
    }
    return kpy_mem_ns_of(seconds);
}

int64_t
kpy_mem_now(void *context)
{
    kpy_state *state = context;
    struct timespec clock;

    if (current == NULL || current->patched) {
        kpy_memgap *gap = kpy_memgap_suspend();
        PyObject *now = PyErr_Occurred() ? NULL : patched_time(state);
        int64_t ns = 0;

        if (now != NULL) {
            ns = ask_patched_time(state, now);
        }
        kpy_memgap_resume(gap);
        if (now != NULL) {
            return ns;
        }
    }
    (void)clock_gettime(CLOCK_REALTIME, &clock);
    return as_time_has_it((int64_t)clock.tv_sec * NS_PER_S + clock.tv_nsec);
}

/* --- warnings and what they leave
 * --------------------------------------------*/

void
kpy_mem_warn(void *context, const char *text)
{
    kpy_state *state = context;
    kpy_memgap *gap = kpy_memgap_suspend();

    if (!PyErr_Occurred() &&
        PyErr_WarnEx(PyExc_ResourceWarning, text, 1) < 0) {
        leave_exception(state);
    }
    kpy_memgap_resume(gap);
}

bool
kpy_mem_raised_slowly(kpy_state *state)
{
    if (!left) {
        return false; // another thread's
    }
    left = false;
    state->raised--;
    return true;
}

int
kpy_memgap_init(PyObject *module)
{
    kpy_state *state = kpy_state_of_module(module);
    PyObject *time = PyImport_ImportModule("time");

    if (time == NULL) {
        return -1;
    }
    state->time_names = Py_NewRef(PyModule_GetDict(time));
    state->time_time = PyObject_GetAttr(time, state->names[KPY_NAME_TIME]);
    Py_DECREF(time);
    if (state->time_time == NULL) {
        return -1;
    }
    // Patched before we came: then any time.time is to be called.
    if (!PyCFunction_Check(state->time_time)) {
        Py_CLEAR(state->time_time);
    }
    return 0;
}
