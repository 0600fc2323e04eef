/* information.c: every number of lsm_info, and the texts it gives. */
#include "support.h"

/* Three small segments in pages of 512 bytes. The same rows give the same file everywhere. */
static lsm_db *with_segments(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOWORK, 0, LSM_CONFIG_AUTOMERGE, 8,
                         LSM_CONFIG_PAGE_SIZE, 512, LSM_CONFIG_BLOCK_SIZE, 64, 0);
  int segment, n;
  for(segment=0; segment<3; segment++){
    for(n=0; n<20*(segment + 1); n++) OK( put_row(db, n*3 + segment, 40) );
    OK( lsm_flush(db) );
  }
  return db;
}

static void of_a_new_database(void){
  lsm_db *db = open_database();
  int old = -1, live = -1;
  unsigned id = 99;
  TEXT( info_text(db, LSM_INFO_DB_STRUCTURE), NULL );
  TEXT( info_text(db, LSM_INFO_FREELIST), NULL );
  OK( lsm_info(db, LSM_INFO_TREE_SIZE, &old, &live) );
  IS( old, 0 );
  IS( live, 0 );
  IS( info_number(db, LSM_INFO_CHECKPOINT_SIZE), 0 );
  IS( info_number(db, LSM_INFO_NWRITE), 0 );
  OK( lsm_info(db, LSM_INFO_COMPRESSION_ID, &id) );
  IS( id, LSM_COMPRESSION_EMPTY );
  close_database(db);
}

static void unknown_numbers_are_misuse(void){
  lsm_db *db = open_database();
  int tried[] = {0, -1, 14, 15, 100, LSM_INFO_FREELIST_SIZE}, i;
  for(i=0; i<6; i++){
    int one = 77, two = 77;
    IS( lsm_info(db, tried[i], &one, &two), LSM_MISUSE );
    IS( one, 77 );
    IS( two, 77 );
  }
  close_database(db);
}

static void structure_lists_the_newest_first(void){
  lsm_db *db = with_segments();
  char *text = info_text(db, LSM_INFO_DB_STRUCTURE);
  TEXT( text, "{0 {27 35 35 9}} {0 {21 26 0 6}} {0 {17 20 0 4}}" );
  free(text);
  OK( lsm_work(db, 1, -1, NULL) );
  text = info_text(db, LSM_INFO_DB_STRUCTURE);
  printf("  %s\n", text);
  CHECK( text!=NULL && strncmp(text, "{", 1)==0 && strstr(text, "} {")==NULL );
  free(text);
  close_database(db);
}

/* A half-done merge: the output first, then its inputs. */
static void structure_of_a_half_done_merge(void){
  lsm_db *db = with_segments();
  char *text;
  OK( lsm_work(db, 3, 1, NULL) );
  text = info_text(db, LSM_INFO_DB_STRUCTURE);
  printf("  %s\n", text);
  CHECK( text!=NULL );
  CHECK( strstr(text, "} {")!=NULL );
  CHECK( strncmp(text, "{1 {", 4)==0 || strncmp(text, "{0 {", 4)==0 );
  free(text);
  IS( count_rows(db), 120 );
  close_database(db);
}

/* Numbers of the first segment of the structure. */
static void first_segment(lsm_db *db, long long *first, long long *last, long long *root, int *size){
  char *text = info_text(db, LSM_INFO_DB_STRUCTURE);
  int age;
  CHECK( text!=NULL );
  IS( sscanf(text, "{%d {%lld %lld %lld %d}}", &age, first, last, root, size), 5 );
  free(text);
}

static char *array_text(lsm_db *db, int kind, lsm_i64 page){
  char *text = NULL, *copy = NULL;
  OK( lsm_info(db, kind, page, &text) );
  if( text ) copy = strdup(text);
  lsm_free(lsm_get_env(db), text);
  return copy;
}

