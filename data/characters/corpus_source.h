// Corpus sources: what enwik8 and text8 are, where they come from, and the bytes of a file, of gzip data or
// of an archive's only file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/files.h"
#include "data/byte_source.h"
#include "data/characters/corpus_kind.h"
#include "data/progress.h"

namespace lf {

// A published corpus: the file, and the zip archive it is distributed in.
struct OfficialCorpus {
  std::string name;
  int64_t bytes;
  std::string sha256;
  std::string url;
  int64_t archive_bytes;
  std::string archive_sha256;
};

// The published corpus of a kind; nothing for kBytes.
std::optional<OfficialCorpus> official_corpus(CorpusKind kind);

// Whether bytes of this size and SHA-256 are the published corpus. A file of another size is a prefix or
// sample: not official, unless require_official makes it an Error. The right size with another hash is always
// an Error.
bool check_official(const OfficialCorpus& official, const std::string& path, int64_t bytes,
                    const std::string& sha256, bool require_official);

// The bytes of a raw file, of gzip data, or of a zip or tar.gz archive's only file.
class CorpusSource {
 public:
  // Throws Error when the path is missing (saying where the corpus can be had), a folder, unreadable or
  // empty.
  CorpusSource(const std::string& path, CorpusKind kind);

  // Unpacks what is packed into a temporary file named after scratch_path, which vanishes with this object;
  // nothing for a raw file. Throws Error when the archive is truncated, damaged, encrypted or has not exactly
  // one file.
  void unpack(const std::string& scratch_path, const CorpusProgress& progress);

  // The corpus; needs unpack() first.
  std::span<const uint8_t> bytes() const;
  // The file's name without folder and .gz, or that of the archive's file.
  const std::string& name() const { return name_; }
  const std::string& path() const { return file_.path(); }
  // As what it is unpacked; of kind bytes the name alone decides, so equal bytes may be two corpora.
  ByteSource::Packing packing() const;

 private:
  std::unique_ptr<ByteSource> open_packed(int64_t& bytes);

  CorpusKind kind_;
  MappedFile file_;
  std::string name_;
  std::unique_ptr<AtomicFile> scratch_;
  std::optional<MappedFile> unpacked_;
};

}  // namespace lf
