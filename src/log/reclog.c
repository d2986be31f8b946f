#include "log/reclog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "kist/version.h"
#include "os/file.h"

#define HEAD_SIZE     60u
#define HEAD_CRC      56u
#define CLOSED_AT     512u
#define CLOSED_SIZE   12u
#define SUPERSEDED_AT 1024u
#define HEAD_COPY     2048u
#define GROW_MIN      (UINT64_C(64) << 10)
#define GROW_MAX      (UINT64_C(16) << 20)

static const uint8_t magic[8] = {'K', 'I', 'S', 'T', 'L', 'O', 'G', '\n'};

kist_status
ki_log_birth_new(ki_log_birth *birth)
{
    memset(birth, 0, sizeof(*birth));
    if (ki_io->random(birth->uuid, sizeof(birth->uuid)) != 0 ||
        ki_io->random(&birth->seed, sizeof(birth->seed)) != 0 ||
        ki_io->random(&birth->salt, sizeof(birth->salt)) != 0) {
        return KI_FAIL(KIST_ERR_IO, NULL, KI_NO_OFFSET, "getrandom");
    }
    birth->generation = 1;
    return KIST_OK;
}

static void
head_store(uint8_t *head, const ki_log_birth *birth)
{
    memcpy(head, magic, sizeof(magic));
    ki_store_le32(head + 8, KIST_FORMAT_LOG);
    ki_store_le32(head + 12, 0);
    memcpy(head + 16, birth->uuid, 16);
    ki_store_le64(head + 32, birth->generation);
    ki_store_le64(head + 40, birth->seed);
    ki_store_le64(head + 48, birth->salt);
    ki_store_le32(head + HEAD_CRC, ki_crc32c(0, head, HEAD_CRC));
}

static bool
head_is_good(const uint8_t *head)
{
    return memcmp(head, magic, sizeof(magic)) == 0 &&
           ki_load_le32(head + 8) == KIST_FORMAT_LOG &&
           ki_load_le32(head + HEAD_CRC) == ki_crc32c(0, head, HEAD_CRC);
}

/* Either copy of the head will do; without one, say what is wrong. */
static kist_status
head_load(ki_reclog *log, const uint8_t page[KI_LOG_BEGIN])
{
    const uint8_t *head = page;

    if (!head_is_good(head)) {
        head = page + HEAD_COPY;
    }
    if (!head_is_good(head)) {
        if (memcmp(page, magic, sizeof(magic)) != 0) {
            return KI_FAIL(KIST_ERR_NOTKIST, log->path, 0, "file");
        }
        if (ki_load_le32(page + 8) > KIST_FORMAT_LOG) {
            return KI_FAIL(KIST_ERR_NEWER, log->path, 8, "log format");
        }
        return KI_FAIL(KIST_ERR_CORRUPT, log->path, 0, "log header");
    }
    memcpy(log->uuid, head + 16, 16);
    log->generation = ki_load_le64(head + 32);
    log->seed = ki_load_le64(head + 40);
    log->salt = ki_load_le64(head + 48);
    return KIST_OK;
}

kist_status
ki_reclog_map(ki_reclog *log, uint64_t size, uint64_t reserve)
{
    const kist_status status = ki_mapping_init(
        &log->map, log->fd, log->path,
        log->writable ? KI_MAP_WRITE : KI_MAP_READ, size, reserve, true);

    log->base = log->map.base;
    log->limit = log->map.reserved;
    return status;
}

/*
 * Where the address space is limited, the map must not take so much that
 * nothing is left for the index: less is asked for until it fits, and then a
 * quarter of that is used.
 */
