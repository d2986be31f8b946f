#include "kist/bytes.h"

#include "base/alloc.h"
#include "base/fail.h"

#define CAPACITY_MIN 64u

void
kist_buf_init(kist_buf *buf, size_t size_max)
{
    *buf = (kist_buf){.size_max = size_max};
}

void
kist_buf_fini(kist_buf *buf)
{
    if (buf != NULL) {
        ki_free(buf->data);
        *buf = (kist_buf){0};
    }
}

void
kist_buf_clear(kist_buf *buf)
{
    buf->size = 0;
}

/*
 * Doubles, so that appending costs constant time on average; if there is no
 * memory for twice as much, what is asked for may still be had.
 */
kist_status
kist_buf_reserve(kist_buf *buf, size_t more)
{
    const size_t limit = buf->size_max == 0 ? SIZE_MAX : buf->size_max;
    size_t capacity;
    size_t need;
    void *data;

    if (more <= buf->capacity - buf->size) {
        return KIST_OK;
    }
    if (buf->size > limit || more > limit - buf->size) {
        return KI_FAIL(KIST_ERR_TOOBIG, NULL, KI_NO_OFFSET, "buffer limit");
    }
    need = buf->size + more;
    capacity = buf->capacity <= limit / 2 ? buf->capacity * 2 : limit;
    if (capacity < CAPACITY_MIN) {
        capacity = CAPACITY_MIN < limit ? CAPACITY_MIN : limit;
    }
    if (capacity < need) {
        capacity = need;
    }
    data = ki_realloc(buf->data, capacity);
    if (data == NULL && capacity > need) {
        capacity = need;
        data = ki_realloc(buf->data, capacity);
    }
    if (data == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "buffer");
    }
    buf->data = data;
    buf->capacity = capacity;
    return KIST_OK;
}

kist_status
kist_buf_append(kist_buf *buf, const void *data, size_t size)
{
    const kist_status status = kist_buf_reserve(buf, size);

    if (status == KIST_OK && size > 0) {
        memcpy(buf->data + buf->size, data, size);
        buf->size += size;
    }
    return status;
}
