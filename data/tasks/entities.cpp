#include "data/tasks/entities.h"

#include <utility>

#include "core/check.h"

namespace lf {
namespace {

constexpr char kOutsidePrefix = 'O';

struct Tag {
  char prefix = kOutsidePrefix;
  std::string_view type;
};

Tag parsed(std::string_view tag) { return {tag.empty() ? kOutsidePrefix : tag.front(), type_of(tag)}; }

bool ends_before(const Tag& previous, const Tag& now) {
  if (previous.prefix == kOutsidePrefix) return false;
  const bool is_last = previous.prefix == 'E' || previous.prefix == 'S';
  const bool is_other = now.prefix == 'B' || now.prefix == 'S' || now.prefix == kOutsidePrefix;
  return is_last || is_other || previous.type != now.type;
}

bool begins_with(const Tag& previous, const Tag& now) {
  return now.prefix != kOutsidePrefix && (previous.prefix == kOutsidePrefix || ends_before(previous, now));
}

}  // namespace

bool is_tag(std::string_view tag) {
  if (tag == kOutside) return true;
  return tag.size() > 2 && tag[1] == '-' && std::string_view("BIES").find(tag[0]) != std::string_view::npos;
}

std::string_view type_of(std::string_view tag) { return tag.size() > 2 ? tag.substr(2) : std::string_view(); }

std::vector<Entity> entities_of(std::span<const std::string> tags) {
  std::vector<Entity> entities;
  Tag previous;
  int64_t begin = 0;
  for (size_t i = 0; i <= tags.size(); ++i) {
    const Tag now = i < tags.size() ? parsed(tags[i]) : Tag();
    const auto at = static_cast<int64_t>(i);
    if (ends_before(previous, now)) entities.push_back({begin, at, std::string(previous.type)});
    if (begins_with(previous, now)) begin = at;
    previous = now;
  }
  return entities;
}

std::vector<Entity> entities_of(std::span<const std::string> tags, std::span<const int64_t> sentences) {
  std::vector<Entity> entities;
  int64_t begin = 0;
  for (size_t i = 0; i <= sentences.size(); ++i) {
    const int64_t end = i < sentences.size() ? sentences[i] : static_cast<int64_t>(tags.size());
    for (Entity& entity :
         entities_of(tags.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)))) {
      entity.begin += begin;
      entity.end += begin;
      entities.push_back(std::move(entity));
    }
    begin = end;
  }
  return entities;
}

std::vector<std::string> tags_of(const std::vector<Entity>& entities, int64_t words, TagScheme scheme) {
  std::vector<std::string> tags(static_cast<size_t>(words), std::string(kOutside));
  for (const Entity& entity : entities) {
    CHECK(entity.begin >= 0 && entity.begin < entity.end && entity.end <= words,
          "tags: an entity of the words ", entity.begin, " to ", entity.end, " of ", words);
    for (int64_t word = entity.begin; word < entity.end; ++word) {
      const bool first = word == entity.begin, last = word + 1 == entity.end;
      char prefix = first ? 'B' : 'I';
      if (scheme == TagScheme::kIobes && last) prefix = first ? 'S' : 'E';
      std::string& tag = tags[static_cast<size_t>(word)];
      CHECK(tag == kOutside, "tags: two entities share word ", word);
      tag = std::string(1, prefix) + '-' + entity.type;
    }
  }
  return tags;
}

}  // namespace lf
