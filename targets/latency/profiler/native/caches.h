/* Data caches, a TLB and a stream prefetcher for each core of a group. */
#ifndef CACHES_H
#define CACHES_H

#include <stdbool.h>
#include <stdint.h>

enum { MAX_CORES = 64 };

enum { L1_MISSES, L1_STREAMED, L2_MISSES, L2_STREAMED, L3_MISSES, L3_STREAMED, WRITTEN_BACK, TLB_MISSES, EVENTS };

/* `text`: "l1=SETSxWAYS", "l2=SETSxWAYS", "l3=…" (0 sets for none), "shared=on" (one L2 for all cores),
   "streaming=on" (a run of stores fetches no lines),
   "line=BYTES", "tlb=ENTRIES", each an argument of its own; false for one it does not know. */
bool set_cache(const char *text);
/* False when the sizes make no hierarchy. */
bool make_caches(void);
void empty_caches(void);
/* An access of `core`; adds to `events`, in a region only what its own first level tells. */
void access_caches(unsigned core, uint64_t address, unsigned bytes, bool store, uint64_t *events);
/* Accesses between the two are of tasks that run at the same time; adds to `events` of each core what was not known. */
void begin_region(void);
void end_region(uint64_t events[MAX_CORES][EVENTS]);

#endif
