// FULL-SENTENCES blocks (Liu et al. 2019): a stream of documents cut into pieces of a fixed length, each
// between <s> and </s>. A block may span documents, which </s> separates inside it.
#pragma once

#include <cstdint>
#include <span>

#include "data/sequence_order.h"
#include "data/token_file.h"
#include "data/tokenizer/special_ids.h"

namespace lf {

class DocumentBlocks {
 public:
  // Blocks of `length` tokens, <s> and </s> included. The token file must outlive this object. Throws Error
  // for a length below 3 and a stream shorter than one block.
  DocumentBlocks(const TokenFile& tokens, int64_t length, const SpecialIds& special);

  // Blocks behind each other from the stream's start; a rest that fills no block belongs to none.
  int64_t count() const { return tokens_->count() / text_length(); }
  int64_t length() const { return length_; }
  // Tokens of the stream in a block.
  int64_t text_length() const { return length_ - 2; }
  const TokenFile& tokens() const { return *tokens_; }
  const SpecialIds& special() const { return special_; }

  // Copies block i of count() into out (length).
  void copy(int64_t i, std::span<int32_t> out) const;
  // Copies the block that takes its text from token `begin` of the stream.
  void copy_from(int64_t begin, std::span<int32_t> out) const;

  // The order of training: where the text of example 0, 1, 2, ... over all epochs begins. Each epoch cuts the
  // stream from an offset of its own and permutes the blocks.
  SequenceOrder order(uint64_t seed) const;

 private:
  const TokenFile* tokens_;
  int64_t length_;
  SpecialIds special_;
};

}  // namespace lf
