#include "kist/metrics.h"

#include <string.h>

#include "coll/coll.h"
#include "coll/compact.h"
#include "os/file.h"

uint64_t
ki_compact_live_bytes(const ki_gen *gen, const ki_tx *own)
{
    const uint64_t slots =
        ki_keyed_at(gen, own, KI_CATALOG_HEADER, KI_C_SLOTS);
    uint64_t sum = ki_keyed_at(gen, own, KI_CATALOG_HEADER, KI_C_BYTES);
    uint64_t i;

    for (i = 1; i <= slots; i++) {
        const uint64_t header = ki_coll_header(gen, own, (uint32_t)i);

        if (header != 0) {
            sum += ki_keyed_at(gen, own, header, KI_C_BYTES);
        }
    }
    return sum;
}

/* Live items and records written, over all collections but the catalog. */
static void
count_records(const ki_gen *gen, const ki_tx *own, kist_metrics *m)
{
    const uint64_t slots =
        ki_keyed_at(gen, own, KI_CATALOG_HEADER, KI_C_SLOTS);
    uint64_t written = 0;
    uint64_t i;

    for (i = 1; i <= slots; i++) {
        const uint64_t header = ki_coll_header(gen, own, (uint32_t)i);

        if (header != 0) {
            m->live_records += ki_coll_items(gen, own, header);
            written += ki_keyed_at(gen, own, header, KI_C_WRITES) >> 32;
        }
    }
    m->collections = ki_keyed_at(gen, own, KI_CATALOG_HEADER, KI_C_COUNT);
    m->dead_records =
        written > m->live_records ? written - m->live_records : 0;
}

static void
fill(const ki_gen *gen, const ki_tx *own, kist_metrics *m)
{
    const ki_idx *idx = &gen->idx;
    const uint64_t live = ki_compact_live_bytes(gen, own);

    m->log_bytes = ki_word_load(idx, KI_W_TAIL);
    m->log_file_bytes = ki_word_load(idx, KI_W_LOG_SIZE);
    m->wasted_bytes = m->log_bytes > live + KI_LOG_BEGIN
                          ? m->log_bytes - live - KI_LOG_BEGIN
                          : 0;
    m->fragmentation_ratio =
        m->log_bytes == 0 ? 0 : (double)m->wasted_bytes / (double)m->log_bytes;
    m->index_bytes = ki_idx_used(idx);
    m->index_file_bytes = idx->fd < 0 ? 0 : ki_word_load(idx, KI_W_SIZE);
    m->total_disk_usage_bytes = m->log_file_bytes + m->index_file_bytes;
    m->synced_bytes = ki_idx_synced(idx);
    m->generation = gen->log.generation;
    m->clean_shutdown = gen->clean_shutdown;
    m->index_was_rebuilt = gen->rebuilt;
    m->recovered_records = gen->recovered_records;
    m->torn_bytes_cut = gen->torn_bytes;
    count_records(gen, own, m);
}

kist_status
kist_metrics_get(kist *k, kist_metrics *metrics)
{
    ki_gen *gen;
    kist_status status;

    memset(metrics, 0, sizeof(*metrics));
    status = ki_enter(k, &gen);
    if (status != KIST_OK) {
        return status;
    }
    fill(gen, ki_own_tx(k), metrics);
    ki_leave();
    return KIST_OK;
}
