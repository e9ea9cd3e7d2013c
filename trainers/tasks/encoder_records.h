// Records as what an encoder takes, for every task that answers them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "core/check.h"
#include "core/profile.h"
#include "data/records.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "layers/encoder_shape.h"
#include "trainers/tasks/prediction_sink.h"

namespace lf {

bool any_text(const std::vector<Record>& records);

// Gives records of text their ids, one row each.
void tokenize(std::vector<Record>& records, const ByteLevelTokenizer& tokenizer);

// The rows of all records as a ragged batch; mask and global tokens where any has them. A padded token is not
// global.
EncoderInput encoder_input(std::span<const Record> records);

int64_t tokens_of(const Record& record);
int64_t tokens_of(std::span<const Record> records);

// One global token in each of so many sequences, the first.
std::shared_ptr<const GlobalTokens> first_tokens_global(int64_t sequences);

// Gives the rows of records without global tokens their first token as one; returns how many rows.
int64_t add_first_tokens_global(std::vector<Record>& records);

// The same with the folder's tokenizer, and so many ids each at most. What is cut is noted, and so are texts
// without words: what one answers for them is no answer.
void read_texts(std::vector<Record>& records, const std::string& tokenizer_folder, int64_t longest,
                PredictionSink& sink);
void warn_of_empty(const std::vector<Record>& records, PredictionSink& sink);

// Cuts a record of text to so many tokens; the last one, </s>, stays.
void cut(Record& record, int64_t longest);

// The first records that have so many tokens together at most; one at least.
std::span<const Record> first_batch(std::span<const Record> records, int64_t most_tokens);

// As much as keeps a processor's products busy; a longer batch only costs memory.
constexpr int64_t kPredictedAtOnce = 4096;  // tokens

// answer(batch, compute(batch)); where that fails, of each record by itself. An error of `compute` has the
// place of the record before it that it is of.
template <class Compute, class Answer>
void answer_batch(std::span<const Record> batch, const Compute& compute, const Answer& answer) {
  std::optional<decltype(compute(batch))> result;
  try {
    const Phase phase("predict");
    result = compute(batch);
  } catch (const Error& error) {
    if (batch.size() == 1) throw Error(text(batch[0].where, ": ", error.what()));
    for (const Record& record : batch) answer_batch(std::span(&record, 1), compute, answer);
    return;
  }
  answer(batch, *result);
}

// Answers all records, in their order, as many at a time as `most_tokens` allow (one at least), without
// gradients. These batches are the sink's pieces: whoever computes one, it holds the same records.
template <class Compute, class Answer>
void in_batches(std::span<const Record> records, int64_t most_tokens, PredictionSink& sink,
                const Compute& compute, const Answer& answer) {
  const NoGrad no_grad;
  while (!records.empty()) {
    const std::span<const Record> batch = first_batch(records, most_tokens);
    records = records.subspan(batch.size());
    if (!sink.is_mine(tokens_of(batch))) continue;
    answer_batch(batch, compute, answer);
    sink.end_piece();
  }
}

}  // namespace lf
