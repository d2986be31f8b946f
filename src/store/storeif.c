/*
 * A backend holds a rule against the ETag and follows it in one step; it does
 * not read a value in that step.  So where a put was refused and the caller
 * wants to know by what, the value is read afterwards, and if it is already
 * another, the condition is held against that one: either it refuses, too,
 * and the outcome tells of the later moment alone, or the put is tried again.
 * Each such round means that another writer got something done.
 */
#include <string.h>
#include <time.h>

#include "base/fail.h"
#include "os/io.h"
#include "store/storeops.h"

/* Rounds of a put, after which so many writers came between that the caller
 * had better know. */
#define ROUNDS_MAX 1000

/* A transform that met another writer waits up to 100 us, then twice that,
 * and so on; at most a tenth of a second. */
#define WAIT_NS       100000u
#define DOUBLINGS_MAX 10u
#define NS_PER_SECOND 1000000000u

static kist_status
check_condition(const kist_condition *condition, const kist_buf *value)
{
    if ((unsigned)condition->rule > KIST_IF_CHANGED ||
        (unsigned)condition->fetch > KIST_FETCH_CHANGED ||
        condition->expected.size > KIST_ETAG_SIZE_MAX) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "condition");
    }
    if (value == NULL && condition->fetch != KIST_FETCH_NEVER) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                       "no buffer for the value");
    }
    return KIST_OK;
}

static ki_rule
make_rule(const kist_condition *condition, bool keep)
{
    return (ki_rule){.rule = condition->rule,
                     .expected = &condition->expected,
                     .keep = keep};
}

/* True if a value with this ETag is to be read. */
static bool
is_wanted(const kist_condition *condition, const kist_etag *etag)
{
    return condition->fetch == KIST_FETCH_ALWAYS ||
           (condition->fetch == KIST_FETCH_CHANGED &&
            !kist_etag_equal(&condition->expected, etag));
}

/*
 * Holds the condition against what the key has, which is read if it is wanted.
 * `value` is left alone unless outcome->found says that it is there.
 */
static kist_status
look(kist_store *store, kist_slice key, const kist_condition *condition,
     kist_buf *value, kist_outcome *outcome)
{
    const ki_rule rule = make_rule(condition, false);
    const bool asks =
        condition->fetch == KIST_FETCH_CHANGED && condition->expected.size > 0;
    kist_stat stat;
    bool same = false;
    kist_status status;

    status =
        store->ops->get(store, key, asks ? &condition->expected : NULL,
                        condition->fetch == KIST_FETCH_NEVER ? NULL : value,
                        &stat, asks ? &same : NULL);
    if (status == KIST_ERR_NOTFOUND) {
        outcome->found = KIST_FOUND_NONE;
        outcome->after.size = 0;
    }
    else if (status != KIST_OK) {
        return status;
    }
    else {
        outcome->found = condition->fetch == KIST_FETCH_NEVER || same
                             ? KIST_FOUND_UNREAD
                             : KIST_FOUND_VALUE;
        outcome->after = stat.etag;
    }
    outcome->before = outcome->after;
    outcome->satisfied = ki_rule_holds(&rule, &outcome->after);
    return KIST_OK;
}

/* What every conditional call ends with: no contents but an outcome's. */
static kist_status
finish(kist_status status, kist_buf *value, const kist_outcome *outcome)
{
    if (value != NULL &&
        (status != KIST_OK || outcome->found != KIST_FOUND_VALUE)) {
        kist_buf_clear(value);
    }
    return status;
}

kist_status
kist_store_get_if(kist_store *store, kist_slice key,
                  const kist_condition *condition, kist_buf *value,
                  kist_outcome *outcome)
{
    kist_status status = store->ops->check(store, key);

    if (status == KIST_OK) {
        status = check_condition(condition, value);
    }
    if (status == KIST_OK) {
        status = look(store, key, condition, value, outcome);
    }
    return finish(status, value, outcome);
}

