// TensorBoard's TFRecord + protobuf encoding; field numbers are those of event.proto and summary.proto.
#include "trainers/run/event_file.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "core/check.h"
#include "core/files.h"

namespace lf {
namespace {

enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr uint64_t kEventWallTime = 1, kEventStep = 2, kEventFileVersion = 3, kEventSummary = 5,
                   kEventSessionLog = 7;
constexpr uint64_t kSummaryValue = 1, kValueTag = 1, kValueSimpleValue = 2;
constexpr uint64_t kSessionLogStatus = 1, kSessionLogStart = 1;

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = make_crc_table();

// TFRecord rotates and offsets its checksums, so that a checksum of data that holds checksums stays
// meaningful.
uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xA282EAD8u; }

template <class Unsigned>
void put_little_endian(std::string& out, Unsigned value) {
  for (size_t i = 0; i < sizeof(Unsigned); ++i) out += static_cast<char>((value >> (8 * i)) & 0xFF);
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_key(std::string& out, uint64_t field, WireType type) { put_varint(out, field << 3 | type); }

void put_varint_field(std::string& out, uint64_t field, uint64_t value) {
  put_key(out, field, kVarint);
  put_varint(out, value);
}

void put_bytes_field(std::string& out, uint64_t field, std::string_view bytes) {
  put_key(out, field, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

std::string event(double wall_time, int64_t step, uint64_t content_field, std::string_view content) {
  std::string out;
  put_key(out, kEventWallTime, kFixed64);
  put_little_endian(out, std::bit_cast<uint64_t>(wall_time));
  put_varint_field(out, kEventStep, static_cast<uint64_t>(step));
  put_bytes_field(out, content_field, content);
  return out;
}

void put_record(std::string& out, std::string_view message) {
  std::string length;
  put_little_endian(length, static_cast<uint64_t>(message.size()));
  out += length;
  put_little_endian(out, masked_crc32c(length));
  out += message;
  put_little_endian(out, masked_crc32c(message));
}

// Ten digits of seconds and three of milliseconds, so that names sort by time; the process keeps two runs
// apart.
std::string event_file_name(double start_time) {
  char host[256] = "localhost";
  gethostname(host, sizeof(host) - 1);
  char name[400];
  std::snprintf(name, sizeof(name), "events.out.tfevents.%014.3f.%s.%d", start_time, host,
                static_cast<int>(getpid()));
  return name;
}

std::string make_event_path(const std::string& folder, double start_time) {
  CHECK(std::isfinite(start_time) && start_time >= 0, "event file: the start time is ", start_time,
        ", it must be seconds since 1970");
  create_folders(folder);
  const std::string path = (std::filesystem::path(folder) / event_file_name(start_time)).string();
  std::string unused = path;  // one process may start twice within a millisecond
  for (int copy = 1; std::filesystem::exists(unused); ++copy) unused = text(path, ".", copy);
  return unused;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<uint8_t>(byte)) & 0xFF];
  return ~crc;
}

EventFile::EventFile(const std::string& folder, double start_time, int64_t next_step)
    : file_(make_event_path(folder, start_time), AppendFile::Mode::kCreate) {
  put_record(pending_, event(start_time, 0, kEventFileVersion, "brain.Event:2"));
  if (next_step > 0) {
    std::string session;
    put_varint_field(session, kSessionLogStatus, kSessionLogStart);
    put_record(pending_, event(start_time, next_step, kEventSessionLog, session));
  }
  flush();
}

EventFile::~EventFile() {
  try {
    flush();
  } catch (const Error&) {  // a destructor cannot report; the header says so
  }
}

void EventFile::scalar(const std::string& tag, int64_t step, double value, double wall_time) {
  std::string entry;
  put_bytes_field(entry, kValueTag, tag);
  put_key(entry, kValueSimpleValue, kFixed32);
  put_little_endian(entry, std::bit_cast<uint32_t>(static_cast<float>(value)));
  std::string summary;
  put_bytes_field(summary, kSummaryValue, entry);
  put_record(pending_, event(wall_time, step, kEventSummary, summary));
}

void EventFile::flush() {
  if (pending_.empty()) return;
  file_.append(pending_);
  pending_.clear();
}

}  // namespace lf
