/*
 * nfspair.h - a store of texts over a store of pairs, so that an NFS store can
 * be tried in the bed of all stores: the value `text` of key `k` stands there
 * as ["k", "text"].
 *
 * Layer    tests/unit/store.
 */
#ifndef KT_STORE_NFSPAIR_H
#define KT_STORE_NFSPAIR_H

#include "kist/store.h"

/* Holds a reference to `inner`, of the format "json". */
kist_store *kt_nfspair_new(kist_store *inner);

#endif /* KT_STORE_NFSPAIR_H */
