#include "store/nfskey.h"

#include <string.h>

#include "base/byteorder.h"

/* Opcodes of pickles, by their names in CPython's pickletools. */
enum {
    OP_PROTO = 0x80,
    OP_FRAME = 0x95,
    OP_SHORT_BINUNICODE = 0x8c,
    OP_BINUNICODE = 'X',
    OP_BINUNICODE8 = 0x8d
};

/* --- names ------------------------------------------------------------------
 */

void
ki_nfsname_write(const uint8_t digest[KI_SHA256_SIZE],
                 char name[KI_NFSNAME_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";
    char *text = name + 3;

    for (unsigned i = 0; i < KI_SHA256_SIZE; i++) {
        *text++ = digits[digest[i] >> 4];
        *text++ = digits[digest[i] & 15];
    }
    *text = '\0';
    name[0] = name[3];
    name[1] = name[4];
    name[2] = '/';
}

static int
digit_of(char letter)
{
    if (letter >= '0' && letter <= '9') {
        return letter - '0';
    }
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

bool
ki_nfsname_read(const char *digits, uint8_t digest[KI_SHA256_SIZE])
{
    for (unsigned i = 0; i < KI_SHA256_SIZE; i++) {
        const int high = digit_of(digits[(size_t)i * 2]);
        const int low = high < 0 ? -1 : digit_of(digits[(size_t)i * 2 + 1]);

        if (low < 0) {
            return false;
        }
        digest[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* --- text -------------------------------------------------------------------
 */

/* Bytes of the code point at `data`, of which `left` are there; 0: none. */
static size_t
letter_size(const uint8_t *data, size_t left)
{
    const uint8_t first = data[0];
    const size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint8_t low = 0x80;  // what the second byte may be: neither longer than
    uint8_t high = 0xbf; // need be, nor a surrogate, nor above U+10FFFF

    if (first < 0xc2 || first > 0xf4 || left < size) {
        return 0;
    }
    if (first == 0xe0) {
        low = 0xa0;
    }
    if (first == 0xf0) {
        low = 0x90;
    }
    if (first == 0xed) {
        high = 0x9f;
    }
    if (first == 0xf4) {
        high = 0x8f;
    }
    if (data[1] < low || data[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((data[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return size;
}

bool
ki_nfskey_valid(kist_slice text)
{
    const uint8_t *data = text.data;
    size_t at = 0;

    while (at < text.size) {
        size_t size = 1;

        if (text.size - at >= 8 &&
            (ki_load_le64(data + at) & UINT64_C(0x8080808080808080)) == 0) {
            at += 8;
            continue;
        }
        if (data[at] >= 0x80) {
            size = letter_size(data + at, text.size - at);
            if (size == 0) {
                return false;
            }
        }
        at += size;
    }
    return true;
}

/* --- pickles ----------------------------------------------------------------
 */

kist_status
ki_nfspickle_string(kist_slice data, size_t *at, kist_slice *text)
{
    const uint8_t *bytes = data.data;
    const size_t left = data.size - *at;
    uint64_t size;
    size_t head;

    if (left == 0) {
        return KIST_END;
    }
    switch (bytes[*at]) {
    case OP_SHORT_BINUNICODE:
        head = 2;
        break;
    case OP_BINUNICODE:
        head = 5;
        break;
    case OP_BINUNICODE8:
        head = 9;
        break;
    default:
        return KIST_ERR_CORRUPT;
    }
    if (left < head) {
        return KIST_END;
    }
    size = head == 2   ? bytes[*at + 1]
           : head == 5 ? ki_load_le32(bytes + *at + 1)
                       : ki_load_le64(bytes + *at + 1);
    if (size > KI_NFSKEY_SIZE_MAX) {
        return KIST_ERR_CORRUPT;
    }
    if (left - head < size) {
        return KIST_END;
    }
    *text = kist_bytes(bytes + *at + head, (size_t)size);
    *at += head + (size_t)size;
    return KIST_OK;
}

/* PROTO, then frames, of which the pickler leaves out short ones, then the
 * key: a tuple puts no opcode before its items. */
static kist_status
read_pickled(kist_slice head, kist_slice *key)
{
    const uint8_t *bytes = head.data;
    size_t at = 2;

    if (head.size < 2) {
        return head.size == 1 && bytes[0] != OP_PROTO ? KIST_ERR_CORRUPT
                                                      : KIST_END;
    }
    if (bytes[0] != OP_PROTO || bytes[1] < 2 || bytes[1] > 5) {
        return KIST_ERR_CORRUPT;
    }
    while (at < head.size && bytes[at] == OP_FRAME) {
        if (head.size - at < 9) {
            return KIST_END;
        }
        at += 9;
    }
    return ki_nfspickle_string(head, &at, key);
}

/* --- JSON -------------------------------------------------------------------
 */

void
ki_nfsjson_space(kist_slice data, size_t *at)
{
    const char *text = data.data;

    while (*at < data.size && (text[*at] == ' ' || text[*at] == '\n' ||
                               text[*at] == '\r' || text[*at] == '\t')) {
        (*at)++;
    }
}

/* The four hexadecimal digits at `text`, or -1. */
static long
read_unit(const char *text)
{
    long unit = 0;

    for (unsigned i = 0; i < 4; i++) {
        const char letter = text[i];
        const int digit = digit_of(
            letter >= 'A' && letter <= 'F' ? (char)(letter + 32) : letter);

        if (digit < 0) {
            return -1;
        }
        unit = unit << 4 | digit;
    }
    return unit;
}

static kist_status
append_letter(kist_buf *scratch, unsigned long code)
{
    uint8_t bytes[4];
    size_t size;

    if (code < 0x80) {
        bytes[0] = (uint8_t)code;
        size = 1;
    }
    else if (code < 0x800) {
        bytes[0] = (uint8_t)(0xc0 | code >> 6);
        size = 2;
    }
    else if (code < 0x10000) {
        bytes[0] = (uint8_t)(0xe0 | code >> 12);
        size = 3;
    }
    else {
        bytes[0] = (uint8_t)(0xf0 | code >> 18);
        size = 4;
    }
    for (size_t i = 1; i < size; i++) {
        bytes[i] = (uint8_t)(0x80 | (code >> 6 * (size - 1 - i) & 0x3f));
    }
    return kist_buf_append(scratch, bytes, size);
}

/* The escape "\u...." at data[*at], or two of them that are one letter. */
static kist_status
read_unicode(kist_slice data, size_t *at, kist_buf *scratch)
{
    const char *text = data.data;
    size_t left = data.size - *at;
    long unit;
    long second;

    if (left < 6) {
        return KIST_END;
    }
    unit = read_unit(text + *at + 2);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) {
        return KIST_ERR_CORRUPT;
    }
    *at += 6;
    left -= 6;
    if (unit < 0xd800 || unit > 0xdbff) {
        return append_letter(scratch, (unsigned long)unit);
    }
    if (left < 6) {
        return KIST_END;
    }
    second = text[*at] == '\\' && text[*at + 1] == 'u'
                 ? read_unit(text + *at + 2)
                 : -1;
    if (second < 0xdc00 || second > 0xdfff) {
        return KIST_ERR_CORRUPT;
    }
    *at += 6;
    return append_letter(scratch, 0x10000UL +
                                      ((unsigned long)(unit - 0xd800) << 10) +
                                      (unsigned long)(second - 0xdc00));
}

static kist_status
read_escape(kist_slice data, size_t *at, kist_buf *scratch)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char *text = data.data;
    const char *found;

    if (data.size - *at < 2) {
        return KIST_END;
    }
    if (text[*at + 1] == 'u') {
        return read_unicode(data, at, scratch);
    }
    found = text[*at + 1] == '\0' ? NULL : strchr(letters, text[*at + 1]);
    if (found == NULL) {
        return KIST_ERR_CORRUPT;
    }
    *at += 2;
    return kist_buf_append(scratch, meanings + (found - letters), 1);
}

/* From data[begin] on, where nothing has been escaped yet: the first letter
 * that ends the run. */
static size_t
plain_end(kist_slice data, size_t begin)
{
    const uint8_t *text = data.data;
    size_t at = begin;

    while (at < data.size && text[at] != '"' && text[at] != '\\' &&
           text[at] >= 0x20) {
        at++;
    }
    return at;
}

kist_status
ki_nfsjson_string(kist_slice data, size_t *at, kist_buf *scratch,
                  kist_slice *text)
{
    const uint8_t *bytes = data.data;
    const size_t before = scratch->size;
    size_t begin;
    size_t end;
    kist_status status;

    if (*at >= data.size) {
        return KIST_END;
    }
    if (bytes[*at] != '"') {
        return KIST_ERR_CORRUPT;
    }
    begin = *at + 1;
    end = plain_end(data, begin);
    if (end < data.size && bytes[end] == '"') {
        *text = kist_bytes(bytes + begin, end - begin);
        *at = end + 1;
        return KIST_OK;
    }
    while (end < data.size && bytes[end] == '\\') {
        status = kist_buf_append(scratch, bytes + begin, end - begin);
        if (status == KIST_OK) {
            status = read_escape(data, &end, scratch);
        }
        if (status != KIST_OK) {
            return status;
        }
        begin = end;
        end = plain_end(data, begin);
    }
    if (end >= data.size) {
        return KIST_END;
    }
    if (bytes[end] != '"') {
        return KIST_ERR_CORRUPT; // a control character
    }
    status = kist_buf_append(scratch, bytes + begin, end - begin);
    if (status == KIST_OK) {
        *text = kist_bytes(scratch->data + before, scratch->size - before);
        *at = end + 1;
    }
    return status;
}

/* An array of two begins so: the comma tells it from an array of one. */
static kist_status
read_json(kist_slice head, kist_buf *scratch, kist_slice *key)
{
    const char *text = head.data;
    size_t at = 0;
    kist_status status;

    ki_nfsjson_space(head, &at);
    if (at == head.size) {
        return KIST_END;
    }
    if (text[at] != '[') {
        return KIST_ERR_CORRUPT;
    }
    at++;
    ki_nfsjson_space(head, &at);
    status = ki_nfsjson_string(head, &at, scratch, key);
    if (status != KIST_OK) {
        return status;
    }
    ki_nfsjson_space(head, &at);
    if (at == head.size) {
        return KIST_END;
    }
    return text[at] == ',' ? KIST_OK : KIST_ERR_CORRUPT;
}

kist_status
ki_nfskey_read(ki_nfsformat format, kist_slice head, bool whole,
               kist_buf *scratch, kist_slice *key)
{
    kist_status status;

    kist_buf_clear(scratch);
    *key = kist_bytes("", 0);
    status = format == KI_NFS_PICKLE ? read_pickled(head, key)
                                     : read_json(head, scratch, key);
    if (status == KIST_END && whole) {
        status = KIST_ERR_CORRUPT;
    }
    if (status == KIST_OK && !ki_nfskey_valid(*key)) {
        status = KIST_ERR_CORRUPT;
    }
    return status;
}
