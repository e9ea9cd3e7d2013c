#include "data/characters/sample_corpus.h"

#include <filesystem>
#include <system_error>

#include "core/check.h"
#include "core/loaded_library.h"

namespace lf {

std::string sample_corpus_path() {
  constexpr char kName[] = "enwik8-1MB";
  const std::filesystem::path program = program_folder();
  // PREFIX/bin/longform stands beside PREFIX/share/longform; a build has a link to the repository.
  const std::filesystem::path installed = program.parent_path() / LF_INSTALL_DATADIR / "samples" / kName;
  const std::filesystem::path in_source = program / "source/data/samples" / kName;
  std::error_code error;
  for (const auto& path : {installed, in_source}) {
    if (std::filesystem::is_regular_file(path, error)) return path.string();
  }
  throw Error(text("the sample corpus is neither at ", installed.string(), " nor at ", in_source.string(),
                   "; install the program with cmake --install or name a corpus"));
}

}  // namespace lf
