/*
 * kist ls: the collections of a kist, or the items of one.
 */
#include <inttypes.h>

#include "jsonval.h"
#include "storetarget.h"
#include "target.h"

const char cmd_ls_help[] =
    "Lists the collections of a kist, the items of one of them, or the keys\n"
    "of a store.\n"
    "\n"
    "Examples:\n"
    "  kist ls people              its collections: kind, type, count, name\n"
    "  kist ls people \"\"           the items of the root collection\n"
    "  kist ls people log --reverse --limit 10      the last ten\n"
    "  kist ls people users --keys\n"
    "  kist ls people users --json | jq .value\n"
    "\n"
    "  kist ls docs/               of a store, the keys\n"
    "  kist ls docs/ uk -l         those below uk/: size, time, ETag, key\n"
    "  kist ls docs/ -t --limit 10 the ten newest\n"
    "\n"
    "Usage: kist ls PATH [COLLECTION] [OPTION...]\n"
    "       kist ls STORE [PREFIX] [OPTION...]\n"
    "\n"
    "  -r, --reverse   from the end to the beginning\n"
    "  -n, --limit N   no more than N\n"
    "  -k, --keys      of a dict only the keys\n"
    "      --json      an object a line\n"
    "  -l, --long      of a store: size, time (UTC) and ETag, too\n"
    "  -t, --time      of a store: the newest first, not by key\n"
    "      --format FORMAT, --digest-len N   of a store: see kist get --help\n"
    "\n"
    "A line is KEY, a tab and the value in JSON; INDEX, tab, value of a "
    "list;\n"
    "the value of a set. Keys and names are JSON strings.\n";

typedef struct ls_job {
    const cli_call *cli;
    bool reverse;
    bool keys;
    uint64_t limit;
} ls_job;

static kist_status
print_collection(const ls_job *listing, const kist_coll_info *info)
{
    kist_status status;

    if (!listing->cli->json) {
        printf("%s\t%s\t%" PRIu64 "\t", kist_kind_name(info->kind),
               kist_type_name(info->type), info->count);
        status = cli_json_write_key(stdout, info->name);
        putchar('\n');
        return status;
    }
    fputs("{\"name\":", stdout);
    status = cli_json_write_key(stdout, info->name);
    printf(",\"kind\":\"%s\",\"type\":\"%s\",\"count\":%" PRIu64 "}\n",
           kist_kind_name(info->kind), kist_type_name(info->type),
           info->count);
    return status;
}

static int
list_collections(const ls_job *listing, const char *path)
{
    uint64_t total = 0;
    uint64_t printed = 0;
    kist_coll_info info;
    kist_status status;
    kist *k;
    const int code = cli_open(listing->cli, path, CLI_READ, &k);

    if (code != CLI_OK) {
        return code;
    }
    do {
        status = kist_coll_at(k, total, &info);
        total += status == KIST_OK;
    } while (status == KIST_OK);
    while (status == KIST_END && printed < total && printed < listing->limit &&
           !cli_output_failed()) {
        const uint64_t at = listing->reverse ? total - 1 - printed : printed;

        status = kist_coll_at(k, at, &info);
        if (status == KIST_OK) {
            status = print_collection(listing, &info);
        }
        printed++;
        status = status == KIST_OK ? KIST_END : status;
    }
    return cli_close(k, status == KIST_END ? CLI_OK : cli_fail(status));
}

static kist_status
print_item(const ls_job *listing, kist_kind kind, uint64_t index,
           kist_slice key, const kist_value *value)
{
    const bool json = listing->cli->json;
    kist_status status = KIST_OK;

    if (kind == KIST_KIND_DICT) {
        fputs(json ? "{\"key\":" : "", stdout);
        status = cli_json_write_key(stdout, key);
    }
    else if (kind == KIST_KIND_LIST) {
        printf(json ? "{\"index\":%" PRIu64 : "%" PRIu64, index);
    }
    if (listing->keys && kind == KIST_KIND_DICT) {
        fputs(json ? "}" : "", stdout);
    }
    else {
        if (json) {
            fputs(kind == KIST_KIND_SET ? "{\"value\":" : ",\"value\":",
                  stdout);
        }
        else {
            fputs(kind == KIST_KIND_SET ? "" : "\t", stdout);
        }
        if (status == KIST_OK) {
            status = cli_json_write(stdout, value);
        }
        fputs(json ? "}" : "", stdout);
    }
    putchar('\n');
    return status;
}

static int
list_items(const ls_job *listing, const char *path, const char *name)
{
    cli_target target;
    kist_scan *scan = NULL;
    uint64_t count = 0;
    kist_status status;
    int code = cli_target_open(listing->cli, path, name, CLI_READ, &target);

    if (code != CLI_OK) {
        return code;
    }
    status = cli_target_count(&target, &count);
    if (status == KIST_OK) {
        status = cli_target_scan(&target, listing->reverse, &scan);
    }
    for (uint64_t i = 0;
         status == KIST_OK && i < listing->limit && !cli_output_failed();
         i++) {
        kist_slice key = {NULL, 0};
        kist_value value;

        status = kist_scan_next(scan, &key, &value);
        if (status == KIST_OK) {
            status =
                print_item(listing, target.kind,
                           listing->reverse ? count - 1 - i : i, key, &value);
        }
    }
    kist_scan_close(scan);
    if (status != KIST_OK && status != KIST_END) {
        code = cli_fail(status);
    }
    return cli_target_close(&target, code);
}

int
cmd_ls(cli_call *cli, int argc, char **argv)
{
    static const struct option own[] = {
        {"reverse", no_argument, NULL, 'r'},
        {"limit", required_argument, NULL, 'n'},
        {"keys", no_argument, NULL, 'k'},
        {"long", no_argument, NULL, 'l'},
        {"time", no_argument, NULL, 't'},
        {"format", required_argument, NULL, CLI_OPT_FORMAT},
        {"digest-len", required_argument, NULL, CLI_OPT_DIGEST},
        {NULL, 0, NULL, 0}};
    cli_storewords words = {.given = NULL};
    ls_job listing = {.cli = cli, .limit = UINT64_MAX};
    int opt;

    while ((opt = cli_getopt(cli, argc, argv, "rn:klt", own)) != -1) {
        switch (opt) {
        case 'r':
            listing.reverse = true;
            break;
        case 'n':
            if (!cli_parse_count(optarg, &listing.limit)) {
                return cli_usage(cli, "--limit wants a number, not %s",
                                 optarg);
            }
            break;
        case 'k':
            listing.keys = true;
            break;
        case 'l':
            cli_store_option(cli, CLI_OPT_LONG, &words);
            break;
        case 't':
            cli_store_option(cli, CLI_OPT_TIME, &words);
            break;
        default:
            if (!cli_store_option(cli, opt, &words)) {
                return cli->exit_code;
            }
        }
    }
    if (optind < argc && cli_names_store(argv[optind])) {
        return cmd_store_ls(cli, &words, listing.reverse, listing.limit,
                            argc - optind, argv + optind);
    }
    if (cli_store_unwanted(cli, &words) != CLI_OK) {
        return CLI_USAGE;
    }
    if (argc - optind == 1) {
        return list_collections(&listing, argv[optind]);
    }
    if (argc - optind == 2) {
        return list_items(&listing, argv[optind], argv[optind + 1]);
    }
    return cli_usage(cli, "a PATH and perhaps a COLLECTION are wanted");
}
