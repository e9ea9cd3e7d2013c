// Blocks and masked batches: every token of the stream once an epoch, in an order that nothing but (seed,
// epoch, example) decides.
#include "data/documents/masked_reader.h"

#include <algorithm>

#include "tests/temporary_folder.h"

namespace lf {
namespace {

const SpecialIds kReaderSpecial{0, 1, 2, 3, 4};

// Tokens 5, 6, 7, ... so that a token tells its position.
std::string write_stream(const TemporaryFolder& folder, int64_t count) {
  TokenFileWriter writer(folder / "stream.tokens", TokenType::kU16, 65536, {}, {});
  std::vector<uint16_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<uint16_t>(5 + i));
  writer.append(tokens);
  writer.commit();
  return folder / "stream.tokens";
}

// The unmasked row.
std::vector<int32_t> original(const MaskedBatch& batch, int64_t row) {
  const auto begin = static_cast<size_t>(row * batch.length), length = static_cast<size_t>(batch.length);
  std::vector<int32_t> ids(batch.inputs.begin() + static_cast<int64_t>(begin),
                           batch.inputs.begin() + static_cast<int64_t>(begin + length));
  for (size_t i = 0; i < length; ++i) {
    if (batch.targets[begin + i] != kIgnoredTarget) ids[i] = batch.targets[begin + i];
  }
  return ids;
}

TEST(DocumentBlocks, AreConsecutiveTokensBetweenTheFrame) {
  const TemporaryFolder folder;
  const TokenFile tokens(write_stream(folder, 100));
  const DocumentBlocks blocks(tokens, 10, kReaderSpecial);
  EXPECT_EQ(blocks.count(), 12) << "the last 4 tokens fill no block";
  EXPECT_EQ(blocks.text_length(), 8);
  std::vector<int32_t> block(10);
  for (int64_t i = 0; i < blocks.count(); ++i) {
    blocks.copy(i, block);
    EXPECT_EQ(block.front(), 0);
    EXPECT_EQ(block.back(), 2);
    for (int64_t j = 0; j < 8; ++j) EXPECT_EQ(block[static_cast<size_t>(j + 1)], 5 + 8 * i + j);
  }
  EXPECT_ERROR(blocks.copy(12, block), "block 12 was asked for, there are 12");
  EXPECT_ERROR(blocks.copy(-1, block), "block -1");
  block.resize(9);
  EXPECT_ERROR(blocks.copy(0, block), "room for 9 tokens, a block has 10");
  EXPECT_ERROR(DocumentBlocks(tokens, 2, kReaderSpecial), "a length of 2, needed at least 3");
  EXPECT_ERROR(DocumentBlocks(tokens, 103, kReaderSpecial), "has 100 tokens, a block of 103 needs 101");
  EXPECT_EQ(DocumentBlocks(tokens, 102, kReaderSpecial).count(), 1);
  SpecialIds without = kReaderSpecial;
  without.begin.reset();
  EXPECT_ERROR(DocumentBlocks(tokens, 10, without), "no <s> and </s> to frame");
}

TEST(DocumentBlocks, EveryEpochCutsTheStreamAnew) {
  for (const int64_t count : {8, 9, 15, 16, 17, 100, 1000}) {
    const SequenceOrder order(count, 8, 3, 0);
    EXPECT_GE(order.sequences_per_epoch(), std::max<int64_t>(1, count / 8 - 1)) << count;
    std::vector<int64_t> offsets;
    for (int64_t epoch = 0; epoch < 100; ++epoch) {
      std::vector<int64_t> begins;
      for (int64_t i = 0; i < order.sequences_per_epoch(); ++i)
        begins.push_back(order.begin(epoch * order.sequences_per_epoch() + i));
      std::sort(begins.begin(), begins.end());
      ASSERT_GE(begins.front(), 0);
      ASSERT_LT(begins.front(), 8);
      ASSERT_LE(begins.back() + 8, count);
      for (size_t i = 1; i < begins.size(); ++i) ASSERT_EQ(begins[i], begins[i - 1] + 8);
      offsets.push_back(begins.front());
    }
    // Every token of the stream is in some epoch, the last one as well.
    const int64_t last = count - order.sequences_per_epoch() * 8;
    EXPECT_EQ(*std::min_element(offsets.begin(), offsets.end()), 0) << count;
    EXPECT_EQ(*std::max_element(offsets.begin(), offsets.end()), std::min<int64_t>(7, last)) << count;
  }
  EXPECT_ERROR(SequenceOrder(7, 8, 0, 0), "the stream has 7 tokens, a sequence of length 8 needs 8 + 0");
}

TEST(MaskedBatches, RowsAreTheBlocksOfTheOrder) {
  const TemporaryFolder folder;
  const TokenFile tokens(write_stream(folder, 5000));
  const DocumentBlocks blocks(tokens, 34, kReaderSpecial);
  const MaskedBatch batch = make_masked_batch(blocks, {}, 9, 150, 6);
  ASSERT_EQ(batch.rows, 6);
  ASSERT_EQ(batch.length, 34);
  EXPECT_EQ(batch.example_ids, (std::vector<int64_t>{150, 151, 152, 153, 154, 155}));
  EXPECT_GT(std::count(batch.inputs.begin(), batch.inputs.end(), 4), 10);
  for (int64_t row = 0; row < 6; ++row) {
    std::vector<int32_t> expected(34);
    blocks.copy_from(blocks.order(9).begin(150 + row), expected);
    EXPECT_EQ(original(batch, row), expected);
  }
  EXPECT_EQ(blocks.order(9).sequence_length(), 32) << "a block's text, which no other block of the epoch has";
  EXPECT_EQ(blocks.order(9).sequences_per_epoch(), (5000 - 31) / 32);
  // The same block in another epoch: other neighbours, other masks.
  const int64_t per_epoch = blocks.order(9).sequences_per_epoch();
  EXPECT_NE(make_masked_batch(blocks, {}, 9, 0, 1).inputs,
            make_masked_batch(blocks, {}, 9, per_epoch, 1).inputs);
  EXPECT_ERROR(make_masked_batch(blocks, {}, 9, 0, 0), "0 rows");
}

TEST(MaskedBatches, EvaluationIsInOrderAndAlwaysTheSame) {
  const TemporaryFolder folder;
  const TokenFile tokens(write_stream(folder, 1000));
  const DocumentBlocks blocks(tokens, 12, kReaderSpecial);
  const MaskedBatch whole = make_evaluation_batch(blocks, {}, 0, blocks.count());
  const MaskedBatch part = make_evaluation_batch(blocks, {}, 37, 5);
  EXPECT_TRUE(std::equal(part.inputs.begin(), part.inputs.end(), whole.inputs.begin() + 37 * 12));
  EXPECT_TRUE(std::equal(part.targets.begin(), part.targets.end(), whole.targets.begin() + 37 * 12));
  for (int64_t i = 0; i < blocks.count(); ++i) {
    std::vector<int32_t> block(12);
    blocks.copy(i, block);
    EXPECT_EQ(original(whole, i), block);
  }
  EXPECT_ERROR(make_evaluation_batch(blocks, {}, 96, 5), "blocks 96 to 101 were asked for, there are 100");
}

TEST(MaskedBatches, DoNotDependOnWhereTheyBegin) {
  const TemporaryFolder folder;
  const TokenFile tokens(write_stream(folder, 1000));
  const DocumentBlocks blocks(tokens, 18, kReaderSpecial);
  const MaskedBatch whole = make_masked_batch(blocks, {}, 5, 0, 120);
  const MaskedBatch part = make_masked_batch(blocks, {}, 5, 57, 4);
  EXPECT_TRUE(std::equal(part.inputs.begin(), part.inputs.end(), whole.inputs.begin() + 57 * 18));
  EXPECT_TRUE(std::equal(part.targets.begin(), part.targets.end(), whole.targets.begin() + 57 * 18));
  SpecialIds special = kReaderSpecial;
  special.mask.reset();
  EXPECT_ERROR(make_masked_batch(DocumentBlocks(tokens, 18, special), {}, 5, 0, 4),
               "a tokenizer without <mask>");
}

}  // namespace
}  // namespace lf
