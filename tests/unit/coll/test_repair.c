/* kist_repair: all that is whole is kept, what is not goes aside. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/reclog.h"
#include "sample.h"
#include "support/faultio.h"

/* The records of the sample, taken apart. */
static ki_record
record_at(const kt_sample *sample, uint64_t offset)
{
    ki_record record;
    ki_reclog log;

    kt_sample_restore(sample);
    KT_OK(ki_reclog_open(&log, sample->log_path, false, 0));
    assert_true(ki_reclog_load(&log, offset, sample->tail, &record));
    record.key = sample->log + (record.key - log.base);
    record.value = sample->log + (record.value - log.base);
    ki_reclog_close(&log);
    return record;
}

/* Number of the collection in the log: they are created in this order. */
static uint32_t
id_of(const kt_sample *sample, kt_coll coll)
{
    const kt_place *place = sample->place;
    char room[16];
    kist_coll_info info;
    kist *k;

    KT_OK(kist_open(place->path, &kt_sample_options, &k));
    KT_OK(kist_coll_find(k, kt_coll_name(coll, 0, room), &info));
    KT_OK(kist_close(k));
    return info.id;
}

static bool
same_file(const char *path, const uint8_t *bytes, size_t size)
{
    size_t now_size;
    uint8_t *now = kt_read_file(path, &now_size);
    const bool same =
        now != NULL && now_size == size && memcmp(now, bytes, size) == 0;

    free(now);
    return same;
}

/* The last PATH.damaged-N must hold the run, and nothing else; it goes. */
static void
side_file_is(const kt_place *place, uint64_t offset, const uint8_t *bytes,
             size_t size)
{
    char path[340];
    char line[64];
    uint8_t *side;
    size_t side_size;
    size_t n;

    snprintf(path, sizeof(path), "%s.damaged-2", place->path);
    if (access(path, F_OK) != 0) {
        path[strlen(path) - 1] = '1';
    }
    n = (size_t)snprintf(line, sizeof(line), "%" PRIu64 " %zu\n", offset,
                         size);
    side = kt_read_file(path, &side_size);
    assert_non_null(side);
    assert_int_equal(side_size, n + size + 1);
    assert_memory_equal(side, line, n);
    assert_memory_equal(side + n, bytes, size);
    assert_int_equal(side[side_size - 1], '\n');
    free(side);
    unlink(path);
}

/*
 * Goal:   a sound kist is left as it is, byte for byte, and reported sound.
 * Method: the sample; and the sample without its index.
 */
static void
test_sound_is_left(void **state)
{
    kt_sample sample;
    kist_report report;
    uint64_t *offsets;
    size_t count;

    kt_sample_make(&sample, *state);
    offsets = kt_sample_records(&sample, &count);
    KT_OK(kist_repair(sample.place->path, NULL, NULL, &report));
    assert_true(same_file(sample.log_path, sample.log, sample.log_size));
    assert_true(same_file(sample.index_path, sample.index, sample.index_size));
    assert_int_equal(report.records, count);
    assert_int_equal(report.damaged_runs, 0);
    assert_int_equal(report.torn_bytes, 0);
    assert_true(report.damaged_offset == UINT64_MAX);
    unlink(sample.index_path);
    KT_OK(kist_repair(sample.place->path, NULL, NULL, NULL));
    assert_true(same_file(sample.log_path, sample.log, sample.log_size));
    kt_sample_holds(&sample, "after repair of a sound kist");
    free(offsets);
    kt_sample_fini(&sample);
}

/* --- every record ---------------------------------------------------------
 */

/* All that the model has, but for `but`, is in the dict, with equal values. */
static void
dict_has_others(const kt_model *model, kist_dict *dict, kist_slice but)
{
    kist_value value;
    size_t i;

    for (i = 0; i < model->count; i++) {
        const kt_item *item = model->items[i];
        const kist_slice key = {item->key, item->key_size};

        if (key.size == but.size &&
            memcmp(key.data, but.data, but.size) == 0) {
            continue;
        }
        KT_OK(kist_dict_get(dict, key, &value));
        assert_true(kt_value_same(&value, &item->value));
    }
}

