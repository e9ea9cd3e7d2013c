#include "tests/simt/ranges.h"

#include <nvtx3/nvToolsExt.h>

namespace {
thread_local std::vector<std::string> ranges;
}  // namespace

namespace lf::simt {
const std::vector<std::string>& open_ranges() { return ranges; }
}  // namespace lf::simt

int nvtxRangePushA(const char* message) {
  ranges.emplace_back(message);
  return static_cast<int>(ranges.size()) - 1;
}
int nvtxRangePop() {
  if (ranges.empty()) return -1;
  ranges.pop_back();
  return static_cast<int>(ranges.size());
}
