/*
** support.h: what the test programs of the C library share.
**
** A program is a table of tests, each of which gets a fresh directory. It is built against lsm.h and
** says what the library must answer; the first wrong answer ends it with a message and status 1.
** The same program also runs on C lsm1 (with LSM_LIBRARY=c in the environment), which proves that
** what is demanded is what existing programs rely on. Where C is wrong or undefined, the test says
** so with DIFFERS or `if( !against_c )`.
*/
#ifndef SUPPORT_H
#define SUPPORT_H

#include <lsm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
  const char *name;
  void (*run)(void);
};

/* Runs the tests of the table, or those named behind the directory in the arguments. */
int run_tests(int argc, char **argv, const struct test *tests, int count);
#define RUN(argc, argv, tests) run_tests(argc, argv, tests, sizeof(tests) / sizeof((tests)[0]))
#define TEST(name) {#name, name}

/* Whether the library under test is C lsm1. */
extern int against_c;
/* What is expected: the first of our library, the second of C lsm1. */
#define DIFFERS(ours, c) (against_c ? (c) : (ours))

/* The program itself, as it was called, for tests that start it again. */
extern const char *program;

/* Ends the program with a message. */
void fail(const char *file, int line, const char *format, ...);
#define FAIL(...) fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition) do{ if( !(condition) ) FAIL("not so: %s", #condition); }while(0)

/* The call must answer this number. */
#define IS(call, expected) check_is(__FILE__, __LINE__, #call, (call), (expected))
void check_is(const char *file, int line, const char *call, long long got, long long expected);
#define OK(call) IS(call, LSM_OK)

/* The text must be this one; NULL is a text of its own. */
#define TEXT(text, expected) check_text(__FILE__, __LINE__, #text, (text), (expected))
void check_text(const char *file, int line, const char *what, const char *got, const char *expected);

/* The path of a file in the directory of the running test; good until it is called again four times. */
const char *path_of(const char *name);
/* Whether there is such a file in the directory of the running test. */
int file_exists(const char *name);
/* Its size in bytes; -1 if there is none. */
long long file_size(const char *name);
/* Writes a file there. */
void write_file(const char *name, const void *data, size_t size);
/* Copies one. */
void copy_file(const char *from, const char *to);

/* A new handle on "db"; with settings: pairs of LSM_CONFIG_ number and value, ended by 0. */
lsm_db *open_database(void);
lsm_db *open_with(const char *name, ...);
/* Closes it, which must succeed. */
void close_database(lsm_db *db);

/* lsm_config with a number; returns the value in force. */
int configure(lsm_db *db, int parameter, int value);

/* With texts for keys and values. */
int put(lsm_db *db, const char *key, const char *value);
int del(lsm_db *db, const char *key);
int del_range(lsm_db *db, const char *first, const char *last);
int seek(lsm_cursor *cursor, const char *key, int mode);
/* The value of a key, NULL if there is none; good until it is called again. */
const char *get(lsm_db *db, const char *key);

/* Key and value at a cursor as "key=value", "end" behind the end; good until called again. */
const char *at(lsm_cursor *cursor);

/* All there is, as "a=1 b=2", read forward and backward, which must agree. */
#define ROWS(db, expected) check_rows(__FILE__, __LINE__, (db), (expected))
void check_rows(const char *file, int line, lsm_db *db, const char *expected);

/* The number of rows, read forward. */
int count_rows(lsm_db *db);

/* Rows of any number: row `n` has key "key" and nine digits, and `size` bytes of value. */
int put_row(lsm_db *db, int n, int size);
/* Whether row `n` is there with its value. */
int has_row(lsm_db *db, int n, int size);

/* A text that lsm_info gives; to be freed with free(). NULL stays NULL. */
char *info_text(lsm_db *db, int kind);
/* A number that lsm_info gives. */
int info_number(lsm_db *db, int kind);

/* Nothing on stderr from this handle. */
void silence(lsm_db *db);

/* A repeatable source of numbers, and one of them below `limit`. */
typedef struct { unsigned long long state; } numbers;
unsigned next_number(numbers *source, unsigned limit);

#endif
