/*
** compression.c: hooks, their ids, factories, and hooks that fail.
**
** The codec here writes runs of equal bytes as a count and the byte.
*/
#include "support.h"

struct codec {
  int bounds, compresses, uncompresses, frees;
  int fail_compress, fail_uncompress; /* with this code, if not 0 */
};

static int bound(void *context, int size){
  ((struct codec*)context)->bounds++;
  return size*2;
}

static int compress(void *context, char *out, int *out_size, const char *in, int in_size){
  struct codec *codec = context;
  int from = 0, to = 0;
  codec->compresses++;
  if( codec->fail_compress ) return codec->fail_compress;
  while( from<in_size ){
    int run = 1;
    while( run<255 && from + run<in_size && in[from + run]==in[from] ) run++;
    if( to + 2>*out_size ) return LSM_ERROR;
    out[to++] = (char)run;
    out[to++] = in[from];
    from += run;
  }
  *out_size = to;
  return LSM_OK;
}

static int uncompress(void *context, char *out, int *out_size, const char *in, int in_size){
  struct codec *codec = context;
  int from, to = 0;
  codec->uncompresses++;
  if( codec->fail_uncompress ) return codec->fail_uncompress;
  for(from=0; from + 1<in_size; from+=2){
    int run = (unsigned char)in[from];
    if( to + run>*out_size ) return LSM_ERROR;
    memset(&out[to], in[from + 1], run);
    to += run;
  }
  *out_size = to;
  return LSM_OK;
}

static void release(void *context){
  ((struct codec*)context)->frees++;
}

#define ID 20001

static lsm_compress hooks(struct codec *codec, unsigned id){
  lsm_compress hooks;
  memset(&hooks, 0, sizeof(hooks));
  hooks.pCtx = codec;
  hooks.iId = id;
  hooks.xBound = bound;
  hooks.xCompress = compress;
  hooks.xUncompress = uncompress;
  hooks.xFree = release;
  return hooks;
}

static int install(lsm_db *db, struct codec *codec, unsigned id){
  lsm_compress set = hooks(codec, id);
  return lsm_config(db, LSM_CONFIG_SET_COMPRESSION, &set);
}

static lsm_db *open_compressed(struct codec *codec){
  lsm_db *db = NULL;
  OK( lsm_new(NULL, &db) );
  OK( install(db, codec, ID) );
  OK( lsm_open(db, path_of("db")) );
  return db;
}

static unsigned id_of(lsm_db *db){
  unsigned id = 99;
  OK( lsm_info(db, LSM_INFO_COMPRESSION_ID, &id) );
  return id;
}

static void pages_pass_through_the_hooks(void){
  struct codec codec = {0, 0, 0, 0, 0, 0};
  lsm_db *db = open_compressed(&codec);
  int n;
  IS( id_of(db), LSM_COMPRESSION_EMPTY );
  for(n=0; n<500; n++) OK( put_row(db, n, 100) );
  OK( lsm_flush(db) );
  CHECK( codec.bounds>0 );
  CHECK( codec.compresses>0 );
  IS( count_rows(db), 500 );
  IS( codec.frees, 0 );
  close_database(db);
  IS( codec.frees, 1 );

  db = open_compressed(&codec);
  IS( id_of(db), ID );
  codec.uncompresses = 0;
  IS( count_rows(db), 500 );
  CHECK( codec.uncompresses>0 );
  for(n=0; n<500; n+=7) OK( put_row(db, n, 10) );
  OK( lsm_work(db, 1, -1, NULL) );
  for(n=0; n<500; n+=7) CHECK( has_row(db, n, 10) );
  close_database(db);
  IS( codec.frees, 2 );
}

static void hooks_can_be_asked_for(void){
  struct codec codec = {0, 0, 0, 0, 0, 0};
  lsm_db *db = NULL;
  lsm_compress found;
  OK( lsm_new(NULL, &db) );
  memset(&found, 0x55, sizeof(found));
  OK( lsm_config(db, LSM_CONFIG_GET_COMPRESSION, &found) );
  IS( found.iId, LSM_COMPRESSION_NONE );
  CHECK( found.xBound==NULL && found.xCompress==NULL && found.xUncompress==NULL );
  OK( install(db, &codec, ID) );
  OK( lsm_config(db, LSM_CONFIG_GET_COMPRESSION, &found) );
  IS( found.iId, ID );
  CHECK( found.pCtx==&codec );
  CHECK( found.xBound==bound && found.xCompress==compress && found.xUncompress==uncompress );
  close_database(db);
  IS( codec.frees, 1 );
}

