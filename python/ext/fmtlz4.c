#include "fmtlz4.h"

#define XXH_INLINE_ALL
#include <lz4.h>
#include <xxhash.h>

#define FRAME_MAGIC     0x184D2204u
#define SKIPPABLE_MAGIC 0x184D2A50u
#define SKIPPABLE_MASK  0xFFFFFFF0u
#define HEAD_SIZE       7u
#define BLOCK_SIZE      65536u
#define BLOCK_RAW       0x80000000u
#define DICT_SIZE       65536u
#define RATIO_MAX       255u

/* The flags of a frame, third byte behind the magic number. */
#define FLAG_DICT          0x01u
#define FLAG_RESERVED      0x02u
#define FLAG_CONTENT_CHECK 0x04u
#define FLAG_CONTENT_SIZE  0x08u
#define FLAG_BLOCK_CHECK   0x10u
#define FLAG_INDEPENDENT   0x20u
#define FLAG_VERSION_MASK  0xC0u
#define FLAG_VERSION       0x40u

static const uint8_t frame_head[HEAD_SIZE] = {0x04, 0x22, 0x4D, 0x18,
                                              0x40, 0x40, 0xC0};

static uint32_t
load_le32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
           (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void
store_le32(uint8_t *bytes, uint32_t number)
{
    bytes[0] = (uint8_t)number;
    bytes[1] = (uint8_t)(number >> 8);
    bytes[2] = (uint8_t)(number >> 16);
    bytes[3] = (uint8_t)(number >> 24);
}

bool
kpy_lz4_is_frame(kist_slice data)
{
    return data.size >= 4 && load_le32(data.data) == FRAME_MAGIC;
}

/* --- writing ---------------------------------------------------------------
 */

kist_status
kpy_lz4_deflate(kist_slice plain, kist_buf *out)
{
    const size_t blocks = plain.size / BLOCK_SIZE + 1;
    const char *from = plain.data;
    size_t left = plain.size;
    LZ4_stream_t stream;
    uint8_t *to;
    kist_status status;

    // A block that does not shrink is kept as it is.
    status = kist_buf_reserve(out, HEAD_SIZE + plain.size + 4 * (blocks + 1));
    if (status != KIST_OK) {
        return status;
    }
    to = out->data + out->size;
    memcpy(to, frame_head, HEAD_SIZE);
    to += HEAD_SIZE;
    // All of its table is made zero: what is found in it decides which bytes
    // come out, and the peer begins with a new one.
    (void)LZ4_initStream(&stream, sizeof(stream));
    while (left > 0) {
        const int size = left < BLOCK_SIZE ? (int)left : (int)BLOCK_SIZE;
        const int packed = LZ4_compress_fast_continue(
            &stream, from, (char *)to + 4, size, size - 1, 1);

        if (packed > 0 && packed < size) {
            store_le32(to, (uint32_t)packed);
            to += 4 + packed;
        }
        else {
            store_le32(to, (uint32_t)size | BLOCK_RAW);
            memcpy(to + 4, from, (size_t)size);
            to += 4 + size;
        }
        from += size;
        left -= (size_t)size;
    }
    store_le32(to, 0);
    to += 4;
    out->size = (size_t)(to - out->data);
    return KIST_OK;
}

/* --- reading ---------------------------------------------------------------
 */

/* What a frame's head says. */
typedef struct frame_info {
    uint8_t flags;
    size_t block_max;
    bool sized;
    uint64_t content_size;
} frame_info;

static const uint8_t *
cut(kist_slice *data, size_t size)
{
    const uint8_t *front = data->data;

    if (data->size < size) {
        return NULL;
    }
    data->data = front + size;
    data->size -= size;
    return front;
}

static kist_status
read_head(kist_slice *data, frame_info *info)
{
    const uint8_t *head = cut(data, 6);
    const uint8_t *more;
    size_t size = 2;

    if (head == NULL) {
        return KIST_ERR_CORRUPT;
    }
    head += 4;
    info->flags = head[0];
    info->sized = (info->flags & FLAG_CONTENT_SIZE) != 0;
    size += info->sized ? 8 : 0;
    // A dictionary is nothing that a file could come with.
    if ((info->flags & FLAG_VERSION_MASK) != FLAG_VERSION ||
        (info->flags & (FLAG_RESERVED | FLAG_DICT)) != 0 ||
        (head[1] & 0x8F) != 0 || (head[1] >> 4) < 4) {
        return KIST_ERR_CORRUPT;
    }
    info->block_max = (size_t)1 << (8 + 2 * (head[1] >> 4));
    more = cut(data, size - 2 + 1);
    if (more == NULL ||
        more[size - 2] != (uint8_t)(XXH32(head, size, 0) >> 8)) {
        return KIST_ERR_CORRUPT;
    }
    if (info->sized) {
        info->content_size = load_le32(more) | (uint64_t)load_le32(more + 4)
                                                   << 32;
    }
    return KIST_OK;
}

/* Appends what the block of `size` bytes at `from` holds. */
static kist_status
read_block(const uint8_t *from, size_t size, const frame_info *info,
           size_t frame_start, kist_buf *out)
{
    const size_t room = size < info->block_max / RATIO_MAX
                            ? size * RATIO_MAX + 16
                            : info->block_max;
    size_t dict =
        (info->flags & FLAG_INDEPENDENT) != 0 ? 0 : out->size - frame_start;
    kist_status status = kist_buf_reserve(out, room);
    char *to;
    int made;

    if (status != KIST_OK) {
        return status;
    }
    dict = dict > DICT_SIZE ? DICT_SIZE : dict;
    to = (char *)out->data + out->size;
    made = LZ4_decompress_safe_usingDict((const char *)from, to, (int)size,
                                         (int)room, to - dict, (int)dict);
    if (made < 0 || (size_t)made > info->block_max) {
        return KIST_ERR_CORRUPT;
    }
    out->size += (size_t)made;
    return KIST_OK;
}

static kist_status
read_blocks(kist_slice *data, const frame_info *info, size_t frame_start,
            size_t size_max, kist_buf *out)
{
    for (;;) {
        const uint8_t *head = cut(data, 4);
        const uint32_t word = head == NULL ? 0 : load_le32(head);
        const size_t size = word & ~BLOCK_RAW;
        const uint8_t *bytes;
        const uint8_t *check = NULL;
        kist_status status;

        if (head == NULL) {
            return KIST_ERR_CORRUPT;
        }
        if (word == 0) {
            return KIST_OK;
        }
        bytes = size > info->block_max ? NULL : cut(data, size);
        if (bytes != NULL && (info->flags & FLAG_BLOCK_CHECK) != 0) {
            check = cut(data, 4);
            bytes = check == NULL ? NULL : bytes;
        }
        if (bytes == NULL ||
            (check != NULL && load_le32(check) != XXH32(bytes, size, 0))) {
            return KIST_ERR_CORRUPT;
        }
        status = (word & BLOCK_RAW) != 0
                     ? kist_buf_append(out, bytes, size)
                     : read_block(bytes, size, info, frame_start, out);
        if (status != KIST_OK) {
            return status;
        }
        if (out->size > size_max) {
            return KIST_ERR_TOOBIG;
        }
    }
}

static kist_status
read_frame(kist_slice *data, size_t size_max, kist_buf *out)
{
    const size_t start = out->size;
    frame_info info = {0};
    kist_status status = read_head(data, &info);

    if (status == KIST_OK) {
        status = read_blocks(data, &info, start, size_max, out);
    }
    if (status != KIST_OK) {
        return status;
    }
    if (info.sized && info.content_size != out->size - start) {
        return KIST_ERR_CORRUPT;
    }
    if ((info.flags & FLAG_CONTENT_CHECK) != 0) {
        const uint8_t *check = cut(data, 4);
        const uint32_t sum = XXH32(out->data + start, out->size - start, 0);

        if (check == NULL || load_le32(check) != sum) {
            return KIST_ERR_CORRUPT;
        }
    }
    return KIST_OK;
}

kist_status
kpy_lz4_inflate(kist_slice data, size_t size_max, kist_buf *out)
{
    kist_status status = KIST_OK;

    // XXH32 and memcpy want no NULL, even for nothing.
    status = kist_buf_reserve(out, 1);
    while (status == KIST_OK && data.size > 0) {
        uint32_t magic;
        const uint8_t *head;

        if (data.size < 8) {
            return KIST_ERR_CORRUPT;
        }
        magic = load_le32(data.data);
        if (magic == FRAME_MAGIC) {
            status = read_frame(&data, size_max, out);
        }
        else if ((magic & SKIPPABLE_MASK) == SKIPPABLE_MAGIC) {
            head = cut(&data, 8);
            status = cut(&data, load_le32(head + 4)) == NULL ? KIST_ERR_CORRUPT
                                                             : KIST_OK;
        }
        else {
            status = KIST_ERR_CORRUPT;
        }
    }
    return status;
}
