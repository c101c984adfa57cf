/* What a program has without an operating system's libraries: system calls, where it starts, and memory. It defines
   `start`, which gets the stack that Linux leaves: the number of arguments, then their addresses. It runs on another,
   whose place in the caches does not depend on how long the arguments and the environment are. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* System calls and where a program starts. */

__asm__(".bss\n .balign 131072\n .zero 8388608\nstack_end: .zero 64\n.text\n");

#if defined(__aarch64__)
enum { READ = 63, WRITE = 64, EXIT = 93, MMAP = 222, OPEN_AT = 56, GETPRIORITY = 141 };
static long system_call(long n, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
__asm__(".globl _start\n_start: mov x0, sp\n adrp x1, stack_end\n mov sp, x1\n bl start\n");
#elif defined(__riscv)
enum { READ = 63, WRITE = 64, EXIT = 93, MMAP = 222, OPEN_AT = 56, GETPRIORITY = 141 };
static long system_call(long n, long a, long b, long c, long d, long e, long f) {
  register long a7 __asm__("a7") = n, a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
  register long a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
  return a0;
}
__asm__(".globl _start\n_start: mv a0, sp\n la sp, stack_end\n call start\n");
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
__asm__(".globl _start\n_start: mov %rsp, %rdi\n lea stack_end(%rip), %rsp\n call start\n");
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

/* What compilers call. */

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
