/*
 * pattern.h - one part of a path against one part of a glob pattern, as
 * Python's fnmatch.fnmatchcase() has it.
 *
 *      *         any letters, also none
 *      ?         one letter
 *      [seq]     one letter of seq, such as [abc] or [a-z]
 *      [!seq]    one letter that is not in seq
 *
 * There is no escape: [[] is how to say "[".  A "[" that nothing closes is a
 * letter.  Letters are code points of UTF-8, lone surrogates included; a byte
 * that is no part of any is a letter by itself, unlike any code point.
 *
 * Layer    memfs.
 * Threads  any.
 */
#ifndef KI_MEMFS_PATTERN_H
#define KI_MEMFS_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * True if the whole name matches.  Takes at most a time that grows with
 * pattern_size * name_size, and no memory.
 */
bool ki_pattern_match(const char *pattern, size_t pattern_size,
                      const char *name, size_t name_size);

/* True if the pattern matches one name only, itself: look that up instead. */
bool ki_pattern_is_plain(const char *pattern, size_t pattern_size);

#endif /* KI_MEMFS_PATTERN_H */
