/*
 * kist export: a collection as JSON lines, CSV or plain lines.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "csvtext.h"
#include "jsonval.h"
#include "target.h"

const char cmd_export_help[] =
    "Writes a collection as text that `kist import` reads.\n"
    "\n"
    "Examples:\n"
    "  kist export logs -c events > events.jsonl\n"
    "  kist export logs -c users --format csv -o users.csv\n"
    "  kist export logs -c words --format lines | wc -l\n"
    "\n"
    "Usage: kist export PATH [-c COLLECTION] [--format FORMAT] [-o FILE]\n"
    "\n"
    "  -c, --collection NAME  default: the root collection\n"
    "      --format FORMAT    jsonl (the default): a JSON value a line, and\n"
    "                         {\"key\": K, \"value\": V} of a dict; nothing "
    "is\n"
    "                         lost. csv: a column for each key of the dicts "
    "in\n"
    "                         it, else the column `value`; in front of them "
    "the\n"
    "                         column `key` of a dict; all becomes text.\n"
    "                         lines: a value a line, of a list or set\n"
    "  -o, --output FILE      default: standard output\n";

typedef struct export_job {
    cli_target target;
    FILE *out;
    json_t *columns; /* name to position, in order */
    bool scalar;     /* csv: the values are no dicts */
} export_job;

typedef int item_writer(export_job *exporter, kist_slice key,
                        const kist_value *value);

/* Calls `write` for each item; `write` returns an exit code. */
static int
each_item(export_job *exporter, item_writer *write)
{
    kist_scan *scan = NULL;
    kist_status status = cli_target_scan(&exporter->target, false, &scan);
    int code = CLI_OK;

    while (status == KIST_OK && code == CLI_OK && !ferror(exporter->out)) {
        kist_slice key = {NULL, 0};
        kist_value value;

        status = kist_scan_next(scan, &key, &value);
        if (status == KIST_OK) {
            code = write(exporter, key, &value);
        }
    }
    kist_scan_close(scan);
    if (code == CLI_OK && status != KIST_OK && status != KIST_END) {
        code = cli_fail(status);
    }
    return code;
}

static int
write_jsonl(export_job *exporter, kist_slice key, const kist_value *value)
{
    const bool dict = exporter->target.kind == KIST_KIND_DICT;
    kist_status status = KIST_OK;

    if (dict) {
        fputs("{\"key\":", exporter->out);
        status = cli_json_write_key(exporter->out, key);
        fputs(",\"value\":", exporter->out);
    }
    if (status == KIST_OK) {
        status = cli_json_write(exporter->out, value);
    }
    fputs(dict ? "}\n" : "\n", exporter->out);
    return status == KIST_OK ? CLI_OK : cli_fail(status);
}

/*
 * The value as plain text: as it is if it is text or bytes, nothing for null,
 * else JSON.  *owned must be freed.
 */
static kist_status
plain_text(const kist_value *value, kist_slice *text, char **owned)
{
    size_t size = 0;
    FILE *out;
    kist_status status;

    *owned = NULL;
    *text = kist_bytes("", 0);
    if (value->type == KIST_TEXT || value->type == KIST_BYTES) {
        *text = value->as.bytes;
        return KIST_OK;
    }
    if (value->type == KIST_NULL) {
        return KIST_OK;
    }
    out = open_memstream(owned, &size);
    if (out == NULL) {
        return KIST_ERR_NOMEM;
    }
    status = cli_json_write(out, value);
    if (fclose(out) != 0 && status == KIST_OK) {
        status = KIST_ERR_NOMEM;
    }
    *text = kist_bytes(*owned, size);
    return status;
}

static int
write_line(export_job *exporter, kist_slice key, const kist_value *value)
{
    kist_slice text;
    char *owned;
    const kist_status status = plain_text(value, &text, &owned);
    int code = CLI_OK;

    (void)key;
    if (status != KIST_OK) {
        code = cli_fail(status);
    }
    else if (text.size > 0 && memchr(text.data, '\n', text.size) != NULL) {
        code = cli_error(CLI_WRONG,
                         "%s: a value holds a line end: export it as jsonl",
                         exporter->target.path);
    }
    else {
        if (text.size > 0) {
            fwrite(text.data, 1, text.size, exporter->out);
        }
        fputc('\n', exporter->out);
    }
    free(owned);
    return code;
}

