/*
 * bar.h - a progress bar on standard error, for work that takes a while.
 *
 * It appears after half a second, on a terminal only, and leaves no trace.
 *
 * Layer    cli.
 * Threads  one thread.
 */
#ifndef CLI_BAR_H
#define CLI_BAR_H

#include "cli.h"

typedef struct cli_bar {
    const char *label;
    uint64_t started_ms;
    uint64_t drawn_ms;
    bool on;    /* may be drawn */
    bool drawn; /* has been, and must be wiped */
} cli_bar;

void cli_bar_init(cli_bar *bar, const cli_call *cli, const char *label);

/* A kist_progress; `context` is the cli_bar.  A total of 0 is unknown. */
bool cli_bar_step(void *context, uint64_t done, uint64_t total);

/* Wipes the bar.  May be called again, and before messages. */
void cli_bar_fini(cli_bar *bar);

#endif /* CLI_BAR_H */
