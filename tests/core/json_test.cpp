// The parser of every JSON file and the reader of every file of JSON lines: what they refuse, and with what
// place, memory and time.
#include "core/json.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "data/json_lines.h"
#include "data/json_record.h"
#include "tests/data/documents/document_input.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

using nlohmann::json;

TEST(Json, AListIsWrittenAsItIsRead) {
  const std::vector<std::vector<int32_t>> lists = {
      {}, {7}, {0, -1, 50264}, std::vector<int32_t>(300, INT32_MIN), std::vector<int32_t>(300, INT32_MAX)};
  for (const std::vector<int32_t>& list : lists) EXPECT_EQ(json_list(list), json(list).dump());
}

TEST(Json, IsReadAsItStands) {
  const std::string content =
      R"( {"a": [0, -1, 18446744073709551615, -9223372036854775808, 1.5e3, true, null], "b": {"é\n\u00e9": {}}} )";
  EXPECT_EQ(parse_json(content, "x"), json::parse(content));
  EXPECT_TRUE(parse_json("[7]", "x")[0].is_number_unsigned());
  EXPECT_EQ(parse_json("\xEF\xBB\xBF[7]", "x")[0], 7);
  EXPECT_EQ(parse_json("[0.1, 123456789012345678901234567890, 2.2250738585072011e-308]", "x"),
            json::parse("[0.1, 123456789012345678901234567890, 2.2250738585072011e-308]"));
  const char* const order = R"({"z":1,"a":{"y":[{"c":1,"b":2}],"x":3}})";
  EXPECT_EQ(parse_ordered_json(order, "x").dump(), order);
}

TEST(Json, WhatIsNoneHasAPlace) {
  EXPECT_EQ(error_of([] { parse_json("{\"a\": \"\\n\\n\",\n \"b\": x}", "f.json"); }),
            "f.json:2:7: not valid JSON");
  EXPECT_EQ(error_of([] { parse_json("[1] 2", "f", 7); }), "f:7:5: not valid JSON");
  EXPECT_EQ(error_of([] { parse_json("", "f"); }), "f: the file is empty");
  EXPECT_EQ(error_of([] { parse_json(std::string("[1\0]", 4), "f"); }), "f:1:3: not valid JSON: a zero byte");
  EXPECT_EQ(error_of([] { parse_json("[1e999]", "f"); }), "f: holds a number that is too large");
  for (const char* bad : {"{", "[1,]", "{\"a\":1,}", "[\"\xFF\"]", "[\"\xED\xA0\x80\"]", "[\"\\ud83d\"]",
                          "nul", "[\"a\nb\"]", "// x\n[]", "[01]", "'a'", "NaN"})
    EXPECT_ERROR(parse_json(bad, "f"), ": not valid JSON") << bad;
}

TEST(Json, KeysAndDepthAreBounded) {
  EXPECT_EQ(error_of([] { parse_json(R"({"a":{"b":1,"c":2,"b":3}})", "f", 3); }),
            "f:3: \"b\" appears twice in one object");
  EXPECT_ERROR(parse_ordered_json(R"({"a":1,"a":2})", "f"), "\"a\" appears twice");
  EXPECT_NO_THROW(parse_json(std::string(32, '[') + std::string(32, ']'), "f"));
  EXPECT_EQ(error_of([] { parse_json(std::string(33, '[') + std::string(33, ']'), "f"); }),
            "f: nested more than 32 deep");
  EXPECT_ERROR(parse_json(std::string(10'000'000, '['), "f"), "nested more than 32 deep");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_ERROR(parse_json(objects, "f"), "nested more than 32 deep");
}

double seconds_for(int members) {
  std::string content = "{";
  for (int i = 0; i < members; ++i) {
    if (i > 0) content += ',';
    content += text("\"tensor.", i, "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}");
  }
  content += '}';
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(parse_json(content, "f").size(), static_cast<size_t>(members));
  EXPECT_EQ(parse_ordered_json(std::move(content), "f").size(), static_cast<size_t>(members));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Ten times the members took a hundred times as long when each was looked for among all.
TEST(Json, TimeGrowsAsTheTextDoesSlow) {
  const double few = seconds_for(30'000), many = seconds_for(300'000);
  RecordProperty("milliseconds", static_cast<int>(1000 * many));
  EXPECT_LT(many, 30 * few + 0.5);
}

int64_t peak_bytes() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

// In a process of its own, whose peak is its own.
int memory_of_reading(const std::string& path, int64_t line_bytes) {
  const int64_t before = peak_bytes();
  JsonLines lines(path);
  JsonLine line;
  if (!lines.next(line)) return 2;
  const JsonRecord record = parse_json_record(std::move(line), path, "a record");
  if (record.object.at("text").get_ref<const std::string&>().size() + 100 < static_cast<size_t>(line_bytes))
    return 3;
  const int64_t used = peak_bytes() - before;
  std::fprintf(stderr, "%.2f times the line\n", static_cast<double>(used) / static_cast<double>(line_bytes));
  return used < line_bytes * 21 / 10 ? 0 : 1;
}

TEST(JsonLines, MemoryIsTwiceTheLine) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer's own memory would be measured";
#endif
  const TemporaryFolder folder;
  constexpr int64_t kBytes = 200'000'000;
  const std::string line = R"({"text": ")" + std::string(kBytes, 'a') + R"("})";
  std::ofstream(folder / "a.jsonl") << line;  // without an end
  EXPECT_EXIT(std::exit(memory_of_reading(folder / "a.jsonl", kBytes)), testing::ExitedWithCode(0),
              "times the line");
  std::ofstream(folder / "a.jsonl.gz") << gzipped(line);
  EXPECT_EXIT(std::exit(memory_of_reading(folder / "a.jsonl.gz", kBytes)), testing::ExitedWithCode(0),
              "times the line");
}

TEST(JsonLines, LinesHaveALimit) {
  const TemporaryFolder folder;
  std::ofstream file(folder / "a.jsonl");
  file << "{}\n" << std::string(kLongestJsonLine, ' ') << "\r\n" << std::string(kLongestJsonLine + 1, ' ');
  file.close();
  JsonLines lines(folder / "a.jsonl");
  JsonLine line;
  EXPECT_TRUE(lines.next(line));
  EXPECT_TRUE(lines.next(line));
  EXPECT_EQ(std::ssize(line.text), kLongestJsonLine);
  EXPECT_EQ(error_of([&] { lines.next(line); }),
            (folder / "a.jsonl") +
                ":3: the line is longer than 256 MiB, the longest that is read; make several records of it");
}

TEST(JsonLines, LinesAreCutAtTheirEnds) {
  const TemporaryFolder folder;
  std::ofstream(folder / "a.jsonl") << "{\"id\":1}\r\n\n  \n[]";
  JsonLines lines(folder / "a.jsonl");
  JsonLine line;
  ASSERT_TRUE(lines.next(line));
  EXPECT_EQ(line.text, "{\"id\":1}");
  EXPECT_TRUE(line.terminated);
  ASSERT_TRUE(lines.next_record(line));
  EXPECT_EQ(line.number, 4);
  EXPECT_FALSE(line.terminated);
  EXPECT_EQ(error_of([&] { parse_json_record(std::move(line), "f", "an object"); }),
            "f:4: a JSON array, needed an object");
  EXPECT_FALSE(lines.next(line));
}

}  // namespace
}  // namespace lf
