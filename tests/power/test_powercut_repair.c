/*
 * The power is cut before every call of a repair.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "power/histories.h"

#define RESERVE   (16u << 20)
#define DAMAGE_AT 4500u /* in a record in the middle of the log */

static const kist_options plain = {.map_reserve = RESERVE, .must_exist = true};

typedef struct repair {
    const kt_place *place;
    uint64_t nth;
} repair;

static void
cut_here(void *context)
{
    const repair *r = context;

    for (int i = 0; i < KT_IMAGE_COUNT; i++) {
        char dir[320];

        snprintf(dir, sizeof(dir), "%s/image%d", r->place->dir, i);
        kt_make_empty(dir);
        kt_io_image(dir, (kt_image)i, r->place->seed + r->nth * 16);
    }
}

/* A closed kist in `dir` with one damaged byte; the index is gone, as a repair
 * has to do without it. */
static void
make_damaged(const char *dir)
{
    const kist_options options = {.map_reserve = RESERVE};
    char path[400];
    kt_store store;
    kt_world world;
    uint8_t *data;
    size_t size;

    kt_make_empty(dir);
    kt_world_init(&world, 0);
    snprintf(path, sizeof(path), "%s/k", dir);
    KT_OK(kt_store_open(&store, path, &options, 0));
    for (const kt_step *step = kt_setup_steps; step->op != KT_OP_END; step++) {
        KT_OK(kt_step_both(&store, &world, step));
    }
    KT_OK(kt_store_close(&store));
    kt_world_fini(&world);
    snprintf(path, sizeof(path), "%s/k.kistx", dir);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof(path), "%s/k.kist", dir);
    data = kt_read_file(path, &size);
    assert_true(data != NULL && size > DAMAGE_AT);
    data[DAMAGE_AT] ^= 0x10;
    kt_write_file(path, data, size);
    free(data);
}

/* Repairs what is in `dir` and reads it into *world. */
static void
repair_and_read(const char *dir, kt_world *world)
{
    kist_report report;
    char path[400];
    char why[400] = "";
    kt_store store;

    snprintf(path, sizeof(path), "%s/k", dir);
    KT_OK(kist_repair(path, NULL, NULL, &report));
    KT_OK(kt_store_open(&store, path, &plain, 0));
    KT_OK(kt_store_read(&store, world));
    KT_CHECK(kt_store_check(&store, world, why, sizeof(why)), "%s", why);
    KT_OK(kist_verify(store.k, NULL, NULL, &report));
    KT_OK(kt_store_close(&store));
}

/* Goal: a repair that is cut off can be done again and gives the same.
 * Method: cut before each call; repair each image; compare with a repair that
 * was let alone. */
static void
test_p03_repair_can_be_cut_anywhere(void **state)
{
    repair r = {*state, 0};
    char damaged[320];
    char work[320];
    char path[400];
    kist_report report;
    kt_world expected;
    kt_world found;
    kist *k;
    bool cut = true;

    snprintf(damaged, sizeof(damaged), "%s/damaged", r.place->dir);
    snprintf(work, sizeof(work), "%s/work", r.place->dir);
    snprintf(path, sizeof(path), "%s/k", work);
    kt_world_init(&expected, 0);
    kt_world_init(&found, 0);
    kt_io_install();
    make_damaged(damaged);
    kt_copy_files(damaged, work);
    KT_ANSWERS(KIST_ERR_CORRUPT, kist_open(path, &plain, &k));
    repair_and_read(work, &expected);
    assert_true(expected.models[KT_D].count + expected.models[KT_L].count > 4);
    while (cut) {
        r.nth++;
        kt_copy_files(damaged, work);
        kt_io_reboot();
        kt_io_record(work);
        kt_io_cut_at(r.nth, cut_here, &r);
        KT_OK(kist_repair(path, NULL, NULL, &report));
        kt_io_record_stop();
        cut = kt_io_was_cut();
        for (int i = 0; cut && i < KT_IMAGE_COUNT; i++) {
            char dir[320];

            snprintf(dir, sizeof(dir), "%s/image%d", r.place->dir, i);
            kt_io_reboot();
            repair_and_read(dir, &found);
            KT_CHECK(kt_world_equal(&found, &expected),
                     "cut before call %llu, image %s",
                     (unsigned long long)r.nth, kt_image_name((kt_image)i));
        }
    }
    kt_io_remove();
    print_message("           %llu cuts\n", (unsigned long long)r.nth - 1);
    assert_true(r.nth > 10);
    kt_world_fini(&expected);
    kt_world_fini(&found);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p03_repair_can_be_cut_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
