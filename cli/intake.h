/*
 * intake.h - records of a text file on their way into a collection.
 *
 * Records are kept in batches.  One that is bad is an error that names file,
 * line and column and takes its batch with it, or is left out and counted.
 *
 * Layer    cli.
 * Threads  one thread.
 */
#ifndef CLI_INTAKE_H
#define CLI_INTAKE_H

#include "bar.h"
#include "jsonval.h"
#include "target.h"

typedef enum cli_format {
    CLI_FORMAT_AUTO = 0,
    CLI_FORMAT_JSONL,
    CLI_FORMAT_CSV,
    CLI_FORMAT_LINES
} cli_format;

typedef struct cli_intake {
    /* Set before cli_intake_run(). */
    const cli_call *cli;
    FILE *in;
    const char *in_name;
    uint64_t total; /* bytes of `in`, or 0 if not known */
    cli_format format;
    const char *key; /* --key, or NULL */
    uint64_t batch;  /* records a batch, 0: all */
    bool skip_bad;
    cli_target target;
    /* What has come of it. */
    uint64_t kept; /* records of batches that are committed */
    uint64_t bad;
    /* Its own. */
    uint64_t pending; /* records of the batch that is open */
    bool in_batch;
    uint64_t line;
    uint64_t bytes;
    cli_bar bar;
    cli_parsed parsed;     /* the value */
    cli_parsed parsed_key; /* the key */
    char number[24];       /* a key that is an integer */
} cli_intake;

/* Reads all of it.  Returns an exit code and has said what was wrong. */
int cli_intake_run(cli_intake *intake);

#endif /* CLI_INTAKE_H */
