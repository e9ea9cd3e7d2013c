// Texts and summaries as a BART or LED takes them.
#pragma once

#include <cstdint>
#include <vector>

#include "data/tasks/tokenized_pairs.h"
#include "layers/seq2seq.h"
#include "trainers/config/seq2seq_section.h"

namespace lf {

// Sources and targets of some pairs, ragged. In an LED the first token of every source is global, unless the
// section says that none is.
struct Seq2SeqBatch {
  EncoderInput sources;
  DecoderInput targets;
  std::vector<int32_t> labels;  // what the decoder is to say at each of its tokens
};

// Of sources of `most_source` tokens at most and targets of the section's length; longer ones are cut before
// </s>.
Seq2SeqBatch seq2seq_batch(const TokenizedPairs& pairs, const std::vector<int64_t>& ids, int64_t most_source,
                           const Seq2SeqSection& section, const Seq2SeqShape& shape);

// Labels of a target of so many tokens.
inline int64_t labels_of(int64_t tokens, DecoderPrefix prefix) {
  return prefix == DecoderPrefix::end_begin ? tokens : tokens - 1;
}

// What a text that is written begins with, as the decoder has learned it.
std::vector<int32_t> prompt_of(DecoderPrefix prefix, const Seq2SeqShape& shape);

}  // namespace lf
