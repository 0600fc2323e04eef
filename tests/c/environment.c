/*
** environment.c: the default environment's functions, a caller's environment around them that counts
** and fails, and an allocator that gives nothing.
*/
#define _GNU_SOURCE
#include "support.h"

/* The default environment itself. */

static void every_function_is_there(void){
  lsm_env *env = lsm_default_env();
  CHECK( env==lsm_default_env() );
#define THERE(name) CHECK( env->name!=NULL )
  THERE(xFullpath); THERE(xOpen); THERE(xRead); THERE(xWrite); THERE(xTruncate); THERE(xSync);
  THERE(xSectorSize); THERE(xRemap); THERE(xFileid); THERE(xClose); THERE(xUnlink); THERE(xLock);
  THERE(xTestLock); THERE(xShmMap); THERE(xShmBarrier); THERE(xShmUnmap); THERE(xMalloc);
  THERE(xRealloc); THERE(xFree); THERE(xSize); THERE(xMutexStatic); THERE(xMutexNew);
  THERE(xMutexDel); THERE(xMutexEnter); THERE(xMutexTry); THERE(xMutexLeave); THERE(xSleep);
}

static void its_paths(void){
  lsm_env *env = lsm_default_env();
  char out[4096];
  const char *path = path_of("file");
  int size = 0, needed = (int)strlen(path) + 1;
  CHECK( path[0]=='/' );
  OK( env->xFullpath(env, path, NULL, &size) );
  IS( size, needed );
  memset(out, '#', sizeof(out));
  size = 5;
  OK( env->xFullpath(env, path, out, &size) );
  IS( size, needed );
  CHECK( out[0]=='#' );
  OK( env->xFullpath(env, path, out, &size) );
  TEXT( out, path );
  size = sizeof(out);
  OK( env->xFullpath(env, "relative", out, &size) );
  CHECK( out[0]=='/' );
  TEXT( strrchr(out, '/'), "/relative" );
  IS( size, strlen(out) + 1 );
}

static void its_files(void){
  lsm_env *env = lsm_default_env();
  lsm_file *file = NULL, *again = NULL;
  char path[4096], data[64], id[64], other_id[64];
  int id_size = sizeof(id), other_size = sizeof(other_id), i;
  snprintf(path, sizeof(path), "%s", path_of("file"));
  IS( env->xOpen(env, path_of("missing/file"), 0, &file), LSM_IOERR_NOENT );
  CHECK( file==NULL );
  IS( env->xOpen(env, path, LSM_OPEN_READONLY, &file), LSM_IOERR_NOENT );
  OK( env->xOpen(env, path, 0, &file) );
  OK( env->xWrite(file, 10, "hello", 5) );
  IS( file_size("file"), 15 );
  memset(data, '#', sizeof(data));
  OK( env->xRead(file, 8, data, 20) );
  CHECK( memcmp(data, "\0\0hello\0\0\0\0\0\0\0\0\0\0\0\0\0", 20)==0 );
  CHECK( data[20]=='#' );
  OK( env->xRead(file, 1000, data, 4) );
  CHECK( memcmp(data, "\0\0\0\0", 4)==0 );
  OK( env->xTruncate(file, 12) );
  IS( file_size("file"), 12 );
  OK( env->xTruncate(file, 100) );
  IS( file_size("file"), 12 );
  OK( env->xSync(file) );
  CHECK( env->xSectorSize(file)>=512 );
  OK( env->xFileid(file, id, &id_size) );
  CHECK( id_size>0 && id_size<=64 );
  i = 0;
  OK( env->xFileid(file, NULL, &i) );
  IS( i, id_size );
  OK( env->xOpen(env, path, LSM_OPEN_READONLY, &again) );
  OK( env->xFileid(again, other_id, &other_size) );
  IS( other_size, id_size );
  CHECK( memcmp(id, other_id, id_size)==0 );
  OK( env->xRead(again, 10, data, 2) );
  CHECK( memcmp(data, "he", 2)==0 );
  OK( env->xClose(again) );
  OK( env->xClose(file) );
  OK( env->xUnlink(env, path) );
  CHECK( !file_exists("file") );
  CHECK( env->xUnlink(env, path)!=LSM_OK );
}

