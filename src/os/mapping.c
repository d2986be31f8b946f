/*
 * The signal handler may run at any time in any thread, so what it reads are
 * atomics in a fixed table.  A slot is filled from the back to the front and
 * emptied from the front to the back; `base` tells whether it counts.
 *
 * Others set signal handlers too: those set before ours are chained to.  Those
 * set later (and those that put back what they once found) take our place, so
 * each new map looks whether we are still there, and if not, chains to what it
 * finds.  That one may in turn chain to us, which is noticed by the stack: the
 * same signal arrives again, deeper.
 */
#include "os/mapping.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fail.h"
#include "os/io.h"

#define WATCHED_MAX 4096

/* After so many faults, the rest of a map is replaced at once: each page
 * replaced by itself may cost one of the 65530 regions of the process. */
#define FAULTS_MAX 256u

typedef struct watched {
    _Atomic(ki_mapping *) owner; // NULL: free
    _Atomic uintptr_t base;      // 0: to be passed over
    _Atomic size_t size;
    _Atomic int prot;
    _Atomic uint32_t faults;
} watched;

static watched watch[WATCHED_MAX];
static _Atomic int watch_end; // past the last slot ever used

/* What we have found in our place, never changed once it is used. */
#define PREVIOUS_MAX 16

static struct sigaction previous[PREVIOUS_MAX];
static int previous_count;
static _Atomic int previous_used; // the one to chain to
static pthread_mutex_t handler_mutex = PTHREAD_MUTEX_INITIALIZER;

/* The signal that this thread has handed on last, and where it was then. */
static _Thread_local const void *chained_context
    __attribute__((tls_model("initial-exec")));
static _Thread_local uintptr_t chained_frame
    __attribute__((tls_model("initial-exec")));

static size_t page_size;

__attribute__((constructor)) static void
ask_page_size(void)
{
    page_size = (size_t)sysconf(_SC_PAGESIZE);
}

static long
map_zeros(uintptr_t address, size_t size, int prot)
{
#ifdef SYS_mmap2
    return syscall(SYS_mmap2, address, size, prot,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
                   0);
#else
    return syscall(SYS_mmap, address, size, prot,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
                   0);
#endif
}

/* Puts zeros where `address` is in a watched map; false if it is in none. */
static bool
mend_fault(uintptr_t address)
{
    const int end = atomic_load_explicit(&watch_end, memory_order_acquire);

    for (int index = 0; index < end; index++) {
        watched *slot = &watch[index];
        const uintptr_t base = atomic_load(&slot->base);
        const size_t size = atomic_load(&slot->size);
        ki_mapping *owner = atomic_load(&slot->owner);
        const uintptr_t page = address & ~(page_size - 1);
        size_t part = page_size;

        if (base == 0 || address < base || address - base >= size ||
            owner == NULL || atomic_load(&slot->base) != base) {
            continue;
        }
        if (atomic_fetch_add(&slot->faults, 1) >= FAULTS_MAX) {
            part = size - (page - base);
        }
        // Whoever sees the zeros must see the flag.
        atomic_store(&owner->cut, 1);
        return map_zeros(page, part, atomic_load(&slot->prot)) != -1;
    }
    return false;
}

/* What a process without any handler does. */
static void
end_by_default(int number, bool is_sent)
{
    // On return the access faults again, and that is the end.
    const struct sigaction standard = {.sa_handler = SIG_DFL};

    sigaction(number, &standard, NULL);
    if (is_sent) {
        raise(number);
    }
}

/* Does what would have happened without us. */
static void
chain(int number, siginfo_t *info, void *context)
{
    const struct sigaction *found = &previous[atomic_load(&previous_used)];
    const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    const bool has_info = (found->sa_flags & SA_SIGINFO) != 0;
    const bool is_sent = info->si_code <= 0;
    sigset_t mask = found->sa_mask;

    if (!has_info && found->sa_handler == SIG_IGN && is_sent) {
        return;
    }
    // A handler may leave by siglongjmp(): then the next signal may have the
    // same context, but it does not come from deeper.
    if ((!has_info &&
         (found->sa_handler == SIG_DFL || found->sa_handler == SIG_IGN)) ||
        (chained_context == context && frame < chained_frame)) {
        end_by_default(number, is_sent);
        return;
    }
    chained_context = context;
    chained_frame = frame;
    if ((found->sa_flags & SA_NODEFER) == 0) {
        sigaddset(&mask, number);
    }
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    if (has_info) {
        found->sa_sigaction(number, info, context);
    }
    else {
        found->sa_handler(number);
    }
    chained_context = NULL;
}

static void
on_bus_error(int number, siginfo_t *info, void *context)
{
    const int sys_errno = errno;

    if (info->si_code <= 0 || !mend_fault((uintptr_t)info->si_addr)) {
        chain(number, info, context);
    }
    errno = sys_errno;
}

/* Puts *found among those to chain to; false if there are too many. */
static bool
remember(const struct sigaction *found)
{
    int index = 0;

    while (index < previous_count &&
           (previous[index].sa_sigaction != found->sa_sigaction ||
            previous[index].sa_flags != found->sa_flags)) {
        index++;
    }
    if (index == PREVIOUS_MAX) {
        return false;
    }
    if (index == previous_count) {
        previous[index] = *found;
        previous_count++;
    }
    atomic_store(&previous_used, index);
    return true;
}

