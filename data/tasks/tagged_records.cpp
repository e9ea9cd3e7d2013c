#include "data/tasks/tagged_records.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "data/tasks/distinct_ids.h"
#include "data/tasks/labelled_document.h"
#include "data/tokenizer/utf8.h"
#include "data/word_list.h"

namespace lf {
namespace {

using nlohmann::json;

constexpr const char* kNeededForm = R"(a record {"id", "text", "entities"} or {"id", "tokens", "tags"})";

const json& list_in(const JsonRecord& record, const char* key) {
  const auto found = record.object.find(key);
  CHECK(found != record.object.end(), record.where, ": no \"", key, "\", needed ", kNeededForm);
  CHECK(found->is_array(), record.where, ": \"", key, "\" is a JSON ", found->type_name(), ", needed a list");
  return *found;
}

// Where an entity is in the record, for messages.
std::string place_of_entity(const JsonRecord& record, size_t number) {
  return text(record.where, ": entity ", number + 1);
}

int64_t offset_of(const json& span, const std::string& where, const char* key, int64_t most) {
  const auto found = span.find(key);
  CHECK(found != span.end() && found->is_number_integer(), where, ": no whole number \"", key,
        "\", needed {\"start\", \"end\", \"label\"}");
  const auto value = found->get<int64_t>();
  CHECK(value >= 0, where, ": ", key, " is ", value);
  CHECK(value <= most, where, ": ", key, " is ", value, ", but the text has ", most, " characters");
  return value;
}

std::string type_in(const json& span, const std::string& where) {
  auto found = span.find("label");
  if (found == span.end()) found = span.find("type");
  CHECK(found != span.end() && found->is_string() && !found->get_ref<const std::string&>().empty(), where,
        ": no text \"label\", needed {\"start\", \"end\", \"label\"}");
  return found->get<std::string>();
}

void check_overlaps(const std::vector<Entity>& sorted, const std::string& where, const char* what) {
  for (size_t i = 1; i < sorted.size(); ++i) {
    CHECK(sorted[i].begin >= sorted[i - 1].end, where, ": the ", escaped(sorted[i - 1].type), " from ",
          sorted[i - 1].begin, " to ", sorted[i - 1].end, " and the ", escaped(sorted[i].type), " from ",
          sorted[i].begin, " to ", sorted[i].end, what);
  }
}

// Characters as words, and how many spans had to be widened for that.
std::vector<Entity> in_words(const std::vector<Entity>& spans, const TaggedText& tagged, size_t& widened) {
  const CharacterPlaces places(tagged.text);
  std::vector<Entity> entities;
  for (const Entity& span : spans) {
    const int64_t begin = places.byte(span.begin), end = places.byte(span.end);
    const auto first = std::partition_point(tagged.words.begin(), tagged.words.end(),
                                            [&](const ByteRange& word) { return word.end <= begin; });
    const auto last = std::partition_point(first, tagged.words.end(),
                                           [&](const ByteRange& word) { return word.begin < end; });
    CHECK(first != last, tagged.where, ": the ", escaped(span.type), " from ", span.begin, " to ", span.end,
          " has no word");
    widened += first->begin < begin || std::prev(last)->end > end;
    entities.push_back({first - tagged.words.begin(), last - tagged.words.begin(), span.type});
  }
  return entities;
}

TaggedText text_of_spans(const JsonRecord& record, TagScheme scheme, size_t& widened) {
  TaggedText tagged;
  tagged.where = record.where;
  const auto words = record.object.find("text");
  CHECK(words->is_string(), record.where, ": \"text\" is a JSON ", words->type_name(), ", needed a text");
  tagged.text = words->get<std::string>();
  tagged.words = words_of(tagged.text);
  CHECK(!tagged.words.empty(), record.where, ": the text has no words");
  const std::vector<Entity> entities = in_words(spans_of_record(record, tagged.text), tagged, widened);
  check_overlaps(entities, record.where, " share a word (counted in words)");
  tagged.tags = tags_of(entities, std::ssize(tagged.words), scheme);
  return tagged;
}

TaggedText text_of_tokens(const JsonRecord& record) {
  TaggedText tagged;
  tagged.where = record.where;
  tagged.is_list = true;
  const std::vector<std::string> tokens = tokens_of_record(record);
  tagged.tags = tags_of_record(record, tokens.size());
  JoinedWords joined = joined_words(tokens);
  tagged.text = std::move(joined.text);
  tagged.words = std::move(joined.words);
  return tagged;
}

}  // namespace

std::vector<Entity> spans_of_record(const JsonRecord& record, const std::optional<std::string>& text) {
  const CharacterPlaces places(text.value_or(""));
  const int64_t most = text ? places.characters() : std::numeric_limits<int64_t>::max();
  std::vector<Entity> spans;
  size_t number = 0;
  for (const json& span : list_in(record, "entities")) {
    const std::string where = place_of_entity(record, number++);
    CHECK(span.is_object(), where, " is a JSON ", span.type_name(),
          ", needed {\"start\", \"end\", \"label\"}");
    Entity entity;
    entity.begin = offset_of(span, where, "start", most);
    entity.end = offset_of(span, where, "end", most);
    entity.type = type_in(span, where);
    CHECK(entity.begin < entity.end, where, " is empty: from ", entity.begin, " to ", entity.end);
    const auto said = span.find("text");
    if (text && said != span.end()) {
      const auto begin = static_cast<size_t>(places.byte(entity.begin));
      const std::string there = text->substr(begin, static_cast<size_t>(places.byte(entity.end)) - begin);
      CHECK(said->is_string() && said->get_ref<const std::string&>() == there, where, " is to be ",
            escaped(said->dump()), ", but characters ", entity.begin, " to ", entity.end, " are ",
            escaped(there));
    }
    spans.push_back(std::move(entity));
  }
  std::sort(spans.begin(), spans.end());
  check_overlaps(spans, record.where, " overlap");
  return spans;
}

std::vector<std::string> tags_of_record(const JsonRecord& record, size_t words) {
  std::vector<std::string> tags = texts_in(record, "tags");
  CHECK(tags.size() == words, record.where, ": ", tags.size(), " tags for ", words, " tokens");
  for (const std::string& tag : tags)
    CHECK(is_tag(tag), record.where, ": ", escaped(tag),
          " is no tag; needed O, or B-, I-, E- or S- and a type");
  return tags;
}

CharacterPlaces::CharacterPlaces(std::string_view text) {
  for (size_t at = 0, bytes = 0; at < text.size(); at += bytes) {
    begins_.push_back(static_cast<int64_t>(at));
    decode_valid_utf8(text.data() + at, bytes);
  }
  begins_.push_back(static_cast<int64_t>(text.size()));
}

int64_t CharacterPlaces::character(int64_t byte) const {
  return std::lower_bound(begins_.begin(), begins_.end(), byte) - begins_.begin();
}

std::vector<TaggedText> read_tagged_records(const std::string& path, TagScheme scheme, BadRecords bad,
                                            std::vector<std::string>& notices) {
  std::vector<TaggedText> texts;
  BadRecordCount count(bad);
  size_t widened = 0;
  FirstNames where_widened;
  JsonLines lines(path);
  for (JsonLine line; lines.next_record(line);) {
    const int64_t number = line.number;
    count.attempt([&] {
      const JsonRecord record = parse_json_record(std::move(line), path, kNeededForm);
      const bool has_text = record.object.contains("text");
      CHECK(!has_text || !record.object.contains("tokens"), record.where, ": both text and tokens");
      size_t own = 0;
      TaggedText tagged = has_text ? text_of_spans(record, scheme, own) : text_of_tokens(record);
      tagged.id = record_id_or_line(record, number);
      if (own > 0) where_widened.add(shown(tagged.id));
      widened += own;
      texts.push_back(std::move(tagged));
    });
  }
  count.report(path, notices);
  CHECK(!texts.empty(), path, ": no records");
  check_distinct_ids(texts);
  if (widened > 0)
    notices.push_back(text(path, ": ", widened,
                           " of the entities begin or end inside a word and count with all of "
                           "it: in ",
                           where_widened.list()));
  return texts;
}

}  // namespace lf
