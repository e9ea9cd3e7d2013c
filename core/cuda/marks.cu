#include "core/device_marks.h"

#include <nvtx3/nvToolsExt.h>

#include "core/cuda/runtime.h"

namespace lf::cuda {
namespace {

cudaEvent_t event_of(Mark mark) { return static_cast<cudaEvent_t>(mark); }

// Makes the call on the process's device. Its error is forgotten, or the next kernel's launch would report
// it.
template <class Call>
cudaError_t attempt(const Call& call) noexcept try {
  device();
  const cudaError_t status = call();
  if (status != cudaSuccess) static_cast<void>(cudaGetLastError());
  return status;
} catch (const Error&) {
  return cudaErrorInvalidDevice;
}

}  // namespace

Mark set_mark(Mark spare) noexcept {
  cudaEvent_t event = event_of(spare);
  if (!event && attempt([&] { return cudaEventCreate(&event); }) != cudaSuccess) return nullptr;
  attempt([&] { return cudaEventRecord(event, stream()); });
  return event;
}

bool reached(Mark mark) noexcept {
  // After another error nothing will come.
  return !mark || attempt([&] { return cudaEventQuery(event_of(mark)); }) != cudaErrorNotReady;
}

void wait_for(Mark mark) noexcept {
  if (mark) attempt([&] { return cudaEventSynchronize(event_of(mark)); });
}

double seconds_between(Mark from, Mark to) noexcept {
  if (!from || !to) return 0;
  float milliseconds = 0;
  const cudaError_t status =
      attempt([&] { return cudaEventElapsedTime(&milliseconds, event_of(from), event_of(to)); });
  return status == cudaSuccess ? milliseconds / 1e3 : 0;
}

void destroy_mark(Mark mark) noexcept {
  if (mark) attempt([&] { return cudaEventDestroy(event_of(mark)); });
}

void begin_range(const char* name) noexcept { nvtxRangePushA(name); }
void end_range() noexcept { nvtxRangePop(); }

}  // namespace lf::cuda
