#include "data/tasks/tagged_columns.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "data/json_lines.h"
#include "data/tasks/conll_lines.h"
#include "data/tasks/distinct_ids.h"
#include "data/tasks/labelled_document.h"
#include "data/word_list.h"

namespace lf {
namespace {

constexpr std::string_view kStart = "-DOCSTART-";

// Puts a file's words together.
class ColumnReader {
 public:
  ColumnReader(const std::string& path, const TaggedColumns& columns) : path_(path), columns_(columns) {}

  std::vector<TaggedText> read() {
    JsonLines lines(path_);
    for (JsonLine line; lines.next(line);) take(line);
    end_text();
    CHECK(!texts_.empty(), path_, ": no words");
    check_distinct_ids(texts_);
    return std::move(texts_);
  }

 private:
  bool documents() const { return columns_.unit == TaggedUnit::kDocuments; }

  void take(const JsonLine& line) {
    where_ = text(path_, ':', line.number);
    CHECK(is_utf8(line.text), where_, ": not valid UTF-8");
    const std::string_view row = trimmed(line.text);
    if (row.empty()) return end_sentence();
    if (row.starts_with(kDocumentBegin)) return begin_document(row.substr(kDocumentBegin.size()));
    if (row.starts_with(kDocumentEnd)) return end_text();
    if (row.starts_with(kStart)) return begin_document({});
    take_row(line);
  }

  void take_row(const JsonLine& line) {
    if (!separator_) {
      separator_ = columns_.separator;
      if (separator_->empty() && line.text.find('\t') != std::string::npos) separator_ = "\t";
    }
    std::vector<std::string_view> fields =
        separator_->empty() ? split_at_blanks(line.text) : split_at(line.text, *separator_);
    while (!fields.empty() && fields.back().empty()) fields.pop_back();
    if (count_ == 0) choose_columns(fields.size());
    CHECK(fields.size() == count_, where_, ": ", fields.size(), fields.size() == 1 ? " column" : " columns",
          ", the first row (", first_row_, ") has ", count_);
    const std::string_view word = fields[word_], tag = fields[tag_];
    CHECK(!is_blank(std::string(word)), where_, ": an empty word");
    CHECK(is_tag(tag), where_, ": ", escaped(tag), " is no tag; needed O, or B-, I-, E- or S- and a type");
    add(std::string(word), std::string(tag), line.number);
  }

  void choose_columns(size_t count) {
    count_ = count;
    first_row_ = where_;
    word_ = place_of_column("the words", columns_.word);
    tag_ = place_of_column("the tags", columns_.tag);
    CHECK(word_ != tag_, where_, ": words and tags would both be column ", word_ + 1, " of ", count_,
          "; is another separator needed?");
  }

  size_t place_of_column(const char* what, int64_t column) const {
    const auto count = static_cast<int64_t>(count_);
    const int64_t place = column > 0 ? column - 1 : count + column;
    CHECK(column != 0 && place >= 0 && place < count, where_, ": ", what, " are to be in column ", column,
          ", but there ", count == 1 ? "is one column" : text("are ", count));
    return static_cast<size_t>(place);
  }

  void add(std::string word, std::string tag, int64_t line) {
    if (words_.empty()) {
      current_.where = where_;
      current_.id = name_.empty() ? std::to_string(line) : name_;
    }
    if (sentence_ended_ && !words_.empty()) current_.sentences.push_back(std::ssize(words_));
    sentence_ended_ = false;
    words_.push_back(std::move(word));
    current_.tags.push_back(std::move(tag));
  }

  void end_sentence() {
    sentence_ended_ = true;
    if (!documents()) end_text();
  }

  void begin_document(std::string_view name) {
    end_text();
    count_ = 0;  // LitBank's files differ
    // Sentences are many in a document, so that they cannot have its name.
    name_ = documents() ? std::string(trimmed(name)) : std::string();
  }

  void end_text() {
    CHECK(name_.empty() || !words_.empty(), where_, ": the document ", escaped(name_),
          " before it has no words");
    if (!words_.empty()) {
      JoinedWords joined = joined_words(words_);
      current_.text = std::move(joined.text);
      current_.words = std::move(joined.words);
      current_.is_list = true;
      texts_.push_back(std::move(current_));
    }
    current_ = {};
    words_.clear();
    name_.clear();
    sentence_ended_ = false;
  }

  const std::string path_;
  const TaggedColumns columns_;
  std::vector<TaggedText> texts_;
  TaggedText current_;
  std::vector<std::string> words_;  // of the current text
  std::string name_, where_, first_row_;
  bool sentence_ended_ = false;
  std::optional<std::string> separator_;
  size_t count_ = 0, word_ = 0, tag_ = 0;
};

}  // namespace

std::vector<TaggedText> read_tagged_columns(const std::string& path, const TaggedColumns& columns) {
  return ColumnReader(path, columns).read();
}

}  // namespace lf
