/* configuration.c: every number of lsm_config that stands for an int. */
#include "support.h"

/* A setting, what it is at first, what it may be, what it may not be. */
struct setting {
  const char *name;
  int parameter;
  int initial;
  int legal[5];
  int legal_count;
  int illegal[6];
  int illegal_count;
};

#define SETTING(name) #name, LSM_CONFIG_##name
static const struct setting settings[] = {
  {SETTING(AUTOFLUSH), 1024, {0, 1, 64, 4096, 1048576}, 5, {-1, -1024, 1048577, 2147483647}, 4},
  {SETTING(PAGE_SIZE), 4096, {256, 512, 1024, 65536, 4096}, 5, {-1, 0, 128, 255, 4097, 131072}, 6},
  {SETTING(SAFETY), 1, {0, 1, 2, 0, 1}, 5, {-1, 3, 100}, 3},
  {SETTING(BLOCK_SIZE), 1024, {64, 128, 2048, 65536, 1024}, 5, {-1, 0, 32, 65, 131072}, 5},
  {SETTING(AUTOWORK), 1, {0, 1, 7, 0, 1}, 5, {-1, -7}, 2},
  {SETTING(MMAP), 1, {0, 1, 2, 32768, 1}, 5, {-1, -2}, 2},
  {SETTING(USE_LOG), 1, {0, 1, 0, 1, 0}, 5, {-1, 2, 7}, 3},
  {SETTING(AUTOMERGE), 4, {2, 3, 8, 100, 4}, 5, {-1, 0, 1}, 3},
  {SETTING(MAX_FREELIST), 24, {2, 3, 23, 24, 5}, 5, {-1, 0, 1, 25, 100}, 5},
  {SETTING(AUTOCHECKPOINT), 2048, {0, 1, 64, 1048576, 2048}, 5, {-1, -2048}, 2},
  {SETTING(READONLY), 0, {0, 1, 0, 1, 0}, 5, {-1}, 1},
};
#define SETTINGS ((int)(sizeof(settings)/sizeof(settings[0])))

static lsm_db *new_handle(void){
  lsm_db *db = NULL;
  OK( lsm_new(NULL, &db) );
  return db;
}

static void initial_values(void){
  lsm_db *db = new_handle();
  int i;
  for(i=0; i<SETTINGS; i++){
    printf("  %s\n", settings[i].name);
    IS( configure(db, settings[i].parameter, -1), settings[i].initial );
  }
  close_database(db);
}

static void legal_values_are_taken_and_illegal_ones_ignored(void){
  lsm_db *db = new_handle();
  int i, j, k;
  for(i=0; i<SETTINGS; i++){
    const struct setting *setting = &settings[i];
    printf("  %s\n", setting->name);
    for(j=0; j<setting->legal_count; j++){
      IS( configure(db, setting->parameter, setting->legal[j]), setting->legal[j] );
      for(k=0; k<setting->illegal_count; k++){
        IS( configure(db, setting->parameter, setting->illegal[k]), setting->legal[j] );
      }
    }
  }
  close_database(db);
}

static void unknown_numbers_are_misuse(void){
  lsm_db *db = new_handle();
  int numbers_tried[] = {0, -1, 6, 17, 18, 100, 2147483647}, i;
  for(i=0; i<7; i++){
    int value = 12345;
    IS( lsm_config(db, numbers_tried[i], &value), LSM_MISUSE );
    IS( value, 12345 );
  }
  OK( lsm_open(db, path_of("db")) );
  for(i=0; i<7; i++){
    int value = 1;
    IS( lsm_config(db, numbers_tried[i], &value), LSM_MISUSE );
  }
  close_database(db);
}

