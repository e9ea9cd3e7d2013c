// longform predict MODEL FILE [--what hidden|logits|loss|attention|tags] [--out FILE] [--ranks N]
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "cli/options.h"
#include "cli/ranks.h"
#include "cli/verbs.h"
#include "core/check.h"
#include "core/files.h"
#include "core/json.h"
#include "core/messages.h"
#include "data/records.h"
#include "trainers/ranks/divided_predictions.h"
#include "trainers/ranks/same_run.h"
#include "trainers/ranks/shared_records.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string model, file, what, out, checkpoint = "latest", device;
  int64_t top = 5, ranks = 1;
};

// Tensors go to a safetensors file, answers to a file of JSON lines or, without one, to standard output.
class FileSink : public PredictionSink {
 public:
  FileSink(std::string what, std::string path) : what_(std::move(what)), path_(std::move(path)) {}

  void begin_tensors(const std::vector<TensorSpec>& specs) override {
    if (path_.empty()) throw UsageError("--what " + what_ + " writes safetensors: name the file with --out");
    writer_.emplace(path_, specs, std::map<std::string, std::string>{{"format", "pt"}});
  }
  void tensor(const Tensor& values) override { writer_->write(values); }
  void part(const Tensor& values) override { writer_->write_part(values); }
  void line(const ordered_json& answer) override {
    const std::string line = json_line(answer) + "\n";
    if (!path_.empty()) {
      lines_ += line;
      return;
    }
    std::fputs(line.c_str(), stdout);
    check_standard_output();
  }
  void note(const std::string& message) override { messages::info(message); }

  // The file appears once everything is in it.
  void commit() {
    if (writer_)
      writer_->commit();
    else if (!path_.empty())
      write_file_atomically(path_, lines_);
  }

 private:
  std::string what_, path_, lines_;
  std::optional<SafetensorsWriter> writer_;
};

OpenOptions open_options(const Options& options) {
  OpenOptions open{.checkpoint = options.checkpoint, .needs_data = false};
  if (!options.device.empty()) open.device = parse_device(options.device);
  return open;
}

void predict(const Options& options, Communicator& ranks) {
  std::vector<Record> records = shared_records(ranks, [&] { return read_records(options.file); });
  const OpenedModel opened = open_together(ranks, options.model, open_options(options));
  messages::warnings(opened.warnings);
  messages::detail("predicting with " + opened.origin);
  FileSink sink(options.what, options.out);
  predict_on(ranks, *opened.task, std::move(records),
             {.what = options.what, .top = options.top, .longest = opened.stage.sequence_length}, sink);
  if (ranks.rank() == 0) sink.commit();
}

void predict_on_ranks(const Options& options, Outcome& outcome) {
  answer_on_ranks(
      outcome, options.ranks,
      [&] {
        std::error_code error;
        if (!options.out.empty() && std::filesystem::equivalent(options.file, options.out, error))
          throw UsageError("--out " + options.out + " is the file of records itself");
        return config_to_open(options.model, open_options(options));
      },
      [&](Communicator& ranks) { predict(options, ranks); });
}

}  // namespace

void add_predict(const Verb& app, Outcome& outcome) {
  auto options = std::make_shared<Options>();
  const Verb verb = app.verb("predict", "Hidden states, logits, losses, attention, or answers to records.");
  verb.option("model", &options->model, "Model folder in Hugging Face form, or a run folder").required();
  verb.option("file", &options->file,
              "JSON lines: {\"id\", \"text\"}, {\"id\", \"tokens\"} or {\"id\", \"ids\", \"mask\", ...}")
      .required();
  verb.option(
      "--what", &options->what,
      "hidden, logits, loss or attention, as safetensors, or the tags of words; without it, the answers that "
      "the model is for, as JSON lines");
  verb.option("--out", &options->out, "File to write; JSON lines go to standard output without it");
  verb.option("--top", &options->top, "Candidates for each mask (5)").at_least(1);
  verb.option("--device", &options->device, "cpu or cuda; where a run trained, cpu for a model folder");
  verb.option("--checkpoint", &options->checkpoint,
              "Of a run: latest (default), best, or a checkpoint's name or folder");
  add_processes(verb, &options->ranks);
  verb.action([options, &outcome] { predict_on_ranks(*options, outcome); });
}

}  // namespace lf::cli
