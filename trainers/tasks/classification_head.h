// The head of a pretrained classifier and the labels of the data: which of its rows stands for which label.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "layers/encoder_shape.h"
#include "layers/module.h"
#include "trainers/config/global_attention_choice.h"
#include "trainers/config/sections.h"
#include "trainers/huggingface/model_config.h"
#include "trainers/optimizer/parameter_groups.h"

namespace lf {

// The classes' names that a fine-tuned model's config.json gives; empty where it gives none.
std::vector<std::string> labels_of_model(const std::string& folder);

// A kind of head, in files and messages.
struct HeadKind {
  const char* architecture;  // the end of the architectures' names that have it
  const char* rows;          // the beginning of the names of the parameters with a row for each class
  const char* section;       // of the configuration
  const char* name;
  const char* classes;  // what it tells
};
inline constexpr HeadKind kDocumentHead{"ForSequenceClassification", "classifier.out_proj.", "classification",
                                        "classification head", "classes"};
inline constexpr HeadKind kTokenHead{"ForTokenClassification", "classifier.", "token_classification",
                                     "head for tokens", "tags"};

// The sizes of the model that a section of such a task names, and what the section says of its training.
template <class Section>
EncoderShape fine_tuned_shape(const Section& section) {
  EncoderShape shape = encoder_shape(read_model_config(*section.model));
  shape.dropout = section.dropout;
  shape.attention_dropout = section.attention_dropout;
  shape.own_global_projections = section.global_projections == GlobalProjections::own;
  return shape;
}

// With and without weight decay, and the head's rate times `factor`.
std::vector<ParameterGroup> groups_with_head(const ParameterBlock& block, const OptimizerSection& settings,
                                             double factor);

enum class PretrainedHead {
  needed,      // the model answers as it is
  if_present,  // the model is to be trained
  replaced,    // as if the folder had none
};
// Only a model that is to be trained, and so has data, may lack its head.
PretrainedHead wanted_head(bool has_data, bool new_head);

// Fills the block with the weights of the folder's encoder and head. A label keeps the row that the head has
// for it, whatever the order; a head for other names is taken row by row. Returns the parameters that the
// folder has no values for, which keep theirs. Notices say both. Throws Error for a head of another number of
// classes, and what load_pretrained throws.
std::vector<std::string> load_classifier(const std::string& folder, const HeadKind& kind,
                                         const std::vector<std::string>& labels, PretrainedHead head,
                                         const ParameterBlock& block, std::vector<std::string>& notices);

// Writes the labels into a config.json, as "id2label" and "label2id".
void name_labels(const std::vector<std::string>& labels, nlohmann::json& config);

}  // namespace lf
