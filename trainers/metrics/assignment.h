// The best one-to-one assignment.
#pragma once

#include <vector>

namespace lf {

// The largest sum of weights[i][j] over pairs in which every row and every column stands once at most (Kuhn
// and Munkres; rows x columns x the smaller of them in time). No weight may be negative, and rows are equally
// long.
double best_assignment(const std::vector<std::vector<double>>& weights);

}  // namespace lf
