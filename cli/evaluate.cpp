// longform evaluate RUN|CONFIG [--split test] [--checkpoint latest|best|FOLDER] [--json]
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/options.h"
#include "cli/verbs.h"
#include "trainers/report/console.h"
#include "trainers/run/opened_run.h"
#include "trainers/tasks/char_lm_task.h"

namespace lf::cli {
namespace {

struct Options {
  std::string run, split = "test", checkpoint = "latest";
  std::vector<std::string> overrides;
  bool json = false;
};

Split parse_split(const std::string& text) {
  for (const Split split : {Split::train, Split::validation, Split::test}) {
    if (text == name(split)) return split;
  }
  throw UsageError("--split is " + text + "; needed train, validation or test");
}

nlohmann::ordered_json report(const OpenedRun& run, Split split, const Protocol& protocol,
                              const Score& score) {
  const std::string unit = run.task->unit();
  const bool characters = unit == "character";
  const char* scored = characters ? "the last step targets of each sequence, the first sequence whole; every "
                                    "character once"
                                  : "the masked tokens of consecutive blocks, with the same masks every time";
  nlohmann::ordered_json result = {
      {"split", name(split)},
      {"protocol",
       {{"sequence_length", protocol.sequence_length}, {"step", protocol.step}, {"scored", scored}}},
      {unit + "s", score.targets},
      {"loss_nats", score.mean()}};
  if (!characters) result["bits_per_" + unit] = score.bits();
  result["bits_per_character"] = score.bits_per_character();
  if (const auto* char_lm = dynamic_cast<const CharLMTask*>(run.task.get()))
    result["newlines"] = newlines_name(char_lm->corpus().corpus.newlines);
  result["checkpoint"] = run.checkpoint;
  result["step"] = run.state.step;
  result["stage"] = run.stage.name;
  if (score.newline_targets > 0) {
    result["bits_per_character_without_newlines"] = score.bits_without_newlines();
    result["newline_characters"] = score.newline_targets;
  }
  return result;
}

void print(const OpenedRun& run, Split split, const Protocol& protocol, const Score& score) {
  const char* unit = run.task->unit();
  std::printf("%s: %.4f bits per %s (%.4f nats) over %lld %ss\n", name(split), score.bits(), unit,
              score.mean(), static_cast<long long>(score.targets), unit);
  if (score.characters_per_target != 1) {
    std::printf("at %.2f characters a %s: %.4f bits per character\n", score.characters_per_target, unit,
                score.bits_per_character());
  }
  if (score.newline_targets > 0) {
    std::printf("without the %lld newlines: %.4f bits per character\n",
                static_cast<long long>(score.newline_targets), score.bits_without_newlines());
  }
  std::printf("protocol: sequences of %lld every %lld%s; %s\n",
              static_cast<long long>(protocol.sequence_length), static_cast<long long>(protocol.step),
              run.config.task == TaskChoice::char_lm
                  ? text(", the last ", protocol.step, " scored (the first whole)").c_str()
                  : ", every block with its own masks",
              run.checkpoint.c_str());
}

void evaluate(const Options& options) {
  const Split split = parse_split(options.split);
  Console console;
  std::vector<std::string> warnings;
  OpenedRun run = open_run(options.run, options.checkpoint, options.overrides, warnings);
  for (const std::string& warning : warnings) console.message("warning: " + warning);
  const Protocol protocol = test_protocol(run.config);
  const Score score = run.task->evaluate(split, protocol, [&](int64_t done, int64_t total) {
    Progress progress;
    progress.stage = std::string("evaluating ") + name(split);
    progress.step = done;
    progress.total_steps = total;
    console.progress(progress);
  });
  console.finish_line();
  const nlohmann::ordered_json result = report(run, split, protocol, score);
  if (options.json) {
    std::printf("%s\n", result.dump().c_str());
  } else {
    print(run, split, protocol, score);
  }
}

}  // namespace

void add_evaluate(const Verb& app, Outcome&) {
  auto options = std::make_shared<Options>();
  const Verb verb = app.verb("evaluate", "Score a run's checkpoint by the configuration's protocol.");
  verb.option("run", &options->run, "Run folder, or a configuration, whose initial weights are scored")
      .required();
  verb.option("--split", &options->split, "train, validation or test (default)");
  verb.option("--checkpoint", &options->checkpoint, "latest (default), best, or a checkpoint's folder");
  verb.overrides(&options->overrides, "evaluation.step=256");
  verb.flag("--json", &options->json, "One JSON object on standard output");
  verb.action([options] { evaluate(*options); });
}

}  // namespace lf::cli
