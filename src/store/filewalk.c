#include "store/filewalk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "os/dirio.h"
#include "os/io.h"
#include "store/md5.h"
#include "store/storetemp.h"

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* --- directories
 * -------------------------------------------------------------
 */

/*
 * Notes a directory: `path` is its parent's, `key` its parent's key, `name`
 * what is added to both, of which the first `stem` bytes are the component.
 */
static kist_status
note(ki_filewalk *walk, const char *path, const char *key, const char *name,
     size_t stem)
{
    const size_t path_size = strlen(path);
    const size_t key_size = strlen(key);
    const size_t name_size = strlen(name);
    ki_walkdir *made;
    char *at;

    if (walk->count == walk->capacity) {
        const size_t capacity = walk->capacity * 2 + 8;
        ki_walkdir *dirs =
            ki_realloc(walk->dirs, capacity * sizeof(*walk->dirs));

        if (dirs == NULL) {
            return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "directories");
        }
        walk->dirs = dirs;
        walk->capacity = capacity;
    }
    made = &walk->dirs[walk->count];
    made->path = ki_calloc(1, path_size + key_size + name_size + stem + 4);
    if (made->path == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "directories");
    }
    at = made->path;
    memcpy(at, path, path_size);
    at += path_size;
    if (path_size > 0 && name_size > 0) {
        *at++ = '/';
    }
    memcpy(at, name, name_size);
    at += name_size + 1;
    made->key = (size_t)(at - made->path);
    memcpy(at, key, key_size);
    at += key_size;
    if (key_size > 0 && stem > 0) {
        *at++ = '/';
    }
    memcpy(at, name, stem);
    walk->count++;
    return KIST_OK;
}

kist_status
ki_filewalk_init(ki_filewalk *walk, ki_filedir *dir)
{
    char path[KI_PATH_SIZE_MAX + 1];
    const size_t size = dir->prefix_size > 0 ? dir->prefix_size - 1 : 0;
    kist_status status;

    walk->dirs = NULL;
    walk->count = 0;
    walk->capacity = 0;
    walk->next = 0;
    walk->fd = -1;
    memcpy(path, dir->prefix, size);
    path[size] = '\0';
    status = note(walk, path, "", "", 0);
    if (status != KIST_OK) {
        ki_free(walk->dirs);
        return status;
    }
    walk->dir = (ki_filedir *)ki_store_hold(&dir->store);
    return KIST_OK;
}

void
ki_filewalk_leave(ki_filewalk *walk)
{
    if (walk->fd >= 0) {
        (void)ki_io->close(walk->fd);
    }
    walk->fd = -1;
}

void
ki_filewalk_fini(ki_filewalk *walk)
{
    ki_filewalk_leave(walk);
    for (size_t index = 0; index < walk->count; index++) {
        ki_free(walk->dirs[index].path);
    }
    ki_free(walk->dirs);
    kist_store_close(&walk->dir->store);
}

const char *
ki_filewalk_key(const ki_filewalk *walk)
{
    const ki_walkdir *dir = &walk->dirs[walk->next - 1];

    return dir->path + dir->key;
}

/* Opens a directory below the root, or the root once more: -1 and errno. */
static int
open_below(const ki_root *root, const char *path)
{
    return path[0] == '\0'
               ? ki_dirio->open(root->fd, ".", DIRECTORY_FLAGS, 0)
               : ki_dirio->open_beneath(root->fd, path, DIRECTORY_FLAGS);
}

kist_status
ki_filewalk_enter(ki_filewalk *walk)
{
    ki_root *root = walk->dir->root;

    walk->value_count = 0;
    walk->at = 0;
    walk->asked = KI_ENTRIES_FIRST;
    while (walk->next < walk->count) {
        const char *path = walk->dirs[walk->next].path;
        bool again = false;

        walk->fd = open_below(root, path);
        if (walk->fd < 0 && errno == ENOENT && walk->next == 0) {
            kist_status status = ki_root_renew(root, false, &again);

            if (status != KIST_OK) {
                return status;
            }
            if (again) {
                walk->fd = open_below(root, path);
            }
        }
        walk->next++;
        if (walk->fd >= 0) {
            return KIST_OK;
        }
        if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
            return KI_ROOT_FAIL(KIST_ERR_IO, root, path, "open directory");
        }
    }
    return KIST_END;
}

/* --- entries
 * -----------------------------------------------------------------
 */

void
ki_filewalk_path(const ki_filewalk *walk, const char *name, char *text)
{
    const char *path = walk->dirs[walk->next - 1].path;
    size_t size = strlen(path);

    memcpy(text, path, size);
    if (size > 0) {
        text[size++] = '/';
    }
    memcpy(text + size, name, strlen(name) + 1);
}

