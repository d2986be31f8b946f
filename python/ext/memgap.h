/*
 * memgap.h - letting the GIL go around calls of memfs, and what the library
 * calls back meanwhile.
 *
 *     kpy_memgap gap;
 *
 *     kpy_memgap_begin(state, &gap);
 *     status = kist_memfs_copy(fs, from, to);
 *     kpy_memgap_end(&gap);
 *
 * Most calls need no gap: they take less time than letting the GIL go does,
 * and wait for nobody.  Gaps are for what waits, and for copying much.
 *
 * A callback runs in the thread that is inside a call, which has the GIL
 * unless that thread is in a gap; so each thread knows the gap it is in.
 *
 * Layer    extension.
 * Threads  a gap belongs to the thread that began it.
 *
 * INVARIANTS
 *  (1) Bytes that the library lets go of in a gap are dropped when the GIL is
 *      back: taking it for each would cost a turn of all threads each time.
 *  (2) An exception that a callback leaves is that of the call around it:
 *      whoever called asks kpy_mem_raised() behind it.
 */
#ifndef KPY_MEMGAP_H
#define KPY_MEMGAP_H

#include "module.h"

#include <kist/memfs.h>

/* Copying so much takes longer than letting the GIL go. */
#define KPY_MEMGAP_SIZE ((size_t)256 << 10)

#define KPY_MEMGAP_DROPPED 64

typedef struct kpy_memgap {
    PyThreadState *thread;
    bool patched; /* time.time is somebody else's: call it */
    size_t count;
    PyObject *dropped[KPY_MEMGAP_DROPPED];
} kpy_memgap;

/* Between these two this thread is without the GIL. */
void kpy_memgap_begin(kpy_state *state, kpy_memgap *gap);
void kpy_memgap_end(kpy_memgap *gap);

/* Takes the GIL back for a callback if this thread is in a gap, which is the
 * answer; kpy_memgap_resume() lets it go again.  NULL there is fine. */
kpy_memgap *kpy_memgap_suspend(void);
void kpy_memgap_resume(kpy_memgap *gap);

/* The callbacks: a kist_release of a bytes object, and those of
 * kist_memfs_options, whose context is the kpy_state. */
void kpy_mem_release(void *bytes);
int64_t kpy_mem_now(void *state);
void kpy_mem_warn(void *state, const char *text);

/* True if a callback of this thread's last call left an exception. */
bool kpy_mem_raised_slowly(kpy_state *state);

static inline bool
kpy_mem_raised(kpy_state *state)
{
    return state->raised != 0 && kpy_mem_raised_slowly(state);
}

/* Nanoseconds since 1970 as time.time() tells them, and back: what went in as
 * a float comes out as the same float. */
int64_t kpy_mem_ns_of(double seconds);
double kpy_mem_seconds_of(int64_t ns);

/* Finds time.time; 0 or -1 with an error set. */
int kpy_memgap_init(PyObject *module);

#endif /* KPY_MEMGAP_H */
