#include "codec/utf8.h"

/*
 * The length of the character at `at`, which is not ASCII and has `left`
 * bytes to go, or 0 if there is none.  Only the second byte can make a form
 * overlong or too large, so that is where the lead byte sets the range.
 */
static size_t
character_size(const uint8_t *at, size_t left)
{
    const uint8_t lead = at[0];
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    size_t size;

    if (lead < 0xc2 || lead > 0xf4) {
        return 0;
    }
    size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (left < size) {
        return 0;
    }
    if (lead == 0xe0) {
        low = 0xa0;
    }
    else if (lead == 0xf0) {
        low = 0x90;
    }
    else if (lead == 0xf4) {
        high = 0x8f;
    }
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return size;
}

bool
ki_utf8_valid_slow(const uint8_t *data, size_t size)
{
    size_t i = 0;
    size_t step;

    while (i < size) {
        if (data[i] >= 0x80) {
            step = character_size(data + i, size - i);
            if (step == 0) {
                return false;
            }
            i += step;
        }
        else if (size - i >= 8 &&
                 (ki_load_le64(data + i) & KI_UTF8_HIGH_BITS) == 0) {
            i += 8;
        }
        else {
            i++;
        }
    }
    return true;
}
