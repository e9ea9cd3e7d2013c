// The collectives of MPI, run by several ranks: mpirun -n 3 longform_ranks. Every rank checks what it got.
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/communicator/communicator.h"
#include "tests/testing.h"

namespace lf {
namespace {

Communicator& world() {
  static const std::unique_ptr<Communicator> communicator =
      over_mpi({}, {[](const std::string&) {}, [](int) { std::abort(); }});
  return *communicator;
}

// What a rank brings at an element: numbers whose sum depends on the order of its terms.
float share(int rank, int64_t i) {
  const RandomKey key{.seed = static_cast<uint64_t>(rank), .use = kSamplingUse, .step = 0};
  return uniform(key, static_cast<uint64_t>(i)) * (rank % 2 == 0 ? 1e6f : -1e-3f);
}

TEST(Collectives, SumsAddInTheOrderOfRanks) {
  for (const int64_t count : {0, 1, 2, 5, 100'003}) {
    std::vector<float> mine, expected;
    for (int64_t i = 0; i < count; ++i) {
      mine.push_back(share(world().rank(), i));
      float sum = share(0, i);
      for (int r = 1; r < world().size(); ++r) sum += share(r, i);
      expected.push_back(sum);
    }
    Tensor x = Tensor::from({count}, mine);
    world().sum(x);
    EXPECT_EQ(x.to_doubles(), Tensor::from({count}, expected).to_doubles()) << count;
  }
}

TEST(Collectives, EveryFloatingTypeIsSummed) {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    Tensor x = Tensor::full({7}, dtype, world().rank() + 1);
    world().sum(x);
    const int n = world().size();
    EXPECT_EQ(x.to_doubles(), std::vector<double>(7, n * (n + 1) / 2)) << name(dtype);
  }
}

TEST(Collectives, NumbersAndMaxima) {
  std::vector<double> values{1.5, static_cast<double>(world().rank())};
  world().sum(values);
  const double n = world().size();
  EXPECT_EQ(values, (std::vector<double>{1.5 * n, n * (n - 1) / 2}));
  EXPECT_EQ(world().maximum(world().rank() == 0 ? -5 : -7), -5);
  world().barrier();
}

TEST(Collectives, RanksAreTheLaunchers) {
  EXPECT_TRUE(started_by_mpi());
  EXPECT_EQ(std::to_string(world().size()), std::getenv("LF_EXPECTED_RANKS"));
}

}  // namespace
}  // namespace lf
