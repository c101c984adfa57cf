/* A pool of THREADS - 1 threads and whoever calls. They look for work for a while, because a network has a parallel loop
   every few microseconds, and then sleep. One inference at a time uses the pool; others wait. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

enum { LOOKS = 1 << 14 };

static pthread_mutex_t one_inference = PTHREAD_MUTEX_INITIALIZER, sleep_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
static pid_t owner; /* of the threads: a child that is forked has none of them */
static atomic_uint launches, busy, sleepers;
static atomic_int failures;
static task *work;
static void *work_data;
static environment work_environment;
#if SCRATCH_BYTES
static char *workspace_in_use;
#endif

static void pause_briefly(void) {
#if defined(__x86_64__)
  __asm__ volatile("pause");
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ volatile("yield");
#endif
}

static void do_share(int number) {
  for (int i = number; i < work_environment.tasks; i += THREADS) {
#if FURTHER_SCRATCH_BYTES
    if (number) scratch = workspace_in_use + SCRATCH_OFFSET + SCRATCH_BYTES + (number - 1) * (size_t)FURTHER_SCRATCH_BYTES;
#endif
    if (work(i, &work_environment, work_data)) atomic_store(&failures, 1);
  }
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
    seen++;
    do_share((int)(intptr_t)number);
    atomic_fetch_sub(&busy, 1);
  }
  return NULL;
}

static int launch(task *function, void *data, int tasks) {
  work = function;
  work_data = data;
  work_environment = (environment){NULL, tasks ? tasks : THREADS};
  atomic_store(&failures, 0);
  atomic_store(&busy, THREADS - 1);
  atomic_fetch_add(&launches, 1);
  if (atomic_load(&sleepers)) {
    pthread_mutex_lock(&sleep_lock);
    pthread_cond_broadcast(&woken);
    pthread_mutex_unlock(&sleep_lock);
  }
  do_share(0);
  for (int looks = 0; atomic_load(&busy); looks++) {
    if (looks < LOOKS) pause_briefly();
    else sched_yield();
  }
  return atomic_load(&failures);
}

static int start_threads(void) {
  static int started;
  if (owner != getpid()) {
    owner = getpid();
    started = 0;
    atomic_store(&launches, 0);
    atomic_store(&sleepers, 0);
  }
  for (; started < THREADS - 1; started++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)(started + 1))) return NO_THREADS;
    pthread_detach(thread);
  }
  return DONE;
}

static int begin(char *workspace) {
  pthread_mutex_lock(&one_inference);
  int obstacle = start_threads();
  if (obstacle) pthread_mutex_unlock(&one_inference);
#if SCRATCH_BYTES
  workspace_in_use = workspace;
#else
  (void)workspace;
#endif
  return obstacle;
}

static void end(void) { pthread_mutex_unlock(&one_inference); }
