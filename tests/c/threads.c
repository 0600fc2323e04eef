/* threads.c: several threads of one process, each with handles of its own. */
#define _GNU_SOURCE
#include "support.h"
#include <pthread.h>
#include <sched.h>

enum { THREADS = 4, ROUNDS = 100, ACCOUNTS = 10, TOTAL = 1000 };

static int multiple;
static int writers_left;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static char path[4096];

#define PERSIST(call) do{ int rc_; while( (rc_ = (call))==LSM_BUSY ) sched_yield(); OK( rc_ ); }while(0)

static lsm_db *open_path(void){
  lsm_db *db = NULL;
  OK( lsm_new(NULL, &db) );
  configure(db, LSM_CONFIG_MULTIPLE_PROCESSES, multiple);
  configure(db, LSM_CONFIG_AUTOFLUSH, 16);
  OK( lsm_open(db, path) );
  return db;
}

/* support.c keeps its buffers between calls; threads need their own. */
static int amount_at(lsm_cursor *cursor){
  const void *value = NULL;
  char text[32] = "";
  int size = 0;
  OK( lsm_csr_value(cursor, &value, &size) );
  CHECK( size>0 && size<31 );
  memcpy(text, value, size);
  return atoi(text);
}

static int amount_of(lsm_db *db, int account){
  lsm_cursor *cursor = NULL;
  char key[16];
  int amount;
  snprintf(key, sizeof(key), "account-%02d", account);
  PERSIST( lsm_csr_open(db, &cursor) );
  OK( seek(cursor, key, LSM_SEEK_EQ) );
  CHECK( lsm_csr_valid(cursor) );
  amount = amount_at(cursor);
  OK( lsm_csr_close(cursor) );
  return amount;
}

static int set_amount(lsm_db *db, int account, int amount){
  char key[16], value[16];
  snprintf(key, sizeof(key), "account-%02d", account);
  snprintf(value, sizeof(value), "%d", amount);
  return put(db, key, value);
}

/* Moves amounts between accounts, in transactions. */
static void *move_amounts(void *argument){
  numbers source = {(unsigned long long)(size_t)argument + 1};
  lsm_db *db = open_path();
  int n;
  for(n=0; n<ROUNDS; n++){
    int from = (int)next_number(&source, ACCOUNTS), to = (int)next_number(&source, ACCOUNTS);
    int moved = (int)next_number(&source, 20);
    PERSIST( lsm_begin(db, 1) );
    OK( set_amount(db, from, amount_of(db, from) - moved) );
    OK( set_amount(db, to, amount_of(db, to) + moved) );
    if( n%5==0 ) OK( lsm_rollback(db, 0) );
    else OK( lsm_commit(db, 0) );
  }
  close_database(db);
  pthread_mutex_lock(&guard);
  writers_left--;
  pthread_mutex_unlock(&guard);
  return NULL;
}

/* What it reads always adds up. */
static void *add_amounts(void *argument){
  lsm_db *db = open_path();
  int left = 1, rounds = 0;
  (void)argument;
  while( left || rounds==0 ){
    lsm_cursor *cursor = NULL;
    int total = 0, accounts = 0;
    pthread_mutex_lock(&guard);
    left = writers_left;
    pthread_mutex_unlock(&guard);
    PERSIST( lsm_csr_open(db, &cursor) );
    for(OK( lsm_csr_first(cursor) ); lsm_csr_valid(cursor); OK( lsm_csr_next(cursor) )){
      total += amount_at(cursor);
      accounts++;
    }
    IS( accounts, ACCOUNTS );
    IS( total, TOTAL );
    OK( lsm_csr_close(cursor) );
    rounds++;
  }
  close_database(db);
  return NULL;
}

