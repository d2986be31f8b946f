#include "support/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t
seed_of_run(void)
{
    const char *text = getenv("KT_SEED");
    struct timespec now;

    if (text != NULL) {
        return strtoull(text, NULL, 0);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000) %
           1000000007u;
}

int
kt_place_setup(void **state)
{
    const char *base = getenv("TMPDIR");
    kt_place *place = calloc(1, sizeof(*place));

    if (place == NULL) {
        return -1;
    }
    if (base == NULL) {
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    }
    snprintf(place->dir, sizeof(place->dir), "%s/kist-test-XXXXXX", base);
    if (mkdtemp(place->dir) == NULL) {
        fprintf(stderr, "%s: %s\n", place->dir, strerror(errno));
        free(place);
        return -1;
    }
    snprintf(place->path, sizeof(place->path), "%s/k", place->dir);
    place->seed = seed_of_run();
    print_message("           KT_SEED=%llu\n",
                  (unsigned long long)place->seed);
    *state = place;
    return 0;
}

int
kt_place_teardown(void **state)
{
    kt_place *place = *state;

    kt_remove_all(place->dir);
    free(place);
    return 0;
}

void
kt_check_status(kist_status expected, kist_status got, const char *call,
                const char *file, int line)
{
    char text[600] = "";

    if (got == expected) {
        return;
    }
    if (got != KIST_OK) {
        kist_error_text(text, sizeof(text));
    }
    print_error("%s: answered %s, not %s: %s\n", call, kist_status_name(got),
                kist_status_name(expected), text);
    _fail(file, line);
}

void
kt_check_failed(const char *file, int line, const char *condition,
                const char *format, ...)
{
    char text[800];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    print_error("not so: %s: %s\n", condition, text);
    _fail(file, line);
}

static int
remove_entry(const char *path, const struct stat *status, int flag,
             struct FTW *where)
{
    (void)status;
    (void)flag;
    (void)where;
    return remove(path);
}

void
kt_remove_all(const char *dir)
{
    (void)chmod(dir, 0700);
    (void)nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void
kt_make_empty(const char *dir)
{
    kt_remove_all(dir);
    if (mkdir(dir, 0700) != 0) {
        print_error("%s: %s\n", dir, strerror(errno));
        fail();
    }
}

uint8_t *
kt_read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    struct stat status;

    *size = 0;
    if (file != NULL && fstat(fileno(file), &status) == 0) {
        data = malloc((size_t)status.st_size + 1);
        if (data != NULL) {
            *size = fread(data, 1, (size_t)status.st_size, file);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return data;
}

void
kt_write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL || fwrite(data, 1, size, file) != size ||
        fclose(file) != 0) {
        print_error("%s: %s\n", path, strerror(errno));
        fail();
    }
}

void
kt_copy_files(const char *from, const char *to)
{
    DIR *dir = opendir(from);
    struct dirent *entry;

    kt_make_empty(to);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char source[600];
        char target[600];
        size_t size;
        uint8_t *data;

        if (entry->d_type != DT_REG) {
            continue;
        }
        snprintf(source, sizeof(source), "%s/%s", from, entry->d_name);
        snprintf(target, sizeof(target), "%s/%s", to, entry->d_name);
        data = kt_read_file(source, &size);
        if (data != NULL) {
            kt_write_file(target, data, size);
            free(data);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

size_t
kt_count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    while (dir != NULL && readdir(dir) != NULL) {
        count++;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

/* Only maps of files below a kist count: malloc makes others as it likes. */
size_t
kt_count_maps(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    char line[1024];
    size_t count = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        count += strstr(line, ".kist") != NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return count;
}

uint64_t
kt_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
kt_sleep_ms(uint32_t ms)
{
    const struct timespec span = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&span, NULL);
}