static void
set_has_others(const kt_model *model, kist_set *set, size_t lost_max)
{
    size_t lost = 0;
    size_t i;

    for (i = 0; i < model->count; i++) {
        lost += kist_set_contains(set, &model->items[i]->value) != KIST_OK;
    }
    assert_true(lost <= lost_max);
}

/* What the collection must hold, after one of its own records was lost. */
static void
check_own(const kt_sample *sample, kist *k, kt_coll coll,
          const ki_record *lost)
{
    const kt_model *model = &sample->world.models[coll];
    char room[16];
    const kist_slice name = kt_coll_name(coll, 0, room);
    const kist_slice key = {lost->key, lost->ksize};
    kist_dict *dict;
    kist_list *list;
    kist_set *set;
    uint64_t count;

    if (coll == KT_D || coll == KT_X) {
        KT_OK(kist_dict_open(k, name, KIST_ANY, &dict));
        dict_has_others(model, dict, key);
        kist_dict_close(dict);
    }
    else if (coll == KT_S) {
        KT_OK(kist_set_open(k, name, KIST_ANY, &set));
        set_has_others(model, set, 1);
        kist_set_close(set);
    }
    else {
        KT_OK(kist_list_open(k, name, KIST_ANY, &list));
        KT_OK(kist_list_count(list, &count));
        // A lost removal or clear leaves more, a lost item one less.
        assert_true(count + 1 >= model->count);
        kist_list_close(list);
    }
}

/* Its catalog record was lost: all of it is under another name. */
static void
check_recovered(const kt_sample *sample, kist *k, kt_coll coll, uint32_t id)
{
    const kt_model *model = &sample->world.models[coll];
    char name[40];
    char why[400] = "";
    kist_dict *dict;
    kist_list *list;
    uint64_t count;

    snprintf(name, sizeof(name), "recovered-%u", id);
    if (coll == KT_L || coll == KT_T) {
        KT_OK(kist_list_open(k, kist_str(name), KIST_ANY, &list));
        KT_CHECK(kt_model_check_list(model, list, why, sizeof(why)), "%s: %s",
                 name, why);
        kist_list_close(list);
        return;
    }
    KT_OK(kist_dict_open(k, kist_str(name), KIST_ANY, &dict));
    if (coll == KT_S) {
        KT_OK(kist_dict_count(dict, &count));
        assert_int_equal(count, model->count);
    }
    else {
        KT_CHECK(kt_model_check_dict(model, dict, why, sizeof(why)), "%s: %s",
                 name, why);
    }
    kist_dict_close(dict);
}

/* A collection none of whose records was lost. */
static void
check_whole(const kt_sample *sample, kist *k, kt_coll coll)
{
    const kt_model *model = &sample->world.models[coll];
    char room[16];
    const kist_slice name = kt_coll_name(coll, 0, room);
    char why[400] = "";
    kist_dict *dict;
    kist_list *list;
    kist_set *set;
    bool same;

    if (coll == KT_D || coll == KT_X) {
        KT_OK(kist_dict_open(k, name, KIST_ANY, &dict));
        same = kt_model_check_dict(model, dict, why, sizeof(why));
        kist_dict_close(dict);
    }
    else if (coll == KT_S) {
        KT_OK(kist_set_open(k, name, KIST_ANY, &set));
        same = kt_model_check_set(model, set, why, sizeof(why));
        kist_set_close(set);
    }
    else {
        KT_OK(kist_list_open(k, name, KIST_ANY, &list));
        same = kt_model_check_list(model, list, why, sizeof(why));
        kist_list_close(list);
    }
    KT_CHECK(same, "collection %d: %s", (int)coll, why);
}

