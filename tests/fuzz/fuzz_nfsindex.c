/*
 * Arbitrary bytes as the peer's index, in both formats: it is one, and then
 * its keys are text inside of it and survive being written again, or it is
 * none.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/nfsindex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void
read_again(ki_nfsformat format, const ki_nfsindex *index)
{
    ki_nfsindex again = {0};
    kist_buf data = {0};

    require(ki_nfsindex_begin(format, &data) == KIST_OK);
    for (size_t i = 0; i < index->count; i++) {
        require(ki_nfskey_valid(index->keys[i]));
        require(ki_nfsindex_add(format, &data, index->keys[i]) == KIST_OK);
    }
    require(ki_nfsindex_end(format, &data) == KIST_OK);
    require(ki_nfsindex_read(format, kist_buf_slice(&data), &again) ==
            KIST_OK);
    require(again.count == index->count);
    for (size_t i = 0; i < index->count; i++) {
        require(ki_nfskey_same(again.keys[i], index->keys[i]));
    }
    ki_nfsindex_fini(&again);
    kist_buf_fini(&data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size == 0 ? 1 : size); // of this size
    ki_nfsindex index = {0};

    if (bytes == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(bytes, data, size);
    }
    for (int f = 0; f < 2; f++) {
        const ki_nfsformat format = f == 0 ? KI_NFS_PICKLE : KI_NFS_JSON;

        if (ki_nfsindex_read(format, kist_bytes(bytes, size), &index) ==
            KIST_OK) {
            read_again(KI_NFS_PICKLE, &index);
            read_again(KI_NFS_JSON, &index);
        }
        require(index.count <= size);
        ki_nfsindex_fini(&index);
    }
    free(bytes);
    return 0;
}
