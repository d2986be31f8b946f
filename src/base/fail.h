/*
 * fail.h - where a failure is born.
 *
 * Layer    base.
 * Threads  the detail is thread-local (kist_last_error()).
 */
#ifndef KI_BASE_FAIL_H
#define KI_BASE_FAIL_H

#include <stdint.h>

#include "kist/status.h"

#define KI_NO_OFFSET UINT64_MAX

/*
 * Records a failure of this thread and returns `status`.  `path` may be NULL,
 * `offset` KI_NO_OFFSET; `what` must be static text.  errno is recorded for
 * KIST_ERR_IO and KIST_ERR_NOMEM only.
 */
#define KI_FAIL(status, path, offset, what)                                   \
    ki_fail((status), (path), (offset), (what), __FILE__, __LINE__)

kist_status ki_fail(kist_status status, const char *path, uint64_t offset,
                    const char *what, const char *file, int line);

/* The same for a limit: kist_error.asked and .available. */
#define KI_FAIL_LIMIT(status, asked, available, what)                         \
    ki_fail_limit((status), (asked), (available), (what), __FILE__, __LINE__)

kist_status ki_fail_limit(kist_status status, uint64_t asked,
                          uint64_t available, const char *what,
                          const char *file, int line);

#endif /* KI_BASE_FAIL_H */
