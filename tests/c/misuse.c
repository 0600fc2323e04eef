/*
** misuse.c: arguments and calls that make no sense get LSM_MISUSE, not a crash.
**
** C lsm1 follows the pointers; against it only what it defines runs.
*/
#include "support.h"

static void no_handle(void){
  lsm_cursor *cursor = (lsm_cursor*)&cursor;
  unsigned version = 7;
  int number = 7;
  if( against_c ) return;
  OK( lsm_close(NULL) );
  IS( lsm_new(NULL, NULL), LSM_MISUSE );
  IS( lsm_open(NULL, "db"), LSM_MISUSE );
  CHECK( lsm_get_env(NULL)==NULL || lsm_get_env(NULL)==lsm_default_env() );
  IS( lsm_config(NULL, LSM_CONFIG_SAFETY, &number), LSM_MISUSE );
  IS( lsm_info(NULL, LSM_INFO_NWRITE, &number), LSM_MISUSE );
  IS( number, 7 );
  lsm_config_log(NULL, NULL, NULL);
  lsm_config_work_hook(NULL, NULL, NULL);
  IS( lsm_get_user_version(NULL, &version), LSM_MISUSE );
  IS( lsm_set_user_version(NULL, 1), LSM_MISUSE );
  IS( lsm_begin(NULL, 1), LSM_MISUSE );
  IS( lsm_commit(NULL, 0), LSM_MISUSE );
  IS( lsm_rollback(NULL, 0), LSM_MISUSE );
  IS( lsm_insert(NULL, "a", 1, "b", 1), LSM_MISUSE );
  IS( lsm_delete(NULL, "a", 1), LSM_MISUSE );
  IS( lsm_delete_range(NULL, "a", 1, "b", 1), LSM_MISUSE );
  IS( lsm_work(NULL, 1, 1, &number), LSM_MISUSE );
  IS( lsm_flush(NULL), LSM_MISUSE );
  IS( lsm_checkpoint(NULL, &number), LSM_MISUSE );
  IS( lsm_csr_open(NULL, &cursor), LSM_MISUSE );
  CHECK( cursor==NULL );
}

static void no_cursor(void){
  const void *data = NULL;
  int number = 7;
  OK( lsm_csr_close(NULL) );
  if( against_c ) return;
  IS( lsm_csr_seek(NULL, "a", 1, LSM_SEEK_EQ), LSM_MISUSE );
  IS( lsm_csr_first(NULL), LSM_MISUSE );
  IS( lsm_csr_last(NULL), LSM_MISUSE );
  IS( lsm_csr_next(NULL), LSM_MISUSE );
  IS( lsm_csr_prev(NULL), LSM_MISUSE );
  IS( lsm_csr_valid(NULL), 0 );
  IS( lsm_csr_key(NULL, &data, &number), LSM_MISUSE );
  IS( lsm_csr_value(NULL, &data, &number), LSM_MISUSE );
  IS( lsm_csr_cmp(NULL, "a", 1, &number), LSM_MISUSE );
}

static void no_room_for_answers(void){
  lsm_db *db;
  lsm_cursor *cursor = NULL;
  const void *data = NULL;
  int number = 0, kind;
  if( against_c ) return;
  db = open_database();
  OK( put(db, "a", "1") );
  for(kind=LSM_CONFIG_AUTOFLUSH; kind<=LSM_CONFIG_READONLY; kind++){
    IS( lsm_config(db, kind, NULL), LSM_MISUSE );
  }
  for(kind=LSM_INFO_NWRITE; kind<=LSM_INFO_COMPRESSION_ID; kind++){
    if( kind>=LSM_INFO_ARRAY_STRUCTURE && kind<=LSM_INFO_ARRAY_PAGES && kind!=LSM_INFO_FREELIST ){
      IS( lsm_info(db, kind, (lsm_i64)1, NULL), LSM_MISUSE );
    }else{
      IS( lsm_info(db, kind, NULL, NULL), LSM_MISUSE );
    }
  }
  IS( lsm_get_user_version(db, NULL), LSM_MISUSE );
  IS( lsm_csr_open(db, NULL), LSM_MISUSE );
  OK( lsm_csr_open(db, &cursor) );
  OK( lsm_csr_first(cursor) );
  IS( lsm_csr_key(cursor, NULL, &number), LSM_MISUSE );
  IS( lsm_csr_key(cursor, &data, NULL), LSM_MISUSE );
  IS( lsm_csr_value(cursor, NULL, &number), LSM_MISUSE );
  IS( lsm_csr_value(cursor, &data, NULL), LSM_MISUSE );
  IS( lsm_csr_cmp(cursor, "a", 1, NULL), LSM_MISUSE );
  OK( lsm_csr_close(cursor) );
  ROWS( db, "a=1" );
  close_database(db);
}

