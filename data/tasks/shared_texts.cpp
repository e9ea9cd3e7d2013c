#include "data/tasks/shared_texts.h"

#include <cstdint>
#include <unordered_map>

#include "core/check.h"
#include "core/hash.h"
#include "data/first_names.h"
#include "data/tasks/labelled_document.h"

namespace lf {
namespace {

void notice_shared(const std::string& what, const SplitTexts& first, const SplitTexts& second,
                   std::vector<std::string>& notices) {
  std::unordered_map<std::string_view, size_t> in_second;
  for (size_t i = 0; i < second.hashes.size(); ++i) in_second.emplace(second.hashes[i], i);
  FirstNames shared;
  for (size_t i = 0; i < first.hashes.size(); ++i) {
    const auto found = in_second.find(first.hashes[i]);
    if (found == in_second.end()) continue;
    const std::string &id = first.ids[i], &other = second.ids[found->second];
    shared.add(id == other ? shown(id) : shown(id) + " = " + shown(other));
  }
  if (shared.count() == 0) return;
  notices.push_back(text(shared.count(), " of ", first.hashes.size(), ' ', what, " of ", first.name,
                         " are in ", second.name, " too, by their text: ", shared.list()));
}

void notice_repeated(const std::string& what, const SplitTexts& split, std::vector<std::string>& notices) {
  std::unordered_map<std::string_view, size_t> first;
  FirstNames repeated;
  size_t other_label = 0;
  for (size_t i = 0; i < split.hashes.size(); ++i) {
    const auto [found, added] = first.emplace(split.hashes[i], i);
    if (added) continue;
    repeated.add(shown(split.ids[found->second]) + " = " + shown(split.ids[i]));
    if (!split.labels.empty() && split.labels[found->second] != split.labels[i]) ++other_label;
  }
  if (repeated.count() == 0) return;
  const std::string labels = other_label > 0 ? text(", ", other_label, " of them with another label") : "";
  notices.push_back(text(repeated.count(), " of ", split.hashes.size(), ' ', what, " of ", split.name,
                         " repeat an earlier one's text", labels, ": ", repeated.list()));
}

}  // namespace

std::string hash_of_words(std::string_view text) {
  std::string words;
  words.reserve(text.size());
  for (const char letter : text) {
    const bool space = std::string_view(" \t\r\n\f\v").find(letter) != std::string_view::npos;
    if (!space) {
      words += letter;
    } else if (!words.empty() && words.back() != ' ') {
      words += ' ';
    }
  }
  if (words.ends_with(' ')) words.pop_back();
  return content_hash({reinterpret_cast<const uint8_t*>(words.data()), words.size()});
}

std::vector<std::string> shared_texts(const std::string& what, const std::vector<SplitTexts>& splits) {
  std::vector<std::string> notices;
  for (size_t i = 0; i < splits.size(); ++i) {
    for (size_t j = i + 1; j < splits.size(); ++j) notice_shared(what, splits[i], splits[j], notices);
  }
  for (const SplitTexts& split : splits) notice_repeated(what, split, notices);
  return notices;
}

}  // namespace lf
