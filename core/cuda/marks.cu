#include "core/cuda/marks.h"

#include <nvtx3/nvToolsExt.h>

#include "core/cuda/runtime.h"

namespace lf::cuda {
namespace {

cudaEvent_t event_of(Mark mark) { return static_cast<cudaEvent_t>(mark); }

// Whether the call succeeded. Its error is forgotten, or the next kernel's launch would report it.
bool succeeded(cudaError_t status) {
  if (status != cudaSuccess) static_cast<void>(cudaGetLastError());
  return status == cudaSuccess;
}

}  // namespace

Mark set_mark(Mark spare) noexcept {
  const cudaStream_t on = stream();  // before an event of this thread is made
  cudaEvent_t event = event_of(spare);
  if (!event && !succeeded(cudaEventCreate(&event))) return nullptr;
  succeeded(cudaEventRecord(event, on));
  return event;
}

bool reached(Mark mark) noexcept {
  if (!mark) return true;
  const cudaError_t status = cudaEventQuery(event_of(mark));
  succeeded(status);
  return status != cudaErrorNotReady;  // after another error nothing will come
}

void wait_for(Mark mark) noexcept {
  if (mark) succeeded(cudaEventSynchronize(event_of(mark)));
}

double seconds_between(Mark from, Mark to) noexcept {
  float milliseconds = 0;
  if (!from || !to || !succeeded(cudaEventElapsedTime(&milliseconds, event_of(from), event_of(to)))) return 0;
  return milliseconds / 1e3;
}

void destroy_mark(Mark mark) noexcept {
  if (mark) succeeded(cudaEventDestroy(event_of(mark)));
}

void begin_range(const char* name) noexcept { nvtxRangePushA(name); }
void end_range() noexcept { nvtxRangePop(); }

}  // namespace lf::cuda
