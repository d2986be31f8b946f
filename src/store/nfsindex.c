#include "store/nfsindex.h"

#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/fail.h"

/* Opcodes of pickles, by their names in CPython's pickletools. */
enum {
    OP_MARK = '(',
    OP_STOP = '.',
    OP_BINUNICODE = 'X',
    OP_EMPTY_LIST = ']',
    OP_APPEND = 'a',
    OP_APPENDS = 'e',
    OP_GLOBAL = 'c',
    OP_BINGET = 'h',
    OP_LONG_BINGET = 'j',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
    OP_REDUCE = 'R',
    OP_PROTO = 0x80,
    OP_TUPLE1 = 0x85,
    OP_SHORT_BINUNICODE = 0x8c,
    OP_BINUNICODE8 = 0x8d,
    OP_EMPTY_SET = 0x8f,
    OP_ADDITEMS = 0x90,
    OP_FROZENSET = 0x91,
    OP_MEMOIZE = 0x94,
    OP_FRAME = 0x95
};

/* What the pickle has on its stack below the keys. */
typedef enum step {
    STEP_BEGIN,  // nothing
    STEP_GLOBAL, // the type set or frozenset
    STEP_LIST,   // a list
    STEP_SET,    // a set
    STEP_LISTED, // the type, and a list for it
    STEP_TUPLED, // the type, and that list in a tuple
    STEP_FROZEN, // nothing, and the keys are above a mark
    STEP_DONE    // what the pickle is of
} step;

/* A memo slot that holds no key. */
#define NO_KEY UINT32_MAX

/*
 * The machine.  Keys are put into the index when they are pushed: all that
 * are pushed must be taken in, or the pickle is none.
 */
typedef struct machine {
    kist_slice data;
    size_t at;
    ki_nfsindex *index;
    step step;
    bool marked;    // a MARK is on the stack
    size_t pending; // keys above it, or above the container
    uint32_t *memo; // numbers of keys
    size_t memo_count;
    size_t memo_room;
    uint32_t top; // what a MEMOIZE would keep
} machine;

static kist_status
out_of_memory(void)
{
    return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "index of keys");
}

static kist_status
add_key(ki_nfsindex *index, kist_slice key)
{
    if (index->count == index->room) {
        const size_t room = index->room == 0 ? 64 : index->room * 2;
        kist_slice *keys = room > SIZE_MAX / sizeof(*keys)
                               ? NULL
                               : ki_realloc(index->keys, room * sizeof(*keys));

        if (keys == NULL) {
            return out_of_memory();
        }
        index->keys = keys;
        index->room = room;
    }
    index->keys[index->count++] = key;
    return KIST_OK;
}

/* --- the memo ---------------------------------------------------------------
 */

static kist_status
memoize(machine *m, uint64_t slot)
{
    // Picklers number the slots one after the other.
    if (slot != m->memo_count) {
        return KIST_ERR_CORRUPT;
    }
    if (m->memo_count == m->memo_room) {
        const size_t room = m->memo_room == 0 ? 64 : m->memo_room * 2;
        uint32_t *memo = ki_realloc(m->memo, room * sizeof(*memo));

        if (memo == NULL) {
            return out_of_memory();
        }
        m->memo = memo;
        m->memo_room = room;
    }
    m->memo[m->memo_count++] = m->top;
    return KIST_OK;
}

/* --- pushing ----------------------------------------------------------------
 */

/* May a key be pushed now? */
static bool
takes_keys(const machine *m)
{
    if (m->step == STEP_FROZEN) {
        return true;
    }
    return (m->step == STEP_LIST || m->step == STEP_LISTED ||
            m->step == STEP_SET) &&
           (m->marked || (m->pending == 0 && m->step != STEP_SET));
}

static kist_status
push_key(machine *m, kist_slice key)
{
    if (!takes_keys(m) || m->index->count >= NO_KEY || !ki_nfskey_valid(key)) {
        return KIST_ERR_CORRUPT;
    }
    m->pending++;
    m->top = (uint32_t)m->index->count;
    return add_key(m->index, key);
}

