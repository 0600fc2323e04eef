/* handles.c: lsm_new, lsm_open, lsm_close, lsm_get_env; the files beside a database. */
#define _GNU_SOURCE
#include "support.h"
#include <unistd.h>

static void new_and_close_touch_no_file(void){
  lsm_db *db = NULL;
  OK( lsm_new(NULL, &db) );
  CHECK( db!=NULL );
  CHECK( lsm_get_env(db)==lsm_default_env() );
  OK( lsm_close(db) );
  OK( lsm_close(NULL) );
}

static void given_environment_is_returned(void){
  lsm_env env = *lsm_default_env();
  lsm_db *db = NULL;
  OK( lsm_new(&env, &db) );
  CHECK( lsm_get_env(db)==&env );
  OK( lsm_open(db, path_of("db")) );
  OK( put(db, "a", "1") );
  OK( lsm_close(db) );
}

static void contents_outlive_the_handle(void){
  lsm_db *db = open_database();
  ROWS( db, "" );
  OK( put(db, "b", "2") );
  OK( put(db, "a", "1") );
  close_database(db);
  db = open_database();
  ROWS( db, "a=1 b=2" );
  close_database(db);
}

static void second_open_is_misuse(void){
  lsm_db *db = open_database();
  OK( put(db, "a", "1") );
  IS( lsm_open(db, path_of("other")), LSM_MISUSE );
  IS( lsm_open(db, path_of("db")), LSM_MISUSE );
  ROWS( db, "a=1" );
  close_database(db);
}

static void failed_open_can_be_repeated(void){
  lsm_db *db = NULL;
  OK( lsm_new(NULL, &db) );
  IS( lsm_open(db, path_of("missing/db")), LSM_IOERR_NOENT );
  IS( LSM_IOERR_NOENT & 0xff, LSM_IOERR );
  OK( lsm_open(db, path_of("db")) );
  OK( put(db, "a", "1") );
  ROWS( db, "a=1" );
  OK( lsm_close(db) );
  OK( lsm_new(NULL, &db) );
  IS( lsm_open(db, path_of("missing/db")), LSM_IOERR_NOENT );
  OK( lsm_close(db) );
}

static void directory_is_no_database(void){
  lsm_db *db = NULL;
  OK( lsm_new(NULL, &db) );
  IS( lsm_open(db, path_of("")) & 0xff, LSM_IOERR );
  OK( lsm_close(db) );
}

static void close_refuses_with_an_open_cursor(void){
  lsm_db *db = open_database();
  lsm_cursor *cursor = NULL, *second = NULL;
  OK( put(db, "a", "1") );
  OK( lsm_csr_open(db, &cursor) );
  OK( lsm_csr_open(db, &second) );
  OK( lsm_csr_first(cursor) );
  IS( lsm_close(db), LSM_MISUSE );
  TEXT( at(cursor), "a=1" );
  OK( lsm_csr_close(cursor) );
  IS( lsm_close(db), LSM_MISUSE );
  OK( lsm_csr_close(second) );
  OK( put(db, "b", "2") );
  ROWS( db, "a=1 b=2" );
  close_database(db);
}

static void close_refuses_with_an_open_transaction(void){
  lsm_db *db = open_database();
  OK( lsm_begin(db, 1) );
  OK( put(db, "a", "1") );
  IS( lsm_close(db), LSM_MISUSE );
  OK( put(db, "b", "2") );
  IS( lsm_close(db), LSM_MISUSE );
  OK( lsm_commit(db, 0) );
  close_database(db);
  db = open_database();
  ROWS( db, "a=1 b=2" );
  close_database(db);
}

static void side_files_come_and_go(void){
  lsm_db *db = open_database(), *second;
  CHECK( file_exists("db") );
  CHECK( file_exists("db-shm") );
  OK( put(db, "a", "1") );
  CHECK( file_exists("db-log") );
  second = open_database();
  close_database(db);
  CHECK( file_exists("db-log") );
  CHECK( file_exists("db-shm") );
  ROWS( second, "a=1" );
  close_database(second);
  CHECK( file_exists("db") );
  CHECK( !file_exists("db-log") );
  CHECK( !file_exists("db-shm") );
}

static void single_process_has_no_shared_memory_file(void){
  lsm_db *db = open_with("db", LSM_CONFIG_MULTIPLE_PROCESSES, 0, 0);
  OK( put(db, "a", "1") );
  CHECK( file_exists("db-log") );
  CHECK( !file_exists("db-shm") );
  close_database(db);
  CHECK( !file_exists("db-log") );
}