static void its_maps(void){
  lsm_env *env = lsm_default_env();
  lsm_file *file = NULL;
  char path[4096], data[16];
  void *map = NULL;
  lsm_i64 size = 0;
  snprintf(path, sizeof(path), "%s", path_of("file"));
  OK( env->xOpen(env, path, 0, &file) );
  OK( env->xWrite(file, 0, "hello", 5) );
  OK( env->xRemap(file, 1000, &map, &size) );
  CHECK( map!=NULL && size>=1000 );
  CHECK( memcmp(map, "hello", 5)==0 );
  memcpy(map, "HELLO", 5);
  OK( env->xRead(file, 0, data, 5) );
  CHECK( memcmp(data, "HELLO", 5)==0 );
  OK( env->xRemap(file, -1, &map, &size) );
  CHECK( map==NULL && size==0 );
  OK( env->xClose(file) );
}

static void its_shared_memory(void){
  lsm_env *env = lsm_default_env();
  lsm_file *one = NULL, *two = NULL;
  char path[4096];
  void *chunk = NULL, *again = NULL, *other = NULL;
  snprintf(path, sizeof(path), "%s", path_of("file"));
  OK( env->xOpen(env, path, 0, &one) );
  OK( env->xOpen(env, path, 0, &two) );
  OK( env->xShmMap(one, 0, 32768, &chunk) );
  OK( env->xShmMap(one, 0, 32768, &again) );
  CHECK( chunk!=NULL && chunk==again );
  CHECK( ((char*)chunk)[0]==0 && ((char*)chunk)[32767]==0 );
  OK( env->xShmMap(one, 3, 32768, &again) );
  CHECK( again!=NULL && again!=chunk );
  OK( env->xShmMap(two, 0, 32768, &other) );
  ((char*)chunk)[5] = 'x';
  env->xShmBarrier();
  CHECK( ((char*)other)[5]=='x' );
  CHECK( file_exists("file-shm") );
  OK( env->xShmUnmap(two, 0) );
  CHECK( file_exists("file-shm") );
  OK( env->xShmUnmap(one, 1) );
  CHECK( !file_exists("file-shm") );
  OK( env->xClose(one) );
  OK( env->xClose(two) );
}

static void its_locks(void){
  lsm_env *env = lsm_default_env();
  lsm_file *file = NULL;
  char path[4096];
  snprintf(path, sizeof(path), "%s", path_of("file"));
  OK( env->xOpen(env, path, 0, &file) );
  OK( env->xLock(file, 1, LSM_LOCK_EXCL) );
  OK( env->xLock(file, 1, LSM_LOCK_SHARED) );
  OK( env->xLock(file, 5, LSM_LOCK_SHARED) );
  OK( env->xLock(file, 5, LSM_LOCK_EXCL) );
  OK( env->xTestLock(file, 8, 3, LSM_LOCK_EXCL) );
  OK( env->xLock(file, 1, LSM_LOCK_UNLOCK) );
  OK( env->xLock(file, 5, LSM_LOCK_UNLOCK) );
  OK( env->xLock(file, 5, LSM_LOCK_UNLOCK) );
  OK( env->xClose(file) );
}

static void its_memory_and_mutexes(void){
  lsm_env *env = lsm_default_env();
  lsm_mutex *mutex = NULL, *global = NULL, *again = NULL, *heap = NULL;
  char *memory = env->xMalloc(env, 100);
  CHECK( memory!=NULL && env->xSize(env, memory)>=100 );
  memcpy(memory, "hello", 6);
  memory = env->xRealloc(env, memory, 100000);
  CHECK( memory!=NULL && env->xSize(env, memory)>=100000 );
  TEXT( memory, "hello" );
  env->xFree(env, memory);
  env->xFree(env, NULL);
  OK( env->xMutexNew(env, &mutex) );
  env->xMutexEnter(mutex);
  env->xMutexEnter(mutex);
  IS( env->xMutexTry(mutex), 0 );
  env->xMutexLeave(mutex);
  env->xMutexLeave(mutex);
  env->xMutexLeave(mutex);
  env->xMutexDel(mutex);
  OK( env->xMutexStatic(env, LSM_MUTEX_GLOBAL, &global) );
  OK( env->xMutexStatic(env, LSM_MUTEX_GLOBAL, &again) );
  OK( env->xMutexStatic(env, LSM_MUTEX_HEAP, &heap) );
  CHECK( global!=NULL && global==again && heap!=NULL && heap!=global );
  env->xMutexEnter(global);
  env->xMutexLeave(global);
  OK( env->xSleep(env, 1) );
}

/*
** An environment around the default one. Its files are structs of its own around real ones. It
** counts calls, and one of them can be made to fail.
*/
struct world {
  lsm_env env; /* first, so that a pointer to one is a pointer to the other */
  lsm_env *real;
  int opened, closed, reads, writes, syncs, locks;
  int allocated, freed;
  int mutexes;
  long long calls;     /* of file functions that can fail */
  long long fail_at;   /* the call that fails, counted from 1; 0 for none */
  int code;            /* with this */
  int starved;         /* whether xMalloc gives nothing */
  int failed;
};

