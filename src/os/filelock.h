/*
 * filelock.h - who has the file open: one byte, shared or exclusive.
 *
 * Open-file-description locks: they die with the last copy of the descriptor,
 * are not lost when another descriptor of the file is closed, and exclude
 * other opens in the same process too.
 *
 * Layer    os.
 */
#ifndef KI_OS_FILELOCK_H
#define KI_OS_FILELOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "kist/status.h"

typedef enum ki_lock_mode { KI_LOCK_SHARED, KI_LOCK_EXCLUSIVE } ki_lock_mode;

/*
 * Locks byte `offset` of `fd`, or turns the lock held into `mode`, waiting up
 * to timeout_ms (0: does not wait).  LOCKED without error detail if others
 * hold it; IO.
 */
KIST_NODISCARD kist_status ki_filelock_take(int fd, const char *path,
                                            uint64_t offset, ki_lock_mode mode,
                                            uint32_t timeout_ms);

void ki_filelock_drop(int fd, uint64_t offset);

#endif /* KI_OS_FILELOCK_H */
