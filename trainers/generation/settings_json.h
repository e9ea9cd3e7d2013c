// What a generation_config.json holds beside the settings that are read.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace lf {

// Of a generation_config.json as transformers writes it: bookkeeping, token ids, which a model's own
// configuration has as well, and settings at the value at which they change nothing.
bool is_without_effect(const std::string& key, const nlohmann::json& value);

}  // namespace lf
