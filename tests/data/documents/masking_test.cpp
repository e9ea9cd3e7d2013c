// Dynamic masking: the published shares, special tokens never chosen, the same masks from the same key.
#include "data/documents/masking.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "tests/temporary_folder.h"

namespace lf {
namespace {

constexpr int64_t kVocabulary = 1000;
const SpecialIds kSpecial{0, 1, 2, 3, 4};

struct Row {
  std::vector<int32_t> inputs, targets;

  bool operator==(const Row&) const = default;
};

// Ids 5, 6, ... over and over, with <s> and </s> around and a </s> and a <pad> inside.
std::vector<int32_t> sample(size_t length) {
  std::vector<int32_t> ids(length);
  for (size_t i = 0; i < length; ++i) ids[i] = static_cast<int32_t>(5 + i % (kVocabulary - 5));
  ids.front() = 0;
  ids.back() = ids[length / 3] = 2;
  ids[length / 2] = 1;
  return ids;
}

Row masked(const std::vector<int32_t>& ids, const MaskingKey& key, const Masking& masking = {}) {
  Row row{ids, std::vector<int32_t>(ids.size(), 77)};
  mask_tokens(row.inputs, row.targets, kSpecial, kVocabulary, masking, key);
  return row;
}

// A count of `trials` with this chance lies within five standard deviations (one failure in two million).
void expect_share(int64_t count, int64_t trials, double chance, const char* what) {
  const double mean = static_cast<double>(trials) * chance;
  const double deviation = std::sqrt(mean * (1 - chance));
  EXPECT_NEAR(static_cast<double>(count), mean, 5 * deviation) << what;
}

TEST(Masking, SharesAreThePublishedOnes) {
  const std::vector<int32_t> ids = sample(4096);
  int64_t tokens = 0, chosen = 0, masks = 0, kept = 0, replaced = 0;
  std::vector<int64_t> random_ids(kVocabulary), at_position(ids.size());
  for (int64_t example = 0; example < 400; ++example) {
    const Row row = masked(ids, {.seed = 1, .epoch = 0, .example = example});
    for (size_t i = 0; i < ids.size(); ++i) {
      tokens += !kSpecial.contains(ids[i]);
      if (row.targets[i] == kIgnoredTarget) {
        ASSERT_EQ(row.inputs[i], ids[i]);
        continue;
      }
      ASSERT_EQ(row.targets[i], ids[i]) << "the target is the original id";
      ASSERT_FALSE(kSpecial.contains(ids[i])) << "a special token was chosen";
      ++chosen;
      ++at_position[i];
      if (row.inputs[i] == kSpecial.mask) {
        ++masks;
      } else if (row.inputs[i] == ids[i]) {
        ++kept;
      } else {
        ++replaced;
        ++random_ids[static_cast<size_t>(row.inputs[i])];
      }
    }
  }
  expect_share(chosen, tokens, 0.15, "chosen");
  // A random id is <mask> or the token itself once in 1000 times each.
  expect_share(masks, chosen, 0.8 + 0.1 / kVocabulary, "<mask>");
  expect_share(kept, chosen, 0.1 + 0.1 / kVocabulary, "kept");
  expect_share(replaced, chosen, 0.1 - 0.2 / kVocabulary, "random");
  // Random ids are uniform over all but <mask> (998 degrees of freedom, standard deviation 45).
  const double expected = static_cast<double>(replaced) / (kVocabulary - 1);
  double chi_square = 0;
  for (size_t id = 0; id < random_ids.size(); ++id) {
    if (static_cast<int32_t>(id) == kSpecial.mask) continue;
    chi_square += std::pow(static_cast<double>(random_ids[id]) - expected, 2) / expected;
  }
  EXPECT_NEAR(chi_square, 998, 5 * 45);
  // And positions are chosen independently: counts spread as binomials do.
  double spread = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!kSpecial.contains(ids[i]))
      spread += std::pow(static_cast<double>(at_position[i]) - 60, 2) / (60 * 0.85);
  }
  EXPECT_NEAR(spread / 4092, 1, 5 * std::sqrt(2.0 / 4092));
}

TEST(Masking, NeighboursAreIndependent) {
  // Of the pairs of neighbours 0.15^2 are both chosen, within a row and from one example or epoch to the
  // next.
  const std::vector<int32_t> ids = sample(4096);
  int64_t in_row = 0, next_example = 0, next_epoch = 0;
  for (int64_t example = 0; example < 200; ++example) {
    const Row row = masked(ids, {1, 0, example}), after = masked(ids, {1, 0, example + 1}),
              again = masked(ids, {1, 1, example});
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      if (row.targets[i] < 0) continue;
      in_row += row.targets[i + 1] >= 0;
      next_example += after.targets[i] >= 0;
      next_epoch += again.targets[i] >= 0;
    }
  }
  expect_share(in_row, 200 * 4088, 0.0225, "in the row");
  expect_share(next_example, 200 * 4092, 0.0225, "in the next example");
  expect_share(next_epoch, 200 * 4092, 0.0225, "in the next epoch");
}

