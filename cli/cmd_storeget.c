/*
 * kist ls and get, of a store.
 */
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "jsonval.h"
#include "storekeys.h"

/* --- ls ---------------------------------------------------------------- */

static void
print_time(int64_t ns)
{
    const time_t seconds = (time_t)(ns / 1000000000);
    struct tm parts;
    char text[64] = "";

    if (gmtime_r(&seconds, &parts) != NULL) {
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    }
    printf("%s.%06dZ", text, (int)(ns % 1000000000 / 1000));
}

static kist_status
print_row(const cli_call *cli, const cli_storewords *words,
          const cli_storekey *one)
{
    const kist_slice key = kist_bytes(one->name, one->size);
    const kist_stat *stat = &one->stat;
    kist_status status = KIST_OK;

    if (!cli->json) {
        if (words->detailed) {
            printf("%" PRIu64 "\t", stat->size);
            print_time(stat->mtime_ns);
            printf("\t%.*s\t", (int)stat->etag.size, stat->etag.text);
        }
        cli_write(one->name, one->size);
        putchar('\n');
        return KIST_OK;
    }
    fputs("{\"key\":", stdout);
    status = cli_json_write_key(stdout, key);
    if (words->detailed) {
        printf(",\"size\":%" PRIu64 ",\"mtime_ns\":%" PRId64 ",\"etag\":",
               stat->size, stat->mtime_ns);
        if (status == KIST_OK) {
            status = cli_json_write_key(
                stdout, kist_bytes(stat->etag.text, stat->etag.size));
        }
    }
    fputs("}\n", stdout);
    return status;
}

int
cmd_store_ls(const cli_call *cli, const cli_storewords *words, bool reverse,
             uint64_t limit, int count, char **args)
{
    const kist_store_scan_options how = {
        .stats = words->detailed,
        .order = words->newest ? KIST_ORDER_NEWEST : KIST_ORDER_ANY};
    cli_storekeys keys = {NULL, 0, 0};
    cli_store target;
    int code;

    if (count > 2) {
        return cli_usage(cli, "a store and perhaps a PREFIX are wanted");
    }
    code = cli_store_open(cli, args[0], words, CLI_READ, NULL, NULL, &target);
    if (code != CLI_OK) {
        return code;
    }
    code = cli_storekeys_add(&keys, &target, count > 1 ? args[1] : "", &how);
    if (!words->newest) {
        cli_storekeys_sort(&keys);
    }
    for (size_t i = 0; i < keys.count && i < limit && !cli_output_failed();
         i++) {
        const kist_status status = print_row(
            cli, words, &keys.items[reverse ? keys.count - 1 - i : i]);

        if (status != KIST_OK) {
            code = cli_fail(status);
        }
    }
    cli_storekeys_fini(&keys);
    cli_store_close(&target);
    return code;
}

/* --- get --------------------------------------------------------------- */

static kist_status
print_value(const cli_store *target, kist_slice key, const kist_buf *value,
            const kist_etag *etag, bool no_newline)
{
    const kist_slice bytes = kist_buf_slice(value);
    kist_status status;

    if (!target->cli->json) {
        cli_write(value->data, value->size);
        if (!no_newline && isatty(STDOUT_FILENO) &&
            (value->size == 0 || value->data[value->size - 1] != '\n')) {
            putchar('\n');
        }
        return KIST_OK;
    }
    fputs("{\"key\":", stdout);
    status = cli_json_write_key(stdout, key);
    fputs(",\"etag\":", stdout);
    if (status == KIST_OK) {
        status =
            cli_json_write_key(stdout, kist_bytes(etag->text, etag->size));
    }
    fputs(",\"value\":", stdout);
    if (status == KIST_OK) {
        status = cli_store_print(target, bytes);
    }
    fputs("}\n", stdout);
    return status;
}

int
cmd_store_get(const cli_call *cli, const cli_storewords *words,
              bool no_newline, int count, char **args)
{
    kist_buf value = {NULL, 0, 0, 0};
    cli_store target;
    int code =
        cli_store_open(cli, args[0], words, CLI_READ, NULL, NULL, &target);

    if (code != CLI_OK) {
        return code;
    }
    for (int i = 1; i < count && !cli_output_failed(); i++) {
        const kist_slice key = kist_str(args[i]);
        kist_etag etag;
        kist_status status = cli_store_get(&target, key, &value, &etag);

        if (status == KIST_OK) {
            status = print_value(&target, key, &value, &etag, no_newline);
        }
        if (status != KIST_OK) {
            const int failed = cli_store_fail(&target, key, status);

            code = failed > code ? failed : code;
        }
    }
    kist_buf_fini(&value);
    cli_store_close(&target);
    return code;
}
