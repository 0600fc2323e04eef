/* extensions.c: the functions of siltstone.h, which C lsm1 does not have. */
#include "support.h"
#include <pthread.h>
#include <siltstone.h>

static void the_version(void){
  const char *version = siltstone_version();
  int major, minor, patch;
  IS( sscanf(version, "%d.%d.%d", &major, &minor, &patch), 3 );
}

static void messages_of_failures(void){
  lsm_db *db = NULL;
  OK( lsm_new(NULL, &db) );
  TEXT( siltstone_error_message(db), "" );
  IS( lsm_open(db, path_of("missing/db")), LSM_IOERR_NOENT );
  CHECK( siltstone_error_message(db)[0]!=0 );
  CHECK( strstr(siltstone_error_message(db), "missing")!=NULL );
  OK( lsm_open(db, path_of("db")) );
  IS( lsm_begin(NULL, 1), LSM_MISUSE );
  close_database(db);
  TEXT( siltstone_error_message(NULL), "" );
}

static void *commit_later(void *argument){
  lsm_db *db = argument;
  struct lsm_env *env = lsm_get_env(db);
  env->xSleep(env, 100000);
  OK( lsm_commit(db, 0) );
  return NULL;
}

static void waiting_for_a_writer(void){
  lsm_db *one = open_database(), *two = open_database();
  pthread_t thread;
  OK( lsm_begin(one, 1) );
  OK( put(one, "a", "1") );
  IS( put(two, "b", "2"), LSM_BUSY );
  OK( siltstone_busy_timeout(two, 5) );
  IS( put(two, "b", "2"), LSM_BUSY );
  OK( siltstone_busy_timeout(two, 600000) );
  CHECK( pthread_create(&thread, NULL, commit_later, one)==0 );
  OK( put(two, "b", "2") );
  CHECK( pthread_join(thread, NULL)==0 );
  ROWS( two, "a=1 b=2" );
  OK( lsm_begin(one, 1) );
  CHECK( pthread_create(&thread, NULL, commit_later, one)==0 );
  OK( siltstone_busy_timeout(two, -1) );
  OK( put(two, "c", "3") );
  CHECK( pthread_join(thread, NULL)==0 );
  OK( lsm_begin(one, 1) );
  OK( siltstone_busy_timeout(two, 0) );
  IS( put(two, "d", "4"), LSM_BUSY );
  OK( lsm_commit(one, 0) );
  IS( siltstone_busy_timeout(NULL, 1), LSM_MISUSE );
  close_database(one);
  close_database(two);
}

static const struct test tests[] = {
  TEST(the_version),
  TEST(messages_of_failures),
  TEST(waiting_for_a_writer),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
