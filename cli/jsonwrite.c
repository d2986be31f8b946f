/*
 * Values to JSON text.  Written here and not by jansson, because a value goes
 * out as it is read, without a tree of it, and with integers of any size.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "jsonval.h"
#include "textcode.h"

static kist_status write_value(FILE *out, const kist_value *value,
                               unsigned depth);

static void
write_string(FILE *out, kist_slice text)
{
    const char *p = text.data;
    size_t begun = 0;

    fputc('"', out);
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char c = (unsigned char)p[i];

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) {
            continue;
        }
        fwrite(p + begun, 1, i - begun, out);
        begun = i + 1;
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        }
        else if (c == '\n' || c == '\t' || c == '\r') {
            fprintf(out, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
        }
        else {
            fprintf(out, "\\u%04x", c);
        }
    }
    if (text.size > begun) {
        fwrite(p + begun, 1, text.size - begun, out);
    }
    fputc('"', out);
}

static kist_status
write_base64(FILE *out, const char *tag, kist_slice bytes)
{
    kist_buf text = {NULL, 0, 0, 0};
    const kist_status status = cli_base64(&text, bytes);

    if (status == KIST_OK) {
        fprintf(out, "{\"%s\":\"", tag);
        if (text.size > 0) {
            fwrite(text.data, 1, text.size, out);
        }
        fputs("\"}", out);
    }
    kist_buf_fini(&text);
    return status;
}

static kist_status
write_tagged_text(FILE *out, const char *tag, kist_slice text)
{
    fprintf(out, "{\"%s\":", tag);
    write_string(out, text);
    fputc('}', out);
    return KIST_OK;
}

/* The shortest of the forms that reads back as the same double. */
static void
write_real(FILE *out, double real)
{
    char text[40];

    if (isnan(real) || isinf(real)) {
        fprintf(out, "{\"$float\":\"%s\"}",
                isnan(real) ? "nan"
                : real > 0  ? "inf"
                            : "-inf");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        double again;

        snprintf(text, sizeof(text), "%.*g", digits, real);
        again = strtod(text, NULL);
        if (memcmp(&again, &real, sizeof(real)) == 0) {
            break;
        }
    }
    fputs(text, out);
    if (strpbrk(text, ".e") == NULL) {
        fputs(".0", out); // or it would come back as an integer
    }
}

static kist_status
write_bigint(FILE *out, kist_slice bytes)
{
    kist_buf text = {NULL, 0, 0, 0};
    bool hexadecimal = false;
    const kist_status status = cli_bigint_text(&text, bytes, &hexadecimal);

    if (status == KIST_OK) {
        fputs(hexadecimal ? "{\"$bigint\":\"" : "", out);
        fwrite(text.data, 1, text.size, out);
        fputs(hexadecimal ? "\"}" : "", out);
    }
    kist_buf_fini(&text);
    return status;
}

static kist_status
write_complex(FILE *out, kist_slice bytes)
{
    const uint8_t *p = bytes.data;

    if (bytes.size != 16) {
        return write_base64(out, "$bytes", bytes);
    }
    fputs("{\"$complex\":[", out);
    for (int part = 0; part < 2; part++) {
        uint64_t bits = 0;
        double real;

        for (int i = 7; i >= 0; i--) {
            bits = bits << 8 | p[part * 8 + i];
        }
        memcpy(&real, &bits, sizeof(real));
        fputs(part == 0 ? "" : ",", out);
        write_real(out, real);
    }
    fputs("]}", out);
    return KIST_OK;
}

static void
write_uuid(FILE *out, kist_slice bytes)
{
    const uint8_t *p = bytes.data;

    fputs("{\"$uuid\":\"", out);
    for (size_t i = 0; i < bytes.size; i++) {
        fprintf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
                p[i]);
    }
    fputs("\"}", out);
}

static kist_status
write_items(FILE *out, kist_slice packed, const char *open, const char *close,
            unsigned depth)
{
    const char *comma = "";
    kist_value item;
    kist_status status;

    fputs(open, out);
    while ((status = kist_unpack_value(&packed, &item)) == KIST_OK) {
        fputs(comma, out);
        comma = ",";
        status = write_value(out, &item, depth + 1);
        if (status != KIST_OK) {
            return status;
        }
    }
    fputs(close, out);
    return status == KIST_END ? KIST_OK : status;
}

/*
 * True if a packed dict can be a JSON object that reads back as it was: all
 * keys are text that jansson takes, and it does not look like one of our tags.
 */
