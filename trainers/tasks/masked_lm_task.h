// Continuing a pretrained masked language model on long documents (Beltagy et al. 2020, section 5).
#pragma once

#include <memory>
#include <optional>

#include "data/documents/document_corpus.h"
#include "data/documents/masked_reader.h"
#include "layers/encoder.h"
#include "trainers/tasks/task.h"

namespace lf {

// A prepared document corpus with its token files open and verified.
struct DocumentFiles {
  DocumentCorpus corpus;
  std::shared_ptr<const TokenFile> train, validation, test;
};
DocumentFiles open_document_files(const std::string& folder);

// The sizes of the configured pretrained model, with the configuration's dropout. An Error if its folder or
// the corpus does not fit.
EncoderShape masked_lm_shape(const RunConfig& config);

// Scores blocks of a token file, each with the masks that every evaluation gives it: every block of
// protocol.sequence_length that fits into the first protocol.tokens tokens (0: all), at least one.
Score score_blocks(const MaskedLM& model, DType compute, const TokenFile& tokens, const SpecialIds& special,
                   const Masking& masking, const Protocol& protocol,
                   const std::function<void(int64_t, int64_t)>& progress);

class MaskedLMTask : public Task {
 public:
  // Opens the corpus and the pretrained model; with trained: new_positions, all but those is frozen.
  MaskedLMTask(const RunConfig& config, const Communicator& communicator);

  ParameterBlock& parameters() override { return parameters_; }
  std::string data_hash() const override {
    return corpus_.train->header().content_hash + corpus_.validation->header().content_hash +
           corpus_.test->header().content_hash;
  }
  std::string model_hash() const override { return model_hash_; }
  void check_stage(const Stage& stage) const override;
  void use_stage(const Stage& stage) override { stage_ = stage; }
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
  const char* unit() const override { return "token"; }
  // Training has no global tokens and never updates the global projections; those that were copies of the
  // local ones when training began become copies again.
  void finish() override;

  const MaskedLM& model() const { return model_; }
  const DocumentCorpus& corpus() const { return corpus_.corpus; }

 private:
  void choose_trained();
  void train_new_positions_only();

  RunConfig config_;
  const Communicator& communicator_;
  DocumentFiles corpus_;
  Masking masking_;
  MaskedLM model_;
  ParameterBlock parameters_;
  bool global_projections_are_copies_ = false;
  std::string model_hash_;

  Stage stage_;
  std::optional<DocumentBlocks> blocks_;
  std::optional<MaskedReader> reader_;
  std::vector<MaskedBatch> batches_;
  double waited_ = 0;  // in readers of earlier stages
};

}  // namespace lf
