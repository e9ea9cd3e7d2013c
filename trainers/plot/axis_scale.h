// Where values fall along an axis and which of them get a tick: linear axes with steps of 1, 2 or 5,
// logarithmic ones with decades or powers of two.
#pragma once

#include <string>
#include <vector>

namespace lf {

enum class Scale { kLinear, kLog10, kLog2 };

struct Tick {
  double value = 0;
  std::string label;  // empty for a minor tick
};

class AxisScale {
 public:
  // The range must be finite, and positive for logarithmic scales; an empty one is widened around its value.
  AxisScale(Scale scale, double low, double high);

  // Where the value lies: 0 at the low end, 1 at the high end.
  double fraction(double value) const;

  // Whether the scale can show the value at all: finite, and positive on a logarithmic scale.
  bool shows(double value) const;

  // The same scale with both ends moved outwards by `share` of its extent.
  AxisScale widened(double share) const;

  // Ticks within the range in increasing order, at most `most` (at least 2) of them labelled; on a linear
  // scale they are least_step apart or more, so that an axis of whole numbers can avoid fractions.
  std::vector<Tick> ticks(int most, double least_step = 0) const;

  double low() const { return low_; }
  double high() const { return high_; }

 private:
  double transformed(double value) const;

  Scale scale_;
  double low_, high_;
};

// "0.25", "1,500", "20k", "1.5M": a tick's label where neighbouring ticks are `step` apart and the largest is
// `largest`.
std::string tick_label(double value, double step, double largest);

}  // namespace lf
