// What a run on a GPU should be told when it starts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/device.h"
#include "trainers/config/run_config.h"

namespace lf {

// Why attention of a model with heads of these widths runs on the slow plain kernels, and that kernels must
// be compiled first; empty on the CPU. What only the device knows is left out where there is none.
std::vector<std::string> device_notices(const RunConfig& config, const std::vector<int64_t>& head_widths,
                                        bool relative);

// How many kernels were compiled since the last call, and in what time; empty if none.
std::string compilation_notice(Device device);

}  // namespace lf
