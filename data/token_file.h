// Token files: one split of a corpus as u8 or u16 tokens behind a checked header, read by memory map.
// Layout, little-endian: 80 bytes of fixed fields (magic, version, type, vocabulary, count, content hash,
// sizes, header hash), the symbol table, the provenance as JSON, zeros up to a multiple of 64, then the
// tokens.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/hash.h"

namespace lf {

// How a token is stored; the value is its size in bytes.
enum class TokenType : uint32_t { kU8 = 1, kU16 = 2 };

// Where a token file came from.
struct Provenance {
  std::string corpus;          // "enwik8", "text8", "bytes", or a tokenizer's corpus name
  std::string split;           // "train", "validation" or "test"
  std::string newlines;        // "keep" or "strip"
  std::string source;          // file name of the source, without its folder
  std::string source_sha256;   // of the whole unpacked source
  int64_t original_bytes = 0;  // bytes of the source that this split covers, before newlines were stripped

  bool operator==(const Provenance&) const = default;
};

// What a token file's header says.
struct TokenHeader {
  TokenType type = TokenType::kU8;
  int64_t vocabulary_size = 0;   // every token is below it
  int64_t count = 0;             // number of tokens, at least 1
  std::string content_hash;      // XXH3-128 of the tokens' bytes
  std::vector<uint8_t> symbols;  // symbols[token] = original byte; empty unless tokens are single bytes
  Provenance provenance;
};

// A token file opened for reading. The constructor checks everything but the tokens themselves.
class TokenFile {
 public:
  // Throws Error naming the file: not a token file, other version, damaged header, truncated, too long,
  // empty.
  explicit TokenFile(const std::string& path);

  const TokenHeader& header() const { return header_; }
  const std::string& path() const { return file_.path(); }
  int64_t count() const { return header_.count; }
  int64_t vocabulary_size() const { return header_.vocabulary_size; }

  // From here on tokens are places in this alphabet, one byte for each, whatever table the file was made
  // with. Throws Error for a file without a symbol table, UsageError that names bytes of the file which the
  // alphabet lacks.
  void read_as(const std::vector<uint8_t>& alphabet);

  // Copies tokens [begin, begin + out.size()) into out; throws Error when they are not all in the file.
  void copy(int64_t begin, std::span<int32_t> out) const;
  // Reads every token: throws Error when the content hash differs or a token lies outside the vocabulary.
  void verify() const;
  // The original bytes of character tokens; throws Error for a file without a symbol table or a token outside
  // it.
  std::string decode(std::span<const int32_t> tokens) const;

 private:
  void parse_header();
  std::span<const uint8_t> token_bytes() const;

  MappedFile file_;
  TokenHeader header_;
  int64_t tokens_begin_ = 0;          // offset of the first token in the file
  std::vector<int32_t> translation_;  // by token of the file; empty: tokens are what the file says
};

// Writes a token file piece by piece; nothing exists under its name before commit().
class TokenFileWriter {
 public:
  // symbols: one byte per token of the vocabulary, or none.
  TokenFileWriter(const std::string& path, TokenType type, int64_t vocabulary_size,
                  std::vector<uint8_t> symbols, Provenance provenance);

  // Appends tokens; throws Error when one is not in [0, vocabulary_size).
  void append(std::span<const uint16_t> tokens);
  // Completes the header without publishing the file; returns the header. No more tokens after it.
  TokenHeader finish();
  // finish() if that was not called, then the durable rename.
  void commit();

 private:
  AtomicFile file_;
  TokenHeader header_;
  ContentHash hash_;
  bool finished_ = false;
};

}  // namespace lf
