/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "unwind_cfi.h"

#include "unwind_expr.h"
#include "unwind_read.h"

#include <errno.h>

#define REMEMBERED 8

enum {
  CFA_NOP = 0x00, CFA_SET_LOC = 0x01, CFA_ADVANCE1 = 0x02, CFA_ADVANCE2 = 0x03,
  CFA_ADVANCE4 = 0x04, CFA_OFFSET_EXT = 0x05, CFA_RESTORE_EXT = 0x06,
  CFA_UNDEFINED = 0x07, CFA_SAME_VALUE = 0x08, CFA_REGISTER = 0x09,
  CFA_REMEMBER = 0x0a, CFA_RESTORE_STATE = 0x0b, CFA_DEF_CFA = 0x0c,
  CFA_DEF_CFA_REGISTER = 0x0d, CFA_DEF_CFA_OFFSET = 0x0e,
  CFA_DEF_CFA_EXPR = 0x0f, CFA_EXPR = 0x10, CFA_OFFSET_EXT_SF = 0x11,
  CFA_DEF_CFA_SF = 0x12, CFA_DEF_CFA_OFFSET_SF = 0x13, CFA_VAL_OFFSET = 0x14,
  CFA_VAL_OFFSET_SF = 0x15, CFA_VAL_EXPR = 0x16, CFA_GNU_ARGS_SIZE = 0x2e,
  CFA_GNU_NEGATIVE_OFFSET = 0x2f,
  CFA_ADVANCE = 0x40, CFA_OFFSET = 0x80, CFA_RESTORE = 0xc0
};

/* What runs the instructions. */
struct program {
  const struct vigil__cfi* cfi;
  struct vigil__cfi_row* row;
  const struct vigil__cfi_row* initial;  /* NULL: these are the CIE's. */
  struct vigil__cfi_row remembered[REMEMBERED];
  unsigned depth;
  uint64_t location;
};

static void set_rule(struct program* p,
                     uint64_t reg,
                     enum vigil__cfi_how how,
                     uint64_t value) {
  /* Of the others, such as vector registers, no rule depends. */
  if (reg >= VIGIL__REGS)
    return;
  p->row->reg[reg].how = how;
  p->row->reg[reg].len = 0;
  p->row->reg[reg].value = value;
}

static bool restore_rule(struct program* p, uint64_t reg) {
  if (p->initial == NULL)
    return false;
  if (reg < VIGIL__REGS)
    p->row->reg[reg] = p->initial->reg[reg];
  return true;
}

static struct vigil__cfi_rule read_expr(struct vigil__read* r,
                                        enum vigil__cfi_how how) {
  const uint64_t len = vigil__read_uleb(r);
  const struct vigil__cfi_rule rule = { how, (uint32_t) len, r->pos };

  vigil__read_skip(r, len);
  return rule;
}

static void expr_rule(struct program* p,
                      struct vigil__read* r,
                      enum vigil__cfi_how how) {
  const uint64_t reg = vigil__read_uleb(r);
  const struct vigil__cfi_rule rule = read_expr(r, how);

  if (reg < VIGIL__REGS)
    p->row->reg[reg] = rule;
}

static uint64_t scaled(struct program* p, int64_t factor) {
  return (uint64_t) factor * (uint64_t) p->cfi->data_align;
}

static uint64_t read_scaled(struct program* p, struct vigil__read* r) {
  return scaled(p, (int64_t) vigil__read_uleb(r));
}

static uint64_t read_scaled_s(struct program* p, struct vigil__read* r) {
  return scaled(p, vigil__read_sleb(r));
}

static void def_cfa(struct program* p, uint64_t reg, uint64_t offset) {
  p->row->cfa.how = VIGIL__CFI_REGISTER;
  p->row->cfa.value = reg;
  p->row->cfa_offset = offset;
}

static void advance(struct program* p, uint64_t by) {
  p->location += by * p->cfi->code_align;
}

