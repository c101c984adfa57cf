// As much of CUDA's driver and runtime as TVM calls, for one device whose memory is this process's: a kernel's blocks
// run one after the other, the threads of a block as coroutines that take turns at every barrier.
// Compiled twice: with -DDRIVER as the driver, without it as the runtime.
#include <dlfcn.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#ifdef DRIVER

struct Position {
  unsigned x, y, z;
};

namespace {
constexpr unsigned kThreads = 1024, kWarp = 32, kStack = 256 * 1024;
enum State { kReady, kAtBlock, kAtWarp, kDone };

struct Coroutine {
  ucontext_t first;
  jmp_buf resume;
  bool started = false;
  State state = kDone;
  Position position;
  double slot;
} threads[kThreads];

Position thread, block;
jmp_buf scheduler;
unsigned current, alive;
void (*kernel)(void **);
void **arguments;

void body() {
  for (;;) {
    kernel(arguments);
    threads[current].state = kDone;
    if (!_setjmp(threads[current].resume)) _longjmp(scheduler, 1);
  }
}

void wait(State state) {
  threads[current].state = state;
  if (!_setjmp(threads[current].resume)) _longjmp(scheduler, 1);
}

void step(unsigned index) {
  Coroutine &one = threads[index];
  current = index;
  thread = one.position;
  one.state = kReady;
  if (_setjmp(scheduler)) return;
  if (one.started) _longjmp(one.resume, 1);
  one.started = true;
  getcontext(&one.first);
  one.first.uc_stack.ss_sp = malloc(kStack);
  one.first.uc_stack.ss_size = kStack;
  one.first.uc_link = nullptr;
  makecontext(&one.first, body, 0);
  setcontext(&one.first);
}

// A warp goes on when all of its threads wait for one another or are done; so does the block.
void run_block(unsigned count) {
  for (unsigned i = 0; i < count; ++i) step(i);
  for (bool left = true; left;) {
    left = false;
    for (unsigned from = 0; from < count; from += kWarp) {
      unsigned to = from + kWarp < count ? from + kWarp : count;
      for (;;) {
        unsigned waiting = 0, stopped = 0;
        for (unsigned i = from; i < to; ++i) {
          waiting += threads[i].state == kAtWarp;
          stopped += threads[i].state != kReady;
        }
        if (!waiting || stopped < to - from) break;
        for (unsigned i = from; i < to; ++i)
          if (threads[i].state == kAtWarp) step(i);
      }
    }
    for (unsigned i = 0; i < count; ++i) left |= threads[i].state == kAtBlock;
    if (left)
      for (unsigned i = 0; i < count; ++i)
        if (threads[i].state == kAtBlock) step(i);
  }
}
} // namespace

struct LaunchConfig {
  unsigned grid[3], block[3], shared_bytes;
  void *stream, *attributes;
  unsigned attribute_count;
};

extern "C" {
Position *software_thread = &thread, *software_block = &block;
void software_sync_block() { wait(kAtBlock); }
void software_sync_warp() { wait(kAtWarp); }
void *software_slot(unsigned offset) {
  unsigned lane = current % kWarp + offset;
  return &threads[lane < kWarp ? current + offset : current].slot;
}

int cuDeviceGetName(char *name, int length, int) {
  snprintf(name, length, "software GPU");
  return 0;
}
int cuFuncSetAttribute(void *, int, int) { return 0; }
int cuGetErrorName(int, const char **text) { return *text = "CUDA_ERROR", 0; }
int cuGetErrorString(int, const char **text) { return *text = "an error of the software GPU", 0; }
int cuTensorMapEncodeTiled() { return 1; }

// The code of a module is the path of a shared library.
int cuModuleLoadData(void **module, const void *image) {
  *module = dlopen(static_cast<const char *>(image), RTLD_NOW | RTLD_LOCAL);
  if (!*module) fprintf(stderr, "%s\n", dlerror());
  return *module ? 0 : 200;
}
int cuModuleUnload(void *) { return 0; }
int cuModuleGetFunction(void **function, void *module, const char *name) {
  char symbol[1024];
  snprintf(symbol, sizeof symbol, "launch_%s", name);
  *function = dlsym(module, symbol);
  return *function ? 0 : 500;
}
int cuLaunchKernelEx(const LaunchConfig *config, void *function, void **parameters, void **) {
  kernel = reinterpret_cast<void (*)(void **)>(function);
  arguments = parameters;
  unsigned count = config->block[0] * config->block[1] * config->block[2];
  if (count > kThreads) return 1;
  for (unsigned i = 0; i < count; ++i)
    threads[i].position = {i % config->block[0], i / config->block[0] % config->block[1],
                           i / config->block[0] / config->block[1]};
  for (block.z = 0; block.z < config->grid[2]; ++block.z)
    for (block.y = 0; block.y < config->grid[1]; ++block.y)
      for (block.x = 0; block.x < config->grid[0]; ++block.x) run_block(count);
  return 0;
}
}

