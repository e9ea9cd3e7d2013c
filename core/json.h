// JSON from files: the one parser for whatever a user or another program wrote. Strict, because what is read
// may come from anywhere: an error has a place, no key appears twice, nesting has a bound, and memory is at
// most twice the text for texts. Its work grows as the text does, however many keys there are.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

namespace lf {

// Arrays and objects within each other; a tokenizer.json nests eight deep.
inline constexpr int kDeepestJson = 32;

// Throws Error "PATH:LINE:COLUMN: not valid JSON", and Error "PATH: ..." for a key that an object has twice,
// nesting deeper than kDeepestJson and numbers beyond what a double holds. Where the content is one line of a
// file, `line` is its number and stands in every message. The content is used up: whoever moves it in saves a
// copy.
nlohmann::json parse_json(std::string content, const std::string& path, int64_t line = 0);
// The same for what Python's json module writes: NaN, Infinity and -Infinity are numbers, too.
nlohmann::json parse_json_of_python(std::string content, const std::string& path, int64_t line = 0);
// The same with the keys in the file's order.
nlohmann::ordered_json parse_ordered_json(std::string content, const std::string& path);
nlohmann::ordered_json parse_ordered_json_of_python(std::string content, const std::string& path);

// One line of JSON; bytes that are no UTF-8, as names of files may have, are U+FFFD in it.
std::string json_line(const nlohmann::ordered_json& value);

// "[1,2,3]": for lists that are too long to be JSON values one by one.
std::string json_list(std::span<const int32_t> numbers);

}  // namespace lf
