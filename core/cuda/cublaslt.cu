#include "core/cuda/cublaslt.h"

#ifndef LF_SIMULATED_CUDA

#include "core/check.h"
#include "core/nvidia_folders.h"

namespace lf::cuda {

const LoadedLibrary& cublaslt() {
  static const LoadedLibrary library(
      "device cuda", text("libcublasLt.so.", CUBLAS_VER_MAJOR), nvidia_folders(),
      text("install CUDA ", CUBLAS_VER_MAJOR, "'s toolkit, or pip install ",
           CUBLAS_VER_MAJOR >= 13 ? "nvidia-cublas" : text("nvidia-cublas-cu", CUBLAS_VER_MAJOR)));
  return library;
}

}  // namespace lf::cuda

#endif
