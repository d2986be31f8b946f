/*
 * Options, errors and exit codes: one place says how each kist_status looks
 * from outside.
 */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "storetarget.h"

enum { OPT_JSON = 0x1000, OPT_DURABILITY, OPT_READ_ONLY };

static const struct option common[] = {
    {"help", no_argument, NULL, 'h'},
    {"quiet", no_argument, NULL, 'q'},
    {"json", no_argument, NULL, OPT_JSON},
    {"read-only", no_argument, NULL, OPT_READ_ONLY},
    {"durability", required_argument, NULL, OPT_DURABILITY},
    {NULL, 0, NULL, 0}};

#define OPTIONS_MAX 40u
#define SHORTS_MAX  64u

int
cli_code(kist_status status)
{
    switch (status) {
    case KIST_OK:
    case KIST_END:
        return CLI_OK;
    case KIST_ERR_CORRUPT:
        return CLI_DAMAGE;
    case KIST_ERR_NOMEM:
    case KIST_ERR_IO:
    case KIST_ERR_READONLY:
    case KIST_ERR_POISONED:
        return CLI_IO;
    case KIST_ERR_LOCKED:
    case KIST_ERR_BUSY:
        return CLI_BUSY;
    default:
        return CLI_WRONG;
    }
}

int
cli_error(int code, const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fputs("kist: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

int
cli_usage(const cli_call *cli, const char *format, ...)
{
    const char *command = cli->command == NULL ? "" : cli->command;
    const char *space = cli->command == NULL ? "" : " ";
    va_list args;

    fprintf(stderr, "kist: %s%s", command, cli->command == NULL ? "" : ": ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; see kist%s%s --help\n", space, command);
    return CLI_USAGE;
}

int
cli_fail(kist_status status)
{
    char text[1024];

    if (status == KIST_ERR_NOTFOUND || status == KIST_ERR_RANGE) {
        return cli_error(CLI_WRONG, "not found");
    }
    kist_error_text(text, sizeof(text));
    return cli_error(cli_code(status), "%s", text);
}

static bool
parse_durability(const char *text, kist_durability *durability)
{
    static const char *const names[] = {"process", "interval", "sync"};

    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *durability = (kist_durability)i;
            return true;
        }
    }
    return false;
}

/* Says what getopt did not like; its own words would lack our prefix. */
static int
complain(cli_call *cli, int opt, char **argv)
{
    const char *word = optind > 0 ? argv[optind - 1] : "";

    if (opt == ':' && strncmp(word, "--", 2) == 0) {
        cli->exit_code = cli_usage(cli, "%s needs a value", word);
    }
    else if (opt == ':') {
        cli->exit_code = cli_usage(cli, "-%c needs a value", optopt);
    }
    else if (optopt > ' ' && optopt < 127) {
        cli->exit_code = cli_usage(cli, "no such option: -%c", optopt);
    }
    else {
        cli->exit_code = cli_usage(cli, "no such option: %s", word);
    }
    return '?';
}

/* Obeys a common option; false if `opt` is none. */
static bool
obey(cli_call *cli, int opt)
{
    switch (opt) {
    case 'q':
        cli->quiet = true;
        return true;
    case OPT_JSON:
        cli->json = true;
        return true;
    case OPT_READ_ONLY:
        cli->read_only = true;
        return true;
    default:
        return false;
    }
}

/* Joins the common options and the command's own, for getopt_long(). */
static void
join_options(struct option *all, const struct option *longs)
{
    size_t used = 0;

    for (size_t i = 0; longs[i].name != NULL && used < OPTIONS_MAX; i++) {
        all[used++] = longs[i];
    }
    for (size_t i = 0; common[i].name != NULL && used < OPTIONS_MAX; i++) {
        all[used++] = common[i];
    }
    all[used] = (struct option){NULL, 0, NULL, 0};
}

