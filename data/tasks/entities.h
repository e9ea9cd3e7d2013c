// Entities in a sequence of words, and the tags by which files write them: BIO (IOB1 and IOB2 alike) or
// IOBES.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lf {

// The words [begin, end) are an entity of this type.
struct Entity {
  int64_t begin = 0, end = 0;
  std::string type;

  std::strong_ordering operator<=>(const Entity&) const = default;
  bool operator==(const Entity&) const = default;
};

enum class TagScheme { kBio, kIobes };

inline std::vector<std::string> names_of(TagScheme) { return {"bio", "iobes"}; }

// The tag of a word that is in no entity.
inline constexpr std::string_view kOutside = "O";

// Whether a tag is "O", or "B-", "I-", "E-" or "S-" and a type.
bool is_tag(std::string_view tag);
// The type of such a tag; "" of "O".
std::string_view type_of(std::string_view tag);

// The entities of a sequence of tags, in their order, as the default mode of seqeval 1.2.2 has them: it
// follows the published evaluation of CoNLL-2000, by which every tag that cannot go on the entity before it
// begins a new one. So no sequence is malformed.
std::vector<Entity> entities_of(std::span<const std::string> tags);

// The same of a text whose sentences begin at these words, ascending, beside the first: no entity goes on
// over the end of one, as they are sequences of their own for seqeval.
std::vector<Entity> entities_of(std::span<const std::string> tags, std::span<const int64_t> sentences);

// The tags of so many words; the entities must not share any.
std::vector<std::string> tags_of(const std::vector<Entity>& entities, int64_t words, TagScheme scheme);

}  // namespace lf
