#include "memfs/fsys.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "memfs/tree.h"
#include "os/io.h"
#include "os/shmlock.h"

#define NS_PER_MS ((uint64_t)1000000)

#define QUOTA          ((uint64_t)256 << 20)
#define CHUNK_OVERHEAD 93
#define OVERHEAD_MAX   ((uint64_t)1 << 32)
#define PROMOTION_MAX  ((uint64_t)512 << 20)
#define LOCK_MS        30000
#define GUARD_MS       1000

void
kist_memfs_options_init(kist_memfs_options *options)
{
    *options = (kist_memfs_options){
        .quota = QUOTA,
        .chunk_overhead = CHUNK_OVERHEAD,
        .promotion_size_max = PROMOTION_MAX,
        .nodes_max = UINT64_MAX,
        .lock_timeout_ms = LOCK_MS,
        .guard_interval_ms = GUARD_MS,
    };
}

static kist_status
check_options(const kist_memfs_options *options)
{
    if ((int)options->storage < KIST_MEMFS_AUTO ||
        options->storage > KIST_MEMFS_RANDOM_ACCESS) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "storage");
    }
    if ((int)options->guard < KIST_GUARD_NONE ||
        options->guard > KIST_GUARD_PER_WRITE) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "guard");
    }
    if (options->lock_timeout_ms < KIST_WAIT_FOREVER) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "lock timeout");
    }
    // So no sum of what files count is too large a number.
    if (options->quota > INT64_MAX) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "quota");
    }
    if (options->chunk_overhead > OVERHEAD_MAX) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "chunk overhead");
    }
    if (options->nodes_max == 0) {
        return KI_FAIL_LIMIT(KIST_ERR_NODES, 0, 0, "nodes");
    }
    return KIST_OK;
}

/* Needs fs->options; the lock is the last that can fail. */
static kist_status
make_root(kist_memfs *fs)
{
    uint64_t seed;
    kist_status status;

    if (ki_io->random(&seed, sizeof(seed)) != 0) {
        return KI_FAIL(KIST_ERR_IO, NULL, KI_NO_OFFSET, "random seed");
    }
    status = ki_names_init(&fs->names, seed);
    if (status != KIST_OK) {
        return status;
    }
    fs->root = ki_dir_new(kist_bytes(NULL, 0), ki_fs_now(fs));
    if (fs->root == NULL) {
        status = KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "root");
    }
    else {
        fs->root->version = ki_tree_version();
        status = ki_brlock_init(&fs->lock);
    }
    if (status != KIST_OK) {
        ki_free(fs->root);
        ki_names_fini(&fs->names);
    }
    return status;
}

kist_status
kist_memfs_new(const kist_memfs_options *options, kist_memfs **fs)
{
    char text[KI_MEMGUARD_TEXT_SIZE];
    kist_memfs *fresh;
    kist_status status;

    *fs = NULL;
    if (options != NULL) {
        status = check_options(options);
        if (status != KIST_OK) {
            return status;
        }
    }
    fresh = ki_calloc(1, sizeof(*fresh));
    if (fresh == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "file system");
    }
    kist_memfs_options_init(&fresh->options);
    if (options != NULL) {
        fresh->options = *options;
    }
    fresh->quota.limit = fresh->options.quota;
    atomic_init(&fresh->refs, 1);
    atomic_init(&fresh->dirs, 1);
    ki_memguard_init(&fresh->guard, NULL, fresh->options.guard_interval_ms);
    status = make_root(fresh);
    if (status != KIST_OK) {
        ki_free(fresh);
        return status;
    }
    if (fresh->options.guard != KIST_GUARD_NONE &&
        !ki_memguard_quota_fits(&fresh->guard, fresh->options.quota, text)) {
        if (fresh->options.guard_refuses) {
            ki_fs_drop(fresh);
            return KI_PATH_FAIL(KIST_ERR_NOMEM, kist_str(text), "guard");
        }
        if (fresh->options.warn != NULL) {
            fresh->options.warn(fresh->options.context, text);
        }
    }
    *fs = fresh;
    return KIST_OK;
}

void
kist_memfs_free(kist_memfs *fs)
{
    if (fs != NULL) {
        ki_fs_drop(fs);
    }
}

void
ki_fs_ref(kist_memfs *fs)
{
    atomic_fetch_add_explicit(&fs->refs, 1, memory_order_relaxed);
}

