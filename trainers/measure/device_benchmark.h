// Times what bounds every kernel: copies in the device's memory, and a large product of matrices.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "core/device.h"

namespace lf {

struct DeviceBenchmark {
  Device device = Device::cpu;
  int64_t mib = 256;    // that are copied
  int64_t size = 4096;  // rows and columns of the product's matrices
  int64_t repeats = 5;
};

// {copy_gb_per_second, product_tflops, ...}: the best of `repeats`; bytes count when read and when written,
// the product is one in bf16.
nlohmann::ordered_json run_device_benchmark(const DeviceBenchmark& settings);

// The time of one run of `work`. On a device, the mean of several started in one go: starting them takes the
// CPU less time than running them.
double milliseconds_of_run(Device device, const std::function<void()>& work);

}  // namespace lf
