// longform inspect PATH [--json]: what a run, checkpoint, token file, corpus or file of weights holds,
// verified.
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/verbs.h"
#include "core/file_paths.h"
#include "core/json.h"
#include "core/messages.h"
#include "core/weights/safetensors.h"
#include "core/weights/weights_file.h"
#include "data/characters/prepared_corpus.h"
#include "data/documents/document_corpus.h"
#include "data/token_file.h"
#include "trainers/huggingface/pretrained_weights.h"
#include "trainers/run/checkpoint.h"

namespace lf::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

ordered_json describe(const std::vector<TensorInfo>& tensors) {
  ordered_json list = ordered_json::array();
  for (const TensorInfo& t : tensors) {
    list.push_back({{"name", t.name}, {"dtype", t.stored_dtype}, {"shape", t.shape.dims()}});
  }
  return list;
}

ordered_json inspect_checkpoint_folder(const std::string& path) {
  const CheckpointReport report = inspect_checkpoint(path);
  ordered_json result = {
      {"kind", "checkpoint"}, {"path", path}, {"step", report.step}, {"problems", report.problems}};
  if (report.state.contains("run")) result["state"] = report.state.at("run");
  for (const auto& file : report.files) {
    result["files"].push_back({{"name", file.name},
                               {"bytes", file.bytes},
                               {"hash", file.hash},
                               {"tensors", describe(file.tensors)}});
  }
  return result;
}

ordered_json inspect_run_folder(const std::string& path) {
  ordered_json result = {{"kind", "run"}, {"path", path}, {"checkpoints", ordered_json::array()}};
  std::vector<std::string> problems;
  for (const CheckpointReport& report : inspect_checkpoints(path)) {
    result["checkpoints"].push_back(
        {{"path", report.folder}, {"step", report.step}, {"problems", report.problems}});
    problems.insert(problems.end(), report.problems.begin(), report.problems.end());
  }
  const std::vector<std::string> lost = lost_checkpoints(path);
  problems.insert(problems.end(), lost.begin(), lost.end());
  result["latest"] = latest_checkpoint(path).value_or("");
  result["best"] = best_checkpoint(path).value_or("");
  result["problems"] = problems;
  return result;
}

ordered_json inspect_token_file(const std::string& path) {
  const TokenFile file(path);
  file.verify();
  const TokenHeader& h = file.header();
  return {{"kind", "tokens"},
          {"path", path},
          {"tokens", h.count},
          {"vocabulary", h.vocabulary_size},
          {"bytes_per_token", static_cast<int>(h.type)},
          {"content_hash", h.content_hash},
          {"corpus", h.provenance.corpus},
          {"split", h.provenance.split},
          {"newlines", h.provenance.newlines},
          {"source", h.provenance.source},
          {"source_sha256", h.provenance.source_sha256},
          {"problems", ordered_json::array()}};
}

ordered_json inspect_safetensors(const std::string& path) {
  const SafetensorsFile file(path);
  return {{"kind", "safetensors"},
          {"path", path},
          {"metadata", file.metadata()},
          {"tensors", describe(file.tensors())},
          {"problems", ordered_json::array()}};
}

// PyTorch checkpoints and whatever is in shards.
ordered_json inspect_weights(const std::string& path) {
  const WeightsFile weights = open_weights(path);
  weights.verify();
  ordered_json result = {{"kind", weights.is_torch() ? "pytorch" : "safetensors"}, {"path", weights.path()}};
  if (const TorchFile* file = weights.torch()) {
    result["format"] = file->is_legacy() ? "legacy" : "zip";
    result["wrapper"] = file->wrapper();
    result["left_out"] = file->left_out();
  }
  if (weights.is_sharded()) result["files"] = weights.files();
  result["tensors"] = ordered_json::array();
  for (const WeightInfo& t : weights.tensors()) {
    ordered_json tensor = {{"name", t.name}, {"dtype", t.stored_dtype}, {"shape", t.shape.dims()}};
    if (weights.is_sharded()) tensor["file"] = fs::path(weights.files()[t.file]).filename();
    result["tensors"].push_back(tensor);
  }
  result["problems"] = ordered_json::array();
  return result;
}

ordered_json inspect_corpus(const std::string& path) {
  const PreparedCorpus corpus = open_corpus(path);
  for (const PreparedSplit* split : {&corpus.train, &corpus.validation, &corpus.test})
    TokenFile(split->path).verify();
  ordered_json result = ordered_json::parse(corpus_json(corpus));
  result["problems"] = ordered_json::array();
  return result;
}

ordered_json inspect_documents(const std::string& path) {
  const DocumentCorpus corpus = open_document_corpus(path);
  for (const DocumentSplit* split : {&corpus.train, &corpus.validation, &corpus.test})
    TokenFile(split->path).verify();
  ordered_json result = ordered_json::parse(document_corpus_json(corpus));
  result["problems"] = ordered_json::array();
  return result;
}

ordered_json inspect(const std::string& path) {
  check_exists(path);
  if (fs::exists(path + "/manifest.json") ||
      (fs::is_directory(path) && fs::path(path).filename().string().rfind("step-", 0) == 0)) {
    return inspect_checkpoint_folder(path);
  }
  if (fs::exists(path + "/corpus.json")) return inspect_corpus(path);
  if (is_document_corpus(path)) return inspect_documents(path);
  if (fs::is_directory(path + "/checkpoints") || fs::exists(path + "/config.yaml"))
    return inspect_run_folder(path);
  const std::string extension = fs::path(path).extension().string();
  if (extension == ".tokens") return inspect_token_file(path);
  if (extension == ".safetensors") return inspect_safetensors(path);
  if (const auto weights = find_weights(path)) return inspect_weights(*weights);
  throw Error(path +
              " is neither a run, a checkpoint, a prepared corpus, a .tokens file nor a model's weights "
              "(.safetensors, .bin, .pt, .pth, .ckpt, .index.json or a folder with them)");
}

// Nested objects indented, one key a line.
void print(const ordered_json& value, int indent) {
  for (const auto& [key, item] : value.items()) {
    if (item.is_array() && !item.empty() && item.front().is_object()) {
      std::printf("%*s%s:\n", indent, "", key.c_str());
      for (const auto& element : item) {
        if (element.contains("tensors"))
          print(element, indent + 2);
        else
          std::printf("%*s%s\n", indent + 2, "", json_line(element).c_str());
      }
    } else {
      std::printf("%*s%s: %s\n", indent, "", key.c_str(),
                  item.is_string() ? item.get<std::string>().c_str() : json_line(item).c_str());
    }
  }
}

}  // namespace

void add_inspect(const Verb& app, Outcome& outcome) {
  struct Options {
    std::string path;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  const Verb verb = app.verb(
      "inspect", "Say what a run, checkpoint, corpus, token file or file of weights holds, and verify it.");
  verb.option("path", &options->path, "File or folder").required();
  verb.flag("--json", &options->json, "One JSON object on standard output");
  verb.action([options, &outcome] {
    const ordered_json result = inspect(options->path);
    if (options->json)
      std::printf("%s\n", json_line(result).c_str());
    else
      print(result, 0);
    for (const auto& problem : result.at("problems")) {
      messages::error(problem.get<std::string>());
      outcome.exit_code = 1;
    }
  });
}

}  // namespace lf::cli
