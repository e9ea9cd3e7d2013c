#include "trainers/huggingface/pretrained_weights.h"

#include <algorithm>
#include <cstddef>
#include <set>

#include "core/check.h"
#include "core/format.h"
#include "core/kernels/convert.h"
#include "core/messages.h"
#include "core/storage.h"
#include "layers/finite.h"
#include "trainers/huggingface/seq2seq_config.h"

namespace lf {
namespace {

const std::vector<std::pair<std::string, std::string>> kOutputAliases = {
    {"lm_head.decoder.weight", "embeddings.word_embeddings.weight"},
    {"lm_head.weight", "embeddings.word_embeddings.weight"},  // until 2019
    {"lm_head.decoder.bias", "lm_head.bias"}};

// LayerNorm.weight of LayerNorm.gamma, as checkpoints of 2019 have it, and bias of beta.
std::string modern_name(std::string name) {
  for (const auto& [old, now] : {std::pair{".LayerNorm.gamma", ".LayerNorm.weight"},
                                 std::pair{".LayerNorm.beta", ".LayerNorm.bias"}}) {
    const std::string_view end = old;
    if (name.ends_with(end)) return name.replace(name.size() - end.size(), end.size(), now);
  }
  return name;
}

// "encoder.layer.0.output.dense.bias" of "longformer.encoder.layer.0.output.dense.bias"; heads have no
// prefix.
std::string bare_name(const PretrainedNames& names, const std::string& name) {
  for (const std::string& prefix : names.prefixes) {
    if (name.starts_with(prefix)) return modern_name(name.substr(prefix.size()));
  }
  return modern_name(name);
}

// What is there beside the model's body may be another task's head; more of the body is another model.
bool is_of_body(const std::string& bare) {
  return bare.starts_with("encoder.") || bare.starts_with("decoder.") || bare.starts_with("embeddings.") ||
         bare.starts_with("shared.");
}

bool matches(const std::string& pattern, const std::string& name) {
  if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  if (pattern.starts_with('*')) return name.ends_with(pattern.substr(1));
  return name == pattern;
}

// The file's tensors by their names without prefix, with the aliases of tied weights known.
class PretrainedFile {
 public:
  PretrainedFile(const WeightsFile& weights, const PretrainedNames& names)
      : weights_(weights), names_(names) {
    for (const std::string& name : weights.names()) {
      const auto [place, is_new] = stored_.emplace(bare_name(names, name), name);
      CHECK(is_new, weights.path(), " holds ", place->second, " and ", name, ", which are one parameter");
    }
  }

  // The aliases of tied weights must agree with what they are tied to, or loading would change the model.
  std::string untied() const {
    std::string problems;
    for (const auto& [alias, parameter] : names_.aliases) {
      const auto a = stored_.find(alias), b = stored_.find(parameter);
      if (a == stored_.end() || b == stored_.end()) continue;
      if (!same_values(weights_.read(a->second), weights_.read(b->second)))
        problems += text("\n  ", a->second, " differs from ", b->second, "; they must be tied");
    }
    return problems;
  }

  // What stands in the file for a parameter; empty when nothing does.
  std::string find(const std::string& parameter) const {
    const std::string bare = bare_name(names_, parameter);
    if (const auto found = stored_.find(bare); found != stored_.end()) return found->second;
    for (const auto& [alias, of] : names_.aliases) {
      const auto found = stored_.find(alias);
      if (of == bare && found != stored_.end()) return found->second;
    }
    return "";
  }

  // A line about a parameter that the file lacks or has otherwise; empty when it fits. `grown`: rows that the
  // parameter has more.
  std::string misfit(const std::string& parameter, const Shape& shape, int64_t grown = 0) const {
    const std::string name = find(parameter);
    if (name.empty()) return text("\n  missing: ", parameter, ' ', shape);
    const WeightInfo& info = weights_.info(name);
    const Shape needed = grown > 0 ? with_rows(shape, shape[0] - grown) : shape;
    if (info.shape != needed) return text("\n  ", name, " is ", info.shape, ", the model needs ", needed);
    const bool floating = info.dtype == DType::f32 || info.dtype == DType::bf16 || info.dtype == DType::f64;
    if (!floating) return text("\n  ", name, " is ", info.stored_dtype, ", needed a floating-point type");
    return "";
  }

