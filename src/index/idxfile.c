#include "index/idxfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assertion.h"
#include "base/crc32c.h"
#include "base/fail.h"
#include "base/hash.h"
#include "os/file.h"

#define HEADER_HASHED 40u /* bytes of the header under KI_W_HEADER_HASH */
#define FORMAT_WORD   (KI_IDX_FORMAT << 32 | sizeof(pthread_mutex_t))

static uint64_t
header_hash(const ki_idx *idx)
{
    return ki_hash(idx->base, HEADER_HASHED, KI_IDX_MAGIC);
}

static void
header_write(ki_idx *idx, const uint8_t uuid[16], uint64_t generation)
{
    ki_word_store(idx, KI_W_MAGIC, KI_IDX_MAGIC);
    ki_word_store(idx, KI_W_FORMAT, FORMAT_WORD);
    memcpy(idx->base + KI_W_UUID, uuid, 16);
    ki_word_store(idx, KI_W_GENERATION, generation);
    ki_word_store(idx, KI_W_HEADER_HASH, header_hash(idx));
    ki_word_store(idx, KI_W_BUMP, KI_IDX_ARENA);
}

static bool
header_is_ours(const ki_idx *idx, const uint8_t uuid[16], uint64_t generation)
{
    return ki_word_load(idx, KI_W_MAGIC) == KI_IDX_MAGIC &&
           ki_word_load(idx, KI_W_FORMAT) == FORMAT_WORD &&
           memcmp(idx->base + KI_W_UUID, uuid, 16) == 0 &&
           ki_word_load(idx, KI_W_GENERATION) == generation &&
           ki_word_load(idx, KI_W_HEADER_HASH) == header_hash(idx);
}

static kist_status
map_it(ki_idx *idx, ki_map_mode mode, uint64_t size, uint64_t reserve)
{
    kist_status status;

    status = ki_mapping_init(&idx->map, idx->fd, idx->path, mode, size,
                             reserve > size ? reserve : size, true);
    if (status != KIST_OK) {
        return status;
    }
    idx->base = idx->map.base;
    idx->limit = idx->map.reserved;
    return KIST_OK;
}

kist_status
ki_idx_create(ki_idx *idx, const char *path, uint32_t file_mode,
              const uint8_t uuid[16], uint64_t generation, uint64_t reserve)
{
    const uint64_t size = 2 * (uint64_t)KI_IDX_ARENA;
    kist_status status;

    memset(idx, 0, sizeof(*idx));
    idx->fd = -1;
    if (path != NULL) {
        idx->path = ki_strdup(path);
        if (idx->path == NULL) {
            return KI_FAIL(KIST_ERR_NOMEM, path, KI_NO_OFFSET, "index path");
        }
        status =
            ki_file_open(path, O_RDWR | O_CREAT | O_EXCL, file_mode, &idx->fd);
        if (status != KIST_OK) {
            goto out;
        }
        status = ki_file_allocate(idx->fd, path, 0, size);
        if (status != KIST_OK) {
            goto out;
        }
    }
    status = map_it(idx, path != NULL ? KI_MAP_WRITE : KI_MAP_PRIVATE, size,
                    reserve);
    if (status != KIST_OK) {
        goto out;
    }
    ki_word_store(idx, KI_W_SIZE, path != NULL ? size : idx->limit);
    header_write(idx, uuid, generation);
    status = ki_shmlock_init(ki_idx_lock(idx, KI_W_LOCK));
    if (status == KIST_OK) {
        status = ki_shmlock_init(ki_idx_lock(idx, KI_W_SYNC_LOCK));
    }

out:
    if (status != KIST_OK) {
        if (idx->fd >= 0) {
            (void)ki_io->unlink(path);
        }
        ki_idx_close(idx);
    }
    return status;
}

