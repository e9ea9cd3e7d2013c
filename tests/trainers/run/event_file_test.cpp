// TensorBoard event files, read back by an independent parser of the framing and the protobuf wire format.
// tests/reference/read_tensorboard.py reads the same files with TensorBoard itself.
#include "trainers/run/event_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/check.h"
#include "core/files.h"
#include "tests/child_process.h"
#include "tests/places.h"

namespace lf {
namespace {

// The fields of one protobuf message: number -> payload (bytes as they are, other types as 64-bit words).
struct Message {
  std::map<uint64_t, uint64_t> numbers;
  std::map<uint64_t, std::string> strings;
};

uint64_t little_endian(std::string_view bytes, size_t count) {
  uint64_t value = 0;
  for (size_t i = count; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes.at(i));
  return value;
}

uint64_t take_varint(std::string_view& bytes) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.at(0));
    bytes.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
}

Message parse_message(std::string_view bytes) {
  Message message;
  while (!bytes.empty()) {
    const uint64_t key = take_varint(bytes);
    const uint64_t field = key >> 3, type = key & 7;
    if (type == 0) {
      message.numbers[field] = take_varint(bytes);
    } else if (type == 1 || type == 5) {
      const size_t width = type == 1 ? 8 : 4;
      message.numbers[field] = little_endian(bytes, width);
      bytes.remove_prefix(width);
    } else if (type == 2) {
      const uint64_t length = take_varint(bytes);
      message.strings[field] = bytes.substr(0, length);
      bytes.remove_prefix(length);
    } else {
      ADD_FAILURE() << "wire type " << type;
      break;
    }
  }
  return message;
}

// Bit by bit, so that the table of the implementation is not checked with itself.
uint32_t slow_crc32c(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
  }
  return crc ^ 0xFFFFFFFFu;
}

uint32_t masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

std::vector<Message> read_events(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string content(std::istreambuf_iterator<char>(file), {});
  std::vector<Message> events;
  std::string_view rest = content;
  while (!rest.empty()) {
    const uint64_t length = little_endian(rest, 8);
    EXPECT_EQ(little_endian(rest.substr(8), 4), masked(slow_crc32c(rest.substr(0, 8))));
    const std::string_view bytes = rest.substr(12, length);
    EXPECT_EQ(little_endian(rest.substr(12 + length), 4), masked(slow_crc32c(bytes)));
    events.push_back(parse_message(bytes));
    rest.remove_prefix(16 + length);
  }
  return events;
}

struct Scalar {
  std::string tag;
  int64_t step;
  float value;
  double wall_time;
};

Scalar scalar_of(const Message& event) {
  const Message value = parse_message(parse_message(event.strings.at(5)).strings.at(1));
  return {value.strings.at(1), static_cast<int64_t>(event.numbers.at(2)),
          std::bit_cast<float>(static_cast<uint32_t>(value.numbers.at(2))),
          std::bit_cast<double>(event.numbers.at(1))};
}

class EventFileTest : public testing::Test {
 protected:
  EventFileTest() {
    folder_ = std::filesystem::temp_directory_path() / ("longform_events_" + std::to_string(getpid()));
    std::filesystem::remove_all(folder_);
  }
  ~EventFileTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST(Crc32c, KnownVectors) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720 B.4
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  EXPECT_EQ(crc32c(ascending), 0x46DD794Eu);
}