static void pages_of_a_segment(void){
  lsm_db *db = with_segments();
  long long first, last, root, page;
  int size, length = 0;
  char *text, expected[4096] = "";
  first_segment(db, &first, &last, &root, &size);
  IS( last - first + 1, size );
  snprintf(expected, sizeof(expected), "%lld %lld", first, last);
  text = array_text(db, LSM_INFO_ARRAY_STRUCTURE, first);
  TEXT( text, expected );
  free(text);
  for(page=first; page<=last; page++){
    length += snprintf(&expected[length], sizeof(expected) - length, " %lld", page);
  }
  text = array_text(db, LSM_INFO_ARRAY_PAGES, first);
  TEXT( text, expected );
  free(text);
  text = (char*)"untouched";
  IS( lsm_info(db, LSM_INFO_ARRAY_STRUCTURE, (lsm_i64)(first + 1), &text), LSM_ERROR );
  CHECK( text==NULL );
  text = (char*)"untouched";
  IS( lsm_info(db, LSM_INFO_ARRAY_PAGES, (lsm_i64)0, &text), LSM_ERROR );
  CHECK( text==NULL );
  close_database(db);
}

static int lines_of(const char *text){
  int lines = 0;
  for(; *text; text++) lines += *text=='\n';
  return lines;
}

static void dumps_of_a_page(void){
  lsm_db *db = with_segments();
  long long first, last, root;
  int size, records = -1, bytes = -1;
  char *text, *at;
  first_segment(db, &first, &last, &root, &size);
  text = array_text(db, LSM_INFO_PAGE_ASCII_DUMP, first);
  CHECK( text!=NULL );
  CHECK( strncmp(text, "Page : ", 7)==0 );
  IS( atoll(&text[7]), first );
  at = strchr(text, '(');
  CHECK( at!=NULL );
  IS( sscanf(at, "(%d bytes)", &bytes), 1 );
  CHECK( bytes>400 && bytes<=512 );
  at = strstr(text, "nRec : ");
  CHECK( at!=NULL );
  records = atoi(at + 7);
  CHECK( records>2 && records<20 );
  CHECK( strstr(text, "iPtr : ")!=NULL );
  CHECK( strstr(text, "flags: 0000")!=NULL );
  CHECK( strstr(text, "key000000002 ")!=NULL );
  CHECK( lines_of(text)>records + 4 + bytes/16 - 1 );
  free(text);

  text = array_text(db, LSM_INFO_PAGE_HEX_DUMP, first);
  CHECK( text!=NULL );
  CHECK( strstr(text, "6B6579303030303030303032")!=NULL );
  CHECK( strstr(text, "key000000002 ")==NULL );
  free(text);

  text = (char*)"untouched";
  IS( lsm_info(db, LSM_INFO_PAGE_ASCII_DUMP, (lsm_i64)0, &text), LSM_ERROR );
  CHECK( text==NULL );
  close_database(db);
}

static void log_regions(void){
  lsm_db *db = open_database();
  long long numbers[6];
  char *text;
  int n;
  OK( put(db, "a", "1") );
  text = info_text(db, LSM_INFO_LOG_STRUCTURE);
  CHECK( text!=NULL );
  IS( sscanf(text, "%lld %lld %lld %lld %lld %lld", &numbers[0], &numbers[1], &numbers[2],
             &numbers[3], &numbers[4], &numbers[5]), 6 );
  for(n=0; n<4; n++) IS( numbers[n], 0 );
  IS( numbers[4], 0 );
  CHECK( numbers[5]>0 );
  free(text);
  close_database(db);
}

static void pages_read_and_written(void){
  lsm_db *db = open_with("db", LSM_CONFIG_MMAP, 0, 0);
  int before, n;
  for(n=0; n<500; n++) OK( put_row(db, n, 100) );
  IS( info_number(db, LSM_INFO_NWRITE), 0 );
  OK( lsm_flush(db) );
  CHECK( info_number(db, LSM_INFO_NWRITE)>=10 );
  CHECK( info_number(db, LSM_INFO_NWRITE)<=100 );
  close_database(db);
  db = open_with("db", LSM_CONFIG_MMAP, 0, 0);
  before = info_number(db, LSM_INFO_NREAD);
  IS( count_rows(db), 500 );
  CHECK( info_number(db, LSM_INFO_NREAD)>=before + 10 );
  IS( info_number(db, LSM_INFO_NWRITE), 0 );
  close_database(db);
}

