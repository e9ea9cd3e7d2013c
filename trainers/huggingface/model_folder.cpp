#include "trainers/huggingface/model_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/kernels/convert.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

constexpr std::array kTokenizerFiles = {
    "vocab.json",       "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json"};

// "encoder.layer.0.output.dense.bias" of "longformer.encoder.layer.0.output.dense.bias"; heads have no
// prefix.
std::string without_prefix(const std::string& name) {
  for (const std::string prefix : {"longformer.", "roberta."}) {
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  }
  return name;
}

bool is_output_alias(const std::string& name) {
  return name == "lm_head.decoder.weight" || name == "lm_head.decoder.bias";
}

// What a file may hold beside a masked language model's parameters.
bool may_be_left_over(const std::string& name) {
  return name.ends_with("position_ids") || name.ends_with("token_type_ids") || name.starts_with("pooler.") ||
         is_output_alias(name);
}

// The names in a file, by their names without prefix.
std::map<std::string, std::string> names_without_prefix(const WeightsFile& weights) {
  std::map<std::string, std::string> result;
  for (const std::string& name : weights.names()) {
    const auto [place, is_new] = result.emplace(without_prefix(name), name);
    CHECK(is_new, weights.path(), " holds ", place->second, " and ", name, ", which are one parameter");
  }
  return result;
}

bool same_values(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::equal(a.raw(), a.raw() + a.bytes(), b.raw());
}

// The aliases of tied weights must agree with what they are tied to, or loading would change the model.
std::string untied(const WeightsFile& weights, const std::map<std::string, std::string>& names) {
  const std::array<std::pair<const char*, const char*>, 2> ties = {
      {{"lm_head.decoder.weight", "embeddings.word_embeddings.weight"},
       {"lm_head.decoder.bias", "lm_head.bias"}}};
  std::string problems;
  for (const auto& [alias, parameter] : ties) {
    const auto a = names.find(alias), b = names.find(parameter);
    if (a == names.end() || b == names.end()) continue;
    if (!same_values(weights.read(a->second), weights.read(b->second))) {
      problems += text("\n  ", a->second, " differs from ", b->second, "; they must be tied");
    }
  }
  return problems;
}

// What stands in the file for a parameter; empty when nothing does.
std::string find_name(const std::map<std::string, std::string>& names, const std::string& parameter) {
  std::string bare = without_prefix(parameter);
  if (bare == "lm_head.bias" && !names.contains(bare)) bare = "lm_head.decoder.bias";
  const auto found = names.find(bare);
  return found == names.end() ? "" : found->second;
}

bool is_floating(const std::optional<DType>& dtype) {
  return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f64;
}

// Tells transformers the longest text that the model takes and, where nothing else does, what kind of
// tokenizer this is and that <mask> takes the white space before it along, as our own reading has it.
void write_tokenizer_config(const std::string& folder, const nlohmann::json& model) {
  const std::string path = folder + "/tokenizer_config.json";
  const bool has_vocabulary = fs::exists(folder + "/vocab.json");
  const bool has_whole = fs::exists(folder + "/tokenizer.json");
  if (!has_vocabulary && !has_whole) return;
  nlohmann::ordered_json config = nlohmann::ordered_json::object();
  if (fs::exists(path)) {
    config = parse_ordered_json(read_file(path), path);
    CHECK(config.is_object(), path, " is not a JSON object");
  } else {
    config["tokenizer_class"] = "RobertaTokenizer";
    if (!has_whole) {
      config["mask_token"] = {{"__type", "AddedToken"}, {"content", "<mask>"}, {"lstrip", true},
                              {"normalized", false},    {"rstrip", false},     {"single_word", false}};
    }
  }
  const int64_t longest =
      model.at("max_position_embeddings").get<int64_t>() - model.value("pad_token_id", int64_t{1}) - 1;
  if (config.value("model_max_length", nlohmann::ordered_json()) == longest) return;
  config["model_max_length"] = longest;
  write_file_atomically(path, config.dump(2) + "\n");
}

int64_t element_bytes(const NamedTensor& t) { return size_of(t.tensor.dtype()); }

// A line about a parameter that the file lacks or has otherwise; empty when it fits.
std::string misfit(const WeightsFile& weights, const std::map<std::string, std::string>& names,
                   const std::string& parameter, const Shape& shape) {
  const std::string name = find_name(names, parameter);
  if (name.empty()) return text("\n  missing: ", parameter, ' ', shape);
  const WeightInfo& info = weights.info(name);
  if (info.shape != shape) return text("\n  ", name, " is ", info.shape, ", the model needs ", shape);
  if (!is_floating(info.dtype))
    return text("\n  ", name, " is ", info.stored_dtype, ", needed a floating-point type");
  return "";
}

}  // namespace

