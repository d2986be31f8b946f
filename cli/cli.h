/*
 * cli.h - what the commands of `kist` share: options, errors, exit codes.
 *
 * Layer    cli: public headers, jansson and the C library only.
 * Threads  one thread.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kist/kist.h"

/* What the command exits with; docs/cli.md explains them to users. */
enum {
    CLI_OK = 0,
    CLI_WRONG = 1,  /* not found, or an input or a file that is wrong */
    CLI_USAGE = 2,  /* the command line makes no sense */
    CLI_DAMAGE = 3, /* stored bytes are damaged */
    CLI_IO = 4,     /* a system call failed, no permission, no memory */
    CLI_BUSY = 5    /* somebody else holds it */
};

/* What is common to all commands. */
typedef struct cli_call {
    const char *command; /* "get"; what messages about usage begin with */
    const char *help;    /* the command's help */
    int exit_code;       /* why cli_getopt() answered '?' */
    bool quiet;
    bool json;
    bool read_only;
    bool has_durability; /* it was given */
    kist_durability durability;
} cli_call;

typedef enum cli_access {
    CLI_READ,  /* read-only; must exist */
    CLI_WRITE, /* must exist */
    CLI_CREATE /* made if missing */
} cli_access;

/*
 * As getopt_long(), with the common options added and obeyed.  Returns the
 * command's own options, -1 at their end, or '?' if the command shall return
 * cli->exit_code now; all has been said then.
 */
int cli_getopt(cli_call *cli, int argc, char **argv, const char *shorts,
               const struct option *longs);

/* Prints "kist: COMMAND: text; try ..." and returns CLI_USAGE. */
int cli_usage(const cli_call *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints "kist: text" on stderr and returns `code`. */
int cli_error(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints "kist: why" of a failed call; returns the exit code for it. */
int cli_fail(kist_status status);

/* The exit code that stands for `status`. */
int cli_code(kist_status status);

/*
 * Opens the kist at `path` for `access`.  Returns CLI_OK, or says what went
 * wrong and returns the exit code.
 */
int cli_open(const cli_call *cli, const char *path, cli_access access,
             kist **k);

/* Closes `k`; a lost final sync turns `code` CLI_OK into its own. */
int cli_close(kist *k, int code);

/*
 * Reads the file `name`, or standard input if it is "-", into the empty
 * *contents, with a zero behind it that does not count.  CLI_OK, or it says
 * what went wrong and returns the exit code.
 */
int cli_read_file(const char *name, kist_buf *contents);

/* As fwrite() to standard output; remembers why it failed. */
void cli_write(const void *data, size_t size);

/* The errno of the first cli_write() that failed, or 0. */
int cli_output_errno(void);

/* True once standard output has failed: long output should stop. */
bool cli_output_failed(void);

/* Reads a count of 0 or more; false if `text` is none. */
bool cli_parse_count(const char *text, uint64_t *count);

/*
 * Turns a list index such as "3" or "-1" (the last) into a position.  False
 * if it is no number or lies outside; `past` allows one behind the last.
 */
bool cli_parse_index(const char *text, uint64_t count, bool past,
                     uint64_t *index);

/* "list", "dict", "set"; 0 for anything else. */
kist_kind cli_parse_kind(const char *text);

/* "any", "int", "text" ...; false for anything else. */
bool cli_parse_type(const char *text, kist_type *type);

/* --- the commands ------------------------------------------------------ */

int cmd_info(cli_call *cli, int argc, char **argv);
int cmd_ls(cli_call *cli, int argc, char **argv);
int cmd_get(cli_call *cli, int argc, char **argv);
int cmd_put(cli_call *cli, int argc, char **argv);
int cmd_rm(cli_call *cli, int argc, char **argv);
int cmd_cp(cli_call *cli, int argc, char **argv);
int cmd_import(cli_call *cli, int argc, char **argv);
int cmd_export(cli_call *cli, int argc, char **argv);
int cmd_verify(cli_call *cli, int argc, char **argv);
int cmd_repair(cli_call *cli, int argc, char **argv);
int cmd_compact(cli_call *cli, int argc, char **argv);

extern const char cmd_info_help[];
extern const char cmd_ls_help[];
extern const char cmd_get_help[];
extern const char cmd_put_help[];
extern const char cmd_rm_help[];
extern const char cmd_cp_help[];
extern const char cmd_import_help[];
extern const char cmd_export_help[];
extern const char cmd_verify_help[];
extern const char cmd_repair_help[];
extern const char cmd_compact_help[];

#endif /* CLI_CLI_H */
