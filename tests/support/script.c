#include "support/script.h"

#include <stdio.h>
#include <string.h>

static const char *const op_names[] = {
    "end",      "put",     "put_new",     "put_many", "remove", "popitem",
    "add",      "append",  "append_many", "insert",   "set",    "pop",
    "cut",      "reverse", "sort",        "clear",    "begin",  "commit",
    "rollback", "sync",    "compact",     "verify",   "reopen"};

static const char coll_letters[] = "dxlts";

uint64_t
kt_random(uint64_t *state)
{
    uint64_t x = (*state += 0x9e3779b97f4a7c15u);

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

const char *
kt_step_text(const kt_step *step, char *text, size_t size)
{
    snprintf(text, size, "%s %c key %u index %llu value %llx",
             op_names[step->op], coll_letters[step->coll], step->key,
             (unsigned long long)step->index, (unsigned long long)step->value);
    return text;
}

/* --- keys and values ---------------------------------------------------- */

kist_slice
kt_coll_name(kt_coll coll, uint32_t proc, char room[16])
{
    if (coll == KT_X) {
        snprintf(room, 16, "x");
    }
    else {
        snprintf(room, 16, "%c%u", coll_letters[coll], proc);
    }
    return kist_str(room);
}

kist_slice
kt_key_make(kt_coll coll, uint32_t proc, uint32_t key, char room[KT_KEY_ROOM])
{
    const char *tail =
        key % 5 == 4 ? "-with-a-name-longer-than-most-of-them" : "";

    if (coll == KT_X) {
        snprintf(room, KT_KEY_ROOM, "%u/%u%s", proc, key, tail);
    }
    else {
        snprintf(room, KT_KEY_ROOM, "k%u%s", key, tail);
    }
    return kist_str(room);
}

/* Text or bytes: the tag in hexadecimal, then letters that follow from it. */
static size_t
body_make(uint64_t tag, uint8_t room[KT_VALUE_ROOM])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t state = tag;
    const uint64_t draw = kt_random(&state);
    size_t size = 17 + (draw >> 8) % 84;

    if (draw % 16 == 12 || draw % 16 == 13) {
        size = 200 + (draw >> 8) % 800;
    }
    else if (draw % 16 == 14) {
        size = 3000 + (draw >> 8) % 6000;
    }
    else if (draw % 512 == 511) {
        size = 70000 + (draw >> 9) % 50000;
    }
    for (size_t i = 0; i < 16; i++) {
        room[i] = (uint8_t)digits[(tag >> (60 - 4 * i)) & 15];
    }
    for (size_t i = 16; i < size; i++) {
        if (i % 8 == 0) {
            (void)kt_random(&state);
        }
        room[i] = (uint8_t)digits[(state >> (i % 8 * 4)) & 15];
    }
    return size;
}

kist_value
kt_value_make(kt_coll coll, uint64_t tag, uint8_t room[KT_VALUE_ROOM])
{
    if (coll == KT_L) {
        return kist_int((int64_t)tag);
    }
    if (coll == KT_D) {
        switch (tag % 8) {
        case 0:
            return kist_int((int64_t)tag);
        case 1:
            return kist_float((double)(tag >> 12));
        case 2:
            return tag % 16 == 2 ? kist_null() : kist_bool(tag % 32 == 10);
        case 3:
            return kist_blob(KIST_BYTES, room, body_make(tag, room));
        default:
            break;
        }
    }
    return kist_blob(coll == KT_X ? KIST_BYTES : KIST_TEXT, room,
                     body_make(tag, room));
}

