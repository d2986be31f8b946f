/*
 * Readers beside writers, and readers of damaged files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "units.h"

static uint8_t value_room[KT_VALUE_ROOM];

/* --- beside writers ----------------------------------------------------- */

/* The count that a writer keeps under one key never goes back. */
static int
check_growing(kist_dict *dict, int64_t *last)
{
    char room[KT_KEY_ROOM];
    kist_value value;
    const kist_status status =
        kist_dict_get(dict, kt_key_make(KT_D, 0, 1000, room), &value);

    if (status == KIST_ERR_NOTFOUND) {
        return 0;
    }
    if (status != KIST_OK) {
        kw_say("get", status);
        return 1;
    }
    if (value.type != KIST_INT || value.as.integer < *last) {
        fprintf(stderr, "kist_work: a count went back from %lld\n",
                (long long)*last);
        return 1;
    }
    *last = value.as.integer;
    return 0;
}

/* Takes the scan; every value must be one that somebody put. */
static int
check_scan(kist_scan *scan, const char *what)
{
    kist_status status;
    kist_slice key;
    kist_value value;
    int answer = 0;

    while (answer == 0 &&
           (status = kist_scan_next(scan, &key, &value)) != KIST_END) {
        if (status != KIST_OK) {
            kw_say(what, status);
            answer = 1;
        }
        else if (!kt_value_sound(&value, value_room)) {
            fprintf(stderr, "kist_work: %s: a value nobody put\n", what);
            answer = 1;
        }
    }
    kist_scan_close(scan);
    return answer;
}

static int
check_dict(kist *k, kist_slice name, int64_t *last)
{
    kist_dict *dict;
    kist_scan *scan;
    int answer = 1;
    kist_status status = kist_dict_open(k, name, KIST_ANY, &dict);

    if (status != KIST_OK) {
        kw_say("dict open", status);
        return 1;
    }
    status = kist_dict_scan(dict, NULL, &scan);
    if (status != KIST_OK) {
        kw_say("dict scan", status);
    }
    else {
        answer = check_scan(scan, "dict scan");
    }
    if (answer == 0) {
        answer = check_growing(dict, last);
    }
    kist_dict_close(dict);
    return answer;
}

static int
check_list(kist *k, kist_slice name)
{
    kist_list *list;
    kist_scan *scan;
    int answer = 1;
    kist_status status = kist_list_open(k, name, KIST_ANY, &list);

    if (status != KIST_OK) {
        kw_say("list open", status);
        return 1;
    }
    status = kist_list_scan(list, NULL, &scan);
    if (status != KIST_OK) {
        kw_say("list scan", status);
    }
    else {
        answer = check_scan(scan, "list scan");
    }
    kist_list_close(list);
    return answer;
}

static int
read_all(kist *k, int64_t *last)
{
    kist_coll_info info;
    kist_status status;
    int answer = 0;

    for (uint64_t i = 0;
         answer == 0 && (status = kist_coll_at(k, i, &info)) != KIST_END;
         i++) {
        char name[16] = "";

        if (status != KIST_OK) {
            kw_say("collections", status);
            return 1;
        }
        memcpy(name, info.name.data,
               info.name.size < 15 ? info.name.size : 15);
        if (info.kind == KIST_KIND_DICT) {
            answer = check_dict(k, kist_str(name),
                                &last[(unsigned char)name[1] % 16]);
        }
        else if (info.kind == KIST_KIND_LIST) {
            answer = check_list(k, kist_str(name));
        }
    }
    return answer;
}

/* A writer may not have made the kist yet. */
static kist_status
open_when_there(const kw_args *args, bool read_only, kist **k)
{
    kist_options options = args->options;
    kist_status status;
    uint32_t waits = 0;

    options.must_exist = true;
    options.read_only = read_only;
    while ((status = kist_open(kw_path(args), &options, k)) == KIST_ERR_IO &&
           waits++ < 500) {
        const struct timespec span = {0, 10000000};

        nanosleep(&span, NULL);
    }
    return status;
}

