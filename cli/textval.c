/*
 * Words of the command line, CSV fields and plain lines to values, and the
 * gentle bending of JSON values to the type of a collection.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jsonval.h"
#include "textcode.h"

static bool
word_is(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && memcmp(text, word, size) == 0;
}

static const char *
read_real(const char *text, size_t size, kist_value *value)
{
    char number[400];
    char *end = NULL;

    if (size == 0 || size >= sizeof(number) || text[0] == ' ') {
        return "no number";
    }
    memcpy(number, text, size);
    number[size] = '\0';
    *value = kist_float(strtod(number, &end));
    return end == number + size ? NULL : "no number";
}

/* Values that have no words of their own are given as JSON. */
static const char *
read_as_json(cli_parsed *parsed, const char *text, size_t size, kist_type type,
             kist_value *value)
{
    const char *wrong;

    if (!cli_json_parse(parsed, text, size)) {
        return "no JSON, which a value of this type is given as";
    }
    wrong = cli_json_value(parsed, parsed->json, value);
    return wrong != NULL ? wrong : cli_coerce(parsed, type, value);
}

static const char *
read_plain(const char *text, size_t size, kist_type type, kist_value *value)
{
    const bool utf8 = cli_is_utf8(kist_bytes(text, size));

    if (type == KIST_ANY) {
        type = utf8 ? KIST_TEXT : KIST_BYTES;
    }
    *value = kist_blob(type, text, size);
    return type == KIST_BYTES || utf8 ? NULL : "no UTF-8";
}

const char *
cli_text_value(cli_parsed *parsed, const char *text, size_t size,
               kist_type type, kist_value *value)
{
    kist_buf_clear(&parsed->bytes);
    switch (type) {
    case KIST_ANY:
    case KIST_TEXT:
    case KIST_BYTES:
    case KIST_DATETIME:
    case KIST_DATE:
    case KIST_TIME:
    case KIST_DECIMAL:
        return read_plain(text, size, type, value);
    case KIST_NULL:
        *value = kist_null();
        return word_is(text, size, "null") ? NULL : "not null";
    case KIST_BOOL:
        *value = kist_bool(word_is(text, size, "true"));
        return value->as.boolean || word_is(text, size, "false")
                   ? NULL
                   : "neither true nor false";
    case KIST_INT:
    case KIST_INT32:
    case KIST_INT128:
    case KIST_BIGINT:
        return cli_parse_integer(text, size, &parsed->bytes, value)
                   ? NULL
                   : "no integer";
    case KIST_FLOAT:
        return read_real(text, size, value);
    case KIST_UUID:
        if (!cli_unhex(&parsed->bytes, text, size) ||
            parsed->bytes.size != 16) {
            return "no UUID";
        }
        *value = kist_blob(type, parsed->bytes.data, parsed->bytes.size);
        return NULL;
    default:
        return read_as_json(parsed, text, size, type, value);
    }
}

const char *
cli_word_value(cli_parsed *parsed, const char *word, bool json, kist_type type,
               kist_value *value)
{
    const char *wrong;

    if (!json) {
        return cli_text_value(parsed, word, strlen(word), type, value);
    }
    if (!cli_json_parse(parsed, word, strlen(word))) {
        return parsed->error.what;
    }
    wrong = cli_json_value(parsed, parsed->json, value);
    return wrong != NULL ? wrong : cli_coerce(parsed, type, value);
}

/* The value's own JSON text becomes the value. */
static const char *
coerce_to_json(cli_parsed *parsed, kist_value *value)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    kist_status status;

    if (out == NULL) {
        return "out of memory";
    }
    status = cli_json_write(out, value);
    if (fclose(out) != 0 && status == KIST_OK) {
        status = KIST_ERR_NOMEM;
    }
    // *value may point into parsed->bytes; from here on it is not used.
    kist_buf_clear(&parsed->bytes);
    if (status == KIST_OK) {
        status = kist_buf_append(&parsed->bytes, text, size);
    }
    free(text);
    *value = kist_blob(KIST_JSON, parsed->bytes.data, parsed->bytes.size);
    return status == KIST_OK ? NULL : "out of memory";
}

const char *
cli_coerce(cli_parsed *parsed, kist_type type, kist_value *value)
{
    const kist_type have = value->type;

    switch (type) {
    case KIST_FLOAT:
        if (have == KIST_INT && value->as.integer >= -(1LL << 53) &&
            value->as.integer <= 1LL << 53) {
            *value = kist_float((double)value->as.integer);
        }
        return NULL;
    case KIST_BYTES:
    case KIST_DATETIME:
    case KIST_DATE:
    case KIST_TIME:
    case KIST_DECIMAL:
        if (have == KIST_TEXT) {
            value->type = type;
        }
        return NULL;
    case KIST_TUPLE:
    case KIST_SET:
    case KIST_FROZENSET:
        if (have == KIST_LIST) {
            value->type = type;
        }
        return NULL;
    case KIST_JSON:
        return have == KIST_JSON ? NULL : coerce_to_json(parsed, value);
    default:
        return NULL;
    }
}
