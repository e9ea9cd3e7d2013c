// Streams of the stand-in. On the first, which computes, all is done when it has been started, by the thread
// that starts it. The others hold operations between ranks, which are put off until somebody waits for them:
// what does not wait sees that nothing has come. Ranks are threads; each has the streams for itself.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tests/simt/include/cuda_runtime.h"

namespace lf::simt {

// Guards all that belongs to the device; what runs on it holds it.
std::recursive_mutex& device_mutex();

class Operation {
 public:
  // attempt(): whether it could be done now; `before` comes first.
  Operation(std::shared_ptr<Operation> before, std::function<bool()> attempt)
      : before_(std::move(before)), attempt_(std::move(attempt)) {}

  // Does it if that is possible; whether it has been done.
  bool advance();
  // Does what comes before it, if that is possible.
  bool comes_next();
  bool done() const { return !attempt_; }
  std::chrono::steady_clock::time_point at() const { return at_; }

 private:
  std::shared_ptr<Operation> before_;
  std::function<bool()> attempt_;
  bool under_way_ = false;
  std::chrono::steady_clock::time_point at_;
};
using Operations = std::vector<std::shared_ptr<Operation>>;

bool computes(cudaStream_t stream);
// With the mutex held. Null: the stream is the one that computes.
std::shared_ptr<Operation> put_on(cudaStream_t stream, std::function<bool()> attempt);

// Without it: what this thread's computing has been told to wait for.
void wait_for_awaited();
// An operation may have become possible.
void something_came();

// Of the copies that are put off (runtime.cpp): how many have ever been started, and making those before.
size_t started_copies();
void finish_copies_before(size_t count);

}  // namespace lf::simt
