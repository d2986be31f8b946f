#include "intake.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "csvtext.h"

#define STEP_RECORDS 256u

/* --- keeping ----------------------------------------------------------------
 */

static int
bad_record(cli_intake *intake, uint64_t line, uint64_t column,
           const char *what)
{
    if (intake->skip_bad) {
        intake->bad++;
        return CLI_OK;
    }
    cli_bar_fini(&intake->bar);
    return cli_error(CLI_WRONG,
                     "%s:%" PRIu64 ":%" PRIu64 ": %s; %" PRIu64
                     " records before its batch are kept",
                     intake->in_name, line, column, what, intake->kept);
}

static int
commit(cli_intake *intake)
{
    kist_status status;

    if (!intake->in_batch) {
        return CLI_OK;
    }
    intake->in_batch = false;
    status = kist_batch_commit(intake->target.k);
    if (status != KIST_OK) {
        return cli_fail(status);
    }
    intake->kept += intake->pending;
    intake->pending = 0;
    return CLI_OK;
}

static kist_status
store_value(const cli_target *target, kist_slice key, const kist_value *value)
{
    switch (target->kind) {
    case KIST_KIND_LIST:
        return kist_list_append(target->list, value);
    case KIST_KIND_DICT:
        return kist_dict_put(target->dict, key, value);
    default:
        return kist_set_add(target->set, value, NULL);
    }
}

/* Stores one record; what the collection does not take is a bad record. */
static int
store(cli_intake *intake, kist_slice key, const kist_value *value)
{
    char text[1024];
    kist_status status = KIST_OK;

    if (!intake->in_batch) {
        status = kist_batch_begin(intake->target.k);
        intake->in_batch = status == KIST_OK;
    }
    if (status == KIST_OK) {
        status = store_value(&intake->target, key, value);
    }
    switch (status) {
    case KIST_OK:
        break;
    case KIST_ERR_TYPE:
    case KIST_ERR_OVERFLOW:
    case KIST_ERR_TOOBIG:
        kist_error_text(text, sizeof(text));
        return bad_record(intake, intake->line, 1, text);
    default:
        return cli_fail(status);
    }
    intake->pending++;
    if (intake->pending % STEP_RECORDS == 0) {
        (void)cli_bar_step(&intake->bar, intake->bytes, intake->total);
    }
    return intake->pending == intake->batch ? commit(intake) : CLI_OK;
}

/* --- JSON lines
 * --------------------------------------------------------------- */

/* A key is text, bytes or an integer in decimal; NULL, or what is wrong. */
static const char *
key_of(cli_intake *intake, const json_t *json, kist_slice *key)
{
    kist_value value;
    const char *wrong = cli_json_value(&intake->parsed_key, json, &value);

    if (wrong != NULL) {
        return wrong;
    }
    if (value.type == KIST_TEXT || value.type == KIST_BYTES) {
        *key = value.as.bytes;
        return NULL;
    }
    if (value.type == KIST_INT) {
        const int size = snprintf(intake->number, sizeof(intake->number),
                                  "%" PRId64, value.as.integer);

        *key = kist_bytes(intake->number, (size_t)size);
        return NULL;
    }
    return "a key must be text, bytes or an integer";
}

/* Finds key and value in the line that is parsed. */
static const char *
split_line(cli_intake *intake, const json_t **json, kist_slice *key)
{
    const json_t *member;

    if (intake->target.kind != KIST_KIND_DICT) {
        return NULL;
    }
    if (intake->key != NULL) {
        member = json_object_get(*json, intake->key);
        return member == NULL ? "the member that --key names is missing"
                              : key_of(intake, member, key);
    }
    member = json_object_get(*json, "key");
    if (member == NULL || json_object_size(*json) != 2 ||
        json_object_get(*json, "value") == NULL) {
        return "a dict wants {\"key\": K, \"value\": V}, or --key";
    }
    *json = json_object_get(*json, "value");
    return key_of(intake, member, key);
}

