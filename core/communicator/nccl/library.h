// The functions of NCCL that are used, under their own names, loaded at the first call; see
// core/cuda/cublaslt.h.
#pragma once

#include <nccl.h>

#ifndef LF_SIMULATED_CUDA  // the stand-in is linked

#include "core/loaded_library.h"

namespace lf {

const LoadedLibrary& nccl();

#define LF_NCCL_FUNCTION(NAME) inline const LoadedFunction<nccl, decltype(::NAME)> NAME(#NAME)
LF_NCCL_FUNCTION(ncclBroadcast);
LF_NCCL_FUNCTION(ncclCommAbort);
LF_NCCL_FUNCTION(ncclCommDestroy);
LF_NCCL_FUNCTION(ncclCommFinalize);
LF_NCCL_FUNCTION(ncclCommGetAsyncError);
LF_NCCL_FUNCTION(ncclCommInitRankConfig);
LF_NCCL_FUNCTION(ncclGetErrorString);
LF_NCCL_FUNCTION(ncclGetUniqueId);
LF_NCCL_FUNCTION(ncclGetVersion);
LF_NCCL_FUNCTION(ncclGroupEnd);
LF_NCCL_FUNCTION(ncclGroupStart);
LF_NCCL_FUNCTION(ncclRecv);
LF_NCCL_FUNCTION(ncclReduce);
LF_NCCL_FUNCTION(ncclSend);
#undef LF_NCCL_FUNCTION

}  // namespace lf

#endif
