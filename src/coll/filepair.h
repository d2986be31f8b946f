/*
 * filepair.h - the two files of a kist by name, and having them to oneself.
 *
 * Layer    coll.
 * Threads  any.
 */
#ifndef KI_COLL_FILEPAIR_H
#define KI_COLL_FILEPAIR_H

#include "log/reclog.h"

/*
 * PATH.kist and PATH.kistx from PATH with or without ".kist"; the caller frees
 * both, also on failure.  INVALID (empty), NOMEM.
 */
KIST_NODISCARD kist_status ki_filepair_paths(const char *path, char **log_path,
                                             char **index_path);

/*
 * Opens the log for writing and takes both of its lock bytes exclusively,
 * without waiting: nobody has the kist open, and whoever opens it waits.
 * LOCKED, or what ki_reclog_open() answers; then the log is closed.
 */
KIST_NODISCARD kist_status ki_filepair_open_alone(ki_reclog *log,
                                                  const char *log_path,
                                                  uint64_t reserve);

#endif /* KI_COLL_FILEPAIR_H */
