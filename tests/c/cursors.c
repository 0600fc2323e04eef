/* cursors.c: lsm_csr_*: positions, directions, and what writes do to an open cursor. */
#include "support.h"

static lsm_db *with_letters(void){
  lsm_db *db = open_database();
  OK( put(db, "b", "2") );
  OK( put(db, "d", "4") );
  OK( put(db, "f", "6") );
  return db;
}

static lsm_cursor *new_cursor(lsm_db *db){
  lsm_cursor *cursor = NULL;
  OK( lsm_csr_open(db, &cursor) );
  CHECK( cursor!=NULL );
  return cursor;
}

static void at_first_it_is_nowhere(void){
  lsm_db *db = with_letters();
  lsm_cursor *cursor = new_cursor(db);
  const void *data = &data;
  int size = 99;
  IS( lsm_csr_valid(cursor), 0 );
  OK( lsm_csr_key(cursor, &data, &size) );
  CHECK( data==NULL );
  IS( size, 0 );
  data = &data;
  size = 99;
  OK( lsm_csr_value(cursor, &data, &size) );
  CHECK( data==NULL );
  IS( size, 0 );
  IS( lsm_csr_next(cursor), LSM_MISUSE );
  IS( lsm_csr_prev(cursor), LSM_MISUSE );
  OK( lsm_csr_close(cursor) );
  OK( lsm_csr_close(NULL) );
  close_database(db);
}

