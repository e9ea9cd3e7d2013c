// How well labels are told: accuracy, F1 and the confusion matrix, as in scikit-learn.
#pragma once

#include <cstdint>
#include <vector>

namespace lf {

// Counts of expected and predicted classes, and the scores that follow from them.
class Confusion {
 public:
  explicit Confusion(int64_t classes);

  void add(int64_t expected, int64_t predicted);

  int64_t classes() const { return classes_; }
  int64_t total() const;
  int64_t count(int64_t expected, int64_t predicted) const;

  double accuracy() const;
  // Of one class; 0 where its denominator is 0.
  double precision(int64_t label) const;
  double recall(int64_t label) const;
  double f1(int64_t label) const;
  // The mean of the classes' F1, of those that were expected or predicted at all.
  double macro_f1() const;
  // F1 of all decisions together; with one label to each document, the accuracy.
  double micro_f1() const;

 private:
  int64_t row_sum(int64_t expected) const;
  int64_t column_sum(int64_t predicted) const;

  int64_t classes_;
  std::vector<int64_t> counts_;  // (expected, predicted)
};

}  // namespace lf
