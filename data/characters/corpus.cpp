#include "data/characters/corpus.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

#include "core/check.h"
#include "core/choices.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "core/hash.h"
#include "data/output_folder.h"
#include "data/token_file.h"

namespace lf {
namespace {

constexpr int64_t kBlock = 1 << 20;
constexpr uint8_t kNewline = '\n';

using ByteCounts = std::array<int64_t, 256>;

// Held for this process alone. Removes a folder it created, if still empty, unless the preparation succeeded.
class OutputFolder {
 public:
  explicit OutputFolder(const std::string& path)
      : path_(path), created_(create_folders(path)), lock_(path, "preparing a corpus") {}
  ~OutputFolder() {
    std::error_code ignored;
    if (created_ && !kept_) std::filesystem::remove(path_, ignored);
  }
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  void keep() { kept_ = true; }

 private:
  std::string path_;
  bool created_;
  FolderLock lock_;
  bool kept_ = false;
};

bool in_text8(uint8_t byte) { return byte == ' ' || (byte >= 'a' && byte <= 'z'); }

void check_text8(const std::string& path, std::span<const uint8_t> bytes) {
  const auto wrong = std::find_if_not(bytes.begin(), bytes.end(), in_text8);
  if (wrong == bytes.end()) return;
  throw Error(text("text8: byte ", hex_byte(*wrong), " at offset ", wrong - bytes.begin(), " of ", path,
                   "; text8 has only the letters a-z and space",
                   *wrong == kNewline ? " (no newline, not even at its end)" : "",
                   "; other text can be prepared as kind bytes"));
}

ByteCounts count_bytes(std::span<const uint8_t> bytes) {
  ByteCounts counts = {};
  for (const uint8_t byte : bytes) ++counts[byte];
  return counts;
}

// One split on its way into its file.
struct Split {
  std::string name;
  std::span<const uint8_t> bytes;
  ByteCounts counts = {};
  std::optional<TokenFileWriter> writer;
};

std::array<Split, 3> cut(std::span<const uint8_t> bytes, const SplitSizes& sizes) {
  std::array<Split, 3> splits;
  const int64_t counts[3] = {sizes.train, sizes.validation, sizes.test};
  const char* const names[3] = {"train", "validation", "test"};
  for (size_t i = 0; i < splits.size(); ++i) {
    splits[i].name = names[i];
    splits[i].bytes = bytes.first(static_cast<size_t>(counts[i]));
    bytes = bytes.subspan(static_cast<size_t>(counts[i]));
  }
  return splits;
}

std::vector<uint8_t> choose_symbols(const std::array<Split, 3>& splits, CorpusKind kind, Newlines newlines) {
  std::vector<uint8_t> symbols;
  for (int value = 0; value < 256; ++value) {
    const auto byte = static_cast<uint8_t>(value);
    const bool occurs =
        std::any_of(splits.begin(), splits.end(), [byte](const Split& s) { return s.counts[byte] > 0; });
    const bool stripped = newlines == Newlines::strip && byte == kNewline;
    if (kind == CorpusKind::text8 ? in_text8(byte) : occurs && !stripped) symbols.push_back(byte);
  }
  return symbols;
}

std::vector<uint8_t> unseen_in_train(const std::array<Split, 3>& splits,
                                     const std::vector<uint8_t>& symbols) {
  std::vector<uint8_t> unseen;
  for (const uint8_t byte : symbols) {
    const bool elsewhere = splits[1].counts[byte] > 0 || splits[2].counts[byte] > 0;
    if (elsewhere && splits[0].counts[byte] == 0) unseen.push_back(byte);
  }
  return unseen;
}

void write_tokens(Split& split, const PreparedCorpus& corpus, const std::string& path,
                  const CorpusProgress& progress, int64_t bytes_before) {
  std::array<uint16_t, 256> token_of = {};
  for (size_t token = 0; token < corpus.symbols.size(); ++token) {
    token_of[corpus.symbols[token]] = static_cast<uint16_t>(token);
  }
  const auto size = static_cast<int64_t>(split.bytes.size());
  const Provenance provenance = {.corpus = choice_name(corpus.kind),
                                 .split = split.name,
                                 .newlines = choice_name(corpus.newlines),
                                 .source = corpus.source,
                                 .source_sha256 = corpus.source_sha256,
                                 .original_bytes = size};
  split.writer.emplace(path, TokenType::kU8, static_cast<int64_t>(corpus.symbols.size()), corpus.symbols,
                       provenance);
  std::vector<uint16_t> tokens;
  for (int64_t begin = 0; begin < size; begin += kBlock) {
    tokens.clear();
    const auto block =
        split.bytes.subspan(static_cast<size_t>(begin), static_cast<size_t>(std::min(kBlock, size - begin)));
    for (const uint8_t byte : block) {
      if (byte != kNewline || corpus.newlines == Newlines::keep) tokens.push_back(token_of[byte]);
    }
    split.writer->append(tokens);
    if (progress)
      progress("write", bytes_before + begin + static_cast<int64_t>(block.size()), corpus.source_bytes);
  }
}

// The checks and numbers that need the source's whole content.
PreparedCorpus describe(const CorpusSource& source, const CorpusRequest& request) {
  PreparedCorpus corpus;
  corpus.folder = request.folder;
  corpus.kind = request.kind;
  corpus.newlines = request.newlines;
  corpus.source = source.name();
  corpus.source_bytes = static_cast<int64_t>(source.bytes().size());
  if (request.progress) request.progress("checksum", 0, corpus.source_bytes);
  corpus.source_sha256 = digest(Digest::kSha256, source.bytes());
  if (request.progress) request.progress("checksum", corpus.source_bytes, corpus.source_bytes);

  const std::optional<OfficialCorpus> official = official_corpus(request.kind);
  if (!official && request.require_official)
    throw UsageError("corpus kind bytes has no official file to require");
  if (!official) return corpus;
  corpus.official = check_official(*official, request.source, corpus.source_bytes, corpus.source_sha256,
                                   request.require_official);
  if (!corpus.official) {
    corpus.warnings.push_back(text(corpus.source, " has ", corpus.source_bytes, " bytes, the official ",
                                   official->name, " ", official->bytes,
                                   ": a prefix or sample, not the official file; do not compare its bits per "
                                   "character with published ones"));
  }
  return corpus;
}

void warn_of_unseen(PreparedCorpus& corpus) {
  if (corpus.symbols_unseen_in_train.empty()) return;
  std::string list;
  for (const uint8_t byte : corpus.symbols_unseen_in_train) list += text(" ", hex_byte(byte));
  corpus.warnings.push_back(text(corpus.symbols_unseen_in_train.size(), " of ", corpus.symbols.size(),
                                 " symbols occur in validation or test but never in train:", list));
}

void check_not_only_newlines(const std::array<Split, 3>& splits, const std::string& path) {
  for (const Split& split : splits) {
    CHECK(split.counts[kNewline] < static_cast<int64_t>(split.bytes.size()), path, ": the ", split.name,
          " split is nothing but newlines, and newlines are to be stripped");
  }
}

PreparedSplit finish(Split& split, const std::string& path) {
  const TokenHeader header = split.writer->finish();
  return {.path = path,
          .original_bytes = header.provenance.original_bytes,
          .tokens = header.count,
          .content_hash = header.content_hash};
}

}  // namespace

PreparedCorpus prepare_corpus(const CorpusRequest& request) {
  // Declared first, made second, gone last: the source is looked at before anything is created, and unpacks
  // into this folder.
  std::optional<OutputFolder> folder;
  CorpusSource source(request.source, request.kind);
  check_holds_no_run(request.folder);
  folder.emplace(request.folder);
  // A raw file unpacks nothing, but a killed preparation of an archive may have left what it unpacked.
  const std::string scratch = request.folder + "/source";
  remove_abandoned_partials(scratch);
  source.unpack(scratch, request.progress);
  const auto bytes = source.bytes();
  const std::string_view content = as_text(bytes);
  if (request.kind == CorpusKind::text8) {
    text_begin(request.source, content);
    check_text8(request.source, bytes);
  }
  const SplitSizes sizes = split_sizes(static_cast<int64_t>(source.bytes().size()), request.split);
  PreparedCorpus corpus = describe(source, request);
  if (request.kind != CorpusKind::bytes) text_begin(request.source, content);
  check_output_folder(request.folder, {corpus.source_sha256});

  std::array<Split, 3> splits = cut(source.bytes(), sizes);
  for (Split& split : splits) split.counts = count_bytes(split.bytes);
  if (request.newlines == Newlines::strip) {
    check_not_only_newlines(splits, request.source);
    for (const Split& split : splits) corpus.newlines_removed += split.counts[kNewline];
  }
  corpus.symbols = choose_symbols(splits, request.kind, request.newlines);
  corpus.symbols_unseen_in_train = unseen_in_train(splits, corpus.symbols);
  warn_of_unseen(corpus);
  if (const std::string packed = stand_in(content); !packed.empty())
    corpus.warnings.push_back(text(request.source, " is ", packed, "; its packed bytes are what is learned"));

  PreparedSplit* const prepared[3] = {&corpus.train, &corpus.validation, &corpus.test};
  int64_t bytes_before = 0;
  for (size_t i = 0; i < splits.size(); ++i) {
    const std::string path = request.folder + "/" + splits[i].name + ".tokens";
    write_tokens(splits[i], corpus, path, request.progress, bytes_before);
    *prepared[i] = finish(splits[i], path);
    bytes_before += prepared[i]->original_bytes;
  }
  AtomicFile description(request.folder + "/corpus.json");
  description.write(corpus_json(corpus));
  // Everything is written by now: only renames are left, and corpus.json, which pins the others' hashes, is
  // last.
  for (Split& split : splits) split.writer->commit();
  description.commit();
  folder->keep();
  return corpus;
}

}  // namespace lf
