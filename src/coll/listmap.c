#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "codec/klass.h"
#include "coll/coll.h"
#include "coll/listview.h"
#include "coll/seq.h"
#include "index/slots.h"
#include "kist/list.h"
#include "os/file.h"
#include "os/filelock.h"

/* Below, copying is faster than mapping and unmapping, by far. */
#define MAPPED_MIN (UINT64_C(1) << 16)

/* Items in front of the first extent that begins at a page. */
#define FRONT                                                                 \
    ((UINT64_C(128) << (KI_CLASS_PAGED - KI_CLASS_MIN)) - UINT64_C(128))

#define TRIES   3u
#define COPIED  1024u /* words at a time */
#define LEND_MS 10u   /* a writer looks at a byte for less */

/*
 *   map     [ head: a copy of the front ][ pages of extent ][ extent ] ...
 *                  ^ words
 *   fd      has a shared lock on the first byte of each of these extents
 *
 * The descriptor is the view's own, as its locks must outlive the kist, and
 * be seen by the writers of this process too.  A child of fork() shares it:
 * they hold until both have let go.
 *
 * A mapped view is shared by all who ask for it while the list has not been
 * written to, and kept on the shelf of its generation when they are gone.
 */
struct kist_list_view {
    _Atomic uint32_t references; /* users, and the shelf */
    _Atomic bool shelved;
    uint32_t forks;  /* ki_inflight_forks when it was made */
    uint64_t header; /* of the list; its serial and its writes then */
    uint64_t serial;
    uint64_t writes;
    const void *words;
    uint64_t count;
    ki_mapping map; /* base NULL: a copy */
    int fd;         /* or -1 */
    uint64_t *copy; /* owned, or NULL */
};

/* Which bytes of the index make the array. */
typedef struct plan {
    uint64_t table;
    uint64_t version;
    uint64_t count;
    uint32_t lent_count;
    uint32_t stretch_count;
    uint64_t lent[KI_SLOTS_EXTENTS];
    ki_stretch stretches[KI_SLOTS_EXTENTS];
} plan;

/* --- mapping
 * -------------------------------------------------------------------- */

/* Extents that are neighbours in the file as well are mapped in one. */
static void
add_stretch(plan *p, uint64_t offset, size_t size)
{
    ki_stretch *last = &p->stretches[p->stretch_count];

    if (p->stretch_count > 0 && last[-1].offset + last[-1].size == offset) {
        last[-1].size += size;
        return;
    }
    last->offset = offset;
    last->size = size;
    p->stretch_count++;
}

/* False if the list cannot be mapped, or is just being changed. */
static bool
make_plan(const ki_idx *idx, uint64_t header, plan *p)
{
    uint64_t before;
    uint64_t behind;
    uint64_t i;

    p->lent_count = 0;
    p->stretch_count = 0;
    p->version = ki_view_begin(idx);
    if (ki_word_load(idx, header + KI_C_TREE) != 0) {
        return false;
    }
    p->table = ki_word_load(idx, header + KI_C_TABLE);
    p->count = ki_word_load(idx, header + KI_C_SLOTS);
    if (p->table == 0 || p->count < MAPPED_MIN || p->count > SIZE_MAX / 16) {
        return false;
    }
    for (i = FRONT; i < p->count; i += behind + 1) {
        const uint64_t at = ki_slots_at(idx, NULL, header + KI_C_TABLE, i);
        uint64_t size;

        ki_slots_row(i, &before, &behind);
        size = p->count - i <= behind ? p->count - i : behind + 1;
        size = (size * 8 + KI_IDX_PAGE - 1) & ~(KI_IDX_PAGE - 1);
        if (at < KI_IDX_ARENA || at % KI_IDX_PAGE != 0 ||
            !ki_idx_holds(idx, at, size)) {
            return false;
        }
        p->lent[p->lent_count++] = at;
        add_stretch(p, at, (size_t)size);
    }
    return true;
}

