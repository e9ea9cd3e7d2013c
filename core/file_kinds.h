// What a file is by its first bytes, whatever its name says.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lf {

// The same bytes as characters.
inline std::string_view as_text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Whether data packed by gzip, or a zip archive, begins so.
bool is_gzip(std::span<const uint8_t> begin);
bool is_zip(std::span<const uint8_t> begin);

// Throws Error where the bytes are a Git LFS pointer, which stands where a file was not downloaded
// (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md): with its size and the way to get it.
void refuse_git_lfs_pointer(const std::string& path, std::span<const uint8_t> begin);

// What stands in place of a file that is to be read as it is, and what helps: a Git LFS pointer, data packed
// by gzip, xz, ..., a zip archive; "" for anything else.
std::string stand_in(std::string_view begin);

// The same where any bytes may be meant: for data whose packing the file's name says as well, and which is
// none of those that are unpacked here (gzip, zip), and for tar archives.
std::string unread_packing(std::string_view name, std::string_view begin);

// Where text begins: behind a byte order mark in UTF-8. Throws Error that names what it is for text in UTF-16
// or UTF-32, for binary data, which have zero bytes, and for what stands in its place.
size_t text_begin(const std::string& path, std::string_view begin);

// Whether a name ends so, in capitals or not: x.txt, x.TXT. `ending` is in small letters.
bool has_ending(std::string_view name, std::string_view ending);

// Whether a file of this name, with folders, is somebody's bookkeeping and no user's: hidden files and
// folders (.ipynb_checkpoints, ._name of macOS), and what macOS puts beside a zip archive's files (__MACOSX)
// and Windows into folders (Thumbs.db, desktop.ini).
bool is_hidden_name(std::string_view name);

}  // namespace lf
