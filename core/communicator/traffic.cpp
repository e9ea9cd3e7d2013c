#include "core/communicator/traffic.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <numeric>

namespace lf {

int64_t gather_bytes(int rank, const std::vector<int64_t>& words) {
  const auto ranks = std::ssize(words);
  const int64_t length = sizeof(int64_t), all = std::accumulate(words.begin(), words.end(), int64_t{0});
  int64_t hands_on = 0;  // to so many ranks below it in the tree
  for (int64_t distance = 1; distance < ranks; distance *= 2)
    if (rank < distance && rank + distance < ranks) ++hands_on;
  const int64_t mine = rank == 0 ? 0 : length + words[static_cast<size_t>(rank)];
  return mine + hands_on * (ranks * length + all);
}

int64_t gather_exchanges(int64_t ranks) {
  return ranks == 1 ? 0 : 2 + 2 * static_cast<int64_t>(std::bit_width(static_cast<uint64_t>(ranks - 1)));
}

int64_t reduce_buffer_bytes(int64_t bytes, int64_t ranks) {
  return (ranks - 1) * std::min<int64_t>(bytes, kExchangedAtOnce * sizeof(float));
}

}  // namespace lf