TEST(Masking, KeysDecide) {
  const std::vector<int32_t> ids = sample(512);
  const MaskingKey key{.seed = 3, .epoch = 2, .example = 5'000'000'000};
  EXPECT_EQ(masked(ids, key), masked(ids, key));
  EXPECT_NE(masked(ids, key), masked(ids, {.seed = 4, .epoch = 2, .example = 5'000'000'000}));
  EXPECT_NE(masked(ids, key), masked(ids, {.seed = 3, .epoch = 3, .example = 5'000'000'000}));
  EXPECT_NE(masked(ids, key), masked(ids, {.seed = 3, .epoch = 2, .example = 5'000'000'001}));
  EXPECT_NE(masked(ids, key), masked(ids, {.seed = 3, .epoch = 2, .example = 5'000'000'000 - (1LL << 32)}));
  EXPECT_EQ(masked(ids, evaluation_masking_key(7)), masked(ids, evaluation_masking_key(7)));
  EXPECT_NE(masked(ids, evaluation_masking_key(7)), masked(ids, evaluation_masking_key(8)));
  EXPECT_NE(masked(ids, evaluation_masking_key(7)), masked(ids, {.seed = 0, .epoch = 0, .example = 7}));
  // A row's masks do not depend on what stands behind it.
  const Row whole = masked(ids, key);
  const Row part = masked({ids.begin(), ids.begin() + 100}, key);
  EXPECT_TRUE(std::equal(part.inputs.begin(), part.inputs.end(), whole.inputs.begin()));
}

TEST(Masking, IsTheSameOnEveryMachine) {
  std::vector<int32_t> positions;
  const Row row = masked(sample(128), {.seed = 1234, .epoch = 5, .example = 678});
  for (size_t i = 0; i < row.targets.size(); ++i) {
    if (row.targets[i] >= 0) positions.insert(positions.end(), {static_cast<int32_t>(i), row.inputs[i]});
  }
  EXPECT_EQ(positions,
            (std::vector<int32_t>{1, 4,  4, 4,  31, 36, 34, 4,  35, 471, 47, 4,  48, 4,  69, 4,   74,
                                  4, 76, 4, 77, 4,  86, 4,  87, 4,  89,  4,  90, 4,  95, 4,  123, 4}))
      << "position, input, ... as another implementation of Philox gives them";
}

TEST(Masking, ExtremesAndErrors) {
  const std::vector<int32_t> ids = sample(64);
  Row row = masked(ids, {}, {.probability = 0});
  EXPECT_EQ(row.inputs, ids);
  EXPECT_EQ(row.targets, std::vector<int32_t>(64, kIgnoredTarget));
  row = masked(ids, {}, {.probability = 1, .mask_share = 1, .random_share = 0});
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(row.inputs[i], kSpecial.contains(ids[i]) ? ids[i] : 4);
  row = masked(ids, {}, {.probability = 1, .mask_share = 0, .random_share = 0});
  EXPECT_EQ(row.inputs, ids);
  EXPECT_EQ(std::count(row.targets.begin(), row.targets.end(), kIgnoredTarget), 4);
  row = masked(std::vector<int32_t>{0, 2}, {}, {.probability = 1});
  EXPECT_EQ(row.inputs, (std::vector<int32_t>{0, 2})) << "a row without anything to choose";

  EXPECT_ERROR(masked(ids, {}, {.probability = 1.5}), "must lie in [0, 1]");
  EXPECT_ERROR(masked(ids, {}, {.mask_share = 0.8, .random_share = 0.3}), "must lie in [0, 1]");
  EXPECT_ERROR(masked(ids, {}, {.probability = std::nan("")}), "must lie in [0, 1]");
  EXPECT_ERROR(masked({5, 1000}, {}), "token 1 is 1000, the vocabulary has 1000");
  std::vector<int32_t> inputs = ids, targets(63);
  EXPECT_ERROR(mask_tokens(inputs, targets, kSpecial, kVocabulary, {}, {}), "64 inputs and 63 targets");
  targets.resize(64);
  EXPECT_ERROR(mask_tokens(inputs, targets, SpecialIds{}, kVocabulary, {}, {}), "a tokenizer without <mask>");
}

}  // namespace
}  // namespace lf
