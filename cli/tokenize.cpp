// longform tokenize MODEL_OR_TOKENIZER FILE [--lines | --jsonl] [--decode] [--no-special-tokens] [--json]
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/options.h"
#include "cli/verbs.h"
#include "core/check.h"
#include "core/file_kinds.h"
#include "core/files.h"
#include "core/json.h"
#include "core/messages.h"
#include "data/byte_source.h"
#include "data/json_lines.h"
#include "data/json_record.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "data/tokenizer/utf8.h"

namespace lf::cli {
namespace {

using nlohmann::json;

// Enough documents to keep all threads busy, few enough to hold.
constexpr size_t kBatchBytes = 16 << 20;

struct Options {
  std::string tokenizer, file;
  bool lines = false, jsonl = false, decode = false, no_special_tokens = false, add_prefix_space = false,
       mask_keeps_space = false, json = false;
};

// One document: a whole file, a line of it, or a record.
struct Source {
  std::string_view bytes;  // of a file or line
  int64_t line = 1;
  JsonLine record;
};

struct Result {
  std::string record, error;  // one of the two
  int64_t tokens = 0;
  std::optional<int64_t> bad_byte;  // the first that is not UTF-8, counted from 1 within its line
  int64_t bad_line = 0;
};

class TokenizeJob {
 public:
  TokenizeJob(const Options& options, const ByteLevelTokenizer& tokenizer)
      : options_(options), tokenizer_(tokenizer), reads_records_(holds_records(options)) {
    file_id_ = options.file == "-" ? "-" : std::filesystem::path(options.file).filename().string();
    by_line_ = options.lines || reads_records_;
  }

  void run() {
    if (reads_records_) {
      write_records();
    } else {
      write_texts();
    }
    if (options_.json && documents_ == 0) std::printf("{\"records\":[");
    if (options_.json) {
      std::printf("],\"vocabulary\":%d,\"documents\":%lld,\"bytes\":%lld,\"tokens\":%lld}\n",
                  tokenizer_.vocabulary_size(), static_cast<long long>(documents_),
                  static_cast<long long>(bytes_), static_cast<long long>(tokens_));
    }
    warn();
  }

 private:
  void write_records() {
    JsonLines lines(options_.file);
    std::vector<Source> batch;
    size_t batch_bytes = 0;
    for (JsonLine line; lines.next_record(line);) {
      batch_bytes += line.text.size();
      batch.emplace_back().record = std::move(line);
      if (batch_bytes < kBatchBytes) continue;
      write(std::exchange(batch, {}));
      batch_bytes = 0;
    }
    write(std::move(batch));
    bytes_ = static_cast<size_t>(lines.bytes_read());
    CHECK(documents_ > 0, options_.file, " holds no record");
  }

  void write_texts() {
    const bool is_pipe = options_.file == "-" || std::filesystem::is_fifo(options_.file);
    const bool as_it_is = !is_pipe && ByteSource::packing_of(options_.file) == ByteSource::Packing::kNone;
    const std::optional<MappedFile> file = as_it_is ? std::optional<MappedFile>(options_.file) : std::nullopt;
    std::string input;
    if (!file) input = ByteSource(options_.file).read_rest(SIZE_MAX);  // a pipe, or what is packed
    rest_ = file ? as_text(file->bytes()) : std::string_view(input);
    rest_.remove_prefix(text_begin(options_.file, rest_));
    bytes_ = rest_.size();
    for (bool first = true; first || !rest_.empty(); first = false) write(read_batch());
  }

  std::vector<Source> read_batch() {
    std::vector<Source> batch;
    if (!by_line_) {
      batch.emplace_back().bytes = std::exchange(rest_, {});
      return batch;
    }
    for (size_t bytes = 0; bytes < kBatchBytes && !rest_.empty();) {
      const size_t end = std::min(rest_.find('\n'), rest_.size());
      std::string_view line = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      ++line_;
      bytes += line.size() + 1;
      batch.push_back({line, line_, {}});
    }
    return batch;
  }

  // Does all documents in parallel and prints them in order; nothing of a batch that has an error.
  void write(std::vector<Source> batch) {
    std::vector<Result> results(batch.size());
#pragma omp parallel for schedule(dynamic, 4)
    for (size_t i = 0; i < batch.size(); ++i) {
      try {
        results[i] = reads_records_ ? convert(std::move(batch[i].record)) : encode(batch[i]);
      } catch (const std::exception& error) {
        results[i].error = error.what();
      }
    }
    for (const Result& result : results) CHECK(result.error.empty(), result.error);
    for (const Result& result : results) {
      if (options_.json) std::fputs(documents_ == 0 ? "{\"records\":[" : ",", stdout);
      std::fwrite(result.record.data(), 1, result.record.size(), stdout);
      if (!options_.json) std::putchar('\n');
      ++documents_;
      tokens_ += result.tokens;
      if (!result.bad_byte) continue;
      if (bad_documents_++ == 0)
        first_bad_ = text(options_.file, ':', result.bad_line, ':', *result.bad_byte);
    }
    check_standard_output();
  }

