/*
 * kist info: sizes, collections, counters.
 */
#include <inttypes.h>
#include <jansson.h>

#include "cli.h"
#include "jsonval.h"

const char cmd_info_help[] = "Shows what a kist holds and costs.\n"
                             "\n"
                             "Examples:\n"
                             "  kist info people\n"
                             "  kist info people --json | jq .log_bytes\n"
                             "\n"
                             "Usage: kist info PATH [--json]\n";

/* A number of the metrics: where it goes in text and in JSON. */
typedef struct named_figure {
    const char *name;
    uint64_t value;
} named_figure;

#define FIGURES 12u

static void
gather(const kist_metrics *metrics, named_figure figures[FIGURES])
{
    const named_figure all[FIGURES] = {
        {"log_bytes", metrics->log_bytes},
        {"log_file_bytes", metrics->log_file_bytes},
        {"index_bytes", metrics->index_bytes},
        {"index_file_bytes", metrics->index_file_bytes},
        {"total_disk_usage_bytes", metrics->total_disk_usage_bytes},
        {"wasted_bytes", metrics->wasted_bytes},
        {"live_records", metrics->live_records},
        {"dead_records", metrics->dead_records},
        {"synced_bytes", metrics->synced_bytes},
        {"generation", metrics->generation},
        {"recovered_records", metrics->recovered_records},
        {"torn_bytes_cut", metrics->torn_bytes_cut},
    };

    for (size_t i = 0; i < FIGURES; i++) {
        figures[i] = all[i];
    }
}

/* Prints a name as JSON, which says "" for the root collection. */
static kist_status
print_collections(kist *k)
{
    kist_coll_info info;
    kist_status status;

    for (uint64_t i = 0; !cli_output_failed(); i++) {
        status = kist_coll_at(k, i, &info);
        if (status != KIST_OK) {
            return status == KIST_END ? KIST_OK : status;
        }
        printf("  %-4s of %-9s %12" PRIu64 "  ", kist_kind_name(info.kind),
               kist_type_name(info.type), info.count);
        status = cli_json_write_key(stdout, info.name);
        if (status != KIST_OK) {
            return status;
        }
        putchar('\n');
    }
    return KIST_OK;
}

static kist_status
print_text(kist *k, const kist_metrics *metrics)
{
    named_figure figures[FIGURES];

    gather(metrics, figures);
    printf("%s\n", kist_path(k));
    for (size_t i = 0; i < FIGURES; i++) {
        printf("  %-24s %15" PRIu64 "\n", figures[i].name, figures[i].value);
    }
    printf("  %-24s %15.3f\n", "fragmentation_ratio",
           metrics->fragmentation_ratio);
    printf("  %-24s %15s\n", "clean_shutdown",
           metrics->clean_shutdown ? "yes" : "no");
    printf("  %-24s %15s\n", "index_was_rebuilt",
           metrics->index_was_rebuilt ? "yes" : "no");
    printf("collections: %" PRIu64 "\n", metrics->collections);
    return print_collections(k);
}

static json_t *
json_text(kist_slice text)
{
    json_t *json = json_stringn(text.data, text.size);

    return json != NULL ? json : json_string("?"); // no UTF-8
}

static json_t *
json_collections(kist *k, kist_status *status)
{
    json_t *list = json_array();
    kist_coll_info info;

    for (uint64_t i = 0;; i++) {
        json_t *one;

        *status = kist_coll_at(k, i, &info);
        if (*status != KIST_OK) {
            break;
        }
        one = json_pack(
            "{s:o, s:s, s:s, s:I, s:I}", "name", json_text(info.name), "kind",
            kist_kind_name(info.kind), "type", kist_type_name(info.type), "id",
            (json_int_t)info.id, "count", (json_int_t)info.count);
        json_array_append_new(list, one);
    }
    if (*status == KIST_END) {
        *status = KIST_OK;
    }
    return list;
}

static kist_status
print_json(kist *k, const kist_metrics *metrics)
{
    json_t *root = json_object();
    named_figure figures[FIGURES];
    kist_status status = KIST_OK;

    json_object_set_new(root, "path", json_text(kist_str(kist_path(k))));
    gather(metrics, figures);
    for (size_t i = 0; i < FIGURES; i++) {
        json_object_set_new(root, figures[i].name,
                            json_integer((json_int_t)figures[i].value));
    }
    json_object_set_new(root, "fragmentation_ratio",
                        json_real(metrics->fragmentation_ratio));
    json_object_set_new(root, "clean_shutdown",
                        json_boolean(metrics->clean_shutdown));
    json_object_set_new(root, "index_was_rebuilt",
                        json_boolean(metrics->index_was_rebuilt));
    json_object_set_new(root, "collections", json_collections(k, &status));
    if (status == KIST_OK) {
        json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(root);
    return status;
}

int
cmd_info(cli_call *cli, int argc, char **argv)
{
    static const struct option own[] = {{NULL, 0, NULL, 0}};
    kist_metrics metrics;
    kist_status status;
    kist *k;
    int code;

    if (cli_getopt(cli, argc, argv, "", own) != -1) {
        return cli->exit_code;
    }
    if (argc - optind != 1) {
        return cli_usage(cli, "one PATH is wanted");
    }
    code = cli_open(cli, argv[optind], CLI_READ, &k);
    if (code != CLI_OK) {
        return code;
    }
    status = kist_metrics_get(k, &metrics);
    if (status == KIST_OK) {
        status = cli->json ? print_json(k, &metrics) : print_text(k, &metrics);
    }
    return cli_close(k, status == KIST_OK ? CLI_OK : cli_fail(status));
}
