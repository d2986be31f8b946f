/*
 * memfs.h - a whole file system in memory, under a hard quota.
 *
 *     kist_memfs_options options;
 *     kist_memfs *fs;
 *     kist_memfile *file;
 *
 *     kist_memfs_options_init(&options);
 *     options.quota = 64 << 20;
 *     kist_memfs_new(&options, &fs);
 *     kist_memfs_mkdir(fs, kist_str("/a/b"), false);
 *     kist_memfs_open(fs, kist_str("/a/b/c"), KIST_MODE_WB, NULL, &file);
 *     kist_memfile_write(file, "hello", 5);
 *     kist_memfile_free(file);
 *
 * PATHS are bytes, UTF-8 by convention; "\" counts as "/", "." and empty
 * components as nothing, and a relative path starts at the root.  A path that
 * leaves the root at any point ("a/../..") is KIST_ERR_INVALID.  Names have no
 * other limit: NUL and spaces are letters.
 *
 * LOCKS.  An open file is shared by readers or held by one writer, from open
 * to close, whichever thread that is in.  Who waits, waits in a queue, first
 * come first served, holding nothing else, and until a deadline:
 * KIST_ERR_LOCKED.  What removes or renames a file never waits: an open file
 * is KIST_ERR_LOCKED at once.
 *
 * QUOTA.  What the files hold is counted before memory is taken, and never
 * exceeds the quota by one byte; a refused call (KIST_ERR_QUOTA, see
 * kist_error.asked and .available) leaves files and counters as they were.  A
 * file that was only appended to counts its size and `chunk_overhead` for each
 * append; any other write promotes it (storage AUTO), and from then on it
 * counts its size.
 *
 * LENT BYTES.  A caller may hand over bytes that never change, with a function
 * to call once nobody needs them: they are stored and given back without a
 * copy.
 *
 * FORK.  A child of fork() has its own copy, good if no other thread of the
 * parent was inside a call on it, or waited for a file, at that moment.
 *
 * Layer    public.
 * Threads  any number may use one file system, and one open file.
 */
#ifndef KIST_MEMFS_H
#define KIST_MEMFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kist/bytes.h"
#include "kist/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kist_memfs kist_memfs;
typedef struct kist_memfile kist_memfile; /* a file, opened */

/* Milliseconds to wait, or one of these two. */
#define KIST_WAIT_FOREVER (-1)
#define KIST_WAIT_DEFAULT (-2) /* what the file system was made with */

/* Lent bytes of this size and more are kept where they are; fewer are copied,
 * which costs less than remembering whose they are. */
#define KIST_MEMFS_LENT_MIN 4096

typedef enum kist_memfs_storage {
    KIST_MEMFS_AUTO = 0,     /* sequential until it is written elsewhere */
    KIST_MEMFS_SEQUENTIAL,   /* only appends; others are UNSUPPORTED */
    KIST_MEMFS_RANDOM_ACCESS /* promoted from the first */
} kist_memfs_storage;

typedef enum kist_memfs_guard {
    KIST_GUARD_NONE = 0, /* the quota alone */
    KIST_GUARD_INIT,     /* compares the quota with what the machine has */
    KIST_GUARD_PER_WRITE /* and each growing call with what it has left */
} kist_memfs_guard;

typedef struct kist_memfs_options {
    uint64_t quota;          /* bytes, up to INT64_MAX; 256 MiB */
    uint64_t chunk_overhead; /* bytes counted for an append, up to 2^32; 93 */
    uint64_t promotion_size_max; /* larger files are not promoted; 512 MiB */
    uint64_t nodes_max;          /* files and directories; UINT64_MAX */
    kist_memfs_storage storage;  /* AUTO */
    int64_t lock_timeout_ms;     /* 30 s; KIST_WAIT_FOREVER */
    kist_memfs_guard guard;      /* NONE */
    bool guard_refuses;          /* too little memory is KIST_ERR_NOMEM with
                                    the text in kist_error.path, not only
                                    told to `warn` */
    uint64_t guard_interval_ms;  /* memory is looked at this often; 1 s */
    /*
     * Called in a thread that is inside a call, with no lock held, but perhaps
     * with a file of its own open.  `context` must live as long as anything
     * that came of this file system: open files, walks, streams, clones.
     * `now_ns` gives nanoseconds since 1970 (NULL: the system's clock); `warn`
     * is told what the guard has to say (NULL: nobody is).
     */
    int64_t (*now_ns)(void *context);
    void (*warn)(void *context, const char *text);
    void *context;
} kist_memfs_options;

