/*
 * Records reads and writes with their times, for histcheck.
 *
 * The record is a mapped file, so that what a killed writer was doing is in
 * it: an operation without an end.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "units.h"

typedef struct operation {
    _Atomic uint64_t start; /* 0: the record ends here */
    _Atomic uint64_t end;   /* 0: it never returned */
    uint64_t key;
    uint64_t value; /* 0: absent */
    uint64_t write;
} operation;

static uint64_t
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static operation *
record_new(const char *file, uint64_t operations)
{
    const size_t size = (size_t)(operations + 1) * sizeof(operation);
    const int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    void *map = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0) {
        map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (fd >= 0) {
        close(fd);
    }
    return map == MAP_FAILED ? NULL : map;
}

static kist_status
write_one(kist_dict *dict, operation *op, uint64_t unique)
{
    char key[32];
    const kist_value value = kist_int((int64_t)unique);
    kist_status status;

    snprintf(key, sizeof(key), "k%llu", (unsigned long long)op->key);
    op->write = 1;
    op->value = unique;
    atomic_store(&op->start, now_ns());
    status = kist_dict_put(dict, kist_str(key), &value);
    if (status == KIST_OK) {
        atomic_store(&op->end, now_ns());
    }
    return status;
}

static kist_status
read_one(kist_dict *dict, operation *op)
{
    char key[32];
    kist_value value;
    kist_status status;
    const uint64_t start = now_ns();

    snprintf(key, sizeof(key), "k%llu", (unsigned long long)op->key);
    status = kist_dict_get(dict, kist_str(key), &value);
    if (status == KIST_OK || status == KIST_ERR_NOTFOUND) {
        op->value = status == KIST_OK ? (uint64_t)value.as.integer : 0;
        atomic_store(&op->end, now_ns());
        status = KIST_OK;
    }
    atomic_store(&op->start, start);
    return status;
}

int
kw_history(const kw_args *args, const char *role, const char *file,
           uint64_t operations, uint32_t keys)
{
    const bool writes = strcmp(role, "write") == 0;
    operation *record = record_new(file, operations);
    uint64_t random = now_ns();
    kist *k;
    kist_dict *dict;
    kist_status status;

    if (record == NULL || keys == 0) {
        perror(file);
        return 2;
    }
    status = kist_open(kw_path(args), &args->options, &k);
    if (status != KIST_OK) {
        kw_say("open", status);
        return 1;
    }
    status = kist_dict_open(k, kist_str("history"), KIST_INT, &dict);
    for (uint64_t i = 0; status == KIST_OK && i < operations; i++) {
        operation *op = &record[i];

        op->key = kt_random(&random) % keys;
        status = writes ? write_one(dict, op, (random >> 1) | 1)
                        : read_one(dict, op);
        if (writes && i % 5000 == 4999) {
            status = kist_compact(k, NULL, NULL);
        }
    }
    if (status != KIST_OK) {
        kw_say(role, status);
    }
    kist_dict_close(dict);
    (void)kist_close(k);
    return status == KIST_OK ? 0 : 1;
}

int
kw_history_print(const char *file)
{
    FILE *in = fopen(file, "rb");
    operation op;

    if (in == NULL) {
        perror(file);
        return 2;
    }
    while (fread(&op, sizeof(op), 1, in) == 1 && op.start != 0) {
        printf("%c k%llu %llu %llu ", op.write != 0 ? 'w' : 'r',
               (unsigned long long)op.key, (unsigned long long)op.value,
               (unsigned long long)op.start);
        if (op.end == 0) {
            puts("-");
        }
        else {
            printf("%llu\n", (unsigned long long)op.end);
        }
    }
    fclose(in);
    return 0;
}
