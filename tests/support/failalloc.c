#include "support/failalloc.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/alloc.h"

static _Atomic uint64_t seen;
static _Atomic uint64_t given;
static uint64_t fail_at;
static bool fail_on;

static int
hook(void)
{
    const uint64_t n = atomic_fetch_add(&seen, 1) + 1;

    if (fail_at == 0 || n < fail_at || (n > fail_at && !fail_on)) {
        return 0;
    }
    atomic_fetch_add(&given, 1);
    return 1;
}

void
kt_alloc_fail(uint64_t nth, bool from_then_on)
{
    atomic_store(&seen, 0);
    atomic_store(&given, 0);
    fail_at = nth;
    fail_on = from_then_on;
    ki_alloc_hook = hook;
}

uint64_t
kt_alloc_count(void)
{
    return atomic_load(&seen);
}

bool
kt_alloc_hit(void)
{
    return atomic_load(&given) > 0;
}

void
kt_alloc_heal(void)
{
    ki_alloc_hook = NULL;
}
