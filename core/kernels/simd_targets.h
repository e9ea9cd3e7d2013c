// Which Highway targets the kernels are compiled for; include before any Highway header.
#pragma once

// Compiled: the plain machine, AVX2 and AVX-512 (and what an ARM or newer Highway adds). The targets between
// and beside these cost compile time and change no speed. Vectors of unknown length (SVE, RVV) cannot be held
// in arrays of registers.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
