/* work.c: lsm_work, lsm_flush, lsm_checkpoint, and what writes do by themselves. */
#include "support.h"

/* The number of segments in the file. */
static int segments(lsm_db *db){
  char *text = info_text(db, LSM_INFO_DB_STRUCTURE), *at;
  int levels = 0, braces = 0, depth = 0;
  for(at=text; at && *at; at++){
    if( *at=='{' ){
      if( depth==0 ) levels++;
      else braces++;
      depth++;
    }else if( *at=='}' ){
      depth--;
    }
  }
  IS( depth, 0 );
  CHECK( braces>=levels );
  free(text);
  return braces;
}

static void flush_empties_the_tree(void){
  lsm_db *db = open_database();
  int old = -1, live = -1;
  OK( put(db, "a", "1") );
  OK( lsm_info(db, LSM_INFO_TREE_SIZE, &old, &live) );
  IS( old, 0 );
  CHECK( live>0 );
  IS( segments(db), 0 );
  OK( lsm_flush(db) );
  OK( lsm_info(db, LSM_INFO_TREE_SIZE, &old, &live) );
  IS( old, 0 );
  IS( live, 0 );
  IS( segments(db), 1 );
  ROWS( db, "a=1" );
  /* Nothing left to flush. */
  OK( lsm_flush(db) );
  IS( segments(db), 1 );
  close_database(db);
}

static void flush_and_work_need_a_quiet_handle(void){
  lsm_db *db = open_database();
  lsm_cursor *cursor = NULL;
  OK( put(db, "a", "1") );
  OK( lsm_csr_open(db, &cursor) );
  IS( lsm_flush(db), LSM_MISUSE );
  IS( lsm_work(db, 1, -1, NULL), LSM_MISUSE );
  IS( lsm_work(db, 1, 0, NULL), LSM_MISUSE );
  OK( lsm_checkpoint(db, NULL) );
  OK( lsm_csr_close(cursor) );
  OK( lsm_begin(db, 1) );
  IS( lsm_flush(db), LSM_MISUSE );
  IS( lsm_work(db, 1, -1, NULL), LSM_MISUSE );
  OK( lsm_checkpoint(db, NULL) );
  OK( lsm_commit(db, 0) );
  OK( lsm_flush(db) );
  OK( lsm_work(db, 1, -1, NULL) );
  close_database(db);
}

static void fill_segments(lsm_db *db, int count){
  int segment, n;
  for(segment=0; segment<count; segment++){
    for(n=0; n<100; n++) OK( put_row(db, n*count + segment, 100) );
    OK( lsm_flush(db) );
  }
}

static void work_merges_into_one(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOWORK, 0, LSM_CONFIG_AUTOMERGE, 8, 0);
  int written = -1;
  fill_segments(db, 5);
  IS( segments(db), 5 );
  OK( lsm_work(db, 1, -1, &written) );
  CHECK( written>0 );
  IS( segments(db), 1 );
  IS( count_rows(db), 500 );
  written = -1;
  OK( lsm_work(db, 1, -1, &written) );
  IS( segments(db), 1 );
  close_database(db);
}

static void work_without_need_writes_nothing(void){
  lsm_db *db = open_database();
  int written = -1;
  OK( lsm_work(db, 2, -1, &written) );
  IS( written, 0 );
  OK( put(db, "a", "1") );
  written = -1;
  OK( lsm_work(db, 2, -1, &written) );
  /* The live tree is not its business. */
  IS( written, 0 );
  IS( segments(db), 0 );
  OK( lsm_flush(db) );
  written = -1;
  OK( lsm_work(db, 2, -1, &written) );
  IS( written, 0 );
  written = -1;
  OK( lsm_work(db, 2, 0, &written) );
  IS( written, 0 );
  close_database(db);
}

static void work_takes_as_many_as_it_is_told(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOWORK, 0, LSM_CONFIG_AUTOMERGE, 3, 0);
  int written = 0;
  fill_segments(db, 2);
  OK( lsm_work(db, 3, -1, &written) );
  IS( written, 0 );
  IS( segments(db), 2 );
  /* None given: LSM_CONFIG_AUTOMERGE. */
  OK( lsm_work(db, 0, -1, &written) );
  IS( written, 0 );
  OK( lsm_work(db, -5, -1, &written) );
  IS( written, 0 );
  OK( lsm_work(db, 2, -1, &written) );
  CHECK( written>0 );
  IS( segments(db), 1 );
  IS( count_rows(db), 200 );
  close_database(db);
}

/* Little by little comes to the same end; what is half done reads right. */
static void work_in_small_steps(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOWORK, 0, LSM_CONFIG_AUTOMERGE, 8,
                         LSM_CONFIG_PAGE_SIZE, 512, LSM_CONFIG_BLOCK_SIZE, 64, 0);
  int written, steps = 0;
  fill_segments(db, 4);
  for(;;){
    written = -1;
    OK( lsm_work(db, 4, 4, &written) );
    CHECK( written>=0 );
    if( written==0 ) break;
    IS( count_rows(db), 400 );
    CHECK( ++steps<10000 );
  }
  CHECK( steps>2 );
  IS( segments(db), 1 );
  close_database(db);
}

