// Which Highway targets the attention kernels are compiled for; include before any Highway header.
#pragma once

// SSSE3 machines run the plainest code, 16-bit-float AVX-512 ones plain AVX-512: nothing here would be much
// faster for them, and each target costs compile time. Vectors of unknown length (SVE, RVV) cannot be held in
// arrays of registers.
#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif
