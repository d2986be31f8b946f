/*
 * version.h - the library's version and, apart from it, the format's.
 *
 * Layer    public.
 */
#ifndef KIST_VERSION_H
#define KIST_VERSION_H

#define KIST_VERSION_MAJOR  0
#define KIST_VERSION_MINOR  1
#define KIST_VERSION_PATCH  0
#define KIST_VERSION_STRING "0.1.0"

/* The newest log format that this library writes and reads. */
#define KIST_FORMAT_LOG 1

#ifdef __cplusplus
extern "C" {
#endif

/* KIST_VERSION_STRING of the library that is linked. */
const char *kist_version(void);

#ifdef __cplusplus
}
#endif

#endif /* KIST_VERSION_H */
