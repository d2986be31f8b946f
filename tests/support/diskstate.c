#include "support/diskstate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/script.h"

#define PAGE      4096u
#define SECTOR    512u
#define FILES_MAX 64
#define NAMES_MAX 256

typedef struct contents {
    uint8_t *data;
    size_t size;
    bool taken;
} contents;

typedef struct recorded_file {
    uint64_t inode;
    int fd; /* our own, to read what the page cache holds */
    contents durable;
    contents middle;
    contents doomed;
} recorded_file;

/* name := inode, or gone; and `from`, if not "", goes in the same step. */
typedef struct name_change {
    char name[64];
    char from[64];
    uint64_t inode; /* 0: the name goes */
} name_change;

static char root[300];
static uint64_t root_inode;
static recorded_file files[FILES_MAX];
static size_t file_count;
static name_change names[NAMES_MAX]; /* durable names first, then changes */
static size_t durable_count;
static size_t name_count;

static const char *const image_names[] = {"kept",
                                          "dropped",
                                          "names without data",
                                          "data without names",
                                          "reordered",
                                          "journal",
                                          "torn"};

const char *
kt_image_name(kt_image kind)
{
    return image_names[kind];
}

static void
give_up(const char *what)
{
    fprintf(stderr, "diskstate: %s: %s\n", what, strerror(errno));
    abort();
}

/* --- contents ----------------------------------------------------------- */

static void
contents_fini(contents *c)
{
    free(c->data);
    memset(c, 0, sizeof(*c));
}

/* Reads what the page cache holds of the file. */
static void
contents_take(contents *c, int fd)
{
    struct stat status;
    size_t done = 0;

    contents_fini(c);
    if (fstat(fd, &status) != 0) {
        give_up("fstat");
    }
    c->size = (size_t)status.st_size;
    c->data = calloc(1, c->size + PAGE);
    c->taken = true;
    if (c->data == NULL) {
        give_up("contents");
    }
    while (done < c->size) {
        const ssize_t got =
            pread(fd, c->data + done, c->size - done, (off_t)done);

        if (got <= 0) {
            break;
        }
        done += (size_t)got;
    }
}

/* The bytes of one page or sector, zeros beyond the end. */
static void
contents_piece(const contents *c, size_t offset, size_t size, uint8_t *piece)
{
    size_t have = 0;

    if (c->taken && offset < c->size) {
        have = c->size - offset < size ? c->size - offset : size;
        memcpy(piece, c->data + offset, have);
    }
    memset(piece + have, 0, size - have);
}

/* After a successful sync: what is there now is durable, but for pages that
 * a failed sync has marked clean and nobody has written to since. */
static void
make_durable(recorded_file *file)
{
    contents now = {0};

    contents_take(&now, file->fd);
    for (size_t at = 0; file->doomed.taken && at < now.size; at += PAGE) {
        uint8_t a[PAGE];
        uint8_t b[PAGE];
        const size_t size = now.size - at < PAGE ? now.size - at : PAGE;

        contents_piece(&now, at, PAGE, a);
        contents_piece(&file->doomed, at, PAGE, b);
        if (memcmp(a, b, PAGE) == 0) {
            contents_piece(&file->durable, at, PAGE, b);
            memcpy(now.data + at, b, size);
        }
    }
    contents_fini(&file->durable);
    contents_fini(&file->middle);
    file->durable = now;
}

/* --- files and names ---------------------------------------------------- */

static recorded_file *
find_file(uint64_t inode)
{
    for (size_t i = 0; i < file_count; i++) {
        if (files[i].inode == inode) {
            return &files[i];
        }
    }
    return NULL;
}

static recorded_file *
file_of(int fd)
{
    struct stat status;

    if (root[0] == '\0' || fstat(fd, &status) != 0) {
        return NULL;
    }
    return find_file((uint64_t)status.st_ino);
}

