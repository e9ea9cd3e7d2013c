// The section `classification`: fine-tuning an encoder to tell documents' labels.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/tasks/classification_choices.h"
#include "trainers/config/encoder_training.h"
#include "trainers/config/fields.h"
#include "trainers/config/global_attention_choice.h"

namespace lf {

enum class ClassWeightChoice { none, balanced };
enum class ClassificationMetricChoice { accuracy, macro_f1, micro_f1, loss };

inline std::vector<std::string> names_of(ClassWeightChoice) { return {"none", "balanced"}; }
inline std::vector<std::string> names_of(ClassificationMetricChoice) {
  return {"accuracy", "macro_f1", "micro_f1", "loss"};
}

struct ClassificationSection : EncoderTraining {
  std::optional<std::string> model;
  ClassificationCorpus corpus = ClassificationCorpus::records;
  Inherited<std::string> validation;
  Inherited<std::string> test;
  Inherited<std::string> ground_truth;
  Inherited<std::string> split_file;
  double validation_share = 0;
  double test_share = 0;
  int64_t split_seed = 1;
  Leaks leaks = Leaks::report;
  std::string id_key = "id";
  std::string text_key = "text";
  std::string label_key = "label";
  std::vector<std::string> columns;
  bool title = true;
  bool clean = true;
  std::vector<std::string> labels;
  GlobalAttention global_attention = GlobalAttention::first_token;
  GlobalProjections global_projections = GlobalProjections::own;
  ClassificationMetricChoice metric = ClassificationMetricChoice::accuracy;
  ClassWeightChoice class_weights = ClassWeightChoice::none;
  bool new_head = false;

  static void visit(auto& self, auto&& field) {
    field(
        "model", self.model,
        "Folder of the pretrained model in Hugging Face form, a RoBERTa or a Longformer; a head that it does "
        "not have starts anew, and the rows of one that it has go by the names of its classes.",
        FieldMark::model_path);
    field("corpus", self.corpus,
          "What data.path is: records (a file of JSON lines, TSV or CSV with text and label, gzipped or not, "
          "for "
          "training), imdb (the folder aclImdb or its tar.gz), or hyperpartisan (the folder of the published "
          "XML files, or the file of articles).");
    field("validation", self.validation, "Of records, the file of the validation split.",
          FieldMark::data_path);
    field("test", self.test, "Of records, the file of the test split.", FieldMark::data_path);
    field("ground_truth", self.ground_truth,
          "Of hyperpartisan, the file of labels; left out, the one beside the articles.",
          FieldMark::data_path);
    field(
        "split_file", self.split_file,
        "JSON that divides the documents by their ids, {\"train\": [...], \"dev\": [...], \"test\": [...]}.",
        FieldMark::data_path);
    field("validation_share", self.validation_share,
          "Share of the training documents that is cut off where there is no validation split.",
          from_below(0, 1));
    field("test_share", self.test_share,
          "Share of the training documents that is cut off where there is no test split.", from_below(0, 1));
    field("split_seed", self.split_seed, "Seed of these cuts, so that runs of other seeds share them.",
          at_least(0));
    field("leaks", self.leaks,
          "Documents that are in two splits are reported, or dropped from the one that is less for testing.");
    field("id_key", self.id_key, "Of records, the key or column of a document's id; it may be missing.");
    field("text_key", self.text_key, "Of records, the key or column of the text.");
    field("label_key", self.label_key, "Of records, the key or column of the label.");
    field("columns", self.columns, "Names of the columns of a TSV or CSV whose first row is none.");
    field("title", self.title, "Of hyperpartisan, whether the title stands in front of the text.");
    field("clean", self.clean, "Of hyperpartisan, whether texts are cleaned as the published split's were.");
    field("labels", self.labels,
          "The labels in the order of the classes; left out, those of the training split, sorted.",
          FieldMark::learned);
    field("global_attention", self.global_attention,
          "Of a Longformer, what sees all of a text and is seen by all: first_token (<s>) or none, which "
          "leaves "
          "it its windows alone.");
    field("global_projections", self.global_projections,
          "Whether global attention has projections of its own, as Longformer has, or shares those of the "
          "windows.");
    field("metric", self.metric,
          "The score of the validation split that decides which checkpoint is best and when patience ends.");
    field("class_weights", self.class_weights,
          "Weights of the classes in the loss: none, or balanced (documents / (classes x documents of the "
          "class))"
          ".");
    EncoderTraining::visit_training(self, field);
    field("new_head", self.new_head,
          "A model that has a classification head gets another one, as for other classes.");
  }
  bool operator==(const ClassificationSection&) const = default;
};

}  // namespace lf
