#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/crc32c.h"
#include "os/dirio.h"
#include "os/io.h"
#include "store/nfsdirlist.h"
#include "store/nfsdirtemp.h"
#include "store/nfsindex.h"

#define MAGIC      "kistnfs1"
#define CRC_AT     8
#define CRC_FROM   12
#define COUNT_AT   16
#define SHARDS_AT  24
#define SHARD_SIZE 16
#define KEYS_AT    (SHARDS_AT + KI_NFS_SHARDS * SHARD_SIZE)

/* Bytes of a list or an index that is believed to be one. */
#define FILE_SIZE_MAX ((size_t)1 << 32)
#define READ_STEP     ((size_t)256 << 10)

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* --- the list as bytes ------------------------------------------------------
 */

kist_status
ki_nfslist_print(const ki_nfslist *list, kist_buf *data)
{
    uint8_t head[KEYS_AT] = {0};
    kist_status status;

    memcpy(head, MAGIC, 8);
    ki_store_le64(head + COUNT_AT, list->count);
    for (size_t i = 0; i < KI_NFS_SHARDS; i++) {
        uint8_t *shard = head + SHARDS_AT + i * SHARD_SIZE;

        ki_store_le64(shard, (uint64_t)list->ctime_ns[i]);
        ki_store_le64(shard + 8, list->begin[i + 1] - list->begin[i]);
    }
    status = kist_buf_append(data, head, sizeof(head));
    if (status == KIST_OK) {
        status = kist_buf_append(data, list->keys.data, list->keys.size);
    }
    if (status == KIST_OK) {
        ki_store_le32(data->data + CRC_AT, ki_crc32c(0, data->data + CRC_FROM,
                                                     data->size - CRC_FROM));
    }
    return status;
}

/* The keys are as many as the head says, whole, and text. */
static bool
check_keys(const ki_nfslist *list)
{
    uint64_t count = 0;
    size_t at = 0;
    kist_slice key;

    for (size_t i = 0; i < KI_NFS_SHARDS; i++) {
        while (ki_nfslist_next(list, list->begin[i + 1], &at, &key)) {
            if (!ki_nfskey_valid(key)) {
                return false;
            }
            count++;
        }
        if (at != list->begin[i + 1]) {
            return false;
        }
    }
    return count == list->count;
}

kist_status
ki_nfslist_parse(kist_slice data, ki_nfslist **list)
{
    const uint8_t *bytes = data.data;
    size_t left;
    ki_nfslist *made;
    kist_status status;

    *list = NULL;
    if (data.size < KEYS_AT || memcmp(bytes, MAGIC, 8) != 0 ||
        ki_load_le32(bytes + CRC_AT) !=
            ki_crc32c(0, bytes + CRC_FROM, data.size - CRC_FROM)) {
        return KIST_ERR_CORRUPT;
    }
    status = ki_nfslist_new(&made);
    if (status != KIST_OK) {
        return status;
    }
    made->count = ki_load_le64(bytes + COUNT_AT);
    left = data.size - KEYS_AT;
    for (size_t i = 0; i < KI_NFS_SHARDS; i++) {
        const uint8_t *shard = bytes + SHARDS_AT + i * SHARD_SIZE;
        const uint64_t size = ki_load_le64(shard + 8);

        made->ctime_ns[i] = (int64_t)ki_load_le64(shard);
        if (size > left) {
            status = KIST_ERR_CORRUPT;
            break;
        }
        left -= (size_t)size;
        made->begin[i + 1] = made->begin[i] + (size_t)size;
    }
    if (status == KIST_OK) {
        status =
            kist_buf_append(&made->keys, bytes + KEYS_AT, data.size - KEYS_AT);
    }
    if (status == KIST_OK && (left != 0 || !check_keys(made))) {
        status = KIST_ERR_CORRUPT;
    }
    if (status != KIST_OK) {
        ki_nfslist_drop(made);
        return status;
    }
    *list = made;
    return KIST_OK;
}

/* --- files in the root ------------------------------------------------------
 */

kist_status
ki_nfsdir_slurp(const ki_nfsdir *dir, const char *name, kist_buf *data)
{
    kist_status status = KIST_OK;
    bool whole = false;
    int fd;

    ki_root_freshen(dir->root, dir->root->fd);
    fd = ki_dirio->open(dir->root->fd, name,
                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0) {
        return errno == ENOENT
                   ? KIST_ERR_NOTFOUND
                   : KI_ROOT_FAIL(KIST_ERR_IO, dir->root, name, "open");
    }
    while (status == KIST_OK && !whole) {
        const size_t room = data->size < READ_STEP ? READ_STEP : data->size;
        ssize_t size;

        status = data->size > FILE_SIZE_MAX
                     ? KI_ROOT_FAIL(KIST_ERR_TOOBIG, dir->root, name, "keys")
                     : kist_buf_reserve(data, room);
        if (status != KIST_OK) {
            break;
        }
        size =
            ki_io->pread(fd, data->data + data->size, room, (off_t)data->size);
        if (size >= 0) {
            data->size += (size_t)size;
            whole = (size_t)size < room;
        }
        else if (errno != EINTR) {
            status = KI_ROOT_FAIL(KIST_ERR_IO, dir->root, name, "read");
        }
    }
    (void)ki_io->close(fd);
    return status;
}

kist_status
ki_nfsdir_replace(const ki_nfsdir *dir, const char *name, kist_slice data,
                  bool sync)
{
    const ki_nfstemp_how how = {.shared = dir->mode, .sync = sync};
    ki_nfstemp temp;
    kist_status status =
        ki_nfstemp_write(dir->root, dir->root->fd, data, &how, &temp);

    return status == KIST_OK ? ki_nfstemp_name(dir->root, &temp, name, false)
                             : status;
}

ki_nfslist *
ki_nfslist_load(const ki_nfsdir *dir)
{
    kist_buf data = {0};
    ki_nfslist *list = NULL;

    if (ki_nfsdir_slurp(dir, dir->list_name, &data) != KIST_OK ||
        ki_nfslist_parse(kist_buf_slice(&data), &list) != KIST_OK) {
        list = NULL;
    }
    kist_buf_fini(&data);
    return list;
}

kist_status
ki_nfslist_save(const ki_nfsdir *dir, const ki_nfslist *list)
{
    kist_buf data = {0};
    kist_status status = ki_nfslist_print(list, &data);

    if (status == KIST_OK) {
        status = ki_nfsdir_replace(dir, dir->list_name, kist_buf_slice(&data),
                                   false);
    }
    kist_buf_fini(&data);
    return status;
}

static void
add_peer_keys(const ki_nfsdir *dir, const char *name, ki_nfsmap *map)
{
    kist_buf data = {0};
    ki_nfsindex index = {0};
    uint8_t digest[KI_SHA256_SIZE];

    if (ki_nfsdir_slurp(dir, name, &data) == KIST_OK &&
        ki_nfsindex_read(dir->format, kist_buf_slice(&data), &index) ==
            KIST_OK) {
        for (size_t i = 0; i < index.count; i++) {
            ki_sha256(index.keys[i].data, index.keys[i].size, digest);
            if (ki_nfsmap_add(map, digest, index.keys[i]) != KIST_OK) {
                break;
            }
        }
    }
    ki_nfsindex_fini(&index);
    kist_buf_fini(&data);
}

void
ki_nfsdir_peer_keys(const ki_nfsdir *dir, ki_nfsmap *map)
{
    add_peer_keys(dir, dir->index_name, map);
    add_peer_keys(dir, dir->was_name, map);
}
