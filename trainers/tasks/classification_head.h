// The head of a pretrained classifier and the labels of the data: which of its rows stands for which label.
#pragma once

#include <string>
#include <vector>

#include "layers/module.h"

namespace lf {

// The classes' names that a fine-tuned model's config.json gives; empty where it gives none.
std::vector<std::string> labels_of_model(const std::string& folder);

enum class PretrainedHead {
  needed,      // the model answers as it is
  if_present,  // the model is to be trained
  replaced,    // as if the folder had none
};

// Fills the block with the weights of the folder's encoder and head. A label keeps the row that the head has
// for it, whatever the order; a head for other names is taken row by row, and a notice says so. Returns the
// parameters that the folder has no values for, which keep theirs. Throws Error for a head of another number
// of classes, and what load_pretrained throws.
std::vector<std::string> load_classifier(const std::string& folder, const std::vector<std::string>& labels,
                                         PretrainedHead head, const ParameterBlock& block,
                                         std::vector<std::string>& notices);

}  // namespace lf