/* A descriptor of our own of the very file that the index is. */
static bool
open_again(const ki_idx *idx, int *fd)
{
    struct stat ours;
    struct stat theirs;

    return ki_file_open(idx->path, O_RDONLY | O_NOFOLLOW, 0, fd) == KIST_OK &&
           ki_io->fstat(idx->fd, &ours) == 0 &&
           ki_io->fstat(*fd, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
           ours.st_dev == theirs.st_dev;
}

static bool
lend(const ki_idx *idx, const plan *p, int fd)
{
    uint32_t i;

    for (i = 0; i < p->lent_count; i++) {
        if (ki_filelock_take(fd, idx->path, p->lent[i], KI_LOCK_SHARED,
                             LEND_MS) != KIST_OK) {
            return false;
        }
    }
    return true;
}

static bool
copy_front(const ki_idx *idx, uint64_t header, uint64_t *words)
{
    uint64_t before;
    uint64_t behind;
    uint64_t i;
    uint64_t k;

    for (i = 0; i < FRONT; i += behind + 1) {
        const uint64_t at = ki_slots_at(idx, NULL, header + KI_C_TABLE, i);

        ki_slots_row(i, &before, &behind);
        if (at == 0 || !ki_idx_holds(idx, at, (behind + 1) * 8)) {
            return false;
        }
        for (k = 0; k <= behind; k++) {
            words[i + k] = ki_word_load(idx, at + k * 8);
        }
    }
    return true;
}

/*
 * The extents may have been freed before they were lent.  Not if the table
 * that they hang on is still the list's, and has been all the time: it is
 * freed together with them, and what is used again raises the horizon.
 */
static bool
still_stands(const ki_idx *idx, uint64_t header, const plan *p)
{
    return ki_word_load(idx, header + KI_C_TREE) == 0 &&
           ki_word_load(idx, header + KI_C_TABLE) == p->table &&
           ki_view_held(idx, p->version) && !ki_mapping_is_cut(&idx->map);
}

static void
let_go(kist_list_view *view)
{
    ki_mapping_fini(&view->map);
    ki_file_close(&view->fd);
}

/* False if the list must be copied, whatever the reason. */
static bool
map_words(const ki_reader *r, kist_list_view *view)
{
    const size_t front = (size_t)FRONT * 8;
    const size_t head =
        (front + (size_t)KI_IDX_PAGE - 1) & ~((size_t)KI_IDX_PAGE - 1);
    const ki_idx *idx = &r->gen->idx;
    plan p;
    unsigned tries;

    for (tries = 0; tries < TRIES; tries++) {
        if (!make_plan(idx, r->header, &p) || !open_again(idx, &view->fd) ||
            !lend(idx, &p, view->fd) ||
            ki_mapping_init_row(&view->map, view->fd, idx->path, head,
                                p.stretches, p.stretch_count) != KIST_OK) {
            let_go(view);
            return false;
        }
        view->words = view->map.base + (head - front);
        view->count = p.count;
        if (copy_front(idx, r->header,
                       (uint64_t *)(void *)(view->map.base + head - front)) &&
            still_stands(idx, r->header, &p)) {
            return true;
        }
        let_go(view);
    }
    return false;
}

/* --- the shelf
 * -------------------------------------------------------------------- */

static void
unref(kist_list_view *view)
{
    const uint32_t left = atomic_fetch_sub(&view->references, 1) - 1;

    if (left == 0) {
        let_go(view);
        ki_free(view->copy);
        ki_free(view);
    }
    else if (left == 1 && atomic_load(&view->shelved) &&
             view->forks != atomic_load(&ki_inflight_forks)) {
        // A child has no use of its parent's shelf: its last user lets go.
        let_go(view);
    }
}

/* What makes it the view that would be opened now. */
static void
note_state(const ki_reader *r, kist_list_view *view)
{
    view->header = r->header;
    view->serial = ki_word_load(&r->gen->idx, r->header + KI_C_SERIAL);
    view->writes = ki_word_load(&r->gen->idx, r->header + KI_C_WRITES);
}

/* A view of the list as `now` notes it, or NULL. */
static kist_list_view *
shelf_find(ki_gen *gen, const kist_list_view *now)
{
    kist_list_view *found = NULL;
    uint32_t i;

    (void)pthread_mutex_lock(&gen->shelf.mutex);
    for (i = 0; i < KI_VIEWS_KEPT && found == NULL; i++) {
        kist_list_view *view = gen->shelf.views[i];

        if (view != NULL && view->header == now->header &&
            view->serial == now->serial && view->writes == now->writes &&
            !ki_mapping_is_cut(&view->map)) {
            atomic_fetch_add(&view->references, 1);
            found = view;
        }
    }
    (void)pthread_mutex_unlock(&gen->shelf.mutex);
    return found;
}

void
ki_views_drop(ki_gen *gen, uint64_t header)
{
    kist_list_view *taken[KI_VIEWS_KEPT];
    uint32_t count = 0;
    uint32_t i;

    if (KI_LIKELY(atomic_load(&gen->shelf.count) == 0)) {
        return;
    }
    (void)pthread_mutex_lock(&gen->shelf.mutex);
    for (i = 0; i < KI_VIEWS_KEPT; i++) {
        kist_list_view *view = gen->shelf.views[i];

        if (view != NULL && view->header == header) {
            atomic_store(&view->shelved, false);
            gen->shelf.views[i] = NULL;
            taken[count++] = view;
        }
    }
    atomic_fetch_sub(&gen->shelf.count, count);
    (void)pthread_mutex_unlock(&gen->shelf.mutex);
    // Unmapping takes its time.
    while (count > 0) {
        unref(taken[--count]);
    }
}

/* In the place of an older one of the same list, or of the one that has been
 * there for longest. */
static void
shelf_put(ki_gen *gen, kist_list_view *view)
{
    kist_list_view *old;
    uint32_t at;

    ki_views_drop(gen, view->header);
    atomic_fetch_add(&view->references, 1);
    atomic_store(&view->shelved, true);
    (void)pthread_mutex_lock(&gen->shelf.mutex);
    at = gen->shelf.next++ % KI_VIEWS_KEPT;
    old = gen->shelf.views[at];
    gen->shelf.views[at] = view;
    if (old != NULL) {
        atomic_store(&old->shelved, false);
    }
    else {
        atomic_fetch_add(&gen->shelf.count, 1);
    }
    (void)pthread_mutex_unlock(&gen->shelf.mutex);
    if (old != NULL) {
        unref(old);
    }
}

void
ki_views_forget(ki_gen *gen)
{
    uint32_t i;

    // Without the mutex, which after fork() may be held for ever.
    for (i = 0; i < KI_VIEWS_KEPT; i++) {
        kist_list_view *view = gen->shelf.views[i];

        gen->shelf.views[i] = NULL;
        if (view != NULL) {
            atomic_store(&view->shelved, false);
            unref(view);
        }
    }
}

/* --- copying
 * -------------------------------------------------------------------- */

static kist_status
copy_words(const ki_reader *r, uint64_t count, kist_list_view *view)
{
    uint64_t at = 0;
    uint32_t got;
    kist_status status;

    if (count > SIZE_MAX / 16) {
        return ki_bad_index(r->gen, r->header);
    }
    view->copy = ki_realloc(NULL, (size_t)(count > 0 ? count : 1) * 8);
    if (view->copy == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, r->gen->log.path, KI_NO_OFFSET, "view");
    }
    while (at < count) {
        status = ki_seq_words(
            &r->gen->idx, r->own, r->header, at, view->copy + at,
            count - at < COPIED ? (uint32_t)(count - at) : COPIED, &got);
        if (status != KIST_OK) {
            return ki_bad_index(r->gen, r->header);
        }
        if (got == 0) {
            break; // it has become shorter
        }
        at += got;
    }
    view->words = view->copy;
    view->count = at;
    return KIST_OK;
}

