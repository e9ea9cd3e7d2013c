#include "core/contention.h"

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <stop_token>
#include <system_error>
#include <vector>

#include "core/seconds.h"

namespace lf {
namespace {

constexpr std::chrono::milliseconds kInterval{50};
constexpr double kContended = 0.2, kMemorySeconds = 0.2, kCalmSeconds = 2;

// OpenMP threads that sleep: a team of its own, so that libgomp counts one thread more than there are CPUs.
class Crowd {
 public:
  Crowd() {
    const int size = std::max(2, omp_get_num_procs() - omp_get_max_threads() + 2);
    if (!possible(size)) return;
    thread_ = std::jthread([this, size](const std::stop_token& stop) {
      pthread_setname_np(pthread_self(), "longform-crowd");
      const std::stop_callback wake(stop, [this] {
        over_ = true;
        over_.notify_all();
      });
#pragma omp parallel num_threads(size)
      over_.wait(false);
    });
  }

 private:
  // libgomp ends the program where it cannot start a thread.
  static bool possible(int size) {
    std::atomic<bool> over = false;  // outlives the threads
    std::vector<std::jthread> threads;
    bool all = true;
    try {
      for (int i = 0; i < size; ++i) threads.emplace_back([&] { over.wait(false); });
    } catch (const std::system_error&) {
      all = false;
    }
    over = true;
    over.notify_all();
    return all;
  }

  std::atomic<bool> over_ = false;
  std::jthread thread_;
};

void watch(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "longform-watch");
  std::mutex mutex;
  std::condition_variable_any sleep;
  std::unique_lock lock(mutex);
  Contention contention;
  std::optional<Crowd> crowd;
  double before = seconds_without_cpu();
  double then = seconds_now();
  while (!sleep.wait_for(lock, stop, kInterval, [&] { return stop.stop_requested(); })) {
    const double now_without = seconds_without_cpu();
    const double now = seconds_now();
    // A thread that ended took its time along.
    const double without = std::max(0.0, now_without - before);
    const bool contended = contention.observe(without, now - then);
    if (contended && !crowd) crowd.emplace();
    if (!contended) crowd.reset();
    before = now_without;
    then = now;
  }
}

}  // namespace

double seconds_without_cpu(const std::string& root) {
  uint64_t nanoseconds = 0;
  std::error_code gone;
  for (std::filesystem::directory_iterator task(root + "/proc/self/task", gone), end; !gone && task != end;
       task.increment(gone)) {
    // Time on a CPU, time without one, turns.
    std::ifstream file(task->path() / "schedstat");
    uint64_t running = 0, without = 0;
    if (file >> running >> without) nanoseconds += without;
  }
  return static_cast<double>(nanoseconds) / 1e9;
}

bool Contention::observe(double seconds_without, double elapsed) {
  const double weight = -std::expm1(-elapsed / kMemorySeconds);
  threads_without_ += weight * (seconds_without / elapsed - threads_without_);
  if (threads_without_ > kContended) {
    contended_ = true;
    calm_ = 0;
  } else {
    calm_ += elapsed;
    if (calm_ >= kCalmSeconds) contended_ = false;
  }
  return contended_;
}

ContentionWatch::ContentionWatch() {
  if (std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT")) return;
  try {
    thread_ = std::jthread(watch);
  } catch (const std::system_error&) {
    // Without it the program runs as well; it only waits less politely.
  }
}

}  // namespace lf
