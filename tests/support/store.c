/*
 * The half of script.h that works on a real kist.
 */
#include <stdio.h>
#include <string.h>

#include "support/script.h"

static const kist_type coll_types[] = {KIST_ANY, KIST_BYTES, KIST_INT,
                                       KIST_TEXT, KIST_TEXT};

static kist_status
open_colls(kt_store *store)
{
    kist_status status = KIST_OK;

    for (int i = 0; status == KIST_OK && i < KT_COLL_COUNT; i++) {
        char room[16];
        const kist_slice name = kt_coll_name((kt_coll)i, store->proc, room);
        kist_coll_info info;

        if (store->options.must_exist) {
            status = kist_coll_find(store->k, name, &info);
            if (status == KIST_ERR_NOTFOUND) {
                status = KIST_OK;
                continue;
            }
            if (status != KIST_OK) {
                break;
            }
        }
        if (i == KT_S) {
            status = kist_set_open(store->k, name, coll_types[i], &store->set);
        }
        else if (i == KT_L || i == KT_T) {
            status = kist_list_open(store->k, name, coll_types[i],
                                    &store->lists[i]);
        }
        else {
            status = kist_dict_open(store->k, name, coll_types[i],
                                    &store->dicts[i]);
        }
        if (status == KIST_ERR_NOTFOUND && store->options.read_only) {
            status = KIST_OK; // reads as empty
        }
    }
    return status;
}

kist_status
kt_store_open(kt_store *store, const char *path, const kist_options *options,
              uint32_t proc)
{
    const kist_options defaults = {0};
    kist_status status;

    memset(store, 0, sizeof(*store));
    snprintf(store->path, sizeof(store->path), "%s", path);
    store->options = options != NULL ? *options : defaults;
    store->proc = proc;
    status = kist_open(path, &store->options, &store->k);
    if (status == KIST_OK) {
        status = open_colls(store);
        if (status != KIST_OK) {
            (void)kt_store_close(store);
        }
    }
    return status;
}

kist_status
kt_store_attach(kt_store *store, kist *k, uint32_t proc)
{
    kist_status status;

    memset(store, 0, sizeof(*store));
    store->k = k;
    store->proc = proc;
    store->borrowed = true;
    status = open_colls(store);
    if (status != KIST_OK) {
        (void)kt_store_close(store);
    }
    return status;
}

kist_status
kt_store_close(kt_store *store)
{
    kist_status status = KIST_OK;

    for (int i = 0; i < KT_COLL_COUNT; i++) {
        kist_dict_close(store->dicts[i]);
        kist_list_close(store->lists[i]);
        store->dicts[i] = NULL;
        store->lists[i] = NULL;
    }
    kist_set_close(store->set);
    store->set = NULL;
    if (!store->borrowed) {
        status = kist_close(store->k);
    }
    store->k = NULL;
    return status;
}

/* Compares what a call handed out with what the world holds there. */
static void
expect_value(kt_store *store, const kt_model *model, size_t at,
             const kist_value *value, const char *call)
{
    if (at >= model->count ||
        !kt_value_same(&model->items[at]->value, value)) {
        snprintf(store->wrong, sizeof(store->wrong),
                 "%s handed out another value than the one at %zu", call, at);
    }
}

/* `foreseen` is the answer instead of KIST_OK if the item is not there. */
static kist_status
expect_status(kt_store *store, kist_status status, bool there,
              kist_status foreseen, const char *call)
{
    if (status == (there ? KIST_OK : foreseen)) {
        return KIST_OK;
    }
    if (status == KIST_OK || status == foreseen) {
        snprintf(store->wrong, sizeof(store->wrong),
                 "%s answered %s for an item that is %s", call,
                 kist_status_name(status), there ? "there" : "absent");
        return KIST_OK;
    }
    return status;
}

static kist_status
put_many(kist_dict *dict, const kt_step *step)
{
    static _Thread_local uint8_t rooms[8][KT_VALUE_ROOM];
    char names[8][KT_KEY_ROOM];
    kist_slice keys[8];
    kist_value values[8];
    const size_t count = step->index < 8 ? step->index : 8;

    for (size_t i = 0; i < count; i++) {
        keys[i] =
            kt_key_make(step->coll, 0, step->key + (uint32_t)i, names[i]);
        values[i] = kt_value_make(step->coll, step->value + i, rooms[i]);
    }
    return kist_dict_put_many(dict, keys, values, count, NULL);
}

