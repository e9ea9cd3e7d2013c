// libarchive reads tar and zip. What unpacks a tar.gz is GzipReader: libarchive (3.6, 3.7) neither compares
// the checksums of gzip data nor minds damaged bytes in them or garbage behind them.
#include "data/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "core/files.h"
#include "data/gzip.h"

namespace lf {
namespace {

constexpr size_t kBlock = 1 << 17;

// A zip archive may have another name, a tar.gz cannot be told from other gzip data.
bool holds_zip(const std::string& path, std::span<const uint8_t> bytes) {
  return has_ending(path, ".zip") || is_zip(bytes);
}

struct Free {
  void operator()(archive* opened) const { archive_read_free(opened); }
};

// While it lives this thread's names are UTF-8: in the locale "C" libarchive gives no name that has other
// letters than ASCII's.
class Utf8Names {
 public:
  Utf8Names() : names_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (names_) before_ = ::uselocale(names_);
  }
  ~Utf8Names() {
    if (!names_) return;
    ::uselocale(before_);
    ::freelocale(names_);
  }
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;

 private:
  locale_t names_, before_ = {};
};

// The pieces that libarchive asks for, from a tar.gz.
struct TarBytes {
  explicit TarBytes(const MappedFile& file) : unpacked(file.path(), file.bytes()), block(kBlock) {}

  GzipReader unpacked;
  std::vector<uint8_t> block;
  std::exception_ptr failure = {};  // which must not pass through C
};

la_ssize_t on_read(archive* opened, void* user, const void** bytes) {
  auto& tar = *static_cast<TarBytes*>(user);
  try {
    *bytes = tar.block.data();
    return static_cast<la_ssize_t>(tar.unpacked.read(tar.block));
  } catch (...) {
    tar.failure = std::current_exception();
    archive_set_error(opened, EIO, "damaged gzip data");
    return ARCHIVE_FATAL;
  }
}

}  // namespace

bool is_archive_name(std::string_view name) {
  return has_ending(name, ".zip") || has_ending(name, ".tar.gz") || has_ending(name, ".tgz");
}

struct ArchiveReader::State {
  explicit State(const std::string& path) : file(path), opened(archive_read_new()) {
    CHECK(opened, path, ": out of memory");
    if (holds_zip(path, file.bytes())) {
      open_zip();
    } else {
      open_tar();
    }
  }

  void open_zip() {
    // Not the kind that reads without the directory at the archive's end: it would take a cut archive for a
    // short one.
    archive_read_support_format_zip_seekable(opened.get());
    const int result = archive_read_open_memory(opened.get(), file.bytes().data(), file.bytes().size());
    CHECK(result == ARCHIVE_OK && !file.bytes().empty(), file.path(), ": not a whole zip archive (", reason(),
          "); was the download cut short?");
  }

  void open_tar() {
    archive_read_support_format_tar(opened.get());
    tar = std::make_unique<TarBytes>(file);
    const int result = archive_read_open(opened.get(), tar.get(), nullptr, &on_read, nullptr);
    if (tar->failure) check(result, "");
    CHECK(result == ARCHIVE_OK, file.path(), ": not a whole tar archive (", reason(),
          "); was the download cut short?");
  }

  std::string reason() const {
    const char* const words = archive_error_string(opened.get());
    std::string line = words ? words : "it is empty";
    while (line.ends_with('\n')) line.pop_back();
    return line;
  }

  // A warning is that a name does not fit the locale, which nobody asked for.
  void check(int result, const std::string& what) {
    if (tar && tar->failure) std::rethrow_exception(std::exchange(tar->failure, {}));
    CHECK(result == ARCHIVE_OK || result == ARCHIVE_WARN, file.path(), ": ", what, ": ", reason());
  }

  bool next();
  void read_name(archive_entry* entry);
  bool is_wanted(archive_entry* entry) const;
  void read_to_the_end();

  MappedFile file;
  std::unique_ptr<TarBytes> tar;  // outlives `opened`
  std::unique_ptr<archive, Free> opened;
  std::string name;
  int64_t size = 0, done = 0;
  bool any = false;
};

void ArchiveReader::State::read_name(archive_entry* entry) {
  const char* found = archive_entry_pathname_utf8(entry);
  if (!found) found = archive_entry_pathname(entry);
  CHECK(found && *found, file.path(), ": a member ", any ? text("behind ", escaped(name)) : "at its begin",
        " has no name");
  name = found;
  const bool is_plain =
      std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; });
  CHECK(is_plain, file.path(), ": the member ", escaped(name), " has control characters in its name");
}

