// The run's log: one JSON object per line, per logged step and per event. A run folder holds two such files:
//   log.jsonl     what the run computed (steps, losses, validation, stages). It must be a pure function
//                 of the run, so that it is bit-identical after any number of interruptions: no clock, rate,
//                 memory or host in it.
//   timing.jsonl  what depends on the machine (seconds, tokens per second, memory, waits), matched by "step".
// Resuming: the trainer calls sync(), stores bytes() of both files in the checkpoint, and on resume calls
// truncate_to() with them, which removes the steps that will be done again.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainers/run/append_file.h"

namespace lf {

inline constexpr const char* kRunLogName = "log.jsonl";
inline constexpr const char* kTimingLogName = "timing.jsonl";
inline constexpr const char* kMessagesName = "messages.log";
inline constexpr const char* kProfileName = "profile.json";

class RunLog {
 public:
  // Opens or creates the log; the torn line that a crash may have left at the end is cut off.
  explicit RunLog(const std::string& path);
  // A log that is nowhere: what is written to it is forgotten, its length is 0.
  RunLog() = default;

  // Cuts the log to a length that bytes() once returned; an Error if the log is shorter or no line ends
  // there.
  void truncate_to(int64_t bytes);

  // Appends one record, an object, as one line. Doubles read back to the same bits; those that JSON lacks are
  // written as "nan", "inf", "-inf"; bytes that are not UTF-8 become U+FFFD. A full disk is an Error naming
  // the file, and the lines before it stay.
  void write(const nlohmann::ordered_json& record);

  // The length of the file: where the next record will begin.
  int64_t bytes() const { return file_ ? file_->length() : 0; }

  // Returns once every record is on the disk.
  void sync() {
    if (file_) file_->sync();
  }

 private:
  std::unique_ptr<AppendFile> file_;
};

// One record of a log and the line, counted from 1, that it stands on.
struct LogRecord {
  int64_t line = 0;
  nlohmann::json fields;
};

// All records of a log; a torn last line is left out, any other damage is an Error with file:line.
std::vector<LogRecord> read_run_log(const std::string& path);

// The number in a log's field, with "nan", "inf" and "-inf" read back; an Error if it is neither.
double log_number(const nlohmann::json& value);

}  // namespace lf