/* Fills in the values given above. */
void kist_memfs_options_init(kist_memfs_options *options);

/*
 * A new file system with an empty root; NULL options are the defaults.
 * INVALID for values out of range, NODES if nodes_max is 0, NOMEM (also from
 * the guard).
 */
KIST_NODISCARD kist_status kist_memfs_new(const kist_memfs_options *options,
                                          kist_memfs **fs);

/* Lets go of it.  Open files, tickets, walks, streams and loans live on, with
 * what they need. */
void kist_memfs_free(kist_memfs *fs);

/* --- loans: bytes of a file, without a copy ---------------------------------
 *
 * A loan is what a file held at one moment; later writes do not change it.
 * It is given back with kist_loan_return(), also after the file is gone.
 */
typedef struct kist_loan {
    uint64_t size;
    /* The bytes if they lie in one piece, else NULL: kist_loan_copy(). */
    const void *data;
    /* The context of lent bytes if the loan is all of them, else NULL. */
    void *context;
    void *pieces; /* these three are private */
    uint64_t filled;
    uint64_t count;
} kist_loan;

/* Copies all of the loan's bytes to `data`, which has room for them. */
void kist_loan_copy(const kist_loan *loan, void *data);

/* Gives it back and zeroes it.  A zeroed loan is fine. */
void kist_loan_return(kist_loan *loan);

/* --- open files ---------------------------------------------------------- */

/* Python's modes: rb, wb, ab, r+b, xb. */
typedef enum kist_memfs_mode {
    KIST_MODE_RB = 0, /* must exist; shared; reads */
    KIST_MODE_WB,     /* made or emptied; writes */
    KIST_MODE_AB,     /* made if missing; each write goes to the end */
    KIST_MODE_RPB,    /* must exist; reads and writes */
    KIST_MODE_XB      /* must not exist; writes */
} kist_memfs_mode;

typedef struct kist_memfs_open_options {
    int64_t timeout_ms;   /* 0: try once; KIST_WAIT_DEFAULT, _FOREVER */
    uint64_t preallocate; /* at least so many bytes, zeros behind the end */
} kist_memfs_open_options;

/*
 * Opens `path`; NULL options wait for the default time and preallocate
 * nothing.  Answers, in this order: INVALID,
 * ISDIR, NOTFOUND (rb, r+b), EXISTS (xb), NOPARENT, NODES, LOCKED, and for
 * preallocate what kist_memfile_truncate() answers; NOMEM.
 */
KIST_NODISCARD kist_status
kist_memfs_open(kist_memfs *fs, kist_slice path, kist_memfs_mode mode,
                const kist_memfs_open_options *options, kist_memfile **file);

/*
 * As kist_memfs_open(), but never waits: where it would, *file is NULL and
 * *ticket a place in the queue, and wake(context) is called exactly once, in
 * any thread, with no lock held: when the lock was granted, or by
 * kist_ticket_cancel().  It should only pass the word on: others may be told
 * after it has returned, and it may come before this call has, or after
 * kist_ticket_take().  The timeout of `options` is the caller's to keep.
 */
typedef struct kist_ticket kist_ticket;

KIST_NODISCARD kist_status kist_memfs_open_later(
    kist_memfs *fs, kist_slice path, kist_memfs_mode mode,
    const kist_memfs_open_options *options, void (*wake)(void *context),
    void *context, kist_memfile **file, kist_ticket **ticket);

/* Finishes the opening and frees the ticket, or answers LOCKED and keeps it
 * if its turn has not come.  Any other failure frees it too. */
KIST_NODISCARD kist_status kist_ticket_take(kist_ticket *ticket,
                                            kist_memfile **file);

/* Leaves the queue and frees the ticket.  NULL is fine. */
void kist_ticket_cancel(kist_ticket *ticket);

/*
 * Up to `size` bytes from the position on, which moves behind them; *got is 0
 * at the end.  UNSUPPORTED unless the mode reads; CLOSED.
 */
KIST_NODISCARD kist_status kist_memfile_read(kist_memfile *file, void *data,
                                             size_t size, size_t *got);