static void replacing_hooks_releases_the_old_ones(void){
  struct codec one = {0, 0, 0, 0, 0, 0}, two = {0, 0, 0, 0, 0, 0};
  lsm_db *db = NULL;
  lsm_compress none, found;
  OK( lsm_new(NULL, &db) );
  OK( install(db, &one, ID) );
  OK( install(db, &two, ID) );
  IS( one.frees, 1 );
  memset(&none, 0, sizeof(none));
  OK( lsm_config(db, LSM_CONFIG_SET_COMPRESSION, &none) );
  IS( two.frees, 1 );
  OK( lsm_config(db, LSM_CONFIG_GET_COMPRESSION, &found) );
  IS( found.iId, LSM_COMPRESSION_NONE );
  OK( lsm_open(db, path_of("db")) );
  OK( put(db, "a", "1") );
  OK( lsm_flush(db) );
  close_database(db);
  IS( one.frees, 1 );
  IS( two.frees, 1 );
  IS( two.compresses, 0 );
}

static void hooks_stay_while_something_is_open(void){
  struct codec codec = {0, 0, 0, 0, 0, 0}, other = {0, 0, 0, 0, 0, 0};
  lsm_db *db = open_compressed(&codec);
  lsm_cursor *cursor = NULL;
  OK( put(db, "a", "1") );
  OK( lsm_csr_open(db, &cursor) );
  IS( install(db, &other, ID + 1), LSM_MISUSE );
  OK( lsm_csr_close(cursor) );
  OK( lsm_begin(db, 1) );
  IS( install(db, &other, ID + 1), LSM_MISUSE );
  OK( lsm_rollback(db, 0) );
  IS( codec.frees, 0 );
  close_database(db);
  IS( codec.frees, 1 );
}

/* Also on an open handle whose file is compressed already, which C frees twice. */
static void hooks_can_be_set_after_open(void){
  struct codec one = {0, 0, 0, 0, 0, 0}, two = {0, 0, 0, 0, 0, 0};
  lsm_db *db = open_database();
  int n;
  OK( install(db, &one, ID) );
  for(n=0; n<200; n++) OK( put_row(db, n, 100) );
  OK( lsm_flush(db) );
  CHECK( one.compresses>0 );
  if( !against_c ){
    OK( install(db, &two, ID) );
    IS( one.frees, 1 );
    IS( count_rows(db), 200 );
    CHECK( two.uncompresses>0 );
    configure(db, LSM_CONFIG_MMAP, 0);
    configure(db, LSM_CONFIG_MMAP, 1);
    IS( count_rows(db), 200 );
    OK( put(db, "z", "26") );
  }
  close_database(db);
  IS( one.frees, 1 );
  IS( two.frees, DIFFERS(1, 0) );
}

static void other_hooks_are_a_mismatch(void){
  struct codec codec = {0, 0, 0, 0, 0, 0}, other = {0, 0, 0, 0, 0, 0};
  lsm_db *db = open_compressed(&codec);
  lsm_cursor *cursor = (lsm_cursor*)&codec;
  OK( put(db, "a", "1") );
  close_database(db);

  db = open_database();
  IS( lsm_csr_open(db, &cursor), LSM_MISMATCH );
  CHECK( cursor==NULL );
  IS( put(db, "b", "2"), LSM_MISMATCH );
  IS( lsm_begin(db, 1), LSM_MISMATCH );
  IS( lsm_work(db, 1, -1, NULL), LSM_MISMATCH );
  OK( lsm_checkpoint(db, NULL) );
  IS( id_of(db), ID );
  OK( install(db, &other, ID + 1) );
  IS( lsm_csr_open(db, &cursor), LSM_MISMATCH );
  OK( install(db, &other, ID) );
  ROWS( db, "a=1" );
  close_database(db);
}

static void hooks_on_an_uncompressed_file_are_a_mismatch(void){
  struct codec codec = {0, 0, 0, 0, 0, 0};
  lsm_cursor *cursor = NULL;
  lsm_db *db = open_database();
  lsm_compress none;
  OK( put(db, "a", "1") );
  close_database(db);
  db = open_compressed(&codec);
  IS( id_of(db), LSM_COMPRESSION_NONE );
  IS( lsm_csr_open(db, &cursor), LSM_MISMATCH );
  memset(&none, 0, sizeof(none));
  OK( lsm_config(db, LSM_CONFIG_SET_COMPRESSION, &none) );
  ROWS( db, "a=1" );
  close_database(db);
}

struct factory {
  struct codec codec;
  int calls, frees;
  unsigned asked;
  int helps;
};

static int make_hooks(void *context, lsm_db *db, unsigned id){
  struct factory *factory = context;
  factory->calls++;
  factory->asked = id;
  if( factory->helps ) OK( install(db, &factory->codec, id) );
  return LSM_ERROR; /* ignored */
}

static void free_factory(void *context){
  ((struct factory*)context)->frees++;
}

static int install_factory(lsm_db *db, struct factory *factory){
  lsm_compress_factory set;
  set.pCtx = factory;
  set.xFactory = make_hooks;
  set.xFree = free_factory;
  return lsm_config(db, LSM_CONFIG_SET_COMPRESSION_FACTORY, &set);
}