static bool
is_plain_object(kist_slice packed)
{
    kist_value key;
    kist_value item;
    bool dollar = false;
    size_t count = 0;

    while (kist_unpack_value(&packed, &key) == KIST_OK) {
        const kist_slice text = key.as.bytes;

        if (key.type != KIST_TEXT || !cli_is_utf8(text) ||
            (text.size > 0 && memchr(text.data, 0, text.size) != NULL) ||
            kist_unpack_value(&packed, &item) != KIST_OK) {
            return false;
        }
        dollar = text.size > 0 && *(const char *)text.data == '$';
        count++;
    }
    return count != 1 || !dollar;
}

static kist_status
write_dict(FILE *out, kist_slice packed, unsigned depth)
{
    const bool plain = is_plain_object(packed);
    const char *comma = "";
    kist_value key;
    kist_value item;
    kist_status status;

    fputs(plain ? "{" : "{\"$dict\":[", out);
    while ((status = kist_unpack_value(&packed, &key)) == KIST_OK) {
        fputs(comma, out);
        comma = ",";
        fputs(plain ? "" : "[", out);
        status = write_value(out, &key, depth + 1);
        fputc(plain ? ':' : ',', out);
        if (status == KIST_OK) {
            status = kist_unpack_value(&packed, &item);
        }
        if (status == KIST_OK) {
            status = write_value(out, &item, depth + 1);
        }
        if (status != KIST_OK) {
            return status == KIST_END ? KIST_ERR_CORRUPT : status;
        }
        fputs(plain ? "" : "]", out);
    }
    fputs(plain ? "}" : "]}", out);
    return status == KIST_END ? KIST_OK : status;
}

/* The types whose bytes are text, or packed items. */
static kist_status
write_bytes(FILE *out, const kist_value *value, unsigned depth)
{
    const kist_slice bytes = value->as.bytes;

    switch (value->type) {
    case KIST_TUPLE:
        return write_items(out, bytes, "{\"$tuple\":[", "]}", depth);
    case KIST_LIST:
        return write_items(out, bytes, "[", "]", depth);
    case KIST_SET:
        return write_items(out, bytes, "{\"$set\":[", "]}", depth);
    case KIST_FROZENSET:
        return write_items(out, bytes, "{\"$frozenset\":[", "]}", depth);
    case KIST_TIMEDELTA:
        return write_items(out, bytes, "{\"$timedelta\":[", "]}", depth);
    case KIST_DICT:
        return write_dict(out, bytes, depth);
    case KIST_REF:
        return write_base64(out, "$ref", bytes);
    default:
        break;
    }
    if (value->type == KIST_BYTES || !cli_is_utf8(bytes)) {
        return write_base64(out, value->type == KIST_TEXT ? "$text" : "$bytes",
                            bytes);
    }
    switch (value->type) {
    case KIST_JSON:
        return write_tagged_text(out, "$json", bytes);
    case KIST_DATETIME:
        return write_tagged_text(out, "$datetime", bytes);
    case KIST_DATE:
        return write_tagged_text(out, "$date", bytes);
    case KIST_TIME:
        return write_tagged_text(out, "$time", bytes);
    case KIST_DECIMAL:
        return write_tagged_text(out, "$decimal", bytes);
    default:
        write_string(out, bytes);
        return KIST_OK;
    }
}

static kist_status
write_value(FILE *out, const kist_value *value, unsigned depth)
{
    if (depth > KIST_PACK_DEPTH_MAX) {
        return KIST_ERR_TOOBIG;
    }
    switch (value->type) {
    case KIST_NULL:
        fputs("null", out);
        return KIST_OK;
    case KIST_BOOL:
        fputs(value->as.boolean ? "true" : "false", out);
        return KIST_OK;
    case KIST_INT:
        fprintf(out, "%" PRId64, value->as.integer);
        return KIST_OK;
    case KIST_FLOAT:
        write_real(out, value->as.real);
        return KIST_OK;
    case KIST_BIGINT:
        return write_bigint(out, value->as.bytes);
    case KIST_UUID:
        write_uuid(out, value->as.bytes);
        return KIST_OK;
    case KIST_COMPLEX:
        return write_complex(out, value->as.bytes);
    default:
        return write_bytes(out, value, depth);
    }
}

kist_status
cli_json_write(FILE *out, const kist_value *value)
{
    return write_value(out, value, 0);
}

kist_status
cli_json_write_key(FILE *out, kist_slice key)
{
    if (!cli_is_utf8(key)) {
        return write_base64(out, "$bytes", key);
    }
    write_string(out, key);
    return KIST_OK;
}
