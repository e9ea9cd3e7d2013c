#include "core/loaded_library.h"

#include <dlfcn.h>
#include <glob.h>

#include <filesystem>

#include "core/check.h"
#include "core/format.h"

namespace lf {
namespace {

std::vector<std::string> matches(const std::string& pattern) {
  glob_t found{};
  const int status = glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<std::string> paths;
  if (status == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  return paths;
}

}  // namespace

std::string program_folder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

LoadedLibrary::LoadedLibrary(const std::string& who, const std::string& file,
                             const std::vector<std::string>& folders, const std::string& remedy)
    : file_(file) {
  std::vector<std::string> reasons;
  // For all to see: what a library of MPI loads later expects its symbols there.
  const auto load = [&](const std::string& path) {
    handle_ = dlopen(path.c_str(), RTLD_LAZY | RTLD_GLOBAL);
    if (handle_) return true;
    const std::string reason = dlerror();
    if (!reason.starts_with(file + ": cannot open shared object file")) reasons.push_back(reason);
    return false;
  };
  if (load(file)) return;
  for (const std::string& folder : folders) {
    for (const std::string& path : matches(folder + "/" + file)) {
      if (load(path)) return;
    }
  }
  throw Error(
      reasons.empty()
          ? text(who, " needs ", file, ", which is neither where the system's loader looks ",
                 "(LD_LIBRARY_PATH) nor in ", joined(folders), "; ", remedy)
          : text(who, " needs ", file, ", which could not be loaded: ", joined(reasons), "; ", remedy));
}

void* LoadedLibrary::symbol(const char* name) const {
  void* found = dlsym(handle_, name);
  CHECK(found, file_, " has no function ", name, "; another version of it is needed");
  return found;
}

}  // namespace lf
