// For tests of documents: gzip files, a tokenizer whose ids are bytes, token files as text again.
#pragma once

#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/check.h"
#include "data/documents/document_corpus.h"
#include "data/documents/source.h"
#include "data/token_file.h"

namespace lf {

inline void write_text(const std::string& path, const std::string& content) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

inline std::string gzipped(const std::string& content) {
  z_stream stream = {};
  CHECK(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK, "no deflate");
  std::string packed(deflateBound(&stream, content.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END, "not packed in one go");
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// The document as a line of a .jsonl file.
inline std::string json_line(const std::string& document) {
  return nlohmann::json({{"text", document}}).dump() + "\n";
}

// The documents of all files of the sources.
inline std::vector<std::string> read_documents(const std::vector<std::string>& sources) {
  std::vector<std::string> documents;
  for (const DocumentFile& file : find_documents(sources).files) {
    DocumentReader reader(file);
    std::string document;
    for (DocumentChunk chunk; reader.next(chunk);) {
      document += chunk.text;
      if (!chunk.ends_document) continue;
      documents.push_back(std::exchange(document, ""));
    }
    CHECK(document.empty(), file.path, ": text behind the last document");
  }
  return documents;
}

// Words of a to z with spaces, sentences, accents and now and then an empty line; about `size` bytes.
inline std::string prose(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::string content;
  while (content.size() < size) {
    for (uint32_t letters = 1 + random() % 9; letters-- > 0;)
      content += static_cast<char>('a' + random() % 26);
    const uint32_t kind = random() % 40;
    if (kind == 0) content += "\n\n";
    if (kind == 1) content += "\n";
    if (kind == 2) content += "\xC3\xA9";
    if (kind == 3) content += ", ";
    if (kind == 4) content += ".\n\n\n";
    if (kind > 4) content += ' ';
  }
  return content;
}

constexpr int32_t kByteIds = 5;  // ids below are special
constexpr int32_t kStartId = kByteIds + 256;

// Byte b has the id 5 + b. With `mark_calls` every call begins with kStartId, so that one sees what was
// encoded at once.
inline DocumentTokenizer byte_tokenizer(bool mark_calls = false) {
  DocumentTokenizer tokenizer;
  tokenizer.encode = [mark_calls](std::string_view content) {
    std::vector<int32_t> ids;
    if (mark_calls) ids.push_back(kStartId);
    for (const char c : content) ids.push_back(kByteIds + static_cast<uint8_t>(c));
    return ids;
  };
  tokenizer.vocabulary_size = kStartId + 1;
  tokenizer.special = {0, 1, 2, 3, 4};
  tokenizer.hash = mark_calls ? "marked bytes" : "bytes";
  return tokenizer;
}

// The token file's text: bytes as they are, </s> as '$', kStartId as '^'.
inline std::string text_of_tokens(const std::string& path) {
  const TokenFile file(path);
  file.verify();
  std::vector<int32_t> tokens(static_cast<size_t>(file.count()));
  file.copy(0, tokens);
  std::string content;
  for (const int32_t id : tokens) {
    content += id == 2 ? '$' : id == kStartId ? '^' : static_cast<char>(id - kByteIds);
  }
  return content;
}

}  // namespace lf