static void a_factory_finds_the_hooks(void){
  struct codec codec = {0, 0, 0, 0, 0, 0};
  struct factory factory, other;
  lsm_cursor *cursor = NULL;
  lsm_db *db = open_compressed(&codec);
  OK( put(db, "a", "1") );
  close_database(db);

  memset(&factory, 0, sizeof(factory));
  memset(&other, 0, sizeof(other));
  db = NULL;
  OK( lsm_new(NULL, &db) );
  OK( install_factory(db, &other) );
  OK( install_factory(db, &factory) );
  IS( other.frees, 1 );
  OK( lsm_open(db, path_of("db")) );
  IS( factory.calls, 0 );
  IS( lsm_csr_open(db, &cursor), LSM_MISMATCH );
  IS( factory.calls, 1 );
  IS( factory.asked, ID );
  factory.helps = 1;
  ROWS( db, "a=1" );
  IS( factory.calls, 2 );
  OK( put(db, "b", "2") );
  ROWS( db, "a=1 b=2" );
  IS( factory.calls, 2 );
  close_database(db);
  IS( factory.frees, 1 );
  IS( factory.codec.frees, 1 );
}

/* Nothing has been written yet: any hooks will do, and the first that write decide. Here the first
** handle of the process decides. */
static void the_first_writer_decides(void){
  struct codec codec = {0, 0, 0, 0, 0, 0};
  lsm_db *compressed = open_compressed(&codec), *plain = open_database();
  lsm_cursor *cursor = NULL;
  if( against_c ) ROWS( plain, "" );
  else IS( lsm_csr_open(plain, &cursor), LSM_MISMATCH );
  ROWS( compressed, "" );
  OK( put(compressed, "a", "1") );
  OK( lsm_flush(compressed) );
  ROWS( compressed, "a=1" );
  IS( id_of(compressed), ID );
  IS( put(plain, "b", "2"), LSM_MISMATCH );
  close_database(plain);
  ROWS( compressed, "a=1" );
  close_database(compressed);
}

static void failures_of_hooks_come_back(void){
  struct codec codec = {0, 0, 0, 0, 0, 0};
  lsm_cursor *cursor = NULL;
  lsm_db *db;
  int n, rc;
  if( against_c ) return; /* its lsm_flush drops the failure and the rows */
  db = open_compressed(&codec);
  silence(db);
  for(n=0; n<100; n++) OK( put_row(db, n, 100) );
  codec.fail_compress = 77;
  IS( lsm_flush(db), 77 );
  codec.fail_compress = 0;
  IS( count_rows(db), 100 );
  OK( lsm_flush(db) );
  close_database(db);

  db = open_compressed(&codec);
  silence(db);
  codec.fail_uncompress = 78;
  rc = lsm_csr_open(db, &cursor);
  if( rc==LSM_OK ) rc = lsm_csr_first(cursor);
  IS( rc, 78 );
  OK( lsm_csr_close(cursor) );
  codec.fail_uncompress = 0;
  IS( count_rows(db), 100 );
  close_database(db);
}

static void read_only_handles_read_through_hooks(void){
  struct codec codec = {0, 0, 0, 0, 0, 0};
  lsm_db *db = open_compressed(&codec);
  int n;
  for(n=0; n<300; n++) OK( put_row(db, n, 100) );
  close_database(db);
  OK( lsm_new(NULL, &db) );
  OK( install(db, &codec, ID) );
  IS( configure(db, LSM_CONFIG_READONLY, 1), 1 );
  OK( lsm_open(db, path_of("db")) );
  IS( count_rows(db), 300 );
  close_database(db);
}

static void much_with_merges(void){
  struct codec codec = {0, 0, 0, 0, 0, 0};
  lsm_db *db = NULL;
  int n, round;
  OK( lsm_new(NULL, &db) );
  OK( install(db, &codec, ID) );
  configure(db, LSM_CONFIG_PAGE_SIZE, 1024);
  configure(db, LSM_CONFIG_BLOCK_SIZE, 64);
  configure(db, LSM_CONFIG_AUTOFLUSH, 32);
  configure(db, LSM_CONFIG_AUTOCHECKPOINT, 128);
  OK( lsm_open(db, path_of("db")) );
  for(round=0; round<3; round++){
    for(n=0; n<1500; n++) OK( put_row(db, (n*7919) % 1500, 100 + round) );
  }
  IS( count_rows(db), 1500 );
  for(n=0; n<1500; n+=31) CHECK( has_row(db, n, 102) );
  close_database(db);
  db = open_compressed(&codec);
  IS( count_rows(db), 1500 );
  close_database(db);
}

static const struct test tests[] = {
  TEST(pages_pass_through_the_hooks),
  TEST(hooks_can_be_asked_for),
  TEST(replacing_hooks_releases_the_old_ones),
  TEST(hooks_stay_while_something_is_open),
  TEST(hooks_can_be_set_after_open),
  TEST(other_hooks_are_a_mismatch),
  TEST(hooks_on_an_uncompressed_file_are_a_mismatch),
  TEST(a_factory_finds_the_hooks),
  TEST(the_first_writer_decides),
  TEST(failures_of_hooks_come_back),
  TEST(read_only_handles_read_through_hooks),
  TEST(much_with_merges),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
