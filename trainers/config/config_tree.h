// The tree of a configuration before its keys have a meaning: files merged by include:, then overrides.
#pragma once

#include <optional>
#include <string>

#include "trainers/config/node.h"

namespace lf {

// Reads a file and, before it, the files its include: names (relative to it): later keys override, maps
// merge, lists are replaced. Nothing when a file cannot be read or parsed, or includes itself (problems are
// noted).
std::optional<Node> read_config_tree(const std::string& path, Problems& problems);

// The same for a text in place of the file; include: is relative to the current folder.
std::optional<Node> parse_config_tree(const std::string& yaml, const std::string& name, Problems& problems);

// Sets one key from "section.key=value"; an element of a list is list.0, and [a, b] is a list.
void apply_override(Node& root, const std::string& setting, Problems& problems);

}  // namespace lf
