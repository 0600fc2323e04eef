/*
** processes.c: several processes on one database.
**
** A child is this program, started again with a role. It says a word a line on its standard output
** and waits for a line of its standard input where parent and child take turns. With
** SIBLING_LIBRARY_PATH in the environment the children load their library from there: so C lsm1 and
** ours share a database.
*/
#define _GNU_SOURCE
#include "support.h"
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROLE "--role"

struct child {
  pid_t pid;
  FILE *to, *from;
};

static struct child start(const char *role, const char *argument){
  struct child child;
  int down[2], up[2];
  CHECK( pipe(down)==0 && pipe(up)==0 );
  fflush(stdout);
  child.pid = fork();
  CHECK( child.pid>=0 );
  if( child.pid==0 ){
    const char *libraries = getenv("SIBLING_LIBRARY_PATH");
    if( libraries ){
      setenv("LD_LIBRARY_PATH", libraries, 1);
      setenv("LSM_LIBRARY", "sibling", 1);
    }
    dup2(down[0], 0);
    dup2(up[1], 1);
    close(down[0]); close(down[1]); close(up[0]); close(up[1]);
    execl(program, program, ROLE, role, path_of("db"), argument, (char*)NULL);
    _exit(127);
  }
  close(down[0]);
  close(up[1]);
  child.to = fdopen(down[1], "w");
  child.from = fdopen(up[0], "r");
  CHECK( child.to!=NULL && child.from!=NULL );
  return child;
}

/* Waits for the child to say this. */
static void hear(struct child *child, const char *word){
  char line[4096];
  if( fgets(line, sizeof(line), child->from)==NULL ) FAIL("no \"%s\" from the child", word);
  line[strcspn(line, "\n")] = 0;
  TEXT( line, word );
}

static void tell(struct child *child){
  fputs("go\n", child->to);
  fflush(child->to);
}

static int end_of(struct child *child){
  int status = -1;
  fclose(child->to);
  CHECK( waitpid(child->pid, &status, 0)==child->pid );
  fclose(child->from);
  return status;
}

static void ends_well(struct child *child){
  IS( end_of(child), 0 );
}

static void dies(struct child *child){
  int status;
  kill(child->pid, SIGKILL);
  status = end_of(child);
  CHECK( WIFSIGNALED(status) && WTERMSIG(status)==SIGKILL );
}

/* The child's side. */

static void say(const char *word){
  printf("%s\n", word);
  fflush(stdout);
}

static void await(void){
  char line[64];
  if( fgets(line, sizeof(line), stdin)==NULL ) exit(0);
}

static lsm_db *open_path(const char *path, int multiple, int readonly){
  lsm_db *db = NULL;
  int rc;
  OK( lsm_new(NULL, &db) );
  configure(db, LSM_CONFIG_MULTIPLE_PROCESSES, multiple);
  configure(db, LSM_CONFIG_READONLY, readonly);
  configure(db, LSM_CONFIG_AUTOFLUSH, 16);
  rc = lsm_open(db, path);
  if( rc==LSM_BUSY ){
    say("busy");
    OK( lsm_close(db) );
    exit(0);
  }
  OK( rc );
  return db;
}

/* As often as it takes: another connection may write. */
#define PERSIST(call) do{ int rc_; while( (rc_ = (call))==LSM_BUSY ) sched_yield(); OK( rc_ ); }while(0)

static int number_of(lsm_db *db, const char *key){
  const char *value = get(db, key);
  return value ? atoi(value) : 0;
}

static void count_up(lsm_db *db, int rounds, int self){
  int n;
  for(n=0; n<rounds; n++){
    char text[32], own[32];
    PERSIST( lsm_begin(db, 1) );
    snprintf(text, sizeof(text), "%d", number_of(db, "counter") + 1);
    OK( put(db, "counter", text) );
    snprintf(own, sizeof(own), "own-%d-%06d", self, n);
    OK( put(db, own, text) );
    OK( lsm_commit(db, 0) );
  }
}

