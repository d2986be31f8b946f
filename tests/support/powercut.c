#include "support/powercut.h"

#include <stdio.h>
#include <string.h>

#define RESERVE      (16u << 20)
#define IMAGES_MORE  3 /* further torn ones */
#define FAILURES_MAX 5

/* One playing of a history, and what is known at the cut. */
typedef struct round_state {
    const kt_place *place;
    const kt_history *history;
    kt_tally *tally;
    char template_dir[300];
    char work_dir[300];
    kt_world worlds[KT_UNITS_MAX + 1]; /* after 0, 1, 2 ... units */
    size_t ends[KT_UNITS_MAX];
    size_t unit_count;
    uint64_t nth;
    size_t done;    /* units that have returned */
    size_t durable; /* units that survive a power cut */
    size_t floor;   /* both as of the cut */
    size_t ceiling;
    uint64_t seed;
} round_state;

size_t
kt_units(const kt_step *steps, size_t ends[KT_UNITS_MAX])
{
    size_t count = 0;
    bool in_batch = false;

    for (size_t i = 0; steps[i].op != KT_OP_END; i++) {
        if (steps[i].op == KT_BEGIN) {
            in_batch = true;
        }
        if (steps[i].op == KT_COMMIT || steps[i].op == KT_ROLLBACK) {
            in_batch = false;
        }
        if (!in_batch && count < KT_UNITS_MAX) {
            if (ends != NULL) {
                ends[count] = i;
            }
            count++;
        }
    }
    return count;
}

static void
image_dir(const round_state *round, int image, char path[320])
{
    snprintf(path, 320, "%s/image%d", round->place->dir, image);
}

static kt_image
image_kind(int image)
{
    return image < KT_IMAGE_COUNT ? (kt_image)image : KT_IMAGE_TORN;
}

static void
cut_here(void *context)
{
    round_state *round = context;

    round->floor = round->durable;
    round->ceiling = round->done + (round->done < round->unit_count);
    for (int i = 0; i < KT_IMAGE_COUNT + IMAGES_MORE; i++) {
        char dir[320];

        image_dir(round, i, dir);
        kt_make_empty(dir);
        kt_io_image(dir, image_kind(i),
                    round->seed + round->nth * 64 + (uint64_t)i);
    }
}

/* A step at level sync, a sync, or the close by the last handle. */
static bool
makes_durable(const kt_history *history, kt_op op)
{
    return history->durability == KIST_SYNC || op == KT_SYNC ||
           op == KT_REOPEN;
}

static void
play(round_state *round)
{
    const kist_options options = {.durability = round->history->durability,
                                  .map_reserve = RESERVE};
    const kt_step *steps = round->history->steps;
    kt_world world;
    kt_store store;
    char path[400];
    size_t at = 0;

    snprintf(path, sizeof(path), "%s/k", round->work_dir);
    kt_world_init(&world, 0);
    kt_world_copy(&world, &round->worlds[0]);
    KT_OK(kt_store_open(&store, path, &options, 0));
    while (!kt_io_was_cut() && round->done < round->unit_count) {
        for (; at <= round->ends[round->done]; at++) {
            char text[100];
            const kist_status status =
                kt_step_both(&store, &world, &steps[at]);

            KT_CHECK(status == KIST_OK, "%s, level %d, round %llu: %s: %s",
                     round->history->name, (int)round->history->durability,
                     (unsigned long long)round->nth,
                     kt_step_text(&steps[at], text, sizeof(text)),
                     kist_status_name(status));
        }
        round->done++;
        if (makes_durable(round->history, steps[at - 1].op)) {
            round->durable = round->done;
        }
    }
    KT_OK(kt_store_close(&store));
    kt_world_fini(&world);
}

static void
report(round_state *round, const char *what, int image, const char *why)
{
    round->tally->failures++;
    if (round->tally->failures <= FAILURES_MAX) {
        print_error("%s, level %d: cut before call %llu (last point \"%s\"), "
                    "image %d (%s), units %zu to %zu: %s: %s\n",
                    round->history->name, (int)round->history->durability,
                    (unsigned long long)round->nth, kt_io_last_point(), image,
                    kt_image_name(image_kind(image)), round->floor,
                    round->ceiling, what, why);
    }
}

