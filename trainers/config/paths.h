// The paths in a configuration.
#pragma once

#include "trainers/config/run_config.h"

namespace lf {

// Makes them absolute, as seen from the current folder: a run's own configuration then leads to its data and
// model from anywhere.
void make_paths_absolute(RunConfig& config);

}  // namespace lf