int
kw_read_loop(const kw_args *args)
{
    const char *stop = getenv("RIG_STOP");
    int64_t last[16] = {0};
    uint64_t round = 0;
    kist *k = NULL;
    int answer = 0;

    while (answer == 0 && (stop == NULL || access(stop, F_OK) != 0)) {
        const struct timespec span = {0, 2000000};

        if (k == NULL) {
            const kist_status status =
                open_when_there(args, args->proc % 2 == 1, &k);

            if (status != KIST_OK) {
                kw_say("open", status);
                return 1;
            }
        }
        answer = read_all(k, last);
        if (++round % 64 == 0) {
            (void)kist_close(k);
            k = NULL;
        }
        nanosleep(&span, NULL);
    }
    (void)kist_close(k);
    return answer;
}

int
kw_read_once(const kw_args *args)
{
    int64_t last[16] = {0};
    kist *k;
    // Who opens to write waits for who stands still while opening or closing.
    const kist_status status = open_when_there(args, true, &k);
    int answer;

    if (status != KIST_OK) {
        kw_say("open", status);
        return 1;
    }
    answer = read_all(k, last);
    (void)kist_close(k);
    return answer;
}

/* --- of damaged files --------------------------------------------------- */

/* What reading a damaged kist has shown. */
typedef struct verdict {
    uint64_t wrong;   /* values that are not what was put */
    uint64_t lost;    /* items that are silently not there, or too many */
    uint64_t noticed; /* answers that speak of damage */
} verdict;

static bool
is_notice(kist_status status)
{
    return status == KIST_ERR_CORRUPT || status == KIST_ERR_NOTKIST ||
           status == KIST_ERR_NEWER || status == KIST_ERR_IO;
}

/* Counts one answer for an item whose right value is `want`. */
static void
judge(verdict *v, kist_status status, const kist_value *got,
      const kist_value *want)
{
    if (status == KIST_OK) {
        v->wrong += got != NULL && !kt_value_same(got, want);
    }
    else if (is_notice(status)) {
        v->noticed++;
    }
    else if (status == KIST_ERR_NOTFOUND || status == KIST_ERR_RANGE ||
             status == KIST_END) {
        v->lost++;
    }
    else {
        kw_say("an unforeseen answer to damage", status);
        v->wrong++;
    }
}

/* Takes the scan; keys are looked up, items without one go by position. */
static void
judge_scan(verdict *v, const kt_model *model, kist_scan *scan, bool shared)
{
    kist_slice key;
    kist_value value;
    kist_status status;
    size_t i = 0;

    while ((status = kist_scan_next(scan, &key, &value)) == KIST_OK) {
        const size_t at = key.size > 0 ? kt_model_find_key(model, key) : i;

        if (at < model->count) {
            judge(v, KIST_OK, &value, &model->items[at]->value);
            i++;
        }
        else if (!shared) {
            v->lost++; // nobody knows this key: something was lost
        }
    }
    if (status != KIST_END) {
        judge(v, status, NULL, NULL);
    }
    else if (i != model->count) {
        v->lost++;
    }
    kist_scan_close(scan);
}

static void
judge_dict(verdict *v, const kt_model *model, kist_dict *dict, bool shared)
{
    kist_scan *scan;
    kist_status status;

    if (dict == NULL) {
        v->lost += model->count;
        return;
    }
    for (size_t i = 0; i < model->count; i++) {
        const kt_item *item = model->items[i];
        kist_value value;

        status =
            kist_dict_get(dict, kist_bytes(item->key, item->key_size), &value);
        judge(v, status, &value, &item->value);
    }
    status = kist_dict_scan(dict, NULL, &scan);
    if (status != KIST_OK) {
        judge(v, status, NULL, NULL);
        return;
    }
    judge_scan(v, model, scan, shared);
}

