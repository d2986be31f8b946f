#include "memfs/content.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assertion.h"
#include "base/fail.h"
#include "memfs/loan.h"

#define PAGE_MIN  ((uint64_t)16 << 10)
#define PAGES_MAX 4096u                  // a file is not cut finer than this
#define TAIL_MAX  (KI_CONTENT_LARGE - 1) // of a block that grows by moving
#define ROOM_MIN  4u

static kist_status
no_memory(void)
{
    return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "file contents");
}

static const ki_seg *
segs_of(const ki_content *content)
{
    return content->room == 0 ? &content->row.one : content->row.many.segs;
}

static ki_seg *
segs_for_change(ki_content *content)
{
    return content->room == 0 ? &content->row.one : content->row.many.segs;
}

static uint64_t
end_of(const ki_content *content, uint32_t index)
{
    return index + 1 < content->count ? segs_of(content)[index + 1].start
                                      : content->size;
}

/* The seg that holds `offset`, which is inside. */
static uint32_t
find_seg(const ki_content *content, uint64_t offset)
{
    const ki_seg *segs = segs_of(content);
    uint32_t low = 0;
    uint32_t high = content->count;

    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;

        if (segs[middle].start <= offset) {
            low = middle;
        }
        else {
            high = middle;
        }
    }
    return low;
}

/* Room for `more` further segs. */
static kist_status
reserve(ki_content *content, uint32_t more)
{
    const uint32_t least = content->count + more;
    uint32_t room = content->room == 0 ? ROOM_MIN : content->room;
    ki_seg *segs;

    if (least <= content->room || least <= 1) {
        return KIST_OK;
    }
    while (room < least) {
        room += room / 2;
    }
    segs = ki_realloc(content->room == 0 ? NULL : content->row.many.segs,
                      room * sizeof(*segs));
    if (segs == NULL) {
        return no_memory();
    }
    if (content->room == 0) {
        segs[0] = content->row.one;
        content->row.many.spliced = 0;
    }
    content->row.many.segs = segs;
    content->room = room;
    return KIST_OK;
}

/* Back to the small form, with nothing in it. */
static void
forget_row(ki_content *content)
{
    if (content->room != 0) {
        ki_free(content->row.many.segs);
    }
    *content = (ki_content){0};
}

void
ki_content_clear(ki_content *content, ki_garbage *garbage)
{
    const ki_seg *segs = segs_of(content);

    for (uint32_t index = 0; index < content->count; index++) {
        ki_block_drop(segs[index].block, garbage);
    }
    forget_row(content);
}

kist_status
ki_content_share(const ki_content *content, ki_content *copy)
{
    const ki_seg *from = segs_of(content);
    ki_seg *to;

    kist_status status;

    *copy = (ki_content){0};
    status = reserve(copy, content->count);
    if (status != KIST_OK) {
        return status;
    }
    to = segs_for_change(copy);
    for (uint32_t index = 0; index < content->count; index++) {
        to[index] = from[index];
        if (from[index].block != NULL) {
            ki_block_ref(from[index].block);
        }
    }
    copy->count = content->count;
    copy->size = content->size;
    return KIST_OK;
}

/* --- putting a block in place of what is there --------------------------- */

/* Drops what lies wholly in [start, end) and trims what reaches into it;
 * answers where a seg for that range belongs.  Needs room for one more. */
