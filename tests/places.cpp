#include "tests/places.h"

#include <filesystem>

#include "core/check.h"
#include "core/loaded_library.h"

namespace lf {

// Nothing here knows the build machine, so that the tests run from a bundle: beside them stands `source`, a
// link that the build makes to the repository, or ../share/longform/source, a copy of what tests read.
std::string source_path(const std::string& name) {
  const std::filesystem::path beside = program_folder();
  for (const auto& root : {beside / "source", beside.parent_path() / LF_INSTALL_DATADIR / "source"}) {
    if (std::filesystem::exists(root)) return (std::filesystem::canonical(root) / name).string();
  }
  throw Error(text("the repository's files are neither beside the tests in ", beside.string(),
                   " nor in an installed layout"));
}

std::string program_path() { return program_folder() + "/longform"; }

}  // namespace lf