/*
 * Tries to put `given`.  *done is false if the value that stopped it is wanted
 * and still to be read.
 */
static kist_status
try_put(kist_store *store, kist_slice key, kist_slice given,
        const kist_condition *condition, bool only_new, kist_outcome *outcome,
        bool *done)
{
    const ki_rule rule =
        make_rule(condition, only_new || store->options.append_only);
    ki_change change = {.changed = false};
    const kist_status status =
        store->ops->put(store, key, given, &rule, &change);

    if (status != KIST_OK) {
        return status;
    }
    if (change.satisfied && !change.changed && change.before.size > 0 &&
        !only_new) {
        return KI_FAIL(KIST_ERR_POLICY, NULL, KI_NO_OFFSET,
                       "the store is append-only");
    }
    outcome->satisfied = change.satisfied;
    outcome->before = change.before;
    outcome->after = change.changed ? change.after : change.before;
    outcome->found = change.changed            ? KIST_FOUND_GIVEN
                     : change.before.size == 0 ? KIST_FOUND_NONE
                                               : KIST_FOUND_UNREAD;
    *done = outcome->found != KIST_FOUND_UNREAD ||
            !is_wanted(condition, &change.before);
    return KIST_OK;
}

static kist_status
put_by(kist_store *store, kist_slice key, kist_slice given,
       const kist_condition *condition, bool only_new, kist_buf *value,
       kist_outcome *outcome)
{
    // What is wanted and there already needs no lock and no second call.
    bool looks_first = only_new && condition->fetch != KIST_FETCH_NEVER;
    kist_status status;

    for (size_t round = 0; round < ROUNDS_MAX; round++) {
        if (!looks_first) {
            bool done = false;

            status = try_put(store, key, given, condition, only_new, outcome,
                             &done);
            if (status != KIST_OK || done) {
                return status;
            }
        }
        looks_first = false;
        status = look(store, key, condition, value, outcome);
        if (status != KIST_OK || !outcome->satisfied ||
            (only_new && outcome->after.size > 0)) {
            return status;
        }
    }
    return KI_FAIL(KIST_ERR_BUSY, NULL, KI_NO_OFFSET,
                   "other writers came between");
}

static kist_status
put_checked(kist_store *store, kist_slice key, kist_slice given,
            const kist_condition *condition, bool only_new, kist_buf *value,
            kist_outcome *outcome)
{
    kist_status status = ki_store_may_write(store, key, given.size);

    if (status == KIST_OK) {
        status = check_condition(condition, value);
    }
    if (status == KIST_OK) {
        status =
            put_by(store, key, given, condition, only_new, value, outcome);
    }
    return finish(status, value, outcome);
}

kist_status
kist_store_put_if(kist_store *store, kist_slice key, kist_slice given,
                  const kist_condition *condition, kist_buf *value,
                  kist_outcome *outcome)
{
    return put_checked(store, key, given, condition, false, value, outcome);
}

kist_status
kist_store_put_new_if(kist_store *store, kist_slice key, kist_slice given,
                      const kist_condition *condition, kist_buf *value,
                      kist_outcome *outcome)
{
    return put_checked(store, key, given, condition, true, value, outcome);
}

kist_status
kist_store_remove_if(kist_store *store, kist_slice key,
                     const kist_condition *condition, kist_outcome *outcome)
{
    kist_condition unread = *condition;
    kist_status status = ki_store_may_write(store, key, 0);
    ki_change change = {.changed = false};
    ki_rule rule;

    unread.fetch = KIST_FETCH_NEVER;
    if (status == KIST_OK) {
        status = check_condition(&unread, NULL);
    }
    if (status != KIST_OK) {
        return status;
    }
    if (store->options.append_only) {
        status = look(store, key, &unread, NULL, outcome);
        if (status == KIST_OK && outcome->satisfied &&
            outcome->after.size > 0) {
            status = KI_FAIL(KIST_ERR_POLICY, NULL, KI_NO_OFFSET,
                             "the store is append-only");
        }
        return status;
    }
    rule = make_rule(&unread, false);
    status = store->ops->remove(store, key, &rule, &change);
    if (status != KIST_OK) {
        return status;
    }
    outcome->satisfied = change.satisfied;
    outcome->before = change.before;
    outcome->after = change.before;
    if (change.changed) {
        outcome->after.size = 0;
    }
    outcome->found =
        outcome->after.size == 0 ? KIST_FOUND_NONE : KIST_FOUND_UNREAD;
    return KIST_OK;
}