static void
judge_list(verdict *v, const kt_model *model, kist_list *list)
{
    uint64_t count = model->count;
    kist_scan *scan;
    kist_status status;

    if (list == NULL) {
        v->lost += model->count;
        return;
    }
    for (size_t i = 0; i < model->count; i++) {
        kist_value value;

        status = kist_list_get(list, i, &value);
        judge(v, status, &value, &model->items[i]->value);
    }
    status = kist_list_count(list, &count);
    if (status != KIST_OK) {
        judge(v, status, NULL, NULL);
    }
    else if (count != model->count) {
        v->lost++;
    }
    status = kist_list_scan(list, NULL, &scan);
    if (status != KIST_OK) {
        judge(v, status, NULL, NULL);
        return;
    }
    judge_scan(v, model, scan, false);
}

static void
judge_set(verdict *v, const kt_model *model, kist_set *set)
{
    kist_scan *scan;
    kist_status status;

    if (set == NULL) {
        v->lost += model->count;
        return;
    }
    for (size_t i = 0; i < model->count; i++) {
        status = kist_set_contains(set, &model->items[i]->value);
        judge(v, status, NULL, NULL);
    }
    status = kist_set_scan(set, NULL, &scan);
    if (status != KIST_OK) {
        judge(v, status, NULL, NULL);
        return;
    }
    judge_scan(v, model, scan, false);
}

static void
judge_store(verdict *v, kt_store *store, const kt_world *world)
{
    memset(v, 0, sizeof(*v));
    judge_dict(v, &world->models[KT_D], store->dicts[KT_D], false);
    judge_dict(v, &world->models[KT_X], store->dicts[KT_X], true);
    judge_list(v, &world->models[KT_L], store->lists[KT_L]);
    judge_list(v, &world->models[KT_T], store->lists[KT_T]);
    judge_set(v, &world->models[KT_S], store->set);
}

/*
 * Reads all, verifies, and if that has made the index anew reads all again.
 * 0: every value is right.  3: damage was noticed.  1: it was not.
 */
static int
judge_open(kt_store *store, const kt_world *world)
{
    kist_report report = {0};
    verdict v;
    kist_status status;

    judge_store(&v, store, world);
    status = kist_verify(store->k, NULL, NULL, &report);
    if (status != KIST_OK && !is_notice(status)) {
        kw_say("kist_verify", status);
        return 1;
    }
    if (v.wrong > 0 || (v.lost > 0 && v.noticed == 0 && status == KIST_OK)) {
        fprintf(stderr,
                "kist_work: %llu wrong, %llu lost, %llu noticed, "
                "kist_verify %s\n",
                (unsigned long long)v.wrong, (unsigned long long)v.lost,
                (unsigned long long)v.noticed, kist_status_name(status));
        return 1;
    }
    if (status == KIST_OK && report.index_rebuilt) {
        judge_store(&v, store, world);
    }
    if (v.wrong > 0) {
        fprintf(stderr, "kist_work: wrong values from a new index\n");
        return 1;
    }
    return v.lost + v.noticed > 0 || status != KIST_OK ? 3 : 0;
}

int
kw_judge_damage(const kw_args *args, bool live)
{
    kw_range ranges[KW_PROCS_MAX];
    kist_options options = args->options;
    kt_store store;
    kt_world world;
    kist_status status;
    int answer;

    if (kw_acks_read(args, ranges) != 0) {
        perror(args->acks);
        return 2;
    }
    options.must_exist = true;
    status = kt_store_open(&store, kw_path(args), &options, 0);
    if (status != KIST_OK) {
        kw_say("open", status);
        return is_notice(status) && !args->mended ? 3 : 1;
    }
    kt_world_init(&world, 0);
    kw_replay(&world, 0, ranges[0].acked);
    if (live) {
        verdict v;

        judge_store(&v, &store, &world);
        puts("READY");
        fflush(stdout);
        (void)getchar();
    }
    answer = judge_open(&store, &world);
    kt_world_fini(&world);
    (void)kt_store_close(&store);
    return answer == 3 && args->mended ? 1 : answer;
}

int
kw_live_read(const kw_args *args)
{
    return kw_judge_damage(args, true);
}
