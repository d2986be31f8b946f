/*
 * errors.h - one table from kist_status to Python's exceptions.
 *
 *   NOTFOUND  ValueError: what the call was about was dropped; a missing key
 *             or member is the caller's to raise
 *   RANGE     IndexError
 *   TYPE      TypeError              KIND      TypeError
 *   OVERFLOW  OverflowError          INVALID   ValueError
 *   NOMEM     MemoryError            IO        OSError by errno, with path
 *   CLOSED    ValueError "I/O operation on closed file." (P10)
 *   FORKED    ValueError             CHANGED   RuntimeError
 *   READONLY  io.UnsupportedOperation (row 72)
 *   EXISTS    FileExistsError        LOCKED    kist.LockedError (TimeoutError)
 *   CORRUPT   kist.CorruptError      NOTKIST   kist.NotKistError
 *   NEWER     kist.NewerError        POISONED  kist.PoisonedError (OSError)
 *   TOOBIG    kist.TooBigError (ValueError)
 *   BUSY      kist.BusyError (RuntimeError)
 *
 * Layer    extension.
 * Threads  with the GIL, on the thread whose call failed and before its next
 *          call into kist: the detail is thread-local.
 */
#ifndef KPY_ERRORS_H
#define KPY_ERRORS_H

#include "module.h"

/*
 * Raises what `status` stands for, worded from kist_last_error().  Always
 * returns NULL.  A missing key, RANGE and CHANGED are better raised by the
 * caller, who knows the key and the builtin's words.
 */
PyObject *kpy_raise(kpy_state *state, kist_status status);

/* The same, for functions that answer -1. */
int kpy_raise_int(kpy_state *state, kist_status status);

/* ValueError "I/O operation on closed file." (P10).  NULL. */
PyObject *kpy_raise_closed(void);

/* KeyError(key), also when `key` is a tuple (row 19).  NULL. */
PyObject *kpy_raise_key(PyObject *key);

/* Bytes that came from disk make no sense: kist.CorruptError.  NULL. */
PyObject *kpy_raise_corrupt(kpy_state *state, const char *what);

/* Makes kist.Error and its children and adds them to the module. */
int kpy_errors_add(PyObject *module);

#endif /* KPY_ERRORS_H */
