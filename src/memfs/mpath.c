#include "memfs/mpath.h"

#include <stdbool.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "kist/memfs.h"

static bool
is_slash(char letter)
{
    return letter == '/' || letter == '\\';
}

/* True if there is nothing to put straight.  No branch in the loop, so that
 * it is made of wide instructions. */
static bool
is_straight(const char *text, size_t size)
{
    unsigned odd;

    if (size == 0) {
        return true;
    }
    odd = is_slash(text[0]) || text[0] == '.' || is_slash(text[size - 1]);
    for (size_t i = 1; i < size; i++) {
        const unsigned begins = text[i - 1] == '/';
        const unsigned slash = text[i] == '/';
        const unsigned dot = text[i] == '.';
        const unsigned back = text[i] == '\\';

        odd |= back | (begins & (slash | dot));
    }
    return odd == 0;
}

/* Writes the parts of `raw` that count to path->own. */
static kist_status
straighten(ki_path *path, kist_slice raw)
{
    const char *text = raw.data;
    char *to = path->own;
    size_t size = 0;

    for (size_t at = 0; at < raw.size;) {
        size_t end = at;

        while (end < raw.size && !is_slash(text[end])) {
            end++;
        }
        if (end - at == 2 && text[at] == '.' && text[at + 1] == '.') {
            if (size == 0) {
                return KI_PATH_FAIL(KIST_ERR_INVALID, raw, "path traversal");
            }
            while (size > 0 && to[--size] != '/') {
            }
        }
        else if (end > at && (end - at != 1 || text[at] != '.')) {
            if (size > 0) {
                to[size++] = '/';
            }
            memcpy(to + size, text + at, end - at);
            size += end - at;
        }
        at = end + 1;
    }
    path->text = to;
    path->size = size;
    return KIST_OK;
}

kist_status
ki_path_init(ki_path *path, kist_slice raw)
{
    const char *text = raw.data;
    kist_status status;

    if (raw.size > 0 && text[0] == '/') {
        *path = (ki_path){text + 1, raw.size - 1, NULL};
    }
    else {
        *path = (ki_path){text, raw.size, NULL};
    }
    if (is_straight(path->text, path->size)) {
        return KIST_OK;
    }
    path->own = ki_realloc(NULL, raw.size + 1);
    if (path->own == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "path");
    }
    status = straighten(path, raw);
    if (status != KIST_OK) {
        ki_path_fini(path);
    }
    return status;
}

void
ki_path_fini(ki_path *path)
{
    if (path->own != NULL) {
        ki_free(path->own);
        path->own = NULL;
    }
}

kist_status
ki_path_fail(kist_status status, kist_slice path, const char *what,
             const char *file, int line)
{
    char text[sizeof(((kist_error *)NULL)->path)];
    const size_t size =
        path.size < sizeof(text) ? path.size : sizeof(text) - 1;

    if (size > 0) {
        memcpy(text, path.data, size);
    }
    text[size] = '\0';
    return ki_fail(status, text, KI_NO_OFFSET, what, file, line);
}

kist_status
ki_path_fail_straight(kist_status status, const ki_path *path,
                      const char *what, const char *file, int line)
{
    char text[sizeof(((kist_error *)NULL)->path)] = "/";
    const size_t room = sizeof(text) - 2;
    const size_t size = path->size < room ? path->size : room;

    if (size > 0) {
        memcpy(text + 1, path->text, size);
    }
    text[1 + size] = '\0';
    return ki_fail(status, text, KI_NO_OFFSET, what, file, line);
}

kist_status
kist_memfs_normalize(kist_slice path, kist_buf *normal)
{
    ki_path straight;
    kist_status status = ki_path_init(&straight, path);

    if (status != KIST_OK) {
        return status;
    }
    kist_buf_clear(normal);
    status = kist_buf_append(normal, "/", 1);
    if (status == KIST_OK) {
        status = kist_buf_append(normal, straight.text, straight.size);
    }
    ki_path_fini(&straight);
    return status;
}
