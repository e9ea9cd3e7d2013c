// Where NVIDIA's libraries stand on machines that have CUDA or a Python with CUDA.
#pragma once

#include <string>
#include <vector>

namespace lf {

// Patterns of glob(7): the toolkit's folders, then those of Python's wheels (site-packages/nvidia/*/lib) for
// the active environment, for each Python on PATH, for the user and for the system.
std::vector<std::string> nvidia_folders();

}  // namespace lf
