#include "storeunits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char no_etag[] = "1:1:1";

/* --- keys and values ---------------------------------------------------- */

void
sw_key(uint32_t proc, uint32_t slot, char name[SW_NAME_SIZE])
{
    if (proc == SW_SHARED) {
        snprintf(name, SW_NAME_SIZE, "shared/total");
    }
    else if (slot < 8) {
        snprintf(name, SW_NAME_SIZE, "k%u_%u", proc, slot);
    }
    else if (slot < 16) {
        snprintf(name, SW_NAME_SIZE, "p%u/k%u", proc, slot);
    }
    else {
        snprintf(name, SW_NAME_SIZE, "p%u/d%u/e/k", proc, slot);
    }
}

bool
sw_key_find(kist_slice key, uint32_t *proc, uint32_t *slot)
{
    for (*proc = 0; *proc <= SW_SHARED; ++*proc) {
        for (*slot = 0; *slot < SW_SLOTS; ++*slot) {
            char name[SW_NAME_SIZE];

            sw_key(*proc, *slot, name);
            if (strlen(name) == key.size &&
                memcmp(name, key.data, key.size) == 0) {
                return true;
            }
        }
    }
    return false;
}

kist_status
sw_value(uint32_t proc, uint32_t slot, uint64_t tag, kist_buf *value)
{
    uint64_t random = (tag * SW_SLOTS + slot) * (SW_SHARED + 1) + proc;
    const uint64_t draw = kt_random(&random) % 16;
    const uint64_t most = draw < 10 ? 100 : draw < 15 ? 5000 : 20000;
    const size_t size = (size_t)(kt_random(&random) % most);
    char head[64];
    kist_status status;
    int head_size;

    head_size = snprintf(head, sizeof(head), "%u %u %llu %zu\n", proc, slot,
                         (unsigned long long)tag, size);
    kist_buf_clear(value);
    status = kist_buf_append(value, head, (size_t)head_size);
    for (size_t at = 0; status == KIST_OK && at < size; at += 8) {
        const uint64_t word = kt_random(&random);

        status = kist_buf_append(value, &word, size - at < 8 ? size - at : 8);
    }
    return status;
}

bool
sw_value_read(uint32_t proc, uint32_t slot, kist_slice value, uint64_t *tag)
{
    kist_buf expected = {0};
    char head[64] = "";
    unsigned got_proc;
    unsigned got_slot;
    unsigned long long got_tag;
    bool whole = false;

    if (value.size > 0) {
        memcpy(head, value.data, value.size < 63 ? value.size : 63);
    }
    if (sscanf(head, "%u %u %llu", &got_proc, &got_slot, &got_tag) == 3 &&
        got_proc == proc && got_slot == slot && got_tag > 0 &&
        sw_value(proc, slot, got_tag, &expected) == KIST_OK) {
        whole = expected.size == value.size &&
                memcmp(expected.data, value.data, value.size) == 0;
        *tag = got_tag;
    }
    kist_buf_fini(&expected);
    return whole;
}

/* --- the store ---------------------------------------------------------- */

static void
foreign(void *context, const char *path, const char *why)
{
    sw_store *at = context;

    snprintf(at->wrong, sizeof(at->wrong), "reported %s: %s", path, why);
}

kist_status
sw_open(sw_store *at, const sw_args *args, bool read_only)
{
    kist_store_options options = args->options;
    char path[600];

    snprintf(path, sizeof(path), "%s/s", args->base.dir);
    at->args = args;
    at->read_only = read_only;
    at->wrong[0] = '\0';
    options.read_only = read_only;
    options.report = foreign;
    options.context = at;
    return kist_store_open_dir(path, &options, &at->store);
}

void
sw_close(sw_store *at)
{
    kist_store_close(at->store);
    at->store = NULL;
}

/* Notes a value that is not what it should be. */
static void
say_wrong(sw_store *at, uint32_t proc, uint32_t slot, const char *what)
{
    char name[SW_NAME_SIZE];

    sw_key(proc, slot, name);
    snprintf(at->wrong, sizeof(at->wrong), "%s: %s", name, what);
}

/* The tag of what a key holds, 0 if there is none, and its ETag. */
static kist_status
read_tag(sw_store *at, uint32_t proc, uint32_t slot, uint64_t *tag,
         kist_etag *etag)
{
    char name[SW_NAME_SIZE];
    kist_buf value = {0};
    kist_status status;

    *tag = 0;
    etag->size = 0;
    sw_key(proc, slot, name);
    status = kist_store_get(at->store, kist_str(name), &value, etag);
    if (status == KIST_ERR_NOTFOUND) {
        etag->size = 0;
        status = KIST_OK;
    }
    else if (status == KIST_OK &&
             !sw_value_read(proc, slot, kist_buf_slice(&value), tag)) {
        say_wrong(at, proc, slot, "a value that nobody has put");
    }
    kist_buf_fini(&value);
    return status;
}

