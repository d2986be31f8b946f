#include "store/storeplace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "os/dirio.h"
#include "os/io.h"

#define OPEN_FLAGS (O_DIRECTORY | O_CLOEXEC)

/* Opens component `name` of `at`, making it first if need be: -1 and errno. */
static int
enter(int at, const char *name, mode_t mode, bool sync)
{
    int fd = ki_dirio->open_beneath(at, name, O_RDONLY | OPEN_FLAGS);

    if (fd >= 0 || errno != ENOENT) {
        return fd;
    }
    if (ki_dirio->mkdir(at, name, mode) != 0 && errno != EEXIST) {
        return -1;
    }
    if (sync && ki_io->fsync(at) != 0) {
        const int error = errno;

        // Who comes next must not take its name for a safe one.
        (void)ki_dirio->rmdir(at, name);
        errno = error;
        return -1;
    }
    return ki_dirio->open_beneath(at, name, O_RDONLY | OPEN_FLAGS);
}

/* Makes what is missing of `text`, a path without a "/" at its end. */
static int
make_path(const ki_root *root, char *text, bool sync)
{
    int at = root->fd;
    char *from = text;

    for (;;) {
        char *slash = strchr(from, '/');
        int next;
        int error;

        if (slash != NULL) {
            *slash = '\0';
        }
        next = enter(at, from, atomic_load(&root->mode), sync);
        error = errno;
        if (slash != NULL) {
            *slash = '/';
        }
        if (at != root->fd) {
            (void)ki_io->close(at);
        }
        errno = error;
        if (next < 0 || slash == NULL) {
            return next;
        }
        at = next;
        from = slash + 1;
    }
}

static kist_status
place_failed(const ki_root *root, const char *text, ki_purpose purpose)
{
    if (errno == ENOENT) {
        return KIST_ERR_NOTFOUND;
    }
    if (errno == ENOTDIR || errno == ELOOP || errno == EXDEV) {
        if (purpose != KI_PLACE_MAKE) {
            return KIST_ERR_NOTFOUND;
        }
        return KI_ROOT_FAIL(errno == ENOTDIR ? KIST_ERR_NOTDIR : KIST_ERR_IO,
                            root, text, "open directory");
    }
    return KI_ROOT_FAIL(KIST_ERR_IO, root, text, "open directory");
}

kist_status
ki_place_open(ki_root *root, ki_path *path, ki_purpose purpose, bool sync,
              ki_place *place)
{
    kist_status status = KIST_OK;
    char *end;

    place->name = path->text + path->name;
    place->fd = root->fd;
    place->own = false;
    if (path->name == 0) {
        return KIST_OK;
    }
    end = path->text + path->name - 1;
    *end = '\0';
    place->fd = ki_dirio->open_beneath(
        root->fd, path->text,
        (purpose == KI_PLACE_LOOK ? O_PATH : O_RDONLY) | OPEN_FLAGS);
    if (place->fd < 0 && errno == ENOENT && purpose == KI_PLACE_MAKE) {
        place->fd = make_path(root, path->text, sync);
    }
    if (place->fd < 0) {
        status = place_failed(root, path->text, purpose);
    }
    *end = '/';
    place->own = true;
    return status;
}

void
ki_place_close(const ki_place *place)
{
    if (place->own && place->fd >= 0) {
        const int error = errno;

        (void)ki_io->close(place->fd);
        errno = error;
    }
}

void
ki_place_prune(ki_root *root, const ki_path *path, size_t keep)
{
    ki_path above = *path;

    while (above.name > keep) {
        ki_place place;
        int result;

        above.size = above.name - 1;
        above.text[above.size] = '\0';
        above.name = above.size;
        while (above.name > 0 && above.text[above.name - 1] != '/') {
            above.name--;
        }
        if (ki_place_open(root, &above, KI_PLACE_LOOK, false, &place) !=
            KIST_OK) {
            return;
        }
        result = ki_dirio->rmdir(place.fd, place.name);
        ki_place_close(&place);
        if (result != 0) {
            return;
        }
    }
}
