/* How long values wait for one another on a core that looks ahead. */
#ifndef DATAFLOW_H
#define DATAFLOW_H

#include "decode.h"

/* Instructions that a core has begun and not yet completed in order, at most; each window is counted by itself. */
enum { WINDOWS = 4, SMALLEST_WINDOW = 32 };

/* An instruction of a block. `address` and `bytes` are those of its last access to memory; the one who follows clears
   `bytes`. */
typedef struct {
  uint8_t latency, sources, source[VECTOR_REGISTERS_READ];
  int8_t writes;
  bool loads, stores;
  uint32_t bytes;
  uint64_t address;
} step;

step make_step(effect e);
void follow(step *steps, size_t count);
/* Cycles since the last time it was asked, for windows of SMALLEST_WINDOW instructions, twice as many, and so on. */
void take_cycles(uint64_t cycles[WINDOWS]);

#endif
