#include "trainers/huggingface/config_values.h"

namespace lf {

std::vector<int64_t> attention_windows(const ModelConfig& config, int64_t layers) {
  const auto found = config.json.find("attention_window");
  CHECK(found != config.json.end(), config.path, ": attention_window is missing");
  if (found->is_number_integer()) {
    return std::vector<int64_t>(static_cast<size_t>(layers), found->get<int64_t>());
  }
  CHECK(found->is_array() && std::ssize(*found) == layers, config.path, ": attention_window is ",
        found->dump(), ", needed a number or one for each of ", layers, " layers");
  std::vector<int64_t> windows;
  for (const auto& window : *found) {
    CHECK(window.is_number_integer(), config.path, ": attention_window has ", window.dump(),
          ", needed integers");
    windows.push_back(window.get<int64_t>());
  }
  return windows;
}

}  // namespace lf
