#include "storetarget.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "jsonval.h"
#include "target.h"

/* --- the command line -------------------------------------------------- */

static bool
is_directory(const char *path)
{
    struct stat about;

    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

bool
cli_must_be_store(const char *path)
{
    const size_t size = strlen(path);

    return strncmp(path, "dir:", 4) == 0 || strncmp(path, "nfs:", 4) == 0 ||
           (size > 0 && path[size - 1] == '/');
}

bool
cli_names_store(const char *path)
{
    return cli_must_be_store(path) ||
           (is_directory(path) && !cli_exists(path));
}

bool
cli_store_option(cli_call *cli, int opt, cli_storewords *words)
{
    uint64_t number;

    switch (opt) {
    case CLI_OPT_FORMAT:
        words->given = "--format";
        words->format = optarg;
        return true;
    case CLI_OPT_DIGEST:
        words->given = "--digest-len";
        if (!cli_parse_count(optarg, &number) || number > UINT_MAX) {
            cli->exit_code =
                cli_usage(cli, "--digest-len wants a number, not %s", optarg);
            return false;
        }
        words->digest_len = (unsigned)number;
        words->has_digest_len = true;
        return true;
    case CLI_OPT_ETAG:
        words->given = "--etag";
        words->etag = optarg;
        return true;
    case CLI_OPT_NEW:
        words->given = "--new";
        words->fresh = true;
        return true;
    case CLI_OPT_LONG:
        words->given = "--long";
        words->detailed = true;
        return true;
    case CLI_OPT_TIME:
        words->given = "--time";
        words->newest = true;
        return true;
    default:
        return false;
    }
}

int
cli_store_unwanted(const cli_call *cli, const cli_storewords *words)
{
    if (words->given == NULL) {
        return CLI_OK;
    }
    return cli_usage(cli, "%s is for stores", words->given);
}

unsigned
cli_store_digest(const cli_storewords *words)
{
    kist_store_options options;

    kist_store_options_init(&options);
    return words->has_digest_len ? words->digest_len : options.digest_len;
}

/* --- formats ----------------------------------------------------------- */

/* True if the `size` bytes at `stem` end in what looks like a digest. */
static bool
has_digest(const char *stem, size_t size, unsigned digest_len)
{
    const size_t digits = digest_len > 32 ? 32 : digest_len;

    if (digits == 0) {
        return size > 0;
    }
    return size > digits + 1 && stem[size - digits - 1] == '_' &&
           strspn(stem + size - digits, "abcdefghijklmnopqrstuvwxyz234567=") >=
               digits;
}

/* Where the format of a value's file begins in its name, or NULL. */
static const char *
format_of(const char *name, bool nfs, unsigned digest_len)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789()_-~=";
    const char *dot = strrchr(name, '.');
    const size_t size = dot == NULL ? 0 : strlen(dot + 1);

    if (size == 0 || size > CLI_FORMAT_SIZE || strspn(dot + 1, safe) != size ||
        strncmp(name, ".__", 3) == 0) {
        return NULL;
    }
    if (!nfs) {
        return has_digest(name, (size_t)(dot - name), digest_len) ? dot + 1
                                                                  : NULL;
    }
    return dot - name == 64 && strspn(name, "0123456789abcdef") == 64 &&
                   (strcmp(dot, ".json") == 0 || strcmp(dot, ".pkl") == 0)
               ? dot + 1
               : NULL;
}

size_t
cli_store_formats(const char *path, bool nfs, unsigned digest_len,
                  char (*formats)[CLI_FORMAT_SIZE + 1], size_t count_max)
{
    char *const paths[] = {(char *)(uintptr_t)path, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOSTAT | FTS_NOCHDIR, NULL);
    size_t count = 0;
    FTSENT *entry;

    while (walk != NULL && count < count_max &&
           (entry = fts_read(walk)) != NULL) {
        const char *format = NULL;
        size_t i = 0;

        if (entry->fts_info == FTS_NSOK || entry->fts_info == FTS_F) {
            format = format_of(entry->fts_name, nfs, digest_len);
        }
        if (format == NULL) {
            continue;
        }
        while (i < count && strcmp(formats[i], format) != 0) {
            i++;
        }
        if (i == count) {
            snprintf(formats[count++], sizeof(*formats), "%s", format);
        }
    }
    if (walk != NULL) {
        fts_close(walk);
    }
    return count;
}

/* Settles target->format. */
static int
choose_format(cli_store *target, const char *wanted, unsigned digest_len)
{
    char found[2][CLI_FORMAT_SIZE + 1];

    if (wanted != NULL) {
        if (strlen(wanted) > CLI_FORMAT_SIZE) {
            return cli_usage(target->cli, "the format %s is too long", wanted);
        }
        snprintf(target->format, sizeof(target->format), "%s", wanted);
        return CLI_OK;
    }
    switch (
        cli_store_formats(target->path, target->nfs, digest_len, found, 2)) {
    case 0:
        snprintf(target->format, sizeof(target->format), "%s",
                 target->nfs ? "json" : "bin");
        return CLI_OK;
    case 1:
        memcpy(target->format, found[0], sizeof(target->format));
        return CLI_OK;
    default:
        return cli_usage(target->cli,
                         "%s has values in the formats %s and %s: choose one "
                         "with --format",
                         target->path, found[0], found[1]);
    }
}

