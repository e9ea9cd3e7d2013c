// For tests of prepared documents: a folder with documents of given sizes and a request that prepares them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tests/data/documents/document_input.h"
#include "tests/temporary_folder.h"

namespace lf {

// A folder with documents and a request to prepare them into `out`.
class DocumentCorpora : public ::testing::Test {
 protected:
  DocumentCorpora() {
    request_.tokenizer = byte_tokenizer();
    request_.sources = {folder_ / "source"};
    request_.folder = folder_ / "out";
  }

  // Documents of that many bytes in one file.
  std::vector<std::string> write_documents(const std::vector<size_t>& sizes, const std::string& name) {
    std::vector<std::string> documents;
    std::string lines;
    for (const size_t size : sizes) {
      documents.push_back(prose(size, static_cast<uint32_t>(documents.size() + 1)));
      lines += json_line(documents.back());
    }
    write_text(folder_ / name, lines);
    return documents;
  }

  static std::string join(const std::vector<std::string>& documents) {
    std::string stream;
    for (const std::string& document : documents) stream += document + "$";
    return stream;
  }

  // The text of train, validation and test.
  static std::string stream_of(const DocumentCorpus& corpus) {
    return text_of_tokens(corpus.train.path) + text_of_tokens(corpus.validation.path) +
           text_of_tokens(corpus.test.path);
  }

  // Bytes of every file of a prepared corpus.
  std::vector<std::string> files_of(const std::string& out) {
    std::vector<std::string> contents;
    for (const std::string& name : entries(out)) contents.push_back(name + read_file(out + "/" + name));
    return contents;
  }

  TemporaryFolder folder_;
  DocumentRequest request_;
};

inline const std::vector<std::string> kPreparedFiles = {"documents.json", "test.tokens", "train.tokens",
                                                        "validation.tokens"};

}  // namespace lf
