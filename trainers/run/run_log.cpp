// JSON-lines logs that survive crashes; see run_log.h.
#include "trainers/run/run_log.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "data/json_lines.h"
#include "data/json_record.h"

namespace lf {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// The length up to and including the last newline. Searched backwards in blocks: logs of long runs are large.
int64_t length_of_whole_lines(const AppendFile& file) {
  constexpr int64_t kBlock = 64 * 1024;
  int64_t end = file.length();
  while (end > 0) {
    const int64_t begin = std::max<int64_t>(0, end - kBlock);
    const size_t newline = file.read(begin, end - begin).rfind('\n');
    if (newline != std::string::npos) return begin + static_cast<int64_t>(newline) + 1;
    end = begin;
  }
  return 0;
}

const char* name_of_non_finite(double value) {
  if (std::isnan(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

bool all_finite(const ordered_json& value) {
  if (value.is_number_float()) return std::isfinite(value.get<double>());
  if (!value.is_structured()) return true;
  return std::all_of(value.begin(), value.end(), all_finite);
}

void name_non_finite(ordered_json& value) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    value = name_of_non_finite(value.get<double>());
  } else if (value.is_structured()) {
    for (ordered_json& child : value) name_non_finite(child);
  }
}

std::string line_of(const ordered_json& record) {
  return record.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace

RunLog::RunLog(const std::string& path)
    : file_(std::make_unique<AppendFile>(path, AppendFile::Mode::kExtend)) {
  const int64_t whole = length_of_whole_lines(*file_);
  if (whole < file_->length()) file_->truncate(whole);
}

void RunLog::truncate_to(int64_t bytes) {
  if (!file_) return;
  CHECK(bytes >= 0 && bytes <= file_->length(), file_->path(), ": has ", file_->length(),
        " bytes, but the checkpoint was saved when it had ", bytes,
        "; put the log that belongs to the checkpoint back");
  CHECK(bytes == 0 || file_->read(bytes - 1, 1) == "\n", file_->path(), ": no line ends at byte ", bytes,
        ", where the checkpoint was saved; the log has been changed since");
  if (bytes < file_->length()) file_->truncate(bytes);
}

void RunLog::write(const ordered_json& record) {
  if (!file_) return;
  CHECK(record.is_object(), file_->path(), ": a record must be a JSON object, got ", record.type_name());
  if (all_finite(record)) {
    file_->append(line_of(record));
    return;
  }
  ordered_json named = record;
  name_non_finite(named);
  file_->append(line_of(named));
}

std::vector<LogRecord> read_run_log(const std::string& path) {
  JsonLines lines(path);
  std::vector<LogRecord> records;
  // Without an end: the torn line of a crash, or a line that is being written right now.
  for (JsonLine line; lines.next(line) && line.terminated;) {
    const int64_t number = line.number;
    records.push_back({number, parse_json_record(std::move(line), path, "one JSON object").object});
  }
  return records;
}

double log_number(const json& value) {
  if (value.is_number()) return value.get<double>();
  if (value == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (value == "inf") return std::numeric_limits<double>::infinity();
  if (value == "-inf") return -std::numeric_limits<double>::infinity();
  throw Error(text("expected a number, got ", value.dump(-1, ' ', false, json::error_handler_t::replace)));
}

}  // namespace lf
