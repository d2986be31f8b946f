#include "nfsbed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
note_report(void *context, const char *path, const char *why)
{
    kt_nfsbed *at = context;

    at->reports++;
    (void)snprintf(at->reported, sizeof(at->reported), "%s: %s", path, why);
}

void
kt_nfs_begin_as(kt_nfsbed *at, void **state, const char *format)
{
    const kt_place *place = *state;

    memset(at, 0, sizeof(*at));
    at->dir = place->path;
    kist_store_options_init(&at->options);
    at->options.format = format;
    at->options.report = note_report;
    at->options.context = at;
    KT_OK(kist_store_open_nfs(at->dir, &at->options, &at->store));
}

void
kt_nfs_begin(kt_nfsbed *at, void **state)
{
    kt_nfs_begin_as(at, state, "json");
}

void
kt_nfs_end(kt_nfsbed *at)
{
    kist_store_close(at->store);
    kist_buf_fini(&at->value);
}

void
kt_nfs_reopen(kt_nfsbed *at)
{
    kist_store_close(at->store);
    KT_OK(kist_store_open_nfs(at->dir, &at->options, &at->store));
}

const char *
kt_nfs_path_of(kt_nfsbed *at, const char *name)
{
    (void)snprintf(at->path, sizeof(at->path), "%s/%s", at->dir, name);
    return at->path;
}

bool
kt_nfs_exists(kt_nfsbed *at, const char *name)
{
    return access(kt_nfs_path_of(at, name), F_OK) == 0;
}

void
kt_nfs_put(kt_nfsbed *at, const char *key, const char *pair)
{
    KT_OK(kist_store_put(at->store, kist_str(key), kist_str(pair), NULL));
}

void
kt_nfs_check(kt_nfsbed *at, const char *key, const char *pair)
{
    KT_OK(kist_store_get(at->store, kist_str(key), &at->value, NULL));
    KT_CHECK(at->value.size == strlen(pair) &&
                 memcmp(at->value.data, pair, at->value.size) == 0,
             "%s is %.*s", key, (int)at->value.size, (char *)at->value.data);
}

void
kt_nfs_check_file(kt_nfsbed *at, const char *name, const char *expected)
{
    size_t size;
    uint8_t *data = kt_read_file(kt_nfs_path_of(at, name), &size);

    KT_CHECK(data != NULL && size == strlen(expected) &&
                 memcmp(data, expected, size) == 0,
             "%s is %.*s", name, (int)size, (char *)data);
    free(data);
}

void
kt_nfs_write_file(kt_nfsbed *at, const char *name, const char *text)
{
    char folder[600];

    (void)snprintf(folder, sizeof(folder), "%s/%.2s", at->dir, name);
    if (name[2] == '/') {
        (void)mkdir(folder, 0777);
    }
    kt_write_file(kt_nfs_path_of(at, name), text, strlen(text));
}
