#include "data/tasks/classification_imdb.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "core/file_paths.h"
#include "core/files.h"
#include "data/archive.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

using Documents = std::vector<LabelledDocument>;

constexpr const char* kSplits[] = {"train", "test"};
constexpr const char* kLabels[] = {"neg", "pos"};

// The rating in ID_RATING.txt; 0 for another name.
int rating_of(std::string_view name) {
  int64_t id = 0, rating = 0;
  const char* const end = name.data() + name.size();
  const auto first = std::from_chars(name.data(), end, id);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '_') return 0;
  const auto second = std::from_chars(first.ptr + 1, end, rating);
  const bool whole = second.ec == std::errc() && std::string_view(second.ptr, end) == ".txt";
  return whole && id >= 0 && rating >= 1 && rating <= 10 ? static_cast<int>(rating) : 0;
}

LabelledDocument review(const std::string& split, const std::string& label, const std::string& name,
                        std::string content, const std::string& where) {
  const int rating = rating_of(name);
  CHECK(rating > 0, where, ": needed a review ID_RATING.txt with a rating from 1 to 10");
  CHECK(label == "pos" ? rating >= 7 : rating <= 4, where, ": a rating of ", rating, " among the ", label,
        " reviews, needed ", label == "pos" ? "7 to 10" : "1 to 4");
  content.erase(0, text_begin(where, content));
  CHECK(first_invalid_utf8(content) == content.size(), where, ": not valid UTF-8");
  LabelledDocument document = {.id = text(split, '/', label, '/', name.substr(0, name.size() - 4)),
                               .text = std::move(content),
                               .label = label,
                               .where = where};
  check_document(document);
  return document;
}

void read_folder(const fs::path& root, const std::string& split, const std::string& label,
                 Documents& documents) {
  const fs::path folder = root / split / label;
  CHECK(fs::is_directory(folder), "no folder ", folder.string(),
        ", needed aclImdb with train/pos, train/neg, test/pos and test/neg, or aclImdb_v1.tar.gz");
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (is_hidden_name(entry.path().filename().string())) continue;
    documents.push_back(review(split, label, entry.path().filename().string(),
                               read_file(entry.path().string()), entry.path().string()));
  }
}

DocumentSplits read_folders(const fs::path& given) {
  const fs::path root = fs::is_directory(given / "aclImdb") ? given / "aclImdb" : given;
  DocumentSplits splits;
  for (const char* const label : kLabels) {
    read_folder(root, "train", label, splits.train);
    read_folder(root, "test", label, splits.test);
  }
  return splits;
}

// Sorts a member into its split, if it is a review with a label.
void read_member(ArchiveReader& archive, const std::string& path, DocumentSplits& splits) {
  const fs::path member = archive.name();
  const std::string label = member.parent_path().filename().string();
  const std::string split = member.parent_path().parent_path().filename().string();
  const bool wanted = std::find(std::begin(kLabels), std::end(kLabels), label) != std::end(kLabels) &&
                      std::find(std::begin(kSplits), std::end(kSplits), split) != std::end(kSplits);
  if (!wanted) return;
  Documents& documents = split == "train" ? splits.train : splits.test;
  documents.push_back(review(split, label, member.filename().string(), archive.read_rest(kLongestDocument),
                             path + ": " + archive.name()));
}

void finish(Documents& documents, const char* split, const std::string& path) {
  for (const char* const label : kLabels) {
    const bool any = std::any_of(documents.begin(), documents.end(),
                                 [&](const LabelledDocument& document) { return document.label == label; });
    CHECK(any, path, ": no reviews in ", split, '/', label);
  }
  std::sort(documents.begin(), documents.end(),
            [](const LabelledDocument& a, const LabelledDocument& b) { return a.id < b.id; });
  const auto twice =
      std::adjacent_find(documents.begin(), documents.end(),
                         [](const LabelledDocument& a, const LabelledDocument& b) { return a.id == b.id; });
  CHECK(twice == documents.end(), path, ": the review ", escaped(twice->id), " is there twice");
}

}  // namespace

DocumentSplits read_imdb(const std::string& folder_or_archive) {
  check_exists(folder_or_archive);
  DocumentSplits splits;
  if (fs::is_directory(folder_or_archive)) {
    splits = read_folders(folder_or_archive);
  } else {
    CHECK(is_archive_name(folder_or_archive), folder_or_archive,
          ": needed the folder aclImdb, or aclImdb_v1.tar.gz");
    ArchiveReader archive(folder_or_archive);
    while (archive.next()) read_member(archive, folder_or_archive, splits);
  }
  finish(splits.train, "train", folder_or_archive);
  finish(splits.test, "test", folder_or_archive);
  return splits;
}

}  // namespace lf