/* The repaired kist is sound, and all of what was not lost is there. */
static uint64_t
check_repaired(const kt_sample *sample, const uint32_t ids[KT_COLL_COUNT],
               const ki_record *lost)
{
    kist_report report;
    kist *k;
    int coll;

    KT_OK(kist_open(sample->place->path, &kt_sample_options, &k));
    KT_OK(kist_verify(k, NULL, NULL, &report));
    assert_int_equal(report.damaged_runs, 0);
    assert_false(report.index_damaged);
    for (coll = 0; coll < KT_COLL_COUNT; coll++) {
        if (lost->coll == ids[coll]) {
            check_own(sample, k, (kt_coll)coll, lost);
        }
        else if (lost->coll == 0 && lost->op == KI_OP_PUT &&
                 lost->slot + 1 == ids[coll]) {
            check_recovered(sample, k, (kt_coll)coll, ids[coll]);
        }
        else {
            check_whole(sample, k, (kt_coll)coll);
        }
    }
    KT_OK(kist_close(k));
    return report.live;
}

/*
 * Goal:   whichever record is lost, all others are kept, the collection of a
 *         lost catalog record under another name; the lost bytes go aside.
 * Method: each record in turn, with one byte changed.
 */
static void
test_every_record(void **state)
{
    const kt_place *place = *state;
    uint64_t seed = place->seed;
    uint32_t ids[KT_COLL_COUNT];
    kt_sample sample;
    uint64_t *offsets;
    size_t count;
    size_t i;

    kt_sample_make(&sample, place);
    offsets = kt_sample_records(&sample, &count);
    for (i = 0; i < KT_COLL_COUNT; i++) {
        ids[i] = id_of(&sample, (kt_coll)i);
    }
    for (i = 0; i < count; i++) {
        const size_t span = (size_t)(offsets[i + 1] - offsets[i]);
        const uint64_t at = offsets[i] + kt_random(&seed) % span;
        const ki_record lost = record_at(&sample, offsets[i]);
        const uint8_t byte = (uint8_t)(sample.log[at] ^ 0x40);
        uint8_t *run = malloc(span);
        kist_report report;

        assert_non_null(run);
        memcpy(run, sample.log + offsets[i], span);
        run[at - offsets[i]] = byte;
        kt_damage(sample.log_path, at, &byte, 1);
        KT_OK(kist_repair(place->path, NULL, NULL, &report));
        assert_int_equal(report.records, count - 1);
        assert_int_equal(report.damaged_runs, 1);
        assert_int_equal(report.damaged_offset, offsets[i]);
        assert_int_equal(report.damaged_bytes, span);
        assert_int_equal(check_repaired(&sample, ids, &lost), report.live);
        side_file_is(place, offsets[i], run, span);
        free(run);
    }
    free(offsets);
    kt_sample_fini(&sample);
}

/* --- every region
 * ------------------------------------------------------------- */

/*
 * Goal:   whatever part of the file is zeroed, overwritten or cut off, repair
 *         ends with a sound kist, and a second repair has nothing to do.
 * Method: regions of 8 bytes to 4 KiB at every 64th offset behind the header,
 *         each in four ways, with and without the index.
 */
static void
test_every_region(void **state)
{
    static const size_t sizes[] = {8, 64, 512, 4096};
    const kt_place *place = *state;
    uint64_t seed = place->seed;
    uint8_t bytes[4096];
    kt_sample sample;
    uint64_t at;

    kt_sample_make(&sample, place);
    for (at = KI_LOG_BEGIN; at < sample.tail; at += 64) {
        const unsigned how = (unsigned)(kt_random(&seed) % 3);
        const size_t size = sizes[kt_random(&seed) % 4];
        kist_report report;
        size_t i;

        kt_sample_restore(&sample);
        for (i = 0; i < size; i++) {
            bytes[i] = how == 0 ? 0 : (uint8_t)kt_random(&seed);
        }
        if (how == 2) {
            assert_int_equal(truncate(sample.log_path, (off_t)at), 0);
        }
        else {
            kt_damage(sample.log_path, at, bytes, size);
        }
        if (kt_random(&seed) % 2 == 0) {
            unlink(sample.index_path);
        }
        KT_OK(kist_repair(place->path, NULL, NULL, &report));
        KT_CHECK(report.damaged_runs > 0 || how == 0, "at %" PRIu64, at);
        KT_OK(kt_sample_verify(&sample, &report));
        assert_false(report.index_damaged);
        KT_OK(kist_repair(place->path, NULL, NULL, &report));
        assert_int_equal(report.damaged_runs, 0);
    }
    kt_sample_fini(&sample);
}