static int
take_json(cli_intake *intake, const char *text, size_t size)
{
    cli_parsed *parsed = &intake->parsed;
    kist_slice key = {NULL, 0};
    const json_t *json;
    const char *wrong;
    kist_value value;

    if (strspn(text, " \t\r") >= size) {
        return CLI_OK;
    }
    if (!cli_json_parse(parsed, text, size)) {
        return bad_record(intake, intake->line, parsed->error.column,
                          parsed->error.what);
    }
    json = parsed->json;
    wrong = split_line(intake, &json, &key);
    if (wrong == NULL) {
        wrong = cli_json_value(parsed, json, &value);
    }
    if (wrong == NULL) {
        wrong = cli_coerce(parsed, intake->target.type, &value);
    }
    return wrong == NULL ? store(intake, key, &value)
                         : bad_record(intake, intake->line, 1, wrong);
}

static int
take_plain(cli_intake *intake, const char *text, size_t size)
{
    kist_value value;
    const char *wrong = cli_text_value(&intake->parsed, text, size,
                                       intake->target.type, &value);

    return wrong == NULL ? store(intake, kist_bytes(NULL, 0), &value)
                         : bad_record(intake, intake->line, 1, wrong);
}

static int
take_lines(cli_intake *intake)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t got;
    int code = CLI_OK;

    errno = 0;
    while (code == CLI_OK && (got = getline(&text, &room, intake->in)) >= 0) {
        size_t size = (size_t)got;

        intake->line++;
        intake->bytes += size;
        if (size > 0 && text[size - 1] == '\n') {
            text[--size] = '\0';
        }
        code = intake->format == CLI_FORMAT_JSONL
                   ? take_json(intake, text, size)
                   : take_plain(intake, text, size);
        errno = 0;
    }
    if (code == CLI_OK && !feof(intake->in)) {
        code = cli_error(CLI_IO, "%s: %s", intake->in_name, strerror(errno));
    }
    free(text);
    return code;
}

/* --- CSV
 * ---------------------------------------------------------------------- */

/* The header: names of columns, and what they mean for the records. */
typedef struct csv_header {
    char **names;
    size_t count;
    size_t key;   /* the column of the key, or SIZE_MAX */
    size_t first; /* the first column that belongs to the value */
    bool scalar;  /* the value is one column and no dict */
} csv_header;

static void
header_fini(csv_header *header)
{
    for (size_t i = 0; i < header->count; i++) {
        free(header->names[i]);
    }
    free(header->names);
}

static const char *
check_header(const cli_intake *intake, csv_header *header)
{
    const bool dict = intake->target.kind == KIST_KIND_DICT;

    header->key = SIZE_MAX;
    for (size_t i = 0; i < header->count; i++) {
        const bool own = dict && intake->key == NULL && i == 0;

        if (own && strcmp(header->names[0], "key") == 0) {
            header->key = 0;
            header->first = 1;
        }
        if (intake->key != NULL &&
            strcmp(header->names[i], intake->key) == 0) {
            header->key = i;
        }
        for (size_t j = header->first; j < i; j++) {
            if (strcmp(header->names[i], header->names[j]) == 0) {
                return "two columns have the same name";
            }
        }
    }
    if (dict && header->key == SIZE_MAX) {
        return intake->key != NULL
                   ? "no column has the name that --key gives"
                   : "a dict wants a first column `key`, or --key";
    }
    header->scalar = header->count == header->first + 1 &&
                     strcmp(header->names[header->first], "value") == 0;
    return NULL;
}

static int
read_header(const cli_intake *intake, const cli_csv *csv, csv_header *header)
{
    const char *wrong;

    header->names = calloc(cli_csv_count(csv), sizeof(*header->names));
    if (header->names == NULL) {
        return cli_error(CLI_IO, "out of memory");
    }
    for (size_t i = 0; i < cli_csv_count(csv); i++) {
        const kist_slice field = cli_csv_field(csv, i);

        header->names[i] = strndup(field.data, field.size);
        if (header->names[i] == NULL) {
            return cli_error(CLI_IO, "out of memory");
        }
        header->count++;
    }
    wrong = check_header(intake, header);
    if (wrong != NULL) {
        return cli_error(CLI_WRONG, "%s:%" PRIu64 ":1: %s", intake->in_name,
                         csv->row_line, wrong);
    }
    return CLI_OK;
}