struct wrapped {
  lsm_file *real;
  struct world *world;
};

static int fails(struct world *world){
  world->calls++;
  if( world->calls!=world->fail_at ) return 0;
  world->failed = 1;
  return 1;
}

#define WORLD(file) struct world *world = ((struct wrapped*)(file))->world; \
  lsm_file *real = ((struct wrapped*)(file))->real
#define MAYBE_FAIL(world) if( fails(world) ) return (world)->code

static int world_open(lsm_env *env, const char *path, int flags, lsm_file **file){
  struct world *world = (struct world*)env;
  struct wrapped *wrapped;
  int rc;
  *file = NULL;
  MAYBE_FAIL(world);
  wrapped = malloc(sizeof(*wrapped));
  if( wrapped==NULL ) return LSM_NOMEM;
  wrapped->world = world;
  rc = world->real->xOpen(world->real, path, flags, &wrapped->real);
  if( rc!=LSM_OK ){
    free(wrapped);
    return rc;
  }
  world->opened++;
  *file = (lsm_file*)wrapped;
  return LSM_OK;
}
static int world_close(lsm_file *file){
  WORLD(file);
  int rc = world->real->xClose(real);
  world->closed++;
  free(file);
  return rc;
}
static int world_path(lsm_env *env, const char *path, char *out, int *size){
  struct world *world = (struct world*)env;
  return world->real->xFullpath(world->real, path, out, size);
}
static int world_unlink(lsm_env *env, const char *path){
  struct world *world = (struct world*)env;
  return world->real->xUnlink(world->real, path);
}
static int world_read(lsm_file *file, lsm_i64 at, void *data, int size){
  WORLD(file);
  world->reads++;
  MAYBE_FAIL(world);
  return world->real->xRead(real, at, data, size);
}
static int world_write(lsm_file *file, lsm_i64 at, void *data, int size){
  WORLD(file);
  world->writes++;
  MAYBE_FAIL(world);
  return world->real->xWrite(real, at, data, size);
}
static int world_truncate(lsm_file *file, lsm_i64 size){
  WORLD(file);
  MAYBE_FAIL(world);
  return world->real->xTruncate(real, size);
}
static int world_sync(lsm_file *file){
  WORLD(file);
  world->syncs++;
  MAYBE_FAIL(world);
  return world->real->xSync(real);
}
static int world_sector_size(lsm_file *file){
  WORLD(file);
  return world->real->xSectorSize(real);
}
static int world_remap(lsm_file *file, lsm_i64 size, void **map, lsm_i64 *map_size){
  WORLD(file);
  return world->real->xRemap(real, size, map, map_size);
}
static int world_id(lsm_file *file, void *id, int *size){
  WORLD(file);
  return world->real->xFileid(real, id, size);
}
static int world_lock(lsm_file *file, int lock, int mode){
  WORLD(file);
  world->locks++;
  if( mode!=LSM_LOCK_UNLOCK ) MAYBE_FAIL(world);
  return world->real->xLock(real, lock, mode);
}
static int world_test_lock(lsm_file *file, int lock, int count, int mode){
  WORLD(file);
  return world->real->xTestLock(real, lock, count, mode);
}
static int world_shm_map(lsm_file *file, int chunk, int size, void **memory){
  WORLD(file);
  MAYBE_FAIL(world);
  return world->real->xShmMap(real, chunk, size, memory);
}
static int world_shm_unmap(lsm_file *file, int remove){
  WORLD(file);
  return world->real->xShmUnmap(real, remove);
}
static void *world_malloc(lsm_env *env, size_t size){
  struct world *world = (struct world*)env;
  void *memory = world->starved ? NULL : world->real->xMalloc(world->real, size);
  if( memory ) world->allocated++;
  return memory;
}
static void *world_realloc(lsm_env *env, void *memory, size_t size){
  struct world *world = (struct world*)env;
  void *grown;
  if( world->starved && size>0 ) return NULL;
  grown = world->real->xRealloc(world->real, memory, size);
  if( memory==NULL && grown ) world->allocated++;
  if( memory && grown==NULL ) world->freed++;
  return grown;
}
static void world_free(lsm_env *env, void *memory){
  struct world *world = (struct world*)env;
  if( memory ) world->freed++;
  world->real->xFree(world->real, memory);
}
static size_t world_size(lsm_env *env, void *memory){
  struct world *world = (struct world*)env;
  return world->real->xSize(world->real, memory);
}
static int world_mutex_static(lsm_env *env, int which, lsm_mutex **mutex){
  struct world *world = (struct world*)env;
  return world->real->xMutexStatic(world->real, which, mutex);
}
static int world_mutex_new(lsm_env *env, lsm_mutex **mutex){
  struct world *world = (struct world*)env;
  world->mutexes++;
  return world->real->xMutexNew(world->real, mutex);
}
static int world_sleep(lsm_env *env, int microseconds){
  struct world *world = (struct world*)env;
  return world->real->xSleep(world->real, microseconds);
}

