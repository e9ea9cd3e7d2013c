// Hyperpartisan news as published for SemEval-2019 task 4: articles in one XML file, their labels in another.
#pragma once

#include <string>
#include <vector>

#include "data/tasks/labelled_document.h"

namespace lf {

struct HyperpartisanFiles {
  std::string articles;      // .xml, or .zip, .gz or .tar.gz of it
  std::string ground_truth;  // the same
};

// The files in a folder, articles-X and ground-truth-X as they are published, unpacked (.xml) or packed
// (.zip); or, of the file of articles itself, the ground truth that stands beside it. Throws Error when a
// file is missing or the folder has several sets.
HyperpartisanFiles find_hyperpartisan(const std::string& folder_or_articles);

struct ArticleText {
  bool title = true;  // the title in front of the text, a line of its own
  bool clean = true;  // by clean_article
};

// The articles in the file's order; without labels.
std::vector<LabelledDocument> read_articles(const std::string& articles, const ArticleText& options);

// The articles with the labels of the ground truth: its attribute `hyperpartisan`, "true" or "false". Throws
// Error naming file and line for broken XML, an article without text, an id that is missing or given twice,
// an article that the ground truth does not have and one that only the ground truth has.
std::vector<LabelledDocument> read_hyperpartisan(const HyperpartisanFiles& files, const ArticleText& options);

}  // namespace lf
