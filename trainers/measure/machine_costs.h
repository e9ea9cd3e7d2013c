// What a run costs this machine beside its kernels, measured in a fraction of a second.
#pragma once

#include <cstdint>

namespace lf {

struct MachineCosts {
  double first_touch = 0;  // seconds per byte of memory that the process has not had before
  // Seconds of a saved checkpoint: per byte, and whatever its size.
  double save_byte = 0, save = 0;
};

// Writes a few megabytes into the folder for temporary files.
MachineCosts measure_costs();

// Bytes of memory that the process has now, of its files and libraries too; 0 where the system does not say.
int64_t resident_bytes();

// The same once memory that is not in use has been given back.
int64_t least_resident_bytes();

}  // namespace lf
