// Values as scikit-learn defines them (accuracy_score, precision_recall_fscore_support, f1_score), worked out
// by hand.
#include <gtest/gtest.h>

#include "tests/testing.h"
#include "trainers/metrics/classification.h"

namespace lf {
namespace {

TEST(ClassificationMetrics, FollowTheirDefinitions) {
  // y_true = [0, 1, 2, 0, 1, 2, 2, 2], y_pred = [0, 2, 1, 0, 0, 2, 2, 1]
  const int64_t expected[] = {0, 1, 2, 0, 1, 2, 2, 2}, predicted[] = {0, 2, 1, 0, 0, 2, 2, 1};
  Confusion confusion(4);  // the last class occurs nowhere
  for (size_t i = 0; i < 8; ++i) confusion.add(expected[i], predicted[i]);
  EXPECT_EQ(confusion.total(), 8);
  EXPECT_EQ(confusion.count(2, 1), 2);
  EXPECT_DOUBLE_EQ(confusion.accuracy(), 0.5);
  EXPECT_NEAR(confusion.precision(0), 0.6666666666666666, 1e-15);
  EXPECT_DOUBLE_EQ(confusion.recall(0), 1.0);
  EXPECT_DOUBLE_EQ(confusion.f1(0), 0.8);
  EXPECT_DOUBLE_EQ(confusion.f1(1), 0.0);
  EXPECT_NEAR(confusion.precision(2), 0.6666666666666666, 1e-15);
  EXPECT_DOUBLE_EQ(confusion.recall(2), 0.5);
  EXPECT_NEAR(confusion.f1(2), 0.5714285714285714, 1e-15);
  EXPECT_NEAR(confusion.macro_f1(), 0.4571428571428572, 1e-15);
  EXPECT_DOUBLE_EQ(confusion.micro_f1(), 0.5);
  EXPECT_DOUBLE_EQ(Confusion(2).accuracy(), 0.0);
  EXPECT_ERROR_TEXT(confusion.add(4, 0), "class 4 told as 0, of 4");
}

}  // namespace
}  // namespace lf
