/*
 * procs.h - children of a test, and memory that they share with it.
 *
 * Layer    tests/support.
 */
#ifndef KT_SUPPORT_PROCS_H
#define KT_SUPPORT_PROCS_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "support/check.h"

/* Zeroed memory that children made afterwards share. */
typedef struct kt_shared {
    _Atomic uint32_t ready; /* children count themselves in */
    _Atomic uint32_t go;    /* what they wait for */
    _Atomic uint64_t done;  /* how far somebody is */
    _Atomic uint64_t values[16];
    char why[600]; /* of a child that fails: kt_child_fails() */
} kt_shared;

kt_shared *kt_shared_new(void);
void kt_shared_free(kt_shared *shared);

/*
 * Runs work(argument) in a child, which ends with its result as exit status.
 * The parent should hold no kist open that the child is not to have.
 */
pid_t kt_spawn(int (*work)(void *argument), void *argument);

/*
 * Waits for the child: its exit status, 128 + n for a signal, or -1 if it is
 * still there after timeout_ms (it is then killed).
 */
int kt_wait(pid_t child, uint32_t timeout_ms);

/* Keeps the message and kist's last error in shared->why; answers 1. */
int kt_child_fails(kt_shared *shared, const char *what);

/* Waits until *word is at least `value`; false after timeout_ms. */
bool kt_wait_word(_Atomic uint32_t *word, uint32_t value, uint32_t timeout_ms);

/* In a child: `call` must answer `expected`, or the child fails. */
#define KT_CHILD(shared, expected, call)                                      \
    do {                                                                      \
        if ((call) != (expected)) {                                           \
            return kt_child_fails((shared), #call " is not " #expected);      \
        }                                                                     \
    } while (0)

#endif /* KT_SUPPORT_PROCS_H */
