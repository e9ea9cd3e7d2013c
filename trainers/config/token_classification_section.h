// The section `token_classification`: fine-tuning an encoder to find entities, by a tag of every word.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/tasks/token_classification.h"
#include "trainers/config/encoder_training.h"
#include "trainers/config/fields.h"
#include "trainers/config/global_attention_choice.h"

namespace lf {

enum class EntityMetricChoice { f1, macro_f1, accuracy, loss };

inline std::vector<std::string> names_of(EntityMetricChoice) {
  return {"f1", "macro_f1", "accuracy", "loss"};
}

struct TokenClassificationSection : EncoderTraining {
  std::optional<std::string> model;
  Inherited<std::string> validation, test;
  Inherited<std::string> split_file;
  double validation_share = 0;
  double test_share = 0;
  int64_t split_seed = 1;
  TaggedUnit unit = TaggedUnit::kSentences;
  Inherited<std::string> separator;
  int64_t word_column = 1;
  int64_t tag_column = -1;
  TagScheme scheme = TagScheme::kBio;
  BadRecords bad_records = BadRecords::kRefuse;
  std::vector<std::string> labels;
  Inherited<int64_t> overlap;
  GlobalAttention global_attention = GlobalAttention::none;
  GlobalProjections global_projections = GlobalProjections::own;
  EntityMetricChoice metric = EntityMetricChoice::f1;
  bool new_head = false;

  static void visit(auto& self, auto&& field) {
    field(
        "model", self.model,
        "Folder of the pretrained model in Hugging Face form, a RoBERTa or a Longformer; a head that it does "
        "not have starts anew, and the rows of one that it has go by the names of its tags.",
        FieldMark::model_path);
    field("validation", self.validation, "The tagged texts of the validation split.", FieldMark::data_path);
    field("test", self.test, "The tagged texts of the test split.", FieldMark::data_path);
    field("split_file", self.split_file,
          "JSON that divides the texts of data.path by their ids, {\"train\": [...], \"dev\": [...], "
          "\"test\": [...]}.",
          FieldMark::data_path);
    field("validation_share", self.validation_share,
          "Share of the training texts that is cut off where there is no validation split.",
          from_below(0, 1));
    field("test_share", self.test_share,
          "Share of the training texts that is cut off where there is no test split.", from_below(0, 1));
    field("split_seed", self.split_seed, "Seed of these cuts, so that runs of other seeds share them.",
          at_least(0));
    field("unit", self.unit,
          "Of columns, what is one text: sentences, between blank lines, or documents, as lines \"#begin "
          "document\" or \"-DOCSTART-\" mark them.");
    field("separator", self.separator,
          "What stands between columns; left out, a tab where the first row has one, else blanks.");
    field("word_column", self.word_column, "The column of the words, from 1 on; -1 is the last.");
    field("tag_column", self.tag_column, "The column of the tags, likewise.");
    field("scheme", self.scheme, "Of records with spans, the tags that are made of them: bio or iobes.");
    field("bad_records", self.bad_records,
          "Records that cannot be used, as where spans overlap, are refused, or left out and counted.");
    field(
        "labels", self.labels,
        "The tags in the order of the classes; left out, O and those of the training split's types, sorted.",
        FieldMark::learned);
    field("overlap", self.overlap,
          "Tokens that neighbouring windows of a text share that is longer than sequence_length; left out, a "
          "quarter of it.",
          at_least(0));
    field("global_attention", self.global_attention,
          "Of a Longformer, what sees all of a text and is seen by all: none, as transformers has it, or "
          "first_token (<s>).");
    field("global_projections", self.global_projections,
          "Whether global attention has projections of its own, as Longformer has, or shares those of the "
          "windows.");
    field("metric", self.metric,
          "The score of the validation split that decides which checkpoint is best and when patience ends.");
    EncoderTraining::visit_training(self, field);
    field("new_head", self.new_head,
          "A model that has a head for tokens gets another one, as for other tags.");
  }
  bool operator==(const TokenClassificationSection&) const = default;
};

}  // namespace lf
