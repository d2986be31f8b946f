/*
 * Nothing is kept between two calls but the memory of the buffer, so there is
 * nothing that could be stale when the file was moved or written meanwhile.
 *
 *      began            taken        buf.size
 *        | whole letters  |  read ahead  |
 *        '----------------'--------------'
 *        handed out        given back: the position is moved here ^ to taken
 *
 * Letters are at least a byte long, so to read n of them, n bytes can be read
 * without reading ahead; only a line has to be looked for.
 */
#include "kist/memtext.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/fail.h"

#define LINE_BLOCK 128u // bytes read first for a line; then four times that
#define BLOCK_MAX  (64u << 10)

struct kist_memtext {
    kist_memfile *file; // borrowed
    kist_buf buf;       // what was read in the last call
    size_t taken;       // bytes of buf to be handed out: whole letters
    uint64_t letters;   // how many those are
};

/* What is at the front of some bytes. */
typedef enum front {
    FRONT_CUT = 0, // the first bytes of a letter, or nothing
    FRONT_BAD = -1 // no letter; else the size of one
} front;

static bool
is_tail(uint8_t byte, uint8_t from, uint8_t to)
{
    return byte >= from && byte <= to;
}

/* The size of the first letter, or one of `front`. */
static int
letter_size(const uint8_t *at, size_t size)
{
    uint8_t from = 0x80;
    uint8_t to = 0xbf;
    size_t whole;

    if (size == 0) {
        return FRONT_CUT;
    }
    if (at[0] < 0x80) {
        return 1;
    }
    if (at[0] >= 0xc2 && at[0] <= 0xdf) {
        whole = 2;
    }
    else if (at[0] >= 0xe0 && at[0] <= 0xef) {
        // Neither overlong nor a surrogate.
        whole = 3;
        from = at[0] == 0xe0 ? 0xa0 : 0x80;
        to = at[0] == 0xed ? 0x9f : 0xbf;
    }
    else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
        whole = 4;
        from = at[0] == 0xf0 ? 0x90 : 0x80;
        to = at[0] == 0xf4 ? 0x8f : 0xbf;
    }
    else {
        return FRONT_BAD;
    }
    for (size_t i = 1; i < whole; i++) {
        if (i == size) {
            return FRONT_CUT;
        }
        if (!is_tail(at[i], from, to)) {
            return FRONT_BAD;
        }
        from = 0x80;
        to = 0xbf;
    }
    return (int)whole;
}

/*
 * Passes whole letters from *offset on, at most count_max of them, and counts
 * them.  Answers what stopped it: FRONT_CUT if the bytes end, FRONT_BAD, or 1.
 */
static int
pass_letters(const uint8_t *data, size_t size, uint64_t count_max,
             size_t *offset, uint64_t *count)
{
    size_t at = *offset;
    uint64_t passed = *count;
    int stopped = 1;

    while (passed < count_max) {
        if (at == size) {
            stopped = FRONT_CUT;
            break;
        }
        if (size - at >= 8 && count_max - passed >= 8 &&
            (ki_load_le64(data + at) & UINT64_C(0x8080808080808080)) == 0) {
            at += 8;
            passed += 8;
            continue;
        }
        stopped = letter_size(data + at, size - at);
        if (stopped <= 0) {
            break;
        }
        at += (size_t)stopped;
        passed++;
    }
    *offset = at;
    *count = passed;
    return stopped;
}

kist_status
kist_memtext_new(kist_memfile *file, kist_memtext **text)
{
    kist_memtext *made = ki_calloc(1, sizeof(*made));

    if (made == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "text");
    }
    made->file = file;
    *text = made;
    return KIST_OK;
}

void
kist_memtext_free(kist_memtext *text)
{
    if (text != NULL) {
        kist_buf_fini(&text->buf);
        ki_free(text);
    }
}

kist_status
kist_memtext_write(kist_memtext *text, kist_slice written, uint64_t *count)
{
    size_t offset = 0;
    uint64_t letters = 0;
    kist_status status;

    (void)pass_letters(written.data, written.size, UINT64_MAX, &offset,
                       &letters);
    if (offset < written.size) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, offset, "text to write");
    }
    status = kist_memfile_write(text->file, written.data, written.size);
    if (status == KIST_OK && count != NULL) {
        *count = letters;
    }
    return status;
}

/* Reads up to `size` bytes more behind those of the buffer; *got is 0 at the
 * end of the file. */
static kist_status
read_more(kist_memtext *text, size_t size, size_t *got)
{
    kist_status status = kist_buf_reserve(&text->buf, size);

    if (status == KIST_OK) {
        status = kist_memfile_read(text->file, text->buf.data + text->buf.size,
                                   size, got);
    }
    if (status == KIST_OK) {
        text->buf.size += *got;
    }
    return status;
}

