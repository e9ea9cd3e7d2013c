// longform generate RUN|MODEL [--prompt TEXT | --input FILE.jsonl] [--length N] [--ranks N] [--json]
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/options.h"
#include "cli/ranks.h"
#include "cli/verbs.h"
#include "core/check.h"
#include "core/files.h"
#include "core/json.h"
#include "core/messages.h"
#include "data/records.h"
#include "data/tasks/source_records.h"
#include "trainers/ranks/divided_predictions.h"
#include "trainers/ranks/same_run.h"
#include "trainers/ranks/shared_records.h"
#include "trainers/report/console.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string model, prompt, input, settings_file, checkpoint = "latest";
  std::vector<std::string> overrides;
  std::optional<int64_t> length, top_k, num_beams;
  int64_t rows = 32, ranks = 1;
  std::optional<double> temperature, top_p;
  std::optional<uint64_t> seed;
  bool greedy = false, sample = false, json = false;
};

WritingRequest request_of(const Options& options) {
  WritingRequest request{.settings_source = options.settings_file,
                         .length = options.length,
                         .top_k = options.top_k,
                         .num_beams = options.num_beams,
                         .temperature = options.temperature,
                         .top_p = options.top_p,
                         .seed = options.seed,
                         .greedy = options.greedy,
                         .sample = options.sample,
                         .rows = options.rows};
  if (!options.settings_file.empty()) request.settings = read_text_file(options.settings_file);
  return request;
}

std::vector<Record> records_of(const Options& options) {
  if (!options.input.empty()) {
    std::vector<std::string> warnings;
    std::vector<Record> records = read_source_records(options.input, warnings);
    messages::warnings(warnings);
    return records;
  }
  Record prompt;
  prompt.id = "0", prompt.where = "--prompt", prompt.text = options.prompt;
  return {prompt};
}

void print(const ordered_json& record, bool as_json) {
  if (as_json) {
    std::printf("%s\n", json_line(record).c_str());
  } else {
    const ordered_json& texts = record.at("text");
    for (const ordered_json& one : texts.is_array() ? texts : ordered_json::array({texts})) {
      const auto& text = one.get_ref<const std::string&>();
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::putchar('\n');
    }
  }
  check_standard_output();
}

OpenOptions open_options(const Options& options) {
  return {.checkpoint = options.checkpoint, .overrides = options.overrides, .needs_data = false};
}

void generate(const Options& options, Communicator& ranks) {
  Console console;
  std::vector<Record> records = shared_records(ranks, [&] { return records_of(options); });
  const OpenedModel opened = open_together(ranks, options.model, open_options(options));
  messages::warnings(opened.warnings);
  messages::detail("opened " + opened.origin);
  const bool as_json = options.json || !options.input.empty();
  LineSink sink([&](const ordered_json& record) { print(record, as_json); });
  write_on(ranks, *opened.task, std::move(records), request_of(options), opened.stage, sink);
}

void generate_on_ranks(const Options& options, Outcome& outcome) {
  answer_on_ranks(
      outcome, options.ranks, [&] { return config_to_open(options.model, open_options(options)); },
      [&](Communicator& ranks) { generate(options, ranks); });
}

}  // namespace

void add_generate(const Verb& app, Outcome& outcome) {
  auto options = std::make_shared<Options>();
  const Verb verb = app.verb("generate", "Write texts: on from prompts, or summaries of documents.");
  verb.option("model", &options->model, "Run folder, or a model folder in Hugging Face form").required();
  const Option prompt = verb.option("--prompt", &options->prompt, "Text to go on from, or to summarize");
  verb.option(
          "--input", &options->input,
          "JSONL of {\"id\", \"text\"}, one a line (- is standard input), or files of a summarization task; "
          "answers as --json does")
      .excludes(prompt);
  verb.option("--length", &options->length, "Tokens to write at most (500; summaries as the model says)");
  verb.option("--beams", &options->num_beams, "Beams of the search, for summaries").at_least(1);
  verb.option("--rows", &options->rows, "Texts that are written side by side, for summaries (32)")
      .at_least(1);
  verb.option("--temperature", &options->temperature, "Divides the logits (1)");
  verb.option("--top-k", &options->top_k, "Only the k most likely tokens; 0: all (0)");
  verb.option("--top-p", &options->top_p, "Only the most likely tokens that sum up to p (1)");
  const Option greedy = verb.flag("--greedy", &options->greedy, "Always the most likely token");
  verb.flag("--sample", &options->sample,
            "Draw each token by its probability: for summaries; prompts do anyway")
      .excludes(greedy);
  verb.option("--seed", &options->seed, "The same seed writes the same text (1)").at_least(0);
  verb.option("--generation", &options->settings_file,
              "JSON of generation settings, named as in Hugging Face's; flags win over it");
  verb.option("--checkpoint", &options->checkpoint,
              "latest (default), best, or a checkpoint's name or folder");
  verb.overrides(&options->overrides, "device=cpu");
  verb.flag("--json", &options->json, "JSONL records with id, output_ids, score and text");
  add_processes(verb, &options->ranks);
  verb.action([options, &outcome] { generate_on_ranks(*options, outcome); });
}

}  // namespace lf::cli
