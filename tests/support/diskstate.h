/*
 * diskstate.h - what a power cut would leave of one directory.
 *
 * For every file of the directory there is kept
 *
 *      durable   contents and size as of the last successful sync
 *      middle    contents at one moment since then
 *      doomed    contents when a sync failed: pages that are still the same
 *                at a later, successful sync do not become durable, as on
 *                Linux, where a failed fdatasync marks pages clean
 *      now       what the page cache holds, read when needed
 *
 * and of the directory the names as of its last fsync and each change since.
 * An image takes every 4 KiB page (torn ones: every 512-byte sector) that is
 * not durable from one of these, and every name change or not.
 *
 * Layer    tests/support; faultio.c tells it of the calls.
 * Threads  one at a time: under the lock of faultio.c.
 */
#ifndef KT_SUPPORT_DISKSTATE_H
#define KT_SUPPORT_DISKSTATE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum kt_image {
    KT_IMAGE_KEPT,      /* all that was written has reached the disk */
    KT_IMAGE_DROPPED,   /* nothing but what was synced */
    KT_IMAGE_NO_DATA,   /* names and sizes, but no unsynced data */
    KT_IMAGE_NO_NAMES,  /* data, but no unsynced names */
    KT_IMAGE_REORDERED, /* each page and each name by chance */
    KT_IMAGE_JOURNAL,   /* names in order up to one, pages by chance */
    KT_IMAGE_TORN,      /* each sector and each name by chance */
    KT_IMAGE_COUNT
} kt_image;

const char *kt_image_name(kt_image kind);

/* Begins to record `dir`: all that is there now is durable. */
void kt_record_start(const char *dir);
void kt_record_stop(void);

/* True if `path` is in the directory and nothing is there yet. */
bool kt_record_is_new(const char *path);

/* The call has been made, and went well: */
void kt_record_created(const char *path);
void kt_record_renamed(const char *from, const char *to);
void kt_record_unlinked(const char *path);
void kt_record_synced(int fd);

/* The sync has failed. */
void kt_record_sync_failed(int fd);

/* Takes the middle contents of all files. */
void kt_record_middle(void);

/* Builds what a power cut now could leave, in the empty directory `to`. */
void kt_record_image(const char *to, kt_image kind, uint64_t seed);

#endif /* KT_SUPPORT_DISKSTATE_H */
