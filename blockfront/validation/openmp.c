/* What ncnn needs of GNU's OpenMP library (libgomp), on one thread: the tasks of a parallel region run one after the
   other, and the profiler's plugin is told which core each stands for. So every region's imbalance is known, and runs
   are the same every time. Static schedules only: that is all ncnn has. */
#include <stdint.h>

/* See plugin.c. */
enum { GETPRIORITY = 141, MARK = 0x6d61726b };
enum operation { DISCARD, FLUSH, CORE, REGION, DONE };
long syscall(long number, ...);
static void mark(enum operation operation, uint64_t value) { syscall(GETPRIORITY, MARK, operation << 24 | value); }

static int threads = 1, team = 1, member, inside;

void GOMP_parallel(void (*task)(void *), void *data, unsigned asked, unsigned flags) {
  if (inside) { /* one region in another runs on one thread */
    int outer_team = team, outer_member = member;
    team = 1, member = 0;
    task(data);
    team = outer_team, member = outer_member;
    return;
  }
  inside = 1, team = asked ? asked : threads;
  mark(REGION, 1);
  for (member = 0; member < team; member++) {
    mark(CORE, member);
    task(data);
  }
  inside = 0, team = 1, member = 0;
  mark(CORE, 0);
  mark(REGION, 0);
}

int omp_get_num_threads(void) { return team; }
int omp_get_thread_num(void) { return member; }
int omp_get_max_threads(void) { return threads; }
void omp_set_num_threads(int count) { threads = count; }
int omp_get_dynamic(void) { return 0; }
void omp_set_dynamic(int dynamic) {}
