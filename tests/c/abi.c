/*
** abi.c: the numbers, layouts and prototypes of lsm.h that programs built elsewhere rely on. Most of
** it is decided while it is compiled, against any lsm.h.
*/
#include "support.h"
#include <stddef.h>

#ifndef _LSM_H
#error "the include guard must be _LSM_H"
#endif

#define VALUE(name, value) _Static_assert((name)==(value), #name)
VALUE(LSM_LOCK_UNLOCK, 0);
VALUE(LSM_LOCK_SHARED, 1);
VALUE(LSM_LOCK_EXCL, 2);
VALUE(LSM_OPEN_READONLY, 1);
VALUE(LSM_MUTEX_GLOBAL, 1);
VALUE(LSM_MUTEX_HEAP, 2);
VALUE(LSM_OK, 0);
VALUE(LSM_ERROR, 1);
VALUE(LSM_BUSY, 5);
VALUE(LSM_NOMEM, 7);
VALUE(LSM_READONLY, 8);
VALUE(LSM_IOERR, 10);
VALUE(LSM_CORRUPT, 11);
VALUE(LSM_FULL, 13);
VALUE(LSM_CANTOPEN, 14);
VALUE(LSM_PROTOCOL, 15);
VALUE(LSM_MISUSE, 21);
VALUE(LSM_MISMATCH, 50);
VALUE(LSM_IOERR_NOENT, 266);
VALUE(LSM_CONFIG_AUTOFLUSH, 1);
VALUE(LSM_CONFIG_PAGE_SIZE, 2);
VALUE(LSM_CONFIG_SAFETY, 3);
VALUE(LSM_CONFIG_BLOCK_SIZE, 4);
VALUE(LSM_CONFIG_AUTOWORK, 5);
VALUE(LSM_CONFIG_MMAP, 7);
VALUE(LSM_CONFIG_USE_LOG, 8);
VALUE(LSM_CONFIG_AUTOMERGE, 9);
VALUE(LSM_CONFIG_MAX_FREELIST, 10);
VALUE(LSM_CONFIG_MULTIPLE_PROCESSES, 11);
VALUE(LSM_CONFIG_AUTOCHECKPOINT, 12);
VALUE(LSM_CONFIG_SET_COMPRESSION, 13);
VALUE(LSM_CONFIG_GET_COMPRESSION, 14);
VALUE(LSM_CONFIG_SET_COMPRESSION_FACTORY, 15);
VALUE(LSM_CONFIG_READONLY, 16);
VALUE(LSM_SAFETY_OFF, 0);
VALUE(LSM_SAFETY_NORMAL, 1);
VALUE(LSM_SAFETY_FULL, 2);
VALUE(LSM_COMPRESSION_EMPTY, 0);
VALUE(LSM_COMPRESSION_NONE, 1);
VALUE(LSM_INFO_NWRITE, 1);
VALUE(LSM_INFO_NREAD, 2);
VALUE(LSM_INFO_DB_STRUCTURE, 3);
VALUE(LSM_INFO_LOG_STRUCTURE, 4);
VALUE(LSM_INFO_ARRAY_STRUCTURE, 5);
VALUE(LSM_INFO_PAGE_ASCII_DUMP, 6);
VALUE(LSM_INFO_PAGE_HEX_DUMP, 7);
VALUE(LSM_INFO_FREELIST, 8);
VALUE(LSM_INFO_ARRAY_PAGES, 9);
VALUE(LSM_INFO_CHECKPOINT_SIZE, 10);
VALUE(LSM_INFO_TREE_SIZE, 11);
VALUE(LSM_INFO_FREELIST_SIZE, 12);
VALUE(LSM_INFO_COMPRESSION_ID, 13);
VALUE(LSM_SEEK_LEFAST, -2);
VALUE(LSM_SEEK_LE, -1);
VALUE(LSM_SEEK_EQ, 0);
VALUE(LSM_SEEK_GE, 1);

