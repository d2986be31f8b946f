#include "target.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

static kist_status
open_kind(cli_target *target, kist_slice name, kist_type type)
{
    kist_status status;

    switch (target->kind) {
    case KIST_KIND_LIST:
        status = kist_list_open(target->k, name, type, &target->list);
        if (status == KIST_OK) {
            target->type = kist_list_type(target->list);
        }
        return status;
    case KIST_KIND_DICT:
        status = kist_dict_open(target->k, name, type, &target->dict);
        if (status == KIST_OK) {
            target->type = kist_dict_type(target->dict);
        }
        return status;
    default:
        status = kist_set_open(target->k, name, type, &target->set);
        if (status == KIST_OK) {
            target->type = kist_set_type(target->set);
        }
        return status;
    }
}

bool
cli_exists(const char *path)
{
    char full[PATH_MAX];
    const size_t size = strlen(path);
    const bool whole = size > 5 && strcmp(path + size - 5, ".kist") == 0;
    struct stat about;
    const int length =
        snprintf(full, sizeof(full), "%s%s", path, whole ? "" : ".kist");

    return length > 0 && (size_t)length < sizeof(full) &&
           stat(full, &about) == 0;
}

int
cli_target_find(const cli_call *cli, const char *path, const char *name,
                cli_access access, kist_kind kind, cli_target *target)
{
    kist_coll_info info;
    kist_status status;
    int code;

    *target = (cli_target){.path = path, .name = name};
    code = cli_open(cli, path, access, &target->k);
    if (code != CLI_OK) {
        return code;
    }
    status = kist_coll_find(target->k, kist_str(name), &info);
    if (status == KIST_ERR_NOTFOUND) {
        return CLI_OK;
    }
    if (status != KIST_OK) {
        return cli_target_close(target, cli_fail(status));
    }
    if (kind != 0 && info.kind != kind) {
        code = cli_error(CLI_WRONG, "%s: collection \"%s\" is a %s, not a %s",
                         path, name, kist_kind_name(info.kind),
                         kist_kind_name(kind));
        return cli_target_close(target, code);
    }
    target->kind = info.kind;
    target->type = info.type;
    return CLI_OK;
}

int
cli_target_make(cli_target *target, kist_kind kind, kist_type type)
{
    const bool found = target->kind != 0;
    kist_status status;

    target->kind = found ? target->kind : kind;
    status =
        open_kind(target, kist_str(target->name), found ? KIST_ANY : type);
    if (status != KIST_OK) {
        return cli_target_close(target, cli_fail(status));
    }
    return CLI_OK;
}

int
cli_target_open(const cli_call *cli, const char *path, const char *name,
                cli_access access, cli_target *target)
{
    int code = cli_target_find(cli, path, name, access, 0, target);

    if (code != CLI_OK) {
        return code;
    }
    if (target->kind == 0) {
        code = cli_error(CLI_WRONG, "%s: no collection \"%s\"", path, name);
        return cli_target_close(target, code);
    }
    return cli_target_make(target, target->kind, KIST_ANY);
}

int
cli_target_close(cli_target *target, int code)
{
    kist_list_close(target->list);
    kist_dict_close(target->dict);
    kist_set_close(target->set);
    return cli_close(target->k, code);
}

kist_status
cli_target_count(const cli_target *target, uint64_t *count)
{
    switch (target->kind) {
    case KIST_KIND_LIST:
        return kist_list_count(target->list, count);
    case KIST_KIND_DICT:
        return kist_dict_count(target->dict, count);
    default:
        return kist_set_count(target->set, count);
    }
}

kist_status
cli_target_scan(const cli_target *target, bool reverse, kist_scan **scan)
{
    const kist_scan_options options = {.reverse = reverse};

    switch (target->kind) {
    case KIST_KIND_LIST:
        return kist_list_scan(target->list, &options, scan);
    case KIST_KIND_DICT:
        return kist_dict_scan(target->dict, &options, scan);
    default:
        return kist_set_scan(target->set, &options, scan);
    }
}
