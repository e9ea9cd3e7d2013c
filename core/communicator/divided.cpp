#include "core/communicator/divided.h"

#include <cstring>

namespace lf {

std::vector<std::vector<double>> gather_numbers(Communicator& ranks, const std::vector<double>& mine) {
  if (ranks.size() == 1) return {mine};
  std::string bytes(mine.size() * sizeof(double), '\0');
  if (!mine.empty()) std::memcpy(bytes.data(), mine.data(), bytes.size());
  std::vector<std::vector<double>> all;
  for (const std::string& each : ranks.gather(bytes)) {
    all.emplace_back(each.size() / sizeof(double));
    if (!each.empty()) std::memcpy(all.back().data(), each.data(), each.size());
  }
  return all;
}

}  // namespace lf
