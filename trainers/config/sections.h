// The sections of a configuration file but for the stages: structs with their defaults and field lists.
// A field list (visit) is the only place that names a key; see fields.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/device.h"
#include "data/characters/corpus_kind.h"
#include "layers/attention_implementation.h"
#include "layers/char_lm_shape.h"
#include "trainers/config/fields.h"

namespace lf {

enum class PrecisionChoice { automatic, f32, bf16 };
enum class TrainedChoice { all, new_positions };
enum class NonFiniteChoice { stop, skip, rollback };
enum class ScheduleChoice { constant, linear, cosine, polynomial };

inline std::vector<std::string> names_of(PrecisionChoice) { return {"auto", "f32", "bf16"}; }
inline std::vector<std::string> names_of(TrainedChoice) { return {"all", "new_positions"}; }
inline std::vector<std::string> names_of(NonFiniteChoice) { return {"stop", "skip", "rollback"}; }
inline std::vector<std::string> names_of(ScheduleChoice) {
  return {"constant", "linear", "cosine", "polynomial"};
}

// Whom keys of shared sections are for.
inline const std::vector<TaskChoice> kCharacters{TaskChoice::char_lm};
inline const std::vector<TaskChoice> kLanguageModels{TaskChoice::char_lm, TaskChoice::masked_lm};

inline constexpr double kLargestLength = 1 << 30;  // tokens in a sequence or a window

struct DataSection {
  std::string path = "sample";
  // What a prepared folder decides itself, so that it matters whether they were given.
  Inherited<CorpusKind> kind{{}, CorpusKind::bytes};
  Inherited<Newlines> newlines{{}, Newlines::keep};
  Inherited<std::array<double, 3>> split{{}, {0.90, 0.05, 0.05}};

  static void visit(auto& self, auto&& field) {
    field("path", self.path,
          "Folder made by `longform prepare`, a raw file or zip, or `sample` for the corpus shipped with "
          "Longform; relative to the current folder. Masked language models need a folder made by `longform "
          "prepare documents`; for classification see classification.corpus.",
          FieldMark::data_path);
    field("kind", self.kind,
          "How a raw file is read: its alphabet and its expected size. A prepared folder has its own, which "
          "may be "
          "left out here and is refused when it differs; so do the next two.",
          for_tasks(kCharacters));
    field("newlines", self.newlines, "Whether newline bytes are symbols of the corpus or removed from it.",
          for_tasks(kCharacters));
    field("split", self.split, "Fractions of the corpus for training, validation and test, in file order.",
          for_tasks(kCharacters, between(0, 1)));
  }
  bool operator==(const DataSection&) const = default;
};

struct ModelSection : CharLMShape {
  double initializer_range = 0.02;

  static void visit(auto& self, auto&& field) {
    field("layers", self.layers, "Number of transformer blocks.", within(1, 1000));
    field("width", self.width, "Width of the hidden states.", within(1, 1 << 20));
    field("heads", self.heads, "Attention heads per layer.", within(1, 1024));
    field("head_width", self.head_width, "Width of one head; 0 is width / heads.", within(0, 1 << 16));
    field("feed_forward", self.feed_forward, "Width inside the feed-forward block.", within(1, 1 << 22));
    field("dropout", self.dropout, "Probability of dropping an activation during training.",
          from_below(0, 1));
    field("attention_dropout", self.attention_dropout, "Probability of dropping an attention weight.",
          from_below(0, 1));
    field("relative_positions", self.relative_positions,
          "Whether scores see the distance to the key, as in Transformer-XL.");
    field("final_layer_norm", self.final_layer_norm, "Whether a layer norm follows the last block.");
    field("initializer_range", self.initializer_range, "Standard deviation of the initial weights.",
          above(0));
    field("vocabulary", self.vocabulary, "Number of symbols; 0 takes it from the data.", within(0, 1 << 24));
  }
  bool operator==(const ModelSection&) const = default;
};

// Continuing the training of a pretrained masked language model.
struct MaskedLMSection {
  std::optional<std::string> model;
  double probability = 0.15;
  double mask_share = 0.8;
  double random_share = 0.1;
  TrainedChoice trained = TrainedChoice::all;
  int64_t first_new_position = 512;
  double dropout = 0.1;
  double attention_dropout = 0.1;

  static void visit(auto& self, auto&& field) {
    field("model", self.model,
          "Folder of the pretrained model in Hugging Face form, a RoBERTa or a Longformer; its config.json "
          "gives all sizes and windows.",
          FieldMark::model_path);
    field("probability", self.probability, "Share of the tokens that are to be restored.", between(0, 1));
    field("mask_share", self.mask_share, "Of these, the share shown as the mask token.", within(0, 1));
    field("random_share", self.random_share, "Of these, the share shown as a random token; the rest stays.",
          within(0, 1));
    field("trained", self.trained,
          "What is trained: everything, or nothing but the positions that the source model did not have.");
    field("first_new_position", self.first_new_position,
          "With trained: new_positions, how many positions the source model had.", at_least(0));
    field("dropout", self.dropout, "Probability of dropping an activation during training.",
          from_below(0, 1));
    field("attention_dropout", self.attention_dropout, "Probability of dropping an attention weight.",
          from_below(0, 1));
  }
  bool operator==(const MaskedLMSection&) const = default;
};

struct AttentionSection {
  AttentionImplementation implementation = AttentionImplementation::fused;

