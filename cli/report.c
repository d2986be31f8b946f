#include "report.h"

#include <inttypes.h>
#include <jansson.h>

static void
print_json(const char *path, const kist_report *report, int code)
{
    json_t *offset = report->damaged_offset == UINT64_MAX
                         ? json_null()
                         : json_integer((json_int_t)report->damaged_offset);
    json_t *root = json_pack(
        "{s:s?, s:b, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:b, s:b}", "path",
        path, "sound", code == CLI_OK, "records", (json_int_t)report->records,
        "live", (json_int_t)report->live, "bytes", (json_int_t)report->bytes,
        "damaged_runs", (json_int_t)report->damaged_runs, "damaged_bytes",
        (json_int_t)report->damaged_bytes, "damaged_offset", offset,
        "torn_bytes", (json_int_t)report->torn_bytes, "index_damaged",
        report->index_damaged, "index_rebuilt", report->index_rebuilt);

    if (root != NULL) {
        json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(root);
    }
    else {
        printf("{\"sound\": %s}\n", code == CLI_OK ? "true" : "false");
    }
}

void
cli_report_print(const cli_call *cli, const char *path,
                 const kist_report *report, int code)
{
    if (cli->json) {
        print_json(path, report, code);
        return;
    }
    if (cli->quiet) {
        return;
    }
    printf("%s: %s: %" PRIu64 " records, %" PRIu64 " live, %" PRIu64
           " bytes\n",
           path, code == CLI_OK ? "sound" : "damaged", report->records,
           report->live, report->bytes);
    if (report->damaged_runs > 0) {
        printf("%s: %" PRIu64 " bytes in %" PRIu64
               " places are no record, the first at offset %" PRIu64 "\n",
               path, report->damaged_bytes, report->damaged_runs,
               report->damaged_offset);
    }
    if (report->torn_bytes > 0) {
        printf("%s: an unfinished tail of %" PRIu64 " bytes\n", path,
               report->torn_bytes);
    }
    if (report->index_damaged) {
        printf("%s: the index was wrong%s\n", path,
               report->index_rebuilt ? " and is made anew"
                                     : "; verify --fix makes it anew");
    }
}
