#include "kist/version.h"

const char *
kist_version(void)
{
    return KIST_VERSION_STRING;
}
