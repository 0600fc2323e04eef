/* transactions.c: lsm_begin, lsm_commit, lsm_rollback and their levels; what others see, and when. */
#include "support.h"

static void commit_and_rollback(void){
  lsm_db *db = open_database();
  OK( lsm_begin(db, 1) );
  OK( put(db, "a", "1") );
  OK( lsm_commit(db, 0) );
  ROWS( db, "a=1" );
  OK( lsm_begin(db, 1) );
  OK( put(db, "a", "2") );
  OK( put(db, "b", "2") );
  ROWS( db, "a=2 b=2" );
  OK( lsm_rollback(db, 0) );
  ROWS( db, "a=1" );
  close_database(db);
  db = open_database();
  ROWS( db, "a=1" );
  close_database(db);
}

static void nothing_open_nothing_to_do(void){
  lsm_db *db = open_database();
  int level;
  for(level=-2; level<=3; level++){
    OK( lsm_commit(db, level) );
    OK( lsm_rollback(db, level) );
  }
  OK( lsm_begin(db, 0) );
  close_database(db);
}

static void nested_levels(void){
  lsm_db *db = open_database();
  OK( lsm_begin(db, 1) );
  OK( put(db, "a", "1") );
  OK( lsm_begin(db, 2) );
  OK( put(db, "b", "2") );
  OK( lsm_begin(db, 3) );
  OK( put(db, "c", "3") );
  ROWS( db, "a=1 b=2 c=3" );
  /* Undoes level 3 and leaves it open. */
  OK( lsm_rollback(db, 3) );
  ROWS( db, "a=1 b=2" );
  OK( put(db, "d", "4") );
  OK( lsm_commit(db, 2) );
  ROWS( db, "a=1 b=2 d=4" );
  /* Level 2 with what level 3 left to it. */
  OK( lsm_rollback(db, 2) );
  ROWS( db, "a=1" );
  OK( put(db, "e", "5") );
  OK( lsm_commit(db, 1) );
  ROWS( db, "a=1 e=5" );
  OK( lsm_commit(db, 0) );
  ROWS( db, "a=1 e=5" );
  close_database(db);
}

static void levels_are_opened_at_once(void){
  lsm_db *db = open_database();
  OK( lsm_begin(db, 5) );
  OK( put(db, "a", "1") );
  OK( lsm_rollback(db, 5) );
  ROWS( db, "" );
  OK( put(db, "a", "2") );
  OK( lsm_begin(db, 3) );
  OK( put(db, "b", "2") );
  /* Three was open already, and so nothing was opened: a rollback to 5 takes both. */
  OK( lsm_rollback(db, 5) );
  ROWS( db, "" );
  OK( put(db, "c", "3") );
  OK( lsm_commit(db, 4) );
  OK( lsm_rollback(db, 5) );
  ROWS( db, "c=3" );
  OK( lsm_rollback(db, 4) );
  ROWS( db, "" );
  OK( put(db, "d", "4") );
  OK( lsm_commit(db, 0) );
  ROWS( db, "d=4" );
  close_database(db);
}

static void negative_levels(void){
  lsm_db *db = open_database();
  OK( lsm_begin(db, -1) );
  OK( put(db, "a", "1") );
  OK( lsm_begin(db, -1) );
  OK( put(db, "b", "2") );
  OK( lsm_commit(db, -1) );
  ROWS( db, "a=1 b=2" );
  OK( lsm_begin(db, -1) );
  OK( put(db, "c", "3") );
  /* The whole of level 1 is undone, which stays open. */
  OK( lsm_rollback(db, -1) );
  ROWS( db, "" );
  OK( put(db, "d", "4") );
  OK( lsm_rollback(db, -1) );
  ROWS( db, "" );
  /* It is closed now. */
  OK( put(db, "e", "5") );
  OK( lsm_rollback(db, -1) );
  ROWS( db, "e=5" );
  close_database(db);
}

static void undoing_just_the_innermost(void){
  lsm_db *db = open_database();
  OK( lsm_begin(db, 1) );
  OK( put(db, "a", "1") );
  OK( lsm_begin(db, 2) );
  OK( put(db, "b", "2") );
  OK( lsm_rollback(db, 2) );
  OK( lsm_commit(db, 1) );
  OK( put(db, "c", "3") );
  OK( lsm_rollback(db, 2) );
  ROWS( db, "a=1 c=3" );
  OK( lsm_commit(db, 0) );
  ROWS( db, "a=1 c=3" );
  close_database(db);
}

