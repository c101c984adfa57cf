/* Cycles of a core with any number of units: an instruction begins once its operands are there and the one that is a
   window before it has completed; instructions complete in order. So what is left is what values wait for one another,
   where not enough independent work lies within the window to fill the time. Vector registers and memory are followed,
   and integers are always there. */
#include "dataflow.h"

#include <string.h>

typedef int32_t cycles __attribute__((vector_size(4 * WINDOWS)));

enum { LOAD_LATENCY = 6, RING = SMALLEST_WINDOW << (WINDOWS - 1), WORDS = 1 << 12, REBASE = 1 << 20 };

static cycles ready[VECTOR_REGISTERS], completed[RING], last;
static uint32_t position;
static uint64_t before[WINDOWS];
/* When words of memory were written, by their address; an older stretch's do not count. */
static struct {
  uint64_t word;
  cycles at;
} written[WORDS];
static uint64_t stretch;

static cycles later(cycles a, cycles b) {
  cycles second = b > a;
  return (b & second) | (a & ~second);
}

step make_step(effect e) {
  step s = {.latency = e.latency, .writes = e.writes, .loads = e.loads, .stores = e.stores};
  for (int i = 0; i < VECTOR_REGISTERS; i++)
    if (e.reads >> i & 1 && s.sources < VECTOR_REGISTERS_READ) s.source[s.sources++] = (uint8_t)i;
  return s;
}

static uint64_t name_of(uint64_t word) { return word << 16 | (stretch & 0xffff); }

/* From the times of one stretch of instructions to those of the next: no time is ever negative. */
static void rebase(void) {
  cycles base = last;
  for (int i = 0; i < WINDOWS; i++) before[i] += (uint64_t)base[i];
  for (int i = 0; i < VECTOR_REGISTERS; i++) ready[i] = later(ready[i], base) - base;
  for (int i = 0; i < RING; i++) completed[i] = (cycles){0};
  last = (cycles){0};
  stretch++;
}

static cycles entry(void) {
  cycles found;
  for (int i = 0; i < WINDOWS; i++) found[i] = completed[(position - (SMALLEST_WINDOW << i)) % RING][i];
  return found;
}

static void one(step *s) {
  cycles begin = entry(), start = begin;
  for (int i = 0; i < s->sources; i++) start = later(start, ready[s->source[i]]);
  uint64_t first = s->address >> 2, words = (s->bytes + 3) >> 2;
  if (s->loads) {
    cycles there = begin;
    /* What is read at once was mostly written at once. */
    for (uint64_t word = first; words && word < first + words; word += words > 1 ? words - 1 : 1)
      if (written[word % WORDS].word == name_of(word)) there = later(there, written[word % WORDS].at);
    start = later(start, there + LOAD_LATENCY);
  }
  cycles done = start + s->latency;
  if (s->writes >= 0) ready[s->writes] = done;
  if (s->stores)
    for (uint64_t word = first; word < first + words; word++) {
      written[word % WORDS].word = name_of(word);
      written[word % WORDS].at = done;
    }
  last = later(last, done);
  completed[position++ % RING] = last;
  s->bytes = 0;
}

void follow(step *steps, size_t count) {
  for (size_t i = 0; i < count; i++) {
    one(steps + i);
    if (position % REBASE == 0) rebase();
  }
}

void take_cycles(uint64_t found[WINDOWS]) {
  rebase();
  memcpy(found, before, sizeof before);
  memset(before, 0, sizeof before);
  memset(ready, 0, sizeof ready);
  position = 0;
}
