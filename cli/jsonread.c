/*
 * JSON text to values, by jansson.  jansson knows no integers above 64 bits:
 * where it stumbles over one, the text is rewritten so that such a number
 * becomes {"$bigint": "..."}, and read again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jsonval.h"
#include "textcode.h"

#define PARSE_FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL)
#define NO_MEMORY   "out of memory"

typedef const char *tag_reader(cli_parsed *parsed, const json_t *json,
                               unsigned depth, kist_value *value);

static const char *read_value(cli_parsed *parsed, const json_t *json,
                              unsigned depth, kist_value *value);

void
cli_parsed_init(cli_parsed *parsed)
{
    memset(parsed, 0, sizeof(*parsed));
}

void
cli_parsed_fini(cli_parsed *parsed)
{
    json_decref(parsed->json);
    kist_buf_fini(&parsed->bytes);
    kist_buf_fini(&parsed->rewritten);
    memset(parsed, 0, sizeof(*parsed));
}

/* --- text -------------------------------------------------------------- */

/* The size of the number that begins at text, and whether it is an integer. */
static size_t
number_size(const char *text, size_t size, bool *integer)
{
    size_t i = 0;

    *integer = true;
    while (i < size && memchr("+-.0123456789eE", text[i], 15) != NULL) {
        if (text[i] == '.' || text[i] == 'e' || text[i] == 'E') {
            *integer = false;
        }
        i++;
    }
    return i;
}

static size_t
string_size(const char *text, size_t size)
{
    size_t i = 1;

    while (i < size && text[i] != '"') {
        i += text[i] == '\\' ? 2 : 1;
    }
    return i < size ? i + 1 : size;
}

/*
 * Copies the text, wrapping each integer that may be too large.  If `mark` is
 * not 0, *origin becomes the place in the old text of what is `mark` bytes
 * into the new one.
 */
static bool
wrap_bigints(kist_buf *out, const char *text, size_t size, size_t mark,
             size_t *origin)
{
    kist_status status = KIST_OK;

    kist_buf_clear(out);
    for (size_t i = 0; i < size && status == KIST_OK;) {
        bool integer = false;
        size_t step = 1;

        if (out->size <= mark) {
            *origin = i + (mark - out->size);
        }
        if (text[i] == '"') {
            step = string_size(text + i, size - i);
        }
        else if (text[i] == '-' || (text[i] >= '0' && text[i] <= '9')) {
            step = number_size(text + i, size - i, &integer);
        }
        integer = integer && step > 18;
        if (integer) {
            status = kist_buf_append(out, "{\"$bigint\":\"", 12);
        }
        if (status == KIST_OK) {
            status = kist_buf_append(out, text + i, step);
        }
        if (integer && status == KIST_OK) {
            status = kist_buf_append(out, "\"}", 2);
        }
        i += step;
    }
    return status == KIST_OK;
}

/* The column, in characters, of the byte at `offset`. */
static size_t
column_of(const char *text, size_t size, size_t offset)
{
    size_t column = 1;

    for (size_t i = 0; i < offset && i < size; i++) {
        column += ((unsigned char)text[i] & 0xC0u) != 0x80;
    }
    return column;
}

bool
cli_json_parse(cli_parsed *parsed, const char *text, size_t size)
{
    cli_json_error *error = &parsed->error;
    json_error_t why;
    size_t offset;

    json_decref(parsed->json);
    kist_buf_clear(&parsed->bytes);
    parsed->json = json_loadb(text, size, PARSE_FLAGS, &why);
    if (parsed->json != NULL) {
        return true;
    }
    // jansson's position is behind the character that it did not like.
    offset = why.position > 0 ? (size_t)why.position - 1 : 0;
    if (json_error_code(&why) == json_error_numeric_overflow) {
        kist_buf *fresh = &parsed->rewritten;

        if (!wrap_bigints(fresh, text, size, 0, &offset)) {
            snprintf(error->what, sizeof(error->what), NO_MEMORY);
            error->column = 1;
            return false;
        }
        parsed->json = json_loadb((const char *)fresh->data, fresh->size,
                                  PARSE_FLAGS, &why);
        if (parsed->json != NULL) {
            return true;
        }
        (void)wrap_bigints(fresh, text, size,
                           why.position > 0 ? (size_t)why.position - 1 : 0,
                           &offset);
    }
    if (json_error_code(&why) == json_error_premature_end_of_input) {
        offset = size;
    }
    error->column = column_of(text, size, offset);
    snprintf(error->what, sizeof(error->what), "%s", why.text);
    return false;
}

/* --- the tags ----------------------------------------------------------- */