static void levels_above_what_is_open_do_nothing(void){
  lsm_db *db = open_database();
  OK( lsm_begin(db, 1) );
  OK( put(db, "a", "1") );
  OK( lsm_commit(db, 1) );
  OK( lsm_commit(db, 7) );
  OK( lsm_rollback(db, 2) );
  ROWS( db, "a=1" );
  OK( lsm_rollback(db, 1) );
  ROWS( db, "" );
  OK( lsm_commit(db, 0) );
  close_database(db);
}

static void deep_nesting(void){
  lsm_db *db = open_database();
  int level;
  for(level=1; level<=200; level++){
    OK( lsm_begin(db, level) );
    OK( put_row(db, level, 20) );
  }
  IS( count_rows(db), 200 );
  for(level=200; level>100; level--){
    OK( lsm_rollback(db, level) );
    OK( lsm_commit(db, level - 1) );
    IS( count_rows(db), level - 1 );
  }
  OK( lsm_rollback(db, 51) );
  IS( count_rows(db), 50 );
  OK( lsm_commit(db, 0) );
  IS( count_rows(db), 50 );
  close_database(db);
}

static void others_see_it_after_the_commit(void){
  lsm_db *one = open_database(), *two = open_database();
  lsm_cursor *cursor = NULL, *second = NULL;
  OK( put(one, "a", "1") );
  OK( lsm_begin(one, 1) );
  OK( put(one, "b", "2") );
  ROWS( one, "a=1 b=2" );
  ROWS( two, "a=1" );
  OK( lsm_csr_open(two, &cursor) );
  OK( lsm_commit(one, 0) );
  /* A cursor keeps what the handle saw when its first cursor was opened, for later ones too. */
  OK( lsm_csr_open(two, &second) );
  OK( lsm_csr_last(second) );
  TEXT( at(second), "a=1" );
  OK( lsm_csr_last(cursor) );
  TEXT( at(cursor), "a=1" );
  OK( lsm_csr_close(cursor) );
  OK( lsm_csr_close(second) );
  ROWS( two, "a=1 b=2" );
  close_database(one);
  close_database(two);
}

static void one_writer_at_a_time(void){
  lsm_db *one = open_database(), *two = open_database();
  OK( lsm_begin(one, 1) );
  OK( put(one, "a", "1") );
  IS( put(two, "b", "2"), LSM_BUSY );
  IS( lsm_begin(two, 1), LSM_BUSY );
  IS( del(two, "b"), LSM_BUSY );
  IS( del_range(two, "b", "c"), LSM_BUSY );
  IS( lsm_flush(two), LSM_BUSY );
  OK( lsm_commit(two, 0) );
  OK( lsm_commit(one, 0) );
  OK( put(two, "b", "2") );
  ROWS( one, "a=1 b=2" );
  close_database(one);
  close_database(two);
}

static void a_stale_reader_cannot_write(void){
  lsm_db *one = open_database(), *two = open_database();
  lsm_cursor *cursor = NULL;
  OK( put(one, "a", "1") );
  OK( lsm_csr_open(two, &cursor) );
  OK( put(one, "b", "2") );
  IS( put(two, "c", "3"), LSM_BUSY );
  IS( lsm_begin(two, 1), LSM_BUSY );
  OK( lsm_csr_first(cursor) );
  TEXT( at(cursor), "a=1" );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "end" );
  OK( lsm_csr_close(cursor) );
  OK( put(two, "c", "3") );
  ROWS( one, "a=1 b=2 c=3" );
  close_database(one);
  close_database(two);
}

/* A handle's own commits, and the flushes they cause, make its cursors no older. */
static void own_commits_make_no_cursor_stale(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOFLUSH, 16, 0);
  lsm_cursor *cursor = NULL;
  int n;
  OK( put_row(db, 0, 10) );
  OK( lsm_csr_open(db, &cursor) );
  OK( lsm_csr_first(cursor) );
  if( against_c ){
    for(n=1; n<1000 && put_row(db, n, 100)==LSM_OK; n++);
    CHECK( n<1000 );
    OK( lsm_csr_close(cursor) );
    close_database(db);
    return;
  }
  for(n=1; n<1000; n++) OK( put_row(db, n, 100) );
  for(n=0; n<1000; n++){
    CHECK( lsm_csr_valid(cursor) );
    OK( lsm_csr_next(cursor) );
  }
  TEXT( at(cursor), "end" );
  OK( lsm_csr_close(cursor) );
  IS( count_rows(db), 1000 );
  close_database(db);
}