/* The image must still take writes, and keep them. */
static const char *
use_again(kt_store *store, kt_world *world, uint64_t seed)
{
    static char why[500];
    char path[sizeof(store->path)];
    char text[100];
    const kist_options options = store->options;
    uint64_t random = seed;

    memcpy(path, store->path, sizeof(path));
    for (int i = 0; i < 3; i++) {
        const kt_step step = kt_step_random(world, &random);

        if (kt_step_both(store, world, &step) != KIST_OK) {
            snprintf(why, sizeof(why),
                     "%s: ", kt_step_text(&step, text, sizeof(text)));
            kist_error_text(why + strlen(why), sizeof(why) - strlen(why));
            return why;
        }
    }
    if (kt_store_close(store) != KIST_OK ||
        kt_store_open(store, path, &options, 0) != KIST_OK) {
        return "close and open again";
    }
    return kt_store_check(store, world, why, sizeof(why)) ? NULL : why;
}

/* Which state the store is in must be one of those that may be. */
static const char *
judge_state(round_state *round, kt_store *store, kt_world *world)
{
    static char why[500];
    kt_world found;
    size_t i;
    kist_report sound;

    kt_world_init(&found, 0);
    if (kt_store_read(store, &found) != KIST_OK) {
        kist_error_text(why, sizeof(why));
        kt_world_fini(&found);
        return why;
    }
    for (i = round->floor; i <= round->ceiling; i++) {
        if (kt_world_equal(&found, &round->worlds[i])) {
            break;
        }
    }
    if (i > round->ceiling) {
        snprintf(why, sizeof(why), "the state is no unit's");
        for (i = 0; i <= round->unit_count; i++) {
            if (kt_world_equal(&found, &round->worlds[i])) {
                snprintf(why, sizeof(why), "the state is unit %zu's", i);
            }
        }
        kt_world_fini(&found);
        return why;
    }
    kt_world_fini(&found);
    kt_world_copy(world, &round->worlds[i]);
    if (!kt_store_check(store, world, why, sizeof(why))) {
        return why;
    }
    if (kist_verify(store->k, NULL, NULL, &sound) != KIST_OK ||
        sound.damaged_runs > 0 || sound.index_damaged) {
        return "kist_verify";
    }
    return NULL;
}

static void
judge(round_state *round, const char *dir, int image)
{
    const kist_options options = {.durability = round->history->durability,
                                  .map_reserve = RESERVE};
    kt_world world;
    kt_store store;
    char path[400];
    char text[500];
    const char *why;

    round->tally->images++;
    kt_io_reboot();
    snprintf(path, sizeof(path), "%s/k", dir);
    if (kt_store_open(&store, path, &options, 0) != KIST_OK) {
        kist_error_text(text, sizeof(text));
        report(round, "open", image, text);
        return;
    }
    kt_world_init(&world, 0);
    why = judge_state(round, &store, &world);
    if (why != NULL) {
        report(round, "state", image, why);
    }
    else {
        why = use_again(&store, &world, round->nth);
        if (why != NULL) {
            report(round, "use", image, why);
        }
    }
    kt_world_fini(&world);
    if (kt_store_close(&store) != KIST_OK) {
        report(round, "close", image, "");
    }
}

static void
cut_again(void *context)
{
    const char *dir = context;

    kt_make_empty(dir);
    kt_io_image(dir, KT_IMAGE_TORN, kt_io_steps());
}

/* Cuts the power a second time while the image is being opened. */
static void
judge_twice(round_state *round, const char *dir, int image)
{
    const kist_options options = {.map_reserve = RESERVE};
    char copy[320];
    char second[320];
    char path[400];
    uint64_t random = round->seed + round->nth;
    kt_store store;

    snprintf(copy, sizeof(copy), "%s/copy", round->place->dir);
    snprintf(second, sizeof(second), "%s/second", round->place->dir);
    snprintf(path, sizeof(path), "%s/k", copy);
    kt_copy_files(dir, copy);
    kt_io_reboot();
    kt_io_record(copy);
    kt_io_middle_at(1 + kt_random(&random) % 10);
    kt_io_cut_at(1 + kt_random(&random) % 40, cut_again, second);
    if (kt_store_open(&store, path, &options, 0) == KIST_OK) {
        (void)kt_store_close(&store);
    }
    kt_io_record_stop();
    if (kt_io_was_cut()) {
        judge(round, second, image);
    }
}

