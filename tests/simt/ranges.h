// The ranges that a profiler would see, on the host executor.
#pragma once

#include <string>
#include <vector>

namespace lf::simt {

// This thread's open ranges, the outermost first.
const std::vector<std::string>& open_ranges();

}  // namespace lf::simt
