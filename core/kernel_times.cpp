#include "core/kernel_times.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "core/out_of_memory.h"
#include "core/seconds.h"

namespace lf {
namespace {

// Tensors of a run where all may have fewer rows: more than caches hold, as in training.
constexpr int64_t kEnoughBytes = 64 << 20;
constexpr int64_t kMostBytes = int64_t{1} << 30;
// What takes longer is not run again, and what is sure to take longer not at all.
constexpr double kLongSeconds = 0.5;
constexpr int kRuns = 5;
constexpr double kSecondsOfRuns = 0.05;

// Products and attention go with their operations, everything else with memory.
double amount_of(const KernelCall& call) {
  return call.operations > 0 ? call.operations : static_cast<double>(call.bytes);
}

}  // namespace

double KernelTimes::of(const KernelCall& call, const MakeRun& make_run) {
  if (amount_of(call) == 0) return 0;
  const std::string key = call.name + call.arguments;
  if (const auto found = known_.find(key); found != known_.end()) return found->second;
  double seconds = std::numeric_limits<double>::infinity();
  if (is_worth_running(call)) {
    try {
      seconds = measure(call, make_run);
    } catch (const OutOfMemory&) {
    }
  }
  const Measured* other = like(call);
  if (seconds == std::numeric_limits<double>::infinity() && other)
    seconds = amount_of(call) * other->seconds / other->amount;
  known_.emplace(key, seconds);
  return seconds;
}

bool KernelTimes::is_worth_running(const KernelCall& call) const {
  const Measured* other = like(call);
  if (!other) return true;
  const double expected = amount_of(call) * other->seconds / other->amount;
  return left_ > 0 && (call.rows > 0 || (expected < kLongSeconds && call.bytes < kMostBytes));
}

// The largest of the same name, or else of any that goes with the same amount.
const KernelTimes::Measured* KernelTimes::like(const KernelCall& call) const {
  const auto found = by_name_.find(call.name + (call.operations > 0 ? " operations" : ""));
  if (found != by_name_.end()) return &found->second;
  const auto any = by_name_.find(call.operations > 0 ? "operations" : "bytes");
  return any == by_name_.end() ? nullptr : &any->second;
}

double KernelTimes::measure(const KernelCall& call, const MakeRun& make_run) {
  const int64_t enough = call.rows > 0 ? std::max<int64_t>(1, call.rows * kEnoughBytes / call.bytes) : 0;
  const bool fewer = call.rows > 0 && enough < call.rows;
  const double share = fewer ? static_cast<double>(enough) / static_cast<double>(call.rows) : 1.0;
  const double seconds = timed(make_run(fewer ? enough : 0)) / share;
  const std::string kind = call.operations > 0 ? "operations" : "bytes";
  for (const std::string& key : {call.name + (call.operations > 0 ? " operations" : ""), kind}) {
    Measured& largest = by_name_[key];
    if (amount_of(call) > largest.amount) largest = {amount_of(call), seconds};
  }
  return seconds;
}

// The middle one of several runs, after one that finds its code and memory for the first time.
double KernelTimes::timed(const std::function<void()>& run) {
  std::vector<double> runs;
  double first = -1, all = 0;
  while (std::ssize(runs) < kRuns && all < kSecondsOfRuns && !(first > kLongSeconds && !runs.empty())) {
    synchronize(device_);
    const double seconds = seconds_of([&] {
      run();
      synchronize(device_);
    });
    left_ -= seconds;
    if (first < 0) {
      first = seconds;
      if (first <= kLongSeconds) continue;
    }
    runs.push_back(seconds);
    all += seconds;
  }
  std::nth_element(runs.begin(), runs.begin() + std::ssize(runs) / 2, runs.end());
  return runs[runs.size() / 2];
}

}  // namespace lf
