// What the processes of a run exchange. Every reduction of the trainer goes through a Communicator, also when
// there is only one process, so that more processes change no caller.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace lf {

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Replaces x on every rank by the sum over all ranks, added in rank order.
  virtual void sum(Tensor& x) = 0;
  virtual void sum(std::vector<double>& values) = 0;
  // The largest value of all ranks (non-finite flags, signals: what one rank saw, all act on).
  virtual int64_t maximum(int64_t value) = 0;
  // Returns when every rank has arrived.
  virtual void barrier() = 0;
};

// The communicator of a run of one process.
std::unique_ptr<Communicator> alone();

// Whether mpirun, srun or another launcher of MPI started this process.
bool started_by_mpi();
// All processes that were started together, through host memory: tensors must be on the CPU. At most one of
// these at a time; the first starts MPI, and MPI cannot be started again after it has gone.
// Loads liblongform_mpi.so and with it the system's MPI; an Error says what is missing.
std::unique_ptr<Communicator> over_mpi();

#ifdef LF_NCCL
// The same processes, one for each GPU: tensors on the device are summed there, in an order of NCCL's own
// that does not change from run to run; everything else goes through `host`.
std::unique_ptr<Communicator> over_nccl(std::unique_ptr<Communicator> host);
#endif

}  // namespace lf
