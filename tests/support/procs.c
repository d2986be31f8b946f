#include "support/procs.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

kt_shared *
kt_shared_new(void)
{
    kt_shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED) {
        fail_msg("mmap");
    }
    return shared;
}

void
kt_shared_free(kt_shared *shared)
{
    munmap(shared, sizeof(*shared));
}

pid_t
kt_spawn(int (*work)(void *argument), void *argument)
{
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child < 0) {
        fail_msg("fork");
    }
    if (child == 0) {
        _exit(work(argument));
    }
    return child;
}

int
kt_wait(pid_t child, uint32_t timeout_ms)
{
    const uint64_t end = kt_now_ms() + timeout_ms;
    int status;

    while (waitpid(child, &status, WNOHANG) == 0) {
        if (kt_now_ms() > end) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return -1;
        }
        kt_sleep_ms(1);
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int
kt_child_fails(kt_shared *shared, const char *what)
{
    char text[400];

    kist_error_text(text, sizeof(text));
    snprintf(shared->why, sizeof(shared->why), "%.180s (last error: %s)", what,
             text);
    return 1;
}

bool
kt_wait_word(_Atomic uint32_t *word, uint32_t value, uint32_t timeout_ms)
{
    const uint64_t end = kt_now_ms() + timeout_ms;

    while (atomic_load(word) < value) {
        if (kt_now_ms() > end) {
            return false;
        }
        kt_sleep_ms(1);
    }
    return true;
}
