#include "data/characters/corpus_source.h"

#include <sys/stat.h>
#include <zip.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "core/check.h"

namespace lf {
namespace {

constexpr size_t kBlock = 1 << 20;

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseMember {
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;
using Member = std::unique_ptr<zip_file_t, CloseMember>;

Archive open_archive(const std::string& path, const std::string& hint) {
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (archive) return archive;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  throw Error(text(path, ": not a whole zip archive (", reason, "); was the download cut short?", hint));
}

// The index and size of the archive's only member that is not a folder.
zip_stat_t only_member(zip_t* archive, const std::string& path) {
  zip_stat_t found = {};
  std::string names;
  int64_t num_files = 0;
  for (int64_t i = 0; i < zip_get_num_entries(archive, 0); ++i) {
    zip_stat_t entry;
    CHECK(zip_stat_index(archive, static_cast<zip_uint64_t>(i), 0, &entry) == 0, path, ": member ", i,
          " cannot be read: ", zip_strerror(archive));
    const std::string name = entry.name;
    if (name.empty() || name.back() == '/') continue;
    found = entry;
    if (++num_files <= 4) names += text(names.empty() ? "" : ", ", name);
  }
  CHECK(num_files == 1, path, ": the zip archive must hold exactly one file, it holds ", num_files,
        num_files > 0 ? text(" (", names, num_files > 4 ? ", ...)" : ")") : "");
  return found;
}

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
  if (missing && official) throw Error(text("no file ", path, "; ", how_to_get(*official)));
  MappedFile file(path);
  CHECK(!file.bytes().empty(), path, ": empty file, needed text to learn from");
  return file;
}

}  // namespace

std::string corpus_kind_name(CorpusKind kind) {
  switch (kind) {
    case CorpusKind::kEnwik8:
      return "enwik8";
    case CorpusKind::kText8:
      return "text8";
    case CorpusKind::kBytes:
      return "bytes";
  }
  throw Error("corpus: unknown kind");
}

CorpusKind parse_corpus_kind(const std::string& name) {
  for (const CorpusKind kind : {CorpusKind::kEnwik8, CorpusKind::kText8, CorpusKind::kBytes}) {
    if (name == corpus_kind_name(kind)) return kind;
  }
  throw UsageError(text("corpus kind \"", name, "\": expected enwik8, text8 or bytes"));
}

std::optional<OfficialCorpus> official_corpus(CorpusKind kind) {
  // The author publishes MD5 and SHA-1 (enwik8 a1fa5ffddb56f4953e226637dabbb36a, text8
  // 3bea1919949baf155f99411df5fada7e); these are the SHA-256 of the same files.
  switch (kind) {
    case CorpusKind::kEnwik8:
      return OfficialCorpus{
          .name = "enwik8",
          .bytes = 100'000'000,
          .sha256 = "2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
          .url = "https://mattmahoney.net/dc/enwik8.zip",
          .archive_bytes = 36'445'475,
          .archive_sha256 = "547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc"};
    case CorpusKind::kText8:
      return OfficialCorpus{
          .name = "text8",
          .bytes = 100'000'000,
          .sha256 = "6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
          .url = "https://mattmahoney.net/dc/text8.zip",
          .archive_bytes = 31'344'016,
          .archive_sha256 = "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"};
    case CorpusKind::kBytes:
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

bool CorpusSource::is_zip() const {
  constexpr uint8_t kLocalHeader[4] = {'P', 'K', 3, 4};
  std::string extension = std::filesystem::path(path()).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  if (extension == ".zip") return true;
  // A renamed archive is no text; for kind bytes any content is as good as another.
  const std::span<const uint8_t> bytes = file_.bytes();
  return kind_ != CorpusKind::kBytes && bytes.size() >= 4 &&
         std::equal(std::begin(kLocalHeader), std::end(kLocalHeader), bytes.begin());
}

void CorpusSource::unpack(const std::string& scratch_path, const CorpusProgress& progress) {
  if (!is_zip()) return;
  const std::optional<OfficialCorpus> official = official_corpus(kind_);
  const Archive archive = open_archive(path(), official ? text(" ", how_to_get(*official)) : "");
  const zip_stat_t entry = only_member(archive.get(), path());
  const Member member(zip_fopen_index(archive.get(), entry.index, 0));
  CHECK(member, path(), ": member ", entry.name, " cannot be read: ", zip_strerror(archive.get()));

  scratch_ = std::make_unique<AtomicFile>(scratch_path);
  std::vector<uint8_t> block(kBlock);
  const auto total = static_cast<int64_t>(entry.size);
  while (true) {
    // The checksum of the member is compared when its end is reached.
    const zip_int64_t size = zip_fread(member.get(), block.data(), block.size());
    CHECK(size >= 0, path(), ": member ", entry.name, " is damaged: ", zip_file_strerror(member.get()));
    if (size == 0) break;
    scratch_->write(std::span<const uint8_t>(block).first(static_cast<size_t>(size)));
    if (progress) progress("unpack", scratch_->size(), total);
  }
  CHECK(scratch_->size() == total, path(), ": member ", entry.name, " ends after ", scratch_->size(), " of ",
        total, " bytes");
  CHECK(total > 0, path(), ": member ", entry.name, " is empty, needed text to learn from");
  unpacked_.emplace(scratch_->temporary_path());
  name_ = std::filesystem::path(entry.name).filename().string();
}

std::span<const uint8_t> CorpusSource::bytes() const {
  return unpacked_ ? unpacked_->bytes() : file_.bytes();
}

}  // namespace lf