static void make_world(struct world *world){
  memset(world, 0, sizeof(*world));
  world->real = lsm_default_env();
  memcpy(&world->env, world->real, sizeof(lsm_env));
  world->env.xFullpath = world_path;
  world->env.xOpen = world_open;
  world->env.xRead = world_read;
  world->env.xWrite = world_write;
  world->env.xTruncate = world_truncate;
  world->env.xSync = world_sync;
  world->env.xSectorSize = world_sector_size;
  world->env.xRemap = world_remap;
  world->env.xFileid = world_id;
  world->env.xClose = world_close;
  world->env.xUnlink = world_unlink;
  world->env.xLock = world_lock;
  world->env.xTestLock = world_test_lock;
  world->env.xShmMap = world_shm_map;
  world->env.xShmUnmap = world_shm_unmap;
  world->env.xMalloc = world_malloc;
  world->env.xRealloc = world_realloc;
  world->env.xFree = world_free;
  world->env.xSize = world_size;
  world->env.xMutexStatic = world_mutex_static;
  world->env.xMutexNew = world_mutex_new;
  world->env.xSleep = world_sleep;
}

static int open_in(struct world *world, const char *name, int multiple, lsm_db **db){
  OK( lsm_new(&world->env, db) );
  silence(*db);
  configure(*db, LSM_CONFIG_MMAP, 0);
  configure(*db, LSM_CONFIG_MULTIPLE_PROCESSES, multiple);
  configure(*db, LSM_CONFIG_AUTOFLUSH, 8);
  configure(*db, LSM_CONFIG_SAFETY, LSM_SAFETY_FULL);
  return lsm_open(*db, path_of(name));
}

static void everything_goes_through_a_callers_environment(void){
  int multiple;
  for(multiple=0; multiple<=1; multiple++){
    struct world world;
    lsm_db *db = NULL;
    char *text;
    int n;
    make_world(&world);
    OK( open_in(&world, multiple ? "many" : "one", multiple, &db) );
    for(n=0; n<300; n++) OK( put_row(db, n, 100) );
    IS( count_rows(db), 300 );
    OK( lsm_work(db, 1, -1, NULL) );
    OK( lsm_checkpoint(db, NULL) );
    text = info_text(db, LSM_INFO_DB_STRUCTURE);
    CHECK( text!=NULL );
    free(text);
    CHECK( world.opened>=2 );
    CHECK( world.writes>300 );
    CHECK( world.syncs>=300 );
    CHECK( world.locks>0 );
    CHECK( world.allocated>0 );
    close_database(db);
    IS( world.closed, world.opened );
    IS( world.freed, world.allocated );
    /* The same file, as anybody else sees it. */
    db = open_with(multiple ? "many" : "one", 0);
    IS( count_rows(db), 300 );
    close_database(db);
  }
}

static void two_environments_share_a_file(void){
  struct world world;
  lsm_db *db = NULL, *plain;
  if( against_c ) return; /* it hands the files of the one to the other */
  make_world(&world);
  OK( open_in(&world, "db", 1, &db) );
  OK( put(db, "a", "1") );
  plain = open_database();
  ROWS( plain, "a=1" );
  OK( put(plain, "b", "2") );
  ROWS( db, "a=1 b=2" );
  close_database(plain);
  ROWS( db, "a=1 b=2" );
  close_database(db);
  IS( world.closed, world.opened );
}

/* Some work with everything in it; the first code that is not LSM_OK. */
static int some_work(lsm_db *db, int *committed){
  int n, rc = LSM_OK;
  for(n=0; n<120 && rc==LSM_OK; n++){
    rc = put_row(db, n, 100);
    if( rc==LSM_OK ) *committed = n + 1;
  }
  if( rc==LSM_OK ) rc = lsm_flush(db);
  if( rc==LSM_OK ) rc = lsm_work(db, 1, -1, NULL);
  if( rc==LSM_OK ) rc = lsm_checkpoint(db, NULL);
  if( rc==LSM_OK ){
    lsm_cursor *cursor = NULL;
    rc = lsm_csr_open(db, &cursor);
    if( rc==LSM_OK ) rc = lsm_csr_first(cursor);
    while( rc==LSM_OK && lsm_csr_valid(cursor) ) rc = lsm_csr_next(cursor);
    OK( lsm_csr_close(cursor) );
  }
  return rc;
}