#define OFFSET(type, member, offset) _Static_assert(offsetof(type, member)==(offset), #member)
_Static_assert(sizeof(lsm_i64)==8, "lsm_i64");
#if defined(__LP64__)
_Static_assert(sizeof(lsm_env)==264, "lsm_env");
OFFSET(lsm_env, nByte, 0);
OFFSET(lsm_env, iVersion, 4);
OFFSET(lsm_env, pVfsCtx, 8);
OFFSET(lsm_env, xFullpath, 16);
OFFSET(lsm_env, xOpen, 24);
OFFSET(lsm_env, xRead, 32);
OFFSET(lsm_env, xWrite, 40);
OFFSET(lsm_env, xTruncate, 48);
OFFSET(lsm_env, xSync, 56);
OFFSET(lsm_env, xSectorSize, 64);
OFFSET(lsm_env, xRemap, 72);
OFFSET(lsm_env, xFileid, 80);
OFFSET(lsm_env, xClose, 88);
OFFSET(lsm_env, xUnlink, 96);
OFFSET(lsm_env, xLock, 104);
OFFSET(lsm_env, xTestLock, 112);
OFFSET(lsm_env, xShmMap, 120);
OFFSET(lsm_env, xShmBarrier, 128);
OFFSET(lsm_env, xShmUnmap, 136);
OFFSET(lsm_env, pMemCtx, 144);
OFFSET(lsm_env, xMalloc, 152);
OFFSET(lsm_env, xRealloc, 160);
OFFSET(lsm_env, xFree, 168);
OFFSET(lsm_env, xSize, 176);
OFFSET(lsm_env, pMutexCtx, 184);
OFFSET(lsm_env, xMutexStatic, 192);
OFFSET(lsm_env, xMutexNew, 200);
OFFSET(lsm_env, xMutexDel, 208);
OFFSET(lsm_env, xMutexEnter, 216);
OFFSET(lsm_env, xMutexTry, 224);
OFFSET(lsm_env, xMutexLeave, 232);
OFFSET(lsm_env, xMutexHeld, 240);
OFFSET(lsm_env, xMutexNotHeld, 248);
OFFSET(lsm_env, xSleep, 256);
_Static_assert(sizeof(lsm_compress)==48, "lsm_compress");
OFFSET(lsm_compress, pCtx, 0);
OFFSET(lsm_compress, iId, 8);
OFFSET(lsm_compress, xBound, 16);
OFFSET(lsm_compress, xCompress, 24);
OFFSET(lsm_compress, xUncompress, 32);
OFFSET(lsm_compress, xFree, 40);
_Static_assert(sizeof(lsm_compress_factory)==24, "lsm_compress_factory");
OFFSET(lsm_compress_factory, pCtx, 0);
OFFSET(lsm_compress_factory, xFactory, 8);
OFFSET(lsm_compress_factory, xFree, 16);
#endif

/* Types of the members and functions: what differs from the right type does not compile. */
#define TYPE(expression, type) _Static_assert(_Generic((expression), type: 1, default: 0), #expression)
#define MEMBER(member, type) TYPE(((lsm_env*)0)->member, type)
MEMBER(xFullpath, int (*)(lsm_env*, const char*, char*, int*));
MEMBER(xOpen, int (*)(lsm_env*, const char*, int, lsm_file**));
MEMBER(xRead, int (*)(lsm_file*, lsm_i64, void*, int));
MEMBER(xWrite, int (*)(lsm_file*, lsm_i64, void*, int));
MEMBER(xTruncate, int (*)(lsm_file*, lsm_i64));
MEMBER(xSync, int (*)(lsm_file*));
MEMBER(xSectorSize, int (*)(lsm_file*));
MEMBER(xRemap, int (*)(lsm_file*, lsm_i64, void**, lsm_i64*));
MEMBER(xFileid, int (*)(lsm_file*, void*, int*));
MEMBER(xClose, int (*)(lsm_file*));
MEMBER(xUnlink, int (*)(lsm_env*, const char*));
MEMBER(xLock, int (*)(lsm_file*, int, int));
MEMBER(xTestLock, int (*)(lsm_file*, int, int, int));
MEMBER(xShmMap, int (*)(lsm_file*, int, int, void**));
MEMBER(xShmBarrier, void (*)(void));
MEMBER(xShmUnmap, int (*)(lsm_file*, int));
MEMBER(xMalloc, void *(*)(lsm_env*, size_t));
MEMBER(xRealloc, void *(*)(lsm_env*, void*, size_t));
MEMBER(xFree, void (*)(lsm_env*, void*));
MEMBER(xSize, size_t (*)(lsm_env*, void*));
MEMBER(xMutexStatic, int (*)(lsm_env*, int, lsm_mutex**));
MEMBER(xMutexNew, int (*)(lsm_env*, lsm_mutex**));
MEMBER(xMutexDel, void (*)(lsm_mutex*));
MEMBER(xMutexEnter, void (*)(lsm_mutex*));
MEMBER(xMutexTry, int (*)(lsm_mutex*));
MEMBER(xMutexLeave, void (*)(lsm_mutex*));
MEMBER(xMutexHeld, int (*)(lsm_mutex*));
MEMBER(xMutexNotHeld, int (*)(lsm_mutex*));
MEMBER(xSleep, int (*)(lsm_env*, int));
TYPE(((lsm_compress*)0)->xBound, int (*)(void*, int));
TYPE(((lsm_compress*)0)->xCompress, int (*)(void*, char*, int*, const char*, int));
TYPE(((lsm_compress*)0)->xUncompress, int (*)(void*, char*, int*, const char*, int));
TYPE(((lsm_compress*)0)->xFree, void (*)(void*));
TYPE(((lsm_compress_factory*)0)->xFactory, int (*)(void*, lsm_db*, unsigned int));
TYPE(((lsm_compress_factory*)0)->xFree, void (*)(void*));
TYPE(lsm_new, int (*)(lsm_env*, lsm_db**));
TYPE(lsm_open, int (*)(lsm_db*, const char*));
TYPE(lsm_close, int (*)(lsm_db*));
TYPE(lsm_get_env, lsm_env *(*)(lsm_db*));
TYPE(lsm_default_env, lsm_env *(*)(void));
TYPE(lsm_config, int (*)(lsm_db*, int, ...));
TYPE(lsm_malloc, void *(*)(lsm_env*, size_t));
TYPE(lsm_realloc, void *(*)(lsm_env*, void*, size_t));
TYPE(lsm_free, void (*)(lsm_env*, void*));
TYPE(lsm_info, int (*)(lsm_db*, int, ...));
TYPE(lsm_get_user_version, int (*)(lsm_db*, unsigned int*));
TYPE(lsm_set_user_version, int (*)(lsm_db*, unsigned int));
TYPE(lsm_begin, int (*)(lsm_db*, int));
TYPE(lsm_commit, int (*)(lsm_db*, int));
TYPE(lsm_rollback, int (*)(lsm_db*, int));
TYPE(lsm_insert, int (*)(lsm_db*, const void*, int, const void*, int));
TYPE(lsm_delete, int (*)(lsm_db*, const void*, int));
TYPE(lsm_delete_range, int (*)(lsm_db*, const void*, int, const void*, int));
TYPE(lsm_work, int (*)(lsm_db*, int, int, int*));
TYPE(lsm_flush, int (*)(lsm_db*));
TYPE(lsm_checkpoint, int (*)(lsm_db*, int*));
TYPE(lsm_csr_open, int (*)(lsm_db*, lsm_cursor**));
TYPE(lsm_csr_close, int (*)(lsm_cursor*));
TYPE(lsm_csr_seek, int (*)(lsm_cursor*, const void*, int, int));
TYPE(lsm_csr_first, int (*)(lsm_cursor*));
TYPE(lsm_csr_last, int (*)(lsm_cursor*));
TYPE(lsm_csr_next, int (*)(lsm_cursor*));
TYPE(lsm_csr_prev, int (*)(lsm_cursor*));
TYPE(lsm_csr_valid, int (*)(lsm_cursor*));
TYPE(lsm_csr_key, int (*)(lsm_cursor*, const void**, int*));
TYPE(lsm_csr_value, int (*)(lsm_cursor*, const void**, int*));
TYPE(lsm_csr_cmp, int (*)(lsm_cursor*, const void*, int, int*));
TYPE(lsm_config_log, void (*)(lsm_db*, void (*)(void*, int, const char*), void*));
TYPE(lsm_config_work_hook, void (*)(lsm_db*, void (*)(lsm_db*, void*), void*));