/* A dict of the columns, packed into parsed->bytes. */
static const char *
pack_row(cli_intake *intake, const cli_csv *csv, const csv_header *header,
         kist_value *value)
{
    kist_buf *out = &intake->parsed.bytes;

    kist_buf_clear(out);
    for (size_t i = header->first; i < header->count; i++) {
        const kist_slice field = cli_csv_field(csv, i);
        const kist_value name = kist_text(header->names[i]);
        kist_value item;
        const char *wrong = cli_text_value(&intake->parsed_key, field.data,
                                           field.size, KIST_ANY, &item);

        if (wrong != NULL) {
            return wrong;
        }
        if (kist_pack_value(out, &name) != KIST_OK ||
            kist_pack_value(out, &item) != KIST_OK) {
            return "out of memory";
        }
    }
    *value = kist_blob(KIST_DICT, out->data, out->size);
    return NULL;
}

static int
take_row(cli_intake *intake, const cli_csv *csv, const csv_header *header)
{
    kist_slice key = {NULL, 0};
    kist_value value;
    const char *wrong;

    intake->line = csv->row_line;
    intake->bytes = csv->bytes;
    if (cli_csv_count(csv) != header->count) {
        char text[96];

        snprintf(text, sizeof(text), "%zu fields, and the header has %zu",
                 cli_csv_count(csv), header->count);
        return bad_record(intake, intake->line, 1, text);
    }
    if (header->key != SIZE_MAX) {
        key = cli_csv_field(csv, header->key);
    }
    if (header->scalar) {
        const kist_slice field = cli_csv_field(csv, header->first);

        wrong = cli_text_value(&intake->parsed, field.data, field.size,
                               intake->target.type, &value);
    }
    else {
        wrong = pack_row(intake, csv, header, &value);
    }
    if (wrong == NULL && !header->scalar) {
        wrong = cli_coerce(&intake->parsed, intake->target.type, &value);
    }
    return wrong == NULL ? store(intake, key, &value)
                         : bad_record(intake, intake->line, 1, wrong);
}

/* The rows behind the header, or the header itself if *header is empty. */
static int
take_rows(cli_intake *intake, cli_csv *csv, csv_header *header)
{
    const char *what = "";
    int code = CLI_OK;

    while (code == CLI_OK) {
        switch (cli_csv_next(csv, &what)) {
        case CLI_CSV_ROW:
            code = header->names == NULL ? read_header(intake, csv, header)
                                         : take_row(intake, csv, header);
            break;
        case CLI_CSV_END:
            if (ferror(intake->in)) {
                code = cli_error(CLI_IO, "%s: %s", intake->in_name,
                                 strerror(errno));
            }
            return code;
        case CLI_CSV_WRONG:
            code = bad_record(intake, csv->line, csv->column, what);
            cli_csv_skip(csv);
            break;
        case CLI_CSV_NOMEM:
            return cli_error(CLI_IO, "out of memory");
        }
    }
    return code;
}

static int
take_csv(cli_intake *intake)
{
    csv_header header = {.names = NULL};
    cli_csv csv;
    int code;

    cli_csv_init(&csv, intake->in);
    errno = 0;
    code = take_rows(intake, &csv, &header);
    header_fini(&header);
    cli_csv_fini(&csv);
    return code;
}

int
cli_intake_run(cli_intake *intake)
{
    int code;

    if (intake->format == CLI_FORMAT_LINES &&
        intake->target.kind == KIST_KIND_DICT) {
        return cli_usage(intake->cli, "plain lines go into a list or a set");
    }
    cli_bar_init(&intake->bar, intake->cli, "import");
    cli_parsed_init(&intake->parsed);
    cli_parsed_init(&intake->parsed_key);
    code = intake->format == CLI_FORMAT_CSV ? take_csv(intake)
                                            : take_lines(intake);
    if (code == CLI_OK) {
        code = commit(intake);
    }
    if (intake->in_batch) {
        intake->in_batch = false;
        (void)kist_batch_rollback(intake->target.k);
    }
    cli_bar_fini(&intake->bar);
    cli_parsed_fini(&intake->parsed);
    cli_parsed_fini(&intake->parsed_key);
    return code;
}
