/*
 * eng_null.c - does nothing: what it costs is the harness.
 */
#include <stddef.h>

#include "engine.h"

static char handle;

static void *
null_open(const char *dir, const eng_options *options)
{
    (void)dir;
    (void)options;
    return &handle;
}

/* What the compiler must believe to be used. */
static void
use(const void *data)
{
    __asm__ volatile("" : : "r"(data), "r"(*(const char *)data) : "memory");
}

static void
null_put(void *db, eng_blob key, eng_blob value)
{
    (void)db;
    use(key.data);
    use(value.data);
}

static bool
null_get(void *db, eng_blob key, eng_blob *value)
{
    (void)db;
    use(key.data);
    *value = key;
    return true;
}

static bool
null_contains(void *db, eng_blob key)
{
    (void)db;
    use(key.data);
    return true;
}

static void
null_iterate(void *db, eng_visit visit, void *context)
{
    (void)db;
    (void)visit;
    (void)context;
}

static void
null_close(void *db)
{
    (void)db;
}

const engine eng_null = {
    .name = "null",
    .in_memory = true,
    .unchecked = true,
    .shared_handle = true,
    .open = null_open,
    .put = null_put,
    .get = null_get,
    .contains = null_contains,
    .del = null_contains,
    .iterate = null_iterate,
    .close = null_close,
};