/* Each of those who met waits for another time, so that they part. */
static void
wait_a_little(size_t retry)
{
    const size_t doublings = retry < DOUBLINGS_MAX ? retry : DOUBLINGS_MAX;
    uint64_t draw = 0;
    struct timespec time = {0};

    (void)ki_io->random(&draw, sizeof(draw));
    draw %= (uint64_t)WAIT_NS << doublings;
    time.tv_nsec = (long)(draw % NS_PER_SECOND);
    (void)nanosleep(&time, NULL);
}

/* What a transformer decided, done if the ETag is still `expected`. */
static kist_status
follow(kist_store *store, kist_slice key, kist_decision decision,
       const kist_buf *next, const kist_etag *expected, ki_change *change)
{
    const ki_rule rule = {.rule = KIST_IF_SAME, .expected = expected};
    kist_status status;

    if (decision != KIST_REPLACE && decision != KIST_REMOVE) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                       "a transformer's decision");
    }
    status = ki_store_may_write(store, key,
                                decision == KIST_REPLACE ? next->size : 0);
    if (status != KIST_OK) {
        return status;
    }
    if (store->options.append_only && expected->size > 0) {
        return KI_FAIL(KIST_ERR_POLICY, NULL, KI_NO_OFFSET,
                       "the store is append-only");
    }
    if (store->options.append_only && decision == KIST_REMOVE) {
        // Nothing was there; nothing is done, if that is still so.
        status = store->ops->get(store, key, NULL, NULL, NULL, NULL);
        change->satisfied = status == KIST_ERR_NOTFOUND;
        return change->satisfied ? KIST_OK : status;
    }
    return decision == KIST_REPLACE
               ? store->ops->put(store, key, kist_buf_slice(next), &rule,
                                 change)
               : store->ops->remove(store, key, &rule, change);
}

kist_status
kist_store_transform(kist_store *store, kist_slice key,
                     kist_transformer transformer, void *context,
                     size_t retries_max, kist_etag *etag)
{
    kist_buf current = {0};
    kist_buf next = {0};
    kist_status status = store->ops->check(store, key);

    for (size_t retry = 0; status == KIST_OK; retry++) {
        kist_stat stat = {.size = 0};
        ki_change change = {.changed = false};
        kist_slice slice;
        kist_decision decision;

        kist_buf_clear(&next);
        status = store->ops->get(store, key, NULL, &current, &stat, NULL);
        if (status == KIST_ERR_NOTFOUND) {
            stat.etag.size = 0;
        }
        else if (status != KIST_OK) {
            break;
        }
        slice = kist_buf_slice(&current);
        decision =
            transformer(context, stat.etag.size == 0 ? NULL : &slice, &next);
        if (decision == KIST_KEEP) {
            change.after = stat.etag;
            status = KIST_OK;
        }
        else {
            status = follow(store, key, decision, &next, &stat.etag, &change);
        }
        if (status == KIST_OK && (decision == KIST_KEEP || change.satisfied)) {
            if (decision == KIST_REMOVE) {
                change.after.size = 0;
            }
            if (etag != NULL) {
                *etag = change.after;
            }
            break;
        }
        if (status == KIST_OK && retry >= retries_max) {
            status = KI_FAIL(KIST_ERR_BUSY, NULL, KI_NO_OFFSET,
                             "other writers came between");
        }
        if (status == KIST_OK && retry > 0) {
            wait_a_little(retry);
        }
    }
    kist_buf_fini(&current);
    kist_buf_fini(&next);
    return status;
}
