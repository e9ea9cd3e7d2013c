#include "trainers/tasks/window_input.h"

#include <iterator>

#include "core/check.h"
#include "trainers/tasks/encoder_records.h"

namespace lf {

WindowReading::WindowReading(const ByteLevelTokenizer& tokenizer, const std::string& folder,
                             const EncoderShape& shape, GlobalAttention global)
    : first_is_global(shape.is_longformer() && global == GlobalAttention::first_token) {
  const SpecialIds& special = tokenizer.special_ids();
  CHECK(special.begin && special.end, folder,
        ": its tokenizer has no <s> and </s>, which stand around a text");
  begin = *special.begin;
  end = *special.end;
}

void WindowBatch::add(const WordWindow& window, const std::vector<int32_t>& ids,
                      const std::vector<int32_t>& first) {
  const auto origin = static_cast<int64_t>(tokens_.size()) + 1 - window.begin;
  tokens_.push_back(reading_.begin);
  tokens_.insert(tokens_.end(), ids.begin() + window.begin, ids.begin() + window.end);
  tokens_.push_back(reading_.end);
  offsets_.push_back(std::ssize(tokens_));
  for (int64_t word = window.first_word; word < window.last_word; ++word)
    places_.push_back(static_cast<int32_t>(origin + first[static_cast<size_t>(word)]));
}

EncoderInput WindowBatch::input() const {
  EncoderInput input;
  input.ids = Tensor::from({std::ssize(tokens_)}, tokens_);
  input.offsets = offsets_;
  if (reading_.first_is_global) input.global_tokens = first_tokens_global(std::ssize(offsets_) - 1);
  return input;
}

}  // namespace lf
