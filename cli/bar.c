/*
 * Ours and not a library's: Debian has no C library for it, and it is small.
 */
#include "bar.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#define BAR_CELLS     30
#define BAR_QUIET_MS  500u
#define BAR_REDRAW_MS 100u

static uint64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
cli_bar_init(cli_bar *bar, const cli_call *cli, const char *label)
{
    *bar = (cli_bar){.label = label, .started_ms = now_ms()};
    bar->on = !cli->quiet && isatty(STDERR_FILENO);
}

bool
cli_bar_step(void *context, uint64_t done, uint64_t total)
{
    cli_bar *bar = context;
    uint64_t now;

    if (!bar->on) {
        return true;
    }
    now = now_ms();
    if (now - bar->started_ms < BAR_QUIET_MS ||
        now - bar->drawn_ms < BAR_REDRAW_MS) {
        return true;
    }
    bar->drawn_ms = now;
    bar->drawn = true;
    if (total == 0) {
        fprintf(stderr, "\r%s %" PRIu64 "\033[K", bar->label, done);
        return true;
    }
    if (done > total) {
        done = total;
    }
    const double share = (double)done / (double)total;
    fprintf(stderr, "\r%s [", bar->label);
    for (int i = 0; i < BAR_CELLS; i++) {
        fputc(i < (int)(share * BAR_CELLS) ? '#' : '.', stderr);
    }
    fprintf(stderr, "] %3d%%\033[K", (int)(share * 100));
    return true;
}

void
cli_bar_fini(cli_bar *bar)
{
    if (bar->drawn) {
        fputs("\r\033[K", stderr);
        bar->drawn = false;
    }
}