/* --- open and close ---------------------------------------------------- */

/* Fills in what the command line says. */
static int
fill_options(cli_store *target, const cli_storewords *words, cli_access access,
             kist_store_options *options)
{
    const cli_call *cli = target->cli;

    options->format = target->format;
    options->read_only = access == CLI_READ;
    options->digest_len = cli_store_digest(words);
    if (cli->has_durability && cli->durability == KIST_INTERVAL) {
        return cli_usage(cli, "a store has no durability \"interval\"");
    }
    if (cli->has_durability && cli->durability == KIST_PROCESS) {
        options->durability = KIST_STORE_NONE;
    }
    return CLI_OK;
}

int
cli_store_open(const cli_call *cli, const char *name,
               const cli_storewords *words, cli_access access,
               const char *like, kist_store_options *options,
               cli_store *target)
{
    kist_store_options plain;
    kist_status status;
    int code;

    memset(target, 0, sizeof(*target));
    target->cli = cli;
    target->nfs = strncmp(name, "nfs:", 4) == 0;
    target->path =
        target->nfs || strncmp(name, "dir:", 4) == 0 ? name + 4 : name;
    if (target->path[0] == '\0') {
        return cli_usage(cli, "%s names no directory", name);
    }
    if (cli->read_only && access != CLI_READ) {
        return cli_usage(cli, "it writes, so --read-only makes no sense");
    }
    if (access != CLI_CREATE && !is_directory(target->path)) {
        return cli_error(CLI_IO, "%s: %s", target->path,
                         strerror(errno == 0 ? ENOTDIR : errno));
    }
    code = choose_format(target, words->format != NULL ? words->format : like,
                         cli_store_digest(words));
    if (code != CLI_OK) {
        return code;
    }
    if (options == NULL) {
        kist_store_options_init(&plain);
        options = &plain;
    }
    code = fill_options(target, words, access, options);
    if (code != CLI_OK) {
        return code;
    }
    status = target->nfs
                 ? kist_store_open_nfs(target->path, options, &target->store)
                 : kist_store_open_dir(target->path, options, &target->store);
    return status == KIST_OK ? CLI_OK : cli_fail(status);
}

void
cli_store_close(cli_store *target)
{
    kist_store_close(target->store);
    target->store = NULL;
    kist_buf_fini(&target->file);
}

/* --- values ------------------------------------------------------------ */

