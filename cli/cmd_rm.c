/*
 * kist rm: items, all items, or a whole collection.
 */
#include <stdlib.h>

#include "jsonval.h"
#include "storetarget.h"
#include "target.h"

const char cmd_rm_help[] =
    "Removes items, all items, or a whole collection.\n"
    "\n"
    "Examples:\n"
    "  kist rm people ada bob              keys of the root dict\n"
    "  kist rm people -c log 0 1 2         positions of a list\n"
    "  kist rm people -c seen alice        members of a set\n"
    "  kist rm people -c log --all         every item; the list stays\n"
    "  kist rm people -c log --drop        the list, too\n"
    "\n"
    "  kist rm docs/ uk/ada                keys of a store\n"
    "  kist rm docs/ --all                 every value of its format\n"
    "\n"
    "Usage: kist rm PATH [-c COLLECTION] KEY... | --all | --drop\n"
    "       kist rm STORE KEY... | --all\n"
    "\n"
    "  -c, --collection NAME  default: the root collection\n"
    "      --all              remove all items\n"
    "      --drop             remove the collection with all items\n"
    "      --json             set members are given as JSON\n"
    "      --etag ETAG        of a store: only if the value has this ETag\n"
    "      --format FORMAT, --digest-len N   of a store: see kist get --help\n"
    "\n"
    "What one call removes goes as one change. Positions count before the\n"
    "change; \"--\" must stand before one such as -1. If one of the keys is\n"
    "not there, nothing is removed (exit code 1). Of a store each key goes "
    "by\n"
    "itself, and those that are there go.\n";

static int
no_such(const cli_target *target, const char *what, const char *key)
{
    return cli_error(CLI_WRONG, "%s: no %s \"%s\"", target->path, what, key);
}

static int
remove_member(const cli_call *cli, const cli_target *target, const char *text)
{
    cli_parsed parsed;
    kist_value value;
    const char *wrong;
    kist_status status = KIST_OK;
    int code = CLI_OK;

    cli_parsed_init(&parsed);
    wrong = cli_word_value(&parsed, text, cli->json, target->type, &value);
    if (wrong != NULL) {
        code = cli_error(CLI_WRONG, "%s: %s", text, wrong);
    }
    else {
        status = kist_set_remove(target->set, &value);
    }
    cli_parsed_fini(&parsed);
    if (status == KIST_ERR_NOTFOUND) {
        return no_such(target, "member", text);
    }
    return status == KIST_OK ? code : cli_fail(status);
}

