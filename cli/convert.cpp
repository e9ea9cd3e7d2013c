// longform convert SRC DST --to longformer|huggingface
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/options.h"
#include "cli/verbs.h"
#include "core/format.h"
#include "core/json.h"
#include "core/messages.h"
#include "layers/finite.h"
#include "trainers/huggingface/convert.h"
#include "trainers/huggingface/model_folder.h"
#include "trainers/huggingface/pretrained_weights.h"
#include "trainers/run/opened_model.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string source, destination, to, positions = "copied", checkpoint = "latest";
  int64_t max_positions = 4096, window = 512;
  uint64_t seed = 1;
  bool json = false;
};

NewPositions parse_positions(const std::string& name) {
  if (name == "copied") return NewPositions::copied;
  if (name == "random") return NewPositions::random;
  throw UsageError("--positions is " + name + "; needed copied or random");
}

ordered_json to_longformer(const Options& options) {
  const ConversionReport report = convert_to_longformer({.source = options.source,
                                                         .destination = options.destination,
                                                         .max_positions = options.max_positions,
                                                         .window = options.window,
                                                         .positions = parse_positions(options.positions),
                                                         .seed = options.seed});
  messages::warnings(report.warnings);
  return {{"to", "longformer"},
          {"destination", options.destination},
          {"layers", report.layers},
          {"tensors", report.tensors},
          {"source_positions", report.source_positions},
          {"positions", report.positions},
          {"window", options.window},
          {"new_positions", options.positions}};
}

// A run's checkpoint, in the form of its task's model.
ordered_json run_to_huggingface(const Options& options) {
  const OpenedModel opened =
      open_model(options.source, {.checkpoint = options.checkpoint, .needs_data = false});
  messages::warnings(opened.warnings);
  opened.task->export_model(options.destination);
  return {{"to", "huggingface"},
          {"destination", options.destination},
          {"checkpoint", opened.origin},
          {"step", opened.state.step},
          {"tensors", std::ssize(opened.task->parameters().parameters)}};
}

// A model folder again, its weights as one safetensors file.
ordered_json folder_to_huggingface(const Options& options) {
  const ModelConfig config = read_model_config(options.source);
  check_destination(options.destination);
  const WeightsFile weights = open_weights(options.source);
  check_encoder_weights(weights, encoder_shape(config));
  std::vector<NamedTensor> tensors = read_all_tensors(weights);
  std::vector<std::string> warnings;
  warn_if_not_finite(weights.path(), tensors, warnings);
  messages::warnings(warnings);
  const auto count = std::ssize(tensors);
  write_model_folder(options.destination, config.json, std::move(tensors), options.source);
  return {{"to", "huggingface"},
          {"destination", options.destination},
          {"weights", weights.path()},
          {"tensors", count}};
}

void convert(const Options& options) {
  ordered_json report;
  if (options.to == "longformer") {
    report = to_longformer(options);
  } else if (options.to == "huggingface") {
    const bool is_run = std::filesystem::exists(options.source + "/" + kConfigName);
    report = is_run ? run_to_huggingface(options) : folder_to_huggingface(options);
  } else {
    throw UsageError("--to is " + options.to + "; needed longformer or huggingface");
  }
  if (options.json) {
    std::printf("%s\n", json_line(report).c_str());
    return;
  }
  std::printf("%s: %lld tensors", options.destination.c_str(),
              static_cast<long long>(report["tensors"].get<int64_t>()));
  if (options.to == "longformer") {
    std::printf(", %lld layers with windows of %lld, positions %lld -> %lld (%s)",
                static_cast<long long>(report["layers"].get<int64_t>()),
                static_cast<long long>(options.window),
                static_cast<long long>(report["source_positions"].get<int64_t>()),
                static_cast<long long>(options.max_positions), options.positions.c_str());
  }
  std::printf("\n");
}

}  // namespace

void add_convert(const Verb& app, Outcome&) {
  auto options = std::make_shared<Options>();
  const Verb verb = app.verb("convert", "Convert models between RoBERTa, Longformer and Hugging Face.");
  verb.option("source", &options->source,
              "Model folder in Hugging Face form or, to huggingface, a run folder")
      .required();
  verb.option("destination", &options->destination, "New model folder").required();
  verb.option("--to", &options->to, "longformer: a Longformer of a RoBERTa; huggingface: a model folder")
      .required();
  verb.option("--max-positions", &options->max_positions, "Longest sequence of the Longformer (4096)");
  verb.option("--window", &options->window, "Keys that a token sees on both sides together (512)");
  verb.option("--positions", &options->positions,
              "New positions: copied from the source's (default), or random");
  verb.option("--seed", &options->seed, "Seed of random positions (1)").at_least(0);
  verb.option("--checkpoint", &options->checkpoint,
              "Of a run: latest (default), best, or a checkpoint's name or folder");
  verb.flag("--json", &options->json, "One JSON object on standard output");
  verb.action([options] { convert(*options); });
}

}  // namespace lf::cli
