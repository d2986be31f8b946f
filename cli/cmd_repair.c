/*
 * kist repair: every whole record into a new log.
 */
#include "bar.h"
#include "report.h"
#include "storetarget.h"

const char cmd_repair_help[] =
    "Salvages a damaged kist: every record that is whole goes into a new "
    "log;\n"
    "what could not be read is kept beside it as PATH.damaged-N.\n"
    "\n"
    "Examples:\n"
    "  kist verify people || kist repair people\n"
    "  kist repair people --json\n"
    "\n"
    "Usage: kist repair PATH [--json]\n"
    "\n"
    "Nobody may have it open meanwhile. A sound kist is left as it is.\n";

int
cmd_repair(cli_call *cli, int argc, char **argv)
{
    static const struct option own[] = {{NULL, 0, NULL, 0}};
    kist_report report = {.damaged_offset = UINT64_MAX};
    kist_status status;
    cli_bar bar;

    if (cli_getopt(cli, argc, argv, "", own) != -1) {
        return cli->exit_code;
    }
    if (argc - optind != 1) {
        return cli_usage(cli, "one PATH is wanted");
    }
    if (cli_must_be_store(argv[optind])) {
        return cli_usage(cli, "%s is a store, and a kist is wanted",
                         argv[optind]);
    }
    if (cli->read_only) {
        return cli_usage(cli, "it writes, so --read-only makes no sense");
    }
    cli_bar_init(&bar, cli, "repair");
    status = kist_repair(argv[optind], cli_bar_step, &bar, &report);
    cli_bar_fini(&bar);
    if (status != KIST_OK) {
        return cli_fail(status);
    }
    if (cli->json) {
        cli_report_print(cli, argv[optind], &report, CLI_OK);
        return CLI_OK;
    }
    if (!cli->quiet) {
        printf("%s: %llu records kept; %llu bytes in %llu places lost%s\n",
               argv[optind], (unsigned long long)report.records,
               (unsigned long long)report.damaged_bytes,
               (unsigned long long)report.damaged_runs,
               report.damaged_runs == 0 ? ": it was sound" : "");
    }
    return CLI_OK;
}
