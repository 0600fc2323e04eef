//! Real disks and real processes.
