#include "log/record.h"

uint8_t *
ki_record_begin(uint8_t *to, const ki_record *record)
{
    const bool is_long = record->ksize >= KI_KSIZE_LONG;
    const uint32_t size =
        KI_RECORD_HEAD + (is_long ? 4u : 0u) + record->ksize + record->vsize;
    const uint32_t span =
        (size + (KI_RECORD_ALIGN - 1)) & ~(KI_RECORD_ALIGN - 1);
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
ki_record_peek_long(const uint8_t *bytes, uint32_t size, ki_record *record)
{
    if (size < KI_RECORD_HEAD + 4) {
        return false;
    }
    record->ksize = ki_load_le32(bytes + KI_RECORD_HEAD);
    size -= KI_RECORD_HEAD + 4;
    if (record->ksize > size) {
        return false;
    }
    record->key = bytes + KI_RECORD_HEAD + 4;
    record->value = record->key + record->ksize;
    record->vsize = size - record->ksize;
    return true;
}

bool
ki_record_load(const uint8_t *bytes, uint64_t room, uint32_t seed,
               ki_record *record)
{
    return ki_record_peek(bytes, room, record) &&
           ki_record_is_whole(bytes, record, seed);
}
