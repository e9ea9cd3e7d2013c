#include "core/file_paths.h"

#include <system_error>

#include "core/check.h"
#include "core/files.h"

namespace lf {

std::string explained(const std::filesystem::filesystem_error& error) {
  const std::string first = error.path1().string(), second = error.path2().string();
  return text("cannot use ", first, second.empty() ? "" : " and ", second, ": ",
              reason(error.code().value()));
}

std::filesystem::path temporary_folder() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  CHECK(!error, "no folder for temporary files: ", reason(error.value()), "; name one with TMPDIR");
  return folder;
}

bool is_there(const std::string& path) {
  std::error_code error;
  const auto type = std::filesystem::symlink_status(path, error).type();
  return type != std::filesystem::file_type::not_found;  // without rights to look: opening it says so
}

std::string broken_link(const std::string& path) {
  std::error_code error;
  const std::filesystem::path target = std::filesystem::read_symlink(path, error);
  return target.empty() ? "" : text("a link to ", target.string(), ", which does not exist");
}

std::string absence(const std::string& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error)) return "";
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
    return text("cannot use ", path, ": ", reason(error.value()));
  const std::string link = broken_link(path);
  return path + (link.empty() ? " does not exist" : " is " + link);
}

void check_exists(const std::string& path) {
  const std::string words = absence(path);
  CHECK(words.empty(), words);
}

bool is_link(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_symlink(std::filesystem::symlink_status(path, ignored));
}

}  // namespace lf
