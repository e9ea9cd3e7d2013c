// Texts written for sources, several sources at once: those that are done leave, and others take their place.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "layers/seq2seq.h"
#include "trainers/generation/text_search.h"

namespace lf {

// One document to write for.
struct TextSource {
  int64_t number = 0;           // among all, for its caller
  EncoderInput input;           // one sequence
  std::vector<int32_t> prompt;  // empty: the model's start token; else that stands before it unless it does
};

// Writes texts for what `next` gives, until it gives nothing, for as many sources at a time as have `rows`
// rows together (one at least); `written` is called with a source's texts as soon as they are finished. A
// source's texts do not depend on the others. An Error where the settings ask for more tokens than the model
// has positions, or the model's probabilities are not finite.
void write_texts(const Seq2Seq& model, const GenerationSettings& settings, int64_t rows,
                 const std::function<std::optional<TextSource>()>& next,
                 const std::function<void(int64_t number, const std::vector<WrittenText>&)>& written);

}  // namespace lf
