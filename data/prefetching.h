// Reading ahead: while the caller works on one batch, the next is read on another thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <utility>

#include "core/check.h"

namespace lf {

// Batches of `rows` examples at first_example, first_example + stride, ...; with R ranks, rank r starts at
// first + r * rows and strides R * rows.
template <class BatchType>
class Prefetching {
 public:
  // Reads examples first ... first + rows - 1, on any thread.
  using Read = std::function<BatchType(int64_t first, int64_t rows)>;

  Prefetching(Read read, int64_t first_example, int64_t rows, int64_t stride)
      : read_(std::move(read)), next_example_(first_example), rows_(rows), stride_(stride) {
    CHECK(stride >= rows, "prefetching reader: a stride of ", stride, " would repeat examples of batches of ",
          rows);
    prefetch();
  }

  // The next batch; an error met while reading it is thrown here.
  BatchType next() {
    // After an error the same batch is read again, never skipped.
    if (!pending_.valid()) prefetch();
    const auto start = std::chrono::steady_clock::now();
    BatchType batch = pending_.get();
    wait_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    next_example_ += stride_;
    prefetch();
    return batch;
  }

  // Seconds that next() has spent waiting for data so far.
  double wait_seconds() const { return wait_seconds_; }

 private:
  void prefetch() {
    pending_ = std::async(std::launch::async,
                          [read = read_, first = next_example_, rows = rows_] { return read(first, rows); });
  }

  Read read_;
  int64_t next_example_;
  int64_t rows_;
  int64_t stride_;
  double wait_seconds_ = 0;
  std::future<BatchType> pending_;
};

}  // namespace lf
