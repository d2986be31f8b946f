/*
 * faultio.h - a kist_io table that fails, and that knows what a power cut
 * would leave.
 *
 * Failing: the n-th call of some kinds, once or from then on, gives an errno
 * or moves only half of the bytes.
 *
 * Recording: diskstate.h keeps what is durable of one directory.
 *
 * Calls and KI_POINTs are counted together: the n-th is where
 * kt_io_cut_at() has its function called, before the call is made.
 *
 * Layer    tests/support, over os/io.h.
 * Threads  the table takes a lock; arm it from one thread.
 */
#ifndef KT_SUPPORT_FAULTIO_H
#define KT_SUPPORT_FAULTIO_H

#include <stdbool.h>
#include <stdint.h>

#include "support/diskstate.h"

typedef enum kt_call {
    KT_CALL_OPEN,
    KT_CALL_CLOSE,
    KT_CALL_READ,
    KT_CALL_WRITE,
    KT_CALL_ALLOCATE,
    KT_CALL_TRUNCATE,
    KT_CALL_STAT,
    KT_CALL_SYNC,     /* fdatasync */
    KT_CALL_SYNC_ALL, /* fsync */
    KT_CALL_MAP,
    KT_CALL_UNMAP,
    KT_CALL_ADVISE,
    KT_CALL_FADVISE,
    KT_CALL_RENAME,
    KT_CALL_UNLINK,
    KT_CALL_ACCESS,
    KT_CALL_LOCK,
    KT_CALL_IDENTIFY,
    KT_CALL_FS_TYPE,
    KT_CALL_RANDOM,
    KT_CALL_POINT,
    KT_CALL_COUNT
} kt_call;

#define KT_CALL_BIT(call) (1u << (call))

/* An errno for kt_io_fail(): reads and writes move half of the bytes. */
#define KT_SHORT (-1)

/* "open", "fdatasync" ... */
const char *kt_call_name(kt_call call);

/* Puts the table in, all clear; and the real one back. */
void kt_io_install(void);
void kt_io_remove(void);

/* --- counting and failing --------------------------------------------------
 */

/*
 * Counts from 0 again.  The nth call of the kinds in `kinds` (bits) gives
 * `error`, and with `from_then_on` all behind it; nth 0 only counts.
 */
void kt_io_fail(uint32_t kinds, uint64_t nth, bool from_then_on, int error);

/* Nothing fails any more. */
void kt_io_heal(void);

/* Calls of the kinds since kt_io_fail(). */
uint64_t kt_io_count(void);

/* How many were made to fail since kt_io_fail(). */
uint64_t kt_io_hits(void);

/* The kind of the call that failed first; and the label of the last point. */
kt_call kt_io_hit_kind(void);
const char *kt_io_last_point(void);

/* Calls of one kind since the table was put in. */
uint64_t kt_io_calls(kt_call call);

/*
 * A broken disk: syncs answer 0 and make nothing durable.  For tests of the
 * tests.
 */
void kt_io_ignore_syncs(bool ignore);

/* --- recording
 * --------------------------------------------------------------- */

/* Begins to record `dir`: all that is there now is durable. */
void kt_io_record(const char *dir);
void kt_io_record_stop(void);

/* Calls `cut` before the nth call or point from now on; 0: never. */
void kt_io_cut_at(uint64_t nth, void (*cut)(void *context), void *context);

/* True once `cut` was called; calls and points since kt_io_cut_at(). */
bool kt_io_was_cut(void);
uint64_t kt_io_steps(void);

/* Takes the middle contents before the nth call or point from now on. */
void kt_io_middle_at(uint64_t nth);

/* Builds what a power cut now could leave, in the empty directory `to`. */
void kt_io_image(const char *to, kt_image kind, uint64_t seed);

/* From now on every file is under another boot. */
void kt_io_reboot(void);

#endif /* KT_SUPPORT_FAULTIO_H */
