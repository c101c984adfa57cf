/* Runs kernels that TVM compiled, by a plan read from a file, as a program without an operating system's libraries:
   it starts in milliseconds, and one source serves every architecture. The parts of a parallel region run one after
   the other, each announced to the profiler plugin as another core.

   The plan is 64-bit words: the number of threads, the bytes of memory the tensors lie in, then operations:
     FLUSH                                     empty the caches, and fill memory with zeros
     TOUCH offset bytes offset bytes           read one range and write another, both from beginning to end at the
                                               same time, a part on each core
     FILL offset bytes words...                write to memory
     CALL kernel count {offset, type, dimensions, extents...}...
     DONE value
   `kernel` is an index of `kernels`, which the linker fills in; `type` is a DLDataType's four bytes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* System calls and where a program starts. */

#if defined(__aarch64__)
enum { READ = 63, WRITE = 64, EXIT = 93, MMAP = 222, OPEN_AT = 56, GETPRIORITY = 141 };
static long system_call(long n, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
__asm__(".globl _start\n_start: mov x0, sp\n bl start\n");
#elif defined(__riscv)
enum { READ = 63, WRITE = 64, EXIT = 93, MMAP = 222, OPEN_AT = 56, GETPRIORITY = 141 };
static long system_call(long n, long a, long b, long c, long d, long e, long f) {
  register long a7 __asm__("a7") = n, a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
  register long a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
  return a0;
}
__asm__(".globl _start\n_start: mv a0, sp\n call start\n");
#elif defined(__x86_64__)
enum { READ = 0, WRITE = 1, EXIT = 60, MMAP = 9, OPEN_AT = 257, GETPRIORITY = 140 };
static long system_call(long n, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
__asm__(".globl _start\n_start: mov %rsp, %rdi\n call start\n");
#endif

static void leave(int status) {
  for (;;) system_call(EXIT, status, 0, 0, 0, 0, 0);
}

static void fail(const char *why) {
  long length = 0;
  while (why[length]) length++;
  system_call(WRITE, 2, (long)why, length, 0, 0, 0);
  leave(1);
}

/* Zeros anywhere, or in place of what is `at` an address. */
static char *allocate(char *at, uint64_t bytes) {
  enum { READ_WRITE = 3, PRIVATE_ANONYMOUS = 0x22, FIXED = 0x10 };
  long flags = PRIVATE_ANONYMOUS | (at ? FIXED : 0);
  long address = system_call(MMAP, (long)at, (long)bytes, READ_WRITE, flags, -1, 0);
  if (address < 0 && address > -4096) fail("out of memory\n");
  return (char *)address;
}

/* What the plugin is told; see plugin.c. */

enum { MARK = 0x6d61726b };
enum mark { MARK_DISCARD, MARK_FLUSH, MARK_CORE, MARK_REGION, MARK_DONE };
static void mark(enum mark operation, uint64_t value) {
  system_call(GETPRIORITY, MARK, (long)((uint64_t)operation << 24 | value), 0, 0, 0, 0);
}

/* What kernels ask for: compilers call the first three; TVM's runtime has the others, behind pointers. */

void *memcpy(void *to, const void *from, size_t bytes) {
  char *t = to;
  const char *f = from;
  for (; bytes >= 8; bytes -= 8, t += 8, f += 8) *(uint64_t *)t = *(const uint64_t *)f;
  for (; bytes; bytes--) *t++ = *f++;
  return to;
}

void *memset(void *to, int value, size_t bytes) {
  char *t = to;
  uint64_t word = 0x0101010101010101u * (unsigned char)value;
  for (; bytes >= 8; bytes -= 8, t += 8) *(uint64_t *)t = word;
  for (; bytes; bytes--) *t++ = (char)value;
  return to;
}

typedef struct {
  void *sync_handle;
  int32_t num_task;
} parallel_environment;

static uint64_t threads;

static int parallel_launch(int (*task)(int, parallel_environment *, void *), void *data, int tasks) {
  parallel_environment environment = {NULL, tasks ? tasks : (int32_t)threads};
  int failed = 0;
  mark(MARK_REGION, 1);
  for (int i = 0; i < environment.num_task && !failed; i++) {
    mark(MARK_CORE, (uint64_t)i % threads);
    failed = task(i, &environment, data);
  }
  mark(MARK_CORE, 0);
  mark(MARK_REGION, 0);
  return failed;
}

/* One block of memory, given out from its beginning: a kernel frees in the opposite order. */
enum { WORKSPACE = 1 << 28, ALIGNMENT = 128 };
static char *workspace, *workspace_end;

static void *allocate_workspace(int device, int id, uint64_t bytes, int code, int bits) {
  char *taken = workspace;
  workspace += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (workspace > workspace_end) fail("a kernel's workspace is too large\n");
  return taken;
}

static int free_workspace(int device, int id, void *taken) {
  workspace = taken;
  return 0;
}

int (*__TVMBackendParallelLaunch)(int (*)(int, parallel_environment *, void *), void *, int) = parallel_launch;
void *(*__TVMBackendAllocWorkspace)(int, int, uint64_t, int, int) = allocate_workspace;
int (*__TVMBackendFreeWorkspace)(int, int, void *) = free_workspace;

/* Kernels: TVM FFI's calling convention (tvm/ffi/c_api.h) and DLPack's tensors. */

typedef struct {
  int32_t type, padding;
  void *value;
} any;
typedef int kernel(void *, const any *, int32_t, any *);

typedef struct {
  void *data;
  int32_t device_type, device_id, dimensions;
  uint32_t type;
  int64_t *shape, *strides;
  uint64_t byte_offset;
} tensor;

extern kernel *const kernels[] __attribute__((weak));
enum { TENSOR_POINTER = 7, CPU = 1, MAX_ARGUMENTS = 64 };

static const int64_t *call(const int64_t *plan, char *memory) {
  static tensor tensors[MAX_ARGUMENTS];
  any arguments[MAX_ARGUMENTS], result = {0};
  kernel *function = kernels[*plan++];
  int32_t count = (int32_t)*plan++;
  if (count > MAX_ARGUMENTS) fail("a kernel has too many arguments\n");
  for (int32_t i = 0; i < count; i++) {
    tensors[i] = (tensor){memory + plan[0], CPU, 0, (int32_t)plan[2], (uint32_t)plan[1], (int64_t *)plan + 3, NULL, 0};
    arguments[i] = (any){TENSOR_POINTER, 0, &tensors[i]};
    plan += 3 + plan[2];
  }
  mark(MARK_DISCARD, 0);
  if (function(NULL, arguments, count, &result)) fail("a kernel failed\n");
  return plan;
}

static void touch(char *memory, const int64_t *ranges) {
  enum { STEPS = 256, LINE = 32 };
  for (uint64_t core = 0; core < threads; core++) {
    mark(MARK_CORE, core);
    for (uint64_t step = STEPS * core; step < STEPS * (core + 1); step++) {
      volatile char *read = memory + ranges[0], *written = memory + ranges[2];
      uint64_t to_read = (uint64_t)ranges[1], to_write = (uint64_t)ranges[3], all = STEPS * threads;
      for (uint64_t at = to_read * step / all; at < to_read * (step + 1) / all; at += LINE) (void)read[at];
      for (uint64_t at = to_write * step / all; at < to_write * (step + 1) / all; at += LINE) written[at] = 0;
    }
  }
  mark(MARK_CORE, 0);
}

enum operation { FLUSH, TOUCH, FILL, CALL, DONE };

static void run(const int64_t *plan, const int64_t *end, uint64_t bytes) {
  char *memory = allocate(NULL, bytes);
  while (plan < end) {
    switch (*plan++) {
      case FLUSH:
        mark(MARK_FLUSH, 0);
        /* What another kernel left would be wrong indices, and make counts depend on that kernel. */
        allocate(memory, bytes);
        break;
      case TOUCH:
        touch(memory, plan);
        plan += 4;
        break;
      case FILL:
        memcpy(memory + plan[0], plan + 2, (size_t)plan[1]);
        plan += 2 + (plan[1] + 7) / 8;
        break;
      case CALL: plan = call(plan, memory); break;
      case DONE: mark(MARK_DONE, (uint64_t)*plan++); break;
      default: fail("the plan has an unknown operation\n");
    }
  }
}

__attribute__((used)) void start(long *stack) {
  enum { MAX_PLAN = 1 << 28, HERE = -100 };
  long file = stack[0] == 2 ? system_call(OPEN_AT, HERE, stack[2], 0, 0, 0, 0) : -1;
  if (file < 0) fail("the plan is missing\n");
  char *plan = allocate(NULL, MAX_PLAN);
  long bytes = 0, got;
  while ((got = system_call(READ, file, (long)plan + bytes, MAX_PLAN - bytes, 0, 0, 0)) > 0) bytes += got;
  const int64_t *words = (const int64_t *)plan;
  threads = (uint64_t)words[0];
  workspace = allocate(NULL, WORKSPACE);
  workspace_end = workspace + WORKSPACE;
  /* QEMU computes floats by the machine's own instructions only once a result was inexact; tensors are all zeros. */
  volatile float three = 3.0f;
  three = 1.0f / three;
  run(words + 2, words + bytes / 8, (uint64_t)words[1]);
  leave(0);
}
