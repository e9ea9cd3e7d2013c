// From a configuration to the model of a character language model.
#pragma once

#include <cstdint>

#include "layers/char_lm.h"
#include "trainers/config/run_config.h"
#include "trainers/config/stages.h"
#include "trainers/tasks/corpora.h"
#include "trainers/tasks/language_model_score.h"

namespace lf {

// The model's sizes, for a corpus of `vocabulary` symbols; an Error where model.vocabulary is too small for
// it.
CharLMShape char_lm_shape(const RunConfig& config, int64_t vocabulary);
// What the stage's layers attend to.
CharLMPattern char_lm_pattern(const RunConfig& config, const Stage& stage);

// How a stage's validation and the reported figure are scored.
Protocol char_lm_protocol(const RunConfig& config, Effort effort, const Stage& stage);

// Throws an Error when the training split holds no sequence of the stage's length, or another split nothing
// to score.
void check_corpus_fits(const CorpusFiles& corpus, const Stage& stage);

}  // namespace lf
