// longform bench generate MODEL [--tokens N]
//     | --input FILE.jsonl [--generation FILE] [--rows N] [--repeats N]
#include "cli/bench_generate.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/files.h"
#include "core/format.h"
#include "core/json.h"
#include "core/messages.h"
#include "core/seconds.h"
#include "core/storage.h"
#include "data/records.h"
#include "data/tasks/source_records.h"
#include "trainers/generation/sampling.h"
#include "trainers/run/opened_model.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

struct WritingBenchOptions {
  std::string model, input, settings_file;
  std::vector<std::string> overrides;
  int64_t tokens = 200, rows = 32, repeats = 3;
  bool json = false;
};

// A text of one model that writes on from nothing.
ordered_json time_text(const OpenedModel& opened, int64_t tokens) {
  const std::unique_ptr<TextModel> model = opened.task->text_model(opened.stage);
  SamplingSettings settings;
  settings.max_new_tokens = 2;
  generate(*model->decoder(), {0}, settings);  // warms up: a device's code is loaded when it first runs
  settings.max_new_tokens = tokens;
  const std::unique_ptr<Decoder> decoder = model->decoder();
  const double start = seconds_now();
  generate(*decoder, {0}, settings);
  return {{"tokens", tokens}, {"seconds", seconds_now() - start}};
}

// New tokens of a record's texts: all but the one that each begins with.
int64_t new_tokens(const ordered_json& output_ids) {
  if (!output_ids.front().is_array()) return std::ssize(output_ids) - 1;
  int64_t tokens = 0;
  for (const ordered_json& ids : output_ids) tokens += new_tokens(ids);
  return tokens;
}

// Texts for all records of a file, several times; the best time, and what was written.
ordered_json time_records(const OpenedModel& opened, const WritingBenchOptions& options) {
  std::vector<std::string> warnings;
  const std::vector<Record> records = read_source_records(options.input, warnings);
  messages::warnings(warnings);
  WritingRequest request{.settings_source = options.settings_file, .rows = options.rows};
  if (!options.settings_file.empty()) request.settings = read_text_file(options.settings_file);
  ordered_json written;
  double best = 0;
  for (int64_t round = -1; round < options.repeats; ++round) {  // the first warms up
    written = ordered_json::array();
    const double start = seconds_now();
    LineSink sink([&](const ordered_json& record) { written.push_back(record); });
    opened.task->write(records, request, opened.stage, sink);
    const double seconds = seconds_now() - start;
    if (round >= 0) best = round == 0 ? seconds : std::min(best, seconds);
  }
  int64_t tokens = 0;
  for (const ordered_json& record : written) tokens += new_tokens(record.at("output_ids"));
  return {{"tokens", tokens}, {"seconds", best}, {"written", written}};
}

void bench_generate(const WritingBenchOptions& options) {
  if (options.input.empty() && !options.settings_file.empty())
    throw UsageError("--generation is for the texts of --input");
  const OpenedModel opened = open_model(options.model, {.overrides = options.overrides, .needs_data = false});
  messages::warnings(opened.warnings);
  if (options.input.empty() && opened.config.task == TaskChoice::seq2seq)
    throw UsageError(options.model + " writes texts of sources; name records with --input");
  ordered_json result =
      options.input.empty() ? time_text(opened, options.tokens) : time_records(opened, options);
  const Device device = device_of(opened.config);
  result["tokens_per_second"] = result["tokens"].get<double>() / result["seconds"].get<double>();
  result["device"] = name(device);
  result["peak_bytes"] = memory_use(device).peak;
  if (options.json)
    std::printf("%s\n", json_line(result).c_str());
  else
    std::printf("%s tokens/s\n", format_count(result["tokens_per_second"].get<double>()).c_str());
}

}  // namespace

void add_generate_bench(const Verb& bench) {
  auto options = std::make_shared<WritingBenchOptions>();
  const Verb verb = bench.verb("generate", "Time text generation of a run's model, or summaries of records.");
  verb.option("model", &options->model, "Run folder, or a model folder in Hugging Face form").required();
  verb.overrides(&options->overrides, "device=cpu");
  const Option tokens = verb.option("--tokens", &options->tokens, "Tokens to write (200)").at_least(1);
  verb.option("--input", &options->input, "Records to write for, as `longform generate` takes them")
      .excludes(tokens);
  verb.option("--generation", &options->settings_file, "JSON of generation settings, for --input");
  verb.option("--rows", &options->rows, "Texts that are written side by side, for --input (32)").at_least(1);
  verb.option("--repeats", &options->repeats, "Best of so many, for --input (3)").at_least(1);
  verb.flag("--json", &options->json, "One JSON object on standard output");
  verb.action([options] { bench_generate(*options); });
}

}  // namespace lf::cli
