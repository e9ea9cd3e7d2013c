// longform convert SRC DST --to longformer|led|huggingface
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/options.h"
#include "cli/verbs.h"
#include "core/format.h"
#include "core/json.h"
#include "core/messages.h"
#include "trainers/huggingface/convert.h"
#include "trainers/huggingface/convert_led.h"
#include "trainers/huggingface/model_folder.h"
#include "trainers/huggingface/pretrained_weights.h"
#include "trainers/run/opened_model.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string source, destination, to, positions = "copied", checkpoint = "latest";
  std::optional<int64_t> max_positions, window;
  uint64_t seed = 1;
  bool json = false;
};

NewPositions parse_positions(const std::string& name) {
  if (name == "copied") return NewPositions::copied;
  if (name == "random") return NewPositions::random;
  throw UsageError("--positions is " + name + "; needed copied or random");
}

ordered_json report_of(const Options& options, const ConversionReport& report, int64_t window,
                       const std::string& positions) {
  messages::warnings(report.warnings);
  return {{"to", options.to},
          {"destination", options.destination},
          {"layers", report.layers},
          {"tensors", report.tensors},
          {"source_positions", report.source_positions},
          {"positions", report.positions},
          {"window", window},
          {"new_positions", positions}};
}

ordered_json to_longformer(const Options& options) {
  LongformerRequest request{.source = options.source, .destination = options.destination};
  request.max_positions = options.max_positions.value_or(request.max_positions);
  request.window = options.window.value_or(request.window);
  request.positions = parse_positions(options.positions);
  request.seed = options.seed;
  return report_of(options, convert_to_longformer(request), request.window, options.positions);
}

ordered_json to_led(const Options& options) {
  if (parse_positions(options.positions) != NewPositions::copied)
    throw UsageError("--positions is " + options.positions + "; an LED's positions are copied");
  LedRequest request{.source = options.source, .destination = options.destination};
  request.max_positions = options.max_positions.value_or(request.max_positions);
  request.window = options.window.value_or(request.window);
  return report_of(options, convert_to_led(request), request.window, "copied");
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
  WholeModel model = read_whole_model(options.source, config);
  messages::warnings(model.warnings);
  const auto count = std::ssize(model.tensors);
  write_model_folder(options.destination, config.json, std::move(model.tensors), options.source);
  return {{"to", "huggingface"},
          {"destination", options.destination},
          {"weights", model.weights},
          {"tensors", count}};
}

void convert(const Options& options) {
  ordered_json report;
  if (options.to == "longformer") {
    report = to_longformer(options);
  } else if (options.to == "led") {
    report = to_led(options);
  } else if (options.to == "huggingface") {
    if (options.window || options.max_positions)
      throw UsageError("--window and --max-positions are for --to longformer and --to led");
    const bool is_run = std::filesystem::exists(options.source + "/" + kConfigName);
    report = is_run ? run_to_huggingface(options) : folder_to_huggingface(options);
  } else {
    throw UsageError("--to is " + options.to + "; needed longformer, led or huggingface");
  }
  if (options.json) {
    std::printf("%s\n", json_line(report).c_str());
    return;
  }
  std::printf("%s: %lld tensors", options.destination.c_str(),
              static_cast<long long>(report["tensors"].get<int64_t>()));
  if (report.contains("window")) {
    const auto number = [&](const char* key) { return static_cast<long long>(report[key].get<int64_t>()); };
    std::printf(", %lld layers with windows of %lld, positions %lld -> %lld (%s)", number("layers"),
                number("window"), number("source_positions"), number("positions"),
                report["new_positions"].get<std::string>().c_str());
  }
  std::printf("\n");
}

}  // namespace

void add_convert(const Verb& app, Outcome&) {
  auto options = std::make_shared<Options>();
  const Verb verb = app.verb("convert", "Convert models: RoBERTa, Longformer, BART, LED, Hugging Face.");
  verb.option("source", &options->source,
              "Model folder in Hugging Face form or, to huggingface, a run folder")
      .required();
  verb.option("destination", &options->destination, "New model folder").required();
  verb.option("--to", &options->to, "longformer: of a RoBERTa; led: of a BART; huggingface: a model folder")
      .required();
  verb.option("--max-positions", &options->max_positions, "Longest sequence (Longformer 4096, LED 16384)");
  verb.option("--window", &options->window, "Keys that a token sees on both sides together (512, LED 1024)");
  verb.option("--positions", &options->positions,
              "New positions: copied from the source's (default), or random");
  verb.option("--seed", &options->seed, "Seed of random positions (1)").at_least(0);
  verb.option("--checkpoint", &options->checkpoint,
              "Of a run: latest (default), best, or a checkpoint's name or folder");
  verb.flag("--json", &options->json, "One JSON object on standard output");
  verb.action([options] { convert(*options); });
}

}  // namespace lf::cli
