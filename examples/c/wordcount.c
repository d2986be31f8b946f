/*
 * wordcount.c - counts the words of standard input in a dict that outlives
 * the program: run it again and it goes on counting.
 *
 * Usage: wordcount DIRECTORY < text
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kist/kist.h"

#define TOP 5u

typedef struct counted {
    char word[64];
    int64_t count;
    uint64_t place; /* in the order of the dict */
} counted;

static void
must(kist_status status)
{
    char text[512];

    if (status != KIST_OK) {
        kist_error_text(text, sizeof(text));
        fprintf(stderr, "wordcount: %s\n", text);
        exit(1);
    }
}

/* Reads the next word in small letters; 0 at the end. */
static size_t
next_word(FILE *in, char *word, size_t size)
{
    size_t used = 0;
    int c;

    while ((c = getc(in)) != EOF) {
        if (isalpha(c)) {
            if (used + 1 < size) {
                word[used++] = (char)tolower(c);
            }
        }
        else if (used > 0) {
            break;
        }
    }
    word[used] = '\0';
    return used;
}

static void
count_words(kist_dict *counts, FILE *in)
{
    char word[64];
    size_t size;

    while ((size = next_word(in, word, sizeof(word))) > 0) {
        const kist_slice key = kist_bytes(word, size);
        kist_value value;
        kist_status status = kist_dict_get(counts, key, &value);

        if (status == KIST_ERR_NOTFOUND) {
            value = kist_int(0);
        }
        else {
            must(status);
        }
        value.as.integer++;
        must(kist_dict_put(counts, key, &value));
    }
}

static int
by_count(const void *a, const void *b)
{
    const counted *x = a;
    const counted *y = b;

    // Equal counts keep the order in which the words came first.
    if (x->count != y->count) {
        return x->count < y->count ? 1 : -1;
    }
    return x->place > y->place ? 1 : -1;
}

/* A dict is scanned in the order of insertion. */
static void
print_top(kist_dict *counts)
{
    uint64_t count;
    uint64_t used = 0;
    counted *all;
    kist_scan *scan;
    kist_slice key;
    kist_value value;

    must(kist_dict_count(counts, &count));
    all = calloc((size_t)count + 1, sizeof(*all));
    if (all == NULL) {
        exit(1);
    }
    must(kist_dict_scan(counts, NULL, &scan));
    while (used < count && kist_scan_next(scan, &key, &value) == KIST_OK) {
        snprintf(all[used].word, sizeof(all[used].word), "%.*s", (int)key.size,
                 (const char *)key.data);
        all[used].count = value.as.integer;
        all[used].place = used;
        used++;
    }
    kist_scan_close(scan);
    qsort(all, used, sizeof(*all), by_count);
    printf("%" PRIu64 " words\n", count);
    for (uint64_t i = 0; i < used && i < TOP; i++) {
        printf("%5" PRId64 " %s\n", all[i].count, all[i].word);
    }
    free(all);
}

int
main(int argc, char **argv)
{
    char path[4096];
    kist *k;
    kist_dict *counts;

    if (argc != 2) {
        fprintf(stderr, "usage: wordcount DIRECTORY < text\n");
        return 2;
    }
    snprintf(path, sizeof(path), "%s/words", argv[1]);
    must(kist_open(path, NULL, &k));

    // "" is the root collection, for a kist that needs only one.
    must(kist_dict_open(k, kist_str(""), KIST_INT, &counts));

    // One batch for the whole text: a crash leaves it uncounted, or counted.
    must(kist_batch_begin(k));
    count_words(counts, stdin);
    must(kist_batch_commit(k));
    print_top(counts);
    kist_dict_close(counts);
    must(kist_close(k));
    return 0;
}