static kist_status
map_it(ki_reclog *log, uint64_t size, uint64_t reserve)
{
    uint64_t wanted = reserve < size * 4 ? size * 4 : reserve;
    kist_status status = ki_reclog_map(log, size, wanted);
    bool scarce = status == KIST_ERR_NOMEM ||
                  (status == KIST_OK && log->map.reserved < wanted);

    while (scarce && wanted > size) {
        ki_mapping_fini(&log->map);
        wanted = wanted / 4 > size ? wanted / 4 : size;
        status = ki_reclog_map(log, size, wanted);
        scarce = status == KIST_ERR_NOMEM ||
                 (status == KIST_OK && log->map.reserved < wanted);
        if (!scarce && wanted / 4 > size) {
            ki_mapping_fini(&log->map);
            status = ki_reclog_map(log, size, wanted / 4);
        }
    }
    if (status != KIST_OK) {
        return status;
    }
    return ki_io->identify(log->fd, &log->id) == 0
               ? KIST_OK
               : KI_FAIL(KIST_ERR_IO, log->path, KI_NO_OFFSET, "statx");
}

static kist_status
init(ki_reclog *log, const char *path, bool writable)
{
    memset(log, 0, sizeof(*log));
    log->fd = -1;
    log->writable = writable;
    log->path = ki_strdup(path);
    return log->path != NULL
               ? KIST_OK
               : KI_FAIL(KIST_ERR_NOMEM, path, KI_NO_OFFSET, "log path");
}

kist_status
ki_reclog_create(ki_reclog *log, const char *path, uint32_t file_mode,
                 const ki_log_birth *birth, uint64_t size, uint64_t reserve)
{
    uint8_t page[KI_LOG_BEGIN];
    kist_status status;

    memset(page, 0, sizeof(page));
    head_store(page, birth);
    memcpy(page + HEAD_COPY, page, HEAD_SIZE);
    status = init(log, path, true);
    if (status != KIST_OK) {
        return status;
    }
    status =
        ki_file_open(path, O_RDWR | O_CREAT | O_EXCL, file_mode, &log->fd);
    if (status != KIST_OK) {
        goto out;
    }
    status = ki_file_allocate(log->fd, path, 0, size);
    if (status != KIST_OK) {
        goto out;
    }
    status = ki_file_write_at(log->fd, path, 0, page, sizeof(page));
    if (status != KIST_OK) {
        goto out;
    }
    status = head_load(log, page);
    if (status != KIST_OK) {
        goto out;
    }
    status = map_it(log, size, reserve);

out:
    if (status != KIST_OK) {
        if (log->fd >= 0) {
            (void)ki_io->unlink(path);
        }
        ki_reclog_close(log);
    }
    return status;
}

kist_status
ki_reclog_open(ki_reclog *log, const char *path, bool writable,
               uint64_t reserve)
{
    uint8_t page[KI_LOG_BEGIN];
    struct stat about;
    kist_status status;

    status = init(log, path, writable);
    if (status != KIST_OK) {
        return status;
    }
    status = ki_file_open(path, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW, 0,
                          &log->fd);
    if (status != KIST_OK) {
        goto out;
    }
    if (ki_io->fstat(log->fd, &about) != 0) {
        status = KI_FAIL(KIST_ERR_IO, path, KI_NO_OFFSET, "fstat");
        goto out;
    }
    if (!S_ISREG(about.st_mode)) {
        status = KI_FAIL(KIST_ERR_NOTKIST, path, KI_NO_OFFSET,
                         "not a regular file");
        goto out;
    }
    if (about.st_size < (off_t)KI_LOG_BEGIN) {
        memset(page, 0, sizeof(page));
        status =
            ki_file_read_at(log->fd, path, 0, page, (size_t)about.st_size);
        if (status == KIST_OK) {
            status = memcmp(page, magic, sizeof(magic)) == 0
                         ? KI_FAIL(KIST_ERR_CORRUPT, path,
                                   (uint64_t)about.st_size, "log cut short")
                         : KI_FAIL(KIST_ERR_NOTKIST, path, 0, "file");
        }
        goto out;
    }
    status = ki_file_read_at(log->fd, path, 0, page, sizeof(page));
    if (status != KIST_OK) {
        goto out;
    }
    status = head_load(log, page);
    if (status != KIST_OK) {
        goto out;
    }
    status = map_it(log, (uint64_t)about.st_size, reserve);

out:
    if (status != KIST_OK) {
        ki_reclog_close(log);
    }
    return status;
}

