#include "trainers/config/scalars.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

#include "core/escaped.h"
#include "core/format.h"
#include "trainers/config/suggestion.h"

namespace lf {

namespace {

constexpr double kExactWhole = 9007199254740992.0;  // 2^53: whole numbers below it are doubles exactly

// A number as YAML 1.2 writes it (core schema, section 10.3.2): with a sign if need be.
template <class T>
bool parse_number(const std::string& written, T& value) {
  const char* begin = written.data();
  const char* const last = begin + written.size();
  if (begin != last && *begin == '+') ++begin;
  if (begin != last && begin != written.data() && *begin == '-') return false;  // "+-1"
  const auto [end, error] = std::from_chars(begin, last, value);
  return error == std::errc() && end == last;
}

// What a whole number written as 1e3, 5.0 or 430_000 probably was; empty when it is no number at all.
std::string whole_number_meant(const std::string& written) {
  std::string digits;
  for (const char letter : written) {
    if (letter != '_' && letter != ',' && letter != '+') digits += letter;
  }
  double value = 0;
  const bool whole =
      parse_number(digits, value) && std::abs(value) < kExactWhole && value == std::floor(value);
  return whole ? text("; did you mean ", static_cast<int64_t>(value), "?") : "";
}

std::string outside(const Range& range, const std::string& written) {
  return text("must be ", range_words(range), ", found ", written);
}

}  // namespace

std::string read_scalar(const Node& node, const FieldRules& rules, int64_t& value) {
  int64_t read = 0;
  if (node.kind != NodeKind::scalar || node.quoted || !parse_number(node.scalar, read)) {
    const std::string meant = node.kind == NodeKind::scalar ? whole_number_meant(node.scalar) : "";
    return text("expected a whole number, found ", node.words(), meant);
  }
  if (!rules.range.holds(static_cast<double>(read))) return outside(rules.range, node.scalar);
  value = read;
  return "";
}

std::string read_scalar(const Node& node, const FieldRules& rules, double& value) {
  double read = 0;
  if (node.kind != NodeKind::scalar || node.quoted || !parse_number(node.scalar, read) ||
      !std::isfinite(read)) {
    return text("expected a number, found ", node.words());
  }
  if (!rules.range.holds(read)) return outside(rules.range, node.scalar);
  value = read;
  return "";
}

std::string read_scalar(const Node& node, const FieldRules&, bool& value) {
  const std::string& written = node.scalar;
  if (node.kind == NodeKind::scalar && !node.quoted && (written == "true" || written == "false")) {
    value = written == "true";
    return "";
  }
  std::string meant;
  for (const char* yes : {"yes", "on", "True", "TRUE", "y", "1"}) {
    if (written == yes) meant = "; did you mean true?";
  }
  for (const char* no : {"no", "off", "False", "FALSE", "n", "0"}) {
    if (written == no) meant = "; did you mean false?";
  }
  return text("expected true or false, found ", node.words(), meant);
}

std::string read_scalar(const Node& node, const FieldRules& rules, std::string& value) {
  if (node.kind != NodeKind::scalar || node.scalar.empty()) {
    return text("expected text, found ", node.words());
  }
  if (!is_utf8(node.scalar)) {
    const bool from_command_line = node.place.line == 0;
    if (!is_path(rules.mark)) return "expected text in UTF-8";
    if (!from_command_line && !node.binary)
      return "expected text in UTF-8; a path in other bytes is given as !!binary and their base64";
  }
  value = node.scalar;
  return "";
}

std::string read_choice(const Node& node, const std::vector<std::string>& names, size_t& value) {
  const std::string expected = "expected one of " + joined(names) + "; found " + node.words();
  if (node.kind != NodeKind::scalar) return expected;
  for (size_t i = 0; i < names.size(); ++i) {
    if (node.scalar != names[i]) continue;
    value = i;
    return "";
  }
  const std::string meant = nearest_word(node.scalar, names);
  const bool likely = !meant.empty() && meant.front() == node.scalar.front();  // gpu is no misspelt cpu
  return expected + (likely ? "; did you mean " + meant + "?" : "");
}

std::string number_text(double value) {
  char letters[32];  // the shortest form of a double has at most 24 characters
  const auto result = std::to_chars(letters, letters + sizeof letters, value);
  std::string written(letters, result.ptr);
  // YAML 1.1 readers take 1e-08 for text, 1.0e-08 for a number.
  const size_t exponent = written.find('e');
  if (exponent != std::string::npos && written.find('.') == std::string::npos) written.insert(exponent, ".0");
  return written;
}

std::string range_words(const Range& range) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string low = (range.low_open ? "above " : "at least ") + number_text(range.low);
  const std::string high = (range.high_open ? "below " : "at most ") + number_text(range.high);
  if (range.low == -infinity) return range.high == infinity ? "" : high;
  return range.high == infinity ? low : low + " and " + high;
}

}  // namespace lf