/* The name of `path` if it lies in the recorded directory, else NULL. */
static const char *
name_of(const char *path)
{
    const size_t size = strlen(root);

    if (size == 0 || strncmp(path, root, size) != 0 || path[size] != '/' ||
        strchr(path + size + 1, '/') != NULL) {
        return NULL;
    }
    return path + size + 1;
}

static recorded_file *
track(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    recorded_file *file;

    if (fd < 0 || fstat(fd, &status) != 0) {
        give_up(path);
    }
    file = find_file((uint64_t)status.st_ino);
    if (file != NULL) {
        close(fd);
        return file;
    }
    if (file_count == FILES_MAX) {
        give_up("too many files");
    }
    file = &files[file_count++];
    memset(file, 0, sizeof(*file));
    file->inode = (uint64_t)status.st_ino;
    file->fd = fd;
    return file;
}

static name_change *
add_change(const char *name, uint64_t inode)
{
    name_change *change = &names[name_count];

    if (name_count == NAMES_MAX || strlen(name) >= sizeof(change->name)) {
        give_up("too many names");
    }
    name_count++;
    memset(change, 0, sizeof(*change));
    memcpy(change->name, name, strlen(name) + 1);
    change->inode = inode;
    return change;
}

static void
apply_change(name_change *list, size_t *count, const name_change *change)
{
    size_t keep = 0;

    for (size_t i = 0; i < *count; i++) {
        if (strcmp(list[i].name, change->name) != 0 &&
            strcmp(list[i].name, change->from) != 0) {
            list[keep++] = list[i];
        }
    }
    if (change->inode != 0) {
        list[keep] = *change;
        list[keep].from[0] = '\0';
        keep++;
    }
    *count = keep;
}

/* The directory was synced: all changes of names are durable. */
static void
names_durable(void)
{
    name_change list[NAMES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < name_count; i++) {
        apply_change(list, &count, &names[i]);
    }
    memcpy(names, list, count * sizeof(*list));
    name_count = durable_count = count;
}

void
kt_record_stop(void)
{
    for (size_t i = 0; i < file_count; i++) {
        close(files[i].fd);
        contents_fini(&files[i].durable);
        contents_fini(&files[i].middle);
        contents_fini(&files[i].doomed);
    }
    file_count = name_count = durable_count = 0;
    root[0] = '\0';
}

void
kt_record_start(const char *dir)
{
    DIR *entries = opendir(dir);
    struct dirent *entry;
    struct stat status;

    kt_record_stop();
    if (entries == NULL || stat(dir, &status) != 0) {
        give_up(dir);
    }
    snprintf(root, sizeof(root), "%s", dir);
    root_inode = (uint64_t)status.st_ino;
    while ((entry = readdir(entries)) != NULL) {
        char path[600];

        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (entry->d_type == DT_REG) {
            recorded_file *file = track(path);

            make_durable(file);
            add_change(entry->d_name, file->inode);
        }
    }
    closedir(entries);
    durable_count = name_count;
}

/* --- images ------------------------------------------------------------- */

static size_t
pick_names(name_change *list, kt_image kind, uint64_t *random)
{
    const size_t pending = name_count - durable_count;
    const size_t stop = (size_t)(kt_random(random) % (pending + 1));
    size_t count = durable_count;

    memcpy(list, names, durable_count * sizeof(*list));
    for (size_t i = 0; i < pending; i++) {
        bool keep = kind == KT_IMAGE_KEPT || kind == KT_IMAGE_NO_DATA;

        if (kind == KT_IMAGE_JOURNAL) {
            keep = i < stop;
        }
        else if (kind == KT_IMAGE_REORDERED || kind == KT_IMAGE_TORN) {
            keep = kt_random(random) % 2 != 0;
        }
        if (keep) {
            apply_change(list, &count, &names[durable_count + i]);
        }
    }
    return count;
}

