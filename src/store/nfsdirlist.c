#include "store/nfsdirlist.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/clock.h"
#include "os/dirio.h"
#include "os/io.h"
#include "store/nfsdirtemp.h"

#define ENTRIES_SIZE 32768
#define SHARD_FLAGS  (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* A clock that shows no nanoseconds ticks once in two seconds, at worst. */
#define TICK_COARSE_NS INT64_C(2500000000)
/* A server's clock may differ from ours. */
#define TICK_REMOTE_NS INT64_C(10000000000)

/* More names than this that nobody knows, and the peer's index is asked. */
#define UNKNOWN_MAX 16

/* A name that was found, and the key it stands for. */
typedef struct found {
    uint8_t digest[KI_SHA256_SIZE];
    bool known;
    kist_status status; // of reading it from the file
    kist_slice key;     // in the map, or in `own`
    kist_buf own;
} found;

/* A list in the making. */
typedef struct name_survey {
    ki_nfsdir *dir;
    const ki_nfslist *before; // or NULL
    ki_nfsmap known;          // keys whose names may turn up
    bool peer_asked;
    bool same[KI_NFS_SHARDS];
    int64_t ctime_ns[KI_NFS_SHARDS];
    size_t begin[KI_NFS_SHARDS + 1]; // of each shard in `names`
    found *names;
    size_t count;
    size_t room;
} name_survey;

/* --- lists ------------------------------------------------------------------
 */

kist_status
ki_nfslist_new(ki_nfslist **list)
{
    *list = ki_calloc(1, sizeof(**list));
    if (*list == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "list of keys");
    }
    atomic_store(&(*list)->refs, 1);
    return KIST_OK;
}

ki_nfslist *
ki_nfslist_hold(ki_nfslist *list)
{
    atomic_fetch_add_explicit(&list->refs, 1, memory_order_relaxed);
    return list;
}

void
ki_nfslist_drop(ki_nfslist *list)
{
    if (list != NULL &&
        atomic_fetch_sub_explicit(&list->refs, 1, memory_order_acq_rel) == 1) {
        kist_buf_fini(&list->keys);
        ki_free(list);
    }
}

bool
ki_nfslist_next(const ki_nfslist *list, size_t end, size_t *at,
                kist_slice *key)
{
    size_t size;

    if (end - *at < 4) {
        return false;
    }
    size = ki_load_le32(list->keys.data + *at);
    if (size > end - *at - 4) {
        return false;
    }
    *key = kist_bytes(list->keys.data + *at + 4, size);
    *at += 4 + size;
    return true;
}

kist_status
ki_nfslist_add(ki_nfslist *list, kist_slice key)
{
    uint8_t size[4];
    kist_status status;

    ki_store_le32(size, (uint32_t)key.size);
    status = kist_buf_append(&list->keys, size, sizeof(size));
    if (status == KIST_OK) {
        status = kist_buf_append(&list->keys, key.data, key.size);
    }
    list->count += status == KIST_OK;
    return status;
}

unsigned
ki_nfslist_doubts(const ki_nfslist *list)
{
    unsigned count = 0;

    for (size_t i = 0; i < KI_NFS_SHARDS; i++) {
        count += list->ctime_ns[i] == 0;
    }
    return count;
}

/* --- the clock --------------------------------------------------------------
 */

/* Two ticks of the clock that local file systems look at. */
static int64_t
tick_ns(void)
{
    struct timespec step;

    if (clock_getres(CLOCK_REALTIME_COARSE, &step) != 0) {
        return TICK_COARSE_NS;
    }
    return 2 * ((int64_t)step.tv_sec * 1000000000 + step.tv_nsec) + 1000000;
}

void
ki_nfslist_let_tick(const ki_nfsdir *dir)
{
    const struct timespec pause = {.tv_nsec = (long)(tick_ns() % 1000000000)};

    if (!dir->root->remote) {
        (void)nanosleep(&pause, NULL);
    }
}

/* The ctime if it is believed, else 0. */
static int64_t
believed(const ki_nfsdir *dir, const struct stat *status)
{
    const int64_t ctime_ns =
        (int64_t)status->st_ctim.tv_sec * 1000000000 + status->st_ctim.tv_nsec;
    const int64_t tick = dir->root->remote              ? TICK_REMOTE_NS
                         : status->st_ctim.tv_nsec == 0 ? TICK_COARSE_NS
                                                        : tick_ns();

    return ki_clock_wall_ns() - ctime_ns > tick ? ctime_ns : 0;
}

static void
name_shard(unsigned shard, char name[3])
{
    static const char digits[] = "0123456789abcdef";

    name[0] = digits[shard >> 4 & 15];
    name[1] = digits[shard & 15];
    name[2] = '\0';
}

