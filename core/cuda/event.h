// A point of a stream that other streams can wait for, and whose time the device notes.
#pragma once

#include "core/cuda/runtime.h"

namespace lf::cuda {

class Event {
 public:
  Event() { check(cudaEventCreate(&event_), "making an event"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // Marks the present end of the stream.
  void record(cudaStream_t stream) { check(cudaEventRecord(event_, stream), "marking a point of a stream"); }
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace lf::cuda