kist_status
sw_world_read(sw_store *at, uint32_t proc, sw_world *world)
{
    kist_status status = KIST_OK;

    memset(world, 0, sizeof(*world));
    world->proc = proc;
    for (uint32_t slot = 0; status == KIST_OK && slot < SW_SLOTS; slot++) {
        kist_etag etag;

        status = read_tag(at, proc, slot, &world->tags[slot], &etag);
    }
    return status;
}

kist_status
sw_shared_read(sw_store *at, uint64_t *total)
{
    kist_etag etag;

    return read_tag(at, SW_SHARED, 0, total, &etag);
}

/* --- units -------------------------------------------------------------- */

static void
plan_many(sw_unit *unit, uint64_t *random)
{
    const uint32_t first = (uint32_t)(kt_random(random) % (SW_SLOTS - 1));
    const uint32_t step = 1 + (uint32_t)(kt_random(random) % 3);

    unit->op = SW_PUT_MANY;
    unit->count = 2 + (uint32_t)(kt_random(random) % (SW_MANY_MAX - 1));
    for (uint32_t i = 0; i < unit->count; i++) {
        unit->slots[i] = 1 + (first + i * step) % (SW_SLOTS - 1);
        unit->tags[i] = unit->index + 1;
    }
}

sw_unit
sw_unit_plan(const sw_world *world, uint64_t index)
{
    static const uint8_t ops[32] = {
        [0] = SW_REOPEN,     [1] = SW_GET,       [2] = SW_COUNT,
        [3] = SW_COUNT,      [4] = SW_COUNT,     [5] = SW_ADD,
        [6] = SW_ADD,        [7] = SW_PUT_IF,    [8] = SW_PUT_IF,
        [9] = SW_PUT_NEW_IF, [10] = SW_PUT_IF,   [11] = SW_PUT_NEW_IF,
        [12] = SW_REMOVE_IF, [13] = SW_REMOVE,   [14] = SW_REMOVE,
        [15] = SW_REMOVE,    [16] = SW_REMOVE,   [17] = SW_REMOVE,
        [18] = SW_PUT_MANY,  [19] = SW_PUT_MANY,
        [20] = SW_PUT_MANY, // the rest is SW_PUT
    };
    uint64_t random = index * KW_PROCS_MAX + world->proc;
    sw_unit unit = {
        .op = (sw_op)ops[kt_random(&random) % 32], .index = index, .count = 1};

    unit.slots[0] = 1 + (uint32_t)(kt_random(&random) % (SW_SLOTS - 1));
    unit.tags[0] = index + 1;
    unit.refused = kt_random(&random) % 3 == 0;
    switch (unit.op) {
    case SW_REOPEN:
    case SW_ADD:
        unit.count = 0;
        break;
    case SW_COUNT:
        unit.slots[0] = 0;
        unit.tags[0] = world->tags[0] + 1;
        break;
    case SW_PUT_MANY:
        plan_many(&unit, &random);
        break;
    case SW_REMOVE:
    case SW_REMOVE_IF:
        unit.tags[0] = 0;
        break;
    case SW_PUT:
    case SW_PUT_IF:
    case SW_PUT_NEW_IF:
    case SW_GET:
        break;
    }
    if (unit.op == SW_GET ||
        ((unit.op == SW_PUT_IF || unit.op == SW_REMOVE_IF) && unit.refused) ||
        (unit.op == SW_PUT_NEW_IF && world->tags[unit.slots[0]] != 0)) {
        unit.tags[0] = world->tags[unit.slots[0]];
    }
    return unit;
}

void
sw_unit_apply(sw_world *world, const sw_unit *unit)
{
    for (uint32_t i = 0; i < unit->count; i++) {
        world->tags[unit->slots[i]] = unit->tags[i];
    }
    world->shared += unit->op == SW_ADD;
}