static bool
is_json(const char *format)
{
    return strcmp(format, "json") == 0;
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t
skip_space(const char *text, size_t size, size_t at)
{
    while (at < size && is_space(text[at])) {
        at++;
    }
    return at;
}

/* The place behind the JSON string that begins at text[at], or `size`. */
static size_t
skip_string(const char *text, size_t size, size_t at)
{
    if (at >= size || text[at] != '"') {
        return size;
    }
    for (at++; at < size && text[at] != '"'; at++) {
        at += text[at] == '\\';
    }
    return at < size ? at + 1 : size;
}

bool
cli_store_unpack(kist_slice file, kist_slice *value)
{
    const char *text = file.data;
    size_t end = file.size;
    size_t at = skip_space(text, end, 0);

    while (end > 0 && is_space(text[end - 1])) {
        end--;
    }
    if (at >= end || text[at] != '[' || text[end - 1] != ']') {
        return false;
    }
    end--;
    at = skip_string(text, end, skip_space(text, end, at + 1));
    at = skip_space(text, end, at);
    if (at >= end || text[at] != ',') {
        return false;
    }
    at = skip_space(text, end, at + 1);
    *value = kist_bytes(text + at, end - at);
    return cli_store_check("json", *value) == NULL;
}

/* The words that Python's json writes and JSON does not have. */
static const char *const own_words[] = {"NaN", "Infinity", "-Infinity"};
static const char *const own_forms[] = {
    "{\"$float\":\"nan\"}", "{\"$float\":\"inf\"}", "{\"$float\":\"-inf\"}"};
#define OWN_WORDS 3u

/* The one of them that begins at `text`, or OWN_WORDS. */
static size_t
own_word(const char *text, size_t size)
{
    size_t i = 0;

    while (i < OWN_WORDS &&
           (size < strlen(own_words[i]) ||
            memcmp(text, own_words[i], strlen(own_words[i])) != 0)) {
        i++;
    }
    return i;
}

/* A copy of JSON text in which each of them is a number as long as it is;
 * false without memory. */
static bool
without_words(kist_slice value, kist_buf *copy)
{
    bool inside = false;

    if (kist_buf_append(copy, value.data, value.size) != KIST_OK) {
        return false;
    }
    for (size_t i = 0; i < copy->size; i++) {
        const size_t word =
            inside ? OWN_WORDS
                   : own_word((const char *)copy->data + i, copy->size - i);

        if (word < OWN_WORDS) {
            memset(copy->data + i, '1', strlen(own_words[word]));
        }
        else if (inside && copy->data[i] == '\\') {
            i++;
        }
        else if (copy->data[i] == '"') {
            inside = !inside;
        }
    }
    return true;
}

const char *
cli_store_check(const char *format, kist_slice value)
{
    static char wrong[256];
    kist_buf copy = {NULL, 0, 0, 0};
    cli_parsed parsed;
    const char *answer = NULL;

    if (!is_json(format)) {
        return NULL;
    }
    if (value.size == 0) {
        return "it is empty, and that is no JSON";
    }
    cli_parsed_init(&parsed);
    if (!without_words(value, &copy)) {
        answer = "out of memory";
    }
    else if (!cli_json_parse(&parsed, (const char *)copy.data, copy.size)) {
        snprintf(wrong, sizeof(wrong), "it is no JSON: %s", parsed.error.what);
        answer = wrong;
    }
    cli_parsed_fini(&parsed);
    kist_buf_fini(&copy);
    return answer;
}

kist_status
cli_store_get(cli_store *target, kist_slice key, kist_buf *value,
              kist_etag *etag)
{
    kist_slice inner;
    kist_status status;

    if (!target->nfs || !is_json(target->format)) {
        return kist_store_get(target->store, key, value, etag);
    }
    status = kist_store_get(target->store, key, &target->file, etag);
    if (status != KIST_OK) {
        return status;
    }
    if (!cli_store_unpack(kist_buf_slice(&target->file), &inner)) {
        return KIST_ERR_CORRUPT;
    }
    kist_buf_clear(value);
    return kist_buf_append(value, inner.data, inner.size);
}

/* Appends `key` as a JSON string. */
static kist_status
append_key(kist_buf *out, kist_slice key)
{
    const unsigned char *text = key.data;
    kist_status status = kist_buf_append(out, "\"", 1);

    for (size_t i = 0; i < key.size && status == KIST_OK; i++) {
        char escaped[8];
        int size;

        if (text[i] == '"' || text[i] == '\\') {
            size = snprintf(escaped, sizeof(escaped), "\\%c", text[i]);
        }
        else if (text[i] < 0x20) {
            size = snprintf(escaped, sizeof(escaped), "\\u%04x", text[i]);
        }
        else {
            escaped[0] = (char)text[i];
            size = 1;
        }
        status = kist_buf_append(out, escaped, (size_t)size);
    }
    return status == KIST_OK ? kist_buf_append(out, "\", ", 3) : status;
}

const char *
cli_store_pack(cli_store *target, kist_slice key, kist_slice value,
               kist_slice *kept)
{
    const char *wrong = cli_store_check(target->format, value);
    const char *text = value.data;
    kist_status status;

    *kept = value;
    if (wrong != NULL || !target->nfs) {
        return wrong;
    }
    if (!is_json(target->format)) {
        return "the command cannot pickle; nfs: stores in JSON it can write";
    }
    while (value.size > 0 && is_space(text[value.size - 1])) {
        value.size--; // the line end of a file
    }
    kist_buf_clear(&target->file);
    status = kist_buf_append(&target->file, "[", 1);
    if (status == KIST_OK) {
        status = append_key(&target->file, key);
    }
    if (status == KIST_OK) {
        status = kist_buf_append(&target->file, value.data, value.size);
    }
    if (status == KIST_OK) {
        status = kist_buf_append(&target->file, "]", 1);
    }
    *kept = kist_buf_slice(&target->file);
    return status == KIST_OK ? NULL : "out of memory";
}

int
cli_store_fail(const cli_store *target, kist_slice key, kist_status status)
{
    const char *text = key.data;
    const int size = key.size > INT_MAX ? INT_MAX : (int)key.size;
    char why[1024];

    if (status == KIST_ERR_NOTFOUND) {
        return cli_error(CLI_WRONG, "%s: no key \"%.*s\"", target->path, size,
                         text);
    }
    if (status == KIST_ERR_CORRUPT && target->nfs) {
        return cli_error(CLI_DAMAGE, "%s: \"%.*s\": its file is damaged",
                         target->path, size, text);
    }
    kist_error_text(why, sizeof(why));
    return cli_error(cli_code(status), "%s: \"%.*s\": %s", target->path, size,
                     text, why);
}

/* JSON without the white space between its words. */
static void
print_compact(const char *text, size_t size)
{
    bool inside = false;

    for (size_t i = 0; i < size; i++) {
        const size_t word = inside ? OWN_WORDS : own_word(text + i, size - i);

        if (word < OWN_WORDS) {
            fputs(own_forms[word], stdout);
            i += strlen(own_words[word]) - 1;
            continue;
        }
        if (!inside && is_space(text[i])) {
            continue;
        }
        if (inside && text[i] == '\\' && i + 1 < size) {
            putchar(text[i++]);
        }
        else if (text[i] == '"') {
            inside = !inside;
        }
        putchar(text[i]);
    }
}

kist_status
cli_store_print(const cli_store *target, kist_slice value)
{
    if (is_json(target->format) &&
        cli_store_check(target->format, value) == NULL) {
        print_compact(value.data, value.size);
        return KIST_OK;
    }
    return cli_json_write_key(stdout, value);
}
