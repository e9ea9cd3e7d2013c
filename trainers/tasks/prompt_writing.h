// Texts that go on from prompts, one after the other.
#pragma once

#include <vector>

#include "data/records.h"
#include "trainers/generation/text_model.h"
#include "trainers/generation/writing.h"
#include "trainers/tasks/prediction_sink.h"

namespace lf {

// Writes on from each record's text, the prompt before what is new. Errors: records without text, beams.
void write_after_prompts(const TextModel& model, const std::vector<Record>& records,
                         const WritingRequest& request, PredictionSink& sink);

}  // namespace lf
