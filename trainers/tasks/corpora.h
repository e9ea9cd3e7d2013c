// The corpus that a configuration's data section names, as open token files.
#pragma once

#include <memory>
#include <string>

#include "data/characters/prepared_corpus.h"
#include "data/token_file.h"
#include "trainers/config/sections.h"

namespace lf {

struct CorpusFiles {
  PreparedCorpus corpus;
  std::shared_ptr<const TokenFile> train, validation, test;
};

// The section with every key given: what was left out is the prepared folder's own, or the default for what
// is not prepared yet. Throws UsageError for a given key that contradicts the prepared folder, Error that
// names data.path where nothing is there.
DataSection settled_data(const DataSection& data);

// The section with what was left out set to its fallback.
DataSection written_out(DataSection data);

// Cause and way out where data.path leads to nothing.
std::string missing_corpus(const std::string& path);

// Opens data.path: a folder made by `longform prepare`, or a raw file, zip or "sample", which is prepared
// once into a cache beside the user's other caches, keyed by the file's content and the settings. With an
// alphabet, the tokens are places in it (see TokenFile::read_as). Throws as settled_data() does.
CorpusFiles open_corpus_files(const DataSection& data, const std::vector<uint8_t>& alphabet = {});

}  // namespace lf
