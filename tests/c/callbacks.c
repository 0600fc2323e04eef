/* callbacks.c: the log and the work hook. */
#define _GNU_SOURCE
#include "support.h"
#include <fcntl.h>
#include <unistd.h>

struct heard {
  int count;
  int last_code;
  char last[256];
};

static void listen(void *context, int rc, const char *message){
  struct heard *heard = context;
  heard->count++;
  heard->last_code = rc;
  snprintf(heard->last, sizeof(heard->last), "%s", message);
}

static void recovery_is_told_to_the_log(void){
  lsm_db *db = open_database(), *second = NULL;
  struct heard heard = {0, -1, ""};
  OK( put(db, "a", "1") );
  copy_file("db", "copy");
  copy_file("db-log", "copy-log");
  OK( lsm_new(NULL, &second) );
  lsm_config_log(second, listen, &heard);
  OK( lsm_open(second, path_of("copy")) );
  ROWS( second, "a=1" );
  /* C lsm1 has nothing to say unless built for debugging. */
  if( !against_c ){
    CHECK( heard.count>0 );
    IS( heard.last_code, LSM_OK );
    CHECK( heard.last[0]!=0 );
  }
  close_database(second);
  close_database(db);
}

/* Sends what is written to stderr into a file of the test; returns what `end_of_stderr` takes. */
static int keep_stderr(const char *name){
  int kept = dup(STDERR_FILENO);
  int file = open(path_of(name), O_WRONLY|O_CREAT|O_TRUNC, 0600);
  CHECK( kept>=0 && file>=0 );
  CHECK( dup2(file, STDERR_FILENO)>=0 );
  close(file);
  return kept;
}

/* Ends that; returns the number of bytes written. */
static long long end_of_stderr(const char *name, int kept){
  fflush(stderr);
  CHECK( dup2(kept, STDERR_FILENO)>=0 );
  close(kept);
  return file_size(name);
}

static void without_a_log_nothing_is_printed(void){
  lsm_db *db = open_database(), *second = NULL;
  int kept, n;
  char text[9000];
  for(n=0; n<100; n++) OK( put_row(db, n, 100) );
  copy_file("db", "copy");
  copy_file("db-log", "copy-log");
  memset(text, 'x', sizeof(text));
  write_file("text", text, sizeof(text));
  /* A recovery, work, a checkpoint, a failure and an end. */
  kept = keep_stderr("printed");
  OK( lsm_new(NULL, &second) );
  OK( lsm_open(second, path_of("copy")) );
  IS( count_rows(second), 100 );
  OK( lsm_flush(second) );
  OK( lsm_work(second, 1, -1, NULL) );
  OK( lsm_checkpoint(second, NULL) );
  close_database(second);
  OK( lsm_new(NULL, &second) );
  IS( lsm_open(second, path_of("text")), DIFFERS(LSM_CORRUPT, LSM_OK) );
  close_database(second);
  IS( end_of_stderr("printed", kept), 0 );
  close_database(db);
}

static void a_log_of_null_is_silent(void){
  lsm_db *db = NULL;
  OK( lsm_new(NULL, &db) );
  lsm_config_log(db, NULL, NULL);
  OK( lsm_open(db, path_of("db")) );
  OK( put(db, "a", "1") );
  close_database(db);
}

struct calls {
  int count;
  lsm_db *handle;
  int asks;
  int structures;
};

static void count_call(lsm_db *db, void *context){
  struct calls *calls = context;
  calls->count++;
  calls->handle = db;
  if( calls->asks ){
    char *text = NULL;
    if( lsm_info(db, LSM_INFO_DB_STRUCTURE, &text)==LSM_OK && text ) calls->structures++;
    lsm_free(lsm_get_env(db), text);
  }
}

static void the_hook_hears_of_flushes_and_merges(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOFLUSH, 64, 0);
  struct calls calls = {0, NULL, 0, 0};
  int n;
  lsm_config_work_hook(db, count_call, &calls);
  OK( put(db, "a", "1") );
  IS( calls.count, 0 );
  for(n=0; n<2000; n++) OK( put_row(db, n, 100) );
  CHECK( calls.count>0 );
  CHECK( calls.handle==db );
  n = calls.count;
  OK( lsm_checkpoint(db, NULL) );
  IS( calls.count, n );
  OK( lsm_flush(db) );
  CHECK( calls.count>n );
  lsm_config_work_hook(db, NULL, NULL);
  n = calls.count;
  OK( put(db, "b", "2") );
  OK( lsm_flush(db) );
  IS( calls.count, n );
  close_database(db);
}

static void without_autowork_the_hook_hears_of_a_full_tree(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOWORK, 0, LSM_CONFIG_AUTOFLUSH, 16, 0);
  struct calls calls = {0, NULL, 0, 0};
  int n, before;
  lsm_config_work_hook(db, count_call, &calls);
  OK( put_row(db, 0, 100) );
  IS( calls.count, 0 );
  for(n=1; n<500; n++) OK( put_row(db, n, 100) );
  CHECK( calls.count>0 );
  /* It repeats as long as nobody does the work. */
  before = calls.count;
  OK( put_row(db, 500, 100) );
  IS( calls.count, before + 1 );
  OK( lsm_begin(db, 1) );
  OK( put_row(db, 501, 100) );
  IS( calls.count, before + 1 );
  OK( lsm_rollback(db, 0) );
  IS( calls.count, before + 1 );
  close_database(db);
}

static void the_hook_may_ask_for_the_structure(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOFLUSH, 64, 0);
  struct calls calls = {0, NULL, 1, 0};
  int n;
  lsm_config_work_hook(db, count_call, &calls);
  for(n=0; n<2000; n++) OK( put_row(db, n, 100) );
  CHECK( calls.structures>0 );
  close_database(db);
}

/* A second handle, whose work the hook asks for: how programs move work out of their writers. */
static void work_by_another_handle(void){
  lsm_db *writer = open_with("db", LSM_CONFIG_AUTOWORK, 0, LSM_CONFIG_AUTOFLUSH, 16, 0);
  lsm_db *worker = open_with("db", LSM_CONFIG_AUTOWORK, 0, 0);
  struct calls calls = {0, NULL, 0, 0};
  int n, old = 0, live = 0;
  lsm_config_work_hook(writer, count_call, &calls);
  for(n=0; n<2000; n++){
    int before = calls.count;
    OK( put_row(writer, n, 100) );
    if( calls.count!=before ) OK( lsm_work(worker, 2, -1, NULL) );
  }
  CHECK( calls.count>0 );
  OK( lsm_info(writer, LSM_INFO_TREE_SIZE, &old, &live) );
  CHECK( old + live<100 );
  IS( count_rows(writer), 2000 );
  OK( lsm_checkpoint(worker, NULL) );
  close_database(writer);
  close_database(worker);
}

static const struct test tests[] = {
  TEST(recovery_is_told_to_the_log),
  TEST(without_a_log_nothing_is_printed),
  TEST(a_log_of_null_is_silent),
  TEST(the_hook_hears_of_flushes_and_merges),
  TEST(without_autowork_the_hook_hears_of_a_full_tree),
  TEST(the_hook_may_ask_for_the_structure),
  TEST(work_by_another_handle),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
