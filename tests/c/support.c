/* support.c: see support.h. */
#define _GNU_SOURCE
#include "support.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int against_c;
const char *program;
static char directory[2048];
static const char *running = "";

void fail(const char *file, int line, const char *format, ...){
  va_list list;
  va_start(list, format);
  fflush(stdout);
  fprintf(stderr, "%s:%d: %s: ", file, line, running);
  vfprintf(stderr, format, list);
  fputc('\n', stderr);
  va_end(list);
  exit(1);
}

void check_is(const char *file, int line, const char *call, long long got, long long expected){
  if( got!=expected ) fail(file, line, "%s gives %lld, not %lld", call, got, expected);
}

void check_text(const char *file, int line, const char *what, const char *got, const char *expected){
  int same = got==expected || (got && expected && strcmp(got, expected)==0);
  if( !same ){
    fail(file, line, "%s is \"%s\", not \"%s\"", what, got ? got : "(null)",
         expected ? expected : "(null)");
  }
}

static int wanted(int argc, char **argv, const char *name){
  int i;
  for(i=2; i<argc; i++){
    if( strcmp(argv[i], name)==0 ) return 1;
  }
  return argc<=2;
}

int run_tests(int argc, char **argv, const struct test *tests, int count){
  const char *library = getenv("LSM_LIBRARY");
  int i, run = 0;
  if( argc<2 ){
    fprintf(stderr, "usage: %s DIRECTORY [TEST...]\n", argv[0]);
    return 2;
  }
  program = argv[0];
  against_c = library && strcmp(library, "c")==0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for(i=0; i<count; i++){
    if( !wanted(argc, argv, tests[i].name) ) continue;
    running = tests[i].name;
    snprintf(directory, sizeof(directory), "%s/%s", argv[1], tests[i].name);
    if( mkdir(directory, 0777)!=0 ) FAIL("cannot make %s: %s", directory, strerror(errno));
    printf("test %s\n", running);
    tests[i].run();
    run++;
  }
  printf("%d tests passed\n", run);
  return run>0 ? 0 : 2;
}

const char *path_of(const char *name){
  static char paths[4][4096];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
  return path;
}

int file_exists(const char *name){
  return access(path_of(name), F_OK)==0;
}

long long file_size(const char *name){
  struct stat status;
  return stat(path_of(name), &status)==0 ? (long long)status.st_size : -1;
}

void write_file(const char *name, const void *data, size_t size){
  FILE *file = fopen(path_of(name), "wb");
  CHECK( file!=NULL );
  CHECK( fwrite(data, 1, size, file)==size );
  CHECK( fclose(file)==0 );
}

void copy_file(const char *from, const char *to){
  FILE *file = fopen(path_of(from), "rb");
  long long size = file_size(from);
  char *data = malloc(size + 1);
  CHECK( file!=NULL && data!=NULL );
  CHECK( fread(data, 1, size, file)==(size_t)size );
  fclose(file);
  write_file(to, data, size);
  free(data);
}

int configure(lsm_db *db, int parameter, int value){
  OK( lsm_config(db, parameter, &value) );
  return value;
}

lsm_db *open_with(const char *name, ...){
  lsm_db *db = NULL;
  va_list list;
  int parameter;
  OK( lsm_new(NULL, &db) );
  va_start(list, name);
  while( (parameter = va_arg(list, int))!=0 ){
    int value = va_arg(list, int);
    IS( configure(db, parameter, value), value );
  }
  va_end(list);
  OK( lsm_open(db, path_of(name)) );
  return db;
}

lsm_db *open_database(void){
  return open_with("db", 0);
}

void close_database(lsm_db *db){
  OK( lsm_close(db) );
}

int put(lsm_db *db, const char *key, const char *value){
  return lsm_insert(db, key, (int)strlen(key), value, (int)strlen(value));
}

int del(lsm_db *db, const char *key){
  return lsm_delete(db, key, (int)strlen(key));
}

int del_range(lsm_db *db, const char *first, const char *last){
  return lsm_delete_range(db, first, (int)strlen(first), last, (int)strlen(last));
}

int seek(lsm_cursor *cursor, const char *key, int mode){
  return lsm_csr_seek(cursor, key, (int)strlen(key), mode);
}

/* Makes room in a buffer that only grows. */
static char *reserve(char **buffer, size_t *room, size_t size){
  if( size>*room ){
    *room = size*2;
    *buffer = realloc(*buffer, *room);
    CHECK( *buffer!=NULL );
  }
  return *buffer;
}

