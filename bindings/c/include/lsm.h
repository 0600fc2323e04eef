/*
** lsm.h: the C interface of lsm1, as liblsm of Siltstone implements it.
**
** Source and binary compatible with the header of the same name that comes with SQLite's lsm1: the
** same names, numbers, struct layouts and prototypes, so that a program built for that library runs
** on this one, relinked or with the shared library replaced. What this library does better or
** differently is listed in docs/c-library.md. Functions of Siltstone alone are in siltstone.h.
**
** Conventions:
**  - Functions return LSM_OK or one of the codes below unless said otherwise.
**  - Keys and values are any bytes, of zero to 2^31-1 of them; keys are ordered by memcmp(), and of
**    two of which one begins with the other the shorter comes first.
**  - A handle and its cursors belong to one thread at a time. Other threads and other processes open
**    handles of their own on the same file.
**  - No function waits for another connection: LSM_BUSY comes at once
**    (siltstone_busy_timeout() in siltstone.h changes that).
*/
#ifndef _LSM_H
#define _LSM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lsm_db lsm_db;           /* A handle: one connection to one database */
typedef struct lsm_cursor lsm_cursor;   /* A position in the ordered keys of a database */
typedef struct lsm_env lsm_env;         /* Files, locks, memory and mutexes; see below */
typedef struct lsm_file lsm_file;       /* An open file; its content is the environment's own */
typedef struct lsm_mutex lsm_mutex;     /* A mutex; its content is the environment's own */
typedef struct lsm_compress lsm_compress;
typedef struct lsm_compress_factory lsm_compress_factory;

typedef long long int lsm_i64;

/* ------------------------------------------------------------------------------------------------
** Result codes. The low byte is the kind of the failure: LSM_IOERR_NOENT & 0xff is LSM_IOERR.
*/
#define LSM_OK 0            /* Done */
#define LSM_ERROR 1         /* Failed for a reason without a code of its own */
#define LSM_BUSY 5          /* Another connection has the lock, or wrote since this one read */
#define LSM_NOMEM 7         /* The environment gave no memory */
#define LSM_READONLY 8      /* A write through a read-only handle */
#define LSM_IOERR 10        /* A function of the environment's files failed */
#define LSM_CORRUPT 11      /* The database file or its log break their format */
#define LSM_FULL 13         /* No space left where the files are */
#define LSM_CANTOPEN 14     /* Reserved */
#define LSM_PROTOCOL 15     /* The shared memory of the connections makes no sense */
#define LSM_MISUSE 21       /* The call is not allowed now, or an argument makes no sense */
#define LSM_MISMATCH 50     /* The database was written with other compression hooks */

#define LSM_IOERR_NOENT (LSM_IOERR | (1 << 8)) /* No such file or directory */

/* ------------------------------------------------------------------------------------------------
** The environment: everything the library asks of the system it runs on. lsm_default_env() is that
** of the operating system. To change a part of it, copy the struct and replace functions; it must
** outlive every handle that was given it. All functions must be set, except the two xMutex*Held
** ones, and can be called from every thread that uses a handle.
*/

/* Modes of xLock and xTestLock. */
#define LSM_LOCK_UNLOCK 0
#define LSM_LOCK_SHARED 1
#define LSM_LOCK_EXCL 2

/* Flag of xOpen: open an existing file and only read it. Without it the file is made if missing. */
#define LSM_OPEN_READONLY 0x0001

struct lsm_env {
  int nByte;    /* sizeof(lsm_env) */
  int iVersion; /* 1 */

  /* Files. Offsets and sizes are in bytes. */
  void *pVfsCtx;
  /* Writes the absolute form of a path and its terminating zero if they fit into *pnOut bytes; sets
  ** *pnOut to the bytes needed in any case. Called again with a larger buffer if they did not fit. */
  int (*xFullpath)(lsm_env *pEnv, const char *zPath, char *zOut, int *pnOut);
  /* The path stays readable at its address until xClose. */
  int (*xOpen)(lsm_env *pEnv, const char *zPath, int flags, lsm_file **ppFile);
  /* What lies beyond the end of the file reads as zeroes. */
  int (*xRead)(lsm_file *pFile, lsm_i64 iOff, void *pData, int nData);
  /* All of it or an error; the file grows as needed. */
  int (*xWrite)(lsm_file *pFile, lsm_i64 iOff, void *pData, int nData);
  /* Makes the file shorter, never longer. */
  int (*xTruncate)(lsm_file *pFile, lsm_i64 nSize);
  /* Everything written before is durable afterwards. */
  int (*xSync)(lsm_file *pFile);
  /* Returns the number of bytes that a power cut during a write may damage together. */
  int (*xSectorSize)(lsm_file *pFile);
  /* Not called by this library; may do nothing. For lsm1: maps the file anew, at least nMin long. */
  int (*xRemap)(lsm_file *pFile, lsm_i64 nMin, void **ppMap, lsm_i64 *pnMap);
  /* Writes bytes that tell this file from every other; *pnId as in xFullpath. */
  int (*xFileid)(lsm_file *pFile, void *pId, int *pnId);
  int (*xClose)(lsm_file *pFile);
  int (*xUnlink)(lsm_env *pEnv, const char *zPath);