static bool
play_round(round_state *round)
{
    uint64_t random = round->seed ^ round->nth;

    kt_copy_files(round->template_dir, round->work_dir);
    kt_io_reboot();
    round->done = round->durable = 0;
    kt_io_record(round->work_dir);
    kt_io_middle_at(1 + kt_random(&random) % round->nth);
    kt_io_ignore_syncs(round->history->ignore_syncs);
    kt_io_cut_at(round->nth, cut_here, round);
    play(round);
    kt_io_ignore_syncs(false);
    kt_io_record_stop();
    if (!kt_io_was_cut()) {
        return false;
    }
    round->tally->cuts++;
    for (int i = 0; i < KT_IMAGE_COUNT + IMAGES_MORE; i++) {
        char dir[320];

        image_dir(round, i, dir);
        if ((round->nth + (uint64_t)i) % 5 == 0) {
            judge_twice(round, dir, i);
        }
        judge(round, dir, i);
    }
    return true;
}

/* Fills the template directory and the worlds of all units. */
static void
prepare(round_state *round)
{
    const kist_options options = {.map_reserve = RESERVE};
    const kt_step *setup = round->history->setup;
    kt_world world;
    kt_store store;
    char path[400];
    size_t at = 0;

    kt_make_empty(round->template_dir);
    kt_world_init(&world, 0);
    if (setup != NULL) {
        snprintf(path, sizeof(path), "%s/k", round->template_dir);
        KT_OK(kt_store_open(&store, path, &options, 0));
        for (size_t i = 0; setup[i].op != KT_OP_END; i++) {
            KT_OK(kt_step_both(&store, &world, &setup[i]));
        }
        KT_OK(kt_store_close(&store));
    }
    round->unit_count = kt_units(round->history->steps, round->ends);
    for (size_t unit = 0;; unit++) {
        kt_world_init(&round->worlds[unit], 0);
        kt_world_copy(&round->worlds[unit], &world);
        if (unit == round->unit_count) {
            break;
        }
        for (; at <= round->ends[unit]; at++) {
            kt_world_step(&world, &round->history->steps[at]);
        }
    }
    kt_world_fini(&world);
}

void
kt_powercut(const kt_place *place, const kt_history *history, kt_tally *tally)
{
    static round_state round;

    memset(&round, 0, sizeof(round));
    round.place = place;
    round.history = history;
    round.tally = tally;
    round.seed = place->seed;
    snprintf(round.template_dir, sizeof(round.template_dir), "%s/template",
             place->dir);
    snprintf(round.work_dir, sizeof(round.work_dir), "%s/work", place->dir);
    kt_io_install();
    prepare(&round);
    do {
        round.nth++;
    } while (play_round(&round) && tally->failures < FAILURES_MAX);
    kt_io_remove();
    for (size_t i = 0; i <= round.unit_count; i++) {
        kt_world_fini(&round.worlds[i]);
    }
}

void
kt_powercut_all(void **state, const char *name, const kt_step *setup,
                const kt_step *steps, uint64_t images_min)
{
    static const kist_durability levels[] = {KIST_PROCESS, KIST_SYNC};
    kt_tally tally = {0};

    for (size_t i = 0; i < 2; i++) {
        const kt_history history = {.name = name,
                                    .setup = setup,
                                    .steps = steps,
                                    .durability = levels[i]};

        kt_powercut(*state, &history, &tally);
    }
    print_message("           %s: %llu cuts, %llu images\n", name,
                  (unsigned long long)tally.cuts,
                  (unsigned long long)tally.images);
    assert_int_equal(tally.failures, 0);
    KT_CHECK(tally.images >= images_min, "only %llu images",
             (unsigned long long)tally.images);
}