/* C makes the log when it opens; here the first write that is logged makes it. */
static void without_log_there_need_be_no_log_file(void){
  lsm_db *db = open_with("db", LSM_CONFIG_USE_LOG, 0, 0);
  OK( put(db, "a", "1") );
  IS( file_exists("db-log"), DIFFERS(0, 1) );
  close_database(db);
  db = open_database();
  ROWS( db, "a=1" );
  close_database(db);
}

static void last_close_truncates_the_file(void){
  lsm_db *db = open_with("db", LSM_CONFIG_MMAP, 0, 0);
  int n;
  for(n=0; n<100; n++) OK( put_row(db, n, 100) );
  close_database(db);
  /* Two meta pages and a few pages of rows, not a whole block of 1 MB. */
  CHECK( file_size("db")>8192 );
  CHECK( file_size("db")<8192 + 16*4096 );
}

static void handles_of_one_process_share(void){
  lsm_db *one = open_database(), *two = open_database();
  OK( put(one, "a", "1") );
  ROWS( two, "a=1" );
  OK( put(two, "b", "2") );
  ROWS( one, "a=1 b=2" );
  close_database(one);
  OK( put(two, "c", "3") );
  ROWS( two, "a=1 b=2 c=3" );
  close_database(two);
}

static void handles_of_different_files_do_not(void){
  lsm_db *one = open_with("one", 0), *two = open_with("two", 0);
  OK( put(one, "a", "1") );
  OK( put(two, "b", "2") );
  ROWS( one, "a=1" );
  ROWS( two, "b=2" );
  close_database(one);
  close_database(two);
}

static void relative_paths(void){
  char before[4096];
  lsm_db *db = NULL, *second = open_database();
  OK( put(second, "a", "1") );
  CHECK( getcwd(before, sizeof(before))!=NULL );
  CHECK( chdir(path_of(""))==0 );
  OK( lsm_new(NULL, &db) );
  OK( lsm_open(db, "relative") );
  OK( put(db, "r", "1") );
  close_database(db);
  CHECK( file_exists("relative") );
  if( !against_c ){
    /* Another spelling of a path is the same database: C lsm1 would lose its locks. */
    OK( lsm_new(NULL, &db) );
    OK( lsm_open(db, "./db") );
    ROWS( db, "a=1" );
    OK( put(db, "b", "2") );
    close_database(db);
    ROWS( second, "a=1 b=2" );
  }
  CHECK( chdir(before)==0 );
  close_database(second);
}

static void long_names_and_odd_ones(void){
  lsm_db *db;
  char name[240];
  memset(name, 'n', sizeof(name));
  name[sizeof(name)-1] = 0;
  db = open_with(name, 0);
  OK( put(db, "a", "1") );
  close_database(db);
  CHECK( file_exists(name) );
  db = open_with("with space, \xc3\xbcnicode and \xff", 0);
  OK( put(db, "a", "1") );
  close_database(db);
  db = open_with("with space, \xc3\xbcnicode and \xff", 0);
  ROWS( db, "a=1" );
  close_database(db);
}

/* Many more than there are client locks (16). */
static void many_handles(void){
  lsm_db *handles[40];
  int i;
  for(i=0; i<40; i++){
    char key[2] = {(char)('0' + i), 0};
    handles[i] = open_database();
    OK( put(handles[i], key, "v") );
  }
  for(i=0; i<40; i++) IS( count_rows(handles[i]), 40 );
  for(i=0; i<40; i++) close_database(handles[i]);
  CHECK( !file_exists("db-log") );
}

static void many_opens(void){
  int n;
  for(n=0; n<50; n++){
    lsm_db *db = open_database();
    OK( put_row(db, n, 10) );
    IS( count_rows(db), n + 1 );
    close_database(db);
  }
}

static const struct test tests[] = {
  TEST(new_and_close_touch_no_file),
  TEST(given_environment_is_returned),
  TEST(contents_outlive_the_handle),
  TEST(second_open_is_misuse),
  TEST(failed_open_can_be_repeated),
  TEST(directory_is_no_database),
  TEST(close_refuses_with_an_open_cursor),
  TEST(close_refuses_with_an_open_transaction),
  TEST(side_files_come_and_go),
  TEST(single_process_has_no_shared_memory_file),
  TEST(without_log_there_need_be_no_log_file),
  TEST(last_close_truncates_the_file),
  TEST(handles_of_one_process_share),
  TEST(handles_of_different_files_do_not),
  TEST(relative_paths),
  TEST(long_names_and_odd_ones),
  TEST(many_handles),
  TEST(many_opens),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