static kist_status
push_again(machine *m, uint32_t slot)
{
    if (slot >= m->memo_count || m->memo[slot] == NO_KEY) {
        return KIST_ERR_CORRUPT;
    }
    return push_key(m, m->index->keys[m->memo[slot]]);
}

/* "builtins\nset\n", as protocol 3 has it, or "__builtin__\n...", as 2. */
static kist_status
push_global(machine *m)
{
    static const char *const names[] = {
        "builtins\nset\n",
        "builtins\nfrozenset\n",
        "__builtin__\nset\n",
        "__builtin__\nfrozenset\n",
    };
    const char *text = (const char *)m->data.data + m->at;
    const size_t left = m->data.size - m->at;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const size_t size = strlen(names[i]);

        if (m->step == STEP_BEGIN && !m->marked && left >= size &&
            memcmp(text, names[i], size) == 0) {
            m->at += size;
            m->step = STEP_GLOBAL;
            m->top = NO_KEY;
            return KIST_OK;
        }
    }
    return KIST_ERR_CORRUPT;
}

static kist_status
push_list(machine *m)
{
    if (m->marked || (m->step != STEP_BEGIN && m->step != STEP_GLOBAL)) {
        return KIST_ERR_CORRUPT;
    }
    m->step = m->step == STEP_BEGIN ? STEP_LIST : STEP_LISTED;
    m->top = NO_KEY;
    return KIST_OK;
}

static kist_status
push_mark(machine *m)
{
    if (m->marked || m->pending > 0) {
        return KIST_ERR_CORRUPT;
    }
    if (m->step == STEP_BEGIN) {
        m->step = STEP_FROZEN;
    }
    else if (m->step != STEP_LIST && m->step != STEP_LISTED &&
             m->step != STEP_SET) {
        return KIST_ERR_CORRUPT;
    }
    m->marked = true;
    return KIST_OK;
}

/* --- taking in --------------------------------------------------------------
 */

/* APPEND, APPENDS, ADDITEMS, FROZENSET: the keys go into what is below. */
static kist_status
take_in(machine *m, uint8_t opcode)
{
    const bool list = m->step == STEP_LIST || m->step == STEP_LISTED;
    const bool good =
        opcode == OP_APPEND     ? list && !m->marked && m->pending == 1
        : opcode == OP_APPENDS  ? list && m->marked
        : opcode == OP_ADDITEMS ? m->step == STEP_SET && m->marked
                                : m->step == STEP_FROZEN;

    if (!good) {
        return KIST_ERR_CORRUPT;
    }
    m->marked = false;
    m->pending = 0;
    m->top = NO_KEY;
    if (opcode == OP_FROZENSET) {
        m->step = STEP_DONE;
    }
    return KIST_OK;
}

/* EMPTY_SET, TUPLE1, REDUCE: from one step to another, with nothing open. */
static kist_status
advance(machine *m, step from, step to)
{
    if (m->step != from || m->marked || m->pending > 0) {
        return KIST_ERR_CORRUPT;
    }
    m->step = to;
    m->top = NO_KEY;
    return KIST_OK;
}

/* --- the machine ------------------------------------------------------------
 */

/* The argument of an opcode: `size` bytes, as a number. */
static kist_status
read_number(machine *m, size_t size, uint64_t *number)
{
    const uint8_t *bytes = (const uint8_t *)m->data.data + m->at;

    if (m->data.size - m->at < size) {
        return KIST_ERR_CORRUPT;
    }
    *number = size == 1   ? bytes[0]
              : size == 4 ? ki_load_le32(bytes)
                          : ki_load_le64(bytes);
    m->at += size;
    return KIST_OK;
}

/* The opcodes that have a number behind them. */
static kist_status
run_numbered(machine *m, uint8_t opcode)
{
    uint64_t number;
    kist_status status =
        read_number(m,
                    opcode == OP_FRAME                           ? 8
                    : opcode == OP_BINGET || opcode == OP_BINPUT ? 1
                                                                 : 4,
                    &number);

    if (status != KIST_OK || opcode == OP_FRAME) {
        return status;
    }
    return opcode == OP_BINGET || opcode == OP_LONG_BINGET
               ? push_again(m, (uint32_t)number)
               : memoize(m, number);
}

