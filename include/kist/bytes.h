/*
 * bytes.h - borrowed and owned runs of bytes.
 *
 * Layer    public.
 * Threads  a kist_buf belongs to one thread at a time.
 */
#ifndef KIST_BYTES_H
#define KIST_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kist/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Borrowed bytes.  Whoever hands one out says until when it is good. */
typedef struct kist_slice {
    const void *data;
    size_t size;
} kist_slice;

/* A slice of a C string, without its terminator. */
static inline kist_slice
kist_str(const char *text)
{
    kist_slice slice = {text, strlen(text)};
    return slice;
}

/* A slice of `size` bytes at `data`. */
static inline kist_slice
kist_bytes(const void *data, size_t size)
{
    kist_slice slice = {data, size};
    return slice;
}

/*
 * Owned bytes that grow up to size_max.  A zeroed kist_buf is empty and has
 * no limit (size_max 0 means SIZE_MAX).
 */
typedef struct kist_buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t size_max;
} kist_buf;

/* Makes *buf empty, owning nothing, limited to size_max bytes (0: none). */
void kist_buf_init(kist_buf *buf, size_t size_max);

/* Frees what *buf owns and zeroes it.  NULL and zeroed are fine. */
void kist_buf_fini(kist_buf *buf);

/* Forgets the contents and keeps the memory. */
void kist_buf_clear(kist_buf *buf);

/*
 * Makes room for `more` bytes behind the contents.  Fails with TOOBIG above
 * size_max and NOMEM; *buf is then as it was.
 */
KIST_NODISCARD kist_status kist_buf_reserve(kist_buf *buf, size_t more);

/* Appends `size` bytes at `data`.  Fails as kist_buf_reserve() does. */
KIST_NODISCARD kist_status kist_buf_append(kist_buf *buf, const void *data,
                                           size_t size);

/* The contents as a slice, good until *buf changes. */
static inline kist_slice
kist_buf_slice(const kist_buf *buf)
{
    return kist_bytes(buf->data, buf->size);
}

#ifdef __cplusplus
}
#endif

#endif /* KIST_BYTES_H */
