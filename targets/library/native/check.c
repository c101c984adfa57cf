/* Runs a network once on inputs from files and writes its outputs to files, as a program without an operating system's
   libraries: what needs POSIX threads does all of a loop itself. `tensors.h` is generated. */
#include "system.h"

#include "tensors.h"

enum { HERE = -100, READ_ONLY = 0, WRITE_NEW = 01101, FAILS = 11 };

int pthread_create(void *thread, const void *attributes, void *(*function)(void *), void *argument) { return FAILS; }
int pthread_detach(uintptr_t thread) { return 0; }
int pthread_mutex_lock(void *mutex) { return 0; }
int pthread_mutex_unlock(void *mutex) { return 0; }
int pthread_cond_wait(void *condition, void *mutex) { return 0; }
int pthread_cond_broadcast(void *condition) { return 0; }
int sched_yield(void) { return 0; }

/* Variables of this thread: all are zero at first. */
static void set_thread_pointer(char *zeros) {
#if defined(__aarch64__)
  __asm__ volatile("msr tpidr_el0, %0" ::"r"(zeros));
#elif defined(__riscv)
  __asm__ volatile("mv tp, %0" ::"r"(zeros));
#elif defined(__x86_64__)
  enum { ARCH_PRCTL = 158, SET_FS = 0x1002 };
  *(char **)zeros = zeros;
  system_call(ARCH_PRCTL, SET_FS, (long)zeros, 0, 0, 0, 0);
#endif
}

static void transfer(const char *path, int flags, char *at, long bytes) {
  long file = system_call(OPEN_AT, HERE, (long)path, flags, 0600, 0, 0);
  if (file < 0) fail("a file cannot be opened\n");
  while (bytes > 0) {
    long moved = system_call(flags == READ_ONLY ? READ : WRITE, file, (long)at, bytes, 0, 0, 0);
    if (moved <= 0) fail("a file is too short\n");
    at += moved;
    bytes -= moved;
  }
}

__attribute__((used)) void start(long *stack) {
  enum { PAGE = 4096 };
  char *tensors[INPUTS + OUTPUTS];
  if (stack[0] != 1 + INPUTS + OUTPUTS) fail("the number of files is wrong\n");
  set_thread_pointer(allocate(NULL, 2 * PAGE) + PAGE);
  for (int i = 0; i < INPUTS + OUTPUTS; i++) {
    tensors[i] = allocate(NULL, (uint64_t)sizes[i] + 1);
    if (i < INPUTS) transfer((char *)stack[2 + i], READ_ONLY, tensors[i], sizes[i]);
  }
  if (run(tensors, allocate(NULL, WORKSPACE_BYTES))) fail("the network gave an error\n");
  for (int i = INPUTS; i < INPUTS + OUTPUTS; i++) transfer((char *)stack[2 + i], WRITE_NEW, tensors[i], sizes[i]);
  leave(0);
}