static kist_status
run_opcode(machine *m, uint8_t opcode)
{
    kist_slice key;
    kist_status status;

    switch (opcode) {
    case OP_SHORT_BINUNICODE:
    case OP_BINUNICODE:
    case OP_BINUNICODE8:
        m->at--;
        status = ki_nfspickle_string(m->data, &m->at, &key);
        return status == KIST_OK ? push_key(m, key) : KIST_ERR_CORRUPT;
    case OP_MEMOIZE:
        return memoize(m, m->memo_count);
    case OP_FRAME:
    case OP_BINGET:
    case OP_LONG_BINGET:
    case OP_BINPUT:
    case OP_LONG_BINPUT:
        return run_numbered(m, opcode);
    case OP_EMPTY_LIST:
        return push_list(m);
    case OP_EMPTY_SET:
        return advance(m, STEP_BEGIN, STEP_SET);
    case OP_MARK:
        return push_mark(m);
    case OP_APPEND:
    case OP_APPENDS:
    case OP_ADDITEMS:
    case OP_FROZENSET:
        return take_in(m, opcode);
    case OP_GLOBAL:
        return push_global(m);
    case OP_TUPLE1:
        return advance(m, STEP_LISTED, STEP_TUPLED);
    case OP_REDUCE:
        return advance(m, STEP_TUPLED, STEP_DONE);
    default:
        return KIST_ERR_CORRUPT;
    }
}

static kist_status
read_pickle(kist_slice data, ki_nfsindex *index)
{
    const uint8_t *bytes = data.data;
    machine m = {.data = data, .at = 2, .index = index, .top = NO_KEY};
    kist_status status = KIST_OK;

    if (data.size < 2 || bytes[0] != OP_PROTO || bytes[1] < 2 ||
        bytes[1] > 5) {
        return KIST_ERR_CORRUPT;
    }
    while (status == KIST_OK) {
        if (m.at >= data.size) {
            status = KIST_ERR_CORRUPT;
        }
        else if (bytes[m.at] == OP_STOP) {
            break; // what follows is nobody's
        }
        else {
            m.at++;
            status = run_opcode(&m, bytes[m.at - 1]);
        }
    }
    if (status == KIST_OK &&
        (m.marked || m.pending > 0 ||
         (m.step != STEP_LIST && m.step != STEP_SET && m.step != STEP_DONE))) {
        status = KIST_ERR_CORRUPT;
    }
    ki_free(m.memo);
    return status;
}

static kist_status
read_json(kist_slice data, ki_nfsindex *index)
{
    const char *text = data.data;
    size_t at = 0;
    kist_status status;
    kist_slice key;

    // Escapes only ever get shorter: what is reserved now never moves.
    status = kist_buf_reserve(&index->scratch, data.size);
    if (status != KIST_OK) {
        return status;
    }
    ki_nfsjson_space(data, &at);
    if (at == data.size || text[at] != '[') {
        return KIST_ERR_CORRUPT;
    }
    at++;
    ki_nfsjson_space(data, &at);
    if (at < data.size && text[at] == ']') {
        at++;
        ki_nfsjson_space(data, &at);
        return at == data.size ? KIST_OK : KIST_ERR_CORRUPT;
    }
    for (;;) {
        ki_nfsjson_space(data, &at);
        status = ki_nfsjson_string(data, &at, &index->scratch, &key);
        if (status == KIST_END ||
            (status == KIST_OK &&
             (key.size > KI_NFSKEY_SIZE_MAX || !ki_nfskey_valid(key)))) {
            status = KIST_ERR_CORRUPT;
        }
        if (status == KIST_OK) {
            status = add_key(index, key);
        }
        if (status != KIST_OK) {
            return status;
        }
        ki_nfsjson_space(data, &at);
        if (at == data.size || (text[at] != ',' && text[at] != ']')) {
            return KIST_ERR_CORRUPT;
        }
        if (text[at++] == ']') {
            break;
        }
    }
    ki_nfsjson_space(data, &at);
    return at == data.size ? KIST_OK : KIST_ERR_CORRUPT;
}