/* Chooses the bytes of one piece: durable, middle or now. */
static void
pick_piece(const recorded_file *file, const contents *now, size_t at,
           size_t size, kt_image kind, uint64_t *random, uint8_t *piece)
{
    uint64_t draw = kt_random(random) % 5;

    if (kind == KT_IMAGE_KEPT || kind == KT_IMAGE_NO_NAMES) {
        draw = 4;
    }
    else if (kind == KT_IMAGE_DROPPED || kind == KT_IMAGE_NO_DATA) {
        draw = 0;
    }
    if (draw < 2) {
        contents_piece(&file->durable, at, size, piece);
    }
    else if (draw == 2 && file->middle.taken) {
        contents_piece(&file->middle, at, size, piece);
    }
    else {
        contents_piece(now, at, size, piece);
    }
}

static void
write_image(const recorded_file *file, const char *path, kt_image kind,
            uint64_t *random)
{
    contents now = {0};
    const size_t step = kind == KT_IMAGE_TORN ? SECTOR : PAGE;
    size_t size;
    int fd;

    contents_take(&now, file->fd);
    size = kind == KT_IMAGE_DROPPED ? file->durable.size : now.size;
    if (kind >= KT_IMAGE_REORDERED && kt_random(random) % 2 != 0) {
        size = file->durable.size;
    }
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || (size > 0 && posix_fallocate(fd, 0, (off_t)size) != 0)) {
        give_up(path);
    }
    for (size_t at = 0; at < size; at += step) {
        static const uint8_t zeros[PAGE];
        const size_t part = size - at < step ? size - at : step;
        uint8_t piece[PAGE];

        pick_piece(file, &now, at, part, kind, random, piece);
        if (memcmp(piece, zeros, part) != 0 &&
            pwrite(fd, piece, part, (off_t)at) != (ssize_t)part) {
            give_up(path);
        }
    }
    close(fd);
    contents_fini(&now);
}

void
kt_record_image(const char *to, kt_image kind, uint64_t seed)
{
    name_change list[NAMES_MAX];
    uint64_t random = seed;
    size_t count;

    count = pick_names(list, kind, &random);
    for (size_t i = 0; i < count; i++) {
        const recorded_file *file = find_file(list[i].inode);
        char path[600];

        snprintf(path, sizeof(path), "%.400s/%.64s", to, list[i].name);
        if (file != NULL) {
            write_image(file, path, kind, &random);
        }
    }
}

/* --- what the table tells ----------------------------------------------- */

bool
kt_record_is_new(const char *path)
{
    return name_of(path) != NULL && access(path, F_OK) != 0;
}

void
kt_record_created(const char *path)
{
    recorded_file *file = track(path);

    file->durable.taken = true;
    add_change(name_of(path), file->inode);
}

void
kt_record_renamed(const char *from, const char *to)
{
    struct stat status;
    name_change *change;

    if (name_of(from) == NULL || name_of(to) == NULL ||
        stat(to, &status) != 0) {
        return;
    }
    change = add_change(name_of(to), (uint64_t)status.st_ino);
    snprintf(change->from, sizeof(change->from), "%s", name_of(from));
}

void
kt_record_unlinked(const char *path)
{
    if (name_of(path) != NULL) {
        add_change(name_of(path), 0);
    }
}

void
kt_record_synced(int fd)
{
    recorded_file *file = file_of(fd);
    struct stat status;

    if (file != NULL) {
        make_durable(file);
    }
    else if (root[0] != '\0' && fstat(fd, &status) == 0 &&
             (uint64_t)status.st_ino == root_inode) {
        names_durable();
    }
}

void
kt_record_sync_failed(int fd)
{
    recorded_file *file = file_of(fd);

    if (file != NULL) {
        contents_take(&file->doomed, file->fd);
    }
}

void
kt_record_middle(void)
{
    for (size_t i = 0; i < file_count; i++) {
        contents_take(&files[i].middle, files[i].fd);
    }
}
