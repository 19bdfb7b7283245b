/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_UNWIND_CFI_H_
#define VIGIL_UNWIND_CFI_H_

#include "modules.h"
#include "unwind_regs.h"

/* The parts of unwind.c: call frame information. */

/* How the caller's value of a register is found. */
enum vigil__cfi_how {
  VIGIL__CFI_SAME,
  VIGIL__CFI_UNDEFINED,
  VIGIL__CFI_AT,                /* In memory at CFA + value. */
  VIGIL__CFI_IS,                /* CFA + value. */
  VIGIL__CFI_REGISTER,
  VIGIL__CFI_EXPR_AT,           /* In memory where the expression says. */
  VIGIL__CFI_EXPR_IS
};

struct vigil__cfi_rule {
  enum vigil__cfi_how how;
  uint32_t len;                 /* Of the expression. */
  uint64_t value;               /* Offset, register, or its address. */
};

/* The rules at one pc. */
struct vigil__cfi_row {
  struct vigil__cfi_rule cfa;   /* REGISTER (with cfa_offset) or EXPR_IS. */
  uint64_t cfa_offset;
  struct vigil__cfi_rule reg[VIGIL__REGS];
};

/* One function's information. */
struct vigil__cfi {
  uint64_t pc_lo;
  uint64_t pc_hi;
  uint64_t code_align;
  int64_t data_align;
  uint64_t cie_code, cie_end;   /* The instructions of both. */
  uint64_t fde_code, fde_end;
  uint8_t encoding;             /* Of code addresses. */
  bool signal_frame;            /* The caller was interrupted by a signal. */
};

/* The function around `pc`; in unwind_fde.c. 0; -ENOENT: there is no
 * information; -EINVAL: it cannot be read, or is of a kind we do not know. */
int vigil__cfi_find(const struct vigil__module* module,
                    uint64_t pc,
                    struct vigil__cfi* cfi);

/* Its rules at `pc`. 0 or -EINVAL. */
int vigil__cfi_row(const struct vigil__cfi* cfi,
                   uint64_t pc,
                   struct vigil__cfi_row* row);

/* Makes `regs` those of the caller; what the rules cannot tell is not known,
 * but rip and rsp always are. `known_cfa`, if not NULL, overrules what the
 * row says of the CFA. 0; -ENODATA: it needs a register that is not
 * known; -ERANGE: it needs a word that is not in the copy; -ENOENT: there is
 * no caller; -EINVAL: it makes no sense. */
int vigil__cfi_apply(const struct vigil__cfi_row* row,
                     const struct vigil__stack* stack,
                     const uint64_t* known_cfa,
                     struct vigil__regs* regs);

#endif  /* VIGIL_UNWIND_CFI_H_ */
