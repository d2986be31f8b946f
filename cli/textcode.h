/*
 * textcode.h - bytes as text: UTF-8, base64, hexadecimal and whole numbers of
 * any size.
 *
 * Layer    cli.
 * Threads  pure functions.
 */
#ifndef CLI_TEXTCODE_H
#define CLI_TEXTCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kist/bytes.h"
#include "kist/value.h"

/* Decimal numbers longer than this are refused: the work grows with n^2. */
#define CLI_DIGITS_MAX 100000u

/* True if `bytes` is UTF-8 without surrogates and overlong forms. */
bool cli_is_utf8(kist_slice bytes);

/* Appends `bytes` as base64. */
KIST_NODISCARD kist_status cli_base64(kist_buf *out, kist_slice bytes);

/* Appends what base64 `text` stands for; false if it is none, or no memory. */
bool cli_unbase64(kist_buf *out, const char *text, size_t size);

/* Appends what the hexadecimal `text` (dashes allowed) stands for. */
bool cli_unhex(kist_buf *out, const char *text, size_t size);

/*
 * Makes *value of a whole number in decimal, or in hexadecimal behind "0x":
 * KIST_INT if it fits, else KIST_BIGINT with its bytes in `scratch`.  False
 * if `text` is no number, or one that is too long.
 */
bool cli_parse_integer(const char *text, size_t size, kist_buf *scratch,
                       kist_value *value);

/*
 * Appends the KIST_BIGINT `bytes` in decimal, or as "0x..." where that would
 * be longer than CLI_DIGITS_MAX; *hexadecimal says which.
 */
KIST_NODISCARD kist_status cli_bigint_text(kist_buf *out, kist_slice bytes,
                                           bool *hexadecimal);

#endif /* CLI_TEXTCODE_H */
