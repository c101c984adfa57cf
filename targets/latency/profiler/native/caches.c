/* Least recently used lines go first; a store allocates. Levels neither include nor exclude each other by rule: a line
   is put into every level it was missed in. A stream prefetcher watches the misses of L1: from the third that keep one
   distance, of at most 2 KiB, a miss counts as streamed. Lines are not brought ahead; "streamed" only tells that the
   hardware would have. With write streaming a streamed store fetches nothing: only its write-back is traffic.

   Tasks of a parallel region run one after the other here, at the same time on the hardware, where they compete for what
   they share. So a region's misses of L1 are kept, and reach a shared level when the region ends, merged by how many
   accesses each core had made. */
#include "caches.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  uint64_t sets, ways, mask; /* of a line's set, where their number is a power of two */
  uint64_t *tags; /* sets * ways, newest first: line + 1 above, dirty in bit 0; 0 is empty */
} cache;

typedef struct {
  uint64_t line;
  int64_t step;
  unsigned length;
} stream;

enum { STREAMS = 16, STREAM_LENGTH = 3, MAX_STEP = 32, TLB_WAYS = 4, PAGE_BITS = 12 };

/* A line that L1 missed after `clock` accesses of its core, and what had to go for it. */
typedef struct {
  uint64_t line, evicted, clock;
  bool fetches, ahead;
} request;

typedef struct {
  cache l1, l2, tlb;
  stream streams[STREAMS];
  unsigned next;
  uint64_t clock;
  request *waiting;
  size_t length, capacity, served;
} core_caches;

static cache l1_size, l2_size, l3;
static uint64_t line_bits = 6, tlb_entries;
static bool shared, write_streaming, in_region;
static core_caches cores[MAX_CORES];

static bool geometry(const char *text, cache *c) {
  char *end;
  c->sets = strtoull(text, &end, 10);
  if (*end == 'x') c->ways = strtoull(end + 1, &end, 10);
  return !*end;
}

bool set_cache(const char *text) {
  if (!strncmp(text, "l1=", 3)) return geometry(text + 3, &l1_size);
  if (!strncmp(text, "l2=", 3)) return geometry(text + 3, &l2_size);
  if (!strncmp(text, "l3=", 3)) return geometry(text + 3, &l3);
  if (!strncmp(text, "tlb=", 4)) return tlb_entries = strtoull(text + 4, NULL, 10), true;
  if (!strcmp(text, "shared=on")) return shared = true;
  if (!strcmp(text, "streaming=on")) return write_streaming = true;
  if (strncmp(text, "line=", 5)) return false;
  uint64_t bytes = strtoull(text + 5, NULL, 10);
  for (line_bits = 0; 1ull << line_bits < bytes; line_bits++);
  return bytes && 1ull << line_bits == bytes;
}

static void make(cache *c) {
  c->tags = calloc(c->sets * c->ways, sizeof *c->tags);
  c->mask = c->sets & (c->sets - 1) ? 0 : c->sets - 1;
}

static void empty(cache *c) {
  if (c->tags) memset(c->tags, 0, c->sets * c->ways * sizeof *c->tags);
}

static bool possible(const cache *c) { return !c->sets || c->ways; }

bool make_caches(void) {
  if (!l1_size.sets || !l2_size.sets || !possible(&l1_size) || !possible(&l2_size) || !possible(&l3)) return false;
  make(&l3);
  return true;
}

/* Cores get their caches when they first run. */
static core_caches *caches_of(unsigned core) {
  core_caches *c = &cores[core];
  if (!c->l1.tags) {
    c->l1 = l1_size;
    make(&c->l1);
    c->tlb = (cache){.sets = tlb_entries / TLB_WAYS, .ways = TLB_WAYS};
    make(&c->tlb);
    c->l2 = shared && core ? caches_of(0)->l2 : l2_size;
    if (!c->l2.tags) make(&c->l2);
  }
  return c;
}

void empty_caches(void) {
  empty(&l3);
  for (unsigned i = 0; i < MAX_CORES; i++) {
    empty(&cores[i].l1);
    empty(&cores[i].l2);
    empty(&cores[i].tlb);
    memset(cores[i].streams, 0, sizeof cores[i].streams);
  }
}

static inline uint64_t *set_of(const cache *c, uint64_t line) {
  return c->tags + (c->mask ? line & c->mask : line % c->sets) * c->ways;
}

