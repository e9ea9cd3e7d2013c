// What liblongform_mpi.so offers. It is a library of its own so that a run of one process needs no MPI: the
// program loads it where a launcher of MPI started it. Both are built together.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lf {

class MpiProcesses {
 public:
  virtual ~MpiProcesses() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Replaces `count` floating-point numbers by their sums over all ranks, added in rank order.
  virtual void sum(void* values, DType dtype, int64_t count) = 0;
  virtual int64_t maximum(int64_t value) = 0;
  virtual void barrier() = 0;
};

}  // namespace lf

// Starts MPI.
extern "C" lf::MpiProcesses* longform_start_mpi();
