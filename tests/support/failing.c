#include "support/failing.h"

#include <stdio.h>
#include <string.h>

#include "support/faultio.h"

#define RESERVE (16u << 20)
#define NTH_MAX 5000u

#define STEPS(...)                                                            \
    (const kt_step[])                                                         \
    {                                                                         \
        __VA_ARGS__,                                                          \
        {                                                                     \
            .op = KT_OP_END                                                   \
        }                                                                     \
    }

#define PUT_STEP                                                              \
    {                                                                         \
        .op = KT_PUT, .coll = KT_D, .key = 50, .value = 11                    \
    }

static const kt_step setup_steps[] = {
    {.op = KT_PUT_MANY, .coll = KT_D, .key = 50, .index = 6, .value = 500},
    {.op = KT_REMOVE, .coll = KT_D, .key = 53},
    {.op = KT_PUT, .coll = KT_X, .key = 50, .value = 700},
    {.op = KT_APPEND_MANY, .coll = KT_L, .index = 6, .value = 40},
    {.op = KT_APPEND_MANY, .coll = KT_T, .index = 4, .value = 800},
    {.op = KT_ADD, .coll = KT_S, .key = 50},
    {.op = KT_ADD, .coll = KT_S, .key = 51},
    {.op = KT_OP_END},
};

const kt_trial kt_trials[] = {
    {.name = "put", .steps = STEPS(PUT_STEP)},
    {.name = "put of many pages",
     .steps = STEPS({.op = KT_PUT, .coll = KT_D, .key = 1, .value = 0x2b5})},
    {.name = "remove",
     .steps = STEPS({.op = KT_REMOVE, .coll = KT_D, .key = 50})},
    {.name = "popitem", .steps = STEPS({.op = KT_POPITEM, .coll = KT_D})},
    {.name = "dict clear", .steps = STEPS({.op = KT_CLEAR, .coll = KT_D})},
    {.name = "append",
     .steps = STEPS({.op = KT_APPEND, .coll = KT_T, .value = 12})},
    {.name = "insert",
     .steps = STEPS({.op = KT_INSERT, .coll = KT_L, .index = 2, .value = 12})},
    {.name = "list pop",
     .steps = STEPS({.op = KT_POP, .coll = KT_L, .index = 1})},
    {.name = "list cut",
     .steps = STEPS({.op = KT_CUT, .coll = KT_T, .index = 1, .key = 2})},
    {.name = "sort", .steps = STEPS({.op = KT_SORT, .coll = KT_T, .key = 1})},
    {.name = "reverse", .steps = STEPS({.op = KT_REVERSE, .coll = KT_L})},
    {.name = "add", .steps = STEPS({.op = KT_ADD, .coll = KT_S, .key = 9})},
    {.name = "set pop", .steps = STEPS({.op = KT_POPITEM, .coll = KT_S})},
    {.name = "batch",
     .steps =
         STEPS({.op = KT_BEGIN}, PUT_STEP,
               {.op = KT_APPEND, .coll = KT_L, .value = 3},
               {.op = KT_INSERT, .coll = KT_T, .value = 4},
               {.op = KT_REMOVE, .coll = KT_S, .key = 50}, {.op = KT_COMMIT})},
    {.name = "rolled back batch",
     .steps = STEPS({.op = KT_BEGIN}, PUT_STEP, {.op = KT_ROLLBACK})},
    {.name = "sync", .steps = STEPS(PUT_STEP, {.op = KT_SYNC})},
    {.name = "put at level sync",
     .durability = KIST_SYNC,
     .steps = STEPS(PUT_STEP)},
    {.name = "batch at level sync",
     .durability = KIST_SYNC,
     .steps = STEPS({.op = KT_BEGIN}, PUT_STEP, {.op = KT_SORT, .coll = KT_L},
                    {.op = KT_COMMIT})},
    {.name = "compact", .steps = STEPS({.op = KT_COMPACT})},
    {.name = "verify", .steps = STEPS({.op = KT_VERIFY})},
    {.name = "open", .phase = KT_PHASE_OPEN, .steps = STEPS(PUT_STEP)},
    {.name = "open when new",
     .phase = KT_PHASE_OPEN,
     .fresh = true,
     .steps = STEPS(PUT_STEP)},
    {.name = "open after a power cut",
     .phase = KT_PHASE_OPEN,
     .unclean = true,
     .steps = STEPS(PUT_STEP)},
    {.name = "close", .phase = KT_PHASE_CLOSE, .steps = STEPS(PUT_STEP)},
    {.name = NULL},
};

