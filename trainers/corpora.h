// The corpus that a configuration's data section names, as open token files.
#pragma once

#include <memory>
#include <string>

#include "data/prepared_corpus.h"
#include "data/token_file.h"
#include "trainers/config/sections.h"

namespace lf {

struct CorpusFiles {
  PreparedCorpus corpus;
  std::shared_ptr<const TokenFile> train, validation, test;
};

// Opens data.path: a folder made by `longform prepare`, or a raw file, zip or "sample", which is prepared
// once into a cache beside the user's other caches, keyed by the file's size, time and the settings.
CorpusFiles open_corpus_files(const DataSection& data);

}  // namespace lf
