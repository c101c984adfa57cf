/* A network without TVM: the calls of its kernels in order, and what kernels ask of TVM's runtime. `plan.h` is
   generated for the network; it names the kernels, says what each works on, and has the functions that users call. */
#include <stddef.h>
#include <stdint.h>

/* Kernels: TVM FFI's calling convention (tvm/ffi/c_api.h) and DLPack's tensors. */

typedef struct {
  int32_t type, padding;
  union {
    void *pointer;
    int64_t bits;
  } value;
} any;
typedef int kernel(void *, const any *, int32_t, any *);

typedef struct {
  void *data;
  int32_t device_type, device_id, dimensions;
  uint32_t type;
  int64_t *shape, *strides;
  uint64_t byte_offset;
} tensor;

enum { TENSOR_POINTER = 7, CPU = 1 };

/* A plan: arguments of all calls one after the other, each at an offset from one of the `bases`. */

typedef struct {
  uint8_t base, dimensions;
  uint16_t shape; /* an index of `shapes` */
  uint32_t offset;
  uint32_t type; /* a DLDataType's four bytes */
} argument;

typedef struct {
  kernel *function;
  uint32_t arguments; /* the number of them */
} call;

typedef struct {
  uint8_t to, from;
  uint32_t offset, bytes;
} copy;

typedef struct {
  const argument *arguments;
  const call *calls;
  const copy *copies;
  uint32_t call_count, copy_count, scratch_offset;
} plan;

enum { WORKSPACE };
enum error { DONE, MISALIGNED, KERNEL_FAILED };

static int run(const plan *plan, char *const *bases, size_t count);

#include "plan.h"

/* Kernels find functions of TVM's runtime through pointers. On a microcontroller nobody makes a table of addresses, so
   each symbol is its own entry of one, and all of it is constant. */

#if __ARM_ARCH_PROFILE == 'M'
/* Tables for unwinding name these. */
void __aeabi_unwind_cpp_pr0(void) {}
void __aeabi_unwind_cpp_pr1(void) {}
#define PER_THREAD
#define OFFER(type, name, function)           \
  static type *const function##_at = function; \
  type *const *const name = &function##_at
#else
#define PER_THREAD _Thread_local __attribute__((tls_model("initial-exec")))
#define OFFER(type, name, function) type *name = function
#endif

/* Memory for a kernel itself, given out from its beginning: a kernel frees in the opposite order. */

#if SCRATCH_BYTES
enum { SCRATCH_ALIGNMENT = 128 };
static PER_THREAD char *scratch;

typedef void *allocation(int, int, uint64_t, int, int);
typedef int freeing(int, int, void *);

static void *allocate(int device, int id, uint64_t bytes, int code, int bits) {
  (void)device, (void)id, (void)code, (void)bits;
  char *taken = scratch;
  scratch += (bytes + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
  return taken;
}

static int release(int device, int id, void *taken) {
  (void)device, (void)id;
  scratch = taken;
  return 0;
}

OFFER(allocation, __TVMBackendAllocWorkspace, allocate);
OFFER(freeing, __TVMBackendFreeWorkspace, release);
#endif

/* Parallel loops. */

typedef struct {
  void *barrier;
  int32_t tasks;
} environment;
typedef int task(int, environment *, void *);

#if THREADS > 1
#include "threads.h"
#else
static int launch(task *function, void *data, int tasks) {
  environment alone = {NULL, tasks ? tasks : 1};
  int failed = 0;
  for (int i = 0; i < alone.tasks && !failed; i++) failed = function(i, &alone, data);
  return failed;
}
#endif

typedef int launching(task *, void *, int);
OFFER(launching, __TVMBackendParallelLaunch, launch);

static int call_kernels(const plan *plan, char *const *bases) {
  const argument *next = plan->arguments;
  for (size_t i = 0; i < plan->call_count; i++) {
    tensor tensors[MAX_ARGUMENTS];
    any passed[MAX_ARGUMENTS], result = {0, 0, {0}};
    uint32_t count = plan->calls[i].arguments;
    for (uint32_t j = 0; j < count; j++, next++) {
      tensors[j] = (tensor){bases[next->base] + next->offset, CPU, 0, next->dimensions, next->type,
                            (int64_t *)shapes + next->shape, NULL, 0};
      passed[j] = (any){TENSOR_POINTER, 0, {&tensors[j]}};
    }
    if (plan->calls[i].function(NULL, passed, (int32_t)count, &result)) return KERNEL_FAILED;
  }
  for (size_t i = 0; i < plan->copy_count; i++) {
    const copy *one = &plan->copies[i];
    __builtin_memcpy(bases[one->to], bases[one->from] + one->offset, one->bytes);
  }
  return DONE;
}

static int run(const plan *plan, char *const *bases, size_t count) {
  for (size_t i = 0; i < count; i++)
    if ((uintptr_t)bases[i] % ALIGNMENT) return MISALIGNED;
#if SCRATCH_BYTES
  scratch = bases[WORKSPACE] + plan->scratch_offset;
#endif
#if THREADS > 1
  begin(bases[WORKSPACE] + plan->scratch_offset);
  int ended = call_kernels(plan, bases);
  end();
  return ended;
#else
  return call_kernels(plan, bases);
#endif
}
