/*
 * csvtext.h - CSV as RFC 4180 has it, both ways.
 *
 * Read: fields between commas, quoted where they hold commas, quotes or line
 * ends; lines end with LF or CRLF; a byte order mark in front is skipped, and
 * so are empty lines.  Written: LF, quotes where needed.
 *
 * Layer    cli.
 * Threads  one thread a reader.
 */
#ifndef CLI_CSVTEXT_H
#define CLI_CSVTEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "kist/bytes.h"

typedef struct cli_csv {
    FILE *file;        /* borrowed */
    uint64_t line;     /* of the next byte, from 1 */
    uint64_t column;   /* of the next byte, from 1 */
    uint64_t bytes;    /* read so far */
    uint64_t row_line; /* where the row that was read last begins */
    kist_buf text;     /* its fields, one behind the other */
    kist_buf ends;     /* size_t each: where they end in `text` */
} cli_csv;

typedef enum cli_csv_result {
    CLI_CSV_ROW,
    CLI_CSV_END,   /* of the file, or it cannot be read: see ferror() */
    CLI_CSV_WRONG, /* *what says why, line and column where */
    CLI_CSV_NOMEM
} cli_csv_result;

void cli_csv_init(cli_csv *csv, FILE *file);
void cli_csv_fini(cli_csv *csv);

/* Reads the next row. */
cli_csv_result cli_csv_next(cli_csv *csv, const char **what);

/* Goes behind the line that was wrong. */
void cli_csv_skip(cli_csv *csv);

/* The fields of the row; they live until the next one is read. */
size_t cli_csv_count(const cli_csv *csv);
kist_slice cli_csv_field(const cli_csv *csv, size_t index);

/* Writes one field; `alone` if it is the only one of its row. */
void cli_csv_write(FILE *out, kist_slice field, bool alone);

#endif /* CLI_CSVTEXT_H */
