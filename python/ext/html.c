/*
 * What a notebook shows of a collection: its place and its first items.
 */
#include "collbase.h"

#define ROWS_MAX 20

/* "<td>repr(object)</td>", or NULL. */
static PyObject *
cell_of(kpy_state *state, PyObject *object)
{
    PyObject *escape = kpy_lazy(state, KPY_LAZY_HTML_ESCAPE);
    PyObject *text = escape == NULL ? NULL : PyObject_Repr(object);
    PyObject *safe = text == NULL ? NULL : PyObject_CallOneArg(escape, text);
    PyObject *cell =
        safe == NULL ? NULL : PyUnicode_FromFormat("<td>%U</td>", safe);

    Py_XDECREF(safe);
    Py_XDECREF(text);
    return cell;
}

/* One row: an item of a dict has two cells, a value its index and itself. */
static PyObject *
row_of(kpy_state *state, bool spread, PyObject *item, Py_ssize_t index)
{
    PyObject *number = PyLong_FromSsize_t(index);
    PyObject *first = NULL;
    PyObject *second = NULL;
    PyObject *row = NULL;

    if (number != NULL) {
        first = cell_of(state, spread ? PyTuple_GET_ITEM(item, 0) : number);
    }
    if (first != NULL) {
        second = cell_of(state, spread ? PyTuple_GET_ITEM(item, 1) : item);
    }
    if (second != NULL) {
        row = PyUnicode_FromFormat("<tr>%U%U</tr>", first, second);
    }
    Py_XDECREF(second);
    Py_XDECREF(first);
    Py_XDECREF(number);
    return row;
}

/* The rows of up to ROWS_MAX items, as one str. */
static PyObject *
rows_of(kpy_coll *coll)
{
    const bool spread = coll->kind == KIST_KIND_DICT;
    PyObject *items =
        spread ? PyObject_CallMethod((PyObject *)coll, "items", NULL)
               : Py_NewRef((PyObject *)coll);
    PyObject *iterator = items == NULL ? NULL : PyObject_GetIter(items);
    PyObject *rows = iterator == NULL ? NULL : PyUnicode_New(0, 127);
    PyObject *item;
    Py_ssize_t index = 0;

    while (rows != NULL && index < ROWS_MAX &&
           (item = PyIter_Next(iterator)) != NULL) {
        // A subclass may have items() of its own.
        const bool pair =
            spread && PyTuple_Check(item) && PyTuple_GET_SIZE(item) == 2;
        PyObject *row = row_of(coll->state, pair, item, index);

        index++;
        Py_DECREF(item);
        PyUnicode_AppendAndDel(&rows, row);
    }
    Py_XDECREF(iterator);
    Py_XDECREF(items);
    if (PyErr_Occurred()) {
        Py_CLEAR(rows);
    }
    return rows;
}

PyObject *
kpy_coll_html(PyObject *self, PyObject *unused)
{
    kpy_coll *coll = (kpy_coll *)self;
    Py_ssize_t count;
    PyObject *rows;
    PyObject *where;
    PyObject *html = NULL;

    (void)unused;
    if (!kpy_coll_open_or_raise(coll)) {
        return NULL;
    }
    count = PyObject_Size(self);
    rows = count < 0 ? NULL : rows_of(coll);
    where = rows == NULL ? NULL : cell_of(coll->state, coll->path);
    if (where != NULL) {
        html = PyUnicode_FromFormat(
            "<table><tr><th>FS%s of %zd</th>%U</tr>%U%s</table>",
            coll->kind == KIST_KIND_LIST   ? "List"
            : coll->kind == KIST_KIND_DICT ? "Dict"
                                           : "Set",
            count, where, rows,
            count > ROWS_MAX ? "<tr><td>&hellip;</td><td></td></tr>" : "");
    }
    Py_XDECREF(where);
    Py_XDECREF(rows);
    return html;
}
