/*
 * check.h - what every cmocka test of kist starts from: a directory of its
 * own, a seed that is printed, and checks that say why a call failed.
 *
 * Seeds come from KT_SEED in the environment, else from the clock.  The
 * directory is below TMPDIR, else /dev/shm, else /tmp.
 *
 * Layer    tests/support.
 */
#ifndef KT_SUPPORT_CHECK_H
#define KT_SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kist/kist.h"

typedef struct kt_place {
    char dir[256];  /* empty at first, removed afterwards */
    char path[300]; /* "<dir>/k": for a kist */
    uint64_t seed;
} kt_place;

/* The cmocka fixture: *state becomes a kt_place. */
int kt_place_setup(void **state);
int kt_place_teardown(void **state);

#define KT_TEST(function)                                                     \
    cmocka_unit_test_setup_teardown(function, kt_place_setup,                 \
                                    kt_place_teardown)

/* Fails the test, with kist_error_text(), unless `call` answers KIST_OK. */
#define KT_OK(call) KT_ANSWERS(KIST_OK, call)

/* Fails the test unless `call` answers `expected`. */
#define KT_ANSWERS(expected, call)                                            \
    kt_check_status((expected), (call), #call, __FILE__, __LINE__)

/* Fails the test with a message unless `condition` holds. */
#define KT_CHECK(condition, ...)                                              \
    ((condition)                                                              \
         ? (void)0                                                            \
         : kt_check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__))

void kt_check_status(kist_status expected, kist_status got, const char *call,
                     const char *file, int line);
void kt_check_failed(const char *file, int line, const char *condition,
                     const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Makes an empty directory at `dir`, removing what is there. */
void kt_make_empty(const char *dir);

/* Removes `dir` and all below it. */
void kt_remove_all(const char *dir);

/* Copies the plain files of one directory into another, made empty. */
void kt_copy_files(const char *from, const char *to);

/* The whole file, which the caller frees; NULL if it cannot be read. */
uint8_t *kt_read_file(const char *path, size_t *size);
void kt_write_file(const char *path, const void *data, size_t size);

/* Numbers that must not grow: entries of /proc/self/fd, /proc/self/maps. */
size_t kt_count_descriptors(void);
size_t kt_count_maps(void);

uint64_t kt_now_ms(void);
void kt_sleep_ms(uint32_t ms);

#endif /* KT_SUPPORT_CHECK_H */