bool
kt_value_sound(const kist_value *value, uint8_t room[KT_VALUE_ROOM])
{
    const kist_slice bytes = value->as.bytes;
    uint64_t tag = 0;

    if (!kist_type_has_bytes(value->type)) {
        return true;
    }
    if (bytes.size < 17) {
        return false;
    }
    for (size_t i = 0; i < 16; i++) {
        const uint8_t c = ((const uint8_t *)bytes.data)[i];

        tag = tag << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return body_make(tag, room) == bytes.size &&
           memcmp(room, bytes.data, bytes.size) == 0;
}

/* --- worlds ------------------------------------------------------------- */

void
kt_world_init(kt_world *world, uint32_t proc)
{
    memset(world, 0, sizeof(*world));
    world->proc = proc;
}

void
kt_world_fini(kt_world *world)
{
    for (int i = 0; i < KT_COLL_COUNT; i++) {
        kt_model_fini(&world->models[i]);
        kt_model_fini(&world->before[i]);
    }
}

void
kt_world_copy(kt_world *to, const kt_world *from)
{
    to->proc = from->proc;
    to->in_batch = from->in_batch;
    for (int i = 0; i < KT_COLL_COUNT; i++) {
        kt_model_copy(&to->models[i], &from->models[i]);
        kt_model_copy(&to->before[i], &from->before[i]);
    }
}

uint64_t
kt_world_digest(const kt_world *world)
{
    uint64_t digest = 0;

    for (int i = 0; i < KT_COLL_COUNT; i++) {
        digest = digest * 31 + kt_model_digest(&world->models[i]);
    }
    return digest;
}

bool
kt_world_equal(const kt_world *a, const kt_world *b)
{
    for (int i = 0; i < KT_COLL_COUNT; i++) {
        if (!kt_model_equal(&a->models[i], &b->models[i])) {
            return false;
        }
    }
    return true;
}

static void
batch_step(kt_world *world, kt_op op)
{
    for (int i = 0; i < KT_COLL_COUNT; i++) {
        if (op == KT_BEGIN) {
            kt_model_copy(&world->before[i], &world->models[i]);
        }
        else if (op == KT_ROLLBACK) {
            kt_model_copy(&world->models[i], &world->before[i]);
        }
    }
    world->in_batch = op == KT_BEGIN;
}

static void
list_step(kt_model *model, const kt_step *step, uint8_t room[KT_VALUE_ROOM])
{
    kist_value value = kt_value_make(step->coll, step->value, room);

    switch (step->op) {
    case KT_APPEND:
        kt_model_insert(model, model->count, &value);
        break;
    case KT_APPEND_MANY:
        for (uint64_t i = 0; i < step->index; i++) {
            value = kt_value_make(step->coll, step->value + i, room);
            kt_model_insert(model, model->count, &value);
        }
        break;
    case KT_INSERT:
        kt_model_insert(model, step->index, &value);
        break;
    case KT_SET:
        kt_model_set(model, step->index, &value);
        break;
    case KT_POP:
        kt_model_remove_range(model, step->index, 1);
        break;
    case KT_CUT:
        kt_model_remove_range(model, step->index, step->key);
        break;
    case KT_REVERSE:
        kt_model_reverse(model);
        break;
    case KT_SORT:
        kt_model_sort(model, step->key % 2 != 0);
        break;
    default:
        break;
    }
}

static void
keyed_step(kt_model *model, uint32_t proc, const kt_step *step,
           uint8_t room[KT_VALUE_ROOM])
{
    char name[KT_KEY_ROOM];
    kist_slice key = kt_key_make(step->coll, proc, step->key, name);
    const kist_value member = kist_blob(KIST_TEXT, key.data, key.size);
    size_t at = step->coll == KT_S ? kt_model_find_value(model, &member)
                                   : kt_model_find_key(model, key);
    const uint64_t puts = step->op == KT_PUT_MANY ? step->index : 1;

    switch (step->op) {
    case KT_PUT:
    case KT_PUT_MANY:
    case KT_PUT_NEW:
        if (step->op == KT_PUT_NEW && at < model->count) {
            break;
        }
        for (uint64_t i = 0; i < puts; i++) {
            const kist_value value =
                kt_value_make(step->coll, step->value + i, room);

            key = kt_key_make(step->coll, proc, step->key + (uint32_t)i, name);
            kt_model_put(model, key, &value);
        }
        break;
    case KT_ADD:
        if (at == model->count) {
            kt_model_insert(model, at, &member);
        }
        break;
    case KT_POPITEM:
        at = step->coll == KT_S ? 0 : model->count - 1;
        if (model->count > 0) {
            kt_model_remove_range(model, at, 1);
        }
        break;
    default: /* KT_REMOVE, KT_POP */
        if (at < model->count) {
            kt_model_remove_range(model, at, 1);
        }
        break;
    }
}

void
kt_world_step(kt_world *world, const kt_step *step)
{
    static _Thread_local uint8_t room[KT_VALUE_ROOM];
    kt_model *model = &world->models[step->coll];

    if (step->op >= KT_BEGIN) {
        if (step->op <= KT_ROLLBACK) {
            batch_step(world, step->op);
        }
    }
    else if (step->op == KT_CLEAR) {
        kt_model_clear(model);
    }
    else if (step->coll == KT_L || step->coll == KT_T) {
        list_step(model, step, room);
    }
    else {
        keyed_step(model, world->proc, step, room);
    }
}

/* --- random steps ------------------------------------------------------- */

static kt_step
random_list_step(const kt_model *model, kt_coll coll, uint64_t *state)
{
    kt_step step = {.coll = coll, .value = kt_random(state)};
    const uint64_t draw = kt_random(state) % 100;
    const uint64_t count = model->count;

    step.index = count > 0 ? kt_random(state) % count : 0;
    if (count == 0 || draw < 35) {
        step.op = KT_APPEND;
    }
    else if (draw < 60 && count < 160) {
        step.op = KT_INSERT;
    }
    else if (draw < 72) {
        step.op = KT_SET;
    }
    else if (draw < 95 && count < 200) {
        step.op = KT_POP;
        step.index = draw < 80 ? count - 1 : step.index;
    }
    else if (draw < 97 || count >= 200) {
        step.op = KT_CUT;
        step.key = (uint32_t)(1 + kt_random(state) % (count - step.index));
    }
    else if (draw < 99) {
        step.op = draw == 97 ? KT_SORT : KT_REVERSE;
        step.key = (uint32_t)(step.value & 1);
    }
    else {
        step.op = step.value % 4 == 0 ? KT_CLEAR : KT_SORT;
    }
    return step;
}

static kt_step
random_keyed_step(const kt_model *model, kt_coll coll, uint64_t *state)
{
    kt_step step = {.coll = coll, .value = kt_random(state)};
    const uint64_t draw = kt_random(state) % 100;

    step.key = (uint32_t)(kt_random(state) % 120);
    if (coll == KT_S) {
        step.op = draw < 60 ? KT_ADD : draw < 90 ? KT_REMOVE : KT_POPITEM;
    }
    else if (draw < 60) {
        step.op = KT_PUT;
    }
    else if (draw < 70) {
        step.op = KT_PUT_NEW;
    }
    else if (draw < 85) {
        step.op = KT_REMOVE;
    }
    else if (draw < 95 || coll == KT_X) {
        step.op = KT_POP;
    }
    else {
        step.op = KT_POPITEM;
    }
    if (draw == 99 && coll != KT_X && model->count > 20 &&
        step.value % 4 == 0) {
        step.op = KT_CLEAR;
    }
    return step;
}

kt_step
kt_step_random(const kt_world *world, uint64_t *state)
{
    const kt_coll coll = (kt_coll)(kt_random(state) % KT_COLL_COUNT);

    if (coll == KT_L || coll == KT_T) {
        return random_list_step(&world->models[coll], coll, state);
    }
    return random_keyed_step(&world->models[coll], coll, state);
}