/*
 * Goal:   one bad copy of the header is mended; without a good one repair
 *         refuses, and touches nothing; the mark of a superseded log on one
 *         that is not is mended too.
 * Method: bytes of either copy, of both, of the mark.
 */
static void
test_header(void **state)
{
    const kt_place *place = *state;
    const uint32_t none[KT_COLL_COUNT] = {9, 9, 9, 9, 9};
    static const uint64_t places[] = {0, 20, 59, 1024, 2048, 2100};
    ki_record nothing;
    kist_report report;
    kt_sample sample;
    uint8_t *before;
    size_t size;
    size_t i;

    memset(&nothing, 0, sizeof(nothing));
    kt_sample_make(&sample, place);
    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const uint8_t byte = (uint8_t)~sample.log[places[i]];
        const uint64_t run = places[i] < 60     ? 0
                             : places[i] < 2048 ? 1024
                                                : 2048;

        kt_sample_restore(&sample);
        kt_damage(sample.log_path, places[i], &byte, 1);
        KT_OK(kist_repair(place->path, NULL, NULL, &report));
        assert_int_equal(report.damaged_runs, 1);
        assert_int_equal(report.damaged_offset, run);
        assert_int_equal(report.damaged_bytes, run == 1024 ? 8 : 60);
        (void)check_repaired(&sample, none, &nothing);
    }
    kt_sample_restore(&sample);
    kt_damage(sample.log_path, 40, "xxxx", 4);
    kt_damage(sample.log_path, 2048 + 40, "xxxx", 4);
    before = kt_read_file(sample.log_path, &size);
    KT_ANSWERS(KIST_ERR_CORRUPT, kist_repair(place->path, NULL, NULL, NULL));
    assert_true(same_file(sample.log_path, before, size));
    assert_true(same_file(sample.index_path, sample.index, sample.index_size));
    free(before);
    kt_sample_fini(&sample);
}

/* --- who and when
 * ----------------------------------------------------------------- */

static bool
stop_at_once(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return false;
}

/*
 * Goal:   LOCKED while anybody has it open; stopped by the caller it leaves
 *         the kist and its directory as they were; side files are numbered.
 * Method: a damaged sample.
 */
static void
test_locked_stopped_numbered(void **state)
{
    const kt_place *place = *state;
    kist_options options = kt_sample_options;
    kt_sample sample;
    char path[340];
    uint8_t *before;
    uint8_t *index;
    size_t size;
    size_t index_size;
    kist *k;
    unsigned i;

    kt_sample_make(&sample, place);
    kt_damage(sample.log_path, KI_LOG_BEGIN + 8, "\xff", 1);
    before = kt_read_file(sample.log_path, &size);
    for (i = 0; i < 2; i++) {
        options.read_only = i == 0;
        KT_OK(kist_open(place->path, &options, &k));
        KT_ANSWERS(KIST_ERR_LOCKED,
                   kist_repair(place->path, NULL, NULL, NULL));
        KT_OK(kist_close(k));
    }
    index = kt_read_file(sample.index_path, &index_size);
    KT_ANSWERS(KIST_ERR_BUSY,
               kist_repair(place->path, stop_at_once, NULL, NULL));
    assert_true(same_file(sample.log_path, before, size));
    assert_true(same_file(sample.index_path, index, index_size));
    free(index);
    snprintf(path, sizeof(path), "%s.damaged-1", place->path);
    assert_int_not_equal(access(path, F_OK), 0);
    KT_OK(kist_repair(sample.log_path, NULL, NULL, NULL));
    assert_int_equal(access(path, F_OK), 0);
    kt_sample_restore(&sample);
    kt_damage(sample.log_path, KI_LOG_BEGIN + 8, "\xff", 1);
    KT_OK(kist_repair(place->path, NULL, NULL, NULL));
    snprintf(path, sizeof(path), "%s.damaged-2", place->path);
    assert_int_equal(access(path, F_OK), 0);
    KT_ANSWERS(KIST_ERR_IO, kist_repair("/nowhere/at/all", NULL, NULL, NULL));
    free(before);
    kt_sample_fini(&sample);
}

