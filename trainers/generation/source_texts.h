// Texts written for sources, several sources at once: those that are done leave, and others take their place.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "layers/seq2seq.h"
#include "trainers/generation/text_search.h"

namespace lf {

// One document to write for.
struct TextSource {
  int64_t number = 0;           // among all, for its caller
  std::string where;            // for messages
  EncoderInput input;           // one sequence
  std::vector<int32_t> prompt;  // what its texts begin with, one token at least
};

// The model's start token, and the given tokens behind it unless they begin with it, as transformers takes
// decoder_input_ids.
std::vector<int32_t> prompt_behind_start(const Seq2SeqShape& shape, std::vector<int32_t> given);

// Writes texts for what `next` gives, until it gives nothing, for as many sources at a time as have `rows`
// rows together, and some 16,384 tokens (one at least); `written` is called with a source's texts as soon as
// they are finished. A source's texts do not depend on the others. An Error where the settings ask for more
// tokens than the model has positions, what the model cannot read, or probabilities that are not finite.
void write_texts(const Seq2Seq& model, const GenerationSettings& settings, int64_t rows,
                 const std::function<std::optional<TextSource>()>& next,
                 const std::function<void(int64_t number, const std::vector<WrittenText>&)>& written);

}  // namespace lf
