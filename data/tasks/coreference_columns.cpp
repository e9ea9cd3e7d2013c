#include "data/tasks/coreference_columns.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "data/json_lines.h"
#include "data/tasks/conll_lines.h"
#include "data/tasks/distinct_ids.h"

namespace lf {

int64_t CoreferenceDocument::words() const {
  int64_t words = 0;
  for (const std::vector<std::string>& sentence : sentences) words += std::ssize(sentence);
  return words;
}

namespace {

constexpr size_t kWordColumn = 3, kFewestColumns = 2;

// Between tabs, empty ones too, or between blanks.
std::vector<std::string_view> columns_of(std::string_view row) {
  return row.find('\t') != std::string_view::npos ? split_at(row, "\t") : split_at_blanks(row);
}

class CoreferenceReader {
 public:
  explicit CoreferenceReader(const std::string& path) : path_(path) {}

  std::vector<CoreferenceDocument> read() {
    JsonLines lines(path_);
    for (JsonLine line; lines.next(line);) {
      where_ = text(path_, ':', line.number);
      CHECK(is_utf8(line.text), where_, ": not valid UTF-8");
      take(line.text);
    }
    CHECK(!inside_, path_, ": the document ", escaped(document_.id), " has no end");
    CHECK(!documents_.empty(), path_, ": no documents; one begins with a line \"#begin document NAME\"");
    check_distinct_ids(documents_);
    return std::move(documents_);
  }

 private:
  void take(std::string_view row) {
    if (row.starts_with(kDocumentBegin)) return begin(trimmed(row.substr(kDocumentBegin.size())));
    if (row.starts_with(kDocumentEnd)) return end();
    if (trimmed(row).empty()) {
      in_sentence_ = false;
      return;
    }
    if (row.starts_with('#')) return;  // a comment
    CHECK(inside_, where_, ": a row outside a document, which begins with \"#begin document NAME\"");
    take_word(columns_of(row));
  }

  void begin(std::string_view name) {
    CHECK(!inside_, where_, ": a document begins, but ", escaped(document_.id), " has no end");
    inside_ = true;
    document_ = {.id = std::string(name), .where = where_, .sentences = {}, .clusters = {}};
    chains_.clear();
    open_.clear();
    order_.clear();
    words_ = 0;
    in_sentence_ = false;
  }

  void end() {
    CHECK(inside_, where_, ": a document ends that has not begun");
    for (const auto& [chain, begins] : open_)
      CHECK(begins.empty(), where_, ": chain ", chain, " of ", escaped(document_.id),
            " begins and has no end");
    // Of a mention that is there twice the first chain's counts.
    std::set<Mention> seen;
    for (const int64_t chain : order_) {
      Cluster& cluster = chains_[chain];
      std::erase_if(cluster, [&](const Mention& mention) { return !seen.insert(mention).second; });
      if (!cluster.empty()) document_.clusters.push_back(std::move(cluster));
    }
    documents_.push_back(std::move(document_));
    inside_ = false;
  }

  void take_word(const std::vector<std::string_view>& columns) {
    CHECK(columns.size() >= kFewestColumns, where_, ": ", columns.size(), " columns, needed ", kFewestColumns,
          " or more: document, ..., chains");
    if (!in_sentence_) document_.sentences.emplace_back();
    in_sentence_ = true;
    const bool has_words = columns.size() > kWordColumn + 1;
    document_.sentences.back().emplace_back(has_words ? columns[kWordColumn] : std::string_view());
    std::string_view chains = trimmed(columns.back());
    // Some writers end a row with a tab.
    if (chains.empty() && columns.size() > kFewestColumns) {
      const std::string_view before = columns[columns.size() - 2];
      if (before.find_first_of("()") != std::string_view::npos) chains = before;
    }
    if (chains != "-" && chains != "_" && !chains.empty()) take_chains(chains);
    ++words_;
  }

  // "(12|(3)", or without bars, as some writers have it. Mentions of this word alone come first, then what
  // begins here, then what ends, as in the official scorer.
  void take_chains(std::string_view chains) {
    std::vector<int64_t> alone, beginning, ending;
    const std::string shown = escaped(chains);
    bool after_bar = true;  // or at the begin
    for (std::string_view rest = chains; !rest.empty() || after_bar;) {
      const bool begins = rest.starts_with('(');
      if (begins) rest.remove_prefix(1);
      int64_t chain = 0;
      const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), chain);
      const bool is_number = error == std::errc() && rest.front() != '-';
      if (is_number) rest.remove_prefix(static_cast<size_t>(stop - rest.data()));
      const bool ends = rest.starts_with(')');
      CHECK(is_number && (begins || ends), where_, ": ", shown, " are no chains, such as (12, (3) or 7)|(8");
      if (ends) rest.remove_prefix(1);
      (begins && ends ? alone : begins ? beginning : ending).push_back(chain);
      after_bar = rest.starts_with('|');
      if (after_bar) rest.remove_prefix(1);
    }
    for (const int64_t chain : alone) begin_chain(chain), close(chain);
    for (const int64_t chain : beginning) begin_chain(chain);
    for (const int64_t chain : ending) close(chain);
  }

  void begin_chain(int64_t chain) {
    if (!open_.contains(chain)) order_.push_back(chain);
    open_[chain].push_back(words_);
  }

  void close(int64_t chain) {
    std::vector<int64_t>& begins = open_[chain];
    CHECK(!begins.empty(), where_, ": chain ", chain, " ends and has not begun");
    const Mention mention{begins.back(), words_ + 1};
    begins.pop_back();
    chains_[chain].push_back(mention);
  }

  const std::string path_;
  std::string where_;
  std::vector<CoreferenceDocument> documents_;
  CoreferenceDocument document_;
  std::map<int64_t, Cluster> chains_;
  std::map<int64_t, std::vector<int64_t>> open_;  // where mentions began that have not ended
  std::vector<int64_t> order_;                    // of chains, as they begin
  int64_t words_ = 0;
  bool inside_ = false, in_sentence_ = false;
};

}  // namespace

std::vector<CoreferenceDocument> read_coreference_columns(const std::string& path) {
  return CoreferenceReader(path).read();
}

}  // namespace lf
