/*
 * report.h - a kist_report for people and for programs.
 *
 * Layer    cli.
 * Threads  one thread.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli.h"

/* Prints what verify or repair found; `code` is what they will exit with. */
void cli_report_print(const cli_call *cli, const char *path,
                      const kist_report *report, int code);

#endif /* CLI_REPORT_H */
