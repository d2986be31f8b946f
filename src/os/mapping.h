/*
 * mapping.h - a file mapped once, far beyond its end, so that growth never
 * moves it.
 *
 *      base                  size of the file              base + reserved
 *       |  pages of the file  |  address space not yet backed  |
 *
 * A file that somebody else cuts short under the map would kill the process
 * with SIGBUS.  Registered maps are watched instead: the handler (installed
 * with the first map, and again with any later one that finds another in its
 * place; it chains to what was there) puts pages of zeros where the file has
 * ended and sets the map's `cut` flag.  Zeros are no valid
 * record and no valid index word, and `cut` tells the rest.
 *
 * Layer    os.
 * Threads  init and fini by one thread; the rest by any.
 */
#ifndef KI_OS_MAPPING_H
#define KI_OS_MAPPING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kist/status.h"

typedef struct ki_mapping {
    uint8_t *base;        /* NULL: not mapped */
    size_t reserved;      /* bytes of address space */
    _Atomic uint32_t cut; /* 1: the file ended under the map */
    int slot;             /* in the table of watched maps; -1: unwatched */
} ki_mapping;

typedef enum ki_map_mode {
    KI_MAP_READ,   /* shared, read-only */
    KI_MAP_WRITE,  /* shared, read and write */
    KI_MAP_PRIVATE /* anonymous zeros, read and write; fd is not used */
} ki_map_mode;

/*
 * Maps `fd` from 0 on with at least `size_min` bytes of address space, and
 * `reserve` if the process may have that much: smaller powers are tried down
 * to size_min.  `random` advises against read-ahead.  NOMEM.
 */
KIST_NODISCARD kist_status ki_mapping_init(ki_mapping *mapping, int fd,
                                           const char *path, ki_map_mode mode,
                                           uint64_t size_min, uint64_t reserve,
                                           bool random);

/* Whole pages of a file. */
typedef struct ki_stretch {
    uint64_t offset;
    size_t size;
} ki_stretch;

/*
 * Maps `count` stretches of `fd`, read-only, one behind the other, behind
 * `head` bytes of zeroed memory of our own, which may be written; `head` is
 * whole pages too.  NOMEM, IO.
 */
KIST_NODISCARD kist_status ki_mapping_init_row(ki_mapping *mapping, int fd,
                                               const char *path, size_t head,
                                               const ki_stretch *stretches,
                                               size_t count);

/* Unmaps.  Zeroed objects and NULL are fine. */
void ki_mapping_fini(ki_mapping *mapping);

/* True once the file was found to end under the map. */
static inline bool
ki_mapping_is_cut(const ki_mapping *mapping)
{
    return atomic_load_explicit(&mapping->cut, memory_order_relaxed) != 0;
}

#endif /* KI_OS_MAPPING_H */
