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
  int reg, rm, third, fourth; /* registers that operands name: the two of every instruction, and those of VEX */
} instruction;

static uint8_t next(instruction *i) { return i->at < i->end ? *i->at++ : 0; }

/* Prefixes, opcode and, as if every instruction had one, the byte that names operands. */
static instruction parse(const uint8_t *code, size_t size) {
  instruction i = {.at = code, .end = code + size};
  uint8_t byte = next(&i), extra = 0; /* R and B of a REX prefix */
  for (;; byte = next(&i)) {
    bool chooses = byte == 0x66 || byte == 0xf2 || byte == 0xf3;
    bool segment = (byte & 0xe7) == 0x26 || (byte & 0xfe) == 0x64, rex = (byte & 0xf0) == 0x40;
    if (chooses && !(byte == 0x66 && i.prefix)) i.prefix = byte;
    if (!chooses && !segment && !rex && byte != 0xf0) break;
    if (rex) extra = byte;
  }
  if (byte == 0xc4 || byte == 0xc5) {
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
    uint8_t high = next(&i), low = byte == 0xc4 ? next(&i) : high;
    i.vex = true;
    i.map = byte == 0xc4 ? high & 31 : 1;
    i.prefix = prefixes[low & 3];
    extra = ~high >> 5 & (byte == 0xc4 ? 5 : 4);
    i.third = ~low >> 3 & 15;
    byte = next(&i);
  } else if (byte == 0x0f) {
    i.map = 1, byte = next(&i);
    if (byte == 0x38 || byte == 0x3a) i.map = byte == 0x38 ? 2 : 3, byte = next(&i);
  }
  uint8_t operands = next(&i);
  i.opcode = byte, i.memory = operands >> 6 != 3, i.extension = operands >> 3 & 7;
  i.reg = i.extension | (extra & 4) << 1, i.rm = (operands & 7) | (extra & 1) << 3;
  i.fourth = size ? code[size - 1] >> 4 : 0;
  return i;
}

