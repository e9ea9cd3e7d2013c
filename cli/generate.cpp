// longform generate RUN [--prompt TEXT | --input FILE.jsonl] [--length N] [--temperature X] [--json]
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/options.h"
#include "cli/verbs.h"
#include "core/check.h"
#include "core/files.h"
#include "core/json.h"
#include "core/messages.h"
#include "data/json_lines.h"
#include "data/json_record.h"
#include "trainers/generation/sampling.h"
#include "trainers/report/console.h"
#include "trainers/run/opened_model.h"

namespace lf::cli {
namespace {

struct Options {
  std::string run, prompt, input, settings_file, checkpoint = "latest";
  std::vector<std::string> overrides;
  std::optional<int64_t> length, top_k;
  std::optional<double> temperature, top_p;
  std::optional<uint64_t> seed;
  bool greedy = false, json = false;
};

struct Record {
  std::string id, text;
};

// The defaults, changed by the settings' file, changed by what the command line gives.
SamplingSettings sampling_of(const Options& options) {
  SamplingSettings s;
  if (const std::string& path = options.settings_file; !path.empty())
    s = sampling_from_json(read_text_file(path), path, s);
  s.max_new_tokens = options.length.value_or(s.max_new_tokens);
  s.temperature = options.temperature.value_or(s.temperature);
  s.top_k = options.top_k.value_or(s.top_k);
  s.top_p = options.top_p.value_or(s.top_p);
  s.seed = options.seed.value_or(s.seed);
  if (options.greedy) s.do_sample = false;
  s.validate();
  return s;
}

std::vector<Record> read_records(const Options& options) {
  if (options.input.empty()) return {{"0", options.prompt}};
  JsonLines lines(options.input);
  std::vector<Record> records;
  for (JsonLine line; lines.next_record(line);) {
    JsonRecord record = parse_json_record(std::move(line), options.input, R"(a record {"id", "text"})");
    const nlohmann::json id = record_id(record);
    const auto found = record.object.find("text");
    CHECK(found != record.object.end() && found->is_string(), record.where,
          R"(: needed a record {"id", "text"} whose text is a text)");
    records.push_back(
        {id.is_string() ? id.get<std::string>() : id.dump(), std::move(found->get_ref<std::string&>())});
  }
  CHECK(!records.empty(), options.input, " holds no record");
  return records;
}

void generate_all(const Options& options) {
  const SamplingSettings sampling = sampling_of(options);
  Console console;
  const OpenedModel opened = open_model(
      options.run, {.checkpoint = options.checkpoint, .overrides = options.overrides, .needs_data = false});
  messages::warnings(opened.warnings);
  messages::detail("opened " + opened.origin);
  const std::unique_ptr<TextModel> model = opened.task->text_model(opened.stage);
  const std::vector<Record> records = read_records(options);
  std::vector<std::vector<int32_t>> prompts;  // all are read before anything is written
  for (const Record& record : records) prompts.push_back(model->encode(record.text, record.id));
  for (size_t i = 0; i < records.size(); ++i) {
    const Generated result = generate(*model->decoder(), prompts[i], sampling, i);
    const std::string written = records[i].text + model->decode(result.ids);
    if (options.json || !options.input.empty()) {
      const nlohmann::ordered_json json = {
          {"id", records[i].id}, {"output_ids", result.ids}, {"score", result.score}, {"text", written}};
      std::printf("%s\n", json_line(json).c_str());
    } else {
      std::fwrite(written.data(), 1, written.size(), stdout);
      std::putchar('\n');
    }
    check_standard_output();
  }
}

}  // namespace

void add_generate(const Verb& app, Outcome&) {
  auto options = std::make_shared<Options>();
  const Verb verb = app.verb("generate", "Write text with a run's model.");
  verb.option("run", &options->run, "Run folder").required();
  const Option prompt = verb.option("--prompt", &options->prompt, "Text to go on from");
  verb.option("--input", &options->input,
              "JSONL of {\"id\", \"text\"}, one prompt a line; - is standard input; answers as --json does")
      .excludes(prompt);
  verb.option("--length", &options->length, "Tokens to write (500)");
  verb.option("--temperature", &options->temperature, "Divides the logits (1)");
  verb.option("--top-k", &options->top_k, "Only the k most likely tokens; 0: all (0)");
  verb.option("--top-p", &options->top_p, "Only the most likely tokens that sum up to p (1)");
  verb.flag("--greedy", &options->greedy, "Always the most likely token");
  verb.option("--seed", &options->seed, "The same seed writes the same text (1)").at_least(0);
  verb.option("--generation", &options->settings_file,
              "JSON of generation settings, named as in Hugging Face's; flags win over it");
  verb.option("--checkpoint", &options->checkpoint,
              "latest (default), best, or a checkpoint's name or folder");
  verb.overrides(&options->overrides, "device=cpu");
  verb.flag("--json", &options->json, "JSONL records with id, output_ids, score and text");
  verb.action([options] { generate_all(*options); });
}

}  // namespace lf::cli
