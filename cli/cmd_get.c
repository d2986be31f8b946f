/*
 * kist get: values by key, by position, or members of a set.
 */
#include <unistd.h>

#include "jsonval.h"
#include "storetarget.h"
#include "target.h"

const char cmd_get_help[] =
    "Prints values.\n"
    "\n"
    "Examples:\n"
    "  kist get people ada                     of the root dict\n"
    "  kist get people -c users ada bob        of the dict `users`\n"
    "  kist get people -c log 0                of a list, the first\n"
    "  kist get people -c log -- -1            and the last\n"
    "  kist get people -c seen alice           is she in the set?\n"
    "  kist get people -c images logo > logo.png\n"
    "\n"
    "  kist get docs/ uk/ada > ada.txt         of a store: a file's bytes\n"
    "  kist get nfs:/shared/people ada         of an NfsDict, in JSON\n"
    "\n"
    "Usage: kist get PATH [-c COLLECTION] KEY... [--json]\n"
    "       kist get STORE KEY... [--format FORMAT] [--digest-len N] "
    "[--json]\n"
    "\n"
    "  -c, --collection NAME  default: the root collection\n"
    "  -n, --no-newline       print nothing behind text\n"
    "      --json             print JSON, and take set members as JSON; of a\n"
    "                         store, an object with key, ETag and value\n"
    "      --format FORMAT    of a store: what file names end in; default: "
    "what\n"
    "                         they do end in, if it is one thing\n"
    "      --digest-len N     of a store: characters of the digest in file\n"
    "                         names (4; 0: none)\n"
    "\n"
    "Text is printed as it is, and a newline; bytes are printed as they are,\n"
    "with a newline on a terminal only; everything else as JSON. A key that\n"
    "is not there is an error (exit code 1), after all others are printed.\n";

typedef struct get_job {
    const cli_call *cli;
    cli_target target;
    bool no_newline;
    bool missing;
} get_job;

static kist_status
print_value(const get_job *getter, const kist_value *value)
{
    const bool bytes = value->type == KIST_BYTES;
    kist_status status;

    if (getter->cli->json || (value->type != KIST_TEXT && !bytes)) {
        status = cli_json_write(stdout, value);
        putchar('\n');
        return status;
    }
    cli_write(value->as.bytes.data, value->as.bytes.size);
    if (!getter->no_newline && (!bytes || isatty(STDOUT_FILENO))) {
        putchar('\n');
    }
    return KIST_OK;
}

/* Says so, and lets the other keys have their turn. */
static int
say_missing(get_job *getter, const char *what, const char *key)
{
    getter->missing = true;
    cli_error(CLI_WRONG, "%s: no %s \"%s\"", getter->target.path, what, key);
    return CLI_OK;
}

static int
get_member(get_job *getter, const char *key)
{
    cli_parsed parsed;
    kist_value value;
    const char *wrong;
    kist_status status;
    int code = CLI_OK;

    cli_parsed_init(&parsed);
    wrong = cli_word_value(&parsed, key, getter->cli->json,
                           getter->target.type, &value);
    if (wrong != NULL) {
        code = cli_error(CLI_WRONG, "%s: %s", key, wrong);
        goto out;
    }
    status = kist_set_contains(getter->target.set, &value);
    if (status == KIST_OK) {
        status = print_value(getter, &value);
    }
    if (status == KIST_ERR_NOTFOUND) {
        code = say_missing(getter, "member", key);
    }
    else if (status != KIST_OK) {
        code = cli_fail(status);
    }
out:
    cli_parsed_fini(&parsed);
    return code;
}

static int
get_one(get_job *getter, const char *key)
{
    const bool dict = getter->target.kind == KIST_KIND_DICT;
    uint64_t count = 0;
    uint64_t index = 0;
    kist_value value;
    kist_status status;

    if (getter->target.kind == KIST_KIND_SET) {
        return get_member(getter, key);
    }
    if (dict) {
        status = kist_dict_get(getter->target.dict, kist_str(key), &value);
    }
    else {
        status = kist_list_count(getter->target.list, &count);
        if (status == KIST_OK && !cli_parse_index(key, count, false, &index)) {
            return say_missing(getter, "index", key);
        }
        if (status == KIST_OK) {
            status = kist_list_get(getter->target.list, index, &value);
        }
    }
    if (status == KIST_OK) {
        status = print_value(getter, &value);
    }
    if (status == KIST_ERR_NOTFOUND || status == KIST_ERR_RANGE) {
        return say_missing(getter, dict ? "key" : "index", key);
    }
    return status == KIST_OK ? CLI_OK : cli_fail(status);
}

int
cmd_get(cli_call *cli, int argc, char **argv)
{
    static const struct option own[] = {
        {"collection", required_argument, NULL, 'c'},
        {"no-newline", no_argument, NULL, 'n'},
        {"format", required_argument, NULL, CLI_OPT_FORMAT},
        {"digest-len", required_argument, NULL, CLI_OPT_DIGEST},
        {NULL, 0, NULL, 0}};
    get_job getter = {.cli = cli};
    cli_storewords words = {.given = NULL};
    const char *name = NULL;
    int code;
    int opt;

    while ((opt = cli_getopt(cli, argc, argv, "c:n", own)) != -1) {
        if (opt == 'c') {
            name = optarg;
        }
        else if (opt == 'n') {
            getter.no_newline = true;
        }
        else if (!cli_store_option(cli, opt, &words)) {
            return cli->exit_code;
        }
    }
    if (argc - optind < 2) {
        return cli_usage(cli, "a PATH and a KEY are wanted");
    }
    if (name == NULL && cli_names_store(argv[optind])) {
        return cmd_store_get(cli, &words, getter.no_newline, argc - optind,
                             argv + optind);
    }
    if (cli_store_unwanted(cli, &words) != CLI_OK) {
        return CLI_USAGE;
    }
    code = cli_target_open(cli, argv[optind], name == NULL ? "" : name,
                           CLI_READ, &getter.target);
    if (code != CLI_OK) {
        return code;
    }
    for (int i = optind + 1; i < argc && code == CLI_OK; i++) {
        code = get_one(&getter, argv[i]);
    }
    if (code == CLI_OK && getter.missing) {
        code = CLI_WRONG;
    }
    return cli_target_close(&getter.target, code);
}
