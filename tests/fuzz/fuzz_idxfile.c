/*
 * Arbitrary bytes as an index: the file as it is, or a sound header with
 * arbitrary words behind it.  It is opened, looked into with arbitrary roots,
 * and then changed, for a writer too must live through any damage.
 *
 *     byte 0      bit 0: the rest is the whole file
 *                 bit 1: the header words are made sound
 *                 bit 2: changes are tried too
 *     then        roots: 8 words; then words with their addresses / 8
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/byteorder.h"
#include "base/hash.h"
#include "index/hashidx.h"
#include "index/idxfile.h"
#include "index/ordertree.h"
#include "index/slots.h"

#define FILE_SIZE (UINT64_C(16) * KI_IDX_ARENA)
#define RESERVE   (UINT64_C(1) << 22)
#define ROOTS     8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t own_uuid[16] = "fuzzed index...";

static const char *
path_of_file(void)
{
    static char path[64];

    snprintf(path, sizeof(path), "/dev/shm/kist-fuzz-%ld", (long)getpid());
    return path;
}

static void
write_file(const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path_of_file(), "wb");

    if (file == NULL || fwrite(bytes, 1, size, file) != size ||
        fclose(file) != 0) {
        abort();
    }
}

/* A file with a header that is believed, and the input's words in it. */
static void
make_file(const uint8_t *data, size_t size, bool sound)
{
    static uint8_t image[FILE_SIZE];
    size_t i;

    memset(image, 0, sizeof(image));
    for (i = 0; i + 10 <= size; i += 10) {
        const size_t at = (size_t)ki_load_le16(data + i) * 8;

        if (at + 8 <= sizeof(image)) {
            memcpy(image + at, data + i + 2, 8);
        }
    }
    if (sound) {
        ki_store_le64(image + KI_W_SIZE, FILE_SIZE);
        ki_store_le64(image + KI_W_BUMP, FILE_SIZE / 2);
    }
    ki_store_le64(image + KI_W_MAGIC, KI_IDX_MAGIC);
    ki_store_le64(image + KI_W_FORMAT,
                  KI_IDX_FORMAT << 32 | sizeof(pthread_mutex_t));
    memcpy(image + KI_W_UUID, own_uuid, 16);
    ki_store_le64(image + KI_W_GENERATION, 1);
    ki_store_le64(image + KI_W_HEADER_HASH, ki_hash(image, 40, KI_IDX_MAGIC));
    write_file(image, sizeof(image));
}

static kist_status
rehash(void *context, uint64_t offset, uint64_t *hash)
{
    (void)context;
    *hash = offset * UINT64_C(0x9e3779b97f4a7c15);
    return offset % 24 == 0 ? KIST_ERR_CORRUPT : KIST_OK;
}

static void
look(const ki_idx *idx, const ki_tx *tx, uint64_t root, uint64_t i)
{
    uint64_t words[100];
    uint64_t address;
    uint64_t word;
    uint64_t sum = 0;
    ki_probe probe;

    if (ki_tree_at(idx, tx, root, i, &address)) {
        sum += ki_word_load(idx, address);
    }
    if (ki_tree_run(idx, tx, root, i, words, 100) > 0) {
        sum += words[0];
    }
    sum += ki_tree_count(idx, tx, root);
    address = ki_slots_at(idx, tx, KI_W_CATALOG, i);
    if (address != 0) {
        sum += ki_word_load(idx, address);
    }
    sum += ki_hash_home(idx, NULL, root, i);
    ki_probe_begin(&probe, idx, tx, root, i);
    while (ki_probe_next(&probe, &word, &address)) {
        sum += ki_word_load(idx, address);
    }
    (void)sum;
}

/* Failures are fine here; only crashes and hangs are not. */
static void
change(ki_idx *idx, uint64_t root, uint64_t i, ki_tx_mode mode)
{
    uint64_t address;
    uint64_t word;
    ki_tx tx;
    int step;

    for (step = 0; step < 7; step++) {
        kist_status status = KIST_OK;

        ki_tx_init(&tx, idx, mode);
        ki_word_store(idx, KI_W_CATALOG, root);
        switch (step) {
        case 0:
            status = ki_tree_insert(&tx, KI_W_CATALOG, i, 1);
            break;
        case 1:
            status = ki_tree_append(&tx, KI_W_CATALOG, 1);
            break;
        case 2:
            status = ki_tree_remove(&tx, KI_W_CATALOG, i % 1000, i);
            break;
        case 3:
            status = ki_hash_room(&tx, KI_W_CATALOG, i, 80000, rehash, NULL,
                                  &address, &word);
            break;
        case 4:
            status = ki_slots_room(&tx, KI_W_CATALOG, i, &address);
            break;
        case 5:
            ki_tree_clear(&tx, KI_W_CATALOG);
            break;
        default:
            ki_hash_clear(&tx, KI_W_CATALOG);
            ki_slots_clear(&tx, KI_W_CATALOG);
            break;
        }
        // Thrown away: only a sound index is ever committed to.
        (void)status;
        ki_tx_abort(&tx);
        ki_tx_fini(&tx);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t roots[ROOTS];
    uint8_t flags;
    ki_idx idx;
    size_t i;

    if (size < 1 + sizeof(roots)) {
        return 0;
    }
    flags = data[0];
    memcpy(roots, data + 1, sizeof(roots));
    data += 1 + sizeof(roots);
    size -= 1 + sizeof(roots);
    if ((flags & 1) != 0) {
        write_file(data, size);
    }
    else {
        make_file(data, size, (flags & 2) != 0);
    }
    if (ki_idx_open(&idx, path_of_file(), true, own_uuid, 1, RESERVE) ==
        KIST_OK) {
        (void)ki_idx_synced(&idx);
        for (i = 0; i < ROOTS; i++) {
            ki_word_store(&idx, KI_W_CATALOG, roots[i]);
            look(&idx, NULL, roots[i], roots[(i + 1) % ROOTS]);
            look(&idx, NULL, roots[i], i);
        }
        if ((flags & 4) != 0) {
            change(&idx, roots[0], roots[1],
                   (flags & 8) != 0 ? KI_TX_BATCH : KI_TX_DIRECT);
        }
        ki_tx_redo(&idx);
        ki_idx_close(&idx);
    }
    (void)unlink(path_of_file());
    return 0;
}
