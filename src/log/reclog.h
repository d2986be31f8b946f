/*
 * reclog.h - the append-only record log: the one durable truth.
 *
 *      0          4 KiB                          tail          size
 *      | header   | record | record | ... | record | zeros ... |
 *
 * The file is made longer with fallocate before it is used, so that a full
 * disk is an error code; what lies behind the tail is zeros.  Where the tail
 * is, the index knows; without an index it is where records end.
 *
 * Layer    log: may include base/ and os/, nothing above.
 * Threads  one appender, any number of readers (docs/locking.md).
 *
 * FORMAT   of the header page, little-endian
 *     OFFSET  SIZE  FIELD
 *        0      8   magic "KISTLOG\n"
 *        8      4   format version (KIST_FORMAT_LOG)
 *       12      4   0
 *       16     16   uuid of the kist, kept through compactions
 *       32      8   generation: 1, then one more with each compaction
 *       40      8   seed of the hash of keys, random
 *       48      8   salt of the records' checksums, random
 *       56      4   CRC-32C of bytes 0 .. 55
 *      512      8   end: the log below it was synced by a clean close
 *      520      4   CRC-32C of bytes 512 .. 519, begun with the salt
 *     1024      8   1 once a newer generation has taken this file's place
 *     2048     60   a copy of bytes 0 .. 59
 *     4096      -   records (record.h)
 *
 * INVARIANTS
 *  (1) Bytes below the tail never change.  Only compaction drops them, and it
 *      writes a new file.
 *  (2) A record exists if and only if its crc matches.
 */
#ifndef KI_LOG_RECLOG_H
#define KI_LOG_RECLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assertion.h"
#include "kist/status.h"
#include "log/record.h"
#include "os/io.h"
#include "os/mapping.h"

#define KI_LOG_BEGIN UINT64_C(4096)

typedef struct ki_reclog {
    const uint8_t *base; /* of the map */
    uint64_t limit;      /* bytes of address space mapped */
    uint64_t salt;
    uint64_t seed; /* of the hash of keys */
    int fd;
    bool writable;
    ki_mapping map; /* advised against read-ahead; reads and appends */
    char *path;     /* owned */
    uint64_t generation;
    ki_file_id id;
    uint8_t uuid[16];
} ki_reclog;

/* What a new log is given. */
typedef struct ki_log_birth {
    uint8_t uuid[16];
    uint64_t generation;
    uint64_t seed;
    uint64_t salt;
} ki_log_birth;

/* Random uuid, seed and salt, generation 1.  IO. */
KIST_NODISCARD kist_status ki_log_birth_new(ki_log_birth *birth);

/*
 * Makes a new log in the file `path`, which must not exist, with room for
 * `size` bytes, and opens it for writing.  Nothing is synced.  IO, NOMEM.
 */
KIST_NODISCARD kist_status ki_reclog_create(ki_reclog *log, const char *path,
                                            uint32_t file_mode,
                                            const ki_log_birth *birth,
                                            uint64_t size, uint64_t reserve);

/*
 * Opens the log at `path`.  On KIST_OK the caller must ki_reclog_close() it.
 * Fails with IO, NOTKIST, NEWER, CORRUPT or NOMEM.
 */
KIST_NODISCARD kist_status ki_reclog_open(ki_reclog *log, const char *path,
                                          bool writable, uint64_t reserve);

void ki_reclog_close(ki_reclog *log);

/*
 * Maps the open log of `size` bytes, with `reserve` of address space if that
 * can be had; nothing is mapped yet.  For who had to unmap it.  NOMEM.
 */
KIST_NODISCARD kist_status ki_reclog_map(ki_reclog *log, uint64_t size,
                                         uint64_t reserve);

/* Another path for error details, after a rename.  NOMEM. */
KIST_NODISCARD kist_status ki_reclog_renamed(ki_reclog *log, const char *path);

/*
 * Takes the record at `offset` apart, if it is whole and ends below `end`.
 * False says damage; the caller knows what that means here.
 */
static inline bool
ki_reclog_load(const ki_reclog *log, uint64_t offset, uint64_t end,
               ki_record *record)
{
    if (KI_UNLIKELY(offset % KI_RECORD_ALIGN != 0 || offset < KI_LOG_BEGIN ||
                    end > log->limit || offset >= end)) {
        return false;
    }
    return ki_record_load(log->base + offset, end - offset,
                          ki_record_seed(log->salt, offset), record);
}

/* Where bytes at `offset` are stored through the map. */
static inline uint8_t *
ki_reclog_writable(const ki_reclog *log, uint64_t offset)
{
    return log->map.base + offset;
}

/*
 * Makes the file at least `end` bytes long, taking room ahead in steps that
 * grow with it.  `size` is its length now; *size_new what it becomes.  IO
 * (ENOSPC), NOMEM (beyond the map).
 */
KIST_NODISCARD kist_status ki_reclog_grow(ki_reclog *log, uint64_t size,
                                          uint64_t end, uint64_t *size_new);

/* Zeroes bytes from .. to-1, as far as they are not zeros already; *wiped
 * says whether any were not. */
void ki_reclog_wipe(ki_reclog *log, uint64_t from, uint64_t to, bool *wiped);

/* The end that a clean close wrote down, or 0. */
uint64_t ki_reclog_closed_end(const ki_reclog *log);
KIST_NODISCARD kist_status ki_reclog_set_closed_end(ki_reclog *log,
                                                    uint64_t end);

/* Has a newer generation taken this file's place? */
bool ki_reclog_is_superseded(const ki_reclog *log);
void ki_reclog_set_superseded(ki_reclog *log);

/*
 * The first offset at or behind `from`, below `end`, at which a whole record
 * stands; `end` if there is none.  For salvage and for telling damage from a
 * torn tail: slow on bytes that are not zeros.
 */
uint64_t ki_reclog_resync(const ki_reclog *log, uint64_t from, uint64_t end,
                          ki_record *record);

#endif /* KI_LOG_RECLOG_H */
