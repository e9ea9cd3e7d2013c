#include "trainers/metrics/classification.h"

#include <numeric>

#include "core/check.h"
#include "trainers/metrics/ratio.h"

namespace lf {
Confusion::Confusion(int64_t classes)
    : classes_(classes), counts_(static_cast<size_t>(classes * classes), 0) {}

void Confusion::add(int64_t expected, int64_t predicted) {
  CHECK(expected >= 0 && expected < classes_ && predicted >= 0 && predicted < classes_, "confusion: class ",
        expected, " told as ", predicted, ", of ", classes_);
  ++counts_[static_cast<size_t>(expected * classes_ + predicted)];
}

int64_t Confusion::total() const { return std::accumulate(counts_.begin(), counts_.end(), int64_t{0}); }

int64_t Confusion::count(int64_t expected, int64_t predicted) const {
  return counts_[static_cast<size_t>(expected * classes_ + predicted)];
}

int64_t Confusion::row_sum(int64_t expected) const {
  int64_t sum = 0;
  for (int64_t i = 0; i < classes_; ++i) sum += count(expected, i);
  return sum;
}

int64_t Confusion::column_sum(int64_t predicted) const {
  int64_t sum = 0;
  for (int64_t i = 0; i < classes_; ++i) sum += count(i, predicted);
  return sum;
}

double Confusion::accuracy() const {
  int64_t right = 0;
  for (int64_t i = 0; i < classes_; ++i) right += count(i, i);
  return ratio(static_cast<double>(right), static_cast<double>(total()));
}

double Confusion::precision(int64_t label) const {
  return ratio(static_cast<double>(count(label, label)), static_cast<double>(column_sum(label)));
}

double Confusion::recall(int64_t label) const {
  return ratio(static_cast<double>(count(label, label)), static_cast<double>(row_sum(label)));
}

double Confusion::f1(int64_t label) const {
  return ratio(2.0 * static_cast<double>(count(label, label)),
               static_cast<double>(row_sum(label) + column_sum(label)));
}

double Confusion::macro_f1() const {
  double sum = 0;
  int64_t seen = 0;
  for (int64_t i = 0; i < classes_; ++i) {
    if (row_sum(i) + column_sum(i) == 0) continue;
    sum += f1(i);
    ++seen;
  }
  return ratio(sum, static_cast<double>(seen));
}

double Confusion::micro_f1() const { return accuracy(); }

}  // namespace lf