/* Appends the items of `array` to `out`, packed. */
static const char *
pack_items(kist_buf *out, const json_t *array, unsigned depth)
{
    const char *wrong = NULL;
    const json_t *item;
    cli_parsed inner;
    size_t i;

    cli_parsed_init(&inner);
    json_array_foreach(array, i, item)
    {
        kist_value value;

        kist_buf_clear(&inner.bytes);
        wrong = read_value(&inner, item, depth + 1, &value);
        if (wrong == NULL && kist_pack_value(out, &value) != KIST_OK) {
            wrong = NO_MEMORY;
        }
        if (wrong != NULL) {
            break;
        }
    }
    cli_parsed_fini(&inner);
    return wrong;
}

static const char *
read_array(cli_parsed *parsed, const json_t *json, unsigned depth,
           kist_type type, kist_value *value)
{
    const char *wrong;

    if (!json_is_array(json)) {
        return "an array is wanted behind the $ tag";
    }
    wrong = pack_items(&parsed->bytes, json, depth);
    *value = kist_blob(type, parsed->bytes.data, parsed->bytes.size);
    return wrong;
}

static const char *
read_tuple(cli_parsed *parsed, const json_t *json, unsigned depth,
           kist_value *value)
{
    return read_array(parsed, json, depth, KIST_TUPLE, value);
}

static const char *
read_set(cli_parsed *parsed, const json_t *json, unsigned depth,
         kist_value *value)
{
    return read_array(parsed, json, depth, KIST_SET, value);
}

static const char *
read_frozenset(cli_parsed *parsed, const json_t *json, unsigned depth,
               kist_value *value)
{
    return read_array(parsed, json, depth, KIST_FROZENSET, value);
}

static const char *
read_pairs(cli_parsed *parsed, const json_t *json, unsigned depth,
           kist_value *value)
{
    const json_t *pair;
    size_t i;

    json_array_foreach(json, i, pair)
    {
        const char *wrong = "$dict wants [[key, value], ...]";

        if (json_is_array(pair) && json_array_size(pair) == 2) {
            wrong = pack_items(&parsed->bytes, pair, depth);
        }
        if (wrong != NULL) {
            return wrong;
        }
    }
    *value = kist_blob(KIST_DICT, parsed->bytes.data, parsed->bytes.size);
    return json_is_array(json) ? NULL : "$dict wants [[key, value], ...]";
}

static const char *
read_timedelta(cli_parsed *parsed, const json_t *json, unsigned depth,
               kist_value *value)
{
    if (!json_is_array(json) || json_array_size(json) != 3) {
        return "$timedelta wants [days, seconds, microseconds]";
    }
    return read_array(parsed, json, depth, KIST_TIMEDELTA, value);
}

static const char *
read_float(cli_parsed *parsed, const json_t *json, unsigned depth,
           kist_value *value)
{
    const char *text = json_string_value(json);

    (void)parsed;
    (void)depth;
    if (text != NULL && strcmp(text, "nan") == 0) {
        *value = kist_float((double)strtof("nan", NULL));
    }
    else if (text != NULL && strcmp(text, "inf") == 0) {
        *value = kist_float(strtod("inf", NULL));
    }
    else if (text != NULL && strcmp(text, "-inf") == 0) {
        *value = kist_float(strtod("-inf", NULL));
    }
    else {
        return "$float wants \"nan\", \"inf\" or \"-inf\"";
    }
    return NULL;
}

static const char *
read_bigint(cli_parsed *parsed, const json_t *json, unsigned depth,
            kist_value *value)
{
    (void)depth;
    if (!json_is_string(json) ||
        !cli_parse_integer(json_string_value(json), json_string_length(json),
                           &parsed->bytes, value)) {
        return "no integer, or too long a one";
    }
    return NULL;
}

static const char *
read_complex(cli_parsed *parsed, const json_t *json, unsigned depth,
             kist_value *value)
{
    for (size_t i = 0; i < 2; i++) {
        const json_t *part = json_array_get(json, i);
        kist_value number = kist_int(0);
        uint8_t bytes[8];
        uint64_t bits;

        if (part == NULL || json_array_size(json) != 2 ||
            read_value(parsed, part, depth + 1, &number) != NULL ||
            number.type != KIST_FLOAT) {
            return "$complex wants [float, float]";
        }
        memcpy(&bits, &number.as.real, sizeof(bits));
        for (int j = 0; j < 8; j++) {
            bytes[j] = (uint8_t)(bits >> (8 * j));
        }
        if (kist_buf_append(&parsed->bytes, bytes, 8) != KIST_OK) {
            return NO_MEMORY;
        }
    }
    *value = kist_blob(KIST_COMPLEX, parsed->bytes.data, parsed->bytes.size);
    return NULL;
}

static const char *
read_uuid(cli_parsed *parsed, const json_t *json, unsigned depth,
          kist_value *value)
{
    (void)depth;
    if (!json_is_string(json) ||
        !cli_unhex(&parsed->bytes, json_string_value(json),
                   json_string_length(json)) ||
        parsed->bytes.size != 16) {
        return "$uuid wants 32 hexadecimal digits";
    }
    *value = kist_blob(KIST_UUID, parsed->bytes.data, parsed->bytes.size);
    return NULL;
}

