#include "core/nvidia_folders.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <system_error>

namespace lf {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// As a pattern that matches this path alone, see glob(7).
std::string literally(const std::string& path) {
  std::string pattern;
  for (const char c : path) {
    if (std::string_view("*?[\\").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

// The folders above which a Python's packages may stand, the likeliest first.
std::vector<std::string> python_roots() {
  std::vector<std::string> roots{variable("VIRTUAL_ENV"), variable("CONDA_PREFIX")};
  std::istringstream path(variable("PATH"));
  for (std::string folder; std::getline(path, folder, ':');) {
    std::error_code error;
    if (std::filesystem::exists(folder + "/python3", error)) {
      roots.push_back(std::filesystem::path(folder).parent_path().string());
    }
  }
  if (const std::string home = variable("HOME"); !home.empty()) roots.push_back(home + "/.local");
  roots.insert(roots.end(), {"/usr/local", "/usr"});
  return roots;
}

}  // namespace

std::vector<std::string> nvidia_folders() {
  std::vector<std::string> folders;
  const auto add = [&](const std::string& root, const std::string& below) {
    if (root.empty() || root == "/") return;
    if (std::find(folders.begin(), folders.end(), root + below) == folders.end())
      folders.push_back(root + below);
  };
  for (const std::string& root : {literally(variable("CUDA_HOME")), literally(variable("CUDA_PATH")),
                                  std::string("/usr/local/cuda*")}) {
    for (const char* below : {"/lib64", "/lib", "/targets/x86_64-linux/lib"}) add(root, below);
  }
  for (const std::string& root : python_roots()) {
    add(literally(root),
        "/lib/python3*/*-packages/nvidia/*/lib");  // site-packages; dist-packages in Debian's
  }
  return folders;
}

}  // namespace lf