/* One of the instructions that have a byte of their own; false: not known. */
static bool step(struct program* p, struct vigil__read* r, unsigned op) {
  uint64_t reg;

  switch (op) {
    case CFA_NOP: return true;
    case CFA_SET_LOC:
      p->location = vigil__read_encoded(r, p->cfi->encoding, 0);
      return true;
    case CFA_ADVANCE1: advance(p, vigil__read_u(r, 1)); return true;
    case CFA_ADVANCE2: advance(p, vigil__read_u(r, 2)); return true;
    case CFA_ADVANCE4: advance(p, vigil__read_u(r, 4)); return true;
    case CFA_GNU_ARGS_SIZE: vigil__read_uleb(r); return true;
    case CFA_DEF_CFA:
      reg = vigil__read_uleb(r);
      def_cfa(p, reg, vigil__read_uleb(r));
      return true;
    case CFA_DEF_CFA_SF:
      reg = vigil__read_uleb(r);
      def_cfa(p, reg, read_scaled_s(p, r));
      return true;
    case CFA_DEF_CFA_REGISTER:
      def_cfa(p, vigil__read_uleb(r), p->row->cfa_offset);
      return true;
    case CFA_DEF_CFA_OFFSET:
      p->row->cfa_offset = vigil__read_uleb(r);
      return true;
    case CFA_DEF_CFA_OFFSET_SF:
      p->row->cfa_offset = read_scaled_s(p, r);
      return true;
    case CFA_DEF_CFA_EXPR:
      p->row->cfa = read_expr(r, VIGIL__CFI_EXPR_IS);
      return true;
    case CFA_EXPR: expr_rule(p, r, VIGIL__CFI_EXPR_AT); return true;
    case CFA_VAL_EXPR: expr_rule(p, r, VIGIL__CFI_EXPR_IS); return true;
    case CFA_REMEMBER:
      if (p->depth == REMEMBERED)
        return false;
      p->remembered[p->depth++] = *p->row;
      return true;
    case CFA_RESTORE_STATE:
      if (p->depth == 0)
        return false;
      *p->row = p->remembered[--p->depth];
      return true;
    default: break;
  }
  if (op < CFA_OFFSET_EXT || op > CFA_GNU_NEGATIVE_OFFSET)
    return false;
  reg = vigil__read_uleb(r);
  switch (op) {
    case CFA_UNDEFINED: set_rule(p, reg, VIGIL__CFI_UNDEFINED, 0); break;
    case CFA_SAME_VALUE: set_rule(p, reg, VIGIL__CFI_SAME, 0); break;
    case CFA_REGISTER:
      set_rule(p, reg, VIGIL__CFI_REGISTER, vigil__read_uleb(r));
      break;
    case CFA_OFFSET_EXT:
      set_rule(p, reg, VIGIL__CFI_AT, read_scaled(p, r));
      break;
    case CFA_OFFSET_EXT_SF:
      set_rule(p, reg, VIGIL__CFI_AT, read_scaled_s(p, r));
      break;
    case CFA_GNU_NEGATIVE_OFFSET:
      set_rule(p, reg, VIGIL__CFI_AT, 0 - read_scaled(p, r));
      break;
    case CFA_VAL_OFFSET:
      set_rule(p, reg, VIGIL__CFI_IS, read_scaled(p, r));
      break;
    case CFA_VAL_OFFSET_SF:
      set_rule(p, reg, VIGIL__CFI_IS, read_scaled_s(p, r));
      break;
    case CFA_RESTORE_EXT: return restore_rule(p, reg);
    default: return false;
  }
  return true;
}

/* Runs [from, to) as far as it is about code at or below `pc`. */
static int run(struct program* p, uint64_t from, uint64_t to, uint64_t pc) {
  struct vigil__read r;
  unsigned op;

  vigil__read_init(&r, from, to);
  while (r.pos < r.end && p->location <= pc) {
    op = (unsigned) vigil__read_u(&r, 1);
    switch (op & 0xc0) {
      case CFA_ADVANCE: advance(p, op & 0x3f); break;
      case CFA_OFFSET:
        set_rule(p, op & 0x3f, VIGIL__CFI_AT, read_scaled(p, &r));
        break;
      case CFA_RESTORE:
        if (!restore_rule(p, op & 0x3f))
          return -EINVAL;
        break;
      default:
        if (!step(p, &r, op))
          return -EINVAL;
    }
    if (r.bad)
      return -EINVAL;
  }
  return r.bad ? -EINVAL : 0;
}

