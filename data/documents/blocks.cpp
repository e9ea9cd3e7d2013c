#include "data/documents/blocks.h"

#include "core/check.h"

namespace lf {

DocumentBlocks::DocumentBlocks(const TokenFile& tokens, int64_t length, const SpecialIds& special)
    : tokens_(&tokens), length_(length), special_(special) {
  CHECK(length >= 3, "document blocks: a length of ", length, ", needed at least 3: <s>, a token, </s>");
  CHECK(tokens.count() >= text_length(), tokens.path(), ": has ", tokens.count(), " tokens, a block of ",
        length, " needs ", text_length());
  CHECK(special.begin && special.end, "document blocks: the tokenizer has no <s> and </s> to frame a block");
  CHECK(*special.begin < tokens.vocabulary_size() && *special.end < tokens.vocabulary_size(),
        "document blocks: <s> ", *special.begin, " and </s> ", *special.end,
        " must lie in the vocabulary of ", tokens.path(), ", which has ", tokens.vocabulary_size());
}

void DocumentBlocks::copy(int64_t i, std::span<int32_t> out) const {
  CHECK(i >= 0 && i < count(), tokens_->path(), ": block ", i, " was asked for, there are ", count());
  copy_from(i * text_length(), out);
}

void DocumentBlocks::copy_from(int64_t begin, std::span<int32_t> out) const {
  CHECK(static_cast<int64_t>(out.size()) == length_, "document blocks: room for ", out.size(),
        " tokens, a block has ", length_);
  out.front() = *special_.begin;
  tokens_->copy(begin, out.subspan(1, out.size() - 2));
  out.back() = *special_.end;
}

SequenceOrder DocumentBlocks::order(uint64_t seed) const {
  return SequenceOrder(tokens_->count(), text_length(), seed, 0);
}

}  // namespace lf
