// Character language modelling on text8 and enwik8 (Beltagy et al. 2020, section 4).
#pragma once

#include <functional>
#include <optional>

#include "data/characters/next_token_reader.h"
#include "layers/char_lm.h"
#include "trainers/tasks/char_lm_model.h"
#include "trainers/tasks/corpora.h"
#include "trainers/tasks/task.h"

namespace lf {

// Scores tokens[0 .. limit) of a file with the model: each target once, in the windows of the protocol. The
// order of the sum does not depend on the batch size; its last bits may, because oneDNN chooses a product's
// kernel by its rows.
Score score_tokens(const CharLM& model, const CharLMPattern& pattern, DType compute, const TokenFile& tokens,
                   const Protocol& protocol, const std::function<void(int64_t, int64_t)>& progress);

class CharLMTask;
// The task of a run that must be one of a character language model; an Error that names `verb` if it is not.
const CharLMTask& as_char_lm(const Task& task, std::string_view verb);

class CharLMTask : public Task {
 public:
  // Opens the corpus (preparing it first where the path is a raw file) and initialises the model.
  CharLMTask(const RunConfig& config, const Communicator& communicator);

  ParameterBlock& parameters() override { return parameters_; }
  std::string data_hash() const override {
    return corpus_.train->header().content_hash + corpus_.validation->header().content_hash +
           corpus_.test->header().content_hash;
  }
  std::string vocabulary_hash() const override;
  void check_stage(const Stage& stage) const override { check_corpus_fits(corpus_, stage); }
  void use_stage(const Stage& stage) override;
  void begin_stage(const Stage& stage, int64_t stage_index, int64_t first_example) override;
  Fetched fetch() override;
  int64_t micro_batches() const override { return static_cast<int64_t>(batches_.size()); }
  Tensor forward_backward(int64_t i, double factor, uint64_t step) override;
  double update_flops(const Stage& stage) const override;
  std::string describe(int64_t i) const override;
  Score evaluate(Split split, const Protocol& protocol,
                 const std::function<void(int64_t, int64_t)>& progress) override;
  double data_wait_seconds() const override;
  std::vector<std::string> notices() const override;

  const CharLM& model() const { return model_; }
  const CharLMPattern& pattern() const { return pattern_; }
  const CorpusFiles& corpus() const { return corpus_; }

 private:
  RunConfig config_;
  const Communicator& communicator_;
  CorpusFiles corpus_;
  CharLM model_;
  ParameterBlock parameters_;

  Stage stage_;
  CharLMPattern pattern_;
  std::optional<PrefetchingReader> reader_;
  std::vector<Batch> batches_;
  double waited_ = 0;  // in readers of earlier stages
};

}  // namespace lf