static void together(void){
  pthread_t threads[THREADS + 2];
  lsm_db *db;
  int i, total = 0;
  snprintf(path, sizeof(path), "%s", path_of("db"));
  db = open_path();
  for(i=0; i<ACCOUNTS; i++) OK( set_amount(db, i, TOTAL/ACCOUNTS) );
  writers_left = THREADS;
  for(i=0; i<THREADS; i++){
    CHECK( pthread_create(&threads[i], NULL, move_amounts, (void*)(size_t)i)==0 );
  }
  for(; i<THREADS + 2; i++) CHECK( pthread_create(&threads[i], NULL, add_amounts, NULL)==0 );
  for(i=0; i<THREADS + 2; i++) CHECK( pthread_join(threads[i], NULL)==0 );
  for(i=0; i<ACCOUNTS; i++) total += amount_of(db, i);
  IS( total, TOTAL );
  close_database(db);
}

static void with_shared_memory(void){
  multiple = 1;
  together();
}

static void without_shared_memory(void){
  multiple = 0;
  together();
}

static void *open_and_close(void *argument){
  int n;
  for(n=0; n<20; n++){
    lsm_db *db = open_path();
    char key[32];
    snprintf(key, sizeof(key), "%d-%d", (int)(size_t)argument, n);
    PERSIST( put(db, key, "1") );
    close_database(db);
  }
  return NULL;
}

static void opening_and_closing_at_once(void){
  pthread_t threads[THREADS];
  lsm_db *db;
  int i;
  if( against_c ) return; /* crashes there now and then */
  multiple = 1;
  snprintf(path, sizeof(path), "%s", path_of("db"));
  for(i=0; i<THREADS; i++){
    CHECK( pthread_create(&threads[i], NULL, open_and_close, (void*)(size_t)i)==0 );
  }
  for(i=0; i<THREADS; i++) CHECK( pthread_join(threads[i], NULL)==0 );
  db = open_path();
  IS( count_rows(db), THREADS*20 );
  close_database(db);
}

/* A handle may go from thread to thread. */
static void *use_and_close(void *argument){
  lsm_db *db = argument;
  OK( put(db, "b", "2") );
  OK( lsm_flush(db) );
  close_database(db);
  return NULL;
}

static void a_handle_moves_to_another_thread(void){
  pthread_t thread;
  lsm_db *db = open_database();
  OK( put(db, "a", "1") );
  CHECK( pthread_create(&thread, NULL, use_and_close, db)==0 );
  CHECK( pthread_join(thread, NULL)==0 );
  db = open_database();
  ROWS( db, "a=1 b=2" );
  close_database(db);
}

/* A worker beside a writer that leaves the work to it. */
static int stop;

static void *work_until_told(void *argument){
  lsm_db *db = argument;
  int left;
  do{
    int rc = lsm_work(db, 2, 64, NULL);
    CHECK( rc==LSM_OK || rc==LSM_BUSY );
    rc = lsm_checkpoint(db, NULL);
    CHECK( rc==LSM_OK || rc==LSM_BUSY );
    sched_yield();
    pthread_mutex_lock(&guard);
    left = !stop;
    pthread_mutex_unlock(&guard);
  }while( left );
  return NULL;
}

static void a_worker_beside_a_writer(void){
  pthread_t thread;
  lsm_db *writer = open_with("db", LSM_CONFIG_AUTOWORK, 0, LSM_CONFIG_AUTOFLUSH, 16, 0);
  lsm_db *worker = open_with("db", LSM_CONFIG_AUTOWORK, 0, 0);
  int n;
  stop = 0;
  CHECK( pthread_create(&thread, NULL, work_until_told, worker)==0 );
  for(n=0; n<3000; n++) PERSIST( put_row(writer, n, 100) );
  pthread_mutex_lock(&guard);
  stop = 1;
  pthread_mutex_unlock(&guard);
  CHECK( pthread_join(thread, NULL)==0 );
  /* K-1 of docs/c-defects.md: C's forward scans miss rows while a merge is unfinished. */
  if( !against_c ) IS( count_rows(writer), 3000 );
  close_database(writer);
  close_database(worker);
}

static const struct test tests[] = {
  TEST(with_shared_memory),
  TEST(without_shared_memory),
  TEST(opening_and_closing_at_once),
  TEST(a_handle_moves_to_another_thread),
  TEST(a_worker_beside_a_writer),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
