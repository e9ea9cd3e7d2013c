#include "trainers/huggingface/model_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

constexpr std::array kTokenizerFiles = {
    "vocab.json",       "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json"};

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

}  // namespace

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
