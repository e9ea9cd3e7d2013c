#include "trainers/tasks/seq2seq_writing.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/check.h"
#include "core/files.h"
#include "core/messages.h"
#include "trainers/generation/source_texts.h"
#include "trainers/huggingface/model_config.h"
#include "trainers/tasks/encoder_records.h"
#include "trainers/tasks/seq2seq_input.h"

namespace lf {
namespace {

using nlohmann::ordered_json;

// What older models' config.json says of writing.
constexpr const char* kSettingsInConfig[] = {
    "max_length",           "min_length",           "num_beams",           "length_penalty",
    "early_stopping",       "no_repeat_ngram_size", "forced_bos_token_id", "forced_eos_token_id",
    "num_return_sequences", "repetition_penalty"};

GenerationSettings requested(GenerationSettings settings, const WritingRequest& request) {
  if (!request.settings.empty())
    settings = generation_from_json(request.settings, request.settings_source, settings);
  if (request.length) settings.max_new_tokens = request.length;
  settings.num_beams = request.num_beams.value_or(settings.num_beams);
  settings.temperature = request.temperature.value_or(settings.temperature);
  settings.top_k = request.top_k.value_or(settings.top_k);
  settings.top_p = request.top_p.value_or(settings.top_p);
  settings.seed = request.seed.value_or(settings.seed);
  if (request.greedy && request.num_beams) throw UsageError("--greedy is one beam; leave out --beams");
  if (request.sample) settings.do_sample = true, settings.num_beams = request.num_beams.value_or(1);
  if (request.greedy) settings.do_sample = false, settings.num_beams = 1, settings.num_return_sequences = 1;
  if (!settings.do_sample && (request.temperature || request.top_k || request.top_p || request.seed))
    throw UsageError(
        "--temperature, --top-k, --top-p and --seed are for sampling, which --sample, or do_sample: true in "
        "--generation, asks for");
  settings.validate();
  return settings;
}

void cut_long_texts(std::vector<Record>& records, int64_t longest) {
  std::string first;
  int64_t count = 0;
  for (Record& record : records) {
    if (record.length <= longest) continue;
    CHECK(record.text, record.where, ": rows of ", record.length, " ids, but the model reads ", longest);
    if (count++ == 0) first = text(record.where, ": ", record.length, " tokens");
    cut(record, longest);
  }
  if (count > 0)
    messages::warning(text(count, " of ", records.size(), " texts are longer than ", longest,
                           " tokens and are cut there (", first, count > 1 ? ", ...)" : ")"));
}

// Row `row` of a record as a record of its own.
Record row_of(const Record& record, int64_t row) {
  const auto part = [&](const auto& all) {
    const auto begin = all.begin() + row * record.length;
    return std::vector(begin, begin + record.length);
  };
  Record one{.id = record.id, .where = record.where, .text = {}, .rows = 1, .length = record.length};
  one.ids = part(record.ids);
  if (!record.mask.empty()) one.mask = part(record.mask);
  if (!record.global.empty()) one.global = {record.global[static_cast<size_t>(row)]};
  return one;
}

// The texts of a record's rows, as they come.
struct Answer {
  std::vector<std::vector<WrittenText>> rows;
  int64_t missing = 0;
};

ordered_json answer_of(const Record& record, const Answer& answer, const ByteLevelTokenizer* tokenizer) {
  ordered_json ids = ordered_json::array(), scores = ordered_json::array(), texts = ordered_json::array();
  for (const std::vector<WrittenText>& row : answer.rows) {
    for (const WrittenText& written : row) {
      ids.push_back(written.ids);
      scores.push_back(written.score);
      if (tokenizer) texts.push_back(tokenizer->decode(written.ids, true));
    }
  }
  if (ids.size() == 1) ids = ordered_json(ids[0]), scores = ordered_json(scores[0]);
  if (texts.size() == 1) texts = ordered_json(texts[0]);
  ordered_json result = {{"id", record.id}, {"output_ids", ids}, {"score", scores}};
  if (tokenizer) result["text"] = texts;
  return result;
}

}  // namespace

GenerationSettings settings_of_model(const std::string& folder, const Seq2SeqShape& shape) {
  GenerationSettings settings;
  settings.end_ids = {shape.end_id};
  const std::string own = folder + "/generation_config.json";
  if (std::filesystem::exists(own)) return generation_from_json(read_text_file(own), own, settings);
  const ModelConfig config = read_model_config(folder);
  nlohmann::json stated = nlohmann::json::object();
  for (const char* key : kSettingsInConfig)
    if (config.json.contains(key)) stated[key] = config.json.at(key);
  if (config.json.value("force_bos_token_to_be_generated", false))  // of 2020
    stated["forced_bos_token_id"] = shape.begin_id;
  return generation_from_json(stated.dump(), config.path, settings);
}

GenerationSettings settings_of_run(const Seq2SeqSection& section, const Seq2SeqShape& shape) {
  GenerationSettings settings;
  settings.end_ids = {shape.end_id};
  settings.max_new_tokens = section.target_length;
  settings.min_length = section.min_length;
  settings.num_beams = section.num_beams;
  settings.length_penalty = section.length_penalty;
  settings.no_repeat_ngram_size = section.no_repeat_ngram_size;
  settings.early_stopping = section.early_stopping;
  return settings;
}

std::optional<ByteLevelTokenizer> SummaryWriter::prepare(std::vector<Record>& records,
                                                         const std::string& tokenizer_folder) const {
  std::optional<ByteLevelTokenizer> tokenizer;
  const bool has_tokenizer = std::filesystem::exists(tokenizer_folder + "/tokenizer.json") ||
                             std::filesystem::exists(tokenizer_folder + "/vocab.json");
  if (has_tokenizer || any_text(records)) tokenizer.emplace(tokenizer_folder);
  if (tokenizer) tokenize(records, *tokenizer);
  cut_long_texts(records, longest_source);
  const bool first_is_global = model.shape.is_led() && global_attention == GlobalAttention::first_token;
  const int64_t by_rule = first_is_global ? add_first_tokens_global(records) : 0;
  if (by_rule > 0)
    messages::detail(text("the first token of ", by_rule, " texts has global attention, for they name none"));
  return tokenizer;
}

void SummaryWriter::write(std::vector<Record> records, const std::string& tokenizer_folder,
                          const WritingRequest& request, PredictionSink& sink) const {
  const GenerationSettings chosen = requested(settings, request);
  const std::vector<int32_t> begin = chosen.start ? std::vector{*chosen.start} : prompt;
  for (const Record& record : records) {
    if (record.text && record.text->empty() && record.where == "--prompt")
      throw UsageError("nothing to read: name texts with --input FILE, or one with --prompt");
  }
  const std::optional<ByteLevelTokenizer> tokenizer = prepare(records, tokenizer_folder);
  // Encoding is about the source's tokens of work, writing at most that of the longest texts.
  const int64_t longest_texts = chosen.num_beams * chosen.longest(std::ssize(begin));
  struct Row {
    int64_t number;  // among all, by which texts are drawn
    size_t record, row;
  };
  std::vector<Row> rows;  // that are written for here
  std::vector<Answer> answers(records.size());
  int64_t number = 0;
  for (size_t n = 0; n < records.size(); ++n) {
    const bool own = sink.is_mine(tokens_of(records[n]) + records[n].rows * longest_texts);
    for (size_t row = 0; row < static_cast<size_t>(records[n].rows); ++row, ++number)
      if (own) rows.push_back({number, n, row});
    if (!own) continue;
    answers[n].missing = records[n].rows;
    answers[n].rows.resize(static_cast<size_t>(records[n].rows));
  }
  size_t next = 0, unsaid = 0;
  write_texts(
      model, chosen, request.rows,
      [&]() -> std::optional<TextSource> {
        if (next == rows.size()) return std::nullopt;
        const Row& source = rows[next++];
        const Record row = row_of(records[source.record], static_cast<int64_t>(source.row));
        return TextSource{source.number, row.where, encoder_input({&row, 1}), begin};
      },
      [&](int64_t source, const std::vector<WrittenText>& texts) {
        const Row& row = *std::ranges::lower_bound(rows, source, {}, &Row::number);
        answers[row.record].rows[row.row] = texts;
        --answers[row.record].missing;
        for (; unsaid < records.size() && answers[unsaid].missing == 0; ++unsaid) {
          if (answers[unsaid].rows.empty()) continue;  // another rank's
          sink.line(answer_of(records[unsaid], answers[unsaid], tokenizer ? &*tokenizer : nullptr));
          sink.end_piece();
          answers[unsaid] = {};
        }
      });
}

}  // namespace lf
