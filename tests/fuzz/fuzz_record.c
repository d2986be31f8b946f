/*
 * Arbitrary bytes as a record: as they are, and with their crc mended, so
 * that what lies behind the check is reached.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "log/record.h"

#define SEED UINT32_C(0x5eed)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* All that a loaded record points to lies in its own bytes. */
static void
check(const uint8_t *bytes, size_t size, const ki_record *record)
{
    const uint8_t *end = bytes + size;
    uint32_t sum = 0;
    uint32_t i;

    require(record->span <= size && record->span % KI_RECORD_ALIGN == 0);
    require(record->key >= bytes + KI_RECORD_HEAD && record->key <= end);
    require(record->ksize <= (size_t)(end - record->key));
    require(record->value == record->key + record->ksize);
    require(record->vsize <= (size_t)(end - record->value));
    require((size_t)(record->value + record->vsize - bytes) <= record->span);
    require(record->coll <= KI_COLL_MAX);
    require((record->op & KI_OP_MORE) == 0);
    for (i = 0; i < record->ksize; i++) {
        sum += record->key[i];
    }
    for (i = 0; i < record->vsize; i++) {
        sum += record->value[i];
    }
    require(sum <= (uint64_t)255 * size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size); // of this size, for the sanitizer
    ki_record record;
    uint32_t span;

    if (bytes == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(bytes, data, size);
    }
    if (ki_record_load(bytes, size, SEED, &record)) {
        check(bytes, size, &record);
    }
    span = ki_record_claim(bytes, size);
    if (span != 0) {
        require(span <= size);
        ki_record_finish(bytes, span, SEED);
        if (ki_record_load(bytes, size, SEED, &record)) {
            check(bytes, size, &record);
        }
        // Half of it must not do.
        require(!ki_record_load(bytes, span / 2, SEED, &record));
    }
    free(bytes);
    return 0;
}