static void checkpoints_count_what_was_written(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOCHECKPOINT, 0, 0);
  int kb = -1;
  OK( lsm_checkpoint(db, &kb) );
  IS( kb, 0 );
  IS( info_number(db, LSM_INFO_CHECKPOINT_SIZE), 0 );
  fill_segments(db, 1);
  CHECK( info_number(db, LSM_INFO_CHECKPOINT_SIZE)>=8 );
  kb = -1;
  OK( lsm_checkpoint(db, &kb) );
  CHECK( kb>=8 );
  IS( info_number(db, LSM_INFO_CHECKPOINT_SIZE), 0 );
  kb = -1;
  OK( lsm_checkpoint(db, &kb) );
  /* C tells all that was ever written when there is nothing new. */
  if( against_c ) CHECK( kb>0 );
  else IS( kb, 0 );
  OK( lsm_checkpoint(db, NULL) );
  close_database(db);
}

static void a_checkpoint_beside_a_writer(void){
  lsm_db *one = open_database(), *two = open_database();
  OK( put(one, "a", "1") );
  OK( lsm_flush(one) );
  OK( lsm_begin(one, 1) );
  OK( put(one, "b", "2") );
  OK( lsm_checkpoint(two, NULL) );
  OK( lsm_work(two, 1, -1, NULL) );
  OK( lsm_commit(one, 0) );
  ROWS( two, "a=1 b=2" );
  close_database(one);
  close_database(two);
}

static void writes_flush_merge_and_checkpoint_by_themselves(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOFLUSH, 16, LSM_CONFIG_AUTOCHECKPOINT, 64,
                         LSM_CONFIG_PAGE_SIZE, 512, LSM_CONFIG_BLOCK_SIZE, 64, 0);
  int n, old = 0, live = 0;
  for(n=0; n<5000; n++) OK( put_row(db, (int)((n*7919LL) % 5000), 100) );
  OK( lsm_info(db, LSM_INFO_TREE_SIZE, &old, &live) );
  CHECK( old<=64 && live<=64 );
  CHECK( segments(db)>=1 );
  CHECK( segments(db)<40 );
  CHECK( info_number(db, LSM_INFO_CHECKPOINT_SIZE)<1024 );
  IS( count_rows(db), 5000 );
  close_database(db);
}

static void without_autowork_the_tree_grows(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOWORK, 0, LSM_CONFIG_AUTOFLUSH, 16, 0);
  int n, old = 0, live = 0;
  for(n=0; n<1000; n++) OK( put_row(db, n, 100) );
  OK( lsm_info(db, LSM_INFO_TREE_SIZE, &old, &live) );
  CHECK( old + live>100 );
  IS( segments(db), 0 );
  /* The tree was frozen when it came over the limit; work flushes that. */
  CHECK( old>0 );
  OK( lsm_work(db, 4, -1, NULL) );
  OK( lsm_info(db, LSM_INFO_TREE_SIZE, &old, &live) );
  IS( old, 0 );
  CHECK( live>100 );
  IS( segments(db), 1 );
  IS( count_rows(db), 1000 );
  close_database(db);
}

static void flush_at_every_commit(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOFLUSH, 0, 0);
  int n;
  for(n=0; n<50; n++) OK( put_row(db, n, 10) );
  CHECK( segments(db)>=1 );
  IS( count_rows(db), 50 );
  close_database(db);
}

static void handles_take_turns_at_work(void){
  lsm_db *one = open_with("db", LSM_CONFIG_AUTOWORK, 0, 0);
  lsm_db *two = open_with("db", LSM_CONFIG_AUTOWORK, 0, 0);
  int n, written = 0;
  for(n=0; n<200; n++) OK( put_row(n%2 ? one : two, n, 100) );
  OK( lsm_flush(two) );
  for(n=200; n<400; n++) OK( put_row(n%2 ? one : two, n, 100) );
  OK( lsm_flush(one) );
  OK( lsm_work(two, 1, -1, &written) );
  CHECK( written>0 );
  OK( lsm_checkpoint(one, NULL) );
  IS( segments(one), 1 );
  IS( count_rows(one), 400 );
  IS( count_rows(two), 400 );
  close_database(one);
  IS( count_rows(two), 400 );
  close_database(two);
}

static const struct test tests[] = {
  TEST(flush_empties_the_tree),
  TEST(flush_and_work_need_a_quiet_handle),
  TEST(work_merges_into_one),
  TEST(work_without_need_writes_nothing),
  TEST(work_takes_as_many_as_it_is_told),
  TEST(work_in_small_steps),
  TEST(checkpoints_count_what_was_written),
  TEST(a_checkpoint_beside_a_writer),
  TEST(writes_flush_merge_and_checkpoint_by_themselves),
  TEST(without_autowork_the_tree_grows),
  TEST(flush_at_every_commit),
  TEST(handles_take_turns_at_work),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
