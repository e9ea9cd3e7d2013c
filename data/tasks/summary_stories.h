// CNN/DailyMail as published (Hermann et al. 2015, See et al. 2017): one story a file, the article and then
// its summary in blocks behind "@highlight".
#pragma once

#include <string>
#include <vector>

#include "data/tasks/summary_pair.h"

namespace lf {

// Whether stories are read from the path: a folder, a file NAME.story (or NAME.story.gz), or a zip or tar.gz
// archive with such a file in it. Throws Error for a damaged archive.
bool holds_stories(const std::string& path);

// The stories below a folder (cnn/stories and dailymail/stories may stand in one), in an archive, or the one
// in a file; in the order of their paths. A story is called after its file, without .story. Files of other
// names are counted in `warnings`. Texts may be empty.
//
// `url_list`: a file with a URL a line, whose SHA-1 as hex is the story's name; the others are not read.
// Empty: all are. URLs that stand there twice are counted in `warnings`.
//
// Texts are those of the data set cnn_dailymail 3.0.0 of Hugging Face, which follows
// https://github.com/abisee/cnn-dailymail but for its small letters: lines without white space around them,
// a blank and a period behind one that ends in none of . ! ? ' ` " ) and the closing quotation marks U+2019
// and U+201D; the article's joined by blanks, the highlights by line ends. Text that stands in a line behind
// "@highlight" is no part of either; such stories are counted in `warnings`.
//
// Throws Error naming file or member for invalid UTF-8 and a story without @highlight where targets are
// required; for a list without URLs, or with some whose stories are missing, how many and the first five; and
// for a folder without stories.
std::vector<SummaryPair> read_stories(const std::string& path, const std::string& url_list, Targets targets,
                                      std::vector<std::string>& warnings);

}  // namespace lf
