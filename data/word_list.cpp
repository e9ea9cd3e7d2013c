#include "data/word_list.h"

#include <cstdint>

#include "core/check.h"
#include "core/escaped.h"

namespace lf {

JoinedWords joined_words(const std::vector<std::string>& words) {
  JoinedWords joined;
  for (const std::string& word : words) {
    joined.text += ' ';
    const auto begin = static_cast<int64_t>(joined.text.size());
    joined.text += word;
    joined.words.push_back({begin, static_cast<int64_t>(joined.text.size())});
  }
  return joined;
}

std::vector<std::string> texts_in(const JsonRecord& record, const char* key) {
  const auto found = record.object.find(key);
  CHECK(found != record.object.end(), record.where, ": no \"", key, "\"");
  CHECK(found->is_array(), record.where, ": \"", key, "\" is a JSON ", found->type_name(), ", needed a list");
  std::vector<std::string> texts;
  for (const nlohmann::json& value : *found) {
    CHECK(value.is_string(), record.where, ": \"", key, "\" has ", value.dump().substr(0, 40),
          ", needed a text");
    texts.push_back(value.get<std::string>());
  }
  return texts;
}

std::vector<std::string> tokens_of_record(const JsonRecord& record) {
  std::vector<std::string> tokens = texts_in(record, "tokens");
  CHECK(!tokens.empty(), record.where, ": \"tokens\" is empty");
  for (const std::string& token : tokens) {
    CHECK(token.find_first_not_of(" \t\r\n\f\v") != std::string::npos, record.where, ": \"tokens\" has ",
          escaped(token), ", needed words");
  }
  return tokens;
}

}  // namespace lf
