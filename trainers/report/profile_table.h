// A profile as people and as programs read it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/profile.h"

namespace lf {

// Aligned lines: phase (indented by depth), calls, seconds, share of the whole, mean milliseconds of a call.
// Below the steps phases are sorted by time; "other" is the rest of a phase that its inner ones do not
// explain.
std::vector<std::string> profile_table(const PhaseTime& all);

// {seconds, phases: [{phase, calls, seconds, share, mean_ms, other_seconds, phases}], other_seconds}.
nlohmann::ordered_json profile_json(const PhaseTime& all);

}  // namespace lf
