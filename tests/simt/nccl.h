// What tests can ask of the stand-in of NCCL.
#pragma once

#include <cstdint>

namespace lf::simt {

// From here on NCCL reports an error to this rank of every group, and none of its exchanges goes on.
void break_nccl(int rank);
// This thread's rank can join no group any more.
void break_joining();

// Groups' members that exist, and those that were cut off since the program began instead of leaving in
// order.
struct NcclUse {
  int64_t members = 0, aborted = 0;
};
NcclUse nccl_use();

// Threads are ranks, which have a GPU each; one that says so has the GPU of that number.
void use_gpu(int number);

}  // namespace lf::simt