/* What one run of a trial works with. */
typedef struct run {
    const kt_place *place;
    const kt_trial *trial;
    const kt_weapon *weapon;
    uint64_t nth;
    char template_dir[300];
    char work_dir[300];
    char path[340];
    kist_options options;
    kt_world before;
    kt_world after;
} run;

static void
wrong(const run *r, const char *what, const char *why)
{
    char text[400];

    kist_error_text(text, sizeof(text));
    print_error("%s, %s number %llu (%s, point \"%s\"): %s: %s (last: %s)\n",
                r->trial->name, r->weapon->name, (unsigned long long)r->nth,
                kt_call_name(kt_io_hit_kind()), kt_io_last_point(), what, why,
                text);
    fail();
}

/* Reads the store and tells which world it is: 0 before, 1 after, -1. */
static int
which(run *r, kt_store *store)
{
    char why[400];
    int answer = -1;

    if (kt_store_check(store, &r->after, why, sizeof(why))) {
        answer = 1;
    }
    else if (kt_store_check(store, &r->before, why, sizeof(why))) {
        answer = 0;
    }
    return answer;
}

static kist_status
play(run *r, kt_store *store)
{
    kist_status status = KIST_OK;
    kt_world world;
    bool in_batch = false;

    kt_world_init(&world, 0);
    kt_world_copy(&world, &r->before);
    for (const kt_step *step = r->trial->steps;
         status == KIST_OK && step->op != KT_OP_END; step++) {
        status = kt_step_both(store, &world, step);
        in_batch = world.in_batch;
        if (step->op == KT_COMMIT) {
            in_batch = false; // one that fails has rolled back
        }
    }
    if (status != KIST_OK && in_batch) {
        (void)kist_batch_rollback(store->k);
    }
    kt_world_fini(&world);
    return status;
}

/* The collections are as before or as asked, and take writes again. */
static void
check_usable(run *r, kt_store *store, kist_status status)
{
    const kt_step more = {.op = KT_PUT, .coll = KT_X, .key = 3, .value = 4000};
    const int now = which(r, store);
    kt_world *world = now == 1 ? &r->after : &r->before;
    char why[400];

    if (now < 0 || (status == KIST_OK && now == 0)) {
        wrong(r, "the collections", "neither as before nor as asked");
    }
    kt_world_copy(&r->before, world);
    kt_world_copy(&r->after, world);
    status = kt_step_both(store, &r->after, &more);
    if (status == KIST_ERR_POISONED) {
        kt_world_copy(&r->after, &r->before);
        return; // reads went on; the reopen that follows must take writes
    }
    if (status != KIST_OK) {
        wrong(r, "a put afterwards", kist_status_name(status));
    }
    if (!kt_store_check(store, &r->after, why, sizeof(why))) {
        wrong(r, "after a put afterwards", why);
    }
}

/* Everything closed: open again, without faults. */
static void
check_reopened(run *r, bool strict)
{
    kt_store store;
    int now;

    if (kt_store_open(&store, r->path, &r->options, 0) != KIST_OK) {
        wrong(r, "opening again", "");
    }
    now = which(r, &store);
    if (now < 0 || (strict && now == 0)) {
        wrong(r, "opened again", "not the collections that were left");
    }
    if (kt_store_step(
            &store, &r->after,
            &(kt_step){.op = KT_PUT, .coll = KT_X, .key = 4, .value = 4001}) !=
            KIST_OK ||
        kt_store_close(&store) != KIST_OK) {
        wrong(r, "opened again", "not usable");
    }
}

static bool
run_open(run *r, kt_store *store)
{
    kist_status status;
    bool hit;

    r->weapon->arm(r->weapon, r->nth);
    status = kt_store_open(store, r->path, &r->options, 0);
    hit = r->weapon->hit();
    r->weapon->heal();
    if (status != KIST_OK) {
        if (store->k != NULL) {
            wrong(r, "open", "failed and left a handle");
        }
        if (r->weapon->invisible) {
            wrong(r, "open", kist_status_name(status));
        }
        kt_world_copy(&r->after, &r->before);
        return hit;
    }
    status = play(r, store);
    if (status != KIST_OK) {
        wrong(r, "steps after an open that went well",
              kist_status_name(status));
    }
    check_usable(r, store, KIST_OK);
    if (kt_store_close(store) != KIST_OK) {
        wrong(r, "close", "");
    }
    return hit;
}

static bool
run_steps(run *r, kt_store *store)
{
    kist_status status;
    bool hit;

    KT_OK(kt_store_open(store, r->path, &r->options, 0));
    r->weapon->arm(r->weapon, r->nth);
    status = play(r, store);
    hit = r->weapon->hit();
    r->weapon->heal();
    if (status != KIST_OK && (r->weapon->invisible || !hit)) {
        wrong(r, "steps", kist_status_name(status));
    }
    check_usable(r, store, status);
    (void)kt_store_close(store); // a poisoned one may say so
    return hit;
}

static bool
run_close(run *r, kt_store *store)
{
    kist_status status;
    bool hit;

    KT_OK(kt_store_open(store, r->path, &r->options, 0));
    KT_OK(play(r, store));
    r->weapon->arm(r->weapon, r->nth);
    status = kt_store_close(store);
    hit = r->weapon->hit();
    r->weapon->heal();
    if (status != KIST_OK && r->weapon->invisible) {
        wrong(r, "close", kist_status_name(status));
    }
    return hit;
}

static bool
run_once(run *r, const kt_world *first, const kt_world *last)
{
    const size_t descriptors = kt_count_descriptors();
    const size_t maps = kt_count_maps();
    kt_store store;
    bool hit;

    kt_world_copy(&r->before, first);
    kt_world_copy(&r->after, last);
    kt_copy_files(r->template_dir, r->work_dir);
    if (r->trial->phase == KT_PHASE_OPEN) {
        hit = run_open(r, &store);
    }
    else if (r->trial->phase == KT_PHASE_CLOSE) {
        hit = run_close(r, &store);
    }
    else {
        hit = run_steps(r, &store);
    }
    if (kt_count_descriptors() != descriptors || kt_count_maps() != maps) {
        wrong(r, "left behind", "descriptors or maps");
    }
    check_reopened(r, true);
    return hit;
}

/* Fills the template; an unclean one is copied from under an open kist. */
static void
prepare(run *r, kt_world *first, kt_world *last)
{
    kt_store store;
    char path[340];

    kt_make_empty(r->template_dir);
    if (!r->trial->fresh) {
        snprintf(path, sizeof(path), "%s/source", r->place->dir);
        kt_make_empty(path);
        snprintf(path, sizeof(path), "%s/source/k", r->place->dir);
        KT_OK(kt_store_open(&store, path, &r->options, 0));
        for (const kt_step *step = setup_steps; step->op != KT_OP_END;
             step++) {
            KT_OK(kt_step_both(&store, first, step));
        }
        snprintf(path, sizeof(path), "%s/source", r->place->dir);
        if (r->trial->unclean) {
            kt_copy_files(path, r->template_dir);
        }
        KT_OK(kt_store_close(&store));
        if (!r->trial->unclean) {
            kt_copy_files(path, r->template_dir);
        }
    }
    kt_world_copy(last, first);
    for (const kt_step *step = r->trial->steps; step->op != KT_OP_END;
         step++) {
        kt_world_step(last, step);
    }
}

uint64_t
kt_failing(const kt_place *place, const kt_trial *trial,
           const kt_weapon *weapon)
{
    static run r;
    kt_world first;
    kt_world last;
    uint64_t hits = 0;

    memset(&r, 0, sizeof(r));
    r.place = place;
    r.trial = trial;
    r.weapon = weapon;
    r.options = (kist_options){.durability = trial->durability,
                               .map_reserve = RESERVE};
    snprintf(r.template_dir, sizeof(r.template_dir), "%s/template",
             place->dir);
    snprintf(r.work_dir, sizeof(r.work_dir), "%s/work", place->dir);
    snprintf(r.path, sizeof(r.path), "%s/k", r.work_dir);
    kt_world_init(&first, 0);
    kt_world_init(&last, 0);
    prepare(&r, &first, &last);
    for (r.nth = 1; r.nth < NTH_MAX && run_once(&r, &first, &last); r.nth++) {
        hits++;
    }
    KT_CHECK(r.nth < NTH_MAX, "%s never runs through", trial->name);
    kt_world_fini(&first);
    kt_world_fini(&last);
    kt_world_fini(&r.before);
    kt_world_fini(&r.after);
    return hits;
}