static int play(const char *role, const char *path, const char *argument){
  int amount = atoi(argument);
  if( strcmp(role, "write")==0 ){
    lsm_db *db = open_path(path, 1, 0);
    OK( put(db, "from", "child") );
    say("written");
    await();
    TEXT( get(db, "from"), "parent" );
    OK( lsm_close(db) );
  }else if( strcmp(role, "begin")==0 ){
    lsm_db *db = open_path(path, 1, 0);
    OK( lsm_begin(db, 1) );
    OK( put(db, "unfinished", "1") );
    say("begun");
    await();
    OK( lsm_commit(db, 0) );
    OK( lsm_close(db) );
  }else if( strcmp(role, "fill")==0 ){
    lsm_db *db = open_path(path, 1, 0);
    int n;
    for(n=0; n<amount; n++) PERSIST( put_row(db, n, 100) );
    OK( lsm_begin(db, 1) );
    for(n=amount; n<2*amount; n++) OK( put_row(db, n, 100) );
    say("filled");
    await();
  }else if( strcmp(role, "count")==0 ){
    lsm_db *db = open_path(path, 1, 0);
    say("ready");
    await();
    count_up(db, amount, (int)getpid());
    OK( lsm_close(db) );
  }else if( strcmp(role, "read")==0 ){
    lsm_db *db = open_path(path, 1, amount);
    lsm_cursor *cursor = NULL;
    OK( lsm_csr_open(db, &cursor) );
    OK( lsm_csr_first(cursor) );
    say(at(cursor));
    await();
    OK( lsm_csr_first(cursor) );
    say(at(cursor));
    OK( lsm_csr_close(cursor) );
    say(get(db, "a"));
    OK( lsm_close(db) );
  }else if( strcmp(role, "open")==0 ){
    lsm_db *db = open_path(path, amount, 0);
    say("open");
    await();
    OK( lsm_close(db) );
  }else{
    return 2;
  }
  return 0;
}

/* The parent's side. */

static void commits_cross_processes(void){
  struct child child;
  lsm_db *db = open_database();
  OK( put(db, "from", "nobody") );
  child = start("write", "0");
  hear(&child, "written");
  TEXT( get(db, "from"), "child" );
  OK( put(db, "from", "parent") );
  tell(&child);
  ends_well(&child);
  TEXT( get(db, "from"), "parent" );
  CHECK( file_exists("db-shm") );
  close_database(db);
  CHECK( !file_exists("db-shm") );
  CHECK( !file_exists("db-log") );
}

static void a_writer_keeps_other_processes_busy(void){
  struct child child;
  lsm_db *db = open_database();
  OK( put(db, "a", "1") );
  child = start("begin", "0");
  hear(&child, "begun");
  IS( put(db, "b", "2"), LSM_BUSY );
  IS( lsm_begin(db, 1), LSM_BUSY );
  ROWS( db, "a=1" );
  tell(&child);
  ends_well(&child);
  ROWS( db, "a=1 unfinished=1" );
  OK( put(db, "b", "2") );
  close_database(db);
}

static void a_dead_writer_is_rolled_back(void){
  struct child child;
  lsm_db *db = open_database();
  OK( put(db, "a", "1") );
  child = start("begin", "0");
  hear(&child, "begun");
  dies(&child);
  ROWS( db, "a=1" );
  if( against_c ){
    /* Its repair damages the heap for some numbers of chunks, this among them. The handle is left
    ** alone, not closed. */
    return;
  }
  OK( put(db, "b", "2") );
  ROWS( db, "a=1 b=2" );
  close_database(db);
  db = open_database();
  ROWS( db, "a=1 b=2" );
  close_database(db);
}

static void a_lone_dead_process_is_recovered(void){
  struct child child = start("fill", "600");
  lsm_db *db;
  int n;
  hear(&child, "filled");
  dies(&child);
  CHECK( file_exists("db-log") );
  db = open_database();
  IS( count_rows(db), 600 );
  for(n=0; n<600; n+=53) CHECK( has_row(db, n, 100) );
  close_database(db);
}

static void a_dead_one_of_several_leaves_the_rest(void){
  lsm_db *db = open_database();
  struct child child = start("fill", "600");
  hear(&child, "filled");
  dies(&child);
  IS( count_rows(db), 600 );
  OK( put_row(db, 600, 100) );
  IS( count_rows(db), 601 );
  close_database(db);
  db = open_database();
  IS( count_rows(db), 601 );
  close_database(db);
}

