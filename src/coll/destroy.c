#include "base/alloc.h"
#include "coll/filepair.h"
#include "coll/gen.h"
#include "kist/handle.h"
#include "os/file.h"

/*
 * The index goes first, and for certain: an index without its log looks like
 * a log that was lost, and nothing could be created in its place.
 */
static kist_status
remove_both(const char *log_path, const char *index_path)
{
    kist_status status = KIST_OK;

    if (ki_file_exists(index_path)) {
        status = ki_file_remove(index_path);
        if (status == KIST_OK) {
            status = ki_file_sync_parent(index_path);
        }
    }
    if (status == KIST_OK) {
        ki_gen_sweep(log_path, index_path);
        status = ki_file_remove(log_path);
    }
    return status == KIST_OK ? ki_file_sync_parent(log_path) : status;
}

kist_status
kist_destroy(const char *path)
{
    char *log_path;
    char *index_path;
    ki_reclog log;
    kist_status status;

    status = ki_filepair_paths(path, &log_path, &index_path);
    if (status == KIST_OK) {
        status = ki_filepair_open_alone(&log, log_path, 0);
        if (status == KIST_OK) {
            status = remove_both(log_path, index_path);
            ki_reclog_close(&log);
        }
    }
    ki_free(log_path);
    ki_free(index_path);
    return status;
}
