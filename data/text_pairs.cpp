#include "data/text_pairs.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "data/byte_source.h"
#include "data/first_names.h"
#include "data/json_lines.h"
#include "data/json_record.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

using nlohmann::json;

struct ReadText {
  std::string id, text;
  int64_t line = 0;
};

struct TextFile {
  std::string path;
  bool has_records = false;
  std::vector<ReadText> texts;
};

enum class Role { kReference, kPrediction };

std::string text_of(json& value, const std::string& where, const std::string& key) {
  CHECK(value.is_string(), where, ": ", key, " must be a text, not ", value.type_name());
  return std::move(value.get_ref<std::string&>());
}

// The sentence without the marks that arXiv's and PubMed's abstracts have around each, and the blanks within
// them.
std::string without_marks(std::string sentence) {
  for (const std::string_view mark : {"<S>", "</S>"}) {
    for (size_t at = 0; (at = sentence.find(mark, at)) != sentence.npos;) sentence.erase(at, mark.size());
  }
  const size_t begin = std::min(sentence.find_first_not_of(' '), sentence.size());
  return sentence.substr(begin, sentence.find_last_not_of(' ') + 1 - begin);
}

std::string abstract_of(json& sentences, const std::string& where) {
  CHECK(sentences.is_array(), where, ": abstract_text must be a list of texts, not ", sentences.type_name());
  std::string abstract;
  for (json& sentence : sentences) {
    if (!abstract.empty()) abstract += '\n';
    abstract += without_marks(text_of(sentence, where, "a sentence of abstract_text"));
  }
  return abstract;
}

// Where a record has both a text and its summary, the summary is what a prediction is compared with.
std::string reference_of(JsonRecord& record) {
  std::string key;
  std::vector<const char*> names = {"summary", "target", "abstract_text"};
  if (!record.object.contains("text")) names.insert(names.end(), {"abstract", "highlights"});
  for (const char* summary : names) {
    if (!record.object.contains(summary)) continue;
    CHECK(key.empty(), record.where, ": both ", key, " and ", summary, "; one of them must be the reference");
    key = summary;
  }
  if (key == "abstract_text") return abstract_of(record.object[key], record.where);
  if (key.empty()) key = "text";
  CHECK(
      record.object.contains(key), record.where,
      ": needed a reference, {\"id\", \"text\"}, \"summary\", \"target\", \"abstract\" or \"highlights\" in "
      "place of \"text\", or {\"article_id\", \"abstract_text\"}");
  return text_of(record.object[key], record.where, key);
}

ReadText record_of(JsonLine line, const std::string& path, Role role) {
  ReadText result;
  result.line = line.number;
  JsonRecord record = parse_json_record(std::move(line), path, "a record {\"id\", \"text\"}");
  const auto article = record.object.find("article_id");
  if (!record.object.contains("id") && article != record.object.end()) record.object["id"] = *article;
  // Without one a record is called after its line, as what is written for it is.
  result.id = record_id_or_line(record, result.line);
  if (role == Role::kReference) {
    result.text = reference_of(record);
    return result;
  }
  CHECK(record.object.contains("text"), record.where, ": needed a prediction, {\"id\", \"text\"}");
  result.text = text_of(record.object["text"], record.where, "text");
  return result;
}

ReadText line_of(const JsonLine& line, const std::string& path) {
  const size_t bad = first_invalid_utf8(line.text);
  CHECK(bad == line.text.size(), path, ':', line.number, ": byte ", bad + 1, " is not UTF-8");
  CHECK(line.text.find('\r') == line.text.npos, path, ':', line.number,
        ": a carriage return within the line; lines end with \\n or \\r\\n");
  return {std::to_string(line.number), line.text, line.number};
}

