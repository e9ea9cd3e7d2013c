// For which devices the build has code, and what happens on others.
#pragma once

#include <string>
#include <vector>

namespace lf::cuda {

// Compute capabilities as CMake writes them: 80 is 8.0.
struct BuiltCode {
  std::vector<int> binaries;  // run on their own generation, this and later devices of it
  std::vector<int> ptx;       // compiled by the driver for any later device

  // Whether a device needs nothing compiled.
  bool runs_on(int major, int minor) const;
};

// Of a list as in CMAKE_CUDA_ARCHITECTURES: "80-real 90" is code for both and PTX of the second.
BuiltCode parse_architectures(const std::string& list);

// Of this build.
const BuiltCode& built_code();

// "code for sm_80 and sm_90, PTX of compute_90 for newer ones".
std::string describe(const BuiltCode& code);

}  // namespace lf::cuda
