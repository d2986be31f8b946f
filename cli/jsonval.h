/*
 * jsonval.h - values as JSON text, both ways and without loss.
 *
 * What JSON has no word for travels as an object with one member:
 *
 *   {"$bytes": base64}   {"$text": base64 of text that is no UTF-8}
 *   {"$float": "nan" | "inf" | "-inf"}      {"$bigint": "0x..."}
 *   {"$tuple": [...]}  {"$set": [...]}  {"$frozenset": [...]}
 *   {"$dict": [[key, value], ...]}   a dict that is no plain object
 *   {"$json": text}  {"$datetime": text}  {"$date": text}  {"$time": text}
 *   {"$timedelta": [days, seconds, microseconds]}  {"$decimal": text}
 *   {"$uuid": hex}  {"$complex": [real, imaginary]}  {"$ref": base64}
 *
 * Layer    cli: public headers and jansson.
 * Threads  a cli_parsed belongs to one thread.
 */
#ifndef CLI_JSONVAL_H
#define CLI_JSONVAL_H

#include <jansson.h>
#include <stdio.h>

#include "kist/pack.h"

/* Where and why text is no JSON: `column` counts characters from 1. */
typedef struct cli_json_error {
    size_t column;
    char what[192];
} cli_json_error;

/* What a parsed value borrows from. */
typedef struct cli_parsed {
    json_t *json;
    kist_buf bytes;
    kist_buf rewritten;   /* the text, if jansson could not read it as is */
    cli_json_error error; /* of the last cli_json_parse() that failed */
} cli_parsed;

void cli_parsed_init(cli_parsed *parsed);
void cli_parsed_fini(cli_parsed *parsed);

/*
 * Parses one line of JSON into parsed->json.  Integers may have any size.
 * False: parsed->error says why.
 */
bool cli_json_parse(cli_parsed *parsed, const char *text, size_t size);

/*
 * Makes *value of `json`, which parsed->json holds; it is good until *parsed
 * changes.  NULL, or static text that says what is wrong.
 */
const char *cli_json_value(cli_parsed *parsed, const json_t *json,
                           kist_value *value);

/*
 * Makes *value of the text of a command-line argument, a CSV field or a line:
 * for `type` ANY it becomes text (bytes if it is no UTF-8), else that type.
 * NULL, or static text that says what is wrong.
 */
const char *cli_text_value(cli_parsed *parsed, const char *text, size_t size,
                           kist_type type, kist_value *value);

/*
 * The same for a word of the command line, which may be JSON.  NULL, or text
 * that says what is wrong and lives as long as *parsed.
 */
const char *cli_word_value(cli_parsed *parsed, const char *word, bool json,
                           kist_type type, kist_value *value);

/*
 * Bends a value that JSON gave to the type of its collection where nothing is
 * lost: an int for floats, text for bytes, dates and decimals, a list for
 * tuples, anything for KIST_JSON.  NULL, or what is wrong.
 */
const char *cli_coerce(cli_parsed *parsed, kist_type type, kist_value *value);

/* Writes `value` as compact JSON.  CORRUPT if its packed bytes are damaged. */
KIST_NODISCARD kist_status cli_json_write(FILE *out, const kist_value *value);

/* Writes bytes that are mostly text: as a JSON string, or as {"$bytes"}. */
KIST_NODISCARD kist_status cli_json_write_key(FILE *out, kist_slice key);

#endif /* CLI_JSONVAL_H */