static uint32_t
cut_out(ki_content *content, uint64_t start, uint64_t end, ki_garbage *garbage)
{
    ki_seg *segs = segs_for_change(content);
    uint32_t first = find_seg(content, start);
    uint32_t next;

    if (segs[first].start < start) {
        if (end_of(content, first) > end) {
            // The range lies inside one seg: its end becomes another.
            memmove(segs + first + 2, segs + first + 1,
                    (content->count - first - 1) * sizeof(*segs));
            segs[first + 1] = segs[first];
            segs[first + 1].start = end;
            segs[first + 1].skip += end - segs[first].start;
            if (segs[first].block != NULL) {
                ki_block_ref(segs[first].block);
            }
            content->count++;
            return first + 1;
        }
        first++;
    }
    for (next = first; next < content->count && end_of(content, next) <= end;
         next++) {
        ki_block_drop(segs[next].block, garbage);
    }
    if (next < content->count && segs[next].start < end) {
        segs[next].skip += end - segs[next].start;
        segs[next].start = end;
    }
    memmove(segs + first, segs + next,
            (content->count - next) * sizeof(*segs));
    content->count -= next - first;
    return first;
}

/* Needs room for one more; start + size is at or beyond every seg before. */
static void
insert_seg(ki_content *content, uint32_t at, uint64_t start, uint64_t skip,
           ki_block *block)
{
    ki_seg *segs = segs_for_change(content);

    memmove(segs + at + 1, segs + at, (content->count - at) * sizeof(*segs));
    segs[at] = (ki_seg){start, skip, block};
    content->count++;
}

/* Zeros up to `offset`, behind the end.  Needs room for one more. */
static void
pad(ki_content *content, uint64_t offset)
{
    const ki_seg *segs = segs_of(content);

    if (offset <= content->size) {
        return;
    }
    if (content->count == 0 || segs[content->count - 1].block != NULL) {
        insert_seg(content, content->count, content->size, 0, NULL);
    }
    content->size = offset;
}

/* A copy of the seg's bytes in a block of its own, or no change. */
static void
copy_out(ki_content *content, uint32_t index, ki_garbage *garbage)
{
    ki_seg *seg = segs_for_change(content) + index;
    const uint64_t size = end_of(content, index) - seg->start;
    ki_block *copy = ki_block_new(size);

    if (copy == NULL) {
        return; // what is pinned stays so until the next time
    }
    memcpy(copy->data, seg->block->data + seg->skip, size);
    ki_block_drop(seg->block, garbage);
    seg->block = copy;
    seg->skip = 0;
}

/* `bytes` more have lost their place: bounds what is pinned and not seen. */
static void
tidy(ki_content *content, uint64_t bytes, ki_garbage *garbage)
{
    const ki_seg *segs = segs_of(content);

    if (content->room != 0) {
        content->row.many.spliced += bytes;
        if (content->row.many.spliced <= content->size + KI_CONTENT_LARGE) {
            return;
        }
        content->row.many.spliced = 0;
    }
    for (uint32_t index = 0; index < content->count; index++) {
        const uint64_t size = end_of(content, index) - segs[index].start;

        if (segs[index].block != NULL &&
            segs[index].block->size / 2 > size + sizeof(ki_block)) {
            copy_out(content, index, garbage);
        }
    }
}

kist_status
ki_content_splice(ki_content *content, uint64_t offset, ki_block *block,
                  uint64_t size, ki_garbage *garbage)
{
    const uint64_t end = offset + size;
    const uint64_t before = content->size;
    const kist_status status = reserve(content, 2);
    uint32_t at;

    if (status != KIST_OK) {
        return status;
    }
    pad(content, offset);
    if (offset == content->size) {
        insert_seg(content, content->count, offset, 0, block);
        content->size = end;
        return KIST_OK;
    }
    at = cut_out(content, offset, end, garbage);
    insert_seg(content, at, offset, 0, block);
    if (end > content->size) {
        content->size = end;
    }
    tidy(content, (end < before ? end : before) - offset, garbage);
    return KIST_OK;
}

/* --- small writes -------------------------------------------------------- */

static uint64_t
page_size(const ki_content *content)
{
    uint64_t page = PAGE_MIN;

    while (content->size / PAGES_MAX > page) {
        page *= 2;
    }
    return page;
}