  /* Locks between processes, numbered from 1. They never wait: LSM_BUSY if in the way. */
  int (*xLock)(lsm_file *pFile, int iLock, int eMode);
  /* Whether another process is in the way of any of nLock locks from iLock on. */
  int (*xTestLock)(lsm_file *pFile, int iLock, int nLock, int eMode);

  /* Memory shared by the processes that use a file, in chunks of nChunk bytes. */
  int (*xShmMap)(lsm_file *pFile, int iChunk, int nChunk, void **ppChunk);
  void (*xShmBarrier)(void);
  int (*xShmUnmap)(lsm_file *pFile, int bDelete);

  /* Memory. xSize gives the bytes usable at an address that xMalloc or xRealloc returned. */
  void *pMemCtx;
  void *(*xMalloc)(lsm_env *pEnv, size_t nByte);
  void *(*xRealloc)(lsm_env *pEnv, void *p, size_t nByte);
  void (*xFree)(lsm_env *pEnv, void *p);
  size_t (*xSize)(lsm_env *pEnv, void *p);

  /* Mutexes. Those of xMutexNew are recursive; xMutexTry returns zero when it entered. */
  void *pMutexCtx;
  int (*xMutexStatic)(lsm_env *pEnv, int eMutex, lsm_mutex **ppMutex);
  int (*xMutexNew)(lsm_env *pEnv, lsm_mutex **ppMutex);
  void (*xMutexDel)(lsm_mutex *pMutex);
  void (*xMutexEnter)(lsm_mutex *pMutex);
  int (*xMutexTry)(lsm_mutex *pMutex);
  void (*xMutexLeave)(lsm_mutex *pMutex);
  int (*xMutexHeld)(lsm_mutex *pMutex);
  int (*xMutexNotHeld)(lsm_mutex *pMutex);

  int (*xSleep)(lsm_env *pEnv, int nMicrosecond);
};

/* What xMutexStatic is asked for. */
#define LSM_MUTEX_GLOBAL 1
#define LSM_MUTEX_HEAP 2

/* The environment of the operating system: static and writable. */
lsm_env *lsm_default_env(void);

/* Memory of an environment, of the default one for NULL. What lsm_info() hands out is returned with
** lsm_free(lsm_get_env(db), text). */
void *lsm_malloc(lsm_env *pEnv, size_t nByte);
void *lsm_realloc(lsm_env *pEnv, void *p, size_t nByte);
void lsm_free(lsm_env *pEnv, void *p);

/* ------------------------------------------------------------------------------------------------
** Handles.
*/

/* Makes a handle that is not open yet; NULL stands for the default environment. */
int lsm_new(lsm_env *pEnv, lsm_db **ppDb);

/* Opens the database file of this path, which is made if missing, and next to it a log (`-log`) and,
** with several processes, shared memory (`-shm`). After a failure it may be tried again. */
int lsm_open(lsm_db *pDb, const char *zFilename);

/* Closes and frees a handle; nothing for NULL. LSM_MISUSE, and the handle stays as it is, while it
** has an open cursor or transaction. The last handle of a file writes everything into it. */
int lsm_close(lsm_db *pDb);

/* The environment of a handle. */
lsm_env *lsm_get_env(lsm_db *pDb);

/* ------------------------------------------------------------------------------------------------
** Settings: lsm_config(db, LSM_CONFIG_..., pointer). Those that point to an int are set to it if it
** is legal and may be set now, and the int then becomes the value in force; so -1 asks. An illegal
** value is no error. LSM_MISUSE for a number that is not listed.
*/
int lsm_config(lsm_db *pDb, int eParam, ...);