/* What the file was made with cannot be changed; the rest can be set at any time. */
static void which_can_be_set_after_open(void){
  lsm_db *db = new_handle();
  int i;
  for(i=0; i<SETTINGS; i++) configure(db, settings[i].parameter, settings[i].initial);
  OK( lsm_open(db, path_of("db")) );
  for(i=0; i<SETTINGS; i++){
    const struct setting *setting = &settings[i];
    int parameter = setting->parameter, value = setting->legal[2];
    int fixed = parameter==LSM_CONFIG_PAGE_SIZE || parameter==LSM_CONFIG_BLOCK_SIZE
             || parameter==LSM_CONFIG_READONLY;
    printf("  %s\n", setting->name);
    IS( configure(db, parameter, -1), setting->initial );
    if( parameter==LSM_CONFIG_READONLY ) value = 1;
    IS( configure(db, parameter, value), fixed ? setting->initial : value );
    IS( configure(db, parameter, -1), fixed ? setting->initial : value );
  }
  OK( put(db, "a", "1") );
  close_database(db);
}

static void sizes_of_an_existing_file_win(void){
  lsm_db *db = open_with("db", LSM_CONFIG_PAGE_SIZE, 512, LSM_CONFIG_BLOCK_SIZE, 64, 0);
  IS( configure(db, LSM_CONFIG_PAGE_SIZE, -1), 512 );
  IS( configure(db, LSM_CONFIG_BLOCK_SIZE, -1), 64 );
  OK( put(db, "a", "1") );
  close_database(db);
  db = open_database();
  IS( configure(db, LSM_CONFIG_PAGE_SIZE, -1), 512 );
  IS( configure(db, LSM_CONFIG_BLOCK_SIZE, -1), 64 );
  IS( configure(db, LSM_CONFIG_PAGE_SIZE, 1024), 512 );
  IS( configure(db, LSM_CONFIG_BLOCK_SIZE, 128), 64 );
  ROWS( db, "a=1" );
  close_database(db);
}

static void log_stays_while_a_transaction_is_open(void){
  lsm_db *db = open_database();
  lsm_cursor *cursor = NULL;
  OK( lsm_begin(db, 1) );
  IS( configure(db, LSM_CONFIG_USE_LOG, 0), 1 );
  OK( lsm_commit(db, 0) );
  OK( lsm_csr_open(db, &cursor) );
  IS( configure(db, LSM_CONFIG_USE_LOG, 0), 0 );
  OK( lsm_csr_close(cursor) );
  OK( put(db, "a", "1") );
  IS( configure(db, LSM_CONFIG_USE_LOG, 1), 1 );
  OK( put(db, "b", "2") );
  close_database(db);
  db = open_database();
  ROWS( db, "a=1 b=2" );
  close_database(db);
}

static void map_stays_while_a_cursor_is_open(void){
  lsm_db *db = open_database();
  lsm_cursor *cursor = NULL;
  IS( configure(db, LSM_CONFIG_MMAP, -1), 1 );
  OK( put(db, "a", "1") );
  OK( lsm_csr_open(db, &cursor) );
  IS( configure(db, LSM_CONFIG_MMAP, 0), 1 );
  OK( lsm_csr_close(cursor) );
  IS( configure(db, LSM_CONFIG_MMAP, 0), 0 );
  ROWS( db, "a=1" );
  IS( configure(db, LSM_CONFIG_MMAP, 64), 64 );
  ROWS( db, "a=1" );
  close_database(db);
}

static void whether_processes_share(void){
  lsm_db *one = new_handle(), *two = new_handle();
  IS( configure(one, LSM_CONFIG_MULTIPLE_PROCESSES, 0), 0 );
  /* -1 is no question here, as long as the handle is not open. */
  IS( configure(one, LSM_CONFIG_MULTIPLE_PROCESSES, -1), 1 );
  IS( configure(one, LSM_CONFIG_MULTIPLE_PROCESSES, 0), 0 );
  IS( configure(one, LSM_CONFIG_MULTIPLE_PROCESSES, 5), 1 );
  OK( lsm_open(one, path_of("db")) );
  IS( configure(one, LSM_CONFIG_MULTIPLE_PROCESSES, 0), 1 );
  /* The mode is that of the file in this process, which the first handle chose. */
  IS( configure(two, LSM_CONFIG_MULTIPLE_PROCESSES, 0), 0 );
  OK( lsm_open(two, path_of("db")) );
  IS( configure(two, LSM_CONFIG_MULTIPLE_PROCESSES, -1), 1 );
  OK( put(one, "a", "1") );
  ROWS( two, "a=1" );
  close_database(one);
  close_database(two);

  one = open_with("db", LSM_CONFIG_MULTIPLE_PROCESSES, 0, 0);
  IS( configure(one, LSM_CONFIG_MULTIPLE_PROCESSES, -1), 0 );
  two = open_database();
  IS( configure(two, LSM_CONFIG_MULTIPLE_PROCESSES, -1), 0 );
  OK( put(two, "b", "2") );
  ROWS( one, "a=1 b=2" );
  close_database(two);
  close_database(one);
}

