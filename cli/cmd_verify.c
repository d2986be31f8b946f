/*
 * kist verify: every record, and the index against them.
 */
#include "bar.h"
#include "report.h"
#include "storetarget.h"

const char cmd_verify_help[] =
    "Checks every record of a kist, and its index against them; or every\n"
    "value of a store.\n"
    "\n"
    "Examples:\n"
    "  kist verify people && echo sound\n"
    "  kist verify people --fix       also make a wrong index anew\n"
    "  kist verify people --json\n"
    "\n"
    "  kist verify docs/              a store: reads every value\n"
    "\n"
    "Usage: kist verify PATH [--fix] [--json]\n"
    "       kist verify STORE [--format FORMAT] [--digest-len N] [--json]\n"
    "\n"
    "Of a store it tells values that are damaged (JSON that is none, pickles\n"
    "that are cut short) or cannot be read; files that are no value of any\n"
    "key; and leftovers of writers that were killed. The last two harm\n"
    "nothing and do not change the exit code.\n"
    "\n"
    "Exit codes: 0 sound, 1 wrong or unreadable (no such file, no kist, a\n"
    "newer format, no permission), 3 damage noticed, 5 locked.\n";

int
cmd_verify(cli_call *cli, int argc, char **argv)
{
    static const struct option own[] = {
        {"fix", no_argument, NULL, 'F'},
        {"format", required_argument, NULL, CLI_OPT_FORMAT},
        {"digest-len", required_argument, NULL, CLI_OPT_DIGEST},
        {NULL, 0, NULL, 0}};
    cli_storewords words = {.given = NULL};
    kist_report report = {.damaged_offset = UINT64_MAX};
    kist_status status;
    bool fix = false;
    cli_bar bar;
    kist *k;
    int code;
    int opt;

    while ((opt = cli_getopt(cli, argc, argv, "", own)) != -1) {
        if (opt == 'F') {
            fix = true;
        }
        else if (!cli_store_option(cli, opt, &words)) {
            return cli->exit_code;
        }
    }
    if (argc - optind != 1) {
        return cli_usage(cli, "one PATH is wanted");
    }
    if (cli_names_store(argv[optind])) {
        return fix ? cli_usage(cli, "--fix is for a kist")
                   : cmd_store_verify(cli, &words, argv[optind]);
    }
    if (cli_store_unwanted(cli, &words) != CLI_OK) {
        return CLI_USAGE;
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
