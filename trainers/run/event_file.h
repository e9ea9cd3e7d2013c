// TensorBoard event files: scalars that TensorBoard shows beside those of other programs. The format is
// TFRecord framing (length, masked crc32c of it, bytes, masked crc32c of them) around protobuf Event
// messages, written by hand here: the few fields needed do not justify a protobuf dependency.
//
// Event files are never rewritten. A resumed run starts a new file in the same folder; TensorBoard reads the
// files of a folder in the order of their names, which begin with the start time, and drops the older points
// that the new file declares superseded (see `next_step`).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "trainers/run/append_file.h"

namespace lf {

class EventFile {
 public:
  // Creates folder/events.out.tfevents.START... (start_time and all wall times are seconds since 1970). A
  // resumed run passes the first step it will write as next_step: TensorBoard then forgets earlier files'
  // points from there on.
  EventFile(const std::string& folder, double start_time, int64_t next_step = 0);

  // Flushes; a failure to do so is lost here, so call flush() where it matters.
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // Records one value of the curve `tag`. TensorBoard stores float32, so log.jsonl is the exact record.
  void scalar(const std::string& tag, int64_t step, double value, double wall_time);

  // Hands everything recorded to the operating system; an Error (such as a full disk) names the file, which
  // stays readable, and the records wait for the next flush.
  void flush();

  const std::string& path() const { return file_.path(); }

 private:
  AppendFile file_;
  std::string pending_;  // framed records not yet written
};

// The CRC-32C (Castagnoli) checksum of the bytes, as in RFC 3720: crc32c("123456789") = 0xE3069283.
uint32_t crc32c(std::string_view bytes);

}  // namespace lf