static void a_cursor_fixes_what_a_transaction_builds_on(void){
  lsm_db *db = open_database();
  lsm_cursor *cursor = NULL;
  OK( put(db, "a", "1") );
  OK( lsm_csr_open(db, &cursor) );
  OK( lsm_csr_first(cursor) );
  OK( lsm_begin(db, 1) );
  OK( put(db, "b", "2") );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "b=2" );
  OK( lsm_commit(db, 0) );
  OK( lsm_csr_first(cursor) );
  TEXT( at(cursor), "a=1" );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "b=2" );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static void cursors_stay_open_over_a_rollback(void){
  lsm_db *db = open_database();
  lsm_cursor *cursor = NULL;
  OK( put(db, "a", "1") );
  OK( put(db, "c", "3") );
  OK( lsm_begin(db, 1) );
  OK( put(db, "b", "2") );
  OK( lsm_csr_open(db, &cursor) );
  OK( seek(cursor, "b", LSM_SEEK_GE) );
  TEXT( at(cursor), "b=2" );
  OK( lsm_rollback(db, 0) );
  CHECK( lsm_csr_valid(cursor) );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "c=3" );
  OK( seek(cursor, "b", LSM_SEEK_GE) );
  TEXT( at(cursor), "c=3" );
  OK( lsm_csr_first(cursor) );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "c=3" );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static void rolled_back_deletes_come_back(void){
  lsm_db *db = open_database();
  OK( put(db, "a", "1") );
  OK( put(db, "b", "2") );
  OK( put(db, "c", "3") );
  OK( lsm_begin(db, 1) );
  OK( del(db, "a") );
  OK( lsm_begin(db, 2) );
  OK( del_range(db, "a", "z") );
  ROWS( db, "" );
  OK( lsm_rollback(db, 2) );
  ROWS( db, "b=2 c=3" );
  OK( lsm_rollback(db, 0) );
  ROWS( db, "a=1 b=2 c=3" );
  close_database(db);
}

/* More than the tree holds before it is flushed, more than the log's buffer. */
static void large_transactions(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOFLUSH, 32, 0);
  int n;
  OK( lsm_begin(db, 1) );
  for(n=0; n<2000; n++) OK( put_row(db, n, 200) );
  OK( lsm_begin(db, 2) );
  for(n=2000; n<4000; n++) OK( put_row(db, n, 200) );
  OK( lsm_rollback(db, 2) );
  IS( count_rows(db), 2000 );
  OK( lsm_rollback(db, 0) );
  IS( count_rows(db), 0 );
  OK( lsm_begin(db, 1) );
  for(n=0; n<2000; n++) OK( put_row(db, n, 200) );
  OK( lsm_commit(db, 0) );
  IS( count_rows(db), 2000 );
  close_database(db);
  db = open_database();
  IS( count_rows(db), 2000 );
  close_database(db);
}

/* In C the version of an undone transaction stays; here it goes with it. */
static void user_version(void){
  lsm_db *one = open_database(), *two = open_database();
  unsigned version = 99;
  OK( lsm_get_user_version(one, &version) );
  IS( version, 0 );
  OK( lsm_set_user_version(one, 42) );
  OK( lsm_get_user_version(one, &version) );
  IS( version, 42 );
  OK( lsm_get_user_version(two, &version) );
  IS( version, 42 );
  OK( lsm_begin(one, 1) );
  OK( lsm_set_user_version(one, 4294967295u) );
  OK( lsm_get_user_version(one, &version) );
  IS( version, 4294967295u );
  OK( lsm_get_user_version(two, &version) );
  IS( version, 42 );
  IS( lsm_set_user_version(two, 1), LSM_BUSY );
  OK( lsm_commit(one, 0) );
  OK( lsm_get_user_version(two, &version) );
  IS( version, 4294967295u );
  OK( lsm_begin(one, 1) );
  OK( lsm_set_user_version(one, 7) );
  OK( lsm_rollback(one, 0) );
  OK( lsm_get_user_version(one, &version) );
  IS( version, DIFFERS(4294967295u, 7) );
  close_database(one);
  OK( lsm_get_user_version(two, &version) );
  IS( version, DIFFERS(4294967295u, 7) );
  close_database(two);
  /* It lives as long as somebody has the file open. */
  one = open_database();
  OK( lsm_get_user_version(one, &version) );
  IS( version, 0 );
  close_database(one);
}

static const struct test tests[] = {
  TEST(commit_and_rollback),
  TEST(nothing_open_nothing_to_do),
  TEST(nested_levels),
  TEST(levels_are_opened_at_once),
  TEST(negative_levels),
  TEST(undoing_just_the_innermost),
  TEST(levels_above_what_is_open_do_nothing),
  TEST(deep_nesting),
  TEST(others_see_it_after_the_commit),
  TEST(one_writer_at_a_time),
  TEST(a_stale_reader_cannot_write),
  TEST(own_commits_make_no_cursor_stale),
  TEST(a_cursor_fixes_what_a_transaction_builds_on),
  TEST(cursors_stay_open_over_a_rollback),
  TEST(rolled_back_deletes_come_back),
  TEST(large_transactions),
  TEST(user_version),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
