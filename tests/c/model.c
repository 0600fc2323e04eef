/*
** model.c: random histories, compared with a sorted table in memory.
**
** The keys are the numbers below KEYS; the table holds for each the number of the write that gave it
** its value, 0 for none. A failure prints the seed; LSM_SEED=n runs it alone, LSM_SEEDS=n so many.
*/
#include "support.h"

enum { KEYS = 300, DEPTH = 5, STEPS = 400 };

struct model {
  int value[KEYS];
};

static void name_of(int key, char *name){
  snprintf(name, 16, "k%04d", key*7);
}

static int value_of(int written, char *value){
  int size = (written*37) % 700;
  memset(value, 'a' + written % 26, size);
  snprintf(value, 16, "%d", written);
  if( size<16 ) size = (int)strlen(value);
  else value[strlen(value)] = '.';
  return size;
}

/* What a cursor shows is this key with what the table says. */
static void check_at(lsm_cursor *cursor, const struct model *model, int key){
  char name[16], value[1024];
  const void *data = NULL;
  int size = 0, length;
  if( !lsm_csr_valid(cursor) ) FAIL("end of the rows before key %d", key);
  name_of(key, name);
  OK( lsm_csr_key(cursor, &data, &size) );
  if( size!=(int)strlen(name) || memcmp(data, name, size)!=0 ){
    FAIL("%.*s instead of %s", size, (const char*)data, name);
  }
  length = value_of(model->value[key], value);
  OK( lsm_csr_value(cursor, &data, &size) );
  if( size!=length || memcmp(data, value, size)!=0 ) FAIL("another value of %s", name);
}

static void check_all(lsm_db *db, const struct model *model){
  lsm_cursor *cursor = NULL;
  int key;
  OK( lsm_csr_open(db, &cursor) );
  OK( lsm_csr_first(cursor) );
  for(key=0; key<KEYS; key++){
    if( model->value[key]==0 ) continue;
    check_at(cursor, model, key);
    OK( lsm_csr_next(cursor) );
  }
  CHECK( !lsm_csr_valid(cursor) );
  OK( lsm_csr_last(cursor) );
  for(key=KEYS-1; key>=0; key--){
    if( model->value[key]==0 ) continue;
    check_at(cursor, model, key);
    OK( lsm_csr_prev(cursor) );
  }
  CHECK( !lsm_csr_valid(cursor) );
  OK( lsm_csr_close(cursor) );
}

static void check_seeks(lsm_db *db, const struct model *model, numbers *source){
  lsm_cursor *cursor = NULL;
  int n;
  OK( lsm_csr_open(db, &cursor) );
  for(n=0; n<10; n++){
    int key = (int)next_number(source, KEYS), found = key;
    char name[16];
    name_of(key, name);
    if( against_c ){
      /* An exact seek that finds nothing may leave a used cursor at another key. */
      OK( lsm_csr_close(cursor) );
      OK( lsm_csr_open(db, &cursor) );
    }
    switch( next_number(source, 3) ){
      case 0:
        OK( seek(cursor, name, LSM_SEEK_EQ) );
        if( model->value[key] ) check_at(cursor, model, key);
        else CHECK( !lsm_csr_valid(cursor) );
        break;
      case 1:
        OK( seek(cursor, name, LSM_SEEK_GE) );
        while( found<KEYS && model->value[found]==0 ) found++;
        if( found<KEYS ) check_at(cursor, model, found);
        else CHECK( !lsm_csr_valid(cursor) );
        break;
      default:
        OK( seek(cursor, name, LSM_SEEK_LE) );
        while( found>=0 && model->value[found]==0 ) found--;
        if( found>=0 ) check_at(cursor, model, found);
        else CHECK( !lsm_csr_valid(cursor) );
        break;
    }
  }
  OK( lsm_csr_close(cursor) );
}

/* A codec that turns the bits around. */
static int bound(void *context, int size){
  (void)context;
  return size;
}
static int turn(void *context, char *out, int *out_size, const char *in, int in_size){
  int i;
  (void)context;
  if( *out_size<in_size ) return LSM_ERROR;
  for(i=0; i<in_size; i++) out[i] = (char)~in[i];
  *out_size = in_size;
  return LSM_OK;
}

struct kind {
  int page, block, autoflush, automerge, autowork, mmap, multiple, log, compressed;
};

static lsm_db *open_kind(const struct kind *kind){
  lsm_db *db = NULL;
  OK( lsm_new(NULL, &db) );
  silence(db);
  configure(db, LSM_CONFIG_PAGE_SIZE, kind->page);
  configure(db, LSM_CONFIG_BLOCK_SIZE, kind->block);
  configure(db, LSM_CONFIG_AUTOFLUSH, kind->autoflush);
  configure(db, LSM_CONFIG_AUTOMERGE, kind->automerge);
  configure(db, LSM_CONFIG_AUTOWORK, kind->autowork);
  configure(db, LSM_CONFIG_MMAP, kind->mmap);
  configure(db, LSM_CONFIG_MULTIPLE_PROCESSES, kind->multiple);
  configure(db, LSM_CONFIG_USE_LOG, kind->log);
  configure(db, LSM_CONFIG_AUTOCHECKPOINT, 64);
  if( kind->compressed ){
    lsm_compress hooks = {NULL, 20002, bound, turn, turn, NULL};
    OK( lsm_config(db, LSM_CONFIG_SET_COMPRESSION, &hooks) );
  }
  OK( lsm_open(db, path_of("db")) );
  return db;
}

