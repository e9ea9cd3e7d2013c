#include "tests/simt/streams.h"

#include <algorithm>
#include <condition_variable>
#include <utility>

#include "tests/simt/device_memory.h"

namespace lf::simt {
namespace {

std::condition_variable_any& came() {
  static auto* the_condition = new std::condition_variable_any;
  return *the_condition;
}

thread_local Operations awaited;  // by this thread's computing
int64_t events_now = 0;

bool advance_all(Operations& operations) {
  std::erase_if(operations, [](const std::shared_ptr<Operation>& each) { return each->advance(); });
  return operations.empty();
}

void wait_for(Operations& operations) {
  if (operations.empty()) return;
  std::unique_lock lock(device_mutex());
  came().wait(lock, [&] { return advance_all(operations); });
}

}  // namespace

std::recursive_mutex& device_mutex() {
  static auto* the_mutex = new std::recursive_mutex;
  return *the_mutex;
}

bool Operation::comes_next() {
  if (before_ && !before_->advance()) return false;
  before_.reset();
  return true;
}

bool Operation::advance() {
  if (done()) return true;
  if (under_way_) return false;  // ranks that wait for each other
  under_way_ = true;
  const std::shared_ptr<bool> after(&under_way_,
                                    [](bool* under_way) { *under_way = false; });  // or it throws
  if (!comes_next() || !attempt_()) return false;
  attempt_ = nullptr;
  at_ = std::chrono::steady_clock::now();
  return true;
}

void wait_for_awaited() { wait_for(awaited); }

void something_came() { came().notify_all(); }

int64_t live_events() { return events_now; }

}  // namespace lf::simt

using lf::simt::device_is_set;
using lf::simt::device_mutex;
using lf::simt::Operations;

struct SimulatedStream {
  std::shared_ptr<lf::simt::Operation> last;
};

namespace lf::simt {
namespace {

SimulatedStream& computing() {
  static auto* the_stream = new SimulatedStream;
  return *the_stream;
}

}  // namespace

bool computes(cudaStream_t stream) { return stream == &computing(); }

std::shared_ptr<Operation> put_on(cudaStream_t stream, std::function<bool()> attempt) {
  if (computes(stream)) return nullptr;
  stream->last = std::make_shared<Operation>(stream->last, std::move(attempt));
  return stream->last;
}

}  // namespace lf::simt

// The first is the process's, whichever of its threads asks.
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  const std::lock_guard lock(device_mutex());
  static bool first = true;
  *stream = std::exchange(first, false) ? &lf::simt::computing() : new SimulatedStream;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  if (!lf::simt::computes(stream)) return cudaErrorInvalidValue;
  const lf::simt::DeviceAccess access;
  return cudaSuccess;
}

// The time at which it was recorded, the copies before it and the operations. It is told only as a device
// would: to whom waited for it or heard that it had come, which the first to ask never does.
struct SimulatedEvent {
  std::chrono::steady_clock::time_point at;
  size_t copies = 0;
  Operations after;
  bool asked = false, known = false;
};
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  const std::lock_guard lock(device_mutex());
  *event = new SimulatedEvent;
  ++lf::simt::events_now;
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return cudaEventCreate(event); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  const std::lock_guard lock(device_mutex());
  delete event;
  --lf::simt::events_now;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  const std::lock_guard lock(device_mutex());
  *event = {std::chrono::steady_clock::now(), 0, {}};
  if (auto operation = lf::simt::put_on(stream, [] { return true; })) {
    event->after.push_back(std::move(operation));
  } else {
    event->copies = lf::simt::started_copies();
    event->after = lf::simt::awaited;
  }
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  const std::lock_guard lock(device_mutex());
  const auto attempt = [copies = event->copies, after = event->after]() mutable {
    if (!lf::simt::advance_all(after)) return false;
    lf::simt::finish_copies_before(copies);
    return true;
  };
  if (!lf::simt::put_on(stream, attempt))
    lf::simt::awaited.insert(lf::simt::awaited.end(), event->after.begin(), event->after.end());
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  const std::lock_guard lock(device_mutex());
  const bool came = std::ranges::all_of(event->after, [](const auto& each) { return each->done(); });
  event->known |= std::exchange(event->asked, came) && came;
  return event->known ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  Operations after = event->after;
  lf::simt::wait_for(after);
  const std::lock_guard lock(device_mutex());
  event->known = true;
  lf::simt::finish_copies_before(event->copies);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t stop) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  const std::lock_guard lock(device_mutex());
  if (!stop->known) return cudaErrorNotReady;
  const auto time = [](const SimulatedEvent& event) {
    auto at = event.at;
    for (const auto& each : event.after) at = std::max(at, each->at());
    return at;
  };
  *milliseconds = std::chrono::duration<float, std::milli>(time(*stop) - time(*start)).count();
  return cudaSuccess;
}
