#include "core/communicator/nccl/library.h"

#ifndef LF_SIMULATED_CUDA

#include "core/check.h"
#include "core/nvidia_folders.h"

namespace lf {

const LoadedLibrary& nccl() {
  static const LoadedLibrary library("NCCL", text("libnccl.so.", NCCL_MAJOR), nvidia_folders(),
                                     "install libnccl2, or pip install nvidia-nccl-cu12 or -cu13");
  return library;
}

}  // namespace lf

#endif
