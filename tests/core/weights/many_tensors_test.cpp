// Headers of very many tensors: reading one takes time in proportion to its length.
#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <iterator>

#include "core/weights/safetensors_header.h"
#include "tests/core/weights/safetensors_bytes.h"
#include "tests/testing.h"

namespace lf {
namespace {

// A file of `count` tensors of one byte; the last in the header comes first in the data.
std::string file_of_many(int64_t count) {
  std::string header = "{";
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = count - 1 - i;
    header +=
        text(i == 0 ? "" : ",", "\"layer.", i, ".weight\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[",
             begin, ",", begin + 1, "]}");
  }
  return file_of(header + "}", static_cast<size_t>(count));
}

// The least of three readings, in seconds of this thread's CPU, so that a busy machine does not count.
double seconds_to_read(const std::string& file, int64_t count) {
  const auto now = [] {
    timespec time = {};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  double least = 1e9;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const double start = now();
    const SafetensorsHeader header =
        parse_safetensors_header({reinterpret_cast<const uint8_t*>(file.data()), file.size()}, "F");
    least = std::min(least, now() - start);
    EXPECT_EQ(std::ssize(header.tensors), count);
    EXPECT_EQ(header.tensors.front().name, text("layer.", count - 1, ".weight"));
  }
  return least;
}

TEST(Safetensors, HeadersOfManyTensorsAreReadInLinearTime) {
  constexpr int64_t kFew = 10'000, kTimes = 8;
  const double few = seconds_to_read(file_of_many(kFew), kFew),
               many = seconds_to_read(file_of_many(kTimes * kFew), kTimes * kFew);
  // Quadratic would be 64 times; caches and rebalancing cost something.
  EXPECT_LT(many, 3 * kTimes * few) << few << " s, " << many << " s";
}

}  // namespace
}  // namespace lf
