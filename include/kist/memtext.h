/*
 * memtext.h - text in an open file of a memory file system.
 *
 *     kist_memtext *t;
 *     kist_slice line;
 *
 *     kist_memtext_new(file, &t);
 *     while (kist_memtext_readline(t, KIST_MEMTEXT_ALL, &line) == KIST_OK &&
 *            line.size > 0) {
 *         use(line);
 *     }
 *     kist_memtext_free(t);
 *
 * Text is UTF-8 in its shortest form, without surrogates; letters are its code
 * points.  Nothing is read ahead: the position of the file is always behind
 * what was handed out, so it may be moved, and the file be read and written
 * otherwise, between two calls.
 *
 * Layer    public.
 * Threads  one at a time for one kist_memtext.
 */
#ifndef KIST_MEMTEXT_H
#define KIST_MEMTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "kist/bytes.h"
#include "kist/memfs.h"
#include "kist/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kist_memtext kist_memtext;

/* As a count of letters: all there are. */
#define KIST_MEMTEXT_ALL UINT64_MAX

/*
 * Text over an open file, which stays the caller's and must outlive it.
 * NOMEM.
 */
KIST_NODISCARD kist_status kist_memtext_new(kist_memfile *file,
                                            kist_memtext **text);

/* The file stays open.  NULL is fine. */
void kist_memtext_free(kist_memtext *text);

/*
 * Writes all of it or nothing; *count letters, if count is not NULL.  INVALID
 * if it is no text, with the offset in kist_error; else as
 * kist_memfile_write() answers.
 */
KIST_NODISCARD kist_status kist_memtext_write(kist_memtext *text,
                                              kist_slice written,
                                              uint64_t *count);

/*
 * The next letters, at most count_max; empty at the end of the file.  Good
 * until the next call.
 *
 * CORRUPT if what is there is no text, or ends within a letter, with the
 * offset in kist_error; NOMEM; else as kist_memfile_read() answers.  After a
 * failure the position is where it was.
 */
KIST_NODISCARD kist_status kist_memtext_read(kist_memtext *text,
                                             uint64_t count_max,
                                             kist_slice *got);

/*
 * The same up to the end of the line, which is included as it stands: "\n",
 * "\r\n", or "\r" alone.  A "\r\n" that begins within count_max is handed out
 * whole.
 */
KIST_NODISCARD kist_status kist_memtext_readline(kist_memtext *text,
                                                 uint64_t count_max,
                                                 kist_slice *got);

#ifdef __cplusplus
}
#endif

#endif /* KIST_MEMTEXT_H */
