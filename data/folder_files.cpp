#include "data/folder_files.h"

#include <algorithm>
#include <set>
#include <system_error>

#include "core/check.h"
#include "core/file_kinds.h"
#include "core/file_paths.h"
#include "core/files.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

// The files below a folder, links included; every folder once, however many links lead to it. Hidden names
// and broken links go into `left_out`.
class FolderSearch {
 public:
  FolderSearch(const std::string& source, std::vector<std::string>& left_out)
      : source_(source), left_out_(left_out) {
    search(source);
  }
  std::vector<fs::path> paths;

 private:
  // A link to itself leads nowhere, too.
  static bool leads_somewhere(const fs::directory_entry& entry) {
    std::error_code error;
    return entry.exists(error) && !error;
  }
  void search(const fs::path& folder) {
    if (!searched_.insert(fs::canonical(folder).string()).second) {
      left_out_.push_back(name_of(folder) + " (searched already)");
      return;
    }
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (is_hidden_name(name)) {
        left_out_.push_back(name_of(entry.path()) + " (hidden)");
      } else if (entry.is_symlink() && !leads_somewhere(entry)) {
        left_out_.push_back(text(name_of(entry.path()), " (", broken_link(entry.path().string()), ")"));
      } else if (entry.is_directory()) {
        search(entry.path());
      } else {
        paths.push_back(entry.path());
      }
    }
  }
  std::string name_of(const fs::path& path) const {
    return path.lexically_relative(source_).generic_string();
  }

  fs::path source_;
  std::vector<std::string>& left_out_;
  std::set<std::string> searched_;
};

std::vector<fs::path> search(const std::string& source, std::vector<std::string>& left_out) {
  try {
    return FolderSearch(source, left_out).paths;
  } catch (const fs::filesystem_error& error) {
    throw_file_error("read the folder", error.path1().empty() ? source : error.path1().string(),
                     error.code().value());
  }
}

// Leaves one name of every file: its own, or else the first link to it.
void leave_out_second_links(const std::string& source, std::vector<fs::path>& paths,
                            std::vector<std::string>& left_out) {
  const auto is_link = [](const fs::path& path) { return fs::is_symlink(path); };
  if (std::none_of(paths.begin(), paths.end(), is_link)) return;
  std::set<std::string> files;
  for (const fs::path& path : paths) {
    if (!is_link(path)) files.insert(fs::canonical(path).string());
  }
  std::erase_if(paths, [&](const fs::path& path) {
    const bool left = is_link(path) && !files.insert(fs::canonical(path).string()).second;
    if (left) left_out.push_back(path.lexically_relative(source).generic_string() + " (a link to another)");
    return left;
  });
}

}  // namespace

std::vector<std::filesystem::path> files_below(const std::string& folder,
                                               std::vector<std::string>& left_out) {
  std::vector<fs::path> paths = search(folder, left_out);
  // By their characters, whatever the file system's or the locale's order is.
  std::sort(paths.begin(), paths.end(),
            [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  leave_out_second_links(folder, paths, left_out);
  return paths;
}

}  // namespace lf
