// Scores of a split of texts and summaries: the loss of the given summaries, ROUGE of written ones.
#pragma once

#include <cstdint>
#include <vector>

#include "data/tasks/tokenized_pairs.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "layers/seq2seq.h"
#include "trainers/tasks/evaluation.h"
#include "trainers/tasks/seq2seq_input.h"
#include "trainers/tasks/seq2seq_writing.h"
#include "trainers/tasks/task.h"

namespace lf {

// -log p(label) in nats (M), smoothed or not.
Var label_losses(const Seq2Seq& model, const Seq2SeqBatch& batch, double smoothing, const Pass& pass,
                 bool recomputes = false);

struct LabelScore {
  double nats = 0;
  int64_t count = 0;
};
// Every label of the pairs once, with their given summaries, `rows` pairs at a time; without smoothing.
LabelScore score_labels(const Seq2Seq& model, const TokenizedPairs& pairs, const Seq2SeqSection& section,
                        int64_t most_source, int64_t rows, DType compute, const RankGrid& ranks,
                        const ScoreProgress& progress);

// ROUGE's mean F1, in percent, of what is written for the first `texts` pairs.
std::vector<Metric> score_written(const SummaryWriter& writer, const TokenizedPairs& pairs, int64_t texts,
                                  const Seq2SeqSection& section, const ByteLevelTokenizer& tokenizer,
                                  const RankGrid& ranks, const ScoreProgress& progress);

}  // namespace lf
