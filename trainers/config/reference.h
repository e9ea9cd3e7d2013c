// The configuration reference, made from the field lists: docs/config.md and docs/config.schema.json.
#pragma once

#include <string>

namespace lf {

// The page docs/config.md: every key with type, default, bounds and description.
std::string config_markdown();

// The JSON Schema docs/config.schema.json, for editors that complete and check YAML.
std::string config_json_schema();

}  // namespace lf