TEST_F(EventFileTest, ScalarsReadBackWithTagsStepsTimesAndChecksums) {
  EventFile file(folder_.string(), 1700000000.125);
  file.scalar("train/loss", 1, 1.25, 1700000001.5);
  file.scalar("validation/bits_per_character", 5'000'000'000, -0.1, 1700000002.0);
  file.scalar("loss", 3, std::nan(""), 1700000003.0);
  file.scalar("loss", 4, std::numeric_limits<double>::infinity(), 1700000004.0);
  EXPECT_EQ(read_events(file.path()).size(), 1u) << "scalars wait for flush";
  file.flush();

  const std::vector<Message> events = read_events(file.path());
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[0].strings.at(3), "brain.Event:2");
  EXPECT_EQ(std::bit_cast<double>(events[0].numbers.at(1)), 1700000000.125);
  const Scalar first = scalar_of(events[1]), second = scalar_of(events[2]);
  EXPECT_EQ(first.tag, "train/loss");
  EXPECT_EQ(first.step, 1);
  EXPECT_EQ(first.value, 1.25f);
  EXPECT_EQ(first.wall_time, 1700000001.5);
  EXPECT_EQ(second.tag, "validation/bits_per_character");
  EXPECT_EQ(second.step, 5'000'000'000);
  EXPECT_EQ(second.value, -0.1f);
  EXPECT_TRUE(std::isnan(scalar_of(events[3]).value));
  EXPECT_TRUE(std::isinf(scalar_of(events[4]).value));
}

TEST_F(EventFileTest, TensorBoardsOwnReaderGivesTheSame) {
  const char* chosen = std::getenv("PYTHON");
  const std::string python = chosen ? chosen : "python3", out = folder_.string() + ".json";
  {
    EventFile file(folder_.string(), 1700000000.125);
    for (int64_t step = 1; step <= 3; ++step) {
      file.scalar("train/loss", step, 4.0 / static_cast<double>(step), 1700000001.0);
    }
    EventFile resumed(folder_.string(), 1700000010.0, 3);
    resumed.scalar("train/loss", 3, 0.5, 1700000011.0);
  }
  std::filesystem::remove(out);
  const int code =
      ChildProcess(
          {"/usr/bin/env", python, source_path("tests/reference/read_tensorboard.py"), folder_.string()}, out)
          .wait();
  const std::string printed = read_file(out);
  std::filesystem::remove(out);
  if (code == 77 || code == 127) GTEST_SKIP() << "no TensorBoard: pip install tensorboard, or set PYTHON";
  ASSERT_EQ(code, 0) << printed;
  const auto records = nlohmann::json::parse(printed.substr(printed.find('[')));
  std::map<int64_t, double> losses;  // the last value of a step is the one shown
  for (const auto& record : records) {
    EXPECT_EQ(record["tag"], "train/loss");
    losses[record["step"].get<int64_t>()] = record["value"].get<double>();
  }
  EXPECT_EQ(losses, (std::map<int64_t, double>{{1, 4.0}, {2, 2.0}, {3, 0.5}}));
}

TEST_F(EventFileTest, NamesAreWhatTensorBoardLooksForAndSortByTime) {
  std::vector<std::string> names;
  for (const double start : {1700000000.0, 1700000000.0, 1700000000.001, 1800000000.0}) {
    names.push_back(std::filesystem::path(EventFile(folder_.string(), start).path()).filename().string());
    EXPECT_EQ(names.back().rfind("events.out.tfevents.1", 0), 0u) << names.back();
  }
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 4);
}

TEST_F(EventFileTest, AResumeDeclaresLaterPointsSuperseded) {
  const EventFile file(folder_.string(), 1700000000.0, 41);
  const std::vector<Message> events = read_events(file.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].numbers.at(2), 41u);
  EXPECT_EQ(parse_message(events[1].strings.at(7)).numbers.at(1), 1u);  // SessionLog.START
}

TEST_F(EventFileTest, WhatWasRecordedIsWrittenOnDestruction) {
  std::string path;
  {
    EventFile file(folder_.string(), 1700000000.0);
    file.scalar("loss", 7, 0.5, 1700000001.0);
    path = file.path();
  }
  ASSERT_EQ(read_events(path).size(), 2u);
  EXPECT_EQ(scalar_of(read_events(path)[1]).step, 7);
}

TEST_F(EventFileTest, BadPlacesAndTimesAreErrors) {
  EXPECT_THROW(EventFile("/dev/null/events", 1700000000.0), Error);
  EXPECT_THROW(EventFile(folder_.string(), std::nan("")), Error);
  EXPECT_THROW(EventFile(folder_.string(), -1.0), Error);
}

}  // namespace
}  // namespace lf
