#include "trainers/config/consistency.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "core/choices.h"
#include "core/format.h"
#include "trainers/config/keys_of_task.h"
#include "trainers/config/scalars.h"
#include "trainers/config/stages.h"

namespace lf {

namespace {

// Judges keys that could be read, and notes contradictions where the key was written.
class Judge {
 public:
  Judge(const Node& root, Problems& problems) : root_(root), known_before_(problems), problems_(problems) {}

  // Notes the problem at path unless ok, or unless one of the keys that matter could not be read.
  template <class... Parts>
  void require(bool ok, const std::string& path, const std::vector<std::string>& matter,
               const Parts&... parts) {
    if (ok || known_before_.wrong_around(path)) return;
    const auto unread = [&](const std::string& key) { return known_before_.wrong_around(key); };
    if (std::any_of(matter.begin(), matter.end(), unread)) return;
    problems_.add(place_of(root_, path), path, parts...);
  }

 private:
  const Node& root_;
  const Problems known_before_;  // the problems known before the first rule
  Problems& problems_;
};

void judge_sections(const RunConfig& config, Judge& judge) {
  const ModelSection& model = config.model;
  judge.require(model.head_width > 0 || model.width % model.heads == 0, "model.heads",
                {"model.width", "model.head_width"}, model.heads, " heads do not divide model.width ",
                model.width, "; change one, or give model.head_width");
  judge.require(!model.relative_positions || model.width % 2 == 0, "model.width",
                {"model.relative_positions"},
                "must be even for relative positions (sines and cosines), found ", model.width);
  const auto split = config.data.split.value();
  const double sum = std::accumulate(split.begin(), split.end(), 0.0);
  constexpr double kRounding = 1e-9;  // decimal fractions do not add up exactly
  judge.require(std::abs(sum - 1.0) < kRounding, "data.split", {}, "the fractions sum to ", sum, ", not 1");
  const EvaluationSection& evaluation = config.evaluation;
  judge.require(evaluation.step <= evaluation.sequence_length, "evaluation.step",
                {"evaluation.sequence_length"}, evaluation.step,
                " is longer than evaluation.sequence_length ", evaluation.sequence_length);
}

// Keys that mean nothing to the chosen task are refused when they say something, those that it needs must be
// there.
void judge_keys_of_task(const RunConfig& config, Judge& judge) {
  for (const ForeignKey& key : foreign_keys(config)) {
    std::vector<std::string> owners;
    for (const TaskChoice task : key.tasks) owners.push_back(choice_name(task));
    judge.require(false, key.path, {"task"}, "means nothing to task: ", choice_name(config.task),
                  "; it is for task: ", joined(owners));
  }
  for (const MissingKey& key : missing_keys(config))
    judge.require(false, key.path, {"task"}, "is missing: ", key.description);
}

void judge_language_models(const RunConfig& config, Judge& judge) {
  if (config.task == TaskChoice::char_lm) {
    judge.require(config.validation.tokens != 1, "validation.tokens", {"task"},
                  "must be 0 (all) or at least 2, for the first is read but not predicted; found 1");
  }
  if (config.task != TaskChoice::masked_lm) return;
  const MaskedLMSection& masked = config.masked_lm;
  judge.require(masked.mask_share + masked.random_share <= 1, "masked_lm.random_share",
                {"masked_lm.mask_share"}, masked.random_share, " and mask_share ", masked.mask_share,
                " are more than all");
}

void judge_ranks(const RunConfig& config, Judge& judge) {
  const AttentionImplementation attends = config.attention.implementation;
  judge.require(config.ranks.sequence == 1 || attends == AttentionImplementation::fused, "ranks.sequence",
                {"attention.implementation"}, "needs attention.implementation fused, found ",
                choice_name(attends));
}

void judge_validation(const RunConfig& config, const std::vector<Stage>& stages, Judge& judge) {
  const ValidationSection& validation = config.validation;
  if (validation.sequence_length > 0) {
    judge.require(validation.step <= validation.sequence_length, "validation.step",
                  {"validation.sequence_length"}, validation.step,
                  " is longer than validation.sequence_length ", validation.sequence_length);
    return;
  }
  const auto shorter = std::find_if(stages.begin(), stages.end(), [&](const Stage& stage) {
    return stage.sequence_length > 0 && stage.sequence_length < validation.step;
  });
  if (shorter == stages.end()) return;
  judge.require(false, "validation.step", {"validation.sequence_length", "stages"}, validation.step,
                " is longer than the sequences of ", shorter->name, " (", shorter->sequence_length,
                "), which validation.sequence_length 0 uses");
}

void judge_schedule(const RunConfig& config, const std::vector<Stage>& stages, Judge& judge) {
  if (config.schedule.kind == ScheduleChoice::constant) return;
  const auto endless = std::find_if(stages.begin(), stages.end(), [](const Stage& stage) {
    return stage.sequence_length > 0 && planned_steps(stage) == 0 && stage.epochs == 0;
  });
  if (endless == stages.end()) return;
  judge.require(false, "schedule.kind", {"stages"}, choice_name(config.schedule.kind),
                " needs the length of every stage in steps, tokens or epochs, and ", endless->name,
                " has none of them");
}

// Rates beyond which an update is no training: f32 weights overflow, or decay turns their sign.
void judge_learning_rates(const RunConfig& config, const std::vector<Stage>& stages, Judge& judge) {
  constexpr double kLowest = 1e-30, kHighest = 1000;
  const bool doubles = config.stages.doubling.enabled;
  for (size_t i = 0; i < stages.size(); ++i) {
    const double rate = stages[i].learning_rate;
    // Missing, which is noted elsewhere.
    if (rate == 0 && (!doubles || stages.front().learning_rate == 0)) continue;
    const bool written = i < config.stages.list.size() && config.stages.list[i].learning_rate;
    const std::string path =
        written ? text("stages.list.", i, ".learning_rate") : "stages.doubling.learning_rate_factor";
    judge.require(rate >= kLowest && rate <= kHighest, path, {"stages"}, "gives ", stages[i].name,
                  " a learning rate of ", rate, "; needed ", kLowest, " to ", kHighest);
    judge.require(rate * config.optimizer.weight_decay <= 1, "optimizer.weight_decay", {"stages"},
                  "times the ", "learning rate of ", stages[i].name, " (", rate,
                  ") is above 1: weights would change sign");
    if (!(rate >= kLowest && rate <= kHighest)) return;
  }
}

// The rules for one entry of stages.list; only what the entry itself gives is judged, so that a mistake that
// later stages inherit is noted once.
class StageJudge {
 public:
  StageJudge(const RunConfig& config, size_t position, const Stage& stage, Judge& judge)
      : config_(config), entry_(config.stages.list[position]), stage_(stage), judge_(judge) {
    base_ = text("stages.list.", position, ".");
    inherits_ = position > 0 && config.stages.doubling.enabled;
    for (size_t i = 0; inherits_ && i < position; ++i) earlier_.push_back(text("stages.list.", i));
  }

