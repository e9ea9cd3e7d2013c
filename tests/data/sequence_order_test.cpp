// Training order and evaluation windows: everything once, nothing twice, whatever the sizes.
#include "data/sequence_order.h"
#include "data/characters/next_token_reader.h"

#include <algorithm>
#include <set>

#include "data/characters/evaluation_windows.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

// The starts of one epoch's sequences, in the order of training.
std::vector<int64_t> starts(const SequenceOrder& order, int64_t epoch) {
  std::vector<int64_t> begins;
  const int64_t count = order.sequences_per_epoch();
  for (int64_t i = 0; i < count; ++i) begins.push_back(order.begin(epoch * count + i));
  return begins;
}

TEST(SequenceOrder, EveryEpochCutsTheStreamWithoutGapOrOverlap) {
  for (int64_t length : {1, 2, 3, 7, 16, 100}) {
    for (int64_t tokens :
         {length + 1, 2 * length - 1, 2 * length, 2 * length + 1, 5 * length + 3, int64_t{1000}}) {
      if (tokens < length + 1) continue;
      const SequenceOrder order(tokens, length, 7);
      // At most one sequence fewer than fit at offset 0.
      EXPECT_GE(order.sequences_per_epoch(), std::max<int64_t>(1, (tokens - 1) / length - 1));
      for (int64_t epoch = 0; epoch < 20; ++epoch) {
        std::vector<int64_t> begins = starts(order, epoch);
        std::sort(begins.begin(), begins.end());
        ASSERT_GE(begins.front(), 0);
        ASSERT_LT(begins.front(), length);
        ASSERT_LE(begins.back() + length + 1, tokens) << "tokens " << tokens << " length " << length;
        for (size_t i = 1; i < begins.size(); ++i) ASSERT_EQ(begins[i], begins[i - 1] + length);
        ASSERT_EQ(order.epoch(epoch * order.sequences_per_epoch()), epoch);
      }
    }
  }
}