/* --- CSV
 * ---------------------------------------------------------------------- */

static int
no_csv(const export_job *exporter, const char *what)
{
    return cli_error(CLI_WRONG, "%s: %s: export it as jsonl",
                     exporter->target.path, what);
}

/* First pass: notes the columns that this value has. */
static int
gather_columns(export_job *exporter, kist_slice key, const kist_value *value)
{
    kist_slice packed = value->as.bytes;
    kist_value name;
    kist_value item;

    (void)key;
    if (value->type != KIST_DICT) {
        exporter->scalar = true;
        return CLI_OK;
    }
    while (kist_unpack_value(&packed, &name) == KIST_OK &&
           kist_unpack_value(&packed, &item) == KIST_OK) {
        const size_t at = json_object_size(exporter->columns);
        char *text;

        if (name.type != KIST_TEXT) {
            return no_csv(exporter, "a dict in it has keys that are no text");
        }
        text = strndup(name.as.bytes.data, name.as.bytes.size);
        if (text == NULL) {
            return cli_error(CLI_IO, "out of memory");
        }
        if (json_object_get(exporter->columns, text) == NULL &&
            json_object_set_new(exporter->columns, text,
                                json_integer((json_int_t)at)) != 0) {
            free(text);
            return no_csv(exporter, "a key of a dict in it is no UTF-8");
        }
        free(text);
    }
    return CLI_OK;
}

static kist_status
write_cell(FILE *out, const kist_value *value, bool alone)
{
    kist_slice text;
    char *owned;
    const kist_status status = plain_text(value, &text, &owned);

    if (status == KIST_OK) {
        cli_csv_write(out, text, alone);
    }
    free(owned);
    return status;
}

/* Sorts the members of a dict into `cells`, by column. */
static int
fill_cells(const export_job *exporter, kist_slice packed, kist_value *cells)
{
    kist_value name;
    kist_value item;

    while (kist_unpack_value(&packed, &name) == KIST_OK &&
           kist_unpack_value(&packed, &item) == KIST_OK) {
        char *text = strndup(name.as.bytes.data, name.as.bytes.size);
        const json_t *column = NULL;

        if (text != NULL && name.type == KIST_TEXT) {
            column = json_object_get(exporter->columns, text);
        }
        free(text);
        if (column == NULL) {
            return no_csv(exporter, "it changed meanwhile");
        }
        cells[json_integer_value(column)] = item;
    }
    return CLI_OK;
}