kist_status
ki_idx_open(ki_idx *idx, const char *path, bool writable,
            const uint8_t uuid[16], uint64_t generation, uint64_t reserve)
{
    kist_status status;
    uint64_t claimed;
    uint64_t size;

    memset(idx, 0, sizeof(*idx));
    idx->fd = -1;
    idx->path = ki_strdup(path);
    if (idx->path == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, path, KI_NO_OFFSET, "index path");
    }
    status = ki_file_open(path, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW, 0,
                          &idx->fd);
    if (status != KIST_OK) {
        status = status == KIST_ERR_IO && errno == ENOENT ? KIST_ERR_NOTFOUND
                                                          : status;
        goto out;
    }
    status = ki_file_size(idx->fd, path, &size);
    if (status != KIST_OK) {
        goto out;
    }
    if (size < KI_IDX_ARENA) {
        status = KIST_ERR_NOTFOUND;
        goto out;
    }
    if (size > UINT64_MAX / 4) {
        status = KI_FAIL(KIST_ERR_CORRUPT, path, size, "index size");
        goto out;
    }
    status = map_it(idx, writable ? KI_MAP_WRITE : KI_MAP_READ, size,
                    size * 4 > reserve ? size * 4 : reserve);
    if (status != KIST_OK) {
        goto out;
    }
    // Others may be growing it: the file is made longer before the word.
    claimed = ki_word_load(idx, KI_W_SIZE);
    status = ki_file_size(idx->fd, path, &size);
    if (status == KIST_OK && (!header_is_ours(idx, uuid, generation) ||
                              claimed > size || claimed < KI_IDX_ARENA)) {
        status = KIST_ERR_NOTFOUND;
    }

out:
    if (status != KIST_OK) {
        ki_idx_close(idx);
    }
    return status;
}

kist_status
ki_idx_retire_older(const char *path, const uint8_t uuid[16],
                    uint64_t generation)
{
    uint64_t words[KI_W_HEADER_HASH / 8];
    const uint64_t stale = 1;
    int fd = -1;
    kist_status status;

    if (!ki_file_exists(path)) {
        return KIST_OK;
    }
    status = ki_file_open(path, O_RDWR | O_NOFOLLOW, 0, &fd);
    if (status == KIST_OK) {
        status = ki_file_read_at(fd, path, 0, words, sizeof(words));
        if (status == KIST_ERR_CORRUPT) {
            status = KIST_OK; // too short to be anybody's
        }
        else if (status == KIST_OK && words[0] == KI_IDX_MAGIC &&
                 words[KI_W_FORMAT / 8] == FORMAT_WORD &&
                 memcmp(&words[KI_W_UUID / 8], uuid, 16) == 0 &&
                 words[KI_W_GENERATION / 8] < generation) {
            status =
                ki_file_write_at(fd, path, KI_W_STALE, &stale, sizeof(stale));
        }
    }
    ki_file_close(&fd);
    return status;
}

void
ki_idx_close(ki_idx *idx)
{
    if (idx == NULL || (idx->base == NULL && idx->path == NULL)) {
        return;
    }
    ki_mapping_fini(&idx->map);
    ki_file_close(&idx->fd);
    ki_free(idx->path);
    idx->base = NULL;
    idx->path = NULL;
    idx->limit = 0;
}

/* The identity words as they should be now. */
static kist_status
identity_now(const ki_idx *idx, const ki_file_id *log, uint64_t words[9])
{
    ki_file_id id;

    memset(&id, 0, sizeof(id));
    if (ki_io->identify(idx->fd, &id) != 0) {
        return KI_FAIL(KIST_ERR_IO, idx->path, KI_NO_OFFSET, "statx");
    }
    memcpy(words, id.boot, 16);
    words[2] = id.mount;
    words[3] = id.device;
    words[4] = id.inode;
    words[5] = id.birth_ns;
    words[6] = log->device;
    words[7] = log->inode;
    words[8] = log->birth_ns;
    return KIST_OK;
}