static void
copy_bytes(const ki_content *content, uint64_t offset, uint64_t size,
           uint8_t *data)
{
    const ki_seg *segs = segs_of(content);

    for (uint32_t index = size == 0 ? 0 : find_seg(content, offset); size > 0;
         index++) {
        const uint64_t inside = offset - segs[index].start;
        const uint64_t rest = end_of(content, index) - offset;
        const uint64_t part = rest < size ? rest : size;

        if (segs[index].block == NULL) {
            memset(data, 0, part);
        }
        else {
            memcpy(data, segs[index].block->data + segs[index].skip + inside,
                   part);
        }
        data += part;
        offset += part;
        size -= part;
    }
}

/* True if the last block now has room for bytes up to `end` of the file. */
static bool
grow_tail(ki_content *content, uint64_t end)
{
    ki_seg *last = segs_for_change(content) + content->count - 1;
    const uint64_t needed = last->skip + (end - last->start);
    uint64_t room;
    ki_block *grown;

    if (needed <= last->block->size) {
        return true;
    }
    if (last->block->kind != KI_BLOCK_OWN || needed > TAIL_MAX) {
        return false;
    }
    room = last->block->size + last->block->size / 2 + 16;
    if (room < needed) {
        room = needed;
    }
    grown = ki_block_grow(last->block, room < TAIL_MAX ? room : TAIL_MAX);
    if (grown == NULL) {
        return false; // another block may be had yet
    }
    last->block = grown;
    return true;
}

bool
ki_content_is_mine(const ki_content *content, uint64_t offset, uint64_t size)
{
    const ki_seg *segs = segs_of(content);
    const uint64_t end = offset + size;

    if (end > content->size) {
        return false;
    }
    for (uint32_t index = find_seg(content, offset);
         index < content->count && segs[index].start < end; index++) {
        if (segs[index].block == NULL ||
            !ki_block_is_mine(segs[index].block)) {
            return false;
        }
    }
    return true;
}

/* Stores over bytes that lie in blocks of this file alone. */
static void
overwrite(ki_content *content, uint64_t offset, const uint8_t *data,
          uint64_t size)
{
    const ki_seg *segs = segs_of(content);

    for (uint32_t index = find_seg(content, offset); size > 0; index++) {
        const uint64_t rest = end_of(content, index) - offset;
        const uint64_t part = rest < size ? rest : size;

        memcpy(segs[index].block->data + segs[index].skip +
                   (offset - segs[index].start),
               data, part);
        data += part;
        offset += part;
        size -= part;
    }
}

/* Stores into blocks that are this file's alone, if it has such there; the
 * last of them may grow for it. */
static bool
write_in_place(ki_content *content, uint64_t offset, const void *data,
               uint64_t size)
{
    const uint64_t end = offset + size;

    if (content->count == 0 || offset > content->size) {
        return false;
    }
    if (end > content->size) {
        const ki_block *last = segs_of(content)[content->count - 1].block;

        if (last == NULL || !ki_block_is_mine(last) ||
            !ki_content_is_mine(content, offset, content->size - offset) ||
            !grow_tail(content, end)) {
            return false;
        }
        content->size = end;
    }
    else if (!ki_content_is_mine(content, offset, size)) {
        return false;
    }
    overwrite(content, offset, data, size);
    return true;
}

/* A block of the bytes of [start, end) with `data` over them. */
static kist_status
write_around(ki_content *content, uint64_t start, uint64_t end,
             uint64_t offset, const void *data, uint64_t size,
             ki_garbage *garbage)
{
    ki_block *block = ki_block_new(end - start);
    const uint64_t old_end = end < content->size ? end : content->size;
    kist_status status;

    if (block == NULL) {
        return no_memory();
    }
    if (start < offset) {
        copy_bytes(content, start, offset - start, block->data);
    }
    memcpy(block->data + (offset - start), data, size);
    if (offset + size < old_end) {
        copy_bytes(content, offset + size, old_end - (offset + size),
                   block->data + (offset + size - start));
    }
    status = ki_content_splice(content, start, block, end - start, garbage);
    if (status != KIST_OK) {
        ki_block_drop(block, garbage);
    }
    return status;
}

