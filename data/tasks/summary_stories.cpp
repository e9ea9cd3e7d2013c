#include "data/tasks/summary_stories.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/check.h"
#include "core/file_kinds.h"
#include "core/hash.h"
#include "data/archive.h"
#include "data/byte_source.h"
#include "data/documents/source.h"
#include "data/first_names.h"
#include "data/folder_files.h"
#include "data/json_lines.h"
#include "data/tasks/labelled_document.h"
#include "data/tokenizer/unicode_classes.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".story", kMark = "@highlight";

bool is_story(std::string_view name) { return has_ending(name, kEnding); }

std::string story_id(const fs::path& path) { return path.stem().string(); }

// White space as Python's str.strip() knows it: Unicode's, and the four separators of ASCII.
bool is_python_space(char32_t c) {
  return char_classes()[c] == CharClass::kSpace || (c >= 0x1C && c <= 0x1F);
}

// The line, of valid UTF-8, without white space around it.
std::string_view stripped(std::string_view line) {
  size_t bytes = 0;
  while (!line.empty() && is_python_space(decode_valid_utf8(line.data(), bytes))) line.remove_prefix(bytes);
  while (!line.empty()) {
    size_t last = line.size() - 1;
    while ((static_cast<uint8_t>(line[last]) & 0xC0) == 0x80) --last;
    if (!is_python_space(decode_valid_utf8(line.data() + last, bytes))) break;
    line.remove_suffix(line.size() - last);
  }
  return line;
}

bool ends_sentence(std::string_view line) {
  constexpr std::array<std::string_view, 9> kEnds = {
      ".", "!", "?", "'", "`", "\"", ")", "\xE2\x80\x99", "\xE2\x80\x9D"};
  return std::any_of(kEnds.begin(), kEnds.end(), [&](std::string_view end) { return line.ends_with(end); });
}

// What has been read of all stories.
struct Stories {
  std::vector<SummaryPair> pairs;
  FirstNames words_behind_mark;  // of those with text in a line behind "@highlight"
  FirstNames others;             // files of other names
};

// Appends a line to those before it.
void add_line(std::string_view line, char between, std::string& lines) {
  if (!lines.empty()) lines += between;
  lines += line;
  if (line.find(kMark) == line.npos && !ends_sentence(line)) lines += " .";
}

void check_story(const std::string& content, const std::string& where) {
  CHECK(std::ssize(content) <= kLongestDocument, where, ": longer than ", kLongestDocument >> 20,
        " MiB, the longest story that is read");
  const size_t valid = first_invalid_utf8(content);
  const auto line = 1 + std::count(content.begin(), content.begin() + static_cast<int64_t>(valid), '\n');
  CHECK(valid == content.size(), where, ':', line, ": not valid UTF-8");
}

void add_story(std::string content, const std::string& id, const std::string& where, Targets targets,
               Stories& stories) {
  content.erase(0, text_begin(where, content));
  unify_line_ends(content);
  check_story(content, where);
  SummaryPair pair = {.id = id, .source = {}, .target = {}, .where = where};
  bool highlights = false, words_behind = false;
  for (std::string_view rest = content; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = stripped(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.starts_with(kMark)) {
      highlights = true;
      words_behind |= line.size() > kMark.size();
    } else if (!line.empty()) {
      add_line(line, highlights ? '\n' : ' ', highlights ? pair.target : pair.source);
    }
  }
  CHECK(highlights || targets == Targets::kOptional, where, ": no ", kMark,
        ", needed a story with its summary in blocks behind it");
  if (words_behind) stories.words_behind_mark.add(shown(id));
  stories.pairs.push_back(std::move(pair));
}

// Which stories are wanted: those of a list of URLs, or all.
class Wanted {
 public:
  Wanted(const std::string& url_list, std::vector<std::string>& warnings) : list_(url_list) {
    if (list_.empty()) return;
    FirstNames twice;
    JsonLines lines(list_);
    for (JsonLine line; lines.next_record(line);) {
      CHECK(first_invalid_utf8(line.text) == line.text.size(), list_, ':', line.number,
            ": not valid UTF-8, needed a URL");
      const std::string_view url = stripped(line.text);
      const std::string name =
          digest(Digest::kSha1, {reinterpret_cast<const uint8_t*>(url.data()), url.size()});
      if (!lines_.emplace(name, line.number).second) twice.add(text("line ", line.number));
    }
    CHECK(!lines_.empty(), list_, ": no URL in it");
    if (twice.count() > 0)
      warnings.push_back(text(list_, ": ", twice.count(), " URLs stand there twice: ", twice.list()));
  }