bool
ki_idx_is_alive(const ki_idx *idx, const ki_file_id *log, bool beside)
{
    uint64_t words[9];
    unsigned i;

    if (identity_now(idx, log, words) != KIST_OK ||
        (!beside && words[2] == 0)) {
        return false;
    }
    for (i = 0; i < 9; i++) {
        if ((i != 2 || !beside) &&
            ki_word_load(idx, KI_W_IDENTITY + 8 * (uint64_t)i) != words[i]) {
            return false;
        }
    }
    return true;
}

kist_status
ki_idx_set_alive(ki_idx *idx, const ki_file_id *log)
{
    uint64_t words[9];
    kist_status status;
    unsigned i;

    if (idx->fd < 0) {
        return KIST_OK;
    }
    status = identity_now(idx, log, words);
    if (status != KIST_OK) {
        return status;
    }
    for (i = 0; i < 9; i++) {
        ki_word_store(idx, KI_W_IDENTITY + 8 * (uint64_t)i, words[i]);
    }
    return KIST_OK;
}

/*
 * Room is taken in steps of an eighth of what there is, so that a small kist
 * stays small and a large one is not stopped often.
 */
kist_status
ki_idx_grow(ki_idx *idx, uint64_t end)
{
    const uint64_t size = ki_word_load(idx, KI_W_SIZE);
    uint64_t step;
    uint64_t target;
    kist_status status;

    if (end <= size) {
        return KIST_OK;
    }
    if (end > idx->limit || idx->fd < 0) {
        return KI_FAIL(KIST_ERR_NOMEM, idx->path, end,
                       "index address space (map_reserve)");
    }
    step = size / 8;
    step = step > (UINT64_C(4) << 20) ? (UINT64_C(4) << 20) : step;
    target = (end + step + 4095) & ~UINT64_C(4095);
    target = target > idx->limit ? idx->limit : target;
    status = ki_file_allocate(idx->fd, idx->path, size, target - size);
    if (status != KIST_OK) {
        // The disk may have room for less.
        target = (end + 4095) & ~UINT64_C(4095);
        status = ki_file_allocate(idx->fd, idx->path, size, target - size);
        if (status != KIST_OK) {
            return status;
        }
    }
    ki_word_store(idx, KI_W_SIZE, target);
    return KIST_OK;
}

void
ki_idx_warm(const ki_idx *idx, uint64_t from, uint64_t end)
{
    const uint64_t size = ki_word_load(idx, KI_W_SIZE);

    if (idx->fd >= 0) {
        ki_file_warm(idx->fd, from, end < size ? end : size);
    }
}

uint64_t
ki_idx_sum(const ki_idx *idx)
{
    const uint64_t used = ki_idx_used(idx);
    uint32_t crc;

    if (!ki_idx_holds(idx, 0, used) || used < KI_IDX_ARENA) {
        return 0;
    }
    crc = ki_crc32c(0, idx->base + KI_W_BUMP, KI_IDX_REDO_PAGE - KI_W_BUMP);
    crc = ki_crc32c(crc, idx->base + KI_IDX_RINGS, used - KI_IDX_RINGS);
    // Never 0, which is what an index has that was never closed.
    return (uint64_t)crc << 1 | 1;
}

static uint64_t
synced_check(const ki_idx *idx, uint64_t offset)
{
    return ki_hash(idx->base + KI_W_UUID, 24, offset);
}

uint64_t
ki_idx_synced(const ki_idx *idx)
{
    const uint64_t offset = ki_word_load(idx, KI_W_SYNCED);

    return ki_word_load(idx, KI_W_SYNCED_CHECK) == synced_check(idx, offset)
               ? offset
               : 0;
}

void
ki_idx_set_synced(ki_idx *idx, uint64_t offset)
{
    ki_word_store(idx, KI_W_SYNCED, offset);
    ki_word_store(idx, KI_W_SYNCED_CHECK, synced_check(idx, offset));
}