/* The same as a loan, of at most `size_max` bytes. */
KIST_NODISCARD kist_status kist_memfile_take(kist_memfile *file,
                                             uint64_t size_max,
                                             kist_loan *loan);

/*
 * Writes all of it at the position, or nothing.  Behind the end of the file,
 * zeros fill the gap.  QUOTA; UNSUPPORTED unless the mode writes, and for a
 * file that must not or cannot be promoted; NOMEM; TOOBIG; CLOSED.
 */
KIST_NODISCARD kist_status kist_memfile_write(kist_memfile *file,
                                              const void *data, size_t size);

/*
 * The same with bytes that stay as they are until release(context) is called,
 * once, in any thread, with no lock held: during this call if they were
 * copied.  If the call fails they stay the caller's.
 */
typedef void (*kist_release)(void *context);

KIST_NODISCARD kist_status kist_memfile_write_lent(kist_memfile *file,
                                                   const void *data,
                                                   size_t size,
                                                   kist_release release,
                                                   void *context);

/* What a write of `size` bytes would be refused with now, before there are
 * bytes to write. */
KIST_NODISCARD kist_status kist_memfile_check(kist_memfile *file,
                                              uint64_t size);

/* SEEK_SET, SEEK_CUR or SEEK_END of <stdio.h>.  Past the end is allowed,
 * except with SEEK_END.  INVALID. */
KIST_NODISCARD kist_status kist_memfile_seek(kist_memfile *file,
                                             int64_t offset, int whence,
                                             uint64_t *position);

KIST_NODISCARD kist_status kist_memfile_tell(kist_memfile *file,
                                             uint64_t *position);

/*
 * Makes the file `size` bytes long, with zeros at its end or without its end;
 * the position moves back to the new end if it was behind it.  Takes no
 * memory for zeros.  QUOTA; TOOBIG above INT64_MAX; UNSUPPORTED unless the
 * mode writes; NOMEM; CLOSED.
 */
KIST_NODISCARD kist_status kist_memfile_truncate(kist_memfile *file,
                                                 uint64_t size);

/* How long it is now.  CLOSED. */
KIST_NODISCARD kist_status kist_memfile_size(kist_memfile *file,
                                             uint64_t *size);

/* Lets others have the file; later calls answer CLOSED.  Twice is fine. */
void kist_memfile_close(kist_memfile *file);

/* Closes it and gives its memory back.  NULL is fine. */
void kist_memfile_free(kist_memfile *file);

/* --- the tree ---------------------------------------------------------------
 *
 * All of these answer INVALID for a path that leaves the root.  A file where
 * a directory is needed on the way is NOTFOUND.
 */
typedef enum kist_memfs_kind {
    KIST_MEMFS_NOTHING = 0, /* not there, or no path */
    KIST_MEMFS_FILE,
    KIST_MEMFS_DIR
} kist_memfs_kind;

typedef struct kist_memfs_stat {
    uint64_t size;       /* 0 for directories */
    uint64_t generation; /* changes of the contents; 0 for directories */
    int64_t created_ns;  /* since 1970 */
    int64_t modified_ns;
    bool is_dir;
} kist_memfs_stat;

typedef struct kist_memfs_stats {
    uint64_t used;
    uint64_t quota;
    uint64_t free; /* quota - used */
    uint64_t files;
    uint64_t dirs;   /* the root is one */
    uint64_t chunks; /* of files that were only appended to */
    uint64_t chunk_overhead;
} kist_memfs_stats;

/* What is there; no failure. */
kist_memfs_kind kist_memfs_look(kist_memfs *fs, kist_slice path);

/* NOTFOUND. */
KIST_NODISCARD kist_status kist_memfs_stat_path(kist_memfs *fs,
                                                kist_slice path,
                                                kist_memfs_stat *stat);

/* Takes the same time whatever the file system holds. */
void kist_memfs_stats_get(kist_memfs *fs, kist_memfs_stats *stats);

/* With all missing parents, or none of them.  EXISTS (a directory with
 * exist_ok is fine; a file never is; kist_error.path is the name of a file met
 * where a directory is needed), NODES, NOMEM. */
KIST_NODISCARD kist_status kist_memfs_mkdir(kist_memfs *fs, kist_slice path,
                                            bool exist_ok);

