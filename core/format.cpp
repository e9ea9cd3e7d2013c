#include "core/format.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <iterator>

namespace lf {
namespace {

template <class... Values>
std::string print(const char* format, Values... values) {
  std::array<char, 96> buffer = {};
  std::snprintf(buffer.data(), buffer.size(), format, values...);
  return buffer.data();
}

// Three significant digits without an exponent, for 0 <= value < 1024.
std::string three_digits(double value) {
  if (value < 9.995) return print("%.2f", value);
  return print(value < 99.95 ? "%.1f" : "%.0f", value);
}

// Scales by `factor` until the three digits shown stay below it, so that 1023.9 KiB becomes 1.00 MiB.
template <size_t N>
std::string with_unit(double value, double factor, const std::array<const char*, N>& units) {
  if (!std::isfinite(value) || value < 0) return "?";
  if (value < factor - 0.5) return print("%.0f", value) + units[0];
  size_t unit = 0;
  while (value >= factor - 0.5 && unit + 1 < N) {
    value /= factor;
    ++unit;
  }
  return three_digits(value) + units[unit];
}

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 0.995) return print("%.2f s", seconds);
  if (seconds < 9.95) return print("%.1f s", seconds);
  const double rounded = std::round(seconds);
  if (rounded < 60) return print("%.0f s", rounded);
  if (rounded >= 1e12) return "?";
  const auto whole = static_cast<long long>(rounded);
  if (whole < 3600) return print("%lldm %02llds", whole / 60, whole % 60);
  const long long minutes = (whole + 30) / 60;
  if (minutes < 24 * 60) return print("%lldh %02lldm", minutes / 60, minutes % 60);
  const long long hours = (minutes + 30) / 60;
  return print("%lldd %02lldh", hours / 24, hours % 24);
}

std::string format_bytes(double bytes) {
  constexpr std::array units = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
  return with_unit(bytes, 1024, units);
}

std::string format_count(double count) {
  constexpr std::array units = {"", "k", "M", "G", "T", "P"};
  return with_unit(count, 1000, units);
}

std::string format_grouped(int64_t number) {
  std::string digits = std::to_string(number);
  const int64_t first = number < 0 ? 1 : 0;
  for (int64_t i = std::ssize(digits) - 3; i > first; i -= 3) digits.insert(static_cast<size_t>(i), ",");
  return digits;
}

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : ", ") + word;
  return line;
}

}  // namespace lf
