/*
 * kist verify: every record, and the index against them.
 */
#include "bar.h"
#include "report.h"

const char cmd_verify_help[] =
    "Checks every record of a kist, and its index against them.\n"
    "\n"
    "Examples:\n"
    "  kist verify people && echo sound\n"
    "  kist verify people --fix       also make a wrong index anew\n"
    "  kist verify people --json\n"
    "\n"
    "Usage: kist verify PATH [--fix] [--json]\n"
    "\n"
    "Exit codes: 0 sound, 1 wrong or unreadable (no such file, no kist, a\n"
    "newer format, no permission), 3 damage noticed, 5 locked.\n";

int
cmd_verify(cli_call *cli, int argc, char **argv)
{
    static const struct option own[] = {{"fix", no_argument, NULL, 'F'},
                                        {NULL, 0, NULL, 0}};
    kist_report report = {.damaged_offset = UINT64_MAX};
    kist_status status;
    bool fix = false;
    cli_bar bar;
    kist *k;
    int code;
    int opt;

    while ((opt = cli_getopt(cli, argc, argv, "", own)) != -1) {
        if (opt != 'F') {
            return cli->exit_code;
        }
        fix = true;
    }
    if (argc - optind != 1) {
        return cli_usage(cli, "one PATH is wanted");
    }
    code = cli_open(cli, argv[optind], fix ? CLI_WRITE : CLI_READ, &k);
    if (code == CLI_IO) {
        return CLI_WRONG; // as documented: it could not be read
    }
    if (code != CLI_OK) {
        return code;
    }
    cli_bar_init(&bar, cli, "verify");
    status = kist_verify(k, cli_bar_step, &bar, &report);
    cli_bar_fini(&bar);
    if (status != KIST_OK) {
        code = cli_fail(status);
        code = code == CLI_IO ? CLI_WRONG : code;
    }
    else if (report.index_damaged && !report.index_rebuilt) {
        code = CLI_DAMAGE;
    }
    if (status == KIST_OK || status == KIST_ERR_CORRUPT) {
        cli_report_print(cli, argv[optind], &report, code);
    }
    return cli_close(k, code);
}