static void no_keys_and_negative_sizes(void){
  lsm_db *db;
  lsm_cursor *cursor = NULL;
  int result = 0;
  if( against_c ) return;
  db = open_database();
  OK( put(db, "a", "1") );
  IS( lsm_insert(db, "b", -1, "2", 1), LSM_MISUSE );
  IS( lsm_insert(db, NULL, 1, "2", 1), LSM_MISUSE );
  IS( lsm_insert(db, "b", 1, NULL, 1), LSM_MISUSE );
  IS( lsm_delete(db, "a", -1), LSM_MISUSE );
  IS( lsm_delete(db, NULL, 3), LSM_MISUSE );
  IS( lsm_delete_range(db, "a", -1, "z", 1), LSM_MISUSE );
  IS( lsm_delete_range(db, "a", 1, "z", -1), LSM_MISUSE );
  IS( lsm_delete_range(db, NULL, 1, "z", 1), LSM_MISUSE );
  IS( lsm_delete_range(db, "a", 1, NULL, 1), LSM_MISUSE );
  OK( lsm_csr_open(db, &cursor) );
  IS( lsm_csr_seek(cursor, "a", -1, LSM_SEEK_EQ), LSM_MISUSE );
  IS( lsm_csr_seek(cursor, NULL, 1, LSM_SEEK_EQ), LSM_MISUSE );
  OK( lsm_csr_seek(cursor, NULL, 0, LSM_SEEK_GE) );
  TEXT( at(cursor), "a=1" );
  IS( lsm_csr_cmp(cursor, "a", -1, &result), LSM_MISUSE );
  IS( lsm_csr_cmp(cursor, NULL, 1, &result), LSM_MISUSE );
  OK( lsm_csr_close(cursor) );
  ROWS( db, "a=1" );
  close_database(db);
}

static void a_handle_that_is_not_open(void){
  lsm_db *db = NULL;
  lsm_cursor *cursor = (lsm_cursor*)&db;
  unsigned version = 7;
  int number = 7, kind;
  if( against_c ) return;
  OK( lsm_new(NULL, &db) );
  IS( lsm_open(db, NULL), LSM_MISUSE );
  IS( lsm_begin(db, 1), LSM_MISUSE );
  IS( lsm_insert(db, "a", 1, "b", 1), LSM_MISUSE );
  IS( lsm_delete(db, "a", 1), LSM_MISUSE );
  IS( lsm_delete_range(db, "a", 1, "b", 1), LSM_MISUSE );
  IS( lsm_work(db, 1, 1, &number), LSM_MISUSE );
  IS( lsm_flush(db), LSM_MISUSE );
  IS( lsm_checkpoint(db, &number), LSM_MISUSE );
  IS( lsm_csr_open(db, &cursor), LSM_MISUSE );
  CHECK( cursor==NULL );
  IS( lsm_get_user_version(db, &version), LSM_MISUSE );
  IS( lsm_set_user_version(db, 1), LSM_MISUSE );
  for(kind=LSM_INFO_DB_STRUCTURE; kind<=LSM_INFO_COMPRESSION_ID; kind++){
    char *text = NULL;
    int rc;
    if( kind>=LSM_INFO_ARRAY_STRUCTURE && kind<=LSM_INFO_ARRAY_PAGES && kind!=LSM_INFO_FREELIST ){
      rc = lsm_info(db, kind, (lsm_i64)1, &text);
    }else{
      int old = 0, live = 0;
      rc = kind==LSM_INFO_TREE_SIZE ? lsm_info(db, kind, &old, &live) : lsm_info(db, kind, &text);
    }
    IS( rc, LSM_MISUSE );
    CHECK( text==NULL );
  }
  OK( lsm_close(db) );
}

