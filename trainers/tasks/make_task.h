// From a configuration to its task.
#pragma once

#include <memory>

#include "trainers/tasks/task.h"

namespace lf {

// The task that the configuration names, on a device that this build has, with its data opened and its model
// initialised.
std::unique_ptr<Task> make_task(const RunConfig& config, const Communicator& communicator);

}  // namespace lf
