#include "data/sample_corpus.h"

#include <filesystem>
#include <system_error>

#include "core/check.h"

namespace lf {

std::string sample_corpus_path() {
  constexpr char kName[] = "enwik8-1MB";
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  // PREFIX/bin/longform stands beside PREFIX/share/longform.
  const std::filesystem::path installed =
      program.parent_path().parent_path() / LF_INSTALL_DATADIR / "samples" / kName;
  const std::filesystem::path in_source = std::filesystem::path(LF_SOURCE_DIR) / "data/samples" / kName;
  for (const auto& path : {installed, in_source}) {
    if (std::filesystem::is_regular_file(path, error)) return path.string();
  }
  throw Error(text("the sample corpus is neither at ", installed.string(), " nor at ", in_source.string(),
                   "; install the program with cmake --install or name a corpus"));
}

}  // namespace lf