const char *get(lsm_db *db, const char *key){
  static char *buffer;
  static size_t room;
  const char *found = NULL;
  lsm_cursor *cursor = NULL;
  OK( lsm_csr_open(db, &cursor) );
  OK( seek(cursor, key, LSM_SEEK_EQ) );
  if( lsm_csr_valid(cursor) ){
    const void *value = NULL;
    int size = -1;
    OK( lsm_csr_value(cursor, &value, &size) );
    CHECK( size>=0 );
    reserve(&buffer, &room, size + 1);
    if( size ) memcpy(buffer, value, size);
    buffer[size] = 0;
    found = buffer;
  }
  OK( lsm_csr_close(cursor) );
  return found;
}

const char *at(lsm_cursor *cursor){
  static char *buffer;
  static size_t room;
  const void *key = NULL, *value = NULL;
  int key_size = -1, value_size = -1;
  IS( lsm_csr_valid(cursor)!=0, lsm_csr_valid(cursor) );
  if( !lsm_csr_valid(cursor) ) return "end";
  OK( lsm_csr_key(cursor, &key, &key_size) );
  OK( lsm_csr_value(cursor, &value, &value_size) );
  CHECK( key_size>=0 && value_size>=0 );
  reserve(&buffer, &room, (size_t)key_size + value_size + 2);
  if( key_size ) memcpy(buffer, key, key_size);
  buffer[key_size] = '=';
  if( value_size ) memcpy(&buffer[key_size + 1], value, value_size);
  buffer[key_size + 1 + value_size] = 0;
  return buffer;
}

/* The rows in order of the keys, read in one direction. */
static char *read_rows(lsm_db *db, int backward){
  char *rows = calloc(1, 1);
  size_t size = 0;
  lsm_cursor *cursor = NULL;
  OK( lsm_csr_open(db, &cursor) );
  OK( backward ? lsm_csr_last(cursor) : lsm_csr_first(cursor) );
  while( lsm_csr_valid(cursor) ){
    const char *row = at(cursor);
    size_t more = strlen(row), gap = size>0;
    char *grown = malloc(size + gap + more + 1);
    CHECK( grown!=NULL );
    if( backward ){
      memcpy(grown, row, more);
      if( gap ) grown[more] = ' ';
      memcpy(&grown[more + gap], rows, size + 1);
    }else{
      memcpy(grown, rows, size);
      if( gap ) grown[size] = ' ';
      memcpy(&grown[size + gap], row, more + 1);
    }
    free(rows);
    rows = grown;
    size += gap + more;
    OK( backward ? lsm_csr_prev(cursor) : lsm_csr_next(cursor) );
  }
  OK( lsm_csr_close(cursor) );
  return rows;
}

void check_rows(const char *file, int line, lsm_db *db, const char *expected){
  char *forward = read_rows(db, 0);
  char *backward = read_rows(db, 1);
  check_text(file, line, "forward", forward, expected);
  check_text(file, line, "backward", backward, expected);
  free(forward);
  free(backward);
}

int count_rows(lsm_db *db){
  lsm_cursor *cursor = NULL;
  int count = 0;
  OK( lsm_csr_open(db, &cursor) );
  OK( lsm_csr_first(cursor) );
  while( lsm_csr_valid(cursor) ){
    count++;
    OK( lsm_csr_next(cursor) );
  }
  OK( lsm_csr_close(cursor) );
  return count;
}

static void fill_row(int n, char *key, char *value, int size){
  int i;
  snprintf(key, 16, "key%09d", n);
  for(i=0; i<size; i++) value[i] = (char)('a' + (n + i) % 26);
}

int put_row(lsm_db *db, int n, int size){
  char key[16];
  char *value = malloc(size + 1);
  int rc;
  CHECK( value!=NULL );
  fill_row(n, key, value, size);
  rc = lsm_insert(db, key, 12, value, size);
  free(value);
  return rc;
}

int has_row(lsm_db *db, int n, int size){
  char key[16];
  char *value = malloc(size + 1);
  const char *found;
  int same;
  CHECK( value!=NULL );
  fill_row(n, key, value, size);
  found = get(db, key);
  same = found && strlen(found)==(size_t)size && memcmp(found, value, size)==0;
  free(value);
  return same;
}

char *info_text(lsm_db *db, int kind){
  char *text = NULL, *copy = NULL;
  OK( lsm_info(db, kind, &text) );
  if( text ){
    copy = strdup(text);
    lsm_free(lsm_get_env(db), text);
  }
  return copy;
}

int info_number(lsm_db *db, int kind){
  int number = -1;
  OK( lsm_info(db, kind, &number) );
  return number;
}

void silence(lsm_db *db){
  lsm_config_log(db, NULL, NULL);
}

unsigned next_number(numbers *source, unsigned limit){
  source->state = source->state*6364136223846793005ULL + 1442695040888963407ULL;
  return (unsigned)((source->state >> 33) % limit);
}
