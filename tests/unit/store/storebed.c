#include "storebed.h"

#include <stdio.h>
#include <stdlib.h>

/* --- short calls
 * ------------------------------------------------------------*/

void
kt_store_check_value(kist_store *store, const char *key, const char *text,
                     const kist_etag *etag)
{
    kist_buf value = {0};
    kist_stat stat;
    kist_etag got;
    bool contains = false;

    KT_OK(kist_store_get(store, kist_str(key), &value, &got));
    KT_CHECK(
        value.size == strlen(text) &&
            (value.size == 0 || memcmp(value.data, text, value.size) == 0),
        "%s is \"%.*s\", not \"%s\"", key, (int)value.size,
        (const char *)value.data, text);
    KT_CHECK(etag == NULL || kist_etag_equal(&got, etag),
             "ETag of %s is %.*s, not %.*s", key, got.size, got.text,
             etag->size, etag->text);
    KT_OK(kist_store_stat(store, kist_str(key), &stat));
    KT_CHECK(kist_etag_equal(&stat.etag, &got), "%s", key);
    assert_int_equal(stat.size, value.size);
    KT_OK(kist_store_contains(store, kist_str(key), &contains));
    assert_true(contains);
    kist_buf_fini(&value);
}

void
kt_store_check_absent(kist_store *store, const char *key)
{
    kist_buf value = {0};
    kist_stat stat;
    kist_etag etag;
    bool contains = true;

    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_store_get(store, kist_str(key), &value, &etag));
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_store_stat(store, kist_str(key), &stat));
    KT_OK(kist_store_contains(store, kist_str(key), &contains));
    assert_false(contains);
    kist_buf_fini(&value);
}

kist_etag
kt_store_put(kist_store *store, const char *key, const char *text)
{
    kist_etag etag = {.size = 0};

    KT_OK(kist_store_put(store, kist_str(key), kist_str(text), &etag));
    return etag;
}

static int
compare_texts(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The keys of a scan, sorted and joined; the caller frees it. */
static char *
join_keys(kist_store *store)
{
    kist_store_scan *scan;
    kist_store_item item;
    kist_status status;
    char **keys = NULL;
    size_t count = 0;
    size_t size = 1;
    char *joined;

    KT_OK(kist_store_scan_open(store, NULL, &scan));
    while ((status = kist_store_scan_next(scan, &item)) == KIST_OK) {
        keys = realloc(keys, (count + 1) * sizeof(*keys));
        assert_non_null(keys);
        keys[count] = calloc(1, item.key.size + 1);
        assert_non_null(keys[count]);
        memcpy(keys[count++], item.key.data, item.key.size);
        size += item.key.size + 1;
    }
    KT_ANSWERS(KIST_END, status);
    KT_ANSWERS(KIST_END, kist_store_scan_next(scan, &item));
    kist_store_scan_close(scan);
    if (count > 0) {
        qsort(keys, count, sizeof(*keys), compare_texts);
    }
    joined = calloc(1, size);
    assert_non_null(joined);
    size = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t length = strlen(keys[i]);

        if (i > 0) {
            joined[size++] = ' ';
        }
        memcpy(joined + size, keys[i], length);
        size += length;
        free(keys[i]);
    }
    free(keys);
    return joined;
}

void
kt_store_check_keys(kist_store *store, const char *expected)
{
    char *joined = join_keys(store);

    assert_string_equal(joined, expected);
    free(joined);
}

/* --- the oracle
 * -------------------------------------------------------------*/

typedef enum asked { ASKED_NONE, ASKED_SAME, ASKED_OTHER } asked;

static kt_verdict
judge(const kt_trial *t)
{
    const bool keeps =
        t->kind == KT_STORE_APPEND_ONLY || t->kind == KT_STORE_WRITE_ONCE;
    const bool fetched =
        t->condition.fetch == KIST_FETCH_ALWAYS ||
        (t->condition.fetch == KIST_FETCH_CHANGED && !t->same);
    kt_verdict v = {.satisfied =
                        t->condition.rule == KIST_IF_ANY ||
                        (t->condition.rule == KIST_IF_SAME && t->same) ||
                        (t->condition.rule == KIST_IF_CHANGED && !t->same)};

    if (!t->there) {
        v.written = v.satisfied && t->kind != KT_STORE_NULL &&
                    (t->call == KT_CALL_PUT || t->call == KT_CALL_PUT_NEW);
        v.found = v.written ? KIST_FOUND_GIVEN : KIST_FOUND_NONE;
        return v;
    }
    v.found = fetched && t->call != KT_CALL_REMOVE ? KIST_FOUND_VALUE
                                                   : KIST_FOUND_UNREAD;
    if (v.satisfied && (t->call == KT_CALL_PUT || t->call == KT_CALL_REMOVE)) {
        v.policy = keeps;
        v.written = !keeps && t->call == KT_CALL_PUT;
        v.removed = !keeps && t->call == KT_CALL_REMOVE;
        v.found = v.written ? KIST_FOUND_GIVEN : KIST_FOUND_NONE;
    }
    return v;
}

