#include "trainers/config/stages.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace lf {

namespace {

template <class T>
T inherited(const Inherited<T>& written, const T* previous) {
  return written.given ? *written.given : previous ? *previous : written.fallback;
}

std::vector<int64_t> per_layer(const PerLayer& written, int64_t layers) {
  if (written.values.size() != 1) return written.values;
  return std::vector<int64_t>(static_cast<size_t>(layers), written.values.front());
}

// Twice the length, at most `most` (0 is no limit), but never less than before.
int64_t doubled(int64_t length, int64_t most) {
  const int64_t limit = most > 0 ? most : static_cast<int64_t>(kLargestLength);
  return std::max(length, std::min(2 * length, limit));
}

int64_t sequence_length(const StageEntry& entry, const Stage* previous, const DoublingSection& doubling) {
  if (entry.sequence_length) return *entry.sequence_length;
  return previous ? doubled(previous->sequence_length, doubling.max_sequence_length) : 0;
}

// Needs the stage's sequence length, which no generated window exceeds.
std::vector<int64_t> windows(const StageEntry& entry, const Stage* previous, const RunConfig& config,
                             int64_t sequence_length) {
  if (entry.windows) return per_layer(*entry.windows, config.model.layers);
  std::vector<int64_t> grown = previous ? previous->windows : std::vector<int64_t>();
  const int64_t most = config.stages.doubling.max_window;
  for (int64_t& window : grown) {
    window = doubled(window, most > 0 ? std::min(most, sequence_length) : sequence_length);
  }
  return grown;
}

double learning_rate(const StageEntry& entry, const Stage* previous, const DoublingSection& doubling) {
  if (entry.learning_rate) return *entry.learning_rate;
  return previous ? previous->learning_rate * doubling.learning_rate_factor : 0.0;
}

// Steps, tokens, epochs and minutes are inherited together: an entry that gives one of them has no other.
void set_limits(Stage& stage, const StageEntry& entry, const Stage* previous) {
  const bool own = entry.steps.given || entry.tokens.given || entry.epochs.given || entry.minutes.given;
  const Stage* const from = own ? nullptr : previous;
  stage.steps = inherited(entry.steps, from ? &from->steps : nullptr);
  stage.tokens = inherited(entry.tokens, from ? &from->tokens : nullptr);
  stage.epochs = inherited(entry.epochs, from ? &from->epochs : nullptr);
  stage.minutes = inherited(entry.minutes, from ? &from->minutes : nullptr);
}

Stage complete(const StageEntry& entry, const Stage* previous, size_t position, const RunConfig& config) {
  Stage stage;
  stage.index = static_cast<int64_t>(position);
  stage.name = entry.name.given.value_or(text("stage", position + 1));
  stage.sequence_length = sequence_length(entry, previous, config.stages.doubling);
  stage.windows = windows(entry, previous, config, stage.sequence_length);
  stage.dilation = entry.dilation.given || !previous
                       ? per_layer(inherited<PerLayer>(entry.dilation, nullptr), config.model.layers)
                       : previous->dilation;
  stage.dilated_heads = inherited(entry.dilated_heads, previous ? &previous->dilated_heads : nullptr);
  stage.learning_rate = learning_rate(entry, previous, config.stages.doubling);
  stage.batch_size = inherited(entry.batch_size, previous ? &previous->batch_size : nullptr);
  stage.micro_batch = inherited(entry.micro_batch, previous ? &previous->micro_batch : nullptr);
  stage.micro_batch_tokens =
      inherited(entry.micro_batch_tokens, previous ? &previous->micro_batch_tokens : nullptr);
  set_limits(stage, entry, previous);
  stage.patience = inherited(entry.patience, previous ? &previous->patience : nullptr);
  stage.recompute = inherited(entry.recompute, previous ? &previous->recompute : nullptr);
  return stage;
}

}  // namespace

std::vector<Stage> expanded_stages(const RunConfig& config, size_t count) {
  const StagesSection& section = config.stages;
  const bool doubles = section.doubling.enabled && !section.list.empty();
  std::vector<Stage> stages;
  for (size_t i = 0; i < count && (doubles || i < section.list.size()); ++i) {
    const StageEntry entry = i < section.list.size() ? section.list[i] : StageEntry{};
    const Stage* const previous = doubles && i > 0 ? &stages.back() : nullptr;
    stages.push_back(complete(entry, previous, i, config));
  }
  for (Stage& stage : stages) {
    if (stage.micro_batch == 0) stage.micro_batch = stage.batch_size;
  }
  return stages;
}

std::vector<Stage> resolved_stages(const RunConfig& config) {
  const int64_t count = config.stages.count;
  return expanded_stages(config, count > 0 ? static_cast<size_t>(count) : config.stages.list.size());
}

uint64_t order_seed(const RunConfig& config, const Stage& stage) {
  return static_cast<uint64_t>(config.seed) + (static_cast<uint64_t>(stage.index) << 32);
}

int64_t planned_steps(const Stage& stage) {
  if (stage.tokens == 0) return stage.steps;
  const int64_t tokens_per_step = stage.batch_size * stage.sequence_length;
  const int64_t steps = stage.tokens / tokens_per_step + (stage.tokens % tokens_per_step != 0);
  return stage.steps > 0 ? std::min(stage.steps, steps) : steps;
}

int64_t warmup_steps(const ScheduleSection& schedule, const Stage& stage) {
  if (schedule.warmup_steps > 0) return schedule.warmup_steps;
  const double steps = std::floor(schedule.warmup_fraction * static_cast<double>(planned_steps(stage)));
  return std::min(static_cast<int64_t>(steps), schedule.warmup_max);
}

}  // namespace lf