/*
 * As many bytes as `letters` letters need at least, of which the buffer has
 * the beginning of the first; but not many more than the file holds.
 */
static kist_status
plan_read(const kist_memtext *text, uint64_t began, uint64_t letters,
          size_t *size)
{
    const uint64_t position = began + text->buf.size;
    uint64_t want = letters;
    uint64_t end;
    kist_status status = KIST_OK;

    if (want > BLOCK_MAX) {
        status = kist_memfile_size(text->file, &end);
        if (status == KIST_OK && (end < position || end - position < want)) {
            want = end > position ? end - position : 1;
        }
        if (want > SIZE_MAX / 2) {
            want = SIZE_MAX / 2;
        }
    }
    *size = (size_t)want;
    return status;
}

/* The bytes that the position stands behind are no text. */
static kist_status
fail_text(const kist_memtext *text, uint64_t began)
{
    return KI_FAIL(KIST_ERR_CORRUPT, NULL, began + text->taken, "text");
}

static kist_status
read_letters(kist_memtext *text, uint64_t began, uint64_t count_max)
{
    while (text->letters < count_max) {
        size_t size;
        size_t got;
        kist_status status =
            plan_read(text, began, count_max - text->letters, &size);

        if (status == KIST_OK) {
            status = read_more(text, size, &got);
        }
        if (status != KIST_OK) {
            return status;
        }
        if (pass_letters(text->buf.data, text->buf.size, count_max,
                         &text->taken, &text->letters) == FRONT_BAD ||
            (got == 0 && text->taken < text->buf.size)) {
            return fail_text(text, began);
        }
        if (got == 0) {
            break;
        }
    }
    return KIST_OK;
}

/*
 * Takes letters up to the end of the line or of the bytes that there are;
 * *ended if that was the line's, or the last letter asked for.  A "\r" ends a
 * line too, but is not left before it is known what follows.
 */
static int
take_line(kist_memtext *text, uint64_t count_max, bool at_end, bool *ended)
{
    const uint8_t *data = text->buf.data;
    const size_t size = text->buf.size;

    *ended = false;
    for (;;) {
        if (text->taken > 0 && data[text->taken - 1] == '\r') {
            if (text->taken == size) {
                *ended = at_end;
                return FRONT_CUT;
            }
            text->taken += data[text->taken] == '\n';
            *ended = true;
        }
        else if (text->letters == count_max ||
                 (text->taken > 0 && data[text->taken - 1] == '\n')) {
            *ended = true;
        }
        else {
            const int found =
                letter_size(data + text->taken, size - text->taken);

            if (found <= 0) {
                return found;
            }
            text->taken += (size_t)found;
            text->letters++;
            continue;
        }
        return 1;
    }
}

static kist_status
read_line(kist_memtext *text, uint64_t began, uint64_t count_max)
{
    size_t size = LINE_BLOCK;
    size_t got = 1;
    bool ended = count_max == 0;

    while (!ended && got > 0) {
        const kist_status status = read_more(text, size, &got);

        if (status != KIST_OK) {
            return status;
        }
        if (take_line(text, count_max, got == 0, &ended) == FRONT_BAD ||
            (got == 0 && text->taken < text->buf.size)) {
            return fail_text(text, began);
        }
        size = size < BLOCK_MAX ? size * 4 : size;
    }
    return KIST_OK;
}

/* The beginning and the end of both sorts of reading. */
static kist_status
read_text(kist_memtext *text, uint64_t count_max, bool line, kist_slice *got)
{
    uint64_t began;
    uint64_t position;
    kist_status status = kist_memfile_tell(text->file, &began);

    if (status != KIST_OK) {
        return status;
    }
    kist_buf_clear(&text->buf);
    text->taken = 0;
    text->letters = 0;
    status = line ? read_line(text, began, count_max)
                  : read_letters(text, began, count_max);
    if (status != KIST_OK) {
        // If it was closed meanwhile, there is no position to keep.
        const kist_status moved =
            kist_memfile_seek(text->file, (int64_t)began, SEEK_SET, &position);

        (void)moved;
        return status;
    }
    if (text->taken < text->buf.size) {
        status = kist_memfile_seek(text->file, (int64_t)(began + text->taken),
                                   SEEK_SET, &position);
    }
    if (status == KIST_OK) {
        *got = kist_bytes(text->taken == 0 ? "" : (void *)text->buf.data,
                          text->taken);
    }
    return status;
}

kist_status
kist_memtext_read(kist_memtext *text, uint64_t count_max, kist_slice *got)
{
    return read_text(text, count_max, false, got);
}

kist_status
kist_memtext_readline(kist_memtext *text, uint64_t count_max, kist_slice *got)
{
    return read_text(text, count_max, true, got);
}
