#include "trainers/huggingface/model_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "core/file_kinds.h"
#include "core/file_paths.h"
#include "core/files.h"
#include "core/format.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/messages.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "trainers/huggingface/seq2seq_config.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

// What a run's results depend on beside the weights.
constexpr std::array kDescriptionFiles = {"config.json",
                                          "vocab.json",
                                          "merges.txt",
                                          "encoder.json",
                                          "vocab.bpe",
                                          "tokenizer.json",
                                          "tokenizer_config.json",
                                          "special_tokens_map.json",
                                          "added_tokens.json"};

bool begins_with_one_of(const std::string& name, std::initializer_list<const char*> beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](const char* beginning) { return name.starts_with(beginning); });
}
bool ends_with_one_of(const std::string& name, std::initializer_list<const char*> ends) {
  return std::any_of(ends.begin(), ends.end(), [&](const char* end) { return name.ends_with(end); });
}

// Whether a file of a model folder is a tokenizer's, of whatever kind: GPT-2's and BERT's vocabularies,
// SentencePiece models, BPE codes.
bool is_tokenizer_file(const std::string& name) {
  return begins_with_one_of(name, {"tokenizer", "vocab", "merges", "added_tokens", "special_tokens",
                                   "encoder.json", "dict.", "spiece", "sentencepiece"}) ||
         ends_with_one_of(name, {".model", ".spm", ".codes", ".vocab"});
}

constexpr const char* kGenerationConfig = "generation_config.json";  // how the model's texts are written

// Files that a new folder needs nothing of: weights of all kinds, the old configuration, what describes the
// old model to people.
bool is_replaced(const std::string& name) {
  return name == "config.json" || is_hidden_name(name) || begins_with_one_of(name, {"README", "LICENSE"}) ||
         ends_with_one_of(name, {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx",
                                 ".ot", ".index.json"});
}

constexpr const char* kUsualClass = "RobertaTokenizer";

// What kind of tokenizer transformers is to take, where no tokenizer_config.json says it: that of the
// source's model, or that of the files.
std::string tokenizer_class(const std::string& folder, const std::string& source) {
  const std::string config_path = source + "/config.json";
  if (!source.empty() && fs::exists(config_path)) {
    const nlohmann::json config = parse_json_of_python(read_text_file(config_path), config_path);
    const std::string type =
        config.contains("model_type") && config["model_type"].is_string() ? config["model_type"] : "";
    if (type == "camembert") return "CamembertTokenizer";
    if (type == "xlm-roberta") return "XLMRobertaTokenizer";
  }
  const std::string whole = folder + "/tokenizer.json";
  if (fs::exists(whole)) {
    const nlohmann::json tokenizer = parse_json(read_text_file(whole), whole);
    const auto model = tokenizer.find("model");
    const bool names_type = model != tokenizer.end() && model->is_object() && model->contains("type") &&
                            model->at("type").is_string();
    const std::string type = names_type ? model->at("type").get<std::string>() : "";
    if (type == "Unigram") return "XLMRobertaTokenizer";
    if (type == "BPE" || type.empty()) return kUsualClass;
    return "PreTrainedTokenizerFast";
  }
  if (fs::exists(folder + "/vocab.json")) return kUsualClass;
  return fs::exists(folder + "/sentencepiece.bpe.model") ? "XLMRobertaTokenizer" : "";
}

int64_t longest_text(const ModelConfig& config) {
  return is_seq2seq_type(config.type()) ? seq2seq_shape(config).encoder.longest()
                                        : encoder_shape(config).longest();
}

// Tells transformers the longest text that the model takes and, where nothing else does, what kind of
// tokenizer this is and that <mask> takes the white space before it along, as our own reading has it.
void write_tokenizer_config(const std::string& folder, const std::string& source,
                            const nlohmann::json& model) {
  const std::string path = folder + "/tokenizer_config.json";
  const bool has_vocabulary = fs::exists(folder + "/vocab.json");
  const bool has_whole = fs::exists(folder + "/tokenizer.json");
  const bool any =
      std::any_of(fs::directory_iterator(folder), fs::directory_iterator(),
                  [](const auto& entry) { return is_tokenizer_file(entry.path().filename().string()); });
  if (!any) {
    if (!source.empty())
      messages::warning(source + " has no tokenizer's files: the new folder knows tokens, but no texts");
    return;
  }
  nlohmann::ordered_json config = nlohmann::ordered_json::object();
  const bool given = fs::exists(path);
  if (given) {
    const std::string original = source + "/tokenizer_config.json";  // which a message is to name
    config = parse_ordered_json_of_python(read_text_file(original), original);
    CHECK(config.is_object(), original, " is not a JSON object");
  }
  const nlohmann::ordered_json before = config;
  const auto names_class = [](const auto& json) {
    return json.contains("tokenizer_class") && !json["tokenizer_class"].is_null();
  };
  if (!names_class(config) && !names_class(model)) {
    const std::string name = tokenizer_class(folder, source);
    if (name.empty())
      messages::warning(text(source,
                             " does not say what kind of tokenizer it has; transformers will guess by the "
                             "model's type"));
    else
      config["tokenizer_class"] = name;
  }
  if (!given && has_vocabulary && !has_whole) {
    config["mask_token"] = {{"__type", "AddedToken"}, {"content", "<mask>"}, {"lstrip", true},
                            {"normalized", false},    {"rstrip", false},     {"single_word", false}};
  }
  config["model_max_length"] = longest_text({.path = folder + "/config.json", .json = model});
  if (config != before) write_file_atomically(path, config.dump(2) + "\n");
}

