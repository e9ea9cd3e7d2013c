// The functions of cuBLASLt that are used, under their own names. The library is half a gigabyte that stands
// on most machines with a GPU already: it is loaded at the first call, and the program starts without it.
#pragma once

#include <cublasLt.h>

#ifndef LF_SIMULATED_CUDA  // the stand-in is linked

#include "core/loaded_library.h"

namespace lf::cuda {

const LoadedLibrary& cublaslt();

// An object hides the function of its name from calls inside this namespace.
#define LF_CUBLASLT(NAME) inline const LoadedFunction<cublaslt, decltype(::NAME)> NAME(#NAME)
LF_CUBLASLT(cublasLtCreate);
LF_CUBLASLT(cublasLtGetStatusName);
LF_CUBLASLT(cublasLtGetStatusString);
LF_CUBLASLT(cublasLtMatmul);
LF_CUBLASLT(cublasLtMatmulAlgoGetHeuristic);
LF_CUBLASLT(cublasLtMatmulDescCreate);
LF_CUBLASLT(cublasLtMatmulDescDestroy);
LF_CUBLASLT(cublasLtMatmulDescSetAttribute);
LF_CUBLASLT(cublasLtMatmulPreferenceCreate);
LF_CUBLASLT(cublasLtMatmulPreferenceDestroy);
LF_CUBLASLT(cublasLtMatmulPreferenceSetAttribute);
LF_CUBLASLT(cublasLtMatrixLayoutCreate);
LF_CUBLASLT(cublasLtMatrixLayoutDestroy);
LF_CUBLASLT(cublasLtMatrixLayoutSetAttribute);
#undef LF_CUBLASLT

}  // namespace lf::cuda

#endif
