#include "os/filelock.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "base/clock.h"
#include "base/fail.h"
#include "os/io.h"

#define PAUSE_MIN_NS 100000u
#define PAUSE_MAX_NS 10000000u

static void
pause_for(uint64_t ns)
{
    const struct timespec pause = {.tv_nsec = (long)ns};

    nanosleep(&pause, NULL);
}

/*
 * Polls, for the kernel's own waiting knows no timeout.  The pauses grow, so
 * that a lock held for long costs little and one held briefly is had soon.
 */
kist_status
ki_filelock_take(int fd, const char *path, uint64_t offset, ki_lock_mode mode,
                 uint32_t timeout_ms)
{
    const int type = mode == KI_LOCK_EXCLUSIVE ? F_WRLCK : F_RDLCK;
    const uint64_t start_ns = timeout_ms == 0 ? 0 : ki_clock_ns();
    const uint64_t wait_ns = (uint64_t)timeout_ms * 1000000u;
    uint64_t pause_ns = PAUSE_MIN_NS;

    for (;;) {
        uint64_t gone_ns;

        if (ki_io->lock(fd, type, (off_t)offset) == 0) {
            return KIST_OK;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN && errno != EACCES) {
            return KI_FAIL(KIST_ERR_IO, path, offset, "file lock");
        }
        if (timeout_ms == 0) {
            return KIST_ERR_LOCKED;
        }
        gone_ns = ki_clock_ns() - start_ns;
        if (gone_ns >= wait_ns) {
            return KIST_ERR_LOCKED;
        }
        pause_for(pause_ns < wait_ns - gone_ns ? pause_ns : wait_ns - gone_ns);
        pause_ns = pause_ns * 2 < PAUSE_MAX_NS ? pause_ns * 2 : PAUSE_MAX_NS;
    }
}

void
ki_filelock_drop(int fd, uint64_t offset)
{
    const int sys_errno = errno;

    while (ki_io->lock(fd, F_UNLCK, (off_t)offset) != 0 && errno == EINTR) {
    }
    errno = sys_errno;
}