/* One put of a tag's value, or the removal of what is there. */
static kist_status
put_tag(sw_store *at, uint32_t proc, uint32_t slot, uint64_t tag)
{
    char name[SW_NAME_SIZE];
    kist_buf value = {0};
    kist_etag etag = {0};
    kist_status status;

    sw_key(proc, slot, name);
    if (tag == 0) {
        return kist_store_remove(at->store, kist_str(name));
    }
    status = sw_value(proc, slot, tag, &value);
    if (status == KIST_OK) {
        status = kist_store_put(at->store, kist_str(name),
                                kist_buf_slice(&value), &etag);
        if (status == KIST_OK && etag.size == 0) {
            say_wrong(at, proc, slot, "put without an ETag");
        }
    }
    kist_buf_fini(&value);
    return status;
}

static kist_status
put_many(sw_store *at, uint32_t proc, const sw_unit *unit)
{
    char names[SW_MANY_MAX][SW_NAME_SIZE];
    kist_buf values[SW_MANY_MAX] = {{0}};
    kist_slice keys[SW_MANY_MAX];
    kist_slice slices[SW_MANY_MAX];
    kist_status statuses[SW_MANY_MAX];
    kist_status status = KIST_OK;

    for (uint32_t i = 0; status == KIST_OK && i < unit->count; i++) {
        sw_key(proc, unit->slots[i], names[i]);
        status = sw_value(proc, unit->slots[i], unit->tags[i], &values[i]);
        keys[i] = kist_str(names[i]);
        slices[i] = kist_buf_slice(&values[i]);
    }
    if (status == KIST_OK) {
        status = kist_store_put_many(at->store, keys, slices, unit->count,
                                     statuses);
    }
    for (uint32_t i = 0; i < unit->count; i++) {
        if (status == KIST_OK && statuses[i] != KIST_OK) {
            say_wrong(at, proc, unit->slots[i], "put_many hides a failure");
        }
        kist_buf_fini(&values[i]);
    }
    return status;
}

/* What one_more() is told, and tells. */
typedef struct counter {
    sw_store *at;
    uint32_t proc;
    uint64_t before;
    kist_status status;
} counter;

static kist_decision
one_more(void *context, const kist_slice *current, kist_buf *next)
{
    counter *count = context;

    count->before = 0;
    if (current != NULL &&
        !sw_value_read(count->proc, 0, *current, &count->before)) {
        say_wrong(count->at, count->proc, 0, "a count that nobody has put");
    }
    count->status = sw_value(count->proc, 0, count->before + 1, next);
    return count->status == KIST_OK ? KIST_REPLACE : KIST_KEEP;
}

static kist_status
count_up(sw_store *at, uint32_t proc, uint64_t before)
{
    counter count = {.at = at, .proc = proc, .status = KIST_OK};
    char name[SW_NAME_SIZE];
    kist_status status;

    sw_key(proc, 0, name);
    status = kist_store_transform(at->store, kist_str(name), one_more, &count,
                                  SIZE_MAX, NULL);
    if (status == KIST_OK && count.status != KIST_OK) {
        status = count.status;
    }
    if (status == KIST_OK && proc != SW_SHARED && count.before != before) {
        say_wrong(at, proc, 0, "transform began from another value");
    }
    return status;
}

/* The conditional calls: what they answer follows from the world. */
static kist_status
do_if(sw_store *at, const sw_world *world, const sw_unit *unit)
{
    const uint32_t slot = unit->slots[0];
    const bool there = world->tags[slot] != 0;
    kist_condition condition = {.rule = KIST_IF_SAME,
                                .fetch = KIST_FETCH_ALWAYS};
    kist_buf given = {0};
    kist_buf value = {0};
    kist_outcome out;
    uint64_t tag = 0;
    char name[SW_NAME_SIZE];
    kist_status status;

    sw_key(world->proc, slot, name);
    status = read_tag(at, world->proc, slot, &tag, &condition.expected);
    if (unit->refused) {
        condition.expected.size = sizeof(no_etag) - 1;
        memcpy(condition.expected.text, no_etag, sizeof(no_etag) - 1);
    }
    if (status == KIST_OK) {
        status = sw_value(world->proc, slot, unit->index + 1, &given);
    }
    if (status != KIST_OK) {
        goto out;
    }
    if (unit->op == SW_PUT_NEW_IF) {
        condition.rule = KIST_IF_ANY;
        status = kist_store_put_new_if(at->store, kist_str(name),
                                       kist_buf_slice(&given), &condition,
                                       &value, &out);
    }
    else if (unit->op == SW_PUT_IF) {
        status = kist_store_put_if(at->store, kist_str(name),
                                   kist_buf_slice(&given), &condition, &value,
                                   &out);
    }
    else {
        status =
            kist_store_remove_if(at->store, kist_str(name), &condition, &out);
    }
    if (status != KIST_OK) {
        goto out;
    }
    if (out.satisfied != (unit->op == SW_PUT_NEW_IF || !unit->refused)) {
        say_wrong(at, world->proc, slot, "the condition went the wrong way");
    }
    else if ((out.before.size > 0) != there ||
             (out.after.size > 0) != (unit->tags[0] != 0)) {
        say_wrong(at, world->proc, slot, "the outcome's ETags are wrong");
    }
    else if (out.found == KIST_FOUND_VALUE &&
             (!sw_value_read(world->proc, slot, kist_buf_slice(&value),
                             &tag) ||
              tag != unit->tags[0])) {
        say_wrong(at, world->proc, slot, "the outcome's value is wrong");
    }

out:
    kist_buf_fini(&given);
    kist_buf_fini(&value);
    return status;
}

