// What exchanges are predicted to send, against what ranks send.
#include "core/communicator/traffic.h"

#include <gtest/gtest.h>

#include "tests/core/communicator/ranks_in_threads.h"

namespace lf {
namespace {

TEST(Traffic, IsThatOfTheExchanges) {
  for (const int count : {1, 2, 3, 5, 8, 9}) {
    run_ranks(count, [&](const std::shared_ptr<Communicator>& ranks) {
      const int rank = ranks->rank();
      const auto sends = [&](int64_t expected, const std::string& what, const auto& exchange) {
        const int64_t before = ranks->bytes_sent();
        exchange();
        EXPECT_EQ(ranks->bytes_sent() - before, expected) << what << ", rank " << rank << " of " << count;
      };
      std::vector<int64_t> words, empty(static_cast<size_t>(count));
      Bounds slices{0};
      for (int r = 0; r < count; ++r) {
        words.push_back(3 + 5 * r * r);
        slices.push_back(slices.back() + 7 * (r + 1) % 11);
      }
      const auto r = static_cast<size_t>(rank);
      sends(gather_bytes(rank, words), "a gather",
            [&] { ranks->gather(std::string(static_cast<size_t>(words[r]), 'x')); });
      sends(gather_bytes(rank, empty), "a barrier", [&] { ranks->barrier(); });
      const Tensor x = Tensor::full({slices.back()}, DType::f32, 1);
      const int64_t own = 4 * (slices[r + 1] - slices[r]);
      sends(reduce_bytes(x.bytes(), own), "a reduction",
            [&] { ranks->start_reduce_scatter(x, slices).wait(); });
      sends(all_gather_bytes(own, count), "parameters", [&] { ranks->start_all_gather(x, slices).wait(); });
    });
  }
}

TEST(Traffic, AGatherTakesTheTreesDepth) {
  EXPECT_EQ(gather_exchanges(1), 0);
  EXPECT_EQ(gather_exchanges(2), 4);
  EXPECT_EQ(gather_exchanges(3), 6);
  EXPECT_EQ(gather_exchanges(64), 14);
  EXPECT_EQ(gather_exchanges(65), 16);
}

}  // namespace
}  // namespace lf
