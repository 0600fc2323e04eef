/* writing.c: lsm_insert, lsm_delete, lsm_delete_range. */
#include "support.h"

static void insert_and_overwrite(void){
  lsm_db *db = open_database();
  OK( put(db, "a", "1") );
  OK( put(db, "a", "2") );
  OK( put(db, "a", "a longer value") );
  TEXT( get(db, "a"), "a longer value" );
  OK( put(db, "a", "") );
  TEXT( get(db, "a"), "" );
  TEXT( get(db, "b"), NULL );
  close_database(db);
}

static void empty_keys_and_values(void){
  lsm_db *db = open_database();
  lsm_cursor *cursor = NULL;
  OK( put(db, "", "of the empty key") );
  OK( put(db, "a", "") );
  ROWS( db, "=of the empty key a=" );
  OK( lsm_flush(db) );
  ROWS( db, "=of the empty key a=" );
  OK( lsm_csr_open(db, &cursor) );
  OK( lsm_csr_seek(cursor, "", 0, LSM_SEEK_EQ) );
  TEXT( at(cursor), "=of the empty key" );
  OK( lsm_csr_close(cursor) );
  OK( del(db, "") );
  ROWS( db, "a=" );
  OK( lsm_insert(db, "n", 1, NULL, 0) );
  ROWS( db, "a= n=" );
  if( !against_c ){
    /* The empty key as NULL, which C lsm1 reads from. */
    OK( lsm_insert(db, NULL, 0, "null", 4) );
    ROWS( db, "=null a= n=" );
    OK( lsm_delete(db, NULL, 0) );
    ROWS( db, "a= n=" );
  }
  close_database(db);
}

static void a_negative_size_deletes(void){
  lsm_db *db = open_database();
  OK( put(db, "a", "1") );
  OK( put(db, "b", "2") );
  OK( lsm_insert(db, "a", 1, "ignored", -1) );
  ROWS( db, "b=2" );
  OK( lsm_insert(db, "b", 1, NULL, -7) );
  ROWS( db, "" );
  close_database(db);
}

static void delete_what_is_there_and_what_is_not(void){
  lsm_db *db = open_database();
  OK( del(db, "nothing") );
  OK( put(db, "a", "1") );
  OK( put(db, "b", "2") );
  OK( del(db, "a") );
  OK( del(db, "a") );
  ROWS( db, "b=2" );
  OK( lsm_flush(db) );
  OK( del(db, "b") );
  ROWS( db, "" );
  OK( put(db, "b", "3") );
  ROWS( db, "b=3" );
  close_database(db);
}

static void ranges_are_open_at_both_ends(void){
  lsm_db *db = open_database();
  const char *key = "abcdef";
  for(; *key; key++) OK( lsm_insert(db, key, 1, key, 1) );
  OK( del_range(db, "b", "e") );
  ROWS( db, "a=a b=b e=e f=f" );
  OK( del_range(db, "b", "b") );
  OK( del_range(db, "f", "a") );
  ROWS( db, "a=a b=b e=e f=f" );
  OK( del_range(db, "", "b") );
  ROWS( db, "b=b e=e f=f" );
  OK( del_range(db, "b", "\xff\xff") );
  ROWS( db, "b=b" );
  close_database(db);
}

static void ranges_over_what_is_in_the_file(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOFLUSH, 8, 0);
  int n;
  for(n=0; n<300; n++) OK( put_row(db, n, 50) );
  OK( lsm_flush(db) );
  OK( del_range(db, "key000000099", "key000000200") );
  IS( count_rows(db), 200 );
  CHECK( has_row(db, 99, 50) );
  CHECK( !has_row(db, 100, 50) );
  CHECK( !has_row(db, 199, 50) );
  CHECK( has_row(db, 200, 50) );
  OK( put_row(db, 150, 50) );
  IS( count_rows(db), 201 );
  OK( lsm_flush(db) );
  IS( count_rows(db), 201 );
  OK( lsm_work(db, 1, -1, NULL) );
  IS( count_rows(db), 201 );
  close_database(db);
  db = open_database();
  IS( count_rows(db), 201 );
  CHECK( has_row(db, 150, 50) );
  close_database(db);
}

static void any_bytes(void){
  lsm_db *db = open_database();
  lsm_cursor *cursor = NULL;
  unsigned char pair[2];
  int first, second, n = 0;
  for(first=0; first<256; first+=5){
    for(second=0; second<256; second+=17){
      pair[0] = (unsigned char)first;
      pair[1] = (unsigned char)second;
      OK( lsm_insert(db, pair, 2, pair, 1) );
    }
  }
  OK( lsm_csr_open(db, &cursor) );
  OK( lsm_csr_first(cursor) );
  for(first=0; first<256; first+=5){
    for(second=0; second<256; second+=17){
      const unsigned char *data = NULL;
      int size = 0;
      CHECK( lsm_csr_valid(cursor) );
      OK( lsm_csr_key(cursor, (const void**)&data, &size) );
      IS( size, 2 );
      IS( data[0], first );
      IS( data[1], second );
      OK( lsm_csr_next(cursor) );
      n++;
    }
  }
  CHECK( !lsm_csr_valid(cursor) );
  IS( n, 52*16 );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static void bytes_are_copied(void){
  lsm_db *db = open_database();
  char key[8] = "a", value[8] = "1";
  OK( lsm_begin(db, 1) );
  OK( lsm_insert(db, key, 1, value, 1) );
  key[0] = 'x';
  value[0] = 'x';
  OK( lsm_commit(db, 0) );
  ROWS( db, "a=1" );
  close_database(db);
}

/* A key or value from a cursor of the same handle, good until the write has it. */
static void writing_what_a_cursor_points_to(void){
  lsm_db *db;
  lsm_cursor *cursor = NULL;
  const void *key = NULL, *value = NULL;
  int key_size = 0, value_size = 0;
  if( against_c ) return; /* its pointers may move while it writes */
  db = open_database();
  OK( put(db, "a", "1") );
  OK( lsm_csr_open(db, &cursor) );
  OK( lsm_csr_first(cursor) );
  OK( lsm_csr_key(cursor, &key, &key_size) );
  OK( lsm_csr_value(cursor, &value, &value_size) );
  OK( lsm_insert(db, value, value_size, key, key_size) );
  OK( lsm_csr_close(cursor) );
  ROWS( db, "1=a a=1" );
  close_database(db);
}

static void much(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOFLUSH, 64, LSM_CONFIG_PAGE_SIZE, 1024,
                         LSM_CONFIG_BLOCK_SIZE, 64, LSM_CONFIG_AUTOCHECKPOINT, 256, 0);
  int n;
  for(n=0; n<5000; n++) OK( put_row(db, (int)((n*7919LL) % 5000), 100) );
  for(n=0; n<5000; n+=3){
    char key[16];
    snprintf(key, sizeof(key), "key%09d", n);
    OK( lsm_delete(db, key, 12) );
  }
  IS( count_rows(db), 3333 );
  close_database(db);
  db = open_database();
  IS( count_rows(db), 3333 );
  for(n=0; n<5000; n+=71) IS( has_row(db, n, 100), n%3!=0 );
  close_database(db);
}

static const struct test tests[] = {
  TEST(insert_and_overwrite),
  TEST(empty_keys_and_values),
  TEST(a_negative_size_deletes),
  TEST(delete_what_is_there_and_what_is_not),
  TEST(ranges_are_open_at_both_ends),
  TEST(ranges_over_what_is_in_the_file),
  TEST(any_bytes),
  TEST(bytes_are_copied),
  TEST(writing_what_a_cursor_points_to),
  TEST(much),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