static kist_status
dict_step(kt_store *store, const kt_model *model, const kt_step *step)
{
    static _Thread_local uint8_t room[KT_VALUE_ROOM];
    char name[KT_KEY_ROOM];
    kist_dict *dict = store->dicts[step->coll];
    kist_slice key = kt_key_make(step->coll, store->proc, step->key, name);
    kist_value value = kt_value_make(step->coll, step->value, room);
    size_t at = kt_model_find_key(model, key);
    const bool there = at < model->count;
    kist_status status;

    switch (step->op) {
    case KT_PUT:
        return kist_dict_put(dict, key, &value);
    case KT_PUT_NEW:
        return expect_status(store, kist_dict_put_new(dict, key, &value, NULL),
                             !there, KIST_ERR_EXISTS, "put_new");
    case KT_PUT_MANY:
        return put_many(dict, step);
    case KT_REMOVE:
        return expect_status(store, kist_dict_remove(dict, key), there,
                             KIST_ERR_NOTFOUND, "remove");
    case KT_POP:
        status = kist_dict_pop(dict, key, &value);
        if (status == KIST_OK) {
            expect_value(store, model, at, &value, "dict pop");
        }
        return expect_status(store, status, there, KIST_ERR_NOTFOUND,
                             "dict pop");
    case KT_POPITEM:
        status = kist_dict_popitem(dict, true, &key, &value);
        at = model->count - 1;
        if (status == KIST_OK) {
            expect_value(store, model, at, &value, "popitem");
        }
        return expect_status(store, status, model->count > 0,
                             KIST_ERR_NOTFOUND, "popitem");
    default:
        return kist_dict_clear(dict);
    }
}

static kist_status
append_many(kist_list *list, const kt_step *step)
{
    static _Thread_local uint8_t rooms[8][KT_VALUE_ROOM];
    kist_value values[8];
    const size_t count = step->index < 8 ? step->index : 8;

    for (size_t i = 0; i < count; i++) {
        values[i] = kt_value_make(step->coll, step->value + i, rooms[i]);
    }
    return kist_list_append_many(list, values, count, NULL);
}

static kist_status
list_step(kt_store *store, const kt_model *model, const kt_step *step)
{
    static _Thread_local uint8_t room[KT_VALUE_ROOM];
    kist_list *list = store->lists[step->coll];
    kist_value value = kt_value_make(step->coll, step->value, room);
    kist_status status;

    switch (step->op) {
    case KT_APPEND:
        return kist_list_append(list, &value);
    case KT_APPEND_MANY:
        return append_many(list, step);
    case KT_INSERT:
        return kist_list_insert(list, step->index, &value);
    case KT_SET:
        return kist_list_set(list, step->index, &value);
    case KT_POP:
        status = kist_list_pop(list, step->index, &value);
        if (status == KIST_OK) {
            expect_value(store, model, step->index, &value, "list pop");
        }
        return status;
    case KT_CUT:
        return kist_list_remove_range(list, step->index, step->key);
    case KT_REVERSE:
        return kist_list_reverse(list);
    case KT_SORT:
        return kist_list_sort(list, step->key % 2 != 0);
    default:
        return kist_list_clear(list);
    }
}

static kist_status
set_step(kt_store *store, const kt_model *model, const kt_step *step)
{
    char name[KT_KEY_ROOM];
    const kist_slice text = kt_key_make(KT_S, store->proc, step->key, name);
    kist_value member = kist_blob(KIST_TEXT, text.data, text.size);
    const bool there = kt_model_find_value(model, &member) < model->count;
    bool added = false;
    kist_status status;

    switch (step->op) {
    case KT_ADD:
        status = kist_set_add(store->set, &member, &added);
        if (status == KIST_OK && added == there) {
            snprintf(store->wrong, sizeof(store->wrong),
                     "add says %s of a member that was %s",
                     added ? "new" : "old", there ? "there" : "absent");
        }
        return status;
    case KT_REMOVE:
        return expect_status(store, kist_set_remove(store->set, &member),
                             there, KIST_ERR_NOTFOUND, "set remove");
    case KT_POPITEM:
        status = kist_set_pop(store->set, &member);
        if (status == KIST_OK) {
            expect_value(store, model, 0, &member, "set pop");
        }
        return expect_status(store, status, model->count > 0,
                             KIST_ERR_NOTFOUND, "set pop");
    default:
        return kist_set_clear(store->set);
    }
}

static kist_status
reopen(kt_store *store)
{
    const kt_store old = *store;
    const kist_status closed = kt_store_close(store);
    const kist_status opened =
        kt_store_open(store, old.path, &old.options, old.proc);

    return closed != KIST_OK ? closed : opened;
}

static kist_status
kist_step(kt_store *store, kt_op op)
{
    kist_report report;

    switch (op) {
    case KT_BEGIN:
        return kist_batch_begin(store->k);
    case KT_COMMIT:
        return kist_batch_commit(store->k);
    case KT_ROLLBACK:
        return kist_batch_rollback(store->k);
    case KT_SYNC:
        return kist_sync(store->k);
    case KT_COMPACT:
        return kist_compact(store->k, NULL, NULL);
    case KT_VERIFY:
        return kist_verify(store->k, NULL, NULL, &report);
    default:
        return reopen(store);
    }
}

