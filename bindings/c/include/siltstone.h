/*
** siltstone.h: what liblsm of Siltstone offers beyond lsm.h. The functions take the handles of lsm.h.
**
** A program that must also run on another liblsm asks first whether they are there, for instance
** with dlsym().
*/
#ifndef SILTSTONE_H
#define SILTSTONE_H

#include "lsm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library, "major.minor.patch". */
const char *siltstone_version(void);

/* Lets the calls of this handle that would return LSM_BUSY because of another connection wait for it
** up to so many milliseconds. 0, as at first: not at all; negative: as long as it takes. */
int siltstone_busy_timeout(lsm_db *pDb, int nMillisecond);

/* What was wrong when a function of this handle last failed, in words, in UTF-8; "" if none has.
** Good until the handle is used again. */
const char *siltstone_error_message(lsm_db *pDb);

#ifdef __cplusplus
}
#endif
#endif
