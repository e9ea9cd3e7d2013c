#include "core/file_kinds.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/check.h"

namespace lf {
namespace {

constexpr std::string_view kGitLfs = "version https://git-lfs.github.com/spec/";
constexpr size_t kLongestPointer = 1024;  // by its specification

// "498818054 bytes" of "... size 498818054\n".
std::string stated_size(std::string_view pointer) {
  constexpr std::string_view kSize = "\nsize ";
  const size_t at = pointer.find(kSize);
  if (at == pointer.npos) return "";
  std::string_view digits = pointer.substr(at + kSize.size());
  digits = digits.substr(0, std::min(digits.find_first_not_of("0123456789"), digits.size()));
  return digits.empty() ? "" : text(" (", digits, " bytes)");
}

// Ways to pack files, told by the first bytes of the result.
struct Packing {
  std::string_view magic, ending, short_ending, name, tool;
  bool is_read = false;  // readers of text and records unpack it
  std::string words() const { return text(name, "; unpack it with `", tool, "`"); }
};
constexpr std::string_view kGzip = "\x1F\x8B", kZip = "PK\x03\x04";
constexpr std::array kPackings = {
    Packing{kGzip, ".gz", ".tgz", "data packed by gzip", "gunzip", true},
    Packing{kZip, ".zip", ".zip", "a zip archive", "unzip", true},
    Packing{"\xFD"
            "7zXZ",
            ".xz", ".txz", "data packed by xz", "unxz"},
    Packing{"BZh", ".bz2", ".tbz2", "data packed by bzip2", "bunzip2"},
    Packing{"\x28\xB5\x2F\xFD", ".zst", ".tzst", "data packed by zstd", "unzstd"},
    Packing{"\x04\x22\x4D\x18", ".lz4", ".lz4", "data packed by lz4", "unlz4"},
    Packing{"\x1F\x9D", ".z", ".z", "data packed by compress", "uncompress"},
    Packing{"7z\xBC\xAF\x27\x1C", ".7z", ".7z", "a 7z archive", "7z x"},
    Packing{"Rar!\x1A\x07", ".rar", ".rar", "a rar archive", "unrar x"}};

const Packing* packing_of(std::string_view begin) {
  const auto found = std::find_if(kPackings.begin(), kPackings.end(), [&](const Packing& packing) {
    // A text may begin as bzip2's data do; a digit and the first block's mark follow there.
    if (packing.magic == "BZh" && begin.substr(std::min<size_t>(begin.size(), 4), 3) != "1AY") return false;
    return begin.starts_with(packing.magic);
  });
  return found == kPackings.end() ? nullptr : &*found;
}

// What a Git LFS pointer is for; "" for anything else.
std::string git_lfs_pointer(std::string_view begin) {
  if (!begin.starts_with(kGitLfs)) return "";
  return text("a Git LFS pointer: the file itself", stated_size(begin.substr(0, kLongestPointer)),
              " was not downloaded; get it with `git lfs pull`");
}

}  // namespace

void refuse_git_lfs_pointer(const std::string& path, std::span<const uint8_t> begin) {
  const std::string found = git_lfs_pointer(as_text(begin));
  CHECK(found.empty(), path, ": ", found);
}

bool is_gzip(std::span<const uint8_t> begin) { return as_text(begin).starts_with(kGzip); }
bool is_zip(std::span<const uint8_t> begin) { return as_text(begin).starts_with(kZip); }

std::string stand_in(std::string_view begin) {
  const Packing* const packing = packing_of(begin);
  return packing ? packing->words() : git_lfs_pointer(begin);
}

std::string unread_packing(std::string_view name, std::string_view begin) {
  const Packing* const packing = packing_of(begin);
  if (packing && !packing->is_read &&
      (has_ending(name, packing->ending) || has_ending(name, packing->short_ending)))
    return packing->words();
  constexpr std::string_view kTar = "ustar";
  const bool is_tar =
      has_ending(name, ".tar") && begin.substr(std::min<size_t>(begin.size(), 257)).starts_with(kTar);
  return is_tar ? "a tar archive; unpack it with `tar -xf`" : "";
}

size_t text_begin(const std::string& path, std::string_view begin) {
  using namespace std::string_view_literals;
  const std::string other = stand_in(begin);
  CHECK(other.empty(), path, ": ", other);
  for (const auto& [mark, name] :
       {std::pair{"\xFF\xFE\0\0"sv, "UTF-32"}, std::pair{"\0\0\xFE\xFF"sv, "UTF-32"},
        std::pair{"\xFF\xFE"sv, "UTF-16"}, std::pair{"\xFE\xFF"sv, "UTF-16"}}) {
    CHECK(!begin.starts_with(mark), path, ": text in ", name, ", needed UTF-8; convert it with `iconv -f ",
          name, " -t UTF-8`");
  }
  constexpr size_t kLooked = 4096;
  const size_t zero = begin.substr(0, kLooked).find('\0');
  CHECK(zero == begin.npos, path, ": binary data, or text in UTF-16 without a byte order mark: byte ", zero,
        " is zero; needed text in UTF-8");
  constexpr auto kMark = "\xEF\xBB\xBF"sv;
  return begin.starts_with(kMark) ? kMark.size() : 0;
}

bool has_ending(std::string_view name, std::string_view ending) {
  if (name.size() < ending.size()) return false;
  name.remove_prefix(name.size() - ending.size());
  return std::equal(name.begin(), name.end(), ending.begin(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

bool is_hidden_name(std::string_view name) {
  while (!name.empty()) {
    const std::string_view part = name.substr(0, name.find('/'));
    name.remove_prefix(std::min(part.size() + 1, name.size()));
    if (part == "__MACOSX" || part == "Thumbs.db" || part == "desktop.ini") return true;
    if (part.starts_with('.') && part != "." && part != "..") return true;
  }
  return false;
}

}  // namespace lf