static effect computes(enum class class, bool loads, bool stores) {
  return (effect){.main = class, .loads = loads, .stores = stores, .latency = 1, .writes = -1};
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

static bool between(uint8_t op, uint8_t first, uint8_t last) { return op >= first && op <= last; }

/* Whether the operand that may be in memory is the one that is written. */
static bool moves_out(const instruction *i) {
  uint8_t op = i->opcode;
  switch (i->map) {
  case 1:
    return (op == 0x7e && i->prefix != 0xf3) || op == 0x11 || op == 0x13 || op == 0x17 || op == 0x29 || op == 0x2b ||
           op == 0x7f || op == 0xd6 || op == 0xe7;
  case 2:
    return op == 0x2e || op == 0x2f || op == 0x8e;
  case 3:
    return between(op, 0x14, 0x17) || op == 0x19 || op == 0x1d || op == 0x39;
  }
  return false;
}

/* Whether it reads one vector only; before VEX, whether it only writes the register that it writes. */
static bool has_one_source(const instruction *i) {
  uint8_t op = i->opcode;
  bool packed = !i->prefix || i->prefix == 0x66;
  switch (i->map) {
  case 1:
    if (op == 0x12 || op == 0x16) return !packed;
    if (op == 0x10) return packed || i->memory;
    if (between(op, 0x51, 0x53) || op == 0x5a) return packed;
    return op == 0x28 || between(op, 0x2c, 0x2f) || op == 0x50 || op == 0x5b || between(op, 0x6e, 0x70) || op == 0x7e ||
           op == 0xd7 || op == 0xe6 || op == 0xf0;
  case 2:
    return between(op, 0x0e, 0x0f) || op == 0x13 || between(op, 0x17, 0x1e) || between(op, 0x20, 0x25) || op == 0x2a ||
           between(op, 0x30, 0x35) || op == 0x41 || between(op, 0x58, 0x5a) || op == 0x78 || op == 0x79;
  case 3:
    return op < 2 || op == 0x04 || op == 0x05 || op == 0x08 || op == 0x09;
  }
  return false;
}

/* Vector registers that it reads and writes. */
static void name_registers(const instruction *i, effect *e) {
  uint8_t op = i->opcode;
  uint32_t reg = 1u << i->reg, rm = 1u << i->rm, third = 1u << i->third;
  if (moves_out(i)) {
    bool takes_part = i->map == 3 && op != 0x19 && op != 0x39;
    if (!i->memory && !takes_part && !(i->map == 1 && op == 0x7e)) e->writes = (int8_t)i->rm;
    e->reads = reg | (i->map == 2 ? third : 0);
    return;
  }
  if (i->map == 1 && between(op, 0x71, 0x73)) { /* shifts by a constant */
    e->writes = (int8_t)(i->vex ? i->third : i->rm), e->reads = rm;
    return;
  }
  bool to_flags = (i->map == 1 && (between(op, 0x2c, 0x2f) || op == 0x50 || op == 0xd7)) ||
                  (i->map == 2 && (op == 0x0e || op == 0x0f || op == 0x17));
  bool from_integer = (i->map == 1 && (op == 0x2a || op == 0x6e || op == 0xc4)) || (i->map == 3 && (op == 0x20 || op == 0x22));
  bool selects = i->map == 3 && between(op, 0x4a, 0x4c), gathers = i->map == 2 && between(op, 0x90, 0x93);
  bool clears = i->map == 1 && (op == 0x57 || op == 0xef || between(op, 0x74, 0x76)) && !i->memory &&
                (i->vex ? i->third : i->reg) == i->rm;
  if (!to_flags) e->writes = (int8_t)i->reg;
  if (clears) return;
  if (!i->memory && !from_integer) e->reads |= rm;
  if (!has_one_source(i)) e->reads |= i->vex ? third : reg;
  if (e->main == MULTIPLY_ADD || gathers || (to_flags && i->map == 1 && between(op, 0x2e, 0x2f))) e->reads |= reg;
  if (selects) e->reads |= 1u << i->fourth;
}

/* As on processors of AMD and Intel of the last ten years (Fog, Instruction tables), where they differ between them. */
static uint8_t latency_of(const instruction *i, enum class class) {
  uint8_t op = i->opcode;
  if (class == MULTIPLY_ADD) return 4;
  if (class != VECTOR) return class == LOAD ? 0 : 1;
  if (i->map == 1) {
    if (!i->memory && (op == 0x28 || op == 0x29 || op == 0x6f || op == 0x7f)) return 0; /* a new name for a register */
    if (op == 0x5e) return 11;
    if (op == 0x51) return 15;
    if (op == 0x5d || op == 0x5f || op == 0xc2) return 2;
    if (op == 0x2a || op == 0x2c || op == 0x2d || op == 0x52 || op == 0x53 || op == 0x5a || op == 0x5b || op == 0xe6) return 4;
    if (op == 0x58 || op == 0x59 || op == 0x5c) return 3;
    if (op == 0x6e || op == 0x7e || op == 0x50 || op == 0xd7) return 3;
    if (op == 0x7c || op == 0x7d) return 6;
  }
  if (i->map == 2) {
    if (op == 0x40) return 4;
    if (op == 0x16 || op == 0x36 || between(op, 0x18, 0x1a) || between(op, 0x58, 0x5a)) return 3;
  }
  if (i->map == 3) {
    if (between(op, 0x08, 0x0b)) return 4;
    if (op < 2 || op == 0x06 || op == 0x46 || op == 0x18 || op == 0x38 || op == 0x19 || op == 0x39) return 3;
  }
  return 1;
}

effect decode_x86_64(const uint8_t *code, size_t size) {
  instruction i = parse(code, size);
  effect e = by_map(&i);
  bool integer_moves = i.map == 1 ? i.opcode < 0x10 || i.opcode == 0x18 || i.opcode == 0x77 || i.opcode == 0xc3 ||
                                        between(i.opcode, 0x80, 0xbf)
                                  : i.map != 3 && i.opcode >= 0xf0;
  bool vectors = i.map && e.main != INTEGER && e.main != BRANCH && !integer_moves;
  bool integers = i.map == 0 && (i.opcode & 0xfe) == 0xf6 && i.extension >= 6;
  if (vectors) name_registers(&i, &e);
  e.latency = latency_of(&i, e.main);
  e.slow = integers || (i.map == 1 && (i.opcode == 0x5e || i.opcode == 0x51));
  return e;
}
