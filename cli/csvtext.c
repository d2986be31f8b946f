#include "csvtext.h"

#include <string.h>

void
cli_csv_init(cli_csv *csv, FILE *file)
{
    memset(csv, 0, sizeof(*csv));
    csv->file = file;
    csv->line = 1;
    csv->column = 1;
}

void
cli_csv_fini(cli_csv *csv)
{
    kist_buf_fini(&csv->text);
    kist_buf_fini(&csv->ends);
}

/* The next byte; its place is counted once it is taken. */
static int
peek(cli_csv *csv)
{
    const int c = getc_unlocked(csv->file);

    if (c != EOF) {
        ungetc(c, csv->file);
    }
    return c;
}

static int
take(cli_csv *csv)
{
    const int c = getc_unlocked(csv->file);

    if (c == EOF) {
        return c;
    }
    csv->bytes++;
    if (c == '\n') {
        csv->line++;
        csv->column = 1;
    }
    else if ((c & 0xC0) != 0x80) {
        csv->column++;
    }
    return c;
}

static bool
keep(cli_csv *csv, int c)
{
    const uint8_t byte = (uint8_t)c;

    return kist_buf_append(&csv->text, &byte, 1) == KIST_OK;
}

static bool
end_field(cli_csv *csv)
{
    const size_t end = csv->text.size;

    return kist_buf_append(&csv->ends, &end, sizeof(end)) == KIST_OK;
}

/* True if what comes next ends a field, a CRLF included. */
static bool
at_field_end(cli_csv *csv)
{
    int c = peek(csv);

    if (c == '\r') {
        // Two bytes of look-ahead: only CR before LF is a line end.
        (void)getc_unlocked(csv->file);
        c = peek(csv);
        ungetc('\r', csv->file);
        return c == '\n' || c == EOF;
    }
    return c == ',' || c == '\n' || c == EOF;
}

static cli_csv_result
read_quoted(cli_csv *csv, const char **what)
{
    (void)take(csv);
    for (;;) {
        int c = take(csv);

        if (c == EOF) {
            *what = "the file ends inside quotes";
            return CLI_CSV_WRONG;
        }
        if (c == '"' && peek(csv) != '"') {
            break;
        }
        if (c == '"') {
            c = take(csv);
        }
        if (!keep(csv, c)) {
            return CLI_CSV_NOMEM;
        }
    }
    if (!at_field_end(csv)) {
        *what = "text behind a closing quote";
        return CLI_CSV_WRONG;
    }
    return CLI_CSV_ROW;
}

static cli_csv_result
read_field(cli_csv *csv, const char **what)
{
    if (peek(csv) == '"') {
        return read_quoted(csv, what);
    }
    while (!at_field_end(csv)) {
        if (peek(csv) == '"') {
            *what = "a quote inside a field that is not quoted";
            return CLI_CSV_WRONG;
        }
        if (!keep(csv, take(csv))) {
            return CLI_CSV_NOMEM;
        }
    }
    return CLI_CSV_ROW;
}

static void
skip_mark(cli_csv *csv)
{
    static const int mark[3] = {0xEF, 0xBB, 0xBF};

    for (int i = 0; i < 3; i++) {
        if (peek(csv) != mark[i]) {
            return; // UTF-8 has no other text that begins like this
        }
        (void)take(csv);
    }
    csv->column = 1;
}

static void
take_line_end(cli_csv *csv)
{
    if (peek(csv) == '\r') {
        (void)take(csv);
    }
    if (peek(csv) == '\n') {
        (void)take(csv);
    }
}

cli_csv_result
cli_csv_next(cli_csv *csv, const char **what)
{
    if (csv->bytes == 0) {
        skip_mark(csv);
    }
    while (peek(csv) != EOF && at_field_end(csv) && peek(csv) != ',') {
        take_line_end(csv);
    }
    kist_buf_clear(&csv->text);
    kist_buf_clear(&csv->ends);
    csv->row_line = csv->line;
    if (peek(csv) == EOF) {
        return CLI_CSV_END;
    }
    for (;;) {
        const cli_csv_result result = read_field(csv, what);

        if (result != CLI_CSV_ROW) {
            return result;
        }
        if (!end_field(csv)) {
            return CLI_CSV_NOMEM;
        }
        if (peek(csv) != ',') {
            break;
        }
        (void)take(csv);
    }
    take_line_end(csv);
    return CLI_CSV_ROW;
}

void
cli_csv_skip(cli_csv *csv)
{
    int c;

    do {
        c = take(csv);
    } while (c != EOF && c != '\n');
}

size_t
cli_csv_count(const cli_csv *csv)
{
    return csv->ends.size / sizeof(size_t);
}

static size_t
field_end(const cli_csv *csv, size_t index)
{
    size_t end;

    memcpy(&end, csv->ends.data + index * sizeof(end), sizeof(end));
    return end;
}

kist_slice
cli_csv_field(const cli_csv *csv, size_t index)
{
    const size_t start = index == 0 ? 0 : field_end(csv, index - 1);

    if (csv->text.data == NULL) {
        return kist_bytes("", 0);
    }
    return kist_bytes(csv->text.data + start, field_end(csv, index) - start);
}

void
cli_csv_write(FILE *out, kist_slice field, bool alone)
{
    const char *p = field.data;
    bool quote = alone && field.size == 0;

    for (size_t i = 0; i < field.size && !quote; i++) {
        quote = p[i] == ',' || p[i] == '"' || p[i] == '\n' || p[i] == '\r';
    }
    // A leading byte order mark would be skipped when it is read again.
    quote = quote || (field.size >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0);
    if (!quote) {
        if (field.size > 0) {
            fwrite(p, 1, field.size, out);
        }
        return;
    }
    fputc('"', out);
    for (size_t i = 0; i < field.size; i++) {
        if (p[i] == '"') {
            fputc('"', out);
        }
        fputc(p[i], out);
    }
    fputc('"', out);
}
