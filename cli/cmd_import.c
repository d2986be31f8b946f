/*
 * kist import: JSON lines, CSV or plain lines into a collection, in batches.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "intake.h"

const char cmd_import_help[] =
    "Reads records into a collection, a batch at a time.\n"
    "\n"
    "Examples:\n"
    "  kist import logs -c events events.jsonl        a JSON value a line\n"
    "  kist import logs -c users --key name users.csv a dict by that column\n"
    "  journalctl -o json | kist import logs -c journal -\n"
    "  kist import logs -c words --set --format lines /usr/share/dict/words\n"
    "  kist export a -c x | kist import b -c x --dict a copy of a dict\n"
    "\n"
    "Usage: kist import PATH [-c COLLECTION] [OPTION...] [FILE|-]\n"
    "\n"
    "  -c, --collection NAME  default: the root collection\n"
    "      --format FORMAT    jsonl, csv, lines or auto (the default: by the\n"
    "                         name of FILE, then by its first character)\n"
    "      --list, --dict, --set\n"
    "                         what to make; default: a list, and with --key "
    "a\n"
    "                         dict. A collection that is there stays what it "
    "is\n"
    "      --key FIELD        the member or column that is the key of a dict\n"
    "      --batch N          records a batch (1000); 0: all in one\n"
    "      --skip-bad         leave bad records out and count them\n"
    "\n"
    "A dict without --key takes {\"key\": K, \"value\": V} a line, or a CSV "
    "whose\n"
    "first column is `key`. A bad record is an error that names file, line "
    "and\n"
    "column; of its batch nothing is kept, of the batches before it all.\n";

/* Chooses the format by the name of the file, then by how it begins. */
static cli_format
guess_format(const char *name, FILE *in)
{
    const char *dot = strrchr(name, '.');
    int c;

    if (dot != NULL &&
        (strcmp(dot, ".jsonl") == 0 || strcmp(dot, ".ndjson") == 0 ||
         strcmp(dot, ".json") == 0)) {
        return CLI_FORMAT_JSONL;
    }
    if (dot != NULL && strcmp(dot, ".csv") == 0) {
        return CLI_FORMAT_CSV;
    }
    c = getc(in);
    if (c != EOF) {
        ungetc(c, in);
    }
    return c == '{' || c == '[' ? CLI_FORMAT_JSONL : CLI_FORMAT_LINES;
}

/* Opens the input before the kist, so that a wrong name makes no kist. */
static int
open_input(cli_intake *intake, const char *file)
{
    struct stat about;

    intake->in = stdin;
    intake->in_name = "standard input";
    if (strcmp(file, "-") != 0) {
        intake->in_name = file;
        intake->in = fopen(file, "rbe");
        if (intake->in == NULL) {
            return cli_error(CLI_IO, "%s: %s", file, strerror(errno));
        }
    }
    if (fstat(fileno(intake->in), &about) == 0 && S_ISREG(about.st_mode)) {
        intake->total = (uint64_t)about.st_size;
    }
    if (intake->format == CLI_FORMAT_AUTO) {
        errno = 0;
        intake->format = guess_format(file, intake->in);
    }
    if (ferror(intake->in)) {
        const int reason = errno;

        if (intake->in != stdin) {
            fclose(intake->in);
        }
        return cli_error(CLI_IO, "%s: %s", intake->in_name, strerror(reason));
    }
    return CLI_OK;
}

static void
print_summary(const cli_intake *intake)
{
    const char *kind = kist_kind_name(intake->target.kind);

    if (intake->cli->json) {
        printf("{\"imported\":%" PRIu64 ",\"bad\":%" PRIu64
               ",\"kind\":\"%s\",\"collection\":",
               intake->kept, intake->bad, kind);
        if (cli_json_write_key(stdout, kist_str(intake->target.name)) !=
            KIST_OK) {
            fputs("null", stdout);
        }
        fputs("}\n", stdout);
        return;
    }
    if (intake->cli->quiet) {
        return;
    }
    printf("%" PRIu64 " records into the %s \"%s\"", intake->kept, kind,
           intake->target.name);
    if (intake->bad > 0) {
        printf(", %" PRIu64 " bad ones left out", intake->bad);
    }
    putchar('\n');
}

static int
import(cli_intake *intake, const char *path, const char *name, kist_kind kind,
       const char *file)
{
    const kist_kind otherwise =
        intake->key != NULL ? KIST_KIND_DICT : KIST_KIND_LIST;
    int code = open_input(intake, file);

    if (code != CLI_OK) {
        return code;
    }
    code = cli_target_find(intake->cli, path, name, CLI_CREATE, kind,
                           &intake->target);
    if (code == CLI_OK) {
        code = cli_target_make(&intake->target, kind != 0 ? kind : otherwise,
                               KIST_ANY);
    }
    if (code == CLI_OK) {
        code = cli_intake_run(intake);
        if (code == CLI_OK) {
            print_summary(intake);
        }
        code = cli_target_close(&intake->target, code);
    }
    if (intake->in != stdin) {
        fclose(intake->in);
    }
    return code;
}

static bool
parse_format(const char *word, cli_format *format)
{
    static const char *const names[] = {"auto", "jsonl", "csv", "lines"};

    for (int i = 0; i < 4; i++) {
        if (strcmp(word, names[i]) == 0) {
            *format = (cli_format)i;
            return true;
        }
    }
    return false;
}

/* Takes an option other than --collection and the kinds. */
static bool
take_option(cli_intake *intake, cli_call *cli, int opt)
{
    switch (opt) {
    case 'F':
        if (!parse_format(optarg, &intake->format)) {
            cli->exit_code = cli_usage(cli, "no such format: %s", optarg);
            return false;
        }
        return true;
    case 'K':
        intake->key = optarg;
        return true;
    case 'B':
        if (!cli_parse_count(optarg, &intake->batch)) {
            cli->exit_code =
                cli_usage(cli, "--batch wants a number, not %s", optarg);
            return false;
        }
        return true;
    case 'S':
        intake->skip_bad = true;
        return true;
    default:
        return false;
    }
}

int
cmd_import(cli_call *cli, int argc, char **argv)
{
    static const struct option own[] = {
        {"collection", required_argument, NULL, 'c'},
        {"format", required_argument, NULL, 'F'},
        {"key", required_argument, NULL, 'K'},
        {"batch", required_argument, NULL, 'B'},
        {"skip-bad", no_argument, NULL, 'S'},
        {"list", no_argument, NULL, KIST_KIND_LIST},
        {"dict", no_argument, NULL, KIST_KIND_DICT},
        {"set", no_argument, NULL, KIST_KIND_SET},
        {NULL, 0, NULL, 0}};
    cli_intake intake = {.cli = cli, .batch = 1000};
    const char *name = "";
    kist_kind kind = 0;
    int opt;

    while ((opt = cli_getopt(cli, argc, argv, "c:", own)) != -1) {
        if (opt == 'c') {
            name = optarg;
        }
        else if (opt >= KIST_KIND_LIST && opt <= KIST_KIND_SET) {
            kind = (kist_kind)opt;
        }
        else if (!take_option(&intake, cli, opt)) {
            return cli->exit_code;
        }
    }
    if (argc - optind < 1 || argc - optind > 2) {
        return cli_usage(cli, "a PATH and perhaps a FILE are wanted");
    }
    if (intake.key != NULL && kind != 0 && kind != KIST_KIND_DICT) {
        return cli_usage(cli, "--key is for dicts");
    }
    return import(&intake, argv[optind], name, kind,
                  argc - optind == 2 ? argv[optind + 1] : "-");
}
