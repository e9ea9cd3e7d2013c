// Points of the stream whose times the device notes, and ranges that NVIDIA's profilers show, in words that
// host code can include without CUDA's headers. None of it throws: a failed measurement stops no run.
#pragma once

namespace lf::cuda {

// A point of the stream; null where the device had none to give.
using Mark = void*;

// Marks the present end of the stream; reuses `spare` if there is one.
Mark set_mark(Mark spare) noexcept;
// Whether the device got there, and waiting until it did.
bool reached(Mark mark) noexcept;
void wait_for(Mark mark) noexcept;
// The device's time from one mark to another, both reached; 0 where it is not known.
double seconds_between(Mark from, Mark to) noexcept;
void destroy_mark(Mark mark) noexcept;

// A range of this thread's work, inside the one that is open. Nearly free where no profiler is attached.
void begin_range(const char* name) noexcept;
void end_range() noexcept;

}  // namespace lf::cuda
