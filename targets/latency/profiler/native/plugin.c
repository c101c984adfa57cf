/* QEMU TCG plugin (API 1: QEMU 4.2 to 8.2): executed instructions by class and what caches fetch, between marks.

   A mark is the system call getpriority(MARK, operation << 24 | value), which fails without effect. Every mark ends a
   stretch of the program; all but the first two write it to the file out=PATH as a line
     operation value core, instructions by class, bytes loaded, bytes stored, events of the caches, cycles of the
     dataflow by window, divisions, multiplications that widen
   and counting starts again. The program runs on one thread and says itself which core it stands for. Before the line
   that ends a region come lines of its cores with the events that shared caches had kept back. */
#include "caches.h"
#include "dataflow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Debian's QEMU has plugins but not their header: prototypes as documented in docs/devel/tcg-plugins. */
typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
typedef struct {
  const char *target_name;
} qemu_info_t; /* its beginning */
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W, QEMU_PLUGIN_MEM_RW };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *),
                                          enum qemu_plugin_cb_flags, void *);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *,
                                      void (*)(unsigned, qemu_plugin_meminfo_t, uint64_t, void *),
                                      enum qemu_plugin_cb_flags, enum qemu_plugin_mem_rw, void *);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t,
                                          void (*)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t,
                                                   uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

enum { MARK = 0x6d61726b };
enum operation { DISCARD, FLUSH, CORE, REGION, DONE };
typedef struct {
  uint32_t count[CLASSES], divisions, widening;
  size_t length;
  step steps[];
} block;

static const struct {
  const char *name;
  decoder *decode;
  int64_t getpriority;
} architectures[] = {
    {"aarch64", decode_aarch64, 141}, {"riscv64", decode_riscv64, 141}, {"x86_64", decode_x86_64, 140}}, *architecture;

typedef struct {
  uint64_t instructions[CLASSES], loaded, stored, events[EVENTS], cycles[WINDOWS], divisions, widening;
} stretch;
static stretch counts;
static block *begun; /* the block that runs, whose accesses come after it was announced */
static unsigned core;
static FILE *out;

static void end_block(void) {
  if (begun) follow(begun->steps, begun->length);
  begun = NULL;
}

static void accessed(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
  unsigned bytes = 1u << qemu_plugin_mem_size_shift(info);
  bool store = qemu_plugin_mem_is_store(info);
  *(store ? &counts.stored : &counts.loaded) += bytes;
  access_caches(core, address, bytes, store, counts.events);
  step *s = data;
  /* The emulator moves a vector in parts, from the first on. */
  if (!s->bytes) s->address = address;
  s->bytes += bytes;
}

static void executed(unsigned cpu, void *data) {
  end_block();
  begun = data;
  for (int i = 0; i < CLASSES; i++) counts.instructions[i] += begun->count[i];
  counts.divisions += begun->divisions;
  counts.widening += begun->widening;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  size_t length = qemu_plugin_tb_n_insns(tb);
  block *b = calloc(1, sizeof *b + length * sizeof *b->steps);
  if (!b) abort();
  b->length = length;
  for (size_t i = 0; i < length; i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
    effect e = architecture->decode(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn));
    b->count[e.main] += e.slow ? SLOW : 1;
    b->divisions += e.slow;
    b->widening += e.widens;
    b->steps[i] = make_step(e);
    if (e.loads && e.main != LOAD) b->count[LOAD]++;
    if (e.stores && e.main != STORE) b->count[STORE]++;
    if (e.loads || e.stores)
      qemu_plugin_register_vcpu_mem_cb(insn, accessed, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, b->steps + i);
  }
  qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, b);
}

static void write_line(enum operation operation, uint32_t value, unsigned of, const stretch *s) {
  fprintf(out, "%d %" PRIu32 " %u", operation, value, of);
  const uint64_t *numbers = (const uint64_t *)s;
  for (size_t i = 0; i < sizeof *s / sizeof *numbers; i++) fprintf(out, " %" PRIu64, numbers[i]);
  fputc('\n', out);
}

static void write_region(void) {
  uint64_t events[MAX_CORES][EVENTS] = {0};
  end_region(events);
  for (unsigned i = 0; i < MAX_CORES; i++) {
    stretch s = {0};
    if (!memcmp(s.events, events[i], sizeof s.events)) continue;
    memcpy(s.events, events[i], sizeof s.events);
    write_line(CORE, i, i, &s);
  }
}

static void system_call(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                        uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  if (number != architecture->getpriority || (uint32_t)a1 != MARK) return;
  enum operation operation = (uint32_t)a2 >> 24;
  uint32_t value = (uint32_t)a2 & 0xffffff;
  end_block();
  take_cycles(counts.cycles);
  if (operation == REGION && !value) write_region();
  if (operation > FLUSH) write_line(operation, value, core, &counts);
  if (operation == REGION && value) begin_region();
  if (operation == DONE) fflush(out);
  if (operation == FLUSH) empty_caches();
  if (operation == CORE) core = value % MAX_CORES;
  memset(&counts, 0, sizeof counts);
}

static int refuse(const char *why) {
  fprintf(stderr, "profiler plugin: %s\n", why);
  return 1;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  for (int i = 0; i < argc; i++) {
    if (!strncmp(argv[i], "out=", 4))
      out = fopen(argv[i] + 4, "w");
    else if (!set_cache(argv[i]))
      return refuse(argv[i]);
  }
  for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
    if (!strcmp(info->target_name, architectures[i].name)) architecture = &architectures[i];
  if (!architecture) return refuse("unknown architecture");
  if (!out) return refuse("out=PATH is missing or cannot be written");
  if (!make_caches()) return refuse("l1 and l2 are missing or have no sets or ways");
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, system_call);
  return 0;
}