  Result convert(JsonLine line) const {
    const char* const field = options_.decode ? "ids" : "text";
    const std::string needed = text("a record {\"id\", \"", field, "\"}");
    JsonRecord record = parse_json_record(std::move(line), options_.file, needed);
    CHECK(record.object.contains("id") && record.object.contains(field), record.where, ": needed ", needed);
    return options_.decode ? decode(record_id(record), record) : encode(record_id(record), record);
  }

  Result encode(const json& id, JsonRecord& record) const {
    for (const char* key : {"text", "text_pair"}) {
      CHECK(!record.object.contains(key) || record.object[key].is_string(), record.where, ": ", key,
            " must be a text, not ", record.object[key].type_name());
    }
    const bool special = !options_.no_special_tokens;
    const auto& first = record.object["text"].get_ref<const std::string&>();
    if (!record.object.contains("text_pair")) return ids_record(id, tokenizer_.encode(first, special));
    const auto& second = record.object["text_pair"].get_ref<const std::string&>();
    return ids_record(id, tokenizer_.encode_pair(first, second, special));
  }

  Result encode(const Source& source) const {
    Result result = ids_record(options_.lines ? json(source.line) : json(file_id_),
                               tokenizer_.encode(source.bytes, !options_.no_special_tokens));
    const size_t bad = first_invalid_utf8(source.bytes);
    if (bad < source.bytes.size()) {
      const std::string_view before = source.bytes.substr(0, bad);
      const size_t line_begin = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
      result.bad_line = source.line + std::count(before.begin(), before.end(), '\n');
      result.bad_byte = static_cast<int64_t>(bad - line_begin) + 1;
    }
    return result;
  }

  static Result ids_record(const json& id, const std::vector<int32_t>& ids) {
    return {.record = "{\"id\":" + json_line(id) + ",\"ids\":" + json_list(ids) + '}',
            .tokens = static_cast<int64_t>(ids.size())};
  }

  Result decode(const json& id, const JsonRecord& record) const {
    const json& given = record.object.at("ids");
    CHECK(given.is_array(), record.where, ": ids is ", given.type_name(), ", needed a list of whole numbers");
    const auto most = static_cast<uint64_t>(tokenizer_.vocabulary_size());
    std::vector<int32_t> ids;
    for (const json& token : given) {
      CHECK(token.is_number_unsigned() && token.get<uint64_t>() < most, record.where, ": ids holds ",
            token.dump(-1, ' ', true).substr(0, 40), ", needed whole numbers from 0 to ", most - 1);
      ids.push_back(token.get<int32_t>());
    }
    const std::string decoded = tokenizer_.decode(ids, options_.no_special_tokens);
    const nlohmann::ordered_json result = {{"id", id}, {"text", RepairedText(decoded).text()}};
    return {.record = result.dump(), .tokens = static_cast<int64_t>(ids.size())};
  }

  void warn() const {
    if (bad_documents_ == 0) return;
    const std::string which = by_line_ ? text("; ", bad_documents_, " documents have such bytes") : "";
    messages::warning(first_bad_ + ": not UTF-8; read as U+FFFD" + which);
  }

  // By the name of what is packed; that of an archive's file takes reading the archive.
  static bool holds_records(const Options& options) {
    return options.decode || options.jsonl ||
           (!options.lines && has_ending(unpacked_name(options.file), ".jsonl"));
  }

  const Options& options_;
  const ByteLevelTokenizer& tokenizer_;
  const bool reads_records_;
  std::string file_id_, first_bad_;
  std::string_view rest_;
  bool by_line_ = false;
  size_t bytes_ = 0;
  int64_t line_ = 0, documents_ = 0, tokens_ = 0, bad_documents_ = 0;
};

void tokenize(const Options& options) {
  TokenizerOptions settings;
  if (options.add_prefix_space) settings.add_prefix_space = true;
  settings.mask_takes_space = !options.mask_keeps_space;
  const ByteLevelTokenizer tokenizer(options.tokenizer, settings);
  TokenizeJob(options, tokenizer).run();
}

}  // namespace

void add_tokenize(const Verb& app, Outcome&) {
  auto options = std::make_shared<Options>();
  const Verb verb = app.verb("tokenize", "Turn text into token ids, or ids into text.");
  verb.option("tokenizer", &options->tokenizer,
              "Model folder, tokenizer.json, or vocab.json with merges.txt beside it")
      .required();
  verb.option("file", &options->file,
              "A text: one document; or *.jsonl of {\"id\", \"text\"}; - is standard input")
      .required();
  const Option lines = verb.flag("--lines", &options->lines, "Each line of the file is a document");
  verb.flag("--jsonl", &options->jsonl, "The file holds records whatever its name").excludes(lines);
  verb.flag("--decode", &options->decode, "The file holds records {\"id\", \"ids\"}: write their texts")
      .excludes(lines);
  verb.flag("--no-special-tokens", &options->no_special_tokens,
            "Put none around a text; with --decode, write none");
  verb.flag("--add-prefix-space", &options->add_prefix_space, "Begin each text with a space if it has none");
  verb.flag("--mask-keeps-space", &options->mask_keeps_space,
            "With vocab.json and merges.txt: <mask> leaves the white space before it in the text");
  verb.flag("--json", &options->json, "One JSON object with the records and totals, not a record a line");
  verb.action([options] { tokenize(*options); });
}

}  // namespace lf::cli
