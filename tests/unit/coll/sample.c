#include "sample.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log/reclog.h"

const kist_options kt_sample_options = {.map_reserve = UINT64_C(1) << 22,
                                        .lock_timeout_ms = 1000};

static const kt_step steps[] = {
    {KT_PUT, KT_D, 1, 0, 11},        {KT_PUT, KT_D, 2, 0, 12},
    {KT_PUT, KT_D, 3, 0, 16},        {KT_PUT, KT_D, 4, 0, 17},
    {KT_PUT, KT_D, 2, 0, 24},        {KT_REMOVE, KT_D, 3, 0, 0},
    {KT_PUT, KT_D, 5, 0, 26},        {KT_REMOVE, KT_D, 5, 0, 0},
    {KT_PUT, KT_D, 6, 0, 40},        {KT_PUT, KT_X, 1, 0, 32},
    {KT_PUT, KT_X, 2, 0, 33},        {KT_CLEAR, KT_X, 0, 0, 0},
    {KT_PUT, KT_X, 3, 0, 34},        {KT_APPEND, KT_L, 0, 0, 5},
    {KT_APPEND_MANY, KT_L, 0, 8, 6}, {KT_REVERSE, KT_L, 0, 0, 0},
    {KT_SET, KT_L, 0, 3, 77},        {KT_POP, KT_L, 0, 8, 0},
    {KT_SORT, KT_L, 0, 0, 0},        {KT_APPEND_MANY, KT_T, 0, 6, 48},
    {KT_INSERT, KT_T, 0, 2, 56},     {KT_CUT, KT_T, 2, 3, 0},
    {KT_SET, KT_T, 0, 1, 64},        {KT_APPEND, KT_T, 0, 0, 65},
    {KT_ADD, KT_S, 1, 0, 0},         {KT_ADD, KT_S, 2, 0, 0},
    {KT_ADD, KT_S, 3, 0, 0},         {KT_REMOVE, KT_S, 2, 0, 0},
    {KT_SYNC, KT_D, 0, 0, 0},        {KT_BEGIN, KT_D, 0, 0, 0},
    {KT_PUT, KT_D, 7, 0, 72},        {KT_APPEND, KT_L, 0, 0, 80},
    {KT_ADD, KT_S, 4, 0, 0},         {KT_COMMIT, KT_D, 0, 0, 0},
    {KT_PUT, KT_D, 8, 0, 88},        {KT_OP_END, KT_D, 0, 0, 0},
};

void
kt_sample_make(kt_sample *sample, const kt_place *place)
{
    kt_store store;
    ki_reclog log;
    const kt_step *step;

    memset(sample, 0, sizeof(*sample));
    sample->place = place;
    snprintf(sample->log_path, sizeof(sample->log_path), "%s.kist",
             place->path);
    snprintf(sample->index_path, sizeof(sample->index_path), "%s.kistx",
             place->path);
    kt_world_init(&sample->world, 0);
    KT_OK(kt_store_open(&store, place->path, &kt_sample_options, 0));
    for (step = steps; step->op != KT_OP_END; step++) {
        KT_OK(kt_step_both(&store, &sample->world, step));
    }
    KT_OK(kt_store_close(&store));
    sample->log = kt_read_file(sample->log_path, &sample->log_size);
    sample->index = kt_read_file(sample->index_path, &sample->index_size);
    assert_non_null(sample->log);
    assert_non_null(sample->index);
    KT_OK(ki_reclog_open(&log, sample->log_path, false, 0));
    sample->tail = ki_reclog_closed_end(&log);
    ki_reclog_close(&log);
    assert_true(sample->tail > KI_LOG_BEGIN);
}

void
kt_sample_fini(kt_sample *sample)
{
    kt_world_fini(&sample->world);
    free(sample->log);
    free(sample->index);
}

/* In place: a file of another inode would have another identity. */
static void
write_over(const char *path, const uint8_t *bytes, size_t size)
{
    const int fd = open(path, O_RDWR | O_CREAT, 0600);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, 0), size);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

void
kt_sample_restore(const kt_sample *sample)
{
    write_over(sample->log_path, sample->log, sample->log_size);
    write_over(sample->index_path, sample->index, sample->index_size);
}

void
kt_damage(const char *path, uint64_t offset, const void *bytes, size_t size)
{
    const int fd = open(path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, (off_t)offset), size);
    close(fd);
}

kist_status
kt_sample_verify(const kt_sample *sample, kist_report *report)
{
    kist *k;
    kist_status status;

    memset(report, 0, sizeof(*report));
    status = kist_open(sample->place->path, &kt_sample_options, &k);
    if (status == KIST_OK) {
        status = kist_verify(k, NULL, NULL, report);
        (void)kist_close(k);
    }
    return status;
}

void
kt_sample_holds(const kt_sample *sample, const char *when)
{
    kt_store store;
    char why[400] = "";

    KT_OK(kt_store_open(&store, sample->place->path, &kt_sample_options, 0));
    KT_CHECK(kt_store_check(&store, &sample->world, why, sizeof(why)),
             "%s: %s", when, why);
    KT_OK(kt_store_close(&store));
}

uint64_t *
kt_sample_records(const kt_sample *sample, size_t *count)
{
    uint64_t *offsets = calloc(sample->log_size / 8, sizeof(*offsets));
    uint64_t at = KI_LOG_BEGIN;

    *count = 0;
    while (at < sample->tail) {
        const uint32_t span =
            ki_record_claim(sample->log + at, sample->tail - at);

        assert_int_not_equal(span, 0);
        offsets[(*count)++] = at;
        at += span;
    }
    offsets[*count] = at;
    return offsets;
}
