#include "trainers/tasks/prompt_writing.h"

#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/profile.h"
#include "trainers/generation/sampling.h"

namespace lf {
namespace {

// The defaults, changed by the settings' file, changed by what the command line gives.
SamplingSettings sampling_of(const WritingRequest& request) {
  if (request.num_beams) throw UsageError("--beams is for summaries; a character language model samples");
  SamplingSettings s;
  if (!request.settings.empty()) s = sampling_from_json(request.settings, request.settings_source, s);
  s.max_new_tokens = request.length.value_or(s.max_new_tokens);
  s.temperature = request.temperature.value_or(s.temperature);
  s.top_k = request.top_k.value_or(s.top_k);
  s.top_p = request.top_p.value_or(s.top_p);
  s.seed = request.seed.value_or(s.seed);
  if (request.greedy) s.do_sample = false;
  s.validate();
  return s;
}

}  // namespace

void write_after_prompts(const TextModel& model, const std::vector<Record>& records,
                         const WritingRequest& request, PredictionSink& sink) {
  const SamplingSettings sampling = sampling_of(request);
  std::vector<std::vector<int32_t>> prompts;  // all are read before anything is written
  for (const Record& record : records) {
    CHECK(record.text, record.where, R"(: needed a record {"id", "text"})");
    prompts.push_back(model.encode(*record.text, record.id));
  }
  for (size_t i = 0; i < records.size(); ++i) {
    if (!sink.is_mine(std::ssize(prompts[i]) + sampling.max_new_tokens)) continue;
    const Phase phase("generate");
    // The number is the record's among all, so that its text depends on no other.
    const Generated result = generate(*model.decoder(), prompts[i], sampling, i);
    sink.line({{"id", records[i].id},
               {"output_ids", result.ids},
               {"score", result.score},
               {"text", *records[i].text + model.decode(result.ids)}});
    sink.end_piece();
  }
}

}  // namespace lf