void
ki_fs_drop(kist_memfs *fs)
{
    ki_garbage garbage = {0};
    ki_node *at;

    if (atomic_fetch_sub_explicit(&fs->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    // Nobody else knows of a node now: the table need not hear of it.
    at = &fs->root->node;
    while (at != NULL) {
        ki_node *child = at->is_dir ? ki_node_dir(at)->first : NULL;
        ki_node *done = at;

        if (child != NULL) {
            ki_node_dir(at)->first = child->next;
            at = child;
            continue;
        }
        at = at->parent == NULL ? NULL : &at->parent->node;
        ki_node_drop(done, &garbage);
    }
    ki_names_fini(&fs->names);
    ki_brlock_fini(&fs->lock);
    ki_free(fs);
    ki_garbage_empty(&garbage);
}

int64_t
ki_fs_now(const kist_memfs *fs)
{
    return fs->options.now_ns != NULL ? fs->options.now_ns(fs->options.context)
                                      : ki_clock_wall_ns();
}

kist_status
ki_fs_guard(kist_memfs *fs, uint64_t size)
{
    char text[KI_MEMGUARD_TEXT_SIZE];

    if (fs->options.guard != KIST_GUARD_PER_WRITE || size == 0 ||
        ki_memguard_write_fits(&fs->guard, size, text)) {
        return KIST_OK;
    }
    if (fs->options.guard_refuses) {
        return KI_PATH_FAIL(KIST_ERR_NOMEM, kist_str(text), "guard");
    }
    if (fs->options.warn != NULL) {
        fs->options.warn(fs->options.context, text);
    }
    return KIST_OK;
}

/* --- waiting for a file -------------------------------------------------- */

uint64_t
ki_fs_deadline(const kist_memfs *fs, int64_t timeout_ms)
{
    uint64_t now;

    if (timeout_ms == KIST_WAIT_DEFAULT) {
        timeout_ms = fs->options.lock_timeout_ms;
    }
    if (timeout_ms < 0) {
        return timeout_ms == KIST_WAIT_FOREVER ? UINT64_MAX : 0;
    }
    if (timeout_ms == 0) {
        return 0;
    }
    now = ki_clock_ns();
    return (uint64_t)timeout_ms > (UINT64_MAX - now) / NS_PER_MS
               ? UINT64_MAX
               : now + (uint64_t)timeout_ms * NS_PER_MS;
}

bool
ki_fs_enter_or_queue(ki_file *file, bool exclusive, ki_waiter *waiter)
{
    bool inside;

    ki_latch_take(&file->latch);
    inside = ki_turnstile_enter(&file->turnstile, exclusive);
    if (!inside && waiter != NULL) {
        waiter->exclusive = exclusive;
        ki_turnstile_queue(&file->turnstile, waiter);
    }
    ki_latch_drop(&file->latch);
    return inside;
}

/* What is left until the deadline, in milliseconds, at most a second. */
static uint32_t
time_left(uint64_t deadline)
{
    const uint64_t now = ki_clock_ns();
    uint64_t ms;

    if (now >= deadline) {
        return 0;
    }
    ms = (deadline - now + NS_PER_MS - 1) / NS_PER_MS;
    return ms < 1000 ? (uint32_t)ms : 1000;
}

kist_status
ki_fs_await(ki_file *file, ki_waiter *waiter, uint64_t deadline)
{
    ki_admitted admitted = {0};
    uint32_t ms;
    bool left;

    for (;;) {
        if (atomic_load_explicit(&waiter->state, memory_order_acquire) != 0) {
            return KIST_OK;
        }
        ms = time_left(deadline);
        if (ms == 0) {
            break;
        }
        ki_futex_wait(&waiter->state, 0, ms);
    }
    ki_latch_take(&file->latch);
    left = ki_turnstile_give_up(&file->turnstile, waiter, &admitted);
    ki_latch_drop(&file->latch);
    ki_admitted_tell(&admitted);
    if (left) {
        return KI_FAIL(KIST_ERR_LOCKED, NULL, KI_NO_OFFSET, "open file");
    }
    // Admitted in the last moment: whoever did so is about to tell.
    while (atomic_load_explicit(&waiter->state, memory_order_acquire) == 0) {
        ki_futex_wait(&waiter->state, 0, 1000);
    }
    return KIST_OK;
}

void
ki_fs_leave(ki_file *file, bool exclusive)
{
    ki_admitted admitted = {0};

    ki_latch_take(&file->latch);
    ki_turnstile_leave(&file->turnstile, exclusive, &admitted);
    ki_latch_drop(&file->latch);
    ki_admitted_tell(&admitted);
}

bool
ki_fs_is_open(ki_file *file)
{
    bool used;

    ki_latch_take(&file->latch);
    used = ki_turnstile_is_used(&file->turnstile);
    ki_latch_drop(&file->latch);
    return used;
}

bool
ki_fs_is_written(ki_file *file)
{
    bool written;

    ki_latch_take(&file->latch);
    written = file->turnstile.writer != 0;
    ki_latch_drop(&file->latch);
    return written;
}

kist_status
ki_fs_hold(kist_memfs *fs, ki_node *node, uint64_t deadline)
{
    ki_waiter waiter = {0};
    kist_status status = KIST_OK;
    bool inside;

    ki_brlock_read(&fs->lock);
    if (node->parent == NULL) {
        ki_brlock_unread(&fs->lock);
        return KIST_ERR_NOTFOUND;
    }
    inside = ki_fs_enter_or_queue(ki_node_file(node), false, &waiter);
    ki_brlock_unread(&fs->lock);
    if (!inside) {
        status = ki_fs_await(ki_node_file(node), &waiter, deadline);
    }
    return status;
}

void
ki_fs_forget(ki_node *node)
{
    ki_garbage garbage = {0};

    ki_node_drop(node, &garbage);
    ki_garbage_empty(&garbage);
}

kist_status
ki_fs_turn(kist_memfs *fs, ki_node *written, uint64_t deadline, ki_file **held)
{
    kist_status status;

    ki_fs_end_turn(*held);
    *held = NULL;
    status = ki_fs_hold(fs, written, deadline);
    if (status == KIST_OK) {
        *held = ki_node_file(written); // with the caller's reference
        return KIST_OK;
    }
    ki_fs_forget(written);
    // Removed meanwhile is fine too.
    return status == KIST_ERR_NOTFOUND ? KIST_OK : status;
}

void
ki_fs_end_turn(ki_file *held)
{
    if (held != NULL) {
        ki_fs_leave(held, false);
        ki_fs_forget(&held->node);
    }
}

/* --- what is there ------------------------------------------------------- */

void
kist_memfs_stats_get(kist_memfs *fs, kist_memfs_stats *stats)
{
    const uint64_t used = ki_quota_used(&fs->quota);

    *stats = (kist_memfs_stats){
        .used = used,
        .quota = fs->quota.limit,
        .free = fs->quota.limit - used,
        .files = ki_fs_count(&fs->files),
        .dirs = ki_fs_count(&fs->dirs),
        .chunks = ki_fs_count(&fs->chunks),
        .chunk_overhead = fs->options.chunk_overhead,
    };
}

kist_memfs_kind
kist_memfs_look(kist_memfs *fs, kist_slice path)
{
    kist_memfs_kind kind = KIST_MEMFS_NOTHING;
    ki_path straight;
    const ki_node *node;

    if (ki_path_init(&straight, path) != KIST_OK) {
        return kind;
    }
    ki_brlock_read(&fs->lock);
    node = ki_tree_find(fs, &straight).node;
    if (node != NULL) {
        kind = node->is_dir ? KIST_MEMFS_DIR : KIST_MEMFS_FILE;
    }
    ki_brlock_unread(&fs->lock);
    ki_path_fini(&straight);
    return kind;
}

kist_status
kist_memfs_stat_path(kist_memfs *fs, kist_slice path, kist_memfs_stat *stat)
{
    kist_status status = KIST_OK;
    ki_path straight;
    ki_node *node;

    *stat = (kist_memfs_stat){0};
    status = ki_path_init(&straight, path);
    if (status != KIST_OK) {
        return status;
    }
    ki_brlock_read(&fs->lock);
    node = ki_tree_find(fs, &straight).node;
    if (node == NULL) {
        status = KIST_ERR_NOTFOUND;
    }
    else if (node->is_dir) {
        stat->is_dir = true;
        stat->created_ns = node->created_ns;
        stat->modified_ns = node->modified_ns;
    }
    else {
        ki_file *file = ki_node_file(node);

        ki_latch_take(&file->latch);
        stat->size = file->content.size;
        stat->generation = file->generation;
        stat->created_ns = node->created_ns;
        stat->modified_ns = node->modified_ns;
        ki_latch_drop(&file->latch);
    }
    ki_brlock_unread(&fs->lock);
    ki_path_fini(&straight);
    return status;
}