static void an_environment_too_small(void){
  lsm_env env;
  lsm_db *db = (lsm_db*)&env;
  if( against_c ) return;
  env = *lsm_default_env();
  env.nByte = 8;
  IS( lsm_new(&env, &db), LSM_MISUSE );
  CHECK( db==NULL );
  env = *lsm_default_env();
  env.iVersion = 0;
  IS( lsm_new(&env, &db), LSM_MISUSE );
  env = *lsm_default_env();
  env.xOpen = NULL;
  IS( lsm_new(&env, &db), LSM_MISUSE );
  env = *lsm_default_env();
  env.xMalloc = NULL;
  IS( lsm_new(&env, &db), LSM_MISUSE );
  /* These two may be missing. */
  env = *lsm_default_env();
  env.xMutexHeld = NULL;
  env.xMutexNotHeld = NULL;
  OK( lsm_new(&env, &db) );
  OK( lsm_open(db, path_of("db")) );
  OK( put(db, "a", "1") );
  OK( lsm_close(db) );
}

static void memory_of_nothing(void){
  void *memory = lsm_malloc(NULL, 10);
  CHECK( memory!=NULL );
  memset(memory, 1, 10);
  memory = lsm_realloc(NULL, memory, 1000);
  CHECK( memory!=NULL );
  CHECK( ((char*)memory)[9]==1 );
  memset(memory, 2, 1000);
  lsm_free(NULL, memory);
  memory = lsm_realloc(NULL, NULL, 50);
  CHECK( memory!=NULL );
  CHECK( lsm_realloc(NULL, memory, 0)==NULL );
  lsm_free(NULL, NULL);
  lsm_free(lsm_default_env(), NULL);
  memory = lsm_malloc(lsm_default_env(), 100);
  CHECK( lsm_default_env()->xSize(lsm_default_env(), memory)>=100 );
  lsm_free(lsm_default_env(), memory);
}

/* Files that are none of ours are not overwritten. */
static void a_foreign_file(void){
  lsm_db *db = NULL;
  char text[9000];
  int rc;
  memset(text, 'x', sizeof(text));
  write_file("db", text, sizeof(text));
  OK( lsm_new(NULL, &db) );
  silence(db);
  rc = lsm_open(db, path_of("db"));
  if( against_c ){
    OK( rc );
    ROWS( db, "" );
  }else{
    IS( rc, LSM_CORRUPT );
  }
  OK( lsm_close(db) );
  if( !against_c ) IS( file_size("db"), sizeof(text) );
}

/* Every byte of a small file changed: an answer or a code, and the handle can be closed. */
static void damaged_files(void){
  lsm_db *db;
  char *data;
  FILE *file;
  long long size;
  int n, bad = 0;
  if( against_c ) return; /* crashes */
  db = open_with("db", LSM_CONFIG_PAGE_SIZE, 512, LSM_CONFIG_BLOCK_SIZE, 64, 0);
  for(n=0; n<60; n++) OK( put_row(db, n, 100) );
  close_database(db);
  size = file_size("db");
  data = malloc(size);
  CHECK( data!=NULL );
  file = fopen(path_of("db"), "rb");
  CHECK( file!=NULL && fread(data, 1, size, file)==(size_t)size );
  fclose(file);
  for(n=0; n<size; n+=(n<200 || n>=8192) ? 7 : 509){
    char before = data[n];
    lsm_cursor *cursor = NULL;
    int rc;
    data[n] ^= 0x5a;
    write_file("damaged", data, size);
    OK( lsm_new(NULL, &db) );
    silence(db);
    rc = lsm_open(db, path_of("damaged"));
    if( rc==LSM_OK ) rc = lsm_csr_open(db, &cursor);
    if( rc==LSM_OK ) rc = lsm_csr_first(cursor);
    while( rc==LSM_OK && lsm_csr_valid(cursor) ) rc = lsm_csr_next(cursor);
    OK( lsm_csr_close(cursor) );
    if( rc!=LSM_OK ){
      IS( rc, LSM_CORRUPT );
      bad++;
    }
    OK( lsm_close(db) );
    data[n] = before;
  }
  CHECK( bad>10 );
  free(data);
}

static const struct test tests[] = {
  TEST(no_handle),
  TEST(no_cursor),
  TEST(no_room_for_answers),
  TEST(no_keys_and_negative_sizes),
  TEST(a_handle_that_is_not_open),
  TEST(an_environment_too_small),
  TEST(memory_of_nothing),
  TEST(a_foreign_file),
  TEST(damaged_files),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