/* One segment of 974 pages, 10 of them of its b-tree: every page counts, as lsm-db's tests demand. */
static void pages_of_b_trees_are_counted(void){
  lsm_db *db = open_with("db", LSM_CONFIG_PAGE_SIZE, 1024, LSM_CONFIG_AUTOCHECKPOINT, 4, 0);
  char *text;
  int n;
  for(n=0; n<1024; n++){
    char key[8], value[1024];
    snprintf(key, sizeof(key), "%d", n);
    memset(value, '0', sizeof(value));
    OK( lsm_insert(db, key, (int)strlen(key), value, sizeof(value)) );
  }
  text = info_text(db, LSM_INFO_DB_STRUCTURE);
  TEXT( text, "{0 {9 982 982 974}}" );
  free(text);
  IS( info_number(db, LSM_INFO_NWRITE), 974 );
  close_database(db);
}

static void tree_sizes(void){
  lsm_db *db = open_database();
  int n, old = -1, live = -1;
  for(n=0; n<1000; n++) OK( put_row(db, n, 100) );
  OK( lsm_info(db, LSM_INFO_TREE_SIZE, &old, &live) );
  IS( old, 0 );
  CHECK( live>=100 && live<400 );
  close_database(db);
}

/* Merging makes blocks free; each stands there with the snapshot that last needed it. */
static void free_blocks(void){
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOWORK, 0, LSM_CONFIG_AUTOMERGE, 8,
                         LSM_CONFIG_PAGE_SIZE, 512, LSM_CONFIG_BLOCK_SIZE, 64, 0);
  char *text, *at;
  int segment, n, pairs = 0;
  for(segment=0; segment<4; segment++){
    for(n=0; n<1000; n++) OK( put_row(db, n, 100) );
    OK( lsm_flush(db) );
  }
  OK( lsm_work(db, 1, -1, NULL) );
  text = info_text(db, LSM_INFO_FREELIST);
  CHECK( text!=NULL );
  for(at=text; at && *at; ){
    long long block = 0, snapshot = 0;
    IS( sscanf(at, "{%lld %lld}", &block, &snapshot), 2 );
    CHECK( block>=1 && snapshot>=1 );
    at = strchr(at, '}');
    CHECK( at!=NULL );
    at++;
    if( *at==' ' ) at++;
    pairs++;
  }
  CHECK( pairs>=2 );
  free(text);
  close_database(db);
}

static void compression_id(void){
  lsm_db *db = open_database();
  unsigned id = 99;
  OK( put(db, "a", "1") );
  OK( lsm_flush(db) );
  ROWS( db, "a=1" );
  OK( lsm_info(db, LSM_INFO_COMPRESSION_ID, &id) );
  IS( id, LSM_COMPRESSION_NONE );
  close_database(db);
}

static void structure_beside_a_worker_is_busy_or_right(void){
  lsm_db *one = with_segments(), *two = open_database();
  char *first = info_text(one, LSM_INFO_DB_STRUCTURE), *second = info_text(two, LSM_INFO_DB_STRUCTURE);
  TEXT( second, first );
  free(first);
  free(second);
  close_database(one);
  close_database(two);
}

static void with_a_cursor_and_in_a_transaction(void){
  lsm_db *db = with_segments();
  lsm_cursor *cursor = NULL;
  int old, live;
  OK( lsm_csr_open(db, &cursor) );
  OK( lsm_begin(db, 1) );
  OK( put(db, "a", "1") );
  free(info_text(db, LSM_INFO_DB_STRUCTURE));
  free(info_text(db, LSM_INFO_LOG_STRUCTURE));
  free(info_text(db, LSM_INFO_FREELIST));
  OK( lsm_info(db, LSM_INFO_TREE_SIZE, &old, &live) );
  OK( lsm_commit(db, 0) );
  OK( lsm_csr_close(cursor) );
  close_database(db);
}

static const struct test tests[] = {
  TEST(of_a_new_database),
  TEST(unknown_numbers_are_misuse),
  TEST(structure_lists_the_newest_first),
  TEST(structure_of_a_half_done_merge),
  TEST(pages_of_a_segment),
  TEST(dumps_of_a_page),
  TEST(log_regions),
  TEST(pages_read_and_written),
  TEST(pages_of_b_trees_are_counted),
  TEST(tree_sizes),
  TEST(free_blocks),
  TEST(compression_id),
  TEST(structure_beside_a_worker_is_busy_or_right),
  TEST(with_a_cursor_and_in_a_transaction),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
