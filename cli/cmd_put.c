/*
 * kist put: a value under a key, at the end of a list, or into a set.
 */
#include "jsonval.h"
#include "storetarget.h"
#include "target.h"

const char cmd_put_help[] =
    "Stores values; makes the kist and the collection if they are missing.\n"
    "\n"
    "Examples:\n"
    "  kist put people ada 'Countess of Lovelace'        into the root dict\n"
    "  kist put people -c ages --json ada 36 bob 41      into a dict `ages`\n"
    "  kist put people -c log -k list 'it began'         to the end of a "
    "list\n"
    "  kist put people -c log --at 0 'it began early'    over an item\n"
    "  kist put people -c seen -k set alice bob          into a set\n"
    "  kist put people -c primes -k list --type int 2 3 5\n"
    "  kist put people -c images logo --file logo.png    bytes of a file\n"
    "\n"
    "  kist put docs/ uk/ada --file ada.txt              a store: a file "
    "for each\n"
    "  kist put docs/ --format json uk/ada '{\"age\": 36}'  key, in a "
    "directory\n"
    "  kist put docs/ --etag \"$seen\" uk/ada hello      if nobody else "
    "wrote\n"
    "\n"
    "Usage: kist put PATH [-c COLLECTION] KEY VALUE [KEY VALUE]...\n"
    "       kist put PATH [-c COLLECTION] [-k list|set] VALUE...\n"
    "       kist put PATH [-c COLLECTION] [KEY] --file FILE|-\n"
    "       kist put STORE KEY VALUE [KEY VALUE]... | KEY --file FILE|-\n"
    "\n"
    "  -c, --collection NAME  default: the root collection\n"
    "  -k, --kind KIND        list, dict or set, when it is made now;\n"
    "                         default: dict\n"
    "  -t, --type TYPE        the type of its values, when it is made now, "
    "and\n"
    "                         what VALUE is read as: any (the default), "
    "text,\n"
    "                         bytes, int, float, bool, int32, int128, ...\n"
    "      --json             VALUE is JSON: null, true, 12, 1.5, \"x\", "
    "[..],\n"
    "                         {..}\n"
    "      --at INDEX         replace an item of a list\n"
    "      --insert INDEX     insert before it\n"
    "  -f, --file FILE        the value is what FILE holds, \"-\" is "
    "standard\n"
    "                         input\n"
    "\n"
    "Of a store:\n"
    "      --new              only if the key is not there\n"
    "      --etag ETAG        only if its value has this ETag (exit code 1\n"
    "                         if not)\n"
    "      --format FORMAT    what file names end in; in \"json\" VALUE must "
    "be\n"
    "                         JSON. Default: what they do end in, else bin\n"
    "      --digest-len N     characters of the digest in file names (4)\n"
    "      --json             print the key and its new ETag\n"
    "Every put is one step by itself and is synced, unless --durability\n"
    "process is given.\n"
    "\n"
    "VALUE is text unless told otherwise; \"--\" must stand before one that\n"
    "begins with \"-\". What one call stores is one change.\n";

typedef struct put_job {
    const cli_call *cli;
    const char *path;
    const char *name;
    const char *at;     /* --at, or NULL */
    const char *insert; /* --insert, or NULL */
    const char *file;   /* --file, or NULL */
    kist_kind kind;
    bool has_type;
    kist_type type;
    kist_buf contents; /* of the file */
    cli_target target;
} put_job;

static kist_status
put_list(const put_job *putter, const kist_value *value)
{
    kist_list *list = putter->target.list;
    const bool insert = putter->insert != NULL;
    const char *word = insert ? putter->insert : putter->at;
    uint64_t count = 0;
    uint64_t index;
    kist_status status;

    if (word == NULL) {
        return kist_list_append(list, value);
    }
    status = kist_list_count(list, &count);
    if (status != KIST_OK) {
        return status;
    }
    if (!cli_parse_index(word, count, insert, &index)) {
        return KIST_ERR_RANGE;
    }
    return insert ? kist_list_insert(list, index, value)
                  : kist_list_set(list, index, value);
}

