/*
 * kist compact: live records only.
 */
#include <inttypes.h>

#include "bar.h"

const char cmd_compact_help[] =
    "Rewrites the live records and gives the room of dead ones back.\n"
    "\n"
    "Examples:\n"
    "  kist compact people\n"
    "  kist compact people --json | jq .after_bytes\n"
    "\n"
    "Usage: kist compact PATH [--json]\n"
    "\n"
    "Others may have it open: readers go on, writers wait.\n";

int
cmd_compact(cli_call *cli, int argc, char **argv)
{
    static const struct option own[] = {{NULL, 0, NULL, 0}};
    kist_metrics before;
    kist_metrics after;
    kist_status status;
    cli_bar bar;
    kist *k;
    int code;

    if (cli_getopt(cli, argc, argv, "", own) != -1) {
        return cli->exit_code;
    }
    if (argc - optind != 1) {
        return cli_usage(cli, "one PATH is wanted");
    }
    code = cli_open(cli, argv[optind], CLI_WRITE, &k);
    if (code != CLI_OK) {
        return code;
    }
    cli_bar_init(&bar, cli, "compact");
    status = kist_metrics_get(k, &before);
    if (status == KIST_OK) {
        status = kist_compact(k, cli_bar_step, &bar);
    }
    if (status == KIST_OK) {
        status = kist_metrics_get(k, &after);
    }
    cli_bar_fini(&bar);
    if (status != KIST_OK) {
        return cli_close(k, cli_fail(status));
    }
    if (cli->json) {
        printf("{\"before_bytes\":%" PRIu64 ",\"after_bytes\":%" PRIu64
               ",\"generation\":%" PRIu64 "}\n",
               before.log_bytes, after.log_bytes, after.generation);
    }
    else if (!cli->quiet) {
        printf("%s: %" PRIu64 " bytes of log, %" PRIu64 " before\n",
               argv[optind], after.log_bytes, before.log_bytes);
    }
    return cli_close(k, CLI_OK);
}