int vigil__cfi_row(const struct vigil__cfi* cfi,
                   uint64_t pc,
                   struct vigil__cfi_row* row) {
  struct program p;
  struct vigil__cfi_row initial;

  memset(row, 0, sizeof(*row));
  row->cfa.how = VIGIL__CFI_UNDEFINED;
  /* The caller's, if nothing else is said. */
  row->reg[VIGIL__REG_RSP].how = VIGIL__CFI_IS;
  p.cfi = cfi;
  p.row = row;
  p.initial = NULL;
  p.depth = 0;
  p.location = cfi->pc_lo;
  if (run(&p, cfi->cie_code, cfi->cie_end, UINT64_MAX) != 0)
    return -EINVAL;
  initial = *row;
  p.initial = &initial;
  p.location = cfi->pc_lo;
  return run(&p, cfi->fde_code, cfi->fde_end, pc);
}

static int run_expr(const struct vigil__cfi_rule* rule,
                    const struct vigil__regs* regs,
                    const struct vigil__stack* stack,
                    const uint64_t* first,
                    uint64_t* result) {
  struct vigil__read r;

  vigil__read_init(&r, rule->value, rule->value + rule->len);
  return vigil__unwind_expr(&r, regs, stack, first, result);
}

/* What register `n` holds in the caller. */
static int caller_value(const struct vigil__cfi_rule* rule,
                        const struct vigil__regs* regs,
                        const struct vigil__stack* stack,
                        unsigned n,
                        uint64_t cfa,
                        uint64_t* value) {
  const uint64_t from = rule->how == VIGIL__CFI_SAME ? n : rule->value;
  uint64_t at = cfa + rule->value;
  int err;

  switch (rule->how) {
    case VIGIL__CFI_SAME:
    case VIGIL__CFI_REGISTER:
      if (!vigil__regs_know(regs, from))
        return -ENODATA;
      *value = regs->value[from];
      return 0;
    case VIGIL__CFI_IS:
      *value = at;
      return 0;
    case VIGIL__CFI_EXPR_IS:
      return run_expr(rule, regs, stack, &cfa, value);
    case VIGIL__CFI_EXPR_AT:
      err = run_expr(rule, regs, stack, &cfa, &at);
      if (err != 0)
        return err;
      break;
    case VIGIL__CFI_AT:
      break;
    case VIGIL__CFI_UNDEFINED:
      return -ENODATA;
  }
  return vigil__stack_word(stack, at, value) ? 0 : -ERANGE;
}

int vigil__cfi_apply(const struct vigil__cfi_row* row,
                     const struct vigil__stack* stack,
                     const uint64_t* known_cfa,
                     struct vigil__regs* regs) {
  struct vigil__regs caller = { .known = 0 };
  uint64_t cfa = 0;
  uint64_t value = 0;
  unsigned n;
  int err = 0;

  if (row->reg[VIGIL__REG_RIP].how == VIGIL__CFI_UNDEFINED)
    return -ENOENT;
  if (known_cfa != NULL)
    cfa = *known_cfa;
  else if (row->cfa.how == VIGIL__CFI_EXPR_IS)
    err = run_expr(&row->cfa, regs, stack, NULL, &cfa);
  else if (row->cfa.how != VIGIL__CFI_REGISTER)
    err = -EINVAL;
  else if (!vigil__regs_know(regs, row->cfa.value))
    err = -ENODATA;
  else
    cfa = regs->value[row->cfa.value] + row->cfa_offset;
  for (n = 0; n < VIGIL__REGS && err == 0; n++) {
    err = caller_value(&row->reg[n], regs, stack, n, cfa, &value);
    if (err == 0)
      vigil__regs_set(&caller, n, value);
    else if (n != VIGIL__REG_RSP && n != VIGIL__REG_RIP)
      err = 0;
  }
  if (err == 0)
    *regs = caller;
  return err;
}
