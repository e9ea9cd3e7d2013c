// How the texts of one source are written: what each goes on with, given the scores of all tokens. Beam
// search is that of transformers 5.23 step by step; greedy search and sampling are one beam's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "trainers/generation/generation_settings.h"

namespace lf {

// A text that is finished, its prompt before it.
struct WrittenText {
  std::vector<int32_t> ids;
  double score = 0;  // the sum of its new tokens' log-probabilities / (their number) ^ length_penalty
};

class TextSearch {
 public:
  virtual ~TextSearch() = default;

  // Texts that are written side by side.
  virtual int64_t rows() const = 0;
  // Takes the logits (rows,V) behind every row's newest token, which it may change, and lse (rows), the
  // logarithms of the sums of their exponentials.
  virtual void advance(float* logits, const float* lse, int64_t vocabulary) = 0;
  virtual bool is_done() const = 0;
  // Of which row each row is to go on, itself at first, and its newest token.
  virtual const std::vector<int32_t>& parents() const = 0;
  virtual std::vector<int32_t> newest() const = 0;
  // The best texts, best first: as many as num_return_sequences.
  virtual std::vector<WrittenText> written() const = 0;
};

// A search for a text that begins with the prompt, of one token at least. `record` tells apart texts that
// share a seed. The settings must outlive it.
std::unique_ptr<TextSearch> make_search(const GenerationSettings& settings,
                                        const std::vector<int32_t>& prompt, uint64_t record);

}  // namespace lf