/* A file.  NOTFOUND, ISDIR, LOCKED. */
KIST_NODISCARD kist_status kist_memfs_remove(kist_memfs *fs, kist_slice path);

/* A directory and all below it.  INVALID (the root), NOTFOUND, NOTDIR, LOCKED
 * if any file below is open; nothing is removed then. */
KIST_NODISCARD kist_status kist_memfs_rmtree(kist_memfs *fs, kist_slice path);

/* Moves a file or directory, open files excluded, over nothing.  INVALID (the
 * root, or into itself), NOTFOUND, EXISTS, NOPARENT, LOCKED, NOMEM. */
KIST_NODISCARD kist_status kist_memfs_rename(kist_memfs *fs, kist_slice from,
                                             kist_slice to);

/* The same, making the parents of `to`; EXISTS if one of them is a file. */
KIST_NODISCARD kist_status kist_memfs_move(kist_memfs *fs, kist_slice from,
                                           kist_slice to);

/* One file; the copy shares its bytes until one of them is written.  Waits
 * for a writer of `from`.  NOTFOUND, ISDIR, EXISTS, NOPARENT, LOCKED, NODES,
 * QUOTA, NOMEM. */
KIST_NODISCARD kist_status kist_memfs_copy(kist_memfs *fs, kist_slice from,
                                           kist_slice to, int64_t timeout_ms);

/* A directory with all below it, as of one moment; all or nothing, and into
 * itself too.  Waits for writers below `from`.  NOTFOUND, NOTDIR, EXISTS,
 * NOPARENT, LOCKED, QUOTA, NODES, NOMEM. */
KIST_NODISCARD kist_status kist_memfs_copy_tree(kist_memfs *fs,
                                                kist_slice from, kist_slice to,
                                                int64_t timeout_ms);

/* --- listings ------------------------------------------------------------ */

/* Names or paths, in one block of memory.  The first `dirs` of them are
 * directories where a function says so. */
typedef struct kist_memfs_names {
    size_t count;
    size_t dirs;
    kist_slice *names;
} kist_memfs_names;

/* NULL is fine. */
void kist_memfs_names_free(kist_memfs_names *names);

/* The names in a directory, in the order in which they came.  NOTFOUND,
 * NOTDIR, NOMEM. */
KIST_NODISCARD kist_status kist_memfs_list(kist_memfs *fs, kist_slice path,
                                           kist_memfs_names **names);

/*
 * What tells this directory with these names from any other, and from itself
 * before and after a name came or went.  0 is never given.  NOTFOUND, NOTDIR.
 */
KIST_NODISCARD kist_status kist_memfs_list_version(kist_memfs *fs,
                                                   kist_slice path,
                                                   uint64_t *version);

/*
 * All paths that match, sorted by their bytes, each once.  Parts are matched
 * as Python's fnmatch does (* ? [seq] [!seq], letters being code points); a
 * part "**" stands for any number of directories, and as the last part for
 * everything below.  NOMEM.
 */
KIST_NODISCARD kist_status kist_memfs_glob(kist_memfs *fs, kist_slice pattern,
                                           kist_memfs_names **paths);

/* Top-down, each directory as it is when it is reached. */
typedef struct kist_memfs_walk kist_memfs_walk;

/* NOTFOUND, NOTDIR, NOMEM. */
KIST_NODISCARD kist_status kist_memfs_walk_open(kist_memfs *fs,
                                                kist_slice path,
                                                kist_memfs_walk **walk);

/* The next directory's path and names, directories first (names->dirs); good
 * until the next call.  KIST_END; NOMEM: the next call tries again. */
KIST_NODISCARD kist_status kist_memfs_walk_next(
    kist_memfs_walk *walk, kist_slice *path, const kist_memfs_names **names);

/* Is what a directory of this version holds known?  It runs under the lock of
 * the tree: it must be quick, and call nothing of the file system. */
typedef bool (*kist_memfs_known)(void *context, uint64_t version);

/*
 * As kist_memfs_walk_next(), for who remembers names: `version` is what
 * kist_memfs_list_version() tells of the directory with these names, and
 * `names` NULL where `known` (or NULL) says that they are.
 */
KIST_NODISCARD kist_status kist_memfs_walk_on(kist_memfs_walk *walk,
                                              kist_memfs_known known,
                                              void *context, kist_slice *path,
                                              uint64_t *version,
                                              const kist_memfs_names **names);

