/*
** own_world.c: an environment that has nothing to do with the operating system: files are memory of
** the test. It cannot share with other processes; programs like this exist on small devices.
*/
#include "support.h"

enum { FILES = 8 };

struct content {
  char name[64];
  char *bytes;
  long long size, room;
  int exists;
};

static struct content contents[FILES];

struct lsm_file {
  struct content *content;
};

static int world_path(lsm_env *env, const char *path, char *out, int *size){
  int needed = (int)strlen(path) + 1;
  (void)env;
  if( *size>=needed ) memcpy(out, path, needed);
  *size = needed;
  return LSM_OK;
}

static struct content *find(const char *path){
  int i;
  for(i=0; i<FILES; i++){
    if( contents[i].exists && strcmp(contents[i].name, path)==0 ) return &contents[i];
  }
  return NULL;
}

static int world_open(lsm_env *env, const char *path, int flags, lsm_file **file){
  struct content *content = find(path);
  int i;
  (void)env;
  *file = NULL;
  if( content==NULL && (flags & LSM_OPEN_READONLY) ) return LSM_IOERR_NOENT;
  for(i=0; i<FILES && content==NULL; i++){
    if( contents[i].exists || contents[i].bytes ) continue;
    content = &contents[i];
    CHECK( strlen(path)<sizeof(content->name) );
    strcpy(content->name, path);
    content->exists = 1;
  }
  if( content==NULL ) return LSM_FULL;
  *file = malloc(sizeof(**file));
  if( *file==NULL ) return LSM_NOMEM;
  (*file)->content = content;
  return LSM_OK;
}

static int world_read(lsm_file *file, lsm_i64 at, void *data, int size){
  long long there = file->content->size - at;
  memset(data, 0, size);
  if( there>size ) there = size;
  if( there>0 ) memcpy(data, &file->content->bytes[at], there);
  return LSM_OK;
}

static int world_write(lsm_file *file, lsm_i64 at, void *data, int size){
  struct content *content = file->content;
  if( at + size>content->room ){
    content->room = (at + size)*2;
    content->bytes = realloc(content->bytes, content->room);
    if( content->bytes==NULL ) return LSM_NOMEM;
  }
  if( at>content->size ) memset(&content->bytes[content->size], 0, at - content->size);
  memcpy(&content->bytes[at], data, size);
  if( at + size>content->size ) content->size = at + size;
  return LSM_OK;
}

static int world_truncate(lsm_file *file, lsm_i64 size){
  if( size<file->content->size ) file->content->size = size;
  return LSM_OK;
}

static int world_sync(lsm_file *file){
  (void)file;
  return LSM_OK;
}

static int world_sector_size(lsm_file *file){
  (void)file;
  return 512;
}

static int world_remap(lsm_file *file, lsm_i64 size, void **map, lsm_i64 *map_size){
  (void)file; (void)size;
  *map = NULL;
  *map_size = 0;
  return LSM_IOERR;
}

static int world_id(lsm_file *file, void *id, int *size){
  if( *size>=(int)sizeof(file->content) ) memcpy(id, &file->content, sizeof(file->content));
  *size = sizeof(file->content);
  return LSM_OK;
}

static int world_close(lsm_file *file){
  free(file);
  return LSM_OK;
}

static int world_unlink(lsm_env *env, const char *path){
  struct content *content = find(path);
  (void)env;
  if( content==NULL ) return LSM_IOERR_NOENT;
  content->exists = 0;
  content->size = content->room = 0;
  free(content->bytes);
  content->bytes = NULL;
  return LSM_OK;
}

static int world_lock(lsm_file *file, int lock, int mode){
  (void)file; (void)lock; (void)mode;
  return LSM_OK;
}

static int world_test_lock(lsm_file *file, int lock, int count, int mode){
  (void)file; (void)lock; (void)count; (void)mode;
  return LSM_OK;
}

static int world_shm_map(lsm_file *file, int chunk, int size, void **memory){
  (void)file; (void)chunk; (void)size;
  *memory = NULL;
  return LSM_IOERR;
}

static void world_barrier(void){
}

static int world_shm_unmap(lsm_file *file, int remove){
  (void)file; (void)remove;
  return LSM_OK;
}

/* Memory with its size in front. */
static void *world_realloc(lsm_env *env, void *memory, size_t size){
  size_t *block = memory ? (size_t*)memory - 2 : NULL;
  (void)env;
  if( size==0 ){
    free(block);
    return NULL;
  }
  block = realloc(block, size + 2*sizeof(size_t));
  if( block==NULL ) return NULL;
  block[0] = size;
  return block + 2;
}