kist_status
ki_content_write(ki_content *content, uint64_t offset, const void *data,
                 uint64_t size, ki_garbage *garbage)
{
    const uint64_t end = offset + size;
    const uint64_t page = page_size(content);
    uint64_t page_start;
    uint64_t page_end;

    if (size <= KI_CONTENT_IN_PLACE &&
        write_in_place(content, offset, data, size)) {
        return KIST_OK;
    }
    if (size >= KI_CONTENT_LARGE || offset >= content->size) {
        return write_around(content, offset, end, offset, data, size, garbage);
    }
    page_start = offset & ~(page - 1);
    page_end = (end + page - 1) & ~(page - 1);
    if (page_end > content->size) {
        page_end = end > content->size ? end : content->size;
    }
    return write_around(content, page_start, page_end, offset, data, size,
                        garbage);
}

kist_status
ki_content_resize(ki_content *content, uint64_t size, ki_garbage *garbage)
{
    const uint64_t before = content->size;
    uint32_t keep;

    if (size > before) {
        const kist_status status = reserve(content, 1);

        if (status == KIST_OK) {
            pad(content, size);
        }
        return status;
    }
    if (size == 0) {
        ki_content_clear(content, garbage);
        return KIST_OK;
    }
    keep = find_seg(content, size - 1) + 1;
    for (uint32_t index = keep; index < content->count; index++) {
        ki_block_drop(segs_of(content)[index].block, garbage);
    }
    content->count = keep;
    content->size = size;
    if (size < before) {
        tidy(content, before - size, garbage);
    }
    return KIST_OK;
}

kist_status
ki_content_join(ki_content *content, ki_garbage *garbage)
{
    ki_block *block;
    kist_status status;

    if (content->count == 0 ||
        (content->count == 1 && segs_of(content)[0].block != NULL)) {
        return KIST_OK;
    }
    block = ki_block_new(content->size);
    if (block == NULL) {
        return no_memory();
    }
    copy_bytes(content, 0, content->size, block->data);
    status = ki_content_splice(content, 0, block, content->size, garbage);
    if (status != KIST_OK) {
        ki_block_drop(block, garbage);
    }
    return status;
}

kist_status
ki_content_lend(const ki_content *content, uint64_t offset, uint64_t size,
                kist_loan *loan)
{
    const ki_seg *segs = segs_of(content);
    uint32_t first;
    uint32_t next;
    kist_status status;

    *loan = (kist_loan){0};
    if (size == 0) {
        return KIST_OK;
    }
    first = find_seg(content, offset);
    next = first + 1;
    while (next < content->count && segs[next].start < offset + size) {
        next++;
    }
    status = ki_loan_init(loan, size, next - first);
    for (uint32_t index = first; status == KIST_OK && index < next; index++) {
        const uint64_t from =
            offset > segs[index].start ? offset : segs[index].start;
        const uint64_t seg_end = end_of(content, index);
        const uint64_t to = seg_end < offset + size ? seg_end : offset + size;

        ki_loan_add(loan, segs[index].block,
                    segs[index].skip + (from - segs[index].start), to - from);
    }
    return status;
}

bool
ki_content_is_sound(const ki_content *content)
{
    const ki_seg *segs = segs_of(content);

    if ((content->count == 0) != (content->size == 0) ||
        (content->room == 0 && content->count > 1) ||
        (content->room != 0 && content->count > content->room)) {
        return false;
    }
    for (uint32_t index = 0; index < content->count; index++) {
        const uint64_t end = end_of(content, index);

        if (end <= segs[index].start || (index == 0 && segs[0].start != 0)) {
            return false;
        }
        if (segs[index].block != NULL &&
            segs[index].skip + (end - segs[index].start) >
                segs[index].block->size) {
            return false;
        }
    }
    return true;
}