  bool has(const std::string& id) const { return list_.empty() || lines_.contains(id); }

  // Throws Error where stories of the list are not among those that were read.
  void check_all_read(const std::string& path, const std::vector<SummaryPair>& pairs) const {
    std::unordered_set<std::string_view> read;
    for (const SummaryPair& pair : pairs) read.insert(pair.id);
    std::vector<std::pair<int64_t, std::string>> missing;
    for (const auto& [id, line] : lines_) {
      if (!read.contains(id)) missing.emplace_back(line, id);
    }
    std::sort(missing.begin(), missing.end());
    FirstNames names;
    for (const auto& [line, id] : missing) names.add(text("line ", line, " (", id, kEnding, ")"));
    CHECK(missing.empty(), list_, ": ", missing.size(), " of ", lines_.size(), " stories are not in ", path,
          ": ", names.list());
  }

 private:
  std::string list_;
  std::unordered_map<std::string, int64_t> lines_;  // by the story's name
};

void read_folder_of_stories(const std::string& folder, const Wanted& wanted, Targets targets,
                            Stories& stories) {
  std::vector<std::string> left_out;
  for (const fs::path& path : files_below(folder, left_out)) {
    const std::string name = path.string();
    if (!is_story(name)) {
      left_out.push_back(path.lexically_relative(folder).generic_string());
    } else if (wanted.has(story_id(path))) {
      ByteSource source(name, ByteSource::Packing::kNone);
      add_story(source.read_rest(kLongestDocument + 1), story_id(path), name, targets, stories);
    }
  }
  for (const std::string& name : left_out) stories.others.add(name);
}

void read_archive_of_stories(const std::string& path, const Wanted& wanted, Targets targets,
                             Stories& stories) {
  ArchiveReader archive(path);
  while (archive.next()) {
    const std::string name = archive.name(), id = story_id(name);
    if (!is_story(name)) {
      stories.others.add(name);
    } else if (wanted.has(id)) {
      add_story(archive.read_rest(kLongestDocument), id, path + ": " + name, targets, stories);
    }
  }
}

}  // namespace

bool holds_stories(const std::string& path) {
  if (fs::is_directory(path)) return true;
  if (!is_archive_name(path)) return is_story(unpacked_name(path));
  ArchiveReader archive(path);
  while (archive.next()) {
    if (is_story(archive.name())) return true;
  }
  return false;
}

std::vector<SummaryPair> read_stories(const std::string& path, const std::string& url_list, Targets targets,
                                      std::vector<std::string>& warnings) {
  const Wanted wanted(url_list, warnings);
  Stories stories;
  if (fs::is_directory(path)) {
    read_folder_of_stories(path, wanted, targets, stories);
  } else if (is_archive_name(path)) {
    read_archive_of_stories(path, wanted, targets, stories);
  } else if (const std::string id = story_id(unpacked_name(path)); wanted.has(id)) {
    add_story(ByteSource(path).read_rest(kLongestDocument + 1), id, path, targets, stories);
  }
  wanted.check_all_read(path, stories.pairs);
  CHECK(!stories.pairs.empty(), path, ": a folder without stories: no ", kEnding, " file is in it");
  std::sort(stories.pairs.begin(), stories.pairs.end(),
            [](const SummaryPair& a, const SummaryPair& b) { return a.where < b.where; });
  const auto warn = [&](const FirstNames& names, const char* what) {
    if (names.count() > 0) warnings.push_back(text(path, ": ", names.count(), what, names.list()));
  };
  warn(stories.others, " files are no stories and were left out: ");
  warn(stories.words_behind_mark, " stories have text in a line behind @highlight, which is left out: ");
  return std::move(stories.pairs);
}

}  // namespace lf
