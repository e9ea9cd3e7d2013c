// How long kernels take on this machine: each is run once or a few times with tensors of the sizes that a
// plan asks for. What would take too long is derived from the rate of what was run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "core/device.h"

namespace lf {

// A kernel that a plan was asked for.
struct KernelCall {
  std::string name;
  std::string arguments;  // all that its time depends on
  int64_t bytes = 0;      // of the tensors that it reads or writes
  double operations = 0;  // of products or attention; 0: its time goes with the bytes
  int64_t rows = 0;       // of all its tensors, where they may as well be fewer; else 0
};

// Given a number of rows, or 0 for all, what runs the kernel with tensors of its own on a real device.
using MakeRun = std::function<std::function<void()>(int64_t rows)>;

class KernelTimes {
 public:
  // Runs kernels for about so many seconds in all.
  KernelTimes(Device device, double seconds) : device_(device), left_(seconds) {}

  // Infinite where neither the kernel nor any like it could be run.
  double of(const KernelCall& call, const MakeRun& make_run);

 private:
  struct Measured {
    double amount = 0, seconds = 0;
  };
  bool is_worth_running(const KernelCall& call) const;
  double measure(const KernelCall& call, const MakeRun& make_run);
  double timed(const std::function<void()>& run);
  const Measured* like(const KernelCall& call) const;

  Device device_;
  double left_;
  std::map<std::string, double> known_;      // by name and arguments
  std::map<std::string, Measured> by_name_;  // the largest that was run
};

}  // namespace lf