void
ki_reclog_close(ki_reclog *log)
{
    if (log == NULL || log->path == NULL) {
        return;
    }
    ki_mapping_fini(&log->map);
    ki_file_close(&log->fd);
    ki_free(log->path);
    log->path = NULL;
    log->base = NULL;
    log->limit = 0;
}

kist_status
ki_reclog_renamed(ki_reclog *log, const char *path)
{
    char *copy = ki_strdup(path);

    if (copy == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, path, KI_NO_OFFSET, "log path");
    }
    ki_free(log->path);
    log->path = copy;
    return KIST_OK;
}

kist_status
ki_reclog_grow(ki_reclog *log, uint64_t size, uint64_t end, uint64_t *size_new)
{
    uint64_t step = size / 4;
    uint64_t target;
    kist_status status;

    if (end > log->limit) {
        return KI_FAIL(KIST_ERR_NOMEM, log->path, end,
                       "log address space (map_reserve)");
    }
    step = step < GROW_MIN ? GROW_MIN : step > GROW_MAX ? GROW_MAX : step;
    target = (end + step + GROW_MIN - 1) & ~(GROW_MIN - 1);
    target = target > log->limit ? log->limit : target;
    status = ki_file_allocate(log->fd, log->path, size, target - size);
    if (status != KIST_OK) {
        // The disk may have room for less.
        target = (end + 4095) & ~UINT64_C(4095);
        status = ki_file_allocate(log->fd, log->path, size, target - size);
        if (status != KIST_OK) {
            return status;
        }
    }
    *size_new = target;
    return KIST_OK;
}

void
ki_reclog_wipe(ki_reclog *log, uint64_t from, uint64_t to, bool *wiped)
{
    uint8_t *at = ki_reclog_writable(log, from);
    uint8_t *end = ki_reclog_writable(log, to);

    *wiped = false;
    for (; at < end; at += 8) {
        if (ki_load_le64(at) != 0) {
            ki_store_le64(at, 0);
            *wiped = true;
        }
    }
}

uint64_t
ki_reclog_closed_end(const ki_reclog *log)
{
    const uint8_t *at = log->base + CLOSED_AT;

    return ki_load_le32(at + 8) == ki_crc32c((uint32_t)log->salt, at, 8)
               ? ki_load_le64(at)
               : 0;
}

kist_status
ki_reclog_set_closed_end(ki_reclog *log, uint64_t end)
{
    uint8_t block[CLOSED_SIZE];

    ki_store_le64(block, end);
    ki_store_le32(block + 8, ki_crc32c((uint32_t)log->salt, block, 8));
    return ki_file_write_at(log->fd, log->path, CLOSED_AT, block,
                            sizeof(block));
}

static _Atomic uint64_t *
superseded(const uint8_t *base)
{
    return (_Atomic uint64_t *)(uintptr_t)(base + SUPERSEDED_AT);
}

bool
ki_reclog_is_superseded(const ki_reclog *log)
{
    return atomic_load_explicit(superseded(log->base), memory_order_acquire) !=
           0;
}

void
ki_reclog_set_superseded(ki_reclog *log)
{
    atomic_store_explicit(superseded(log->base), 1, memory_order_release);
}

uint64_t
ki_reclog_resync(const ki_reclog *log, uint64_t from, uint64_t end,
                 ki_record *record)
{
    uint64_t at = (from + 7) & ~UINT64_C(7);

    for (; at + KI_RECORD_HEAD + 4 <= end; at += 8) {
        if (ki_load_le64(log->base + at) != 0 &&
            ki_reclog_load(log, at, end, record)) {
            return at;
        }
    }
    return end;
}
