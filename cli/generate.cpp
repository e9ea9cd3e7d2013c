// longform generate RUN [--prompt TEXT | --input FILE.jsonl] [--length N] [--temperature X] [--json]
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/options.h"
#include "cli/verbs.h"
#include "core/check.h"
#include "core/files.h"
#include "data/json_lines.h"
#include "trainers/generation/sampling.h"
#include "trainers/report/console.h"
#include "trainers/run/opened_run.h"
#include "trainers/tasks/char_lm_task.h"

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
  if (!options.settings_file.empty()) s = sampling_from_json(read_file(options.settings_file), s);
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

// The prompt's tokens; an empty prompt starts after a line end, or after a space where the alphabet has no
// line ends.
std::vector<int32_t> encode(const std::vector<uint8_t>& symbols, const Record& record) {
  const std::string& prompt = record.text;
  const auto token_of = [&](uint8_t byte) {
    const auto found = std::find(symbols.begin(), symbols.end(), byte);
    return found == symbols.end() ? -1 : static_cast<int32_t>(found - symbols.begin());
  };
  if (prompt.empty()) return {token_of('\n') >= 0 ? token_of('\n') : std::max(token_of(' '), 0)};
  std::vector<int32_t> ids;
  for (size_t i = 0; i < prompt.size(); ++i) {
    ids.push_back(token_of(static_cast<uint8_t>(prompt[i])));
    if (ids.back() >= 0) continue;
    throw UsageError(text("prompt of record ", record.id, ": byte ",
                          static_cast<int>(static_cast<uint8_t>(prompt[i])), " at position ", i,
                          " is not among the ", symbols.size(), " symbols of the run's corpus"));
  }
  return ids;
}

void generate_all(const Options& options) {
  const SamplingSettings sampling = sampling_of(options);
  Console console;
  std::vector<std::string> warnings;
  const OpenedRun run = open_run(options.run, options.checkpoint, options.overrides, warnings);
  for (const std::string& warning : warnings) console.message("warning: " + warning);
  const auto& task = as_char_lm(*run.task, "generate");
  const TokenFile& corpus = *task.corpus().train;
  const std::vector<Record> records = read_records(options);
  std::vector<std::vector<int32_t>> prompts;  // all are read before anything is written
  for (const Record& record : records) prompts.push_back(encode(corpus.header().symbols, record));
  for (size_t i = 0; i < records.size(); ++i) {
    CharLMDecoder decoder(task.model(), task.pattern());
    const Generated result = generate(decoder, prompts[i], sampling, i);
    const std::string written = records[i].text + corpus.decode(result.ids);
    if (options.json || !options.input.empty()) {
      const nlohmann::ordered_json json = {
          {"id", records[i].id}, {"output_ids", result.ids}, {"score", result.score}, {"text", written}};
      std::printf("%s\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
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
  verb.option("--checkpoint", &options->checkpoint, "latest (default), best, or a checkpoint's folder");
  verb.overrides(&options->overrides, "device=cpu");
  verb.flag("--json", &options->json, "JSONL records with id, output_ids, score and text");
  verb.action([options] { generate_all(*options); });
}

}  // namespace lf::cli