static void history(unsigned long long seed, const struct kind *kind){
  static struct model levels[DEPTH + 2];
  numbers source = {seed};
  char value[1024], name[16], other[16];
  int depth = 0, step, written = 0, key, size, level;
  lsm_db *db, *second;
  remove(path_of("db"));
  memset(levels, 0, sizeof(levels));
  db = open_kind(kind);
  second = open_kind(kind);
  for(step=0; step<STEPS; step++){
    struct model *now = &levels[depth];
    key = (int)next_number(&source, KEYS);
    name_of(key, name);
    switch( next_number(&source, 20) ){
      case 0: case 1: case 2: case 3: case 4: case 5: case 6: case 7:
        size = value_of(++written, value);
        OK( lsm_insert(db, name, (int)strlen(name), value, size) );
        now->value[key] = written;
        break;
      case 8: case 9:
        OK( del(db, name) );
        now->value[key] = 0;
        break;
      case 10:
        /* C loses its way after some range deletes: docs/c-defects.md. */
        if( against_c ) break;
        size = (int)next_number(&source, 40);
        name_of(key + size, other);
        OK( del_range(db, name, other) );
        for(level=key + 1; level<key + size && level<KEYS; level++) now->value[level] = 0;
        break;
      case 11:
        if( depth<DEPTH ){
          OK( lsm_begin(db, depth + 1) );
          levels[depth + 1] = levels[depth];
          depth++;
        }
        break;
      case 12:
        if( depth>0 ){
          level = (int)next_number(&source, depth);
          OK( lsm_commit(db, level) );
          levels[level] = levels[depth];
          depth = level;
        }
        break;
      case 13:
        if( depth>0 ){
          level = (int)next_number(&source, depth + 1);
          OK( lsm_rollback(db, level) );
          if( level==0 ){
            depth = 0;
          }else{
            levels[level] = levels[level - 1];
            depth = level;
          }
        }
        break;
      case 14:
        if( depth==0 ) OK( lsm_flush(db) );
        break;
      case 15:
        if( depth==0 ){
          OK( lsm_work(db, 1 + (int)next_number(&source, 4), (int)next_number(&source, 60) - 1, NULL) );
        }
        break;
      case 16:
        OK( lsm_checkpoint(db, NULL) );
        break;
      case 17:
        check_seeks(db, now, &source);
        break;
      case 18:
        check_all(db, now);
        /* Another handle sees what is committed. */
        check_all(second, &levels[0]);
        break;
      default:
        if( depth==0 && next_number(&source, 4)==0 ){
          close_database(second);
          close_database(db);
          db = open_kind(kind);
          second = open_kind(kind);
        }
        break;
    }
  }
  check_all(db, &levels[depth]);
  OK( lsm_rollback(db, 0) );
  check_all(db, &levels[0]);
  close_database(db);
  check_all(second, &levels[0]);
  close_database(second);
  db = open_kind(kind);
  check_all(db, &levels[0]);
  close_database(db);
}

static void histories(const struct kind *kind){
  const char *one = getenv("LSM_SEED"), *count = getenv("LSM_SEEDS");
  /* C loops for ever in one of the histories with seed 4. */
  int seed = one ? atoi(one) : 1, last = one ? seed : (count ? atoi(count) : DIFFERS(5, 3));
  for(; seed<=last; seed++){
    printf("  LSM_SEED=%d\n", seed);
    history((unsigned long long)seed, kind);
  }
}

static void small_pages(void){
  struct kind kind = {256, 64, 8, 4, 1, 0, 1, 1, 0};
  histories(&kind);
}
static void usual_pages_with_a_map(void){
  struct kind kind = {4096, 64, 32, 4, 1, 1, 1, 1, 0};
  histories(&kind);
}
static void without_shared_memory(void){
  struct kind kind = {512, 64, 16, 2, 1, 0, 0, 1, 0};
  histories(&kind);
}
static void without_log(void){
  struct kind kind = {1024, 64, 16, 3, 1, 0, 1, 0, 0};
  histories(&kind);
}
static void without_autowork(void){
  struct kind kind = {512, 64, 16, 4, 0, 1, 1, 1, 0};
  histories(&kind);
}
static void compressed(void){
  struct kind kind = {512, 64, 8, 4, 1, 0, 1, 1, 1};
  histories(&kind);
}
static void flushing_always(void){
  struct kind kind = {256, 64, 0, 8, 1, 0, 0, 1, 0};
  histories(&kind);
}

static const struct test tests[] = {
  TEST(small_pages),
  TEST(usual_pages_with_a_map),
  TEST(without_shared_memory),
  TEST(without_log),
  TEST(without_autowork),
  TEST(compressed),
  TEST(flushing_always),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
