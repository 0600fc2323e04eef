/* read_only.c: handles with LSM_CONFIG_READONLY. */
#include "support.h"

static lsm_db *open_read_only(const char *name){
  return open_with(name, LSM_CONFIG_READONLY, 1, 0);
}

static void writes_are_refused(void){
  lsm_db *db = open_database();
  OK( put(db, "a", "1") );
  close_database(db);
  db = open_read_only("db");
  ROWS( db, "a=1" );
  IS( put(db, "b", "2"), LSM_READONLY );
  IS( del(db, "a"), LSM_READONLY );
  IS( del_range(db, "a", "z"), LSM_READONLY );
  OK( del_range(db, "z", "a") );
  IS( lsm_begin(db, 1), LSM_READONLY );
  IS( lsm_begin(db, 0), LSM_READONLY );
  IS( lsm_set_user_version(db, 1), LSM_READONLY );
  if( !against_c ){
    /* C crashes. */
    int rc = lsm_flush(db);
    CHECK( rc==LSM_READONLY || rc==LSM_MISUSE );
    rc = lsm_work(db, 1, -1, NULL);
    CHECK( rc==LSM_READONLY || rc==LSM_MISUSE );
    rc = lsm_checkpoint(db, NULL);
    CHECK( rc==LSM_READONLY || rc==LSM_MISUSE );
  }
  ROWS( db, "a=1" );
  close_database(db);
}

static void nothing_is_left_behind(void){
  lsm_db *db = open_database();
  long long size;
  OK( put(db, "a", "1") );
  close_database(db);
  size = file_size("db");
  db = open_read_only("db");
  ROWS( db, "a=1" );
  close_database(db);
  IS( file_size("db"), size );
  CHECK( !file_exists("db-shm") );
}

static void beside_a_writer_it_sees_every_commit(void){
  lsm_db *writer = open_with("db", LSM_CONFIG_AUTOFLUSH, 16, 0), *reader = open_read_only("db");
  lsm_cursor *cursor = NULL;
  int n;
  OK( put_row(writer, 0, 100) );
  OK( lsm_csr_open(reader, &cursor) );
  for(n=1; n<500; n++) OK( put_row(writer, n, 100) );
  OK( lsm_csr_first(cursor) );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "end" );
  OK( lsm_csr_close(cursor) );
  IS( count_rows(reader), 500 );
  close_database(reader);
  close_database(writer);
}

static void what_only_the_log_has_is_seen(void){
  lsm_db *db = open_database(), *copy;
  OK( put(db, "a", "1") );
  if( !against_c ){
    /* The checkpoint C writes here does not know where the log goes on. */
    OK( lsm_flush(db) );
    OK( lsm_checkpoint(db, NULL) );
  }
  OK( put(db, "b", "2") );
  copy_file("db", "copy");
  copy_file("db-log", "copy-log");
  copy = open_read_only("copy");
  ROWS( copy, "a=1 b=2" );
  close_database(copy);
  CHECK( file_exists("copy-log") );
  close_database(db);
}

static void a_writer_may_follow(void){
  lsm_db *db = open_database(), *writer;
  OK( put(db, "a", "1") );
  close_database(db);
  db = open_read_only("db");
  ROWS( db, "a=1" );
  writer = open_database();
  OK( put(writer, "b", "2") );
  ROWS( db, "a=1 b=2" );
  close_database(writer);
  ROWS( db, "a=1 b=2" );
  close_database(db);
}

static void the_setting_cannot_change_later(void){
  lsm_db *db = open_database();
  OK( put(db, "a", "1") );
  IS( configure(db, LSM_CONFIG_READONLY, 1), 0 );
  OK( put(db, "b", "2") );
  close_database(db);
  db = open_read_only("db");
  IS( configure(db, LSM_CONFIG_READONLY, 0), 1 );
  IS( put(db, "c", "3"), LSM_READONLY );
  close_database(db);
}

static void much(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOFLUSH, 32, LSM_CONFIG_PAGE_SIZE, 1024,
                         LSM_CONFIG_BLOCK_SIZE, 64, 0);
  int n;
  for(n=0; n<3000; n++) OK( put_row(db, (n*7919) % 3000, 80) );
  close_database(db);
  db = open_read_only("db");
  IS( count_rows(db), 3000 );
  for(n=0; n<3000; n+=101) CHECK( has_row(db, n, 80) );
  close_database(db);
}

static const struct test tests[] = {
  TEST(writes_are_refused),
  TEST(nothing_is_left_behind),
  TEST(beside_a_writer_it_sees_every_commit),
  TEST(what_only_the_log_has_is_seen),
  TEST(a_writer_may_follow),
  TEST(the_setting_cannot_change_later),
  TEST(much),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
