#include "base/alloc.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int (*ki_alloc_hook)(void);

static int
is_failing(void)
{
    if (ki_alloc_hook != NULL && ki_alloc_hook() != 0) {
        errno = ENOMEM;
        return 1;
    }
    return 0;
}

/* Nothing is asked for as one byte, so that NULL always means failure. */
void *
ki_calloc(size_t count, size_t size)
{
    if (is_failing()) {
        return NULL;
    }
    if (count == 0 || size == 0) {
        count = 1;
        size = 1;
    }
    // calloc() refuses this too, but under a sanitizer it ends the process.
    if (count > SIZE_MAX / size) {
        errno = ENOMEM;
        return NULL;
    }
    return calloc(count, size);
}

void *
ki_realloc(void *block, size_t size)
{
    if (is_failing()) {
        return NULL;
    }
    return realloc(block, size == 0 ? 1 : size);
}

void
ki_free(void *block)
{
    free(block);
}

char *
ki_strdup(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = ki_calloc(1, size);

    if (copy != NULL) {
        memcpy(copy, text, size);
    }
    return copy;
}
