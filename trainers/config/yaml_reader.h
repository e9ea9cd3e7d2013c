// YAML text to a Node tree, by yaml-cpp's events: they carry the place of every key, and repeated keys show.
#pragma once

#include <optional>
#include <string>

#include "trainers/config/node.h"

namespace lf {

// Parses one YAML document; source names the file in messages. Nothing when the syntax is wrong (a problem is
// noted). Repeated keys, anchors, aliases, tags and further documents are problems too, but leave a tree.
std::optional<Node> parse_yaml(const std::string& yaml, const std::string& source, Problems& problems);

// The same for the value of an override: every place in the tree is the override.
std::optional<Node> parse_override_value(const std::string& yaml, const Place& place, Problems& problems);

}  // namespace lf
