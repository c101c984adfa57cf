/* A pool of THREADS - 1 threads and whoever calls. They look for work for a while, because a network has a parallel loop
   every few microseconds, and then sleep. Each has its share of a loop, so that it finds in its caches what it left
   there; who calls does the shares of those that have not begun when its own is done, and all of them where the system
   gives no threads. One inference at a time uses the pool; others wait. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { LOOKS = 1 << 14 };

static pthread_mutex_t one_inference = PTHREAD_MUTEX_INITIALIZER, sleep_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
static atomic_uint launches, undone, sleepers;
static atomic_uint begun[THREADS]; /* by each share: the last launch whose share somebody has taken */
static atomic_int failures;
static task *work;
static void *work_data;
static environment work_environment;
#if FURTHER_SCRATCH_BYTES
static char *further_scratch;
#endif

static void pause_briefly(void) {
#if defined(__x86_64__)
  __asm__ volatile("pause");
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ volatile("yield");
#endif
}

static void do_share(int number, unsigned number_of_launch) {
  unsigned last = number_of_launch - 1;
  if (!atomic_compare_exchange_strong(&begun[number], &last, number_of_launch)) return;
#if FURTHER_SCRATCH_BYTES
  char *own = scratch;
  if (number) scratch = further_scratch + (number - 1) * (size_t)FURTHER_SCRATCH_BYTES;
#endif
  for (int i = number; i < work_environment.tasks; i += THREADS)
    if (work(i, &work_environment, work_data)) atomic_store(&failures, 1);
#if FURTHER_SCRATCH_BYTES
  scratch = own;
#endif
  atomic_fetch_sub(&undone, 1);
}

static void *serve(void *number) {
  unsigned seen = 0;
  for (;;) {
    for (int looks = 0; atomic_load(&launches) == seen && looks < LOOKS; looks++) pause_briefly();
    if (atomic_load(&launches) == seen) {
      pthread_mutex_lock(&sleep_lock);
      atomic_fetch_add(&sleepers, 1);
      while (atomic_load(&launches) == seen) pthread_cond_wait(&woken, &sleep_lock);
      atomic_fetch_sub(&sleepers, 1);
      pthread_mutex_unlock(&sleep_lock);
    }
    seen = atomic_load(&launches);
    do_share((int)(intptr_t)number, seen);
  }
  return NULL;
}

static int launch(task *function, void *data, int tasks) {
  work = function;
  work_data = data;
  work_environment = (environment){NULL, tasks ? tasks : THREADS};
  atomic_store(&failures, 0);
  atomic_store(&undone, THREADS);
  unsigned now = atomic_fetch_add(&launches, 1) + 1;
  if (atomic_load(&sleepers)) {
    pthread_mutex_lock(&sleep_lock);
    pthread_cond_broadcast(&woken);
    pthread_mutex_unlock(&sleep_lock);
  }
  for (int number = 0; number < THREADS; number++) do_share(number, now);
  for (int looks = 0; atomic_load(&undone); looks++) {
    if (looks < LOOKS) pause_briefly();
    else sched_yield();
  }
  return atomic_load(&failures);
}

static void begin(char *all_scratch) {
  static int started;
  pthread_mutex_lock(&one_inference);
#if FURTHER_SCRATCH_BYTES
  further_scratch = all_scratch + SCRATCH_BYTES;
#else
  (void)all_scratch;
#endif
  while (started < THREADS - 1) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)++started)) break;
    pthread_detach(thread);
  }
}

static void end(void) { pthread_mutex_unlock(&one_inference); }