#else

extern "C" {
int cudaDeviceGetAttribute(int *value, int attribute, int) {
  switch (attribute) {
  case 1: return *value = 1024, 0;        // threads in a block, and along each of its sides
  case 2: case 3: return *value = 1024, 0;
  case 4: return *value = 64, 0;
  case 5: return *value = 2147483647, 0;  // blocks along each side of the grid
  case 6: case 7: return *value = 65535, 0;
  case 8: return *value = 49152, 0;       // bytes of shared memory in a block
  case 10: return *value = 32, 0;         // threads in a warp
  case 12: return *value = 65536, 0;      // registers in a block
  case 13: return *value = 1000000, 0;    // clock in kHz
  case 16: return *value = 4, 0;          // multiprocessors
  case 38: return *value = 1 << 20, 0;    // bytes of the second-level cache
  case 75: return *value = 8, 0;          // compute capability
  case 76: return *value = 7, 0;
  default: return *value = 0, 0;
  }
}
int cudaGetDeviceCount(int *count) { return *count = 1, 0; }
int cudaGetDevice(int *device) { return *device = 0, 0; }
int cudaSetDevice(int) { return 0; }
int cudaGetDeviceProperties(void *, int) { return 0; }
int cudaGetLastError() { return 0; }
int cudaPeekAtLastError() { return 0; }
const char *cudaGetErrorName(int) { return "cudaError"; }
const char *cudaGetErrorString(int) { return "an error of the software GPU"; }

// Fresh memory holds no zeros, so that what nobody wrote shows.
int cudaMalloc(void **memory, size_t bytes) {
  *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
  return *memory ? (memset(*memory, 0xff, bytes), 0) : 2;
}
int cudaMallocHost(void **memory, size_t bytes) { return cudaMalloc(memory, bytes); }
int cudaFree(void *memory) { return free(memory), 0; }
int cudaFreeHost(void *memory) { return free(memory), 0; }
int cudaMemGetInfo(size_t *unused, size_t *total) { return *unused = *total = 1u << 30, 0; }
int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int, void *) { return memmove(to, from, bytes), 0; }
int cudaMemcpyPeerAsync(void *to, int, const void *from, int, size_t bytes, void *) {
  return memmove(to, from, bytes), 0;
}

int cudaEventCreate(void **event) { return *event = malloc(sizeof(timespec)), 0; }
int cudaEventDestroy(void *event) { return free(event), 0; }
int cudaEventRecord(void *event, void *) { return clock_gettime(CLOCK_MONOTONIC, static_cast<timespec *>(event)); }
int cudaEventSynchronize(void *) { return 0; }
int cudaEventElapsedTime(float *ms, void *from, void *to) {
  timespec *a = static_cast<timespec *>(from), *b = static_cast<timespec *>(to);
  *ms = (b->tv_sec - a->tv_sec) * 1e3f + (b->tv_nsec - a->tv_nsec) * 1e-6f;
  return 0;
}
int cudaStreamCreate(void **stream) { return *stream = nullptr, 0; }
int cudaStreamCreateWithFlags(void **stream, unsigned) { return *stream = nullptr, 0; }
int cudaStreamDestroy(void *) { return 0; }
int cudaStreamSynchronize(void *) { return 0; }
int cudaStreamWaitEvent(void *, void *, unsigned) { return 0; }
int cudaStreamBeginCapture(void *, int) { return 801; }
int cudaStreamEndCapture(void *, void **) { return 801; }
int cudaGraphInstantiate(void **, void *, unsigned long long) { return 801; }
int cudaGraphLaunch(void *, void *) { return 801; }
int cudaGraphDestroy(void *) { return 0; }
int cudaGraphExecDestroy(void *) { return 0; }
}

#endif