  void judge() const {
    required(entry_.sequence_length.has_value(), "sequence_length");
    if (is_for(config_.task, base_ + "windows")) required(entry_.windows.has_value(), "windows");
    required(entry_.learning_rate.has_value(), "learning_rate");
    one_per_layer(entry_.windows, "windows");
    one_per_layer(entry_.dilation.given, "dilation");
    dilated_heads();
    chunks();
    micro_batch();
    limits();
  }

 private:
  template <class... Parts>
  void require(bool ok, const char* key, std::vector<std::string> matter, const Parts&... parts) const {
    matter.insert(matter.end(), earlier_.begin(), earlier_.end());
    matter.push_back("stages.doubling");
    judge_.require(ok, base_ + key, matter, parts...);
  }

  void required(bool given, const char* key) const {
    require(given || inherits_, key, {},
            base_ == "stages.list.0."
                ? "is missing; the first stage gives it"
                : "is missing; with stages.doubling.enabled: true it would be generated");
  }

  void one_per_layer(const std::optional<PerLayer>& written, const char* key) const {
    const size_t count = written ? written->values.size() : 1;
    const int64_t layers = config_.model.layers;
    require(count == 1 || static_cast<int64_t>(count) == layers, key, {"model.layers"}, "has ", count,
            " numbers, but model.layers is ", layers, "; give one number or one per layer");
  }