/* Looks `line` up, puts it first, gives the line that had to go (tag and dirty bit) or 0. */
static bool look(cache *c, uint64_t line, bool dirty, uint64_t *evicted) {
  uint64_t *set = set_of(c, line), tag = line + 1;
  uint64_t way = 0;
  while (way < c->ways - 1 && set[way] >> 1 != tag) way++;
  bool hit = set[way] >> 1 == tag;
  *evicted = hit ? 0 : set[way];
  uint64_t was_dirty = hit ? set[way] & 1 : 0;
  memmove(set + 1, set, way * sizeof *set);
  set[0] = tag << 1 | was_dirty | dirty;
  return hit;
}

/* A dirty line on its way from `level` (1 to 3) towards memory. */
static void write_back(core_caches *c, int level, uint64_t tag, uint64_t *events) {
  while (tag & 1) {
    cache *next = level == 1 ? &c->l2 : &l3;
    if (level == 3 || !next->sets) {
      events[WRITTEN_BACK]++;
      return;
    }
    uint64_t evicted;
    look(next, (tag >> 1) - 1, true, &evicted);
    tag = evicted;
    level++;
  }
}

static bool streamed(core_caches *c, uint64_t line) {
  stream *nearest = NULL;
  for (stream *s = c->streams; s < c->streams + STREAMS; s++) {
    int64_t step = (int64_t)(line - s->line);
    if (s->length > 1 && step == s->step) {
      s->line = line;
      return ++s->length >= STREAM_LENGTH;
    }
    bool near = s->length == 1 && step && llabs(step) <= MAX_STEP;
    if (near && (!nearest || llabs(step) < llabs((int64_t)(line - nearest->line)))) nearest = s;
  }
  if (nearest)
    *nearest = (stream){line, (int64_t)(line - nearest->line), 2};
  else
    c->streams[c->next++ % STREAMS] = (stream){line, 0, 1};
  return false;
}

/* What the levels beyond L1 do for a request. */
static void serve(core_caches *c, request r, uint64_t *events) {
  uint64_t evicted;
  write_back(c, 1, r.evicted, events);
  bool hit = look(&c->l2, r.line, false, &evicted);
  write_back(c, 2, evicted, events);
  if (hit) return;
  events[L2_MISSES] += r.fetches;
  events[L2_STREAMED] += r.fetches && r.ahead;
  if (!l3.sets) return;
  hit = look(&l3, r.line, false, &evicted);
  write_back(c, 3, evicted, events);
  if (hit) return;
  events[L3_MISSES] += r.fetches;
  events[L3_STREAMED] += r.fetches && r.ahead;
}

static void keep(core_caches *c, request r) {
  if (c->length == c->capacity) {
    c->capacity = c->capacity ? 2 * c->capacity : 1 << 16;
    c->waiting = realloc(c->waiting, c->capacity * sizeof *c->waiting);
    if (!c->waiting) abort();
  }
  c->waiting[c->length++] = r;
}

static void miss(core_caches *c, uint64_t line, bool store, uint64_t *events, uint64_t evicted) {
  bool ahead = streamed(c, line);
  request r = {line, evicted, c->clock, !(store && ahead && write_streaming), ahead};
  if (c->tlb.sets && !look(&c->tlb, line >> (PAGE_BITS - line_bits), false, &evicted)) events[TLB_MISSES]++;
  events[L1_MISSES] += r.fetches;
  events[L1_STREAMED] += r.fetches && ahead;
  if (in_region && (shared || l3.sets))
    keep(c, r);
  else
    serve(c, r, events);
}

void begin_region(void) {
  in_region = true;
  for (unsigned i = 0; i < MAX_CORES; i++) cores[i].clock = cores[i].length = cores[i].served = 0;
}

void end_region(uint64_t events[MAX_CORES][EVENTS]) {
  in_region = false;
  for (;;) {
    unsigned first = MAX_CORES;
    for (unsigned i = 0; i < MAX_CORES; i++) {
      core_caches *c = &cores[i];
      if (c->served == c->length) continue;
      if (first == MAX_CORES || c->waiting[c->served].clock < cores[first].waiting[cores[first].served].clock) first = i;
    }
    if (first == MAX_CORES) return;
    core_caches *c = &cores[first];
    serve(c, c->waiting[c->served++], events[first]);
  }
}

void access_caches(unsigned core, uint64_t address, unsigned bytes, bool store, uint64_t *events) {
  core_caches *c = caches_of(core);
  c->clock++;
  uint64_t last = (address + bytes - 1) >> line_bits;
  for (uint64_t line = address >> line_bits; line <= last; line++) {
    uint64_t *newest = set_of(&c->l1, line);
    if (*newest >> 1 == line + 1) {
      *newest |= store;
      continue;
    }
    uint64_t evicted;
    if (!look(&c->l1, line, store, &evicted)) miss(c, line, store, events, evicted);
  }
}