/* --- one shard --------------------------------------------------------------
 */

static kist_status
add_name(name_survey *survey, const uint8_t *digest)
{
    if (survey->count == survey->room) {
        const size_t room = survey->room == 0 ? 1024 : survey->room * 2;
        found *names = ki_realloc(survey->names, room * sizeof(*names));

        if (names == NULL) {
            return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET,
                           "list of names");
        }
        survey->names = names;
        survey->room = room;
    }
    survey->names[survey->count] = (found){.status = KIST_OK};
    memcpy(survey->names[survey->count++].digest, digest, KI_SHA256_SIZE);
    return KIST_OK;
}

static void
report(const ki_nfsdir *dir, const char *path, const char *why)
{
    const kist_store_options *options = &dir->store.options;

    if (options->report != NULL) {
        options->report(options->context, path, why);
    }
}

/* What is in a shard: a value of ours, a value of the other format, a file
 * that will be a value, or something else. */
static kist_status
meet(name_survey *survey, unsigned shard, int fd, const char *name)
{
    const char *format = survey->dir->store.format;
    uint8_t digest[KI_SHA256_SIZE];
    char path[KI_NAME_SIZE_MAX + 8];
    bool stays;

    if (name[0] == '.' && (name[1] == '\0' || strcmp(name, "..") == 0 ||
                           strncmp(name, ".nfs", 4) == 0)) {
        return KIST_OK;
    }
    if (ki_nfstemp_sweep(fd, name, &stays)) {
        // Then the next one who lists it shall look again.
        if (stays) {
            survey->ctime_ns[shard] = 0;
        }
        return KIST_OK;
    }
    if (strnlen(name, KI_NFSNAME_DIGITS + 1) > KI_NFSNAME_DIGITS &&
        ki_nfsname_read(name, digest) && digest[0] == shard &&
        name[KI_NFSNAME_DIGITS] == '.') {
        return strcmp(name + KI_NFSNAME_DIGITS + 1, format) == 0
                   ? add_name(survey, digest)
                   : KIST_OK;
    }
    (void)snprintf(path, sizeof(path), "%02x/%s", shard, name);
    report(survey->dir, path, "not the name of a value");
    return KIST_OK;
}

static kist_status
read_names(name_survey *survey, unsigned shard, int fd)
{
    _Alignas(8) char entries[ENTRIES_SIZE];
    char name[3];

    for (;;) {
        const ssize_t size = ki_dirio->list(fd, entries, sizeof(entries));
        ssize_t at = 0;

        if (size < 0 && errno == ESTALE) {
            return KIST_END;
        }
        if (size < 0) {
            name_shard(shard, name);
            return KI_ROOT_FAIL(KIST_ERR_IO, survey->dir->root, name, "list");
        }
        if (size == 0) {
            return KIST_OK;
        }
        while (at < size) {
            kist_status status;

            // struct linux_dirent64: inode, offset, size, type, name
            status = meet(survey, shard, fd, entries + at + 19);
            if (status != KIST_OK) {
                return status;
            }
            at += ki_load_le16(entries + at + 16);
        }
    }
}

/* The shard is not a directory, or is none that may be entered. */
static kist_status
miss_shard(name_survey *survey, unsigned shard)
{
    char name[3];

    if (errno == ENOENT) {
        return KIST_OK;
    }
    name_shard(shard, name);
    if (errno == ENOTDIR || errno == ELOOP || errno == EXDEV) {
        report(survey->dir, name, "not a directory of values");
        return KIST_OK;
    }
    return errno == ESTALE ? KIST_END
                           : KI_ROOT_FAIL(KIST_ERR_IO, survey->dir->root, name,
                                          "open directory");
}

/* KIST_END: the directory went stale. */
static kist_status
try_shard(name_survey *survey, unsigned shard)
{
    const ki_nfsdir *dir = survey->dir;
    const ki_nfslist *before = survey->before;
    struct stat status_of;
    char name[3];
    kist_status status;
    int fd = -1;

    name_shard(shard, name);
    // Locally a stat will do; a server is asked by opening.
    if (!dir->root->remote &&
        ki_dirio->stat(dir->root->fd, name, &status_of) != 0) {
        return miss_shard(survey, shard);
    }
    if (dir->root->remote || before == NULL || before->ctime_ns[shard] == 0 ||
        believed(dir, &status_of) != before->ctime_ns[shard]) {
        fd = ki_dirio->open_beneath(dir->root->fd, name, SHARD_FLAGS);
        if (fd < 0) {
            return miss_shard(survey, shard);
        }
        if (ki_io->fstat(fd, &status_of) != 0) {
            status = miss_shard(survey, shard);
            (void)ki_io->close(fd);
            return status;
        }
    }
    survey->ctime_ns[shard] = believed(dir, &status_of);
    survey->same[shard] = before != NULL && before->ctime_ns[shard] != 0 &&
                          survey->ctime_ns[shard] == before->ctime_ns[shard];
    status = KIST_OK;
    if (!survey->same[shard]) {
        status = read_names(survey, shard, fd);
    }
    if (fd >= 0) {
        (void)ki_io->close(fd);
    }
    return status;
}