/* Every size of pages and blocks holds what is put in. */
static void every_size_works(void){
  int page, block = 64, n;
  for(page=256; page<=65536; page*=2){
    char name[32];
    lsm_db *db;
    /* At least four pages in a block. */
    block = page>16384 ? 1024 : 64;
    snprintf(name, sizeof(name), "pages-of-%d", page);
    db = open_with(name, LSM_CONFIG_PAGE_SIZE, page, LSM_CONFIG_BLOCK_SIZE, block,
                   LSM_CONFIG_AUTOFLUSH, 16, LSM_CONFIG_AUTOCHECKPOINT, 64, 0);
    for(n=0; n<400; n++) OK( put_row(db, n*7919 % 400, 100) );
    IS( count_rows(db), 400 );
    close_database(db);
    db = open_with(name, 0);
    IS( configure(db, LSM_CONFIG_PAGE_SIZE, -1), page );
    IS( count_rows(db), 400 );
    for(n=0; n<400; n+=37) CHECK( has_row(db, n, 100) );
    close_database(db);
  }
}

static void every_safety_works(void){
  int safety, n;
  for(safety=0; safety<=2; safety++){
    char name[32];
    lsm_db *db;
    snprintf(name, sizeof(name), "safety-%d", safety);
    db = open_with(name, LSM_CONFIG_SAFETY, safety, LSM_CONFIG_AUTOFLUSH, 4, 0);
    for(n=0; n<100; n++) OK( put_row(db, n, 100) );
    close_database(db);
    db = open_with(name, 0);
    IS( count_rows(db), 100 );
    close_database(db);
  }
}

/* What a transaction of 300 rows leaves in the file, if settings change before its commit. */
static int flushes(const char *name, int autoflush, int autoflush_then, int autowork_then){
  lsm_db *db = open_with(name, LSM_CONFIG_AUTOFLUSH, autoflush, 0);
  char *levels;
  int n;
  OK( lsm_begin(db, 1) );
  for(n=0; n<300; n++) OK( put_row(db, n, 100) );
  IS( configure(db, LSM_CONFIG_AUTOFLUSH, autoflush_then), autoflush_then );
  IS( configure(db, LSM_CONFIG_AUTOWORK, autowork_then), autowork_then );
  OK( lsm_commit(db, 0) );
  levels = info_text(db, LSM_INFO_DB_STRUCTURE);
  n = levels!=NULL;
  free(levels);
  IS( count_rows(db), 300 );
  close_database(db);
  return n;
}

static void settings_of_work_change_within_a_transaction(void){
  IS( flushes("small", 8, 8, 1), 1 );
  IS( flushes("large", 1024, 1024, 1), 0 );
  IS( flushes("smaller", 1024, 8, 1), 1 );
  IS( flushes("larger", 8, 1024, 1), 0 );
  IS( flushes("idle", 8, 8, 0), 0 );
}

static const struct test tests[] = {
  TEST(settings_of_work_change_within_a_transaction),
  TEST(initial_values),
  TEST(legal_values_are_taken_and_illegal_ones_ignored),
  TEST(unknown_numbers_are_misuse),
  TEST(which_can_be_set_after_open),
  TEST(sizes_of_an_existing_file_win),
  TEST(log_stays_while_a_transaction_is_open),
  TEST(map_stays_while_a_cursor_is_open),
  TEST(whether_processes_share),
  TEST(every_size_works),
  TEST(every_safety_works),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