static kist_status
do_plain(sw_store *at, const sw_world *world, const sw_unit *unit)
{
    const uint32_t slot = unit->slots[0];
    const bool there = world->tags[slot] != 0;
    kist_etag etag;
    uint64_t tag;
    kist_status status;

    if (unit->op == SW_GET) {
        status = read_tag(at, world->proc, slot, &tag, &etag);
        if (status == KIST_OK && tag != world->tags[slot]) {
            say_wrong(at, world->proc, slot, "another value than was put");
        }
        return status;
    }
    status = put_tag(at, world->proc, slot, unit->tags[0]);
    if (unit->op == SW_REMOVE &&
        (status == KIST_OK || status == KIST_ERR_NOTFOUND)) {
        if ((status == KIST_OK) != there) {
            say_wrong(at, world->proc, slot, "remove did not find it so");
        }
        status = KIST_OK;
    }
    return status;
}

kist_status
sw_unit_do(sw_store *at, const sw_world *world, const sw_unit *unit)
{
    switch (unit->op) {
    case SW_PUT:
    case SW_REMOVE:
    case SW_GET:
        return do_plain(at, world, unit);
    case SW_PUT_MANY:
        return put_many(at, world->proc, unit);
    case SW_COUNT:
        return count_up(at, world->proc, world->tags[0]);
    case SW_ADD:
        return count_up(at, SW_SHARED, 0);
    case SW_PUT_IF:
    case SW_PUT_NEW_IF:
    case SW_REMOVE_IF:
        return do_if(at, world, unit);
    case SW_REOPEN:
        break;
    }
    sw_close(at);
    return sw_open(at, at->args, at->read_only);
}

kist_status
sw_unit_settle(sw_store *at, const sw_world *world, const sw_unit *unit)
{
    kist_status status = KIST_OK;

    if (at->store == NULL) {
        return sw_open(at, at->args, at->read_only);
    }
    if (unit->op == SW_ADD) {
        return count_up(at, SW_SHARED, 0);
    }
    for (uint32_t i = 0; status == KIST_OK && i < unit->count; i++) {
        if (unit->tags[i] == 0) {
            status = put_tag(at, world->proc, unit->slots[i], unit->index + 1);
        }
        if (status == KIST_OK) {
            status = put_tag(at, world->proc, unit->slots[i], unit->tags[i]);
        }
    }
    return status;
}

/* --- how far a process came --------------------------------------------- */

/* Is what was found the world, with the unit done in part? */
static bool
is_part(const sw_world *found, const sw_world *world, const sw_unit *unit)
{
    sw_world rest = *found;

    for (uint32_t i = 0; i < unit->count; i++) {
        const uint32_t slot = unit->slots[i];
        const uint64_t tag = found->tags[slot];

        if (tag != world->tags[slot] && tag != unit->tags[i] &&
            tag != unit->index + 1) {
            return false;
        }
        rest.tags[slot] = world->tags[slot];
    }
    return memcmp(rest.tags, world->tags, sizeof(rest.tags)) == 0;
}

bool
sw_locate(const sw_world *found, const kw_range *range, sw_world *world,
          uint64_t *units, bool *part)
{
    for (int pass = 0; pass < 2; pass++) {
        *part = pass == 1;
        memset(world, 0, sizeof(*world));
        world->proc = found->proc;
        for (uint64_t i = 0; i <= range->ceiling; i++) {
            const sw_unit unit = sw_unit_plan(world, i);

            *units = i;
            if (i >= range->floor &&
                (*part ? i < range->ceiling && is_part(found, world, &unit)
                       : memcmp(found->tags, world->tags,
                                sizeof(world->tags)) == 0)) {
                return true;
            }
            sw_unit_apply(world, &unit);
        }
    }
    return false;
}