static kist_status
see_shard(name_survey *survey, unsigned shard)
{
    const size_t count = survey->count;
    kist_status status = KIST_END;

    survey->begin[shard] = count;
    for (unsigned tries = 0; status == KIST_END && tries < KI_NFS_TRIES;
         tries++) {
        bool again;

        survey->count = count;
        survey->same[shard] = false;
        survey->ctime_ns[shard] = 0;
        status = try_shard(survey, shard);
        if (status == KIST_END &&
            ki_root_renew(survey->dir->root, false, &again) != KIST_OK) {
            return KIST_ERR_IO;
        }
    }
    survey->begin[shard + 1] = survey->count;
    if (status == KIST_END) {
        errno = ESTALE;
        status = KI_ROOT_FAIL(KIST_ERR_IO, survey->dir->root, "",
                              "list of the shards");
    }
    return status;
}

/* --- names to keys ----------------------------------------------------------
 */

/* The keys that shards which were read again had before. */
static kist_status
recall(name_survey *survey)
{
    const ki_nfslist *before = survey->before;
    uint8_t digest[KI_SHA256_SIZE];
    kist_status status = KIST_OK;
    kist_slice key;

    for (size_t i = 0; before != NULL && i < KI_NFS_SHARDS; i++) {
        size_t at = before->begin[i];

        if (survey->same[i] || survey->begin[i] == survey->begin[i + 1]) {
            continue;
        }
        while (status == KIST_OK &&
               ki_nfslist_next(before, before->begin[i + 1], &at, &key)) {
            ki_sha256(key.data, key.size, digest);
            status = ki_nfsmap_add(&survey->known, digest, key);
        }
    }
    return status;
}

/* How many names have no key yet. */
static size_t
match(name_survey *survey)
{
    size_t unknown = 0;

    for (size_t i = 0; i < survey->count; i++) {
        found *name = &survey->names[i];

        if (!name->known) {
            name->known =
                ki_nfsmap_find(&survey->known, name->digest, &name->key);
            unknown += !name->known;
        }
    }
    return unknown;
}

static void
path_of(const ki_nfsdir *dir, const uint8_t *digest, ki_path *path)
{
    ki_nfsname_write(digest, path->text);
    path->name = 3;
    path->size = KI_NFSNAME_SIZE +
                 (size_t)snprintf(path->text + KI_NFSNAME_SIZE,
                                  sizeof(path->text) - KI_NFSNAME_SIZE, ".%s",
                                  dir->store.format);
}

/* Reads the key from its file; in any thread. */
static void
read_key(void *context, size_t index)
{
    name_survey *survey = context;
    found *name = &survey->names[index];
    uint8_t digest[KI_SHA256_SIZE];
    kist_buf scratch = {0};
    kist_buf head = {0};
    kist_slice key;
    ki_path path;

    if (name->known) {
        return;
    }
    path_of(survey->dir, name->digest, &path);
    name->status =
        ki_nfsdir_read_key(survey->dir, &path, &head, &scratch, &key);
    if (name->status == KIST_OK) {
        ki_sha256(key.data, key.size, digest);
        if (memcmp(digest, name->digest, sizeof(digest)) != 0) {
            name->status = KIST_ERR_CORRUPT;
        }
    }
    if (name->status == KIST_OK) {
        name->status = kist_buf_append(&name->own, key.data, key.size);
    }
    if (name->status == KIST_OK) {
        name->known = true;
        name->key = name->own.size == 0 ? kist_bytes("", 0)
                                        : kist_buf_slice(&name->own);
    }
    kist_buf_fini(&head);
    kist_buf_fini(&scratch);
}

/* What could not be read: damage is told and passed over, as is what has
 * vanished; all else ends the survey, for it may be there again tomorrow. */
