// header.cpp: the headers are C++ as well, and what they declare links by its C names.
#include <lsm.h>
#ifdef WITH_SILTSTONE
#include <siltstone.h>
#endif

int main() {
  lsm_db *database = nullptr;
  if (lsm_new(nullptr, &database) != LSM_OK) return 1;
  int value = -1;
  if (lsm_config(database, LSM_CONFIG_AUTOFLUSH, &value) != LSM_OK || value != 1024) return 2;
#ifdef WITH_SILTSTONE
  if (siltstone_version()[0] == 0) return 3;
#endif
  return lsm_close(database);
}