  // That of the file's names; "" where they have none.
  std::string prefix() const {
    for (const std::string& prefix : names_.prefixes) {
      const auto has_it = [&](const std::string& name) { return name.starts_with(prefix); };
      if (std::ranges::any_of(weights_.names(), has_it)) return prefix;
    }
    return "";
  }

  // Whether a tensor's name without prefix begins so.
  bool has_any(const std::string& beginning) const {
    const auto found = stored_.lower_bound(beginning);
    return found != stored_.end() && found->first.starts_with(beginning);
  }

  bool may_be_left_over(const std::string& bare) const {
    const auto is = [&](const std::string& pattern) { return matches(pattern, bare); };
    return is_alias(bare) || std::any_of(names_.ignored.begin(), names_.ignored.end(), is);
  }

  bool is_alias(const std::string& bare) const {
    return std::any_of(names_.aliases.begin(), names_.aliases.end(),
                       [&](const auto& alias) { return alias.first == bare; });
  }

  // Tensors that are no parameter, of the model's body or of all else.
  std::vector<std::string> left_over(const std::set<std::string>& used, bool of_body) const {
    std::vector<std::string> names;
    for (const auto& [bare, name] : stored_) {
      if (is_of_body(bare) == of_body && !used.contains(name) && !may_be_left_over(bare))
        names.push_back(name);
    }
    return names;
  }

  // Lines about parts of a body that the model has not.
  std::string too_much(const std::set<std::string>& used) const {
    std::string problems;
    for (const std::string& name : left_over(used, true))
      problems += text("\n  not part of the model: ", name);
    return problems;
  }

 private:
  static bool same_values(const Tensor& a, const Tensor& b) {
    return a.shape() == b.shape() && a.dtype() == b.dtype() &&
           std::equal(a.raw(), a.raw() + a.bytes(), b.raw());
  }
  static Shape with_rows(const Shape& shape, int64_t rows) {
    std::vector<int64_t> dims = shape.dims();
    dims.front() = rows;
    return Shape(dims);
  }

  const WeightsFile& weights_;
  const PretrainedNames& names_;
  std::map<std::string, std::string> stored_;
};

}  // namespace

const PretrainedNames kMaskedLMNames{.prefixes = {"longformer.", "roberta."},
                                     .aliases = kOutputAliases,
                                     .ignored = {"*position_ids", "*token_type_ids", "pooler.*"}};
const PretrainedNames kEncoderNames{.prefixes = {"longformer.", "roberta."},
                                    .aliases = kOutputAliases,
                                    .ignored = {"*position_ids", "*token_type_ids", "pooler.*", "lm_head.*"}};

const PretrainedNames kSeq2SeqNames{
    .prefixes = {"model.", "led."},
    .aliases = {{"encoder.embed_tokens.weight", "shared.weight"},
                {"decoder.embed_tokens.weight", "shared.weight"},
                {"lm_head.weight", "shared.weight"}},
    .ignored = {"classification_head.*", "qa_outputs.*", "encoder.version", "decoder.version"}};

WeightsFile open_weights(const std::string& path) {
  WeightsFile weights = WeightsFile::open(path);
  messages::warnings(weights.warnings());
  return weights;
}

namespace {

void warn_of_unused(const std::string& path, const std::vector<std::string>& names) {
  if (names.empty()) return;
  constexpr size_t kShown = 5;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kShown));
  std::string shown = joined({names.begin(), end});
  if (names.size() > kShown) shown += text(" and ", names.size() - kShown, " more");
  messages::warning(text(path, " holds tensors that this model has no use for: ", shown));
}

}  // namespace

