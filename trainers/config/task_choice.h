// The tasks that a configuration can name.
#pragma once

#include <string>
#include <vector>

namespace lf {

enum class TaskChoice { char_lm, masked_lm, classification, token_classification, seq2seq };

inline std::vector<std::string> names_of(TaskChoice) {
  return {"char_lm", "masked_lm", "classification", "token_classification", "seq2seq"};
}

}  // namespace lf
