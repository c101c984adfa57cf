/* What an executed instruction is, one decoder an architecture. */
#ifndef DECODE_H
#define DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum class { MULTIPLY_ADD, VECTOR, LOAD, STORE, BRANCH, INTEGER, CLASSES };

/* A division or a root keeps its unit busy for about as long as so many other instructions, and counts as them. */
enum { SLOW = 10 };

enum { VECTOR_REGISTERS = 32, VECTOR_REGISTERS_READ = 4 };

/* An instruction counts in one class, or in two where it computes with what it loads itself. */
typedef struct {
  enum class main;
  bool loads, stores; /* whether it touches memory */
  bool slow;
  uint8_t latency; /* cycles from its operands to its result, as is usual, without what a load takes */
  int8_t writes;   /* the vector register that it gives a value, or -1 */
  bool widens;     /* whether it multiplies integers to numbers of twice their width */
  uint32_t reads;  /* the vector registers whose values it needs, a bit each */
} effect;

typedef effect decoder(const uint8_t *code, size_t size);
decoder decode_aarch64, decode_riscv64, decode_x86_64;

#endif
