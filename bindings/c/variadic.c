/*
** The two functions of lsm.h that take "...": C alone can read such arguments on every platform.
** They are taken off here, by the kind of the call, and handed to functions with fixed arguments.
** Rust exports the public names and jumps here (src/variadic.rs).
*/
#include <stdarg.h>

struct lsm_db;

/* What follows the parameter of a call: up to two pointers, or a number and a pointer. */
enum arguments { NOTHING, ONE_POINTER, TWO_POINTERS, NUMBER_AND_POINTER };

/* Hidden here is hidden everywhere: none of these names leaves the library. */
#pragma GCC visibility push(hidden)

extern int siltstone_c_info_arguments(int kind);
extern int siltstone_c_config(struct lsm_db *db, int parameter, void *value);
extern int siltstone_c_info(struct lsm_db *db, int kind, long long number, void *first, void *second);

int siltstone_c_config_variadic(struct lsm_db *db, int parameter, ...){
  va_list list;
  void *value;
  va_start(list, parameter);
  value = va_arg(list, void *);
  va_end(list);
  return siltstone_c_config(db, parameter, value);
}

int siltstone_c_info_variadic(struct lsm_db *db, int kind, ...){
  va_list list;
  long long number = 0;
  void *first = 0;
  void *second = 0;
  va_start(list, kind);
  switch( siltstone_c_info_arguments(kind) ){
    case ONE_POINTER:
      first = va_arg(list, void *);
      break;
    case TWO_POINTERS:
      first = va_arg(list, void *);
      second = va_arg(list, void *);
      break;
    case NUMBER_AND_POINTER:
      number = va_arg(list, long long);
      first = va_arg(list, void *);
      break;
    default:
      break;
  }
  va_end(list);
  return siltstone_c_info(db, kind, number, first, second);
}

#pragma GCC visibility pop
