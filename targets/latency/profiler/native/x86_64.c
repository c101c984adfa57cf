/* x86-64 as far as AVX2 and FMA go (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, appendix A:
   opcode maps). A move from or to memory is that alone; other instructions with a memory operand compute as well. */
#include "decode.h"

typedef struct {
  const uint8_t *at, *end;
  int map;        /* 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A */
  uint8_t prefix; /* 0, 66, F3 or F2: the one that chooses among vector instructions */
  bool vex, memory;
  uint8_t opcode;
  int extension; /* the three bits of the byte after the opcode that are opcode in some groups */
  int to, first; /* of an instruction with three operands: the register it writes, and the first it reads */
} instruction;

static uint8_t next(instruction *i) { return i->at < i->end ? *i->at++ : 0; }

/* Prefixes, opcode and, as if every instruction had one, the byte that names operands. */
static instruction parse(const uint8_t *code, size_t size) {
  instruction i = {.at = code, .end = code + size};
  uint8_t byte = next(&i);
  for (;; byte = next(&i)) {
    bool chooses = byte == 0x66 || byte == 0xf2 || byte == 0xf3;
    bool segment = (byte & 0xe7) == 0x26 || (byte & 0xfe) == 0x64, rex = (byte & 0xf0) == 0x40;
    if (chooses && !(byte == 0x66 && i.prefix)) i.prefix = byte;
    if (!chooses && !segment && !rex && byte != 0xf0) break;
  }
  if (byte == 0xc4 || byte == 0xc5) {
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
    uint8_t high = next(&i), low = byte == 0xc4 ? next(&i) : high;
    i.vex = true;
    i.map = byte == 0xc4 ? high & 31 : 1;
    i.prefix = prefixes[low & 3];
    i.to = high & 0x80 ? 0 : 8, i.first = ~low >> 3 & 15;
    byte = next(&i);
  } else if (byte == 0x0f) {
    i.map = 1, byte = next(&i);
    if (byte == 0x38 || byte == 0x3a) i.map = byte == 0x38 ? 2 : 3, byte = next(&i);
  }
  uint8_t operands = next(&i);
  i.opcode = byte, i.memory = operands >> 6 != 3, i.extension = operands >> 3 & 7;
  i.to += i.extension;
  return i;
}

static effect computes(enum class class, bool loads, bool stores) {
  return (effect){class, loads, stores, false, -1, -1};
}

/* A move: from memory, to memory, or between registers. */
static effect loads(bool memory, enum class otherwise) {
  return memory ? computes(LOAD, true, false) : computes(otherwise, false, false);
}
static effect stores(bool memory, enum class otherwise) {
  return memory ? computes(STORE, false, true) : computes(otherwise, false, false);
}

/* Integer arithmetic, moves and branches. */
static effect one_byte(const instruction *i) {
  uint8_t op = i->opcode;
  bool memory = i->memory;
  if (op < 0x40) {
    bool has_operands = (op & 7) < 4, compares = op >= 0x38;
    return computes(INTEGER, has_operands && memory, (op & 7) < 2 && memory && !compares);
  }
  if ((op & 0xf8) == 0x50 || op == 0x68 || op == 0x6a) return stores(true, INTEGER); /* push */
  if ((op & 0xf8) == 0x58 || op == 0xc9) return loads(true, INTEGER);               /* pop, leave */
  if ((op & 0xf0) == 0x70 || (op & 0xfc) == 0xe0 || op == 0xe9 || op == 0xeb) return computes(BRANCH, false, false);
  if ((op & 0xf8) == 0xd8) return computes(VECTOR, memory, false); /* x87 */
  switch (op) {
  case 0x8d: /* lea */
    return computes(INTEGER, false, false);
  case 0x63: case 0x8a: case 0x8b:
    return loads(memory, INTEGER);
  case 0x88: case 0x89: case 0xc6: case 0xc7:
    return stores(memory, INTEGER);
  case 0x69: case 0x6b: case 0x84: case 0x85:
    return computes(INTEGER, memory, false);
  case 0x80: case 0x81: case 0x83:
    return computes(INTEGER, memory, memory && i->extension != 7);
  case 0x86: case 0x87: case 0x8f: case 0xc0: case 0xc1: case 0xd0: case 0xd1: case 0xd2: case 0xd3:
    return computes(INTEGER, memory, memory);
  case 0xf6: case 0xf7: /* test, not, neg, and multiplications */
    return computes(INTEGER, memory, memory && (i->extension == 2 || i->extension == 3));
  case 0xa4: case 0xa5: /* string instructions */
    return computes(LOAD, true, true);
  case 0xaa: case 0xab:
    return stores(true, INTEGER);
  case 0xac: case 0xad:
    return loads(true, INTEGER);
  case 0xc2: case 0xc3: /* ret */
    return computes(BRANCH, true, false);
  case 0xe8: /* call */
    return computes(BRANCH, false, true);
  case 0xfe: case 0xff:
    if (i->extension < 2) return computes(INTEGER, memory, memory);
    if (i->extension == 6) return computes(STORE, memory, true);
    return computes(BRANCH, memory, i->extension < 4);
  }
  return computes(INTEGER, false, false);
}

