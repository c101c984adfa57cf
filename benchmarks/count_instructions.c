/* QEMU TCG plugin (API 1: QEMU 4.2 to 8.2) for aarch64: executed instructions by class between marks, and with
   caches=on the lines that miss a simulated L1 and L2 data cache of one Cortex-A72 (Arm Cortex-A72 MPCore TRM: 32 KiB
   2-way and up to 1 MiB 16-way, 64-byte lines; LRU, no prefetcher, write-backs not counted; one thread).

   A mark is the system call getpriority(MARK, label), which fails without effect: everything since the mark before is
   appended to the file out=PATH as "label fma vector load store branch integer l1 l2", and the counters start again.
   A negative label also empties the caches. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Debian's QEMU has plugins but not their header: prototypes as documented in docs/devel/tcg-plugins. */
typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
typedef struct qemu_info_t qemu_info_t;
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

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

enum { GETPRIORITY = 141, MARK = 0x6d61726b };
enum class { FMA, VECTOR, LOAD, STORE, BRANCH, INTEGER, CLASSES };
typedef struct { uint32_t count[CLASSES]; } block;

static uint64_t counts[CLASSES], misses[2];
static bool caches;
static FILE *out;

enum { LINE_BITS = 6, L1_SETS = 256, L1_WAYS = 2, L2_SETS = 1024, L2_WAYS = 16 };
static uint64_t l1[L1_SETS][L1_WAYS], l2[L2_SETS][L2_WAYS]; /* line + 1, newest first; 0 is empty */

static bool hit(uint64_t *set, int ways, uint64_t tag) {
  int way = 0;
  while (way < ways - 1 && set[way] != tag) way++;
  bool found = set[way] == tag;
  memmove(set + 1, set, way * sizeof *set);
  set[0] = tag;
  return found;
}

static void access_memory(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
  uint64_t line = address >> LINE_BITS;
  if (hit(l1[line % L1_SETS], L1_WAYS, line + 1)) return;
  misses[0]++;
  if (!hit(l2[line % L2_SETS], L2_WAYS, line + 1)) misses[1]++;
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
  bool by_element = (code & 0xbf80b400) == 0x0f801000; /* FMLA and FMLS */
  bool by_vector = (code & 0xbf20fc00) == 0x0e20cc00;
  bool scalar = (code & 0xff000000) == 0x1f000000; /* FMADD and its kin */
  return by_element || by_vector || scalar ? FMA : VECTOR;
}

static void executed(unsigned cpu, void *data) {
  const block *b = data;
  for (int i = 0; i < CLASSES; i++) counts[i] += b->count[i];
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  block *b = calloc(1, sizeof *b);
  for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
    uint32_t code;
    memcpy(&code, qemu_plugin_insn_data(insn), sizeof code);
    enum class c = classify(code);
    b->count[c]++;
    if (caches && (c == LOAD || c == STORE))
      qemu_plugin_register_vcpu_mem_cb(insn, access_memory, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
  }
  qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, b);
}

static void system_call(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                        uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  if (number != GETPRIORITY || (uint32_t)a1 != MARK) return;
  int32_t label = (int32_t)a2;
  fprintf(out, "%" PRId32, label);
  for (int i = 0; i < CLASSES; i++) fprintf(out, " %" PRIu64, counts[i]);
  fprintf(out, " %" PRIu64 " %" PRIu64 "\n", misses[0], misses[1]);
  fflush(out);
  memset(counts, 0, sizeof counts);
  memset(misses, 0, sizeof misses);
  if (label < 0) {
    memset(l1, 0, sizeof l1);
    memset(l2, 0, sizeof l2);
  }
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  for (int i = 0; i < argc; i++) {
    if (!strncmp(argv[i], "out=", 4)) out = fopen(argv[i] + 4, "w");
    if (!strcmp(argv[i], "caches=on")) caches = true;
  }
  if (!out) {
    fprintf(stderr, "count_instructions: out=PATH is missing or cannot be written\n");
    return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, system_call);
  return 0;
}
