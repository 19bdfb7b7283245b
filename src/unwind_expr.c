/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "unwind_expr.h"

#include <errno.h>

#define STACK 32
#define STEPS 1000              /* An expression can jump backwards. */

enum {
  OP_ADDR = 0x03, OP_DEREF = 0x06, OP_CONST1U = 0x08, OP_CONST1S = 0x09,
  OP_CONST2U = 0x0a, OP_CONST2S = 0x0b, OP_CONST4U = 0x0c, OP_CONST4S = 0x0d,
  OP_CONST8U = 0x0e, OP_CONST8S = 0x0f, OP_CONSTU = 0x10, OP_CONSTS = 0x11,
  OP_DUP = 0x12, OP_DROP = 0x13, OP_OVER = 0x14, OP_PICK = 0x15,
  OP_SWAP = 0x16, OP_ROT = 0x17, OP_ABS = 0x19, OP_AND = 0x1a, OP_DIV = 0x1b,
  OP_MINUS = 0x1c, OP_MOD = 0x1d, OP_MUL = 0x1e, OP_NEG = 0x1f, OP_NOT = 0x20,
  OP_OR = 0x21, OP_PLUS = 0x22, OP_PLUS_UCONST = 0x23, OP_SHL = 0x24,
  OP_SHR = 0x25, OP_SHRA = 0x26, OP_XOR = 0x27, OP_BRA = 0x28, OP_EQ = 0x29,
  OP_GE = 0x2a, OP_GT = 0x2b, OP_LE = 0x2c, OP_LT = 0x2d, OP_NE = 0x2e,
  OP_SKIP = 0x2f, OP_LIT0 = 0x30, OP_LIT31 = 0x4f, OP_BREG0 = 0x70,
  OP_BREG31 = 0x8f, OP_BREGX = 0x92, OP_DEREF_SIZE = 0x94, OP_NOP = 0x96
};

struct machine {
  uint64_t value[STACK];
  unsigned depth;
  int error;
};

static void push(struct machine* m, uint64_t value) {
  if (m->depth == STACK)
    m->error = -EINVAL;
  else
    m->value[m->depth++] = value;
}

static uint64_t pop(struct machine* m) {
  if (m->depth == 0) {
    m->error = -EINVAL;
    return 0;
  }
  return m->value[--m->depth];
}

static void pick(struct machine* m, uint64_t below_top) {
  if (below_top >= m->depth)
    m->error = -EINVAL;
  else
    push(m, m->value[m->depth - 1 - below_top]);
}

/* Comparisons, division and OP_SHRA are signed. */
static uint64_t binary(struct machine* m,
                       unsigned op,
                       uint64_t a,
                       uint64_t b) {
  const int64_t sa = (int64_t) a;
  const int64_t sb = (int64_t) b;

  switch (op) {
    case OP_AND: return a & b;
    case OP_OR: return a | b;
    case OP_XOR: return a ^ b;
    case OP_PLUS: return a + b;
    case OP_MINUS: return a - b;
    case OP_MUL: return a * b;
    case OP_SHL: return b < 64 ? a << b : 0;
    case OP_SHR: return b < 64 ? a >> b : 0;
    case OP_SHRA: return (uint64_t) (sa >> (b < 64 ? b : 63));
    case OP_EQ: return sa == sb;
    case OP_NE: return sa != sb;
    case OP_GE: return sa >= sb;
    case OP_GT: return sa > sb;
    case OP_LE: return sa <= sb;
    case OP_LT: return sa < sb;
    default: break;
  }
  if (b == 0 || (sb == -1 && sa == INT64_MIN)) {
    m->error = -EINVAL;
    return 0;
  }
  return op == OP_DIV ? (uint64_t) (sa / sb) : a % b;
}

static void deref(struct machine* m,
                  const struct vigil__stack* stack,
                  uint64_t size) {
  uint64_t value;

  if (size != 1 && size != 2 && size != 4 && size != 8)
    m->error = -EINVAL;
  else if (!vigil__stack_word(stack, pop(m), &value))
    m->error = m->error != 0 ? m->error : -ERANGE;
  else
    push(m, value << (64 - 8 * size) >> (64 - 8 * size));
}

static void push_register(struct machine* m,
                          const struct vigil__regs* regs,
                          uint64_t n,
                          int64_t offset) {
  if (vigil__regs_know(regs, n))
    push(m, regs->value[n] + (uint64_t) offset);
  else
    m->error = -ENODATA;
}