  void dilated_heads() const {
    const bool dilates =
        std::any_of(stage_.dilation.begin(), stage_.dilation.end(), [](int64_t d) { return d > 1; });
    if (!entry_.dilated_heads.given && !(entry_.dilation.given && dilates)) return;
    require(stage_.dilated_heads <= config_.model.heads, "dilated_heads", {"model.heads"},
            stage_.dilated_heads, " heads are dilated, but model.heads is ", config_.model.heads);
  }

  void chunks() const {
    if (config_.attention.implementation != AttentionImplementation::chunks || !entry_.dilation.given) return;
    const auto dilated =
        std::find_if(stage_.dilation.begin(), stage_.dilation.end(), [](int64_t d) { return d > 1; });
    require(dilated == stage_.dilation.end() || stage_.dilated_heads == 0, "dilation",
            {"attention.implementation", base_ + "dilated_heads"},
            "attention.implementation chunks cannot dilate, but ", stage_.name, " has dilation ",
            dilated == stage_.dilation.end() ? 1 : *dilated, " in layer ", dilated - stage_.dilation.begin(),
            " (counted from 0); use fused, loop or full");
  }

  void micro_batch() const {
    const bool given = entry_.micro_batch.given || entry_.batch_size.given;
    require(!given || stage_.batch_size % stage_.micro_batch == 0, "micro_batch", {base_ + "batch_size"},
            "micro-batches of ", stage_.micro_batch, " sequences do not divide batch_size ",
            stage_.batch_size);
  }

  void limits() const {
    const bool own = entry_.steps.given || entry_.tokens.given || entry_.epochs.given ||
                     entry_.minutes.given || entry_.patience.given;
    const bool ends = stage_.steps > 0 || stage_.tokens > 0 || stage_.epochs > 0 || stage_.minutes > 0 ||
                      stage_.patience > 0;
    require(ends || (inherits_ && !own), "steps",
            {base_ + "tokens", base_ + "epochs", base_ + "minutes", base_ + "patience"},
            "the stage never ends; give steps, tokens, epochs, minutes or patience");
    require(stage_.patience == 0 || !entry_.patience.given || config_.validation.every_steps > 0, "patience",
            {"validation.every_steps"}, "counts validations, but validation.every_steps is 0");
  }

  const RunConfig& config_;
  const StageEntry& entry_;
  const Stage& stage_;
  Judge& judge_;
  std::string base_;
  bool inherits_ = false;
  std::vector<std::string> earlier_;  // the entries that this one inherits from
};

void judge_names(const RunConfig& config, const std::vector<Stage>& stages, Judge& judge) {
  for (size_t i = 0; i < config.stages.list.size(); ++i) {
    if (!config.stages.list[i].name.given) continue;
    for (size_t j = 0; j < stages.size(); ++j) {
      const bool first = j > i && j < config.stages.list.size() && config.stages.list[j].name.given;
      judge.require(i == j || first || stages[i].name != stages[j].name, text("stages.list.", i, ".name"), {},
                    stages[i].name, " is also the name of stage ", j + 1);
    }
  }
}

}  // namespace

void check_consistency(const RunConfig& config, const Node& root, Problems& problems) {
  Judge judge(root, problems);
  judge_sections(config, judge);
  judge_keys_of_task(config, judge);
  judge_language_models(config, judge);
  judge_ranks(config, judge);
  const StagesSection& section = config.stages;
  judge.require(!section.list.empty(), "stages.list", {}, "at least one stage is needed");
  const bool enough = section.list.empty() || section.count <= static_cast<int64_t>(section.list.size());
  judge.require(section.doubling.enabled || enough, "stages.count", {"stages.doubling"}, "asks for ",
                section.count, " stages, but stages.list has ", section.list.size(),
                "; add stages, or set stages.doubling.enabled: true");
  const size_t count = std::max(section.list.size(), static_cast<size_t>(section.count));
  const std::vector<Stage> stages = expanded_stages(config, count);
  for (size_t i = 0; i < section.list.size(); ++i) StageJudge(config, i, stages[i], judge).judge();
  judge_names(config, stages, judge);
  judge_validation(config, stages, judge);
  judge_schedule(config, stages, judge);
  judge_learning_rates(config, stages, judge);
}

}  // namespace lf