kist_status
kt_store_step(kt_store *store, const kt_world *world, const kt_step *step)
{
    const kt_model *model = &world->models[step->coll];

    if (step->op >= KT_BEGIN) {
        return kist_step(store, step->op);
    }
    if (step->coll == KT_S) {
        return set_step(store, model, step);
    }
    if (step->coll == KT_L || step->coll == KT_T) {
        return list_step(store, model, step);
    }
    return dict_step(store, model, step);
}

kist_status
kt_step_both(kt_store *store, kt_world *world, const kt_step *step)
{
    const kist_status status = kt_store_step(store, world, step);

    if (status == KIST_OK) {
        kt_world_step(world, step);
    }
    return status;
}

/* Of the shared dict only the keys of this process count. */
static kist_status
read_shared(kt_model *model, kist_dict *dict, uint32_t proc)
{
    kt_model all = {0};
    char prefix[16];
    const size_t size = (size_t)snprintf(prefix, sizeof(prefix), "%u/", proc);
    const kist_status status = kt_model_read_dict(&all, dict);

    kt_model_clear(model);
    for (size_t i = 0; i < all.count; i++) {
        const kt_item *item = all.items[i];

        if (item->key_size > size && memcmp(item->key, prefix, size) == 0) {
            kt_model_put(model, kist_bytes(item->key, item->key_size),
                         &item->value);
        }
    }
    kt_model_fini(&all);
    return status;
}

kist_status
kt_store_read(kt_store *store, kt_world *world)
{
    kist_status status = KIST_OK;

    kt_world_fini(world);
    kt_world_init(world, store->proc);
    if (store->dicts[KT_D] != NULL) {
        status = kt_model_read_dict(&world->models[KT_D], store->dicts[KT_D]);
    }
    if (status == KIST_OK && store->dicts[KT_X] != NULL) {
        status =
            read_shared(&world->models[KT_X], store->dicts[KT_X], store->proc);
    }
    for (int i = KT_L; status == KIST_OK && i <= KT_T; i++) {
        if (store->lists[i] != NULL) {
            status = kt_model_read_list(&world->models[i], store->lists[i]);
        }
    }
    if (status == KIST_OK && store->set != NULL) {
        status = kt_model_read_set(&world->models[KT_S], store->set);
    }
    return status;
}

static bool
check_shared(kt_store *store, const kt_world *world, char *why, size_t size)
{
    const kt_model *want = &world->models[KT_X];
    kt_model model = {0};
    const kist_status status =
        read_shared(&model, store->dicts[KT_X], world->proc);
    bool right = status == KIST_OK && kt_model_equal(&model, want);

    if (!right) {
        snprintf(why, size, "scan of \"x\" by process %u: %zu of %zu: %s",
                 world->proc, model.count, want->count,
                 kist_status_name(status));
    }
    for (size_t i = 0; right && i < want->count; i++) {
        const kt_item *item = want->items[i];
        kist_value value;
        const kist_status got = kist_dict_get(
            store->dicts[KT_X], kist_bytes(item->key, item->key_size), &value);

        right = got == KIST_OK && kt_value_same(&value, &item->value);
        if (!right) {
            snprintf(why, size, "get from \"x\" by process %u: %.60s: %s",
                     world->proc, (const char *)item->key,
                     kist_status_name(got));
        }
    }
    kt_model_fini(&model);
    return right;
}

/* A collection that is not there is right if it should be empty. */
static bool
check_coll(kt_store *store, const kt_world *world, int coll, char *why,
           size_t size)
{
    const kt_model *model = &world->models[coll];
    const bool there = store->dicts[coll] != NULL ||
                       store->lists[coll] != NULL ||
                       (coll == KT_S && store->set != NULL);

    if (!there) {
        snprintf(why, size, "collection %d is not there", coll);
        return model->count == 0;
    }
    switch (coll) {
    case KT_D:
        return kt_model_check_dict(model, store->dicts[coll], why, size);
    case KT_X:
        return check_shared(store, world, why, size);
    case KT_S:
        return kt_model_check_set(model, store->set, why, size);
    default:
        return kt_model_check_list(model, store->lists[coll], why, size);
    }
}

bool
kt_store_check(kt_store *store, const kt_world *world, char *why, size_t size)
{
    for (int i = 0; i < KT_COLL_COUNT; i++) {
        char what[300] = "";

        if (!check_coll(store, world, i, what, sizeof(what))) {
            snprintf(why, size, "%s", what);
            return false;
        }
    }
    snprintf(why, size, "%s", store->wrong);
    return store->wrong[0] == '\0';
}
