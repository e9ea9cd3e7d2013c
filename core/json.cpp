// RapidJSON reads within the text itself, so that a long string costs no copies but the last; what it finds
// becomes a document of nlohmann's, whose own parser would look through a whole object for every member.
#include "core/json.h"

#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/escaped.h"

namespace lf {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// RapidJSON's stream within a text, which is overwritten with its own decoded strings. Counts lines on the
// way: afterwards an escaped line end would look like one.
class TextStream {
 public:
  using Ch = char;

  TextStream(char* begin, size_t skipped) : begin_(begin), source_(begin + skipped), line_begin_(begin) {}

  char Peek() const { return *source_; }
  char Take() {
    if (*source_ == '\n') {
      ++line_;
      line_begin_ = source_ + 1;
    }
    return *source_++;
  }
  size_t Tell() const { return static_cast<size_t>(source_ - begin_); }

  char* PutBegin() { return destination_ = source_; }
  void Put(char c) { *destination_++ = c; }
  size_t PutEnd(char* begin) { return static_cast<size_t>(destination_ - begin); }
  void Flush() {}

  int64_t line() const { return line_; }
  // Of a byte on this line, counted from 1.
  size_t column(size_t byte) const {
    const auto line_begin = static_cast<size_t>(line_begin_ - begin_);
    return byte - std::min(byte, line_begin) + 1;
  }

 private:
  char* begin_;
  char* source_;
  char* destination_ = nullptr;
  char* line_begin_;
  int64_t line_ = 1;
};

// Told by RapidJSON's reader what comes, in its words; builds the document.
template <class Json>
class Builder {
 public:
  explicit Builder(const std::string& where) : where_(where) {}

  bool Null() { return add(nullptr); }
  bool Bool(bool value) { return add(value); }
  bool Int(int value) { return add(int64_t{value}); }
  bool Uint(unsigned value) { return add(uint64_t{value}); }
  bool Int64(int64_t value) { return add(value); }
  bool Uint64(uint64_t value) { return add(value); }
  bool Double(double value) { return add(value); }
  bool RawNumber(const char*, unsigned, bool) { return false; }  // asked for by no flag
  bool String(const char* begin, unsigned size, bool) { return add(std::string(begin, size)); }
  bool StartArray() { return open(Json::array()); }
  bool StartObject() { return open(Json::object()); }
  bool EndArray(unsigned) { return close(); }
  bool EndObject(unsigned) { return close(); }

  bool Key(const char* begin, unsigned size, bool) {
    std::string key(begin, size);
    auto& members = open_.back().value->template get_ref<typename Json::object_t&>();
    if constexpr (std::is_same_v<Json, ordered_json>) {
      CHECK(open_.back().keys.insert(key).second, where_, ": ", escaped(key), " appears twice in one object");
      // Its own insertion would compare with every key before.
      member_ = &static_cast<typename Json::object_t::Container&>(members)
                     .emplace_back(std::move(key), nullptr)
                     .second;
    } else {
      const auto [place, inserted] = members.try_emplace(std::move(key));
      CHECK(inserted, where_, ": ", escaped(place->first), " appears twice in one object");
      member_ = &place->second;
    }
    return true;
  }

  Json result() { return std::move(root_); }

 private:
  struct Open {
    Json* value;
    std::unordered_set<std::string> keys;  // where the object does not look them up itself
  };

  // Where the next value belongs.
  Json* put(Json&& value) {
    Json* place = &root_;
    if (!open_.empty() && open_.back().value->is_array()) {
      auto& elements = open_.back().value->template get_ref<typename Json::array_t&>();
      place = &elements.emplace_back();
    } else if (!open_.empty()) {
      place = member_;
    }
    *place = std::move(value);
    return place;
  }

  bool add(Json value) {
    put(std::move(value));
    return true;
  }

  bool open(Json value) {
    CHECK(std::ssize(open_) < kDeepestJson, where_, ": nested more than ", kDeepestJson, " deep");
    Json* const place = put(std::move(value));
    open_.push_back({place, {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& where_;
  Json root_;
  std::vector<Open> open_;
  Json* member_ = nullptr;  // whose value comes next
};

template <class Json, unsigned kMoreFlags = 0>
Json parse(std::string content, const std::string& path, int64_t line) {
  const std::string where = line > 0 ? text(path, ':', line) : path;
  CHECK(!content.empty(), where, line > 0 ? ": the line is empty" : ": the file is empty");
  CHECK(content.size() <= std::numeric_limits<rapidjson::SizeType>::max(), where,
        ": more than 4 GiB of JSON");
  const auto place = [&](const TextStream& stream, size_t byte) {
    return text(path, ':', line > 0 ? line : stream.line(), ':', stream.column(byte));
  };
  constexpr std::string_view kMark = "\xEF\xBB\xBF";  // some editors begin a file with it
  TextStream stream(content.data(), content.starts_with(kMark) ? kMark.size() : 0);
  // The parser takes a zero byte for the end of its input.
  if (const size_t zero = content.find('\0'); zero != content.npos) {
    while (stream.Tell() < zero) stream.Take();
    throw Error(place(stream, zero) + ": not valid JSON: a zero byte");
  }
  constexpr unsigned kFlags = kMoreFlags | rapidjson::kParseInsituFlag |
                              rapidjson::kParseValidateEncodingFlag | rapidjson::kParseFullPrecisionFlag;
  Builder<Json> builder(where);
  const rapidjson::ParseResult result = rapidjson::Reader().Parse<kFlags>(stream, builder);
  CHECK(result.Code() != rapidjson::kParseErrorNumberTooBig, where, ": holds a number that is too large");
  CHECK(result.Code() != rapidjson::kParseErrorStringInvalidEncoding, place(stream, result.Offset()),
        ": not valid JSON: bytes that are no UTF-8");
  CHECK(!result.IsError(), place(stream, result.Offset()), ": not valid JSON");
  return builder.result();
}

}  // namespace

json parse_json(std::string content, const std::string& path, int64_t line) {
  return parse<json>(std::move(content), path, line);
}

json parse_json_of_python(std::string content, const std::string& path, int64_t line) {
  return parse<json, rapidjson::kParseNanAndInfFlag>(std::move(content), path, line);
}

ordered_json parse_ordered_json(std::string content, const std::string& path) {
  return parse<ordered_json>(std::move(content), path, 0);
}

ordered_json parse_ordered_json_of_python(std::string content, const std::string& path) {
  return parse<ordered_json, rapidjson::kParseNanAndInfFlag>(std::move(content), path, 0);
}

std::string json_line(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string json_list(std::span<const int32_t> numbers) {
  constexpr size_t kLongest = std::numeric_limits<int32_t>::digits10 + 3;  // a sign, all digits, a comma
  std::string list(numbers.size() * kLongest + 2, '\0');
  char* at = list.data();
  *at++ = '[';
  for (const int32_t number : numbers) {
    at = std::to_chars(at, list.data() + list.size(), number).ptr;
    *at++ = ',';
  }
  if (!numbers.empty()) --at;
  *at++ = ']';
  list.resize(static_cast<size_t>(at - list.data()));
  return list;
}

}  // namespace lf
