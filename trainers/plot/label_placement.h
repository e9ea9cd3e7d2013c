// Where to put labels so that they cover neither each other nor the drawn lines: a few positions around the
// point are tried and the one that covers least is taken.
#pragma once

#include <vector>

namespace lf {

// Pixels; y grows downwards.
struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;
};

class LabelPlacement {
 public:
  // Labels will stay inside `bounds`.
  explicit LabelPlacement(const Box& bounds) : bounds_(bounds) {}

  // Something drawn that labels should not cover.
  void avoid(const Box& box) { drawn_.push_back(box); }

  // The box for a label of that size beside (x, y); later labels keep clear of it.
  Box place(double x, double y, double width, double height);

 private:
  double cost(const Box& box) const;

  Box bounds_;
  std::vector<Box> drawn_, labels_;
};

}  // namespace lf
