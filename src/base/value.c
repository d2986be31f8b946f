#include "kist/value.h"

static const char *const names[] = {
    [KIST_ANY] = "any",
    [KIST_NULL] = "null",
    [KIST_BOOL] = "bool",
    [KIST_INT] = "int",
    [KIST_FLOAT] = "float",
    [KIST_TEXT] = "text",
    [KIST_BYTES] = "bytes",
    [KIST_BIGINT] = "bigint",
    [KIST_TUPLE] = "tuple",
    [KIST_LIST] = "list",
    [KIST_DICT] = "dict",
    [KIST_SET] = "set",
    [KIST_FROZENSET] = "frozenset",
    [KIST_JSON] = "json",
    [KIST_DATETIME] = "datetime",
    [KIST_DATE] = "date",
    [KIST_TIME] = "time",
    [KIST_TIMEDELTA] = "timedelta",
    [KIST_DECIMAL] = "decimal",
    [KIST_UUID] = "uuid",
    [KIST_COMPLEX] = "complex",
    [KIST_REF] = "ref",
    [KIST_INT32] = "int32",
    [KIST_INT128] = "int128",
};

const char *
kist_type_name(kist_type type)
{
    const size_t number = (size_t)type;

    if (number >= sizeof(names) / sizeof(names[0]) || names[number] == NULL) {
        return "type?";
    }
    return names[number];
}

bool
kist_type_has_bytes(kist_type type)
{
    return type >= KIST_TEXT && type <= KIST_REF;
}