  static void visit(auto& self, auto&& field) {
    field(
        "implementation", self.implementation,
        "How window attention is computed: one fused kernel, or the paper's compositions of plain operations "
        "(chunks cannot dilate; full is quadratic).");
  }
  bool operator==(const AttentionSection&) const = default;
};

struct NonFiniteSection {
  NonFiniteChoice policy = NonFiniteChoice::stop;
  int64_t limit = 10;

  static void visit(auto& self, auto&& field) {
    field("policy", self.policy,
          "What follows a loss or gradient that is not finite: stop the run, skip the update, or return to "
          "the last "
          "checkpoint; the weights never see it.");
    field("limit", self.limit, "Number of skips or rollbacks after which the run stops.", at_least(1));
  }
  bool operator==(const NonFiniteSection&) const = default;
};

struct OptimizerSection {
  std::array<double, 2> betas{0.9, 0.999};
  double epsilon = 1e-8;
  double weight_decay = 0.01;
  double clip = 0.25;
  NonFiniteSection non_finite;

  static void visit(auto& self, auto&& field) {
    field("betas", self.betas, "AdamW's decay rates of the first and second moment.", from_below(0, 1));
    field("epsilon", self.epsilon, "AdamW's addend to the denominator.", at_least(1e-30));
    field("weight_decay", self.weight_decay, "Decoupled weight decay of the weight matrices.", at_least(0));
    field("clip", self.clip, "Largest norm of the gradient of all parameters; 0 is no clipping.",
          at_least(0));
    field("non_finite", self.non_finite, "Losses and gradients that are not finite.");
  }
  bool operator==(const OptimizerSection&) const = default;
};

struct ScheduleSection {
  ScheduleChoice kind = ScheduleChoice::constant;
  double power = 1.0;
  double end_factor = 0.0;
  double warmup_fraction = 0.1;
  int64_t warmup_max = 10000;
  int64_t warmup_steps = 0;

  static void visit(auto& self, auto&& field) {
    field("kind", self.kind, "Course of the learning rate within each stage, after its warm-up.");
    field("power", self.power, "Exponent of the polynomial schedule.", above(0));
    field("end_factor", self.end_factor,
          "Learning rate at the end of a stage as a fraction of the stage's; not used by constant.",
          within(0, 1));
    field("warmup_fraction", self.warmup_fraction,
          "Part of a stage's steps in which the rate rises from 0; a stage whose steps are not known "
          "beforehand has "
          "none.",
          from_below(0, 1));
    field("warmup_max", self.warmup_max, "Most warm-up steps that the fraction gives.", at_least(0));
    field("warmup_steps", self.warmup_steps,
          "Warm-up steps of every stage, in place of the fraction; 0 uses the fraction.", at_least(0));
  }
  bool operator==(const ScheduleSection&) const = default;
};

struct EvaluationSection {
  int64_t sequence_length = 32256;
  int64_t step = 512;
  int64_t batch_size = 1;
  bool after_each_stage = true;

  static void visit(auto& self, auto&& field) {
    field("sequence_length", self.sequence_length, "Tokens in each overlapping sequence.",
          for_tasks(kCharacters, within(1, kLargestLength)));
    field("step", self.step, "Tokens scored at the end of each sequence; the first sequence is scored whole.",
          for_tasks(kCharacters, within(1, kLargestLength)));
    field("batch_size", self.batch_size,
          "Sequences scored at once; the result does not depend on it, but for rounding.",
          within(1, 1 << 24));
    field("after_each_stage", self.after_each_stage,
          "Whether the test split is scored after every stage, not only after the last.");
  }
  bool operator==(const EvaluationSection&) const = default;
};

struct ValidationSection {
  int64_t every_steps = 0;
  int64_t sequence_length = 0;
  int64_t step = 0;
  int64_t tokens = 0;
  int64_t batch_size = 1;

  static void visit(auto& self, auto&& field) {
    field("every_steps", self.every_steps,
          "Updates between validations; 0 validates at the end of a stage only.", at_least(0));
    field("sequence_length", self.sequence_length, "Tokens in each overlapping sequence; 0 is the stage's.",
          for_tasks(kCharacters, within(0, kLargestLength)));
    field("step", self.step, "Tokens scored at the end of each sequence; 0 is half of the sequence.",
          for_tasks(kCharacters, within(0, kLargestLength)));
    field("tokens", self.tokens, "Tokens of the validation split that are scored, from its start; 0 is all.",
          for_tasks(kLanguageModels, at_least(0)));
    field("batch_size", self.batch_size,
          "Sequences scored at once; the result does not depend on it, but for rounding.",
          within(1, 1 << 24));
  }
  bool operator==(const ValidationSection&) const = default;
};

struct CheckpointSection {
  int64_t every_steps = 1000;
  double every_minutes = 10.0;
  int64_t keep_last = 2;
  bool keep_best = true;

  static void visit(auto& self, auto&& field) {
    field("every_steps", self.every_steps, "Updates between checkpoints; 0 is no such rule.", at_least(0));
    field("every_minutes", self.every_minutes, "Minutes between checkpoints; 0 is no such rule.",
          at_least(0));
    field("keep_last", self.keep_last, "How many of the newest checkpoints are kept.", at_least(1));
    field("keep_best", self.keep_best,
          "Whether the checkpoint with the best validation loss is kept as well.");
  }
  bool operator==(const CheckpointSection&) const = default;
};

struct LogSection {
  int64_t every_steps = 10;
  bool tensorboard = true;

  static void visit(auto& self, auto&& field) {
    field("every_steps", self.every_steps, "Updates between logged steps.", at_least(1));
    field("tensorboard", self.tensorboard, "Whether TensorBoard event files are written beside log.jsonl.");
  }
  bool operator==(const LogSection&) const = default;
};

}  // namespace lf