static kist_status
settle(name_survey *survey)
{
    for (size_t i = 0; i < survey->count; i++) {
        found *name = &survey->names[i];
        ki_path path;

        if (name->known || name->status == KIST_ERR_NOTFOUND) {
            continue;
        }
        if (name->status != KIST_ERR_CORRUPT) {
            // Once more, for the detail is this thread's now.
            read_key(survey, i);
            if (name->known || name->status == KIST_ERR_NOTFOUND) {
                continue;
            }
        }
        if (name->status != KIST_ERR_CORRUPT) {
            return name->status;
        }
        path_of(survey->dir, name->digest, &path);
        report(survey->dir, path.text, "damaged, or the value of another key");
    }
    return KIST_OK;
}

static kist_status
resolve(name_survey *survey)
{
    ki_nfsdir *dir = survey->dir;
    kist_status status = recall(survey);

    if (status != KIST_OK) {
        return status;
    }
    if (match(survey) > UNKNOWN_MAX) {
        ki_nfsdir_peer_keys(dir, &survey->known);
        // The map has moved, and with it the keys that were found in it.
        for (size_t i = 0; i < survey->count; i++) {
            survey->names[i].known = false;
        }
        (void)match(survey);
    }
    ki_nfs_each(dir, survey->count, read_key, survey);
    return settle(survey);
}

/* --- the whole --------------------------------------------------------------
 */

static kist_status
build(const name_survey *survey, ki_nfslist **list)
{
    const ki_nfslist *before = survey->before;
    ki_nfslist *made;
    kist_status status = ki_nfslist_new(&made);

    for (size_t i = 0; status == KIST_OK && i < KI_NFS_SHARDS; i++) {
        made->begin[i] = made->keys.size;
        made->ctime_ns[i] = survey->ctime_ns[i];
        if (survey->same[i]) {
            size_t at = before->begin[i];
            kist_slice key;

            while (status == KIST_OK &&
                   ki_nfslist_next(before, before->begin[i + 1], &at, &key)) {
                status = ki_nfslist_add(made, key);
            }
        }
        for (size_t n = survey->begin[i];
             status == KIST_OK && n < survey->begin[i + 1]; n++) {
            if (survey->names[n].known) {
                status = ki_nfslist_add(made, survey->names[n].key);
            }
        }
        made->begin[i + 1] = made->keys.size;
    }
    if (status != KIST_OK) {
        ki_nfslist_drop(made);
        made = NULL;
    }
    *list = made;
    return status;
}

/* True if the list before is good as it is. */
static bool
is_same(const name_survey *survey)
{
    if (survey->before == NULL) {
        return false;
    }
    for (size_t i = 0; i < KI_NFS_SHARDS; i++) {
        const bool empty =
            survey->before->begin[i] == survey->before->begin[i + 1] &&
            survey->begin[i] == survey->begin[i + 1] &&
            survey->before->ctime_ns[i] == survey->ctime_ns[i];

        if (!survey->same[i] && !empty) {
            return false;
        }
    }
    return true;
}

static void
survey_fini(name_survey *survey)
{
    for (size_t i = 0; i < survey->count; i++) {
        kist_buf_fini(&survey->names[i].own);
    }
    ki_free(survey->names);
    ki_nfsmap_fini(&survey->known);
}

/* Under dir->listing. */
static kist_status
bring_up_to_date(ki_nfsdir *dir, name_survey *survey)
{
    ki_nfslist *list = NULL;
    kist_status status;
    bool again;

    status = ki_root_renew(dir->root, false, &again);
    if (status != KIST_OK) {
        return status;
    }
    if (again || dir->list == NULL) {
        ki_nfslist_drop(dir->list);
        dir->list = ki_nfslist_load(dir);
    }
    survey->before = dir->list;
    ki_latch_take(&dir->noting);
    survey->known = dir->noted;
    dir->noted = (ki_nfsmap){0};
    ki_latch_drop(&dir->noting);
    // Which shards are missing may be what this client remembers.
    ki_root_freshen(dir->root, dir->root->fd);
    for (unsigned i = 0; status == KIST_OK && i < KI_NFS_SHARDS; i++) {
        status = see_shard(survey, i);
    }
    if (status != KIST_OK || is_same(survey)) {
        return status;
    }
    status = resolve(survey);
    if (status == KIST_OK) {
        status = build(survey, &list);
    }
    if (status == KIST_OK) {
        dir->list_unsaved = true;
        ki_nfslist_drop(dir->list);
        dir->list = list;
    }
    return status;
}

kist_status
ki_nfslist_now(ki_nfsdir *dir, ki_nfslist **list)
{
    name_survey survey = {.dir = dir};
    kist_status status;

    *list = NULL;
    pthread_mutex_lock(&dir->listing);
    status = bring_up_to_date(dir, &survey);
    if (status == KIST_OK) {
        *list = ki_nfslist_hold(dir->list);
    }
    pthread_mutex_unlock(&dir->listing);
    survey_fini(&survey);
    return status;
}