static int
put_value(const put_job *putter, const char *key, const kist_value *value)
{
    kist_status status;

    switch (putter->target.kind) {
    case KIST_KIND_LIST:
        status = put_list(putter, value);
        if (status == KIST_ERR_RANGE) {
            return cli_error(CLI_WRONG, "%s: no index \"%s\"", putter->path,
                             putter->insert != NULL ? putter->insert
                                                    : putter->at);
        }
        break;
    case KIST_KIND_DICT:
        status = kist_dict_put(putter->target.dict, kist_str(key), value);
        break;
    default:
        status = kist_set_add(putter->target.set, value, NULL);
        break;
    }
    return status == KIST_OK ? CLI_OK : cli_fail(status);
}

/* One VALUE of the command line, or the contents of --file if it is NULL. */
static int
put_word(const put_job *putter, const char *key, const char *word)
{
    const kist_type type =
        putter->has_type ? putter->type : putter->target.type;
    cli_parsed parsed;
    kist_value value;
    const char *wrong;
    int code;

    cli_parsed_init(&parsed);
    if (word == NULL && !putter->cli->json) {
        const char *text = (const char *)putter->contents.data;

        wrong = cli_text_value(&parsed, text == NULL ? "" : text,
                               putter->contents.size, type, &value);
    }
    else {
        const char *text = (const char *)putter->contents.data;

        wrong = cli_word_value(&parsed, word == NULL ? text : word,
                               putter->cli->json, type, &value);
    }
    code = wrong == NULL
               ? put_value(putter, key, &value)
               : cli_error(CLI_WRONG, "%s: %s",
                           word == NULL ? putter->file : word, wrong);
    cli_parsed_fini(&parsed);
    return code;
}

static int
put_words(const put_job *putter, char **words, int count)
{
    const int step = putter->target.kind == KIST_KIND_DICT ? 2 : 1;
    int code = CLI_OK;

    if (putter->file != NULL) {
        return put_word(putter, count > 0 ? words[0] : NULL, NULL);
    }
    for (int i = 0; i < count && code == CLI_OK; i += step) {
        code = put_word(putter, words[i], words[i + step - 1]);
    }
    return code;
}

/* What the words must be for a collection of this kind. */
static int
check_words(const put_job *putter, kist_kind kind, int count)
{
    const bool one = putter->at != NULL || putter->insert != NULL;

    if (one && kind != KIST_KIND_LIST) {
        return cli_usage(putter->cli, "--at and --insert are for lists");
    }
    if (putter->file != NULL) {
        if (count != (kind == KIST_KIND_DICT)) {
            return cli_usage(putter->cli, "with --file a %s wants %s",
                             kist_kind_name(kind),
                             kind == KIST_KIND_DICT ? "one KEY" : "no VALUE");
        }
        return CLI_OK;
    }
    if (kind == KIST_KIND_DICT && (count == 0 || count % 2 != 0)) {
        return cli_usage(putter->cli, "a dict wants KEY VALUE [KEY VALUE]...");
    }
    if (count == 0 || (one && count != 1)) {
        return cli_usage(putter->cli,
                         one ? "one VALUE is wanted" : "a VALUE is wanted");
    }
    return CLI_OK;
}

/* One batch: all that was asked, or nothing. */
static int
put_in_batch(const put_job *putter, char **words, int count)
{
    kist *k = putter->target.k;
    kist_status status = kist_batch_begin(k);
    int code;

    if (status != KIST_OK) {
        return cli_fail(status);
    }
    code = put_words(putter, words, count);
    status = code == CLI_OK ? kist_batch_commit(k) : kist_batch_rollback(k);
    return status != KIST_OK && code == CLI_OK ? cli_fail(status) : code;
}

