/*
 * tour.c - a walk through kist: a dict, a list and a set in one file pair, a
 * batch over all of them, scans, and what errors look like.
 *
 * Usage: tour DIRECTORY
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kist/kist.h"

/* Ends the program if a call failed, and says why. */
static void
must(kist_status status, const char *what)
{
    char text[512];

    if (status == KIST_OK) {
        return;
    }
    kist_error_text(text, sizeof(text));
    fprintf(stderr, "%s: %s: %s\n", what, kist_status_name(status), text);
    exit(1);
}

/* What a read hands out points into the file: print it, or copy it. */
static void
print_text(const char *label, kist_slice text)
{
    printf("%s%.*s\n", label, (int)text.size, (const char *)text.data);
}

static void
tour_dict(kist *k)
{
    kist_dict *people;
    kist_value value;
    kist_value years = kist_int(36);
    kist_value title = kist_text("Countess of Lovelace");
    kist_status status;

    // "" names the root collection; any other name would make another one.
    must(kist_dict_open(k, kist_str("people"), KIST_ANY, &people), "dict");
    must(kist_dict_put(people, kist_str("ada"), &title), "put");
    must(kist_dict_put(people, kist_str("years"), &years), "put");

    must(kist_dict_get(people, kist_str("ada"), &value), "get");
    print_text("ada: ", value.as.bytes);
    must(kist_dict_get(people, kist_str("years"), &value), "get");
    printf("years: %s %" PRId64 "\n", kist_type_name(value.type),
           value.as.integer);

    // Not there is an ordinary answer.
    status = kist_dict_get(people, kist_str("bob"), &value);
    printf("bob: %s\n", kist_status_name(status));
    kist_dict_close(people);
}

static void
tour_list(kist *k)
{
    const int64_t numbers[] = {5, 3, 8, 1};
    kist_scan_options backwards = {.reverse = true};
    kist_list *list;
    kist_scan *scan;
    kist_value value;
    kist_value text = kist_text("four");
    kist_status status;

    // A typed list holds its numbers as an array and takes nothing else.
    must(kist_list_open(k, kist_str("numbers"), KIST_INT, &list), "list");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        value = kist_int(numbers[i]);
        must(kist_list_append(list, &value), "append");
    }
    value = kist_int(7);
    must(kist_list_insert(list, 1, &value), "insert");
    must(kist_list_sort(list, false), "sort");
    status = kist_list_append(list, &text);
    printf("append text: %s\n", kist_status_name(status));

    printf("numbers, backwards:");
    must(kist_list_scan(list, &backwards, &scan), "scan");
    while ((status = kist_scan_next(scan, NULL, &value)) == KIST_OK) {
        printf(" %" PRId64, value.as.integer);
    }
    putchar('\n');
    must(status == KIST_END ? KIST_OK : status, "scan");
    kist_scan_close(scan);
    kist_list_close(list);
}

static void
tour_set(kist *k)
{
    static const char *const words[] = {"to", "be", "or", "not", "to", "be"};
    kist_set *set;
    uint64_t count;

    must(kist_set_open(k, kist_str("words"), KIST_TEXT, &set), "set");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const kist_value word = kist_text(words[i]);
        bool added;

        must(kist_set_add(set, &word, &added), "add");
        printf("%s%s", words[i], added ? " " : " (again) ");
    }
    must(kist_set_count(set, &count), "count");
    printf("= %" PRIu64 " words\n", count);
    kist_set_close(set);
}

/* A batch is one change over any collections: all of it, or nothing. */
static void
tour_batch(kist *k)
{
    kist_dict *people;
    kist_list *numbers;
    kist_value value = kist_int(99);
    uint64_t before;
    uint64_t after;

    must(kist_dict_open(k, kist_str("people"), KIST_ANY, &people), "dict");
    must(kist_list_open(k, kist_str("numbers"), KIST_ANY, &numbers), "list");
    must(kist_list_count(numbers, &before), "count");

    must(kist_batch_begin(k), "begin");
    must(kist_list_append(numbers, &value), "append");
    must(kist_dict_put(people, kist_str("last"), &value), "put");
    must(kist_batch_rollback(k), "rollback");
    must(kist_list_count(numbers, &after), "count");
    printf("rolled back: %" PRIu64 " numbers, %s\n", after,
           kist_status_name(kist_dict_contains(people, kist_str("last"))));

    must(kist_batch_begin(k), "begin");
    must(kist_list_append(numbers, &value), "append");
    must(kist_dict_put(people, kist_str("last"), &value), "put");
    must(kist_batch_commit(k), "commit");
    must(kist_list_count(numbers, &after), "count");
    printf("committed: %" PRIu64 " numbers, %s\n", after,
           kist_status_name(kist_dict_contains(people, kist_str("last"))));
    kist_list_close(numbers);
    kist_dict_close(people);
}

static void
tour_collections(kist *k)
{
    kist_coll_info info;

    for (uint64_t i = 0; kist_coll_at(k, i, &info) == KIST_OK; i++) {
        printf("%s of %s, %" PRIu64 " items: %.*s\n",
               kist_kind_name(info.kind), kist_type_name(info.type),
               info.count, (int)info.name.size, (const char *)info.name.data);
    }
}

int
main(int argc, char **argv)
{
    char path[4096];
    kist_options options = {.must_exist = true};
    kist *k;
    kist_status status;

    if (argc != 2) {
        fprintf(stderr, "usage: tour DIRECTORY\n");
        return 2;
    }
    snprintf(path, sizeof(path), "%s/tour", argv[1]);

    // With must_exist a kist that is not there is an error, with its errno.
    status = kist_open(path, &options, &k);
    printf("before: %s, errno %s\n", kist_status_name(status),
           kist_last_error()->sys_errno == 2 ? "ENOENT" : "?");

    must(kist_open(path, NULL, &k), "open");
    tour_dict(k);
    tour_list(k);
    tour_set(k);
    tour_batch(k);
    must(kist_close(k), "close");

    must(kist_open(path, &options, &k), "open again");
    tour_collections(k);
    must(kist_close(k), "close");
    must(kist_destroy(path), "destroy");
    return 0;
}
