#include "log/record.h"

uint8_t *
ki_record_begin(uint8_t *to, const ki_record *record)
{
    const bool is_long = record->ksize >= KI_KSIZE_LONG;
    const uint32_t size = KI_RECORD_HEAD + (is_long ? 4u : 0u) +
                          record->ksize + record->vsize;
    const uint32_t span = (size + (KI_RECORD_ALIGN - 1)) &
                          ~(KI_RECORD_ALIGN - 1);
    uint8_t *at = to + KI_RECORD_HEAD;

    // The last word is zeroed first: it holds the padding.
    ki_store_le64(to + span - 8, 0);
    ki_store_le32(to + 4, size);
    to[8] = (uint8_t)(record->op | (record->more ? KI_OP_MORE : 0));
    to[9] = record->tag;
    ki_store_le16(to + 10,
                  (uint16_t)(is_long ? KI_KSIZE_LONG : record->ksize));
    ki_store_le64(to + 12, (uint64_t)record->coll | record->slot << 24);
    if (is_long) {
        ki_store_le32(at, record->ksize);
        at += 4;
    }
    if (record->ksize > 0) {
        memcpy(at, record->key, record->ksize);
    }
    return at + record->ksize;
}

bool
ki_record_peek(const uint8_t *bytes, uint64_t room, ki_record *record)
{
    const uint32_t span = ki_record_claim(bytes, room);
    uint64_t where;
    uint32_t size;
    uint32_t head = KI_RECORD_HEAD;
    uint32_t ksize;

    if (span == 0) {
        return false;
    }
    // Another process may be changing the file under us: the size is read
    // again here, so it is bounded again, by the span.
    size = ki_load_le32(bytes + 4);
    ksize = ki_load_le16(bytes + 10);
    if (size > span) {
        return false;
    }
    if (ksize == KI_KSIZE_LONG) {
        if (size < head + 4) {
            return false;
        }
        ksize = ki_load_le32(bytes + head);
        head += 4;
    }
    if (size < head || ksize > size - head) {
        return false;
    }
    where = ki_load_le64(bytes + 12);
    record->op = bytes[8] & 0x7f;
    record->more = (bytes[8] & KI_OP_MORE) != 0;
    record->tag = bytes[9];
    record->coll = (uint32_t)(where & KI_COLL_MAX);
    record->slot = where >> 24;
    record->key = bytes + head;
    record->ksize = ksize;
    record->value = bytes + head + ksize;
    record->vsize = size - head - ksize;
    record->span = span;
    return true;
}

bool
ki_record_load(const uint8_t *bytes, uint64_t room, uint32_t seed,
               ki_record *record)
{
    return ki_record_peek(bytes, room, record) &&
           ki_record_is_whole(bytes, record, seed);
}
