/*
 * fmtjson.h - the short way for JSON: plain trees, without jsonpickle.
 *
 * A plain tree is made of dict, list, str, int, float, bool and None, exactly
 * these types; its keys are str that do not begin with "py/", and no dict or
 * list stands in it twice.  For those jsonpickle.dumps(value, indent=4) gives
 * what json.dumps(value, indent=4) does, and so does this.
 *
 * Layer    extension.
 * Threads  with the GIL; runs no Python code while it walks a value.
 */
#ifndef KPY_FMTJSON_H
#define KPY_FMTJSON_H

#include "module.h"

/*
 * Appends the JSON of `value` to `out`: 1; 0 if it is no plain tree (`out`
 * has something in it then); -1 with MemoryError, RecursionError, or
 * ValueError (an int of too many digits) set.
 */
int kpy_json_dump(PyObject *value, kist_buf *out);

/*
 * The value of the JSON in `text`, which has no key that begins with "py/": a
 * new reference, or NULL with an error set, ValueError where it is no JSON.
 */
PyObject *kpy_json_load(kpy_state *state, kist_slice text);

/* False if some str in `text` begins with "py/". */
bool kpy_json_is_plain(kist_slice text);

#endif /* KPY_FMTJSON_H */