#define LSM_CONFIG_AUTOFLUSH 1           /* int, KB: size of the tree in memory that is flushed */
#define LSM_CONFIG_PAGE_SIZE 2           /* int, bytes: power of two, 256 to 65536; of a new file */
#define LSM_CONFIG_SAFETY 3              /* int: LSM_SAFETY_... */
#define LSM_CONFIG_BLOCK_SIZE 4          /* int, KB: power of two, 64 to 65536; of a new file */
#define LSM_CONFIG_AUTOWORK 5            /* int: whether writes flush and merge (default) */
#define LSM_CONFIG_MMAP 7                /* int: 0 none, 1 all, else the first KB are mapped */
#define LSM_CONFIG_USE_LOG 8             /* int: whether writes are logged (default) */
#define LSM_CONFIG_AUTOMERGE 9           /* int, from 2: segments merged into one */
#define LSM_CONFIG_MAX_FREELIST 10       /* int, 2 to 24: free blocks remembered */
#define LSM_CONFIG_MULTIPLE_PROCESSES 11 /* int: whether processes may share (default); before open */
#define LSM_CONFIG_AUTOCHECKPOINT 12     /* int, KB written between checkpoints; 0 for none */
#define LSM_CONFIG_SET_COMPRESSION 13    /* lsm_compress*: copied; no cursor or transaction open */
#define LSM_CONFIG_GET_COMPRESSION 14    /* lsm_compress*: filled in */
#define LSM_CONFIG_SET_COMPRESSION_FACTORY 15 /* lsm_compress_factory*: copied */
#define LSM_CONFIG_READONLY 16           /* int: only read; before open */

/* LSM_CONFIG_SAFETY: what survives a power cut. A process that dies loses nothing in any of them. */
#define LSM_SAFETY_OFF 0    /* Nothing is synced: the file may be damaged */
#define LSM_SAFETY_NORMAL 1 /* The file is sound; the last commits may be missing */
#define LSM_SAFETY_FULL 2   /* Every commit that returned survives */

/* Compression hooks: every page of the file passes through them. Applications use ids from 10000 on.
** They are taken away by xBound==NULL. */
struct lsm_compress {
  void *pCtx;        /* First argument of the hooks */
  unsigned int iId;  /* Which hooks these are: stored in the file */
  int (*xBound)(void *pCtx, int nSrc); /* Most bytes that nSrc may become */
  /* *pnOut: the room at pOut, then the bytes put there. Not LSM_OK: the caller gets that code. */
  int (*xCompress)(void *pCtx, char *pOut, int *pnOut, const char *pIn, int nIn);
  int (*xUncompress)(void *pCtx, char *pOut, int *pnOut, const char *pIn, int nIn);
  void (*xFree)(void *pCtx); /* Called once when the hooks are replaced or the handle closed */
};

/* Called with the id of a file when it is not that of the handle's hooks; may set others. */
struct lsm_compress_factory {
  void *pCtx;
  int (*xFactory)(void *pCtx, lsm_db *pDb, unsigned int iId);
  void (*xFree)(void *pCtx);
};

#define LSM_COMPRESSION_EMPTY 0 /* Id of a database that nothing was written to yet */
#define LSM_COMPRESSION_NONE 1  /* Id of a database that is not compressed */

/* Messages of a handle go to this function, nowhere if none was set or it is NULL. */
void lsm_config_log(lsm_db *pDb, void (*xLog)(void *pCtx, int rc, const char *zMsg), void *pCtx);

/* Called when there is work for another connection: without LSM_CONFIG_AUTOWORK after each commit
** that leaves the tree over LSM_CONFIG_AUTOFLUSH, and after each flush and merge that wrote to the
** file. It must not use the handle, except for lsm_info(). */
void lsm_config_work_hook(lsm_db *pDb, void (*xWork)(lsm_db *pDb, void *pCtx), void *pCtx);

/* ------------------------------------------------------------------------------------------------
** Transactions. Those of a handle are nested in levels: 1 is the outermost, 0 is none. A write
** without one is a transaction of its own.
*/

/* Opens levels up to iLevel; one more if it is negative; nothing if there are as many already. */
int lsm_begin(lsm_db *pDb, int iLevel);

/* Keeps what the levels above iLevel wrote; 0 ends the transaction and others see it. Negative: the
** innermost level. */
int lsm_commit(lsm_db *pDb, int iLevel);

/* Undoes everything since level iLevel was opened and leaves just iLevel levels open; 0 undoes and
** ends the transaction. Negative: one level less than are open, which with two levels therefore
** undoes both. To undo only level N: lsm_rollback(db, N), lsm_commit(db, N-1). */
int lsm_rollback(lsm_db *pDb, int iLevel);

/* ------------------------------------------------------------------------------------------------
** Writing. LSM_BUSY if another connection writes, or has written since this one's cursors were
** opened; then they must be closed before it can succeed.
*/

/* Sets the value of a key. A negative nVal deletes the key. */
int lsm_insert(lsm_db *pDb, const void *pKey, int nKey, const void *pVal, int nVal);

/* Deletes a key; no error if it is not there. */
int lsm_delete(lsm_db *pDb, const void *pKey, int nKey);

/* Deletes all keys between the two, which themselves stay. */
int lsm_delete_range(lsm_db *pDb, const void *pKey1, int nKey1, const void *pKey2, int nKey2);

