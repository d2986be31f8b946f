/*
 * nfsindex.h - the peer's list of keys: _index.pkl and _index.json.
 *
 *     _index.pkl    a pickled list, set or frozenset of str, protocol 2 to 5
 *     _index.json   a JSON array of strings
 *
 * The reader takes what CPython's picklers write for such objects, and what
 * this writer writes.  It is a machine of a dozen opcodes that builds nothing
 * and calls nothing: any other pickle is no index, and what is no index is
 * not believed (the directory is the truth).
 *
 * Layer    store.
 * Threads  a ki_nfsindex belongs to one.
 */
#ifndef KI_STORE_NFSINDEX_H
#define KI_STORE_NFSINDEX_H

#include "store/nfskey.h"

/* The keys that were read; zeroed is empty. */
typedef struct ki_nfsindex {
    kist_slice *keys; // views into the data that was read, or into `scratch`
    size_t count;
    size_t room;
    kist_buf scratch;
} ki_nfsindex;

/*
 * Reads `data` into a zeroed *index, whose keys live as long as the data.
 * Keys may come more than once.  CORRUPT without error detail: it is not an
 * index; NOMEM.  On failure *index is empty.
 */
KIST_NODISCARD kist_status ki_nfsindex_read(ki_nfsformat format,
                                            kist_slice data,
                                            ki_nfsindex *index);

/* NULL and zeroed are fine. */
void ki_nfsindex_fini(ki_nfsindex *index);

/*
 * Writing: begin, each key, end.  The pickle is of protocol 4, one frame, and
 * memoizes nothing.  NOMEM, TOOBIG.
 */
KIST_NODISCARD kist_status ki_nfsindex_begin(ki_nfsformat format,
                                             kist_buf *data);
KIST_NODISCARD kist_status ki_nfsindex_add(ki_nfsformat format, kist_buf *data,
                                           kist_slice key);
KIST_NODISCARD kist_status ki_nfsindex_end(ki_nfsformat format,
                                           kist_buf *data);

#endif /* KI_STORE_NFSINDEX_H */
