// The IMDB reviews (Maas et al. 2011) as published: the folder aclImdb, or aclImdb_v1.tar.gz as it is.
#pragma once

#include <string>

#include "data/tasks/classification_splits.h"

namespace lf {

// train/{pos,neg} and test/{pos,neg}: one review a file ID_RATING.txt, labels "neg" (ratings 1 to 4) and
// "pos" (7 to 10). A review is called after its file, "train/pos/0_9", and the splits are in the order of
// these names. Texts are as published, "<br />" included. There is no validation split.
//
// Left out, because published for other uses: train/unsup (reviews without labels), and the lists and bags of
// words beside the folders. Throws Error naming the file for a folder that is missing or empty, a file of
// another name or in the folder of another rating, an empty review and invalid UTF-8; and for a damaged
// archive.
DocumentSplits read_imdb(const std::string& folder_or_archive);

}  // namespace lf
