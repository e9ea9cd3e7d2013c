// Scalars between text and C++: strict when read, without loss when written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainers/config/fields.h"
#include "trainers/config/node.h"

namespace lf {

// Each reads one value and returns what is wrong with it, empty when nothing is. Text is UTF-8, but for paths
// of the command line and those that a file gives as !!binary.
std::string read_scalar(const Node& node, const FieldRules& rules, int64_t& value);
std::string read_scalar(const Node& node, const FieldRules& rules, double& value);
std::string read_scalar(const Node& node, const FieldRules& rules, bool& value);
std::string read_scalar(const Node& node, const FieldRules& rules, std::string& value);

// The position of the name among the names of a choice.
std::string read_choice(const Node& node, const std::vector<std::string>& names, size_t& value);

// The shortest text that reads back as the same number.
std::string number_text(double value);

// "at least 1", "above 0 and at most 1"; empty for every number.
std::string range_words(const Range& range);

}  // namespace lf