static void first_goes_forward(void){
  lsm_db *db = with_letters();
  lsm_cursor *cursor = new_cursor(db);
  OK( lsm_csr_first(cursor) );
  TEXT( at(cursor), "b=2" );
  IS( lsm_csr_prev(cursor), LSM_MISUSE );
  TEXT( at(cursor), "b=2" );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "d=4" );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "f=6" );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "end" );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "end" );
  IS( lsm_csr_prev(cursor), LSM_MISUSE );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static void last_goes_backward(void){
  lsm_db *db = with_letters();
  lsm_cursor *cursor = new_cursor(db);
  OK( lsm_csr_last(cursor) );
  TEXT( at(cursor), "f=6" );
  IS( lsm_csr_next(cursor), LSM_MISUSE );
  OK( lsm_csr_prev(cursor) );
  TEXT( at(cursor), "d=4" );
  OK( lsm_csr_prev(cursor) );
  TEXT( at(cursor), "b=2" );
  OK( lsm_csr_prev(cursor) );
  TEXT( at(cursor), "end" );
  OK( lsm_csr_prev(cursor) );
  IS( lsm_csr_next(cursor), LSM_MISUSE );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static void exact_seeks(void){
  lsm_db *db = with_letters();
  lsm_cursor *cursor = new_cursor(db);
  OK( seek(cursor, "d", LSM_SEEK_EQ) );
  TEXT( at(cursor), "d=4" );
  IS( lsm_csr_next(cursor), LSM_MISUSE );
  IS( lsm_csr_prev(cursor), LSM_MISUSE );
  TEXT( at(cursor), "d=4" );
  OK( seek(cursor, "c", LSM_SEEK_EQ) );
  TEXT( at(cursor), "end" );
  IS( lsm_csr_next(cursor), LSM_MISUSE );
  IS( lsm_csr_prev(cursor), LSM_MISUSE );
  OK( seek(cursor, "dd", LSM_SEEK_EQ) );
  TEXT( at(cursor), "end" );
  OK( seek(cursor, "", LSM_SEEK_EQ) );
  TEXT( at(cursor), "end" );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static void seeks_upward(void){
  lsm_db *db = with_letters();
  lsm_cursor *cursor = new_cursor(db);
  static const char *const cases[][2] = {
    {"", "b=2"}, {"a", "b=2"}, {"b", "b=2"}, {"ba", "d=4"}, {"c", "d=4"}, {"d", "d=4"},
    {"e", "f=6"}, {"f", "f=6"}, {"fa", "end"}, {"z", "end"},
  };
  size_t i;
  for(i=0; i<sizeof(cases)/sizeof(cases[0]); i++){
    OK( seek(cursor, cases[i][0], LSM_SEEK_GE) );
    TEXT( at(cursor), cases[i][1] );
    IS( lsm_csr_prev(cursor), LSM_MISUSE );
    TEXT( at(cursor), cases[i][1] );
  }
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "end" );
  OK( seek(cursor, "c", LSM_SEEK_GE) );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "f=6" );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "end" );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static void seeks_downward(void){
  lsm_db *db = with_letters();
  lsm_cursor *cursor = new_cursor(db);
  static const char *const cases[][2] = {
    {"z", "f=6"}, {"f", "f=6"}, {"ef", "d=4"}, {"e", "d=4"}, {"d", "d=4"}, {"c", "b=2"},
    {"b", "b=2"}, {"a", "end"}, {"", "end"},
  };
  size_t i;
  for(i=0; i<sizeof(cases)/sizeof(cases[0]); i++){
    OK( seek(cursor, cases[i][0], LSM_SEEK_LE) );
    TEXT( at(cursor), cases[i][1] );
    IS( lsm_csr_next(cursor), LSM_MISUSE );
    TEXT( at(cursor), cases[i][1] );
  }
  OK( lsm_csr_prev(cursor) );
  TEXT( at(cursor), "end" );
  OK( seek(cursor, "e", LSM_SEEK_LE) );
  OK( lsm_csr_prev(cursor) );
  TEXT( at(cursor), "b=2" );
  OK( lsm_csr_prev(cursor) );
  TEXT( at(cursor), "end" );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

/* The fast downward seek promises a key that is there, nothing more, and no value. */
static void fast_seeks(void){
  lsm_db *db = with_letters();
  lsm_cursor *cursor = new_cursor(db);
  const void *value = NULL;
  int size = 0, result = 99;
  OK( seek(cursor, "d", LSM_SEEK_LEFAST) );
  CHECK( lsm_csr_valid(cursor) );
  OK( lsm_csr_cmp(cursor, "d", 1, &result) );
  IS( result, 0 );
  IS( lsm_csr_next(cursor), LSM_MISUSE );
  IS( lsm_csr_prev(cursor), LSM_MISUSE );
  IS( lsm_csr_value(cursor, &value, &size), DIFFERS(LSM_MISUSE, LSM_OK) );
  OK( seek(cursor, "e", LSM_SEEK_LEFAST) );
  CHECK( lsm_csr_valid(cursor) );
  OK( lsm_csr_cmp(cursor, "d", 1, &result) );
  CHECK( result>=0 );
  OK( seek(cursor, "d", LSM_SEEK_GE) );
  TEXT( at(cursor), "d=4" );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static void unknown_seeks_are_misuse(void){
  lsm_db *db;
  lsm_cursor *cursor;
  static const int modes[] = {2, -3, 100, -100, 2147483647};
  size_t i;
  if( against_c ) return; /* undefined there */
  db = with_letters();
  cursor = new_cursor(db);
  OK( lsm_csr_first(cursor) );
  for(i=0; i<sizeof(modes)/sizeof(modes[0]); i++) IS( seek(cursor, "d", modes[i]), LSM_MISUSE );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static void comparing(void){
  lsm_db *db = with_letters();
  lsm_cursor *cursor = new_cursor(db);
  int result = 99;
  OK( seek(cursor, "d", LSM_SEEK_EQ) );
  OK( lsm_csr_cmp(cursor, "d", 1, &result) );
  IS( result, 0 );
  OK( lsm_csr_cmp(cursor, "c", 1, &result) );
  CHECK( result>0 );
  OK( lsm_csr_cmp(cursor, "e", 1, &result) );
  CHECK( result<0 );
  OK( lsm_csr_cmp(cursor, "", 0, &result) );
  CHECK( result>0 );
  OK( lsm_csr_cmp(cursor, "da", 2, &result) );
  CHECK( result<0 );
  OK( lsm_csr_cmp(cursor, "\xff", 1, &result) );
  CHECK( result<0 );
  if( !against_c ){
    OK( seek(cursor, "c", LSM_SEEK_EQ) );
    IS( lsm_csr_cmp(cursor, "c", 1, &result), LSM_MISUSE );
  }
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static void key_and_value_at_the_end_are_no_error(void){
  lsm_db *db = with_letters();
  lsm_cursor *cursor = new_cursor(db);
  const void *data = NULL;
  int size = -1;
  OK( seek(cursor, "z", LSM_SEEK_GE) );
  IS( lsm_csr_valid(cursor), 0 );
  OK( lsm_csr_key(cursor, &data, &size) );
  OK( lsm_csr_value(cursor, &data, &size) );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static void of_an_empty_database(void){
  lsm_db *db = open_database();
  lsm_cursor *cursor = new_cursor(db);
  OK( lsm_csr_first(cursor) );
  IS( lsm_csr_valid(cursor), 0 );
  OK( lsm_csr_next(cursor) );
  OK( lsm_csr_last(cursor) );
  IS( lsm_csr_valid(cursor), 0 );
  OK( lsm_csr_prev(cursor) );
  OK( seek(cursor, "a", LSM_SEEK_GE) );
  IS( lsm_csr_valid(cursor), 0 );
  OK( seek(cursor, "a", LSM_SEEK_LE) );
  IS( lsm_csr_valid(cursor), 0 );
  OK( seek(cursor, "a", LSM_SEEK_LEFAST) );
  IS( lsm_csr_valid(cursor), 0 );
  OK( seek(cursor, "a", LSM_SEEK_EQ) );
  IS( lsm_csr_valid(cursor), 0 );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static void writes_beside_an_open_cursor(void){
  lsm_db *db = with_letters();
  lsm_cursor *cursor = new_cursor(db);
  OK( lsm_csr_first(cursor) );
  OK( put(db, "c", "3") );
  TEXT( at(cursor), "b=2" );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "c=3" );
  OK( put(db, "c", "new") );
  TEXT( at(cursor), "c=new" );
  OK( put(db, "a", "1") );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "d=4" );
  OK( del(db, "f") );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "end" );
  OK( lsm_csr_close(cursor) );
  ROWS( db, "a=1 b=2 c=new d=4" );
  close_database(db);
}

static void deleting_what_a_cursor_stands_on(void){
  lsm_db *db = with_letters();
  lsm_cursor *cursor = new_cursor(db);
  const void *data = NULL;
  int size = -1;
  OK( lsm_csr_first(cursor) );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "d=4" );
  OK( del(db, "d") );
  IS( lsm_csr_valid(cursor), 1 );
  OK( lsm_csr_key(cursor, &data, &size) );
  IS( size, 1 );
  CHECK( memcmp(data, "d", 1)==0 );
  OK( lsm_csr_value(cursor, &data, &size) );
  IS( size, DIFFERS(0, -1) );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "f=6" );
  OK( lsm_csr_last(cursor) );
  OK( del(db, "f") );
  OK( lsm_csr_prev(cursor) );
  TEXT( at(cursor), "b=2" );
  OK( lsm_csr_close(cursor) );
  ROWS( db, "b=2" );
  close_database(db);
}

static void deleting_everything_while_scanning(void){
  lsm_db *db = open_database();
  lsm_cursor *cursor;
  int n, seen = 0;
  for(n=0; n<500; n++) OK( put_row(db, n, 50) );
  OK( lsm_begin(db, 1) );
  cursor = new_cursor(db);
  for(OK( lsm_csr_first(cursor) ); lsm_csr_valid(cursor); OK( lsm_csr_next(cursor) )){
    const void *key = NULL;
    char copy[16];
    int size = 0;
    OK( lsm_csr_key(cursor, &key, &size) );
    IS( size, 12 );
    memcpy(copy, key, size);
    OK( lsm_delete(db, copy, size) );
    seen++;
  }
  IS( seen, 500 );
  OK( lsm_csr_close(cursor) );
  OK( lsm_commit(db, 0) );
  ROWS( db, "" );
  close_database(db);
}

static void range_delete_around_a_cursor(void){
  lsm_db *db = open_database();
  lsm_cursor *cursor;
  int n;
  for(n=0; n<100; n++) OK( put_row(db, n, 10) );
  cursor = new_cursor(db);
  OK( lsm_csr_first(cursor) );
  for(n=0; n<50; n++) OK( lsm_csr_next(cursor) );
  OK( del_range(db, "key000000040", "key000000070") );
  OK( lsm_csr_next(cursor) );
  CHECK( strncmp(at(cursor), "key000000070=", 13)==0 );
  OK( lsm_csr_close(cursor) );
  IS( count_rows(db), 71 );
  close_database(db);
}

static void many_cursors(void){
  lsm_db *db = open_database();
  lsm_cursor *cursors[100];
  int n, i;
  for(n=0; n<100; n++) OK( put_row(db, n, 10) );
  for(i=0; i<100; i++){
    cursors[i] = new_cursor(db);
    OK( lsm_csr_first(cursors[i]) );
    for(n=0; n<i; n++) OK( lsm_csr_next(cursors[i]) );
  }
  OK( put_row(db, 100, 10) );
  for(i=99; i>=0; i-=2) OK( lsm_csr_close(cursors[i]) );
  for(i=0; i<100; i+=2){
    char start[16];
    snprintf(start, sizeof(start), "key%09d=", i);
    CHECK( strncmp(at(cursors[i]), start, 13)==0 );
    OK( lsm_csr_close(cursors[i]) );
  }
  close_database(db);
}

static void directions_at_will_by_seeking_again(void){
  lsm_db *db = with_letters();
  lsm_cursor *cursor = new_cursor(db);
  OK( seek(cursor, "d", LSM_SEEK_GE) );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "f=6" );
  OK( seek(cursor, "f", LSM_SEEK_LE) );
  OK( lsm_csr_prev(cursor) );
  TEXT( at(cursor), "d=4" );
  OK( lsm_csr_first(cursor) );
  OK( lsm_csr_next(cursor) );
  TEXT( at(cursor), "d=4" );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

/* What lies in several segments and both trees is one order. */
static void over_many_segments(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOWORK, 0, LSM_CONFIG_AUTOFLUSH, 0, 0);
  lsm_cursor *cursor;
  int n, round;
  for(round=0; round<5; round++){
    for(n=round; n<500; n+=5) OK( put_row(db, n, 60) );
    OK( lsm_flush(db) );
  }
  IS( count_rows(db), 500 );
  cursor = new_cursor(db);
  for(n=0; n<500; n+=17){
    char key[16], start[20];
    snprintf(key, sizeof(key), "key%09d", n);
    snprintf(start, sizeof(start), "key%09d=", n);
    OK( seek(cursor, key, LSM_SEEK_EQ) );
    CHECK( strncmp(at(cursor), start, 13)==0 );
    OK( seek(cursor, key, LSM_SEEK_GE) );
    OK( lsm_csr_next(cursor) );
    snprintf(start, sizeof(start), "key%09d=", n + 1);
    CHECK( strncmp(at(cursor), start, 13)==0 );
    OK( seek(cursor, key, LSM_SEEK_LE) );
    OK( lsm_csr_prev(cursor) );
    snprintf(start, sizeof(start), "key%09d=", n - 1);
    if( n>0 ) CHECK( strncmp(at(cursor), start, 13)==0 );
  }
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static void large_keys_and_values(void){
  lsm_db *db = open_with("db", LSM_CONFIG_PAGE_SIZE, 1024, LSM_CONFIG_BLOCK_SIZE, 64, 0);
  lsm_cursor *cursor;
  int size, n = 0;
  char *key = malloc(200000), *value = malloc(2000000);
  CHECK( key!=NULL && value!=NULL );
  for(size=1; size<=100000; size*=10){
    memset(key, 'a' + n, size);
    memset(value, 'v', size*10);
    OK( lsm_insert(db, key, size, value, size*10) );
    n++;
  }
  OK( lsm_flush(db) );
  cursor = new_cursor(db);
  n = 0;
  OK( lsm_csr_first(cursor) );
  for(size=1; size<=100000; size*=10){
    const void *data = NULL;
    int length = 0;
    CHECK( lsm_csr_valid(cursor) );
    OK( lsm_csr_key(cursor, &data, &length) );
    IS( length, size );
    memset(key, 'a' + n, size);
    CHECK( memcmp(data, key, size)==0 );
    OK( lsm_csr_value(cursor, &data, &length) );
    IS( length, size*10 );
    memset(value, 'v', length);
    CHECK( memcmp(data, value, length)==0 );
    OK( lsm_csr_next(cursor) );
    n++;
  }
  CHECK( !lsm_csr_valid(cursor) );
  OK( lsm_csr_close(cursor) );
  close_database(db);
  free(key);
  free(value);
}

static const struct test tests[] = {
  TEST(at_first_it_is_nowhere),
  TEST(first_goes_forward),
  TEST(last_goes_backward),
  TEST(exact_seeks),
  TEST(seeks_upward),
  TEST(seeks_downward),
  TEST(fast_seeks),
  TEST(unknown_seeks_are_misuse),
  TEST(comparing),
  TEST(key_and_value_at_the_end_are_no_error),
  TEST(of_an_empty_database),
  TEST(writes_beside_an_open_cursor),
  TEST(deleting_what_a_cursor_stands_on),
  TEST(deleting_everything_while_scanning),
  TEST(range_delete_around_a_cursor),
  TEST(many_cursors),
  TEST(directions_at_will_by_seeking_again),
  TEST(over_many_segments),
  TEST(large_keys_and_values),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
