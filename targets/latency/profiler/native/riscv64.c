#include <string.h>

#include "decode.h"

/* RISC-V unprivileged specification: compressed instructions by quadrant and funct3. */
static enum class classify_compressed(uint16_t code) {
  unsigned quadrant = code & 3, function = code >> 13;
  if (quadrant == 1) return function >= 5 ? BRANCH : INTEGER;
  if (quadrant == 2 && function == 4) {
    bool jumps = (code >> 2 & 31) == 0 && (code >> 7 & 31) != 0;
    return jumps ? BRANCH : INTEGER;
  }
  if (function >= 1 && function <= 3) return LOAD;
  return function >= 5 ? STORE : INTEGER;
}

/* Of vectors, funct6: 111xxx widens, and 1111xx adds as well. */
static bool widens(uint32_t code) {
  unsigned function = code >> 12 & 7, operation = code >> 26;
  bool floats = function == 1 || function == 5, integers = function == 2 || function == 6;
  bool adds = operation >= 60, multiplies = operation == 56 || operation == 58 || operation == 59;
  return (code & 0x7f) == 0x57 && ((integers && (adds || multiplies)) || (floats && (adds || operation == 56)));
}

/* VFMADD to VFNMSAC (101xxx); VMULHU to VMULH (1001xx); VMADD, VNMSUB, VMACC, VNMSAC (101xx1). */
static bool multiplies_vectors(uint32_t code) {
  unsigned function = code >> 12 & 7, operation = code >> 26;
  bool floats = function == 1 || function == 5, integers = function == 2 || function == 6;
  bool products = operation >> 2 == 9 || (operation >> 3 == 5 && operation & 1);
  return (floats && operation >> 3 == 5) || (integers && products) || widens(code);
}

static enum class classify(uint32_t code) {
  unsigned function = code >> 12 & 7;
  switch (code & 0x7f) {
    case 0x03: case 0x07: case 0x2f: return LOAD; /* integers, floats and vectors, atomics */
    case 0x23: case 0x27: return STORE;
    case 0x43: case 0x47: case 0x4b: case 0x4f: return MULTIPLY_ADD; /* FMADD and its kin */
    case 0x53: return VECTOR; /* scalar floats */
    case 0x63: case 0x67: case 0x6f: return BRANCH;
    case 0x57: {
      if (function == 7) return INTEGER; /* VSETVL and its kin */
      return multiplies_vectors(code) ? MULTIPLY_ADD : VECTOR;
    }
    default: return INTEGER;
  }
}

/* Divisions and roots of floats, of vectors and of integers. */
static bool divides(uint32_t code) {
  unsigned function = code >> 12 & 7, operation = code >> 26;
  switch (code & 0x7f) {
    case 0x33: case 0x3b: return code >> 25 == 1 && function >= 4;
    case 0x53: return code >> 27 == 3 || code >> 27 == 11;
    case 0x57: {
      bool floats = function == 1 || function == 5, integers = function == 2 || function == 6;
      bool root = function == 1 && operation == 19 && (code >> 15 & 31) == 0;
      bool quotient = operation == 32 || operation == 33, remainder = operation == 34 || operation == 35;
      return root || (floats && quotient) || (integers && (quotient || remainder));
    }
    default: return false;
  }
}

effect decode_riscv64(const uint8_t *bytes, size_t size) {
  uint32_t code = 0;
  memcpy(&code, bytes, size < sizeof code ? size : sizeof code);
  enum class c = size == 2 ? classify_compressed((uint16_t)code) : classify(code);
  effect e = {c, c == LOAD, c == STORE, size == 4 && divides(code), 1, -1, false, 0};
  unsigned opcode = code & 0x7f;
  int8_t to = (int8_t)(code >> 7 & 31);
  uint32_t first = 1u << (code >> 15 & 31), second = 1u << (code >> 20 & 31), third = 1u << (code >> 27);
  if (c == LOAD) e.latency = 0;
  if (size == 2) return e;
  /* Floats and vectors have registers of their own, which no code uses both of much: they are as one here. */
  if (opcode == 0x07) e.writes = to;
  unsigned width = code >> 12 & 7; /* 1 to 4 are of scalars */
  if (opcode == 0x27) e.reads = width > 0 && width < 5 ? second : 1u << to;
  if (c != MULTIPLY_ADD && c != VECTOR) return e;
  e.writes = to;
  e.reads = first | second;
  e.widens = widens(code);
  if (c == MULTIPLY_ADD) e.reads |= opcode == 0x57 ? 1u << to : third;
  e.latency = e.slow ? 12 : c == MULTIPLY_ADD || opcode == 0x53 ? 4 : 2;
  return e;
}
