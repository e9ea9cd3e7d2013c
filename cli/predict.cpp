// longform predict MODEL FILE --what hidden|logits|loss|fill-mask [--out FILE]
#include <cstdio>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/options.h"
#include "cli/verbs.h"
#include "core/check.h"
#include "core/files.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "trainers/prediction.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string model, file, what = "fill-mask", out, checkpoint = "latest", device;
  int64_t top = 5;
};

// Gives records of text their ids, with the model's tokenizer.
void tokenize(std::vector<Record>& records, const ByteLevelTokenizer& tokenizer) {
  for (Record& record : records) {
    if (!record.text) continue;
    record.ids = tokenizer.encode(*record.text);
    record.rows = 1;
    record.length = std::ssize(record.ids);
  }
}

void write_tensors(const Options& options, const MaskedLM& model, const std::vector<Record>& records) {
  if (options.out.empty())
    throw UsageError("--what " + options.what + " writes safetensors: name the file with --out");
  const Prediction what = options.what == "hidden"   ? Prediction::hidden
                          : options.what == "logits" ? Prediction::logits
                                                     : Prediction::loss;
  std::vector<TensorSpec> specs;
  for (const Record& record : records) specs.push_back(prediction_spec(model, record, what));
  SafetensorsWriter writer(options.out, specs, {{"format", "pt"}});
  for (size_t i = 0; i < records.size(); ++i) {
    const Tensor values = lf::predict(model, records[i], what);
    writer.write(values);
    std::fprintf(stderr, "%s: %s%s\n", records[i].where.c_str(), specs[i].name.c_str(),
                 what == Prediction::loss ? text(" = ", values.item(), " nats").c_str() : "");
  }
  writer.commit();
}

void fill_masks(const Options& options, const MaskedLM& model, const std::vector<Record>& records,
                const ByteLevelTokenizer& tokenizer) {
  const std::optional<int32_t> mask_id = tokenizer.special_ids().mask;
  CHECK(mask_id, options.model, ": its tokenizer has no <mask> token");
  std::string lines;
  for (const Record& record : records) {
    ordered_json line = {{"id", record.id}, {"masks", ordered_json::array()}};
    for (const MaskPrediction& p : lf::fill_masks(model, record, *mask_id, options.top)) {
      ordered_json candidates = ordered_json::array();
      for (size_t i = 0; i < p.ids.size(); ++i) {
        candidates.push_back({{"token_id", p.ids[i]},
                              {"token", tokenizer.decode(std::vector{p.ids[i]})},
                              {"probability", p.probabilities[i]}});
      }
      line["masks"].push_back({{"row", p.row}, {"position", p.position}, {"candidates", candidates}});
    }
    if (line["masks"].empty()) std::fprintf(stderr, "warning: %s: has no <mask>\n", record.where.c_str());
    lines += line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
  }
  if (options.out.empty()) {
    std::fputs(lines.c_str(), stdout);
  } else {
    write_file_atomically(options.out, lines);
  }
}

void predict(const Options& options) {
  const bool fills = options.what == "fill-mask";
  if (!fills && options.what != "hidden" && options.what != "logits" && options.what != "loss") {
    throw UsageError("--what is " + options.what + "; needed hidden, logits, loss or fill-mask");
  }
  std::vector<Record> records = read_records(options.file);
  std::optional<Device> device;
  if (!options.device.empty()) device = parse_device(options.device);
  const OpenedMaskedLM opened = open_masked_lm(options.model, options.checkpoint, device);
  print_warnings(opened.warnings);
  bool has_text = false;
  for (const Record& record : records) has_text |= record.text.has_value();
  std::optional<ByteLevelTokenizer> tokenizer;
  if (has_text || fills) tokenizer.emplace(opened.folder);
  if (has_text) tokenize(records, *tokenizer);
  if (fills) {
    fill_masks(options, opened.model, records, *tokenizer);
  } else {
    write_tensors(options, opened.model, records);
  }
}

}  // namespace

void add_predict(const Verb& app, Outcome&) {
  auto options = std::make_shared<Options>();
  const Verb verb = app.verb("predict", "Hidden states, logits, losses, or words for masks.");
  verb.option("model", &options->model, "Model folder in Hugging Face form, or the run folder of a masked_lm")
      .required();
  verb.option("file", &options->file, "JSON lines: {\"id\", \"text\"} or {\"id\", \"ids\", \"mask\", ...}")
      .required();
  verb.option("--what", &options->what,
              "fill-mask (default) writes JSON lines; hidden, logits and loss write safetensors");
  verb.option("--out", &options->out, "File to write; fill-mask goes to standard output without it");
  verb.option("--top", &options->top, "Candidates for each mask (5)").at_least(1);
  verb.option("--device", &options->device, "cpu or cuda; where a run trained, cpu for a model folder");
  verb.option("--checkpoint", &options->checkpoint,
              "Of a run: latest (default), best, or a checkpoint's folder");
  verb.action([options] { predict(*options); });
}

}  // namespace lf::cli