static int
descending(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

/* From the last to the first, so that the positions stay what they were. */
static int
remove_positions(const cli_target *target, char **words, size_t words_count)
{
    uint64_t *at = calloc(words_count, sizeof(*at));
    uint64_t count = 0;
    kist_status status = kist_list_count(target->list, &count);
    int code = CLI_OK;

    if (at == NULL) {
        return cli_error(CLI_IO, "out of memory");
    }
    for (size_t i = 0; i < words_count && status == KIST_OK; i++) {
        if (!cli_parse_index(words[i], count, false, &at[i])) {
            code = no_such(target, "index", words[i]);
            goto out;
        }
    }
    qsort(at, words_count, sizeof(*at), descending);
    for (size_t i = 0; i < words_count && status == KIST_OK; i++) {
        if (i == 0 || at[i] != at[i - 1]) {
            status = kist_list_pop(target->list, at[i], NULL);
        }
    }
    code = status == KIST_OK ? CLI_OK : cli_fail(status);
out:
    free(at);
    return code;
}

static int
remove_items(const cli_call *cli, const cli_target *target, char **words,
             int count)
{
    int code = CLI_OK;

    if (target->kind == KIST_KIND_LIST) {
        return remove_positions(target, words, (size_t)count);
    }
    for (int i = 0; i < count && code == CLI_OK; i++) {
        if (target->kind == KIST_KIND_SET) {
            code = remove_member(cli, target, words[i]);
            continue;
        }
        const kist_status status =
            kist_dict_remove(target->dict, kist_str(words[i]));

        if (status == KIST_ERR_NOTFOUND) {
            code = no_such(target, "key", words[i]);
        }
        else if (status != KIST_OK) {
            code = cli_fail(status);
        }
    }
    return code;
}

static int
remove_all(const cli_target *target)
{
    kist_status status;

    switch (target->kind) {
    case KIST_KIND_LIST:
        status = kist_list_clear(target->list);
        break;
    case KIST_KIND_DICT:
        status = kist_dict_clear(target->dict);
        break;
    default:
        status = kist_set_clear(target->set);
        break;
    }
    return status == KIST_OK ? CLI_OK : cli_fail(status);
}

static int
drop(const cli_call *cli, const char *path, const char *name)
{
    kist_status status;
    kist *k;
    int code = cli_open(cli, path, CLI_WRITE, &k);

    if (code != CLI_OK) {
        return code;
    }
    status = kist_coll_drop(k, kist_str(name));
    if (status == KIST_ERR_NOTFOUND) {
        code = cli_error(CLI_WRONG, "%s: no collection \"%s\"", path, name);
    }
    else if (status != KIST_OK) {
        code = cli_fail(status);
    }
    return cli_close(k, code);
}

/* One batch: all that was asked, or nothing. */
static int
remove_in_batch(const cli_call *cli, const char *path, const char *name,
                bool all, char **words, int count)
{
    cli_target target;
    kist_status status;
    int code = cli_target_open(cli, path, name, CLI_WRITE, &target);

    if (code != CLI_OK) {
        return code;
    }
    status = kist_batch_begin(target.k);
    if (status != KIST_OK) {
        return cli_target_close(&target, cli_fail(status));
    }
    code =
        all ? remove_all(&target) : remove_items(cli, &target, words, count);
    status = code == CLI_OK ? kist_batch_commit(target.k)
                            : kist_batch_rollback(target.k);
    if (status != KIST_OK && code == CLI_OK) {
        code = cli_fail(status);
    }
    return cli_target_close(&target, code);
}

int
cmd_rm(cli_call *cli, int argc, char **argv)
{
    static const struct option own[] = {
        {"collection", required_argument, NULL, 'c'},
        {"all", no_argument, NULL, 'A'},
        {"drop", no_argument, NULL, 'D'},
        {"etag", required_argument, NULL, CLI_OPT_ETAG},
        {"format", required_argument, NULL, CLI_OPT_FORMAT},
        {"digest-len", required_argument, NULL, CLI_OPT_DIGEST},
        {NULL, 0, NULL, 0}};
    cli_storewords words = {.given = NULL};
    const char *name = NULL;
    bool all = false;
    bool whole = false;
    int count;
    int opt;

    while ((opt = cli_getopt(cli, argc, argv, "c:", own)) != -1) {
        switch (opt) {
        case 'c':
            name = optarg;
            break;
        case 'A':
            all = true;
            break;
        case 'D':
            whole = true;
            break;
        default:
            if (!cli_store_option(cli, opt, &words)) {
                return cli->exit_code;
            }
        }
    }
    count = argc - optind - 1;
    if (count < 0) {
        return cli_usage(cli, "a PATH is wanted");
    }
    if (name == NULL && !whole && cli_names_store(argv[optind])) {
        return cmd_store_rm(cli, &words, all, argc - optind, argv + optind);
    }
    if (cli_store_unwanted(cli, &words) != CLI_OK) {
        return CLI_USAGE;
    }
    name = name == NULL ? "" : name;
    if ((count > 0) + all + whole != 1) {
        return cli_usage(cli, "keys, --all or --drop: one of them is wanted");
    }
    if (whole) {
        return drop(cli, argv[optind], name);
    }
    return remove_in_batch(cli, argv[optind], name, all, argv + optind + 1,
                           count);
}