void load_masked_lm(const std::string& folder, const ParameterBlock& block) {
  const WeightsFile weights = WeightsFile::open(folder);
  const std::map<std::string, std::string> names = names_without_prefix(weights);
  std::string problems = untied(weights, names);
  std::set<std::string> used;
  for (const PackedParameter& p : block.parameters) {
    problems += misfit(weights, names, p.name, p.shape);
    used.insert(find_name(names, p.name));
  }
  for (const auto& [bare, name] : names) {
    if (!used.contains(name) && !may_be_left_over(bare))
      problems += text("\n  not part of the model: ", name);
  }
  CHECK(problems.empty(), weights.path(),
        " does not fit the masked language model of config.json:", problems);
  for (const PackedParameter& p : block.parameters) {
    block.value(p).copy_from(cast(weights.read(find_name(names, p.name)), block.values.dtype()));
  }
}

void check_encoder_weights(const WeightsFile& weights, const EncoderShape& shape) {
  const std::map<std::string, std::string> names = names_without_prefix(weights);
  std::string problems = untied(weights, names);
  std::set<std::string> used;
  Encoder encoder(shape);
  for_each_parameter(encoder, [&](const std::string& name, Parameter& p) {
    problems += misfit(weights, names, name, p.shape);
    used.insert(find_name(names, name));
  });
  for (const auto& [bare, name] : names) {
    const bool of_encoder = bare.starts_with("encoder.") || bare.starts_with("embeddings.");
    if (of_encoder && !used.contains(name) && !may_be_left_over(bare)) {
      problems += text("\n  not part of the model: ", name);
    }
  }
  CHECK(problems.empty(), weights.path(), " does not fit config.json:", problems);
}

std::string pretrained_hash(const std::string& folder) {
  ContentHash hash;
  const auto add = [&](const std::string& name) {
    if (!fs::is_regular_file(folder + "/" + name)) return;
    const std::string content = name + '\n' + read_file(folder + "/" + name);
    hash.update({reinterpret_cast<const uint8_t*>(content.data()), content.size()});
  };
  add("config.json");
  for (const char* name : kTokenizerFiles) add(name);
  return hash.hex();
}

std::vector<NamedTensor> read_all_tensors(const WeightsFile& weights) {
  const std::map<std::string, std::string> names = names_without_prefix(weights);
  const std::string problems = untied(weights, names);
  CHECK(problems.empty(), weights.path(), ':', problems);
  std::vector<NamedTensor> tensors;
  for (const std::string& name : weights.names()) {
    const std::string bare = without_prefix(name);
    if (bare.ends_with("position_ids") || bare.ends_with("token_type_ids")) continue;
    if (bare == "lm_head.decoder.weight" && names.contains("embeddings.word_embeddings.weight")) continue;
    if (bare == "lm_head.decoder.bias" && names.contains("lm_head.bias")) continue;
    tensors.push_back({bare == "lm_head.decoder.bias" ? "lm_head.bias" : name, weights.read(name)});
  }
  return tensors;
}

void check_destination(const std::string& folder) {
  if (folder.empty()) throw UsageError("the destination is empty; name a new folder");
  CHECK(!fs::exists(folder), folder, " exists already; name a new folder");
}

void copy_tokenizer_files(const std::string& from, const std::string& to) {
  create_folders(to);
  for (const char* name : kTokenizerFiles) {
    const std::string source = from + "/" + name;
    if (fs::is_regular_file(source)) write_file_atomically(to + "/" + name, read_file(source));
  }
}

void write_model_folder(const std::string& destination, const nlohmann::json& config,
                        std::vector<NamedTensor> tensors, const std::string& tokenizer_folder) {
  check_destination(destination);
  std::string folder = destination;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  // safetensors writes the widest types first and each type by name.
  std::sort(tensors.begin(), tensors.end(), [](const NamedTensor& a, const NamedTensor& b) {
    return std::pair(-element_bytes(a), a.name) < std::pair(-element_bytes(b), b.name);
  });
  create_folders(fs::absolute(folder).parent_path().string());
  PartialPath aside(folder, PartialPath::Kind::kFolder);
  write_file_atomically(aside.path() + "/config.json", config.dump(2) + "\n");
  write_safetensors(aside.path() + "/model.safetensors", tensors, {{"format", "pt"}});
  copy_tokenizer_files(tokenizer_folder, aside.path());
  write_tokenizer_config(aside.path(), config);
  aside.publish();
  sync_folder(fs::absolute(folder).parent_path().string());
}

}  // namespace lf
