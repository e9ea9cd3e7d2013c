// Reading a configuration.
#pragma once

#include <string>
#include <vector>

#include "trainers/config/run_config.h"

namespace lf {

// Reads a YAML file and what it includes, applies overrides such as "stages.count=3", checks everything.
// Throws one UsageError with a line `file:line:column: section.key: what is wrong` for every mistake.
RunConfig load_run_config(const std::string& path, const std::vector<std::string>& overrides = {});

// The same for a text; name stands for the file in messages, and include: is relative to the current folder.
RunConfig parse_run_config(const std::string& yaml, const std::string& name,
                           const std::vector<std::string>& overrides = {});

}  // namespace lf
