// Rows of a CSV or TSV file, read in order. CSV is that of RFC 4180: fields between commas, of which those in
// quotation marks may hold commas, line ends and, doubled, quotation marks. Some writers of TSV do the same
// with tabs (pandas, Python's csv module), for others a quotation mark is a letter: whoever reads says which.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/byte_source.h"

namespace lf {

enum class Delimiter : char { kComma = ',', kTab = '\t' };

// What a quotation mark at a field's begin is. Elsewhere it may stand in TSV only.
enum class Marks { kQuote, kAreText };

// The most bytes that a row may have.
inline constexpr int64_t kLongestRow = int64_t{256} << 20;

class DelimitedRows {
 public:
  DelimitedRows(const std::string& path, Delimiter delimiter, Marks marks);

  // The next row's fields; false at the end. Throws Error "PATH:LINE: ..." for a quotation mark where none
  // may be, one that is never closed, invalid UTF-8 and a row of more than kLongestRow bytes. A byte order
  // mark at the file's begin is no part of the first field. Rows end with "\n" or "\r\n", or with "\r" where
  // the first one does.
  bool next(std::vector<std::string>& fields);

  // Of the row that next() came to: the line where it begins, from 1.
  int64_t line() const { return row_line_; }
  std::string where() const;
  int64_t bytes_read() const { return source_.bytes_read(); }

 private:
  static constexpr int kEnd = -1;

  int peek();
  int take();
  void read_quoted(std::string& field);
  void read_plain(std::string& field);
  bool ends_row();
  void check_text(const std::vector<std::string>& fields) const;

  std::string path_;
  ByteSource source_;
  std::vector<uint8_t> chunk_;
  char delimiter_, row_end_;
  Marks marks_;
  size_t at_ = 0, end_ = 0;  // of the chunk, what is not read yet
  int64_t line_ = 1, row_line_ = 1, row_bytes_ = 0;
};

}  // namespace lf