/* NULL is fine.  May come after the file system was let go. */
void kist_memfs_walk_close(kist_memfs_walk *walk);

/* --- in and out ---------------------------------------------------------- */

/* All of a file.  Waits for its writer.  NOTFOUND, ISDIR, LOCKED, NOMEM. */
KIST_NODISCARD kist_status kist_memfs_export(kist_memfs *fs, kist_slice path,
                                             int64_t timeout_ms,
                                             kist_loan *loan);

/* The same, always in one piece (loan->data): a file in several is put
 * together once.  An empty file's data is not NULL either. */
KIST_NODISCARD kist_status kist_memfs_view(kist_memfs *fs, kist_slice path,
                                           int64_t timeout_ms,
                                           kist_loan *loan);

/* Many files: what an export gives and an import takes. */
typedef struct kist_memfs_item {
    kist_slice path;
    kist_loan loan;       /* export */
    kist_slice data;      /* import */
    kist_release release; /* import: lent if not NULL */
    void *context;
} kist_memfs_item;

typedef struct kist_memfs_bundle {
    size_t count;
    kist_memfs_item *items;
} kist_memfs_bundle;

/*
 * The files at and below `prefix` with their contents, depth first in the
 * order in which they came, all as of one moment; nothing if it is missing.
 * `dirty`: only those with generation > 0.  Waits for writers.  LOCKED, NOMEM.
 */
KIST_NODISCARD kist_status kist_memfs_export_tree(kist_memfs *fs,
                                                  kist_slice prefix,
                                                  bool dirty,
                                                  int64_t timeout_ms,
                                                  kist_memfs_bundle **bundle);

/* Returns its loans too.  NULL is fine. */
void kist_memfs_bundle_free(kist_memfs_bundle *bundle);

/*
 * The same one after the other: which files there are is as of the opening,
 * what each holds as of its turn.  One that was removed meanwhile is left
 * out, one that was renamed comes with its old path.
 */
typedef struct kist_memfs_stream kist_memfs_stream;

KIST_NODISCARD kist_status kist_memfs_stream_open(kist_memfs *fs,
                                                  kist_slice prefix,
                                                  bool dirty,
                                                  kist_memfs_stream **stream);

/* The next file; *path is good until the next call, the loan is the caller's.
 * Waits for its writer.  KIST_END; LOCKED, NOMEM: the next call tries the same
 * file again. */
KIST_NODISCARD kist_status kist_memfs_stream_next(kist_memfs_stream *stream,
                                                  int64_t timeout_ms,
                                                  kist_slice *path,
                                                  kist_loan *loan);

/* NULL is fine.  May come after the file system was let go. */
void kist_memfs_stream_close(kist_memfs_stream *stream);

/*
 * Makes or replaces all of these files, with their parents, or none.  The last
 * of two items for one path counts.  Lent items are the library's if it
 * answers OK, else all stay the caller's.  ISDIR (the path is a directory or
 * the root), EXISTS (a parent is a file: kist_error.path is its name), LOCKED
 * (open), QUOTA, NODES, NOMEM.
 */
KIST_NODISCARD kist_status kist_memfs_import(kist_memfs *fs,
                                             const kist_memfs_item *items,
                                             size_t count);

/*
 * A file system of its own with the same tree and options, as of one moment.
 * Bytes are shared until one of the two changes them, so this costs time and
 * memory for each node, not for each byte.  Its own quota counts them again.
 * Files open for writing are cloned as they are.  NOMEM.
 */
KIST_NODISCARD kist_status kist_memfs_clone(kist_memfs *fs,
                                            kist_memfs **clone);

/*
 * Makes fs hold what `from` holds, as of one moment, shared likewise; `from`
 * stays as it is.  LOCKED if a file of fs is open; QUOTA, NODES, NOMEM: fs is
 * then as it was.
 */
KIST_NODISCARD kist_status kist_memfs_restore(kist_memfs *fs,
                                              kist_memfs *from);

/* The path as it is understood: "/a/b".  INVALID, NOMEM. */
KIST_NODISCARD kist_status kist_memfs_normalize(kist_slice path,
                                                kist_buf *normal);

#ifdef __cplusplus
}
#endif

#endif /* KIST_MEMFS_H */