/*
 * Goal:   a batch at the very end that has no commit is not taken, unless it
 *         is known that it had one.
 * Method: the files as they are after a sync and a batch behind it, its last
 *         two records wiped; an early record damaged so that repair mends.
 */
static void
test_unfinished_batch(void **state)
{
    const kt_place *place = *state;
    const kist_value one = kist_int(1);
    char path[320];
    char image[300];
    uint8_t zeros[KI_RECORD_HEAD + 100];
    kt_sample sample;
    kist_dict *dict;
    uint64_t *offsets;
    uint64_t live;
    size_t count;
    uint32_t span;
    kist *k;
    int synced;

    for (synced = 0; synced < 2; synced++) {
        memset(&sample, 0, sizeof(sample));
        memset(zeros, 0, sizeof(zeros));
        snprintf(path, sizeof(path), "%s.kist", place->path);
        snprintf(image, sizeof(image), "%s-image", place->dir);
        KT_OK(kist_open(place->path, &kt_sample_options, &k));
        KT_OK(kist_dict_open(k, kist_str("d"), KIST_INT, &dict));
        KT_OK(kist_dict_put(dict, kist_str("early"), &one));
        KT_OK(kist_dict_put(dict, kist_str("kept"), &one));
        KT_OK(kist_sync(k));
        KT_OK(kist_batch_begin(k));
        KT_OK(kist_dict_put(dict, kist_str("in a batch"), &one));
        KT_OK(kist_batch_commit(k));
        if (synced) {
            KT_OK(kist_sync(k));
        }
        kt_copy_files(place->dir, image);
        kist_dict_close(dict);
        KT_OK(kist_close(k));
        kt_copy_files(image, place->dir);
        kt_remove_all(image);

        sample.log = kt_read_file(path, &sample.log_size);
        // descriptor, early, kept, in a batch, commit
        sample.place = place;
        sample.tail = KI_LOG_BEGIN;
        for (span = 1; span != 0; sample.tail += span) {
            span = ki_record_claim(sample.log + sample.tail,
                                   sample.log_size - sample.tail);
        }
        offsets = kt_sample_records(&sample, &count);
        assert_int_equal(count, 5);
        kt_damage(path, offsets[1] + 21, "E", 1);
        kt_damage(path, offsets[4], zeros, (size_t)(offsets[5] - offsets[4]));
        KT_OK(kist_repair(place->path, NULL, NULL, NULL));
        KT_OK(kist_open(place->path, &kt_sample_options, &k));
        KT_OK(kist_dict_open(k, kist_str("d"), KIST_INT, &dict));
        KT_OK(kist_dict_contains(dict, kist_str("kept")));
        KT_ANSWERS(synced ? KIST_OK : KIST_ERR_NOTFOUND,
                   kist_dict_contains(dict, kist_str("in a batch")));
        KT_OK(kist_dict_count(dict, &live));
        assert_int_equal(live, 1 + synced);
        kist_dict_close(dict);
        KT_OK(kist_close(k));
        KT_OK(kist_destroy(place->path));
        free(offsets);
        free(sample.log);
    }
}

/* --- power cuts -------------------------------------------------------- */

typedef struct cutter {
    char dir[256];
    uint64_t seed;
    uint64_t run; /* what is damaged */
    uint8_t *bytes;
    size_t size;
} cutter;