static void
install_handler(void)
{
    struct sigaction action = {
        .sa_sigaction = on_bus_error,
        .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART,
    };
    struct sigaction found;
    int tries = 0;

    // In the child of a fork the holder may not exist: do not wait for ever.
    while (pthread_mutex_trylock(&handler_mutex) != 0) {
        if (++tries == 1000) {
            return;
        }
        sched_yield();
    }
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, NULL, &found);
    // Whom to chain to is known before it may be needed.
    if (((found.sa_flags & SA_SIGINFO) == 0 ||
         found.sa_sigaction != on_bus_error) &&
        remember(&found)) {
        sigaction(SIGBUS, &action, NULL);
    }
    pthread_mutex_unlock(&handler_mutex);
}

/* Finds a free slot; with 4096 maps watched, one more goes unwatched. */
static int
add_watch(ki_mapping *mapping, int prot)
{
    for (int index = 0; index < WATCHED_MAX; index++) {
        watched *slot = &watch[index];
        ki_mapping *none = NULL;
        int end;

        if (!atomic_compare_exchange_strong(&slot->owner, &none, mapping)) {
            continue;
        }
        atomic_store(&slot->faults, 0);
        atomic_store(&slot->prot, prot);
        atomic_store(&slot->size, mapping->reserved);
        atomic_store(&slot->base, (uintptr_t)mapping->base);
        end = atomic_load(&watch_end);
        while (end <= index &&
               !atomic_compare_exchange_weak(&watch_end, &end, index + 1)) {
        }
        return index;
    }
    return -1;
}

static void
remove_watch(int index)
{
    if (index >= 0) {
        atomic_store(&watch[index].base, 0);
        atomic_store(&watch[index].owner, NULL);
    }
}

/* Rounds up to whole pages; false if that overflows. */
static bool
round_up(uint64_t size, size_t *rounded)
{
    if (size > SIZE_MAX - page_size) {
        return false;
    }
    *rounded = ((size_t)size + page_size - 1) & ~(page_size - 1);
    return true;
}

kist_status
ki_mapping_init(ki_mapping *mapping, int fd, const char *path,
                ki_map_mode mode, uint64_t size_min, uint64_t reserve,
                bool random)
{
    const int prot = mode == KI_MAP_READ ? PROT_READ : PROT_READ | PROT_WRITE;
    const int flags =
        MAP_NORESERVE |
        (mode == KI_MAP_PRIVATE ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
    size_t size;
    size_t least;
    void *base;

    *mapping = (ki_mapping){.slot = -1};
    install_handler();
    if (!round_up(size_min > 0 ? size_min : 1, &least)) {
        return KI_FAIL(KIST_ERR_NOMEM, path, KI_NO_OFFSET, "address space");
    }
    if (!round_up(reserve, &size) || size < least) {
        size = least;
    }
    for (;;) {
        base = ki_io->map(NULL, size, prot, flags,
                          mode == KI_MAP_PRIVATE ? -1 : fd, 0);
        if (base != MAP_FAILED || errno != ENOMEM || size == least) {
            break;
        }
        round_up(size / 2, &size);
        size = size > least ? size : least;
    }
    if (base == MAP_FAILED) {
        return KI_FAIL(errno == ENOMEM ? KIST_ERR_NOMEM : KIST_ERR_IO, path,
                       KI_NO_OFFSET, "map");
    }
    mapping->base = base;
    mapping->reserved = size;
    if (random) {
        (void)ki_io->advise(base, size, MADV_RANDOM);
    }
    if (mode != KI_MAP_PRIVATE) {
        mapping->slot = add_watch(mapping, prot);
    }
    return KIST_OK;
}

kist_status
ki_mapping_init_row(ki_mapping *mapping, int fd, const char *path, size_t head,
                    const ki_stretch *stretches, size_t count)
{
    size_t size = head;
    size_t at = head;
    size_t index;
    void *base;

    *mapping = (ki_mapping){.slot = -1};
    install_handler();
    for (index = 0; index < count; index++) {
        if (stretches[index].size > SIZE_MAX - size) {
            return KI_FAIL(KIST_ERR_NOMEM, path, KI_NO_OFFSET,
                           "address space");
        }
        size += stretches[index].size;
    }
    base = ki_io->map(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_NORESERVE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return KI_FAIL(errno == ENOMEM ? KIST_ERR_NOMEM : KIST_ERR_IO, path,
                       KI_NO_OFFSET, "map");
    }
    mapping->base = base;
    mapping->reserved = size;
    for (index = 0; index < count; index++) {
        const ki_stretch *s = &stretches[index];

        if (ki_io->map(mapping->base + at, s->size, PROT_READ,
                       MAP_SHARED | MAP_FIXED, fd,
                       (off_t)s->offset) == MAP_FAILED) {
            const kist_status status =
                KI_FAIL(errno == ENOMEM ? KIST_ERR_NOMEM : KIST_ERR_IO, path,
                        s->offset, "map");

            ki_mapping_fini(mapping);
            return status;
        }
        at += s->size;
    }
    mapping->slot = add_watch(mapping, PROT_READ);
    return KIST_OK;
}

void
ki_mapping_fini(ki_mapping *mapping)
{
    if (mapping == NULL || mapping->base == NULL) {
        return;
    }
    remove_watch(mapping->slot);
    (void)ki_io->unmap(mapping->base, mapping->reserved);
    *mapping = (ki_mapping){.slot = -1};
}
