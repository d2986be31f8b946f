#include "engine.h"

#include <stdio.h>
#include <string.h>

#include "workload.h"

const engine *const engine_all[] = {
    &eng_null,
    &eng_memhash,
    &eng_memhash_inplace,
    &eng_kist,
    &eng_lmdb_batch,
    &eng_lmdb_one,
    &eng_lmdb_wmap_one,
    &eng_rocksdb,
    &eng_sqlite_batch,
    &eng_sqlite_one,
    &eng_tkrzw,
    &eng_gdbm,
    NULL,
};

const engine *
engine_find(const char *name)
{
    size_t i;

    for (i = 0; engine_all[i] != NULL; i++) {
        if (strcmp(engine_all[i]->name, name) == 0) {
            return engine_all[i];
        }
    }
    for (i = 0; engine_all[i] != NULL; i++) {
        fprintf(stderr, "%s\n", engine_all[i]->name);
    }
    bench_die("no engine called %s; the names are above", name);
}
