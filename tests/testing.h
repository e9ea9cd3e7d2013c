// What the tests share: comparing tensors with a report of the worst element, error texts, random tensors and
// the way to the shared data. A tolerance is relative to the largest element that was expected.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/kernels/convert.h"
#include "core/kernels/kernels.h"
#include "core/random.h"
#include "core/tensor.h"
#include "tests/places.h"

namespace lf {

// What is compared.
enum class Compared {
  op,         // an op with itself, in another dtype or on another device
  attention,  // an attention kernel with an oracle in f64; its gradients may lose twice as much
  model,      // a model's outputs, loss and gradients with transformers' or PyTorch's
  updates,    // losses after some updates with PyTorch's
  decoding,   // logits and scores of one token after the other with those of another device
  neighbours  // a sequence in a batch with the same one alone
};

// The one table of tolerances, in each dtype and relative to the largest element.
inline double tolerance_of(DType dtype, Compared what = Compared::op) {
  struct Row {
    double f64, f32, bf16;
  };
  static constexpr Row kRows[] = {{1e-10, 1e-5, 2e-2}, {1e-12, 5e-6, 1e-2}, {1e-10, 1e-5, 2e-2},
                                  {1e-10, 2e-5, 2e-2}, {1e-10, 1e-4, 2e-2}, {1e-12, 1e-6, 2e-2}};
  const Row& row = kRows[static_cast<size_t>(what)];
  return dtype == DType::f64 ? row.f64 : dtype == DType::f32 ? row.f32 : dtype == DType::bf16 ? row.bf16 : 0;
}

// The text with the first `from` replaced; an Error if there is none.
inline std::string with(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  CHECK(at != std::string::npos, "no ", from, " in the text");
  return text.replace(at, from.size(), to);
}

// "(1, 0, 3)": the place of flat element `index` in a tensor of that shape.
inline std::string place_of(int64_t index, const Shape& shape) {
  std::vector<int64_t> place(shape.dims().size());
  for (size_t axis = place.size(); axis-- > 0;) {
    place[axis] = index % shape.dims()[axis];
    index /= shape.dims()[axis];
  }
  return text(Shape(place));
}

// Passes when no element differs by more than `tolerance` times the largest expected magnitude. NaN and
// unequal infinities never pass; dtypes may differ.
inline ::testing::AssertionResult compare(const Tensor& received, const Tensor& expected, double tolerance) {
  if (received.shape() != expected.shape()) {
    return ::testing::AssertionFailure()
           << "received " << text(received.shape()) << ", expected " << text(expected.shape());
  }
  const std::vector<double> a = received.to_doubles(), b = expected.to_doubles();
  double largest = 0, worst = -1;
  size_t worst_at = 0;
  for (const double value : b) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = a[i] == b[i] ? 0.0 : std::abs(a[i] - b[i]);
    if (difference <= worst) continue;  // a NaN is never <=, so it becomes the worst and stays it
    worst = difference, worst_at = i;
    if (std::isnan(difference)) break;
  }
  if (a.empty() || worst <= tolerance * largest) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "element " << place_of(static_cast<int64_t>(worst_at), expected.shape()) << " of "
         << text(expected.shape()) << ": received " << text(a[worst_at]) << ", expected " << text(b[worst_at])
         << "; difference " << text(worst) << " exceeds " << text(tolerance * largest) << " = "
         << text(tolerance) << " x largest element " << text(largest);
}

// Passes when the two tensors agree to the last bit.
inline ::testing::AssertionResult same_bits(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) {
    return ::testing::AssertionFailure()
           << text(a.shape(), ' ', name(a.dtype()), " against ", b.shape(), ' ', name(b.dtype()));
  }
  const int64_t width = size_of(a.dtype());
  for (int64_t i = 0; i < a.elements(); ++i) {
    if (std::equal(a.raw() + i * width, a.raw() + (i + 1) * width, b.raw() + i * width)) continue;
    return ::testing::AssertionFailure()
           << "element " << place_of(i, a.shape()) << " of " << text(a.shape()) << ": "
           << a.to_doubles()[static_cast<size_t>(i)] << " against " << b.to_doubles()[static_cast<size_t>(i)];
  }
  return ::testing::AssertionSuccess();
}

// Passes when f() throws lf::Error whose text contains the substring.
template <class F>
::testing::AssertionResult error_contains(F&& f, const std::string& substring) {
  try {
    f();
  } catch (const Error& error) {
    const std::string what = error.what();
    if (what.find(substring) != std::string::npos) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "the error says \"" << what << "\", not \"" << substring << '"';
  }
  return ::testing::AssertionFailure() << "nothing was thrown; expected \"" << substring << '"';
}

#define EXPECT_CLOSE(received, expected, tolerance) \
  EXPECT_TRUE(::lf::compare(received, expected, tolerance)) << #received " against " #expected
#define EXPECT_SAME_BITS(a, b) EXPECT_TRUE(::lf::same_bits(a, b)) << #a " against " #b
#define EXPECT_ERROR_TEXT(statement, substring) \
  EXPECT_TRUE(::lf::error_contains([&] { static_cast<void>(statement); }, substring)) << #statement

// The first standard normal values of a stream. They are remembered, unless there are very many: drawing them
// takes longer than what most tests do with them, and tests that share a process draw the same ones.
inline std::vector<double> normal_values(uint32_t stream, int64_t count) {
  constexpr int64_t kRemembered = 1 << 20;
  static std::mutex mutex;
  static std::map<uint32_t, std::vector<double>> drawn;
  const std::lock_guard lock(mutex);
  std::vector<double> unremembered, &values = count > kRemembered ? unremembered : drawn[stream];
  const RandomKey key{.seed = 20200410, .use = stream, .step = 0};
  while (std::ssize(values) < count) values.push_back(normal(key, values.size()));
  return {values.begin(), values.begin() + count};
}

// Standard normal values times `factor`, rounded to bf16 so that every floating dtype holds the same numbers.
// `stream` tells tensors apart.
inline Tensor random_tensor(const Shape& shape, DType dtype, uint32_t stream, double factor = 1.0) {
  std::vector<double> values = normal_values(stream, shape.elements());
  for (double& value : values) value = static_cast<float>(bf16(static_cast<float>(factor * value)));
  return cast(Tensor::from(shape, values), dtype);
}

// The sum of all elements' squares.
inline double sum_of_squares(const Tensor& x) {
  const int64_t sums = (x.elements() + kernels::kSquares - 1) / kernels::kSquares;
  Tensor y = Tensor::empty({sums}, DType::f64, x.device());
  kernels::sums_of_squares(x, y);
  return kernels::sum(y);
}

// A file or folder below the shared data: $LF_SHARED, else ../shared beside the source folder; "" if absent.
inline std::string shared_path(const std::string& relative) {
  const char* root = std::getenv("LF_SHARED");
  const std::filesystem::path folder = root ? root : std::filesystem::path(source_path("../shared"));
  const std::filesystem::path path = folder / relative;
  return std::filesystem::exists(path) ? path.lexically_normal().string() : std::string();
}

// Declares `variable`, the path of shared data, and skips the test where the data is absent.
#define REQUIRE_SHARED(variable, relative)                  \
  const std::string variable = ::lf::shared_path(relative); \
  if (variable.empty()) GTEST_SKIP() << "shared data " << (relative) << " is absent; set LF_SHARED"

}  // namespace lf