static void
report(const ki_filewalk *walk, const char *name, const char *why)
{
    const kist_store_options *options = &walk->dir->store.options;
    char path[KI_WALK_PATH_SIZE];

    if (options->report != NULL) {
        ki_filewalk_path(walk, name, path);
        options->report(options->context, path, why);
    }
}

/* The type of an entry, asking where the directory does not tell. */
static unsigned char
type_of(const ki_filewalk *walk, const struct dirent64 *entry)
{
    struct stat status;

    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type;
    }
    if (ki_dirio->stat(walk->fd, entry->d_name, &status) != 0) {
        return DT_UNKNOWN;
    }
    return (unsigned char)IFTODT(status.st_mode);
}

static kist_status
meet_directory(ki_filewalk *walk, const char *name, size_t size)
{
    const ki_walkdir *parent = &walk->dirs[walk->next - 1];
    size_t stem;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return KIST_OK;
    }
    if (!ki_key_unsign(name, size, walk->dir->store.options.digest_len,
                       &stem)) {
        report(walk, name, "no key has such a directory");
        return KIST_OK;
    }
    if (strlen(parent->path) + size + 1 > KI_PATH_SIZE_MAX) {
        report(walk, name, "too deep for a key");
        return KIST_OK;
    }
    return note(walk, parent->path, parent->path + parent->key, name, stem);
}

/*
 * True if the entry may be a value's file, by the end of its name: *size then
 * is what stands before the format.  Names of other formats, and `.nfs...`,
 * which a client gives to what was removed while it was open, are nobody's
 * business.
 */
static bool
may_be_value(const ki_filewalk *walk, const char *name, size_t *size)
{
    const kist_store *store = &walk->dir->store;
    const size_t format = strlen(store->format);

    if (ki_temp_is(name, *size)) {
        if (!store->options.read_only) {
            ki_temp_sweep(walk->fd, name);
        }
        return false;
    }
    if (*size <= format + 1 || name[*size - format - 1] != '.' ||
        memcmp(name + *size - format, store->format, format) != 0) {
        return false;
    }
    *size -= format + 1;
    return true;
}

/* Takes those of the last `count` names away that are no component's. */
static void
check_names(ki_filewalk *walk, size_t count)
{
    const size_t first = walk->value_count - count;

    ki_key_unsign_many(walk->values + first, count,
                       walk->dir->store.options.digest_len);
    walk->value_count = first;
    for (size_t index = first; index < first + count; index++) {
        if (walk->values[index].stem > 0) {
            walk->values[walk->value_count++] = walk->values[index];
        }
        else {
            report(walk, walk->values[index].text, "no key has such a file");
        }
    }
}

/* Takes the next entries in.  KIST_END; IO, NOMEM. */
static kist_status
fill(ki_filewalk *walk)
{
    const ssize_t got = ki_dirio->list(walk->fd, walk->entries, walk->asked);
    size_t unchecked = 0;
    kist_status status = KIST_OK;

    walk->value_count = 0;
    walk->at = 0;
    walk->asked = sizeof(walk->entries);
    if (got < 0 && errno != ENOENT) {
        return KI_ROOT_FAIL(KIST_ERR_IO, walk->dir->root,
                            walk->dirs[walk->next - 1].path, "list");
    }
    for (ssize_t at = 0; at < got && status == KIST_OK;) {
        const struct dirent64 *entry =
            (const struct dirent64 *)(const void *)(walk->entries + at);
        size_t size = strlen(entry->d_name);
        const unsigned char type = type_of(walk, entry);

        at += entry->d_reclen;
        if (type == DT_DIR) {
            status = meet_directory(walk, entry->d_name, size);
        }
        else if (may_be_value(walk, entry->d_name, &size)) {
            if (type != DT_REG) {
                report(walk, entry->d_name, "not a regular file");
                continue;
            }
            walk->values[walk->value_count++] =
                (ki_name){.text = entry->d_name, .size = size};
            if (++unchecked == KI_MD5_LANES) {
                check_names(walk, unchecked);
                unchecked = 0;
            }
        }
    }
    check_names(walk, unchecked);
    return status == KIST_OK && got <= 0 ? KIST_END : status;
}

kist_status
ki_filewalk_step(ki_filewalk *walk, const char **name, size_t *stem)
{
    while (walk->at == walk->value_count) {
        const kist_status status = fill(walk);

        if (status != KIST_OK) {
            return status;
        }
    }
    *name = walk->values[walk->at].text;
    *stem = walk->values[walk->at].stem;
    walk->at++;
    return KIST_OK;
}
