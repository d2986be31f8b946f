/*
 * alloc.h - every allocation of the library.
 *
 * Layer    base.
 * Threads  any.
 */
#ifndef KI_BASE_ALLOC_H
#define KI_BASE_ALLOC_H

#include <stddef.h>

/*
 * Zeroed memory of count * size bytes, or NULL on overflow or exhaustion;
 * the caller then answers KI_FAIL(KIST_ERR_NOMEM, ...).
 */
void *ki_calloc(size_t count, size_t size);

/* As realloc(); the old block lives on when NULL is returned. */
void *ki_realloc(void *block, size_t size);

/* NULL is fine. */
void ki_free(void *block);

/* A copy of `text`, or NULL. */
char *ki_strdup(const char *text);

/*
 * The failure sweep of the tests: called before each allocation, and where it
 * returns nonzero the allocation fails.  NULL, the default, never fails.
 */
extern int (*ki_alloc_hook)(void);

#endif /* KI_BASE_ALLOC_H */
