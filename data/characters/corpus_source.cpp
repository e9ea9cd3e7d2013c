#include "data/characters/corpus_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "core/check.h"
#include "core/file_kinds.h"
#include "core/file_paths.h"

namespace lf {
namespace {

constexpr size_t kBlock = 1 << 20;

std::string how_to_get(const OfficialCorpus& official) {
  const std::string archive = official.name + ".zip";
  return text(official.name, " is ", official.bytes, " bytes, published as ", official.url, " (",
              official.archive_bytes, " bytes). Get it with\n  curl --location --fail --output ", archive,
              " ", official.url, "\nand give ", archive, " as it is; it need not be unpacked");
}

// Opens the file; a missing one is answered with where to get the corpus.
MappedFile open_source(const std::string& path, CorpusKind kind) {
  const std::optional<OfficialCorpus> official = official_corpus(kind);
  struct stat status = {};
  const bool missing = ::stat(path.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
  if (missing && official && !is_there(path))
    throw Error(text("no file ", path, "; ", how_to_get(*official)));
  MappedFile file(path);
  CHECK(!file.bytes().empty(), path, ": empty file, needed text to learn from");
  const std::string packed = unread_packing(path, as_text(file.bytes()));
  CHECK(packed.empty(), path, ": ", packed);
  return file;
}

}  // namespace

std::optional<OfficialCorpus> official_corpus(CorpusKind kind) {
  // The author publishes MD5 and SHA-1 (enwik8 a1fa5ffddb56f4953e226637dabbb36a, text8
  // 3bea1919949baf155f99411df5fada7e); these are the SHA-256 of the same files.
  switch (kind) {
    case CorpusKind::enwik8:
      return OfficialCorpus{
          .name = "enwik8",
          .bytes = 100'000'000,
          .sha256 = "2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
          .url = "https://mattmahoney.net/dc/enwik8.zip",
          .archive_bytes = 36'445'475,
          .archive_sha256 = "547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc"};
    case CorpusKind::text8:
      return OfficialCorpus{
          .name = "text8",
          .bytes = 100'000'000,
          .sha256 = "6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
          .url = "https://mattmahoney.net/dc/text8.zip",
          .archive_bytes = 31'344'016,
          .archive_sha256 = "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"};
    case CorpusKind::bytes:
      return std::nullopt;
  }
  throw Error("corpus: unknown kind");
}

bool check_official(const OfficialCorpus& official, const std::string& path, int64_t bytes,
                    const std::string& sha256, bool require_official) {
  CHECK(bytes == official.bytes || !require_official, path, ": has ", bytes, " bytes, the official ",
        official.name, " has ", official.bytes, "; ", how_to_get(official));
  if (bytes != official.bytes) return false;
  CHECK(sha256 == official.sha256, path, ": has the size of the official ", official.name,
        " but other content (SHA-256 ", sha256, ", published ", official.sha256, "); ", how_to_get(official));
  return true;
}

CorpusSource::CorpusSource(const std::string& path, CorpusKind kind)
    : kind_(kind), file_(open_source(path, kind)), name_(std::filesystem::path(path).filename().string()) {}

ByteSource::Packing CorpusSource::packing() const {
  using enum ByteSource::Packing;
  std::string name = name_;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  const ByteSource::Packing promised = ByteSource::promised_packing(name);
  if (promised != kNone || kind_ == CorpusKind::bytes) return promised;
  // A renamed archive is no text; for kind bytes any content is as good as another.
  return ByteSource::packing_of(path());
}

// Opens what is packed, gives it its name, and tells how many bytes it has where the archive says so; else 0.
std::unique_ptr<ByteSource> CorpusSource::open_packed(int64_t& bytes) {
  const std::optional<OfficialCorpus> official = official_corpus(kind_);
  bytes = 0;
  if (packing() == ByteSource::Packing::kGzip) {
    if (name_.size() > 3 && has_ending(name_, ".gz")) name_.resize(name_.size() - 3);
    return std::make_unique<ByteSource>(path(), ByteSource::Packing::kGzip);
  }
  try {
    ArchiveReader archive(path());
  } catch (const Error& error) {
    throw Error(text(error.what(), official ? text(" ", how_to_get(*official)) : ""));
  }
  const ArchiveMember member = only_member(path());
  CHECK(member.size > 0, path(), ": member ", member.name, " is empty, needed text to learn from");
  name_ = std::filesystem::path(member.name).filename().string();
  bytes = member.size;
  return std::make_unique<ByteSource>(path(), ByteSource::Packing::kArchive);
}

void CorpusSource::unpack(const std::string& scratch_path, const CorpusProgress& progress) {
  if (packing() == ByteSource::Packing::kNone) return;
  int64_t total = 0;
  const std::unique_ptr<ByteSource> source = open_packed(total);
  scratch_ = std::make_unique<AtomicFile>(scratch_path);
  std::vector<uint8_t> block(kBlock);
  // Checksums are compared when the end is reached.
  while (const size_t size = source->read(block)) {
    scratch_->write(std::span<const uint8_t>(block).first(size));
    if (!progress) continue;
    if (total > 0) {
      progress("unpack", scratch_->size(), total);
    } else {
      progress("unpack", source->bytes_read(), std::ssize(file_.bytes()));
    }
  }
  CHECK(scratch_->size() > 0, path(), ": nothing is packed in it, needed text to learn from");
  unpacked_.emplace(scratch_->temporary_path());
}

std::span<const uint8_t> CorpusSource::bytes() const {
  return unpacked_ ? unpacked_->bytes() : file_.bytes();
}

}  // namespace lf
