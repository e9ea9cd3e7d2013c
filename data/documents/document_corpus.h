// Preparing documents for masked language models: text -> token files of a train, validation and test split,
// in parallel and resumable. Documents follow each other in one stream, each with </s> behind it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/documents/document_tokenizer.h"
#include "data/documents/split_plan.h"
#include "data/progress.h"
#include "data/splits.h"
#include "data/tokenizer/special_ids.h"

namespace lf {

struct DocumentRequest {
  std::vector<std::string> sources;  // files or folders, see source.h
  // Sources of a split of their own; where there are none, the split is cut off the end of `sources`.
  std::vector<std::string> validation_sources, test_sources;
  SplitFractions split = {};  // shares of the tokens of `sources`
  DocumentTokenizer tokenizer;
  // Encodes every paragraph (lines between blank lines) alone and joins them without a separator.
  bool paragraphs = false;
  std::string folder;            // made if missing; an earlier preparation of these sources is replaced
  int threads = 0;               // 0: as many as OpenMP would use
  int64_t part_bytes = 8 << 20;  // of text that are encoded at once and need not be again
  CorpusProgress progress = {};
};

struct DocumentSourceFile {
  std::string name;
  std::string split;  // "all" when splits are cut from it, else the one split it belongs to
  int64_t bytes = 0;  // on disk
  std::string sha256;

  bool operator==(const DocumentSourceFile&) const = default;
};

struct DocumentCorpus {
  std::string folder;
  std::string tokenizer_hash;
  int64_t vocabulary_size = 0;
  SpecialIds special;
  bool paragraphs = false;
  std::vector<DocumentSourceFile> sources;
  int64_t empty_documents = 0;        // they add nothing to the stream
  std::vector<std::string> warnings;  // what a reader of results should know; not errors
  DocumentSplit train, validation, test;

  bool operator==(const DocumentCorpus&) const = default;
};

// Makes FOLDER/{train,validation,test}.tokens and, last, documents.json. A split's cut is moved to the
// nearest end of a document when that changes the split's size by at most a tenth, else it is made inside a
// document. The result does not depend on the number of threads. Finished parts stay in FOLDER/parts until
// the end: a preparation that was interrupted goes on behind them and ends with the same bytes. Throws Error
// for bad sources (file:line), a folder that holds a run or a corpus of none of these sources, a vocabulary
// beyond 65,536, ids outside it and a split that would be empty.
DocumentCorpus prepare_documents(const DocumentRequest& request);

// documents.json as text.
std::string document_corpus_json(const DocumentCorpus& corpus);

// Whether the folder holds prepared documents (rather than characters, see open_corpus).
bool is_document_corpus(const std::string& folder);

// Reads FOLDER/documents.json and checks that the token files beside it are the ones it describes. Throws
// Error naming the file.
DocumentCorpus open_document_corpus(const std::string& folder);

}  // namespace lf
