#include "data/tasks/entity_pairs.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "core/file_paths.h"
#include "data/byte_source.h"
#include "data/json_lines.h"
#include "data/json_record.h"
#include "data/tasks/distinct_ids.h"
#include "data/tasks/tagged_records.h"
#include "data/word_list.h"

namespace lf {
namespace {

struct FoundEntities {
  std::string id, where;
  std::vector<Entity> entities;
  // Of entities that are counted in words, these; of those that are counted in characters, the text.
  std::optional<std::vector<std::string>> words;
  std::optional<std::string> text;
};

struct EntityFile {
  std::string path;
  bool has_records = false;
  std::vector<FoundEntities> texts;
};

FoundEntities found_in_columns(const TaggedText& tagged) {
  FoundEntities found{
      .id = tagged.id, .where = tagged.where, .entities = entities_of(tagged.tags, tagged.sentences)};
  found.words.emplace();
  for (const ByteRange& word : tagged.words) {
    const auto begin = static_cast<size_t>(word.begin);
    found.words->push_back(tagged.text.substr(begin, static_cast<size_t>(word.end) - begin));
  }
  return found;
}

FoundEntities found_in_record(const JsonRecord& record, int64_t line) {
  FoundEntities found{.id = record_id_or_line(record, line), .where = record.where};
  if (record.object.contains("tokens") && record.object.contains("tags")) {
    CHECK(!record.object.contains("entities"), record.where, ": both tags and entities");
    found.words = tokens_of_record(record);
    found.entities = entities_of(tags_of_record(record, found.words->size()));
    return found;
  }
  const auto words = record.object.find("text");
  if (words != record.object.end()) {
    CHECK(words->is_string(), record.where, ": \"text\" is a JSON ", words->type_name(), ", needed a text");
    found.text = words->get<std::string>();
  }
  found.entities = spans_of_record(record, found.text);
  return found;
}

EntityFile read_entity_file(const std::string& path, const TaggedColumns& columns) {
  check_exists(path);
  EntityFile file{.path = path, .has_records = has_ending(unpacked_name(path), ".jsonl")};
  if (!file.has_records) {
    for (const TaggedText& tagged : read_tagged_columns(path, columns))
      file.texts.push_back(found_in_columns(tagged));
    return file;
  }
  JsonLines lines(path);
  for (JsonLine line; lines.next_record(line);) {
    const int64_t number = line.number;
    file.texts.push_back(found_in_record(
        parse_json_record(std::move(line), path, R"(a record with "entities" or "tags")"), number));
  }
  CHECK(!file.texts.empty(), path, ": no records");
  check_distinct_ids(file.texts);
  return file;
}

// Of a prediction without a text: that its spans are within the reference's.
void check_within(const FoundEntities& wanted, const FoundEntities& found) {
  if (found.words || found.text || found.entities.empty()) return;
  const int64_t most = wanted.words  ? std::ssize(*wanted.words)
                       : wanted.text ? CharacterPlaces(*wanted.text).characters()
                                     : found.entities.back().end;
  CHECK(found.entities.back().end <= most, found.where, ": an entity ends at ", found.entities.back().end,
        ", but the text in ", wanted.where, " has ", most, wanted.words ? " words" : " characters");
}

void check_same_words(const FoundEntities& wanted, const FoundEntities& found) {
  check_within(wanted, found);
  CHECK(!(wanted.words && found.text) && !(wanted.text && found.words), found.where,
        ": entities are counted in ", found.words ? "words" : "characters", " here and in ",
        found.words ? "characters" : "words", " in ", wanted.where);
  CHECK(!wanted.text || !found.text || *wanted.text == *found.text, found.where, ": not the text of ",
        wanted.where);
  if (!wanted.words || !found.words || *wanted.words == *found.words) return;
  CHECK(wanted.words->size() == found.words->size(), found.where, ": a text of ", found.words->size(),
        " words, that of ", wanted.where, " has ", wanted.words->size());
  const auto [own, other] = std::mismatch(found.words->begin(), found.words->end(), wanted.words->begin());
  throw Error(text(found.where, ": word ", own - found.words->begin() + 1, " of the text is ", escaped(*own),
                   ", in ", wanted.where, " it is ", escaped(*other)));
}

// The prediction's texts in the order of the reference's.
std::vector<const FoundEntities*> matched(const EntityFile& reference, const EntityFile& prediction) {
  std::vector<const FoundEntities*> result;
  if (!(reference.has_records && prediction.has_records)) {
    CHECK(reference.texts.size() == prediction.texts.size(), reference.path, " has ", reference.texts.size(),
          " texts, ", prediction.path, " has ", prediction.texts.size());
    for (const FoundEntities& found : prediction.texts) result.push_back(&found);
    return result;
  }
  std::unordered_map<std::string_view, const FoundEntities*> by_id;
  for (const FoundEntities& found : prediction.texts) by_id.emplace(found.id, &found);
  for (const FoundEntities& wanted : reference.texts) {
    const auto own = by_id.find(wanted.id);
    CHECK(own != by_id.end(), wanted.where, ": ", prediction.path, " does not have the id ",
          escaped(wanted.id));
    result.push_back(own->second);
    by_id.erase(own);
  }
  const auto left = std::find_if(prediction.texts.begin(), prediction.texts.end(),
                                 [&](const FoundEntities& found) { return by_id.contains(found.id); });
  CHECK(left == prediction.texts.end(), left->where, ": ", reference.path, " does not have the id ",
        escaped(left->id));
  return result;
}

}  // namespace

std::vector<EntityPair> read_entity_pairs(const std::string& reference,
                                          const TaggedColumns& reference_columns,
                                          const std::string& prediction,
                                          const TaggedColumns& prediction_columns) {
  const EntityFile wanted = read_entity_file(reference, reference_columns);
  const EntityFile told = read_entity_file(prediction, prediction_columns);
  const std::vector<const FoundEntities*> found = matched(wanted, told);
  std::vector<EntityPair> pairs;
  for (size_t i = 0; i < found.size(); ++i) {
    check_same_words(wanted.texts[i], *found[i]);
    pairs.push_back({wanted.texts[i].id, wanted.texts[i].entities, found[i]->entities});
  }
  return pairs;
}

}  // namespace lf
