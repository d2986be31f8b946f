/*
 * status.h - what every fallible call returns, and how to ask why.
 *
 * Layer    public: includes itself and C standard headers only.
 * Threads  the detail behind kist_last_error() is thread-local.
 */
#ifndef KIST_STATUS_H
#define KIST_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KIST_NODISCARD __attribute__((warn_unused_result))
#else
#define KIST_NODISCARD
#endif

/* Numbers are part of the ABI: append, never renumber. */
typedef enum kist_status {
    KIST_OK = 0,
    KIST_END,             /* a scan has no further item; not an error */
    KIST_ERR_NOTFOUND,    /* no such key, member, value or collection */
    KIST_ERR_RANGE,       /* a list index outside 0 .. count-1 */
    KIST_ERR_TYPE,        /* the value's type is not the collection's */
    KIST_ERR_OVERFLOW,    /* the value does not fit the collection's type */
    KIST_ERR_KIND,        /* the name is taken by another kind of collection */
    KIST_ERR_INVALID,     /* an argument or option makes no sense */
    KIST_ERR_TOOBIG,      /* key, value or collection above its limit */
    KIST_ERR_NOMEM,       /* out of memory or address space */
    KIST_ERR_IO,          /* a system call failed; see sys_errno and path */
    KIST_ERR_READONLY,    /* the kist was opened read-only */
    KIST_ERR_LOCKED,      /* another process or thread held it too long */
    KIST_ERR_CLOSED,      /* the handle is closed */
    KIST_ERR_FORKED,      /* the handle was opened before fork(): reopen */
    KIST_ERR_POISONED,    /* a sync failed earlier: reopen to write again */
    KIST_ERR_CORRUPT,     /* stored bytes are damaged; see path and offset */
    KIST_ERR_NOTKIST,     /* the file is not a kist */
    KIST_ERR_NEWER,       /* written by a newer format than this library's */
    KIST_ERR_EXISTS,      /* it is there already */
    KIST_ERR_BUSY,        /* not in this state: a batch or scan is open */
    KIST_ERR_CHANGED,     /* the collection changed size during the scan */
    KIST_ERR_QUOTA,       /* more bytes than the quota leaves */
    KIST_ERR_NODES,       /* more files and directories than allowed */
    KIST_ERR_ISDIR,       /* a directory, where a file is needed */
    KIST_ERR_NOTDIR,      /* a file, where a directory is needed */
    KIST_ERR_NOPARENT,    /* no such directory to put it in */
    KIST_ERR_UNSUPPORTED, /* not in this mode or storage */
    KIST_ERR_POLICY       /* an append-only or write-once store refuses it */
} kist_status;

/*
 * Why the last failing call of this thread failed.  KIST_ERR_NOTFOUND,
 * KIST_ERR_RANGE and KIST_END are ordinary answers and leave no detail.
 */
typedef struct kist_error {
    kist_status status;
    int sys_errno;    /* errno of the failed system call, or 0 */
    uint64_t offset;  /* byte offset in `path`, or UINT64_MAX */
    const char *what; /* static text: the thing that was wrong */
    const char *file; /* kist's source file and line, for bug reports */
    int line;
    char path[512]; /* "" if no file was involved; cut if longer */
    /* KIST_ERR_QUOTA: bytes asked for, and bytes that were left.
     * KIST_ERR_NODES: nodes there are, and nodes allowed.  Else 0. */
    uint64_t asked;
    uint64_t available;
} kist_error;

/* The detail of this thread's last failure; valid until its next one. */
const kist_error *kist_last_error(void);

/* "KIST_ERR_TYPE" and the like; "KIST_ERR_?" for an unknown number. */
const char *kist_status_name(kist_status status);

/*
 * Writes one line without newline, such as
 *   "people.kist: record crc at offset 8192: damaged"
 * from kist_last_error() into `text` of `size` bytes; always terminated if
 * size > 0.  Returns the length that the whole line has.
 */
size_t kist_error_text(char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* KIST_STATUS_H */