/* `from` is where the expression begins. */
static void jump(struct machine* m,
                 struct vigil__read* r,
                 uint64_t from,
                 bool taken) {
  const int64_t by = vigil__read_s(r, 2);
  const uint64_t to = r->pos + (uint64_t) by;

  if (!taken)
    return;
  if (to < from || to > r->end)
    m->error = -EINVAL;
  else
    r->pos = to;
}

static void step(struct machine* m,
                 struct vigil__read* r,
                 uint64_t from,
                 const struct vigil__regs* regs,
                 const struct vigil__stack* stack) {
  const unsigned op = (unsigned) vigil__read_u(r, 1);
  uint64_t a;
  uint64_t b;

  if (op >= OP_LIT0 && op <= OP_LIT31) {
    push(m, op - OP_LIT0);
    return;
  }
  if (op >= OP_BREG0 && op <= OP_BREG31) {
    push_register(m, regs, op - OP_BREG0, vigil__read_sleb(r));
    return;
  }
  switch (op) {
    case OP_ADDR: case OP_CONST8U: case OP_CONST8S:
      push(m, vigil__read_u(r, 8));
      break;
    case OP_CONST1U: push(m, vigil__read_u(r, 1)); break;
    case OP_CONST2U: push(m, vigil__read_u(r, 2)); break;
    case OP_CONST4U: push(m, vigil__read_u(r, 4)); break;
    case OP_CONST1S: push(m, (uint64_t) vigil__read_s(r, 1)); break;
    case OP_CONST2S: push(m, (uint64_t) vigil__read_s(r, 2)); break;
    case OP_CONST4S: push(m, (uint64_t) vigil__read_s(r, 4)); break;
    case OP_CONSTU: push(m, vigil__read_uleb(r)); break;
    case OP_CONSTS: push(m, (uint64_t) vigil__read_sleb(r)); break;
    case OP_BREGX:
      a = vigil__read_uleb(r);
      push_register(m, regs, a, vigil__read_sleb(r));
      break;
    case OP_DUP: pick(m, 0); break;
    case OP_OVER: pick(m, 1); break;
    case OP_PICK: pick(m, vigil__read_u(r, 1)); break;
    case OP_DROP: pop(m); break;
    case OP_SWAP:
      b = pop(m);
      a = pop(m);
      push(m, b);
      push(m, a);
      break;
    case OP_ROT:
      if (m->depth < 3) {
        m->error = -EINVAL;
        break;
      }
      a = m->value[m->depth - 1];
      m->value[m->depth - 1] = m->value[m->depth - 2];
      m->value[m->depth - 2] = m->value[m->depth - 3];
      m->value[m->depth - 3] = a;
      break;
    case OP_ABS:
      a = pop(m);
      push(m, a >> 63 != 0 ? 0 - a : a);
      break;
    case OP_NEG: push(m, 0 - pop(m)); break;
    case OP_NOT: push(m, ~pop(m)); break;
    case OP_PLUS_UCONST: push(m, pop(m) + vigil__read_uleb(r)); break;
    case OP_DEREF: deref(m, stack, 8); break;
    case OP_DEREF_SIZE: deref(m, stack, vigil__read_u(r, 1)); break;
    case OP_SKIP: jump(m, r, from, true); break;
    case OP_BRA: jump(m, r, from, pop(m) != 0); break;
    case OP_NOP: break;
    default:
      if (op < OP_AND || op > OP_NE) {
        m->error = -EINVAL;
        break;
      }
      b = pop(m);
      a = pop(m);
      push(m, binary(m, op, a, b));
  }
}

int vigil__unwind_expr(struct vigil__read* r,
                       const struct vigil__regs* regs,
                       const struct vigil__stack* stack,
                       const uint64_t* first,
                       uint64_t* result) {
  const uint64_t from = r->pos;
  struct machine m = { .depth = 0 };
  int steps;

  if (first != NULL)
    push(&m, *first);
  for (steps = 0; r->pos < r->end; steps++) {
    if (steps == STEPS)
      return -EINVAL;
    step(&m, r, from, regs, stack);
    if (m.error != 0)
      return m.error;
  }
  *result = pop(&m);
  return r->bad ? -EINVAL : m.error;
}