int
cli_getopt(cli_call *cli, int argc, char **argv, const char *shorts,
           const struct option *longs)
{
    struct option all[OPTIONS_MAX + 1];
    char letters[SHORTS_MAX];
    const char *stop = shorts[0] == '+' ? "+" : "";

    join_options(all, longs);
    snprintf(letters, sizeof(letters), "%s:hq%s", stop,
             shorts[0] == '+' ? shorts + 1 : shorts);
    opterr = 0;
    for (;;) {
        const int opt = getopt_long(argc, argv, letters, all, NULL);

        if (obey(cli, opt)) {
            continue;
        }
        if (opt == OPT_DURABILITY) {
            cli->has_durability = true;
            if (parse_durability(optarg, &cli->durability)) {
                continue;
            }
            cli->exit_code = cli_usage(cli, "no such durability: %s", optarg);
            return '?';
        }
        if (opt == 'h') {
            if (cli->help != NULL) {
                fputs(cli->help, stdout);
            }
            cli->exit_code = CLI_OK;
            return '?';
        }
        if (opt == ':' || opt == '?') {
            return complain(cli, opt, argv);
        }
        return opt;
    }
}

int
cli_open(const cli_call *cli, const char *path, cli_access access, kist **k)
{
    kist_options options = {0};
    kist_status status;

    *k = NULL;
    if (cli_must_be_store(path)) {
        return cli_usage(cli, "%s is a store, and a kist is wanted", path);
    }
    if (cli->read_only && access != CLI_READ) {
        return cli_usage(cli, "it writes, so --read-only makes no sense");
    }
    options.durability = cli->durability;
    options.read_only = access == CLI_READ;
    options.must_exist = access != CLI_CREATE;
    status = kist_open(path, &options, k);
    return status == KIST_OK ? CLI_OK : cli_fail(status);
}

int
cli_close(kist *k, int code)
{
    const kist_status status = kist_close(k);

    if (status != KIST_OK && code == CLI_OK) {
        return cli_fail(status);
    }
    return code;
}

int
cli_read_file(const char *name, kist_buf *contents)
{
    const bool from_stdin = strcmp(name, "-") == 0;
    FILE *in = from_stdin ? stdin : fopen(name, "rbe");
    kist_status status = KIST_OK;
    uint8_t chunk[65536];
    size_t got;
    int code = CLI_OK;

    if (in == NULL) {
        return cli_error(CLI_IO, "%s: %s", name, strerror(errno));
    }
    while (status == KIST_OK &&
           (got = fread(chunk, 1, sizeof(chunk), in)) > 0) {
        status = kist_buf_append(contents, chunk, got);
    }
    if (status == KIST_OK) {
        status = kist_buf_append(contents, "", 1);
        contents->size -= status == KIST_OK;
    }
    if (ferror(in)) {
        code = cli_error(CLI_IO, "%s: %s", name, strerror(errno));
    }
    else if (status != KIST_OK) {
        code = cli_fail(status);
    }
    if (!from_stdin) {
        fclose(in);
    }
    return code;
}

static int output_errno;

void
cli_write(const void *data, size_t size)
{
    if (size > 0 && fwrite(data, 1, size, stdout) != size &&
        output_errno == 0) {
        output_errno = errno;
    }
}

int
cli_output_errno(void)
{
    return output_errno;
}

bool
cli_output_failed(void)
{
    return ferror(stdout) != 0;
}

bool
cli_parse_count(const char *text, uint64_t *count)
{
    char *end = NULL;

    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    *count = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

bool
cli_parse_index(const char *text, uint64_t count, bool past, uint64_t *index)
{
    const bool from_end = text[0] == '-';
    uint64_t number = 0;

    if (!cli_parse_count(from_end ? text + 1 : text, &number)) {
        return false;
    }
    if (from_end) {
        if (number == 0 || number > count) {
            return false;
        }
        *index = count - number;
        return true;
    }
    *index = number;
    return number < count || (past && number == count);
}

kist_kind
cli_parse_kind(const char *text)
{
    for (int kind = KIST_KIND_LIST; kind <= KIST_KIND_SET; kind++) {
        if (strcmp(text, kist_kind_name((kist_kind)kind)) == 0) {
            return (kist_kind)kind;
        }
    }
    return (kist_kind)0;
}

bool
cli_parse_type(const char *text, kist_type *type)
{
    for (int i = KIST_ANY; i <= KIST_INT128; i++) {
        const bool known = i <= KIST_REF || i >= KIST_INT32;

        if (known && strcmp(text, kist_type_name((kist_type)i)) == 0) {
            *type = (kist_type)i;
            return true;
        }
    }
    return false;
}