static kist_status
make_call(kist_store *store, const kt_trial *t, kist_slice key,
          kist_slice given, kist_buf *value, kist_outcome *outcome)
{
    const kist_condition *c = &t->condition;

    if (c->fetch == KIST_FETCH_NEVER) {
        value = NULL;
    }
    switch (t->call) {
    case KT_CALL_GET:
        return kist_store_get_if(store, key, c, value, outcome);
    case KT_CALL_PUT:
        return kist_store_put_if(store, key, given, c, value, outcome);
    case KT_CALL_PUT_NEW:
        return kist_store_put_new_if(store, key, given, c, value, outcome);
    default:
        return kist_store_remove_if(store, key, c, outcome);
    }
}

kt_verdict
kt_store_try(kist_store *store, const kt_trial *t, kist_slice key,
             kist_slice given, kist_slice present, const kist_etag *now,
             kist_outcome *outcome)
{
    const kt_verdict v = judge(t);
    kist_buf value = {0};

    KT_OK(kist_buf_append(&value, "rubbish", 7));
    KT_ANSWERS(v.policy ? KIST_ERR_POLICY : KIST_OK,
               make_call(store, t, key, given, &value, outcome));
    if (v.policy) {
        kist_buf_fini(&value);
        return v;
    }
    assert_int_equal(outcome->satisfied, v.satisfied);
    assert_int_equal(outcome->found, v.found);
    assert_true(kist_etag_equal(&outcome->before, now));
    if (v.written) {
        assert_true(outcome->after.size > 0);
        assert_false(kist_etag_equal(now, &outcome->after));
    }
    else if (v.removed) {
        assert_int_equal(outcome->after.size, 0);
    }
    else {
        assert_true(kist_etag_equal(&outcome->after, now));
    }
    if (v.found == KIST_FOUND_VALUE) {
        assert_int_equal(value.size, present.size);
        assert_true(present.size == 0 ||
                    memcmp(value.data, present.data, present.size) == 0);
    }
    else if (t->condition.fetch != KIST_FETCH_NEVER &&
             t->call != KT_CALL_REMOVE) {
        assert_int_equal(value.size, 0);
    }
    kist_buf_fini(&value);
    return v;
}

static void
run_trial(kist_store *store, kt_trial *t, asked a, unsigned number)
{
    kist_etag now = {.size = 0};
    kist_outcome outcome;
    kist_etag other;
    char key[64];
    kt_verdict v;

    snprintf(key, sizeof(key), "case-%u/other", number);
    other = kt_store_put(store, key, "other");
    snprintf(key, sizeof(key), "case-%u/at", number);
    if (t->there) {
        if (t->kind == KT_STORE_PLAIN && number % 2 == 0) {
            // The ETag of an earlier write is no better than a foreign one.
            other = kt_store_put(store, key, "former");
        }
        now = kt_store_put(store, key, "present");
    }
    t->there = now.size > 0;
    if (a == ASKED_SAME) {
        t->condition.expected = now;
    }
    else if (a == ASKED_OTHER) {
        t->condition.expected =
            other.size > 0 ? other : (kist_etag){.size = 5, .text = "other"};
    }
    t->same = kist_etag_equal(&t->condition.expected, &now);
    v = kt_store_try(store, t, kist_str(key), kist_str("given"),
                     kist_str("present"), &now, &outcome);
    if (v.written) {
        kt_store_check_value(store, key, "given", &outcome.after);
    }
    else if (t->there && !v.removed) {
        kt_store_check_value(store, key, "present", &now);
    }
    else {
        kt_store_check_absent(store, key);
    }
}

unsigned
kt_store_oracle(kist_store *store, kt_store_kind kind)
{
    unsigned count = 0;

    // 4 calls, 3 rules, 3 ETags, 3 ways to fetch, there or not
    for (unsigned i = 0; i < 4 * 3 * 3 * 3 * 2; i++) {
        kt_trial t = {.call = (kt_call)(i % 4),
                      .condition = {.rule = (kist_if)(i / 4 % 3),
                                    .fetch = (kist_fetch)(i / 36 % 3)},
                      .there = i / 108 == 1,
                      .kind = kind};
        const asked a = (asked)(i / 12 % 3);

        // The same as that of what is absent is none.
        if (a != ASKED_SAME || t.there) {
            run_trial(store, &t, a, count++);
        }
    }
    return count;
}
