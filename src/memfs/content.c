#include "memfs/content.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assertion.h"
#include "base/fail.h"
#include "memfs/loan.h"

// What is copied around a small write: more in a larger file, whose row would
// get long otherwise.
#define PAGE_MIN  ((uint64_t)16 << 10)
#define PAGE_MAX  ((uint64_t)1 << 20)
#define PAGES_MAX 4096u

#define TAIL_MAX  (KI_CONTENT_LARGE - 1) // of a block that grows by moving
#define ROOM_MIN  4u
#define SMALL     ((uint64_t)4 << 10) // segs below this are gathered
#define ROW_SLACK 64u                 // a row so short is left alone

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

/* Gives back what the row has too much room for. */
static void
shrink_row(ki_content *content)
{
    ki_seg *segs;

    if (content->room / 4 <= content->count) {
        return;
    }
    segs = content->row.many.segs;
    if (content->count == 1) {
        const ki_seg one = segs[0];

        ki_free(segs);
        content->row.one = one;
        content->room = 0;
        return;
    }
    segs = ki_realloc(segs, content->count * sizeof(*segs));
    if (segs != NULL) {
        content->row.many.segs = segs;
        content->room = content->count;
    }
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

/* Zeros up to `offset`, behind the end.  Needs room for one more. */
static void
pad(ki_content *content, uint64_t offset)
{
    ki_seg *segs = segs_for_change(content);

    if (offset <= content->size) {
        return;
    }
    if (content->count == 0 || segs[content->count - 1].block != NULL) {
        segs[content->count++] = (ki_seg){content->size, 0, NULL};
    }
    content->size = offset;
}

/*
 * Puts one seg in the place of [start, end), which may reach beyond the end
 * of the file but begins inside it.  What it hides is dropped, what it hides
 * in part is cut.  Needs room for two more; moves the row once.
 */
static void
put_seg(ki_content *content, const ki_seg *seg, uint64_t end,
        ki_garbage *garbage)
{
    ki_seg *segs = segs_for_change(content);
    uint32_t first = find_seg(content, seg->start);
    uint32_t next = first;
    ki_seg right = {0};
    uint32_t rights = 0;
    uint32_t keeps;

    // What is left of the first seg stays where it is.
    keeps = segs[first].start < seg->start;
    while (next < content->count && end_of(content, next) <= end) {
        next++;
    }
    if (next < content->count && segs[next].start < end) {
        right = segs[next];
        right.skip += end - right.start;
        right.start = end;
        rights = 1;
        if (next == first && keeps && right.block != NULL) {
            ki_block_ref(right.block); // both of its ends are left
        }
    }
    for (uint32_t index = first + keeps; index < next; index++) {
        ki_block_drop(segs[index].block, garbage);
    }
    first += keeps;
    next += rights;
    next = next < first ? first : next;
    memmove(segs + first + 1 + rights, segs + next,
            (content->count - next) * sizeof(*segs));
    segs[first] = *seg;
    if (rights != 0) {
        segs[first + 1] = right;
    }
    content->count = content->count - (next - first) + 1 + rights;
    if (end > content->size) {
        content->size = end;
    }
}

/* --- keeping the row short, and what it pins small ----------------------- */

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

static bool
hides_most(const ki_seg *seg, uint64_t size)
{
    return seg->block != NULL &&
           seg->block->size / 2 > size + sizeof(ki_block);
}

/* How many segs from `index` on are so small, and stand so close, that they
 * should be one; *bytes is their size. */
static uint32_t
find_run(const ki_content *content, uint32_t index, uint64_t *bytes)
{
    uint32_t count = 0;

    *bytes = 0;
    while (index < content->count) {
        const uint64_t size =
            end_of(content, index) - segs_of(content)[index].start;

        if (size >= SMALL || *bytes + size > PAGE_MIN) {
            break;
        }
        *bytes += size;
        index++;
        count++;
    }
    return count;
}

static void copy_bytes(const ki_content *content, uint64_t offset,
                       uint64_t size, uint8_t *data);

/* Puts rows of small segs into a block each, where there is memory for it. */
static void
gather(ki_content *content, ki_garbage *garbage)
{
    for (uint32_t index = 0; index < content->count; index++) {
        const uint64_t start = segs_of(content)[index].start;
        uint64_t bytes;
        ki_block *block;

        if (find_run(content, index, &bytes) < 2) {
            continue;
        }
        block = ki_block_new(bytes);
        if (block != NULL) {
            const ki_seg seg = {start, 0, block};

            copy_bytes(content, start, bytes, block->data);
            put_seg(content, &seg, start + bytes, garbage);
        }
    }
}

/* `bytes` have lost their place to others. */
static void
tidy(ki_content *content, uint64_t bytes, ki_garbage *garbage)
{
    const ki_seg *segs = segs_of(content);

    if (content->room != 0) {
        if (content->count > ROW_SLACK + content->size / SMALL * 4) {
            gather(content, garbage);
            shrink_row(content);
            segs = segs_of(content);
        }
        if (content->room == 0) {
            return; // one block, just made
        }
        content->row.many.spliced += bytes;
        if (content->row.many.spliced <= content->size + KI_CONTENT_LARGE) {
            return;
        }
        content->row.many.spliced = 0;
    }
    for (uint32_t index = 0; index < content->count; index++) {
        if (hides_most(segs + index,
                       end_of(content, index) - segs[index].start)) {
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
    const ki_seg seg = {offset, 0, block};
    uint32_t more = 2;
    kist_status status;

    if (offset == before || (offset == 0 && end >= before)) {
        more = offset == before ? 1 : 0;
    }
    status = reserve(content, more);
    if (status != KIST_OK) {
        return status;
    }
    pad(content, offset);
    if (offset == content->size) {
        segs_for_change(content)[content->count++] = seg;
        content->size = end;
    }
    else {
        put_seg(content, &seg, end, garbage);
    }
    tidy(content, offset < before ? (end < before ? end : before) - offset : 0,
         garbage);
    return KIST_OK;
}

/* --- small writes -------------------------------------------------------- */

static uint64_t
page_size(const ki_content *content)
{
    uint64_t page = PAGE_MIN;

    while (content->size / PAGES_MAX > page && page < PAGE_MAX) {
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
    if (hides_most(segs_of(content) + keep - 1,
                   size - segs_of(content)[keep - 1].start)) {
        copy_out(content, keep - 1, garbage);
    }
    shrink_row(content);
    return KIST_OK;
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
