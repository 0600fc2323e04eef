/*
** mutexes.c: an environment whose mutexes are watched. The static one is held while a database is
** found, opened and let go of; one that cannot be made fails lsm_open.
*/
#include "support.h"

/* The environment of a test; a pointer to it is a pointer to its first member. */
struct world {
  lsm_env env;
  int made, deleted;
  int entered, left;               /* of those made */
  int global_entered, global_left; /* of the static one */
  int asked;                       /* for new ones */
  int fail_at;                     /* which of these fails, counted from 1; 0 for none */
  int code;                        /* with this */
  int global_code;                 /* what asking for the static one gives */
};

/* xMutexEnter and the like get nothing but the mutex. */
struct lsm_mutex {
  struct world *world;
  lsm_mutex *real;
  int global, held;
};

static lsm_mutex global;

static int watched_static(lsm_env *env, int which, lsm_mutex **mutex){
  struct world *world = (struct world*)env;
  *mutex = NULL;
  if( world->global_code ) return world->global_code;
  IS( which, LSM_MUTEX_GLOBAL );
  if( global.real==NULL ) OK( lsm_default_env()->xMutexNew(lsm_default_env(), &global.real) );
  global.global = 1;
  global.world = world;
  *mutex = &global;
  return LSM_OK;
}

static int watched_new(lsm_env *env, lsm_mutex **mutex){
  struct world *world = (struct world*)env;
  *mutex = NULL;
  if( ++world->asked==world->fail_at ) return world->code;
  *mutex = calloc(1, sizeof(**mutex));
  CHECK( *mutex!=NULL );
  (*mutex)->world = world;
  world->made++;
  return lsm_default_env()->xMutexNew(lsm_default_env(), &(*mutex)->real);
}

static void watched_del(lsm_mutex *mutex){
  IS( mutex->held, 0 );
  IS( mutex->global, 0 );
  lsm_default_env()->xMutexDel(mutex->real);
  mutex->world->deleted++;
  free(mutex);
}

static void taken(lsm_mutex *mutex){
  mutex->held++;
  if( mutex->global ){
    IS( mutex->held, 1 ); /* it is not recursive */
    mutex->world->global_entered++;
  }else{
    mutex->world->entered++;
  }
}

static void watched_enter(lsm_mutex *mutex){
  lsm_default_env()->xMutexEnter(mutex->real);
  taken(mutex);
}

static int watched_try(lsm_mutex *mutex){
  if( lsm_default_env()->xMutexTry(mutex->real)!=0 ) return LSM_BUSY;
  taken(mutex);
  return 0;
}

static void watched_leave(lsm_mutex *mutex){
  CHECK( mutex->held>0 );
  mutex->held--;
  if( mutex->global ) mutex->world->global_left++;
  else mutex->world->left++;
  lsm_default_env()->xMutexLeave(mutex->real);
}

static void make_world(struct world *world){
  memset(world, 0, sizeof(*world));
  memcpy(&world->env, lsm_default_env(), sizeof(lsm_env));
  world->env.xMutexStatic = watched_static;
  world->env.xMutexNew = watched_new;
  world->env.xMutexDel = watched_del;
  world->env.xMutexEnter = watched_enter;
  world->env.xMutexTry = watched_try;
  world->env.xMutexLeave = watched_leave;
  world->env.xMutexHeld = NULL;
  world->env.xMutexNotHeld = NULL;
}

static void all_is_given_back(struct world *world){
  IS( world->made, world->deleted );
  IS( world->entered, world->left );
  IS( world->global_entered, world->global_left );
}

static lsm_db *new_in(struct world *world, int multiple){
  lsm_db *db = NULL;
  OK( lsm_new(&world->env, &db) );
  silence(db);
  configure(db, LSM_CONFIG_MULTIPLE_PROCESSES, multiple);
  return db;
}

/* How often the static mutex was entered since this was asked last; it is free. */
static int turns(struct world *world){
  int turns = world->global_entered;
  IS( turns, world->global_left );
  world->global_entered = world->global_left = 0;
  return turns;
}

static void the_static_mutex_around_opening_and_closing(void){
  int multiple;
  for(multiple=0; multiple<=1; multiple++){
    struct world world;
    lsm_db *one, *two;
    int n;
    make_world(&world);
    one = new_in(&world, multiple);
    two = new_in(&world, multiple);
    OK( lsm_open(one, path_of("db")) );
    IS( turns(&world), 1 );
    OK( lsm_open(two, path_of("db")) );
    IS( turns(&world), 1 );
    for(n=0; n<300; n++) OK( put_row(one, n, 100) );
    IS( count_rows(two), 300 );
    IS( turns(&world), 0 );
    IS( world.made, 1 );
    CHECK( world.entered>0 );
    close_database(one);
    IS( turns(&world), 1 );
    close_database(two);
    CHECK( turns(&world)>0 );
    all_is_given_back(&world);
  }
}

static void a_mutex_that_cannot_be_made(void){
  static const int codes[] = {LSM_NOMEM, LSM_IOERR, 4711};
  int multiple, i, which;
  for(multiple=0; multiple<=1; multiple++) for(i=0; i<3; i++) for(which=1; which<100; which++){
    struct world world;
    lsm_db *db;
    int rc;
    make_world(&world);
    world.fail_at = which;
    world.code = codes[i];
    db = new_in(&world, multiple);
    rc = lsm_open(db, path_of("db"));
    if( world.asked<which ){
      CHECK( which>1 );
      OK( rc );
      close_database(db);
      all_is_given_back(&world);
      break;
    }
    IS( rc, codes[i] );
    IS( world.made, world.deleted );
    /* The handle is as it was before. */
    OK( lsm_open(db, path_of("db")) );
    OK( put_row(db, which, 10) );
    close_database(db);
    all_is_given_back(&world);
    db = open_with("db", 0);
    CHECK( has_row(db, which, 10) );
    close_database(db);
  }
}

static void a_static_mutex_that_cannot_be_had(void){
  struct world world;
  lsm_db *db;
  make_world(&world);
  db = new_in(&world, 1);
  world.global_code = 4711;
  IS( lsm_open(db, path_of("db")), 4711 );
  IS( turns(&world), 0 );
  world.global_code = LSM_OK;
  OK( lsm_open(db, path_of("db")) );
  OK( put_row(db, 1, 10) );
  close_database(db);
  all_is_given_back(&world);
}

static const struct test tests[] = {
  TEST(the_static_mutex_around_opening_and_closing),
  TEST(a_mutex_that_cannot_be_made),
  TEST(a_static_mutex_that_cannot_be_had),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