/* All 34 functions are in the library, each at an address of its own. */
static void all_functions_are_there(void){
  void (*functions[])(void) = {
#define FUNCTION(name) (void (*)(void))name
    FUNCTION(lsm_begin), FUNCTION(lsm_checkpoint), FUNCTION(lsm_close), FUNCTION(lsm_commit),
    FUNCTION(lsm_config), FUNCTION(lsm_config_log), FUNCTION(lsm_config_work_hook),
    FUNCTION(lsm_csr_close), FUNCTION(lsm_csr_cmp), FUNCTION(lsm_csr_first), FUNCTION(lsm_csr_key),
    FUNCTION(lsm_csr_last), FUNCTION(lsm_csr_next), FUNCTION(lsm_csr_open), FUNCTION(lsm_csr_prev),
    FUNCTION(lsm_csr_seek), FUNCTION(lsm_csr_valid), FUNCTION(lsm_csr_value),
    FUNCTION(lsm_default_env), FUNCTION(lsm_delete), FUNCTION(lsm_delete_range), FUNCTION(lsm_flush),
    FUNCTION(lsm_free), FUNCTION(lsm_get_env), FUNCTION(lsm_get_user_version), FUNCTION(lsm_info),
    FUNCTION(lsm_insert), FUNCTION(lsm_malloc), FUNCTION(lsm_new), FUNCTION(lsm_open),
    FUNCTION(lsm_realloc), FUNCTION(lsm_rollback), FUNCTION(lsm_set_user_version), FUNCTION(lsm_work),
  };
  size_t count = sizeof(functions)/sizeof(functions[0]), i, j;
  IS( count, 34 );
  for(i=0; i<count; i++){
    CHECK( functions[i]!=NULL );
    for(j=0; j<i; j++) CHECK( functions[i]!=functions[j] );
  }
}

/* The numbers of the default environment are those of the struct. */
static void default_environment_says_its_size(void){
  IS( lsm_default_env()->nByte, sizeof(lsm_env) );
  IS( lsm_default_env()->iVersion, 1 );
}

static const struct test tests[] = {
  TEST(all_functions_are_there),
  TEST(default_environment_says_its_size),
};

int main(int argc, char **argv){
  return RUN(argc, argv, tests);
}
