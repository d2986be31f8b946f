/*
 * kist.h - all of kist, for users.  The library itself never includes it.
 *
 * Layer    public.
 */
#ifndef KIST_KIST_H
#define KIST_KIST_H

#include "kist/bytes.h"
#include "kist/dict.h"
#include "kist/handle.h"
#include "kist/list.h"
#include "kist/memfs.h"
#include "kist/memtext.h"
#include "kist/metrics.h"
#include "kist/options.h"
#include "kist/pack.h"
#include "kist/scan.h"
#include "kist/set.h"
#include "kist/status.h"
#include "kist/store.h"
#include "kist/value.h"
#include "kist/version.h"

#endif /* KIST_KIST_H */