static void reads_in_another_process(int read_only){
  struct child child;
  lsm_db *db = open_database();
  OK( put(db, "a", "1") );
  child = start("read", read_only ? "1" : "0");
  hear(&child, "a=1");
  OK( put(db, "a", "2") );
  tell(&child);
  /* What its cursor saw stays. */
  hear(&child, "a=1");
  hear(&child, "2");
  ends_well(&child);
  close_database(db);
}

static void a_reader_keeps_its_state(void){
  reads_in_another_process(0);
}

static void a_read_only_reader_keeps_its_state(void){
  reads_in_another_process(1);
}

static void processes_count_together(void){
  enum { CHILDREN = 3, ROUNDS = 100 };
  struct child children[CHILDREN];
  lsm_db *db = open_with("db", LSM_CONFIG_AUTOFLUSH, 16, 0);
  int i;
  for(i=0; i<CHILDREN; i++){
    char rounds[16];
    snprintf(rounds, sizeof(rounds), "%d", ROUNDS);
    children[i] = start("count", rounds);
    hear(&children[i], "ready");
  }
  for(i=0; i<CHILDREN; i++) tell(&children[i]);
  count_up(db, ROUNDS, 0);
  for(i=0; i<CHILDREN; i++) ends_well(&children[i]);
  IS( number_of(db, "counter"), (CHILDREN + 1)*ROUNDS );
  IS( count_rows(db), 1 + (CHILDREN + 1)*ROUNDS );
  close_database(db);
  db = open_database();
  IS( number_of(db, "counter"), (CHILDREN + 1)*ROUNDS );
  close_database(db);
}

static void alone_means_alone(void){
  struct child child;
  /* Alone here: nobody else may come. */
  lsm_db *db = open_with("db", LSM_CONFIG_MULTIPLE_PROCESSES, 0, 0);
  OK( put(db, "a", "1") );
  child = start("open", "0");
  hear(&child, "busy");
  ends_well(&child);
  child = start("open", "1");
  hear(&child, "busy");
  ends_well(&child);
  if( !against_c && getenv("SIBLING_LIBRARY_PATH")==NULL ){
    /* C lets a read-only process in, which then reads what it should not. */
    child = start("read", "1");
    hear(&child, "busy");
    ends_well(&child);
  }
  close_database(db);
  /* Others are here: nobody may be alone. */
  child = start("open", "1");
  hear(&child, "open");
  OK( lsm_new(NULL, &db) );
  configure(db, LSM_CONFIG_MULTIPLE_PROCESSES, 0);
  IS( lsm_open(db, path_of("db")), LSM_BUSY );
  tell(&child);
  ends_well(&child);
  OK( lsm_open(db, path_of("db")) );
  ROWS( db, "a=1" );
  close_database(db);
}

/* Who leaves last writes everything and takes the side files along. */
static void the_last_one_cleans_up(void){
  struct child child = start("open", "1");
  lsm_db *db;
  hear(&child, "open");
  db = open_database();
  OK( put(db, "a", "1") );
  close_database(db);
  CHECK( file_exists("db-log") );
  CHECK( file_exists("db-shm") );
  tell(&child);
  ends_well(&child);
  CHECK( !file_exists("db-log") );
  CHECK( !file_exists("db-shm") );
  db = open_database();
  ROWS( db, "a=1" );
  close_database(db);
}

static const struct test tests[] = {
  TEST(commits_cross_processes),
  TEST(a_writer_keeps_other_processes_busy),
  TEST(a_dead_writer_is_rolled_back),
  TEST(a_lone_dead_process_is_recovered),
  TEST(a_dead_one_of_several_leaves_the_rest),
  TEST(a_reader_keeps_its_state),
  TEST(a_read_only_reader_keeps_its_state),
  TEST(processes_count_together),
  TEST(alone_means_alone),
  TEST(the_last_one_cleans_up),
};

int main(int argc, char **argv){
  signal(SIGPIPE, SIG_IGN);
  if( argc==5 && strcmp(argv[1], ROLE)==0 ) return play(argv[2], argv[3], argv[4]);
  return RUN(argc, argv, tests);
}