TEST(SequenceOrder, EpochsAndSeedsDiffer) {
  const SequenceOrder order(100'000, 64, 1);
  std::set<std::vector<int64_t>> seen;
  std::set<int64_t> offsets;
  for (int64_t epoch = 0; epoch < 50; ++epoch) {
    std::vector<int64_t> begins = starts(order, epoch);
    seen.insert(begins);
    offsets.insert(*std::min_element(begins.begin(), begins.end()));
  }
  EXPECT_EQ(seen.size(), 50u);
  EXPECT_GT(offsets.size(), 25u) << "50 draws of 64 offsets";
  EXPECT_NE(starts(order, 0), starts(SequenceOrder(100'000, 64, 2), 0));
  EXPECT_EQ(starts(order, 3), starts(SequenceOrder(100'000, 64, 1), 3));
}

TEST(SequenceOrder, OrderLooksRandom) {
  // Every place of a 5-sequence epoch gets every sequence about equally often: chi-square with 16 degrees of
  // freedom stays below 50 (a chance of 2e-5), and successors are not neighbours more often than by chance.
  const SequenceOrder order(60, 10, 3);
  ASSERT_EQ(order.sequences_per_epoch(), 5);
  constexpr int kEpochs = 5000;
  double counts[5][5] = {};
  for (int64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const std::vector<int64_t> begins = starts(order, epoch);
    for (size_t i = 0; i < 5; ++i) ++counts[i][begins[i] / 10];
  }
  double chi_square = 0;
  for (const auto& row : counts) {
    for (const double count : row)
      chi_square += (count - kEpochs / 5.0) * (count - kEpochs / 5.0) / (kEpochs / 5.0);
  }
  EXPECT_LT(chi_square, 50);

  const std::vector<int64_t> begins = starts(SequenceOrder(1'000'000, 10, 3), 0);
  int64_t neighbours = 0;
  for (size_t i = 1; i < begins.size(); ++i) neighbours += std::abs(begins[i] - begins[i - 1]) == 10;
  EXPECT_LT(neighbours, 20) << "2 are expected";
}

TEST(SequenceOrder, OrderIsTheSameOnEveryMachine) {
  const SequenceOrder order(90'000'000, 2048, 1234);
  EXPECT_EQ(order.sequences_per_epoch(), 43944);
  const std::vector<int64_t> first = {order.begin(0), order.begin(1), order.begin(43944),
                                      order.begin(1'000'000'000)};
  EXPECT_EQ(first, (std::vector<int64_t>{65280729, 42402521, 87768433, 47655386}));
}

TEST(SequenceOrder, RefusesStreamsThatAreTooShort) {
  EXPECT_ERROR(SequenceOrder(10, 10, 0), "the stream has 10 tokens, a sequence of length 10 needs 10 + 1");
  EXPECT_ERROR(SequenceOrder(10, 0, 0), "needed at least 1");
  EXPECT_ERROR(SequenceOrder(11, 10, 0).begin(-1), "the first is 0");
  EXPECT_EQ(SequenceOrder(11, 10, 0).begin(12345), 0);
}

// Tokens 0, 1, 2, ... so that a token tells its position.
std::string write_counting(const TemporaryFolder& folder, int64_t count) {
  TokenFileWriter writer(folder / "counting.tokens", TokenType::kU16, 65536, {}, {});
  std::vector<uint16_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<uint16_t>(i));
  writer.append(tokens);
  writer.commit();
  return folder / "counting.tokens";
}

TEST(Batches, TargetsAreTheNextTokensAndRowsTheirExamples) {
  const TemporaryFolder folder;
  const TokenFile tokens(write_counting(folder, 1000));
  const SequenceOrder order(1000, 16, 5);
  const Batch batch = make_batch(tokens, order, 57, 4);
  ASSERT_EQ(batch.rows, 4);
  ASSERT_EQ(batch.length, 16);
  ASSERT_EQ(batch.inputs.size(), 64u);
  EXPECT_EQ(batch.example_ids, (std::vector<int64_t>{57, 58, 59, 60}));
  for (int64_t i = 0; i < 64; ++i) {
    const auto at = static_cast<size_t>(i);
    EXPECT_EQ(batch.inputs[at], order.begin(57 + i / 16) + i % 16);
    EXPECT_EQ(batch.targets[at], batch.inputs[at] + 1);
  }
  EXPECT_ERROR(make_batch(tokens, SequenceOrder(999, 16, 5), 0, 1), "has 1000 tokens, the order");
  EXPECT_ERROR(make_batch(tokens, order, 0, 0), "0 rows");
}

TEST(EvaluationWindows, EveryTargetIsScoredExactlyOnce) {
  for (int64_t count = 2; count <= 40; ++count) {
    for (int64_t length = 1; length <= 42; ++length) {
      for (int64_t step = 1; step <= length; ++step) {
        std::vector<int> scored(static_cast<size_t>(count), 0);
        for (const EvaluationWindow& window : evaluation_windows(count, length, step)) {
          ASSERT_GE(window.begin, 0);
          ASSERT_LE(window.length, length);
          ASSERT_LT(window.score_from, window.length) << "a window that scores nothing";
          ASSERT_LE(window.begin + window.length + 1, count) << "the last target is a token of the split";
          // All context that fits: a window behind the first has full length and scores at most its last
          // `step`.
          if (window.begin > 0) {
            ASSERT_EQ(window.length, length);
            ASSERT_LE(window.length - window.score_from, step);
          } else {
            ASSERT_EQ(window.score_from, 0);
          }
          for (int64_t i = window.score_from; i < window.length; ++i)
            ++scored[static_cast<size_t>(window.begin + i + 1)];
        }
        ASSERT_EQ(scored[0], 0);
        for (size_t i = 1; i < scored.size(); ++i) {
          ASSERT_EQ(scored[i], 1) << "token " << i << " of " << count << ", length " << length << ", step "
                                  << step;
        }
      }
    }
  }
}

TEST(EvaluationWindows, PaperProtocolOnFiveMillionCharacters) {
  const auto windows = evaluation_windows(5'000'000, kPaperEvaluationLength, kPaperEvaluationStep);
  // 4,999,999 targets less the first 32,256, by 512, rounded up, and the first window.
  EXPECT_EQ(windows.size(), 9704u);
  EXPECT_EQ(windows[0], (EvaluationWindow{0, 32256, 0}));
  EXPECT_EQ(windows[1], (EvaluationWindow{512, 32256, 32256 - 512}));
  EXPECT_EQ(windows.back().begin + windows.back().length, 4'999'999);
}

TEST(EvaluationWindows, ShortSplitIsOneWindowAndBadSettingsAreRefused) {
  EXPECT_EQ(evaluation_windows(10, 100, 5), (std::vector<EvaluationWindow>{{0, 9, 0}}));
  EXPECT_EQ(evaluation_windows(101, 100, 100), (std::vector<EvaluationWindow>{{0, 100, 0}}));
  EXPECT_ERROR(evaluation_windows(1, 4, 1), "a split of 1 token(s)");
  EXPECT_ERROR(evaluation_windows(0, 4, 1), "a split of 0 token(s)");
  EXPECT_ERROR(evaluation_windows(10, 4, 5), "step 5 and length 4");
  EXPECT_ERROR(evaluation_windows(10, 4, 0), "step 0 and length 4");
}

}  // namespace
}  // namespace lf