/* Every call of the environment fails once: no crash, the code comes back or does not matter, and
** what was committed is there afterwards. */
static void failing_calls(int multiple, int code){
  long long at;
  int unfinished = 1;
  if( against_c ) return;
  for(at=1; unfinished; at += at<60 ? 1 : 13){
    struct world world;
    lsm_db *db = NULL;
    char name[64];
    int committed = 0, rc, n;
    make_world(&world);
    world.fail_at = at;
    world.code = code;
    snprintf(name, sizeof(name), "db-%lld", at);
    rc = open_in(&world, name, multiple, &db);
    if( rc==LSM_OK ) rc = some_work(db, &committed);
    /* A lock that is taken is no failure of a reader or of automatic work. */
    if( rc!=LSM_OK && rc!=code ) FAIL("call %lld: %d instead of %d", at, rc, code);
    unfinished = world.failed;
    rc = lsm_close(db);
    if( rc!=LSM_OK && rc!=code ) FAIL("call %lld: closing gives %d", at, rc);
    IS( world.closed, world.opened );
    IS( world.freed, world.allocated );
    db = open_with(name, 0);
    for(n=0; n<committed; n++){
      if( !has_row(db, n, 100) ) FAIL("call %lld: row %d of %d is missing", at, n, committed);
    }
    n = count_rows(db);
    if( n!=committed && n!=committed + 1 ) FAIL("call %lld: %d rows", at, n);
    close_database(db);
  }
}

static void failing_calls_alone(void){
  failing_calls(0, LSM_IOERR);
}
static void failing_calls_with_shared_memory(void){
  failing_calls(1, LSM_IOERR);
}
static void codes_of_the_callers_own(void){
  failing_calls(1, 99);
}

static void a_full_disk(void){
  failing_calls(0, LSM_FULL);
}

static void no_memory(void){
  struct world world;
  lsm_db *db = (lsm_db*)&world;
  char *text = (char*)&world;
  int rc;
  make_world(&world);
  world.starved = 1;
  IS( lsm_new(&world.env, &db), LSM_NOMEM );
  CHECK( db==NULL );
  CHECK( lsm_malloc(&world.env, 10)==NULL );
  CHECK( lsm_realloc(&world.env, NULL, 10)==NULL );
  world.starved = 0;
  OK( open_in(&world, "db", 1, &db) );
  OK( put_row(db, 1, 100) );
  OK( lsm_flush(db) );
  world.starved = 1;
  rc = lsm_info(db, LSM_INFO_DB_STRUCTURE, &text);
  IS( rc, LSM_NOMEM );
  CHECK( against_c || text==NULL );
  rc = lsm_info(db, LSM_INFO_LOG_STRUCTURE, &text);
  IS( rc, LSM_NOMEM );
  world.starved = 0;
  OK( put_row(db, 2, 100) );
  IS( count_rows(db), 2 );
  close_database(db);
  IS( world.freed, world.allocated );
}

static void texts_come_from_the_callers_memory(void){
  struct world world;
  lsm_db *db = NULL;
  char *text = NULL;
  int before;
  make_world(&world);
  OK( open_in(&world, "db", 0, &db) );
  OK( put_row(db, 1, 100) );
  before = world.allocated - world.freed;
  OK( lsm_info(db, LSM_INFO_LOG_STRUCTURE, &text) );
  CHECK( text!=NULL );
  IS( world.allocated - world.freed, before + 1 );
  CHECK( world.env.xSize(&world.env, text)>=strlen(text) + 1 );
  lsm_free(lsm_get_env(db), text);
  IS( world.allocated - world.freed, before );
  close_database(db);
}

static const struct test tests[] = {
  TEST(every_function_is_there),
  TEST(its_paths),
  TEST(its_files),
  TEST(its_maps),
  TEST(its_shared_memory),
  TEST(its_locks),
  TEST(its_memory_and_mutexes),
  TEST(everything_goes_through_a_callers_environment),
  TEST(two_environments_share_a_file),
  TEST(failing_calls_alone),
  TEST(failing_calls_with_shared_memory),
  TEST(codes_of_the_callers_own),
  TEST(a_full_disk),
  TEST(no_memory),
  TEST(texts_come_from_the_callers_memory),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
