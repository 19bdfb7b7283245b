/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "unwind_cfi.h"

#include "unwind_read.h"

#include <errno.h>

#define ENTRY 8u                /* Of the table in .eh_frame_hdr. */
#define LONGEST (1u << 20)      /* No CIE or FDE is longer. */

/* The FDE of the last entry of the table that begins at or below `pc`. */
static int find_fde(const struct vigil__module* module,
                    uint64_t pc,
                    uint64_t* fde) {
  const uint64_t hdr = module->eh_frame_hdr;
  struct vigil__read r;
  uint64_t head;
  uint64_t low = 0;
  uint64_t high;
  uint64_t table;

  if (hdr == 0)
    return -ENOENT;
  vigil__read_init(&r, hdr, hdr + module->eh_frame_hdr_len);
  head = vigil__read_u(&r, 4);
  /* Version 1; a table of pairs of 4 bytes, relative to its header. */
  if ((head & 0xff) != 1 || head >> 24 != 0x3b)
    return -EINVAL;
  vigil__read_encoded(&r, (uint8_t) (head >> 8), hdr);
  high = vigil__read_encoded(&r, (uint8_t) (head >> 16), hdr);
  table = r.pos;
  if (r.bad || high > (r.end - table) / ENTRY)
    return -EINVAL;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;

    /* One window holds the last steps. */
    r.pos = table + middle * ENTRY;
    if (high - low <= VIGIL__READ_WINDOW / ENTRY &&
        (r.pos < r.window_lo || r.pos + ENTRY > r.window_lo + r.window_len)) {
      r.pos = table + low * ENTRY;
      vigil__read_u(&r, 4);
      r.pos = table + middle * ENTRY;
    }
    if (hdr + (uint64_t) vigil__read_s(&r, 4) <= pc)
      low = middle + 1;
    else
      high = middle;
    if (r.bad)
      return -EINVAL;
  }
  if (low == 0)
    return -ENOENT;
  r.pos = table + (low - 1) * ENTRY + 4;
  *fde = hdr + (uint64_t) vigil__read_s(&r, 4);
  return r.bad ? -EINVAL : 0;
}

/* Opens the entry at `at`, after its length. */
static int open_entry(struct vigil__read* r, uint64_t at) {
  uint64_t len;

  if (at > UINT64_MAX - LONGEST - 4)
    return -EINVAL;
  /* All of it comes with the first window, as a rule. */
  vigil__read_init(r, at, at + 4 + LONGEST);
  len = vigil__read_u(r, 4);
  if (r->bad || len < 8 || len > LONGEST)
    return -EINVAL;
  r->end = at + 4 + len;
  return 0;
}

static int read_cie(uint64_t at, struct vigil__cfi* cfi, bool* augmented) {
  struct vigil__read r;
  char letters[8];
  uint64_t version;
  uint64_t len;
  size_t i;

  if (open_entry(&r, at) != 0 || vigil__read_u(&r, 4) != 0)
    return -EINVAL;
  version = vigil__read_u(&r, 1);
  if (version != 1 && version != 3)
    return -EINVAL;
  for (i = 0; (letters[i] = (char) vigil__read_u(&r, 1)) != '\0'; i++)
    if (i + 1 == sizeof(letters))
      return -EINVAL;
  cfi->code_align = vigil__read_uleb(&r);
  cfi->data_align = vigil__read_sleb(&r);
  if ((version == 1 ? vigil__read_u(&r, 1) : vigil__read_uleb(&r)) !=
      VIGIL__REG_RIP)
    return -EINVAL;
  cfi->encoding = 0;
  cfi->signal_frame = false;
  *augmented = letters[0] == 'z';
  if (!*augmented && letters[0] != '\0')
    return -EINVAL;
  len = *augmented ? vigil__read_uleb(&r) : 0;
  if (r.bad || len > r.end - r.pos)
    return -EINVAL;
  cfi->cie_code = r.pos + len;
  cfi->cie_end = r.end;
  for (i = 1; *augmented && letters[i] != '\0'; i++) {
    switch (letters[i]) {
      case 'R': cfi->encoding = (uint8_t) vigil__read_u(&r, 1); break;
      case 'L': vigil__read_skip(&r, 1); break;
      case 'S': cfi->signal_frame = true; break;
      case 'P':
        vigil__read_encoded(&r, (uint8_t) vigil__read_u(&r, 1), 0);
        break;
      default: return -EINVAL;
    }
  }
  return r.bad ? -EINVAL : 0;
}

int vigil__cfi_find(const struct vigil__module* module,
                    uint64_t pc,
                    struct vigil__cfi* cfi) {
  struct vigil__read r;
  bool augmented;
  uint64_t at;
  uint64_t back;
  int err;

  err = find_fde(module, pc, &at);
  if (err != 0)
    return err;
  if (open_entry(&r, at) != 0)
    return -EINVAL;
  at = r.pos;
  back = vigil__read_u(&r, 4);
  if (back == 0 || read_cie(at - back, cfi, &augmented) != 0)
    return -EINVAL;
  cfi->pc_lo = vigil__read_encoded(&r, cfi->encoding, 0);
  cfi->pc_hi = cfi->pc_lo + vigil__read_encoded(&r, cfi->encoding & 0x0f, 0);
  if (augmented)
    vigil__read_skip(&r, vigil__read_uleb(&r));
  cfi->fde_code = r.pos;
  cfi->fde_end = r.end;
  if (r.bad)
    return -EINVAL;
  return pc >= cfi->pc_lo && pc < cfi->pc_hi ? 0 : -ENOENT;
}