int64_t element_bytes(const NamedTensor& t) { return size_of(t.tensor.dtype()); }

}  // namespace

std::string pretrained_hash(const std::string& folder) {
  ContentHash hash;
  const auto add = [&](const std::string& name) {
    if (!is_there(folder + "/" + name)) return;
    const std::string content = name + '\n' + read_file(folder + "/" + name);
    hash.update({reinterpret_cast<const uint8_t*>(content.data()), content.size()});
  };
  for (const char* name : kDescriptionFiles) add(name);
  return hash.hex();
}

std::vector<NamedTensor> named_parameters(const ParameterBlock& block) {
  std::vector<NamedTensor> tensors;
  for (const PackedParameter& p : block.parameters)
    tensors.push_back({p.name, block.value(p).to(Device::cpu)});
  return tensors;
}

void check_destination(const std::string& folder) {
  if (folder.empty()) throw UsageError("the destination is empty; name a new folder");
  CHECK(!fs::exists(folder), folder, " exists already; name a new folder");
}

void copy_model_description(const std::string& from, const std::string& to) {
  PartialPath aside(to, PartialPath::Kind::kFolder);
  for (const std::string name : kDescriptionFiles) {
    const std::string source = from + "/" + name;
    if (is_there(source)) write_file_atomically(aside.path() + "/" + name, read_file(source));
  }
  aside.publish();
}

void copy_tokenizer_files(const std::string& from, const std::string& to) {
  create_folders(to);
  if (from.empty()) return;
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    // A link that leads nowhere is named when it is read.
    if (entry.is_regular_file() || !entry.exists()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  std::vector<std::string> left_behind;
  for (const std::string& name : names) {
    if (is_tokenizer_file(name) || name == kGenerationConfig) {
      write_file_atomically(to + "/" + name, read_file(from + "/" + name));
    } else if (!is_replaced(name)) {
      left_behind.push_back(name);
    }
  }
  if (!left_behind.empty())
    messages::warning(text("files of ", from, " that are neither weights nor a tokenizer's were not copied: ",
                           joined(left_behind)));
}

namespace {

// The name that transformers has for the type of the weights.
const char* torch_name(DType dtype) {
  return dtype == DType::bf16 ? "bfloat16" : dtype == DType::f64 ? "float64" : "float32";
}

// What config.json says of the weights, as these are: transformers loads them in the type that it states,
// whatever theirs is, and takes them for packed where it says so.
nlohmann::json described_as_written(nlohmann::json config, const std::vector<NamedTensor>& tensors) {
  const auto floating = std::find_if(tensors.begin(), tensors.end(),
                                     [](const NamedTensor& t) { return is_float(t.tensor.dtype()); });
  if (floating == tensors.end()) return config;
  config["dtype"] = torch_name(floating->tensor.dtype());
  if (config.contains("torch_dtype")) config["torch_dtype"] = config["dtype"];
  if (config.erase("quantization_config") > 0)
    messages::warning("config.json: quantization_config is left out, for the weights are written whole");
  return config;
}

// A kind of tokenizer that is not read here says nothing.
std::optional<int64_t> tokens_of(const std::string& tokenizer_folder) {
  try {
    return ByteLevelTokenizer(tokenizer_folder).vocabulary_size();
  } catch (const Error&) {
    return std::nullopt;
  }
}

void warn_of_tokens_beyond(const nlohmann::json& config, const std::string& tokenizer_folder) {
  const auto vocabulary = config.find("vocab_size");
  if (tokenizer_folder.empty() || vocabulary == config.end() || !vocabulary->is_number_integer()) return;
  const auto known = vocabulary->get<int64_t>();
  const std::optional<int64_t> tokens = tokens_of(tokenizer_folder);
  if (!tokens || *tokens <= known) return;
  messages::warning(text("the tokenizer in ", tokenizer_folder, " has ", *tokens, " tokens, the model knows ",
                         known, ": texts with the others, added ones such as a mask token, cannot be read"));
}

}  // namespace

void write_model_folder(const std::string& destination, const nlohmann::json& config,
                        std::vector<NamedTensor> tensors, const std::string& tokenizer_folder,
                        const std::map<std::string, std::string>& files) {
  check_destination(destination);
  std::string folder = destination;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  // safetensors writes the widest types first and each type by name.
  std::sort(tensors.begin(), tensors.end(), [](const NamedTensor& a, const NamedTensor& b) {
    return std::pair(-element_bytes(a), a.name) < std::pair(-element_bytes(b), b.name);
  });
  create_folders(fs::absolute(folder).parent_path().string());
  PartialPath aside(folder, PartialPath::Kind::kFolder);
  write_file_atomically(aside.path() + "/config.json", described_as_written(config, tensors).dump(2) + "\n");
  write_safetensors(aside.path() + "/model.safetensors", tensors, {{"format", "pt"}});
  warn_of_tokens_beyond(config, tokenizer_folder);
  copy_tokenizer_files(tokenizer_folder, aside.path());
  write_tokenizer_config(aside.path(), tokenizer_folder, config);
  for (const auto& [name, contents] : files) write_file_atomically(aside.path() + "/" + name, contents);
  aside.publish();
  sync_folder(fs::absolute(folder).parent_path().string());
}

}  // namespace lf
