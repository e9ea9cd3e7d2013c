// Texts and tokenizers for the tokenizer's tests: the golden cases, random Unicode, merging by plain search.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "core/files.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/tokenizer_json.h"
#include "data/tokenizer/utf8.h"
#include "tests/places.h"

namespace lf {

inline const std::string kTokenizerFolder = source_path("tests/golden/tokenizer");

struct TokenizerCase {
  std::string text, decoded, shown;
  std::optional<std::string> second;  // a pair: ids are then those with special tokens
  std::vector<int32_t> ids;
  std::optional<std::vector<int64_t>> offsets;
};

struct TokenizerVariant {
  std::string name;
  nlohmann::json document;  // a whole tokenizer.json
  TokenizerDefinition definition;
  std::vector<TokenizerCase> cases;
};

inline std::string bytes_of_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

// The variant's tokenizer.json with the vocabulary and merges of the two files in it.
inline nlohmann::json complete_document(nlohmann::json definition) {
  definition["model"]["vocab"] = nlohmann::json::parse(read_file(kTokenizerFolder + "/vocab.json"));
  nlohmann::json merges = nlohmann::json::array();
  std::istringstream lines(read_file(kTokenizerFolder + "/merges.txt"));
  std::string line;
  std::getline(lines, line);  // #version
  while (std::getline(lines, line)) merges.push_back(line);
  definition["model"]["merges"] = merges;
  return definition;
}

inline TokenizerCase tokenizer_case(const nlohmann::json& value) {
  TokenizerCase c;
  c.shown = value.dump().substr(0, 200);
  c.text = value.contains("hex") ? bytes_of_hex(value["hex"]) : value["text"].get<std::string>();
  c.decoded = value.value("decoded", std::string(RepairedText(c.text).text()));
  c.ids = value["ids"].get<std::vector<int32_t>>();
  if (value.contains("second")) c.second = value["second"].get<std::string>();
  if (value.contains("offsets")) c.offsets = value["offsets"].get<std::vector<int64_t>>();
  return c;
}

// What tests/reference/make_tokenizer_golden.py wrote.
inline const std::vector<TokenizerVariant>& tokenizer_variants() {
  static const std::vector<TokenizerVariant> variants = [] {
    std::vector<TokenizerVariant> result;
    std::istringstream lines(read_file(kTokenizerFolder + "/cases.jsonl"));
    std::string line;
    std::getline(lines, line);  // versions
    while (std::getline(lines, line)) {
      const auto value = nlohmann::json::parse(line);
      if (!value.contains("variant")) {
        result.back().cases.push_back(tokenizer_case(value));
        continue;
      }
      const auto& variant = value["variant"];
      const auto document = complete_document(variant["tokenizer"]);
      result.push_back({variant["name"], document, parse_tokenizer_json(document, "golden"), {}});
    }
    return result;
  }();
  return variants;
}

inline void append_utf8(std::string& text, char32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    text += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
             static_cast<char>(0x80 | (c & 0x3F))};
  } else {
    text += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
             static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
  }
}

// Up to `longest` code points, of which ASCII is half.
inline std::string random_unicode(std::mt19937_64& random, size_t longest) {
  std::string text;
  for (size_t n = random() % (longest + 1); n > 0; --n) {
    char32_t c = static_cast<char32_t>(random() % 128);
    if (random() % 2) c = static_cast<char32_t>(random() % (random() % 2 ? 0x3000 : 0x110000));
    if (c >= 0xD800 && c < 0xE000) c = ' ';
    append_utf8(text, c);
  }
  return text;
}

// The ids of one word: again and again, the merge that stands first in the list is done at its leftmost
// place.
inline std::vector<int32_t> merged_by_search(const TokenizerDefinition& definition, const std::string& word) {
  std::vector<int32_t> ids;
  for (const char byte : word) {
    const std::string& token = byte_character(static_cast<uint8_t>(byte));
    const auto found = std::find(definition.tokens.begin(), definition.tokens.end(), token);
    ids.push_back(static_cast<int32_t>(found - definition.tokens.begin()));
  }
  // A merge never makes one possible that stands before it in the list, in lists that training makes; where
  // it does, the search must begin again.
  for (bool changed = true; changed;) {
    changed = false;
    for (const Merge& merge : definition.merges) {
      for (size_t i = 0; i + 1 < ids.size(); ++i) {
        if (ids[i] != merge.left || ids[i + 1] != merge.right) continue;
        ids[i] = merge.merged;
        ids.erase(ids.begin() + static_cast<int64_t>(i) + 1);
        changed = true;
        break;
      }
      if (changed) break;
    }
  }
  return ids;
}

}  // namespace lf