static int
write_row(export_job *exporter, kist_slice key, const kist_value *value)
{
    const size_t count =
        exporter->scalar ? 1 : json_object_size(exporter->columns);
    const bool keyed = exporter->target.kind == KIST_KIND_DICT;
    kist_value *cells = calloc(count + 1, sizeof(*cells));
    kist_status status = KIST_OK;
    int code = CLI_OK;

    if (cells == NULL) {
        return cli_error(CLI_IO, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        cells[i] = kist_null();
    }
    if (exporter->scalar) {
        cells[0] = *value;
    }
    else {
        code = value->type == KIST_DICT
                   ? fill_cells(exporter, value->as.bytes, cells)
                   : no_csv(exporter, "it changed meanwhile");
    }
    if (keyed && code == CLI_OK) {
        cli_csv_write(exporter->out, key, count == 0);
    }
    for (size_t i = 0; i < count && code == CLI_OK; i++) {
        fputs(i > 0 || keyed ? "," : "", exporter->out);
        status = write_cell(exporter->out, &cells[i], count == 1 && !keyed);
        code = status == KIST_OK ? CLI_OK : cli_fail(status);
    }
    fputc('\n', exporter->out);
    free(cells);
    return code;
}

static void
write_header(const export_job *exporter)
{
    const bool keyed = exporter->target.kind == KIST_KIND_DICT;
    const bool alone = !keyed && json_object_size(exporter->columns) == 1;
    const char *comma = keyed ? "," : "";
    void *each = json_object_iter(exporter->columns);

    fputs(keyed ? "key" : "", exporter->out);
    if (exporter->scalar) {
        fprintf(exporter->out, "%svalue", comma);
    }
    while (each != NULL && !exporter->scalar) {
        fputs(comma, exporter->out);
        cli_csv_write(exporter->out, kist_str(json_object_iter_key(each)),
                      alone);
        comma = ",";
        each = json_object_iter_next(exporter->columns, each);
    }
    fputc('\n', exporter->out);
}

static int
export_csv(export_job *exporter)
{
    int code = CLI_OK;

    exporter->columns = json_object();
    if (exporter->columns == NULL) {
        return cli_error(CLI_IO, "out of memory");
    }
    code = each_item(exporter, gather_columns);
    if (code == CLI_OK && exporter->scalar &&
        json_object_size(exporter->columns) > 0) {
        code = no_csv(exporter, "some values are dicts and some are not");
    }
    // An empty collection has no dicts to take columns from.
    if (json_object_size(exporter->columns) == 0) {
        exporter->scalar = true;
    }
    if (code == CLI_OK) {
        write_header(exporter);
        code = each_item(exporter, write_row);
    }
    json_decref(exporter->columns);
    return code;
}

/* --- the command
 * -------------------------------------------------------------- */

static int export(export_job *exporter, const cli_call *cli,
                  const char *format, const char *output)
{
    int code;

    if (strcmp(format, "lines") == 0 &&
        exporter->target.kind == KIST_KIND_DICT) {
        return cli_usage(cli, "plain lines are for lists and sets");
    }
    exporter->out = stdout;
    if (strcmp(output, "-") != 0) {
        exporter->out = fopen(output, "wbe");
        if (exporter->out == NULL) {
            return cli_error(CLI_IO, "%s: %s", output, strerror(errno));
        }
    }
    errno = 0;
    if (strcmp(format, "csv") == 0) {
        code = export_csv(exporter);
    }
    else if (strcmp(format, "jsonl") == 0) {
        code = each_item(exporter, write_jsonl);
    }
    else {
        code = each_item(exporter, write_line);
    }
    if (exporter->out == stdout) {
        return code;
    }
    const bool failed = ferror(exporter->out) != 0;
    const int reason = errno;
    if ((fclose(exporter->out) != 0 || failed) && code == CLI_OK) {
        code = cli_error(CLI_IO, "%s: %s", output,
                         strerror(failed ? reason : errno));
    }
    return code;
}

int
cmd_export(cli_call *cli, int argc, char **argv)
{
    static const struct option own[] = {
        {"collection", required_argument, NULL, 'c'},
        {"format", required_argument, NULL, 'F'},
        {"output", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0}};
    export_job exporter = {.out = NULL};
    const char *name = "";
    const char *format = "jsonl";
    const char *output = "-";
    int code;
    int opt;

    while ((opt = cli_getopt(cli, argc, argv, "c:o:", own)) != -1) {
        switch (opt) {
        case 'c':
            name = optarg;
            break;
        case 'F':
            format = optarg;
            break;
        case 'o':
            output = optarg;
            break;
        default:
            return cli->exit_code;
        }
    }
    if (strcmp(format, "jsonl") != 0 && strcmp(format, "csv") != 0 &&
        strcmp(format, "lines") != 0) {
        return cli_usage(cli, "no such format: %s", format);
    }
    if (argc - optind != 1) {
        return cli_usage(cli, "one PATH is wanted");
    }
    code =
        cli_target_open(cli, argv[optind], name, CLI_READ, &exporter.target);
    if (code != CLI_OK) {
        return code;
    }
    code = export(&exporter, cli, format, output);
    return cli_target_close(&exporter.target, code);
}