kist_status
ki_nfsindex_read(ki_nfsformat format, kist_slice data, ki_nfsindex *index)
{
    const kist_status status = format == KI_NFS_PICKLE
                                   ? read_pickle(data, index)
                                   : read_json(data, index);

    if (status != KIST_OK) {
        ki_nfsindex_fini(index);
    }
    return status;
}

void
ki_nfsindex_fini(ki_nfsindex *index)
{
    if (index != NULL) {
        ki_free(index->keys);
        kist_buf_fini(&index->scratch);
        *index = (ki_nfsindex){0};
    }
}

/* --- writing ----------------------------------------------------------------
 */

/* Where the size of the frame stands, and where the frame begins. */
#define FRAME_AT    3
#define FRAME_BEGIN 11

kist_status
ki_nfsindex_begin(ki_nfsformat format, kist_buf *data)
{
    static const uint8_t pickled[] = {
        OP_PROTO, 4, OP_FRAME, 0, 0, 0, 0, 0, 0, 0, 0, OP_EMPTY_LIST, OP_MARK};

    kist_buf_clear(data);
    return format == KI_NFS_PICKLE
               ? kist_buf_append(data, pickled, sizeof(pickled))
               : kist_buf_append(data, "[", 1);
}

static kist_status
add_pickled(kist_buf *data, kist_slice key)
{
    uint8_t head[5];
    size_t size = 2;
    kist_status status;

    if (key.size < 256) {
        head[0] = OP_SHORT_BINUNICODE;
        head[1] = (uint8_t)key.size;
    }
    else {
        head[0] = OP_BINUNICODE;
        ki_store_le32(head + 1, (uint32_t)key.size);
        size = 5;
    }
    status = kist_buf_append(data, head, size);
    return status == KIST_OK ? kist_buf_append(data, key.data, key.size)
                             : status;
}

/* As Python's json writes a string with ensure_ascii off. */
static kist_status
add_json(kist_buf *data, kist_slice key)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = "\"\\\b\f\n\r\t";
    static const char names[] = "\"\\bfnrt";
    const uint8_t *text = key.data;
    size_t begin = 0;
    kist_status status = data->size > 1 ? kist_buf_append(data, ", \"", 3)
                                        : kist_buf_append(data, "\"", 1);

    for (size_t at = 0; status == KIST_OK && at < key.size; at++) {
        const uint8_t letter = text[at];
        char escape[6] = {'\\', 'u', '0', '0', '0', '0'};
        const char *found;

        if (letter != '"' && letter != '\\' && letter >= 0x20) {
            continue;
        }
        found = letter == 0 ? NULL : strchr(letters, letter);
        escape[1] = found == NULL ? 'u' : names[found - letters];
        escape[4] = digits[letter >> 4];
        escape[5] = digits[letter & 15];
        status = kist_buf_append(data, text + begin, at - begin);
        if (status == KIST_OK) {
            status = kist_buf_append(data, escape, found == NULL ? 6 : 2);
        }
        begin = at + 1;
    }
    if (status == KIST_OK && begin < key.size) {
        status = kist_buf_append(data, text + begin, key.size - begin);
    }
    return status == KIST_OK ? kist_buf_append(data, "\"", 1) : status;
}

kist_status
ki_nfsindex_add(ki_nfsformat format, kist_buf *data, kist_slice key)
{
    return format == KI_NFS_PICKLE ? add_pickled(data, key)
                                   : add_json(data, key);
}

kist_status
ki_nfsindex_end(ki_nfsformat format, kist_buf *data)
{
    static const uint8_t pickled[] = {OP_APPENDS, OP_STOP};
    kist_status status;

    if (format == KI_NFS_JSON) {
        return kist_buf_append(data, "]", 1);
    }
    status = kist_buf_append(data, pickled, sizeof(pickled));
    if (status == KIST_OK) {
        ki_store_le64(data->data + FRAME_AT, data->size - FRAME_BEGIN);
    }
    return status;
}