/* What begins with 0F: conditional moves and branches, and most of SSE and AVX. */
static effect two_bytes(const instruction *i) {
  uint8_t op = i->opcode;
  bool memory = i->memory;
  switch (op) {
  case 0x10: case 0x12: case 0x16: case 0x28: case 0x6e: case 0x6f: case 0xf0:
    return loads(memory, VECTOR);
  case 0x11: case 0x13: case 0x17: case 0x29: case 0x2b: case 0x7f: case 0xd6: case 0xe7:
    return stores(memory, VECTOR);
  case 0x7e:
    return i->prefix == 0xf3 ? loads(memory, VECTOR) : stores(memory, VECTOR);
  case 0x77: /* vzeroupper has no operands */
    return computes(VECTOR, false, false);
  case 0x0d: case 0x18: /* prefetches */
    return computes(LOAD, false, false);
  case 0xae: /* the state of the vector unit; fences */
    return i->extension == 3 ? stores(memory, INTEGER) : loads(memory, INTEGER);
  case 0xb6: case 0xb7: case 0xbe: case 0xbf:
    return loads(memory, INTEGER);
  case 0xc3:
    return stores(memory, INTEGER);
  case 0xa3: case 0xaf: case 0xb8: case 0xbc: case 0xbd:
    return computes(INTEGER, memory, false);
  case 0xba:
    return computes(INTEGER, memory, memory && i->extension != 4);
  case 0xa4: case 0xa5: case 0xab: case 0xac: case 0xad: case 0xb0: case 0xb1: case 0xb3: case 0xbb: case 0xc0:
  case 0xc1: case 0xc7:
    return computes(INTEGER, memory, memory);
  }
  switch (op >> 4) {
  case 4:
    return computes(INTEGER, memory, false);
  case 8:
    return computes(BRANCH, false, false);
  case 9:
    return stores(memory, INTEGER);
  }
  uint8_t row = op >> 4;
  bool is_vector = row == 2 || (row >= 5 && row < 8) || row >= 13 || (op & 0xfe) == 0x14 || (op >= 0xc2 && op < 0xc7);
  return is_vector ? computes(VECTOR, memory, false) : computes(INTEGER, false, false);
}

/* What begins with 0F 38: multiply-adds, broadcasts, conversions to wider numbers, bit manipulation. */
static effect three_bytes_38(const instruction *i) {
  uint8_t op = i->opcode, row = op >> 4, column = op & 15;
  bool memory = i->memory;
  if (i->vex && row >= 9 && row <= 11 && column >= 6) return computes(MULTIPLY_ADD, memory, false);
  if (row == 15) {
    bool swaps = !i->vex && column < 2 && i->prefix != 0xf2; /* movbe */
    if (!swaps) return computes(INTEGER, memory, false);
    return column ? stores(memory, INTEGER) : loads(memory, INTEGER);
  }
  switch (op) {
  case 0x18: case 0x19: case 0x1a: case 0x58: case 0x59: case 0x5a: case 0x78: case 0x79: case 0x2a: case 0x2c:
  case 0x2d: case 0x8c:
    return loads(memory, VECTOR);
  case 0x2e: case 0x2f: case 0x8e:
    return stores(memory, VECTOR);
  }
  return computes(VECTOR, memory, false);
}

/* What begins with 0F 3A: shuffles, parts of vectors taken out and put in. */
static effect three_bytes_3a(const instruction *i) {
  uint8_t op = i->opcode;
  if (op == 0xf0) return computes(INTEGER, i->memory, false);
  if (op == 0x19 || op == 0x39) return stores(i->memory, VECTOR);
  bool takes_out = (op >= 0x14 && op <= 0x17) || op == 0x1d;
  return computes(VECTOR, i->memory && !takes_out, i->memory && takes_out);
}

static effect by_map(const instruction *i) {
  switch (i->map) {
  case 0:
    return one_byte(i);
  case 1:
    return two_bytes(i);
  case 2:
    return three_bytes_38(i);
  case 3:
    return three_bytes_3a(i);
  }
  return computes(VECTOR, false, false);
}

effect decode_x86_64(const uint8_t *code, size_t size) {
  instruction i = parse(code, size);
  effect e = by_map(&i);
  bool integers = i.map == 0 && (i.opcode & 0xfe) == 0xf6 && i.extension >= 6;
  /* The third order of operands of a multiply-add; sums, products, and the lesser and greater of two. */
  bool sums = i.map == 1 && ((i.opcode & 0xfe) == 0x58 || (i.opcode >= 0x5c && i.opcode < 0x60));
  bool adds = e.main == MULTIPLY_ADD ? i.opcode >> 4 == 11 : sums && i.first == i.to;
  bool vectors = i.vex && !e.stores && (e.main == MULTIPLY_ADD || e.main == VECTOR || e.main == LOAD);
  if (vectors) *(adds ? &e.adds_to : &e.overwrites) = i.to;
  e.slow = integers || (i.map == 1 && (i.opcode == 0x5e || i.opcode == 0x51));
  return e;
}
