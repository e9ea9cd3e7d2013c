// A configuration as text: what it says, or what it is refused with.
#pragma once

#include <string>
#include <vector>

#include "core/check.h"
#include "trainers/config/load.h"

namespace lf {

inline const std::string kStages =
    "stages: {list: [{sequence_length: 8, windows: 4, learning_rate: 0.1, steps: 5}]}\n";

inline RunConfig parse(const std::string& yaml) { return parse_run_config(yaml, "run.yaml"); }

// The lines of the error for a text with stages of its own; empty when it is accepted.
inline std::string stage_errors_of(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  try {
    parse_run_config(yaml, "run.yaml", overrides);
    return "";
  } catch (const UsageError& error) {
    return error.what();
  }
}

// The same for a text which a valid list of stages follows.
inline std::string errors_of(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  return stage_errors_of(yaml + kStages, overrides);
}

}  // namespace lf