static void *world_malloc(lsm_env *env, size_t size){
  return world_realloc(env, NULL, size ? size : 1);
}

static void world_free(lsm_env *env, void *memory){
  world_realloc(env, memory, 0);
}

static size_t world_size(lsm_env *env, void *memory){
  (void)env;
  return ((size_t*)memory)[-2];
}

/* One thread: mutexes only count. */
struct lsm_mutex {
  int entered;
};

static int world_mutex_static(lsm_env *env, int which, lsm_mutex **mutex){
  static lsm_mutex mutexes[2];
  (void)env;
  CHECK( which==LSM_MUTEX_GLOBAL || which==LSM_MUTEX_HEAP );
  *mutex = &mutexes[which - 1];
  return LSM_OK;
}

static int world_mutex_new(lsm_env *env, lsm_mutex **mutex){
  (void)env;
  *mutex = calloc(1, sizeof(**mutex));
  return *mutex ? LSM_OK : LSM_NOMEM;
}

static void world_mutex_del(lsm_mutex *mutex){
  IS( mutex->entered, 0 );
  free(mutex);
}

static void world_mutex_enter(lsm_mutex *mutex){
  mutex->entered++;
}

static int world_mutex_try(lsm_mutex *mutex){
  mutex->entered++;
  return 0;
}

static void world_mutex_leave(lsm_mutex *mutex){
  CHECK( mutex->entered>0 );
  mutex->entered--;
}

static int world_sleep(lsm_env *env, int microseconds){
  (void)env; (void)microseconds;
  return LSM_OK;
}

static lsm_env world = {
  sizeof(lsm_env), 1,
  NULL, world_path, world_open, world_read, world_write, world_truncate, world_sync,
  world_sector_size, world_remap, world_id, world_close, world_unlink,
  world_lock, world_test_lock, world_shm_map, world_barrier, world_shm_unmap,
  NULL, world_malloc, world_realloc, world_free, world_size,
  NULL, world_mutex_static, world_mutex_new, world_mutex_del, world_mutex_enter, world_mutex_try,
  world_mutex_leave, NULL, NULL,
  world_sleep,
};

static lsm_db *open_in_world(const char *name){
  lsm_db *db = NULL;
  OK( lsm_new(&world, &db) );
  silence(db);
  configure(db, LSM_CONFIG_MULTIPLE_PROCESSES, 0);
  configure(db, LSM_CONFIG_MMAP, 0);
  configure(db, LSM_CONFIG_AUTOFLUSH, 16);
  OK( lsm_open(db, name) );
  return db;
}

static void a_database_in_memory(void){
  lsm_db *db = open_in_world("memory");
  int n;
  for(n=0; n<2000; n++) OK( put_row(db, (n*7919) % 2000, 100) );
  IS( count_rows(db), 2000 );
  OK( lsm_begin(db, 1) );
  OK( del_range(db, "key", "kez") );
  IS( count_rows(db), 0 );
  OK( lsm_rollback(db, 0) );
  IS( count_rows(db), 2000 );
  OK( lsm_work(db, 1, -1, NULL) );
  close_database(db);
  CHECK( !file_exists("memory") );
  db = open_in_world("memory");
  IS( count_rows(db), 2000 );
  close_database(db);
}

/* What it wrote is the file everybody knows. */
static void its_bytes_are_a_database_file(void){
  lsm_db *db = open_in_world("bytes");
  struct content *content;
  int n;
  for(n=0; n<500; n++) OK( put_row(db, n, 100) );
  close_database(db);
  content = find("bytes");
  CHECK( content!=NULL && content->size>8192 );
  CHECK( find("bytes-log")==NULL );
  write_file("db", content->bytes, content->size);
  db = open_database();
  IS( count_rows(db), 500 );
  close_database(db);
}

static void two_databases_and_two_handles(void){
  lsm_db *one = open_in_world("one"), *two = open_in_world("two"), *again = open_in_world("one");
  OK( put(one, "a", "1") );
  OK( put(two, "b", "2") );
  ROWS( again, "a=1" );
  OK( put(again, "c", "3") );
  ROWS( one, "a=1 c=3" );
  ROWS( two, "b=2" );
  close_database(one);
  ROWS( again, "a=1 c=3" );
  close_database(again);
  close_database(two);
}

static const struct test tests[] = {
  TEST(a_database_in_memory),
  TEST(its_bytes_are_a_database_file),
  TEST(two_databases_and_two_handles),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
