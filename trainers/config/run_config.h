// Everything a run can be told: the sections of the configuration file, and how it is read and printed.
// From each visit() come parsing, printing, the hints for unknown keys, docs/config.md and the JSON Schema.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/dtype.h"
#include "trainers/config/classification_section.h"
#include "trainers/config/ranks_section.h"
#include "trainers/config/sections.h"
#include "trainers/config/seq2seq_section.h"
#include "trainers/config/stage_section.h"
#include "trainers/config/token_classification_section.h"

namespace lf {

// A whole configuration file. Keys are left as they were written; resolved_stages() expands the stages.
struct RunConfig {
  int64_t seed = 1;
  Device device = Device::cpu;
  int64_t threads = 0;
  PrecisionChoice precision = PrecisionChoice::automatic;
  TaskChoice task = TaskChoice::char_lm;
  DataSection data;
  ModelSection model;
  MaskedLMSection masked_lm;
  ClassificationSection classification;
  TokenClassificationSection token_classification;
  Seq2SeqSection seq2seq;
  AttentionSection attention;
  OptimizerSection optimizer;
  ScheduleSection schedule;
  StagesSection stages;
  EvaluationSection evaluation;
  ValidationSection validation;
  CheckpointSection checkpoint;
  RanksSection ranks;
  LogSection log;

  static void visit(auto& self, auto&& field) {
    field("seed", self.seed, "Seed of everything that is drawn: weights, order of examples, dropout.",
          at_least(0));
    field("device", self.device, "Where the model runs.");
    field("threads", self.threads,
          "CPU threads; 0 is one for each CPU that the process may use, as `longform env` says.",
          within(0, 4096));
    field("precision", self.precision,
          "Type of the activations; auto is bf16 on cuda and f32 on cpu, where the run starts. Parameters, "
          "gradients and optimizer state are f32 in any case.");
    field("task", self.task, "What is learned.");
    field("data", self.data, "The corpus.");
    field("model", self.model, "Sizes and structure of a character language model.",
          for_tasks({TaskChoice::char_lm}));
    field("masked_lm", self.masked_lm, "The pretrained model and the masking of a masked language model.",
          for_tasks({TaskChoice::masked_lm}));
    field("classification", self.classification,
          "The pretrained model, the documents and the labels of a classifier.",
          for_tasks({TaskChoice::classification}));
    field("token_classification", self.token_classification,
          "The pretrained model, the tagged texts and the tags of a classifier of words.",
          for_tasks({TaskChoice::token_classification}));
    field("seq2seq", self.seq2seq, "The pretrained model and the texts of a writer of summaries.",
          for_tasks({TaskChoice::seq2seq}));
    field("attention", self.attention, "How attention is computed.", for_tasks({TaskChoice::char_lm}));
    field("optimizer", self.optimizer, "AdamW; the learning rate is given per stage.");
    field("schedule", self.schedule, "The learning rate within each stage.");
    field("stages", self.stages, "The stages of training: length, windows, learning rate, batch.");
    field("evaluation", self.evaluation,
          "The protocol of the reported test figure; the defaults are the paper's.");
    field("validation", self.validation,
          "The faster protocol that scores the validation split during training.");
    field("checkpoint", self.checkpoint, "When the run is saved and what is kept.");
    field("ranks", self.ranks, "How several processes share the run.");
    field("log", self.log, "What is logged.");
  }
  bool operator==(const RunConfig&) const = default;
};

// Where the configuration puts the model; Device::plan while this thread plans what the run will need.
Device device_of(const RunConfig& config);

// What activations and products are computed in.
DType compute_dtype(const RunConfig& config);

// The whole configuration as YAML with every default written out but those of keys that are for other tasks;
// loads back to an equal RunConfig.
std::string to_yaml(const RunConfig& config);

// Lines such as "model.width: 512 -> 256" for every key whose value differs.
std::vector<std::string> changed_keys(const RunConfig& before, const RunConfig& after);

}  // namespace lf
