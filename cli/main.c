/*
 * The command `kist`: finds the command, runs it, and makes sure that what
 * it printed has arrived.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

typedef struct command {
    const char *name;
    const char *summary;
    const char *help;
    int (*run)(cli_call *cli, int argc, char **argv);
} command;

static const command commands[] = {
    {"info", "sizes, collections and counters", cmd_info_help, cmd_info},
    {"ls", "the collections, or the items of one", cmd_ls_help, cmd_ls},
    {"get", "print values", cmd_get_help, cmd_get},
    {"put", "store values", cmd_put_help, cmd_put},
    {"rm", "remove items or a collection", cmd_rm_help, cmd_rm},
    {"cp", "copy from store to store", cmd_cp_help, cmd_cp},
    {"import", "read JSON lines, CSV or plain lines", cmd_import_help,
     cmd_import},
    {"export", "write them", cmd_export_help, cmd_export},
    {"verify", "check every byte", cmd_verify_help, cmd_verify},
    {"repair", "salvage a damaged kist", cmd_repair_help, cmd_repair},
    {"compact", "give back the room of what was removed", cmd_compact_help,
     cmd_compact},
};

static const char help_head[] =
    "Lists, dicts and sets in one crash-safe file pair, and stores.\n"
    "\n"
    "Examples:\n"
    "  kist put people ada 'Countess of Lovelace'   a dict in people.kist\n"
    "  kist get people ada\n"
    "  kist put people -c log -k list 'it began'    a list beside it\n"
    "  kist ls people log\n"
    "  kist import logs -c events events.jsonl      a record a line\n"
    "  kist export logs -c events --format csv -o events.csv\n"
    "  kist verify people && kist info people --json\n"
    "  kist put docs/ uk/ada --file ada.txt         a store: a directory\n"
    "  kist ls docs/ && kist get docs/ uk/ada\n"
    "\n"
    "Usage: kist COMMAND PATH [ARGUMENT...]\n"
    "       kist COMMAND --help\n"
    "\n"
    "PATH is a kist (PATH.kist), or a store: PATH/, dir:PATH, nfs:PATH, or\n"
    "the name of a directory, which ls, get, put, rm, cp and verify take.\n"
    "\n"
    "Commands:\n";

static const char help_tail[] =
    "\n"
    "Options of every command:\n"
    "  --durability LEVEL  what a finished write survives: process (the\n"
    "                      default; kill -9), interval (and a power cut\n"
    "                      100 ms later), sync (and a power cut at once)\n"
    "  --read-only         never write (info, ls, get, export and verify\n"
    "                      open read-only anyway)\n"
    "  --json              machine-readable output, or values given as JSON\n"
    "  -q, --quiet         no progress bar, no summary\n"
    "  -h, --help          help, of kist or of a command\n"
    "  --version           the version\n"
    "\n"
    "Exit codes: 0 done, 1 not found or wrong, 2 usage, 3 damage,\n"
    "            4 I/O or permission error, 5 locked or busy\n";

static void
print_help(void)
{
    fputs(help_head, stdout);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        printf("  %-9s %s\n", commands[i].name, commands[i].summary);
    }
    fputs(help_tail, stdout);
}

static const command *
find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/*
 * Runs what argv asks for.  Options before the command are the common ones;
 * '+' stops at the first word that is none, which is the command.
 */
static int
dispatch(int argc, char **argv)
{
    static const struct option own[] = {{"version", no_argument, NULL, 'V'},
                                        {NULL, 0, NULL, 0}};
    cli_call cli = {.command = NULL};
    const command *found;
    int opt;

    while ((opt = cli_getopt(&cli, argc, argv, "+V", own)) != -1) {
        if (opt == 'V') {
            printf("kist %s\n", kist_version());
            return CLI_OK;
        }
        if (cli.exit_code == CLI_OK) {
            print_help();
        }
        return cli.exit_code;
    }
    if (optind >= argc) {
        return cli_usage(&cli, "a command is missing");
    }
    if (strcmp(argv[optind], "help") == 0 && optind + 1 < argc) {
        found = find_command(argv[optind + 1]);
        if (found != NULL) {
            fputs(found->help, stdout);
            return CLI_OK;
        }
    }
    if (strcmp(argv[optind], "help") == 0) {
        print_help();
        return CLI_OK;
    }
    found = find_command(argv[optind]);
    if (found == NULL) {
        return cli_usage(&cli, "no such command: %s", argv[optind]);
    }
    cli.command = found->name;
    cli.help = found->help;
    argc -= optind;
    argv += optind;
    optind = 0; // glibc: begin anew
    return found->run(&cli, argc, argv);
}

/*
 * What was printed must have arrived: a full disk behind `>` is an error like
 * any other.  A reader that went away is not; SIGPIPE was ignored so that the
 * kist got closed, and ends the process now, as it does with other tools.
 */
static int
finish_output(int code)
{
    int reason = 0;

    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        reason = errno != 0 ? errno : cli_output_errno();
        reason = reason != 0 ? reason : EIO;
    }
    if (close(STDOUT_FILENO) != 0 && reason == 0 && errno != EBADF) {
        reason = errno;
    }
    if (reason == EPIPE) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    if (reason != 0) {
        return cli_error(CLI_IO, "standard output: %s", strerror(reason));
    }
    return code;
}

int
main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    return finish_output(dispatch(argc, argv));
}