/* The words are checked before anything is made. */
static int
put(put_job *putter, char **words, int count)
{
    const kist_kind wanted = putter->kind != 0 ? putter->kind : KIST_KIND_DICT;
    cli_target *target = &putter->target;
    int code = CLI_OK;

    if (!cli_exists(putter->path)) {
        code = check_words(putter, wanted, count);
    }
    if (code == CLI_OK && putter->file != NULL) {
        code = cli_read_file(putter->file, &putter->contents);
    }
    if (code == CLI_OK) {
        code = cli_target_find(putter->cli, putter->path, putter->name,
                               CLI_CREATE, putter->kind, target);
    }
    if (code != CLI_OK) {
        return code;
    }
    code =
        check_words(putter, target->kind != 0 ? target->kind : wanted, count);
    if (code != CLI_OK) {
        return cli_target_close(target, code);
    }
    code = cli_target_make(target, wanted,
                           putter->has_type ? putter->type : KIST_ANY);
    if (code != CLI_OK) {
        return code;
    }
    return cli_target_close(target, put_in_batch(putter, words, count));
}

/* False if `opt` is none of ours, or its argument is wrong and was told. */
static bool
take_option(put_job *putter, cli_call *cli, int opt)
{
    switch (opt) {
    case 'c':
        putter->name = optarg;
        return true;
    case 'k':
        putter->kind = cli_parse_kind(optarg);
        if (putter->kind == 0) {
            cli->exit_code = cli_usage(cli, "no such kind: %s", optarg);
        }
        return putter->kind != 0;
    case 't':
        putter->has_type = cli_parse_type(optarg, &putter->type);
        if (!putter->has_type) {
            cli->exit_code = cli_usage(cli, "no such type: %s", optarg);
        }
        return putter->has_type;
    case 'A':
        putter->at = optarg;
        return true;
    case 'I':
        putter->insert = optarg;
        return true;
    case 'f':
        putter->file = optarg;
        return true;
    default:
        return false;
    }
}

/* True if no option was given that only a kist has. */
static bool
is_plain(const put_job *putter)
{
    return putter->name == NULL && putter->kind == 0 && !putter->has_type &&
           putter->at == NULL && putter->insert == NULL;
}

int
cmd_put(cli_call *cli, int argc, char **argv)
{
    static const struct option own[] = {
        {"collection", required_argument, NULL, 'c'},
        {"kind", required_argument, NULL, 'k'},
        {"type", required_argument, NULL, 't'},
        {"at", required_argument, NULL, 'A'},
        {"insert", required_argument, NULL, 'I'},
        {"file", required_argument, NULL, 'f'},
        {"new", no_argument, NULL, CLI_OPT_NEW},
        {"etag", required_argument, NULL, CLI_OPT_ETAG},
        {"format", required_argument, NULL, CLI_OPT_FORMAT},
        {"digest-len", required_argument, NULL, CLI_OPT_DIGEST},
        {NULL, 0, NULL, 0}};
    put_job putter = {.cli = cli};
    cli_storewords words = {.given = NULL};
    int code;
    int opt;

    while ((opt = cli_getopt(cli, argc, argv, "c:k:t:f:", own)) != -1) {
        if (!cli_store_option(cli, opt, &words) &&
            (cli->exit_code != CLI_OK || !take_option(&putter, cli, opt))) {
            return cli->exit_code;
        }
    }
    if (optind >= argc) {
        return cli_usage(cli, "a PATH is wanted");
    }
    if (putter.at != NULL && putter.insert != NULL) {
        return cli_usage(cli, "--at or --insert: one of them");
    }
    putter.path = argv[optind];
    if (is_plain(&putter) && cli_names_store(putter.path)) {
        return cmd_store_put(cli, &words, putter.file, argc - optind,
                             argv + optind);
    }
    if (cli_store_unwanted(cli, &words) != CLI_OK) {
        return CLI_USAGE;
    }
    putter.name = putter.name == NULL ? "" : putter.name;
    code = put(&putter, argv + optind + 1, argc - optind - 1);
    kist_buf_fini(&putter.contents);
    return code;
}
