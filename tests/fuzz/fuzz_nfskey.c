/*
 * Arbitrary bytes as a value's file and as our list of keys.  A key that is
 * found in the beginning of a file is the one that the whole file has.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/crc32c.h"
#include "store/nfsdirlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void
try_value(ki_nfsformat format, const uint8_t *bytes, size_t size)
{
    kist_buf first = {0};
    kist_buf second = {0};
    kist_slice whole;
    kist_slice part;
    const kist_status status =
        ki_nfskey_read(format, kist_bytes(bytes, size), true, &first, &whole);

    require(status == KIST_OK || status == KIST_ERR_CORRUPT);
    require(status != KIST_OK || ki_nfskey_valid(whole));
    for (size_t cut = 0; cut < size && cut < 64; cut++) {
        if (ki_nfskey_read(format, kist_bytes(bytes, cut), false, &second,
                           &part) == KIST_OK) {
            require(status == KIST_OK && ki_nfskey_same(whole, part));
        }
    }
    kist_buf_fini(&first);
    kist_buf_fini(&second);
}

static void
try_list(uint8_t *bytes, size_t size)
{
    ki_nfslist *list;
    kist_buf again = {0};
    kist_slice key;
    size_t at = 0;
    uint64_t count = 0;

    if (size >= 12) {
        memcpy(bytes, "kistnfs1", 8);
        ki_store_le32(bytes + 8, ki_crc32c(0, bytes + 12, size - 12));
    }
    if (ki_nfslist_parse(kist_bytes(bytes, size), &list) != KIST_OK) {
        return;
    }
    while (ki_nfslist_next(list, list->keys.size, &at, &key)) {
        require(ki_nfskey_valid(key));
        count++;
    }
    require(count == list->count && at == list->keys.size);
    require(ki_nfslist_print(list, &again) == KIST_OK);
    require(again.size == size);
    kist_buf_fini(&again);
    ki_nfslist_drop(list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size == 0 ? 1 : size); // of this size

    if (bytes == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(bytes, data, size);
    }
    try_value(KI_NFS_PICKLE, bytes, size);
    try_value(KI_NFS_JSON, bytes, size);
    try_list(bytes, size);
    free(bytes);
    return 0;
}
