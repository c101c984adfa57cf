#include <string.h>

#include "decode.h"

/* SMLAL, SMULL and their kin without a sign, by vector or element: products of twice the width. */
static bool multiplies_long(uint32_t code) {
  return (code & 0x9f20fc00) == 0x0e20c000 || (code & 0x9f00f400) == 0x0f00a000;
}
static bool adds_long(uint32_t code) { return (code & 0x9f20fc00) == 0x0e208000 || (code & 0x9f00f400) == 0x0f002000; }

/* Also sums of four products of bytes (SDOT, UDOT, USDOT), of eight (SMMLA), and MLA. */
static bool multiplies_integers(uint32_t code) {
  bool dot = (code & 0x9fe0fc00) == 0x0e809400 || (code & 0xbfe0fc00) == 0x0e809c00;
  bool dot_by_element = (code & 0x9f00f400) == 0x0f00e000, matrix = (code & 0x9fe0f400) == 0x0e80a400;
  bool same_width = (code & 0xbf20fc00) == 0x0e209400 || (code & 0xbf00f400) == 0x2f000000;
  return dot || dot_by_element || matrix || same_width || multiplies_long(code) || adds_long(code);
}

/* Arm Architecture Reference Manual, A64 encoding: bits 28 to 25 name the group. */
static enum class classify(uint32_t code) {
  uint32_t group = code >> 25 & 15;
  if ((group & 14) == 10) return BRANCH;
  if ((group & 5) == 4) {
    if ((code & 0x3b000000) == 0x18000000) return LOAD; /* literal */
    bool vector = code >> 26 & 1, is_register = (code & 0x38000000) == 0x38000000;
    return (vector || !is_register ? code >> 22 & 1 : (code >> 22 & 3) != 0) ? LOAD : STORE;
  }
  if ((group & 7) != 7) return INTEGER;
  bool by_element = (code & 0xbf80b400) == 0x0f801000 || (code & 0xbfc0b400) == 0x0f001000; /* FMLA, FMLS; fp16 */
  bool by_vector = (code & 0xbf20fc00) == 0x0e20cc00 || (code & 0xbf60fc00) == 0x0e400c00;
  bool scalar = (code & 0xff000000) == 0x1f000000; /* FMADD and its kin */
  return by_element || by_vector || scalar || multiplies_integers(code) ? MULTIPLY_ADD : VECTOR;
}

/* FDIV and FSQRT of vectors, of halves and of scalars; SDIV and UDIV. */
static bool divides(uint32_t code) {
  bool vectors = (code & 0xbfa0fc00) == 0x2e20fc00 || (code & 0xbfbffc00) == 0x2ea1f800;
  bool halves = (code & 0xbfe0fc00) == 0x2e403c00 || (code & 0xbffffc00) == 0x2ef9f800;
  bool scalars = (code & 0xff20fc00) == 0x1e201800 || (code & 0xff3ffc00) == 0x1e21c000;
  return vectors || halves || scalars || (code & 0x7fe0f800) == 0x1ac00800;
}

effect decode_aarch64(const uint8_t *bytes, size_t size) {
  uint32_t code;
  memcpy(&code, bytes, sizeof code);
  enum class c = classify(code);
  effect e = {c, c == LOAD, c == STORE, divides(code), 1, -1, false, 0};
  int to = code & 31;
  uint32_t first = 1u << (code >> 5 & 31), second = 1u << (code >> 16 & 31), third = 1u << (code >> 10 & 31);
  bool vectors = code >> 26 & 1;
  if ((code & 0x9f800400) == 0x0f000000) second = 1u << (code >> 16 & 15); /* one of the elements of 16 bits */
  if (c == STORE && vectors) e.reads = 1u << to;
  if (c == LOAD) e.latency = 0;
  if (c == LOAD && vectors) e.writes = (int8_t)to;
  if (c != MULTIPLY_ADD && c != VECTOR) return e;
  e.writes = (int8_t)to;
  e.reads = first | second;
  e.widens = multiplies_long(code) || adds_long(code);
  if (c == MULTIPLY_ADD) e.reads |= (code & 0xff000000) == 0x1f000000 ? third : multiplies_long(code) ? 0 : 1u << to;
  /* Of one operand: two registers, miscellaneous, across lanes; constants; copies; shifts by a constant. */
  bool one = (code & 0x9f3e0c00) == 0x0e200800 || (code & 0x9f3e0c00) == 0x0e300800 || (code & 0x5f207c00) == 0x1e204000 ||
             (code & 0x9fe08400) == 0x0e000400 || (code & 0x9f800400) == 0x0f000400;
  bool constant = (code & 0x9ff80400) == 0x0f000400 || (code & 0xff201fe0) == 0x1e201000;
  bool integer = (code & 0x5f20fc00) == 0x1e200000 || (code & 0xbfe0fc00) == 0x0e000c00;
  if (one) e.reads = first;
  if ((code & 0x9f3ffc00) == 0x0e206800) e.reads |= 1u << to; /* SADALP */
  if (constant || integer) e.reads = 0;
  /* Arm's optimization guides: 3 to 5 for floats, 2 to 3 for integers, more for quotients and roots. */
  bool floats = (code & 0x9f20c400) == 0x0e20c400 || (code & 0x5f200c00) == 0x1e200800 ||
                (code & 0x9f60c400) == 0x0e400400; /* by three registers, by scalars, by three registers of halves */
  e.latency = e.slow ? 12 : c == MULTIPLY_ADD || floats ? 4 : 2;
  return e;
}