typedef struct tag_info {
    const char *name;
    kist_type type;
    bool base64;        /* a string of base64 */
    tag_reader *reader; /* NULL: a string */
} tag_info;

static const tag_info tags[] = {
    {"$bytes", KIST_BYTES, true, NULL},
    {"$text", KIST_TEXT, true, NULL},
    {"$ref", KIST_REF, true, NULL},
    {"$json", KIST_JSON, false, NULL},
    {"$datetime", KIST_DATETIME, false, NULL},
    {"$date", KIST_DATE, false, NULL},
    {"$time", KIST_TIME, false, NULL},
    {"$decimal", KIST_DECIMAL, false, NULL},
    {"$float", KIST_FLOAT, false, read_float},
    {"$bigint", KIST_BIGINT, false, read_bigint},
    {"$uuid", KIST_UUID, false, read_uuid},
    {"$complex", KIST_COMPLEX, false, read_complex},
    {"$tuple", KIST_TUPLE, false, read_tuple},
    {"$set", KIST_SET, false, read_set},
    {"$frozenset", KIST_FROZENSET, false, read_frozenset},
    {"$timedelta", KIST_TIMEDELTA, false, read_timedelta},
    {"$dict", KIST_DICT, false, read_pairs},
};

/* The tag that `json` is, or NULL if it is a plain object. */
static const tag_info *
find_tag(const json_t *json, const json_t **content)
{
    const char *key;
    void *first;

    if (json_object_size(json) != 1) {
        return NULL;
    }
    // jansson's iterator wants a json_t that is not const; it changes nothing.
    first = json_object_iter((json_t *)(uintptr_t)json);
    key = json_object_iter_key(first);
    *content = json_object_iter_value(first);
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (strcmp(key, tags[i].name) == 0) {
            return &tags[i];
        }
    }
    return NULL;
}

static const char *
read_tag(cli_parsed *parsed, const tag_info *found, const json_t *content,
         unsigned depth, kist_value *value)
{
    const char *text = json_string_value(content);
    const size_t size = json_string_length(content);

    if (found->reader != NULL) {
        return found->reader(parsed, content, depth, value);
    }
    if (text == NULL) {
        return "a string is wanted behind the $ tag";
    }
    if (!found->base64) {
        *value = kist_blob(found->type, text, size);
        return NULL;
    }
    if (!cli_unbase64(&parsed->bytes, text, size)) {
        return "no base64";
    }
    *value = kist_blob(found->type, parsed->bytes.data, parsed->bytes.size);
    return NULL;
}

/* --- values ---------------------------------------------------------------
 */

static const char *
read_object(cli_parsed *parsed, const json_t *json, unsigned depth,
            kist_value *value)
{
    const char *wrong = NULL;
    void *each = json_object_iter((json_t *)(uintptr_t)json);
    cli_parsed inner;

    cli_parsed_init(&inner);
    for (; each != NULL && wrong == NULL;
         each = json_object_iter_next((json_t *)(uintptr_t)json, each)) {
        const kist_value key = kist_text(json_object_iter_key(each));
        kist_value item;

        kist_buf_clear(&inner.bytes);
        wrong =
            read_value(&inner, json_object_iter_value(each), depth + 1, &item);
        if (wrong == NULL &&
            (kist_pack_value(&parsed->bytes, &key) != KIST_OK ||
             kist_pack_value(&parsed->bytes, &item) != KIST_OK)) {
            wrong = NO_MEMORY;
        }
    }
    cli_parsed_fini(&inner);
    *value = kist_blob(KIST_DICT, parsed->bytes.data, parsed->bytes.size);
    return wrong;
}

/* parsed->bytes is empty here, and is what *value may point into. */
static const char *
read_value(cli_parsed *parsed, const json_t *json, unsigned depth,
           kist_value *value)
{
    const json_t *content = NULL;
    const tag_info *found;

    if (depth >= KIST_PACK_DEPTH_MAX) {
        return "nested too deep";
    }
    switch (json_typeof(json)) {
    case JSON_NULL:
        *value = kist_null();
        return NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        *value = kist_bool(json_is_true(json));
        return NULL;
    case JSON_INTEGER:
        *value = kist_int(json_integer_value(json));
        return NULL;
    case JSON_REAL:
        *value = kist_float(json_real_value(json));
        return NULL;
    case JSON_STRING:
        *value = kist_blob(KIST_TEXT, json_string_value(json),
                           json_string_length(json));
        return NULL;
    case JSON_ARRAY:
        return read_array(parsed, json, depth, KIST_LIST, value);
    case JSON_OBJECT:
        found = find_tag(json, &content);
        return found == NULL ? read_object(parsed, json, depth, value)
                             : read_tag(parsed, found, content, depth, value);
    }
    return "no JSON";
}

const char *
cli_json_value(cli_parsed *parsed, const json_t *json, kist_value *value)
{
    kist_buf_clear(&parsed->bytes);
    return read_value(parsed, json, 0, value);
}
