// Beam search as transformers 5.23 does it (GenerationMixin._beam_search), for one source.
#pragma once

#include <cstdint>
#include <vector>

#include "trainers/generation/text_search.h"
#include "trainers/generation/token_rules.h"

namespace lf {

class BeamSearch : public TextSearch {
 public:
  BeamSearch(const GenerationSettings& settings, const std::vector<int32_t>& prompt);

  int64_t rows() const override { return settings_.num_beams; }
  void advance(float* logits, const float* lse, int64_t vocabulary) override;
  bool is_done() const override { return is_done_; }
  const std::vector<int32_t>& parents() const override { return parents_; }
  std::vector<int32_t> newest() const override;
  std::vector<WrittenText> written() const override;

 private:
  struct Beam {
    std::vector<int32_t> ids;
    float score;  // summed
  };
  struct Finished {
    std::vector<int32_t> ids;
    float score;
    bool is_text;  // or only a place for one
  };
  struct Candidate {
    float score;
    int32_t beam, id;
    bool ends = false;
  };

  std::vector<Candidate> best_candidates(const float* scores, int64_t vocabulary) const;
  void go_on(const std::vector<Candidate>& candidates);
  void finish(const std::vector<Candidate>& candidates);
  bool is_full() const;    // as many texts as beams are finished
  bool is_closed() const;  // no text can join the finished ones any more
  bool can_improve() const;

  const GenerationSettings& settings_;
  TokenRules rules_;
  int64_t prompt_, longest_;
  std::vector<Beam> beams_;
  std::vector<Finished> finished_;  // as many as beams, best first
  std::vector<int32_t> parents_;
  bool may_improve_ = true, is_done_ = false;
};

}  // namespace lf
