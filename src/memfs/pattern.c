/*
 * A star remembers where it stood, and only the last one does: when what
 * follows it cannot match, it takes one letter more and all is tried again
 * from there.  An earlier star need not be tried again: the later one could
 * take whatever the earlier one would.  So no pattern takes more than
 * pattern_size steps for each letter of the name.
 */
#include "memfs/pattern.h"

#include <stdint.h>
#include <string.h>

// A byte that is no part of a code point is the letter behind all of those.
#define LETTER_RAW 0x110000u

typedef struct text {
    const unsigned char *at;
    const unsigned char *end;
} text;

/* A set in square brackets, or what there is of it to compare with. */
typedef struct set {
    uint32_t letter; // is it in?
    bool found;
    bool negated;
    bool first; // nothing of the set has been looked at yet
} set;

/* How many bytes follow the first of a letter, or 0 if it stands alone; *from
 * and *to bound the second byte, and *bits are the letter's own of the first.
 */
static int
letter_shape(unsigned char first, unsigned char *from, unsigned char *to,
             uint32_t *bits)
{
    *from = 0x80;
    *to = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
        *bits = first & 0x1fu;
        return 1;
    }
    if (first >= 0xe0 && first <= 0xef) {
        *from = first == 0xe0 ? 0xa0 : 0x80;
        *bits = first & 0x0fu;
        return 2;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        *from = first == 0xf0 ? 0x90 : 0x80;
        *to = first == 0xf4 ? 0x8f : 0xbf;
        *bits = first & 0x07u;
        return 3;
    }
    return 0;
}

/* Takes the rest of the letter that begins with `first`. */
static uint32_t
next_wide_letter(text *t, unsigned char first)
{
    unsigned char from;
    unsigned char to;
    uint32_t letter;
    const int more = letter_shape(first, &from, &to, &letter);

    if (more == 0 || t->end - t->at < more) {
        return LETTER_RAW + first;
    }
    for (int i = 0; i < more; i++) {
        const unsigned char byte = t->at[i];

        if (byte < from || byte > to) {
            return LETTER_RAW + first;
        }
        letter = letter << 6 | (byte & 0x3fu);
        from = 0x80;
        to = 0xbf;
    }
    t->at += more;
    return letter;
}

/* Takes the next letter; there must be one. */
static inline uint32_t
next_letter(text *t)
{
    const unsigned char first = *t->at++;

    return first < 0x80 ? first : next_wide_letter(t, first);
}

/*
 * The contents of the brackets that *t stands behind, which is moved behind
 * the closing one; false if `last`, the last "]" of the pattern, is before
 * the first place where it could close these.  A "]" at the front, or behind
 * "!" at the front, closes nothing.
 */
static bool
take_brackets(text *t, const unsigned char *last, text *contents)
{
    const unsigned char *at = t->at;

    if (at < t->end && *at == '!') {
        at++;
    }
    if (at < t->end && *at == ']') {
        at++;
    }
    if (last == NULL || last < at) {
        return false;
    }
    at = memchr(at, ']', (size_t)(last - at) + 1);
    *contents = (text){t->at, at};
    t->at = at + 1;
    return true;
}

/*
 * Compares with the letters from .. to of the set.  A range in reverse is
 * empty, and it is as if it did not stand there: what then comes first may be
 * a "!" that negates, as it would in Python's regular expression; and then a
 * range that it began is a "-" and the range's end.
 */
static void
set_add(set *s, uint32_t from, uint32_t to, bool is_range)
{
    if (from > to) {
        return;
    }
    if (s->first && !s->negated && from == '!') {
        s->negated = true;
        s->found =
            s->found || (is_range && (s->letter == '-' || s->letter == to));
    }
    else {
        s->found = s->found || (s->letter >= from && s->letter <= to);
    }
    s->first = false;
}

/* Is the letter in the set? */
static bool
set_has(text contents, uint32_t letter)
{
    set s = {.letter = letter, .first = true};

    if (*contents.at == '!') {
        s.negated = true;
        contents.at++;
    }
    while (contents.at < contents.end) {
        const uint32_t from = next_letter(&contents);

        if (contents.at == contents.end || *contents.at != '-') {
            set_add(&s, from, from, false);
        }
        else if (++contents.at == contents.end) {
            set_add(&s, from, from, false);
            set_add(&s, '-', '-', false);
        }
        else {
            set_add(&s, from, next_letter(&contents), true);
        }
    }
    return s.found != s.negated;
}

/* Takes the next part of the pattern, no star; does the letter match it? */
static bool
part_matches(text *pattern, const unsigned char *last, uint32_t letter)
{
    text contents;
    const uint32_t wanted = next_letter(pattern);

    if (wanted == '?') {
        return true;
    }
    if (wanted == '[' && take_brackets(pattern, last, &contents)) {
        return set_has(contents, letter);
    }
    return wanted == letter;
}

/* No bytes may come as NULL. */
static text
text_of(const char *data, size_t size)
{
    const unsigned char *const at =
        (const unsigned char *)(size == 0 ? "" : data);

    return (text){at, at + size};
}

/*
 * True if what follows a star is letters only: then only the end of the name
 * matters.  The first byte must be one that begins a letter wherever it
 * stands.
 */
static bool
is_ending(const text *rest)
{
    return (*rest->at & 0xc0) != 0x80 &&
           ki_pattern_is_plain((const char *)rest->at,
                               (size_t)(rest->end - rest->at));
}

static bool
ends_with(const text *name, const text *ending)
{
    const size_t size = (size_t)(ending->end - ending->at);

    return (size_t)(name->end - name->at) >= size &&
           memcmp(name->end - size, ending->at, size) == 0;
}

bool
ki_pattern_match(const char *pattern, size_t pattern_size, const char *name,
                 size_t name_size)
{
    text p = text_of(pattern, pattern_size);
    text n = text_of(name, name_size);
    const unsigned char *const last = memrchr(p.at, ']', pattern_size);
    text star = {NULL, NULL}; // the pattern behind the last star
    text taken = n;           // the name behind what that star takes

    for (;;) {
        if (p.at < p.end && *p.at == '*') {
            p.at++;
            star = p;
            taken = n;
            if (p.at == p.end) {
                return true;
            }
            if (is_ending(&p)) {
                return ends_with(&n, &p);
            }
            continue;
        }
        if (n.at == n.end) {
            // If the star took more, even less would be left for the rest.
            return p.at == p.end;
        }
        if (p.at < p.end && part_matches(&p, last, next_letter(&n))) {
            continue;
        }
        if (star.at == NULL) {
            return false;
        }
        (void)next_letter(&taken);
        p = star;
        n = taken;
    }
}

bool
ki_pattern_is_plain(const char *pattern, size_t pattern_size)
{
    for (size_t i = 0; i < pattern_size; i++) {
        if (pattern[i] == '*' || pattern[i] == '?' || pattern[i] == '[') {
            return false;
        }
    }
    return true;
}
