// Greedy label placement; see label_placement.h.
#include "trainers/plot/label_placement.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace lf {
namespace {

double overlap(const Box& a, const Box& b) {
  const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

}  // namespace

double LabelPlacement::cost(const Box& box) const {
  // Two labels on top of each other are unreadable, a label on a line only less clear.
  constexpr double kLabelWeight = 1000, kDrawnWeight = 3;
  double sum = 0;
  for (const Box& label : labels_) sum += kLabelWeight * overlap(box, label);
  for (const Box& drawn : drawn_) sum += kDrawnWeight * overlap(box, drawn);
  return sum;
}

Box LabelPlacement::place(double x, double y, double width, double height) {
  constexpr double kGap = 8;  // clears the point's own marker
  Box best;
  double least = std::numeric_limits<double>::infinity();
  for (int ring = 0; ring < 6; ++ring) {
    const double far = kGap + ring * 0.75 * height;
    // Centre offsets in half sizes plus gaps: below, above, left, right, then the corners.
    for (const auto& [dx, dy] :
         {std::pair(0, 1), {0, -1}, {-1, 0}, {1, 0}, {-1, 1}, {1, 1}, {-1, -1}, {1, -1}}) {
      const double centre_x = std::clamp(x + dx * (width / 2 + kGap), bounds_.left + width / 2,
                                         std::max(bounds_.right - width / 2, bounds_.left + width / 2));
      const double centre_y = std::clamp(y + dy * (height / 2 + far), bounds_.top + height / 2,
                                         std::max(bounds_.bottom - height / 2, bounds_.top + height / 2));
      const Box box = {centre_x - width / 2, centre_y - height / 2, centre_x + width / 2,
                       centre_y + height / 2};
      const Box own_point = {x - 5, y - 5, x + 5, y + 5};
      // A nearer place wins over one that covers a few pixels less.
      const double total = cost(box) + 1000 * overlap(box, own_point) + 40 * ring;
      if (total < least) least = total, best = box;
    }
  }
  labels_.push_back(best);
  return best;
}

}  // namespace lf