/* --- views
 * ---------------------------------------------------------------------- */

/* The words of the list in `view`, or another view of them in *out. */
static kist_status
read_words(const ki_reader *r, kist_list_view *view, kist_list_view **out)
{
    const uint64_t count = ki_seq_count(&r->gen->idx, r->own, r->header);

    if (count == UINT64_MAX) {
        return ki_bad_index(r->gen, r->header);
    }
    if (count >= MAPPED_MIN && r->own == NULL && r->gen->idx.fd >= 0) {
        note_state(r, view);
        *out = shelf_find(r->gen, view);
        if (*out != NULL) {
            return KIST_OK;
        }
        if (map_words(r, view)) {
            return KIST_OK;
        }
    }
    return copy_words(r, count, view);
}

static kist_status
open_once(ki_coll *c, kist_list_view *view, kist_list_view **out)
{
    ki_reader r;
    kist_status status;

    status = ki_read_begin(c, &r);
    if (status != KIST_OK) {
        return status;
    }
    status = read_words(&r, view, out);
    if (ki_mapping_is_cut(&r.gen->idx.map)) {
        status = ki_bad_index(r.gen, r.header);
    }
    if (status == KIST_OK && view->map.base != NULL) {
        shelf_put(r.gen, view);
    }
    status = ki_read_end(c, &r, status);
    if (status != KIST_OK) {
        let_go(view); // nobody else has seen it
        ki_free(view->copy);
        view->copy = NULL;
    }
    return status;
}

kist_status
kist_list_view_open(kist_list *list, kist_list_view **out)
{
    ki_coll *c = &list->coll;
    kist_list_view *view;
    kist_list_view *found = NULL;
    kist_status status;

    *out = NULL;
    if (!ki_klass_inline(c->type)) {
        return KI_FAIL(KIST_ERR_TYPE, c->k->log_path, KI_NO_OFFSET,
                       "a view needs a list of numbers of 8 bytes");
    }
    view = ki_calloc(1, sizeof(*view));
    if (view == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, c->k->log_path, KI_NO_OFFSET, "view");
    }
    atomic_init(&view->references, 1);
    view->forks = atomic_load(&ki_inflight_forks);
    view->fd = -1;
    do {
        status = open_once(c, view, &found);
        if (status != KIST_OK) {
            kist_list_view_close(found);
            found = NULL;
        }
    } while (status == KI_AGAIN);
    if (found != NULL || status != KIST_OK) {
        kist_list_view_close(view);
        view = found;
    }
    *out = view;
    return status;
}

const void *
kist_list_view_words(const kist_list_view *view)
{
    return view->words;
}

uint64_t
kist_list_view_count(const kist_list_view *view)
{
    return view->count;
}

bool
kist_list_view_mapped(const kist_list_view *view)
{
    return view->map.base != NULL;
}

void
kist_list_view_close(kist_list_view *view)
{
    if (view != NULL) {
        unref(view);
    }
}
