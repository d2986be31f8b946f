/*
 * kist put and rm, of a store.
 */
#include <inttypes.h>
#include <string.h>

#include "intake.h"
#include "jsonval.h"
#include "storetarget.h"

/* What --etag and --new say. */
static int
condition_of(const cli_call *cli, const cli_storewords *words,
             kist_condition *condition)
{
    memset(condition, 0, sizeof(*condition));
    condition->fetch = KIST_FETCH_NEVER;
    if (words->fresh && words->etag != NULL) {
        return cli_usage(cli, "--new or --etag: one of them");
    }
    if (words->fresh || words->etag != NULL) {
        condition->rule = KIST_IF_SAME;
    }
    if (words->etag != NULL) {
        const size_t size = strlen(words->etag);

        if (size == 0 || size > KIST_ETAG_SIZE_MAX) {
            return cli_usage(cli, "no ETag looks like \"%s\"", words->etag);
        }
        condition->expected.size = (uint8_t)size;
        memcpy(condition->expected.text, words->etag, size);
    }
    return CLI_OK;
}

/* Somebody else was there first, or nobody was. */
static int
say_unmet(const cli_store *target, const char *key,
          const kist_outcome *outcome)
{
    if (outcome->before.size == 0) {
        return cli_error(CLI_WRONG, "%s: no key \"%s\"", target->path, key);
    }
    return cli_error(CLI_WRONG, "%s: \"%s\" is there, with the ETag %.*s",
                     target->path, key, (int)outcome->before.size,
                     outcome->before.text);
}

static int
print_etag(const cli_call *cli, const char *key, const kist_etag *etag)
{
    kist_status status;

    if (!cli->json) {
        return CLI_OK;
    }
    fputs("{\"key\":", stdout);
    status = cli_json_write_key(stdout, kist_str(key));
    fputs(",\"etag\":", stdout);
    if (status == KIST_OK) {
        status =
            cli_json_write_key(stdout, kist_bytes(etag->text, etag->size));
    }
    fputs("}\n", stdout);
    return status == KIST_OK ? CLI_OK : cli_fail(status);
}

static int
put_one(cli_store *target, const kist_condition *condition, const char *key,
        kist_slice value)
{
    const kist_slice name = kist_str(key);
    kist_outcome outcome;
    kist_slice kept;
    const char *wrong = cli_store_pack(target, name, value, &kept);
    kist_status status;

    if (wrong != NULL) {
        return cli_error(CLI_WRONG, "%s: the value of \"%s\": %s",
                         target->path, key, wrong);
    }
    status = kist_store_put_if(target->store, name, kept, condition, NULL,
                               &outcome);
    if (status != KIST_OK) {
        return cli_store_fail(target, name, status);
    }
    if (!outcome.satisfied) {
        return say_unmet(target, key, &outcome);
    }
    return print_etag(target->cli, key, &outcome.after);
}

int
cmd_store_put(const cli_call *cli, const cli_storewords *words,
              const char *file, int count, char **args)
{
    kist_condition condition;
    kist_buf contents = {NULL, 0, 0, 0};
    cli_store target;
    int code = condition_of(cli, words, &condition);

    if (code != CLI_OK) {
        return code;
    }
    if (file != NULL ? count != 2 : count < 3 || count % 2 == 0) {
        return cli_usage(cli, file != NULL
                                  ? "with --file a store wants one KEY"
                                  : "a store wants KEY VALUE [KEY VALUE]...");
    }
    if (file != NULL) {
        code = cli_read_file(file, &contents);
    }
    if (code != CLI_OK) {
        goto out;
    }
    code =
        cli_store_open(cli, args[0], words, CLI_CREATE, NULL, NULL, &target);
    if (code != CLI_OK) {
        goto out;
    }
    if (file != NULL) {
        code =
            put_one(&target, &condition, args[1], kist_buf_slice(&contents));
    }
    for (int i = 1; file == NULL && i < count && code == CLI_OK; i += 2) {
        code = put_one(&target, &condition, args[i], kist_str(args[i + 1]));
    }
    cli_store_close(&target);
out:
    kist_buf_fini(&contents);
    return code;
}

static int
remove_one(cli_store *target, const kist_condition *condition, const char *key)
{
    const kist_slice name = kist_str(key);
    kist_outcome outcome;
    const kist_status status =
        kist_store_remove_if(target->store, name, condition, &outcome);

    if (status != KIST_OK) {
        return cli_store_fail(target, name, status);
    }
    if (!outcome.satisfied || outcome.before.size == 0) {
        return say_unmet(target, key, &outcome);
    }
    return CLI_OK;
}

int
cmd_store_rm(const cli_call *cli, const cli_storewords *words, bool all,
             int count, char **args)
{
    kist_condition condition;
    uint64_t removed = 0;
    cli_store target;
    int code = condition_of(cli, words, &condition);

    if (code == CLI_OK && (all ? count != 1 : count < 2)) {
        code = cli_usage(cli, "keys or --all: one of them is wanted");
    }
    if (code == CLI_OK) {
        code = cli_store_open(cli, args[0], words, CLI_WRITE, NULL, NULL,
                              &target);
    }
    if (code != CLI_OK) {
        return code;
    }
    if (all) {
        const kist_status status = kist_store_clear(target.store, &removed);

        code = status == KIST_OK ? CLI_OK : cli_fail(status);
        if (code == CLI_OK && cli->json) {
            printf("{\"removed\":%" PRIu64 "}\n", removed);
        }
    }
    for (int i = 1; i < count; i++) {
        const int failed = remove_one(&target, &condition, args[i]);

        code = failed > code ? failed : code;
    }
    cli_store_close(&target);
    return code;
}