static void
image_dir(const cutter *c, int kind, char dir[320])
{
    snprintf(dir, 320, "%s/image-%d", c->dir, kind);
}

static void
take_images(void *context)
{
    const cutter *c = context;
    char dir[320];
    int kind;

    for (kind = 0; kind < KT_IMAGE_COUNT; kind++) {
        image_dir(c, kind, dir);
        kt_make_empty(dir);
        kt_io_image(dir, (kt_image)kind, c->seed + (uint64_t)kind);
    }
}

/*
 * An image holds the damaged kist or the mended one, never without what was
 * put aside; and repair makes the one into the other.
 */
static void
judge_image(const kt_sample *sample, const cutter *c, int kind,
            const uint32_t ids[KT_COLL_COUNT], const ki_record *lost)
{
    kt_sample image = *sample;
    kt_place place;
    kist_report report;
    char dir[320];
    kist_status status;

    image_dir(c, kind, dir);
    memset(&place, 0, sizeof(place));
    snprintf(place.path, sizeof(place.path), "%.290s/k", dir);
    image.place = &place;
    status = kt_sample_verify(&image, &report);
    assert_true(status == KIST_OK || status == KIST_ERR_CORRUPT);
    if (status == KIST_ERR_CORRUPT) {
        KT_OK(kist_repair(place.path, NULL, NULL, NULL));
    }
    (void)check_repaired(&image, ids, lost);
    side_file_is(&place, c->run, c->bytes, c->size);
}

/*
 * Goal:   repair leaves the old or the new wherever the power goes.
 * Method: cut before each call of a repair; every kind of image is judged.
 */
static void
test_power_cuts(void **state)
{
    const kt_place *place = *state;
    const uint8_t byte = 0xff;
    uint32_t ids[KT_COLL_COUNT];
    uint64_t nth = 0;
    kt_place now;
    kt_sample sample;
    uint64_t *offsets;
    size_t count;
    ki_record lost;
    cutter c;
    bool cut = true;
    int kind;

    snprintf(now.dir, sizeof(now.dir), "%.240s/now", place->dir);
    snprintf(now.path, sizeof(now.path), "%s/k", now.dir);
    memcpy(c.dir, place->dir, sizeof(c.dir));
    kt_make_empty(now.dir);
    kt_sample_make(&sample, &now);
    offsets = kt_sample_records(&sample, &count);
    for (kind = 0; kind < KT_COLL_COUNT; kind++) {
        ids[kind] = id_of(&sample, (kt_coll)kind);
    }
    lost = record_at(&sample, offsets[count / 2]);
    c.run = offsets[count / 2];
    c.size = (size_t)(offsets[count / 2 + 1] - c.run);
    c.bytes = malloc(c.size);
    assert_non_null(c.bytes);
    memcpy(c.bytes, sample.log + c.run, c.size);
    c.bytes[9] = byte;
    while (cut) {
        c.seed = place->seed + ++nth * 64;
        kt_make_empty(now.dir);
        kt_sample_restore(&sample);
        kt_damage(sample.log_path, c.run + 9, &byte, 1);
        kt_io_install();
        kt_io_record(now.dir);
        kt_io_cut_at(nth, take_images, &c);
        KT_OK(kist_repair(now.path, NULL, NULL, NULL));
        cut = kt_io_was_cut();
        kt_io_cut_at(0, NULL, NULL);
        kt_io_record_stop();
        kt_io_reboot();
        for (kind = 0; cut && kind < KT_IMAGE_COUNT; kind++) {
            judge_image(&sample, &c, kind, ids, &lost);
        }
        kt_io_remove();
    }
    assert_true(nth > 20);
    free(c.bytes);
    free(offsets);
    kt_sample_fini(&sample);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_sound_is_left),
        KT_TEST(test_every_record),
        KT_TEST(test_every_region),
        KT_TEST(test_header),
        KT_TEST(test_locked_stopped_numbered),
        KT_TEST(test_unfinished_batch),
        KT_TEST(test_power_cuts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
