/* Where a Cortex-M begins: its vectors, and memory as C expects it. The clock is the one after a reset, and caches stay
   off: a board's own start-up code does better, and takes this file's place. Symbols are of the linker's script. */
#include <stdint.h>

extern char stack_top[], data_start[], data_end[], data_load[], bss_start[], bss_end[];

int main(void);

static void stop(void) {
  for (;;) {
  }
}

void SysTick_Handler(void) __attribute__((weak, alias("ignore")));
__attribute__((used)) static void ignore(void) {}

void _start(void) {
  volatile uint32_t *coprocessors = (uint32_t *)0xE000ED88;
  *coprocessors |= 0xFu << 20; /* floating point, and Helium where there is some */
  __asm__ volatile("dsb\n isb" ::: "memory");
  const char *from = data_load;
  for (char *to = data_start; to < data_end;) *to++ = *from++;
  for (char *to = bss_start; to < bss_end;) *to++ = 0;
  main();
  stop();
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))stack_top, _start, stop, stop, stop, stop, stop, stop, stop, stop, stop, stop, stop, stop, stop,
    SysTick_Handler,
};
