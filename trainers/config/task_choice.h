// The tasks that a configuration can name.
#pragma once

#include <string>
#include <vector>

namespace lf {

enum class TaskChoice { char_lm, masked_lm, classification };

inline std::vector<std::string> names_of(TaskChoice) { return {"char_lm", "masked_lm", "classification"}; }

}  // namespace lf