TextFile read_texts(const std::string& path, Role role) {
  const std::string name = unpacked_name(path);
  CHECK(!has_ending(name, ".csv") && !has_ending(name, ".tsv"), path,
        ": a table; needed JSON lines, {\"id\": ..., \"text\": ...}, or a text a line");
  TextFile file{.path = path};
  JsonLines lines(path);
  bool kind_is_known = false;
  for (JsonLine line; lines.next(line);) {
    if (!kind_is_known && !line.blank()) {
      kind_is_known = true;
      file.has_records = line.text[line.text.find_first_not_of(" \t\r")] == '{';
      if (file.has_records) file.texts.clear();  // the blank lines before it
      const bool promises_records = has_ending(name, ".jsonl") || has_ending(name, ".json");
      CHECK(file.has_records || !promises_records, path, ':', line.number, ": begins with ",
            escaped(line.text.substr(0, 20)), ", needed JSON lines, {\"id\": ..., \"text\": ...}");
    }
    if (!file.has_records) {
      file.texts.push_back(line_of(line, path));
    } else if (!line.blank()) {
      file.texts.push_back(record_of(std::move(line), path, role));
    }
  }
  CHECK(!file.texts.empty(), path, " holds no text");
  return file;
}

// "PATH:3: id "a" WHAT; 7 ids are such: "a" (line 3), "b" (line 4), ...".
std::string complaint(const TextFile& file, const std::vector<const ReadText*>& found, const char* what) {
  const ReadText& first = *found.front();
  const std::string result = text(file.path, ':', first.line, ": id ", escaped(first.id), ' ', what);
  if (found.size() == 1) return result;
  FirstNames names;
  for (const ReadText* one : found) names.add(text(escaped(one->id), " (line ", one->line, ')'));
  return text(result, "; ", found.size(), " of ", file.texts.size(), " records are such: ", names.list());
}

using Places = std::unordered_map<std::string_view, const ReadText*>;

Places places_of(const TextFile& file) {
  Places places;
  std::vector<const ReadText*> repeated;
  for (const ReadText& one : file.texts) {
    if (!places.try_emplace(one.id, &one).second) repeated.push_back(&one);
  }
  CHECK(repeated.empty(), complaint(file, repeated, "is used twice"));
  return places;
}

// What is wrong where the other file does not have all of this one's ids.
std::optional<std::string> missing(const TextFile& file, const Places& others, const std::string& other) {
  std::vector<const ReadText*> found;
  for (const ReadText& one : file.texts) {
    if (!others.contains(one.id)) found.push_back(&one);
  }
  if (found.empty()) return std::nullopt;
  return complaint(file, found, ("is not in " + other).c_str());
}

void check_kinds(const TextFile& reference, const TextFile& prediction) {
  const auto kind = [](const TextFile& file) {
    return file.path + (file.has_records ? " holds JSON records" : " holds lines of text");
  };
  CHECK(reference.has_records == prediction.has_records, kind(reference), ", ", kind(prediction),
        "; needed two files of one kind");
  CHECK(reference.has_records || reference.texts.size() == prediction.texts.size(),
        "lines of text: ", reference.texts.size(), " in ", reference.path, ", ", prediction.texts.size(),
        " in ", prediction.path, "; needed as many in both");
}

}  // namespace

std::vector<TextPair> read_text_pairs(const std::string& reference, const std::string& prediction) {
  TextFile references = read_texts(reference, Role::kReference);
  TextFile predictions = read_texts(prediction, Role::kPrediction);
  check_kinds(references, predictions);
  const Places reference_places = places_of(references), prediction_places = places_of(predictions);
  const auto unpredicted = missing(references, prediction_places, prediction);
  const auto unasked = missing(predictions, reference_places, reference);
  CHECK(!unpredicted && !unasked, unpredicted.value_or(""), unpredicted && unasked ? "; " : "",
        unasked.value_or(""));
  std::vector<TextPair> pairs;
  for (const ReadText& one : references.texts) {
    pairs.push_back({one.id, one.text, prediction_places.at(one.id)->text});
  }
  return pairs;
}

}  // namespace lf
