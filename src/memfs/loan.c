#include "memfs/loan.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assertion.h"
#include "base/fail.h"

kist_status
ki_loan_init(kist_loan *loan, uint64_t size, uint32_t count)
{
    *loan = (kist_loan){.size = size};
    if (count > 1) {
        loan->pieces = ki_calloc(count, sizeof(ki_piece));
        if (loan->pieces == NULL) {
            *loan = (kist_loan){0};
            return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "loan");
        }
    }
    loan->count = count;
    return KIST_OK;
}

void
ki_loan_add(kist_loan *loan, ki_block *block, uint64_t skip, uint64_t size)
{
    if (block != NULL) {
        ki_block_ref(block);
    }
    if (loan->count > 1) {
        ki_piece *pieces = loan->pieces;

        pieces[loan->filled++] =
            (ki_piece){block, block == NULL ? NULL : block->data + skip, size};
        return;
    }
    if (block == NULL) {
        loan->count = 0;
        return;
    }
    loan->pieces = block;
    loan->data = block->data + skip;
    if (block->kind == KI_BLOCK_LENT && skip == 0 && size == block->size) {
        loan->context = ki_block_context(block);
    }
}

void
ki_loan_init_one(kist_loan *loan, ki_block *block, uint64_t size)
{
    *loan = (kist_loan){.size = size, .count = 1};
    ki_loan_add(loan, block, 0, size);
}

void
kist_loan_copy(const kist_loan *loan, void *data)
{
    const ki_piece *pieces = loan->pieces;
    uint8_t *to = data;

    if (loan->size == 0) {
        return;
    }
    if (loan->count == 1) {
        memcpy(data, loan->data, loan->size);
        return;
    }
    if (loan->count == 0) {
        memset(data, 0, loan->size);
        return;
    }
    for (uint64_t index = 0; index < loan->count; index++) {
        if (pieces[index].block == NULL) {
            memset(to, 0, pieces[index].size);
        }
        else {
            memcpy(to, pieces[index].data, pieces[index].size);
        }
        to += pieces[index].size;
    }
}

void
ki_loan_drop(kist_loan *loan, ki_garbage *garbage)
{
    if (loan->count == 1) {
        ki_block_drop(loan->pieces, garbage);
    }
    else if (loan->count > 1) {
        ki_piece *pieces = loan->pieces;

        for (uint64_t index = 0; index < loan->count; index++) {
            ki_block_drop(pieces[index].block, garbage);
        }
        ki_free(pieces);
    }
    *loan = (kist_loan){0};
}

void
kist_loan_return(kist_loan *loan)
{
    ki_garbage garbage = {0};

    ki_loan_drop(loan, &garbage);
    ki_garbage_empty(&garbage);
}
