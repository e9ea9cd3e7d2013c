// The data of a classification task, read whole: labelled documents in splits, from the official files of
// IMDB and Hyperpartisan or from any records. The one entry for tasks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/classification_choices.h"
#include "data/tasks/classification_hyperpartisan.h"
#include "data/tasks/classification_records.h"
#include "data/tasks/labelled_document.h"

namespace lf {

struct ClassificationSource {
  ClassificationCorpus corpus = ClassificationCorpus::records;

  // records: the files of each split; validation and test may be empty.
  std::vector<std::string> train = {}, validation = {}, test = {};
  RecordColumns columns = {};

  // imdb: aclImdb or its tar.gz. hyperpartisan: the folder of the published files, or the file of articles.
  std::string path = {};
  std::string ground_truth = {};  // of hyperpartisan; empty: found beside the articles
  ArticleText article = {};
  // hyperpartisan, or records with `train` only: a file that divides the documents (see divide_by_file).
  std::string split_file = {};

  // Cut from training where there is no such split, test first; 0: none. The same documents with the same
  // seed, whatever their order (see cut_share).
  double validation_share = 0, test_share = 0;
  uint64_t seed = 0;

  std::vector<std::string> labels = {};  // empty: those of the training split, sorted
  Leaks leaks = Leaks::report;
};

struct ClassificationData {
  std::vector<LabelledDocument> train, validation, test;
  std::vector<std::string> labels;   // a class is a place in this list
  std::vector<std::string> notices;  // what the user should know of the data: leaks, what was left out
};

// Reads the splits. Labels given stay in their order; labels found are sorted, whole numbers by their value.
// Throws UsageError for a source whose fields contradict each other, and Error naming file and record for bad
// input: see the readers, and a label that is not in the list, documents without any of two labels, and an id
// that a split has twice.
ClassificationData read_classification(const ClassificationSource& source);

// The labels as messages show them, in quotation marks: the first ten, and "..." for more.
std::string list_of_labels(const std::vector<std::string>& labels);

// Where the label stands in the list. Throws Error naming the document for one that is not there.
int64_t class_of(const LabelledDocument& document, const std::vector<std::string>& labels);

// Documents to be classified, without their labels: any file that read_labelled_records takes, or articles as
// XML.
std::vector<LabelledDocument> read_unlabelled(const std::string& path, const RecordColumns& columns,
                                              const ArticleText& article);

}  // namespace lf