std::vector<std::string> load_pretrained(const std::string& folder, const PretrainedNames& names,
                                         const LoadRequest& request, const ParameterBlock& block) {
  const WeightsFile weights = open_weights(folder);
  const PretrainedFile file(weights, names);
  std::string problems = file.untied();
  std::set<std::string> used;
  std::vector<std::string> fresh;
  const auto grown = [&](const std::string& name) {
    const auto found = request.grown.find(name);
    return found == request.grown.end() ? int64_t{0} : found->second;
  };
  const auto is_fresh = [&](const std::string& parameter) {
    const auto begins_so = [&](const std::string& beginning) { return parameter.starts_with(beginning); };
    if (std::any_of(request.replaced.begin(), request.replaced.end(), begins_so)) return true;
    return std::any_of(request.fresh.begin(), request.fresh.end(), [&](const std::string& beginning) {
      return parameter.starts_with(beginning) && !file.has_any(beginning);
    });
  };
  for (const PackedParameter& p : block.parameters) {
    if (is_fresh(p.name)) {
      fresh.push_back(p.name);
      continue;
    }
    problems += file.misfit(p.name, p.shape, grown(p.name));
    used.insert(file.find(p.name));
  }
  problems += file.too_much(used);
  const std::vector<std::string> unused = file.left_over(used, false);
  if (!problems.empty()) {
    for (const std::string& name : unused) problems += text("\n  not part of the model: ", name);
    throw Error(text(weights.path(), " does not fit the model of config.json:", problems));
  }
  warn_of_unused(weights.path(), unused);
  std::vector<NotFinite> faults;  // no training can mend them, so they are said before it begins
  for (const PackedParameter& p : block.parameters) {
    const std::string name = file.find(p.name);
    if (name.empty() || !used.contains(name)) continue;
    const Tensor read = cast(weights.read(name), block.values.dtype());
    for (const NotFinite& fault : not_finite({{p.name, read}})) faults.push_back(fault);
    Tensor value = block.value(p);
    if (const int64_t more = grown(p.name); more > 0) value = value.slice(0, p.shape[0] - more);
    value.copy_from(read);
  }
  if (!faults.empty()) messages::warning(not_finite_warning(weights.path(), faults));
  release_cached_memory(Device::cpu);  // nothing later is as large as the largest table
  return fresh;
}

namespace {

// Throws Error listing what the file lacks, has otherwise, or has too much of the model's body.
template <class Body>
void check_body(const WeightsFile& weights, const PretrainedNames& names, Body body) {
  const PretrainedFile file(weights, names);
  std::string problems = file.untied();
  std::set<std::string> used;
  for_each_parameter(body, [&](const std::string& name, Parameter& p) {
    problems += file.misfit(name, p.shape);
    used.insert(file.find(name));
  });
  problems += file.too_much(used);
  CHECK(problems.empty(), weights.path(), " does not fit config.json:", problems);
}

// Every tensor in CPU memory, in the file's order; of tied weights one, under the parameter's own name.
std::vector<NamedTensor> read_all_tensors(const WeightsFile& weights, const PretrainedNames& names) {
  const PretrainedFile file(weights, names);
  const std::string problems = file.untied();
  CHECK(problems.empty(), weights.path(), ':', problems);
  std::vector<NamedTensor> tensors;
  for (const std::string& name : weights.names()) {
    const std::string bare = bare_name(names, name);
    if (bare.ends_with("position_ids") || bare.ends_with("token_type_ids")) continue;
    const auto alias = std::ranges::find(names.aliases, bare, &std::pair<std::string, std::string>::first);
    if (alias == names.aliases.end()) {
      tensors.push_back({modern_name(name), weights.read(name)});
    } else if (file.find(alias->second) == name) {  // the only one of its tied names
      const std::string prefix = is_of_body(alias->second) ? file.prefix() : "";
      tensors.push_back({prefix + alias->second, weights.read(name)});
    }
  }
  return tensors;
}

}  // namespace

WholeModel read_whole_model(const std::string& folder, const ModelConfig& config) {
  const WeightsFile weights = open_weights(folder);
  const bool is_seq2seq = is_seq2seq_type(config.type());
  if (is_seq2seq)
    check_body(weights, kSeq2SeqNames, BartModel(seq2seq_shape(config)));
  else
    check_body(weights, kEncoderNames, Encoder(encoder_shape(config)));
  WholeModel model{.weights = weights.path(),
                   .tensors = read_all_tensors(weights, is_seq2seq ? kSeq2SeqNames : kMaskedLMNames)};
  warn_if_not_finite(model.weights, model.tensors, model.warnings);
  return model;
}

}  // namespace lf
