#include "trainers/tasks/classification_head.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "data/tasks/classification.h"
#include "trainers/huggingface/model_config.h"
#include "trainers/huggingface/pretrained_weights.h"

namespace lf {
namespace {

constexpr auto kHead = "classifier.";

// The architectures that the model is said to have.
std::vector<std::string> architectures_of(const ModelConfig& config) {
  std::vector<std::string> names;
  const auto found = config.json.find("architectures");
  if (found == config.json.end() || !found->is_array()) return names;
  for (const nlohmann::json& name : *found) {
    if (name.is_string()) names.push_back(name.get<std::string>());
  }
  return names;
}

// What transformers calls classes to which nobody gave names.
bool are_numbered(const std::vector<std::string>& labels) {
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] != text("LABEL_", i)) return false;
  }
  return true;
}

// The rows of the head's last matrix, which stand for these labels, in the order of others.
void reorder_rows(const ParameterBlock& block, const HeadKind& kind, const std::vector<std::string>& from,
                  const std::vector<std::string>& to) {
  for (const PackedParameter& parameter : block.parameters) {
    if (!parameter.name.starts_with(kind.rows)) continue;
    const Tensor rows = block.value(parameter), before = rows.clone();
    for (size_t i = 0; i < to.size(); ++i) {
      const int64_t row = std::find(from.begin(), from.end(), to[i]) - from.begin();
      const auto at = static_cast<int64_t>(i);
      rows.slice(at, at + 1).copy_from(before.slice(row, row + 1));
    }
  }
}

}  // namespace

std::vector<std::string> labels_of_model(const std::string& folder) {
  const ModelConfig config = read_model_config(folder);
  const auto found = config.json.find("id2label");
  std::vector<std::string> labels;
  if (found == config.json.end() || !found->is_object()) return labels;
  for (size_t i = 0; i < found->size(); ++i) {
    const auto label = found->find(std::to_string(i));
    CHECK(label != found->end() && label->is_string(), config.path, ": id2label has no name for class ", i);
    labels.push_back(label->get<std::string>());
  }
  return labels;
}

std::vector<ParameterGroup> groups_with_head(const ParameterBlock& block, const OptimizerSection& settings,
                                             double factor) {
  const std::vector<ParameterGroup> all = decay_groups(block, settings.weight_decay);
  if (factor == 1) return all;
  return with_rate(block, all, "head", factor,
                   [](const std::string& name) { return name.starts_with(kHead); });
}

PretrainedHead wanted_head(bool has_data, bool new_head) {
  if (!has_data) return PretrainedHead::needed;
  return new_head ? PretrainedHead::replaced : PretrainedHead::if_present;
}

std::vector<std::string> load_classifier(const std::string& folder, const HeadKind& kind,
                                         const std::vector<std::string>& labels, PretrainedHead head,
                                         const ParameterBlock& block, std::vector<std::string>& notices) {
  const auto starts_anew = [&](const std::string& why) {
    notices.push_back(text(folder, why, " starts anew, for ", labels.size(), ' ', kind.classes));
  };
  if (head == PretrainedHead::replaced) {
    starts_anew(text(": its ", kind.name, " is not used; one"));
    return load_pretrained(folder, kEncoderNames, {.fresh = {}, .grown = {}, .replaced = {kHead}}, block);
  }
  const std::vector<std::string> architectures = architectures_of(read_model_config(folder));
  const bool has_head = std::any_of(architectures.begin(), architectures.end(), [&](const std::string& name) {
    return name.ends_with(kind.architecture);
  });
  const std::vector<std::string> known = has_head ? labels_of_model(folder) : std::vector<std::string>();
  const std::string anew = std::string(kind.section) + ".new_head: true starts a head anew";
  CHECK(known.empty() || known.size() == labels.size(), folder, "'s head tells ", known.size(), ' ',
        kind.classes, " (", list_of_labels(known), "), the data have ", labels.size(), " labels (",
        list_of_labels(labels), "); ", anew);
  LoadRequest request;
  // Another head's tensors may be called alike.
  const bool has_other = !architectures.empty() && !has_head;
  if (head == PretrainedHead::if_present) (has_other ? request.replaced : request.fresh) = {kHead};
  const std::vector<std::string> fresh = load_pretrained(folder, kEncoderNames, request, block);
  if (!fresh.empty()) starts_anew(text(" has no ", kind.name, ": it"));
  if (known.empty() || known == labels || !fresh.empty()) return fresh;
  if (std::is_permutation(known.begin(), known.end(), labels.begin())) {
    reorder_rows(block, kind, known, labels);
  } else {
    notices.push_back(text(folder, "'s head ",
                           are_numbered(known)
                               ? text("does not name its ", kind.classes)
                               : text("was trained for the ", kind.classes, ' ', list_of_labels(known)),
                           ": they are taken for ", list_of_labels(labels), " in this order (", anew, ")"));
  }
  return fresh;
}

void name_labels(const std::vector<std::string>& labels, nlohmann::json& config) {
  config["id2label"] = config["label2id"] = nlohmann::json::object();
  for (size_t i = 0; i < labels.size(); ++i) {
    config["id2label"][std::to_string(i)] = labels[i];
    config["label2id"][labels[i]] = i;
  }
}

}  // namespace lf
