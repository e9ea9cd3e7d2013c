#include "data/tasks/delimited_rows.h"

#include "core/check.h"
#include "core/file_kinds.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

// What ends the rows of a file that begins so: "\n", before which a "\r" may stand, or "\r" alone.
char row_end_of(std::string_view begin, Marks marks) {
  bool quoted = false;
  for (size_t i = 0; i < begin.size(); ++i) {
    quoted ^= begin[i] == '"' && marks == Marks::kQuote;
    if (quoted || (begin[i] != '\n' && begin[i] != '\r')) continue;
    const bool alone = begin[i] == '\r' && i + 1 < begin.size() && begin[i + 1] != '\n';
    return alone ? '\r' : '\n';
  }
  return '\n';
}

}  // namespace

DelimitedRows::DelimitedRows(const std::string& path, Delimiter delimiter, Marks marks)
    : path_(path),
      source_(path),
      chunk_(kReadAtOnce),
      delimiter_(static_cast<char>(delimiter)),
      marks_(marks) {
  end_ = source_.read(chunk_);
  const std::string_view begin = as_text({chunk_.data(), end_});
  at_ = text_begin(path, begin);
  row_end_ = row_end_of(begin, marks);
}

int DelimitedRows::peek() {
  if (at_ == end_) {
    at_ = 0;
    end_ = source_.read(chunk_);
    if (end_ == 0) return kEnd;
  }
  return chunk_[at_];
}

int DelimitedRows::take() {
  const int byte = peek();
  if (byte == kEnd) return kEnd;
  ++at_;
  if (byte == '\n' || byte == row_end_) ++line_;
  CHECK(++row_bytes_ <= kLongestRow, where(), ": the row is longer than ", kLongestRow >> 20,
        " MiB, the longest that is read; a quotation mark may be missing");
  return byte;
}

std::string DelimitedRows::where() const { return text(path_, ':', row_line_); }

// Behind the opening mark, up to and with the closing one.
void DelimitedRows::read_quoted(std::string& field) {
  const int64_t opened = line_;
  while (true) {
    const int byte = take();
    CHECK(byte != kEnd, path_, ':', opened, ": a quotation mark opens a field that is never closed");
    if (byte != '"') {
      field += static_cast<char>(byte);
    } else if (peek() == '"') {
      field += static_cast<char>(take());
    } else {
      break;
    }
  }
  const int next = peek();
  const std::string begun = line_ == opened ? "" : text(" that began in line ", opened);
  CHECK(next == kEnd || next == delimiter_ || next == '\n' || next == '\r', path_, ':', line_,
        ": text behind the quotation mark that closes a field", begun,
        "; a mark within a field is written twice");
}

void DelimitedRows::read_plain(std::string& field) {
  for (int byte = peek(); byte != kEnd && byte != delimiter_ && byte != row_end_; byte = peek()) {
    CHECK(byte != '"' || delimiter_ == '\t', path_, ':', line_,
          ": a quotation mark in a field that does not begin with one; put the field in quotation marks and "
          "write the mark twice");
    field += static_cast<char>(take());
  }
  // The "\r" of "\r\n"; elsewhere it is text.
  if (field.ends_with('\r') && (peek() == '\n' || peek() == kEnd)) field.pop_back();
}

// Behind a field: takes what ends it, which may end the row.
bool DelimitedRows::ends_row() {
  if (row_end_ == '\r') {
    const int byte = take();
    if (byte == '\r' && peek() == '\n') ++at_;  // of another writer's "\r\n"
    return byte != delimiter_;
  }
  if (peek() == '\r') {
    take();
    CHECK(peek() == '\n' || peek() == kEnd, path_, ':', line_, ": text behind a closed field");
  }
  return take() != delimiter_;
}

void DelimitedRows::check_text(const std::vector<std::string>& fields) const {
  for (const std::string& field : fields)
    CHECK(first_invalid_utf8(field) == field.size(), where(), ": not valid UTF-8");
}

bool DelimitedRows::next(std::vector<std::string>& fields) {
  fields.clear();
  row_line_ = line_;
  row_bytes_ = 0;
  if (peek() == kEnd) return false;
  do {
    std::string& field = fields.emplace_back();
    if (peek() == '"' && marks_ == Marks::kQuote) {
      take();
      read_quoted(field);
    } else {
      read_plain(field);
    }
  } while (!ends_row());
  check_text(fields);
  return true;
}

}  // namespace lf
