#include "data/tasks/classification.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "data/archive.h"
#include "data/tasks/classification_imdb.h"
#include "data/tasks/classification_splits.h"
#include "data/tasks/distinct_ids.h"

namespace lf {
namespace {

using Documents = std::vector<LabelledDocument>;

void check_source(const ClassificationSource& source) {
  const bool records = source.corpus == ClassificationCorpus::records;
  const auto refuse = [](bool wrong, const char* why) {
    if (wrong) throw UsageError(std::string("classification data: ") + why);
  };
  refuse(records && source.train.empty(), "no file to train on");
  refuse(records && !source.path.empty(), "a path belongs to IMDB and Hyperpartisan; records have files");
  refuse(!records && source.path.empty(), "no path of the published files");
  refuse(!records && !(source.train.empty() && source.validation.empty() && source.test.empty()),
         "files of splits belong to records");
  refuse(source.corpus != ClassificationCorpus::hyperpartisan && !source.ground_truth.empty(),
         "a ground truth belongs to Hyperpartisan");
  const bool has_splits = !source.validation.empty() || !source.test.empty();
  refuse(!source.split_file.empty() && (source.corpus == ClassificationCorpus::imdb || has_splits),
         "a split file divides what has no splits yet");
  refuse(!(source.validation_share >= 0 && source.test_share >= 0 &&
           source.validation_share + source.test_share < 1),
         "shares must be from 0 on and leave something for training");
  const std::set<std::string> distinct(source.labels.begin(), source.labels.end());
  refuse(distinct.size() != source.labels.size(), "a label is named twice");
}

Documents read_files(const std::vector<std::string>& files, const RecordColumns& columns) {
  Documents documents;
  for (const std::string& file : files) {
    Documents more = read_labelled_records(file, columns, Labels::kRequired);
    documents.insert(documents.end(), std::move_iterator(more.begin()), std::move_iterator(more.end()));
  }
  check_distinct_ids(documents);
  return documents;
}

DocumentSplits read_splits(const ClassificationSource& source) {
  switch (source.corpus) {
    case ClassificationCorpus::imdb:
      return read_imdb(source.path);
    case ClassificationCorpus::hyperpartisan: {
      HyperpartisanFiles files = {.articles = source.path, .ground_truth = source.ground_truth};
      if (files.ground_truth.empty()) files = find_hyperpartisan(source.path);
      return {.train = read_hyperpartisan(files, source.article)};
    }
    case ClassificationCorpus::records:
      return {.train = read_files(source.train, source.columns),
              .validation = read_files(source.validation, source.columns),
              .test = read_files(source.test, source.columns)};
  }
  throw Error("classification data: unknown corpus");
}

// What the file says, and shares for the splits that are missing.
void divide(const ClassificationSource& source, DocumentSplits& splits, std::vector<std::string>& notices) {
  if (!source.split_file.empty()) splits = divide_by_file(splits.train, source.split_file, notices);
  cut_shares({source.validation_share, source.test_share, source.seed}, "documents", splits, notices);
}

std::optional<int64_t> whole_number(const std::string& label) {
  int64_t value = 0;
  const char* const end = label.data() + label.size();
  const auto [stop, error] = std::from_chars(label.data(), end, value);
  return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

std::vector<std::string> labels_of(const Documents& documents) {
  std::set<std::string> found;
  for (const LabelledDocument& document : documents) found.insert(document.label.value());
  std::vector<std::string> labels(found.begin(), found.end());
  if (std::all_of(labels.begin(), labels.end(),
                  [](const std::string& l) { return whole_number(l).has_value(); }))
    std::stable_sort(labels.begin(), labels.end(), [](const std::string& a, const std::string& b) {
      return *whole_number(a) < *whole_number(b);
    });
  CHECK(labels.size() > 1, "all ", documents.size(), " documents to train on have the label ",
        escaped(labels.front()), "; a classifier needs at least two");
  return labels;
}

// A label without the ways to write it: blanks around it, capitals, "1.0" for "1".
std::string plain_form(const std::string& label) {
  const size_t begin = std::min(label.find_first_not_of(" \t"), label.size());
  std::string form = label.substr(begin, label.find_last_not_of(" \t") + 1 - begin);
  double number = 0;
  const auto [stop, error] = std::from_chars(form.data(), form.data() + form.size(), number);
  if (error == std::errc() && stop == form.data() + form.size()) return text(number);
  std::transform(form.begin(), form.end(), form.begin(),
                 [](char letter) { return letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter; });
  return form;
}

void notice_alike(const ClassificationData& data, std::vector<std::string>& notices) {
  std::map<std::string, std::string> seen;
  for (const std::string& label : data.labels) {
    const auto [found, added] = seen.emplace(plain_form(label), label);
    if (!added)
      notices.push_back(text("two classes that may be one: ", escaped(found->second), " and ", escaped(label),
                             "; classification.labels says which there are"));
  }
}

void notice_missing(const ClassificationData& data, std::vector<std::string>& notices) {
  std::set<std::string> seen;
  for (const LabelledDocument& document : data.train) seen.insert(*document.label);
  for (const std::string& label : data.labels) {
    if (!seen.contains(label))
      notices.push_back(text("no document to train on has the label ", escaped(label)));
  }
}

}  // namespace

constexpr size_t kLabelsShown = 10;

std::string list_of_labels(const std::vector<std::string>& labels) {
  std::string list;
  for (size_t i = 0; i < std::min(labels.size(), kLabelsShown); ++i)
    list += (i > 0 ? ", " : "") + escaped(labels[i]);
  return list + (labels.size() > kLabelsShown ? ", ..." : "");
}

int64_t class_of(const LabelledDocument& document, const std::vector<std::string>& labels) {
  CHECK(document.label, document.where, ": document ", escaped(document.id), " has no label");
  const auto found = std::find(labels.begin(), labels.end(), *document.label);
  if (found != labels.end()) return found - labels.begin();
  throw Error(text(document.where, ": document ", escaped(document.id), " has the unknown label ",
                   escaped(*document.label), ", needed ", labels.size() > kLabelsShown ? "one of " : "",
                   list_of_labels(labels)));
}

ClassificationData read_classification(const ClassificationSource& source) {
  check_source(source);
  ClassificationData data;
  DocumentSplits splits = read_splits(source);
  divide(source, splits, data.notices);
  for (std::string& notice : find_leaks(splits)) data.notices.push_back(std::move(notice));
  if (source.leaks == Leaks::drop) {
    for (std::string& notice : drop_leaks(splits)) data.notices.push_back(std::move(notice));
  }
  data.train = std::move(splits.train);
  data.validation = std::move(splits.validation);
  data.test = std::move(splits.test);
  data.labels = source.labels.empty() ? labels_of(data.train) : source.labels;
  for (const auto* documents : {&data.train, &data.validation, &data.test}) {
    for (const LabelledDocument& document : *documents) class_of(document, data.labels);
  }
  notice_missing(data, data.notices);
  notice_alike(data, data.notices);
  return data;
}

std::vector<LabelledDocument> read_unlabelled(const std::string& path, const RecordColumns& columns,
                                              const ArticleText& article) {
  const std::string name = is_archive_name(path) ? only_member(path).name : path;
  if (has_ending(name, ".xml") || has_ending(name, ".xml.gz")) return read_articles(path, article);
  return read_labelled_records(path, columns, Labels::kIgnored);
}

}  // namespace lf
