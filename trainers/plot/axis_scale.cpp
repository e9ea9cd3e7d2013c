// Axis mapping and tick choice; see axis_scale.h.
#include "trainers/plot/axis_scale.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/check.h"

namespace lf {
namespace {

// Decimal text that does not depend on the locale, with commas between thousands.
std::string fixed(double value, int decimals) {
  std::array<char, 400> buffer = {};  // the largest double has 309 digits
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, decimals);
  std::string digits(buffer.data(), end.ptr);
  const size_t whole_end = std::min(digits.find('.'), digits.size());
  const size_t first = digits[0] == '-' ? 1 : 0;
  for (size_t i = whole_end; i > first + 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

// The smallest 1, 2 or 5 times a power of ten that is at least `least`.
double nice_step(double least) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1, 2, 5}) {
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::vector<Tick> linear_ticks(double low, double high, int most, double least_step = 0) {
  // n ticks span n - 1 steps; the ends of the range may each hold a tick.
  const double step = nice_step(std::max((high - low) / (most - 1), least_step));
  const double slack = 1e-9 * step;
  std::vector<Tick> ticks;
  const double largest = std::max(std::abs(low), std::abs(high));
  for (double i = std::ceil((low - slack) / step); i * step <= high + slack; ++i) {
    ticks.push_back({i * step, tick_label(i * step, step, largest)});
  }
  return ticks;
}

std::string power_label(double value, double base) {
  if (value >= 1) return base == 10 && value >= 1e6 ? tick_label(value, value, value) : fixed(value, 0);
  std::array<char, 400> buffer = {};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  return {buffer.data(), end.ptr};
}

// Powers of `base`, only every n-th labelled when there are too many for `most` labels.
std::vector<Tick> power_ticks(double low, double high, double base, int most) {
  const auto first = static_cast<int>(std::ceil(std::log(low) / std::log(base) - 1e-9));
  const auto last = static_cast<int>(std::floor(std::log(high) / std::log(base) + 1e-9));
  const int stride = std::max(1, (last - first) / most + 1);
  std::vector<Tick> ticks;
  for (int exponent = first; exponent <= last; ++exponent) {
    const double value = std::pow(base, exponent);
    ticks.push_back({value, (last - exponent) % stride == 0 ? power_label(value, base) : ""});
  }
  return ticks;
}

// 2, 3 ... 9 times each power of ten, so that the eye sees the axis is logarithmic.
void add_minor_decades(std::vector<Tick>& ticks, double low, double high) {
  for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10) {
    for (int factor = 2; factor <= 9; ++factor) {
      if (factor * power >= low && factor * power <= high) ticks.push_back({factor * power, ""});
    }
  }
  std::sort(ticks.begin(), ticks.end(), [](const Tick& a, const Tick& b) { return a.value < b.value; });
}

}  // namespace

AxisScale::AxisScale(Scale scale, double low, double high) : scale_(scale), low_(low), high_(high) {
  CHECK(shows(low) && shows(high) && low <= high, "axis: cannot show the range ", low, " to ", high);
  if (low < high) return;
  if (scale == Scale::kLinear) {
    const double half = low == 0 ? 1 : std::abs(low) / 10;
    low_ -= half, high_ += half;
  } else {
    low_ /= 2, high_ *= 2;
  }
}

double AxisScale::transformed(double value) const {
  return scale_ == Scale::kLinear ? value : std::log2(value);
}

double AxisScale::fraction(double value) const {
  return (transformed(value) - transformed(low_)) / (transformed(high_) - transformed(low_));
}

bool AxisScale::shows(double value) const {
  return std::isfinite(value) && (scale_ == Scale::kLinear || value > 0);
}

AxisScale AxisScale::widened(double share) const {
  const double margin = share * (transformed(high_) - transformed(low_));
  if (scale_ == Scale::kLinear) return {scale_, low_ - margin, high_ + margin};
  return {scale_, low_ * std::exp2(-margin), high_ * std::exp2(margin)};
}

std::vector<Tick> AxisScale::ticks(int most, double least_step) const {
  most = std::max(most, 2);
  if (scale_ == Scale::kLinear) return linear_ticks(low_, high_, most, least_step);
  const double base = scale_ == Scale::kLog2 ? 2 : 10;
  std::vector<Tick> ticks = power_ticks(low_, high_, base, most);
  if (ticks.size() < 2) return linear_ticks(low_, high_, most);
  if (scale_ == Scale::kLog10 && ticks.size() <= 8) add_minor_decades(ticks, low_, high_);
  return ticks;
}

std::string tick_label(double value, double step, double largest) {
  double unit = 1;
  const char* suffix = "";
  if (largest >= 1e9) {
    unit = 1e9, suffix = "G";
  } else if (largest >= 1e6) {
    unit = 1e6, suffix = "M";
  } else if (largest >= 1e4 && step >= 100) {
    unit = 1e3, suffix = "k";
  }
  if (std::abs(value) < step * 1e-6) return "0";
  // As many decimals as the step needs.
  const int decimals = std::max(0, -static_cast<int>(std::floor(std::log10(step / unit) + 1e-9)));
  return fixed(value / unit, std::min(decimals, 12)) + suffix;
}

}  // namespace lf