bool ArchiveReader::State::is_wanted(archive_entry* entry) const {
  const auto kind = archive_entry_filetype(entry);
  if (kind == AE_IFDIR || (kind == 0 && name.ends_with('/'))) return false;
  CHECK((kind == AE_IFREG || kind == 0) && !archive_entry_hardlink(entry), file.path(), ": member ", name,
        " is a link or a device, needed files only");
  return true;
}

// Behind tar's own end, where only the checksum is left.
void ArchiveReader::State::read_to_the_end() {
  if (tar) {
    while (tar->unpacked.read(tar->block) > 0) {
    }
  }
}

bool ArchiveReader::State::next() {
  const Utf8Names utf8_names;
  archive_entry* entry = nullptr;
  while (true) {
    const int result = archive_read_next_header(opened.get(), &entry);
    if (result == ARCHIVE_EOF) {
      read_to_the_end();
      return false;
    }
    const char* const kind = tar ? "not a whole tar archive" : "not a whole zip archive";
    check(result, any ? text(kind, ", after member ", name) : kind);
    read_name(entry);
    any = true;
    if (is_hidden_name(name) || !is_wanted(entry)) continue;
    CHECK(!archive_entry_is_data_encrypted(entry), file.path(), ": member ", name,
          " is encrypted; unpack it with its password first");
    size = archive_entry_size(entry);
    done = 0;
    return true;
  }
}

ArchiveReader::ArchiveReader(const std::string& path) : state_(std::make_unique<State>(path)) {}
ArchiveReader::~ArchiveReader() = default;
ArchiveReader::ArchiveReader(ArchiveReader&&) noexcept = default;

bool ArchiveReader::next() { return state_->next(); }
bool ArchiveReader::is_zip() const { return !state_->tar; }
const std::string& ArchiveReader::name() const { return state_->name; }
int64_t ArchiveReader::size() const { return state_->size; }

size_t ArchiveReader::read(std::span<uint8_t> out) {
  State& state = *state_;
  size_t filled = 0;
  while (filled < out.size()) {
    const la_ssize_t bytes = archive_read_data(state.opened.get(), out.data() + filled, out.size() - filled);
    // Here a warning is a checksum or a size that differs.
    if (bytes < 0 && !(state.tar && state.tar->failure))
      throw Error(text(state.file.path(), ": member ", state.name, " is damaged: ", state.reason()));
    state.check(ARCHIVE_OK, "");
    if (bytes == 0) break;
    filled += static_cast<size_t>(bytes);
  }
  state.done += static_cast<int64_t>(filled);
  const bool ended = filled < out.size();
  CHECK(state.done <= state.size && (!ended || state.done == state.size), state.file.path(), ": member ",
        state.name, ended ? " ends after " : " goes on behind ", state.done, " of ", state.size, " bytes");
  return filled;
}

std::string ArchiveReader::read_rest(int64_t most) {
  CHECK(size() - state_->done <= most, state_->file.path(), ": member ", name(), " has ", size(),
        " bytes, more than the ", most, " that are read");
  // One more, so that the end is reached, where the checksum is compared.
  std::string content(static_cast<size_t>(size() - state_->done) + 1, '\0');
  content.resize(read({reinterpret_cast<uint8_t*>(content.data()), content.size()}));
  return content;
}

int64_t ArchiveReader::bytes_read() const {
  return state_->tar ? state_->tar->unpacked.packed_bytes_read()
                     : archive_filter_bytes(state_->opened.get(), -1);
}

ArchiveMember only_member(const std::string& path) {
  ArchiveReader archive(path);
  const char* const kind = archive.is_zip() ? "zip" : "tar.gz";
  ArchiveMember found;
  std::string names;
  int64_t num_files = 0;
  while (archive.next()) {
    found = {.name = archive.name(), .size = archive.size()};
    if (++num_files <= 4) names += text(names.empty() ? "" : ", ", archive.name());
  }
  CHECK(num_files == 1, path, ": the ", kind, " archive must hold exactly one file, it holds ", num_files,
        num_files > 0 ? text(" (", names, num_files > 4 ? ", ...)" : ")") : "");
  return found;
}

}  // namespace lf
