#include "core/file_kinds.h"

#include <algorithm>
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

// What a Git LFS pointer is for; "" for anything else.
std::string git_lfs_pointer(std::string_view begin) {
  if (!begin.starts_with(kGitLfs)) return "";
  return text("a Git LFS pointer: the file itself", stated_size(begin.substr(0, kLongestPointer)),
              " was not downloaded; get it with `git lfs pull`");
}

}  // namespace

void refuse_git_lfs_pointer(const std::string& path, std::span<const uint8_t> begin) {
  const std::string found = git_lfs_pointer({reinterpret_cast<const char*>(begin.data()), begin.size()});
  CHECK(found.empty(), path, ": ", found);
}

std::string stand_in(std::string_view begin) {
  if (begin.starts_with("\x1F\x8B")) return "data packed by gzip; unpack it with `gunzip`";
  if (begin.starts_with("PK\x03\x04")) return "a zip archive; unpack it with `unzip`";
  return git_lfs_pointer(begin);
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

bool is_hidden_name(std::string_view name) {
  while (!name.empty()) {
    const std::string_view part = name.substr(0, name.find('/'));
    name.remove_prefix(std::min(part.size() + 1, name.size()));
    if (part == "__MACOSX" || (part.starts_with('.') && part != "." && part != "..")) return true;
  }
  return false;
}

}  // namespace lf
