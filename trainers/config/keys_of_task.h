// What keys mean to the task that a configuration names: nothing, or that they must be given.
#pragma once

#include <string>
#include <vector>

#include "trainers/config/node.h"
#include "trainers/config/run_config.h"

namespace lf {

// Whether a key, such as model.width or stages.list.0.windows, is for this task; an Error where there is no
// such key.
bool is_for(TaskChoice task, const std::string& path);

// A key that is for other tasks and was given another value than its default.
struct ForeignKey {
  std::string path;
  std::vector<TaskChoice> tasks;  // whose it is
};
std::vector<ForeignKey> foreign_keys(const RunConfig& config);

// Keys without a default that are not given, of sections that are for this task alone.
struct MissingKey {
  std::string path, description;
};
std::vector<MissingKey> missing_keys(const RunConfig& config);

// The configuration as a tree, without keys that are for other tasks.
Node own_keys(const RunConfig& config);

}  // namespace lf
