// The section `stages` as it is written: entries that may leave out what doubling or a default gives.
// stages.h has the complete stages made from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "trainers/config/sections.h"

namespace lf {

inline constexpr double kMostStages = 100;

struct DoublingSection {
  bool enabled = false;
  int64_t max_sequence_length = 0;
  int64_t max_window = 0;
  double learning_rate_factor = 0.5;

  static void visit(auto& self, auto&& field) {
    field(
        "enabled", self.enabled,
        "Whether what a later stage leaves out comes from the stage before it: sequence and windows doubled, "
        "learning rate times the factor, the rest unchanged.");
    field("max_sequence_length", self.max_sequence_length, "Longest sequence doubling gives; 0 is no limit.",
          within(0, kLargestLength));
    field("max_window", self.max_window, "Largest window doubling gives; 0 is no limit but the sequence.",
          within(0, kLargestLength));
    field("learning_rate_factor", self.learning_rate_factor,
          "Factor of the learning rate from stage to stage.", above(0));
  }
  bool operator==(const DoublingSection&) const = default;
};

// One entry of stages.list as written; resolved_stages() fills in what is left out.
struct StageEntry {
  Inherited<std::string> name;
  std::optional<int64_t> sequence_length;
  std::optional<PerLayer> windows;
  Inherited<PerLayer> dilation{{}, {{1}}};
  Inherited<int64_t> dilated_heads{{}, 2};
  std::optional<double> learning_rate;
  Inherited<int64_t> batch_size{{}, 16};
  Inherited<int64_t> micro_batch{{}, 0};
  Inherited<int64_t> micro_batch_tokens{{}, 0};
  Inherited<int64_t> steps{{}, 0};
  Inherited<int64_t> tokens{{}, 0};
  Inherited<double> epochs{{}, 0.0};
  Inherited<double> minutes{{}, 0.0};
  Inherited<int64_t> patience{{}, 0};
  Inherited<bool> recompute{{}, false};

  static void visit(auto& self, auto&& field) {
    field("name", self.name, "Name in logs and reports; stage1, stage2, ... when left out.");
    field("sequence_length", self.sequence_length,
          "Tokens in a training sequence; of documents, the most that are read of one.",
          within(1, kLargestLength));
    field("windows", self.windows,
          "Number of previous tokens a query sees, in steps of its head's dilation: one number, or one per "
          "layer from "
          "bottom to top.",
          for_tasks(kCharacters, within(1, kLargestLength)));
    field("dilation", self.dilation,
          "Distance between neighbouring keys of the dilated heads (1 is no gap): one number, or one per "
          "layer.",
          for_tasks(kCharacters, within(1, kLargestLength)));
    field("dilated_heads", self.dilated_heads,
          "How many of a layer's heads are dilated; they are its last ones.",
          for_tasks(kCharacters, at_least(0)));
    field("learning_rate", self.learning_rate, "Peak learning rate of the stage.", above(0));
    field("batch_size", self.batch_size, "Sequences per update.", within(1, 1 << 24));
    field("micro_batch", self.micro_batch,
          "Sequences per forward pass at most, which must divide batch_size; 0 is batch_size.",
          within(0, 1 << 24));
    field(
        "micro_batch_tokens", self.micro_batch_tokens,
        "Tokens per forward pass at most, which an update's sequences are grouped by; one longer sequence is "
        "a pass of its own. 0 is no such limit.",
        within(0, kLargestLength));
    field(
        "steps", self.steps,
        "Updates after which the stage ends; 0 is no such limit, and the first limit reached ends the stage.",
        at_least(0));
    field("tokens", self.tokens, "Training tokens after which the stage ends; 0 is no such limit.",
          for_tasks(kLanguageModels, at_least(0)));
    field("epochs", self.epochs,
          "Passes through the training data after which the stage ends; 0 is no such limit.", at_least(0));
    field("minutes", self.minutes, "Minutes of training after which the stage ends; 0 is no such limit.",
          at_least(0));
    field("patience", self.patience,
          "Validations without improvement after which the stage ends; 0 is no such limit.", at_least(0));
    field("recompute", self.recompute,
          "Whether activations are recomputed in the backward pass to save memory.");
  }
  bool operator==(const StageEntry&) const = default;
};

struct StagesSection {
  int64_t count = 0;
  DoublingSection doubling;
  std::vector<StageEntry> list;

  static void visit(auto& self, auto&& field) {
    field("count", self.count, "How many stages are run, from the first; 0 is all of the list.",
          within(0, kMostStages));
    field("doubling", self.doubling, "Rules that complete the list from its first stage.");
    field("list", self.list,
          "The stages in order, each with its limits (steps, tokens, epochs, minutes or patience).");
  }
  bool operator==(const StagesSection&) const = default;
};

}  // namespace lf