/* ------------------------------------------------------------------------------------------------
** Work on the file. Writes do what is needed themselves unless LSM_CONFIG_AUTOWORK is off.
*/

/* Merges segments, nMerge at a time (1: all into one; 0 or less: LSM_CONFIG_AUTOMERGE), until about
** nKB were written (negative: until there is nothing to do). *pnWrite, if given: what was written;
** zero if nothing. LSM_MISUSE with an open cursor or transaction, LSM_BUSY while another connection
** works. */
int lsm_work(lsm_db *pDb, int nMerge, int nKB, int *pnWrite);

/* Writes what is in memory into the file; as for lsm_work(). */
int lsm_flush(lsm_db *pDb);

/* Makes what is in the file the state to begin from after a crash. *pnKB, if given: KB that had been
** written since the last time. */
int lsm_checkpoint(lsm_db *pDb, int *pnKB);

/* ------------------------------------------------------------------------------------------------
** Cursors. The first one that is opened fixes what the handle sees of other connections' commits,
** until all are closed; what the handle itself writes its cursors see at once. Pointers to keys and
** values are good until the cursor is used again or the handle writes, commits or rolls back.
*/
int lsm_csr_open(lsm_db *pDb, lsm_cursor **ppCsr);

/* Always LSM_OK, also for NULL. */
int lsm_csr_close(lsm_cursor *pCsr);

/* How lsm_csr_seek() takes a key that is not there. */
#define LSM_SEEK_LEFAST -2 /* As LE, but may stop at a larger or a deleted key; only for the key */
#define LSM_SEEK_LE -1     /* The largest smaller key; lsm_csr_prev() is allowed then */
#define LSM_SEEK_EQ 0      /* No entry; neither next nor prev are allowed */
#define LSM_SEEK_GE 1      /* The smallest larger key; lsm_csr_next() is allowed then */

int lsm_csr_seek(lsm_cursor *pCsr, const void *pKey, int nKey, int eSeek);
int lsm_csr_first(lsm_cursor *pCsr); /* Smallest key; lsm_csr_next() is allowed then */
int lsm_csr_last(lsm_cursor *pCsr);  /* Largest key; lsm_csr_prev() is allowed then */
int lsm_csr_next(lsm_cursor *pCsr);  /* At the end: LSM_OK, and stays there */
int lsm_csr_prev(lsm_cursor *pCsr);

/* Returns 1 if the cursor is at an entry, else 0. */
int lsm_csr_valid(lsm_cursor *pCsr);

int lsm_csr_key(lsm_cursor *pCsr, const void **ppKey, int *pnKey);
int lsm_csr_value(lsm_cursor *pCsr, const void **ppVal, int *pnVal);

/* *piRes: negative, zero or positive, as the cursor's key is smaller, the same or larger. */
int lsm_csr_cmp(lsm_cursor *pCsr, const void *pKey, int nKey, int *piRes);

/* ------------------------------------------------------------------------------------------------
** Looking inside: lsm_info(db, LSM_INFO_..., arguments). Texts are returned with lsm_free(); NULL
** is an empty one. LSM_MISUSE for a number that is not listed.
*/
int lsm_info(lsm_db *pDb, int eInfo, ...);

#define LSM_INFO_NWRITE 1           /* int*: pages this handle wrote */
#define LSM_INFO_NREAD 2            /* int*: pages this handle read */
#define LSM_INFO_DB_STRUCTURE 3     /* char**: {AGE {first last root pages} ...} ..., newest first */
#define LSM_INFO_LOG_STRUCTURE 4    /* char**: begin and end of the log's three regions */
#define LSM_INFO_ARRAY_STRUCTURE 5  /* lsm_i64 first page, char**: first and last of its runs */
#define LSM_INFO_PAGE_ASCII_DUMP 6  /* lsm_i64 page, char**: its entries and bytes */
#define LSM_INFO_PAGE_HEX_DUMP 7    /* lsm_i64 page, char**: the same with entries in hexadecimal */
#define LSM_INFO_FREELIST 8         /* char**: {block snapshot} ... */
#define LSM_INFO_ARRAY_PAGES 9      /* lsm_i64 first page, char**: every page number */
#define LSM_INFO_CHECKPOINT_SIZE 10 /* int*: KB written since the last checkpoint */
#define LSM_INFO_TREE_SIZE 11       /* int* old, int* live: KB of the trees in memory */
#define LSM_INFO_FREELIST_SIZE 12   /* Reserved: LSM_MISUSE */
#define LSM_INFO_COMPRESSION_ID 13  /* unsigned*: of the file */

/* A number for the application, kept while any handle is open. */
int lsm_get_user_version(lsm_db *pDb, unsigned int *piVersion);
int lsm_set_user_version(lsm_db *pDb, unsigned int iVersion);

#ifdef __cplusplus
}
#endif
#endif
